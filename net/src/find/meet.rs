//! From an address that somebody was seen at to a peer, or to the knowledge that nobody is there to link to.

use std::collections::HashMap;
use std::fmt;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use net_proto::links::{Met, Original, Route, Target};
use net_proto::{Address, InstanceId};
use tokio::time::timeout;

use super::{Finders, Sighting};
use crate::link::Link;
use crate::link::dial::{CONNECT_TIME, dial};
use crate::original::{self, Probed};
use crate::peer::Core;
use crate::remote::Remote;
use crate::trouble::is_exhausted;

/// How long a listener may take to answer what it is. On a host it answers at once, or is no peer (or is very busy).
const PATIENCE: Duration = Duration::from_millis(500);
/// The same on another host: a packet that is lost on the way costs a second.
const PATIENCE_ELSEWHERE: Duration = Duration::from_secs(3);
/// How long an address is left alone at which there is nobody to link to: some other program, or a peer of another version or group,
/// which are not to be pestered.
const LEFT_ALONE: Duration = Duration::from_secs(60);
/// How long a peer may take to start that listens and does not answer yet.
const STARTING: Duration = Duration::from_secs(3);

/// Whoever is linked to can call back over the link: finding somebody is not to open a group that stays on its host.
const STAYS_HERE: &str = "it is on another host, and a group without a key stays on its own: give it one (`app-net group new`), or open it (NET_OPEN=1)";

/// What a link is told that leads back to its own peer: through an address that the peer does not know as its own.
const ITSELF: &str = "it is this peer itself";

