//! Those who say nothing, or hear nothing: dialled, connecting, in the middle of a link. Nobody else waits for them.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use net::{CallError, Remote};
use net_proto::MAGIC;
use tokio::task::spawn_blocking;

use crate::common::Place;
use crate::kernel::Ends;
use crate::measured::{self, MAX_UNSENT};
use crate::wire::{Socket, Wire};

/// The time for a HELLO.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// What a machine that does other things may add to any time.
const SLACK: Duration = Duration::from_secs(2);
/// What a call beside all that may take: a machine that does other things is not kept waiting by those who say nothing.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Calls until told to stop; says how long the slowest took.
fn call_all_the_while(
    remote: &Remote,
) -> (
    tokio::sync::oneshot::Sender<()>,
    tokio::task::JoinHandle<Duration>,
) {
    let (stop, mut stopped) = tokio::sync::oneshot::channel();
    let remote = remote.clone();
    let calling = tokio::spawn(async move {
        let mut slowest = Duration::ZERO;
        while stopped.try_recv().is_err() {
            let start = Instant::now();
            assert_eq!(measured::multiply::on(&remote, 6, 7).await.unwrap(), 42);
            slowest = slowest.max(start.elapsed());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        slowest
    });
    (stop, calling)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_accepts_and_never_answers_is_unreachable_and_delays_nobody() {
    let place = Place::new();
    let good = measured::quiet(&place);
    let peer = place.builder().discover(false).start().await.unwrap();
    let remote = good.seen_from(&peer);
    measured::multiply::on(&remote, 1, 1).await.unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let path = place.path().join("mute.sock");
    let unix = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let mute = [
        tcp.local_addr().unwrap().to_string(),
        format!("unix:{}", path.display()),
    ];

    let (stop, calling) = call_all_the_while(&remote);
    let mut dialling = tokio::task::JoinSet::new();
    for address in mute {
        // Several at once share one connection, and with it what comes of it.
        for _ in 0..5 {
            let remote = peer.remote(&address).unwrap();
            dialling.spawn(async move {
                let start = Instant::now();
                let error = measured::multiply::on(&remote, 6, 7).await.unwrap_err();
                (error, start.elapsed())
            });
        }
        let remote = peer.remote(&address).unwrap();
        let call = measured::multiply::on(&remote, 6, 7).timeout(Duration::from_millis(300));
        let start = Instant::now();
        let error = call.await.unwrap_err();
        assert!(matches!(error, CallError::TimedOut { .. }), "{error}");
        assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    }
    while let Some(ended) = dialling.join_next().await {
        let (error, took) = ended.unwrap();
        assert!(matches!(error, CallError::Unreachable { .. }), "{error}");
        assert!(
            error
                .to_string()
                .contains("did not say who it is within 5s"),
            "{error}"
        );
        assert!(took < HANDSHAKE + SLACK, "{took:?}");
    }
    stop.send(()).unwrap();
    let slowest = calling.await.unwrap();
    assert!(slowest < AT_ONCE, "{slowest:?}");
    tcp.set_nonblocking(true).unwrap();
    unix.set_nonblocking(true).unwrap();
    assert_eq!(std::iter::from_fn(|| tcp.accept().ok()).count(), 1);
    assert_eq!(std::iter::from_fn(|| unix.accept().ok()).count(), 1);
}

/// A place must not be held longer by whoever says little than by whoever says nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_that_says_nothing_or_little_is_let_go() {
    let place = Place::new();
    let process = measured::quiet(&place);
    let mut waiting = Vec::new();
    for address in [process.tcp(), process.unix()] {
        for late in [None, Some(HANDSHAKE * 3 / 4)] {
            let address = address.to_owned();
            waiting.push(spawn_blocking(move || {
                let mut socket = Socket::connect(&address);
                let start = Instant::now();
                if let Some(late) = late {
                    std::thread::sleep(late);
                    socket.write_all(&MAGIC[..3]).unwrap();
                }
                socket.until_closed();
                start.elapsed()
            }));
        }
    }
    for waited in waiting {
        let took = waited.await.unwrap();
        assert!(
            took > HANDSHAKE - SLACK && took < HANDSHAKE + SLACK,
            "{took:?}"
        );
    }
}

/// As many as there were places once held every newcomer up for the whole time that they were given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_strangers_do_not_keep_a_newcomer_out() {
    const STRANGERS: usize = 300;
    let place = Place::new();
    let process = measured::quiet(&place);
    for address in [process.tcp().to_owned(), process.unix().to_owned()] {
        for first in [&[][..], &MAGIC[..1]] {
            let strangers: Vec<_> = (0..STRANGERS)
                .map(|_| {
                    let mut socket = Socket::connect(&address);
                    socket.write_all(first).unwrap();
                    socket
                })
                .collect();
            for _ in 0..3 {
                let newcomer = place
                    .builder()
                    .discover(false)
                    .listen(false)
                    .start()
                    .await
                    .unwrap();
                let remote = newcomer.remote(&address).unwrap();
                let start = Instant::now();
                assert_eq!(measured::multiply::on(&remote, 6, 7).await.unwrap(), 42);
                let took = start.elapsed();
                assert!(took < AT_ONCE, "{took:?} at {address}");
                newcomer.shutdown().await;
            }
            drop(strangers);
        }
    }
}

