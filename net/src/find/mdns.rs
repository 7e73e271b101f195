//! Finds peers of its group on the networks of this host by multicast DNS (RFC 6762, 6763), and announces this one there. It runs where the peer
//! is served beyond its host, or only looks, and nowhere else.
//!
//! What is announced is heard by everybody on the network: a random id, where that is, and by which those of its group know it.

mod announcement;
mod daemon;
#[cfg(unix)]
mod sockets;
#[cfg(test)]
mod tests;
mod usable;

use std::collections::BTreeMap;
use std::future::pending;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mdns_sd::{MDNS_PORT, Receiver, ResolvedService, ScopedIp, ServiceEvent};
use net_proto::links::Target;
use net_proto::{Address, InstanceId};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;

use super::{Finder, Looking, Seen, Sighting};
use crate::clock;
use crate::config::Config;
use crate::interfaces::{Choice, Interface};
use crate::network::Now;
use crate::peer::Core;

use announcement::Heard;
use daemon::{Daemon, DaemonError};

/// How long those who are there may take to answer: they wait up to 120 ms themselves (RFC 6762, 6), and the question is put after 50 ms.
const ANSWERS: Duration = Duration::from_millis(250);
/// The same where this peer says nothing of itself, so that nobody comes to it: who has just answered somebody does so again after a second at the
/// earliest (RFC 6762, 6), and by then is asked once more.
const LATE_ANSWERS: Duration = Duration::from_millis(1400);
/// How often those who are announced, and to whom there is no link, are met again.
const EVERY: Duration = Duration::from_secs(10);
/// How often it looks whether what keeps it from working is over.
const TROUBLED: Duration = Duration::from_secs(2);
/// When it is announced once more after the network changed: by then what is gone is known to be.
const ONCE_MORE: Duration = Duration::from_secs(3);
/// How long it waits before it tries again when it cannot work.
const TRY_AGAIN: Duration = Duration::from_secs(30);
/// So many who are announced are kept. A network on which more of one group announce themselves is flooded.
const KNOWN_MAX: usize = 4096;
/// So many are met at a time.
const MEETINGS: usize = 32;
/// So many wait for that.
const MEETINGS_WAITING: usize = 1024;
/// So many addresses of one are tried.
const ADDRESSES_MAX: usize = 16;

#[derive(Debug)]
pub(crate) struct MdnsFinder {
    choice: Choice,
    /// That of multicast DNS; another in tests.
    port: u16,
    /// Those of the group that are announced now, and where.
    known: Mutex<BTreeMap<InstanceId, Vec<Address>>>,
    trouble: Mutex<Option<String>>,
    /// That the question is to be put anew.
    again: Notify,
    meetings: Arc<Semaphore>,
}

/// What is announced, and where: if it is the same, there is no need to again.
#[derive(Debug, PartialEq, Eq)]
struct Announced {
    chosen: Vec<Interface>,
    served: Vec<IpAddr>,
    marks: String,
    wakes: u64,
}

impl Finder for MdnsFinder {
    fn name(&self) -> &'static str {
        "mdns"
    }

    fn watch(self: Arc<Self>, seen: Arc<Seen>) -> Looking {
        Box::pin(async move {
            if !self.may_run(seen.core()) {
                seen.has_looked();
                return;
            }
            let mut network = seen.core().network.watch();
            loop {
                let Err(error) = self.run(&seen, &mut network).await else {
                    continue;
                };
                *self.trouble_now() = Some(error.to_string());
                tracing::warn!(%error, "multicast DNS does not work");
                seen.has_looked();
                clock::sleep(TRY_AGAIN).await;
            }
        })
    }

    fn look(self: Arc<Self>, seen: Arc<Seen>) -> Looking {
        Box::pin(async move {
            if self.may_run(seen.core()) {
                self.again.notify_one();
                let says_nothing = seen.core().port.is_none();
                clock::sleep(if says_nothing { LATE_ANSWERS } else { ANSWERS }).await;
                self.meet_known(&seen).await;
            }
        })
    }

    fn trouble(&self) -> Option<String> {
        self.trouble_now().clone()
    }
}

impl MdnsFinder {
    pub(super) fn new(config: &Config) -> Self {
        Self::at_port(config, MDNS_PORT)
    }

