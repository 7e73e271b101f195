//! What a large value costs the memory of a peer that takes it and gives it back.

use net::value::Bytes;

use crate::common::Place;
use crate::measured;

const LARGE: usize = 64 << 20;

/// Received into one buffer, handed to the function as that, and sent from there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_byte_string_is_held_once() {
    let place = Place::new();
    let process = measured::quiet(&place);
    let peer = place.builder().discover(false).start().await.unwrap();
    let remote = process.seen_from(&peer);
    let sent = bytes::Bytes::from(vec![7; LARGE]);
    for _ in 0..3 {
        let before = measured::usage::on(&remote).await.unwrap();
        let back = measured::share::on(&remote, Bytes(sent.clone()))
            .await
            .unwrap();
        assert!(back.0 == sent);
        let after = measured::usage::on(&remote).await.unwrap();
        let grown = after.peak - before.live;
        assert!(
            grown < (LARGE + LARGE / 8) as i64,
            "{grown} bytes for one of {LARGE}"
        );
    }
}
