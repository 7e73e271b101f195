//! Events between processes, many of them: nothing lost that is to be waited for, drops counted exactly, and nobody held up by one
//! that is stopped, killed or restarted. What needs one process alone is in `events.rs`.
//!
//! Each process is this test again, run as [`in_a_process_of_its_own`] with a part to play. `EVENTS=100000` publishes more.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{PATIENCE, Place, until};
use net::{Peer, Policy, Subscription};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;

/// How long a million events may take on a busy machine.
const LONG: Duration = Duration::from_secs(300);
/// A dead peer is known within this.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);
/// What tells our lines from those of the test harness.
const MARK: &str = "@ ";

fn events() -> u64 {
    std::env::var("EVENTS").map_or(10_000, |events| events.parse().unwrap())
}

// --- the processes ---------------------------------------------------------------------------------------

/// A process with a part to play, killed at the end of the test whatever comes.
struct Process {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// What it said when it was ready.
    first: Vec<u64>,
}

impl Process {
    fn start(place: &Place, part: &str, number: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "in_a_process_of_its_own", "--nocapture"])
            .env("PART", part)
            .env("NUMBER", number.to_string())
            .env("NET_RUNTIME_DIR", place.path())
            .env_remove("NET_GROUP")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let first = Vec::new();
        let mut process = Self {
            child,
            lines,
            first,
        };
        process.first = process.line();
        process
    }

    /// The numbers on its next line.
    fn line(&mut self) -> Vec<u64> {
        loop {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "it has ended");
            // The harness may have begun the line.
            if let Some((_, said)) = line.split_once(MARK) {
                let numbers = said.split_whitespace().map(|n| n.parse().unwrap());
                return numbers.collect();
            }
        }
    }

    /// Says something to it, and gives what it answers.
    fn ask(&mut self, what: &str) -> Vec<u64> {
        writeln!(self.child.stdin.as_ref().unwrap(), "{what}").unwrap();
        self.line()
    }

    fn heard(&mut self) -> Heard {
        let [subscribers, taken, dropped, least, out_of_order] = self.ask("?")[..] else {
            panic!("another answer was expected");
        };
        assert_eq!(out_of_order, 0);
        Heard {
            subscribers,
            taken,
            dropped,
            least,
        }
    }

    /// Waits until each of its subscribers has taken or missed so many.
    async fn has(&mut self, each: u64) -> Heard {
        let start = Instant::now();
        loop {
            let heard = self.heard();
            if heard.least >= each {
                return heard;
            }
            assert!(start.elapsed() < LONG, "{heard:?} of {each}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn stop(&self) {
        self.signal(Signal::STOP);
        let waited = waitpid(Some(Pid::from_child(&self.child)), WaitOptions::UNTRACED);
        assert!(waited.unwrap().is_some_and(|(_, status)| status.stopped()));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the subscribers of a process have heard: in all, and the one of them that has heard least.
#[derive(Debug, Clone, Copy)]
struct Heard {
    subscribers: u64,
    taken: u64,
    dropped: u64,
    least: u64,
}

/// Nothing by itself: what the other tests run as a process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_process_of_its_own() {
    let Ok(part) = std::env::var("PART") else {
        return;
    };
    let number: usize = std::env::var("NUMBER").unwrap().parse().unwrap();
    match part.as_str() {
        "publish" => publish(number).await,
        part => subscribe(part, number).await,
    }
}

#[derive(Default)]
struct Count {
    taken: AtomicU64,
    last: AtomicU64,
    out_of_order: AtomicU64,
}

/// So many subscribers, each a peer of its own.
async fn subscribe(policy: &str, number: usize) {
    let gate = Arc::new(Mutex::new(()));
    let mut peers: Vec<(Peer, Subscription, Arc<Count>)> = Vec::new();
    for _ in 0..number {
        // Found by the publisher: they are not to find each other.
        let builder = Peer::builder().port(0).discover(false);
        let peer = builder.start().await.unwrap();
        let count = Arc::new(Count::default());
        let wish = match policy {
            "block" => peer.subscribe("e").when_full(Policy::Block).keep(64),
            _ => peer.subscribe("e").keep(64),
        };
        let (counts, gate) = (Arc::clone(&count), Arc::clone(&gate));
        let subscription = wish.run(move |(n, _): (u64, net::value::Bytes)| {
            drop(gate.lock().unwrap());
            counts.taken.fetch_add(1, Relaxed);
            if counts.last.swap(n, Relaxed) >= n {
                counts.out_of_order.fetch_add(1, Relaxed);
            }
        });
        peers.push((peer, subscription, count));
    }
    println!("{MARK}0");
    // Held while they stand still.
    let mut held = Vec::new();
    let mut lines = std::io::stdin().lines();
    while let Some(Ok(line)) = lines.next() {
        match line.as_str() {
            "?" => {
                let of = |what: fn(&Count) -> &AtomicU64| {
                    peers.iter().map(move |p| what(&p.2).load(Relaxed))
                };
                let dropped = || peers.iter().map(|p| p.1.dropped());
                let each = of(|c| &c.taken).zip(dropped()).map(|(a, b)| a + b);
                println!(
                    "{MARK}{number} {} {} {} {}",
                    of(|c| &c.taken).sum::<u64>(),
                    dropped().sum::<u64>(),
                    each.min().unwrap(),
                    of(|c| &c.out_of_order).sum::<u64>(),
                );
            }
            "stand still" => {
                held.push(gate.lock().unwrap());
                println!("{MARK}0");
            }
            "go on" => {
                held.clear();
                println!("{MARK}0");
            }
            other => panic!("{other}"),
        }
    }
}

/// A publisher that counts up as long as it lives, at the port `number`.
async fn publish(number: usize) {
    let builder = Peer::builder().port(number as u16).port_range(0);
    let peer = builder.start().await.unwrap();
    println!("{MARK}{}", peer.port().unwrap());
    let end = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let mut n = 0_u64;
    while !end.is_finished() {
        n += 1;
        peer.emit("count", &(u64::from(std::process::id()), n))
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    peer.shutdown().await;
}

// --- one publisher, many subscribers ---------------------------------------------------------------------

struct Publisher {
    peer: Peer,
    body: net::value::Bytes,
    sent: u64,
    dropped: u64,
    /// The longest that an emit took.
    longest: Duration,
}

impl Publisher {
    async fn new(place: &Place) -> Self {
        Self {
            peer: place.peer().await,
            body: net::value::Bytes(vec![7; 100]),
            sent: 0,
            dropped: 0,
            longest: Duration::ZERO,
        }
    }

    async fn has(&self, subscribers: usize) {
        until("all subscribe", async || {
            self.peer.subscribers("e") == subscribers
        })
        .await;
    }

    async fn emit(&mut self, count: u64) {
        for _ in 0..count {
            self.sent += 1;
            let start = Instant::now();
            let emit = self.peer.emit("e", &(self.sent, &self.body));
            let emitted = timeout(LONG, emit).await.expect("it goes on").unwrap();
            self.dropped += emitted.dropped;
            self.longest = self.longest.max(start.elapsed());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_subscribers_that_are_waited_for_lose_nothing() {
    let place = Place::new();
    let mut publisher = Publisher::new(&place).await;
    let mut processes: Vec<_> = (0..4)
        .map(|_| Process::start(&place, "block", 25))
        .collect();
    publisher.has(100).await;
    let start = Instant::now();
    publisher.emit(events()).await;
    for process in &mut processes {
        let heard = process.has(publisher.sent).await;
        assert_eq!(heard.taken, heard.subscribers * publisher.sent);
        assert_eq!(heard.dropped, 0);
    }
    assert_eq!(publisher.dropped, 0);
    let rate = (100 * publisher.sent) as f64 / start.elapsed().as_secs_f64();
    println!("{rate:.0} deliveries a second to 100 subscribers in 4 processes, block");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_dropped_for_those_that_do_not_keep_up_is_counted_exactly() {
    let place = Place::new();
    let mut publisher = Publisher::new(&place).await;
    let mut still = Process::start(&place, "drop", 2);
    let mut quick = Process::start(&place, "drop", 8);
    publisher.has(10).await;
    still.ask("stand still");
    let start = Instant::now();
    publisher.emit(events()).await;
    let rate = (10 * publisher.sent) as f64 / start.elapsed().as_secs_f64();
    // The quick one takes the last whatever the other does, and with it is told of all gaps.
    let quick_heard = quick.has(publisher.sent).await;
    still.ask("go on");
    let still_heard = still.has(publisher.sent).await;
    for heard in [quick_heard, still_heard] {
        assert_eq!(
            heard.taken + heard.dropped,
            heard.subscribers * publisher.sent
        );
    }
    assert_eq!(quick_heard.dropped + still_heard.dropped, publisher.dropped);
    assert!(still_heard.dropped > 0, "{still_heard:?}");
    println!("{rate:.0} events a second handed to 10 subscribers, oldest dropped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_is_stopped_delays_nobody_and_comes_back() {
    let place = Place::new();
    let mut publisher = Publisher::new(&place).await;
    let stopped = Process::start(&place, "drop", 1);
    let mut quick = Process::start(&place, "drop", 9);
    publisher.has(10).await;
    stopped.stop();
    let start = Instant::now();
    for round in 1..=3 {
        publisher.emit(events() / 10).await;
        quick.has(publisher.sent).await;
        println!("round {round} after {:?}", start.elapsed());
    }
    assert!(
        publisher.longest < Duration::from_secs(2),
        "{:?}",
        publisher.longest
    );
    until("it is given up", async || {
        publisher.peer.subscribers("e") == 9
    })
    .await;
    stopped.signal(Signal::CONT);
    publisher.has(10).await;
    let mut stopped = stopped;
    let before = stopped.heard().taken;
    publisher.emit(1).await;
    until("it hears what comes", async || {
        stopped.heard().taken > before
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_is_killed_is_pruned_and_others_hear_all() {
    let place = Place::new();
    let mut publisher = Publisher::new(&place).await;
    let killed = Process::start(&place, "block", 3);
    let mut others = Process::start(&place, "block", 7);
    publisher.has(10).await;
    publisher.emit(events() / 20).await;
    killed.signal(Signal::KILL);
    let start = Instant::now();
    let peer = publisher.peer.clone();
    let pruned = async {
        until("it is pruned", async || peer.subscribers("e") == 7).await;
        start.elapsed()
    };
    let (after, ()) = tokio::join!(pruned, publisher.emit(events() / 20));
    assert!(after < KNOWN_WITHIN, "{after:?}");
    let heard = others.has(publisher.sent).await;
    assert_eq!((heard.taken, heard.dropped), (7 * publisher.sent, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wish_outlives_its_publisher_however_that_ends_and_wherever_it_comes_back() {
    let place = Place::new();
    let here = place.peer().await;
    let (tell, mut told) = unbounded_channel();
    // Before there is anybody.
    here.subscribe("count")
        .run(move |(process, n): (u64, u64)| {
            let _ = tell.send((process, n));
        });
    let mut port = 0;
    for (at, end) in [
        ("any port", Signal::KILL),
        ("the same port", Signal::KILL),
        ("the same port", Signal::TERM),
        ("another port", Signal::TERM),
    ] {
        if at == "another port" {
            port = 0;
        }
        let mut process = Process::start(&place, "publish", port);
        port = process.first[0] as usize;
        let pid = u64::from(process.child.id());
        let mut last = 0;
        while last == 0 || last < 50 {
            let next = timeout(PATIENCE, told.recv()).await;
            let (from, n) = next.unwrap_or_else(|_| panic!("{at}: {last}")).unwrap();
            if from != pid {
                assert_eq!(last, 0, "what was before comes before");
                continue;
            }
            assert!(last == 0 || n == last + 1, "{at}: {n} after {last}");
            last = n;
        }
        if end == Signal::KILL {
            process.signal(end);
        } else {
            // In order: it takes leave.
            drop(process.child.stdin.take());
            assert!(process.child.wait().unwrap().success());
        }
    }
}
