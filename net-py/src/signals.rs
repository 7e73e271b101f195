//! Threads of ours and signals, which are Python's: its handlers run on the main thread alone, and what makes that thread look is that a
//! signal interrupts it there.
//!
//! The kernel means the main thread, but a thread that unblocks signals at that moment, as each new one does, takes what
//! has not been taken yet: then a main thread that waits for a lock does not see Ctrl-C. So ours begin with all blocked, and so do those that
//! they begin in turn. One that is to run the program's functions has them back first: what these start, other programs too, inherits them.

use std::io;
use std::thread::{Builder, JoinHandle};

/// Begins a thread that takes no signal from others.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    while_blocked(|| Builder::new().name(name.into()).spawn(run))
}

pub(crate) use mask::{restore, while_blocked};

#[cfg(unix)]
mod mask {
    use std::mem::MaybeUninit;
    use std::sync::OnceLock;

    use libc::{SIG_SETMASK, pthread_sigmask, sigfillset, sigset_t};

    /// What the program had blocked when it began the first of our threads.
    static PROGRAMS: OnceLock<sigset_t> = OnceLock::new();

    /// Does what begins threads. They take no signal from others, nor do those that they begin.
    pub(crate) fn while_blocked<R>(f: impl FnOnce() -> R) -> R {
        let before = block_all();
        let _ = PROGRAMS.set(before);
        let result = f();
        set(&before);
        result
    }

    /// Gives a thread of ours the signals that the program's own threads take.
    pub(crate) fn restore() {
        if let Some(before) = PROGRAMS.get() {
            set(before);
        }
    }

    fn block_all() -> sigset_t {
        let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: both sets are ours to write, and `sigfillset` writes the first before it is read. Neither call fails with
        // these arguments, so the second set is written too.
        unsafe {
            sigfillset(all.as_mut_ptr());
            pthread_sigmask(SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            before.assume_init()
        }
    }

    fn set(mask: &sigset_t) {
        // SAFETY: reads the one set, writes none.
        unsafe { pthread_sigmask(SIG_SETMASK, mask, std::ptr::null_mut()) };
    }
}

#[cfg(not(unix))]
mod mask {
    pub(crate) fn while_blocked<R>(f: impl FnOnce() -> R) -> R {
        f()
    }

    pub(crate) fn restore() {}
}
