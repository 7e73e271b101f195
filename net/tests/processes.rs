//! Peers in processes of their own: killed, stopped, busy, found and gone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::time::{Duration, Instant};

use common::process::Process;
use common::{Place, until};
use net::{CallError, Remote};
use rustix::process::Signal;

/// A dead peer is known within this.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);

fn block(remote: &Remote, milliseconds: u64) -> tokio::task::JoinHandle<Result<u64, CallError>> {
    tokio::spawn(remote.call("peer.block", &(milliseconds,)))
}

async fn multiply(remote: &Remote, a: i64, b: i64) -> Result<i64, CallError> {
    remote
        .call("peer.multiply", &(a, b))
        .timeout(Duration::from_secs(5))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_killed_in_the_middle_of_a_call_is_known_at_once_as_lost() {
    let place = Place::new();
    let process = Process::example(&place);
    let peer = place.peer().await;
    for address in process.addresses.iter().chain([&process.id]) {
        let remote = peer.remote(address).unwrap();
        multiply(&remote, 1, 1).await.unwrap();
    }
    let remote = process.seen_from(&peer);
    let call = block(&remote, 60_000);
    multiply(&remote, 1, 1).await.unwrap();
    let start = Instant::now();
    process.signal(Signal::KILL);
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Lost { .. }), "{error}");
    assert!(start.elapsed() < KNOWN_WITHIN, "{:?}", start.elapsed());
    let error = multiply(&remote, 1, 1).await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable { .. }), "{error}");
    until("it is off the list", async || peer.peers().await.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_stopped_is_lost_within_five_seconds_and_comes_back() {
    let place = Place::new();
    let process = Process::example(&place);
    let peer = place.peer().await;
    let remote = process.seen_from(&peer);
    multiply(&remote, 1, 1).await.unwrap();
    let start = Instant::now();
    process.stop();
    let call = tokio::spawn(remote.call::<i64>("peer.multiply", &(2, 3)));
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Lost { .. }), "{error}");
    assert!(start.elapsed() < KNOWN_WITHIN, "{:?}", start.elapsed());
    process.signal(Signal::CONT);
    assert_eq!(multiply(&remote, 2, 3).await.unwrap(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_whose_functions_block_for_twenty_seconds_is_not_taken_for_dead() {
    let place = Place::new();
    let process = Process::example(&place);
    let peer = place.peer().await;
    let remote = process.seen_from(&peer);
    let blocked: Vec<_> = (0..8).map(|_| block(&remote, 20_000)).collect();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(19) {
        assert_eq!(multiply(&remote, 6, 7).await.unwrap(), 42);
        assert_eq!(peer.peers().await.len(), 1);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for call in blocked {
        assert_eq!(call.await.unwrap().unwrap(), 20_000);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_come_and_go_by_themselves() {
    let place = Place::new();
    let peer = place.peer().await;
    assert!(peer.peers().await.is_empty());
    let mut processes: Vec<_> = (0..3).map(|_| Process::example(&place)).collect();
    until("all are found", async || peer.peers().await.len() == 3).await;
    // One takes leave; its links end at once.
    drop(processes[0].child.stdin.take());
    until("one has gone", async || peer.peers().await.len() == 2).await;
    assert!(processes[0].child.wait().unwrap().success());
    // One dies.
    processes[1].signal(Signal::KILL);
    until("one has died", async || peer.peers().await.len() == 1).await;
    assert_eq!(
        peer.peers().await[0].id().unwrap().to_string(),
        processes[2].id
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_left_behind_is_removed() {
    let place = Place::new();
    let process = Process::example(&place);
    let left = place.path().join(format!("app-net/{}.sock", process.id));
    assert!(left.exists());
    process.signal(Signal::KILL);
    drop(process);
    let peer = place.peer().await;
    peer.refresh().await;
    assert!(!left.exists());
    assert!(peer.peers().await.is_empty());
}
