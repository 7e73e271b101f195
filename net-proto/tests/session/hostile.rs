//! What a session does with bytes that no session sends.

use net_proto::{
    ErrorCode, Event, Kind, Limit, Limits, Misbehaviour, Outcome, ProtocolError, turn_away,
};
use proptest::prelude::*;

use crate::pair::{
    CALL, CANCEL, CHUNK, CREDIT, ERROR, GOODBYE, HELLO, PING, Pair, REPLY, frame, pattern,
};

const FLAG: u8 = 0x04;
const ITEM: u8 = 0x06;

const WITH_TAG: u8 = 0x01;
const WITH_TIME: u8 = 0x02;
const WITH_METADATA: u8 = 0x04;
const MORE: u8 = 0x08;
const LAST: u8 = 0x01;

/// A call with a tag that is not remembered.
fn call(stream: u64, body: &[u8]) -> Vec<u8> {
    frame(CALL, WITH_TAG, stream, &[b"\0\0\0\0\x01\0f", body].concat())
}

/// A call whose body comes in chunks.
fn large_call(stream: u64, total: u64) -> Vec<u8> {
    let payload = [b"\0\0\0\0\x01\0f", &total.to_le_bytes()[..]].concat();
    frame(CALL, WITH_TAG | MORE, stream, &payload)
}

/// What the acceptor makes of these bytes of a dialer that has said HELLO.
fn judge(bytes: &[u8]) -> Option<Misbehaviour> {
    judge_with(Limits::default(), bytes)
}

fn judge_with(limits: Limits, bytes: &[u8]) -> Option<Misbehaviour> {
    let mut pair = Pair::connected_with(Limits::default(), limits);
    pair.acceptor.receive(pair.now, bytes);
    match pair.acceptor.failed {
        None => None,
        Some(ProtocolError::Misbehaved(how)) => Some(how),
        Some(other) => panic!("{other}"),
    }
}

#[test]
fn other_protocols_are_refused_at_their_first_byte() {
    for bytes in [&b"G"[..], b"{", b"eyJ", b"\x16\x03", b"\xABnit"] {
        let mut pair = Pair::new(Limits::default(), Limits::default());
        pair.acceptor.receive(pair.now, bytes);
        assert_eq!(pair.acceptor.failed, Some(Misbehaviour::BadPreface.into()));
    }
}

