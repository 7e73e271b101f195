//! The events of one publisher for one subscription: taken one after the other, in their order, by the function that wants them. One
//! that is slow or fails holds up nothing but its own.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use net_proto::Arrival;
use net_proto::interests::Delivery;
use tokio::runtime::Handle;

use crate::link::Link;
use crate::link::serve::{Caught, caught, caught_here};
use crate::registry::{Answer, Handled, Incoming, Registered};

/// A function of async code that keeps its thread for so long is no such function: it goes back to the pool.
const LONG: Duration = Duration::from_millis(1);

/// A smaller body is copied before it waits: it would keep the whole buffer that it was read into, of 64 KiB, for as long. Four times
/// what is counted is the most that the larger ones keep.
const SMALL: usize = 16 * 1024;

/// What all publishers' inboxes of a subscription share.
#[derive(Debug)]
pub(crate) struct Subscribed {
    pub(crate) event: String,
    pub(crate) function: Arc<Registered>,
    pub(crate) received: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) ended: AtomicBool,
    pub(crate) has_warned: AtomicBool,
}

impl Subscribed {
    /// Tells of events that were published and did not come. The first are worth a word to whoever does not ask.
    ///
    /// Not to be called under a lock: whoever takes logs may use events.
    pub(super) fn log_dropped(&self, peer: &str, missed: u64) {
        let event = &self.event;
        if self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::debug!(%peer, event, missed, "events were dropped, as they were not taken in time");
        } else {
            tracing::warn!(%peer, event, missed, "events were dropped, as they were not taken in time (further ones are logged at debug level)");
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

/// Bounded on each stream by the credit that is given for it, which is given back when an event is taken; over streams that follow
/// one another by [`Inbox::has_room`].
#[derive(Default)]
struct Queue {
    deliveries: VecDeque<Delivery<Arc<Link>>>,
    /// What they count for, with the one that is being handled.
    bytes: u64,
    /// The link on which the next stream is to be opened when there is room.
    next_link: Option<Arc<Link>>,
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

    /// Whether another stream may be opened, on this link, with a window of so many bytes. Else the subscriber is told when it may.
    ///
    /// Each comes with a window of its own, whatever is here of those before. One that went on over another link leaves at most a
    /// window behind; where there is more than two, links have come and gone while nothing was taken.
    pub(super) fn has_room(&self, link: &Arc<Link>, window: u64) -> bool {
        let mut queue = self.queue();
        let has_room = queue.bytes < 2 * window;
        queue.next_link = (!has_room).then(|| Arc::clone(link));
        has_room
    }

    /// Takes an event in. True where nobody is at what waits: the caller then sees to that.
    #[must_use]
    pub(super) fn push(&self, mut delivery: Delivery<Arc<Link>>) -> bool {
        let subscribed = &self.subscribed;
        subscribed.received.fetch_add(1, Ordering::Relaxed);
        if delivery.missed > 0 {
            let missed = delivery.missed;
            subscribed.dropped.fetch_add(missed, Ordering::Relaxed);
        }
        let mut queue = self.queue();
        if queue.is_running {
            let Arrival { metadata, body, .. } = &mut delivery.arrival;
            detach(metadata);
            detach(body);
        }
        queue.bytes += delivery.arrival.charge;
        queue.deliveries.push_back(delivery);
        !std::mem::replace(&mut queue.is_running, true)
    }

    /// Has what waits handled on a thread of the pool.
    pub(crate) fn run_soon(self: &Arc<Self>, runtime: &Handle) {
        let inbox = Arc::clone(self);
        runtime.spawn_blocking(move || inbox.run_on_pool());
    }

    /// What is run with each event.
    pub(crate) fn function(&self) -> &Registered {
        &self.subscribed.function
    }

    /// Handles one event on this thread, and leaves what came meanwhile to others. Says whether there was any.
    pub(crate) fn run_one(self: &Arc<Self>, runtime: &Handle) -> bool {
        let Some(delivery) = self.next() else {
            return false;
        };
        let answer = match caught_here(|| self.begin(&delivery)) {
            Handled::Ready(answer) => answer,
            Handled::Later(later) => {
                runtime.spawn(Arc::clone(self).run_as_task(delivery, later));
                return true;
            }
        };
        self.end(&delivery, answer);
        let mut queue = self.queue();
        queue.is_running = !queue.deliveries.is_empty();
        let goes_on = queue.is_running;
        drop(queue);
        if goes_on {
            self.run_soon(runtime);
        }
        goes_on
    }

    fn next(&self) -> Option<Delivery<Arc<Link>>> {
        let mut queue = self.queue();
        let next = queue.deliveries.pop_front();
        queue.is_running = next.is_some();
        next
    }

    /// Handles what there is on this thread, up to a function that goes on in a future: then a task does.
    fn run_on_pool(self: Arc<Self>) {
        let mut begun = Instant::now();
        while let Some(delivery) = self.next() {
            match caught(|| self.begin(&delivery)) {
                Handled::Ready(answer) => {
                    self.end(&delivery, answer);
                    let ended = Instant::now();
                    self.function().ran_for(ended - begun);
                    begun = ended;
                }
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
            match caught(|| self.begin(&delivery)) {
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
        if delivery.missed > 0 {
            let peer = &delivery.link.hello.name;
            self.subscribed.log_dropped(peer, delivery.missed);
        }
        let incoming = Incoming {
            body: delivery.arrival.body.clone(),
            peer: delivery.link.core.peer(),
            caller: delivery.link.caller().clone(),
            time_left: None,
        };
        self.function().handler.call(incoming)
    }

    fn end(&self, delivery: &Delivery<Arc<Link>>, answer: Answer) {
        self.subscribed.report(&delivery.link.hello.name, &answer);
        let charge = delivery.arrival.charge;
        delivery.link.taken(delivery.arrival.id, charge);
        let mut queue = self.queue();
        queue.bytes -= charge;
        let next_link = queue.next_link.take();
        drop(queue);
        if let Some(link) = next_link {
            // Asked again, it says again whether there is room by now.
            link.core.subscriber.room(&link);
        }
    }
}

fn detach(bytes: &mut Bytes) {
    if !bytes.is_empty() && bytes.len() < SMALL {
        *bytes = Bytes::copy_from_slice(bytes);
    }
}
