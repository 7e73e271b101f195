//! Finds the peers on this host: through the runtime directory, and for originals through the port range.

use std::collections::HashMap;
use std::future::pending;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use net_proto::Address;
use net_proto::links::{Original, Target};
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::clock;
use crate::config::Config;
use crate::link::dial::dial;
use crate::listen::loopback_hosts;
use crate::original::{self, Probed};
use crate::peer::Core;
use crate::place::{Sockets, remove_stale};
use crate::remote::Remote;
use crate::trouble::{Said, is_exhausted};

/// How often it looks without being asked. A native newcomer dials those that are there, so this only finds what that
/// missed; and an original that has come or gone.
const EVERY: Duration = Duration::from_secs(2);
/// How long a listener may take to answer what it is. On a host it answers at once, or is no peer (or is very busy).
const PATIENCE: Duration = Duration::from_millis(500);
/// How long an address is left alone at which there is nobody to link to: some other program, or a peer of another version, which are
/// not to be pestered.
const LEFT_ALONE: Duration = Duration::from_secs(60);
/// How long a peer may take to start that has made its socket and has not named it, or does not answer at it: that takes a moment, or
/// a new try where its process stood still meanwhile.
const STARTING: Duration = Duration::from_secs(3);
/// How long the first question for peers waits for the first look.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// File systems note times by the kernel's tick, 10 ms at most: what changed less ago may change again unseen.
const TICK: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct HostFinder {
    ports: Vec<u16>,
    hosts: OnceLock<Vec<IpAddr>>,
    looked: watch::Sender<bool>,
    /// One look at a time: who asks meanwhile waits for its end and then looks too.
    looking: AsyncMutex<()>,
    /// Since when which addresses are left alone.
    left_alone: Mutex<HashMap<Address, Instant>>,
    /// Who listens and does not say who that is, and since when.
    silent: Mutex<HashMap<Address, Instant>>,
    /// When the runtime directory had last changed before it was read; none if that was just then.
    read: Mutex<Option<SystemTime>>,
    unreadable: Said,
    /// The sockets of peers that start, and since when they are seen to.
    starting: Mutex<HashMap<PathBuf, Instant>>,
}

