//! Threads of ours in Python: how they get in, and what becomes of them when the interpreter ends meanwhile.
//!
//! Until Python 3.14 a thread that comes back to an interpreter that is ending is made to end itself, and its stack unwound. Rust's
//! frames then do what they do last, with no interpreter left to do it in. So nobody gets in once the end is near, the end waits a
//! little for those who are in, and whoever is in for long is stopped right where Python would have ended it.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::signals;

/// Whether nobody gets in any more.
static CLOSED: AtomicBool = AtomicBool::new(false);
/// How many threads are in, or about to be.
static INSIDE: AtomicUsize = AtomicUsize::new(0);
/// Who waits for them to leave.
static WAITER: Mutex<Option<Thread>> = Mutex::new(None);

thread_local! {
    /// How many times this thread is in: once more for each of its functions that has another run here.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// A thread that is in, or about to be.
struct Inside;

impl Inside {
    fn enter() -> Option<Self> {
        DEPTH.set(DEPTH.get() + 1);
        // In this order, and the reverse in `close`: one of the two sees what the other wrote.
        INSIDE.fetch_add(1, Ordering::SeqCst);
        let inside = Self;
        (!CLOSED.load(Ordering::SeqCst)).then_some(inside)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
        if INSIDE.fetch_sub(1, Ordering::SeqCst) == 1
            && CLOSED.load(Ordering::SeqCst)
            && let Some(waiter) = &*WAITER.lock().unwrap_or_else(PoisonError::into_inner)
        {
            waiter.unpark();
        }
    }
}

/// Runs `f` with the interpreter, or not at all if that is ending.
///
/// The thread keeps the state that Python makes for it: making one each time costs more than a small call.
pub(crate) fn attach<R>(f: impl FnOnce(Python<'_>) -> R) -> Option<R> {
    thread_local! {
        static KEPT: KeptState = const { KeptState(Cell::new(false)) };
    }
    let _inside = Inside::enter()?;
    KEPT.with(|kept| {
        // SAFETY: asks only whether this thread has a state.
        let is_new = !kept.0.get() && unsafe { ffi::PyGILState_GetThisThreadState() }.is_null();
        Python::try_attach(|py| {
            if is_new {
                // SAFETY: the interpreter is held. One more count on this thread's state keeps it alive between calls; it is taken
                // back on drop.
                unsafe { ffi::PyGILState_Ensure() };
                kept.0.set(true);
                signals::restore();
            }
            f(py)
        })
    })
}

/// Calls a function of the program, which may take its time, from a thread of ours.
///
/// # Errors
///
/// What it raises.
pub(crate) fn call<'py>(
    function: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let kwargs = kwargs.map_or(std::ptr::null_mut(), |kwargs| kwargs.as_ptr());
    let stay = Stay;
    // SAFETY: the interpreter is held, the three are alive, and the arguments are of the types that it takes.
    let returned = unsafe { PyObject_Call(function.as_ptr(), args.as_ptr(), kwargs) };
    std::mem::forget(stay);
    // SAFETY: a new reference, or null where an exception is set.
    unsafe { Bound::from_owned_ptr_or_err(function.py(), returned) }
}

// Elsewhere a thread that is ended is not unwound.
#[cfg(not(unix))]
use pyo3::ffi::PyObject_Call;

#[cfg(unix)]
unsafe extern "C-unwind" {
    /// As in `pyo3::ffi`, where it is declared not to unwind, so that nothing would be dropped here.
    fn PyObject_Call(
        function: *mut ffi::PyObject,
        args: *mut ffi::PyObject,
        kwargs: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject;
}

/// Dropped only when Python ends the thread: stays, so that nothing further out is undone. It ends with the process.
struct Stay;

impl Drop for Stay {
    fn drop(&mut self) {
        loop {
            thread::park();
        }
    }
}

/// Lets nobody in any more, and waits at most `patience` for those who are in to leave. The interpreter must not be held.
pub(crate) fn close(patience: Duration) {
    *WAITER.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current());
    CLOSED.store(true, Ordering::SeqCst);
    let until = Instant::now() + patience;
    while INSIDE.load(Ordering::SeqCst) > 0 {
        let Some(left) = until.checked_duration_since(Instant::now()) else {
            return;
        };
        thread::park_timeout(left);
    }
}

/// Forgets, in a forked child, who was in, save for this thread: the others are not here.
pub(crate) fn after_fork() {
    INSIDE.store(DEPTH.get(), Ordering::SeqCst);
}

/// Whether this thread holds its own Python state back from being freed.
struct KeptState(Cell<bool>);

impl Drop for KeptState {
    fn drop(&mut self) {
        if !self.0.get() {
            return;
        }
        let Some(_inside) = Inside::enter() else {
            return;
        };
        Python::try_attach(|_| {
            // SAFETY: takes back the count that `attach` added. Attaching just now added another, so the state is freed after this
            // closure.
            unsafe { ffi::PyGILState_Release(ffi::PyGILState_STATE::PyGILState_LOCKED) };
        });
    }
}
