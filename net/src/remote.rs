//! A handle to another peer: what calls are made on.

use std::fmt;
use std::sync::Arc;

use net_proto::links::{Known, Route, Target};
use net_proto::original::Dialect;
use net_proto::{Address, InstanceId};
use serde::Serialize;

use crate::call::{Call, RawCall};
use crate::error::CallError;
use crate::link::Link;
use crate::peer::Peer;
use crate::peers::Entry;
use crate::value::{self, Body};

/// Another peer, as seen from one of this process's. Cheap to clone; holds whether or not the peer is there.
#[derive(Clone)]
pub struct Remote {
    peer: Peer,
    entry: Arc<Entry>,
}

/// What a peer speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Speaks {
    /// This project's protocol.
    Native,
    /// The original's, versions 0.5 and 0.6.
    V06,
    /// The original's, versions 0.3 and 0.4.
    V03,
    /// Not known before it is dialled.
    Unknown,
}

impl Remote {
    pub(crate) fn new(peer: Peer, entry: Arc<Entry>) -> Self {
        Self { peer, entry }
    }

    /// This process's peer, from which it is called.
    #[must_use]
    pub fn local(&self) -> &Peer {
        &self.peer
    }

    /// Its identity, once known; an original peer has none.
    #[must_use]
    pub fn id(&self) -> Option<InstanceId> {
        self.known().id
    }

    /// What the handle stands for, in the form that [`Peer::remote`] takes: an instance by its id, or an address, whoever
    /// is there.
    #[must_use]
    pub fn target(&self) -> String {
        match &self.entry.of {
            Target::Instance(id) => id.to_string(),
            Target::At(address) => address.to_string(),
        }
    }

    /// What names it, now and after a restart: what the handle stands for, and its TCP addresses.
    pub(crate) fn targets(&self) -> Vec<Target> {
        let addresses = self.known().addresses.into_iter();
        let tcp = addresses.filter(|address| !matches!(address, Address::Unix(_)));
        let mut targets = vec![self.entry.of.clone()];
        targets.extend(tcp.map(Target::At).filter(|at| *at != self.entry.of));
        targets
    }

    /// What it calls itself, once known.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        self.known().hello.map(|hello| hello.name)
    }

    /// The group it says that it belongs to, once known.
    #[must_use]
    pub fn group(&self) -> Option<String> {
        let known = self.known();
        known
            .hello
            .and_then(|hello| hello.group)
            .or_else(|| known.original.and_then(|original| original.group))
    }

    /// Whether it is the centre of its group, as far as known.
    #[must_use]
    pub fn hub(&self) -> bool {
        let known = self.known();
        known.hello.is_some_and(|hello| hello.hub)
            || known.original.is_some_and(|original| original.hub)
    }

    /// Whether it runs on this host, as far as its addresses tell.
    #[must_use]
    pub fn on_host(&self) -> bool {
        self.known().addresses.iter().any(Address::is_here)
    }

    /// Where it can be dialled, the best first.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.known()
            .addresses
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// Its TCP host and port, where it has them. The last address is meant: the one that original peers use too.
    #[must_use]
    pub fn host_port(&self) -> Option<(String, u16)> {
        self.known()
            .addresses
            .iter()
            .rev()
            .find_map(Address::host_port)
    }

    /// Which protocol it speaks, once known.
    #[must_use]
    pub fn speaks(&self) -> Speaks {
        let known = self.known();
        match (known.original.map(|original| original.dialect), known.hello) {
            (Some(Dialect::V06), _) => Speaks::V06,
            (Some(Dialect::V03), _) => Speaks::V03,
            (None, Some(_)) => Speaks::Native,
            (None, None) => Speaks::Unknown,
        }
    }

    /// Calls the function under `tag` with `args`, a tuple (`(5, 10)`, `(x,)`, `()`) or a slice.
    pub fn call<T>(&self, tag: &str, args: &(impl Serialize + ?Sized)) -> Call<T> {
        Call::encode(self, tag.to_owned().into(), |body| {
            value::encode_arguments(args, body)
        })
    }

    /// Calls the function under `tag` with a body encoded already: a CBOR array of the arguments, then, where there
    /// are any, a map of those passed by name.
    pub fn call_raw(
        &self,
        tag: impl Into<std::borrow::Cow<'static, str>>,
        body: impl Into<Body>,
    ) -> RawCall {
        RawCall::new(self.clone(), tag.into(), body.into())
    }

    /// Makes sure that the peer can be called, dialling it where there is no link yet.
    ///
    /// # Errors
    ///
    /// [`CallError::Unreachable`] says what was tried.
    pub async fn connect(&self) -> Result<(), CallError> {
        let remote = self.clone();
        let dialled = self
            .peer
            .0
            .runtime
            .spawn(async move { remote.route().await.map(drop) });
        dialled.await.map_err(|_| CallError::ShutDown)?
    }

    fn known(&self) -> Known {
        self.peer.0.peers.known(&self.entry.of)
    }

    pub(crate) fn link(&self) -> Option<Arc<Link>> {
        self.entry.link()
    }

    pub(crate) fn dialect(&self) -> Option<Dialect> {
        self.peer.0.peers.dialect(&self.entry.of)
    }

    pub(crate) fn tcp_address(&self) -> Option<Address> {
        self.known()
            .addresses
            .into_iter()
            .find(|address| !matches!(address, Address::Unix(_)))
    }

    /// The way to the peer: the link there is, or one made now.
    pub(crate) async fn route(&self) -> Result<Route<Arc<Link>>, CallError> {
        let core = &self.peer.0;
        if let Some(link) = self.link() {
            return Ok(Route::Link(link));
        }
        if core.is_stopped() {
            return Err(CallError::ShutDown);
        }
        let route = core.peers.route(core, &self.entry).await;
        route.map_err(|why| match core.is_stopped() {
            true => CallError::ShutDown,
            false => CallError::Unreachable {
                peer: self.to_string(),
                why,
            },
        })
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known();
        match (known.hello, known.addresses.first(), known.id) {
            (Some(hello), Some(address), _) => write!(f, "{} at {address}", hello.name),
            (Some(hello), None, _) => f.write_str(&hello.name),
            (None, Some(address), _) => address.fmt(f),
            (None, None, Some(id)) => id.fmt(f),
            (None, None, None) => f.write_str("unknown"),
        }
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Remote({self})")
    }
}
