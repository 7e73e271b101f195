//! One suite for all finders that lead from one peer to another, each in a world of its own kind.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::memory::{Board, MemoryFinder};
use super::{Finder, Outcome};
use crate::{Builder, Peer};

/// How long anything may take that is to happen at all.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Where finders of one kind find.
pub(super) trait World {
    /// Makes one for a peer that is about to start.
    fn finder(&self) -> Arc<dyn Finder>;

    /// Gives a peer the finder, and what it needs besides: some finders find on networks alone.
    fn set_up(&self, builder: Builder) -> Builder {
        builder.open(true).finder(self.finder())
    }

    /// A peer has started: those that come later are to find it, where nothing but that leads to it.
    fn started(&self, _peer: &Peer) {}

    /// Whether it finds only when it is asked to look.
    fn is_asked(&self) -> bool {
        false
    }
}

impl World for Arc<Board> {
    fn finder(&self) -> Arc<dyn Finder> {
        Arc::new(MemoryFinder::new(self))
    }
}

/// A peer whose runtime directory is its own, so that nothing but finders leads to others.
pub(super) fn apart() -> (TempDir, Builder) {
    let place = tempfile::tempdir().unwrap();
    let builder = Peer::builder()
        .port(0)
        .port_range(0)
        .bind([IpAddr::V4(Ipv4Addr::LOCALHOST)])
        .runtime_dir(place.path());
    (place, builder)
}

async fn peer(world: &impl World) -> (TempDir, Peer) {
    let (place, builder) = apart();
    let peer = world.set_up(builder).start().await.unwrap();
    world.started(&peer);
    (place, peer)
}

pub(super) async fn sees(peer: &Peer, other: &Peer) {
    until(peer, || async {
        let peers = peer.peers().await;
        peers.iter().any(|it| it.id() == Some(other.id()))
    })
    .await;
}

/// Waits until that is so of what the peer has found.
pub(super) async fn until<F: Future<Output = bool>>(peer: &Peer, is_so: impl Fn() -> F) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.unwrap_or_else(|_| panic!("not so: {:?} {:?}", peer, peer.finders()));
}

/// An address at which connecting neither succeeds nor fails, for as long as what comes with it is held.
pub(super) async fn black_hole() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let at = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    // What does not fit into the queue is not answered.
    while let Ok(connected) =
        tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(at)).await
    {
        queue.push(connected.unwrap());
    }
    (at, listener, queue)
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
    if world.is_asked() {
        late.refresh().await;
    }
    // Who comes late is found, and finds: whichever of the two it was, the link serves both.
    sees(&early, &late).await;
    sees(&late, &early).await;
    // It may be linked to before it has seen anybody.
    comes_of(&late, name, Outcome::Linked(early.id())).await;

    // One that goes and another that comes.
    late.shutdown().await;
    let (_c, next) = peer(world).await;
    if world.is_asked() {
        next.refresh().await;
    }
    sees(&early, &next).await;
    assert_eq!(early.peers().await.len(), 1, "{:?}", early.peers().await);

    // A look ends, and the first question does not wait for ever for one that has not looked.
    let looking = tokio::time::timeout(PATIENCE, next.refresh()).await;
    assert_eq!(looking.unwrap().len(), 1);
    early.shutdown().await;
    next.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_memory() {
    suite(&Arc::new(Board::default())).await;
}
