//! The events of one publisher for one subscription: taken one after the other, in their order, by the function that wants them. One
//! that is slow or fails holds up nothing but its own.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use net_proto::interests::Delivery;
use net_proto::{Arrival, CallId};
use tokio::runtime::Handle;

use crate::link::Link;
use crate::link::serve::{Caught, caught, caught_here};
use crate::registry::{Answer, Handled, Incoming, Registered};

/// A function of async code that keeps its thread for so long is no such function: it goes back to the pool.
const LONG: Duration = Duration::from_millis(1);

/// After a run of a function that took so long, credit is given back at once; for shorter ones with that of others.
const SHORT: Duration = Duration::from_micros(50);

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

/// Events that were taken out together, on their way to the function one by one.
struct Run {
    /// Those that are left.
    delivery: Delivery<Arc<Link>>,
    stream: CallId,
    /// The one whose turn it is, as the function is called with it.
    event: Incoming,
    /// What those count for that were begun and for which no credit was given back.
    begun: u64,
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

    /// Takes events in. True where nobody is at what waits: the caller then sees to that.
    #[must_use]
    pub(super) fn push(&self, mut delivery: Delivery<Arc<Link>>) -> bool {
        let subscribed = &self.subscribed;
        let count = delivery.arrivals.len() as u64;
        subscribed.received.fetch_add(count, Ordering::Relaxed);
        if delivery.missed > 0 {
            let missed = delivery.missed;
            subscribed.dropped.fetch_add(missed, Ordering::Relaxed);
        }
        let charges = delivery.arrivals.iter().map(|arrival| arrival.charge);
        let bytes: u64 = charges.sum();
        let mut queue = self.queue();
        if queue.is_running {
            detach(&mut delivery.arrivals);
        }
        queue.bytes += bytes;
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

    /// Handles the events of one delivery on this thread, while it `may_go_on`, and leaves the rest to others. Says whether
    /// there is any.
    pub(crate) fn run_here(
        self: &Arc<Self>,
        runtime: &Handle,
        may_go_on: impl Fn() -> bool,
    ) -> bool {
        let Some(mut run) = self.next_run() else {
            return false;
        };
        while run.next() {
            match caught_here(|| self.begin(&mut run)) {
                Handled::Ready(answer) => self.end(&run, &answer),
                Handled::Later(later) => {
                    runtime.spawn(Arc::clone(self).run_as_task(run, later));
                    return true;
                }
            }
            if !may_go_on() {
                break;
            }
        }
        self.give_back(&mut run);
        let mut queue = self.queue();
        if !run.delivery.arrivals.is_empty() {
            queue.deliveries.push_front(run.delivery);
        }
        queue.is_running = !queue.deliveries.is_empty();
        let goes_on = queue.is_running;
        drop(queue);
        if goes_on {
            self.run_soon(runtime);
        }
        goes_on
    }

    fn next_run(&self) -> Option<Run> {
        let mut queue = self.queue();
        let next = queue.deliveries.pop_front();
        queue.is_running = next.is_some();
        drop(queue);
        next.map(Run::new)
    }

    /// Goes on to the next event: of this run, or of another that takes its place. Says whether there is one.
    fn next(&self, run: &mut Run) -> bool {
        if run.next() {
            return true;
        }
        self.give_back(run);
        match self.next_run() {
            Some(next) => *run = next,
            None => return false,
        }
        run.next()
    }

    /// Handles what there is on this thread, up to a function that goes on in a future: then a task does.
    fn run_on_pool(self: Arc<Self>) {
        let Some(mut run) = self.next_run() else {
            return;
        };
        let mut begun = Instant::now();
        while self.next(&mut run) {
            match caught(|| self.begin(&mut run)) {
                Handled::Ready(answer) => {
                    self.end(&run, &answer);
                    let ended = Instant::now();
                    let time = ended - begun;
                    self.function().ran_for(time);
                    if time >= SHORT {
                        self.give_back(&mut run);
                    }
                    begun = ended;
                }
                Handled::Later(later) => {
                    let core = Arc::clone(&run.delivery.link.core);
                    core.runtime.spawn(self.run_as_task(run, later));
                    return;
                }
            }
        }
    }

    /// Handles what there is in a task, as long as the function answers in futures and does not keep the thread.
    async fn run_as_task(
        self: Arc<Self>,
        mut run: Run,
        mut later: Pin<Box<dyn Future<Output = Answer> + Send>>,
    ) {
        loop {
            let answer = Caught(later).await;
            self.end(&run, &answer);
            self.give_back(&mut run);
            if !self.next(&mut run) {
                return;
            }
            let begun = Instant::now();
            match caught(|| self.begin(&mut run)) {
                Handled::Later(more) if begun.elapsed() < LONG => later = more,
                Handled::Later(more) => {
                    let answer = Caught(more).await;
                    self.end(&run, &answer);
                    break;
                }
                Handled::Ready(answer) => {
                    self.end(&run, &answer);
                    break;
                }
            }
        }
        self.give_back(&mut run);
        let runtime = run.delivery.link.core.runtime.clone();
        if !run.delivery.arrivals.is_empty() {
            self.queue().deliveries.push_front(run.delivery);
        }
        runtime.spawn_blocking(move || self.run_on_pool());
    }

    fn begin(&self, run: &mut Run) -> Handled {
        if self.subscribed.ended.load(Ordering::Acquire) {
            return Handled::Ready(Answer::Flag(crate::builtin::NULL.into()));
        }
        let delivery = &mut run.delivery;
        let missed = std::mem::take(&mut delivery.missed);
        if missed > 0 {
            self.subscribed
                .log_dropped(&delivery.link.hello.name, missed);
        }
        self.function().handler.call(&run.event)
    }

    fn end(&self, run: &Run, answer: &Answer) {
        self.subscribed
            .report(&run.delivery.link.hello.name, answer);
    }

    /// Gives the credit back for what of a run was handled.
    fn give_back(&self, run: &mut Run) {
        let bytes = std::mem::take(&mut run.begun);
        let link = &run.delivery.link;
        link.taken(run.stream, bytes);
        let mut queue = self.queue();
        queue.bytes -= bytes;
        let next_link = queue.next_link.take();
        drop(queue);
        if let Some(link) = next_link {
            // Asked again, it says again whether there is room by now.
            link.core.subscriber.room(&link);
        }
    }
}

impl Run {
    fn new(delivery: Delivery<Arc<Link>>) -> Self {
        let stream = delivery.arrivals.front().map_or(0, |arrival| arrival.id);
        let link = &delivery.link;
        let event = Incoming {
            body: Bytes::new(),
            peer: link.core.peer(),
            caller: link.caller().clone(),
            time_left: None,
        };
        Self {
            delivery,
            stream,
            event,
            begun: 0,
        }
    }

    /// Goes on to the next event, if there is one, which is begun now.
    fn next(&mut self) -> bool {
        let Some(arrival) = self.delivery.arrivals.pop_front() else {
            return false;
        };
        self.begun += arrival.charge;
        self.event.body = arrival.body;
        true
    }
}

/// Copies what is small out of the buffer that it was read into, all to one place.
fn detach(arrivals: &mut VecDeque<Arrival>) {
    let is_small = |bytes: &Bytes| !bytes.is_empty() && bytes.len() < SMALL;
    let parts = |arrival: &Arrival| [arrival.metadata.len(), arrival.body.len()];
    let lengths = arrivals.iter().flat_map(parts);
    let mut copied = BytesMut::with_capacity(lengths.filter(|length| *length < SMALL).sum());
    for arrival in arrivals {
        for bytes in [&mut arrival.metadata, &mut arrival.body] {
            if is_small(bytes) {
                copied.extend_from_slice(bytes);
                *bytes = copied.split().freeze();
            }
        }
    }
}
