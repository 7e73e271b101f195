//! The answers of calls that are awaited in one asyncio loop: a descriptor by which the loop wakes, and what then is to be told in it.
//!
//! The reader of a link puts in what it has woken, without the interpreter, and writes to the descriptor once for as many as come before
//! the loop looks. So an answer passes from the reader straight to the loop's thread. Where a loop cannot watch descriptors, `answers` tells.

use std::io::{self, Read as _, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use pyo3::prelude::*;

use crate::pending::Progress;

#[cfg(unix)]
type Socket = std::os::unix::net::UnixStream;
#[cfg(not(unix))]
type Socket = std::net::TcpStream;

#[cfg(unix)]
fn pair() -> io::Result<(Socket, Socket)> {
    Socket::pair()
}

#[cfg(not(unix))]
fn pair() -> io::Result<(Socket, Socket)> {
    Err(io::ErrorKind::Unsupported.into())
}

/// What a loop has yet to see to.
struct Woken {
    calls: Mutex<Vec<Arc<Progress>>>,
    /// What is written to the one end wakes the loop at the other.
    rope: Socket,
    bell: Socket,
}

impl Woken {
    fn calls(&self) -> MutexGuard<'_, Vec<Arc<Progress>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to a loop. It keeps nothing alive: with the loop goes whatever it has not looked at.
#[derive(Clone)]
pub(crate) struct ToLoop(Weak<Woken>);

impl ToLoop {
    pub(crate) fn send(&self, call: Arc<Progress>) {
        let Some(woken) = self.0.upgrade() else {
            return;
        };
        let is_first = {
            let mut calls = woken.calls();
            calls.push(call);
            calls.len() == 1
        };
        if is_first {
            // Fails only where it is full, and then the loop is awake.
            let _ = (&woken.rope).write(&[0]);
        }
    }
}

/// One loop's answers.
#[pyclass(frozen, module = "net._net")]
pub(crate) struct Inbox(Arc<Woken>);

#[pymethods]
impl Inbox {
    #[new]
    fn new() -> io::Result<Self> {
        let (rope, bell) = pair()?;
        rope.set_nonblocking(true)?;
        bell.set_nonblocking(true)?;
        let calls = Mutex::default();
        Ok(Self(Arc::new(Woken { calls, rope, bell })))
    }

    /// The descriptor that can be read while there is something to tell.
    #[cfg(unix)]
    fn fileno(&self) -> i32 {
        std::os::fd::AsRawFd::as_raw_fd(&self.0.bell)
    }

    /// Tells of all that is answered. To be called on the loop's thread.
    fn tell(&self, py: Python<'_>) {
        let due = py.detach(|| {
            // First this, then the calls: what comes in between rings again.
            let _ = (&self.0.bell).read(&mut [0; 64]);
            let mut woken = std::mem::take(&mut *self.0.calls());
            woken.retain(|call| {
                call.go_on();
                call.has_news()
            });
            woken
        });
        for call in due {
            if let Err(error) = call.tell(py) {
                error.write_unraisable(py, None);
            }
        }
    }
}

impl Inbox {
    pub(crate) fn way(&self) -> ToLoop {
        ToLoop(Arc::downgrade(&self.0))
    }
}
