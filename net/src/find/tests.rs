//! One suite for all finders that lead from one peer to another, each in a world of its own kind.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::memory::{Board, MemoryFinder};
use super::{Finder, Outcome};
use crate::Peer;
use crate::peer::Builder;

/// How long anything may take that is to happen at all.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Where finders of one kind find: makes one for a peer that is to listen at a port there.
pub(super) trait World {
    fn finder(&self) -> Arc<dyn Finder>;

    /// Gives a peer the finder, and what it needs besides.
    fn set_up(&self, builder: Builder) -> Builder {
        builder.finder(self.finder())
    }
}

impl World for Arc<Board> {
    fn finder(&self) -> Arc<dyn Finder> {
        Arc::new(MemoryFinder::new(self))
    }
}

/// A peer whose runtime directory is its own, so that nothing but the finder leads to others.
async fn peer(world: &impl World) -> (TempDir, Peer) {
    let place = tempfile::tempdir().unwrap();
    let builder = Peer::builder()
        .port(0)
        .port_range(0)
        .bind([IpAddr::V4(Ipv4Addr::LOCALHOST)])
        .runtime_dir(place.path());
    (place, world.set_up(builder).start().await.unwrap())
}

pub(super) async fn sees(peer: &Peer, other: &Peer) {
    let waiting = async {
        while !peer
            .peers()
            .await
            .iter()
            .any(|it| it.id() == Some(other.id()))
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let seen = tokio::time::timeout(PATIENCE, waiting).await;
    seen.unwrap_or_else(|_| panic!("{other:?} is not found: {:?}", peer.finders()));
}

async fn comes_of(peer: &Peer, name: &str, outcome: Outcome) {
    let waiting = async {
        while !what_came_of(peer, name).contains(&outcome) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let came = tokio::time::timeout(PATIENCE, waiting).await;
    came.unwrap_or_else(|_| panic!("{outcome}: {:?}", peer.finders()));
}

fn what_came_of(peer: &Peer, name: &str) -> Vec<Outcome> {
    let reports = peer.finders().into_iter();
    let by_it = reports.filter(|report| report.finder == name);
    by_it
        .flat_map(|report| report.seen)
        .map(|seen| seen.outcome)
        .collect()
}

/// What holds for every finder.
pub(super) async fn suite(world: &impl World) {
    let name = world.finder().name();
    let (_a, early) = peer(world).await;
    let (_b, late) = peer(world).await;
    // Who comes late is found, and finds.
    sees(&early, &late).await;
    sees(&late, &early).await;
    // It may be linked to before it has seen anybody.
    comes_of(&late, name, Outcome::Linked(early.id())).await;

    // One that goes and another that comes.
    late.shutdown().await;
    let (_c, next) = peer(world).await;
    sees(&early, &next).await;
    assert_eq!(early.peers().await.len(), 1, "{:?}", early.peers().await);

    // A look ends, and the first question does not wait for ever for one that has not looked.
    let looking = tokio::time::timeout(PATIENCE, next.refresh()).await;
    assert_eq!(looking.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_memory() {
    suite(&Arc::new(Board::default())).await;
}
