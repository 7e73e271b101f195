//! A process that was forked from one with peers. Only the thread that forked is in it: the runtime's threads, and with
//! them all that could use or drop the parent's peers, stayed behind. What must not stay are the copies of their sockets.

use std::cell::Cell;
use std::os::fd::RawFd;

use crate::peer::{self, Peer};
use crate::{clock, link, runtime};

thread_local! {
    /// Whether this thread is what a fork left of a process.
    static IS_LEFT: Cell<bool> = const { Cell::new(false) };
}

/// Whether this is the one thread of a forked child that its parent had too. A runtime that it stands in, because it was
/// forked inside a function, is the parent's: none of its threads is here.
pub(crate) fn is_left() -> bool {
    IS_LEFT.get()
}

/// Makes a child process fit for peers of its own. Called in the child, before a peer is started there, with the peers
/// that the parent had; whoever holds these must not drop them ([`std::mem::forget`]).
///
/// While the child had the parent's sockets open, others would not see it when the parent ends, and its port would stay
/// taken.
#[doc(hidden)]
pub fn after_fork(of_parent: &[Peer]) {
    for peer in of_parent {
        for descriptor in peer.0.descriptors() {
            close(descriptor);
        }
    }
    peer::after_fork();
    IS_LEFT.set(true);
    runtime::after_fork();
    clock::after_fork();
    link::watch::after_fork();
}

fn close(descriptor: RawFd) {
    // SAFETY: the descriptor is this process's copy of a socket of the parent's peer. In this process nothing uses or
    // closes it again: the tasks that own it run on threads that are not here, and the peer itself is never dropped.
    unsafe { rustix::io::close(descriptor) };
}