/// What came of a sighting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is the peer itself that looks.
    Own,
    /// There is a link to this peer.
    Linked(InstanceId),
    /// This peer of the group is, or will be, known from others: there is no link to it, as nobody needs one.
    Known(InstanceId),
    /// A program of the original app-net.
    Original,
    /// There is nobody to link to, as was found a while ago.
    LeftAlone,
    /// Why there is no link.
    Failed(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("this peer itself"),
            Self::Linked(id) => write!(f, "linked to {id}"),
            Self::Known(id) => write!(f, "{id}, known from others of the group"),
            Self::Original => f.write_str("a program of the original app-net"),
            Self::LeftAlone => f.write_str("left alone for a while"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

/// Addresses at which there is nobody to link to.
#[derive(Debug, Default)]
pub(super) struct LeftAlone {
    since: Mutex<HashMap<Address, Instant>>,
    /// Who listens and does not say who that is, and since when.
    silent: Mutex<HashMap<Address, Instant>>,
}

impl LeftAlone {
    /// Leaves an address alone for a while. Says whether it was not already.
    pub(super) fn add(&self, address: &Address) -> bool {
        self.since()
            .insert(address.clone(), Instant::now())
            .is_none_or(|since| since.elapsed() >= LEFT_ALONE)
    }

    pub(super) fn has(&self, address: &Address) -> bool {
        let mut since = self.since();
        since.retain(|_, since| since.elapsed() < LEFT_ALONE);
        since.contains_key(address)
    }

    /// Leaves an address alone where somebody listens who does not say who that is, unless that may be an original which is starting:
    /// it listens before it can answer.
    fn is_silent(&self, address: &Address) {
        let mut silent = self.silent();
        let since = silent.entry(address.clone()).or_insert_with(Instant::now);
        if since.elapsed() >= STARTING {
            silent.remove(address);
            self.add(address);
        }
    }

    fn since(&self) -> MutexGuard<'_, HashMap<Address, Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn silent(&self) -> MutexGuard<'_, HashMap<Address, Instant>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Meets whoever is there, unless that is known or has been tried in vain a while ago.
pub(super) async fn meet(core: &Arc<Core>, finders: &Finders, sighting: &Sighting) -> Outcome {
    let Sighting { address, id } = sighting;
    if *id == Some(core.id) || core.is_own(address) {
        return Outcome::Own;
    }
    if let Some(linked) = linked(core, address, *id) {
        // One more place for the next time.
        core.peers.found(linked, Some(address.clone()));
        return Outcome::Linked(linked);
    }
    if let Some(id) = *id
        && (core.peers.found_member(core, id, address) || core.peers.is_member(id))
    {
        return Outcome::Known(id);
    }
    if finders.left_alone.has(address) {
        return Outcome::LeftAlone;
    }
    // An original that was called by its address cannot call back over that, and is kept an eye on.
    let is_called = || core.peers.originals().iter().any(|(at, _)| at == address);
    if !address.is_here() && !core.access.admits_network() && !is_called() {
        return Outcome::Failed(STAYS_HERE.to_owned());
    }
    match (address, &core.identity) {
        // Originals speak no TLS, and have nothing to do with a group that has a key; and they have no id.
        (Address::Tcp(at), None) if id.is_none() => look_at_port(core, finders, *at).await,
        _ => match route(core, address, *id).await {
            Ok(Route::Link(link)) if link.id() == core.id => {
                link.close(ITSELF);
                Outcome::Own
            }
            Ok(Route::Link(link)) => Outcome::Linked(link.id()),
            Ok(Route::Original(_)) => Outcome::Original,
            Err(why) => Outcome::Failed(why),
        },
    }
}

/// The peer to which there is a link already, of those that are said to be there.
pub(super) fn linked(core: &Core, address: &Address, id: Option<InstanceId>) -> Option<InstanceId> {
    if let Some(id) = id {
        return core.peers.is_linked(&Target::Instance(id)).then_some(id);
    }
    let text = address.to_string();
    let at = core.peers.link(&Target::At(address.clone()));
    at.map(|link| link.id()).or_else(|| {
        let links = core.peers.links();
        let says = links
            .iter()
            .find(|link| link.hello.addresses.contains(&text));
        says.map(|link| link.id())
    })
}

async fn route(
    core: &Arc<Core>,
    address: &Address,
    id: Option<InstanceId>,
) -> Result<Route<Arc<Link>>, String> {
    let entry = match id {
        Some(id) => core.peers.found(id, Some(address.clone())),
        None => core.peers.entry(&Target::At(address.clone())),
    };
    let route = Remote::new(core.peer(), entry).route().await;
    route.map_err(|error| error.to_string())
}

/// Asks as an original does first: it takes our preface for a request that it cannot read.
async fn look_at_port(core: &Arc<Core>, finders: &Finders, address: SocketAddr) -> Outcome {
    let at = Address::Tcp(address);
    let connected = timeout(CONNECT_TIME, tokio::net::TcpStream::connect(address)).await;
    let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    // An original serves one connection after the other: this connection is not to be open when it is asked.
    if let Err(error) = connected.map(drop) {
        if !is_exhausted(&error) {
            original_is_gone(core, &at);
        }
        return Outcome::Failed(error.to_string());
    }
    let looked = Instant::now();
    let patience = match at.is_here() {
        true => PATIENCE,
        false => PATIENCE_ELSEWHERE,
    };
    let (dialect, info) = match original::probe(&at, patience).await {
        Probed::Answers(dialect, info) => (dialect, info),
        Probed::Foreign => {
            finders.left_alone.add(&at);
            return Outcome::Failed("some other program is there".to_owned());
        }
        Probed::Silent => {
            let originals = core.peers.originals();
            // One that was met is busy, or has just been started again.
            if !originals.iter().any(|(known, _)| *known == at) {
                finders.left_alone.is_silent(&at);
            }
            return Outcome::Failed("whoever is there does not say who that is".to_owned());
        }
    };
    finders.left_alone.silent().remove(&at);
    if let Some(instance) = info.get("instance") {
        if instance.as_str() == Some(&core.id.to_string()) {
            return Outcome::Own;
        }
        // One of ours that the directory does not show: another user's, from another container, or on another host.
        return match dial(core, &at, pending()).await {
            Ok(Met::Peer(id)) => Outcome::Linked(id),
            Ok(Met::Original(_)) => Outcome::Original,
            Err(error) => Outcome::Failed(error.to_string()),
        };
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
    core.peers.met_original(core, &at, original);
    Outcome::Original
}

/// Nobody listens there: an original that was there has gone.
fn original_is_gone(core: &Arc<Core>, at: &Address) {
    let originals = core.peers.originals();
    if let Some((_, original)) = originals.into_iter().find(|(known, _)| known == at) {
        let gone = Original {
            present: false,
            ..original
        };
        core.peers.met_original(core, at, gone);
    }
}
