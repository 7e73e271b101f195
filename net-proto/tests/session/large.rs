//! Large bodies, and the credit that bounds them.

use net_proto::{ErrorCode, Event, Limits, Outcome, Payload, WhyRefused};

use crate::pair::{CALL, CANCEL, CHUNK, CREDIT, ERROR, Pair, REPLY, outgoing, pattern};

const MIB: usize = 1024 * 1024;

#[test]
fn a_large_value_goes_there_and_comes_back() {
    for length in [65_536, 65_537, 131_072, 5 * MIB + 3] {
        let mut pair = Pair::connected();
        pair.acceptor.echoes = true;
        let body = pattern(length);
        pair.dialer.call(pair.now, "a.f", &body, 1);
        pair.flow();
        assert_eq!(pair.dialer.expect_end(1), Outcome::Reply(body.into()));
        assert_eq!(pair.dialer.count(CHUNK) > 0, length > 65_536);
    }
}

#[test]
fn small_calls_are_answered_while_64_mib_go_each_way() {
    let mut pair = Pair::connected();
    let body = pattern(64 * MIB);
    pair.dialer.call(pair.now, "a.large", &body, 0);
    pair.acceptor.call(pair.now, "a.large", &body, 0);

    let mut token = 0;
    while pair.dialer.count(CHUNK) < 1024 || pair.acceptor.count(CHUNK) < 1024 {
        token += 1;
        pair.dialer.call(pair.now, "a.small", b"?", token);
        // One there and back: by then a small call has its answer, however much is still to go.
        let bytes = pair.dialer.write_once();
        pair.acceptor.receive(pair.now, &bytes);
        let asked = pair.acceptor.expect_call();
        assert_eq!(&*asked.tag.name, "a.small");
        pair.acceptor.session.reply(asked.id, b"!"[..].into());
        let bytes = pair.acceptor.write_once();
        assert!(bytes.len() < 400 * 1024, "one transmit keeps to its budget");
        pair.dialer.receive(pair.now, &bytes);
        assert_eq!(
            pair.dialer.expect_end(token),
            Outcome::Reply(b"!"[..].into())
        );
        if pair.dialer.events.front().is_some() || pair.acceptor.events.front().is_some() {
            break;
        }
    }
    assert!(token > 200, "only {token} small calls went meanwhile");

    pair.flow();
    assert_eq!(pair.dialer.expect_call().body, body);
    assert_eq!(pair.acceptor.expect_call().body, body);
}

#[test]
fn large_bodies_take_turns() {
    let mut pair = Pair::connected();
    let body = pattern(MIB);
    let ids = [1, 2, 3].map(|token| pair.dialer.call(pair.now, "a.f", &body, token));
    pair.flow();
    let chunks = pair.dialer.sent.iter().filter(|frame| frame.kind == CHUNK);
    let streams: Vec<u64> = chunks.map(|frame| frame.stream).collect();
    assert_eq!(streams.len(), 3 * 16);
    assert!(streams.chunks(3).all(|turn| turn == ids), "{streams:?}");
}

