//! The peers of this process: its own, and those that a program makes beside it. Each lives until it is shut down or the interpreter
//! ends; in a forked child another run of it takes its place.
//!
//! Not here: how a peer is started (see `node`), what is called on it (see `call`), the functions it offers (see `handler`).

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use net::{Connection, Peer, Which};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::node::{Node, Offers, Settings};
use crate::remote::{self, Remote};
use crate::wait::{stay_if_ending, wait};
use crate::{answers, attach, error, log, wait};

/// How long the end waits for threads that are in Python, after the grace time: for those that only have to be let on, not for functions
/// that run and run.
const LEAVE: Duration = Duration::from_millis(100);

/// Whether the interpreter is ending.
static ENDING: AtomicBool = AtomicBool::new(false);

/// How many forks lie between the process that first imported this and the one it is in.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Tells what was made in this process from what it was forked with: that belongs to a peer which is not here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generation(u32);

impl Generation {
    pub(crate) fn now() -> Self {
        Self(GENERATION.load(Ordering::Relaxed))
    }

    pub(crate) fn is_over(self) -> bool {
        self != Self::now()
    }
}

/// All peers of this process, its own first, and what every one of them offers, those to come too.
struct All {
    peers: Vec<Arc<Own>>,
    connections: BTreeMap<String, Connection>,
    flags: Vec<String>,
}

/// Locked only while the interpreter is held and nothing of Python's is run, so a fork never finds it locked. The same is true of the
/// locks in [`Own`].
static ALL: Mutex<All> = Mutex::new(All {
    peers: Vec::new(),
    connections: BTreeMap::new(),
    flags: Vec::new(),
});

fn all() -> MutexGuard<'static, All> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a program wishes to be told of by a peer of its process: declared to each run of that.
pub(crate) trait Wish: Send + Sync {
    /// Declares it to a peer that runs.
    fn declare(self: Arc<Self>, peer: &Peer);
    /// What a forked child has of it is not its own, and not to be dropped.
    fn after_fork(&self);
}

/// A peer of this process, whichever run of it is the present one.
pub(crate) struct Own {
    settings: Settings,
    /// What it offers beside what all do: a forked child offers it again.
    connections: Mutex<BTreeMap<String, Connection>>,
    /// What it is to be told of: a forked child too.
    wishes: Mutex<Vec<Arc<dyn Wish>>>,
    run: Mutex<Run>,
}

enum Run {
    /// Not begun yet.
    None,
    Node(Arc<Node>),
    Over,
}

impl Own {
    fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            settings,
            connections: Mutex::default(),
            wishes: Mutex::default(),
            run: Mutex::new(Run::None),
        })
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connections(&self) -> MutexGuard<'_, BTreeMap<String, Connection>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn wishes(&self) -> MutexGuard<'_, Vec<Arc<dyn Wish>>> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has it told of what is wanted, as soon as it runs.
    pub(crate) fn wish(&self, py: Python<'_>, wish: Arc<dyn Wish>) {
        self.wishes().push(Arc::clone(&wish));
        if let Some(node) = self.node() {
            let wishes = vec![wish];
            py.detach(|| {
                node.offer(Offers {
                    wishes,
                    ..Offers::default()
                });
            });
        }
    }

    pub(crate) fn forget_wish(&self, wish: *const dyn Wish) {
        self.wishes()
            .retain(|kept| !std::ptr::addr_eq(Arc::as_ptr(kept), wish));
    }

    /// Begins to start, unless that was done before.
    fn start(&self, all: &All) -> std::io::Result<()> {
        let mut run = self.run();
        if matches!(*run, Run::None) {
            let own = self.connections();
            let offers = Offers {
                connections: all
                    .connections
                    .values()
                    .chain(own.values())
                    .cloned()
                    .collect(),
                flags: all.flags.clone(),
                wishes: self.wishes().clone(),
            };
            *run = Run::Node(Node::start(self.settings.clone(), offers)?);
        }
        Ok(())
    }

    fn node(&self) -> Option<Arc<Node>> {
        match &*self.run() {
            Run::Node(node) => Some(Arc::clone(node)),
            Run::None | Run::Over => None,
        }
    }

    /// The peer, once it runs.
    ///
    /// # Errors
    ///
    /// `net.Error` if it could not be started, was not yet, or has ended.
    pub(crate) fn peer(&self, py: Python<'_>) -> PyResult<Peer> {
        let why = match &*self.run() {
            Run::Node(node) => Ok(Arc::clone(node)),
            Run::None => Err("this peer is yet to be launched"),
            Run::Over => Err("this process's peer has ended"),
        };
        match why {
            Ok(node) => node.peer(py),
            Err(why) => {
                stay_if_ending(py);
                Err(error::plain(py, why.into()))
            }
        }
    }

    fn is_running_as(&self, peer: &Peer) -> bool {
        self.node().and_then(|node| node.running()).as_ref() == Some(peer)
    }

    /// Ends the present run, if there is one that has come to anything.
    fn take(&self) -> Option<Peer> {
        match std::mem::replace(&mut *self.run(), Run::Over) {
            Run::Node(node) => node.running(),
            Run::None | Run::Over => None,
        }
    }
}

