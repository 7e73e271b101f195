//! Attacks over one link, each held off at a limit that is named in the log, while the link beside it goes on.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use net::Peer;
use net::value::Bytes;
use net_proto::{Hello, InstanceId, Limits, Session, Side};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::common::process::Process;
use crate::common::{Place, until};
use crate::measured::{self, MAX_UNSENT, Usage};
use crate::raw::{self, CANCEL, CREDIT, ERROR, HEADER, INTEREST, PING, Raw};
use crate::suite::call_all_the_while;
use crate::wire::{Socket, Wire};

/// What a call beside all that may take, on a machine that does other things.
const SLOWEST: Duration = Duration::from_secs(5);

/// Keeps a thread for so long.
#[net::connect]
fn block(milliseconds: u64, data: Bytes) -> usize {
    std::thread::sleep(Duration::from_millis(milliseconds));
    data.0.len()
}

/// A peer that is attacked, and a link beside.
struct Attacked {
    process: Process,
    _peer: Peer,
    remote: net::Remote,
    before: Usage,
    stop: Arc<AtomicBool>,
    calling: JoinHandle<(u64, Duration)>,
    _place: Place,
}

impl Attacked {
    async fn with(limits: &str) -> Self {
        let place = Place::new();
        let process = measured::limited(&place, limits);
        let peer = place.builder().discover(false).start().await.unwrap();
        let remote = process.seen_from(&peer);
        measured::multiply::on(&remote, 1, 1).await.unwrap();
        let before = measured::usage::on(&remote).await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let calling = tokio::spawn(call_all_the_while(remote.clone(), Arc::clone(&stop)));
        Self {
            process,
            _peer: peer,
            remote,
            before,
            stop,
            calling,
            _place: place,
        }
    }

    /// Where to attack it: as from the network, and as a process of the same user.
    fn addresses(&self) -> [String; 2] {
        [
            self.process.tcp().to_owned(),
            self.process.unix().to_owned(),
        ]
    }

    /// It named the limit, held no more than so many bytes, kept nobody waiting, and is as it was.
    async fn held_off(self, limit: &str, most: i64) {
        until(&format!("{limit} is named in the log"), async || {
            let usage = measured::usage::on(&self.remote).await.unwrap();
            // Asking for it begins the peak anew.
            self.note(&usage, most);
            usage.limits.contains(limit)
        })
        .await;
        until("nothing of it is left", async || {
            let now = measured::usage::on(&self.remote).await.unwrap();
            self.note(&now, most);
            now.descriptors <= self.before.descriptors && now.tasks <= self.before.tasks
        })
        .await;
        self.stop.store(true, Ordering::Relaxed);
        let (calls, slowest) = self.calling.await.unwrap();
        println!("{calls} calls beside it, the slowest in {slowest:?}");
        assert!(slowest < SLOWEST, "{slowest:?}");
    }

    fn note(&self, usage: &Usage, most: i64) {
        let used = usage.peak - self.before.live;
        assert!(used < most, "{used} bytes");
        assert_eq!(usage.panics, 0);
    }
}

/// A link of one that announces a window that it will never want to see the end of.
fn endless(address: &str) -> Wire {
    let mut id = [0; 16];
    getrandom::fill(&mut id).unwrap();
    let limits = Limits {
        link_window: u64::MAX / 2,
        stream_window: u64::MAX / 2,
        ..Limits::default()
    };
    let hello = Hello::new(InstanceId(id));
    let mut wire = Wire {
        socket: Socket::connect(address),
        session: Session::new(Side::Dialer, hello, limits, std::time::Instant::now()),
        input: BytesMut::new(),
    };
    wire.send();
    wire.until_connected();
    wire
}

