//! Sides of different releases: what is common to both is spoken; where nothing is, both say which is to be updated.

use std::ops::RangeInclusive;

use net_proto::{
    ErrorCode, Event, Hello, Kind, Limits, Misbehaviour, Outcome, Outgoing, ProtocolError,
};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::pair::{CALL, ERROR, HELLO, Pair, frame, outgoing};

const WITH_TAG: u8 = 0x01;
const ITEM: u8 = 0x06;
const OPTIONAL: u8 = 0x80;

/// The version that each side comes to speak with the other, the dialer's first, or what it tells its user.
fn meet(dialer: RangeInclusive<u8>, acceptor: RangeInclusive<u8>) -> [Result<u8, String>; 2] {
    let mut pair = Pair::speaking([dialer, acceptor], Limits::default(), Limits::default());
    pair.flow();
    [pair.dialer, pair.acceptor].map(|mut end| match (end.failed, end.events.pop_front()) {
        (None, Some(Event::Connected { version, .. })) => Ok(version),
        (Some(error), None) => Err(error.to_string()),
        other => panic!("{other:?}"),
    })
}

#[test]
fn the_highest_version_common_to_both_is_spoken() {
    for (ours, theirs, version) in [
        (1..=1, 1..=1, 1),
        (1..=1, 1..=2, 1),
        (1..=1, 1..=255, 1),
        (1..=2, 1..=3, 2),
        (2..=3, 3..=9, 3),
        (2..=255, 1..=255, 255),
    ] {
        let (ours, theirs): (RangeInclusive<u8>, RangeInclusive<u8>) = (ours, theirs);
        assert_eq!(
            meet(ours.clone(), theirs.clone()),
            [Ok(version), Ok(version)]
        );
        assert_eq!(meet(theirs, ours), [Ok(version), Ok(version)]);
    }
}

#[test]
fn sides_without_a_common_version_both_say_which_is_to_be_updated() {
    for (old, new, at_old, at_new) in [
        (
            1..=1,
            2..=2,
            "this side speaks protocol version 1, the peer (app-net/0.2) 2: update app-net on this side",
            "this side speaks protocol version 2, the peer (app-net/0.1) 1: update app-net on the peer's side",
        ),
        (
            1..=2,
            3..=5,
            "this side speaks protocol version 1 to 2, the peer (app-net/0.5) 3 to 5: update app-net on this side",
            "this side speaks protocol version 3 to 5, the peer (app-net/0.2) 1 to 2: update app-net on the peer's side",
        ),
    ] {
        let (at_old, at_new) = (Err(at_old.to_owned()), Err(at_new.to_owned()));
        assert_eq!(
            meet(old.clone(), new.clone()),
            [at_old.clone(), at_new.clone()]
        );
        assert_eq!(meet(new, old), [at_new, at_old]);
    }
}

#[test]
fn a_side_that_has_failed_still_says_which_versions_it_speaks() {
    let mut pair = Pair::new(Limits::default(), Limits::default());
    pair.acceptor.receive(pair.now, b"\xABnet\r\n\x02\x03");
    assert!(pair.acceptor.failed.is_some());
    assert!(pair.acceptor.session.wants_write());
    let bytes = pair.acceptor.write_once();
    assert!(bytes.starts_with(b"\xABnet\r\n\x01\x01"));
}

#[test]
fn versions_that_cannot_be_are_no_reason_to_update_anything() {
    for (lowest, highest) in [(0, 0), (0, 1), (0, 255), (2, 1), (255, 254)] {
        let mut pair = Pair::new(Limits::default(), Limits::default());
        let preface = [b"\xABnet\r\n", &[lowest, highest][..]].concat();
        pair.dialer.receive(pair.now, &preface);
        let error = Misbehaviour::BadVersions { lowest, highest };
        assert_eq!(pair.dialer.failed, Some(error.into()));
    }
}