/// The peer of this process that runs as `peer` now.
pub(crate) fn running_as(peer: &Peer) -> Option<Arc<Own>> {
    let all = all();
    let mut running = all.peers.iter();
    running.find(|own| own.is_running_as(peer)).cloned()
}

/// The variable that says as which peer Python code runs: unset, it is this process's own.
fn current_variable(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CURRENT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let current = CURRENT.get_or_try_init(py, || {
        let class = py.import("contextvars")?.getattr("ContextVar")?;
        class.call1(("net.Peer",)).map(Bound::unbind)
    })?;
    Ok(current.bind(py))
}

/// The peer as which the Python code runs that asks.
///
/// # Errors
///
/// `net.Error` after the interpreter's end.
pub(crate) fn current(py: Python<'_>) -> PyResult<Arc<Own>> {
    let (own, is_alone) = {
        let all = all();
        (all.peers.first().cloned(), all.peers.len() < 2)
    };
    if !is_alone {
        let local = current_variable(py)?.call_method1("get", (py.None(),))?;
        if let Ok(local) = local.cast::<Local>() {
            return Ok(Arc::clone(&local.get().0));
        }
    }
    own.ok_or_else(|| error::plain(py, "this process has no peer".into()))
}

/// Runs `f` so that [`current`] is `peer` in it, and in what it begins in its context.
pub(crate) fn run_as<'py, R>(
    py: Python<'py>,
    peer: &Peer,
    f: impl FnOnce() -> PyResult<R>,
) -> PyResult<R> {
    // Threads that run functions have no context but what is set here: nothing set, it is the process's own peer.
    let further = {
        let all = all();
        let mut further = all.peers.iter().skip(1);
        further.find(|own| own.is_running_as(peer)).cloned()
    };
    let Some(own) = further else {
        return f();
    };
    let variable = current_variable(py)?;
    let before = variable.call_method1("set", (Local(own),))?;
    let done = f();
    variable.call_method1("reset", (before,))?;
    done
}

/// Offers a function to other peers: on one peer of this process, or on all of them, those to come too.
pub(crate) fn offer(py: Python<'_>, of: Option<&Local>, connection: Connection) {
    let tag = connection.tag.clone();
    // Dropped without a lock: what it refers to may run Python when it goes.
    let (nodes, _replaced) = match of {
        Some(local) => {
            let replaced = local.0.connections().insert(tag, connection.clone());
            (local.0.node().into_iter().collect(), replaced)
        }
        None => {
            let mut all = all();
            let replaced = all.connections.insert(tag, connection.clone());
            let nodes: Vec<_> = all.peers.iter().filter_map(|own| own.node()).collect();
            (nodes, replaced)
        }
    };
    py.detach(|| {
        for node in nodes {
            node.offer(Offers {
                connections: vec![connection.clone()],
                ..Offers::default()
            });
        }
    });
}