/// Each of them once had a place among those that have not said who they are, for as long as its function ran.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn originals_whose_functions_take_long_do_not_keep_a_newcomer_out() {
    const ORIGINALS: usize = 300;
    const TIME: Duration = Duration::from_secs(4);
    let place = Place::new();
    let process = measured::quiet(&place);
    let request = format!(
        r#"{{"connection": "{}", "args": [{}], "kwargs": {{}}}}"#,
        measured::wait::TAG,
        TIME.as_millis()
    );
    let originals: Vec<_> = (0..ORIGINALS)
        .map(|_| {
            let mut socket = Socket::connect(process.tcp());
            socket.write_all(request.as_bytes()).unwrap();
            socket
        })
        .collect();
    let newcomer = place.builder().discover(false).listen(false);
    let newcomer = newcomer.start().await.unwrap();
    let remote = newcomer.remote(process.tcp()).unwrap();
    let start = Instant::now();
    assert_eq!(measured::multiply::on(&remote, 6, 7).await.unwrap(), 42);
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    let answers = spawn_blocking(|| {
        let answers = originals.into_iter().map(|mut socket| {
            let mut answer = String::new();
            socket.read_to_string(&mut answer).unwrap();
            answer
        });
        answers.collect::<Vec<_>>()
    });
    for answer in answers.await.unwrap() {
        assert_eq!(answer, TIME.as_millis().to_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_reads_nothing_costs_a_bounded_memory_and_is_given_up() {
    const CALLS: u64 = 2_000;
    const ANSWER: u32 = 1 << 20;
    const RUNNING: i64 = 160;
    let place = Place::new();
    let process = measured::tight(&place);
    let peer = place.builder().discover(false).start().await.unwrap();
    let remote = process.seen_from(&peer);
    let before = measured::usage::on(&remote).await.unwrap();
    let (stop, calling) = call_all_the_while(&remote);
    let gone = Ends::new(&process.id, process.tcp());
    let there = gone.accepted().len();

    let mut wires = Vec::new();
    for address in [process.tcp().to_owned(), process.unix().to_owned()] {
        let making = spawn_blocking(move || {
            let mut wire = Wire::link(&address);
            for number in 0..CALLS {
                let body = [&[0x81, 0x1a][..], &ANSWER.to_be_bytes()].concat();
                assert!(wire.call(number, measured::zeros::TAG, body));
            }
            (wire, Instant::now())
        });
        wires.push(making.await.unwrap());
    }
    crate::common::until("both are given up", async || gone.accepted().len() == there).await;
    for (_wire, heard) in &wires {
        assert!(heard.elapsed() < HANDSHAKE + SLACK, "{:?}", heard.elapsed());
    }
    stop.send(()).unwrap();
    let slowest = calling.await.unwrap();
    let after = measured::usage::on(&remote).await.unwrap();
    let used = after.peak - before.live;
    println!("{used} bytes at most, the slowest call beside it in {slowest:?}");
    assert!(slowest < AT_ONCE, "{slowest:?}");
    // For each of them what may wait; and the answers of all that ran before it was known to: one for each thread of the pool,
    // and as many as came with one read. All of them at once would be twenty times as much.
    let bound = 2 * MAX_UNSENT as i64 + RUNNING * i64::from(ANSWER);
    assert!(used < bound, "{used} bytes");
}

/// It has nothing more to say, and does not see that the other side has not either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_takes_leave_and_does_not_go_is_given_up() {
    let place = Place::new();
    let process = measured::quiet(&place);
    let ends = Ends::new(&process.id, process.tcp());
    let mut wires = Vec::new();
    for address in [process.tcp().to_owned(), process.unix().to_owned()] {
        let making = spawn_blocking(move || {
            let mut wire = Wire::link(&address);
            wire.session.goodbye("that was all");
            wire.send();
            wire
        });
        wires.push(making.await.unwrap());
    }
    let start = Instant::now();
    crate::common::until("both are closed", async || ends.accepted().is_empty()).await;
    assert!(start.elapsed() < HANDSHAKE + SLACK, "{:?}", start.elapsed());
    drop(wires);
}
