//! The orders as loops over a library's calls: the same loops whatever library makes them.

use std::future::Future;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::report::{Done, Error, Order};

/// Calls in flight where the order is about something else: enough to keep both ends busy.
const BUSY: usize = 64;
/// Of so many calls in flight one is timed: to look at the clock twice for each would cost the quickest some per cent.
const TIMED: usize = 16;
/// Longest that all of an order's events may take; who loses one would otherwise be waited for without an end.
const PATIENCE: Duration = Duration::from_secs(60);

/// One link of a library to its server. A clone is the same link.
pub trait Client: Clone + Send + Sync + 'static {
    /// Opens a link, and sees that it works.
    fn connect(address: &str) -> impl Future<Output = Result<Self, Error>> + Send;

    /// Calls the small function.
    fn multiply(&self, a: i64, b: i64) -> impl Future<Output = Result<i64, Error>> + Send;

    /// Sends bytes there and back; gives how many came back.
    fn echo(&self, value: Bytes) -> impl Future<Output = Result<usize, Error>> + Send;

    /// Has the server register functions until there are so many.
    fn register(&self, _functions: usize) -> impl Future<Output = Result<(), Error>> + Send {
        async { Err("its functions are fixed when it is compiled".into()) }
    }

    /// Calls one of the functions that were registered.
    fn numbered(&self, _number: usize) -> impl Future<Output = Result<i64, Error>> + Send {
        async { Err("its functions are fixed when it is compiled".into()) }
    }

    /// Has each of these links told of the server's events, which it counts; ends when all of them are.
    fn subscribe(
        _links: &[Self],
        _tally: &Arc<Tally>,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        async { Err("it has no events".into()) }
    }

    /// Has the server publish so many events.
    fn publish(&self, _events: usize) -> impl Future<Output = Result<(), Error>> + Send {
        async { Err("it has no events".into()) }
    }
}

/// The links of one client process, and what they were told of.
pub struct Links<C> {
    address: String,
    links: Vec<C>,
    /// So many of the first are subscribed.
    subscribed: usize,
    tally: Arc<Tally>,
}

impl<C: Client> Links<C> {
    /// One link, for a beginning.
    ///
    /// # Errors
    ///
    /// What the library fails with.
    pub async fn connect(address: &str) -> Result<Self, Error> {
        Ok(Self {
            address: address.to_owned(),
            links: vec![C::connect(address).await?],
            subscribed: 0,
            tally: Arc::default(),
        })
    }

    /// Has at least so many.
    async fn open(&mut self, wanted: usize) -> Result<&[C], Error> {
        while self.links.len() < wanted {
            self.links.push(C::connect(&self.address).await?);
        }
        Ok(&self.links[..wanted])
    }

    /// Carries out an order.
    ///
    /// # Errors
    ///
    /// What the library fails with.
    pub async fn carry_out(&mut self, order: Order) -> Result<Done, Error> {
        let link = self.links.first().cloned().ok_or("no link")?;
        match order {
            Order::Latency { calls } => {
                let mut share = Share::whole(calls);
                for _ in share.by_ref() {
                    black_box(link.multiply(black_box(5), 10).await?);
                }
                Ok(share.into())
            }
            Order::Flight { window, calls } => {
                let task = |mut share: Share| {
                    let link = link.clone();
                    async move {
                        for _ in share.by_ref() {
                            black_box(link.multiply(black_box(5), 10).await?);
                        }
                        Ok(share)
                    }
                };
                in_flight(window, calls, task).await
            }
            Order::Echo { size, calls } => {
                let value = Bytes::from(vec![7; size]);
                let mut share = Share::whole(calls);
                for _ in share.by_ref() {
                    if link.echo(value.clone()).await? != size {
                        return Err("the echo has another size".into());
                    }
                }
                Ok(share.into())
            }
            Order::Links { links, calls } => {
                let links: Arc<[C]> = self.open(links).await?.into();
                let task = |mut share: Share| {
                    let links = Arc::clone(&links);
                    async move {
                        for number in share.by_ref() {
                            let link = &links[number % links.len()];
                            black_box(link.multiply(black_box(5), 10).await?);
                        }
                        Ok(share)
                    }
                };
                in_flight(BUSY, calls, task).await
            }
            Order::Functions { functions, calls } => {
                link.register(functions).await?;
                let task = |mut share: Share| {
                    let link = link.clone();
                    async move {
                        for number in share.by_ref() {
                            black_box(link.numbered(number % functions).await?);
                        }
                        Ok(share)
                    }
                };
                in_flight(BUSY, calls, task).await
            }
            Order::Events {
                subscribers,
                events,
            } => {
                self.open(subscribers).await?;
                let new = &self.links[self.subscribed.min(subscribers)..subscribers];
                if !new.is_empty() {
                    C::subscribe(new, &self.tally).await?;
                    self.subscribed = subscribers;
                }
                self.tally.expect(self.subscribed * events);
                let start = Instant::now();
                link.publish(events).await?;
                self.tally.wait().await?;
                Ok(Done::of(start.elapsed(), Vec::new()))
            }
        }
    }
}