/// Makes a flag known to all peers of this process by its name.
#[pyfunction]
pub(crate) fn register_flag(py: Python<'_>, name: String) {
    let nodes: Vec<_> = {
        let mut all = all();
        if all.flags.contains(&name) {
            return;
        }
        all.flags.push(name.clone());
        all.peers.iter().filter_map(|own| own.node()).collect()
    };
    py.detach(|| {
        for node in nodes {
            node.offer(Offers {
                flags: vec![name.clone()],
                ..Offers::default()
            });
        }
    });
}

/// Whether the interpreter is ending, and with it every thread but the main one.
pub(crate) fn is_ending() -> bool {
    ENDING.load(Ordering::Acquire)
}

/// Starts this process's own peer in the background, if it has none.
#[pyfunction]
pub(crate) fn start(_py: Python<'_>) -> PyResult<()> {
    let mut all = all();
    if all.peers.is_empty() {
        let own = Own::new(Settings::default());
        own.start(&all)?;
        all.peers.push(own);
    }
    Ok(())
}

/// Waits until every peer has started, or could not be: a fork in the middle of that would leave the child locks that nobody there opens.
#[pyfunction]
pub(crate) fn before_fork(py: Python<'_>) -> PyResult<()> {
    let nodes: Vec<_> = all().peers.iter().filter_map(|own| own.node()).collect();
    nodes.iter().try_for_each(|node| node.settle(py))
}

/// Starts peers of its own for a forked child. The parent's live on in the parent; their threads and locks are not to be touched here.
#[pyfunction]
pub(crate) fn start_in_child(py: Python<'_>) -> PyResult<()> {
    let all = all();
    let of_parent: Vec<_> = all.peers.iter().filter_map(|own| own.node()).collect();
    let peers: Vec<Peer> = of_parent.iter().filter_map(|node| node.running()).collect();
    answers::after_fork(py);
    attach::after_fork();
    log::after_fork();
    net::after_fork(&peers);
    wait::after_fork();
    GENERATION.fetch_add(1, Ordering::Relaxed);
    for own in &all.peers {
        if own.node().is_some() {
            own.wishes().iter().for_each(|wish| wish.after_fork());
            // Not dropped: it would wait for threads that are not here.
            std::mem::forget(std::mem::replace(&mut *own.run(), Run::None));
            own.start(&all)?;
        }
    }
    std::mem::forget((of_parent, peers));
    Ok(())
}

/// Ends a child that was forked inside a function, where it leaves that.
pub(crate) fn end_child(py: Python<'_>, returned: PyResult<Bound<'_, PyAny>>) -> ! {
    let raised = returned.err().map(|error| error.into_value(py));
    let ended = py
        .import("net._life")
        .and_then(|life| life.call_method1("end_child", (raised,)));
    // It does not return, save by what the program makes of Python's exit.
    drop(ended);
    std::process::abort()
}

/// Has every peer take leave of the others and lets calls in flight end, for at most `grace` seconds.
#[pyfunction]
pub(crate) fn stop(py: Python<'_>, grace: f64) {
    ENDING.store(true, Ordering::Release);
    let peers: Vec<Peer> = all().peers.iter().filter_map(|own| own.take()).collect();
    let grace = Duration::from_secs_f64(grace.max(0.0));
    py.detach(|| {
        let leaving: Vec<_> = peers
            .into_iter()
            .map(|peer| {
                let runtime = peer.runtime().clone();
                runtime.spawn(async move { peer.shutdown_within(grace).await })
            })
            .collect();
        for leaves in leaving {
            // Its error would be that the runtime has gone, and everything with it.
            let _ = net::blocking::block_on(leaves);
        }
        log::flush(LEAVE);
        attach::close(LEAVE);
    });
}

