//! Events between peers of one process: who gets them, in which order, what is dropped, who waits, and what comes after a
//! restart. Those that need processes are in `processes.rs`, those of original peers in `originals.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{PATIENCE, Place, until};
use net::{Peer, Policy, Which};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

/// Waits until a peer has subscribers for an event.
async fn subscribed(publisher: &Peer, event: &str) {
    until("somebody subscribes", async || {
        publisher
            .subscribed_events()
            .iter()
            .any(|name| name == event)
    })
    .await;
}

async fn next<T>(told: &mut UnboundedReceiver<T>) -> T {
    timeout(PATIENCE, told.recv())
        .await
        .expect("an event comes in time")
        .expect("the subscriber is there")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_gets_what_is_published_with_its_types() {
    let place = Place::new();
    let (here, there) = (place.peer().await, place.peer().await);
    let (tell, mut told) = unbounded_channel();
    let alarms = here
        .subscribe("alarm")
        .run(move |(level, text): (u8, String)| {
            tell.send((level, text)).unwrap();
        });
    subscribed(&there, "alarm").await;
    let emitted = there.emit("alarm", &(3, "water")).await.unwrap();
    assert_eq!((emitted.subscribers, emitted.dropped), (1, 0));
    assert_eq!(next(&mut told).await, (3, "water".to_owned()));
    assert_eq!(
        (alarms.event(), alarms.received(), alarms.dropped()),
        ("alarm", 1, 0)
    );
    let publishers = alarms.publishers();
    assert_eq!(publishers.len(), 1);
    assert_eq!(publishers[0].id(), Some(there.id()));
    let nobody = there.emit("other", &()).await.unwrap();
    assert_eq!(nobody.subscribers, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wish_holds_for_a_publisher_that_comes_later_and_for_one_that_comes_back() {
    let place = Place::new();
    let here = place.peer().await;
    let (tell, mut told) = unbounded_channel();
    here.subscribe("e")
        .run(move |(n,): (u32,)| tell.send(n).unwrap());
    for round in 0..3 {
        let there = place.peer().await;
        subscribed(&there, "e").await;
        there.emit("e", &(round,)).await.unwrap();
        assert_eq!(next(&mut told).await, round);
        there.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_published_before_a_publisher_takes_leave_arrives() {
    let place = Place::new();
    let (here, there) = (place.peer().await, place.peer().await);
    let (tell, mut told) = unbounded_channel();
    let all = here
        .subscribe("e")
        .keep(10_000)
        .run(move |(n, _): (u32, net::value::Bytes)| tell.send(n).unwrap());
    subscribed(&there, "e").await;
    let body = net::value::Bytes(vec![7; 2000]);
    for n in 0..2000_u32 {
        drop(there.emit("e", &(n, &body)));
    }
    there.shutdown().await;
    for n in 0..2000 {
        assert_eq!(next(&mut told).await, n);
    }
    assert_eq!(all.dropped(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_those_that_match_are_heard() {
    let place = Place::new();
    let start = async |group: &str, hub: bool| {
        let builder = place.builder().name(format!("{group} {hub}")).hub(hub);
        let builder = match group {
            "" => builder,
            group => builder.group(group),
        };
        builder.start().await.unwrap()
    };
    let here = start("lab", false).await;
    let lab = start("lab", false).await;
    let hub = start("lab", true).await;
    let office = start("office", false).await;
    let none = start("", false).await;
    let named = here.remote(&office.id().to_string()).unwrap();

    let heard = Arc::new(Mutex::new(Vec::<(&str, String)>::new()));
    let listen = |what: &'static str, wish: net::Subscribe| {
        let heard = Arc::clone(&heard);
        wish.run(move |(who,): (String,)| heard.lock().unwrap().push((what, who)))
    };
    let wish = || here.subscribe("e");
    let all = [
        listen("own group", wish()),
        listen("hubs", wish().from(Which::new().hubs_only())),
        listen("office", wish().from(Which::new().groups(["office"]))),
        listen("any hub", wish().from(Which::new().any_group().hubs_only())),
        listen("named", wish().peers([&named])),
        listen(
            "everyone here",
            wish().from(Which::new().any_group().on_host()),
        ),
    ];
    let publishers = [&here, &lab, &hub, &office, &none];
    until("all have their subscribers", async || {
        publishers.map(|peer| peer.subscribers("e")) == [0, 2, 4, 3, 1]
    })
    .await;
    assert!(
        all.iter()
            .map(|s| s.publishers().len())
            .eq([2, 1, 1, 1, 1, 4])
    );
    for publisher in publishers {
        publisher.emit("e", &(publisher.name(),)).await.unwrap();
    }
    until("all are heard", async || heard.lock().unwrap().len() == 10).await;
    let mut heard = heard.lock().unwrap().clone();
    heard.sort();
    let expected = [
        ("any hub", "lab true"),
        ("everyone here", " false"),
        ("everyone here", "lab false"),
        ("everyone here", "lab true"),
        ("everyone here", "office false"),
        ("hubs", "lab true"),
        ("named", "office false"),
        ("office", "office false"),
        ("own group", "lab false"),
        ("own group", "lab true"),
    ];
    let heard: Vec<(&str, &str)> = heard.iter().map(|(w, n)| (*w, n.as_str())).collect();
    assert_eq!(heard, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_stands_still_loses_the_oldest_and_knows_how_many() {
    let place = Place::new();
    let (here, there) = (place.peer().await, place.peer().await);
    let gate = Arc::new(Semaphore::new(0));
    let (tell, mut told) = unbounded_channel();
    let waits = Arc::clone(&gate);
    let slow = here
        .subscribe("e")
        .keep(100)
        .run_async(move |(n, _): (u32, net::value::Bytes)| {
            let (tell, waits) = (tell.clone(), Arc::clone(&waits));
            async move {
                waits.acquire().await.unwrap().forget();
                tell.send(n).unwrap();
            }
        });
    subscribed(&there, "e").await;
    let body = net::value::Bytes(vec![1; 1000]);
    let (mut dropped, sent) = (0, 5000);
    for n in 0..sent {
        // It is not waited for.
        let emitted = timeout(Duration::from_secs(1), there.emit("e", &(n, &body)));
        dropped += emitted.await.unwrap().unwrap().dropped;
    }
    assert!(dropped > 1000, "{dropped}");
    gate.add_permits(sent as usize + 1);
    let mut heard = vec![next(&mut told).await];
    // The last one tells of all gaps before it.
    while *heard.last().unwrap() != sent - 1 {
        heard.push(next(&mut told).await);
    }
    assert!(heard.is_sorted());
    assert_eq!(
        heard.len() as u64 + dropped,
        u64::from(sent),
        "none is lost uncounted"
    );
    assert_eq!(slow.dropped(), dropped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_waits_for_who_asked_for_it_and_for_nobody_else() {
    let place = Place::new();
    let (slow, quick, there) = (place.peer().await, place.peer().await, place.peer().await);
    let gate = Arc::new(Semaphore::new(0));
    let (tell, mut told) = unbounded_channel();
    let waits = Arc::clone(&gate);
    let wish = slow.subscribe("e").keep(10).when_full(Policy::Block);
    let blocking = wish.run_async(move |(n, _): (u32, net::value::Bytes)| {
        let (tell, waits) = (tell.clone(), Arc::clone(&waits));
        async move {
            waits.acquire().await.unwrap().forget();
            tell.send(n).unwrap();
        }
    });
    let heard = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&heard);
    quick
        .subscribe("e")
        .run(move |_: (u32, net::value::Bytes)| {
            count.fetch_add(1, Ordering::Relaxed);
        });
    until("both subscribe", async || there.subscribers("e") == 2).await;
    let body = net::value::Bytes(vec![1; 10_000]);
    let mut sent = 0;
    let blocked = loop {
        let mut emit = there.emit("e", &(sent, &body));
        sent += 1;
        if timeout(Duration::from_millis(100), &mut emit)
            .await
            .is_err()
        {
            break emit;
        }
    };
    // The one that waits for nothing has it all the same.
    until("the quick one has them", async || {
        heard.load(Ordering::Relaxed) >= sent as usize
    })
    .await;
    gate.add_permits(10_000);
    timeout(PATIENCE, blocked).await.unwrap().unwrap();
    let mut numbers = Vec::new();
    while numbers.last() != Some(&(sent - 1)) {
        numbers.push(next(&mut told).await);
    }
    assert!(numbers.into_iter().eq(0..sent), "nothing is lost");
    assert_eq!(blocking.dropped(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_waits_goes_on_when_its_subscriber_is_gone() {
    let place = Place::new();
    let (here, there) = (place.peer().await, place.peer().await);
    let wish = here.subscribe("e").keep(1).when_full(Policy::Block);
    wish.run_async(|_: (net::value::Bytes,)| std::future::pending());
    subscribed(&there, "e").await;
    let body = net::value::Bytes(vec![1; 50_000]);
    let blocked = loop {
        let mut emit = there.emit("e", &(&body,));
        if timeout(Duration::from_millis(50), &mut emit).await.is_err() {
            break emit;
        }
    };
    here.shutdown_within(Duration::ZERO).await;
    timeout(PATIENCE, blocked).await.unwrap().unwrap();
    until("it is pruned", async || {
        there.subscribed_events().is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_async_subscriber_that_panics_at_once_harms_only_its_own_event() {
    let place = Place::new();
    let (here, there) = (place.peer().await, place.peer().await);
    let (tell, mut told) = unbounded_channel();
    let heard = here.subscribe("e").run_async(move |(number,): (u32,)| {
        let tell = tell.clone();
        async move {
            assert!(number % 2 == 1, "on purpose");
            tell.send(number).unwrap();
        }
    });
    subscribed(&there, "e").await;
    for number in 0..10 {
        there.emit("e", &(number,)).await.unwrap();
        // One by one, so that each is run by the reader, and not as one of those that wait.
        until("it has come", async || heard.received() > u64::from(number)).await;
        if number % 2 == 1 {
            assert_eq!(next(&mut told).await, number);
        }
    }
    let remote = there.remote(&here.id().to_string()).unwrap();
    let tag = "net.defaults.handlers.pass_through";
    let call = remote.call::<u32>(tag, &(7,)).timeout(PATIENCE);
    assert_eq!(call.await.unwrap(), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_fails_hears_the_next_and_stops_nobody() {
    let place = Place::new();
    let (here, there) = (place.peer().await, place.peer().await);
    let (tell, mut told) = unbounded_channel();
    let failing = here.subscribe("e").run(|(_,): (u32,)| panic!("on purpose"));
    let unfit = here.subscribe("e").run(|(_, _): (u32, u32)| {});
    here.subscribe("e")
        .run(move |(n,): (u32,)| tell.send(n).unwrap());
    until("all subscribe", async || there.subscribers("e") == 3).await;
    for n in 1..10_u32 {
        there.emit("e", &(n,)).await.unwrap();
    }
    let mut last = 0;
    while last != 9 {
        last = next(&mut told).await;
    }
    until("the others have them too", async || {
        failing.received() == 9 && unfit.received() == 9
    })
    .await;
    assert_eq!(failing.dropped() + unfit.dropped(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wish_that_is_taken_back_is_over_at_once() {
    let place = Place::new();
    let (here, there) = (place.peer().await, place.peer().await);
    let heard = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&heard);
    let subscription = here.subscribe("e").run(move |(): ()| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    subscribed(&there, "e").await;
    there.emit("e", &()).await.unwrap();
    until("it is heard", async || heard.load(Ordering::Relaxed) == 1).await;
    subscription.unsubscribe();
    until("nobody subscribes", async || {
        there.subscribed_events().is_empty()
    })
    .await;
    assert_eq!(there.emit("e", &()).await.unwrap().subscribers, 0);
    assert_eq!(heard.load(Ordering::Relaxed), 1);
    assert!(subscription.publishers().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_events_arrive_whole_and_in_order() {
    let place = Place::new();
    let (here, there) = (place.peer().await, place.peer().await);
    let (tell, mut told) = unbounded_channel();
    let wish = here.subscribe("e").when_full(Policy::Block);
    wish.run(move |(n, data): (usize, net::value::Bytes)| tell.send((n, data)).unwrap());
    subscribed(&there, "e").await;
    let sizes = [0, 100, 70_000, 5_000_000, 1, 300_000, 64 * 1024];
    let emits = async {
        for (n, size) in sizes.iter().enumerate() {
            let data = net::value::Bytes(vec![n as u8; *size]);
            there.emit("e", &(n, &data)).await.unwrap();
        }
    };
    timeout(PATIENCE, emits).await.unwrap();
    for (n, size) in sizes.iter().enumerate() {
        let (number, data) = next(&mut told).await;
        assert_eq!((number, data.0.len()), (n, *size));
        assert!(data.0.iter().all(|byte| *byte == n as u8));
    }
}

/// Each of them calls and publishes while it serves, over one link.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_publish_and_subscribe_at_once() {
    let place = Place::new();
    let peers = [place.peer().await, place.peer().await, place.peer().await];
    let (tell, mut told) = unbounded_channel();
    for (at, peer) in peers.iter().enumerate() {
        let tell = tell.clone();
        peer.subscribe("e")
            .keep(10_000)
            .run(move |(from, n): (usize, u32)| {
                tell.send((at, from, n)).unwrap();
            });
    }
    for peer in &peers {
        until("both others subscribe", async || peer.subscribers("e") == 2).await;
    }
    let publish = |from: usize| {
        let peer = peers[from].clone();
        tokio::spawn(async move {
            for n in 1..=1000_u32 {
                peer.emit("e", &(from, n)).await.unwrap();
            }
        })
    };
    for publishing in [publish(0), publish(1), publish(2)] {
        publishing.await.unwrap();
    }
    let mut last = [[0; 3]; 3];
    while last.iter().flatten().sum::<u32>() < 6000 {
        let (at, from, n) = next(&mut told).await;
        assert_eq!(n, last[at][from] + 1, "in order, each once");
        last[at][from] = n;
    }
}

#[net::connect]
fn counts_itself(n: u32) -> u32 {
    n
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_events_leaves_calls_their_way() {
    let place = Place::new();
    let (here, there) = (place.peer().await, place.peer().await);
    let remote = there.remote(&here.id().to_string()).unwrap();
    here.subscribe("flood")
        .run_async(|_: (net::value::Bytes,)| std::future::pending());
    subscribed(&there, "flood").await;
    let body = net::value::Bytes(vec![1; 30_000]);
    for n in 0..200 {
        for _ in 0..20 {
            drop(there.emit("flood", &(&body,)));
        }
        let called = timeout(PATIENCE, counts_itself::on(&remote, n)).await;
        assert_eq!(called.expect("not held up").unwrap(), n);
    }
}
