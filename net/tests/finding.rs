//! Finding peers on this host: through the runtime directory, and through the port range.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Place, free_ports, until};
use net::{Peer, Speaks, Which};

/// Ports after the first that a peer of these tests tries.
const RANGE: u16 = 3;

async fn on_ports(place: &Place, first: u16) -> Peer {
    place
        .builder()
        .port(first)
        .port_range(RANGE)
        .start()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_on_a_port_of_the_systems_is_found_all_the_same() {
    let place = Place::new();
    let (a, b) = (place.peer().await, place.peer().await);
    assert_eq!(a.peers().await[0].id(), Some(b.id()));
    assert_eq!(b.peers().await[0].id(), Some(a.id()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_the_directory_does_not_show_is_found_by_its_port() {
    let first = free_ports(RANGE + 1);
    let (here, elsewhere) = (Place::new(), Place::new());
    let a = on_ports(&here, first).await;
    let b = on_ports(&elsewhere, first).await;
    until("a finds b", async || {
        a.refresh()
            .await
            .iter()
            .any(|peer| peer.id() == Some(b.id()))
    })
    .await;
    until("b finds a", async || {
        b.refresh()
            .await
            .iter()
            .any(|peer| peer.id() == Some(a.id()))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transient_peers_are_not_listed_and_call_all_the_same() {
    let place = Place::new();
    let a = place.peer().await;
    let tool = place
        .builder()
        .transient(true)
        .listen(false)
        .start()
        .await
        .unwrap();
    let others = tool.peers().await;
    assert_eq!(others.len(), 1);
    others[0]
        .call::<i64>("net.defaults.handlers.pass_through", &(1,))
        .await
        .unwrap();
    assert!(a.peers().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_and_hubs_are_known() {
    let place = Place::new();
    let a = place.peer().await;
    let _b = place
        .builder()
        .group("studio")
        .hub(true)
        .name("b")
        .start()
        .await
        .unwrap();
    assert!(a.peers().await.is_empty(), "it is in another group");
    let peers = a.peers_where(&Which::new().groups(["studio"])).await;
    assert_eq!(
        (
            peers[0].group().as_deref(),
            peers[0].hub(),
            peers[0].name().as_deref()
        ),
        (Some("studio"), true, Some("b"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn originals_in_the_port_range_come_and_go() {
    let first = free_ports(RANGE + 1);
    let gone = Arc::new(AtomicBool::new(false));
    let listener = TcpListener::bind(("127.0.0.1", first + 1)).unwrap();
    let port = first + 1;
    let serving = std::thread::spawn({
        let gone = Arc::clone(&gone);
        move || {
            while !gone.load(Ordering::SeqCst) {
                let (mut stream, _) = listener.accept().unwrap();
                let n = stream.read(&mut [0; 1024]).unwrap_or(0);
                if n > 0 {
                    let info = format!(
                        r#"{{"tag": "x", "host": "127.0.0.1", "port": {port}, "user": "u", "executable": "e", "group": "old", "hub": true, "connections": ["app.f"], "subscriptions": [], "flags": []}}"#
                    );
                    stream.write_all(info.as_bytes()).unwrap();
                }
            }
        }
    });
    let place = Place::new();
    let peer = on_ports(&place, first).await;
    let found = peer.peers_where(&Which::new().groups(["old"])).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (
            found[0].speaks(),
            found[0].group().as_deref(),
            found[0].hub()
        ),
        (Speaks::V06, Some("old"), true)
    );
    assert_eq!(found[0].host_port(), Some(("127.0.0.1".into(), port)));

    gone.store(true, Ordering::SeqCst);
    drop(std::net::TcpStream::connect(("127.0.0.1", port)).unwrap());
    serving.join().unwrap();
    let any = Which::new().any_group();
    until("it has gone", async || {
        peer.refresh_where(&any).await.is_empty()
    })
    .await;
}
