//! Many connections at once: half-open ones, and more than are taken in all or from one address.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use net::{CallError, Peer, Remote};
use net_proto::MAGIC;

use crate::common::process::Process;
use crate::common::{PATIENCE, Place, until};
use crate::measured;
use crate::suite::call_all_the_while;
use crate::wire::{Socket, Wire};

/// What a call beside all that may take, on a machine that does other things.
const SLOWEST: Duration = Duration::from_secs(5);

/// The same address as another machine of this host's sees it.
fn connect_from(from: [u8; 4], to: &str) -> Socket {
    let to: SocketAddr = to.parse().unwrap();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from((IpAddr::from(from), 0)).into())
        .unwrap();
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    Socket::Tcp(stream)
}

async fn names(remote: &Remote, limit: &str) {
    until(&format!("{limit} is named in the log"), async || {
        let usage = measured::usage::on(remote).await.unwrap();
        usage.limits.contains(limit)
    })
    .await;
}

/// A handle on the process over TCP, of a peer that does not listen.
async fn newcomer(place: &Place, process: &Process) -> (Peer, Remote) {
    let peer = place.builder().discover(false).listen(false);
    let peer = peer.start().await.unwrap();
    let remote = peer.remote(process.tcp()).unwrap();
    (peer, remote)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_half_open_handshakes_cost_a_bounded_number_of_places_and_keep_nobody_out() {
    const HALF_OPEN: usize = 1_000;
    const STRANGERS: usize = 256;
    let place = Place::new();
    let process = measured::quiet(&place);
    let peer = place.builder().discover(false).start().await.unwrap();
    let remote = process.seen_from(&peer);
    let before = measured::usage::on(&remote).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let calling = tokio::spawn(call_all_the_while(remote.clone(), Arc::clone(&stop)));
    for address in [process.tcp().to_owned(), process.unix().to_owned()] {
        let half_open: Vec<_> = (0..HALF_OPEN)
            .map(|at| {
                let mut socket = Socket::connect(&address);
                // A little each, never the whole.
                let _ = socket.write_all(&MAGIC[..at % MAGIC.len()]);
                socket
            })
            .collect();
        let (peer, newcomer) = newcomer(&place, &process).await;
        assert_eq!(measured::multiply::on(&newcomer, 6, 7).await.unwrap(), 42);
        let now = measured::usage::on(&remote).await.unwrap();
        let used = now.descriptors - before.descriptors;
        // And a few that are just on their way in or out.
        assert!(used < 2 * STRANGERS, "{used} descriptors");
        names(&remote, "max_strangers").await;
        peer.shutdown().await;
        drop(half_open);
    }
    measured::left_as(&remote, &before).await;
    stop.store(true, Ordering::Relaxed);
    let (_, slowest) = calling.await.unwrap();
    assert!(slowest < SLOWEST, "{slowest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_has_so_many_connections_and_the_next_is_told_why_it_is_turned_away() {
    const MOST: usize = 5;
    let place = Place::new();
    let process = measured::limited(&place, &format!("max_connections_from_one={MOST}"));
    let peer = place.builder().discover(false).start().await.unwrap();
    // Over the Unix socket, of which all count together, and none with those of TCP.
    let remote = process.seen_from(&peer);
    measured::multiply::on(&remote, 1, 1).await.unwrap();
    let address = process.tcp().to_owned();
    let held: Vec<_> = (0..MOST).map(|_| Wire::link(&address)).collect();

    let (late, turned_away) = newcomer(&place, &process).await;
    let error = measured::multiply::on(&turned_away, 6, 7)
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::Unreachable { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("5 connections from 127.0.0.1") && text.contains("max_connections_from_one"),
        "{text}"
    );
    // As an original peer is told it, in its own words.
    let mut original = Socket::connect(&address);
    let request = br#"{"connection": "net.info", "args": [], "kwargs": {}}"#;
    original.write_all(request).unwrap();
    let mut answer = String::new();
    original.read_to_string(&mut answer).unwrap();
    assert!(
        answer.contains("Busy") && answer.contains("max_connections_from_one"),
        "{answer}"
    );
    names(&remote, "max_connections_from_one").await;

    let mut other = connect_from([127, 0, 0, 2], &address);
    other
        .write_all(&crate::wire::bytes_of(&mut crate::wire::session()))
        .unwrap();
    let mut hello = [0; 64];
    other.read_exact(&mut hello).unwrap();
    assert_eq!(hello[12], 1, "another address hears HELLO");

    drop(held);
    until("there is room again", async || {
        measured::multiply::on(&turned_away, 6, 7).await.is_ok()
    })
    .await;
    late.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_originals_are_served_and_the_next_is_answered_busy() {
    const MOST: usize = 2;
    let place = Place::new();
    let process = measured::limited(&place, &format!("max_originals={MOST}"));
    let peer = place.builder().discover(false).start().await.unwrap();
    let remote = process.seen_from(&peer);
    let request = format!(
        r#"{{"connection": "{}", "args": [30000], "kwargs": {{}}}}"#,
        measured::wait::TAG
    );
    let ask = || {
        let mut socket = Socket::connect(process.tcp());
        socket.write_all(request.as_bytes()).unwrap();
        socket
    };
    let held: Vec<_> = (0..MOST).map(|_| ask()).collect();
    until("the next is answered Busy", async || {
        // It may be before those that were there before it.
        let mut one = ask();
        let socket = match &one {
            Socket::Tcp(stream) => stream,
            Socket::Unix(_) => unreachable!("it is the address of TCP"),
        };
        socket
            .set_read_timeout(Some(Duration::from_secs(1)))
            .unwrap();
        let mut answer = String::new();
        one.read_to_string(&mut answer).is_ok() && answer.contains("Busy")
    })
    .await;
    names(&remote, "max_originals").await;
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_connections_are_taken_in_all_and_those_that_are_there_go_on() {
    const MOST: usize = 4;
    let place = Place::new();
    let process = measured::limited(&place, &format!("max_connections={MOST}"));
    let peer = place.builder().discover(false).start().await.unwrap();
    let remote = process.seen_from(&peer);
    measured::multiply::on(&remote, 1, 1).await.unwrap();
    let held: Vec<_> = (1..MOST)
        .map(|at| {
            let mut socket = connect_from([127, 0, 0, at as u8], process.tcp());
            let greeting = crate::wire::bytes_of(&mut crate::wire::session());
            socket.write_all(&greeting).unwrap();
            socket.read_exact(&mut [0; 16]).unwrap();
            socket
        })
        .collect();
    let (late, turned_away) = newcomer(&place, &process).await;
    let error = measured::multiply::on(&turned_away, 6, 7)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("(max_connections)"), "{error}");
    // Who does not say what it speaks is closed soon, and all the same.
    let mut silent = Socket::connect(process.unix());
    silent.until_closed();
    let mut silent = Socket::connect(process.tcp());
    silent.shutdown(Shutdown::Write);
    silent.until_closed();
    names(&remote, "max_connections").await;
    for socket in &held {
        socket.shutdown(Shutdown::Write);
    }
    until("there is room again", async || {
        measured::multiply::on(&turned_away, 6, 7).await.is_ok()
    })
    .await;
    late.shutdown().await;
}
