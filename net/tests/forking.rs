//! What a forked child does with its parent's peers. No process is forked here: the parent's threads are kept from all
//! that they could do, which is what they can do in a child.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(unix)]

mod common;

use std::net::TcpListener;
use std::time::Duration;

use common::{Place, until};
use net::Limits;
use net::blocking::block_on;

#[test]
fn a_childs_copies_of_the_sockets_are_closed() {
    // Its peers are never dropped, nor is the runtime that they live in: their descriptors are closed behind their backs.
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (place, other_place) = (Place::new(), Place::new());
    let hour = Duration::from_secs(3600);
    let silent = Limits {
        keep_alive: hour,
        silence: 2 * hour,
        ..Limits::default()
    };
    let parent = threads.block_on(async {
        let builder = place.builder().discover(false).limits(silent);
        tokio::spawn(builder.start()).await.unwrap().unwrap()
    });
    let other = block_on(other_place.builder().discover(false).start()).unwrap();
    let port = parent.port().unwrap();
    let remote = other.remote(&format!("127.0.0.1:{port}")).unwrap();
    let pass = || {
        remote
            .call::<i64>("net.defaults.handlers.pass_through", &(1,))
            .wait()
    };
    assert_eq!(pass().unwrap(), 1);
    assert!(TcpListener::bind(("127.0.0.1", port)).is_err());

    net::after_fork(std::slice::from_ref(&parent));

    TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::mem::forget((parent, threads));
    // The other side sees the end of its link, and nobody to dial.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(until("the link has ended", async || {
        pass().is_err_and(|error| error.was_not_run())
    }));
}