/// The window was once all that small answers were bounded by, and it is the reader who says how large it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_announces_an_endless_window_and_reads_nothing_cannot_fill_our_memory() {
    const CALLS: u64 = 4_000;
    const ANSWER: u32 = 60_000;
    let attacked = Attacked::with(&format!("max_unsent={MAX_UNSENT}")).await;
    for address in attacked.addresses() {
        let calling = spawn_blocking(move || {
            let mut wire = endless(&address);
            let body = [&[0x81, 0x1a][..], &ANSWER.to_be_bytes()].concat();
            for at in 0..CALLS {
                let bytes = raw::call(2 * at + 1, measured::zeros::TAG, &body);
                // It may have been given up by then.
                if wire.socket.write_all(&bytes).is_err() {
                    break;
                }
            }
            // Is heard for as long as it likes to be.
            for number in 0..20_u64 {
                std::thread::sleep(Duration::from_millis(50));
                let ping = raw::frame(PING, 0, 0, &number.to_le_bytes());
                if wire.socket.write_all(&ping).is_err() {
                    break;
                }
            }
        });
        calling.await.unwrap();
    }
    // What may wait, what is being written, and what ran before it was known: all answers at once would be ten times as much.
    attacked
        .held_off("max_unsent", 3 * MAX_UNSENT as i64 + (8 << 20))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_thousand_streams_those_over_the_limit_are_answered_busy() {
    const STREAMS: usize = 100_000;
    const MAX_CALLS: usize = 16_384;
    const MEMORY: i64 = 96 << 20;
    let attacked = Attacked::with("").await;
    let address = attacked.addresses()[0].clone();
    let opening = spawn_blocking(move || {
        let mut link = Raw::link(&address);
        let body = [&[0x81, 0x1a][..], &60_000_u32.to_be_bytes()].concat();
        let mut busy = 0;
        for first in (0..STREAMS).step_by(1_000) {
            let streams = first..first + 1_000;
            let calls = streams.clone().map(|at| {
                let stream = 2 * at as u64 + 1;
                raw::call(stream, measured::wait::TAG, &body)
            });
            assert!(link.send(&calls.flatten().collect::<Vec<_>>()));
            let refused = streams.filter(|at| *at >= MAX_CALLS).count();
            let answers = link.answers(refused).expect("it goes on");
            for answer in answers {
                assert_eq!(answer[4], ERROR);
                let text = String::from_utf8_lossy(&answer[HEADER..]).into_owned();
                assert!(text.contains("calls are under way"), "{text}");
                busy += 1;
            }
        }
        assert_eq!(busy, STREAMS - MAX_CALLS);
        link.end();
    });
    opening.await.unwrap();
    attacked.held_off("max_calls", MEMORY).await;
}

/// A call that was cancelled once counted no more, while its function went on or its place was kept among those that wait for a thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_calls_and_cancels_without_end_has_no_more_wait_than_who_does_not() {
    const MAX_CALLS: usize = 16;
    const CALLS: u64 = 4_000;
    const BODY: usize = 60_000;
    let attacked = Attacked::with(&format!("max_calls={MAX_CALLS}")).await;
    for address in attacked.addresses() {
        let calling = spawn_blocking(move || {
            let mut link = Raw::link(&address);
            // So slow that it is run on the pool from then on.
            assert!(link.send(&raw::call(1, block::TAG, &arguments(100, 1))));
            link.answers(1).expect("it goes on");
            for at in 1..=CALLS {
                let stream = 2 * at + 1;
                let mut bytes = raw::call(stream, block::TAG, &arguments(2_000, BODY));
                bytes.extend(raw::frame(CANCEL, 0, stream, b""));
                assert!(link.send(&bytes), "after {at}");
                // Takes what is answered, and the credit with it.
                if at % 16 == 0 {
                    link.ping().expect("it goes on");
                }
            }
            link.end();
        });
        calling.await.unwrap();
    }
    // Of each link, twice the calls that may be under way and a few, and some that are read and not looked at. All would be ten times as
    // much.
    let held = 2 * (2 * MAX_CALLS + 16) * 2 * BODY;
    attacked
        .held_off("max_calls", held as i64 + (16 << 20))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_arguments_count_until_their_function_has_let_go_of_them() {
    const BODY: usize = 1 << 20;
    const CALLS: u64 = 40;
    let attacked = Attacked::with("max_held=4194304").await;
    let address = attacked.addresses()[1].clone();
    let calling = spawn_blocking(move || {
        let mut wire = Wire::link(&address);
        for number in 0..CALLS {
            assert!(wire.call(number, block::TAG, arguments(2_000, BODY)));
            // One after the other, so that what arrives is not what is held.
            wire.drive(|session| session.usage().leaving == 0);
        }
        wire.drive(|session| session.in_flight() == 0);
        wire.goodbye();
    });
    calling.await.unwrap();
    attacked.held_off("max_held", 24 << 20).await;
}

