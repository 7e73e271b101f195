//! The end of a peer: what is not begun any more, what is waited for, and what is cut off. Which links there are is not
//! known here.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(crate) struct Ending {
    stopped: AtomicBool,
    /// Told when that is set.
    stopping: Notify,
    /// Told when the grace time is over.
    cut_off: Notify,
    /// How many originals are being served: they have no link.
    visits: AtomicUsize,
    /// Told of each link and visit that has ended.
    ended: Notify,
}

/// An original that is being served, which shutting down waits for.
pub(crate) struct Visit<'a>(&'a Ending);

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.0.visits.fetch_sub(1, Ordering::AcqRel);
        self.0.one_has_ended();
    }
}

impl Ending {
    /// Begins the end: from now on nothing else is.
    pub(crate) fn begin(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.stopping.notify_waiters();
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Does what comes before a call, or nothing more of it once the end has begun.
    pub(crate) async fn unless_begun<T>(&self, what: impl Future<Output = T>) -> Option<T> {
        let mut stopping = pin!(self.stopping.notified());
        // In this order here, and the reverse in `begin`: one of the two sees what the other did.
        stopping.as_mut().enable();
        if self.has_begun() {
            return None;
        }
        tokio::select! {
            biased;
            () = stopping => None,
            done = what => Some(done),
        }
    }

    pub(crate) fn visit(&self) -> Visit<'_> {
        self.visits.fetch_add(1, Ordering::AcqRel);
        Visit(self)
    }

    /// Tells who waits for it that a link or a visit has ended.
    pub(crate) fn one_has_ended(&self) {
        self.ended.notify_waiters();
    }

    /// Ends when there is no visit, and no link as far as the caller knows.
    pub(crate) async fn drained(&self, has_links: impl Fn() -> bool) {
        loop {
            let mut ended = pin!(self.ended.notified());
            ended.as_mut().enable();
            if self.visits.load(Ordering::Acquire) == 0 && !has_links() {
                return;
            }
            ended.await;
        }
    }

    /// Does what the grace time is for, and no more of it when that is over.
    pub(crate) async fn within_grace<T>(&self, what: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            () = self.cut_off.notified() => None,
            done = what => Some(done),
        }
    }

    /// Ends the grace time.
    pub(crate) fn cut_off(&self) {
        self.cut_off.notify_waiters();
    }
}
