//! Much at once: every call ends once, in time and with its own answer; and nothing stays behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::time::{Duration, Instant};

use common::{PATIENCE, Place, pair, until};
use net::{CallError, Peer, Remote};
use tokio::task::JoinSet;

#[net::connect]
fn twice(x: u64) -> u64 {
    2 * x
}

/// Answers after a while, without keeping a thread.
#[net::connect]
async fn later(x: u64, microseconds: u64) -> u64 {
    tokio::time::sleep(Duration::from_micros(microseconds)).await;
    x
}

/// Numbers that are all over the place and the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % limit
    }
}

/// Who writes a call hangs on what was in flight around it: each of these is written by somebody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_are_answered_together_go_on_together_or_alone() {
    let place = Place::new();
    let (_a, _b, remote) = pair(&place).await;
    let rounds = async {
        for together in (0..300).map(|round| round % 40) {
            let mut calls = JoinSet::new();
            for i in 0..together {
                let remote = remote.clone();
                calls.spawn(async move { assert_eq!(twice::on(&remote, i).await.unwrap(), 2 * i) });
            }
            while let Some(ended) = calls.join_next().await {
                ended.unwrap();
            }
            for i in 0..3 {
                assert_eq!(twice::on(&remote, i).await.unwrap(), 2 * i);
            }
        }
    };
    tokio::time::timeout(PATIENCE, rounds).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_cancelled_or_out_of_time_harm_no_others() {
    const CALLS: u64 = 10_000;
    let place = Place::new();
    let (_a, b, remote) = pair(&place).await;
    let mut numbers = Numbers(7);
    let mut calls = JoinSet::new();
    for i in 0..CALLS {
        let (kind, time, sleep) = (
            numbers.below(4),
            numbers.below(20_000),
            numbers.below(20_000),
        );
        let remote = remote.clone();
        calls.spawn(async move {
            match kind {
                0 => assert_eq!(twice::on(&remote, i).await.unwrap(), 2 * i),
                1 => assert_eq!(later::on(&remote, i, sleep).await.unwrap(), i),
                2 => {
                    // Dropped at some point, or ended just before.
                    let call = later::on(&remote, i, sleep).into_future();
                    if let Ok(ended) = tokio::time::timeout(Duration::from_micros(time), call).await
                    {
                        assert_eq!(ended.unwrap(), i);
                    }
                }
                _ => {
                    let time = Duration::from_micros(time);
                    let start = Instant::now();
                    match later::on(&remote, i, sleep).timeout(time).await {
                        Ok(answer) => assert_eq!(answer, i),
                        Err(CallError::TimedOut { .. }) => {
                            let took = start.elapsed();
                            assert!(took >= time && took < PATIENCE / 4, "{took:?} for {time:?}");
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        });
    }
    let ended = async { while calls.join_next().await.transpose().unwrap().is_some() {} };
    tokio::time::timeout(PATIENCE, ended).await.unwrap();
    assert_eq!(twice::on(&remote, 21).await.unwrap(), 42);
    b.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dialling_all_addresses_both_ways_at_once_loses_no_call() {
    let place = Place::new();
    for _ in 0..20 {
        let quiet = || async { place.builder().discover(false).start().await.unwrap() };
        let (a, b) = (quiet().await, quiet().await);
        let mut calls = JoinSet::new();
        for (from, to) in [(&a, &b), (&b, &a)] {
            for target in to.addresses().iter().cloned().chain([to.id().to_string()]) {
                let remote = from.remote(&target).unwrap();
                for i in 0..10 {
                    let remote = remote.clone();
                    calls.spawn(async move {
                        for n in 0..10 {
                            assert_eq!(later::on(&remote, i + n, 200).await.unwrap(), i + n);
                        }
                    });
                }
            }
        }
        let ended = async { while calls.join_next().await.transpose().unwrap().is_some() {} };
        tokio::time::timeout(PATIENCE, ended).await.unwrap();
        tokio::join!(a.shutdown(), b.shutdown());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_starts_anew_again_and_again_is_called_all_the_while() {
    let place = Place::new();
    let a = place.builder().discover(false).start().await.unwrap();
    let start = async |port: u16| {
        let peer = place.builder().port(port).discover(false).start();
        peer.await.unwrap()
    };
    let mut b = start(0).await;
    let port = b.port().unwrap();
    let remote = a.remote(&format!("127.0.0.1:{port}")).unwrap();
    let mut callers = JoinSet::new();
    let until_then = Instant::now() + Duration::from_secs(2);
    for i in 0..20 {
        let remote = remote.clone();
        callers.spawn(async move {
            let (mut answered, mut unreached) = (0, 0);
            while Instant::now() < until_then {
                // The time ends what is lost in it, not what is slow.
                match later::on(&remote, i, 500).timeout(PATIENCE).await {
                    Ok(answer) => {
                        assert_eq!(answer, i);
                        answered += 1;
                    }
                    Err(error) if error.was_not_run() => {
                        unreached += 1;
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    // Shutting down lets calls end: none is lost.
                    Err(error) => panic!("{error}"),
                }
            }
            (answered, unreached)
        });
    }
    let mut starts = 0;
    while Instant::now() < until_then {
        tokio::time::sleep(Duration::from_millis(20)).await;
        b.shutdown().await;
        b = start(port).await;
        if b.port() != Some(port) {
            // Another process has it now: there is nothing more to see here.
            break;
        }
        starts += 1;
    }
    while let Some(counts) = callers.join_next().await {
        assert!(counts.unwrap().0 > starts);
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

/// Whole peers here; what links leave in one that stays is measured in `faults/churn.rs`, in a process of its own. Beside other
/// tests their descriptors come and go, but do not pile up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_that_come_and_go_leave_nothing_behind() {
    let place = Place::new();
    let quiet = || async { place.builder().discover(false).start().await.unwrap() };
    let b = quiet().await;
    let visit = async |b: &Peer| {
        let a = quiet().await;
        for target in b.addresses().iter().cloned().chain([b.id().to_string()]) {
            let remote: Remote = a.remote(&target).unwrap();
            assert_eq!(twice::on(&remote, 4).await.unwrap(), 8);
        }
        let abandoned = later::on(&a.remote(&b.id().to_string()).unwrap(), 1, 60_000_000);
        let _ = tokio::time::timeout(Duration::from_micros(100), abandoned.into_future()).await;
        a.shutdown().await;
    };
    visit(&b).await;
    let (tasks_before, descriptors_before) = (tasks(), descriptors());
    for _ in 0..200 {
        visit(&b).await;
    }
    until("the tasks have ended", async || tasks() <= tasks_before).await;
    until("the sockets are closed", async || {
        descriptors() < descriptors_before + 150
    })
    .await;
}
