//! One run of a peer: started in the background, waited for by those who need it.
//!
//! Not here: which peers this process has, and what becomes of them in a forked child (see `local`).

use std::sync::{Arc, Mutex, PoisonError};

use net::blocking::block_on;
use net::{Builder, Connection, Peer};
use pyo3::prelude::*;
use tokio::sync::watch;

use crate::local::Wish;
use crate::wait::wait;
use crate::{attach, error, signals};

/// What a peer is started with, where it is not what the environment says.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    pub(crate) group: Option<String>,
    pub(crate) hub: Option<bool>,
    pub(crate) port: Option<u16>,
}

impl Settings {
    /// Reads what is not set from the environment, so on a thread of the program.
    fn builder(&self) -> Builder {
        let mut builder = Peer::builder();
        if let Some(group) = &self.group {
            builder = builder.group(group);
        }
        if let Some(hub) = self.hub {
            builder = builder.hub(hub);
        }
        if let Some(port) = self.port {
            builder = builder.port(port);
        }
        builder
    }
}

/// What a peer offers: functions, and the names of flags; and what it wants.
#[derive(Default)]
pub(crate) struct Offers {
    pub(crate) connections: Vec<Connection>,
    pub(crate) flags: Vec<String>,
    /// What it is to be told of.
    pub(crate) wishes: Vec<Arc<dyn Wish>>,
}

impl Offers {
    fn make(&mut self, peer: &Peer) {
        for connection in self.connections.drain(..) {
            peer.registry().register(connection);
        }
        for flag in self.flags.drain(..) {
            peer.registry().register_flag(flag);
        }
        // After the functions: one of them is told.
        for wish in self.wishes.drain(..) {
            wish.declare(peer);
        }
    }
}

/// How far the peer is.
#[derive(Clone)]
enum Stage {
    Starting,
    Running(Peer),
    Failed(Arc<str>),
}

/// A peer on its way into being, and after.
pub(crate) struct Node {
    stage: watch::Sender<Stage>,
    /// What was offered before there was a peer to offer it.
    early: Mutex<Offers>,
}

impl Node {
    /// Starts a peer on threads of its own.
    pub(crate) fn start(settings: Settings, early: Offers) -> std::io::Result<Arc<Self>> {
        let node = Arc::new(Self {
            stage: watch::Sender::new(Stage::Starting),
            early: Mutex::new(early),
        });
        let starting = Arc::clone(&node);
        let builder = settings.builder();
        signals::while_blocked(net::blocking::prepare)?;
        signals::spawn("net-start", move || match block_on(builder.start()) {
            Ok(peer) => starting.run(peer),
            Err(why) => {
                let why = format!("this process's peer could not be started: {why}");
                attach::attach(|py| error::log(py, &why));
                starting.stage.send_replace(Stage::Failed(why.into()));
            }
        })?;
        Ok(node)
    }

    fn run(&self, peer: Peer) {
        let mut early = self.early.lock().unwrap_or_else(PoisonError::into_inner);
        early.make(&peer);
        // Under the lock: who offers next finds the peer.
        self.stage.send_replace(Stage::Running(peer));
    }

    /// Offers what is given to other peers, now or as soon as there is a peer.
    ///
    /// Not to be called with the interpreter held: the registry's lock may be held by a thread that waits for it.
    pub(crate) fn offer(&self, mut offers: Offers) {
        let mut early = self.early.lock().unwrap_or_else(PoisonError::into_inner);
        match &*self.stage.borrow() {
            Stage::Running(peer) => offers.make(peer),
            // Of a peer that could not be started everybody who needs it is told.
            Stage::Starting | Stage::Failed(_) => {
                early.connections.append(&mut offers.connections);
                early.flags.append(&mut offers.flags);
                early.wishes.append(&mut offers.wishes);
            }
        }
    }

    /// The peer, if it runs.
    pub(crate) fn running(&self) -> Option<Peer> {
        match &*self.stage.borrow() {
            Stage::Running(peer) => Some(peer.clone()),
            Stage::Starting | Stage::Failed(_) => None,
        }
    }

    /// How the start of the peer ended: waits until it has. `None` if the thread that does it is gone.
    fn settled(&self, py: Python<'_>) -> PyResult<Option<Stage>> {
        let mut stage = self.stage.subscribe();
        let settled = async move {
            let stage = stage
                .wait_for(|stage| !matches!(stage, Stage::Starting))
                .await;
            stage.ok().map(|stage| stage.clone())
        };
        wait(py, settled)
    }

    /// Waits until the peer has started, or could not be.
    pub(crate) fn settle(&self, py: Python<'_>) -> PyResult<()> {
        self.settled(py).map(drop)
    }

    /// The peer, once it runs.
    ///
    /// # Errors
    ///
    /// `net.Error` if it could not be started.
    pub(crate) fn peer(&self, py: Python<'_>) -> PyResult<Peer> {
        if let Some(peer) = self.running() {
            return Ok(peer);
        }
        match self.settled(py)? {
            Some(Stage::Running(peer)) => Ok(peer),
            Some(Stage::Failed(why)) => Err(error::plain(py, why.to_string())),
            // The node, which sends, is held by whoever asks.
            Some(Stage::Starting) | None => Err(error::plain(
                py,
                "this process's peer went away while it started".into(),
            )),
        }
    }
}
