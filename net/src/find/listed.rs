//! Finds the peers that this one was told of (`NET_PEERS`): at addresses, at the addresses of names, and where services are said to be. Names are
//! looked up again as long as the peer runs.

mod dns;
pub(crate) mod entry;
mod names;
mod places;
#[cfg(test)]
pub(super) mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use net_proto::links::Target;
use net_proto::{Address, InstanceId};
use tokio::sync::{Mutex as AsyncMutex, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::retry::{Backoff, Retries};
use super::{Finder, Looking, Outcome, Seen, Sighting};
use crate::clock;
use crate::config::Config;
use crate::peer::Core;

use entry::Listed;
use names::Names;
use places::{Place, Tiers, tiers};

/// How often those to which there are links are looked at. It costs a look at the table of peers.
const LOOK: Duration = Duration::from_secs(1);
/// How often names are looked up again. Records are commonly valid for a minute or more.
const LOOK_UP: Duration = Duration::from_secs(30);
/// The longest time between two tries at an address.
const RETRY_MOST: Duration = Duration::from_secs(30);
/// How long after one address of a host the next one is tried, as by RFC 8305.
const STAGGER: Duration = Duration::from_millis(250);
/// So many addresses are dialled at once, of however many that are listed.
const AT_ONCE: usize = 64;
/// So many entries in trouble are told of, where all are to be in one line.
const TOLD: usize = 4;

#[derive(Debug)]
pub(crate) struct ListedFinder {
    entries: Vec<Arc<Entry>>,
    means: Arc<Means>,
}

/// What all entries have in common.
#[derive(Debug)]
struct Means {
    names: Arc<Names>,
    /// Those at which a host is dialled of which no port is said.
    ports: Vec<u16>,
    free: Semaphore,
}

#[derive(Debug)]
struct Entry {
    listed: Listed,
    /// One round at a time.
    state: AsyncMutex<State>,
    trouble: Mutex<Option<String>>,
}

#[derive(Debug)]
struct State {
    tiers: Tiers,
    /// When it is to be looked up again.
    look_up: Instant,
    look_ups: Backoff,
    /// Why it could not be looked up.
    unknown: Option<String>,
    /// Whether a link led to it.
    was_linked: bool,
    retries: Retries,
    outcomes: HashMap<Address, Outcome>,
}

/// The places to which there are links, and whose.
type Led = HashMap<Address, InstanceId>;

impl ListedFinder {
    /// None where nobody is listed.
    pub(super) fn new(config: &Config) -> Option<Self> {
        let is_told = !config.peers.is_empty();
        is_told.then(|| Self::of(&config.peers, config.ports_of_others(), Names::of_system()))
    }

    fn of(listed: &[Listed], ports: Vec<u16>, names: Names) -> Self {
        Self {
            entries: listed
                .iter()
                .cloned()
                .map(Entry::new)
                .map(Arc::new)
                .collect(),
            means: Arc::new(Means {
                names: Arc::new(names),
                ports,
                free: Semaphore::new(AT_ONCE),
            }),
        }
    }

    fn each(&self) -> impl Iterator<Item = (Arc<Entry>, Arc<Means>)> {
        let means = &self.means;
        self.entries
            .iter()
            .map(|entry| (Arc::clone(entry), Arc::clone(means)))
    }
}

impl Finder for ListedFinder {
    fn name(&self) -> &'static str {
        "listed"
    }

    fn watch(self: Arc<Self>, seen: Arc<Seen>) -> Looking {
        Box::pin(async move {
            let (first, mut firsts) = mpsc::channel::<()>(1);
            let mut watches = JoinSet::new();
            for (entry, means) in self.each() {
                let seen = Arc::clone(&seen);
                let first = first.clone();
                watches.spawn(async move {
                    let mut first = Some(first);
                    loop {
                        let next = entry.round(&seen, &means, false).await;
                        drop(first.take());
                        clock::sleep_until(next).await;
                    }
                });
            }
            drop(first);
            // It ends when all are dropped: nothing is sent.
            let _ = firsts.recv().await;
            seen.has_looked();
            while watches.join_next().await.is_some() {}
        })
    }

    fn look(self: Arc<Self>, seen: Arc<Seen>) -> Looking {
        Box::pin(async move {
            let mut rounds = JoinSet::new();
            for (entry, means) in self.each() {
                let seen = Arc::clone(&seen);
                rounds.spawn(async move { entry.round(&seen, &means, true).await });
            }
            while rounds.join_next().await.is_some() {}
        })
    }

    fn trouble(&self) -> Option<String> {
        let trouble = |entry: &Arc<Entry>| {
            let trouble = entry.trouble.lock().unwrap_or_else(PoisonError::into_inner);
            trouble
                .as_ref()
                .map(|why| format!("{}: {why}", entry.listed))
        };
        let all: Vec<_> = self.entries.iter().filter_map(trouble).collect();
        let more = all.len().saturating_sub(TOLD);
        let mut told = all.into_iter().take(TOLD).collect::<Vec<_>>();
        if more > 0 {
            told.push(format!("and {more} more"));
        }
        (!told.is_empty()).then(|| told.join("; "))
    }
}