#[test]
fn the_software_of_an_incompatible_peer_is_named_where_it_is_known() {
    let incompatible = |after_preface: &[u8]| {
        let mut pair = Pair::new(Limits::default(), Limits::default());
        let bytes = [b"\xABnet\r\n\x02\x02", after_preface].concat();
        pair.dialer.receive(pair.now, &bytes);
        match pair.dialer.failed {
            Some(error @ ProtocolError::Incompatible { .. }) => error.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let named = "the peer (app-net/2.0\\u{1b}[7m) 2: update";
    let unnamed = "the peer 2: update";
    let mut entries = plain();
    entries.push((vec![6], text("app-net/2.0\u{1b}[7m")));
    let hello = frame(HELLO, 0, 0, &map(&entries));
    assert!(incompatible(&hello).contains(named));
    assert!(incompatible(&[&hello[..], b"more"].concat()).contains(named));
    // Not come yet, or only a part of it; no HELLO; none that can be read.
    let wrong_kind = frame(CALL, 0, 0, &map(&entries));
    let no_map = frame(HELLO, 0, 0, b"\x00");
    let bad_header = [0xFF; 64];
    for rest in [&b""[..], &hello[..30], &wrong_kind, &no_map, &bad_header] {
        assert!(incompatible(rest).contains(unnamed), "{rest:?}");
    }
}

/// A key and its value, as CBOR.
type Entry = (Vec<u8>, Vec<u8>);

fn text(text: &str) -> Vec<u8> {
    assert!(text.len() < 24);
    [&[0x60 + text.len() as u8], text.as_bytes()].concat()
}

/// What a HELLO needs and nothing else.
fn plain() -> Vec<Entry> {
    let window = vec![0x1A, 0, 0x10, 0, 0];
    vec![
        (vec![0], [&[0x50], &[7; 16][..]].concat()),
        (vec![7], vec![0x10]),
        (vec![8], window.clone()),
        (vec![9], window.clone()),
        (vec![10], window),
    ]
}

fn map(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = vec![0xB8, entries.len() as u8];
    for (key, value) in entries {
        bytes.extend([&key[..], &value[..]].concat());
    }
    bytes
}

/// What a side of today makes of this HELLO.
fn hello(entries: &[Entry]) -> Result<Hello, ProtocolError> {
    let mut pair = Pair::new(Limits::default(), Limits::default());
    let hello = frame(HELLO, 0, 0, &map(entries));
    let bytes = [b"\xABnet\r\n\x01\x01", &hello[..]].concat();
    pair.dialer.receive(pair.now, &bytes);
    match (pair.dialer.failed, pair.dialer.events.pop_front()) {
        (Some(error), _) => Err(error),
        (None, Some(Event::Connected { hello, .. })) => Ok(*hello),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_hello_does_not_say_has_its_default_and_what_it_must_say_is_asked_for() {
    let said = hello(&plain()).unwrap();
    assert_eq!(
        (said.group.as_deref(), said.name.as_str(), said.hub),
        (None, "", false)
    );
    assert!(said.addresses.is_empty() && said.features.is_empty() && said.software.is_empty());
    for missing in 0..plain().len() {
        let mut entries = plain();
        entries.remove(missing);
        let (kind, field) = (Kind::Hello, "map");
        let error = Misbehaviour::BadField { kind, field };
        assert_eq!(hello(&entries), Err(error.into()));
    }
}

#[test]
fn a_hello_that_says_more_than_it_may_is_refused() {
    let window = [0x1A, 0, 0x10, 0, 0];
    for (key, value) in [
        (4, [&[0x79, 1, 1], &[b'n'; 257][..]].concat()),
        (5, [&[0x98, 33], &[0x60; 33][..]].concat()),
        (5, vec![0x9F, 0xFF]),
        (4, vec![0x7F, 0xFF]),
        (8, vec![0x19, 0xFF, 0xFF]),
        (7, vec![0x20]),
        // One item more than the map has.
        (4, [&[0x60], &window[..]].concat()),
    ] {
        let mut entries = plain();
        entries.push((vec![key], value));
        assert!(hello(&entries).is_err(), "{entries:?}");
    }
}

#[test]
fn of_a_key_that_comes_twice_the_later_counts() {
    let mut entries = plain();
    entries.push((vec![4], text("first")));
    entries.push((vec![11], [&[0x81], &text("first")[..]].concat()));
    entries.push((vec![4], text("second")));
    entries.push((vec![11], [&[0x81], &text("second")[..]].concat()));
    let said = hello(&entries).unwrap();
    assert_eq!(
        (said.name.as_str(), said.features),
        ("second", vec!["second".to_owned()])
    );

    let names = |name| [&[0x81], &text(name)[..]].concat();
    let body = map(&[(vec![4], names("first")), (vec![4], names("second"))]);
    let Outcome::Error(error) = answered(&frame(ERROR, 0, 1, &body)) else {
        panic!("no error");
    };
    assert_eq!(error.names, ["second"]);
}

#[test]
fn a_peer_may_serve_more_calls_at_once_than_can_be_counted_here() {
    let mut entries = plain();
    entries.push((vec![7], [&[0x1B], &[0xFF; 8][..]].concat()));
    assert_eq!(hello(&entries).unwrap().max_calls, u32::MAX);
}

/// Any CBOR item, of known length and of unknown.
fn item() -> impl Strategy<Value = Vec<u8>> {
    let strings = |major: u8| {
        let pieces = proptest::collection::vec(proptest::collection::vec(b'a'..=b'z', 0..20), 0..4);
        (any::<bool>(), pieces).prop_map(move |(known, pieces)| {
            let whole = |text: &[u8]| [&[major + text.len() as u8], text].concat();
            match known {
                true => whole(&pieces.concat()[..pieces.concat().len().min(23)]),
                false => {
                    let pieces: Vec<u8> = pieces.iter().flat_map(|piece| whole(piece)).collect();
                    [&[major + 0x1F], &pieces[..], &[0xFF]].concat()
                }
            }
        })
    };
    let leaf = prop_oneof![
        (0..2_u8, any::<u64>()).prop_map(|(major, number)| {
            [&[(major << 5) + 0x1B][..], &number.to_be_bytes()].concat()
        }),
        (0..2_u8, 0..24_u8).prop_map(|(major, number)| vec![(major << 5) + number]),
        strings(0x40),
        strings(0x60),
        // False, true, null, undefined; a simple value of the future; floats of 16, 32 and 64 bits.
        (0xF4..0xF8_u8).prop_map(|simple| vec![simple]),
        (32..=255_u8).prop_map(|simple| vec![0xF8, simple]),
        any::<u16>().prop_map(|bits| [&[0xF9][..], &bits.to_be_bytes()].concat()),
        any::<u32>().prop_map(|bits| [&[0xFA][..], &bits.to_be_bytes()].concat()),
        any::<u64>().prop_map(|bits| [&[0xFB][..], &bits.to_be_bytes()].concat()),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        let items = proptest::collection::vec(inner.clone(), 0..6);
        let nested =
            (any::<bool>(), any::<bool>(), items).prop_map(|(is_map, known, mut items)| {
                let (major, width) = if is_map { (0xA0, 2) } else { (0x80, 1) };
                items.truncate(items.len() / width * width);
                let length = (items.len() / width) as u8;
                match known {
                    true => [&[major + length], &items.concat()[..]].concat(),
                    false => [&[major + 0x1F], &items.concat()[..], &[0xFF]].concat(),
                }
            });
        let tagged = (any::<u32>(), inner)
            .prop_map(|(tag, item)| [&[0xDA], &tag.to_be_bytes()[..], &item].concat());
        prop_oneof![4 => nested, 1 => tagged]
    })
}

/// A key that no version has now.
fn unknown_key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (12..24_u8).prop_map(|key| vec![key]),
        (24..=255_u8).prop_map(|key| vec![0x18, key]),
        (256..=u64::MAX).prop_map(|key| [&[0x1B][..], &key.to_be_bytes()].concat()),
        (0x20..0x38_u8).prop_map(|key| vec![key]),
        any::<u64>().prop_map(|key| [&[0x3B][..], &key.to_be_bytes()].concat()),
    ]
}

proptest! {
    #[test]
    fn a_hello_may_have_its_keys_in_any_order_and_anything_under_others(
        more in proptest::collection::vec((unknown_key(), item(), any::<Index>()), 0..8),
        swaps in proptest::collection::vec((0..5_usize, 0..5_usize), 0..5),
    ) {
        let mut entries = plain();
        for (a, b) in swaps {
            entries.swap(a, b);
        }
        for (key, value, place) in more {
            entries.insert(place.index(entries.len() + 1), (key, value));
        }
        prop_assert_eq!(hello(&entries), hello(&plain()));
    }

    #[test]
    fn an_error_may_have_anything_under_keys_that_are_not_known(
        more in proptest::collection::vec((unknown_key(), item(), any::<Index>()), 0..8),
    ) {
        let mut entries = vec![(vec![0], vec![1]), (vec![2], text("because"))];
        for (key, value, place) in more {
            entries.insert(place.index(entries.len() + 1), (key, value));
        }
        let Outcome::Error(error) = answered(&frame(ERROR, 0, 1, &map(&entries))) else {
            panic!("no error");
        };
        prop_assert_eq!((error.code, error.message.as_str()), (ErrorCode::Remote, "because"));
    }
}

#[test]
fn a_hello_nested_to_its_last_byte_is_passed_over() {
    for opener in [0x81, 0xA1, 0xC1, 0x9F, 0xBF] {
        let mut entries = plain();
        entries.push((vec![0x18, 99], vec![opener; 30_000]));
        assert!(hello(&entries).is_err(), "it is cut off");
    }
    let mut entries = plain();
    let deep = [vec![0x81; 30_000], vec![0]].concat();
    entries.push((vec![0x18, 99], deep));
    assert!(hello(&entries).is_ok());
}

/// How the dialer's first call ends by this frame.
fn answered(bytes: &[u8]) -> Outcome {
    let mut pair = Pair::connected();
    pair.dialer.call(pair.now, "a.f", b"", 1);
    pair.dialer.receive(pair.now, bytes);
    assert_eq!(pair.dialer.failed, None);
    pair.dialer.expect_end(1)
}

#[test]
fn a_code_of_a_later_version_is_an_error_as_any_and_the_link_goes_on() {
    for (written, number) in [
        (vec![0x00], 0),
        (vec![0x0A], 10),
        (vec![0x18, 0xC8], 200),
        (vec![0x18, 0xFF], 255),
    ] {
        let mut pair = Pair::connected();
        pair.acceptor.echoes = true;
        pair.dialer.call(pair.now, "a.f", b"", 1);
        let entries = [(vec![0], written), (vec![2], text("quota"))];
        pair.dialer
            .receive(pair.now, &frame(ERROR, 0, 1, &map(&entries)));
        let Outcome::Error(error) = pair.dialer.expect_end(1) else {
            panic!("no error");
        };
        assert_eq!(error.code, ErrorCode::Unknown(number));
        assert_eq!(
            (error.code.number(), error.message.as_str()),
            (number, "quota")
        );
        pair.dialer.call(pair.now, "a.f", b"again", 2);
        pair.flow();
        assert_eq!(
            pair.dialer.expect_end(2),
            Outcome::Reply(b"again"[..].into())
        );
    }
    // An error that says nothing is one all the same.
    let Outcome::Error(error) = answered(&frame(ERROR, 0, 1, b"\xA0")) else {
        panic!("no error");
    };
    assert_eq!(error.code, ErrorCode::Unknown(0));
}

#[test]
fn frames_that_may_be_skipped_are_free_and_a_sign_of_life() {
    let mut pair = Pair::connected();
    let before = pair.acceptor.session.usage();
    let payload = vec![7; 60_000];
    for kind in OPTIONAL..=0xFF {
        // More of them than the link window.
        for stream in [0, 1, 2, u64::MAX] {
            let bytes = frame(kind, 0xFF, stream, &payload);
            pair.acceptor.receive(pair.now, &bytes);
        }
    }
    assert_eq!(
        (&pair.acceptor.failed, pair.acceptor.events.len()),
        (&None, 0)
    );
    assert_eq!(pair.acceptor.session.usage(), before);
    assert!(!pair.acceptor.session.wants_write());

    // Between frames that mean something.
    let skipped = frame(OPTIONAL, 0, 3, b"?");
    let call = frame(CALL, WITH_TAG, 1, b"\0\0\0\0\x01\0fbody");
    pair.acceptor
        .receive(pair.now, &[&skipped[..], &call, &skipped].concat());
    assert_eq!(pair.acceptor.expect_call().body, &b"body"[..]);

    let silence = Limits::default().silence;
    for _ in 0..10 {
        pair.now += silence / 4;
        pair.acceptor.receive(pair.now, &skipped);
        pair.acceptor.session.handle_timeout(pair.now).unwrap();
    }
}

#[test]
fn a_frame_that_may_be_skipped_keeps_to_the_form_of_all() {
    let judge = |bytes: &[u8]| {
        let mut pair = Pair::connected();
        pair.acceptor.receive(pair.now, bytes);
        pair.acceptor.failed
    };
    let mut bytes = frame(OPTIONAL, 0, 0, b"");
    bytes[6] = 1;
    assert_eq!(judge(&bytes), Some(Misbehaviour::ReservedBytes.into()));
    let (length, limit) = (74_817, 74_816);
    assert_eq!(
        judge(&frame(OPTIONAL, 0, 0, &vec![0; length])[..16]),
        Some(Misbehaviour::FrameTooLong { length, limit }.into())
    );
}

#[test]
fn what_was_not_agreed_on_is_refused_by_name_though_a_newer_peer_offers_it() {
    let judge = |bytes: &[u8]| {
        let mut pair = Pair::new(Limits::default(), Limits::default());
        let mut entries = plain();
        let features = [&[0x82], &text("streams")[..], &text("telepathy")].concat();
        entries.push((vec![11], features));
        let hello = frame(HELLO, 0, 0, &map(&entries));
        let hello = [b"\xABnet\r\n\x01\x02", &hello[..]].concat();
        pair.acceptor.receive(pair.now, &hello);
        let Some(Event::Connected { hello, version: 1 }) = pair.acceptor.events.pop_front() else {
            panic!("not connected");
        };
        assert_eq!(hello.features, ["streams", "telepathy"]);
        pair.acceptor.receive(pair.now, bytes);
        pair.acceptor.failed.expect("it was taken").to_string()
    };
    assert_eq!(
        judge(&frame(ITEM, 0, 1, b"")),
        "the peer broke the protocol: it sent ITEM, which was not agreed on"
    );
    assert_eq!(
        judge(&frame(CALL, 0x10, 1, b"")),
        "the peer broke the protocol: it sent CALL with the unknown flags 0x10"
    );
    assert_eq!(
        judge(&frame(0x11, 0, 1, b"")),
        "the peer broke the protocol: it sent a frame of the unknown kind 0x11"
    );
}

#[test]
fn metadata_of_any_kind_is_handed_on_as_it_is() {
    let metadata: Vec<u8> = (0..8192_u32).map(|n| n as u8).collect();
    let mut pair = Pair::connected();
    let call = Outgoing {
        metadata: &metadata,
        ..outgoing("a.f", b"")
    };
    pair.dialer.session.call(pair.now, call, 1).unwrap();
    pair.flow();
    assert_eq!(pair.acceptor.expect_call().metadata, metadata);
}
