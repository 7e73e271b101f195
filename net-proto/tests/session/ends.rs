//! How calls and links end: cancelling, deadlines, goodbye, silence, and what does not fit together.

use std::time::Duration;

use net_proto::{Event, Limits, Misbehaviour, Outcome, Outgoing, ProtocolError, WhyRefused};

use crate::pair::{CANCEL, GOODBYE, PING, PONG, Pair, outgoing, pattern};

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn timed<'a>(time: f64) -> Outgoing<'a> {
    Outgoing {
        time_left: Some(seconds(time)),
        ..outgoing("a.f", b"")
    }
}

#[test]
fn a_cancelled_call_is_cancelled_there() {
    let mut pair = Pair::connected();
    let id = pair.dialer.call(pair.now, "a.f", b"", 1);
    pair.flow();
    let call = pair.acceptor.expect_call();
    assert_eq!(pair.dialer.session.cancel(id), Some(1));
    assert_eq!(pair.dialer.session.cancel(id), None);
    pair.flow();
    let event = pair.acceptor.events.pop_front();
    assert!(matches!(event, Some(Event::Cancelled(cancelled)) if cancelled == call.id));

    pair.acceptor.session.reply(call.id, b"late"[..].into());
    assert!(
        !pair.acceptor.session.wants_write(),
        "nobody waits for the answer"
    );
}

#[test]
fn an_answer_that_crosses_the_cancel_is_ignored() {
    let mut pair = Pair::connected();
    let id = pair.dialer.call(pair.now, "a.f", b"", 1);
    pair.flow();
    let call = pair.acceptor.expect_call();
    pair.acceptor.session.reply(call.id, b"late"[..].into());
    pair.dialer.session.cancel(id);
    pair.flow();
    assert!(pair.dialer.events.is_empty() && pair.dialer.failed.is_none());
    assert!(pair.acceptor.events.is_empty() && pair.acceptor.failed.is_none());
}

#[test]
fn a_deadline_ends_the_call_on_both_sides() {
    let mut pair = Pair::connected();
    pair.dialer.session.call(pair.now, timed(0.5), 1).unwrap();
    pair.pass(seconds(0.499));
    let call = pair.acceptor.expect_call();
    assert!(pair.dialer.events.is_empty());
    pair.pass(seconds(0.003));
    assert_eq!(pair.dialer.expect_end(1), Outcome::TimedOut);
    let event = pair.acceptor.events.pop_front();
    assert!(matches!(event, Some(Event::Cancelled(id)) if id == call.id));
    assert_eq!(pair.dialer.count(CANCEL), 1);
    assert_eq!(
        (
            pair.dialer.session.in_flight(),
            pair.acceptor.session.serving()
        ),
        (0, 0)
    );
}

#[test]
fn the_callee_learns_of_the_deadline_though_the_network_is_gone() {
    let mut pair = Pair::connected();
    pair.dialer.session.call(pair.now, timed(0.5), 1).unwrap();
    pair.flow();
    let call = pair.acceptor.expect_call();
    pair.network.delay = Duration::from_secs(1000);
    pair.pass(seconds(0.6));
    assert_eq!(pair.dialer.expect_end(1), Outcome::TimedOut);
    let event = pair.acceptor.events.pop_front();
    assert!(matches!(event, Some(Event::Cancelled(id)) if id == call.id));
}

#[test]
fn a_call_answered_in_time_never_times_out() {
    let mut pair = Pair::connected();
    pair.acceptor.echoes = true;
    pair.dialer.session.call(pair.now, timed(0.5), 1).unwrap();
    pair.flow();
    assert!(matches!(pair.dialer.expect_end(1), Outcome::Reply(_)));
    pair.pass(seconds(1.0));
    assert!(pair.dialer.events.is_empty() && pair.acceptor.events.is_empty());
}

#[test]
fn calls_end_at_their_deadlines_whatever_the_order_they_were_made_in() {
    let mut pair = Pair::connected();
    for (token, time) in [(1, 0.3), (2, 0.1), (3, 0.2), (4, 1e12)] {
        pair.dialer
            .session
            .call(pair.now, timed(time), token)
            .unwrap();
    }
    pair.pass(seconds(1.0));
    for token in [2, 3, 1] {
        assert_eq!(pair.dialer.expect_end(token), Outcome::TimedOut);
    }
    assert_eq!(pair.dialer.session.in_flight(), 1);
}

