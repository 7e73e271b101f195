//! A wish to be told of an event, as programs write it, and the handle on it once it is declared.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use net_proto::Policy;
use net_proto::interests::{Filter, Wish};
use net_proto::links::Target;
use serde::de::DeserializeOwned;

use super::inbox::Subscribed;
use crate::peer::Peer;
use crate::private;
use crate::registry::{Connection, Handler, Registered};
use crate::remote::Remote;

/// Events that each publisher keeps for a subscriber that says nothing else: a second of a busy publisher, or a burst.
pub(crate) const KEEP: u32 = 1024;
/// Bytes of one publisher's events that may be here and not taken. Some thousand small events; with a hundred publishers, the
/// memory of a photograph.
const WINDOW: u64 = 256 * 1024;

/// What the original calls the group of those that are in none.
const NO_GROUP: &str = "None";

/// Tells apart the functions without a name.
static UNNAMED: AtomicU64 = AtomicU64::new(0);

/// A wish to be told of an event, from [`Peer::subscribe`]. It holds for peers that are there and for those that come.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let start = || net::Peer::builder().port(0).runtime_dir(dir.path()).start();
/// # let (here, there) = (start().await?, start().await?);
/// let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
/// let alarms = here.subscribe("alarm").run(move |(level, text): (u8, String)| {
///     let _ = tell.send((level, text));
/// });
/// # while there.subscribed_events().is_empty() { here.peers().await; tokio::task::yield_now().await; }
/// there.emit("alarm", &(3, "water")).await?;
/// assert_eq!(told.recv().await, Some((3, "water".to_owned())));
/// assert_eq!(alarms.dropped(), 0);
/// # here.shutdown().await; there.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[must_use = "a subscription begins when it is given a function"]
#[derive(Debug, Clone)]
pub struct Subscribe {
    peer: Peer,
    wish: Wish,
}

impl Subscribe {
    pub(super) fn new(peer: Peer, event: String) -> Self {
        let own_group = peer.group().map(str::to_owned);
        let wish = Wish {
            event,
            keep: KEEP,
            policy: Policy::DropOldest,
            window: WINDOW,
            from: Filter {
                groups: Some(vec![own_group]),
                ..Filter::default()
            },
        };
        Self { peer, wish }
    }

    /// Of peers in these groups, instead of this one's own. `None` is no group, as the original writes it.
    pub fn groups<G: Into<String>>(mut self, groups: impl IntoIterator<Item = G>) -> Self {
        let groups = groups
            .into_iter()
            .map(|group| Some(group.into()).filter(|group| group != NO_GROUP));
        self.wish.from.groups = Some(groups.collect());
        self
    }

    /// Of peers in any group and in none.
    pub fn any_group(mut self) -> Self {
        self.wish.from.groups = None;
        self
    }

    /// Of hubs only.
    pub fn hubs_only(mut self) -> Self {
        self.wish.from.hubs_only = true;
        self
    }

    /// Of peers on this host only.
    pub fn on_host(mut self) -> Self {
        self.wish.from.on_host = true;
        self
    }

    /// Of these peers only, whatever their group: each instance, and whoever is at one of its TCP addresses after it.
    pub fn peers<'a>(mut self, peers: impl IntoIterator<Item = &'a Remote>) -> Self {
        let targets = peers.into_iter().flat_map(Remote::targets);
        self.wish.from.groups = None;
        self.wish.from.peers = Some(targets.collect::<Vec<Target>>());
        self
    }

    /// Keeps so many events at each publisher while they are not taken; 1,024 unless it is said. At least one.
    pub fn keep(mut self, events: u32) -> Self {
        self.wish.keep = events.max(1);
        self
    }

    /// What becomes of one more; the oldest is dropped unless it is said.
    pub fn when_full(mut self, policy: Policy) -> Self {
        self.wish.policy = policy;
        self
    }

    /// Runs a function with the arguments of each event, as a tuple.
    pub fn run<A, F>(self, function: F) -> Subscription
    where
        A: DeserializeOwned + 'static,
        F: Fn(A) + Send + Sync + 'static,
    {
        let handler = private::event_handler(function);
        self.begin_unnamed(handler)
    }

    /// Runs an async function with the arguments of each event, as a tuple; the next event waits until it has ended.
    pub fn run_async<A, F, Fut>(self, function: F) -> Subscription
    where
        A: DeserializeOwned + Send + 'static,
        F: Fn(A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let handler = private::async_event_handler(function);
        self.begin_unnamed(handler)
    }

    fn begin_unnamed(self, handler: Arc<dyn Handler>) -> Subscription {
        let name = format!("on {}", self.wish.event);
        // It is registered as any other, so it has a tag that nobody else has.
        let number = UNNAMED.fetch_add(1, Ordering::Relaxed);
        let tag = format!("net.subscriptions.{}.{number}", self.wish.event);
        self.begin(Connection {
            tag,
            name,
            module: "net.subscriptions".into(),
            doc: String::new(),
            signature: Default::default(),
            handler,
        })
    }

    /// Runs a [`Connection`] with each event. It can also be called under its tag, as any other.
    pub fn begin(self, function: Connection) -> Subscription {
        let Self { peer, wish } = self;
        let tag = function.tag.clone();
        peer.registry().register(function);
        let function = peer
            .registry()
            .find(&tag)
            .expect("it was registered just now");
        Self { peer, wish }.begin_registered(function)
    }

    /// The same with a function that is registered already.
    pub fn begin_registered(self, function: Arc<Registered>) -> Subscription {
        let Self { peer, wish } = self;
        let core = Arc::clone(&peer.0);
        let (number, subscribed) = core.subscriber.declare(&core, wish, function);
        Subscription {
            peer,
            number,
            subscribed,
        }
    }
}

/// A declared wish. Dropping it changes nothing: it holds until it is [taken back](Subscription::unsubscribe), or its peer ends.
#[derive(Clone)]
pub struct Subscription {
    peer: Peer,
    number: u64,
    subscribed: Arc<Subscribed>,
}

impl Subscription {
    /// The event's name.
    #[must_use]
    pub fn event(&self) -> &str {
        &self.subscribed.event
    }

    /// Events that have come over links.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.subscribed.received.load(Ordering::Relaxed)
    }

    /// Events that were published and did not come, as they were not taken in time, were too large, or went with a link.
    /// Known when the next one comes.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.subscribed.dropped.load(Ordering::Relaxed)
    }

    /// The peers that publish to it, as far as they are of this version.
    #[must_use]
    pub fn publishers(&self) -> Vec<Remote> {
        let core = &self.peer.0;
        let ids = core.subscriber.publishers(self.number);
        ids.into_iter()
            .map(|id| Remote::new(self.peer.clone(), core.peers.entry(&Target::Instance(id))))
            .collect()
    }

    /// Ends it, everywhere. The function is not run with what has come and was not taken.
    pub fn unsubscribe(&self) {
        self.peer.0.subscriber.withdraw(self.number);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Subscription({} → {})",
            self.event(),
            self.subscribed.function.tag
        )
    }
}