    fn at_port(config: &Config, port: u16) -> Self {
        Self {
            choice: config.interfaces.clone(),
            port,
            known: Mutex::default(),
            trouble: Mutex::default(),
            again: Notify::new(),
            meetings: Arc::new(Semaphore::new(MEETINGS)),
        }
    }

    /// Whether others on the network may know of the peer, and could reach it; or whether it is one that does not listen, as a command line, which
    /// asks and says nothing of itself.
    fn may_run(&self, core: &Core) -> bool {
        let is_part = core.network.leads_beyond() || core.port.is_none();
        core.access.admits_network() && is_part && !self.choice.is_none()
    }

    /// Announces and listens until that does not work any more, or is to begin anew: sockets are opened at the beginning alone, so whatever kept
    /// it from working then still would.
    async fn run(
        &self,
        seen: &Arc<Seen>,
        network: &mut watch::Receiver<Now>,
    ) -> Result<(), DaemonError> {
        let core = seen.core();
        #[cfg(unix)]
        let before = sockets::at(self.port);
        let daemon = Daemon::start(self.port).await?;
        #[cfg(unix)]
        let _held = sockets::Held::new(core, self.port, &before);
        let mut said = self.to_say(core, network);
        *self.trouble_now() = usable::trouble(self.port, &said.chosen);
        self.announce(&daemon, core, &said)?;
        let mut events = Some(daemon.browse()?);
        let mut meetings = JoinSet::new();
        let mut first_look = pin!(clock::sleep(ANSWERS));
        let mut has_looked = false;
        let mut once_more = pin!(clock::sleep(ONCE_MORE));
        let mut is_settled = false;
        let mut now_and_then = pin!(clock::sleep(self.pause()));
        loop {
            tokio::select! {
                event = next(events.as_ref()) => match event {
                    Some(event) => {
                        let sightings = self.heard(core, event);
                        self.meet(seen, sightings, &mut meetings);
                    }
                    // So much came at once that the rest was let go. It is asked for anew in a while.
                    None => events = None,
                },
                changed = network.changed() => {
                    // It is kept by the peer that this is of.
                    let Ok(()) = changed else { pending().await };
                    let now = self.to_say(core, network);
                    if now != said {
                        if self.is_trouble_over(&now) {
                            return Ok(());
                        }
                        self.announce(&daemon, core, &now)?;
                        said = now;
                        events = Some(daemon.browse()?);
                        once_more.set(clock::sleep(ONCE_MORE));
                        is_settled = false;
                    }
                }
                () = &mut once_more, if !is_settled => {
                    is_settled = true;
                    self.announce(&daemon, core, &said)?;
                }
                () = self.again.notified() => events = Some(daemon.browse()?),
                () = &mut first_look, if !has_looked => has_looked = true,
                () = &mut now_and_then => {
                    let now = self.to_say(core, network);
                    if self.is_trouble_over(&now) {
                        return Ok(());
                    }
                    now_and_then.set(clock::sleep(self.pause()));
                    // A key that was replaced is out of time, or certificates are others.
                    if now != said {
                        self.announce(&daemon, core, &now)?;
                        said = now;
                        events = None;
                    }
                    if events.is_none() {
                        events = Some(daemon.browse()?);
                    }
                    self.meet(seen, self.not_linked(core), &mut meetings);
                }
                Some(_) = meetings.join_next() => {}
            }
            if has_looked && meetings.is_empty() {
                seen.has_looked();
            }
        }
    }

    /// What is to be announced now.
    fn to_say(&self, core: &Core, network: &mut watch::Receiver<Now>) -> Announced {
        let now = network.borrow_and_update().clone();
        let chosen = self.choice.among(&now.interfaces);
        let served = chosen.iter().map(|it| it.ip);
        Announced {
            served: served.filter(|ip| core.network.is_served_at(ip)).collect(),
            chosen,
            marks: announcement::marks(core.id, &core.seals()),
            wakes: now.wakes,
        }
    }

    /// Whether what kept it from working until now does not any more.
    fn is_trouble_over(&self, now: &Announced) -> bool {
        let trouble = usable::trouble(self.port, &now.chosen);
        let before = std::mem::replace(&mut *self.trouble_now(), trouble.clone());
        before.is_some() && trouble.is_none()
    }

    fn pause(&self) -> Duration {
        match *self.trouble_now() {
            Some(_) => TROUBLED,
            None => EVERY,
        }
    }

