//! The ends of every range: limits of nothing and without end, times that never come and that have been, a session before its
//! beginning and after its end.

use std::time::{Duration, Instant};

use net_proto::{ErrorBody, ErrorCode, Event, Limits, Misbehaviour, Outcome, Outgoing, WhyRefused};

use crate::pair::{
    CALL, CANCEL, CHUNK, ERROR, GOODBYE, HELLO, PING, Pair, frame, outgoing, pattern,
};

const WITH_TAG: u8 = 0x01;
const MORE: u8 = 0x08;

fn call(stream: u64) -> Vec<u8> {
    frame(CALL, WITH_TAG, stream, b"\0\0\0\0\x01\0f")
}

fn large_call(stream: u64, total: u64) -> Vec<u8> {
    let payload = [b"\0\0\0\0\x01\0f", &total.to_le_bytes()[..]].concat();
    frame(CALL, WITH_TAG | MORE, stream, &payload)
}

/// The last time that there is, to a second.
fn end_of_time(now: Instant) -> Instant {
    let (mut end, mut step) = (now, Duration::from_secs(1 << 63));
    while step >= Duration::from_secs(1) {
        match end.checked_add(step) {
            Some(later) => end = later,
            None => step /= 2,
        }
    }
    end
}

fn without_end() -> Limits {
    Limits {
        max_calls: u32::MAX,
        link_window: u64::MAX,
        stream_window: u64::MAX,
        max_value: u64::MAX,
        max_arriving: u64::MAX,
        max_unsent: u64::MAX,
        max_leaving: u64::MAX,
        max_interests: u32::MAX,
        max_queue: u32::MAX,
        max_queued: u64::MAX,
        max_held: u64::MAX,
        max_connections: u32::MAX,
        max_connections_from_one: u32::MAX,
        max_strangers: u32::MAX,
        max_originals: u32::MAX,
        high_water: usize::MAX,
        chunk_budget: usize::MAX,
        handshake_time: Duration::MAX,
        keep_alive: Duration::MAX,
        silence: Duration::MAX,
    }
}

fn of_nothing() -> Limits {
    Limits {
        max_calls: 0,
        link_window: 0,
        stream_window: 0,
        max_value: 0,
        max_arriving: 0,
        max_unsent: 0,
        max_leaving: 0,
        max_interests: 0,
        max_queue: 0,
        max_queued: 0,
        max_held: 0,
        max_connections: 0,
        max_connections_from_one: 0,
        max_strangers: 0,
        max_originals: 0,
        high_water: 0,
        chunk_budget: 0,
        handshake_time: Duration::ZERO,
        keep_alive: Duration::ZERO,
        silence: Duration::ZERO,
    }
}

#[test]
fn limits_without_end_work_on_either_side_and_both() {
    for (dialer, acceptor) in [
        (without_end(), Limits::default()),
        (Limits::default(), without_end()),
        (without_end(), without_end()),
    ] {
        let mut pair = Pair::connected_with(dialer, acceptor);
        pair.dialer.echoes = true;
        pair.acceptor.echoes = true;
        let body = pattern(9_000_000);
        for token in 0..3 {
            pair.dialer.call(pair.now, "a.f", &body, token);
            pair.acceptor.call(pair.now, "a.f", &body, token);
        }
        pair.flow();
        pair.pass(Duration::from_secs(60));
        for end in [&mut pair.dialer, &mut pair.acceptor] {
            assert_eq!(end.failed, None);
            assert_eq!(end.events.len(), 3);
            for event in end.events.drain(..) {
                let Event::Ended { outcome, .. } = event else {
                    panic!("it has not ended");
                };
                assert!(outcome == Outcome::Reply(body.clone().into()));
            }
            assert_eq!(end.session.usage().arriving, 0);
        }
    }
}

#[test]
fn a_side_whose_limits_are_of_nothing_still_calls_what_takes_no_value() {
    let limits = Limits {
        handshake_time: Duration::from_secs(5),
        ..of_nothing()
    };
    let mut pair = Pair::connected_with(limits, Limits::default());
    pair.network.delay = Duration::from_micros(10);
    pair.dialer.call(pair.now, "a.f", b"argument", 1);
    pair.flow();
    pair.dialer.call(pair.now, "a.f", &pattern(200_000), 2);
    pair.flow();
    let (first, second) = (pair.acceptor.expect_call(), pair.acceptor.expect_call());
    assert_eq!(
        (&first.body[..], second.body.len()),
        (&b"argument"[..], 200_000)
    );
    pair.acceptor.session.reply(first.id, b"value"[..].into());
    pair.acceptor.session.reply(second.id, b""[..].into());
    pair.flow();
    let Outcome::Error(error) = pair.dialer.expect_end(1) else {
        panic!("it was taken");
    };
    assert_eq!(error.code, ErrorCode::TooLarge);
    assert_eq!(pair.dialer.expect_end(2), Outcome::Reply(b""[..].into()));
    pair.pass(Duration::from_secs(1));
    assert_eq!((&pair.dialer.failed, &pair.acceptor.failed), (&None, &None));
}

