//! Interests and events: order, credit, what waits, what is dropped, the end, and the way from one link to another.

use bytes::{Bytes, BytesMut};
use net_proto::limits::MAX_NUMBER;
use net_proto::{
    Arrival, CallId, ErrorBody, ErrorCode, Event, Interest, Kind, Limits, Misbehaviour, Policy,
    Publication, Published, WhyRefused,
};

use crate::pair::{CHUNK, CREDIT, End, Pair, frame, pattern};

const END: u8 = 0x07;
const EVENT: u8 = 0x0C;
const MORE: u8 = 0x08;
const LAST: u8 = 0x01;

const WINDOW: u64 = 128 * 1024;

pub(crate) fn interest(keep: u32, policy: Policy) -> Interest {
    Interest {
        event: "alarm".into(),
        number: 1,
        keep,
        policy,
        window: WINDOW,
        after: 0,
        turn: 1,
    }
}

pub(crate) fn publication(size: usize) -> Publication {
    Publication {
        metadata: Bytes::new(),
        body: pattern(size).into(),
    }
}

/// The dialer subscribes to the acceptor: the stream's id.
pub(crate) fn subscribed(pair: &mut Pair, interest: &Interest) -> CallId {
    let asked = pair.dialer.session.interest(interest);
    let id = asked.expect("there is room for an interest");
    pair.flow();
    match pair.acceptor.events.pop_front() {
        Some(Event::Interest {
            id: there,
            interest: asked,
        }) => assert_eq!((there, &asked), (id, interest)),
        other => panic!("an interest was expected, not {other:?}"),
    }
    id
}

pub(crate) fn publish(pair: &mut Pair, id: CallId, size: usize) -> Published {
    pair.acceptor.session.publish(id, &publication(size))
}

pub(crate) fn arrivals(end: &mut End) -> Vec<Arrival> {
    let take = |event| match event {
        Event::Arrived(arrival) => arrival,
        other => panic!("an event was expected, not {other:?}"),
    };
    end.events.drain(..).map(take).collect()
}

pub(crate) fn numbers(arrivals: &[Arrival]) -> Vec<u64> {
    arrivals.iter().map(|arrival| arrival.number).collect()
}

pub(crate) fn take_all(pair: &mut Pair, arrivals: &[Arrival]) {
    for arrival in arrivals {
        pair.dialer.session.taken(arrival.id, arrival.charge);
    }
}

pub(crate) const ACCEPTED: Published = Published::Accepted { dropped: 0 };

