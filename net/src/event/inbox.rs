//! The events of one publisher for one subscription: taken one after the other, in their order, by the function that wants them. One
//! that is slow or fails holds up nothing but its own.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use net_proto::interests::Delivery;

use crate::link::Link;
use crate::link::serve::{Caught, caught};
use crate::registry::{Answer, Handled, Incoming, Registered};

/// A function of async code that keeps its thread for so long is no such function: it goes back to the pool.
const LONG: Duration = Duration::from_millis(1);

/// What all publishers' inboxes of a subscription share.
#[derive(Debug)]
pub(crate) struct Subscribed {
    pub(crate) event: String,
    pub(crate) function: Arc<Registered>,
    pub(crate) received: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) ended: AtomicBool,
}

impl Subscribed {
    /// Counts events that were published and did not come. The first are worth a word to whoever does not ask.
    pub(super) fn count_dropped(&self, peer: &str, missed: u64) {
        let before = self.dropped.fetch_add(missed, Ordering::Relaxed);
        let event = &self.event;
        if before == 0 {
            tracing::warn!(%peer, event, missed, "events were dropped, as they were not taken in time (further ones are logged at debug level)");
        } else {
            tracing::debug!(%peer, event, missed, "events were dropped, as they were not taken in time");
        }
    }

    /// Tells of a function that has failed, which nobody else is told of.
    pub(super) fn report(&self, publisher: &str, answer: &Answer) {
        if let Answer::Error(error) = answer {
            let event = &self.event;
            let function = &self.function.tag;
            tracing::warn!(
                event,
                function,
                %publisher,
                "a subscriber failed: {}: {}\n{}",
                error.kind,
                error.message,
                error.traceback.trim_end(),
            );
        }
    }
}

pub(crate) struct Inbox {
    subscribed: Arc<Subscribed>,
    queue: Mutex<Queue>,
}

/// Bounded by the credit that is given for it: it is given back when an event is taken.
#[derive(Default)]
struct Queue {
    deliveries: VecDeque<Delivery<Arc<Link>>>,
    /// A thread or a task is at it.
    is_running: bool,
}

impl Inbox {
    pub(super) fn new(subscribed: Arc<Subscribed>) -> Arc<Self> {
        Arc::new(Self {
            subscribed,
            queue: Mutex::default(),
        })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing waits in it and nobody is at it.
    pub(super) fn is_idle(&self) -> bool {
        !self.queue().is_running
    }

    /// Takes an event in, and sees to it that it is handled.
    pub(super) fn push(self: &Arc<Self>, delivery: Delivery<Arc<Link>>) {
        let subscribed = &self.subscribed;
        subscribed.received.fetch_add(1, Ordering::Relaxed);
        if delivery.missed > 0 {
            subscribed.count_dropped(&delivery.link.hello.name, delivery.missed);
        }
        let core = Arc::clone(&delivery.link.core);
        let mut queue = self.queue();
        queue.deliveries.push_back(delivery);
        if !std::mem::replace(&mut queue.is_running, true) {
            drop(queue);
            let inbox = Arc::clone(self);
            // A function that was never run may block: not on the runtime's threads.
            core.runtime.spawn_blocking(move || inbox.run_on_pool());
        }
    }

    fn next(&self) -> Option<Delivery<Arc<Link>>> {
        let mut queue = self.queue();
        let next = queue.deliveries.pop_front();
        queue.is_running = next.is_some();
        next
    }

    /// Handles what there is on this thread, up to a function that goes on in a future: then a task does.
    fn run_on_pool(self: Arc<Self>) {
        while let Some(delivery) = self.next() {
            match self.begin(&delivery) {
                Handled::Ready(answer) => self.end(&delivery, answer),
                Handled::Later(later) => {
                    let core = Arc::clone(&delivery.link.core);
                    core.runtime.spawn(self.run_as_task(delivery, later));
                    return;
                }
            }
        }
    }

    /// Handles what there is in a task, as long as the function answers in futures and does not keep the thread.
    async fn run_as_task(
        self: Arc<Self>,
        mut delivery: Delivery<Arc<Link>>,
        mut later: Pin<Box<dyn Future<Output = Answer> + Send>>,
    ) {
        loop {
            let answer = Caught(later).await;
            self.end(&delivery, answer);
            match self.next() {
                Some(next) => delivery = next,
                None => return,
            }
            let begun = Instant::now();
            match self.begin(&delivery) {
                Handled::Later(more) if begun.elapsed() < LONG => later = more,
                Handled::Later(more) => {
                    let answer = Caught(more).await;
                    self.end(&delivery, answer);
                    break;
                }
                Handled::Ready(answer) => {
                    self.end(&delivery, answer);
                    break;
                }
            }
        }
        let runtime = delivery.link.core.runtime.clone();
        runtime.spawn_blocking(move || self.run_on_pool());
    }

    fn begin(&self, delivery: &Delivery<Arc<Link>>) -> Handled {
        if self.subscribed.ended.load(Ordering::Acquire) {
            return Handled::Ready(Answer::Flag(crate::builtin::NULL.into()));
        }
        let incoming = Incoming {
            body: delivery.arrival.body.clone(),
            peer: delivery.link.core.peer(),
            caller: delivery.link.caller().clone(),
            time_left: None,
        };
        caught(|| self.subscribed.function.handler.call(incoming))
    }

    fn end(&self, delivery: &Delivery<Arc<Link>>, answer: Answer) {
        self.subscribed.report(&delivery.link.hello.name, &answer);
        delivery
            .link
            .taken(delivery.arrival.id, delivery.arrival.charge);
    }
}
