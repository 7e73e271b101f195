//! The one place where failures become Python's exceptions. The classes themselves are in `python/net/_errors.py`.

use net::CallError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use crate::attach;
use crate::convert::Fault;

/// A class or function of `net._errors`.
fn of_errors<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    static ERRORS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let errors = ERRORS.get_or_try_init(py, || py.import("net._errors").map(Bound::unbind))?;
    errors.bind(py).getattr(name)
}

fn raise(py: Python<'_>, class: &str, text: String) -> PyErr {
    match of_errors(py, class).and_then(|class| Ok(class.cast_into::<PyType>()?)) {
        Ok(class) => PyErr::from_type(class, text),
        Err(error) => error,
    }
}

/// What a call that failed raises in its caller.
pub(crate) fn call_error(py: Python<'_>, error: CallError) -> PyErr {
    let class = match &error {
        CallError::Unreachable { .. } => "Unreachable",
        CallError::Busy { .. } => "Busy",
        CallError::Lost { .. } => "Lost",
        CallError::TimedOut { .. } => "TimedOut",
        CallError::Cancelled => "Cancelled",
        CallError::NoSuchConnection { .. } => "NoSuchConnection",
        CallError::Refused { .. } => "Refused",
        CallError::Value(_) | CallError::TooLarge { .. } => "BadValue",
        CallError::Remote(remote) => {
            let of_its_type = of_errors(py, "remote_error").and_then(|make| {
                make.call1((
                    &remote.kind,
                    &remote.message,
                    &remote.traceback,
                    &remote.peer,
                ))
            });
            return match of_its_type {
                Ok(error) => PyErr::from_value(error),
                Err(error) => error,
            };
        }
        CallError::Flag { name } => return flag(py, name.clone()),
        // ShutDown, and what the core may yet add: there is nothing a caller could do about it by its type.
        _ => "Error",
    };
    raise(py, class, error.to_string())
}

/// How the Python side is told that the answer is a flag.
pub(crate) fn flag(py: Python<'_>, name: String) -> PyErr {
    raise(py, "FlagAnswer", name)
}

/// A value that cannot travel, with what Python raised over it as the cause.
pub(crate) fn bad_value(py: Python<'_>, fault: Fault) -> PyErr {
    match fault.explain(py) {
        Ok((text, cause)) => {
            let error = raise(py, "BadValue", text);
            error.set_cause(py, cause);
            error
        }
        Err(error) => error,
    }
}

/// What is wrong on this process's own side.
pub(crate) fn plain(py: Python<'_>, text: String) -> PyErr {
    raise(py, "Error", text)
}

/// Writes `text` to the log of the program, as an error.
pub(crate) fn log(py: Python<'_>, text: &str) {
    let logged = py
        .import("net._environment")
        .and_then(|module| module.getattr("LOGGER")?.call_method1("error", (text,)));
    if let Err(error) = logged {
        error.write_unraisable(py, None);
    }
}

/// What the other side is told of an exception: its type's name, its text, its traceback. Logs it here too.
pub(crate) fn describe(
    py: Python<'_>,
    tag: &str,
    error: PyErr,
) -> PyResult<(String, String, String)> {
    let args = (tag, error.into_value(py)).into_pyobject(py)?;
    // Logging is the program's, and may take its time.
    attach::call(&of_errors(py, "describe")?, &args, None)?.extract()
}
