//! Who is in the group, as a session carries it: when it may be sent, and what is taken for it.

use std::time::Instant;

use net_proto::limits::MAX_MEMBERS;
use net_proto::members::{Action, Members, Message};
use net_proto::{Event, Hello, InstanceId, Kind, Limits, Misbehaviour, ProtocolError, WhyRefused};

use crate::pair::{Pair, frame};

const MEMBERS: u8 = 0x10;

/// What one that has just met another says.
fn message() -> Message {
    let hello = |id| Hello {
        features: vec!["members".into()],
        ..Hello::new(InstanceId([id; 16]))
    };
    let now = Instant::now();
    let mut members = Members::new(&hello(1), 1, now);
    members.linked((), &hello(2), now);
    match members.poll() {
        Some(Action::Send { message, .. }) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_said_of_members_comes_as_it_was_said() {
    let mut pair = Pair::connected();
    let said = message();
    assert_eq!(pair.dialer.session.members(&said), Ok(()));
    pair.flow();
    let heard = pair.acceptor.events.pop_front();
    assert!(matches!(heard, Some(Event::Members(heard)) if heard == said));
}

#[test]
fn it_waits_for_room_as_all_that_is_charged_does() {
    let limits = Limits {
        high_water: 1,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(limits, Limits::default());
    assert_eq!(pair.dialer.session.members(&message()), Ok(()));
    let refused = pair.dialer.session.members(&message());
    assert_eq!(refused, Err(WhyRefused::Blocked));
    pair.flow();
    assert!(matches!(pair.dialer.events.pop_front(), Some(Event::Room)));
    assert_eq!(pair.dialer.session.members(&message()), Ok(()));
}

#[test]
fn it_leaves_a_quarter_of_the_credit_to_calls() {
    let small = Limits {
        link_window: 0,
        ..Limits::default()
    };
    let mut pair = Pair::connected_with(Limits::default(), small);
    let (said, window) = (message(), 512 * 1024);
    let mut sent = 0;
    while pair.dialer.session.members(&said) == Ok(()) {
        sent += 16 + said.length() as u64;
    }
    assert!(
        sent <= window / 4 * 3 && sent + 1000 > window / 4 * 3,
        "{sent}"
    );
    pair.dialer.call(pair.now, "a.f", b"", 1);
    // No room is told of before there is some beside what calls have.
    pair.dialer.write_once();
    pair.dialer.poll();
    assert!(pair.dialer.events.is_empty());
}

#[test]
fn it_is_said_to_those_alone_that_know_of_it_and_are_there() {
    let mut pair = Pair::new(Limits::default(), Limits::default());
    assert_eq!(
        pair.dialer.session.members(&message()),
        Err(WhyRefused::NotConnected)
    );
    pair.connect_to_older();
    assert_eq!(
        pair.dialer.session.members(&message()),
        Err(WhyRefused::NotSupported)
    );
    pair.dialer
        .receive(pair.now, &frame(MEMBERS, 0, 0, b"\xA0"));
    let wrong = Misbehaviour::NotAgreed(Kind::Members);
    assert_eq!(pair.dialer.failed, Some(wrong.into()));

    let mut pair = Pair::connected();
    pair.dialer.session.goodbye("bye");
    assert_eq!(
        pair.dialer.session.members(&message()),
        Err(WhyRefused::Draining)
    );
}

#[test]
fn what_is_not_as_it_has_to_be_is_refused() {
    let id = [7; 16];
    let record = |rest: &[u8]| [b"\xA1\x00\x81", rest].concat();
    let told = |rest: &[u8]| record(&[b"\x84\x50", &id[..], rest].concat());
    let long = vec![0; MAX_MEMBERS + 1];
    let kind = Kind::Members;
    for (what, payload, field) in [
        ("no map", b"\x80".to_vec(), "map"),
        ("a map without length", b"\xBF\xFF".to_vec(), "map"),
        ("more than a map", b"\xA0\x00".to_vec(), "length"),
        ("too much", long, "map"),
        (
            "a list of unknown length",
            b"\xA1\x00\x9F\xFF".to_vec(),
            "map",
        ),
        (
            "a long list that is not there",
            b"\xA1\x00\x9B\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF".to_vec(),
            "map",
        ),
        ("a short telling", record(b"\x83\x40\x01\x00"), "map"),
        ("a short id", record(b"\x84\x41\x07\x01\x00\x01"), "map"),
        ("an unknown status", told(b"\x01\x03\x01"), "map"),
        (
            "what holds from a later incarnation",
            told(b"\x01\x00\x02"),
            "map",
        ),
        (
            "an incarnation too great",
            told(b"\x1B\x40\0\0\0\0\0\0\0\x00\x01"),
            "map",
        ),
        (
            "a digest of three parts",
            [b"\xA1\x01\x58\x18", &[0; 24][..]].concat(),
            "map",
        ),
        (
            "a digest cut short",
            [b"\xA1\x01\x47", &[0; 7][..]].concat(),
            "map",
        ),
        ("no parts", b"\xA1\x02\x82\x00\x40".to_vec(), "map"),
        (
            "a part beyond the last",
            b"\xA1\x02\x82\x02\x41\x02".to_vec(),
            "map",
        ),
        (
            "parts without a number",
            b"\xA1\x02\x81\x02".to_vec(),
            "map",
        ),
        ("half an id", b"\xA1\x03\x41\x00".to_vec(), "map"),
        (
            "what a member says, in no map",
            record(&[b"\x85\x50", &id[..], b"\x01\x00\x01\x41\x80"].concat()),
            "map",
        ),
    ] {
        let mut pair = Pair::connected();
        pair.dialer
            .receive(pair.now, &frame(MEMBERS, 0, 0, &payload));
        let expected = ProtocolError::from(Misbehaviour::BadField { kind, field });
        assert_eq!(pair.dialer.failed, Some(expected), "{what}");
    }
    let mut pair = Pair::connected();
    pair.dialer
        .receive(pair.now, &frame(MEMBERS, 0, 1, b"\xA0"));
    let wrong = Misbehaviour::WrongStream { kind, stream: 1 };
    assert_eq!(pair.dialer.failed, Some(wrong.into()));
}

#[test]
fn what_a_later_release_adds_is_passed_over() {
    let mut pair = Pair::connected();
    let telling = [b"\x86\x50", &[7; 16][..], b"\x01\x00\x01\x41\xA0\xF6"].concat();
    let payload = [b"\xA3\x20\x00\x18\x63\x81\x01\x00\x81", &telling[..]].concat();
    pair.dialer
        .receive(pair.now, &frame(MEMBERS, 0, 0, &payload));
    let heard = pair.dialer.events.pop_front();
    assert!(matches!(heard, Some(Event::Members(heard)) if heard.length() == 25 + 1));
}