#[test]
fn a_peer_that_serves_no_calls_is_not_waited_for() {
    let none = Limits {
        max_calls: 0,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(Limits::default(), none);
    let refused = pair.dialer.try_call(pair.now, "a.f", b"", 1).unwrap_err();
    assert_eq!((refused.token, refused.why), (1, WhyRefused::ServesNone));
    // It calls as any, and who calls it all the same is told.
    pair.dialer.echoes = true;
    pair.acceptor.call(pair.now, "a.f", b"x", 2);
    pair.flow();
    assert_eq!(pair.acceptor.expect_end(2), Outcome::Reply(b"x"[..].into()));
    pair.acceptor.receive(pair.now, &call(1));
    pair.acceptor.write_once();
    assert_eq!(
        (&pair.acceptor.failed, pair.acceptor.count(ERROR)),
        (&None, 1)
    );
}

#[test]
fn a_peer_that_takes_no_value_is_sent_none() {
    let none = Limits {
        max_value: 0,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(Limits::default(), none);
    pair.acceptor.echoes = true;
    let refused = pair.dialer.try_call(pair.now, "a.f", b"x", 1).unwrap_err();
    assert_eq!(refused.why, WhyRefused::TooLarge { size: 1, limit: 0 });
    pair.dialer.call(pair.now, "a.f", b"", 2);
    pair.flow();
    assert_eq!(pair.dialer.expect_end(2), Outcome::Reply(b""[..].into()));
}

#[test]
fn declared_sizes_that_pass_the_largest_number_together_are_counted_right() {
    let mut pair = Pair::connected_with(Limits::default(), without_end());
    let largest = isize::MAX as u64;
    for stream in [1, 3, 5, 7] {
        let bytes = large_call(stream, largest);
        pair.acceptor.receive(pair.now, &bytes);
    }
    assert_eq!(pair.acceptor.failed, None);
    assert_eq!(pair.acceptor.session.usage().arriving, 2 * largest);
    pair.acceptor.write_once();
    assert_eq!(pair.acceptor.count(ERROR), 2);
    for stream in [1, 3] {
        let bytes = frame(CANCEL, 0, stream, b"");
        pair.acceptor.receive(pair.now, &bytes);
    }
    assert_eq!(pair.acceptor.session.usage().arriving, 0);
}

#[test]
fn times_at_the_end_of_time_are_only_late() {
    let start = Instant::now();
    let limits = Limits {
        handshake_time: end_of_time(start) - start,
        ..Limits::default()
    };
    let mut pair = Pair::new(limits.clone(), limits);
    for end in [&mut pair.dialer, &mut pair.acceptor] {
        assert_eq!(end.session.handle_timeout(pair.now), Ok(()));
    }
    pair.connect();
    let call = Outgoing {
        time_left: Some(end_of_time(pair.now) - pair.now),
        ..outgoing("a.f", b"")
    };
    pair.dialer.session.call(pair.now, call, 1).unwrap();
    pair.pass(Duration::from_secs(10));
    assert_eq!((&pair.dialer.failed, &pair.acceptor.failed), (&None, &None));
}

#[test]
fn a_call_without_any_time_left_is_made_and_ends_at_once() {
    let mut pair = Pair::connected();
    let call = Outgoing {
        time_left: Some(Duration::ZERO),
        ..outgoing("a.f", b"")
    };
    pair.dialer.session.call(pair.now, call, 1).unwrap();
    assert!(pair.dialer.session.timeout().unwrap() <= pair.now);
    pair.pass(Duration::from_millis(10));
    assert_eq!(pair.dialer.expect_end(1), Outcome::TimedOut);
    let seen = pair.acceptor.expect_call();
    assert_eq!(seen.time_left, Some(Duration::from_millis(1)));
    let event = pair.acceptor.events.pop_front();
    assert!(matches!(event, Some(Event::Cancelled(id)) if id == seen.id));
    assert_eq!(pair.acceptor.session.serving(), 0);
}

#[test]
fn a_call_with_all_the_time_there_is_is_sent_as_49_days_and_never_ends_here() {
    let mut pair = Pair::connected();
    let call = Outgoing {
        time_left: Some(Duration::MAX),
        ..outgoing("a.f", b"")
    };
    pair.dialer.session.call(pair.now, call, 1).unwrap();
    pair.flow();
    let seen = pair.acceptor.expect_call();
    let most = Duration::from_millis(u32::MAX.into());
    assert_eq!(seen.time_left, Some(most));
    pair.pass(Duration::from_secs(100));
    assert_eq!(pair.dialer.session.in_flight(), 1);
}

#[test]
fn the_last_stream_there_is_can_be_called_on_and_none_after_it() {
    let mut pair = Pair::connected();
    pair.acceptor.receive(pair.now, &call(u64::MAX));
    let seen = pair.acceptor.expect_call();
    assert_eq!(seen.id, u64::MAX);
    pair.acceptor.session.reply(seen.id, b""[..].into());
    // Every stream of its counts as used now, so nothing but a call can fail on one.
    pair.acceptor.receive(pair.now, &frame(CANCEL, 0, 1, b""));
    assert_eq!(pair.acceptor.failed, None);
    pair.acceptor.receive(pair.now, &call(u64::MAX));
    let (kind, stream) = (net_proto::Kind::Call, u64::MAX);
    let error = Misbehaviour::WrongStream { kind, stream };
    assert_eq!(pair.acceptor.failed, Some(error.into()));
}

#[test]
fn before_hello_there_is_nothing_but_a_preface_and_a_hello() {
    let mut pair = Pair::new(Limits::default(), Limits::default());
    let now = pair.now;
    let session = &mut pair.dialer.session;
    let why = session.call(now, outgoing("a.f", b""), 1).unwrap_err().why;
    assert_eq!(why, WhyRefused::NotConnected);
    touch_everything(&mut pair.dialer.session);
    pair.dialer.write_once();
    assert_eq!(pair.dialer.sent.len(), 1);
    assert_eq!(pair.dialer.count(HELLO), 1);
    assert!(!pair.dialer.session.wants_write());
    assert!(pair.dialer.session.poll().is_none());
}

/// Speaks of calls that there never were.
fn touch_everything(session: &mut net_proto::Session<u32>) {
    for id in [0, 1, 2, 3, u64::MAX - 1, u64::MAX] {
        assert_eq!(session.cancel(id), None);
        assert!(!session.is_wanted(id));
        session.reply(id, b"x"[..].into());
        session.reply(id, vec![0; 200_000].into());
        session.flag(id, "F");
        session.flag(id, &"F".repeat(2000));
        session.error(id, &ErrorBody::new(ErrorCode::Remote, "x"));
    }
}

#[test]
fn nothing_is_added_to_what_is_being_written() {
    let mut pair = Pair::connected();
    let mut out = net_proto::Transmit::default();
    pair.dialer.call(pair.now, "a.f", b"first", 1);
    pair.dialer.session.transmit(&mut out);
    let length = out.len();
    pair.dialer.call(pair.now, "a.f", b"second", 2);
    pair.dialer.session.transmit(&mut out);
    assert_eq!(out.len(), length);
    assert!(pair.dialer.session.wants_write());
}

#[test]
fn answers_to_and_cancels_of_calls_that_never_were_do_nothing() {
    let mut pair = Pair::connected();
    touch_everything(&mut pair.acceptor.session);
    assert!(!pair.acceptor.session.wants_write());
    pair.flow();
    assert_eq!(pair.dialer.failed, None);
}

#[test]
fn a_closed_session_holds_nothing_and_wants_nothing() {
    let mut pair = Pair::connected();
    let now = pair.now;
    // A bit of all that can be held: large bodies both ways, answers without credit, frames, a probe, a deadline.
    pair.acceptor.echoes = true;
    for token in 0..4 {
        pair.dialer.call(now, "a.f", &pattern(9_000_000), token);
    }
    pair.dialer.session.probe(now);
    let timed = Outgoing {
        time_left: Some(Duration::from_secs(1)),
        ..outgoing("a.f", b"")
    };
    pair.dialer.session.call(now, timed, 4).unwrap();
    pair.dialer.receive(now, &frame(PING, 0, 0, &[1; 8]));
    pair.dialer.receive(now, &large_call(2, 1_000_000));
    pair.dialer.receive(now, &frame(CHUNK, 0, 2, &[0; 60_000]));
    let refused = pair.dialer.try_call(now, "a.f", &pattern(65 << 20), 5);
    assert_eq!(refused.unwrap_err().why, WhyRefused::Blocked);
    assert!(pair.dialer.session.usage().leaving > 0 && pair.dialer.session.usage().arriving > 0);

    let mut tokens = pair.dialer.session.close();
    tokens.sort();
    assert_eq!(tokens, [0, 1, 2, 3, 4]);
    let usage = pair.dialer.session.usage();
    assert_eq!(
        (
            usage.small_frames,
            usage.leaving,
            usage.unsent,
            usage.arriving
        ),
        (0, 0, 0, 0)
    );

    // Whatever it is told after, it says and wants nothing.
    touch_everything(&mut pair.dialer.session);
    pair.dialer.session.goodbye("late");
    pair.dialer.session.probe(now);
    let later = now + Duration::from_secs(3600);
    assert_eq!(pair.dialer.session.handle_timeout(later), Ok(()));
    pair.dialer
        .receive(later, &[call(4), frame(GOODBYE, 0, 0, b"bye")].concat());
    assert!(!pair.dialer.session.wants_write());
    assert_eq!(pair.dialer.write_once(), b"");
    assert_eq!(pair.dialer.session.timeout(), None);
    assert!(pair.dialer.session.poll().is_none() && pair.dialer.events.is_empty());
    assert_eq!(
        (&pair.dialer.failed, pair.dialer.session.serving()),
        (&None, 0)
    );
}
