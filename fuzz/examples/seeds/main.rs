//! Writes the seeds: what real sessions, values and original peers say, into `corpus/`, one file for each kind of it.
//!
//! What a fuzzer finds on its way lies beside them under the hash of its bytes. `make fuzz-seeds` runs this.

mod events;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use net::Value;
use net::value::{self, cbor::Writer, tags};
use net_proto::original::{Answer, Dialect, INVALID_CONNECTION, NULL, PeerId03, Request, Tag03};
use net_proto::{
    ErrorBody, ErrorCode, Event, Hello, InstanceId, Limits, Outgoing, Session, Side, Transmit,
};
use serde_json::json;

fn main() -> std::io::Result<()> {
    for (target, name, bytes) in [
        sessions(),
        events::streams(),
        values(),
        originals(),
        steps(),
        events::links(),
    ]
    .concat()
    {
        let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "corpus", target]
            .iter()
            .collect();
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("seed-{name}")), bytes)?;
    }
    Ok(())
}

/// Target, name, bytes.
type Seed = (&'static str, String, Vec<u8>);

/// What each side of a link writes while a call is made and answered in each way, as the other side of `session`; the
/// meeting itself as that of `handshake`.
fn sessions() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (name, scene) in SCENES {
        let mut link = Link::new();
        scene(&mut link);
        let [dialer, acceptor] = link.said;
        // Not met yet, no calls made, one served or fifteen; listening, answering, in pieces of 1 + 200 × 200.
        let heads = [
            [0xF0, 1, 1, 200, 200],
            [0x10, 0, 0, 1, 3],
            [0xF0, 0x11, 7, 9, 9],
        ];
        for (index, head) in heads.iter().enumerate() {
            let mut bytes = head[..3].to_vec();
            bytes.extend_from_slice(&head[3..]);
            // Long bodies repeat the same; the frames of one chunk are enough.
            bytes.extend_from_slice(&dialer[..dialer.len().min(40_000)]);
            if index == 0 || dialer.len() < 2000 {
                seeds.push(("session", format!("{name}-{index}"), bytes));
            }
        }
        let mut bytes = vec![0xF1 | 4, 1, 1, 200, 200];
        bytes.extend_from_slice(&acceptor[..acceptor.len().min(40_000)]);
        seeds.push(("session", format!("{name}-answered"), bytes));
        if name == "meeting" {
            seeds.push(("handshake", "bytes".into(), [&[0], &dialer[..]].concat()));
        }
    }
    seeds
}

