//! Peers for tests: each in a runtime directory of the test's own, on ports that the system gives.

#![allow(dead_code, reason = "each test file uses some of it")]

#[cfg(unix)]
pub(crate) mod authority;
pub(crate) mod log;
#[cfg(unix)]
pub(crate) mod process;

use std::future::Future;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use net::{Peer, Remote};
use tempfile::TempDir;

/// How long anything may take that is to happen at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A place where peers meet that no other test shares.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn builder(&self) -> net::Builder {
        Peer::builder()
            .port(0)
            .port_range(0)
            .runtime_dir(self.0.path())
    }

    pub(crate) async fn peer(&self) -> Peer {
        self.builder().start().await.unwrap()
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.0.path()
    }
}

/// A caller, a callee, and the caller's handle to it.
pub(crate) async fn pair(place: &Place) -> (Peer, Peer, Remote) {
    let (a, b) = (place.peer().await, place.peer().await);
    let remote = a.remote(&b.id().to_string()).unwrap();
    (a, b, remote)
}

/// Where it is reached over TCP.
pub(crate) fn tcp(peer: &Peer) -> SocketAddr {
    SocketAddr::new(peer.host().parse().unwrap(), peer.port().unwrap())
}

/// What a program of the original does for a call: connect, send, read to the end.
pub(crate) async fn ask(peer: &Peer, request: &str) -> String {
    let (address, request) = (tcp(peer), request.to_owned());
    let asking = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    asking.await.unwrap()
}

/// Runs a test of which the whole process is the object: no other such test of this file runs meanwhile.
pub(crate) fn alone(test: impl Future<Output = ()>) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(test);
}

/// Ends when `condition` holds; looks again after each short while, and fails the test after [`PATIENCE`].
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"));
}

/// The first of `count` ports that are free now, below those that the system gives to whoever asks for none. Another process may
/// take one meanwhile.
pub(crate) fn free_ports(count: u16) -> u16 {
    const LOWEST: u16 = 12_000;
    const HIGHEST: u16 = 30_000;
    // Tests run at once, each in a process of its own.
    let pid = u64::from(std::process::id()) * 101;
    let from = LOWEST + u16::try_from(pid % u64::from(HIGHEST - LOWEST)).unwrap();
    let is_free = |first: &u16| {
        (*first..*first + count).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok())
    };
    let mut candidates = (from..HIGHEST)
        .chain(LOWEST..from)
        .step_by(usize::from(count));
    candidates.find(is_free).unwrap()
}