/// Which peers are meant. No groups are the own one.
pub(crate) fn which(groups: Option<Vec<String>>, hubs_only: bool, on_host: bool) -> Which {
    let mut which = match groups {
        Some(groups) => Which::new().groups(groups),
        None => Which::new(),
    };
    if hubs_only {
        which = which.hubs_only();
    }
    if on_host {
        which = which.on_host();
    }
    which
}

/// A peer of this process. Two are equal if they stand for the same one.
#[pyclass(frozen, eq, hash, module = "net._net")]
pub(crate) struct Local(Arc<Own>);

impl Local {
    pub(crate) fn own(&self) -> &Arc<Own> {
        &self.0
    }
}

impl PartialEq for Local {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Hash for Local {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

#[pymethods]
impl Local {
    /// A further peer of this process, which is yet to be started.
    #[new]
    #[pyo3(signature = (group=None, hub=None, port=None))]
    fn new(group: Option<String>, hub: Option<bool>, port: Option<u16>) -> Self {
        let own = Own::new(Settings { group, hub, port });
        all().peers.push(Arc::clone(&own));
        Self(own)
    }

    /// Starts it in the background, if it was not yet.
    fn start(&self) -> PyResult<()> {
        Ok(self.0.start(&all())?)
    }

    /// Has it take leave of other peers and lets calls in flight end, for at most `grace` seconds. Says whether that was the last of
    /// it: the process's own peer stays what there is to say of that it has ended.
    fn stop(&self, py: Python<'_>, grace: f64) -> PyResult<bool> {
        if let Some(node) = self.0.node() {
            node.settle(py)?;
        }
        let is_further = {
            let mut all = all();
            let place = all.peers.iter().position(|own| Arc::ptr_eq(own, &self.0));
            let further = place.filter(|place| *place > 0);
            if let Some(place) = further {
                all.peers.remove(place);
            }
            place != Some(0)
        };
        if let Some(peer) = self.0.take() {
            let grace = Duration::try_from_secs_f64(grace).unwrap_or_default();
            wait(py, peer.shutdown_within(grace))?;
        }
        Ok(is_further)
    }

    /// A handle on the peer that `target` names, from which calls go out from this one.
    fn remote(&self, target: &Bound<'_, PyAny>) -> PyResult<Remote> {
        remote::handle(&self.0, target)
    }

    /// The peers that are there, as this one sees them; `refresh` looks anew first. No groups are its own.
    fn peers(
        &self,
        py: Python<'_>,
        refresh: bool,
        groups: Option<Vec<String>>,
        hubs_only: bool,
        on_host: bool,
    ) -> PyResult<Vec<Remote>> {
        let peer = self.0.peer(py)?;
        let which = which(groups, hubs_only, on_host);
        let runtime = peer.runtime().clone();
        let looking = runtime.spawn(async move {
            if refresh {
                peer.refresh_where(&which).await
            } else {
                peer.peers_where(&which).await
            }
        });
        match wait(py, looking)? {
            Ok(found) => Ok(found
                .into_iter()
                .map(|remote| Remote::new_of(&self.0, remote))
                .collect()),
            Err(_) => Err(error::call_error(py, net::CallError::ShutDown)),
        }
    }

    /// The random id of this run of it, 32 hex digits.
    #[getter]
    fn instance_id(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.0.peer(py)?.id().to_string())
    }

    #[getter]
    fn host(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.0.peer(py)?.host().to_owned())
    }

    #[getter]
    fn port(&self, py: Python<'_>) -> PyResult<Option<u16>> {
        Ok(self.0.peer(py)?.port())
    }

    #[getter]
    fn group(&self, py: Python<'_>) -> PyResult<Option<String>> {
        Ok(self.0.peer(py)?.group().map(str::to_owned))
    }

    #[getter]
    fn hub(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.0.peer(py)?.hub())
    }
}

/// The peer of this process as which the code runs that asks: in a connected function, the one that was called.
#[pyfunction(name = "current")]
pub(crate) fn current_local(py: Python<'_>) -> PyResult<Local> {
    current(py).map(Local)
}
