//! What comes to a port and is no peer, or a peer that has gone mad: refused, said once, and no link beside it notices.

use std::io::Write as _;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use net::Remote;
use net_proto::{MAGIC, Outgoing};

use crate::common::Place;
use crate::measured;
use crate::wire::{self, Socket, Wire};

/// Rounds of everything there is, on each kind of socket.
const ROUNDS: usize = 40;
/// How long anything may hold a connection without being what it should: the time for a HELLO, or that for silence, and some for
/// a machine that does other things.
const LET_GO_WITHIN: Duration = Duration::from_secs(8);
/// The slowest call beside all that: the machine is loaded to the full by it.
const SLOWEST: Duration = Duration::from_secs(2);
/// What a peer may need at most: the buffers of some four hundred that say HELLO and then nothing, at 64 KiB, and half as much again.
const MEMORY: i64 = 40 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_refused_and_said_once_and_harms_no_other_link() {
    let place = Place::new();
    let process = measured::quiet(&place);
    let peer = place.builder().discover(false).start().await.unwrap();
    let remote = process.seen_from(&peer);
    let before = measured::usage::on(&remote).await.unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let calling = tokio::spawn(call_all_the_while(remote.clone(), Arc::clone(&stop)));
    let mut senders = Vec::new();
    for address in [process.tcp(), process.unix()] {
        let (bad, cut) = (address.to_owned(), address.to_owned());
        senders.push(tokio::task::spawn_blocking(move || send_garbage(&bad)));
        senders.push(tokio::task::spawn_blocking(move || cut_short(&cut)));
    }
    let mut connections = 0;
    for sender in senders {
        connections += sender.await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let (calls, slowest) = calling.await.unwrap();

    let after = measured::usage::on(&remote).await.unwrap();
    measured::left_as(&remote, &before).await;
    let used = after.peak - before.live;
    println!(
        "{connections} connections, {} refused; {calls} calls beside them, the slowest in {slowest:?}; {used} bytes at most",
        after.refusals
    );
    assert!(connections > 3_000 && after.refusals > 2_000, "{after:?}");
    assert!(slowest < SLOWEST, "{slowest:?}");
    assert!(used < MEMORY, "{used} bytes");
    // One of a connection that was refused, one of a peer of another version, one of a link that ended for a breach.
    assert_eq!(after.warnings, 3, "{after:?}");
}

/// How many calls were answered, and how long the slowest took. None may fail.
async fn call_all_the_while(remote: Remote, stop: Arc<AtomicBool>) -> (u64, Duration) {
    let (mut calls, mut slowest) = (0, Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        assert_eq!(measured::multiply::on(&remote, 6, 7).await.unwrap(), 42);
        slowest = slowest.max(start.elapsed());
        calls += 1;
    }
    (calls, slowest)
}

/// Bytes that are wrong from some point on; says how many connections were made.
fn send_garbage(address: &str) -> usize {
    let mut random = fastrand(address);
    let mut connections = 0;
    for _ in 0..ROUNDS {
        let strangers = first_bytes(&mut random);
        let links = frames(&mut random);
        connections += strangers.len() + links.len();
        for (what, bytes) in strangers {
            let mut socket = Socket::connect(address);
            refused(&mut socket, &what, &bytes);
        }
        for (what, bytes) in links {
            let mut wire = Wire::link(address);
            refused(&mut wire.socket, &what, &bytes);
        }
    }
    connections
}

/// Sends them and sees the other side close.
fn refused(socket: &mut Socket, what: &str, bytes: &[u8]) {
    // The other side may have closed before it has come to the end.
    let _ = socket.write_all(bytes);
    // As to the dialects of originals: there the end is the end of what they ask for.
    if what.starts_with("original") {
        socket.shutdown(Shutdown::Write);
    }
    let took = socket.until_closed();
    assert!(took < LET_GO_WITHIN / 2, "{what}: closed after {took:?}");
}

/// What strangers say first, and is not what is spoken here.
fn first_bytes(random: &mut impl FnMut(usize) -> Vec<u8>) -> Vec<(String, Vec<u8>)> {
    let preface = |low, high| [&MAGIC[..], &[low, high]].concat();
    let after = |bytes: &[u8]| [&preface(1, 1)[..], bytes].concat();
    let hello = |length: u32, kind: u8| {
        let mut header = length.to_le_bytes().to_vec();
        header.extend([kind, 0, 0, 0]);
        header.extend([0; 8]);
        after(&header)
    };
    let mut all: Vec<(String, Vec<u8>)> = vec![
        // No first byte of anything that is spoken.
        ("random".into(), [&[0xfe][..], &random(3_000)].concat()),
        (
            "a large piece".into(),
            [&[0x00][..], &random(1 << 20)].concat(),
        ),
        (
            "random after the preface".into(),
            [&after(&[0xff; 16])[..], &random(500)].concat(),
        ),
        ("a preface that goes wrong".into(), b"\xabnet\r\r".to_vec()),
        ("versions of the past".into(), preface(0, 0)),
        ("versions of the future".into(), preface(9, 200)),
        ("versions in the wrong order".into(), preface(3, 1)),
        ("a HELLO of 4 GiB".into(), hello(u32::MAX, 1)),
        ("a HELLO of 33 KiB".into(), hello(33 << 10, 1)),
        (
            "a HELLO that is no map".into(),
            [&hello(64, 1)[..], &[0xff; 64]].concat(),
        ),
        ("a CALL before HELLO".into(), hello(8, 2)),
        (
            "a TLS ClientHello".into(),
            [
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                &random(500)[..],
            ]
            .concat(),
        ),
        (
            "an HTTP request".into(),
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        ),
        (
            "an HTTP/2 preface".into(),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        ),
        ("an SSH banner".into(), b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()),
    ];
    let requests: [&[u8]; 4] = [
        br#"{"connection": "net.defaults.handlers.info", "args": []"#,
        br#"{"connection": 5}"#,
        b"eyJjb25uZWN0aW9uIjogImJtVjBMbVJsWm1GMWJIUnpMbWhoYm1Sc1pYSnpMbWx1Wm04PSI",
        b"{\"connection\": \"\xff\xfe\"}",
    ];
    all.extend(
        requests
            .iter()
            .map(|request| ("original".into(), request.to_vec())),
    );
    all
}

/// What peers say after HELLO, and may not.
fn frames(random: &mut impl FnMut(usize) -> Vec<u8>) -> Vec<(String, Vec<u8>)> {
    let frame = |length: u32, kind: u8, flags: u8, stream: u64, payload: &[u8]| {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend([kind, flags, 0, 0]);
        bytes.extend(stream.to_le_bytes());
        bytes.extend(payload);
        bytes
    };
    vec![
        ("a frame of 4 GiB".into(), frame(u32::MAX, 2, 0, 1, &[])),
        ("a frame one too long".into(), frame(74_817, 2, 0, 1, &[])),
        ("an unknown kind".into(), frame(0, 0x7f, 0, 1, &[])),
        ("unknown flags".into(), frame(0, 8, 0xff, 1, &[])),
        ("a HELLO again".into(), frame(0, 1, 0, 0, &[])),
        ("a reply to nothing".into(), frame(1, 3, 0, 2, &[0xf6])),
        ("a chunk of nothing".into(), frame(1, 0x0a, 0, 7, &[0])),
        (
            "credit out of nothing".into(),
            frame(8, 9, 0, 0, &[0xff; 8]),
        ),
        (
            "a call of an acceptor".into(),
            frame(6, 2, 0, 2, &[1, 0, 0, 0, 0x80, 0]),
        ),
        (
            "a tag out of order".into(),
            frame(6, 2, 0, 1, &[9, 0, 0, 0, 0x80, 0]),
        ),
        (
            "random frames".into(),
            [&[0xff; 16], &random(2_000)[..]].concat(),
        ),
    ]
}

/// A good session, cut short at each byte, then closed or silent; says how many connections were made.
fn cut_short(address: &str) -> usize {
    let good = recorded(address);
    let mut silent = Vec::new();
    for cut in 1..good.len() {
        let mut socket = Socket::connect(address);
        let _ = socket.write_all(&good[..cut]);
        drop(socket);
        // With what has been sent to it left unread, and with the end in one direction only.
        let mut socket = Socket::connect(address);
        let _ = socket.write_all(&good[..cut]);
        socket.shutdown(Shutdown::Write);
        let took = socket.until_closed();
        assert!(
            took < LET_GO_WITHIN / 2,
            "cut at {cut}: closed after {took:?}"
        );
        let mut socket = Socket::connect(address);
        let _ = socket.write_all(&good[..cut]);
        silent.push((cut, Instant::now(), socket));
    }
    let connections = 3 * silent.len();
    for (cut, since, mut socket) in silent {
        socket.until_closed();
        let took = since.elapsed();
        assert!(took < LET_GO_WITHIN, "cut at {cut}: let go after {took:?}");
    }
    connections
}

/// What a peer that says HELLO, makes two calls and takes leave puts on the wire.
fn recorded(address: &str) -> Vec<u8> {
    let mut wire = Wire {
        socket: Socket::connect(address),
        session: wire::session(),
        input: bytes::BytesMut::new(),
    };
    let mut all = wire::bytes_of(&mut wire.session);
    wire.socket.write_all(&all).unwrap();
    wire.until_connected();
    let calls = [
        (measured::multiply::TAG, vec![0x82, 6, 7]),
        (measured::wait::TAG, vec![0x81, 0]),
    ];
    for (tag, body) in calls {
        let call = Outgoing {
            tag,
            time_left: Some(Duration::from_secs(1)),
            metadata: b"traceparent: 00-0af7-b7ad-01",
            body: body.into(),
        };
        assert!(wire.session.call(Instant::now(), call, 1).is_ok());
    }
    wire.session.goodbye("that was all");
    let rest = wire::bytes_of(&mut wire.session);
    wire.socket.write_all(&rest).unwrap();
    wire.until_answered(1);
    all.extend(rest);
    all
}

/// Bytes that are all over the place and the same each time.
fn fastrand(seed: &str) -> impl FnMut(usize) -> Vec<u8> {
    let mut state = seed.len() as u64;
    move |count| {
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as u8
        };
        (0..count).map(|_| next()).collect()
    }
}

