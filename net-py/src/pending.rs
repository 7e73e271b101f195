//! A call that goes on while Python does something else.
//!
//! The thread that begins it also sends it, and the reader of its link wakes the thread of `answers`, or the loop that awaits it (see
//! `inbox`); no task of the runtime is in between. Not here: what is called and what came of it (see `call`).

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use tokio::runtime::Handle;

use crate::answers::{self, Notice};
use crate::attach;
use crate::call::{self, Outcome};
use crate::inbox::{Inbox, ToLoop};
use crate::local::Generation;

/// How far a call is.
enum Stage {
    Waiting(Pin<Box<dyn Future<Output = Outcome> + Send>>),
    Answered {
        outcome: Outcome,
        /// Whether Python is being told of it.
        told: bool,
    },
    /// Its result was taken, or it was cancelled.
    Over,
}

/// Who goes on with a call that was woken, and tells of its answer.
enum Woken {
    /// The thread of `answers`.
    Thread(Sender<Notice>),
    /// The asyncio loop in which it is awaited.
    Loop(ToLoop),
}

/// A call, and whom to tell of its answer.
pub(crate) struct Progress {
    /// Never held while waiting for the interpreter: who has that may want this.
    stage: Mutex<Stage>,
    woken: Woken,
    /// Let go of as soon as it has been of use: what it refers to may well refer to this. Locked only while the interpreter is held.
    on_answer: Mutex<Option<Py<PyAny>>>,
    runtime: Handle,
    made_in: Generation,
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.made_in.is_over() {
            // In a forked child nobody is there to cancel it, and its link's lock may be held for ever.
            let stage = self.stage.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(std::mem::replace(stage, Stage::Over));
        }
    }
}

impl Progress {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on as far as it can.
    pub(crate) fn go_on(self: &Arc<Self>) {
        let mut stage = self.stage();
        let Stage::Waiting(call) = &mut *stage else {
            return;
        };
        let waker = Waker::from(Arc::clone(self));
        // Seen to be among tasks, the call leaves its writing to the link when other calls are on it: one write for many of them.
        let _entered = self.runtime.enter();
        if let Poll::Ready(outcome) = call.as_mut().poll(&mut Context::from_waker(&waker)) {
            *stage = Stage::Answered {
                outcome,
                told: false,
            };
        }
    }

    /// Whether there is an answer that Python is to be told of: true once. That the link has gone because the interpreter is ending
    /// is told to nobody: its threads are about to go, and would say on their way that they failed.
    pub(crate) fn has_news(&self) -> bool {
        match &mut *self.stage() {
            Stage::Answered { outcome, told } => {
                !std::mem::replace(told, true) && !call::is_of_the_end(outcome)
            }
            Stage::Waiting(_) | Stage::Over => false,
        }
    }

    /// Tells of the answer.
    pub(crate) fn tell(self: Arc<Self>, py: Python<'_>) -> PyResult<()> {
        let Some(on_answer) = self.take_on_answer() else {
            return Ok(());
        };
        let pending = Pending(self).into_pyobject(py)?;
        attach::call(on_answer.bind(py), &(pending,).into_pyobject(py)?, None).map(drop)
    }

    fn take_on_answer(&self) -> Option<Py<PyAny>> {
        let mut on_answer = self
            .on_answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        on_answer.take()
    }
}

impl Wake for Progress {
    fn wake(self: Arc<Self>) {
        match &self.woken {
            Woken::Thread(queue) => {
                let queue = queue.clone();
                // Fails only when the interpreter has ended.
                let _ = queue.send(Notice::Woken(self));
            }
            Woken::Loop(way) => {
                let way = way.clone();
                way.send(self);
            }
        }
    }
}

/// A call that is on its way while Python does something else.
#[pyclass(frozen, module = "net._net")]
pub(crate) struct Pending(Arc<Progress>);

#[pymethods]
impl Pending {
    /// Cancels the call, there too. False if its answer was here before; who waits is then told of that.
    fn cancel(&self) -> bool {
        if self.0.made_in.is_over() {
            return false;
        }
        let mut stage = self.0.stage();
        if !matches!(*stage, Stage::Waiting(_)) {
            return false;
        }
        let call = std::mem::replace(&mut *stage, Stage::Over);
        drop(stage);
        drop(self.0.take_on_answer());
        // What it makes ready must not wait for this thread, see there.
        net::blocking::apart(|| drop(call));
        true
    }

    /// The call's result, once, when its answer is here.
    fn result<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let mut stage = self.0.stage();
        match std::mem::replace(&mut *stage, Stage::Over) {
            Stage::Answered { outcome, .. } => {
                drop(stage);
                call::result(py, outcome)
            }
            other => {
                *stage = other;
                Err(PyRuntimeError::new_err(
                    "the call has no answer yet, or it was taken",
                ))
            }
        }
    }
}

/// Calls as `call` does, but returns at once; `on_answer` is called with the pending call when its answer is here: on a thread of ours
/// or, with an `inbox`, by it.
#[pyfunction]
#[pyo3(signature = (target, tag, args, kwargs, time_out, on_answer, inbox=None))]
pub(crate) fn begin(
    target: &Bound<'_, PyAny>,
    tag: &str,
    args: &Bound<'_, PyTuple>,
    kwargs: Option<&Bound<'_, PyDict>>,
    time_out: Option<f64>,
    on_answer: Py<PyAny>,
    inbox: Option<&Bound<'_, Inbox>>,
) -> PyResult<Pending> {
    let py = target.py();
    let call = call::prepare(target, tag, args, kwargs, time_out)?;
    let runtime = call.remote().local().runtime().clone();
    let stage = Mutex::new(Stage::Waiting(Box::pin(call::Made(call))));
    let progress = Arc::new(Progress {
        stage,
        woken: match inbox {
            Some(inbox) => Woken::Loop(inbox.get().way()),
            None => Woken::Thread(answers::queue(py)?),
        },
        on_answer: Mutex::new(Some(on_answer)),
        runtime,
        made_in: Generation::now(),
    });
    py.detach(|| net::blocking::apart(|| progress.go_on()));
    if !matches!(*progress.stage(), Stage::Waiting(_)) {
        // Told in the same way all the same: who begins a call is not ready for its answer before this returns.
        Arc::clone(&progress).wake();
    }
    Ok(Pending(progress))
}
