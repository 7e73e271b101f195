//! Each frame: the example of PROTOCOL.md, a round trip, and no panic whatever comes.

use std::collections::BTreeSet;
use std::fmt::Write;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::answer::ErrorCode;
use crate::hello::preface;
use crate::id::InstanceId;
use crate::interest::Policy;
use crate::limits::{
    MAX_ABOUT, MAX_EVENT, MAX_NUMBER, MIN_LINK_WINDOW, MIN_STREAM_WINDOW, VERSIONS,
};
use crate::members::About;
use crate::members::about::Said;
use crate::members::message::Parts;
use crate::members::record::{Status, Telling, Version};

const PROTOCOL: &str = include_str!("../../../PROTOCOL.md");

/// The frame of each example, its name, and its stream.
fn examples() -> Vec<(&'static str, u64, Frame)> {
    let hello = Hello {
        group: Some("lab".into()),
        hub: true,
        name: "ada@rig:4711".into(),
        addresses: vec!["192.0.2.7:3010".into()],
        software: "app-net 0.1.0".into(),
        ..Hello::new(InstanceId(
            *b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xAA\xBB\xCC\xDD\xEE\xFF",
        ))
    };
    let error = ErrorBody {
        kind: "ValueError".into(),
        traceback: "  File \"app.py\", line 3\n".into(),
        ..ErrorBody::new(ErrorCode::Remote, "no such colour")
    };
    // The arguments 5 and 10: an array of two.
    let arguments = || Body::Whole(Bytes::from_static(b"\x82\x05\x0A"));
    let first = CallHead {
        tag_number: 1,
        tag: Some("app.multiply".into()),
        time_left: NonZeroU32::new(1500),
        metadata: Bytes::from_static(b"traceparent: 00-0af7-b7ad-01"),
    };
    let later = CallHead {
        tag: None,
        time_left: None,
        metadata: Bytes::new(),
        ..first.clone()
    };
    let chunk = Frame::Chunk {
        bytes: Bytes::from_static(b"the end of it"),
        last: true,
    };
    let interest = Interest {
        event: "alarm".into(),
        number: 3,
        keep: 1024,
        policy: Policy::DropOldest,
        window: 256 * 1024,
        after: 6,
        turn: 8,
    };
    let event = |body| Frame::Event {
        number: 7,
        metadata: Bytes::new(),
        body,
    };
    vec![
        ("hello", 0, Frame::Hello(Box::new(hello))),
        ("call-full", 1, Frame::Call(first, arguments())),
        ("call", 3, Frame::Call(later.clone(), arguments())),
        ("call-more", 5, Frame::Call(later, Body::More(1 << 20))),
        (
            "reply",
            1,
            Frame::Reply(Body::Whole(Bytes::from_static(b"\x18\x32"))),
        ),
        ("reply-more", 5, Frame::Reply(Body::More(1 << 20))),
        ("flag", 3, Frame::Flag("NULL".into())),
        ("error", 3, Frame::Error(Box::new(error))),
        ("cancel", 1, Frame::Cancel),
        ("interest", 9, Frame::Interest(interest)),
        (
            "event",
            9,
            event(Body::Whole(Bytes::from_static(b"\x81\x18\x2A"))),
        ),
        ("event-more", 9, event(Body::More(1 << 20))),
        ("end", 9, Frame::End),
        ("chunk", 5, chunk),
        ("credit", 0, Frame::Credit(4 * 1024 * 1024)),
        ("ping", 0, Frame::Ping(1)),
        ("pong", 0, Frame::Pong(1)),
        ("goodbye", 0, Frame::Goodbye("shutting down".into())),
        ("members", 0, Frame::Members(members())),
        ("members-compare", 0, Frame::Members(comparison())),
    ]
}

/// News of one who has come and of one who has failed.
fn members() -> Message {
    let about = About {
        name: "ada@rig:4711".into(),
        addresses: vec!["192.0.2.7:3010".into()],
        software: "app-net 0.1.0".into(),
        hub: true,
    };
    let telling = |id, version, since, body| Telling {
        id: InstanceId([id; 16]),
        version,
        since,
        body,
    };
    let (here, failed) = (
        Version::new(3, Status::Here),
        Version::new(1, Status::Failed),
    );
    Message {
        tellings: vec![
            telling(0x11, here, 2, Some(Said::write(&about, 2))),
            telling(0x22, failed, 1, None),
        ],
        needed: Some(true),
        ..Message::default()
    }
}