#[test]
fn credit_bounds_what_is_under_way() {
    let limits = Limits {
        link_window: 8 << 20,
        stream_window: 2 << 20,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(Limits::default(), limits);
    let under_way = |pair: &mut Pair| {
        let mut bytes = 0;
        while pair.dialer.session.wants_write() {
            bytes += pair.dialer.write_once().len();
        }
        bytes
    };

    pair.dialer.call(pair.now, "a.f", &pattern(16 * MIB), 1);
    let of_one = under_way(&mut pair);
    assert!(
        (2 * MIB - 65_536..=2 * MIB + 1000).contains(&of_one),
        "{of_one}"
    );

    for token in 2..10 {
        pair.dialer.call(pair.now, "a.f", &pattern(3 * MIB), token);
    }
    let of_all = of_one + under_way(&mut pair);
    assert!(
        (5 * MIB..=6 * MIB).contains(&of_all),
        "a quarter is left to small calls: {of_all}"
    );

    let mut token = 10;
    while pair
        .dialer
        .try_call(pair.now, "a.g", &[0; 60_000], token)
        .is_ok()
    {
        token += 1;
        under_way(&mut pair);
    }
    assert!(
        token > 10 + 30,
        "small calls have the last quarter: {token}"
    );
}

#[test]
fn credit_comes_back_as_bytes_are_taken_in() {
    let limits = Limits {
        link_window: 1 << 20,
        stream_window: 1 << 19,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(limits.clone(), limits);
    (pair.dialer.echoes, pair.acceptor.echoes) = (true, true);
    let body = pattern(20 * MIB);
    pair.dialer.call(pair.now, "a.f", &body, 1);
    pair.acceptor.call(pair.now, "a.f", &body, 1);
    pair.flow();
    assert_eq!(
        pair.dialer.expect_end(1),
        Outcome::Reply(body.clone().into())
    );
    assert_eq!(pair.acceptor.expect_end(1), Outcome::Reply(body.into()));
    assert!(pair.dialer.count(CREDIT) > 100);
}

#[test]
fn a_call_without_credit_waits_for_room() {
    let limits = Limits {
        link_window: 1 << 19,
        high_water: 1 << 30,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(limits.clone(), limits);
    let body = [0; 50_000];
    for token in 0..10 {
        pair.dialer.call(pair.now, "a.f", &body, token);
    }
    let refused = pair
        .dialer
        .try_call(pair.now, "a.f", &body, 10)
        .unwrap_err();
    assert_eq!(refused.why, WhyRefused::Blocked);
    pair.flow();
    assert!(matches!(pair.dialer.events.pop_front(), Some(Event::Room)));
    pair.dialer.call(pair.now, "a.f", &body, 10);
}

#[test]
fn answers_without_credit_wait_in_order_and_go_before_calls() {
    let limits = Limits {
        link_window: 1 << 19,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(limits.clone(), limits);
    for token in 0..20 {
        pair.dialer.call(pair.now, "a.f", &[token as u8], token);
    }
    pair.flow();
    let body = |call: &net_proto::Incoming| vec![call.body[0]; 60_000];
    while !pair.acceptor.events.is_empty() {
        let call = pair.acceptor.expect_call();
        let body = body(&call);
        pair.acceptor.session.reply(call.id, body.into());
    }
    let refused = pair.acceptor.try_call(pair.now, "b.g", b"", 9).unwrap_err();
    assert_eq!(refused.why, WhyRefused::Blocked);
    assert_eq!(pair.acceptor.session.serving(), 12, "eight had credit");

    pair.flow();
    for token in 0..20 {
        let reply = vec![token as u8; 60_000];
        assert_eq!(pair.dialer.expect_end(token), Outcome::Reply(reply.into()));
    }
    assert_eq!(pair.acceptor.session.serving(), 0);
    assert!(matches!(
        pair.acceptor.events.pop_front(),
        Some(Event::Room)
    ));
}

/// A caller that takes much, and one who is called that keeps little: not two of the answers below.
fn with_few_unsent() -> Pair {
    let callee = Limits {
        max_unsent: 100_000,
        ..Limits::default()
    };
    let caller = Limits {
        link_window: 1 << 19,
        ..Limits::default()
    };
    Pair::connected_with(caller, callee)
}

#[test]
fn new_calls_are_turned_away_while_too_many_answers_wait() {
    let mut pair = with_few_unsent();
    for token in 0..11 {
        pair.dialer.call(pair.now, "a.f", b"", token);
    }
    pair.flow();
    for _ in 0..11 {
        let call = pair.acceptor.expect_call();
        pair.acceptor.session.reply(call.id, vec![0; 60_000].into());
    }
    pair.dialer.call(pair.now, "a.f", b"", 11);
    let bytes = pair.dialer.write_once();
    pair.acceptor.receive(pair.now, &bytes);
    assert!(pair.acceptor.events.is_empty(), "it is not served");
    pair.flow();
    for token in 0..11 {
        assert!(matches!(pair.dialer.expect_end(token), Outcome::Reply(_)));
    }
    let Outcome::Error(error) = pair.dialer.expect_end(11) else {
        panic!("served");
    };
    assert_eq!(error.code, ErrorCode::Busy);

    pair.acceptor.echoes = true;
    pair.dialer.call(pair.now, "a.f", b"", 12);
    pair.flow();
    assert!(matches!(pair.dialer.expect_end(12), Outcome::Reply(_)));
}

/// Many may be handed out before the first is answered, and then wait for a thread: their answers would all be made and kept.
#[test]
fn a_call_that_waited_for_its_turn_is_not_run_while_too_many_answers_wait() {
    let mut pair = with_few_unsent();
    for token in 0..20 {
        pair.dialer.call(pair.now, "a.f", b"", token);
    }
    pair.flow();
    let mut ran = 0;
    for _ in 0..20 {
        let call = pair.acceptor.expect_call();
        let session = &mut pair.acceptor.session;
        if session.may_run(call.id) {
            ran += 1;
            session.reply(call.id, vec![0; 60_000].into());
        }
    }
    // What the window takes, and two of those that wait.
    assert_eq!(ran, (1 << 19) / 60_016 + 2);
    pair.flow();
    for token in 0..20 {
        match pair.dialer.expect_end(token) {
            Outcome::Reply(_) => assert!(token < ran),
            Outcome::Error(error) => {
                assert!(token >= ran);
                assert_eq!(error.code, ErrorCode::Busy);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_answer_that_waits_for_credit_is_dropped_with_its_call() {
    let limits = Limits {
        link_window: 1 << 19,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(limits.clone(), limits);
    let ids: Vec<_> = (0..20)
        .map(|token| pair.dialer.call(pair.now, "a.f", b"", token))
        .collect();
    pair.flow();
    while !pair.acceptor.events.is_empty() {
        let call = pair.acceptor.expect_call();
        let body = vec![0; 60_000];
        pair.acceptor.session.reply(call.id, body.into());
    }
    for id in &ids[10..] {
        pair.dialer.session.cancel(*id);
    }
    let cancels = pair.dialer.write_once();
    pair.acceptor.receive(pair.now, &cancels);
    assert_eq!(pair.acceptor.session.serving(), 2);
    pair.flow();
    assert_eq!(pair.acceptor.count(REPLY), 10);
    assert_eq!(pair.dialer.events.len(), 10);
}

#[test]
fn chunks_of_a_call_whose_refusal_waits_for_credit_are_ignored() {
    let callee = Limits {
        max_arriving: 1 << 20,
        ..Limits::default()
    };
    let caller = Limits {
        link_window: 1 << 19,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(caller, callee);
    for token in 0..9 {
        pair.dialer.call(pair.now, "a.f", b"", token);
    }
    pair.flow();
    for _ in 0..9 {
        let call = pair.acceptor.expect_call();
        let body = vec![0; 60_000];
        pair.acceptor.session.reply(call.id, body.into());
    }
    pair.dialer.call(pair.now, "a.f", &pattern(2 * MIB), 9);
    let bytes = pair.dialer.write_once();
    pair.acceptor.receive(pair.now, &bytes);
    assert_eq!(pair.acceptor.failed, None);
    pair.flow();
    for token in 0..9 {
        pair.dialer.expect_end(token);
    }
    assert!(matches!(pair.dialer.expect_end(9), Outcome::Error(_)));
}

#[test]
fn what_arriving_bodies_take_up_is_free_again_however_they_end() {
    let limits = Limits {
        max_arriving: 3 << 20,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(limits.clone(), limits);
    let body = pattern(2 * MIB);
    for token in 0..4 {
        // A call that is cancelled while it arrives.
        let id = pair.dialer.call(pair.now, "a.f", &body, token);
        let bytes = pair.dialer.write_once();
        pair.acceptor.receive(pair.now, &bytes);
        pair.dialer.session.cancel(id);

        // A reply that arrives, and one that is cancelled meanwhile.
        for is_cancelled in [false, true] {
            let id = pair.dialer.call(pair.now, "a.g", b"", token);
            pair.flow();
            let call = pair.acceptor.expect_call();
            let body = body.clone();
            pair.acceptor.session.reply(call.id, body.into());
            if is_cancelled {
                let bytes = pair.acceptor.write_once();
                pair.dialer.receive(pair.now, &bytes);
                pair.dialer.session.cancel(id);
            } else {
                pair.flow();
                assert!(matches!(pair.dialer.expect_end(token), Outcome::Reply(_)));
            }
        }
    }
    pair.dialer.call(pair.now, "a.f", &body, 9);
    pair.flow();
    assert_eq!(pair.acceptor.expect_call().body, body);
}

#[test]
fn no_credit_is_given_for_what_needs_none() {
    let mut pair = Pair::connected();
    pair.dialer.call(pair.now, "a.f", &pattern(4 * MIB), 1);
    while pair.dialer.session.wants_write() {
        let bytes = pair.dialer.write_once();
        pair.acceptor.receive(pair.now, &bytes);
        pair.acceptor.write_once();
    }
    pair.acceptor.expect_call();
    let on_streams = |frame: &&crate::pair::Sent| frame.kind == CREDIT && frame.stream != 0;
    assert_eq!(pair.acceptor.sent.iter().filter(on_streams).count(), 0);
}

#[test]
fn a_large_call_over_what_may_arrive_is_answered_busy_and_its_body_dropped() {
    let limits = Limits {
        max_arriving: 3 << 20,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(Limits::default(), limits);
    pair.acceptor.echoes = true;
    let body = pattern(2 * MIB);
    pair.dialer.call(pair.now, "a.f", &body, 1);
    pair.dialer.call(pair.now, "a.f", &body, 2);
    pair.flow();
    let Outcome::Error(error) = pair.dialer.expect_end(2) else {
        panic!("served");
    };
    assert_eq!(error.code, ErrorCode::Busy);
    assert_eq!(
        pair.dialer.expect_end(1),
        Outcome::Reply(body.clone().into())
    );

    // What it took up while it arrived is free again, and the dropped chunks' credit was given back.
    for token in 3..30 {
        pair.dialer.call(pair.now, "a.f", &body, token);
        pair.flow();
        assert_eq!(
            pair.dialer.expect_end(token),
            Outcome::Reply(body.clone().into())
        );
    }
}

#[test]
fn a_reply_over_what_is_taken_ends_as_too_large() {
    // The callee knows `max_value` and says so itself.
    let caller = Limits {
        max_value: 100_000,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(caller, Limits::default());
    pair.dialer.call(pair.now, "a.f", b"", 1);
    pair.flow();
    let call = pair.acceptor.expect_call();
    pair.acceptor
        .session
        .reply(call.id, vec![0; 100_001].into());
    pair.flow();
    let Outcome::Error(error) = pair.dialer.expect_end(1) else {
        panic!("taken");
    };
    assert_eq!(error.code, ErrorCode::TooLarge);
    assert!(error.message.contains("100001") && error.message.contains("100000"));

    // It cannot know what else arrives at the caller.
    let caller = Limits {
        max_arriving: 3 << 20,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(caller, Limits::default());
    for token in 1..=2 {
        pair.dialer.call(pair.now, "a.f", b"", token);
    }
    pair.flow();
    let body = pattern(2 * MIB);
    for _ in 0..2 {
        let call = pair.acceptor.expect_call();
        pair.acceptor.session.reply(call.id, body.clone().into());
    }
    pair.flow();
    let (size, limit) = (2 << 20, 1 << 20);
    assert_eq!(pair.dialer.expect_end(2), Outcome::TooLarge { size, limit });
    assert_eq!(pair.dialer.expect_end(1), Outcome::Reply(body.into()));
    assert_eq!(pair.dialer.count(CANCEL), 1, "the rest of it is not wanted");
    assert_eq!(pair.acceptor.session.serving(), 0);
}

#[test]
fn a_cancelled_large_call_stops_and_is_never_seen() {
    let mut pair = Pair::connected();
    pair.acceptor.echoes = true;
    let id = pair.dialer.call(pair.now, "a.f", &pattern(10 * MIB), 1);
    let bytes = pair.dialer.write_once();
    pair.acceptor.receive(pair.now, &bytes);
    assert_eq!(pair.dialer.session.cancel(id), Some(1));
    pair.flow();
    assert!(pair.dialer.count(CHUNK) < 10, "the rest was not sent");
    assert_eq!(pair.acceptor.session.serving(), 0);
    assert!(pair.acceptor.events.is_empty() && pair.acceptor.failed.is_none());
}

#[test]
fn a_large_reply_that_is_not_wanted_any_more_stops() {
    let mut pair = Pair::connected();
    let id = pair.dialer.call(pair.now, "a.f", b"", 1);
    pair.flow();
    let call = pair.acceptor.expect_call();
    pair.acceptor
        .session
        .reply(call.id, pattern(10 * MIB).into());
    let bytes = pair.acceptor.write_once();
    pair.dialer.receive(pair.now, &bytes);
    assert_eq!(pair.dialer.session.cancel(id), Some(1));
    // What was under way arrives late and is ignored.
    let late = pair.acceptor.write_once();
    pair.dialer.receive(pair.now, &late);
    let cancel = pair.dialer.write_once();
    pair.acceptor.receive(pair.now, &cancel);
    assert!(!pair.acceptor.session.wants_write(), "the rest is gone");
    pair.flow();
    assert_eq!(pair.acceptor.session.serving(), 0);
    assert!(pair.dialer.failed.is_none() && pair.dialer.events.is_empty());
}

#[test]
fn an_owned_large_body_is_written_from_where_it_lies() {
    let mut pair = Pair::connected();
    let body = bytes::Bytes::from(pattern(MIB));
    let call = net_proto::Outgoing {
        body: Payload::Owned(body.clone().into()),
        ..outgoing("a.f", b"")
    };
    pair.dialer.session.call(pair.now, call, 1).unwrap();
    let mut transmit = net_proto::Transmit::default();
    pair.dialer.session.transmit(&mut transmit);
    let mut slices = [std::io::IoSlice::new(&[]); 3];
    assert_eq!(
        transmit.slices(&mut slices),
        3,
        "CALL, a chunk's header, its bytes"
    );
    assert_eq!(slices[2].as_ptr(), body.as_ptr());
}

#[test]
fn large_calls_wait_for_room_while_others_leave_and_small_ones_do_not() {
    let limits = Limits {
        max_leaving: 1 << 20,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(limits, Limits::default());
    let body = pattern(2 * MIB);
    pair.dialer.call(pair.now, "a.f", &body, 1);
    let refused = pair.dialer.try_call(pair.now, "a.f", &body, 2).unwrap_err();
    assert_eq!(refused.why, WhyRefused::Blocked);
    pair.dialer.call(pair.now, "a.f", b"small", 3);
    pair.flow();
    assert!(matches!(pair.dialer.events.pop_front(), Some(Event::Room)));
    pair.dialer.call(pair.now, "a.f", &body, 2);
    assert_eq!(
        pair.dialer.count(CALL) + pair.acceptor.count(REPLY) + pair.acceptor.count(ERROR),
        2
    );
}
