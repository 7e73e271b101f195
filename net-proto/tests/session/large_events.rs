//! Events whose bodies travel in chunks: one is held at a time, and all that arrive have room together.

use net_proto::{Limits, Policy, Published};

use crate::events::{
    ACCEPTED, arrivals, interest, numbers, publish, subscribed, take_all, take_what_comes,
};
use crate::pair::Pair;

#[test]
fn one_large_body_is_held_at_a_time() {
    let mut pair = Pair::connected();
    let id = subscribed(&mut pair, &interest(10, Policy::Block));
    for _ in 0..3 {
        assert_eq!(publish(&mut pair, id, 1_000_000), ACCEPTED);
    }
    for number in 1..=3 {
        pair.flow();
        let held = arrivals(&mut pair.dialer);
        assert_eq!(
            numbers(&held),
            [number],
            "the next waits until this one is taken"
        );
        pair.flow();
        assert!(pair.dialer.events.is_empty());
        take_all(&mut pair, &held);
    }
    assert_eq!(pair.acceptor.session.usage().queued, 0);
}

/// The turn that a small event had was used by the large one that came after it.
#[test]
fn a_large_event_does_not_take_the_turn_of_a_small_one_that_was_dropped() {
    let little = Limits {
        high_water: 100_000,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(Limits::default(), little);
    let id = subscribed(&mut pair, &interest(1, Policy::DropOldest));
    let other = subscribed(&mut pair, &interest(1, Policy::DropOldest));
    for _ in 0..2 {
        assert_eq!(publish(&mut pair, id, 60_000), ACCEPTED);
        pair.flow();
    }
    let held = arrivals(&mut pair.dialer);
    // Waits for credit, then with its turn for room among the small frames; then another takes its place.
    assert_eq!(publish(&mut pair, id, 60_000), ACCEPTED);
    assert_eq!(publish(&mut pair, other, 60_000), ACCEPTED);
    take_all(&mut pair, &held[..1]);
    let credit = pair.dialer.write_once();
    pair.acceptor.receive(pair.now, &credit);
    let dropped = Published::Accepted { dropped: 1 };
    assert_eq!(publish(&mut pair, id, 100_000), dropped);
    pair.flow();
    let seen = arrivals(&mut pair.dialer);
    assert!(
        seen.iter().all(|arrival| arrival.id == other),
        "it waits for most of the window"
    );
    take_all(&mut pair, &held[1..]);
    pair.flow();
    assert_eq!(numbers(&arrivals(&mut pair.dialer)), [4]);
}

#[test]
fn large_events_for_which_there_is_no_room_wait_and_none_is_missing() {
    let tight = Limits {
        max_arriving: 600_000,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(tight, Limits::default());
    let ids = [1, 2, 3].map(|_| subscribed(&mut pair, &interest(10, Policy::Block)));
    for (id, size) in ids.into_iter().zip([500_000, 400_000, 300_000]) {
        assert_eq!(publish(&mut pair, id, size), ACCEPTED);
        assert_eq!(publish(&mut pair, id, 1), ACCEPTED);
    }
    let seen = take_what_comes(&mut pair);
    for id in ids {
        let of_one = seen.iter().filter(|arrival| arrival.id == id);
        assert!(of_one.map(|arrival| arrival.number).eq([1, 2]));
    }
    assert_eq!(pair.dialer.session.usage().arriving, 0);
}

#[test]
fn a_large_event_waits_for_the_room_that_a_withdrawn_one_had() {
    let tight = Limits {
        max_arriving: 600_000,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(tight, Limits::default());
    let [first, second] = [1, 2].map(|_| subscribed(&mut pair, &interest(10, Policy::Block)));
    for id in [first, second] {
        assert_eq!(publish(&mut pair, id, 500_000), ACCEPTED);
        // A few chunks of each, whose turns come one after the other.
        let bytes = pair.acceptor.write_once();
        pair.dialer.receive(pair.now, &bytes);
    }
    assert_eq!(pair.dialer.session.usage().arriving, 500_000);
    pair.dialer.session.lose_interest(first);
    let seen = take_what_comes(&mut pair);
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].id, seen[0].body.len()), (second, 500_000));
    assert_eq!(pair.dialer.session.usage().arriving, 0);
}

#[test]
fn one_large_event_may_come_whatever_its_size() {
    let tight = Limits {
        max_arriving: 100_000,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(tight, Limits::default());
    let id = subscribed(&mut pair, &interest(10, Policy::Block));
    for size in [500_000, 70_000, 1] {
        assert_eq!(publish(&mut pair, id, size), ACCEPTED);
    }
    assert_eq!(numbers(&take_what_comes(&mut pair)), [1, 2, 3]);
    assert_eq!(pair.dialer.session.usage().arriving, 0);
}
