//! The peer of a process. In a process of its own: no other may have a peer meanwhile.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{PATIENCE, Place, until};
use net::Peer;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_has_a_peer_of_its_own_to_emit_from() {
    assert!(matches!(
        net::emit("e", &()).await,
        Err(net::EmitError::NoPeer)
    ));
    let place = Place::new();
    let (first, second) = (place.peer().await, place.peer().await);
    assert_eq!(Peer::current(), Some(first.clone()));
    let (tell, mut told) = unbounded_channel();
    second
        .subscribe("e")
        .run(move |(n,): (u32,)| tell.send(n).unwrap());
    until("it subscribes", async || first.subscribers("e") == 1).await;
    net::emit("e", &(1,)).await.unwrap();
    assert_eq!(timeout(PATIENCE, told.recv()).await.unwrap(), Some(1));
    first.shutdown().await;
    assert_eq!(Peer::current(), Some(second));
}
