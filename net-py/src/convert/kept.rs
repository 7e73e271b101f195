//! Python's bytes objects as bytes that Rust holds on to, to send them from where they lie; and how they are let go.

use std::sync::mpsc::Sender;

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::answers::{self, Notice};

/// From here on an object is let go at once. What is smaller waits, where the interpreter is not held, for whoever takes it next, as
/// waking a thread for it would cost more.
const LARGE: usize = 1024 * 1024;

struct Kept {
    /// None once it is let go.
    object: Option<PyBackedBytes>,
    queue: Sender<Notice>,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        self.object.as_deref().unwrap_or_default()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(object) = self.object.take()
            && object.len() >= LARGE
        {
            // Fails only when the interpreter has ended.
            let _ = self.queue.send(Notice::LetGo(object));
        }
    }
}

/// The bytes of `object`, which lives as long as they do.
///
/// # Errors
///
/// The thread that lets it go cannot be started.
pub(super) fn keep(object: &Bound<'_, PyBytes>) -> PyResult<Bytes> {
    Ok(Bytes::from_owner(Kept {
        queue: answers::queue(object.py())?,
        object: Some(object.clone().into()),
    }))
}