#[test]
fn nothing_comes_before_hello() {
    let first = |frame: Vec<u8>| {
        let mut pair = Pair::new(Limits::default(), Limits::default());
        pair.acceptor.receive(pair.now, b"\xABnet\r\n\x01\x01");
        pair.acceptor.receive(pair.now, &frame);
        match pair.acceptor.failed {
            Some(ProtocolError::Misbehaved(how)) => how,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(first(call(1, b"")), Misbehaviour::NotHello(Kind::Call));
    assert_eq!(
        first(frame(PING, 0, 0, &[0; 8])),
        Misbehaviour::NotHello(Kind::Ping)
    );
    assert_eq!(
        first(frame(0x80, 0, 0, b"")),
        Misbehaviour::UnknownKind(0x80)
    );
    let bad = |field| Misbehaviour::BadField {
        kind: Kind::Hello,
        field,
    };
    assert_eq!(first(frame(HELLO, 0, 0, b"\xA0")), bad("map"));
    // Refused by its header, before it is waited for.
    let header = &frame(HELLO, 0, 0, &[0; 40_000])[..16];
    let (length, limit) = (40_000, 32_768);
    assert_eq!(
        first(header.to_vec()),
        Misbehaviour::FrameTooLong { length, limit }
    );
}

#[test]
fn bad_frames_are_refused_by_name() {
    let bad = |kind, field| Some(Misbehaviour::BadField { kind, field });
    let wrong = |kind, stream| Some(Misbehaviour::WrongStream { kind, stream });
    let cases: Vec<(&str, Vec<u8>, Option<Misbehaviour>)> = vec![
        (
            "a second hello",
            frame(HELLO, 0, 0, &hello()),
            Some(Misbehaviour::SecondHello),
        ),
        (
            "an unknown kind",
            frame(0x7F, 0, 0, b""),
            Some(Misbehaviour::UnknownKind(0x7F)),
        ),
        (
            "kind 0",
            frame(0, 0, 0, b""),
            Some(Misbehaviour::UnknownKind(0)),
        ),
        ("an optional kind", frame(0x80, 0xFF, 9, b"anything"), None),
        (
            "an item",
            frame(ITEM, 0, 1, b""),
            Some(Misbehaviour::NotAgreed(Kind::Item)),
        ),
        (
            "an unknown flag",
            frame(CALL, 0x80, 1, b""),
            Some(Misbehaviour::UnknownFlags {
                kind: Kind::Call,
                flags: 0x80,
            }),
        ),
        (
            "no tag number",
            frame(CALL, 0, 1, b"\0\0"),
            bad(Kind::Call, "tag number"),
        ),
        (
            "a tag past the end",
            frame(CALL, WITH_TAG, 1, b"\0\0\0\0\xFF\0f"),
            bad(Kind::Call, "tag"),
        ),
        (
            "a tag that is no text",
            frame(CALL, WITH_TAG, 1, b"\0\0\0\0\x01\0\xFF"),
            bad(Kind::Call, "tag"),
        ),
        (
            "no time left",
            frame(CALL, WITH_TIME, 1, b"\0\0\0\0\0\0\0\0"),
            bad(Kind::Call, "time left"),
        ),
        (
            "metadata of nothing",
            frame(CALL, WITH_METADATA, 1, b"\0\0\0\0\0\0\0\0"),
            bad(Kind::Call, "metadata"),
        ),
        (
            "a number not given out",
            frame(CALL, 0, 1, b"\x01\0\0\0"),
            Some(Misbehaviour::BadTagNumber(1)),
        ),
        ("a call on our stream", call(2, b""), wrong(Kind::Call, 2)),
        ("a call on the link", call(0, b""), wrong(Kind::Call, 0)),
        (
            "a stream used twice",
            [call(3, b""), call(3, b"")].concat(),
            wrong(Kind::Call, 3),
        ),
        (
            "a stream out of order",
            [call(3, b""), call(1, b"")].concat(),
            wrong(Kind::Call, 1),
        ),
        (
            "an answer to no call",
            frame(REPLY, 0, 2, b""),
            wrong(Kind::Reply, 2),
        ),
        (
            "an answer to its own call",
            [call(1, b""), frame(FLAG, 0, 1, b"F")].concat(),
            wrong(Kind::Flag, 1),
        ),
        (
            "a cancel of no call",
            frame(CANCEL, 0, 1, b""),
            wrong(Kind::Cancel, 1),
        ),
        (
            "a cancel of our call",
            frame(CANCEL, 0, 2, b""),
            wrong(Kind::Cancel, 2),
        ),
        (
            "a cancel with a payload",
            [call(1, b""), frame(CANCEL, 0, 1, b"x")].concat(),
            bad(Kind::Cancel, "length"),
        ),
        (
            "a chunk of nothing",
            frame(CHUNK, 0, 1, b"x"),
            wrong(Kind::Chunk, 1),
        ),
        (
            "a chunk for a whole body",
            [call(1, b""), frame(CHUNK, LAST, 1, b"x")].concat(),
            Some(Misbehaviour::BadChunk(1)),
        ),
        (
            "an empty chunk",
            [large_call(1, 9), frame(CHUNK, 0, 1, b"")].concat(),
            Some(Misbehaviour::BadChunk(1)),
        ),
        (
            "a chunk too many",
            [large_call(1, 2), frame(CHUNK, 0, 1, b"xxx")].concat(),
            Some(Misbehaviour::BadChunk(1)),
        ),
        (
            "a last chunk too early",
            [large_call(1, 2), frame(CHUNK, LAST, 1, b"x")].concat(),
            Some(Misbehaviour::BadChunk(1)),
        ),
        (
            "no last chunk",
            [large_call(1, 2), frame(CHUNK, 0, 1, b"xx")].concat(),
            Some(Misbehaviour::BadChunk(1)),
        ),
        (
            "a large body of nothing",
            large_call(1, 0),
            bad(Kind::Call, "body length"),
        ),
        (
            "credit of nothing",
            frame(CREDIT, 0, 0, &[0; 8]),
            bad(Kind::Credit, "amount"),
        ),
        (
            "credit not used",
            frame(CREDIT, 0, 0, &[1, 0, 0, 0, 0, 0, 0, 0]),
            Some(Misbehaviour::CreditOverflow),
        ),
        (
            "credit for no stream",
            frame(CREDIT, 0, 2, &[1; 8]),
            wrong(Kind::Credit, 2),
        ),
        (
            "a short ping",
            frame(PING, 0, 0, &[0; 7]),
            bad(Kind::Ping, "number"),
        ),
        (
            "a ping on a stream",
            frame(PING, 0, 1, &[0; 8]),
            wrong(Kind::Ping, 1),
        ),
        (
            "a call after goodbye",
            [frame(GOODBYE, 0, 0, b""), call(1, b"")].concat(),
            Some(Misbehaviour::OpenedAfterGoodbye),
        ),
        (
            "a long goodbye",
            frame(GOODBYE, 0, 0, &[b'a'; 1025]),
            bad(Kind::Goodbye, "reason"),
        ),
    ];
    for (what, bytes, expected) in cases {
        assert_eq!(judge(&bytes), expected, "{what}");
    }
}

#[test]
fn answers_that_do_not_fit_the_call_are_refused_by_name() {
    let judge = |bytes: &[u8]| {
        let mut pair = Pair::connected();
        pair.dialer.call(pair.now, "a.f", b"", 1);
        pair.dialer.receive(pair.now, bytes);
        match pair.dialer.failed {
            Some(ProtocolError::Misbehaved(how)) => how,
            other => panic!("{other:?}"),
        }
    };
    let more = frame(REPLY, MORE, 1, &1000_u64.to_le_bytes());
    let (kind, stream) = (Kind::Reply, 1);
    assert_eq!(
        judge(&[&more[..], &more].concat()),
        Misbehaviour::WrongStream { kind, stream }
    );
    assert_eq!(judge(&frame(CHUNK, 0, 1, b"x")), Misbehaviour::BadChunk(1));
}

#[test]
fn what_is_said_twice_or_too_late_is_ignored() {
    let mut pair = Pair::connected();
    pair.dialer.call(pair.now, "a.f", b"", 1);
    let credit = frame(CREDIT, 0, 1, &1_u64.to_le_bytes());
    pair.dialer.receive(pair.now, &credit);
    for reason in [&b"first"[..], b"second"] {
        pair.dialer.receive(pair.now, &frame(GOODBYE, 0, 0, reason));
    }
    assert_eq!(pair.dialer.failed, None);
    let event = pair.dialer.events.pop_front();
    assert!(matches!(event, Some(Event::Goodbye { reason }) if reason == "first"));
    assert!(pair.dialer.events.is_empty());
}

fn hello() -> Vec<u8> {
    let mut pair = Pair::new(Limits::default(), Limits::default());
    pair.dialer.write_once()[24..].to_vec()
}

#[test]
fn more_than_the_credit_is_refused() {
    let limits = Limits {
        link_window: 1 << 19,
        ..Limits::default()
    };
    let flood: Vec<u8> = (0..10)
        .flat_map(|n| call(2 * n + 1, &[0; 60_000]))
        .collect();
    assert_eq!(
        judge_with(limits.clone(), &flood),
        Some(Misbehaviour::CreditExceeded)
    );

    let limits = Limits {
        stream_window: 1 << 17,
        ..limits
    };
    let chunk = frame(CHUNK, 0, 1, &[0; 60_000]);
    let flood = [large_call(1, 1 << 20), chunk.repeat(3)].concat();
    assert_eq!(
        judge_with(limits, &flood),
        Some(Misbehaviour::CreditExceeded)
    );
}

#[test]
fn calls_over_the_number_allowed_are_answered_busy() {
    let two = Limits {
        max_calls: 2,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(Limits::default(), two);
    for stream in [1, 3, 5] {
        pair.acceptor.receive(pair.now, &call(stream, b""));
    }
    assert_eq!(
        (pair.acceptor.events.len(), pair.acceptor.session.serving()),
        (2, 2)
    );
    pair.acceptor.write_once();
    assert_eq!(pair.acceptor.count(ERROR), 1);
    assert_eq!(pair.acceptor.sent.last().unwrap().stream, 5);
}

#[test]
fn a_caller_that_takes_no_answers_cannot_fill_our_memory() {
    let limits = Limits {
        max_calls: 100,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(
        Limits {
            link_window: 1 << 19,
            ..Limits::default()
        },
        limits,
    );
    let mut stream = 1;
    // It gives no credit, so answers wait, and it goes on calling all the same.
    while pair.acceptor.failed.is_none() {
        pair.acceptor.receive(pair.now, &call(stream, b""));
        while let Some(Event::Call(call)) = pair.acceptor.events.pop_front() {
            pair.acceptor.session.reply(call.id, vec![0; 1000].into());
        }
        pair.acceptor.write_once();
        stream += 2;
        assert!(stream < 10_000, "it was let go on");
    }
    assert_eq!(
        pair.acceptor.failed,
        Some(Misbehaviour::TooManyCalls(100).into())
    );
}

/// It is the other side that says how large its window is: small answers went out by that alone, whether or not any was read.
#[test]
fn a_caller_with_an_endless_window_that_reads_nothing_cannot_fill_our_memory() {
    let dialer = Limits {
        link_window: u64::MAX,
        ..Limits::default()
    };
    let acceptor = Limits {
        max_calls: 100,
        max_unsent: 4 << 20,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(dialer, acceptor.clone());
    let mut stream = 1;
    // Nothing is transmitted: the socket takes nothing.
    while pair.acceptor.failed.is_none() {
        pair.acceptor.receive(pair.now, &call(stream, b""));
        while let Some(Event::Call(call)) = pair.acceptor.events.pop_front() {
            pair.acceptor.session.reply(call.id, vec![0; 60_000].into());
        }
        let usage = pair.acceptor.session.usage();
        // And the last that was let through, and the refusals until it is known that it goes on.
        let most = acceptor.high_water as u64 + acceptor.max_unsent + (1 << 20);
        let held = usage.small_frames as u64 + usage.unsent;
        assert!(held < most, "{held} bytes of answers wait");
        stream += 2;
        assert!(stream < 10_000, "it was let go on");
    }
    assert_eq!(
        pair.acceptor.failed,
        Some(Misbehaviour::TooManyCalls(100).into())
    );
    let reached = std::iter::from_fn(|| pair.acceptor.session.limit_reached());
    assert_eq!(
        reached.collect::<Vec<_>>(),
        [Limit::MaxCalls, Limit::MaxUnsent]
    );
}

/// Those that waited behind what was to be written go out in order when it was.
#[test]
fn answers_that_wait_for_room_go_out_in_order() {
    let acceptor = Limits {
        high_water: 1_000,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(Limits::default(), acceptor);
    for token in 0..20 {
        pair.dialer.call(pair.now, "f", b"", token);
    }
    pair.flow();
    for token in 0..20_u32 {
        let call = pair.acceptor.expect_call();
        pair.acceptor
            .session
            .reply(call.id, vec![token as u8; 400].into());
    }
    pair.flow();
    for token in 0..20 {
        let expected = Outcome::Reply(vec![token as u8; 400].into());
        assert_eq!(pair.dialer.expect_end(token), expected);
    }
    assert_eq!(pair.acceptor.session.serving(), 0);
}

/// The process once ended where the system would not promise the memory: on a small machine a usual body is enough for that.
#[test]
fn a_body_that_claims_more_than_there_is_memory_is_taken_as_it_comes() {
    let acceptor = Limits {
        max_value: u64::MAX,
        max_arriving: u64::MAX,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(Limits::default(), acceptor);
    pair.acceptor.receive(pair.now, &large_call(1, 1 << 60));
    let part = pattern(64 * 1024);
    for _ in 0..40 {
        pair.acceptor.receive(pair.now, &frame(CHUNK, 0, 1, &part));
    }
    assert_eq!(pair.acceptor.failed, None);
    assert_eq!(pair.acceptor.session.usage().arriving, 1 << 60);
}

#[test]
fn who_is_turned_away_learns_why() {
    let mut pair = Pair::new(Limits::default(), Limits::default());
    pair.dialer.receive(pair.now, &turn_away("busy: \x1b[2J"));
    let reason = "busy: \x1b[2J".to_owned();
    let failed = pair.dialer.failed.expect("it cannot go on");
    assert_eq!(failed, ProtocolError::TurnedAway { reason });
    // It is from a stranger, and goes to a terminal.
    assert!(failed.to_string().contains("busy: \\u{1b}[2J"), "{failed}");
    // In HELLO's place alone.
    let mut pair = Pair::connected();
    pair.dialer
        .receive(pair.now, &frame(GOODBYE, 0, 0, b"later"));
    assert_eq!(pair.dialer.failed, None);
}

#[test]
fn a_caller_that_reads_nothing_has_no_credit_to_give_back() {
    let credit = frame(CREDIT, 0, 0, &116_u64.to_le_bytes());
    for is_read in [true, false] {
        let mut pair = Pair::connected();
        pair.acceptor.echoes = true;
        pair.acceptor.receive(pair.now, &call(1, &[0; 100]));
        if is_read {
            pair.acceptor.write_once();
        }
        // Were it taken, the answers to a window of small calls could be as large as they like.
        pair.acceptor.receive(pair.now, &credit);
        let refused = Some(Misbehaviour::CreditOverflow.into());
        let expected = if is_read { None } else { refused };
        assert_eq!(pair.acceptor.failed, expected);
    }
}

#[test]
fn pings_do_not_pile_up_answers() {
    let mut pair = Pair::connected();
    for number in 0..1000_u64 {
        pair.acceptor
            .receive(pair.now, &frame(PING, 0, 0, &number.to_le_bytes()));
    }
    let bytes = pair.acceptor.write_once();
    assert_eq!(bytes, frame(0x0E, 0, 0, &999_u64.to_le_bytes()));
}

#[test]
fn a_body_that_claims_too_much_is_refused_without_waiting_for_it() {
    let mut pair = Pair::connected();
    pair.acceptor.receive(pair.now, &large_call(1, u64::MAX));
    pair.acceptor
        .receive(pair.now, &frame(CHUNK, 0, 1, b"and so it begins"));
    let bytes = pair.acceptor.write_once();
    assert!(pair.acceptor.failed.is_none());

    // Seen by a caller that did make such a call.
    let mut pair = Pair::connected();
    pair.dialer.call(pair.now, "a.f", b"", 1);
    pair.dialer.receive(pair.now, &bytes);
    let Outcome::Error(error) = pair.dialer.expect_end(1) else {
        panic!("taken");
    };
    assert_eq!(error.code, ErrorCode::TooLarge);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut pair = Pair::new(Limits::default(), Limits::default());
        pair.acceptor.receive(pair.now, &bytes);
        let mut pair = Pair::connected();
        pair.acceptor.receive(pair.now, &bytes);
    }

    #[test]
    fn any_frames_are_survived(
        frames in proptest::collection::vec(
            (0..17_u8, any::<u8>(), 0..6_u64, proptest::collection::vec(0..4_u8, 0..20)), 0..30),
    ) {
        let mut pair = Pair::connected();
        pair.acceptor.echoes = true;
        pair.acceptor.call(pair.now, "a.f", b"", 1);
        pair.acceptor.call(pair.now, "a.f", &pattern(100_000), 2);
        for (kind, flags, stream, payload) in frames {
            // Few flags at a time, so that many frames get past the first look.
            let flags = flags & flags >> 4;
            pair.acceptor.receive(pair.now, &frame(kind, flags, stream, &payload));
            if pair.acceptor.session.wants_write() {
                pair.acceptor.write_once();
            }
        }
    }

    #[test]
    fn a_changed_byte_is_survived(place in 0..3000_usize, value: u8) {
        let mut pair = Pair::new(Limits::default(), Limits::default());
        let mut bytes = pair.dialer.write_once();
        let theirs = pair.acceptor.write_once();
        pair.dialer.receive(pair.now, &theirs);
        for token in 0..40 {
            pair.dialer.call(pair.now, "a.f", &pattern(token as usize), token);
        }
        pair.dialer.session.goodbye("done");
        bytes.extend(pair.dialer.write_once());
        let place = place % bytes.len();
        bytes[place] = value;
        pair.acceptor.echoes = true;
        pair.acceptor.receive(pair.now, &bytes);
    }
}