#[test]
fn calls_that_end_before_their_time_leave_the_others_theirs() {
    let mut pair = Pair::connected();
    for token in 0..3 {
        pair.dialer
            .session
            .call(pair.now, timed(1.0), token)
            .unwrap();
        pair.acceptor
            .session
            .call(pair.now, timed(1.0), token)
            .unwrap();
    }
    // So many that the deadlines of those that ended are cleared away, here and there.
    for token in 3..300 {
        let id = pair
            .dialer
            .session
            .call(pair.now, timed(3600.0), token)
            .unwrap();
        pair.flow();
        assert_eq!(pair.dialer.session.cancel(id), Some(token));
        pair.flow();
    }
    pair.dialer.events.clear();
    pair.acceptor.events.clear();
    assert_eq!(pair.dialer.session.in_flight(), 3);
    assert_eq!(pair.dialer.session.serving(), 3);
    pair.pass(seconds(1.1));
    for end in [&mut pair.dialer, &mut pair.acceptor] {
        assert_eq!((end.session.in_flight(), end.session.serving()), (0, 0));
        let ended = |event: &Event<u32>| {
            matches!(
                event,
                Event::Ended {
                    outcome: Outcome::TimedOut,
                    ..
                }
            )
        };
        assert_eq!(end.events.iter().filter(|event| ended(event)).count(), 3);
    }
}

#[test]
fn goodbye_lets_calls_finish_and_no_new_ones_begin() {
    let mut pair = Pair::connected();
    pair.dialer.call(pair.now, "a.f", b"", 1);
    pair.acceptor.call(pair.now, "b.g", b"", 2);
    pair.flow();
    pair.acceptor.session.goodbye("shutting down");
    pair.acceptor.session.goodbye("once more");
    assert!(pair.acceptor.session.is_draining());
    let refused = pair.acceptor.try_call(pair.now, "b.g", b"", 3).unwrap_err();
    assert_eq!(refused.why, WhyRefused::Draining);
    pair.flow();

    let (down, up) = (pair.acceptor.expect_call(), pair.dialer.expect_call());
    let event = pair.dialer.events.pop_front();
    assert!(matches!(event, Some(Event::Goodbye { reason }) if reason == "shutting down"));
    let refused = pair.dialer.try_call(pair.now, "a.f", b"", 3).unwrap_err();
    assert_eq!(refused.why, WhyRefused::Draining);
    assert_eq!(pair.dialer.count(GOODBYE), 1, "it answers by itself");

    pair.acceptor
        .session
        .reply(down.id, pattern(1 << 20).into());
    pair.flow();
    assert!(matches!(pair.dialer.expect_end(1), Outcome::Reply(_)));
    assert!(pair.dialer.events.is_empty(), "one call is still under way");
    pair.dialer.session.reply(up.id, b""[..].into());
    pair.flow();
    assert!(matches!(
        pair.dialer.events.pop_front(),
        Some(Event::Drained)
    ));
    assert!(matches!(
        pair.acceptor.events.pop_front(),
        Some(Event::Goodbye { .. })
    ));
    pair.acceptor.expect_end(2);
    assert!(matches!(
        pair.acceptor.events.pop_front(),
        Some(Event::Drained)
    ));
}

#[test]
fn a_call_that_crosses_the_goodbye_is_served() {
    let mut pair = Pair::connected();
    pair.acceptor.echoes = true;
    pair.dialer.call(pair.now, "a.f", b"", 1);
    pair.acceptor.session.goodbye("");
    pair.flow();
    assert!(matches!(
        pair.dialer.events.pop_front(),
        Some(Event::Goodbye { .. })
    ));
    assert!(matches!(pair.dialer.expect_end(1), Outcome::Reply(_)));
    assert!(matches!(
        pair.dialer.events.pop_front(),
        Some(Event::Drained)
    ));
}

