//! Events that one read has brought and that are handled in one go: what the function does with one of them is not felt by the
//! others, nor by the link.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use common::{PATIENCE, Place, until};
use net::Peer;
use tokio::time::timeout;

/// So many events are written at once, and some more than are handled in one go.
const EVENTS: u32 = 150;

/// A publisher, and a subscriber that is there for its events; what the function that `f` makes of a list is given is in it.
struct Heard {
    here: Peer,
    there: Peer,
    numbers: Arc<Mutex<Vec<u32>>>,
    _place: Place,
}

impl Heard {
    async fn by(subscribe: impl FnOnce(&Peer, Arc<Mutex<Vec<u32>>>)) -> Self {
        let place = Place::new();
        let (here, there) = (place.peer().await, place.peer().await);
        let numbers = Arc::default();
        subscribe(&here, Arc::clone(&numbers));
        until("it subscribes", async || there.subscribers("e") == 1).await;
        Self {
            here,
            there,
            numbers,
            _place: place,
        }
    }

    fn publish(&self) {
        for n in 0..EVENTS {
            drop(self.there.emit("e", &(n,)));
        }
    }

    async fn has_all(&self) {
        let count = || self.numbers.lock().unwrap().len();
        until("all have come", async || count() >= EVENTS as usize).await;
        let numbers = self.numbers.lock().unwrap().clone();
        assert_eq!(numbers, (0..EVENTS).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_blocks_at_one_of_many_holds_up_no_call_and_loses_no_place() {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let waits = Arc::clone(&gate);
    let heard = Heard::by(|here, numbers| {
        here.subscribe("e").run(move |(n,): (u32,)| {
            if n == 10 {
                let (is_open, opened) = &*waits;
                let is_open = is_open.lock().unwrap();
                drop(opened.wait_timeout_while(is_open, PATIENCE, |is_open| !*is_open));
            }
            numbers.lock().unwrap().push(n);
        });
    })
    .await;
    heard.publish();
    let count = || heard.numbers.lock().unwrap().len();
    until("the function blocks", async || count() == 10).await;
    // Both ways: the other side's call is read, and its answer to ours.
    for (from, to) in [(&heard.there, &heard.here), (&heard.here, &heard.there)] {
        from.refresh().await;
        let remote = from.remote(&to.id().to_string()).unwrap();
        let call = remote.call::<u32>("net.defaults.handlers.pass_through", &(7,));
        assert_eq!(timeout(PATIENCE, call).await.unwrap().unwrap(), 7);
    }
    assert_eq!(count(), 10, "it blocks still");
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    heard.has_all().await;
}

/// Were both threads of the runtime kept by functions, nobody would read or answer pings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_that_block_with_events_of_each_publisher_keep_no_link_from_being_read() {
    let place = Place::new();
    let here = place.peer().await;
    let publishers = [place.peer().await, place.peer().await, place.peer().await];
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let (waits, begun) = (Arc::clone(&gate), Arc::new(AtomicUsize::new(0)));
    let begins = Arc::clone(&begun);
    // All of them together wait no longer than that, whatever keeps the test from opening the gate.
    let given_up = Instant::now() + PATIENCE;
    here.subscribe("e").run(move |(_,): (u32,)| {
        begins.fetch_add(1, Ordering::Relaxed);
        let (is_open, opened) = &*waits;
        let is_open = is_open.lock().unwrap();
        let patience = given_up.saturating_duration_since(Instant::now());
        drop(opened.wait_timeout_while(is_open, patience, |is_open| !*is_open));
    });
    for there in &publishers {
        until("it subscribes", async || there.subscribers("e") == 1).await;
    }
    for there in &publishers {
        for n in 0..EVENTS {
            drop(there.emit("e", &(n,)));
        }
    }
    let count = || begun.load(Ordering::Relaxed);
    until("a function blocks for each", async || count() == 3).await;
    for there in &publishers {
        let remote = here.remote(&there.id().to_string()).unwrap();
        let call = remote.call::<u32>("net.defaults.handlers.pass_through", &(7,));
        assert_eq!(timeout(PATIENCE, call).await.unwrap().unwrap(), 7);
    }
    assert_eq!(count(), 3, "they block still");
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    until("all have come", async || count() == 3 * EVENTS as usize).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_goes_on_later_with_some_of_them_keeps_the_order() {
    let heard = Heard::by(|here, numbers| {
        here.subscribe("e").run_async(move |(n,): (u32,)| {
            let numbers = Arc::clone(&numbers);
            async move {
                match n % 10 {
                    3 => tokio::task::yield_now().await,
                    7 => tokio::time::sleep(Duration::from_millis(1)).await,
                    _ => {}
                }
                numbers.lock().unwrap().push(n);
            }
        });
    })
    .await;
    for _ in 0..3 {
        heard.publish();
        heard.has_all().await;
        heard.numbers.lock().unwrap().clear();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_panics_at_some_of_them_is_run_with_the_others() {
    let heard = Heard::by(|here, numbers| {
        here.subscribe("e").run(move |(n,): (u32,)| {
            numbers.lock().unwrap().push(n);
            assert!(!n.is_multiple_of(5), "for the test");
        });
    })
    .await;
    heard.publish();
    heard.has_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_is_slow_with_each_leaves_the_link_to_others() {
    let heard = Heard::by(|here, numbers| {
        here.subscribe("e").run(move |(n,): (u32,)| {
            std::thread::sleep(Duration::from_micros(900));
            numbers.lock().unwrap().push(n);
        });
    })
    .await;
    heard.publish();
    heard.has_all().await;
    let subscription = &heard.here.subscriptions()[0];
    let counted = (subscription.received(), subscription.dropped());
    assert_eq!(counted, (u64::from(EVENTS), 0));
}
