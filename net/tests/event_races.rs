//! Events where something ends or begins at a bad time, and functions that use events while they are told of one. What holds without
//! that is in `events.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::future::Future as _;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use common::{PATIENCE, Place, until};
use net::{Emit, Peer, Policy, Subscription};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;

/// A subscriber that is waited for and takes nothing.
async fn stuck(here: &Peer, there: &Peer) -> Subscription {
    let wish = here.subscribe("e").keep(1).when_full(Policy::Block);
    let stuck = wish.run_async(|_: (net::value::Bytes,)| std::future::pending());
    until("it subscribes", async || there.subscribers("e") == 1).await;
    stuck
}

/// Emits until one has to wait.
async fn blocked(there: &Peer) -> Emit {
    let body = net::value::Bytes(vec![1; 50_000]);
    loop {
        let mut emit = there.emit("e", &(&body,));
        if timeout(Duration::from_millis(50), &mut emit).await.is_err() {
            return emit;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_waits_goes_on_when_the_wish_is_taken_back() {
    let place = Place::new();
    let (here, there) = (place.peer().await, place.peer().await);
    let stuck = stuck(&here, &there).await;
    let emit = tokio::spawn(blocked(&there).await);
    // It waits in a task of its own by now, or soon.
    tokio::task::yield_now().await;
    stuck.unsubscribe();
    let emitted = timeout(PATIENCE, emit).await.expect("it goes on");
    assert_eq!(emitted.unwrap().unwrap().subscribers, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_waits_goes_on_when_it_is_shut_down() {
    let place = Place::new();
    let (here, there) = (place.peer().await, place.peer().await);
    stuck(&here, &there).await;
    let emit = tokio::spawn(blocked(&there).await);
    there.shutdown_within(Duration::from_millis(100)).await;
    let emitted = timeout(PATIENCE, emit).await.expect("it goes on");
    assert_eq!(emitted.unwrap().unwrap().subscribers, 0);
}

struct Idle;

impl Wake for Idle {
    fn wake(self: Arc<Self>) {}
}

/// Its waker would keep the task that gave up for as long as the subscriber stands still.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_gives_up_waiting_leaves_nothing_behind() {
    let place = Place::new();
    let (here, there) = (place.peer().await, place.peer().await);
    stuck(&here, &there).await;
    drop(blocked(&there).await);
    let task = Arc::new(Idle);
    let body = net::value::Bytes(vec![1; 50_000]);
    for _ in 0..10 {
        let waker = Waker::from(Arc::clone(&task));
        let mut emit = pin!(there.emit("e", &(&body,)));
        for _ in 0..2 {
            let polled = emit.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(matches!(polled, Poll::Pending));
        }
        assert!(Arc::strong_count(&task) > 2);
    }
    assert_eq!(Arc::strong_count(&task), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_without_a_name_leaves_no_function_behind() {
    let place = Place::new();
    let here = place.peer().await;
    let before = here.registry().all().len();
    for _ in 0..10 {
        here.subscribe("e").run(|(): ()| {}).unsubscribe();
    }
    assert_eq!(here.registry().all().len(), before);
}

/// In its own function, while the next events wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_may_take_its_own_wish_back() {
    let place = Place::new();
    let (here, there) = (place.peer().await, place.peer().await);
    let (tell, mut told) = unbounded_channel();
    let own = Arc::new(OnceLock::<Subscription>::new());
    let known = Arc::clone(&own);
    let subscription = here.subscribe("e").run(move |(n,): (u32,)| {
        known.wait().unsubscribe();
        tell.send(n).unwrap();
    });
    own.set(subscription).unwrap();
    until("it subscribes", async || there.subscribers("e") == 1).await;
    for n in 0..100_u32 {
        drop(there.emit("e", &(n,)));
    }
    assert_eq!(timeout(PATIENCE, told.recv()).await.unwrap(), Some(0));
    until("it is over", async || there.subscribers("e") == 0).await;
    assert!(told.try_recv().is_err(), "nothing after the first");
}

/// Publishing, calling the publisher back and declaring new wishes, from the function that is told, on both sides at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_may_publish_call_back_and_subscribe() {
    let place = Place::new();
    let (here, there) = (place.peer().await, place.peer().await);
    let (tell, mut told) = unbounded_channel();
    for (own, other) in [(&here, &there), (&there, &here)] {
        let remote = own.remote(&other.id().to_string()).unwrap();
        let (peer, tell) = (own.clone(), tell.clone());
        let wish = own.subscribe("ball").when_full(Policy::Block);
        wish.run(move |(n,): (u32,)| {
            if n == 500 {
                return tell.send(n).unwrap();
            }
            let again = peer.subscribe("nothing").run(|(): ()| {});
            let doubled: u32 = remote.call("event_races.doubled", &(n,)).wait().unwrap();
            assert_eq!(doubled, 2 * n);
            again.unsubscribe();
            peer.emit("ball", &(n + 1,)).wait().unwrap();
        });
    }
    for peer in [&here, &there] {
        until("it is subscribed to", async || {
            peer.subscribers("ball") == 1
        })
        .await;
    }
    here.emit("ball", &(0,)).await.unwrap();
    assert_eq!(timeout(PATIENCE, told.recv()).await.unwrap(), Some(500));
}

#[net::connect]
fn doubled(n: u32) -> u32 {
    2 * n
}

/// Whoever asks to be called with ever new events.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_that_are_called_with_events_are_bounded() {
    let place = Place::new();
    let (here, there, remote) = common::pair(&place).await;
    let tag = "net.defaults.handlers.subscription_handler";
    let mut refused = 0;
    for n in 0..5_000 {
        let asked = remote
            .call::<()>(tag, &(format!("event {n}"), "127.0.0.1", 9, "x"))
            .await;
        refused += u32::from(asked.is_err());
    }
    assert!(refused > 0);
    assert!(there.subscribed_events().len() <= 4096);
    drop(here);
}

/// Bytes of memory that this process has.
#[cfg(target_os = "linux")]
fn memory() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size()
}

/// Small ones among much else: each lies in a buffer with what came along with it.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_wait_keep_nothing_but_themselves() {
    let place = Place::new();
    let (here, there) = (place.peer().await, place.peer().await);
    let remote = there.remote(&here.id().to_string()).unwrap();
    here.subscribe("e")
        .run_async(|_: (u32,)| std::future::pending());
    until("it subscribes", async || there.subscribers("e") == 1).await;
    let body = net::value::Bytes(vec![1; 60_000]);
    let mut before = 0;
    for n in 0..3_000_u32 {
        there.emit("e", &(n,)).await.unwrap();
        let length: usize = remote.call("event_races.length", &(&body,)).await.unwrap();
        assert_eq!(length, 60_000);
        if n == 500 {
            before = memory();
        }
    }
    let grown = memory().saturating_sub(before);
    assert!(grown < 50_000_000, "{grown} bytes");
}

#[net::connect]
fn length(data: net::value::Bytes) -> usize {
    data.0.len()
}

/// Publishes each warning as an event, from where it is logged.
struct Published(Peer);

impl tracing::Subscriber for Published {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }

    fn event(&self, _: &tracing::Event<'_>) {
        drop(self.0.emit("warning", &()));
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_may_be_published_as_events() {
    let place = Place::new();
    let small = net::Limits {
        max_value: 1_000,
        ..net::Limits::default()
    };
    let here = place.builder().limits(small).start().await.unwrap();
    let there = place.peer().await;
    let (tell, mut told) = unbounded_channel();
    here.subscribe("e").run(|_: (net::value::Bytes,)| {});
    here.subscribe("warning")
        .run(move |(): ()| tell.send(()).unwrap());
    until("it subscribes", async || {
        there.subscribers("e") == 1 && there.subscribers("warning") == 1
    })
    .await;
    let publisher = there.clone();
    // Were a lock held, this thread would stand still for ever.
    std::thread::spawn(move || {
        let logs = Published(publisher.clone());
        tracing::subscriber::with_default(logs, || {
            let too_large = net::value::Bytes(vec![1; 2_000]);
            drop(publisher.emit("e", &(too_large,)));
        });
    });
    assert_eq!(timeout(PATIENCE, told.recv()).await.unwrap(), Some(()));
}
