//! Groups with keys: who has the key gets in over the network, and who has not is told why. All on loopback, in runtime directories of
//! their own, so that no Unix socket leads past the keys.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use net::value::Bytes;
use net::{CallError, Peer, Remote};

use common::{PATIENCE, Place};

const KEY: &str = "3f9c1b7e5a2d8046c1e97b3f5d80a264";
const OTHER: &str = "b8427dd05e9a41f3a6c0915e7fd2384c";

#[net::connect]
fn double(x: i64) -> i64 {
    2 * x
}

#[net::connect]
fn echo(data: Bytes) -> Bytes {
    data
}

#[net::connect]
fn shout(text: String) -> String {
    text.to_uppercase()
}

/// A peer at loopback that others meet by its address alone.
async fn peer(group: Option<&str>, key: Option<&str>) -> (Place, Peer) {
    let place = Place::new();
    let mut builder = place
        .builder()
        .discover(false)
        .bind([Ipv4Addr::LOCALHOST.into()]);
    if let Some(group) = group {
        builder = builder.group(group);
    }
    if let Some(key) = key {
        builder = builder.secret(key);
    }
    let peer = builder.start().await.unwrap();
    (place, peer)
}

fn at(peer: &Peer) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, peer.port().unwrap()).into()
}

fn seen_from(caller: &Peer, callee: &Peer) -> Remote {
    caller.remote(&at(callee).to_string()).unwrap()
}