/// All that is known in one part of two, the hashes of both, and whose record is asked for.
fn comparison() -> Message {
    Message {
        tellings: vec![Telling {
            body: None,
            ..members().tellings[0].clone()
        }],
        digest: Some(vec![0x0123_4567_89AB_CDEF, 0]),
        whole: Some(Parts {
            of: 2,
            which: vec![0],
        }),
        wanted: vec![InstanceId([0x33; 16])],
        needed: None,
    }
}

/// The examples of frames that have a place on the wire but no meaning here yet.
fn later_examples() -> Vec<(&'static str, Vec<u8>)> {
    let frame = |kind, stream, payload: &[u8]| {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, kind, 0, stream, payload);
        bytes
    };
    vec![("item", frame(Kind::Item, 7, b"\x01"))]
}

impl Frame {
    fn write(&self, stream: u64, out: &mut Vec<u8>) {
        match self {
            Self::Hello(hello) => {
                let mut map = Vec::new();
                hello.encode(&mut map);
                write_frame(out, Kind::Hello, 0, stream, &map);
            }
            Self::Call(head, body) => {
                let head = CallHead {
                    tag_number: head.tag_number,
                    tag: head.tag.as_deref(),
                    time_left: head.time_left,
                    metadata: &head.metadata[..],
                };
                let body = match body {
                    Body::Whole(bytes) => Body::Whole(&bytes[..]),
                    Body::More(total) => Body::More(*total),
                };
                write_call(out, stream, &head, &body);
                assert_eq!(out.len(), call_length(&head, &body));
            }
            Self::Reply(Body::Whole(bytes)) => write_frame(out, Kind::Reply, 0, stream, bytes),
            Self::Reply(Body::More(total)) => {
                write_frame(out, Kind::Reply, MORE, stream, &total.to_le_bytes());
            }
            Self::Flag(name) => write_frame(out, Kind::Flag, 0, stream, name.as_bytes()),
            Self::Error(error) => {
                let mut map = Vec::new();
                error.encode(&mut map);
                write_frame(out, Kind::Error, 0, stream, &map);
            }
            Self::Interest(interest) => {
                let mut map = Vec::new();
                interest.encode(&mut map);
                write_frame(out, Kind::Interest, 0, stream, &map);
            }
            Self::Event {
                number,
                metadata,
                body,
            } => {
                let body = match body {
                    Body::Whole(bytes) => Body::Whole(&bytes[..]),
                    Body::More(total) => Body::More(*total),
                };
                write_event(out, stream, *number, metadata, &body);
                assert_eq!(out.len(), HEADER + event_length(metadata, &body));
            }
            Self::End => write_frame(out, Kind::End, 0, stream, &[]),
            Self::Cancel => write_frame(out, Kind::Cancel, 0, stream, &[]),
            Self::Credit(amount) => write_number(out, Kind::Credit, stream, *amount),
            Self::Chunk { bytes, last } => {
                let flags = if *last { LAST } else { 0 };
                write_frame(out, Kind::Chunk, flags, stream, bytes);
            }
            Self::Ping(number) => write_number(out, Kind::Ping, stream, *number),
            Self::Pong(number) => write_number(out, Kind::Pong, stream, *number),
            Self::Goodbye(reason) => write_frame(out, Kind::Goodbye, 0, stream, reason.as_bytes()),
            Self::Members(message) => {
                let mut map = Vec::new();
                message.encode(&mut map);
                assert_eq!(map.len(), message.length());
                write_frame(out, Kind::Members, 0, stream, &map);
            }
        }
    }
}

/// Reads a frame, its header included, as a session does.
fn read(bytes: &[u8]) -> Result<Option<(u64, Frame)>, Misbehaviour> {
    let header = Header::read(bytes.first_chunk().expect("a header"))?;
    let Some(kind) = header.known_kind()? else {
        return Ok(None);
    };
    let payload = Bytes::copy_from_slice(&bytes[HEADER..]);
    assert_eq!(payload.len(), header.length);
    Ok(Some((header.stream, Frame::read(kind, &header, payload)?)))
}

