//! This process's peer: started in the background, waited for by those who need it, made anew in a forked child.
//!
//! Not here: what is called on it (see `call`), the functions it offers (see `handler`).

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use net::{Connection, Peer};
use pyo3::prelude::*;
use tokio::sync::watch;

use crate::wait::{stay_if_ending, wait};
use crate::{answers, attach, error, wait};

/// How far the peer is.
#[derive(Clone)]
enum Stage {
    Starting,
    Running(Peer),
    Failed(Arc<str>),
}

/// A peer on its way into being, and after.
struct Node {
    stage: watch::Sender<Stage>,
    /// What was registered before there was a peer to register it with.
    early: Mutex<Vec<Connection>>,
}

/// How long the end waits for threads that are in Python, after the grace time: for those that only have to be let on, not for functions
/// that run and run.
const LEAVE: Duration = Duration::from_millis(100);

/// Whether the interpreter is ending.
static ENDING: AtomicBool = AtomicBool::new(false);

/// The node of this process. Locked only while the interpreter is held, so a fork never finds it locked.
static NODE: Mutex<Option<Arc<Node>>> = Mutex::new(None);

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

impl Node {
    /// Starts a peer on threads of its own, as the environment says.
    fn start() -> std::io::Result<Arc<Self>> {
        let node = Arc::new(Self {
            stage: watch::Sender::new(Stage::Starting),
            early: Mutex::default(),
        });
        let starting = Arc::clone(&node);
        thread::Builder::new().name("net-start".into()).spawn(
            move || match net::blocking::start() {
                Ok(peer) => starting.run(peer),
                Err(why) => {
                    let why = format!("this process's peer could not be started: {why}");
                    attach::attach(|py| error::log(py, &why));
                    starting.stage.send_replace(Stage::Failed(why.into()));
                }
            },
        )?;
        Ok(node)
    }

    fn run(&self, peer: Peer) {
        let mut early = self.early.lock().unwrap_or_else(PoisonError::into_inner);
        for connection in early.drain(..) {
            peer.registry().register(connection);
        }
        // Under the lock: who registers next finds the peer.
        self.stage.send_replace(Stage::Running(peer));
    }

    fn register(&self, connection: Connection) {
        let mut early = self.early.lock().unwrap_or_else(PoisonError::into_inner);
        match &*self.stage.borrow() {
            Stage::Running(peer) => {
                peer.registry().register(connection);
            }
            // Of a peer that could not be started everybody who needs it is told.
            Stage::Starting | Stage::Failed(_) => early.push(connection),
        }
    }
}

fn node(py: Python<'_>) -> PyResult<Arc<Node>> {
    let node = NODE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    node.ok_or_else(|| {
        stay_if_ending(py);
        error::plain(py, "this process's peer has ended".into())
    })
}

/// How the start of the peer ended: waits until it has. `None` if the thread that does it is gone.
fn settled(py: Python<'_>, node: &Node) -> PyResult<Option<Stage>> {
    let mut stage = node.stage.subscribe();
    let settled = async move {
        let stage = stage
            .wait_for(|stage| !matches!(stage, Stage::Starting))
            .await;
        stage.ok().map(|stage| stage.clone())
    };
    wait(py, settled)
}

/// This process's peer, once it runs.
///
/// # Errors
///
/// `net.Error` if it could not be started.
pub(crate) fn peer(py: Python<'_>) -> PyResult<Peer> {
    let node = node(py)?;
    if let Stage::Running(peer) = &*node.stage.borrow() {
        return Ok(peer.clone());
    }
    match settled(py, &node)? {
        Some(Stage::Running(peer)) => Ok(peer),
        Some(Stage::Failed(why)) => Err(error::plain(py, why.to_string())),
        // The node, which sends, is held above.
        Some(Stage::Starting) | None => Err(error::plain(
            py,
            "this process's peer went away while it started".into(),
        )),
    }
}

/// Offers a function to other peers, now or as soon as there is a peer.
pub(crate) fn offer(py: Python<'_>, connection: Connection) -> PyResult<()> {
    let node = node(py)?;
    // Registering takes the registry's lock, which a thread may hold that waits for the interpreter.
    py.detach(|| node.register(connection));
    Ok(())
}

/// Whether the interpreter is ending, and with it every thread but the main one.
pub(crate) fn is_ending() -> bool {
    ENDING.load(Ordering::Acquire)
}

/// Starts this process's peer in the background, if it has none.
#[pyfunction]
pub(crate) fn start(_py: Python<'_>) -> PyResult<()> {
    let mut node = NODE.lock().unwrap_or_else(PoisonError::into_inner);
    if node.is_none() {
        *node = Some(Node::start()?);
    }
    Ok(())
}

/// Waits until the peer has started, or could not be: a fork in the middle of that would leave the child locks that nobody there opens.
#[pyfunction]
pub(crate) fn before_fork(py: Python<'_>) -> PyResult<()> {
    let node = NODE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match node {
        Some(node) => settled(py, &node).map(drop),
        None => Ok(()),
    }
}

/// Starts a peer of its own for a forked child. The parent's lives on in the parent; its threads and locks are not to be touched here.
#[pyfunction]
pub(crate) fn start_in_child(py: Python<'_>) -> PyResult<()> {
    let of_parent = NODE.lock().unwrap_or_else(PoisonError::into_inner).take();
    let peers: Vec<Peer> = match of_parent.as_ref().map(|node| node.stage.borrow().clone()) {
        Some(Stage::Running(peer)) => vec![peer],
        _ => Vec::new(),
    };
    answers::after_fork(py);
    attach::after_fork();
    net::after_fork(&peers);
    // Dropped, they would wait for threads that are not here.
    std::mem::forget((of_parent, peers));
    wait::after_fork();
    GENERATION.fetch_add(1, Ordering::Relaxed);
    start(py)
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

/// Takes leave of other peers and lets calls in flight end, for at most `grace` seconds.
#[pyfunction]
pub(crate) fn stop(py: Python<'_>, grace: f64) {
    ENDING.store(true, Ordering::Release);
    let node = NODE.lock().unwrap_or_else(PoisonError::into_inner).take();
    let running = node.and_then(|node| match &*node.stage.borrow() {
        Stage::Running(peer) => Some(peer.clone()),
        Stage::Starting | Stage::Failed(_) => None,
    });
    py.detach(|| {
        if let Some(peer) = running {
            let grace = Duration::from_secs_f64(grace.max(0.0));
            net::blocking::block_on(peer.shutdown_within(grace));
        }
        attach::close(LEAVE);
    });
}

/// What this process's peer is.
#[pyclass(frozen, module = "net._net")]
pub(crate) struct Local(Peer);

#[pymethods]
impl Local {
    #[getter]
    fn id(&self) -> String {
        self.0.id().to_string()
    }

    #[getter]
    fn host(&self) -> &str {
        self.0.host()
    }

    #[getter]
    fn port(&self) -> Option<u16> {
        self.0.port()
    }

    #[getter]
    fn group(&self) -> Option<&str> {
        self.0.group()
    }

    #[getter]
    fn hub(&self) -> bool {
        self.0.hub()
    }
}

/// This process's peer, once it runs.
#[pyfunction]
pub(crate) fn local(py: Python<'_>) -> PyResult<Local> {
    peer(py).map(Local)
}
