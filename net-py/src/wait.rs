//! The one place where a Python thread waits: without the interpreter, woken by whoever has the answer, and open to Ctrl-C.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// How often the main thread looks for signals while it waits: Ctrl-C feels prompt, and ten times a second cost nothing.
const SIGNALS: Duration = Duration::from_millis(100);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    /// This thread's waker, made once.
    static WAKER: Waker = Waker::from(Arc::new(Unpark(thread::current())));
    /// Whether Python handles signals on this thread.
    static IS_MAIN: Cell<bool> = const { Cell::new(false) };
}

/// Notes whether this thread is Python's main one, where alone signals are handled. Asked at import, and in a child after a fork.
pub(crate) fn note_main_thread(py: Python<'_>) -> PyResult<()> {
    let threading = py.import("threading")?;
    let main = threading.call_method0("main_thread")?;
    let here = threading.call_method0("get_ident")?;
    let is_main = main.getattr("ident")?.eq(here)?;
    IS_MAIN.set(is_main);
    Ok(())
}

/// Waits for `future` on this thread, which lets others run Python meanwhile.
///
/// # Errors
///
/// What a signal's handler raised: `KeyboardInterrupt`, as a rule. The future is then dropped.
pub(crate) fn wait<F>(py: Python<'_>, future: F) -> PyResult<F::Output>
where
    F: Future + Send,
    F::Output: Send,
{
    let mut future = pin!(future);
    let is_main = IS_MAIN.get();
    WAKER.with(|waker| {
        loop {
            let output = py.detach(|| {
                let mut cx = Context::from_waker(waker);
                if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                    return Some(output);
                }
                net::blocking::apart(|| {
                    let asleep_since = Instant::now();
                    loop {
                        if !is_main {
                            thread::park();
                        } else if let Some(left) = SIGNALS.checked_sub(asleep_since.elapsed()) {
                            thread::park_timeout(left);
                        } else {
                            return None;
                        }
                        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                            return Some(output);
                        }
                    }
                })
            });
            match output {
                Some(output) => return Ok(output),
                None => py.check_signals()?,
            }
        }
    })
}

/// Stays, on a thread that is about to end with the interpreter, until it does.
///
/// A daemon thread is stopped without a word wherever it is. One that was in a call would, had the call raised because its peer is
/// gone, print a traceback first; no other call of Python's does.
pub(crate) fn stay_if_ending(py: Python<'_>) {
    if crate::node::is_ending() && !IS_MAIN.get() {
        py.detach(|| {
            loop {
                thread::park();
            }
        });
    }
}