#[test]
fn events_come_in_order_and_as_they_were_published() {
    let mut pair = Pair::connected();
    let id = subscribed(&mut pair, &interest(10, Policy::Block));
    let event = Publication {
        metadata: Bytes::from_static(b"traceparent: 00"),
        body: Bytes::from_static(b"\x80"),
    };
    assert_eq!(pair.acceptor.session.publish(id, &event), ACCEPTED);
    for size in [0, 1, 65_536, 65_537, 200_000, 5] {
        assert_eq!(publish(&mut pair, id, size), ACCEPTED);
    }
    let mut all = Vec::new();
    for _ in 0..10 {
        pair.flow();
        let new = arrivals(&mut pair.dialer);
        take_all(&mut pair, &new);
        all.extend(new);
    }
    assert_eq!(numbers(&all), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(
        (&all[0].metadata, &all[0].body),
        (&event.metadata, &event.body)
    );
    let sizes: Vec<_> = all[1..].iter().map(|arrival| arrival.body.len()).collect();
    assert_eq!(sizes, [0, 1, 65_536, 65_537, 200_000, 5]);
    assert!(all[1..].iter().all(|a| a.body == pattern(a.body.len())));
}

/// One read brings events of two interests, one in chunks, a call and what breaks the protocol. A run ends before each of the others,
/// which come as they do without it.
#[test]
fn a_run_is_what_follows_of_one_interest_and_nothing_else() {
    let mut pair = Pair::connected();
    let first = subscribed(&mut pair, &interest(10, Policy::Block));
    let other = Interest {
        number: 2,
        ..interest(10, Policy::Block)
    };
    let second = subscribed(&mut pair, &other);
    let event = |id: CallId, number: u64| frame(EVENT, 0, id, &number.to_le_bytes());
    let large = [4_u64.to_le_bytes(), 3_u64.to_le_bytes()].concat();
    let mut input = BytesMut::new();
    for piece in [
        event(first, 1),
        event(first, 3),
        event(second, 1),
        event(second, 2),
        event(second, 3),
        frame(EVENT, MORE, first, &large),
        frame(CHUNK, LAST, first, b"abc"),
        event(first, 5),
        frame(END, 0, second, b""),
        event(first, 6),
        // Not counted up.
        event(first, 6),
        event(first, 7)[..20].to_vec(),
    ] {
        input.extend_from_slice(&piece);
    }
    let session = &mut pair.dialer.session;
    let mut came = Vec::new();
    let failed = loop {
        match session.receive(pair.now, &mut input) {
            Ok(Some(Event::Arrived(arrival))) => {
                let id = arrival.id;
                let run = session.receive_run(&mut input, arrival, 2);
                assert!(run.iter().all(|arrival| arrival.id == id));
                came.push((id, run.iter().map(|arrival| arrival.number).collect()));
            }
            Ok(Some(Event::InterestEnded { id, .. })) => came.push((id, vec![])),
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    let expected = [
        (first, vec![1, 3]),
        (second, vec![1, 2]),
        (second, vec![3]),
        (first, vec![4, 5]),
        (second, vec![]),
        (first, vec![6]),
    ];
    assert_eq!(came, expected);
    let (kind, field) = (Kind::Event, "number");
    assert_eq!(failed, Misbehaviour::BadField { kind, field }.into());
}

#[test]
fn what_is_not_taken_stops_the_publisher_at_the_window() {
    let mut pair = Pair::connected();
    let id = subscribed(&mut pair, &interest(5, Policy::Block));
    let sent = (0..).find(|_| {
        let is_full = publish(&mut pair, id, 10_000) == Published::Full;
        pair.flow();
        is_full
    });
    // As many as fit into the window, and the queue.
    assert_eq!(sent, Some(WINDOW as usize / 10_008 + 5));
    let held = arrivals(&mut pair.dialer);
    assert_eq!(held.len(), WINDOW as usize / 10_008);

    take_all(&mut pair, &held);
    pair.flow();
    assert!(matches!(pair.acceptor.events.pop_front(), Some(Event::QueueRoom(room)) if room == id));
    assert_eq!(
        numbers(&arrivals(&mut pair.dialer)).len(),
        5,
        "the queue follows"
    );
    assert_eq!(publish(&mut pair, id, 10_000), ACCEPTED);
}

#[test]
fn the_oldest_make_room_and_their_numbers_are_missing() {
    let mut pair = Pair::connected();
    let id = subscribed(&mut pair, &interest(3, Policy::DropOldest));
    let in_window = WINDOW as usize / 60_008;
    let mut dropped = 0;
    for _ in 0..in_window + 3 + 7 {
        match publish(&mut pair, id, 60_000) {
            Published::Accepted { dropped: more } => dropped += more,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(dropped, 7);
    pair.flow();
    let held = arrivals(&mut pair.dialer);
    assert_eq!(numbers(&held), [1, 2]);
    take_all(&mut pair, &held);
    pair.flow();
    let rest = arrivals(&mut pair.dialer);
    assert_eq!(rest[0].number - 2 - 1, 7, "the gap is what was dropped");
}

/// Arrivals, each taken at once, until nothing more comes.
pub(crate) fn take_what_comes(pair: &mut Pair) -> Vec<Arrival> {
    let mut all = Vec::new();
    loop {
        pair.flow();
        let new = arrivals(&mut pair.dialer);
        if new.is_empty() {
            return all;
        }
        take_all(pair, &new);
        all.extend(new);
    }
}

/// Full, so that its publisher waits.
fn full(pair: &mut Pair) -> CallId {
    let id = subscribed(pair, &interest(1, Policy::Block));
    while publish(pair, id, 60_000) != Published::Full {}
    pair.flow();
    id
}

fn has_queue_room(end: &mut End, id: CallId) -> bool {
    let is_it = |event| matches!(event, Event::QueueRoom(roomy) if roomy == id);
    end.events.drain(..).any(is_it)
}

#[test]
fn who_waits_for_an_interest_that_is_taken_back_is_told() {
    let mut pair = Pair::connected();
    let id = full(&mut pair);
    pair.dialer.session.lose_interest(id);
    pair.flow();
    assert!(has_queue_room(&mut pair.acceptor, id));
    assert_eq!(publish(&mut pair, id, 1), Published::Gone);
}

#[test]
fn who_waits_for_an_interest_that_is_ended_is_told() {
    let mut pair = Pair::connected();
    let id = full(&mut pair);
    pair.acceptor.session.end_interest(id);
    let is_end = |event| match event {
        Event::Arrived(arrival) => Some(arrival),
        _ => None,
    };
    for _ in 0..3 {
        pair.flow();
        let held: Vec<_> = pair.dialer.events.drain(..).filter_map(is_end).collect();
        take_all(&mut pair, &held);
    }
    assert!(has_queue_room(&mut pair.acceptor, id));
    assert_eq!(pair.acceptor.session.interests(), (0, 0));
}

#[test]
fn an_event_larger_than_the_subscriber_takes_is_told_and_missing() {
    let small = Limits {
        max_value: 1000,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(small, Limits::default());
    let id = subscribed(&mut pair, &interest(10, Policy::Block));
    let told = Published::TooLarge {
        size: 1001,
        limit: 1000,
    };
    assert_eq!(publish(&mut pair, id, 1001), told);
    assert_eq!(publish(&mut pair, id, 1000), ACCEPTED);
    pair.flow();
    assert_eq!(numbers(&arrivals(&mut pair.dialer)), [2]);
}

/// Each would go on with the credit that the rest of it needs, however little the window still held.
#[test]
fn a_large_event_beside_one_that_is_not_taken_is_not_allowed() {
    let mut pair = Pair::connected();
    let id = subscribed(&mut pair, &interest(10, Policy::Block));
    let head = |number: u64| [number.to_le_bytes(), 90_000_u64.to_le_bytes()].concat();
    for piece in [
        frame(EVENT, MORE, id, &head(1)),
        frame(CHUNK, 0, id, &[0; 45_000]),
        frame(CHUNK, LAST, id, &[0; 45_000]),
    ] {
        pair.dialer.receive(pair.now, &piece);
        assert_eq!(pair.dialer.failed, None);
    }
    assert_eq!(arrivals(&mut pair.dialer).len(), 1);
    let second = frame(EVENT, MORE, id, &head(2));
    pair.dialer.receive(pair.now, &second);
    let failed = Some(Misbehaviour::CreditExceeded.into());
    assert_eq!(pair.dialer.failed, failed);
}

#[test]
fn many_small_events_cost_little_credit() {
    let mut pair = Pair::connected();
    let id = subscribed(&mut pair, &interest(100_000, Policy::Block));
    for round in 0..100 {
        for _ in 0..100 {
            assert_eq!(publish(&mut pair, id, 20), ACCEPTED);
        }
        pair.flow();
        let held = arrivals(&mut pair.dialer);
        assert_eq!(held.len(), 100, "round {round}");
        take_all(&mut pair, &held);
    }
    pair.flow();
    let credits = pair.dialer.count(CREDIT);
    assert!(credits < 15, "{credits} frames of credit for 10,000 events");
}

#[test]
fn events_leave_room_for_calls() {
    let mut pair = Pair::connected();
    pair.acceptor.echoes = true;
    let id = subscribed(&mut pair, &interest(100_000, Policy::DropOldest));
    // Nothing is read any more: the link's credit is used up as far as events may.
    for _ in 0..2000 {
        let _ = publish(&mut pair, id, 60_000);
        pair.acceptor.write_once();
    }
    let usage = pair.acceptor.session.usage();
    assert!(
        usage.may_send >= Limits::default().link_window / 4,
        "{usage:?}"
    );
    assert!(usage.queued <= Limits::default().max_queued, "{usage:?}");
    let called = pair.acceptor.try_call(pair.now, "f", b"x", 1);
    assert!(called.is_ok(), "{called:?}");
}

#[test]
fn an_interest_that_is_taken_back_ends_at_once() {
    let mut pair = Pair::connected();
    let id = subscribed(&mut pair, &interest(10, Policy::Block));
    for _ in 0..10 {
        let _ = publish(&mut pair, id, 60_000);
    }
    pair.dialer.session.lose_interest(id);
    pair.flow();
    assert!(pair.dialer.events.is_empty(), "{:?}", pair.dialer.events);
    assert!(
        matches!(pair.acceptor.events.pop_front(), Some(Event::NotInterested(ended)) if ended == id)
    );
    assert_eq!(publish(&mut pair, id, 1), Published::Gone);
    assert_eq!(pair.acceptor.session.usage().queued, 0);
    assert_eq!(pair.dialer.session.interests(), (0, 0));
    assert_eq!(pair.acceptor.session.interests(), (0, 0));
}

#[test]
fn the_end_comes_after_all_that_was_published() {
    let mut pair = Pair::connected();
    let id = subscribed(&mut pair, &interest(10, Policy::Block));
    for size in [60_000, 60_000, 100_000, 10] {
        assert_eq!(publish(&mut pair, id, size), ACCEPTED);
    }
    pair.acceptor.session.end_interest(id);
    assert_eq!(publish(&mut pair, id, 1), Published::Gone);
    let mut seen = Vec::new();
    let mut ended = false;
    for _ in 0..5 {
        pair.flow();
        for event in std::mem::take(&mut pair.dialer.events) {
            assert!(!ended, "nothing comes after the end: {event:?}");
            match event {
                Event::Arrived(arrival) => {
                    seen.push(arrival.number);
                    pair.dialer.session.taken(id, arrival.charge);
                }
                Event::InterestEnded {
                    id: of,
                    error: None,
                } => ended = of == id,
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((seen, ended), (vec![1, 2, 3, 4], true));
}

#[test]
fn a_refusal_ends_an_interest_with_its_reason() {
    let mut pair = Pair::connected();
    let id = subscribed(&mut pair, &interest(10, Policy::Block));
    let why = ErrorBody::new(ErrorCode::Refused, "not for your group");
    pair.acceptor.session.refuse_interest(id, &why);
    pair.flow();
    match pair.dialer.events.pop_front() {
        Some(Event::InterestEnded { error, .. }) => assert_eq!(error, Some(why)),
        other => panic!("{other:?}"),
    }
    assert_eq!(publish(&mut pair, id, 1), Published::Gone);
}

/// It would stay here for good: who was refused gives no credit for the rest.
#[test]
fn a_refusal_stops_a_large_event_on_its_way() {
    let mut pair = Pair::connected();
    let id = subscribed(&mut pair, &interest(10, Policy::Block));
    assert_eq!(publish(&mut pair, id, 1_000_000), ACCEPTED);
    let why = ErrorBody::new(ErrorCode::Refused, "not for your group");
    pair.acceptor.session.refuse_interest(id, &why);
    pair.flow();
    assert_eq!(pair.acceptor.session.usage().leaving, 0);
}

/// Who takes no answers could have them pile up.
#[test]
fn refusals_that_are_not_taken_have_an_end() {
    let few = Limits {
        max_calls: 1,
        max_interests: 10,
        ..Limits::default()
    };
    let little = Limits {
        link_window: 1 << 19,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(little, few);
    let wanted = interest(1, Policy::Block);
    let why = ErrorBody::new(ErrorCode::Refused, "no".repeat(8_000));
    // Nothing that the acceptor says is read, so no credit comes for it.
    let mut asked = 0;
    while pair.acceptor.failed.is_none() {
        asked += 1;
        assert!(asked < 200, "{:?}", pair.acceptor.session.usage());
        pair.dialer.session.interest(&wanted).unwrap();
        let bytes = pair.dialer.write_once();
        pair.acceptor.receive(pair.now, &bytes);
        for event in std::mem::take(&mut pair.acceptor.events) {
            if let Event::Interest { id, .. } = event {
                pair.acceptor.session.refuse_interest(id, &why);
            }
        }
    }
    let failed = Some(Misbehaviour::TooManyCalls(1).into());
    assert_eq!(pair.acceptor.failed, failed);
}

#[test]
fn interests_beyond_the_limit_are_answered_busy() {
    let few = Limits {
        max_interests: 2,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(Limits::default(), few);
    for _ in 0..2 {
        subscribed(&mut pair, &interest(1, Policy::Block));
    }
    let third = interest(1, Policy::Block);
    pair.dialer.session.interest(&third).unwrap();
    pair.flow();
    match pair.dialer.events.pop_front() {
        Some(Event::InterestEnded {
            error: Some(error), ..
        }) => {
            assert_eq!(error.code, ErrorCode::Busy);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(pair.acceptor.session.interests(), (0, 2));
}

#[test]
fn a_link_with_interests_is_drained_when_they_have_ended() {
    let mut pair = Pair::connected();
    let id = subscribed(&mut pair, &interest(10, Policy::Block));
    pair.acceptor.session.goodbye("enough");
    pair.flow();
    let is_drained = |end: &mut End| end.events.drain(..).any(|e| matches!(e, Event::Drained));
    assert!(!is_drained(&mut pair.dialer) && !is_drained(&mut pair.acceptor));
    let refused = pair.dialer.session.interest(&interest(1, Policy::Block));
    assert_eq!(refused, Err(WhyRefused::Draining));
    assert_eq!(
        publish(&mut pair, id, 1),
        ACCEPTED,
        "until it is ended, it goes on"
    );
    pair.acceptor.session.end_interest(id);
    pair.acceptor.poll();
    pair.flow();
    assert!(is_drained(&mut pair.dialer) && is_drained(&mut pair.acceptor));
}

#[test]
fn numbers_go_on_from_the_greatest_that_may_be_said() {
    let mut pair = Pair::connected();
    let wanted = Interest {
        after: MAX_NUMBER,
        ..interest(1, Policy::DropOldest)
    };
    let id = subscribed(&mut pair, &wanted);
    for _ in 0..10 {
        assert!(matches!(
            publish(&mut pair, id, 60_000),
            Published::Accepted { .. }
        ));
    }
    pair.acceptor.write_once();
    assert_eq!(pair.acceptor.session.interests(), (0, 1));
}

#[test]
fn what_waits_goes_on_over_another_link_with_its_numbers() {
    let (mut old, mut new) = (Pair::connected(), Pair::connected());
    let wanted = interest(3, Policy::DropOldest);
    let before = subscribed(&mut old, &wanted);
    // Two in the window, three in the queue, one of four dropped.
    for _ in 0..6 {
        let _ = publish(&mut old, before, 60_000);
    }
    let after = subscribed(&mut new, &wanted);
    let backlog = old.acceptor.session.move_interest(before).unwrap();
    new.acceptor.session.resume_interest(after, backlog);
    assert_eq!(publish(&mut old, before, 1), Published::Gone);
    assert_eq!(
        publish(&mut new, after, 1),
        Published::Accepted { dropped: 0 }
    );
    old.flow();
    let last = old.dialer.events.pop_back();
    assert!(
        matches!(last, Some(Event::InterestEnded { error: None, .. })),
        "{last:?}"
    );
    assert_eq!(numbers(&arrivals(&mut old.dialer)), [1, 2]);
    new.flow();
    let mut seen = arrivals(&mut new.dialer);
    take_all(&mut new, &seen);
    new.flow();
    seen.extend(arrivals(&mut new.dialer));
    assert_eq!(numbers(&seen), [4, 5, 6, 7]);
}

/// The publisher lost a link and began anew on the next before the subscriber had read what was left on the first.
#[test]
fn what_goes_on_over_another_link_is_numbered_after_what_the_subscriber_had() {
    let (mut old, mut new) = (Pair::connected(), Pair::connected());
    let before = subscribed(&mut old, &interest(10, Policy::Block));
    for _ in 0..4 {
        let _ = publish(&mut old, before, 60_000);
    }
    let ahead = Interest {
        after: 9,
        turn: 2,
        ..interest(10, Policy::Block)
    };
    let after = subscribed(&mut new, &ahead);
    let backlog = old.acceptor.session.move_interest(before).unwrap();
    let session = &mut new.acceptor.session;
    session.resume_interest(after, backlog);
    assert_eq!(publish(&mut new, after, 1), ACCEPTED);
    assert_eq!(numbers(&take_what_comes(&mut new)), [10, 11, 12]);
}

/// Who calls as much as it may, or talks to one that serves no calls, could wait for ever.
#[test]
fn an_interest_that_waits_for_room_is_told_of_it_whatever_calls_there_are() {
    let no_calls = Limits {
        max_calls: 0,
        link_window: 1 << 19,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(Limits::default(), no_calls);
    let wanted = Interest {
        event: "e".repeat(1024),
        ..interest(1, Policy::Block)
    };
    let mut ask = || pair.dialer.session.interest(&wanted);
    let refused = std::iter::repeat_with(&mut ask).find_map(Result::err);
    assert_eq!(refused, Some(WhyRefused::Blocked));
    pair.flow();
    let is_room = |event| matches!(event, Event::Room);
    assert!(pair.dialer.events.drain(..).any(is_room));
}

/// Each subscriber could have another one here, as what leaves is not in the queue any more.
#[test]
fn large_events_that_leave_are_bounded_whoever_they_are_for() {
    let little = Limits {
        max_leaving: 1_000_000,
        max_queued: 1_000_000,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(Limits::default(), little);
    let ids = [(); 20].map(|()| subscribed(&mut pair, &interest(10, Policy::DropOldest)));
    for id in ids {
        let _ = publish(&mut pair, id, 300_000);
    }
    let usage = pair.acceptor.session.usage();
    assert!(usage.leaving + usage.queued <= 2_000_000, "{usage:?}");
    // What waits follows as the others leave.
    pair.flow();
    assert_eq!(pair.acceptor.session.usage().queued, 0);
    let seen: Vec<_> = arrivals(&mut pair.dialer)
        .iter()
        .map(|a| a.body.len())
        .collect();
    assert_eq!(seen, [300_000; 6]);
}

#[test]
fn a_peer_that_does_not_know_events_is_not_asked() {
    let mut pair = Pair::new(Limits::default(), Limits::default());
    pair.connect_to_older();
    let refused = pair.dialer.session.interest(&interest(1, Policy::Block));
    assert_eq!(refused, Err(WhyRefused::NotSupported));
}