impl HostFinder {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            ports: config.ports().collect(),
            hosts: OnceLock::new(),
            looked: watch::Sender::new(false),
            looking: AsyncMutex::new(()),
            left_alone: Mutex::default(),
            silent: Mutex::default(),
            read: Mutex::default(),
            unreadable: Said::not_yet(),
            starting: Mutex::default(),
        }
    }

    /// Looks until the peer stops.
    pub(crate) async fn run(core: Arc<Core>) {
        let Some(finder) = &core.finder else { return };
        loop {
            finder.look(&core).await;
            finder.looked.send_replace(true);
            clock::sleep(EVERY).await;
        }
    }

    /// Whether what is known is of now: the first look has ended, and the runtime directory is as it was read last.
    /// Costs one system call.
    pub(crate) fn is_current(&self, core: &Core) -> bool {
        let changed = core.place.as_ref().and_then(|place| place.changed().ok());
        let read = *self.read.lock().unwrap_or_else(PoisonError::into_inner);
        *self.looked.borrow() && changed.is_some() && changed == read
    }

    /// Makes what is known [current](Self::is_current), within a bounded time.
    pub(crate) async fn catch_up(&self, core: &Arc<Core>) {
        let mut looked = self.looked.subscribe();
        let _ = timeout(FIRST_LOOK, looked.wait_for(|looked| *looked)).await;
        let mut looks = JoinSet::new();
        self.look_into_directory(core, &mut looks);
        let _ = timeout(FIRST_LOOK, looks.join_all()).await;
    }

    /// Looks once, everywhere on this host.
    pub(crate) async fn look(&self, core: &Arc<Core>) {
        let _one = self.looking.lock().await;
        let mut looks = JoinSet::new();
        self.look_into_directory(core, &mut looks);
        self.look_at_ports(core, &mut looks).await;
        while looks.join_next().await.is_some() {}
        core.subscriber.dial_wanted(core);
        core.subscriber.ask_originals(core);
    }

    fn look_into_directory(&self, core: &Arc<Core>, looks: &mut JoinSet<()>) {
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
            if self.is_left_alone(&Address::Unix(path.clone())) {
                continue;
            }
            let core = Arc::clone(core);
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
                let entry = core.peers.found(id, Some(Address::Unix(path)));
                if let Err(error) = Remote::new(core.peer(), entry).route().await {
                    tracing::debug!(%id, %error, "a peer on this host does not answer");
                }
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

    async fn look_at_ports(&self, core: &Arc<Core>, looks: &mut JoinSet<()>) {
        // Originals have no key, and so nothing to do with a group that has one.
        if core.identity.is_some() {
            return;
        }
        let linked: Vec<String> = core
            .peers
            .links()
            .iter()
            .flat_map(|link| link.hello.addresses.clone())
            .collect();
        let originals = core.peers.originals();
        let mut addresses: Vec<SocketAddr> = Vec::new();
        // Looked up once: the name of this host may be slow to look up, and this comes round every two seconds.
        for host in self.hosts.get_or_init(loopback_hosts) {
            addresses.extend(self.ports.iter().map(|port| SocketAddr::new(*host, *port)));
        }
        // Originals met by address outside the range are kept an eye on too.
        addresses.extend(originals.iter().filter_map(|(address, _)| match address {
            Address::Tcp(address) => Some(*address),
            Address::Unix(_) | Address::Name(..) | Address::Scoped(..) => None,
        }));
        addresses.sort();
        addresses.dedup();
        let ours = core.hello().addresses;
        for address in addresses {
            let text = address.to_string();
            if ours.contains(&text)
                || linked.contains(&text)
                || self.is_left_alone(&Address::Tcp(address))
            {
                continue;
            }
            let core = Arc::clone(core);
            looks.spawn(async move { look_at_port(&core, address).await });
        }
    }

    fn is_left_alone(&self, address: &Address) -> bool {
        let mut left_alone = self.left_alone();
        left_alone.retain(|_, since| since.elapsed() < LEFT_ALONE);
        left_alone.contains_key(address)
    }

    /// Leaves an address alone for a while. Says whether it was not already.
    pub(crate) fn leave_alone(&self, address: &Address) -> bool {
        self.left_alone()
            .insert(address.clone(), Instant::now())
            .is_none_or(|since| since.elapsed() >= LEFT_ALONE)
    }

    /// Leaves an address alone where somebody listens who does not say who that is, unless that may be an original which is starting:
    /// it listens before it can answer.
    fn is_silent(&self, address: &Address) {
        let mut silent = self.silent();
        let since = silent.entry(address.clone()).or_insert_with(Instant::now);
        if since.elapsed() >= STARTING {
            silent.remove(address);
            self.leave_alone(address);
        }
    }

    fn silent(&self) -> MutexGuard<'_, HashMap<Address, Instant>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left_alone(&self) -> MutexGuard<'_, HashMap<Address, Instant>> {
        self.left_alone
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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

async fn look_at_port(core: &Arc<Core>, address: SocketAddr) {
    let at = Address::Tcp(address);
    if let Err(error) = tokio::net::TcpStream::connect(address).await {
        if is_exhausted(&error) {
            return;
        }
        // Nobody: an original that was there has gone.
        if let Some((_, original)) = core
            .peers
            .originals()
            .into_iter()
            .find(|(known, _)| *known == at)
        {
            let gone = Original {
                present: false,
                ..original
            };
            core.peers.met_original(&at, gone);
        }
        return;
    }
    let looked = Instant::now();
    let Some(finder) = &core.finder else { return };
    let (dialect, info) = match original::probe(&at, PATIENCE).await {
        Probed::Answers(dialect, info) => (dialect, info),
        Probed::Foreign => {
            finder.leave_alone(&at);
            return;
        }
        Probed::Silent => {
            let originals = core.peers.originals();
            // One that was met is busy, or has just been started again.
            if !originals.iter().any(|(known, _)| *known == at) {
                finder.is_silent(&at);
            }
            return;
        }
    };
    finder.silent().remove(&at);
    if info.get("instance").is_some() {
        // One of ours that the directory does not show: another user's, or from another container.
        if let Err(error) = dial(core, &at, pending()).await {
            tracing::debug!(%address, %error, "a peer on this host does not answer");
        }
        return;
    }
    let text = |name: &str| {
        info.get(name)
            .and_then(|value| value.as_str())
            .map(str::to_owned)
    };
    let events = info.get("subscriptions").and_then(|list| list.as_array());
    let events: Vec<&str> = events
        .into_iter()
        .flatten()
        .filter_map(|event| event.as_str())
        .collect();
    core.subscriber.heard_of_original(&at, &events, looked);
    let original = Original {
        dialect,
        group: text("group").filter(|group| group != "None"),
        hub: info
            .get("hub")
            .and_then(serde_json::Value::as_bool)
            .unwrap_or(false),
        described: true,
        present: true,
    };
    core.peers.met_original(&at, original);
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
