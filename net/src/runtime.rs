//! Which tokio runtime a peer runs in, and how many of its threads may run functions at once.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::runtime::{Builder, Handle, Id, Runtime, RuntimeFlavor};

/// Threads of a runtime of our own: one to run a function that blocks, one to go on answering pings meanwhile.
const THREADS: usize = 2;

/// The runtime of peers that were not started inside a usable one. Shared by all of them; never shut down, as the
/// peers in it are to live as long as the process.
static OWN: Mutex<Option<Arc<Runtime>>> = Mutex::new(None);

/// The runtime that this thread stands in.
pub(crate) fn current() -> Option<Handle> {
    #[cfg(unix)]
    if crate::fork::is_left() {
        return None;
    }
    Handle::try_current().ok()
}

/// The runtime that we stand in if it has two threads or more, else one of our own: with a single thread, a function
/// that blocks would keep the peer from its pings.
pub(crate) fn handle() -> io::Result<Handle> {
    if let Some(current) = current()
        && current.runtime_flavor() == RuntimeFlavor::MultiThread
        && current.metrics().num_workers() >= THREADS
    {
        return Ok(current);
    }
    own()
}

/// The runtime of our own.
pub(crate) fn own() -> io::Result<Handle> {
    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = &*own {
        return Ok(runtime.handle().clone());
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("net-io")
        .enable_all()
        .build()?;
    let handle = runtime.handle().clone();
    *own = Some(Arc::new(runtime));
    Ok(handle)
}

/// Forgets the runtime in a child process: its threads stayed with the parent, and to drop it would wait for them.
pub(crate) fn after_fork() {
    if let Some(runtime) = OWN.lock().unwrap_or_else(PoisonError::into_inner).take() {
        std::mem::forget(runtime);
    }
}

/// How many functions may run on the runtime's own threads at once: all of them but one.
#[derive(Debug)]
pub(crate) struct Inline(AtomicUsize);

/// That of each runtime with peers in it. They share its threads, so they share this too.
static INLINE: Mutex<Vec<(Id, Weak<Inline>)>> = Mutex::new(Vec::new());

impl Inline {
    pub(crate) fn of(handle: &Handle) -> Arc<Self> {
        let mut all = INLINE.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(_, inline)| inline.strong_count() > 0);
        let known = all.iter().find(|(id, _)| *id == handle.id());
        if let Some(inline) = known.and_then(|(_, inline)| inline.upgrade()) {
            return inline;
        }
        let threads = handle.metrics().num_workers();
        let inline = Arc::new(Self(AtomicUsize::new(threads.saturating_sub(1))));
        all.push((handle.id(), Arc::downgrade(&inline)));
        inline
    }

    /// Leave to run a function here, if there is any left.
    pub(crate) fn permit(&self) -> Option<Permit<'_>> {
        self.0
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, |free| {
                free.checked_sub(1)
            })
            .ok()
            .map(|_| Permit(self))
    }
}

/// Leave to run a function on a thread of the runtime; given back on drop.
pub(crate) struct Permit<'a>(&'a Inline);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn peers_in_one_runtime_share_its_threads() {
        let (one, other) = (
            Inline::of(&Handle::current()),
            Inline::of(&Handle::current()),
        );
        let first = one.permit();
        assert!(first.is_some() && other.permit().is_none());
        let elsewhere = Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        assert!(Inline::of(elsewhere.handle()).permit().is_some());
        elsewhere.shutdown_background();
    }

    #[test]
    fn one_thread_is_always_left() {
        let inline = Inline(AtomicUsize::new(1));
        let first = inline.permit();
        assert!(first.is_some() && inline.permit().is_none());
        drop(first);
        assert!(inline.permit().is_some());
    }
}
