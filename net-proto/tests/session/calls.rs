//! Calls and their answers.

use std::time::Duration;

use net_proto::{ErrorBody, ErrorCode, Event, Limits, Outcome, Outgoing, WhyRefused};

use crate::pair::{CALL, CANCEL, Pair, outgoing};

/// The flag that says that a CALL has its tag in full.
const WITH_TAG: u8 = 0x01;

#[test]
fn both_sides_learn_who_the_other_is() {
    let mut pair = Pair::new(
        Limits::default(),
        Limits {
            max_calls: 7,
            ..Limits::default()
        },
    );
    pair.flow();
    let Some(Event::Connected { hello, version }) = pair.dialer.events.pop_front() else {
        panic!("not connected");
    };
    assert_eq!((hello.id.0, hello.max_calls, version), ([2; 16], 7, 1));
    assert!(pair.dialer.session.is_connected() && pair.acceptor.session.is_connected());
}

#[test]
fn either_side_calls_the_other() {
    let mut pair = Pair::connected();
    pair.dialer.call(pair.now, "a.f", b"down", 1);
    pair.acceptor.call(pair.now, "b.g", b"up", 2);
    pair.flow();

    let down = pair.acceptor.expect_call();
    let up = pair.dialer.expect_call();
    assert_eq!((&*down.tag.name, &down.body[..]), ("a.f", &b"down"[..]));
    assert_eq!((&*up.tag.name, &up.body[..]), ("b.g", &b"up"[..]));
    assert_eq!(
        (
            pair.dialer.session.in_flight(),
            pair.dialer.session.serving()
        ),
        (1, 1)
    );

    pair.acceptor.session.reply(down.id, b"DOWN"[..].into());
    pair.dialer.session.reply(up.id, b"UP"[..].into());
    pair.flow();
    assert_eq!(
        pair.dialer.expect_end(1),
        Outcome::Reply(b"DOWN"[..].into())
    );
    assert_eq!(
        pair.acceptor.expect_end(2),
        Outcome::Reply(b"UP"[..].into())
    );
    assert_eq!(
        (
            pair.dialer.session.in_flight(),
            pair.dialer.session.serving()
        ),
        (0, 0)
    );
}

#[test]
fn every_call_gets_its_own_answer_however_the_network_cuts() {
    for piece in [1, 2, 7, 15, 16, 17, 1000] {
        let mut pair = Pair::new(Limits::default(), Limits::default());
        pair.network.piece = piece;
        pair.connect();
        (pair.dialer.echoes, pair.acceptor.echoes) = (true, true);
        for token in 0..300_u32 {
            let tag = ["m.f", "m.g", "n.h"][token as usize % 3];
            pair.dialer.call(pair.now, tag, &token.to_be_bytes(), token);
            pair.acceptor
                .call(pair.now, tag, &token.to_le_bytes(), token);
        }
        pair.flow();
        for token in 0..300_u32 {
            let (down, up) = (
                pair.dialer.expect_end(token),
                pair.acceptor.expect_end(token),
            );
            assert_eq!(down, Outcome::Reply(token.to_be_bytes().to_vec().into()));
            assert_eq!(up, Outcome::Reply(token.to_le_bytes().to_vec().into()));
        }
    }
}

#[test]
fn answers_may_come_in_any_order() {
    let mut pair = Pair::connected();
    pair.dialer.call(pair.now, "a.f", b"", 1);
    pair.dialer.call(pair.now, "a.f", b"", 2);
    pair.flow();
    let (first, second) = (pair.acceptor.expect_call(), pair.acceptor.expect_call());
    pair.acceptor.session.reply(second.id, b"2"[..].into());
    pair.acceptor.session.reply(first.id, b"1"[..].into());
    pair.flow();
    assert_eq!(pair.dialer.expect_end(2), Outcome::Reply(b"2"[..].into()));
    assert_eq!(pair.dialer.expect_end(1), Outcome::Reply(b"1"[..].into()));
}

