//! Finds the peers that this one was told of (`NET_PEERS`): at addresses, at the addresses of names, and where services are said to be. Names are
//! looked up again as long as the peer runs.

mod dns;
pub(crate) mod entry;
mod names;
#[cfg(test)]
pub(super) mod tests;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use net_proto::Address;
use tokio::sync::{Mutex as AsyncMutex, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::retry::{Backoff, Retries};
use super::{Finder, Looking, Outcome, Seen, Sighting};
use crate::clock;
use crate::config::Config;
use crate::peer::Core;

use entry::Listed;
use names::Names;

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
    names: Names,
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
    /// Where it leads: the first of these first, and the next where none of them leads to a peer.
    tiers: Vec<Vec<Place>>,
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

/// An address to dial.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    at: Address,
    /// Which of an entry's hosts it leads to.
    host: usize,
    /// After how many others of that host it comes.
    rank: u32,
}

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
                names,
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

    /// Looks up and meets what is due, or all there is. Says when it is to be called again.
    async fn round(&self, seen: &Arc<Seen>, means: &Arc<Means>, all: bool) -> Instant {
        let core = seen.core();
        let mut state = self.state.lock().await;
        let is_linked = state.is_linked(seen);
        if state.was_linked && !is_linked {
            // Whoever takes the peer's place may be there already, or at another address of the name.
            state.look_up = Instant::now();
            state.look_ups.reset();
            state.retries = Retries::new(RETRY_MOST);
        }
        if all || state.look_up <= Instant::now() {
            self.look_up(&mut state, means).await;
        }
        self.meet(&mut state, seen, means, all).await;
        state.was_linked = state.is_linked(seen);
        let now = Instant::now();
        if all || state.look_up <= now {
            let wait = match state.was_linked {
                true => LOOK_UP,
                false => state.look_ups.next(),
            };
            state.look_up = now + wait;
        }
        let trouble = state.trouble(core, seen);
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        state.next(seen)
    }

    async fn look_up(&self, state: &mut State, means: &Means) {
        match self.tiers(means).await {
            Ok(tiers) => {
                state.unknown = None;
                state
                    .retries
                    .keep(|at| tiers.iter().flatten().any(|place| place.at == *at));
                state
                    .outcomes
                    .retain(|at, _| tiers.iter().flatten().any(|place| place.at == *at));
                state.tiers = tiers;
            }
            // Those that it had are where the peers were, and may still be.
            Err(why) => state.unknown = Some(why),
        }
    }

    /// Where it leads now.
    async fn tiers(&self, means: &Means) -> Result<Vec<Vec<Place>>, String> {
        let ports = |port: Option<u16>| port.map_or_else(|| means.ports.clone(), |port| vec![port]);
        Ok(match &self.listed {
            Listed::At(at) => vec![vec![Place {
                at: at.clone(),
                host: 0,
                rank: 0,
            }]],
            Listed::Ip(ip) => vec![places(0, &[*ip], &ports(None))],
            Listed::Host(name, port) => {
                vec![places(
                    0,
                    &means.names.addresses(name).await?,
                    &ports(*port),
                )]
            }
            Listed::Each(name, port) => {
                let addresses = means.names.addresses(name).await?;
                let hosts = addresses.iter().enumerate();
                vec![
                    hosts
                        .flat_map(|(host, ip)| places(host, &[*ip], &ports(*port)))
                        .collect(),
                ]
            }
            Listed::Service(name) => {
                let mut records = means
                    .names
                    .service(name)
                    .await?
                    .into_iter()
                    .enumerate()
                    .peekable();
                let mut tiers = Vec::new();
                let mut failed = None;
                while let Some(priority) = records.peek().map(|(_, srv)| srv.priority) {
                    let mut tier = Vec::new();
                    while let Some((host, srv)) =
                        records.next_if(|(_, srv)| srv.priority == priority)
                    {
                        match means.names.addresses(&srv.target).await {
                            Ok(addresses) => tier.extend(places(host, &addresses, &[srv.port])),
                            Err(why) => failed = Some(format!("{}: {why}", srv.target)),
                        }
                    }
                    tiers.push(tier);
                }
                match failed {
                    Some(why) if tiers.iter().all(Vec::is_empty) => return Err(why),
                    _ => tiers,
                }
            }
        })
    }

    async fn meet(&self, state: &mut State, seen: &Arc<Seen>, means: &Arc<Means>, all: bool) {
        for tier in state.tiers.clone() {
            let now = Instant::now();
            let mut meetings = JoinSet::new();
            for Place { at, host, rank } in tier.clone() {
                let is_known = state.outcomes.contains_key(&at) && seen.leads_to(&at).is_some();
                if is_known {
                    state.retries.reached(&at, now);
                    continue;
                }
                if !all && !state.retries.is_due(&at, now) {
                    continue;
                }
                // Of the addresses of one host, one that leads to the peer is enough.
                let before: Vec<_> = tier
                    .iter()
                    .filter(|other| {
                        other.host == host && other.rank < rank && port(&other.at) == port(&at)
                    })
                    .map(|other| other.at.clone())
                    .collect();
                let (seen, means) = (Arc::clone(seen), Arc::clone(means));
                meetings.spawn(async move {
                    if rank > 0 {
                        clock::sleep(STAGGER * rank).await;
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
                });
            }
            while let Some(met) = meetings.join_next().await {
                // One that panicked is tried again.
                let Ok((at, outcome)) = met else { continue };
                let now = Instant::now();
                match &outcome {
                    Some(Outcome::Linked(_)) => state.retries.reached(&at, now),
                    // Originals are kept an eye on where those on this host are.
                    None | Some(Outcome::Own | Outcome::Original) => {
                        state.retries.settled(&at, now)
                    }
                    Some(Outcome::LeftAlone | Outcome::Failed(_)) => state.retries.failed(&at, now),
                }
                if let Some(outcome) = outcome {
                    state.outcomes.insert(at, outcome);
                }
            }
            if tier.iter().any(|place| state.is_reached(&place.at, seen)) {
                return;
            }
        }
    }
}