/// Bytes as PROTOCOL.md prints them: sixteen a line.
fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(16) {
        let digits: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "{}", digits.join(" ")).unwrap();
    }
    text
}

/// The example of that name in PROTOCOL.md.
fn documented(name: &str) -> &'static str {
    let start = format!("```hex {name}\n");
    let (_, rest) = PROTOCOL
        .split_once(&start)
        .unwrap_or_else(|| panic!("no example {name}"));
    rest.split_once("```").expect("an example ends").0
}

#[test]
fn every_frame_is_as_protocol_md_shows_it() {
    let mut written: Vec<(&str, Vec<u8>)> = later_examples();
    written.push(("preface", preface(&VERSIONS).to_vec()));
    for (name, stream, frame) in examples() {
        let mut bytes = Vec::new();
        frame.write(stream, &mut bytes);
        assert_eq!(read(&bytes), Ok(Some((stream, frame))), "{name}");
        written.push((name, bytes));
    }
    for (name, bytes) in &written {
        assert_eq!(
            documented(name),
            dump(bytes),
            "example {name} should be:\n{}",
            dump(bytes)
        );
    }
    let shown: BTreeSet<&str> = PROTOCOL
        .lines()
        .filter_map(|line| line.strip_prefix("```hex "))
        .collect();
    assert_eq!(shown, written.iter().map(|(name, _)| *name).collect());
}

#[test]
fn protocol_md_states_the_limits_as_they_are() {
    let thousands = |number: u64| match (number / 1000, number % 1000) {
        (0, rest) => rest.to_string(),
        (more, rest) => format!("{more},{rest:03}"),
    };
    for stated in [
        format!(
            "payload in bytes, at most {}",
            thousands(MAX_PAYLOAD as u64)
        ),
        format!("link window, at least {}", thousands(MIN_LINK_WINDOW)),
        format!("stream window, at least {}", thousands(MIN_STREAM_WINDOW)),
        format!("length of the tag, at most {}", thousands(MAX_TAG as u64)),
        format!(
            "length of the metadata, 1 to {}",
            thousands(MAX_METADATA as u64)
        ),
        format!("the body, at most {} bytes", thousands(MAX_BODY as u64)),
        format!(
            "name, a text of at most {} bytes",
            thousands(MAX_FLAG as u64)
        ),
        format!(
            "name, a text of at most {} bytes; refused",
            thousands(MAX_EVENT as u64)
        ),
        format!(
            "reason, a text of at most {} bytes",
            thousands(MAX_REASON as u64)
        ),
        format!("at most {} KiB, is a CBOR map", MAX_HELLO / 1024),
        format!("payload, at most {} KiB", MAX_MEMBERS / 1024),
        format!("is of at most {} KiB", MAX_ABOUT / 1024),
    ] {
        assert!(PROTOCOL.contains(&stated), "{stated}");
    }
}

#[test]
fn frames_without_a_meaning_yet_are_refused_by_name() {
    for (name, bytes) in later_examples() {
        let Err(Misbehaviour::NotAgreed(kind)) = read(&bytes) else {
            panic!("{name} was taken");
        };
        assert_eq!(kind.to_string().to_lowercase(), name);
    }
}

#[test]
fn kinds_have_the_numbers_of_their_place() {
    for (index, kind) in Kind::ALL.into_iter().enumerate() {
        assert_eq!(kind as usize, index + 1);
        assert_eq!(Kind::from_number(kind as u8), Some(kind));
    }
    assert_eq!(Kind::from_number(0), None);
    for kind in Kind::ALL {
        let row = format!("| `{:02X}` | {kind} |", kind as u8);
        assert!(PROTOCOL.contains(&row), "{row}");
    }
}

#[test]
fn unknown_keys_of_a_hello_are_ignored() {
    let hello = Hello::new(InstanceId([1; 16]));
    let mut map = Vec::new();
    hello.encode(&mut map);
    assert_eq!(map[0], 0xAB, "a map of 11");
    map[0] = 0xAD;
    map.extend(b"\x18\x63\xA1\x01\x82\x02\x03\x19\x01\x00\x63new");
    assert_eq!(Hello::decode(&map), Ok(hello));
}

