//! Being told that peers come and go: in this process, and in processes of their own that end, are killed, stopped and busy.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use common::process::Process;
use common::{PATIENCE, Place, pair, until};
use net::{InstanceId, Peer, PeerChange, PeerEvent, PeerEvents, Which, WhyLeft};
use rustix::process::Signal;

/// A dead peer is known within this.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);
/// A clean end is known at once: that is within some milliseconds, and this where others load the machine.
const AT_ONCE: Duration = Duration::from_secs(1);

async fn next(events: &mut PeerEvents) -> PeerEvent {
    let next = tokio::time::timeout(PATIENCE, events.next()).await;
    next.expect("an event, in time").expect("its peer runs")
}

/// The next event, which is that this peer has joined.
async fn joined(events: &mut PeerEvents) -> String {
    let event = next(events).await;
    assert_eq!(event.kind, PeerChange::Joined, "{event}");
    event.peer.id().unwrap().to_string()
}

/// The next event, which is that some peer has left: which, and why.
async fn left(events: &mut PeerEvents) -> (String, WhyLeft) {
    let event = next(events).await;
    let PeerChange::Left { why } = event.kind else {
        panic!("{event}");
    };
    (event.peer.id().unwrap().to_string(), why)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_ends_in_order_is_known_to_have_left_at_once() {
    let place = Place::new();
    let peer = place.peer().await;
    let mut events = peer.peer_events();
    let mut process = Process::example(&place);
    assert_eq!(joined(&mut events).await, process.id);
    // Who ends while it still makes its first link has nowhere to say so.
    let remote = process.seen_from(&peer);
    remote.call::<i64>("peer.multiply", &(2, 3)).await.unwrap();
    let start = Instant::now();
    drop(process.child.stdin.take());
    let (id, why) = left(&mut events).await;
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    assert_eq!(id, process.id);
    assert_eq!(why.to_string(), "it took leave: shutting down");
    assert!(peer.peers().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_killed_is_known_to_have_left_within_five_seconds() {
    let place = Place::new();
    let peer = place.peer().await;
    let mut events = peer.peer_events();
    let process = Process::example(&place);
    assert_eq!(joined(&mut events).await, process.id);
    let start = Instant::now();
    process.signal(Signal::KILL);
    let (id, why) = left(&mut events).await;
    println!("a kill was known after {:?}", start.elapsed());
    assert!(start.elapsed() < KNOWN_WITHIN, "{:?}", start.elapsed());
    assert_eq!(id, process.id);
    assert!(matches!(why, WhyLeft::LinkLost { .. }), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stands_still_is_known_to_have_left_within_five_seconds_and_comes_back_by_itself() {
    let place = Place::new();
    let peer = place.peer().await;
    let mut events = peer.peer_events();
    let process = Process::example(&place);
    assert_eq!(joined(&mut events).await, process.id);
    let start = Instant::now();
    process.stop();
    let (id, why) = left(&mut events).await;
    println!("a stop was known after {:?}", start.elapsed());
    assert!(start.elapsed() < KNOWN_WITHIN, "{:?}", start.elapsed());
    assert_eq!(id, process.id);
    assert!(matches!(why, WhyLeft::Silent { .. }), "{why}");
    assert!(
        why.to_string().starts_with("no sign of life for 4."),
        "{why}"
    );
    let start = Instant::now();
    process.signal(Signal::CONT);
    assert_eq!(joined(&mut events).await, process.id);
    println!("that it goes on was known after {:?}", start.elapsed());
    let found = next_change_within(&mut events, Duration::from_millis(500)).await;
    assert!(found.is_none(), "{found:?}");
}

async fn next_change_within(events: &mut PeerEvents, time: Duration) -> Option<PeerEvent> {
    let next = tokio::time::timeout(time, events.next()).await;
    next.ok().flatten()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_busy_for_six_seconds_is_never_said_to_have_left() {
    let place = Place::new();
    let peer = place.peer().await;
    let mut events = peer.peer_events();
    let process = Process::example(&place);
    assert_eq!(joined(&mut events).await, process.id);
    let remote = process.seen_from(&peer);
    let calls: Vec<_> = (0..8)
        .map(|_| tokio::spawn(remote.call::<u64>("peer.block", &(6_000,))))
        .collect();
    let found = next_change_within(&mut events, Duration::from_secs(6)).await;
    assert!(found.is_none(), "{found:?}");
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), 6_000);
    }
    assert!(events.try_next().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_begins_late_is_told_first_of_those_that_are_there() {
    let place = Place::new();
    let (here, there, remote) = pair(&place).await;
    remote.connect().await.unwrap();
    let mut events = here.peer_events();
    let first = events.try_next().expect("it is there");
    assert_eq!(
        (first.kind, first.peer.id()),
        (PeerChange::Joined, Some(there.id()))
    );
    assert!(events.try_next().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_those_that_are_meant_are_told_of_and_no_passing_ones() {
    let place = Place::new();
    let here = place.peer().await;
    let mut own = here.peer_events();
    let hubs = Which::new().groups(["studio"]).hubs_only();
    let mut hubs = here.peer_events_where(&hubs);
    let start = |group: &str, hub| place.builder().group(group).hub(hub).start();
    let _member = start("studio", false).await.unwrap();
    let tool = place.builder().transient(true).start().await.unwrap();
    assert_eq!(tool.refresh().await.len(), 1);
    let hub = start("studio", true).await.unwrap();
    let other = place.peer().await;
    assert_eq!(joined(&mut hubs).await, hub.id().to_string());
    assert_eq!(joined(&mut own).await, other.id().to_string());
    until("all are there", async || {
        here.peers_where(&Which::new().any_group()).await.len() == 3
    })
    .await;
    assert!(own.try_next().is_none() && hubs.try_next().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_slow_listener_is_told_adds_up_to_who_is_there() {
    let place = Place::new();
    let here = place.peer().await;
    let mut slow = here.peer_events();
    let mut known = HashSet::new();
    let mut running: Vec<Peer> = Vec::new();
    for round in 0..12 {
        for _ in 0..3 {
            running.push(place.peer().await);
        }
        for peer in running.drain(..2) {
            peer.shutdown().await;
        }
        if round % 4 == 0 {
            // Once in a while it takes one.
            take(&mut slow, &mut known);
        }
    }
    let so: HashSet<InstanceId> = running.iter().map(Peer::id).collect();
    until("all are known", async || {
        while take(&mut slow, &mut known) {}
        known == so
    })
    .await;
    let listed = here.peers().await;
    assert_eq!(
        listed
            .iter()
            .filter_map(net::Remote::id)
            .collect::<HashSet<_>>(),
        so
    );
}

/// Takes one event in, which must fit to those before. Says whether there was one.
fn take(events: &mut PeerEvents, known: &mut HashSet<InstanceId>) -> bool {
    let Some(event) = events.try_next() else {
        return false;
    };
    let id = event.peer.id().unwrap();
    match event.kind {
        PeerChange::Joined => assert!(known.insert(id)),
        PeerChange::Left { .. } => assert!(known.remove(&id)),
        _ => assert!(known.contains(&id)),
    }
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_ones_own_peer_is_the_end_of_what_is_told() {
    let place = Place::new();
    let (here, _there, remote) = pair(&place).await;
    remote.connect().await.unwrap();
    let mut events = here.peer_events();
    joined(&mut events).await;
    let ended = tokio::spawn(async move { events.next().await.is_none() });
    here.shutdown().await;
    let ended = tokio::time::timeout(PATIENCE, ended).await;
    assert!(ended.unwrap().unwrap(), "nobody has left but this one");
    assert!(here.peer_events().next().await.is_none());
}

#[test]
fn without_async_it_is_a_loop() {
    let place = Place::new();
    let start = || net::blocking::block_on(place.peer());
    let (here, there) = (start(), start());
    let mut events = net::blocking::peer_events(&here);
    let first = events.next().unwrap();
    assert_eq!(
        (first.kind, first.peer.id()),
        (PeerChange::Joined, Some(there.id()))
    );
    net::blocking::shutdown(&here);
    assert!(events.next().is_none());
    net::blocking::shutdown(&there);
}