#[test]
fn who_waits_for_room_learns_of_the_goodbye() {
    let one = Limits {
        max_calls: 1,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(Limits::default(), one);
    pair.dialer.call(pair.now, "a.f", b"", 1);
    pair.dialer.try_call(pair.now, "a.f", b"", 2).unwrap_err();
    pair.acceptor.session.goodbye("");
    pair.flow();
    assert!(matches!(
        pair.dialer.events.pop_front(),
        Some(Event::Goodbye { .. })
    ));
    assert!(matches!(pair.dialer.events.pop_front(), Some(Event::Room)));
    let refused = pair.dialer.try_call(pair.now, "a.f", b"", 2).unwrap_err();
    assert_eq!(refused.why, WhyRefused::Draining);
}

#[test]
fn goodbye_can_be_said_before_hello() {
    let mut pair = Pair::new(Limits::default(), Limits::default());
    pair.dialer.session.goodbye("a second link");
    pair.connect();
    let event = pair.acceptor.events.pop_front();
    assert!(matches!(event, Some(Event::Goodbye { reason }) if reason == "a second link"));
    assert!(matches!(
        pair.acceptor.events.pop_front(),
        Some(Event::Drained)
    ));
}

#[test]
fn closing_gives_every_open_call_back() {
    let mut pair = Pair::connected();
    for token in 0..5 {
        pair.dialer.call(pair.now, "a.f", b"", token);
    }
    pair.flow();
    let call = pair.acceptor.expect_call();
    pair.acceptor.session.reply(call.id, b""[..].into());
    pair.flow();
    pair.dialer.expect_end(0);
    let mut tokens = pair.dialer.session.close();
    tokens.sort();
    assert_eq!(tokens, [1, 2, 3, 4]);
    assert!(pair.dialer.session.close().is_empty());
    let refused = pair.dialer.try_call(pair.now, "a.f", b"", 9).unwrap_err();
    assert_eq!(refused.why, WhyRefused::NotConnected);
}

#[test]
fn closing_gives_back_calls_whose_end_was_not_polled() {
    let mut pair = Pair::connected();
    pair.dialer.session.call(pair.now, timed(0.1), 1).unwrap();
    pair.dialer
        .session
        .handle_timeout(pair.now + seconds(0.1))
        .unwrap();
    assert_eq!(pair.dialer.session.close(), [1]);
    assert!(pair.dialer.session.poll().is_none());
}

#[test]
fn an_idle_link_is_kept_alive() {
    let mut pair = Pair::connected();
    pair.network.delay = Duration::from_millis(30);
    pair.pass(Duration::from_secs(600));
    assert!(pair.dialer.failed.is_none() && pair.acceptor.failed.is_none());
    let pings = pair.dialer.count(PING) + pair.acceptor.count(PING);
    assert!((400..=800).contains(&pings), "{pings}");
    assert_eq!(pair.dialer.count(PONG) + pair.acceptor.count(PONG), pings);
    let rtts = [pair.dialer.session.rtt(), pair.acceptor.session.rtt()];
    assert!(rtts.contains(&Some(Duration::from_millis(60))), "{rtts:?}");
}

#[test]
fn a_link_on_which_something_is_heard_needs_no_pings() {
    let mut pair = Pair::connected();
    (pair.dialer.echoes, pair.acceptor.echoes) = (true, true);
    for token in 0..100 {
        pair.dialer.call(pair.now, "a.f", b"", token);
        pair.pass(seconds(0.5));
    }
    assert_eq!(pair.dialer.count(PING) + pair.acceptor.count(PING), 0);
}

#[test]
fn a_dead_peer_is_known_within_five_seconds() {
    let mut pair = Pair::connected();
    pair.dialer.call(pair.now, "a.f", b"", 1);
    pair.flow();
    pair.network.delay = Duration::from_secs(1000);
    pair.pass(seconds(4.4));
    assert_eq!(pair.dialer.failed, None);
    pair.pass(seconds(0.2));
    let Some(ProtocolError::Silent { after }) = pair.dialer.failed else {
        panic!("{:?}", pair.dialer.failed);
    };
    assert!((seconds(4.4)..seconds(5.0)).contains(&after), "{after:?}");
    assert!(pair.dialer.count(PING) >= 2);
    assert_eq!(pair.dialer.session.close(), [1]);
}

#[test]
fn looking_for_bytes_is_no_sign_of_life() {
    let mut pair = Pair::connected();
    pair.network.delay = Duration::from_secs(1000);
    for _ in 0..10 {
        pair.dialer.receive(pair.now, &[]);
        pair.pass(seconds(0.5));
    }
    let failed = pair.dialer.failed;
    assert!(matches!(failed, Some(ProtocolError::Silent { .. })));
}

#[test]
fn only_the_answer_to_the_last_ping_is_measured() {
    let mut pair = Pair::connected();
    pair.network.delay = Duration::from_secs(1000);
    pair.pass(seconds(4.0));
    assert_eq!(pair.dialer.count(PING), 2);
    let pong = |number: u8| {
        let header = [8, 0, 0, 0, PONG, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        [&header[..], &[number, 0, 0, 0, 0, 0, 0, 0]].concat()
    };
    for number in [0, 1, 3] {
        pair.dialer.receive(pair.now, &pong(number));
        assert_eq!(pair.dialer.session.rtt(), None, "{number}");
    }
    pair.dialer.receive(pair.now, &pong(2));
    assert!(pair.dialer.session.rtt().is_some());
}

#[test]
fn a_slow_peer_that_trickles_one_frame_is_not_dead() {
    let mut pair = Pair::connected();
    pair.acceptor.call(pair.now, "a.f", &[7; 20], 1);
    let bytes = pair.acceptor.write_once();
    for byte in &bytes {
        pair.now += seconds(1.0);
        pair.dialer.receive(pair.now, &[*byte]);
        pair.dialer.session.handle_timeout(pair.now).unwrap();
    }
    assert_eq!(pair.dialer.expect_call().body, &[7; 20][..]);
}

#[test]
fn a_process_that_was_asleep_asks_before_it_blames_its_peer() {
    let mut pair = Pair::connected();
    pair.now += Duration::from_secs(3600);
    pair.pass(seconds(1.0));
    assert_eq!((&pair.dialer.failed, &pair.acceptor.failed), (&None, &None));

    // Asleep with a ping under way, whose answer is lost.
    pair.pass(seconds(1.6));
    pair.cut();
    pair.now += Duration::from_secs(3600);
    pair.pass(seconds(1.0));
    assert_eq!((&pair.dialer.failed, &pair.acceptor.failed), (&None, &None));
}

#[test]
fn times_that_make_no_sense_do_no_harm() {
    for time in [Duration::ZERO, Duration::MAX] {
        let limits = Limits {
            keep_alive: time,
            silence: time,
            handshake_time: Duration::MAX,
            ..Limits::default()
        };
        let mut pair = Pair::connected_with(limits.clone(), limits);
        pair.network.delay = Duration::from_micros(10);
        pair.pass(seconds(1.0));
        assert_eq!((&pair.dialer.failed, &pair.acceptor.failed), (&None, &None));
    }
}

#[test]
fn a_peer_that_never_says_hello_is_given_up() {
    let mut pair = Pair::new(Limits::default(), Limits::default());
    pair.network.delay = Duration::from_secs(1000);
    pair.pass(seconds(4.9));
    assert_eq!(pair.dialer.failed, None);
    pair.pass(seconds(0.2));
    let after = Duration::from_secs(5);
    assert_eq!(pair.dialer.failed, Some(ProtocolError::NoHello { after }));
}

#[test]
fn a_failed_session_stays_failed() {
    let mut pair = Pair::connected();
    pair.dialer.receive(pair.now, &[0xFF; 16]);
    let first = pair.dialer.failed.take().unwrap();
    assert!(matches!(
        first,
        ProtocolError::Misbehaved(Misbehaviour::FrameTooLong { .. })
    ));
    pair.dialer.receive(pair.now, &[]);
    assert_eq!(pair.dialer.failed, Some(first.clone()));
    assert_eq!(pair.dialer.session.handle_timeout(pair.now), Err(first));
    let refused = pair.dialer.try_call(pair.now, "a.f", b"", 9).unwrap_err();
    assert_eq!(refused.why, WhyRefused::NotConnected);
}

#[test]
fn who_waits_for_room_is_told_before_the_end() {
    for is_dialers in [true, false] {
        let little = Limits {
            high_water: 1,
            ..Limits::default()
        };
        let mut pair = Pair::connected_with(little, Limits::default());
        // What waits to be written is over already; it is in the way all the same.
        let given_up = pair.dialer.call(pair.now, "a.f", b"", 0);
        pair.dialer.session.cancel(given_up);
        let refused = pair.dialer.try_call(pair.now, "a.f", b"", 1).unwrap_err();
        assert_eq!(refused.why, WhyRefused::Blocked);
        let end = if is_dialers {
            &mut pair.dialer
        } else {
            &mut pair.acceptor
        };
        end.session.goodbye("enough");
        pair.flow();
        let events: Vec<_> = pair.dialer.events.drain(..).collect();
        let is_room = |event: &Event<u32>| matches!(event, Event::Room);
        assert!(events.iter().any(is_room), "{events:?}");
        assert!(matches!(events.last(), Some(Event::Drained)), "{events:?}");
    }
}
