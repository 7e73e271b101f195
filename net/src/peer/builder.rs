//! How a peer is set up by a program. Nothing here acts on it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
#[cfg(test)]
use std::sync::Arc;

use net_proto::Limits;

use super::Peer;
use super::launch::launch;
use crate::config::{self, Config};
use crate::error::StartError;
#[cfg(test)]
use crate::find::Finder;
use crate::interfaces::Choice;
use crate::runtime;
use crate::secure::certificates::CertificateFiles;

/// Sets up a [`Peer`].
#[derive(Debug)]
pub struct Builder {
    config: Result<Config, StartError>,
    functions: bool,
}

impl Builder {
    pub(super) fn from_env() -> Self {
        Self {
            config: Config::from_env(),
            functions: true,
        }
    }

    fn set(mut self, change: impl FnOnce(&mut Config)) -> Self {
        if let Ok(config) = &mut self.config {
            change(config);
        }
        self
    }

    /// The group that it belongs to (`NET_GROUP`).
    #[must_use]
    pub fn group(self, group: impl Into<String>) -> Self {
        let group = group.into();
        self.set(|config| config.group = Some(group))
    }

    /// What the key of its group comes of: a join code, or a text that nobody can guess (`NET_SECRET`). Unless it is said, the key that
    /// `app-net join` or `app-net group new` has stored for this user, if there is one. Without any the group has no key.
    #[must_use]
    pub fn secret(self, secret: impl Into<String>) -> Self {
        let secret = secret.into();
        self.set(|config| config.secret = Some(secret))
    }

    /// Certificates of its own, in files in PEM form, instead of such as come of a key: the peer's (and those between it and the authority), its
    /// private key, and those of the authorities whose peers are of the group (`NET_TLS_CERT`, `NET_TLS_KEY`, `NET_TLS_CA`). Files that are replaced are
    /// read again.
    ///
    /// Whoever has a certificate of one of the authorities is of the group. Groups that are to be apart need authorities of their own.
    #[must_use]
    pub fn certificates(
        self,
        chain: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
        authorities: impl Into<PathBuf>,
    ) -> Self {
        let files = CertificateFiles {
            chain: chain.into(),
            key: key.into(),
            authorities: authorities.into(),
        };
        self.set(|config| config.certificates = Some(files))
    }

    /// The addresses to listen at for TCP (`NET_BIND`), all of this host's. Unless it is said: loopback alone for a group without a key, all
    /// that the host has for one with a key, or that is [open](Self::open).
    #[must_use]
    pub fn bind(self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let addresses = addresses.into_iter().collect();
        self.set(|config| config.bind = addresses)
    }

    /// The interfaces whose networks are asked for peers, and told of this one (`NET_INTERFACES`): names, in which `*` stands for any characters,
    /// or addresses; with a `!` before it, one that is not. Unless it is said: all but virtual ones and loopback. `["!*"]` is none.
    #[must_use]
    pub fn interfaces<I>(self, interfaces: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let interfaces = Choice::of(interfaces);
        self.set(|config| config.interfaces = interfaces)
    }

    /// Whether a group without a key is served to the network (`NET_OPEN`). Whoever reaches the peer can then call its functions.
    /// A group with a key is served to the network as it is, and to those alone that have the key.
    #[must_use]
    pub fn open(self, open: bool) -> Self {
        self.set(|config| config.open = open)
    }

    /// Whether it is the centre of its group (`NET_IS_HUB`).
    #[must_use]
    pub fn hub(self, hub: bool) -> Self {
        self.set(|config| config.hub = hub)
    }

    /// What it calls itself in messages.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.set(|config| config.name = Some(name))
    }

    /// The first TCP port to try (`NET_PORT`); 0 is one that the system gives.
    #[must_use]
    pub fn port(self, port: u16) -> Self {
        self.set(|config| config.port = port)
    }

    /// How many ports after the first to try (`NET_PORT_RANGE`).
    #[must_use]
    pub fn port_range(self, range: u16) -> Self {
        self.set(|config| config.port_range = range)
    }

    /// The directory in which peers of this user on this host meet, in `app-net` there (`NET_RUNTIME_DIR`).
    #[must_use]
    pub fn runtime_dir(self, dir: impl AsRef<Path>) -> Self {
        let dir = dir.as_ref().to_owned();
        self.set(|config| config.runtime_dir = Some(dir))
    }

    /// Whether it can be dialled. One that does not listen can call, and be called back on the links it made.
    #[must_use]
    pub fn listen(self, listen: bool) -> Self {
        self.set(|config| config.listen = listen)
    }

    /// Whether it looks for peers, and lets itself be found by more than its socket.
    #[must_use]
    pub fn discover(self, discover: bool) -> Self {
        self.set(|config| config.discover = discover)
    }

    /// Where peers are, besides those that are found by themselves (`NET_PEERS`): `host:port`, `host` (the ports of the range), `[ipv6]:port`,
    /// `dns:name` or `dns:name:port` (all addresses of a name), `srv:_app-net._tcp.example.org`, and `unix:/path`. Those that are not there are tried again, and names
    /// are looked up again, as long as the peer runs. What is none of these is told by [`start`](Self::start).
    #[must_use]
    pub fn peers(mut self, peers: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        match (config::peers(peers), &mut self.config) {
            (Ok(peers), Ok(config)) => config.peers = peers,
            (Err(error), Ok(_)) => self.config = Err(error),
            (_, Err(_)) => {}
        }
        self
    }

    /// One more way to find peers.
    #[cfg(test)]
    pub(crate) fn finder(self, finder: Arc<dyn Finder>) -> Self {
        self.set(|config| config.finders.push(finder))
    }

    /// Whether others leave it out of their lists of peers, as they do a command line.
    #[must_use]
    pub fn transient(self, transient: bool) -> Self {
        self.set(|config| config.transient = transient)
    }

    /// The limits of its links.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        self.set(|config| config.limits = limits)
    }

    /// Whether the program's functions are its own: it offers those with `#[net::connect]`, subscribes those with
    /// `#[net::subscribe]`, and handles flags by those with `#[net::flag]`. On unless turned off.
    #[must_use]
    pub fn functions(mut self, functions: bool) -> Self {
        self.functions = functions;
        self
    }

    /// Starts the peer: it listens, and can be found, when this ends.
    ///
    /// It runs in the tokio runtime it is started in, where that has at least two threads, else in one of the
    /// library's own.
    ///
    /// # Errors
    ///
    /// [`StartError`] says which setting or socket is not usable.
    pub async fn start(self) -> Result<Peer, StartError> {
        let config = self.config?;
        let runtime = runtime::handle().map_err(StartError::Runtime)?;
        let functions = self.functions;
        let starting = runtime.spawn(launch(config, functions, runtime.clone()));
        starting
            .await
            .map_err(|error| StartError::Runtime(std::io::Error::other(error)))?
    }
}
