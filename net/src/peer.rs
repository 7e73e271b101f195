//! This process's side: a peer that listens, offers functions and calls others.

mod builder;
mod launch;

#[cfg(unix)]
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use net_proto::links::Target;
use net_proto::{Address, BadAddress, Hello, InstanceId, Limits};
use tokio::runtime::Handle;
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::JoinHandle;

use crate::ending::Ending;
use crate::error::{CallError, StartError};
use crate::event::{Publisher, Subscriber};
use crate::find::{FinderReport, Finders};
use crate::flag::Handlers;
use crate::link::Link;
use crate::link::connections::Connections;
use crate::network::Network;
use crate::peers::Table;
use crate::place::Place;
use crate::registry::Registry;
use crate::remote::Remote;
use crate::runtime::Inline;
use crate::secure::access::Access;
use crate::secure::identity::Identity;
use crate::secure::mark::Seal;
use crate::which::Which;

pub use builder::Builder;

/// How long calls in flight may go on when their peer shuts down.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// The peers of this process, in the order in which they were started.
static STARTED: Mutex<Vec<Weak<Core>>> = Mutex::new(Vec::new());

fn has_started(core: &Arc<Core>) {
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    started.retain(|core| core.upgrade().is_some_and(|core| !core.is_stopped()));
    started.push(Arc::downgrade(core));
}

/// Forgets the peers that a forked child has copies of: they run in its parent.
#[cfg(unix)]
pub(crate) fn after_fork() {
    // Whoever held the lock is not here any more, and what it guarded is not dropped.
    STARTED.clear_poison();
    if let Ok(mut started) = STARTED.try_lock() {
        std::mem::forget(std::mem::take(&mut *started));
    }
}

/// What all parts of a running peer share.
pub(crate) struct Core {
    pub(crate) id: InstanceId,
    pub(crate) name: String,
    /// Whether that name was given to it.
    is_named: bool,
    /// The user's name.
    pub(crate) user: String,
    pub(crate) group: Option<String>,
    /// With which it shows that it is of its group, where that has a key or certificates.
    pub(crate) identity: Option<Arc<Identity>>,
    pub(crate) access: Access,
    pub(crate) hub: bool,
    pub(crate) transient: bool,
    pub(crate) limits: Limits,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    /// Where it can be dialled, as it tells others.
    pub(crate) network: Network,
    pub(crate) place: Option<Place>,
    socket: Option<PathBuf>,
    /// What it listens at, and hears of the network by, for a forked child to close.
    #[cfg(unix)]
    held: Mutex<Vec<RawFd>>,
    pub(crate) runtime: Handle,
    pub(crate) inline: Arc<Inline>,
    pub(crate) registry: Registry,
    pub(crate) peers: Table,
    pub(crate) publisher: Publisher,
    pub(crate) subscriber: Subscriber,
    pub(crate) flags: Handlers,
    pub(crate) finders: Option<Finders>,
    links: Mutex<Vec<Weak<Link>>>,
    /// Those that came to it and are open.
    pub(crate) connections: Arc<Connections>,
    /// What listens and looks.
    tasks: AsyncMutex<Vec<JoinHandle<()>>>,
    pub(crate) ending: Ending,
}

impl Core {
    /// What this peer says of itself when a link begins.
    pub(crate) fn hello(&self) -> Hello {
        Hello {
            group: self.group.clone(),
            hub: self.hub,
            transient: self.transient,
            name: self.name.clone(),
            addresses: self.network.addresses().to_vec(),
            software: concat!("app-net/", env!("CARGO_PKG_VERSION")).to_owned(),
            // What it takes comes from the session's own limits.
            ..Hello::new(self.id)
        }
    }

    /// The same to who comes from another host and has proved nothing: neither who runs the program, which a name has in it that was not
    /// given, nor what leads to it on its own host.
    pub(crate) fn hello_to_stranger(&self) -> Hello {
        let mut hello = self.hello();
        if !self.is_named {
            hello.name = Self::name_for_strangers(self.id);
        }
        let leads_there = |address: Address| !address.is_here();
        hello
            .addresses
            .retain(|address| address.parse().is_ok_and(leads_there));
        hello
    }

    /// What a peer is called for those who are not told its name.
    pub(crate) fn name_for_strangers(id: InstanceId) -> String {
        format!("peer {}", &id.to_string()[..8])
    }

    pub(crate) fn peer(self: &Arc<Self>) -> Peer {
        Peer(Arc::clone(self))
    }

