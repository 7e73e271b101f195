//! The end of a peer: what is in flight ends or is told of, nothing new begins, and nothing stays.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{PATIENCE, Place, alone, pair, until};
use net::{CallError, Peer, Remote};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// A grace time that no test waits for the end of.
const LONG: Duration = Duration::from_secs(60);
/// One that a test waits for.
const SHORT: Duration = Duration::from_millis(200);
/// At once, on a machine that is busy.
const SOON: Duration = Duration::from_secs(3);

/// Some tests count what the whole process has, and all share the functions below.
fn begin() {
    BEGUN.store(0, Ordering::SeqCst);
    CANCELLED.store(false, Ordering::SeqCst);
}

static BEGUN: AtomicU64 = AtomicU64::new(0);
static CANCELLED: AtomicBool = AtomicBool::new(false);
static GATE: Notify = Notify::const_new();

async fn begun(count: u64) {
    until("they have begun", async || {
        BEGUN.load(Ordering::SeqCst) == count
    })
    .await;
}

struct OnDrop;

impl Drop for OnDrop {
    fn drop(&mut self) {
        CANCELLED.store(true, Ordering::SeqCst);
    }
}

/// Waits until the gate is opened.
#[net::connect]
async fn pass_gate(x: u64) -> u64 {
    let gate = GATE.notified();
    tokio::pin!(gate);
    gate.as_mut().enable();
    BEGUN.fetch_add(1, Ordering::SeqCst);
    gate.await;
    x
}

#[net::connect]
async fn forever() {
    let _cancelled = OnDrop;
    BEGUN.fetch_add(1, Ordering::SeqCst);
    std::future::pending::<()>().await;
}

#[net::connect]
fn block(milliseconds: u64) {
    BEGUN.fetch_add(1, Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(milliseconds));
}

#[net::connect]
fn count(x: u64) -> u64 {
    BEGUN.fetch_add(1, Ordering::SeqCst);
    x
}

/// The peer that the functions below shut down, from inside.
static OWN: Mutex<Option<Peer>> = Mutex::new(None);

fn own() -> Peer {
    OWN.lock().unwrap().clone().unwrap()
}

#[net::connect]
async fn shut_down_and_wait() {
    BEGUN.fetch_add(1, Ordering::SeqCst);
    own().shutdown_within(SHORT).await;
}

#[net::connect]
fn shut_down_and_block() {
    BEGUN.fetch_add(1, Ordering::SeqCst);
    net::blocking::block_on(own().shutdown_within(SHORT));
}

