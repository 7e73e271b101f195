//! Peers for tests: each in a runtime directory of the test's own, on ports that the system gives.

#![allow(dead_code, reason = "each test file uses some of it")]

pub(crate) mod process;

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
