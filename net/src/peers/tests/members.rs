//! Links that nobody needs are let go, and who was at their other ends is still known and called.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{PATIENCE, call};
use crate::peer::Peer;
use crate::peers::members::UNUSED;

/// More than each needs links to.
const PEERS: usize = 16;

async fn member() -> (TempDir, Peer) {
    let dir = tempfile::tempdir().unwrap();
    let builder = super::builder(&dir).group("lab");
    let builder = builder.secret("3f9c1b7e5a2d8046c1e97b3f5d80a264");
    let peer = builder.bind([Ipv4Addr::LOCALHOST.into()]).start();
    (dir, peer.await.unwrap())
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"));
}

async fn known(peer: &Peer) -> BTreeSet<String> {
    let peers = peer.peers().await;
    peers
        .iter()
        .filter_map(|peer| Some(peer.id()?.to_string()))
        .collect()
}

fn links(all: &[(TempDir, Peer)]) -> usize {
    all.iter().map(|(_, peer)| peer.0.peers.links().len()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_that_nobody_needs_are_let_go_and_made_again() {
    let mut all = vec![member().await];
    while all.len() < PEERS {
        let next = member().await;
        let first = format!("127.0.0.1:{}", all[0].1.port().unwrap());
        next.1.remote(&first).unwrap().connect().await.unwrap();
        all.push(next);
    }
    let know_all = async || {
        for (_, peer) in &all {
            if known(peer).await.len() != PEERS - 1 {
                return false;
            }
        }
        true
    };
    until("all are known", know_all).await;
    // A full mesh, as after each has called each.
    for (_, here) in &all {
        for (_, there) in &all {
            if here != there {
                let there = here.remote(&there.id().to_string()).unwrap();
                call(&there).await.unwrap();
            }
        }
    }
    let full = PEERS * (PEERS - 1);
    until("all are linked", async || links(&all) == full).await;

    let now = Instant::now();
    let sweep = |at: Instant| {
        for (_, peer) in &all {
            peer.0.peers.sweep(&peer.0, at);
        }
    };
    // What was used just now is kept.
    sweep(now);
    sweep(now + UNUSED / 2);
    assert_eq!(links(&all), full);
    let few = async || {
        sweep(now + UNUSED);
        // As many as they have neighbours: four that each has chosen, and four that have chosen it.
        links(&all) <= 10 * PEERS
    };
    until("few links are left", few).await;
    assert!(know_all().await, "a link that is let go is no leave");
    let (first, last) = (&all[0].1, &all[PEERS - 1].1);
    let there = first.remote(&last.id().to_string()).unwrap();
    call(&there).await.unwrap();
}