async fn refusal(caller: &Peer, callee: &Peer) -> String {
    match double::on(&seen_from(caller, callee), 21).await {
        Err(CallError::Unreachable { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_have_the_key_call_one_another() {
    let (_a, a) = peer(Some("lab"), Some(KEY)).await;
    let (_b, b) = peer(Some("lab"), Some(KEY)).await;
    let there = seen_from(&a, &b);
    assert_eq!(double::on(&there, 21).await.unwrap(), 42);
    assert_eq!(there.group().as_deref(), Some("lab"));
    // Back on the same link.
    let back = b.remote(&a.id().to_string()).unwrap();
    assert_eq!(double::on(&back, 4).await.unwrap(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_calls_and_large_values_go_side_by_side() {
    const LARGE: usize = 24 << 20;
    let (_a, a) = peer(Some("lab"), Some(KEY)).await;
    let (_b, b) = peer(Some("lab"), Some(KEY)).await;
    let there = seen_from(&a, &b);
    let data: Vec<u8> = (0..LARGE).map(|at| (at % 251) as u8).collect();
    let large = tokio::spawn(echo::on(&there, Bytes(data.clone())).into_future());
    for number in 0..500 {
        assert_eq!(double::on(&there, number).await.unwrap(), 2 * number);
    }
    let many: Vec<_> = (0..500)
        .map(|number| tokio::spawn(double::on(&there, number).into_future()))
        .collect();
    for (number, call) in many.into_iter().enumerate() {
        assert_eq!(call.await.unwrap().unwrap(), 2 * number as i64);
    }
    assert!(large.await.unwrap().unwrap().0 == data);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_waits_has_its_answer() {
    let (_a, a) = peer(Some("lab"), Some(KEY)).await;
    let (_b, b) = peer(Some("lab"), Some(KEY)).await;
    let there = seen_from(&a, &b);
    let sum = thread::spawn(move || {
        (0..100)
            .map(|number| double::on(&there, number).wait().unwrap())
            .sum::<i64>()
    });
    let sum = tokio::task::spawn_blocking(move || sum.join().unwrap());
    assert_eq!(sum.await.unwrap(), 9900);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_key_or_another_group_does_not_get_in() {
    let (_a, lab) = peer(Some("lab"), Some(KEY)).await;
    for (group, key, told, what_to_do) in [
        ("lab", OTHER, "another key", "app-net join --replace"),
        ("test", KEY, "another group", "app-net group list"),
    ] {
        let (_b, other) = peer(Some(group), Some(key)).await;
        for why in [refusal(&lab, &other).await, refusal(&other, &lab).await] {
            assert!(why.contains(told) && why.contains(what_to_do), "{why}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_key_does_not_get_in_and_hears_what_to_do() {
    let (_a, lab) = peer(Some("lab"), Some(KEY)).await;
    // What it says of itself is not asked for.
    for group in [None, Some("lab")] {
        let (_b, keyless) = peer(group, None).await;
        let why = refusal(&keyless, &lab).await;
        assert!(why.contains("app-net join"), "{why}");
        let why = refusal(&lab, &keyless).await;
        assert!(why.contains("it has no key"), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_original_is_not_answered_where_there_is_a_key() {
    let (_a, lab) = peer(Some("lab"), Some(KEY)).await;
    let address = at(&lab);
    let answer = tokio::task::spawn_blocking(move || {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = br#"{"tag": "net.info", "payload": {"args": [], "kwargs": {}}}"#;
        socket.write_all(request).unwrap();
        let mut answer = Vec::new();
        // The end, or a reset with what it did not read.
        let _ = socket.read_to_end(&mut answer);
        answer
    });
    let answer = answer.await.unwrap();
    // An alert of TLS, or nothing.
    assert!(answer.is_empty() || answer[0] == 0x15, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_handshake_is_not_waited_for() {
    let place = Place::new();
    let limits = net::Limits {
        handshake_time: Duration::from_millis(200),
        ..net::Limits::default()
    };
    let builder = place.builder().discover(false).limits(limits);
    let lab = builder
        .group("lab")
        .secret(KEY)
        .bind([Ipv4Addr::LOCALHOST.into()]);
    let address = at(&lab.start().await.unwrap());
    let closed = tokio::task::spawn_blocking(move || {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(&[0x16, 3, 1, 2, 0, 1]).unwrap();
        socket.read(&mut [0; 64])
    });
    // Closed, whether or not with a word.
    assert!(closed.await.unwrap().is_ok_and(|read| read <= 7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_when_all_places_are_taken_hears_that_the_peer_is_busy() {
    let place = Place::new();
    let limits = net::Limits {
        max_connections: 1,
        ..net::Limits::default()
    };
    let builder = place.builder().discover(false).limits(limits);
    let builder = builder.bind([Ipv4Addr::LOCALHOST.into()]);
    let lab = builder.group("lab").secret(KEY).start().await.unwrap();
    let (_a, first) = peer(Some("lab"), Some(KEY)).await;
    let (_b, second) = peer(Some("lab"), Some(KEY)).await;
    assert_eq!(double::on(&seen_from(&first, &lab), 21).await.unwrap(), 42);
    let why = refusal(&second, &lab).await;
    assert!(
        why.contains("it is busy") && why.contains("max_connections"),
        "{why}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_tells_who_may_reach_it() {
    let access = async |peer: &Peer| {
        let there = peer.remote(&at(peer).to_string()).unwrap();
        let info: serde_json::Value = there.call("net.defaults.handlers.info", &()).await.unwrap();
        info["access"].clone()
    };
    let (_a, keyed) = peer(Some("lab"), Some(KEY)).await;
    let (_b, keyless) = peer(Some("lab"), None).await;
    let place = Place::new();
    let open = place.builder().discover(false).open(true);
    let open = open
        .bind([Ipv4Addr::LOCALHOST.into()])
        .start()
        .await
        .unwrap();
    assert_eq!(access(&keyed).await, "key");
    assert_eq!(access(&keyless).await, "host");
    assert_eq!(access(&open).await, "open");
}

/// Carries the bytes between a caller and `to`, and keeps them.
fn listen_in(to: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&heard);
    thread::spawn(move || {
        let (near, _) = listener.accept().unwrap();
        let far = TcpStream::connect(to).unwrap();
        let ways = [
            (near.try_clone().unwrap(), far.try_clone().unwrap()),
            (far, near),
        ];
        for (mut from, mut to) in ways {
            let keep = Arc::clone(&keep);
            thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(read @ 1..) = from.read(&mut bytes) {
                    keep.lock().unwrap().extend_from_slice(&bytes[..read]);
                    if to.write_all(&bytes[..read]).is_err() {
                        break;
                    }
                }
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    });
    (address, heard)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_wire_nothing_is_plain() {
    let contains =
        |heard: &[u8], what: &str| heard.windows(what.len()).any(|w| w == what.as_bytes());
    for key in [Some(KEY), None] {
        let (_a, a) = peer(Some("lab"), key).await;
        let (_b, b) = peer(Some("lab"), key).await;
        let (between, heard) = listen_in(at(&b));
        let there = a.remote(&between.to_string()).unwrap();
        let answer = shout::on(&there, "a word in confidence".into())
            .await
            .unwrap();
        assert_eq!(answer, "A WORD IN CONFIDENCE");
        let heard = heard.lock().unwrap();
        for plain in ["a word in confidence", "A WORD IN CONFIDENCE", "shout"] {
            assert_eq!(contains(&heard, plain), key.is_none(), "{plain:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_without_a_key_is_not_served_to_the_network() {
    let place = Place::new();
    let builder = place.builder().discover(false).group("lab");
    let error = builder.bind([Ipv4Addr::UNSPECIFIED.into()]).start().await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("NET_BIND") && error.contains("app-net group new"),
        "{error}"
    );
}