    /// Those by which it is known to be of its group to others of it.
    pub(crate) fn seals(&self) -> Vec<Seal> {
        match &self.identity {
            Some(identity) => identity.seals(),
            None => vec![Seal::of_name(self.group.as_deref())],
        }
    }

    /// Whether this is one of the addresses that lead to this peer.
    pub(crate) fn is_own(&self, address: &Address) -> bool {
        let text = address.to_string();
        self.network.addresses().contains(&text)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.ending.has_begun()
    }

    /// Remembers a link, so that shutting down finds it whatever the table says. Says whether that has begun already.
    pub(crate) fn link_opened(&self, link: &Arc<Link>) -> bool {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if links.len() == links.capacity() {
            links.retain(|link| link.strong_count() > 0);
        }
        links.push(Arc::downgrade(link));
        drop(links);
        // In this order here, and the reverse there: one of the two sees what the other did.
        self.is_stopped()
    }

    pub(crate) fn open_links(&self) -> Vec<Arc<Link>> {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|link| !link.is_closed())
            .collect()
    }

    /// The descriptors of its sockets. In a forked child, where a lock may have been left held: those that can be told.
    #[cfg(unix)]
    pub(crate) fn descriptors(&self) -> Vec<RawFd> {
        // What a stopped peer listened at is closed; the numbers may be of other files by now.
        let mut all = match self.held.try_lock() {
            Ok(held) if !self.is_stopped() => held.clone(),
            _ => Vec::new(),
        };
        if let Ok(links) = self.links.try_lock() {
            let open = links
                .iter()
                .filter_map(Weak::upgrade)
                .filter(|link| !link.is_closed());
            // Not dropped: a link that only this child would drop belongs to the parent.
            all.extend(open.filter_map(|link| std::mem::ManuallyDrop::new(link).descriptor()));
        }
        all
    }

    /// One more socket that a forked child has to close.
    #[cfg(unix)]
    pub(crate) fn holds(&self, descriptor: RawFd) {
        self.held().push(descriptor);
    }

    /// It is about to be closed, or was: the number may become that of another file.
    #[cfg(unix)]
    pub(crate) fn lets_go(&self, descriptor: RawFd) {
        self.held().retain(|held| *held != descriptor);
    }

    #[cfg(unix)]
    fn held(&self) -> MutexGuard<'_, Vec<RawFd>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more task that listens or looks.
    pub(crate) async fn add_task(&self, task: JoinHandle<()>) {
        self.tasks.lock().await.push(task);
    }

    /// Ends what listens and looks. When this ends, the ports are free, whoever else shuts the peer down too.
    async fn stop_tasks(&self) {
        let mut tasks = self.tasks.lock().await;
        for task in &*tasks {
            task.abort();
        }
        while let Some(task) = tasks.last_mut() {
            // Its error is that it was aborted.
            let _ = task.await;
            tasks.pop();
        }
    }
}

/// A running peer of this process. A clone is the same peer.
///
/// It runs until [`shutdown`](Peer::shutdown) or the end of its runtime, whether or not a handle is kept.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// #[net::connect]
/// fn double(x: i64) -> i64 { 2 * x }
///
/// let a = net::Peer::builder().port(0).runtime_dir(dir.path()).start().await?;
/// let b = net::Peer::builder().port(0).runtime_dir(dir.path()).start().await?;
/// let there = a.remote(&b.id().to_string())?;
/// assert_eq!(double::on(&there, 21).await?, 42);
/// # a.shutdown().await; b.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Peer(pub(crate) Arc<Core>);

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Peer({} {})", self.0.name, self.0.id)
    }
}

impl PartialEq for Peer {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Peer {}

impl Peer {
    /// A peer yet to be set up and started. What is not set is taken from the environment.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::from_env()
    }

    /// This process's own peer: the first that was started and was not shut down.
    #[must_use]
    pub fn current() -> Option<Self> {
        let started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running = started.iter().filter_map(Weak::upgrade);
        running.find(|core| !core.is_stopped()).map(Self)
    }

    /// This instance's identity: random, new with each start.
    #[must_use]
    pub fn id(&self) -> InstanceId {
        self.0.id
    }