#[net::connect]
async fn shut_down_after_this() -> u64 {
    tokio::spawn(async { own().shutdown().await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    7
}

async fn quiet(place: &Place) -> Peer {
    place.builder().discover(false).start().await.unwrap()
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.unwrap()
}

fn socket(peer: &Peer) -> PathBuf {
    peer.addresses()[0].strip_prefix("unix:").unwrap().into()
}

/// Its port can be had by anyone, and its socket has gone.
#[track_caller]
fn assert_gone(port: u16, socket: &std::path::Path) {
    TcpListener::bind(("127.0.0.1", port)).unwrap();
    assert!(!socket.exists());
}

#[test]
fn calls_in_flight_end_both_ways_and_new_ones_are_not_sent() {
    alone(async {
        begin();
        let place = Place::new();
        let (a, b, to_b) = pair(&place).await;
        let to_a = b.remote(&a.id().to_string()).unwrap();
        let calls = [
            tokio::spawn(pass_gate::on(&to_b, 1).into_future()),
            tokio::spawn(pass_gate::on(&to_a, 2).into_future()),
        ];
        begun(2).await;
        let (port, path) = (b.port().unwrap(), socket(&b));
        let shutting = tokio::spawn({
            let b = b.clone();
            async move { b.shutdown_within(LONG).await }
        });
        until("it does not listen any more", async || {
            TcpStream::connect(("127.0.0.1", port)).is_err() && !path.exists()
        })
        .await;
        // Nothing of it is sent, whichever way.
        let error = within(async {
            loop {
                // Until the goodbye has arrived a call is one of those in flight.
                match count::on(&to_b, 1).await {
                    Ok(_) => {}
                    Err(error) => return error,
                }
            }
        })
        .await;
        assert!(matches!(error, CallError::Unreachable { .. }), "{error}");
        let error = count::on(&to_a, 1).await.unwrap_err();
        assert!(matches!(error, CallError::ShutDown), "{error}");
        assert!(!shutting.is_finished());
        GATE.notify_waiters();
        for (call, answer) in calls.into_iter().zip([1, 2]) {
            assert_eq!(within(call).await.unwrap().unwrap(), answer);
        }
        within(shutting).await.unwrap();
        assert_gone(port, &path);
        a.shutdown().await;
    });
}

#[test]
fn a_function_that_outlasts_the_grace_is_cancelled_and_its_caller_told() {
    alone(async {
        begin();
        let place = Place::new();
        let (_a, b, remote) = pair(&place).await;
        let calls = [
            tokio::spawn(forever::on(&remote).into_future()),
            // This one cannot be cancelled; nobody waits for it.
            tokio::spawn(block::on(&remote, 1_000).into_future()),
        ];
        begun(2).await;
        let start = Instant::now();
        within(b.shutdown_within(SHORT)).await;
        for call in calls {
            let error = within(call).await.unwrap().unwrap_err();
            assert!(matches!(error, CallError::Lost { .. }), "{error}");
        }
        assert!(start.elapsed() >= SHORT && start.elapsed() < SHORT + SOON);
        until("it is cancelled", async || CANCELLED.load(Ordering::SeqCst)).await;
    });
}

/// Calls until one fails: how many were answered, and what that one said.
async fn call_on(remote: Remote) -> (u64, CallError) {
    let mut answered = 0;
    loop {
        match count::on(&remote, answered).await {
            Ok(_) => answered += 1,
            Err(error) => return (answered, error),
        }
    }
}

#[test]
fn of_streams_of_calls_each_is_answered_or_was_never_run() {
    alone(async {
        begin();
        let place = Place::new();
        for round in 0..10 {
            BEGUN.store(0, Ordering::SeqCst);
            let (a, b) = (quiet(&place).await, quiet(&place).await);
            let mut callers = JoinSet::new();
            for (from, to) in [(&a, &b), (&b, &a)] {
                let remote = from.remote(&to.addresses()[round % 2]).unwrap();
                for _ in 0..8 {
                    callers.spawn(call_on(remote.clone()));
                }
            }
            until("calls are made", async || {
                BEGUN.load(Ordering::SeqCst) > 200
            })
            .await;
            within(b.shutdown_within(LONG)).await;
            let mut answered = 0;
            for (count, error) in within(callers.join_all()).await {
                answered += count;
                assert!(
                    matches!(error, CallError::Unreachable { .. } | CallError::ShutDown),
                    "{error}"
                );
            }
            assert_eq!(answered, BEGUN.load(Ordering::SeqCst));
            a.shutdown().await;
        }
    });
}

#[test]
fn shutting_down_twice_and_at_once_is_shutting_down() {
    alone(async {
        begin();
        let place = Place::new();
        let (_a, b, remote) = pair(&place).await;
        let call = tokio::spawn(pass_gate::on(&remote, 1).into_future());
        begun(1).await;
        let (port, path) = (b.port().unwrap(), socket(&b));
        let mut all = JoinSet::new();
        for _ in 0..4 {
            let b = b.clone();
            all.spawn(async move {
                b.shutdown_within(LONG).await;
                // Whichever of them came to the end, it is the end.
                TcpStream::connect(("127.0.0.1", port)).is_err()
            });
        }
        until("it does not listen any more", async || !path.exists()).await;
        GATE.notify_waiters();
        assert_eq!(within(call).await.unwrap().unwrap(), 1);
        assert_eq!(within(all.join_all()).await, [true; 4]);
        within(b.shutdown()).await;
        assert_gone(port, &path);
    });
}

#[test]
fn a_peer_shuts_down_while_it_dials_and_while_it_is_dialled() {
    alone(async {
        begin();
        let place = Place::new();
        let tasks_before = tasks();
        let a = quiet(&place).await;
        // One that accepts and never answers.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let remote = a.remote(&silent.local_addr().unwrap().to_string()).unwrap();
        let dialling = tokio::spawn(count::on(&remote, 1).into_future());
        let (mut dialled, _) = tokio::task::spawn_blocking(move || silent.accept().unwrap())
            .await
            .unwrap();
        // And one that has connected and said nothing, and one that has begun to speak.
        let at = ("127.0.0.1", a.port().unwrap());
        let mut waiting = TcpStream::connect(at).unwrap();
        let mut waiting_too = std::os::unix::net::UnixStream::connect(socket(&a)).unwrap();
        waiting_too.write_all(&net_proto::MAGIC[..1]).unwrap();
        // It is greeted at once: it has been let in.
        waiting_too.set_read_timeout(Some(PATIENCE)).unwrap();
        waiting_too.read_exact(&mut [0; 8]).unwrap();
        let start = Instant::now();
        within(a.shutdown()).await;
        let error = within(dialling).await.unwrap().unwrap_err();
        assert!(matches!(error, CallError::ShutDown), "{error}");
        // All of them see the end.
        for stream in [&mut dialled, &mut waiting] {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            assert_ended(stream);
        }
        assert_ended(&mut waiting_too);
        until("its tasks have ended", async || tasks() <= tasks_before).await;
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    });
}

/// Reads to the end, whatever was said before.
#[track_caller]
fn assert_ended(stream: &mut impl std::io::Read) {
    match stream.read_to_end(&mut Vec::new()) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

/// Calls as an original does, and gives what it reads until the end.
async fn call_as_original(port: u16, tag: &str, argument: u64) -> String {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .unwrap();
    let request = format!(r#"{{"connection": "{tag}", "args": [{argument}], "kwargs": {{}}}}"#);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[test]
fn originals_that_are_being_served_have_the_grace_too() {
    alone(async {
        begin();
        let place = Place::new();
        for (grace, answer) in [(LONG, "1"), (SHORT, "")] {
            let b = quiet(&place).await;
            let port = b.port().unwrap();
            let before = BEGUN.load(Ordering::SeqCst);
            let call = tokio::spawn(call_as_original(port, "shutdown.pass_gate", 1));
            begun(before + 1).await;
            // One that has not said all of what it wants.
            let mut half = TcpStream::connect(("127.0.0.1", port)).unwrap();
            half.write_all(br#"{"connection": "#).unwrap();
            let shutting = tokio::spawn(async move { b.shutdown_within(grace).await });
            half.set_read_timeout(Some(PATIENCE)).unwrap();
            tokio::task::spawn_blocking(move || assert_ended(&mut half))
                .await
                .unwrap();
            if grace == LONG {
                assert!(!shutting.is_finished());
                GATE.notify_waiters();
            }
            within(shutting).await.unwrap();
            assert_eq!(within(call).await.unwrap(), answer);
        }
    });
}

#[test]
fn a_function_may_shut_its_own_peer_down() {
    alone(async {
        begin();
        let place = Place::new();
        let a = place.peer().await;
        for way in ["wait", "block", "after"] {
            let b = place.peer().await;
            *OWN.lock().unwrap() = Some(b.clone());
            let (port, path) = (b.port().unwrap(), socket(&b));
            let remote = a.remote(&b.id().to_string()).unwrap();
            let start = Instant::now();
            let error = match way {
                // It is in flight itself, so it waits until the grace is over.
                "wait" => within(shut_down_and_wait::on(&remote).into_future())
                    .await
                    .unwrap_err(),
                "block" => within(shut_down_and_block::on(&remote).into_future())
                    .await
                    .unwrap_err(),
                _ => {
                    let call = shut_down_after_this::on(&remote).into_future();
                    assert_eq!(within(call).await.unwrap(), 7);
                    until("it has gone", async || !path.exists()).await;
                    continue;
                }
            };
            assert!(matches!(error, CallError::Lost { .. }), "{way}: {error}");
            assert!(
                start.elapsed() < SHORT + SOON,
                "{way}: {:?}",
                start.elapsed()
            );
            assert_gone(port, &path);
            until("it is closed", async || {
                let error = count::on(&remote, 1).await.unwrap_err();
                matches!(error, CallError::Unreachable { .. })
            })
            .await;
        }
        *OWN.lock().unwrap() = None;
    });
}

fn entries(dir: &str) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

fn tasks() -> usize {
    let runtime = tokio::runtime::Handle::current();
    runtime.metrics().num_alive_tasks()
}

/// Descriptors, threads and tasks of this process.
#[cfg(target_os = "linux")]
fn held() -> [usize; 3] {
    [
        entries("/proc/self/fd"),
        entries("/proc/self/task"),
        tasks(),
    ]
}

#[cfg(target_os = "linux")]
#[test]
fn starting_and_stopping_fifty_times_leaves_nothing() {
    alone(async {
        begin();
        let place = Place::new();
        let a = place.peer().await;
        let cycle = async |port: u16| {
            let b = place.builder().port(port).start().await.unwrap();
            let by_id = a.remote(&b.id().to_string()).unwrap();
            let by_port = a
                .remote(&format!("127.0.0.1:{}", b.port().unwrap()))
                .unwrap();
            let before = BEGUN.load(Ordering::SeqCst);
            let call = tokio::spawn(pass_gate::on(&by_id, 1).into_future());
            begun(before + 1).await;
            assert_eq!(count::on(&by_port, 3).await.unwrap(), 3);
            let back = b.remote(&a.id().to_string()).unwrap();
            assert_eq!(count::on(&back, 4).await.unwrap(), 4);
            let (path, taken) = (socket(&b), b.port().unwrap());
            let ending = tokio::spawn(async move { b.shutdown_within(LONG).await });
            until("it takes leave", async || !path.exists()).await;
            GATE.notify_waiters();
            assert_eq!(within(call).await.unwrap().unwrap(), 1);
            within(ending).await.unwrap();
            assert_gone(taken, &path);
            taken
        };
        // What is made once, as threads for functions that block, is made by these.
        let mut port = 0;
        for _ in 0..5 {
            port = cycle(port).await;
        }
        let before = held();
        for _ in 0..50 {
            assert_eq!(cycle(port).await, port);
        }
        let mut after = held();
        until("nothing more is held than before", async || {
            after = held();
            after
                .iter()
                .zip(before)
                .all(|(after, before)| *after <= before)
        })
        .await;
        let names = std::fs::read_dir(socket(&a).parent().unwrap()).unwrap();
        assert_eq!(names.count(), 1);
    });
}