#[test]
fn a_tag_is_sent_in_full_once_for_each_link() {
    let mut pair = Pair::connected();
    pair.acceptor.echoes = true;
    for token in 0..4 {
        pair.dialer
            .call(pair.now, ["a.f", "a.g"][token as usize % 2], b"", token);
    }
    pair.flow();
    let calls = pair.dialer.sent.iter().filter(|frame| frame.kind == CALL);
    let in_full: Vec<bool> = calls.map(|frame| frame.flags & WITH_TAG != 0).collect();
    assert_eq!(in_full, [true, true, false, false]);
}

#[test]
fn a_function_keeps_its_number() {
    let mut pair = Pair::connected();
    for (token, tag) in ["a.f", "a.g", "a.f"].into_iter().enumerate() {
        pair.dialer.call(pair.now, tag, b"", token as u32);
    }
    pair.flow();
    let numbers = [(); 3].map(|()| pair.acceptor.expect_call().tag.number);
    assert_eq!(numbers, [1, 2, 1]);
}

#[test]
fn time_and_metadata_travel_with_the_call() {
    let mut pair = Pair::connected();
    let call = Outgoing {
        time_left: Some(Duration::from_micros(1_500_001)),
        metadata: b"traceparent",
        ..outgoing("a.f", b"body")
    };
    pair.dialer.session.call(pair.now, call, 1).unwrap();
    pair.flow();
    let call = pair.acceptor.expect_call();
    assert_eq!(
        call.time_left,
        Some(Duration::from_millis(1501)),
        "rounded up"
    );
    assert_eq!(&call.metadata[..], b"traceparent");
    assert_eq!(&call.body[..], b"body");
}

#[test]
fn a_call_can_end_in_a_flag() {
    let mut pair = Pair::connected();
    pair.dialer.call(pair.now, "a.f", b"", 1);
    pair.flow();
    let call = pair.acceptor.expect_call();
    pair.acceptor.session.flag(call.id, "NULL");
    pair.flow();
    assert_eq!(pair.dialer.expect_end(1), Outcome::Flag("NULL".into()));
}

#[test]
fn a_call_can_end_in_an_error_with_all_its_parts() {
    let mut pair = Pair::connected();
    pair.dialer.call(pair.now, "a.f", b"", 1);
    pair.flow();
    let error = ErrorBody {
        code: ErrorCode::NoSuchConnection,
        kind: "KeyError".into(),
        message: "no ä.f".into(),
        traceback: "line 1".into(),
        names: vec!["a.g".into()],
    };
    let call = pair.acceptor.expect_call();
    pair.acceptor.session.error(call.id, &error);
    pair.flow();
    assert_eq!(pair.dialer.expect_end(1), Outcome::Error(Box::new(error)));
}

#[test]
fn an_error_that_is_too_long_is_cut_and_keeps_what_matters() {
    let mut pair = Pair::connected();
    pair.dialer.call(pair.now, "a.f", b"", 1);
    pair.flow();
    let error = ErrorBody {
        code: ErrorCode::Remote,
        kind: "é".repeat(1000),
        message: "é".repeat(100_000),
        traceback: "é".repeat(100_000) + "ValueError: no",
        names: vec!["n".repeat(200); 1000],
    };
    let call = pair.acceptor.expect_call();
    pair.acceptor.session.error(call.id, &error);
    pair.flow();
    let Outcome::Error(seen) = pair.dialer.expect_end(1) else {
        panic!("no error");
    };
    assert!(error.message.starts_with(&seen.message) && seen.message.len() > 16_000);
    assert!(seen.traceback.ends_with("éValueError: no") && seen.traceback.len() > 32_000);
    assert_eq!(seen.names.len(), 32);
}

#[test]
fn only_the_first_answer_counts() {
    let mut pair = Pair::connected();
    pair.dialer.call(pair.now, "a.f", b"", 1);
    pair.flow();
    let call = pair.acceptor.expect_call();
    pair.acceptor.session.reply(call.id, b"1"[..].into());
    pair.acceptor.session.reply(call.id, b"2"[..].into());
    pair.acceptor.session.flag(call.id, "NULL");
    pair.acceptor.session.reply(4711, b"3"[..].into());
    pair.flow();
    assert_eq!(pair.dialer.expect_end(1), Outcome::Reply(b"1"[..].into()));
    assert!(pair.dialer.events.is_empty() && pair.dialer.failed.is_none());
}