    /// What it calls itself in messages: `user@host:pid`, or the name it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The host part of the TCP address that others on this host find it at.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// Its TCP port, if it listens on one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.0.port
    }

    /// The group it belongs to.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        self.0.group.as_deref()
    }

    /// Whether it is the centre of its group.
    #[must_use]
    pub fn hub(&self) -> bool {
        self.0.hub
    }

    /// Where it can be dialled now: `unix:/path` and `host:port`. Others as the host's network changes.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.0.network.addresses().to_vec()
    }

    /// The functions that it offers.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// The runtime that it runs in.
    #[must_use]
    pub fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    /// A handle to another peer: by its id, by `host:port` (`[fe80::1%eth0]:port` for a link-local address), or by `unix:/path`. Nothing is dialled yet.
    ///
    /// # Errors
    ///
    /// [`CallError::Unreachable`] if `target` is none of these.
    pub fn remote(&self, target: &str) -> Result<Remote, CallError> {
        if let Ok(id) = target.parse::<InstanceId>() {
            let address = self
                .0
                .place
                .as_ref()
                .map(|place| Address::Unix(place.socket(id)));
            return Ok(Remote::new(self.clone(), self.0.peers.found(id, address)));
        }
        let address = target
            .parse()
            .map_err(|error: BadAddress| CallError::Unreachable {
                peer: target.to_owned(),
                why: error.to_string(),
            })?;
        Ok(Remote::new(
            self.clone(),
            self.0.peers.entry(&Target::At(address)),
        ))
    }

    /// The peers of its own group that are there now, itself and transient ones (a command line) left out.
    ///
    /// Answers from memory, at the cost of one look at the runtime directory's time; the first call after the start
    /// waits until the first look around has ended.
    pub async fn peers(&self) -> Vec<Remote> {
        self.peers_where(&Which::new()).await
    }

    /// As [`peers`](Self::peers), of others than its own group.
    pub async fn peers_where(&self, which: &Which) -> Vec<Remote> {
        if let Some(finders) = &self.0.finders
            && !finders.is_current(&self.0)
        {
            let core = Arc::clone(&self.0);
            // On the peer's own runtime: whoever asks may stand in another, or in none.
            let looking = self.0.runtime.spawn(async move {
                if let Some(finders) = &core.finders {
                    finders.catch_up(&core).await;
                }
            });
            let _ = looking.await;
        }
        self.present(which)
    }

    /// What each way to find peers has seen so far, and what came of it: for whoever asks why a peer is not found.
    #[must_use]
    pub fn finders(&self) -> Vec<FinderReport> {
        self.0
            .finders
            .as_ref()
            .map_or_else(Vec::new, Finders::reports)
    }

    /// Looks around anew, then says which peers of its own group are there.
    pub async fn refresh(&self) -> Vec<Remote> {
        self.refresh_where(&Which::new()).await
    }

    /// As [`refresh`](Self::refresh), of others than its own group.
    pub async fn refresh_where(&self, which: &Which) -> Vec<Remote> {
        let core = Arc::clone(&self.0);
        let looking = self.0.runtime.spawn(async move {
            if let Some(finders) = &core.finders {
                finders.look(&core).await;
            }
        });
        let _ = looking.await;
        self.present(which)
    }

    fn present(&self, which: &Which) -> Vec<Remote> {
        let peers = &self.0.peers;
        let filter = which.filter(self.group());
        let present = peers.present().into_iter();
        present
            .filter(|entry| filter.matches(&peers.who(&entry.of)))
            .map(|entry| Remote::new(self.clone(), entry))
            .collect()
    }

    /// Stops listening, takes leave of every peer, lets calls in flight end for up to [`SHUTDOWN_GRACE`], and closes.
    pub async fn shutdown(&self) {
        self.shutdown_within(SHUTDOWN_GRACE).await;
    }

    /// As [`shutdown`](Self::shutdown), with a grace time of the caller's own.
    pub async fn shutdown_within(&self, grace: Duration) {
        let core = &self.0;
        core.ending.begin();
        core.peers.tell_no_more();
        core.stop_tasks().await;
        if let Some(socket) = &core.socket {
            // Gone already if the directory was cleaned under us.
            let _ = std::fs::remove_file(socket);
        }
        core.subscriber.withdraw_all(core);
        core.peers.leave_group(core);
        for link in core.open_links() {
            core.publisher.end(&link);
            link.drain("shutting down");
        }
        let timer = {
            let _entered = core.runtime.enter();
            tokio::time::timeout(grace, core.ending.drained(|| !core.open_links().is_empty()))
        };
        let _ = timer.await;
        core.ending.cut_off();
        for link in core.open_links() {
            link.close("shut down");
        }
    }
}

/// Starts a peer as the environment says, with all functions of the program that carry `#[net::connect]`, `#[net::subscribe]` or
/// `#[net::flag]`.
///
/// # Errors
///
/// [`StartError`] says which setting or socket is not usable.
pub async fn start() -> Result<Peer, StartError> {
    Peer::builder().start().await
}
