//! Inputs without end, over real sockets, beside a link that goes on as ever: no panic, no hang, no growth, no wait.
//!
//! `make test` sends for [`USUAL_TIME`]; with `HOSTILE_INPUTS` it sends so many, however long that takes (`make hostile`). What is sent
//! follows from a seed, which is printed, and can be set as `HOSTILE_SEED`.

use std::io::Write as _;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use net::Remote;

use crate::common::Place;
use crate::inputs::{Recorded, bomb, instead_of, original, stranger};
use crate::measured::{self, Usage};
use crate::raw::{self, IN_TIME, Raw};
use crate::wire::Socket;

/// For how long is sent where nothing says how much.
const USUAL_TIME: Duration = Duration::from_secs(25);
/// At once: more than there are processors, so that the peer is never idle.
const SENDERS: u64 = 4;
/// Calls on one link. Their answers stay within what the link's window lets through unasked.
const BOMBS: u64 = 256;
/// Bytes of those calls: a quarter of the window.
const BOMB_BYTES: usize = 4 << 20;
/// Strangers and originals between two links.
const CONNECTIONS: usize = 32;

/// What the peer may hold beyond what it held, whatever comes: for each sender what is under way of one batch, and what a body of 60 KB is
/// as values, some fifty times as much.
const MEMORY: i64 = 32 << 20;
/// The slowest call beside all that, on a machine that is loaded to the full by it.
const SLOWEST: Duration = Duration::from_secs(5);

/// What was sent, by what it was.
#[derive(Default)]
struct Sent {
    bombs: AtomicU64,
    frames: AtomicU64,
    strangers: AtomicU64,
    originals: AtomicU64,
    links: AtomicU64,
}

impl Sent {
    fn all(&self) -> u64 {
        let kinds = [&self.bombs, &self.frames, &self.strangers, &self.originals];
        kinds.iter().map(|kind| kind.load(Ordering::Relaxed)).sum()
    }
}

/// When it is enough.
#[derive(Clone, Copy)]
enum Enough {
    Inputs(u64),
    Time(Instant),
}

