//! The one place where a Python thread waits: without the interpreter, woken by whoever has the answer, and open to Ctrl-C.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// How often the main thread looks for signals while it waits: Ctrl-C feels prompt, and ten times a second cost nothing.
const SIGNALS: Duration = Duration::from_millis(100);

thread_local! {
    /// Whether Python handles signals on this thread; asked when it first waits.
    static IS_MAIN: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Whether this thread is Python's main one, where alone signals are handled.
fn is_main(py: Python<'_>) -> PyResult<bool> {
    if let Some(is_main) = IS_MAIN.get() {
        return Ok(is_main);
    }
    let threading = py.import("threading")?;
    let main = threading.call_method0("main_thread")?;
    let here = threading.call_method0("get_ident")?;
    let is_main = main.getattr("ident")?.eq(here)?;
    IS_MAIN.set(Some(is_main));
    Ok(is_main)
}

/// Says that this thread is the main one of a forked child, whichever it was in its parent.
pub(crate) fn after_fork() {
    IS_MAIN.set(Some(true));
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
    wait_with(py, pin!(future), |_, time| match time {
        Some(time) => thread::park_timeout(time),
        None => thread::park(),
    })
}

/// As [`wait`], for a future that knows how this thread is to `park` until there is something to do for it, at most for so long.
///
/// # Errors
///
/// As [`wait`].
pub(crate) fn wait_with<F>(
    py: Python<'_>,
    mut future: F,
    park: impl Fn(&mut F, Option<Duration>) + Sync,
) -> PyResult<F::Output>
where
    F: Future + Send + Unpin,
    F::Output: Send,
{
    let is_main = is_main(py)?;
    let waker = net::blocking::waker();
    loop {
        let output = py.detach(|| {
            let mut cx = Context::from_waker(&waker);
            if let Poll::Ready(output) = net::blocking::poll(&mut future, &mut cx) {
                return Some(output);
            }
            net::blocking::apart(|| {
                let asleep_since = Instant::now();
                loop {
                    if !is_main {
                        park(&mut future, None);
                    } else if let Some(left) = SIGNALS.checked_sub(asleep_since.elapsed()) {
                        park(&mut future, Some(left));
                    } else {
                        return None;
                    }
                    if let Poll::Ready(output) = net::blocking::poll(&mut future, &mut cx) {
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
}

/// Stays, on a thread that is about to end with the interpreter, until it does.
///
/// A daemon thread is stopped without a word wherever it is. One that was in a call would, had the call raised because its peer is
/// gone, print a traceback first; no other call of Python's does.
pub(crate) fn stay_if_ending(py: Python<'_>) {
    // Where it cannot be asked any more, only the main thread is left.
    if crate::local::is_ending() && !is_main(py).unwrap_or(true) {
        py.detach(|| {
            loop {
                thread::park();
            }
        });
    }
}
