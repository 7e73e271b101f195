//! Who calls, as the Python code sees it that runs for the call: `net.caller()`.
//!
//! It is in a context variable, so that what a function begins in its context, as an asyncio task, has it too. Setting that and setting
//! it back would cost each call; so a thread that runs functions leaves it set, and notes for whom, for the next call of the same caller.

use std::cell::{Cell, RefCell};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::local::{self, Generation};
use crate::remote::Remote;

thread_local! {
    /// Whose calls the context of this thread says that it runs.
    static NOTED: RefCell<Option<net::Caller>> = const { RefCell::new(None) };
    /// How many functions run on this thread, one within another.
    static RUNNING: Cell<usize> = const { Cell::new(0) };
}

fn variable(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static VARIABLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let variable = VARIABLE.get_or_try_init(py, || {
        let class = py.import("contextvars")?.getattr("ContextVar")?;
        class.call1(("net.caller",)).map(Bound::unbind)
    })?;
    Ok(variable.bind(py))
}

/// Has the context of this thread say that it runs for `caller`. Gives for whom before, if that was another.
fn note(py: Python<'_>, caller: &net::Caller) -> PyResult<Option<net::Caller>> {
    let is_noted = NOTED.with_borrow(|noted| noted.as_ref().is_some_and(|noted| noted.is(caller)));
    if is_noted {
        return Ok(None);
    }
    let told = Caller {
        caller: caller.clone(),
        called_in: Generation::now(),
    };
    variable(py)?.call_method1("set", (told,))?;
    Ok(NOTED.replace(Some(caller.clone())))
}

/// Runs `f` so that [`caller`] is this one in it, and in what it begins in its context.
pub(crate) fn run_for<R>(
    py: Python<'_>,
    caller: &net::Caller,
    f: impl FnOnce() -> PyResult<R>,
) -> PyResult<R> {
    let before = note(py, caller)?;
    let is_inner = RUNNING.replace(RUNNING.get() + 1) > 0;
    let done = f();
    RUNNING.set(RUNNING.get() - 1);
    if is_inner && let Some(before) = before {
        note(py, &before)?;
    }
    done
}

/// Runs `f` so that nobody calls it, whoever was the last on this thread.
pub(crate) fn run_for_nobody<R>(py: Python<'_>, f: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
    if NOTED.take().is_some() {
        variable(py)?.call_method1("set", (py.None(),))?;
    }
    f()
}

/// Who makes a call.
#[pyclass(frozen, module = "net._net")]
pub(crate) struct Caller {
    caller: net::Caller,
    called_in: Generation,
}

#[pymethods]
impl Caller {
    /// The instance's id, 32 hex digits; an original has none.
    #[getter]
    fn instance_id(&self) -> Option<String> {
        self.caller.id().map(|id| id.to_string())
    }

    #[getter]
    fn name(&self) -> &str {
        self.caller.name()
    }

    /// The group that it has proved to be of.
    #[getter]
    fn group(&self) -> Option<&str> {
        self.caller.group()
    }

    #[getter]
    fn is_original(&self) -> bool {
        self.caller.is_original()
    }

    /// A handle on it, where it can be called and the peer is here that it called.
    fn remote(&self) -> Option<Remote> {
        let remote = self.caller.remote()?;
        let own = local::running_as(remote.local())?;
        Some(Remote::new_of(&own, remote))
    }
}

/// Who calls, in a function and in what it has begun in its context.
#[pyfunction]
pub(crate) fn caller(py: Python<'_>) -> PyResult<Option<Bound<'_, Caller>>> {
    if RUNNING.get() == 0 && NOTED.with_borrow(Option::is_some) {
        // Between two calls, as when it logs: what the context says is of the last one.
        return Ok(None);
    }
    let told = variable(py)?.call_method1("get", (py.None(),))?;
    // In a forked child the call is its parent's.
    let told = told.cast_into::<Caller>().ok();
    Ok(told.filter(|told| !told.get().called_in.is_over()))
}