impl Enough {
    fn of(&self, sent: &Sent) -> bool {
        match self {
            Self::Inputs(number) => sent.all() >= *number,
            Self::Time(until) => Instant::now() >= *until,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inputs_by_the_hundred_thousand_harm_neither_a_peer_nor_the_link_beside_them() {
    let number = |name| std::env::var(name).ok().map(|value| value.parse().unwrap());
    let seed: u64 = number("HOSTILE_SEED").unwrap_or_else(|| fastrand::u64(..));
    let enough = match number("HOSTILE_INPUTS") {
        Some(inputs) => Enough::Inputs(inputs),
        None => Enough::Time(Instant::now() + USUAL_TIME),
    };
    println!("HOSTILE_SEED={seed}");
    let place = Place::new();
    let process = measured::quiet(&place);
    let peer = place.builder().discover(false).start().await.unwrap();
    let remote = process.seen_from(&peer);
    let before = settled(&remote).await;

    let stop = Arc::new(AtomicBool::new(false));
    let calling = tokio::spawn(call_all_the_while(remote.clone(), Arc::clone(&stop)));
    let sent = Arc::new(Sent::default());
    let start = Instant::now();
    let senders: Vec<_> = (0..SENDERS)
        .map(|number| {
            let addresses = [process.unix().to_owned(), process.tcp().to_owned()];
            let sent = Arc::clone(&sent);
            let random = Rng::with_seed(seed ^ number << 32);
            tokio::task::spawn_blocking(move || send(random, &addresses, &sent, enough))
        })
        .collect();
    let mut ended = Vec::new();
    for sender in senders {
        ended.push(sender.await);
    }
    let took = start.elapsed();
    stop.store(true, Ordering::Relaxed);
    let (calls, slowest) = calling.await.unwrap();
    for sender in ended {
        sender.unwrap();
    }

    let after = measured::usage::on(&remote).await.unwrap();
    measured::left_as(&remote, &before).await;
    let used = after.peak - before.live;
    println!(
        "{} inputs in {took:.1?}: {:?} calls with hostile arguments, {:?} frames of {:?} sessions, {:?} strangers, {:?} originals; \
         {calls} calls beside them, the slowest in {slowest:?}; {used} bytes at most; {} refused, at {:?}",
        sent.all(),
        sent.bombs,
        sent.frames,
        sent.links,
        sent.strangers,
        sent.originals,
        after.refusals,
        after.limits
    );
    assert_eq!(after.panics, 0, "{after:?}");
    assert!(used < MEMORY, "{used} bytes");
    assert!(slowest < SLOWEST, "{slowest:?}");
    assert!(sent.all() > 1_000, "{} inputs", sent.all());
}

/// What is held once the first calls have made what they make.
async fn settled(remote: &Remote) -> Usage {
    for _ in 0..10 {
        measured::multiply::on(remote, 1, 1).await.unwrap();
    }
    measured::usage::on(remote).await.unwrap()
}

/// How many calls were answered, and how long the slowest took. None may fail.
pub(crate) async fn call_all_the_while(remote: Remote, stop: Arc<AtomicBool>) -> (u64, Duration) {
    let (mut calls, mut slowest) = (0, Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        assert_eq!(measured::multiply::on(&remote, 6, 7).await.unwrap(), 42);
        slowest = slowest.max(start.elapsed());
        calls += 1;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    (calls, slowest)
}

fn send(mut random: Rng, addresses: &[String; 2], sent: &Sent, enough: Enough) {
    let recorded = Recorded::at(&addresses[0]);
    let [_, tcp] = addresses;
    while !enough.of(sent) {
        let address = random.choice(addresses).unwrap();
        bombs(&mut random, address, &sent.bombs);
        for _ in 0..CONNECTIONS {
            sent.links.fetch_add(1, Ordering::Relaxed);
            session(&mut random, address, &recorded, &sent.frames);
        }
        for _ in 0..CONNECTIONS / 2 {
            let bytes = original(&mut random);
            alone(tcp, &bytes);
            sent.originals.fetch_add(1, Ordering::Relaxed);
            let bytes = stranger(&mut random, &recorded.greeting);
            alone(address, &bytes);
            sent.strangers.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Calls that the link survives, each of which is answered.
fn bombs(random: &mut Rng, address: &str, sent: &AtomicU64) {
    let mut link = Raw::link(address);
    let (mut bytes, mut count) = (Vec::new(), 0);
    while count < BOMBS && bytes.len() < BOMB_BYTES {
        bytes.extend(bomb(random, 2 * count + 1));
        count += 1;
    }
    assert!(link.send(&bytes), "the link was closed");
    let answers = link.answers(count as usize);
    assert!(answers.is_some(), "the link was closed");
    link.end();
    sent.fetch_add(count, Ordering::Relaxed);
}

/// A session of which some frames are others. After each such the other side is asked for a sign of life, and gives it or closes.
fn session(random: &mut Rng, address: &str, recorded: &Recorded, sent: &AtomicU64) {
    let mut link = Raw::link(address);
    for at in 0..recorded.frames.len() {
        if random.u8(..4) > 0 {
            if !link.send(&recorded.frames[at]) {
                break;
            }
            continue;
        }
        let bytes = instead_of(random, &recorded.frames, at);
        link.send(&bytes);
        sent.fetch_add(1, Ordering::Relaxed);
        let ends_in_a_frame = !bytes.is_empty()
            && raw::frames(&bytes)
                .last()
                .is_some_and(|last| raw::whole(last) == Some(last.len()));
        // What is asked would be taken for the rest of it.
        if !ends_in_a_frame || link.ping().is_none() {
            break;
        }
    }
    link.end();
}

/// All that a connection says, and its end.
fn alone(address: &str, bytes: &[u8]) {
    let mut socket = Socket::connect(address);
    // The other side may have closed before it has come to the end.
    let _ = socket.write_all(bytes);
    socket.shutdown(Shutdown::Write);
    let took = socket.until_closed();
    assert!(took < IN_TIME, "closed after {took:?}");
    socket.reset();
}