type Scene = (&'static str, fn(&mut Link));

const SCENES: [Scene; 11] = [
    ("meeting", |_| {}),
    ("reply", |link| link.call(3, None, Answered::Reply(2))),
    ("deadline", |link| link.call(3, Some(250), Answered::Never)),
    ("large-call", |link| {
        link.call(70_000, None, Answered::Reply(1))
    }),
    ("large-reply", |link| {
        link.call(1, None, Answered::Reply(70_000))
    }),
    ("error", |link| link.call(1, None, Answered::Error)),
    ("flag", |link| link.call(1, None, Answered::Flag)),
    ("cancel", |link| {
        link.call(1, None, Answered::Never);
        link.ends[0].cancel(1);
        link.flow();
    }),
    ("many", |link| {
        for size in 0..10 {
            link.call(size, None, Answered::Reply(size));
        }
    }),
    ("probe", |link| {
        link.ends[0].probe(link.now);
        link.flow();
    }),
    ("goodbye", |link| {
        link.call(1, None, Answered::Reply(1));
        link.ends[0].goodbye("shutting down");
        link.flow();
    }),
];

enum Answered {
    Reply(usize),
    Error,
    Flag,
    Never,
}

/// Two sessions, and all that each has said.
struct Link {
    now: Instant,
    ends: [Session<()>; 2],
    inputs: [BytesMut; 2],
    said: [Vec<u8>; 2],
    asked: Vec<u64>,
}

impl Link {
    fn new() -> Self {
        let now = Instant::now();
        let ends = [Side::Dialer, Side::Acceptor].map(|side| {
            let hello = Hello {
                group: Some("lab".into()),
                name: "ada@rig:4711".into(),
                addresses: vec!["192.0.2.7:3010".into()],
                software: "app-net 0.1.0".into(),
                ..Hello::new(InstanceId([side as u8; 16]))
            };
            Session::new(side, hello, Limits::default(), now)
        });
        let mut link = Self {
            now,
            ends,
            inputs: Default::default(),
            said: Default::default(),
            asked: Vec::new(),
        };
        link.flow();
        link
    }

    fn call(&mut self, size: usize, millis: Option<u64>, answered: Answered) {
        let call = Outgoing {
            tag: "app.multiply",
            time_left: millis.map(Duration::from_millis),
            metadata: if millis.is_some() {
                b"traceparent: 00"
            } else {
                b""
            },
            body: vec![0x80; size].into(),
        };
        self.ends[0]
            .call(self.now, call, ())
            .expect("there is room");
        self.flow();
        let id = self.asked.pop().expect("it is called");
        match answered {
            Answered::Reply(size) => self.ends[1].reply(id, vec![5; size].into()),
            Answered::Flag => self.ends[1].flag(id, NULL),
            Answered::Error => {
                let error = ErrorBody {
                    kind: "ValueError".into(),
                    traceback: "  File \"app.py\", line 3\n".into(),
                    names: vec!["app.divide".into()],
                    ..ErrorBody::new(ErrorCode::Remote, "no such colour")
                };
                self.ends[1].error(id, &error);
            }
            Answered::Never => {}
        }
        self.flow();
    }

    fn flow(&mut self) {
        let mut transmit = Transmit::default();
        while self.ends.iter().any(Session::wants_write) {
            for from in [0, 1] {
                self.ends[from].transmit(&mut transmit);
                let mut slices = [std::io::IoSlice::new(&[]); 64];
                let used = transmit.slices(&mut slices);
                for slice in &slices[..used] {
                    self.said[from].extend_from_slice(slice);
                    self.inputs[1 - from].extend_from_slice(slice);
                }
                transmit.advance(transmit.len());
                let (end, input) = (&mut self.ends[1 - from], &mut self.inputs[1 - from]);
                while let Some(event) = end.receive(self.now, input).expect("both are honest") {
                    if let Event::Call(call) = event {
                        self.asked.push(call.id);
                    }
                }
            }
        }
    }
}

/// A value of each kind, and bodies of calls.
fn values() -> Vec<Seed> {
    let texts = [
        ("null", "f6"),
        ("true", "f5"),
        ("int", "3818"),
        ("uint64", "1bffffffffffffffff"),
        ("bignum", "c249010000000000000000"),
        ("negative-bignum", "c349010000000000000000"),
        (
            "huge-bignum",
            "c2581801020304050607080910111213141516171819202122232425",
        ),
        ("half", "f93e00"),
        ("single", "fa3fc00000"),
        ("float", "fb3ff8000000000000"),
        ("nan", "fb7ff8000000000000"),
        ("text", "62c3a9"),
        ("text-in-pieces", "7f61616162ff"),
        ("bytes", "420102"),
        ("bytes-in-pieces", "5f41014102ff"),
        ("list", "82018102"),
        ("list-of-unknown-length", "9f0102ff"),
        ("dict", "a161610102f5"),
        ("dict-of-unknown-length", "bf616101ff"),
        ("tuple", "d99b828101"),
        ("set", "d901028101"),
        ("frozenset", "d99b838101"),
        (
            "datetime",
            "c07819323032342d30312d30325430333a30343a30352d30333a3330",
        ),
        (
            "naive-datetime",
            "d99b8473323032342d30312d30325430333a30343a3035",
        ),
        ("date", "d903ec6a323032342d30322d3239"),
        ("time", "d99b856f30333a30343a30352e303030303036"),
        ("timedelta", "d903eaa20120251a000b71b0"),
        ("decimal", "c482211896"),
        ("big-decimal", "c48221c249010000000000000000"),
        ("special-decimal", "d99b86652d302e3030"),
        ("uuid", "d8255000000000000000000000000000000001"),
        ("complex", "d9a7f882fb3ff0000000000000fbc004000000000000"),
        ("array", "d85648000000000000f83f"),
        ("big-endian-array", "d8414400010203"),
        ("half-array", "d85444003e00c4"),
        ("array-in-pieces", "d8455f42010042 0200ff"),
        ("shaped-array", "d82882820203d8414c000200040008000400100100"),
        ("array-of-no-dimension", "d8288280d85648000000000000f83f"),
        ("rows-without-columns", "d82882821b400000000000000000d84040"),
        ("array-of-no-type", "d8575000000000000000000000000000000000"),
        ("lists-as-an-array", "82820102820304"),
        ("unknown-tag", "c11a6553f100"),
        ("variant", "a166436972636c65fb3ff0000000000000"),
        (
            "named-variant",
            "a1654e616d6564a2646e616d6561616569 6e6e657265506f696e74",
        ),
        ("record", "a262696405646c69737481820161 61"),
    ];
    let mut seeds: Vec<Seed> = texts
        .iter()
        .map(|(name, hex)| ("values", (*name).to_owned(), unhex(hex)))
        .collect();
    let mut add = |name: &str, bytes| seeds.push(("values", name.to_owned(), bytes));

    let mut body = Vec::new();
    value::encode_arguments(&(5, "é", [1.5]), &mut body).expect("it is encoded");
    add("arguments", body.clone());
    let mut keywords = value::Keywords::new();
    keywords.add("b", &10).expect("it is encoded");
    body = vec![0x81, 0x05];
    keywords.append_to(&mut body);
    add("keywords", body);

    for levels in [127, 128, 129] {
        let mut bytes = vec![0x81; levels];
        bytes.push(0);
        add(&format!("nested-{levels}"), bytes.clone());
        bytes.pop();
        Writer::new(&mut bytes).tag(tags::POSITIVE_BIGNUM);
        Writer::new(&mut bytes).bytes(&[1; 12]);
        add(&format!("nested-bignum-{levels}"), bytes);
    }
    let all: Vec<Value> = texts
        .iter()
        .filter_map(|(_, hex)| value::decode(&unhex(hex)).ok())
        .collect();
    let mut bytes = Vec::new();
    value::encode(&all, &mut bytes).expect("it is encoded");
    add("all", bytes);
    add(
        "json",
        br#"{"a":[1,-2.5,1e300,null,true,"\u00e9"],"b":{}}"#.to_vec(),
    );
    // Read as a tree: of every kind one, each with what it needs.
    let mut bytes = vec![10, 15];
    for kind in 0..27 {
        bytes.extend_from_slice(&[kind, 3, 1, 2, 3, 1, 7, 7, 2, 1]);
    }
    add("tree", bytes);
    seeds
}

fn unhex(digits: &str) -> Vec<u8> {
    let digits: Vec<u32> = digits
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .collect();
    digits
        .chunks(2)
        .map(|pair| (pair[0] * 16 + pair[1]) as u8)
        .collect()
}

/// Requests, answers and ids of both dialects.
fn originals() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let mut add = |name: String, bytes| seeds.push(("original", name, bytes));
    let request = Request {
        args: vec![json!(5), json!("é"), json!([1.5, null])],
        kwargs: [("b".to_owned(), json!({"x": true}))].into_iter().collect(),
        ..Request::new("app.multiply")
    };
    let custom = Request::new("Tag");
    let traceback = "Traceback (most recent call last):\n  File \"app.py\", line 3, in f\n    1 / 0\n\
                     ZeroDivisionError: division by zero\n";
    let answers = [
        ("value", Answer::Value(json!({"a": [1, 2]}))),
        ("raw", Answer::Value(json!(50))),
        ("wrapped", Answer::Value(json!({"raw": 1}))),
        ("null", Answer::Flag(NULL.into())),
        ("invalid", Answer::Flag(INVALID_CONNECTION.into())),
        (
            "error",
            Answer::Error {
                traceback: traceback.into(),
            },
        ),
        (
            "long-error",
            Answer::Error {
                traceback: traceback.repeat(20),
            },
        ),
        ("long", Answer::Value(json!("x".repeat(2000)))),
    ];
    for (name, dialect) in [("03", Dialect::V03), ("06", Dialect::V06)] {
        for (which, request) in [("request", &request), ("custom-request", &custom)] {
            let bytes = dialect.build_request(request).expect("it is short");
            add(format!("{name}-{which}"), bytes);
        }
        for (which, answer) in &answers {
            add(format!("{name}-{which}"), dialect.build_answer(answer));
        }
    }
    add("06-python".into(), br#" {"connection": "f", "args": [NaN, -Infinity], "kwargs": {"peer": ["h", 1], "time_out": 3}}"#.to_vec());
    add("06-repr".into(), b"{'connection': 'f'}".to_vec());
    add(
        "06-large-integer".into(),
        br#"{"connection":"f","args":[123456789012345678901234567890]}"#.to_vec(),
    );
    add("traceback".into(), traceback.into());
    for custom in [true, false] {
        let tag = Tag03 {
            name: "app.multiply".into(),
            custom,
        };
        add(format!("tag-{custom}"), tag.encode().into());
    }
    let id = PeerId03 {
        host: "127.0.1.1".into(),
        port: 3010,
        group: Some("lab".into()),
    };
    add("id".into(), id.encode().into());
    add("http".into(), b"GET / HTTP/1.1\r\n\r\n".to_vec());
    // Read as messages: a request and an answer of each dialect, with every kind of value.
    for dialect in [0, 1] {
        for what in [0, 1] {
            let mut bytes = vec![dialect, what, 3, b'a', b'.', b'f', 0, 13];
            for kind in 0..13 {
                bytes.extend_from_slice(&[kind, 4, 1, 2, 3, 4, 2, 1]);
            }
            add(format!("messages-{dialect}{what}"), bytes);
        }
    }
    seeds
}

/// Sequences of steps that come far into a session.
fn steps() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let mut add =
        |target, name: &str, bytes: &[&[u8]]| seeds.push((target, name.to_owned(), bytes.concat()));

    // Of `operations`: how many calls each side serves; then side, what, how, number, extra.
    let flow = &[0, 11, 0, 0, 0, 0];
    let small = &[0, 0, 0, 5, 0, 0];
    let large = &[0, 0, 0xE0, 0, 0x80, 0];
    let reply = &[1, 3, 0, 9, 0, 0];
    let large_reply = &[1, 3, 0xE0, 0, 0x80, 0];
    add(
        "operations",
        "reply",
        &[&[4, 4], flow, small, flow, reply, flow],
    );
    add(
        "operations",
        "large",
        &[&[4, 4], flow, large, flow, large_reply, flow],
    );
    add(
        "operations",
        "flag",
        &[&[4, 4], flow, small, flow, &[1, 4, 0, 0, 0, 0], flow],
    );
    add(
        "operations",
        "error",
        &[&[4, 4], flow, small, flow, &[1, 5, 0, 0, 0, 0], flow],
    );
    add(
        "operations",
        "cancel",
        &[&[4, 4], flow, large, &[0, 2, 0, 0, 0, 0], flow],
    );
    add(
        "operations",
        "deadline",
        &[
            &[4, 4],
            flow,
            &[0, 0, 0, 5, 0, 3],
            flow,
            &[0, 10, 0, 0xD0, 7, 0],
            flow,
        ],
    );
    add(
        "operations",
        "crowd",
        &[
            &[2, 2],
            flow,
            &[0, 12, 31, 9, 0, 0],
            &[1, 12, 31, 9, 0, 0],
            flow,
        ],
    );
    add(
        "operations",
        "slow",
        &[
            &[9, 9],
            flow,
            large,
            large,
            &[0, 8, 0, 0, 1, 0],
            &[0, 9, 0, 0, 1, 0],
            flow,
        ],
    );
    add(
        "operations",
        "probe",
        &[
            &[0, 0],
            flow,
            &[0, 6, 0, 0, 0, 0],
            &[1, 6, 0, 0, 0, 0],
            flow,
        ],
    );
    add(
        "operations",
        "goodbye",
        &[
            &[4, 4],
            flow,
            large,
            &[1, 7, 0, 0, 0, 0],
            flow,
            large_reply,
            flow,
        ],
    );

    let subscribe: &[u8] = &[0, 13, 20, 0, 0, 0];
    let waiting: &[u8] = &[0, 13, 2, 0, 0, 1];
    let publish: &[u8] = &[1, 14, 0, 9, 0, 0];
    let publish_large: &[u8] = &[1, 14, 0xE0, 0, 0x80, 0];
    let take: &[u8] = &[0, 19, 0, 0, 0, 0];
    let burst: &[u8] = &[1, 17, 40, 0x60, 0xEA, 0];
    let met: &[u8] = &[4, 4, 0, 11, 0, 0, 0, 0];
    for (name, then) in [
        ("events", vec![publish, publish, flow, take]),
        (
            "large-events",
            vec![
                publish_large,
                publish,
                publish_large,
                flow,
                take,
                flow,
                take,
            ],
        ),
        ("dropped", vec![burst, flow, take, flow]),
        ("interest-lost", vec![burst, &[0, 20, 0, 0, 0, 0], flow]),
        (
            "interest-ended",
            vec![burst, &[1, 21, 0, 0, 0, 0], flow, take],
        ),
        ("interest-refused", vec![&[1, 22, 0, 0, 0, 0], flow]),
        (
            "refused-late",
            vec![publish_large, &[1, 22, 0, 0, 0, 0], flow],
        ),
        (
            "for-all",
            vec![
                subscribe,
                flow,
                &[1, 16, 0, 50, 0, 0],
                flow,
                &[0, 18, 0, 1, 0, 0],
            ],
        ),
        (
            "leaving",
            vec![publish_large, &[1, 7, 0, 0, 0, 0], flow, take],
        ),
    ] {
        add("operations", name, &[met, subscribe, flow, &then.concat()]);
    }
    add(
        "operations",
        "waited-for",
        &[met, waiting, flow, burst, flow, take, flow, burst],
    );

    // Of `frames`: how it begins; then the steps.
    let call = &[0, 1, 5];
    let by_number = &[0, 0, 5];
    add(
        "frames",
        "calls",
        &[&[0xF2], call, by_number, by_number, &[15, 1], &[16]],
    );
    add(
        "frames",
        "deadline",
        &[
            &[0xF2],
            &[0, 0x0D, 50, 0, 2, 109, 101, 5],
            &[17, 100, 0],
            &[16],
        ],
    );
    add(
        "frames",
        "body",
        &[&[0xF2], &[4, 0, 0xFF, 0xFF], &[15, 3], &[16]],
    );
    add(
        "frames",
        "body-listening",
        &[&[0xF2], &[4, 8, 0xFF, 0xFF], &[15, 3], &[16]],
    );
    add(
        "frames",
        "small-chunks",
        &[&[0xF2], &[4, 2, 100, 0, 60, 0], &[4, 2, 100, 0, 60, 0]],
    );
    add(
        "frames",
        "begun-body",
        &[
            &[0xF2],
            &[4, 6, 0, 2, 60, 0],
            &[6, 3, 0, 0, 60],
            &[10, 3, 0],
        ],
    );
    add(
        "frames",
        "replies",
        &[
            &[0xF7],
            &[7, 0, 0, 5],
            &[9, 0, 0, 0, 2, 104, 105, 0],
            &[9, 1, 0, 0, 0, 0],
        ],
    );
    add(
        "frames",
        "large-reply",
        &[&[0xF7], &[4, 1, 0xFF, 0xFF], &[16]],
    );
    add(
        "frames",
        "credit",
        &[
            &[0xF7],
            &[16],
            &[11, 0, 0, 0, 100, 255, 0],
            &[16],
            &[11, 1, 0, 1, 150, 0, 9],
        ],
    );
    add(
        "frames",
        "busy",
        &[&[0x12], call, by_number, by_number, by_number],
    );
    let largest_echoed: &[u8] = &[0, 1, 200, 0, 15, 1, 16];
    add(
        "frames",
        "flood",
        &[&[0x12], &largest_echoed.repeat(9), &[19, 3, 63]],
    );
    add(
        "frames",
        "pings",
        &[&[0xF2], &[12, 0, 5], &[19, 1], &[16], &[12, 1, 1]],
    );
    add(
        "frames",
        "goodbye",
        &[&[0xF6], &[13, 2, 104, 105], &[16], call],
    );
    add("frames", "hello-again", &[&[0xF2], &[14, 0, 0, 6, 0, 0]]);
    add(
        "frames",
        "unknown-kind",
        &[&[0xF2], &[14, 1, 0x90, 0, 6, 0, 1, 7]],
    );

    let asked: &[u8] = &[20, 0, 1, 9, 1];
    for (name, head, then) in [
        (
            "interest",
            0xFA,
            vec![asked, &[27, 0, 9], &[16], &[22, 0, 17]],
        ),
        (
            "interest-in-vain",
            0xFA,
            vec![asked, &[27, 1, 60, 230, 0x60, 0xEA], &[16]],
        ),
        (
            "interest-large",
            0xFA,
            vec![asked, &[27, 3, 0, 0, 0xA0], &[16], &[10, 3, 0]],
        ),
        (
            "interest-moved-on",
            0xFA,
            vec![&[20, 0, 1, 9, 8], &[27, 0, 9], &[27, 0, 9], &[16]],
        ),
        (
            "interests",
            0xFA,
            vec![&[21, 63, 9, 1], &[27, 1, 9, 200, 3], &[16]],
        ),
        ("interests-cancelled", 0xFA, vec![&[21, 63, 9, 0], &[16]]),
        ("interest-refused", 0xFA, vec![asked, &[27, 3, 1, 0], &[16]]),
        (
            "interest-ended",
            0xFA,
            vec![asked, &[27, 0, 9], &[27, 2, 0], &[16]],
        ),
        (
            "event",
            0xFB,
            vec![&[23, 0, 3, 9, 0], &[26, 1, 0], &[26, 2], &[16]],
        ),
        (
            "event-large",
            0xFB,
            vec![&[24, 0, 0, 0, 0x80, 4, 0, 0], &[26, 2], &[16]],
        ),
        (
            "event-cut",
            0xFB,
            vec![&[24, 0, 0, 0, 0x80, 2, 0, 0], &[25, 0], &[16]],
        ),
        (
            "events-unasked",
            0xFB,
            vec![&[23, 0, 31, 230, 0, 0x20], &[23, 0, 31, 230, 0, 0x20]],
        ),
        (
            "event-lost",
            0xFB,
            vec![&[26, 3, 0], &[23, 250, 0, 9, 0], &[16]],
        ),
        (
            "event-ended",
            0xFB,
            vec![&[25, 0], &[23, 0, 0, 9, 0], &[16]],
        ),
    ] {
        add("frames", name, &[&[head], &then.concat()]);
    }

    add(
        "handshake",
        "map",
        &[&[1, 6, 1, 1, 2, 104, 105, 0x72, 1, 0x95, 1, 2, 104, 105]],
    );
    add(
        "handshake",
        "introduced",
        &[
            &[2],
            &[7; 16],
            &[
                0xFF, 2, 104, 105, 1, 106, 3, 1, 97, 1, 98, 1, 99, 1, 100, 1, 1, 97, 15,
            ],
        ],
    );
    add("handshake", "disturbed", &[&[3], &[0; 44], &[2, 6, 0, 2]]);
    add("handshake", "cut", &[&[3], &[0; 44], &[4, 20, 0, 0]]);
    seeds
}