fn arguments(milliseconds: u16, size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    net::value::encode_arguments(&(milliseconds, Bytes(vec![7; size])), &mut out).unwrap();
    out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancels_and_pings_without_end_cost_nothing_that_stays() {
    const FRAMES: u64 = 200_000;
    const MEMORY: i64 = 8 << 20;
    let attacked = Attacked::with("").await;
    for address in attacked.addresses() {
        let flooding = spawn_blocking(move || {
            let mut link = Raw::link(&address);
            assert!(link.send(&raw::call(1, measured::multiply::TAG, &[0x82, 6, 7])));
            link.answers(1).expect("it goes on");
            let cancels = raw::frame(CANCEL, 0, 1, b"").repeat(1_000);
            let pings = raw::frame(PING, 0, 0, &[1; 8]).repeat(1_000);
            for _ in 0..FRAMES / 1_000 {
                assert!(link.send(&cancels) && link.send(&pings));
            }
            link.ping().expect("it goes on");
            // Credit that nobody used ends it.
            link.send(&raw::frame(CREDIT, 0, 0, &u64::MAX.to_le_bytes()));
            assert!(link.ping().is_none(), "it goes on");
        });
        flooding.await.unwrap();
    }
    let usage = measured::usage::on(&attacked.remote).await.unwrap();
    attacked.note(&usage, MEMORY);
    attacked.stop.store(true, Ordering::Relaxed);
    let (_, slowest) = attacked.calling.await.unwrap();
    assert!(slowest < SLOWEST, "{slowest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_ten_thousand_interests_those_over_the_limit_are_answered_busy() {
    const INTERESTS: u64 = 10_000;
    const MAX_INTERESTS: u64 = 4_096;
    const MEMORY: i64 = 32 << 20;
    let attacked = Attacked::with("").await;
    let address = attacked.addresses()[0].clone();
    let asking = spawn_blocking(move || {
        let mut link = Raw::link(&address);
        let all: Vec<u8> = (0..INTERESTS).flat_map(interest).collect();
        assert!(link.send(&all));
        let refused = (INTERESTS - MAX_INTERESTS) as usize;
        let answers = link.answers(refused).expect("it goes on");
        assert!(answers.iter().all(|answer| answer[4] == ERROR));
        assert_eq!(link.ping(), Some(0));
        link.end();
    });
    asking.await.unwrap();
    attacked.held_off("max_interests", MEMORY).await;
}

/// One, as a session writes it.
fn interest(at: u64) -> Vec<u8> {
    // Kept to the map of PROTOCOL.md: event, number, queue, policy, window, after, turn.
    let mut map = vec![0xa7, 0x00, 0x65];
    map.extend(b"storm");
    map.extend([0x01, 0x1a]);
    map.extend((at as u32).to_be_bytes());
    map.extend([0x02, 0x10, 0x03, 0x00, 0x04, 0x1a]);
    map.extend((1_u32 << 20).to_be_bytes());
    map.extend([0x05, 0x00, 0x06, 0x01]);
    raw::frame(INTEREST, 0, 2 * at + 1, &map)
}
