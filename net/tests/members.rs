//! A group whose peers know of one another without a link to each: over TCP on loopback, in runtime directories of their own, and each told of one
//! other alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use net::{InstanceId, Peer};

use common::{Place, tcp, until};

const KEY: &str = "3f9c1b7e5a2d8046c1e97b3f5d80a264";
/// More than each keeps links to.
const PEERS: usize = 24;

#[net::connect]
fn double(x: i64) -> i64 {
    2 * x
}

async fn member() -> (Place, Peer) {
    let place = Place::new();
    let builder = place.builder().group("lab").secret(KEY);
    let peer = builder.bind([Ipv4Addr::LOCALHOST.into()]).start();
    (place, peer.await.unwrap())
}

/// A group in which each was told of the one before.
async fn group(count: usize) -> Vec<(Place, Peer)> {
    let mut all = vec![member().await];
    while all.len() < count {
        let next = member().await;
        let (_, before) = all.last().unwrap();
        next.1
            .remote(&tcp(before).to_string())
            .unwrap()
            .connect()
            .await
            .unwrap();
        all.push(next);
    }
    all
}

async fn ids(peer: &Peer) -> BTreeSet<InstanceId> {
    peer.peers()
        .await
        .iter()
        .filter_map(net::Remote::id)
        .collect()
}

async fn all_know_all(all: &[(Place, Peer)]) {
    let everybody: BTreeSet<_> = all.iter().map(|(_, peer)| peer.id()).collect();
    for (_, peer) in all {
        let mut others = everybody.clone();
        others.remove(&peer.id());
        until("all are known", async || ids(peer).await == others).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_know_of_all_and_call_whom_they_never_met() {
    let all = group(PEERS).await;
    all_know_all(&all).await;
    let (first, last) = (&all[0].1, &all[PEERS - 1].1);
    let there = first.remote(&last.id().to_string()).unwrap();
    assert_eq!(double::on(&there, 21).await.unwrap(), 42);
    let listed = first.peers().await;
    let listed = listed
        .iter()
        .find(|peer| peer.id() == Some(last.id()))
        .unwrap();
    assert_eq!(listed.name().as_deref(), Some(last.name()));
    assert_eq!(listed.group().as_deref(), Some("lab"));
    assert!(listed.host_port().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_is_known_to_have_gone_by_all() {
    let mut all = group(12).await;
    all_know_all(&all).await;
    let (_place, gone) = all.remove(5);
    gone.shutdown().await;
    all_know_all(&all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_reaches_whom_its_publisher_never_met() {
    let all = group(12).await;
    all_know_all(&all).await;
    let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let subscriber = &all[0].1;
    let wish = subscriber.subscribe("told").run(move |(x,): (i64,)| {
        let _ = heard.send(x);
    });
    let publisher = &all[11].1;
    until("the subscriber is there", async || {
        publisher.subscribers("told") == 1
    })
    .await;
    publisher.emit("told", &(7,)).await.unwrap();
    assert_eq!(hears.recv().await, Some(7));
    drop(wish);
}