    fn announce(&self, daemon: &Daemon, core: &Core, what: &Announced) -> Result<(), DaemonError> {
        daemon.use_interfaces(&what.chosen)?;
        match core.port {
            Some(port) => {
                let info = announcement::of(core.id, &what.marks, &what.served, port)?;
                daemon.announce(info)
            }
            None => Ok(()),
        }
    }

    /// What is said, as far as it is of the group.
    fn heard(&self, core: &Core, event: ServiceEvent) -> Vec<Sighting> {
        match event {
            ServiceEvent::ServiceResolved(service) => {
                let Some(heard) = Heard::of(&service) else {
                    return Vec::new();
                };
                if !heard.is_of(&core.seals()) {
                    tracing::trace!(id = %heard.id, "another group's announcement");
                    return Vec::new();
                }
                let addresses = self.addresses(core, &service);
                let mut known = self.known();
                if known.len() >= KNOWN_MAX && !known.contains_key(&heard.id) {
                    return Vec::new();
                }
                known.insert(heard.id, addresses.clone());
                sightings(heard.id, addresses)
            }
            ServiceEvent::ServiceRemoved(_, name) => {
                if let Some(id) = announcement::id(&name) {
                    self.known().remove(&id);
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Where it says that it is, as far as an announcement may say so: what it says of this host's own loopback is of another's.
    fn addresses(&self, core: &Core, service: &ResolvedService) -> Vec<Address> {
        let interfaces = Arc::clone(&core.network.watch().borrow().interfaces);
        let takes_loopback = self.takes_loopback(&interfaces);
        let mut addresses: Vec<Address> = service
            .addresses
            .iter()
            .filter(|scoped| {
                let ip = scoped.to_ip_addr();
                !ip.is_unspecified() && !ip.is_multicast() && (takes_loopback || !ip.is_loopback())
            })
            .map(|scoped| Address::Tcp(socket_address(scoped, service.port)))
            .collect();
        // Those that lead further first.
        addresses.sort_by_key(|address| (address.is_link_local(), address.clone()));
        addresses.truncate(ADDRESSES_MAX);
        addresses
    }

    fn takes_loopback(&self, interfaces: &[Interface]) -> bool {
        let mut chosen = self.choice.among(interfaces).into_iter();
        chosen.any(|it| it.ip.is_loopback())
    }

    fn meet(&self, seen: &Arc<Seen>, sightings: Vec<Sighting>, meetings: &mut JoinSet<()>) {
        for sighting in sightings {
            if meetings.len() >= MEETINGS_WAITING {
                // They are known, and come round again.
                return;
            }
            let seen = Arc::clone(seen);
            let leave = Arc::clone(&self.meetings);
            meetings.spawn(async move {
                let _leave = leave.acquire().await;
                seen.meet(sighting).await;
            });
        }
    }

    async fn meet_known(&self, seen: &Arc<Seen>) {
        let mut meetings = JoinSet::new();
        self.meet(seen, self.sightings(), &mut meetings);
        while meetings.join_next().await.is_some() {}
    }

    fn not_linked(&self, core: &Core) -> Vec<Sighting> {
        let mut all = self.sightings();
        all.retain(|it| {
            it.id
                .is_none_or(|id| !core.peers.is_linked(&Target::Instance(id)))
        });
        all
    }

    fn sightings(&self) -> Vec<Sighting> {
        let known = self.known();
        let of_each = known
            .iter()
            .map(|(id, addresses)| sightings(*id, addresses.clone()));
        of_each.flatten().collect()
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<InstanceId, Vec<Address>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble_now(&self) -> MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The next that is heard; none where no more comes of it.
async fn next(events: Option<&Receiver<ServiceEvent>>) -> Option<ServiceEvent> {
    match events {
        Some(events) => events.recv_async().await.ok(),
        None => pending().await,
    }
}

fn sightings(id: InstanceId, addresses: Vec<Address>) -> Vec<Sighting> {
    let id = Some(id);
    let of_each = addresses.into_iter();
    of_each.map(|address| Sighting { address, id }).collect()
}

/// With the link of the network over which it was heard, where the address is good for one alone.
fn socket_address(scoped: &ScopedIp, port: u16) -> SocketAddr {
    match scoped {
        ScopedIp::V6(v6) if v6.addr().is_unicast_link_local() => {
            SocketAddrV6::new(*v6.addr(), port, 0, v6.scope_id().index).into()
        }
        other => SocketAddr::new(other.to_ip_addr(), port),
    }
}
