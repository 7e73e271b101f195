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
use crate::which::Which;

/// Events that each publisher keeps for a subscriber that says nothing else: a second of a busy publisher, or a burst.
pub(crate) const KEEP: u32 = 1024;
/// Bytes of one publisher's events that may be here and not taken. Some thousand small events; with a hundred publishers, the
/// memory of a photograph.
const WINDOW: u64 = 256 * 1024;

/// Where functions without a name are registered.
pub(super) const UNNAMED_MODULE: &str = "net.subscriptions";
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
/// let doors = here.subscribe("door").run(move |(number, name): (u8, String)| {
///     let _ = tell.send((number, name));
/// });
/// # while there.subscribers("door") == 0 { here.peers().await; tokio::task::yield_now().await; }
/// there.emit("door", &(3, "cellar")).await?;
/// assert_eq!(told.recv().await, Some((3, "cellar".to_owned())));
/// assert_eq!(doors.dropped(), 0);
/// # here.shutdown().await; there.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[must_use = "a subscription begins when it is given a function"]
#[derive(Debug, Clone)]
pub struct Subscribe {
    peer: Peer,
    wish: Wish,
    which: Which,
}

impl Subscribe {
    pub(super) fn new(peer: Peer, event: String) -> Self {
        let wish = Wish {
            event,
            keep: KEEP,
            policy: Policy::DropOldest,
            window: WINDOW,
            from: Default::default(),
        };
        let which = Which::new();
        Self { peer, wish, which }
    }

    /// Of those peers, instead of this one's own group.
    pub fn from(self, which: Which) -> Self {
        Self { which, ..self }
    }

    /// Of peers in these groups, instead of this one's own: [`Which::groups`].
    pub fn groups<G: Into<String>>(self, groups: impl IntoIterator<Item = G>) -> Self {
        let which = self.which.groups(groups);
        Self { which, ..self }
    }

    /// Of peers in any group and in none.
    pub fn any_group(self) -> Self {
        let which = self.which.any_group();
        Self { which, ..self }
    }

    /// Of hubs only.
    pub fn hubs_only(self) -> Self {
        let which = self.which.hubs_only();
        Self { which, ..self }
    }

    /// Of peers on this host only.
    pub fn on_host(self) -> Self {
        let which = self.which.on_host();
        Self { which, ..self }
    }

    /// Of these peers only, whatever their group: each instance, and whoever is at one of its TCP addresses after it.
    pub fn peers<'a>(mut self, peers: impl IntoIterator<Item = &'a Remote>) -> Self {
        let targets = peers.into_iter().flat_map(Remote::targets);
        self.wish.from.peers = Some(targets.collect());
        self.any_group()
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
        let tag = format!("{UNNAMED_MODULE}.{}.{number}", self.wish.event);
        self.begin(Connection {
            tag,
            name,
            module: UNNAMED_MODULE.into(),
            doc: String::new(),
            signature: Default::default(),
            groups: None,
            handler,
        })
    }

    /// Runs a [`Connection`] with each event. It can also be called under its tag, as any other.
    pub fn begin(self, function: Connection) -> Subscription {
        let tag = function.tag.clone();
        let registry = self.peer.registry();
        registry.register(function);
        let function = registry.find(&tag).expect("it was registered just now");
        self.begin_registered(function)
    }

    /// Runs a function with each event that is registered already.
    pub fn begin_registered(self, function: Arc<Registered>) -> Subscription {
        let Self { peer, wish, which } = self;
        let peers = wish.from.peers;
        let from = Filter {
            peers,
            ..which.filter(peer.group())
        };
        let wish = Wish { from, ..wish };
        let core = Arc::clone(&peer.0);
        let (number, subscribed) = core.subscriber.declare(&core, wish, function);
        Subscription::new(peer, number, subscribed)
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
    pub(super) fn new(peer: Peer, number: u64, subscribed: Arc<Subscribed>) -> Self {
        Self {
            peer,
            number,
            subscribed,
        }
    }

    /// The event's name.
    #[must_use]
    pub fn event(&self) -> &str {
        &self.subscribed.event
    }

    /// The tag of the function that is run.
    #[must_use]
    pub fn function(&self) -> &str {
        &self.subscribed.function.tag
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
        self.peer.0.subscriber.withdraw(&self.peer.0, self.number);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscription({} → {})", self.event(), self.function())
    }
}
