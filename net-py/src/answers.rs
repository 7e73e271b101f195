//! The thread that tells Python of answers nobody blocks for: it takes the interpreter once for all that have come meanwhile.
//!
//! Not done on the runtime's threads, because whoever holds the interpreter for long would keep those from answering pings,
//! and then a peer that is only busy would look dead.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use pyo3::prelude::*;

/// Something to be called in Python, with the argument it takes if it takes one.
pub(crate) struct Notice {
    pub(crate) callback: Py<PyAny>,
    pub(crate) argument: Option<Py<PyAny>>,
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
    thread::Builder::new()
        .name("net-answers".into())
        .spawn(move || run(&receiver))?;
    Ok(queue.insert(sender).clone())
}

/// Forgets the thread in a forked child, where it does not run.
pub(crate) fn after_fork(_attached: Python<'_>) {
    std::mem::forget(QUEUE.lock().unwrap_or_else(PoisonError::into_inner).take());
}

fn run(notices: &Receiver<Notice>) {
    while let Ok(first) = notices.recv() {
        let told = Python::try_attach(|py| {
            for notice in std::iter::once(first).chain(notices.try_iter()) {
                let callback = notice.callback.bind(py);
                let called = match notice.argument {
                    Some(argument) => callback.call1((argument,)),
                    None => callback.call0(),
                };
                if let Err(error) = called {
                    error.write_unraisable(py, Some(callback));
                }
            }
        });
        if told.is_none() {
            // The interpreter is gone, and with it everybody who could be told.
            return;
        }
    }
}
