//! The same for programs without async: a peer, and waiting for a call, on an ordinary thread.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use tokio::runtime::RuntimeFlavor;
use tokio::task;

use crate::error::StartError;
use crate::peer::Peer;
use crate::presence::{self, PeerEvent};
use crate::remote::Remote;
use crate::runtime;

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
}

/// Makes the runtime of this library's own, if there is none yet: what making it reads of the environment is then read by this thread.
///
/// # Errors
///
/// The system has no more threads, or descriptors.
#[doc(hidden)]
pub fn prepare() -> io::Result<()> {
    runtime::own().map(drop)
}

/// What wakes this thread where it [parks](thread::park): for fronts that wait in a way of their own.
#[doc(hidden)]
pub fn waker() -> Waker {
    WAKER.with(Waker::clone)
}

/// Runs a future to its end on this thread, which sleeps meanwhile. The reader of a link wakes it directly.
///
/// A connected function that is no `async fn` may use it too. An async task should not: it would keep its thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    block_on_with(pin!(future), |_| thread::park())
}

/// As [`block_on`], for a future that knows how this thread is to `park` until there is something to do for it.
pub(crate) fn block_on_with<F: Future + Unpin>(mut future: F, park: impl Fn(&mut F)) -> F::Output {
    WAKER.with(|waker| {
        let mut cx = Context::from_waker(waker);
        loop {
            if let Poll::Ready(output) = poll(&mut future, &mut cx) {
                return output;
            }
            apart(|| park(&mut future));
        }
    })
}

/// Polls a future on a thread that waits for it.
///
/// On a thread of the runtime what a task may do at a stretch would be used up for good: it is given anew when the thread
/// goes back to its tasks, and this one waits here.
#[doc(hidden)]
pub fn poll<F: Future + Unpin>(future: &mut F, cx: &mut Context<'_>) -> Poll<F::Output> {
    pin!(task::unconstrained(future)).poll(cx)
}

/// Does what may block, so that no task is kept from running by it.
///
/// A connected function runs on a thread of the runtime. A task that is made ready there may wait for that very thread,
/// where others cannot take it away; if the function then waits for what the task does, it would wait for ever.
pub fn apart<R>(f: impl FnOnce() -> R) -> R {
    match runtime::current() {
        Some(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => {
            task::block_in_place(f)
        }
        _ => f(),
    }
}

/// Starts a peer, as [`crate::start`]. It runs on threads of its own.
///
/// # Errors
///
/// [`StartError`] says which setting or socket is not usable.
///
/// # Examples
///
/// ```
/// #[net::connect]
/// fn multiply(a: i64, b: i64) -> i64 { a * b }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let start = || net::blocking::block_on(net::Peer::builder().port(0).runtime_dir(dir.path()).start());
/// # let (peer, _other) = (start()?, start()?);
/// for other in net::blocking::peers(&peer) {
///     println!("{}", multiply::on(&other, 5, 10).wait()?);
/// }
/// # Ok(())
/// # }
/// ```
pub fn start() -> Result<Peer, StartError> {
    block_on(crate::start())
}

/// The peers that are there now, as [`Peer::peers`].
#[must_use]
pub fn peers(peer: &Peer) -> Vec<Remote> {
    block_on(peer.peers())
}

/// The peers of its own group that come, change and go, as [`Peer::peer_events`].
#[must_use]
pub fn peer_events(peer: &Peer) -> PeerEvents {
    PeerEvents::from(peer.peer_events())
}

/// [Events of peers](presence::PeerEvents), each waited for on this thread. It ends when this process's peer has been shut down.
///
/// # Examples
///
/// ```no_run
/// # fn example(peer: &net::Peer) {
/// for event in net::blocking::peer_events(peer) {
///     println!("{event}");
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct PeerEvents(presence::PeerEvents);

impl From<presence::PeerEvents> for PeerEvents {
    fn from(events: presence::PeerEvents) -> Self {
        Self(events)
    }
}

impl Iterator for PeerEvents {
    type Item = PeerEvent;

    fn next(&mut self) -> Option<PeerEvent> {
        block_on(self.0.next())
    }
}

/// Shuts a peer down, as [`Peer::shutdown`].
pub fn shutdown(peer: &Peer) {
    block_on(peer.shutdown());
}