/// Each piece once had all that was there before it read anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_comes_in_small_pieces_keeps_no_thread_busy() {
    const SENDERS: usize = 4;
    const SIZE: usize = 900 << 10;
    const PIECES: u64 = 1_000;
    const BETWEEN: Duration = Duration::from_millis(2);
    let place = Place::new();
    let process = measured::quiet(&place);
    let before = process.processor_time();
    let mut senders = Vec::new();
    for sender in 0..SENDERS {
        let mut socket = Socket::connect(process.tcp());
        senders.push(tokio::task::spawn_blocking(move || {
            // A text that never ends: plain, and in base64.
            let (begin, more): (_, &[u8]) = match sender % 2 {
                0 => ([&br#"{"a"#[..], &b"a".repeat(SIZE)].concat(), b"a"),
                _ => ([&b"eyJh"[..], &b"YWFh".repeat(SIZE / 4)].concat(), b"YWFh"),
            };
            socket.write_all(&begin).unwrap();
            for piece in 0..PIECES {
                std::thread::sleep(BETWEEN);
                socket
                    .write_all(more)
                    .unwrap_or_else(|error| panic!("{piece}: {error}"));
            }
            socket.shutdown(Shutdown::Write);
            socket.until_closed()
        }));
    }
    for sender in senders {
        sender.await.unwrap();
    }
    let used = process.processor_time() - before;
    println!("{used:?} of processor time for {SENDERS} requests");
    assert!(used < Duration::from_millis(PIECES), "{used:?}");
}
