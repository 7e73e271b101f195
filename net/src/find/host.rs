//! Finds the peers on this host: through the runtime directory, and for originals through the port range.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use net_proto::Address;
use net_proto::links::Target;
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::JoinSet;

use super::{Finder, Looking, Seen, Sighting};
use crate::clock;
use crate::config::Config;
use crate::listen::loopback_hosts;
use crate::peer::Core;
use crate::place::{Sockets, remove_stale};
use crate::trouble::Said;

/// How often it looks without being asked. A native newcomer dials those that are there, so this only finds what that
/// missed; and an original that has come or gone.
const EVERY: Duration = Duration::from_secs(2);
/// How long a peer may take to start that has made its socket and has not named it, or does not answer at it: that takes a moment, or
/// a new try where its process stood still meanwhile.
const STARTING: Duration = Duration::from_secs(3);
/// File systems note times by the kernel's tick, 10 ms at most: what changed less ago may change again unseen.
const TICK: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct HostFinder {
    ports: Vec<u16>,
    hosts: OnceLock<Vec<IpAddr>>,
    /// One look at a time: who asks meanwhile waits for its end and then looks too.
    looking: AsyncMutex<()>,
    /// When the runtime directory had last changed before it was read; none if that was just then.
    read: Mutex<Option<SystemTime>>,
    unreadable: Said,
    /// The sockets of peers that start, and since when they are seen to.
    starting: Mutex<HashMap<PathBuf, Instant>>,
}

impl Finder for HostFinder {
    fn name(&self) -> &'static str {
        "host"
    }

    fn watch(self: Arc<Self>, seen: Arc<Seen>) -> Looking {
        Box::pin(async move {
            loop {
                self.look_around(&seen).await;
                seen.has_looked();
                clock::sleep(EVERY).await;
            }
        })
    }

    fn look(self: Arc<Self>, seen: Arc<Seen>) -> Looking {
        Box::pin(async move { self.look_around(&seen).await })
    }
}

impl HostFinder {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            ports: config.ports().collect(),
            hosts: OnceLock::new(),
            looking: AsyncMutex::new(()),
            read: Mutex::default(),
            unreadable: Said::not_yet(),
            starting: Mutex::default(),
        }
    }

    /// Whether the runtime directory is as it was read last. Costs one system call.
    pub(super) fn is_current(&self, core: &Core) -> bool {
        let changed = core.place.as_ref().and_then(|place| place.changed().ok());
        let read = *self.read.lock().unwrap_or_else(PoisonError::into_inner);
        changed.is_some() && changed == read
    }

    /// Looks into the runtime directory alone.
    pub(super) async fn catch_up(&self, seen: &Arc<Seen>) {
        let mut looks = JoinSet::new();
        self.look_into_directory(seen, &mut looks);
        looks.join_all().await;
    }

    /// Looks once, everywhere on this host.
    async fn look_around(&self, seen: &Arc<Seen>) {
        let _one = self.looking.lock().await;
        let core = seen.core();
        let mut looks = JoinSet::new();
        self.look_into_directory(seen, &mut looks);
        let ports = self.ports_to_look_at(core).into_iter();
        seen.try_all(ports.map(Address::Tcp)).await;
        while looks.join_next().await.is_some() {}
        core.subscriber.dial_wanted(core);
        core.subscriber.ask_originals(core);
    }

    fn look_into_directory(&self, seen: &Arc<Seen>, looks: &mut JoinSet<()>) {
        let core = seen.core();
        let Some(place) = &core.place else { return };
        let changed = place.changed().ok().filter(|at| is_past(*at));
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = changed;
        let sockets = place.sockets().unwrap_or_else(|error| {
            if self.unreadable.is_due() {
                tracing::warn!(%error, "cannot read the runtime directory");
            }
            Sockets::default()
        });
        self.look_at_starting(sockets.starting);
        for (id, path) in sockets.listening {
            if id == core.id || core.peers.is_linked(&Target::Instance(id)) {
                continue;
            }
            let seen = Arc::clone(seen);
            looks.spawn(async move {
                // Asked for without a connection first: a refusal is the sign of a socket left behind.
                match tokio::net::UnixStream::connect(&path).await {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                        remove_stale(&path);
                        return;
                    }
                    // It has more to do than it gets to.
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
                let address = Address::Unix(path);
                let id = Some(id);
                seen.meet(Sighting { address, id }).await;
            });
        }
    }

    /// Removes what peers have left that were killed while they started.
    fn look_at_starting(&self, now_starting: Vec<PathBuf>) {
        let now = Instant::now();
        let mut starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        starting.retain(|path, _| now_starting.contains(path));
        for path in now_starting {
            let since = *starting.entry(path.clone()).or_insert(now);
            if now.duration_since(since) >= STARTING {
                remove_stale(&path);
            }
        }
    }

    fn ports_to_look_at(&self, core: &Core) -> Vec<SocketAddr> {
        // Originals have no key, and so nothing to do with a group that has one.
        if core.identity.is_some() {
            return Vec::new();
        }
        let mut addresses: Vec<SocketAddr> = Vec::new();
        // Looked up once: the name of this host may be slow to look up, and this comes round every two seconds.
        for host in self.hosts.get_or_init(loopback_hosts) {
            addresses.extend(self.ports.iter().map(|port| SocketAddr::new(*host, *port)));
        }
        // Originals met by address outside the range are kept an eye on too.
        let originals = core.peers.originals();
        addresses.extend(originals.iter().filter_map(|(address, _)| match address {
            Address::Tcp(address) => Some(*address),
            Address::Unix(_) | Address::Name(..) | Address::Scoped(..) => None,
        }));
        addresses.sort();
        addresses.dedup();
        addresses
    }
}

/// Whether what changes from now on will have another time than `changed`.
fn is_past(changed: SystemTime) -> bool {
    let apart = match changed.elapsed() {
        Ok(ago) => ago,
        // It changed before the clock was set back.
        Err(ahead) => ahead.duration(),
    };
    apart > TICK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_makes_nothing_look_as_if_it_changed_just_now() {
        let hour = Duration::from_secs(3600);
        let now = SystemTime::now();
        assert!(is_past(now - hour) && is_past(now + hour));
        assert!(!is_past(SystemTime::now()));
    }
}