impl Entry {
    fn new(listed: Listed) -> Self {
        Self {
            listed,
            state: AsyncMutex::new(State {
                tiers: Vec::new(),
                look_up: Instant::now(),
                look_ups: Backoff::new(RETRY_MOST),
                unknown: None,
                was_linked: false,
                retries: Retries::new(RETRY_MOST),
                outcomes: HashMap::new(),
            }),
            trouble: Mutex::default(),
        }
    }

    /// Meets and looks up what is due, or all there is. Says when it is to be called again.
    async fn round(&self, seen: &Arc<Seen>, means: &Arc<Means>, all: bool) -> Instant {
        let mut state = self.state.lock().await;
        if state.was_linked && state.led(seen).is_empty() {
            // Whoever takes the peer's place may be there already, or at another address of the name.
            state.look_up = Instant::now();
            state.look_ups.reset();
            state.retries = Retries::new(RETRY_MOST);
        }
        // What is known already first: name servers may be slow.
        let mut led = state.meet(seen, means, all).await;
        if all || state.look_up <= Instant::now() {
            match tiers(&self.listed, &means.ports, &means.names).await {
                Ok(tiers) => state.leads_to(tiers),
                // Those that it had are where the peers were, and may still be.
                Err(why) => state.unknown = Some(why),
            }
            led = state.meet(seen, means, false).await;
            let wait = match led.is_empty() {
                true => state.look_ups.next(),
                false => LOOK_UP,
            };
            state.look_up = Instant::now() + wait;
        }
        state.was_linked = !led.is_empty();
        let trouble = state.trouble(seen.core(), &led);
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        state.next(&led)
    }
}

impl State {
    fn places(&self) -> impl Iterator<Item = &Place> {
        self.tiers.iter().flatten()
    }

    fn led(&self, seen: &Seen) -> Led {
        let led = self.places().map(|place| &place.at);
        led.filter_map(|at| Some((at.clone(), seen.leads_to(at)?)))
            .collect()
    }

    fn leads_to(&mut self, tiers: Tiers) {
        self.tiers = tiers;
        self.unknown = None;
        let tiers = &self.tiers;
        let is_meant = |at: &Address| tiers.iter().flatten().any(|place| place.at == *at);
        self.retries.keep(is_meant);
        self.outcomes.retain(|at, _| is_meant(at));
    }

    /// Whether somebody else is there. Of originals, care is taken where those on this host are seen to.
    fn is_reached(&self, at: &Address, led: &Led) -> bool {
        led.contains_key(at) || matches!(self.outcomes.get(at), Some(Outcome::Original))
    }

