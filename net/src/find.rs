//! Finding peers: several ways at once, each a [`Finder`]. What comes of what they see is decided in one place ([`meet`]): nothing that was found is
//! trusted or bound for it; who is there is said by the link that is made.

mod cache;
pub(crate) mod host;
pub(crate) mod listed;
mod mdns;
mod meet;
#[cfg(test)]
mod memory;
mod neighbour;
mod retry;
mod sightings;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use net_proto::{Address, InstanceId};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::config::Config;
use crate::peer::Core;

use cache::CacheFinder;
use host::HostFinder;
use listed::ListedFinder;
use mdns::MdnsFinder;
use meet::LeftAlone;
use neighbour::NeighbourFinder;
use sightings::Sightings;

pub use meet::Outcome;
pub use sightings::SeenAt;

/// How long the first question for peers waits for the first look on this host. It takes a moment, or the machine is very busy.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// How long it waits for the first look elsewhere. What is on a local network answers sooner; the rest is known when it comes.
const FIRST_ANSWERS: Duration = Duration::from_millis(300);

/// What a finder does, until it is dropped or ends.
pub(crate) type Looking = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One way to find peers.
///
/// A finder tells others where this peer is, where its way allows for that, and says where others may be. It decides about nobody: whether
/// somebody is dialled who was seen, and what comes of it, is [`Seen::meet`]'s.
pub(crate) trait Finder: Send + Sync + fmt::Debug {
    /// What it is called where it is shown what it saw.
    fn name(&self) -> &'static str;

    /// Announces this peer and watches for others, for as long as it is polled. Those that are there already are met first, then
    /// [`Seen::has_looked`] is said.
    fn watch(self: Arc<Self>, seen: Arc<Seen>) -> Looking;

    /// Looks once more, everywhere it can, and ends when all that can answer have had their time and were met.
    fn look(self: Arc<Self>, seen: Arc<Seen>) -> Looking;

    /// What keeps it from finding anybody, for people.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// How far it is with a look that takes a while, or how far the last one came: so many of so many places.
    fn progress(&self) -> Option<(usize, usize)> {
        None
    }
}

/// Where somebody may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sighting {
    pub(crate) address: Address,
    /// Who that is, where the finder was told.
    pub(crate) id: Option<InstanceId>,
}

/// What one way to find peers has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FinderReport {
    /// What the way is called: `host`, and so on.
    pub finder: &'static str,
    /// Whether it has looked everywhere once.
    pub has_looked: bool,
    /// What keeps it from finding anybody, for people.
    pub trouble: Option<String>,
    /// How far it is with a look that takes a while, or how far the last one came: so many of so many places. None before the first.
    pub progress: Option<(usize, usize)>,
    /// Where it saw somebody.
    pub seen: Vec<SeenAt>,
}

/// To whom a finder says what it sees.
pub(crate) struct Seen {
    core: Arc<Core>,
    finder: &'static str,
    /// Whether its first look has ended.
    looked: watch::Sender<bool>,
}

impl Seen {
    /// The peer that it finds for.
    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Somebody may be here. Ends when it is known who is, and what came of it.
    pub(crate) async fn meet(&self, sighting: Sighting) -> Outcome {
        let Some(finders) = &self.core.finders else {
            return Outcome::LeftAlone;
        };
        let outcome = meet::meet(&self.core, finders, &sighting).await;
        let sightings = &finders.sightings;
        sightings.note(self.finder, sighting, outcome.clone());
        outcome
    }

    /// The peer to which there is a link already, of those that are known to be at an address.
    pub(crate) fn leads_to(&self, address: &Address) -> Option<InstanceId> {
        meet::linked(&self.core, address, None)
    }

    /// The same where nobody was seen, and somebody could be: only who is met there counts as seen.
    pub(crate) async fn try_all(self: &Arc<Self>, guesses: impl IntoIterator<Item = Address>) {
        let mut meetings = JoinSet::new();
        for address in guesses {
            let seen = Arc::clone(self);
            meetings.spawn(async move { seen.try_at(address).await });
        }
        while meetings.join_next().await.is_some() {}
    }

    async fn try_at(&self, address: Address) {
        let Some(finders) = &self.core.finders else {
            return;
        };
        let guess = Sighting { address, id: None };
        let outcome = meet::meet(&self.core, finders, &guess).await;
        if let Outcome::Linked(_) | Outcome::Original = outcome {
            finders.sightings.note(self.finder, guess, outcome);
        }
    }