impl State {
    fn places(&self) -> impl Iterator<Item = &Place> {
        self.tiers.iter().flatten()
    }

    fn is_linked(&self, seen: &Seen) -> bool {
        self.places()
            .any(|place| seen.leads_to(&place.at).is_some())
    }

    fn is_reached(&self, at: &Address, seen: &Seen) -> bool {
        seen.leads_to(at).is_some()
            || matches!(
                self.outcomes.get(at),
                Some(Outcome::Own | Outcome::Original)
            )
    }

    /// When something is to be done again.
    fn next(&self, seen: &Seen) -> Instant {
        let now = Instant::now();
        // Those that stand by for others that are reached are not looked at.
        let reached = |tier: &Vec<Place>| tier.iter().any(|place| self.is_reached(&place.at, seen));
        let last = self
            .tiers
            .iter()
            .position(reached)
            .unwrap_or(self.tiers.len());
        let used = self.tiers.iter().take(last + 1).flatten();
        let (linked, others): (Vec<_>, Vec<_>) =
            used.partition(|place| seen.leads_to(&place.at).is_some());
        let retry = self.retries.next(others.into_iter().map(|place| &place.at));
        let look = (!linked.is_empty()).then(|| now + LOOK);
        let next = [retry, look].into_iter().flatten().min();
        next.map_or(self.look_up, |next| next.min(self.look_up))
    }

    fn trouble(&self, core: &Core, seen: &Seen) -> Option<String> {
        if let Some(why) = &self.unknown {
            return Some(why.clone());
        }
        let links = self.places().filter_map(|place| seen.leads_to(&place.at));
        let others = links.filter_map(|id| {
            let target = net_proto::links::Target::Instance(id);
            let group = core.peers.who(&target).group;
            (id != core.id && group != core.group).then_some(group)
        });
        let others: Vec<_> = others.collect();
        if self.places().any(|place| self.is_reached(&place.at, seen)) {
            let group = others.into_iter().next()?;
            let name = group.map_or_else(|| "none".to_owned(), |group| format!("{group:?}"));
            return Some(format!("a peer of another group is there ({name})"));
        }
        // Where several ports are tried, it is no news that nobody listens at most of them.
        let failed = self
            .places()
            .filter_map(|place| match self.outcomes.get(&place.at) {
                Some(Outcome::Failed(why)) => Some((&place.at, why)),
                _ => None,
            });
        let is_refused = |why: &str| why.contains("refused");
        let (at, why) = failed.min_by_key(|(_, why)| is_refused(why))?;
        Some(match self.places().count() {
            1 => why.clone(),
            _ => format!("{at}: {why}"),
        })
    }
}

/// The addresses of one host.
fn places(host: usize, ips: &[IpAddr], ports: &[u16]) -> Vec<Place> {
    let ranked = ips.iter().zip(0..);
    let places = ranked.flat_map(|(ip, rank)| {
        ports.iter().map(move |port| Place {
            at: Address::Tcp(SocketAddr::new(*ip, *port)),
            host,
            rank,
        })
    });
    places.collect()
}

fn port(at: &Address) -> Option<u16> {
    match at {
        Address::Tcp(at) => Some(at.port()),
        Address::Name(_, port) => Some(*port),
        Address::Unix(_) => None,
    }
}