#[test]
fn calls_that_cannot_be_sent_are_refused_with_their_token() {
    let small = Limits {
        max_value: 1000,
        ..Limits::default()
    };
    let mut pair = Pair::new(Limits::default(), small);
    let refused = pair.dialer.try_call(pair.now, "a.f", b"", 9).unwrap_err();
    assert_eq!((refused.token, refused.why), (9, WhyRefused::NotConnected));

    pair.connect();
    let why = |pair: &mut Pair, call: Outgoing<'_>| {
        let refused = pair.dialer.session.call(pair.now, call, 9).unwrap_err();
        assert_eq!(refused.token, 9);
        refused.why
    };
    let long = "t".repeat(1025);
    assert_eq!(
        why(&mut pair, outgoing(&long, b"")),
        WhyRefused::TagTooLong {
            length: 1025,
            limit: 1024
        }
    );
    let metadata = Outgoing {
        metadata: &[0; 8193],
        ..outgoing("a.f", b"")
    };
    assert_eq!(
        why(&mut pair, metadata),
        WhyRefused::MetadataTooLong {
            length: 8193,
            limit: 8192
        }
    );
    assert_eq!(
        why(&mut pair, outgoing("a.f", &[0; 1001])),
        WhyRefused::TooLarge {
            size: 1001,
            limit: 1000
        }
    );
}

#[test]
fn ten_thousand_calls_are_in_flight_at_once() {
    let mut pair = Pair::connected();
    for token in 0..10_000_u32 {
        pair.dialer
            .call(pair.now, "a.f", &token.to_le_bytes(), token);
    }
    pair.flow();
    assert_eq!(pair.dialer.session.in_flight(), 10_000);
    assert_eq!(pair.acceptor.session.serving(), 10_000);
    for token in 0..10_000_u32 {
        let call = pair.acceptor.expect_call();
        assert_eq!(&call.body[..], token.to_le_bytes());
        pair.acceptor.session.reply(call.id, call.body.into());
    }
    pair.flow();
    for token in 0..10_000_u32 {
        assert_eq!(
            pair.dialer.expect_end(token),
            Outcome::Reply(token.to_le_bytes().to_vec().into())
        );
    }
}

#[test]
fn a_call_over_the_number_allowed_waits_for_room() {
    let two = Limits {
        max_calls: 2,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(Limits::default(), two);
    pair.dialer.call(pair.now, "a.f", b"", 1);
    let second = pair.dialer.call(pair.now, "a.f", b"", 2);
    let refused = pair.dialer.try_call(pair.now, "a.f", b"", 3).unwrap_err();
    assert_eq!((refused.token, refused.why), (3, WhyRefused::Blocked));
    pair.flow();
    assert!(pair.dialer.events.is_empty(), "no room yet");

    let call = pair.acceptor.expect_call();
    pair.acceptor.session.reply(call.id, b""[..].into());
    pair.flow();
    pair.dialer.expect_end(1);
    assert!(matches!(pair.dialer.events.pop_front(), Some(Event::Room)));
    pair.dialer.call(pair.now, "a.f", b"", 3);

    pair.dialer.try_call(pair.now, "a.f", b"", 4).unwrap_err();
    assert_eq!(pair.dialer.session.cancel(second), Some(2));
    pair.dialer.poll();
    assert!(matches!(pair.dialer.events.pop_front(), Some(Event::Room)));
    assert!(pair.dialer.events.is_empty(), "told once");
    pair.flow();
    assert_eq!(pair.dialer.count(CANCEL), 1);
}

#[test]
fn calls_are_refused_while_too_much_waits_to_be_written() {
    let mut pair = Pair::connected();
    let body = [0; 60_000];
    let made =
        (0..).take_while(|token| pair.dialer.try_call(pair.now, "a.f", &body, *token).is_ok());
    assert_eq!(made.count(), 18, "one more than fits into 1 MiB");
    pair.flow();
    assert!(matches!(pair.dialer.events.pop_front(), Some(Event::Room)));
}