#[test]
fn what_a_session_knows_is_named_however_many_features_a_program_names() {
    let hello = Hello {
        features: (0..100).map(|n| n.to_string()).collect(),
        ..Hello::new(InstanceId([1; 16]))
    };
    let mut map = Vec::new();
    hello.of_session(&crate::Limits::default()).encode(&mut map);
    assert!(Hello::decode(&map).unwrap().has("events"));
}

#[test]
fn a_hello_that_says_too_much_is_cut() {
    let hello = Hello {
        group: Some("é".repeat(1000)),
        addresses: vec!["a".repeat(1000); 1000],
        features: vec!["f".repeat(1000); 1000],
        name: "n".repeat(1000),
        software: "s".repeat(1000),
        ..Hello::new(InstanceId([1; 16]))
    };
    let mut map = Vec::new();
    hello.encode(&mut map);
    assert!(map.len() <= MAX_HELLO);
    let seen = Hello::decode(&map).unwrap();
    assert_eq!((seen.group.unwrap().len(), seen.addresses.len()), (256, 32));
}

#[test]
fn windows_too_small_to_work_are_refused() {
    for (link_window, stream_window) in [
        (MIN_LINK_WINDOW - 1, MIN_STREAM_WINDOW),
        (MIN_LINK_WINDOW, MIN_STREAM_WINDOW - 1),
    ] {
        let hello = Hello {
            link_window,
            stream_window,
            ..Hello::new(InstanceId([1; 16]))
        };
        let mut map = Vec::new();
        hello.encode(&mut map);
        assert!(Hello::decode(&map).is_err());
    }
}

fn text(limit: usize) -> impl Strategy<Value = String> {
    proptest::string::string_regex(&format!("[a-zé\u{1F980}]{{0,{}}}", limit / 4)).unwrap()
}

fn bytes(limit: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..limit).prop_map(Bytes::from)
}

fn body() -> impl Strategy<Value = Body<Bytes>> {
    prop_oneof![
        bytes(300).prop_map(Body::Whole),
        (1..u64::MAX).prop_map(Body::More)
    ]
}

prop_compose! {
    fn hello()(
        id: [u8; 16],
        group in option::of(text(256)),
        hub: bool,
        transient: bool,
        name in text(256),
        addresses in vec(text(256), 0..5),
        software in text(256),
        max_calls: u32,
        link_window in MIN_LINK_WINDOW..,
        stream_window in MIN_STREAM_WINDOW..,
        max_value: u64,
        features in vec(text(256), 0..5),
    ) -> Hello {
        Hello {
            id: InstanceId(id), group, hub, transient, name, addresses, software, max_calls,
            link_window, stream_window, max_value, features,
        }
    }
}

prop_compose! {
    fn error()(
        code: u8,
        kind in text(256),
        message in text(1000),
        traceback in text(1000),
        names in vec(text(256), 0..5),
    ) -> ErrorBody {
        let code = ErrorCode::from_number(code);
        ErrorBody { code, kind, message, traceback, names }
    }
}

prop_compose! {
    fn head()(
        tag_number: u32,
        tag in option::of(text(MAX_TAG)),
        time_left: u32,
        metadata in bytes(200),
    ) -> CallHead<Arc<str>, Bytes> {
        let (tag, time_left) = (tag.map(Arc::from), NonZeroU32::new(time_left));
        CallHead { tag_number, tag, time_left, metadata }
    }
}

#[test]
fn an_interest_leaves_numbers_for_what_follows() {
    let mut map = Vec::new();
    let mut interest = Interest {
        event: "e".into(),
        number: 1,
        keep: 1,
        policy: Policy::Block,
        window: MIN_STREAM_WINDOW,
        after: MAX_NUMBER,
        turn: 1,
    };
    interest.encode(&mut map);
    assert_eq!(Interest::decode(&map).as_ref(), Ok(&interest));
    interest.after += 1;
    map.clear();
    interest.encode(&mut map);
    assert!(Interest::decode(&map).is_err());
}

prop_compose! {
    fn interest()(
        event in text(MAX_EVENT),
        number: u64,
        keep in 1..u32::MAX,
        blocks: bool,
        window in MIN_STREAM_WINDOW..,
        after in 0..=MAX_NUMBER,
        turn: u64,
    ) -> Interest {
        let policy = if blocks { Policy::Block } else { Policy::DropOldest };
        Interest { event, number, keep, policy, window, after, turn }
    }
}