    /// Meets those that are due, or all, and says to whom there are links then.
    async fn meet(&mut self, seen: &Arc<Seen>, means: &Arc<Means>, all: bool) -> Led {
        let mut led = self.led(seen);
        for tier in self.tiers.clone() {
            let now = Instant::now();
            let mut meetings = JoinSet::new();
            for place in &tier {
                // Met once, it is known as a place of that peer.
                if led.contains_key(&place.at) && self.outcomes.contains_key(&place.at) {
                    self.retries.reached(&place.at, now);
                } else if all || self.retries.is_due(&place.at, now) {
                    let before = tier.iter().filter(|other| place.stands_in_for(other));
                    let before = before.map(|other| other.at.clone()).collect();
                    let (seen, means) = (Arc::clone(seen), Arc::clone(means));
                    meetings.spawn(meet(place.clone(), before, seen, means));
                }
            }
            let any = !meetings.is_empty();
            while let Some(met) = meetings.join_next().await {
                // One that panicked is tried again.
                let Ok((at, outcome)) = met else { continue };
                let now = Instant::now();
                self.retries.came_to(&at, outcome.as_ref(), now);
                if let Some(outcome) = outcome {
                    self.outcomes.insert(at, outcome);
                }
            }
            if any {
                led = self.led(seen);
            }
            if tier.iter().any(|place| self.is_reached(&place.at, &led)) {
                break;
            }
        }
        led
    }

    /// When something is to be done again.
    fn next(&self, led: &Led) -> Instant {
        // Those that stand by for others that are reached are not looked at.
        let reached = |tier: &Vec<Place>| tier.iter().any(|place| self.is_reached(&place.at, led));
        let last = self.tiers.iter().position(reached);
        let used = self
            .tiers
            .iter()
            .take(last.map_or(usize::MAX, |last| last + 1));
        let unlinked = used.flatten().filter(|place| !led.contains_key(&place.at));
        let retry = self.retries.next(unlinked.map(|place| &place.at));
        let look = (!led.is_empty()).then(|| Instant::now() + LOOK);
        let next = [retry, look].into_iter().flatten().min();
        next.map_or(self.look_up, |next| next.min(self.look_up))
    }

    fn trouble(&self, core: &Core, led: &Led) -> Option<String> {
        if let Some(why) = &self.unknown {
            return Some(why.clone());
        }
        if self.places().any(|place| self.is_reached(&place.at, led)) {
            let others = led.values().filter(|id| **id != core.id);
            let mut groups = others.map(|id| core.peers.who(&Target::Instance(*id)).group);
            let other = groups.find(|group| *group != core.group)?;
            let name = other.map_or_else(|| "none".to_owned(), |group| format!("{group:?}"));
            return Some(format!("a peer of another group is there ({name})"));
        }
        // At the other ports of this peer's own host there may well be nobody.
        let is_own = |host| {
            let mut on_host = self.places().filter(|place| place.host == host);
            on_host.any(|place| matches!(self.outcomes.get(&place.at), Some(Outcome::Own)))
        };
        let failed = self.places().filter_map(|place| {
            let outcome = self.outcomes.get(&place.at);
            match outcome.filter(|_| !is_own(place.host)) {
                Some(Outcome::Failed(why)) => Some((&place.at, why)),
                _ => None,
            }
        });
        // Where several ports are tried, it is no news that nobody listens at most of them.
        let (at, why) = failed.min_by_key(|(_, why)| why.contains("refused"))?;
        Some(match self.places().count() {
            1 => why.clone(),
            _ => format!("{at}: {why}"),
        })
    }
}

/// Meets whoever is at a place, unless one of those before it leads there meanwhile.
async fn meet(
    place: Place,
    before: Vec<Address>,
    seen: Arc<Seen>,
    means: Arc<Means>,
) -> (Address, Option<Outcome>) {
    let at = place.at;
    if place.rank > 0 {
        clock::sleep(STAGGER * place.rank).await;
    }
    if before.iter().any(|at| seen.leads_to(at).is_some()) {
        return (at, None);
    }
    let _one = means.free.acquire().await;
    let sighting = Sighting {
        address: at.clone(),
        id: None,
    };
    let outcome = seen.meet(sighting).await;
    (at, Some(outcome))
}
