//! A peer's process that stands still, for a moment and for long, idle and in the middle of calls both ways.

use std::time::{Duration, Instant};

use net::value::Bytes;
use net::{CallError, Peer, Remote};
use rustix::process::Signal;
use tokio::task::JoinSet;

use crate::common::process::Process;
use crate::common::{PATIENCE, Place, until};
use crate::kernel::{Ends, links};
use crate::measured::{self, Tally};

/// A dead peer is known within this.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);
/// What a machine that does other things may add to any time.
const SLACK: Duration = Duration::from_secs(2);
/// Calls in flight of each side, and the bytes of one more.
const CALLS: u64 = 50;
const BYTES: usize = 24 << 20;

type Calls = JoinSet<Result<(), CallError>>;

/// Calls that wait so long over there, and a large one, in flight at once.
fn call(remote: &Remote, time: Duration) -> Calls {
    let mut calls = JoinSet::new();
    for _ in 0..CALLS {
        let call = measured::wait::on(remote, time.as_millis() as u64);
        calls.spawn(async move { call.await.map(drop) });
    }
    let call = measured::echo::on(remote, Bytes(vec![7; BYTES]));
    calls.spawn(async move { call.await.map(|back| assert_eq!(back.0.len(), BYTES)) });
    calls
}

/// Has the other side do the same.
async fn be_called(peer: &Peer, remote: &Remote, time: Duration) {
    let (id, time) = (peer.id().to_string(), time.as_millis() as u64);
    let start = measured::start_calling::on(remote, id, CALLS, time, BYTES);
    start.await.unwrap();
}

async fn tally_is(remote: &Remote, tally: Tally) {
    until("all calls of the other side have ended", async || {
        let now = measured::tally::on(remote).await.unwrap();
        now.answered + now.lost + now.otherwise == CALLS + 1
    })
    .await;
    assert_eq!(measured::tally::on(remote).await.unwrap(), tally);
}

fn ends(process: &Process, peer: &Peer) -> (Ends, Ends) {
    (Ends::new(&process.id, process.tcp()), Ends::of(peer))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_seconds_lose_neither_an_idle_link_nor_a_call() {
    const STOPPED: Duration = Duration::from_secs(3);
    let place = Place::new();
    let (idle, busy) = (measured::quiet(&place), measured::quiet(&place));
    let peer = place.builder().discover(false).start().await.unwrap();
    // One over a Unix socket, one over TCP.
    let idle_remote = idle.seen_from(&peer);
    let remote = peer.remote(busy.tcp()).unwrap();
    for remote in [&idle_remote, &remote] {
        measured::multiply::on(remote, 1, 1).await.unwrap();
    }
    let (there, here) = ends(&idle, &peer);
    let (busy_there, _) = ends(&busy, &peer);
    let before = (links(&there, &here), busy_there.accepted());
    assert_eq!((before.0.len(), before.1.len()), (1, 1));

    be_called(&peer, &remote, STOPPED / 2).await;
    let mut calls = call(&remote, STOPPED / 2);
    idle.stop();
    busy.stop();
    // One that is made while nobody is there to take it.
    let late = tokio::spawn(measured::multiply::on(&idle_remote, 6, 7));
    tokio::time::sleep(STOPPED).await;
    idle.signal(Signal::CONT);
    busy.signal(Signal::CONT);

    assert_eq!(late.await.unwrap().unwrap(), 42);
    let ended = async {
        while let Some(ended) = calls.join_next().await {
            ended.unwrap().unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
    let answered = CALLS + 1;
    tally_is(
        &remote,
        Tally {
            answered,
            ..Tally::default()
        },
    )
    .await;
    assert_eq!(
        (links(&there, &here), busy_there.accepted()),
        before,
        "they are other links"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_seconds_end_the_calls_and_then_the_two_find_each_other_again() {
    const STOPPED: Duration = Duration::from_secs(30);
    let place = Place::new();
    let process = measured::finding(&place);
    let peer = place.peer().await;
    let remote = process.seen_from(&peer);
    measured::multiply::on(&remote, 1, 1).await.unwrap();
    until("it is listed", async || peer.peers().await.len() == 1).await;
    let (there, here) = ends(&process, &peer);
    until("they have one link", async || {
        links(&there, &here).len() == 1
    })
    .await;

    be_called(&peer, &remote, STOPPED).await;
    let mut calls = call(&remote, STOPPED);
    let timed = Duration::from_secs(2);
    let in_time = tokio::spawn(measured::wait::on(&remote, 60_000).timeout(timed));
    process.stop();
    let start = Instant::now();
    // The large one may have been answered just before.
    let mut lost = 0;
    while let Some(ended) = calls.join_next().await {
        match ended.unwrap() {
            Err(CallError::Lost { .. }) => lost += 1,
            Err(error) => panic!("{error}"),
            Ok(()) => {}
        }
    }
    let took = start.elapsed();
    assert!(
        lost >= CALLS && took < KNOWN_WITHIN + SLACK,
        "{lost} lost in {took:?}"
    );
    let error = in_time.await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::TimedOut { .. }), "{error}");
    assert!(peer.peers().await.is_empty());
    // Who calls meanwhile is told so, and that it may try again.
    let error = measured::multiply::on(&remote, 6, 7).await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable { .. }), "{error}");

    tokio::time::sleep(STOPPED.saturating_sub(start.elapsed())).await;
    let start = Instant::now();
    process.signal(Signal::CONT);
    until("it is listed again", async || peer.peers().await.len() == 1).await;
    println!("found again after {:?}", start.elapsed());
    assert_eq!(measured::multiply::on(&remote, 6, 7).await.unwrap(), 42);
    let found = vec![peer.id().to_string()];
    assert_eq!(measured::seen::on(&remote).await.unwrap(), found);
    until("they have one link", async || {
        links(&there, &here).len() == 1
    })
    .await;
    // What the other side had in flight it knows to be lost; what it calls now arrives.
    until("its calls have ended", async || {
        let tally = measured::tally::on(&remote).await.unwrap();
        tally.lost >= CALLS && tally.lost + tally.answered == CALLS + 1
    })
    .await;
    let ended = measured::tally::on(&remote).await.unwrap();
    be_called(&peer, &remote, Duration::from_millis(1)).await;
    until("it calls again", async || {
        let tally = measured::tally::on(&remote).await.unwrap();
        tally.answered == ended.answered + CALLS + 1 && tally.lost == ended.lost
    })
    .await;
}