prop_compose! {
    fn telling()(
        id: [u8; 16],
        since in 0..100_u64,
        more in 0..Version::MAX_INCARNATION - 100,
        status in 0..3_u8,
        name in option::of(text(256)),
        addresses in vec(text(256), 0..5),
        hub: bool,
    ) -> Telling {
        let status = Status::from_number(status).unwrap();
        let about = |name| About { name, hub, addresses, software: String::new() };
        Telling {
            id: InstanceId(id),
            version: Version::new(since + more, status),
            since,
            body: name.map(|name| Said::write(&about(name), since)),
        }
    }
}

prop_compose! {
    fn any_members()(
        tellings in vec(telling(), 0..5),
        digest in option::of(0..9_u32),
        hash: u64,
        parts in option::of((0..9_u32, vec(any::<u8>(), 0..5))),
        wanted in vec(any::<[u8; 16]>(), 0..5),
        needed: Option<bool>,
    ) -> Message {
        Message {
            tellings,
            digest: digest.map(|bits| vec![hash; 1 << bits]),
            whole: parts.map(|(bits, which)| Parts {
                of: 1 << bits,
                which: which.iter().map(|part| (u16::from(*part) % (1 << bits)) as u8).collect(),
            }),
            wanted: wanted.into_iter().map(InstanceId).collect(),
            needed,
        }
    }
}

fn frame() -> impl Strategy<Value = (u64, Frame)> {
    let of_link = prop_oneof![
        hello().prop_map(|hello| Frame::Hello(Box::new(hello))),
        any::<u64>().prop_map(Frame::Ping),
        any::<u64>().prop_map(Frame::Pong),
        text(MAX_REASON).prop_map(Frame::Goodbye),
        any_members().prop_map(Frame::Members),
        any::<u64>().prop_map(Frame::Credit),
    ];
    let of_stream = prop_oneof![
        (head(), body()).prop_map(|(head, body)| Frame::Call(head, body)),
        body().prop_map(Frame::Reply),
        text(MAX_FLAG).prop_map(Frame::Flag),
        error().prop_map(|error| Frame::Error(Box::new(error))),
        Just(Frame::Cancel),
        Just(Frame::End),
        interest().prop_map(Frame::Interest),
        (any::<u64>(), bytes(200), body()).prop_map(|(number, metadata, body)| Frame::Event {
            number,
            metadata,
            body,
        }),
        any::<u64>().prop_map(Frame::Credit),
        (bytes(300), any::<bool>()).prop_map(|(bytes, last)| Frame::Chunk { bytes, last }),
    ];
    prop_oneof![
        of_link.prop_map(|frame| (0, frame)),
        (1..u64::MAX, of_stream),
    ]
}

proptest! {
    #[test]
    fn every_frame_is_read_as_it_was_written((stream, frame) in frame()) {
        let mut bytes = Vec::new();
        frame.write(stream, &mut bytes);
        prop_assert_eq!(read(&bytes), Ok(Some((stream, frame))));
    }

    #[test]
    fn no_payload_of_any_kind_panics(
        kind: u8, flags: u8, stream in 0..3_u64, payload in vec(any::<u8>(), 0..200),
    ) {
        let mut bytes = header(Kind::Call, flags, stream, payload.len()).to_vec();
        bytes[4] = kind % 20;
        bytes.extend(payload);
        let _ = read(&bytes);
    }

    #[test]
    fn no_changed_frame_panics((stream, frame) in frame(), place: usize, value: u8, cut: bool) {
        let mut bytes = Vec::new();
        frame.write(stream, &mut bytes);
        if bytes.len() > HEADER {
            let place = HEADER + place % (bytes.len() - HEADER);
            bytes[place] = value;
            if cut {
                bytes.truncate(place);
                let length = (bytes.len() - HEADER) as u32;
                bytes[..4].copy_from_slice(&length.to_le_bytes());
            }
        }
        let _ = read(&bytes);
    }

    #[test]
    fn no_header_panics(bytes: [u8; HEADER]) {
        if let Ok(header) = Header::read(&bytes) {
            prop_assert!(header.length <= MAX_PAYLOAD);
            let _ = header.known_kind();
        }
    }
}
