//! Which TCP port a peer takes, and that it is found whichever it is.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Place, free_ports};
use net::{Peer, Remote};

/// Ports after the first that a peer of these tests tries.
const RANGE: u16 = 3;

async fn on_ports(place: &Place, first: u16, range: u16) -> Peer {
    let builder = place.builder().port(first).port_range(range);
    builder.start().await.unwrap()
}

/// Takes ports as another program would: it listens, and never says a word.
fn take(ports: impl IntoIterator<Item = u16>) -> Vec<TcpListener> {
    let take = |port| TcpListener::bind(("127.0.0.1", port)).unwrap();
    ports.into_iter().map(take).collect()
}

async fn passes(remote: &Remote) {
    let call = remote.call::<i64>("net.defaults.handlers.pass_through", &(1,));
    assert_eq!(call.timeout(common::PATIENCE).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_free_port_of_the_range_is_taken_then_one_of_the_systems() {
    let place = Place::new();
    let first = free_ports(RANGE + 1);
    let mut peers = Vec::new();
    for _ in 0..=RANGE + 1 {
        peers.push(on_ports(&place, first, RANGE).await);
    }
    let ports: Vec<_> = peers.iter().map(|peer| peer.port().unwrap()).collect();
    let (in_range, beyond) = ports.split_at(usize::from(RANGE) + 1);
    assert_eq!(in_range, (first..=first + RANGE).collect::<Vec<_>>());
    assert!(!(first..=first + RANGE).contains(&beyond[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_whole_range_taken_a_peer_is_found_by_directory_id_and_address() {
    let place = Place::new();
    let first = free_ports(RANGE + 1);
    let _taken = take(first..=first + RANGE);
    let (a, b) = (
        on_ports(&place, first, RANGE).await,
        on_ports(&place, first, RANGE).await,
    );
    let port = b.port().unwrap();
    assert!(port != 0 && !(first..=first + RANGE).contains(&port));
    let start = Instant::now();
    let found = a.peers().await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].id(), Some(b.id()));
    passes(&found[0]).await;
    for target in [b.id().to_string(), format!("127.0.0.1:{port}")] {
        passes(&a.remote(&target).unwrap()).await;
    }
    // Those who listen and never answer are not waited for.
    assert_eq!(a.refresh().await.len(), 1);
    assert!(start.elapsed() < common::PATIENCE / 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_range_taken_in_part_the_gaps_are_filled() {
    let place = Place::new();
    let first = free_ports(RANGE + 1);
    let _taken = take([first, first + 2]);
    let mut peers = Vec::new();
    for _ in 0..3 {
        peers.push(on_ports(&place, first, RANGE).await);
    }
    let ports: Vec<_> = peers.iter().map(|peer| peer.port().unwrap()).collect();
    assert_eq!(ports[..2], [first + 1, first + 3]);
    assert!(!(first..=first + RANGE).contains(&ports[2]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_of_zero_is_one_port() {
    let place = Place::new();
    let first = free_ports(2);
    let (a, b) = (
        on_ports(&place, first, 0).await,
        on_ports(&place, first, 0).await,
    );
    assert_eq!(a.port(), Some(first));
    assert_ne!(b.port(), Some(first));
    assert_ne!(b.port(), Some(first + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_beyond_the_last_port_ends_there() {
    let place = Place::new();
    // Held by this or, if that fails, by another program.
    let _last = TcpListener::bind(("127.0.0.1", u16::MAX));
    let (a, b) = (
        on_ports(&place, u16::MAX, 100).await,
        on_ports(&place, u16::MAX, u16::MAX).await,
    );
    for peer in [&a, &b] {
        let port = peer.port().unwrap();
        assert!(port != 0 && port != u16::MAX);
    }
    assert_eq!(a.refresh().await[0].id(), Some(b.id()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_program_in_the_range_is_no_peer_and_is_not_pestered() {
    let place = Place::new();
    let first = free_ports(RANGE + 1);
    let asked = Arc::new(AtomicUsize::new(0));
    let listener = take([first]).remove(0);
    // Ends with the test's process.
    std::thread::spawn({
        let asked = Arc::clone(&asked);
        move || {
            for mut stream in listener.incoming().flatten() {
                asked.fetch_add(1, Ordering::SeqCst);
                let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
            }
        }
    });
    let (a, b) = (
        on_ports(&place, first, RANGE).await,
        on_ports(&place, first, RANGE).await,
    );
    let ports = [a.port().unwrap(), b.port().unwrap()];
    assert_eq!(ports, [first + 1, first + 2]);
    for peer in [&a, &b] {
        assert_eq!(peer.refresh().await.len(), 1);
    }
    // Each of the two looks whether anybody is there, then asks in both of the old dialects, and then leaves it alone.
    let once = asked.load(Ordering::SeqCst);
    assert!((1..=6).contains(&once), "{once}");
    for peer in [&a, &b] {
        assert_eq!(peer.refresh().await.len(), 1);
    }
    assert_eq!(asked.load(Ordering::SeqCst), once);
    // Called by its address, it is no peer, in words.
    let call = a
        .remote(&format!("127.0.0.1:{first}"))
        .unwrap()
        .call::<i64>("x", &());
    let error = call.await.unwrap_err();
    assert!(error.was_not_run(), "{error}");
    assert!(error.to_string().contains("does not speak"), "{error}");
}
