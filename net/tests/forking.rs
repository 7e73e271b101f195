//! What a forked child does with its parent's peers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(unix)]

mod common;

use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use common::process::Process;
use common::{PATIENCE, Place, until};
use net::blocking::block_on;
use net::{Limits, Peer};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

/// A child has copies of what other tests have open, so they take turns.
static TURN: Mutex<()> = Mutex::new(());

/// No process is forked here: the parent's threads are kept from all that they could do, which is what they can do in a child.
#[test]
fn a_childs_copies_of_the_sockets_are_closed() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
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

    // On a thread that nothing else is done on: it is taken for the one that a fork leaves.
    let closing = parent.clone();
    std::thread::spawn(move || {
        net::after_fork(std::slice::from_ref(&closing));
        std::mem::forget(closing);
    })
    .join()
    .unwrap();

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

unsafe extern "C" {
    fn fork() -> i32;
    fn _exit(code: i32) -> !;
}

/// The parent's peer, and where a peer is that both it and the child call.
static PARENT: Mutex<Option<(Peer, String, Place)>> = Mutex::new(None);

/// Forks, and has the child start anew, be called and call, many times. Gives the child's process id.
fn fork_a_child() -> i32 {
    let parent = PARENT.lock().unwrap();
    let (peer, there, place) = parent.as_ref().unwrap();
    // SAFETY: what the child does it does as a child of Python's does: with peers of its own, on this thread and new ones.
    let child = unsafe { fork() };
    if child != 0 {
        return child;
    }
    let lives = catch_unwind(AssertUnwindSafe(|| {
        net::after_fork(std::slice::from_ref(peer));
        let own = block_on(place.builder().discover(false).start()).unwrap();
        assert_ne!(own.id(), peer.id());
        let there = own.remote(there).unwrap();
        for number in 0..300 {
            let call = there.call::<i64>("peer.multiply", &(number, 2));
            assert_eq!(call.wait().unwrap(), 2 * number);
        }
        let itself = own.remote(&own.addresses()[1]).unwrap();
        let call = itself.call::<i64>("net.defaults.handlers.pass_through", &(7,));
        assert_eq!(call.wait().unwrap(), 7);
        net::blocking::shutdown(&own);
    }));
    // SAFETY: ends the child here. What is further out on this stack is the parent's.
    unsafe { _exit(i32::from(lives.is_err())) }
}

#[net::connect]
fn fork_inside() -> i32 {
    fork_a_child()
}

/// How the child ended. One that hangs is ended by this.
fn ended(child: i32) -> Option<i32> {
    let child = Pid::from_raw(child).unwrap();
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some((_, status)) = waitpid(Some(child), WaitOptions::NOHANG).unwrap() {
            return status.exit_status();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    kill_process(child, Signal::KILL).unwrap();
    waitpid(Some(child), WaitOptions::empty()).unwrap();
    None
}

#[test]
fn a_child_lives_a_life_of_its_own_and_the_parents_calls_go_on() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Place::new();
    let there = Process::example(&place);
    let peer = block_on(place.builder().discover(false).start()).unwrap();
    let itself = peer.remote(&peer.addresses()[1]).unwrap();
    let remote = there.seen_from(&peer);
    *PARENT.lock().unwrap() = Some((peer.clone(), there.id.clone(), place));
    let block = |milliseconds: u64| remote.call::<u64>("peer.block", &(milliseconds,));
    for way in ["outside", "inside", "inside"] {
        let in_flight = std::thread::spawn({
            let call = block(300);
            move || call.wait()
        });
        assert_eq!(block(0).wait().unwrap(), 0);
        let child = match way {
            "inside" => fork_inside::on(&itself).wait().unwrap(),
            _ => fork_a_child(),
        };
        assert_eq!(ended(child), Some(0), "{way}");
        assert_eq!(in_flight.join().unwrap().unwrap(), 300, "{way}");
        assert_eq!(block(0).wait().unwrap(), 0);
    }
    net::blocking::shutdown(&peer);
    drop(PARENT.lock().unwrap().take());
}
