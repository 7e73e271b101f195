//! The thread that sees to calls nobody blocks for: it goes on with those that were woken, and tells Python of all that are answered,
//! taking the interpreter once for as many as there are.
//!
//! Not done on the runtime's threads: whoever holds the interpreter for long would keep those from answering pings, and then
//! a peer that is only busy would look dead.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyTuple;

use crate::attach::{self, attach};
use crate::pending::Progress;
use crate::signals;

/// What the thread is to see to.
pub(crate) enum Notice {
    /// A call that can go on, and may have its answer.
    Woken(Arc<Progress>),
    /// Something to be called in Python, without arguments.
    Call(Py<PyAny>),
    /// An object that was sent and is not needed any more.
    LetGo(PyBackedBytes),
}

/// The way to the thread. Locked only while the interpreter is held, so a fork never finds it locked.
static QUEUE: Mutex<Option<Sender<Notice>>> = Mutex::new(None);

/// The way to the thread, which is started if there is none yet. Unbounded: each notice is of a call that was let through.
pub(crate) fn queue(_attached: Python<'_>) -> PyResult<Sender<Notice>> {
    let mut queue = QUEUE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(queue) = &*queue {
        return Ok(queue.clone());
    }
    let (sender, receiver) = channel();
    signals::spawn("net-answers", move || run(&receiver))?;
    Ok(queue.insert(sender).clone())
}

/// Forgets the thread in a forked child, where it does not run.
pub(crate) fn after_fork(_attached: Python<'_>) {
    std::mem::forget(QUEUE.lock().unwrap_or_else(PoisonError::into_inner).take());
}

fn run(notices: &Receiver<Notice>) {
    let mut due = Vec::new();
    while let Ok(first) = notices.recv() {
        // Without the interpreter, which others may want meanwhile.
        due.extend(std::iter::once(first).chain(notices.try_iter()).filter(
            |notice| match notice {
                Notice::Woken(progress) => {
                    progress.go_on();
                    progress.has_news()
                }
                Notice::Call(_) | Notice::LetGo(_) => true,
            },
        ));
        if due.is_empty() {
            continue;
        }
        let told = attach(|py| due.drain(..).for_each(|notice| tell(py, notice)));
        if told.is_none() {
            // The interpreter is gone, and with it everybody who could be told.
            return;
        }
    }
}

fn tell(py: Python<'_>, notice: Notice) {
    let told = match notice {
        Notice::Woken(progress) => progress.tell(py),
        Notice::Call(callback) => {
            attach::call(callback.bind(py), &PyTuple::empty(py), None).map(drop)
        }
        Notice::LetGo(object) => {
            drop(object);
            Ok(())
        }
    };
    if let Err(error) = told {
        error.write_unraisable(py, None);
    }
}