    /// The first look has ended: who asks for peers needs not wait for this finder.
    pub(crate) fn has_looked(&self) {
        self.looked.send_replace(true);
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seen(by {})", self.finder)
    }
}

/// All the ways in which a peer finds others.
#[derive(Debug)]
pub(crate) struct Finders {
    host: Arc<HostFinder>,
    all: Vec<Way>,
    sightings: Sightings,
    left_alone: LeftAlone,
}

#[derive(Debug)]
struct Way {
    finder: Arc<dyn Finder>,
    looked: watch::Sender<bool>,
    /// How long the first question for peers waits for its first look.
    patience: Duration,
}

impl Finders {
    pub(crate) fn new(config: &Config) -> Self {
        let host = Arc::new(HostFinder::new(config));
        let mut elsewhere = config.finders.clone();
        if let Some(listed) = ListedFinder::new(config) {
            elsewhere.push(Arc::new(listed));
        }
        if !config.stays_on_host() {
            elsewhere.push(Arc::new(CacheFinder::new(config)));
            elsewhere.push(Arc::new(MdnsFinder::new(config)));
            elsewhere.push(Arc::new(NeighbourFinder::new(config)));
        }
        Self::of(host, elsewhere)
    }

    fn of(host: Arc<HostFinder>, elsewhere: Vec<Arc<dyn Finder>>) -> Self {
        let way = |finder, patience| Way {
            finder,
            looked: watch::Sender::new(false),
            patience,
        };
        let mut all = vec![way(Arc::clone(&host) as Arc<dyn Finder>, FIRST_LOOK)];
        all.extend(
            elsewhere
                .into_iter()
                .map(|finder| way(finder, FIRST_ANSWERS)),
        );
        Self {
            host,
            all,
            sightings: Sightings::default(),
            left_alone: LeftAlone::default(),
        }
    }

    /// Finds until the peer stops.
    pub(crate) fn run(&self, core: &Arc<Core>) -> Vec<JoinHandle<()>> {
        let watches = self.all.iter().map(|way| {
            let finder = Arc::clone(&way.finder);
            core.runtime.spawn(finder.watch(way.seen(core)))
        });
        watches.collect()
    }

    /// Whether what is known is of now: the first looks have ended, and on this host nothing has come since. Costs one system call.
    pub(crate) fn is_current(&self, core: &Core) -> bool {
        self.all.iter().all(|way| *way.looked.borrow()) && self.host.is_current(core)
    }

    /// Makes what is known [current](Self::is_current), within a bounded time.
    pub(crate) async fn catch_up(&self, core: &Arc<Core>) {
        let mut firsts = JoinSet::new();
        for way in &self.all {
            let mut looked = way.looked.subscribe();
            let patience = way.patience;
            firsts.spawn(async move {
                let _ = timeout(patience, looked.wait_for(|looked| *looked)).await;
            });
        }
        while firsts.join_next().await.is_some() {}
        // Who was late is waited for once.
        for way in &self.all {
            way.looked.send_replace(true);
        }
        let Some(host) = self.all.first() else {
            return;
        };
        let seen = host.seen(core);
        let _ = timeout(FIRST_LOOK, self.host.catch_up(&seen)).await;
    }

    /// Looks once more, in every way.
    pub(crate) async fn look(&self, core: &Arc<Core>) {
        let mut looks = JoinSet::new();
        for way in &self.all {
            let finder = Arc::clone(&way.finder);
            looks.spawn(finder.look(way.seen(core)));
        }
        while looks.join_next().await.is_some() {}
    }

    /// What each has seen, and what came of it.
    pub(crate) fn reports(&self) -> Vec<FinderReport> {
        let report = |way: &Way| FinderReport {
            finder: way.finder.name(),
            has_looked: *way.looked.borrow(),
            trouble: way.finder.trouble(),
            progress: way.finder.progress(),
            seen: self.sightings.by(way.finder.name()),
        };
        self.all.iter().map(report).collect()
    }

    /// Leaves an address alone for a while. Says whether it was not already.
    pub(crate) fn leave_alone(&self, address: &Address) -> bool {
        self.left_alone.add(address)
    }
}

impl Way {
    fn seen(&self, core: &Arc<Core>) -> Arc<Seen> {
        Arc::new(Seen {
            core: Arc::clone(core),
            finder: self.finder.name(),
            looked: self.looked.clone(),
        })
    }
}
