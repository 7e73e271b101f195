//! What one original publisher delivers for one subscription, by calling: taken one after the other, in the order in which it called.
//! The caller is answered when an event is in here, so that a function that takes its time does not hold up an original, which waits
//! for each of its subscribers.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use net_proto::Policy;
use net_proto::interests::Wish;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::inbox::Subscribed;
use crate::caller::Caller;
use crate::link::serve::{Caught, caught};
use crate::peer::Core;
use crate::registry::{Answer, Handled, Incoming};

pub(crate) struct Mailbox {
    subscribed: Arc<Subscribed>,
    /// The original, for people.
    publisher: String,
    keep: usize,
    /// Where the publisher is to wait for it.
    room: Option<Arc<Semaphore>>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<(Bytes, Option<OwnedSemaphorePermit>)>,
    /// A task is at it.
    is_running: bool,
}

impl Mailbox {
    pub(super) fn new(wish: &Wish, subscribed: &Arc<Subscribed>, publisher: String) -> Arc<Self> {
        let keep = wish.keep as usize;
        let room = match wish.policy {
            Policy::DropOldest => None,
            Policy::Block => Some(Arc::new(Semaphore::new(keep.min(Semaphore::MAX_PERMITS)))),
        };
        Arc::new(Self {
            subscribed: Arc::clone(subscribed),
            publisher,
            keep,
            room,
            queue: Mutex::default(),
        })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an event in, as soon as there is room if the subscriber asked for that, and sees to it that it is handled.
    pub(crate) async fn put(self: &Arc<Self>, core: &Arc<Core>, body: Bytes) {
        let permit = match &self.room {
            // It is never closed.
            Some(room) => Arc::clone(room).acquire_owned().await.ok(),
            None => None,
        };
        self.subscribed.received.fetch_add(1, Ordering::Relaxed);
        let mut queue = self.queue();
        let is_full = self.room.is_none() && queue.events.len() >= self.keep;
        if is_full {
            queue.events.pop_front();
            self.subscribed.dropped.fetch_add(1, Ordering::Relaxed);
        }
        queue.events.push_back((body, permit));
        if !std::mem::replace(&mut queue.is_running, true) {
            let (mailbox, core) = (Arc::clone(self), Arc::clone(core));
            let runtime = core.runtime.clone();
            runtime.spawn(async move { mailbox.run(&core).await });
        }
        drop(queue);
        if is_full {
            self.subscribed.log_dropped(&self.publisher, 1);
        }
    }

    async fn run(self: Arc<Self>, core: &Arc<Core>) {
        loop {
            let next = {
                let mut queue = self.queue();
                let next = queue.events.pop_front();
                queue.is_running = next.is_some();
                next
            };
            // The room is another event's when this one was handled.
            let Some((body, _room)) = next else { return };
            if self.subscribed.ended.load(Ordering::Acquire) {
                continue;
            }
            let incoming = Incoming {
                body,
                peer: core.peer(),
                caller: Caller::original(core, &self.publisher),
                time_left: None,
            };
            let subscribed = Arc::clone(&self.subscribed);
            // It may block: not on the runtime's threads.
            let run = move || caught(|| subscribed.function.handler.call(&incoming));
            let answer = match core.runtime.spawn_blocking(run).await {
                Ok(Handled::Ready(answer)) => answer,
                Ok(Handled::Later(later)) => Caught(later).await,
                Err(error) => Answer::failed("RuntimeError", error.to_string(), ""),
            };
            self.subscribed.report(&self.publisher, &answer);
        }
    }
}