/// Keeps `window` calls in flight: so many tasks, each of which makes its share of the calls, one after the other.
async fn in_flight<F>(window: usize, calls: usize, task: impl Fn(Share) -> F) -> Result<Done, Error>
where
    F: Future<Output = Result<Share, Error>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    for share in Share::each(window, calls) {
        tasks.spawn(task(share));
    }
    end_of(tasks, start).await
}

/// The end of tasks that each made a share of an order's calls.
///
/// # Errors
///
/// What the first of them to fail failed with.
pub async fn end_of(
    mut tasks: JoinSet<Result<Share, Error>>,
    start: Instant,
) -> Result<Done, Error> {
    let mut times = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        times.append(&mut ended??.times);
    }
    Ok(Done::of(start.elapsed(), times))
}

/// One task's share of an order's calls: their numbers, one for each call; it times what is done between two of them.
pub struct Share {
    next: usize,
    step: usize,
    end: usize,
    /// Of so many calls the last is timed.
    timed: usize,
    made: usize,
    started: Option<Instant>,
    times: Vec<Duration>,
}

impl Share {
    /// All of an order's calls, each timed.
    #[must_use]
    pub fn whole(calls: usize) -> Self {
        Self::new(0, 1, calls, 1)
    }

    /// The shares of so many tasks.
    pub fn each(tasks: usize, calls: usize) -> impl Iterator<Item = Self> {
        (0..tasks).map(move |first| Self::new(first, tasks, calls, TIMED))
    }

    fn new(first: usize, step: usize, end: usize, timed: usize) -> Self {
        Self {
            next: first,
            step,
            end,
            timed,
            made: first, // so that the tasks do not all time the same call of theirs
            started: None,
            times: Vec::with_capacity(end / step / timed + 1),
        }
    }
}

impl Iterator for Share {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if let Some(started) = self.started.take() {
            self.times.push(started.elapsed());
        }
        if self.next >= self.end {
            return None;
        }
        let number = self.next;
        self.next += self.step;
        self.made += 1;
        if self.made.is_multiple_of(self.timed) {
            self.started = Some(Instant::now());
        }
        Some(number)
    }
}

impl From<Share> for Done {
    fn from(share: Share) -> Self {
        Self::of(share.times.iter().sum(), share.times)
    }
}

/// Counts events that come, over all subscribers, until all have.
#[derive(Default)]
pub struct Tally {
    missing: AtomicUsize,
    complete: Notify,
}

impl Tally {
    fn expect(&self, events: usize) {
        self.missing.store(events, Ordering::Relaxed);
    }

    /// One has come.
    pub fn count(&self) {
        if self.missing.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.complete.notify_one();
        }
    }

    async fn wait(&self) -> Result<(), Error> {
        let complete = tokio::time::timeout(PATIENCE, self.complete.notified()).await;
        complete.map_err(|_| {
            let missing = self.missing.load(Ordering::Relaxed);
            format!("{missing} events did not come within {PATIENCE:?}").into()
        })
    }
}
