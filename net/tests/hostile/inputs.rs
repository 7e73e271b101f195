//! What is sent as a whole: sessions as a good peer has them, changed, and what strangers say. All of it from a number, so that it can be
//! made again.

use std::time::{Duration, Instant};

use fastrand::Rng;
use net_proto::{Interest, MAGIC, Outgoing, Policy};

use crate::bombs::{TAGS, body, change};
use crate::measured;
use crate::raw;
use crate::wire::{self, Wire};

/// What a peer that calls, cancels, subscribes and takes leave puts on the wire: its preface and HELLO, and the frames after it.
pub(crate) struct Recorded {
    pub(crate) greeting: Vec<u8>,
    pub(crate) frames: Vec<Vec<u8>>,
}

impl Recorded {
    pub(crate) fn at(address: &str) -> Self {
        let mut wire = Wire {
            socket: wire::Socket::connect(address),
            session: wire::session(),
            input: bytes::BytesMut::new(),
        };
        let greeting = wire::bytes_of(&mut wire.session);
        std::io::Write::write_all(&mut wire.socket, &greeting).unwrap();
        wire.until_connected();
        let now = Instant::now();
        let mut call = |tag: &str, body: Vec<u8>, metadata: &[u8]| {
            let call = Outgoing {
                tag,
                time_left: Some(Duration::from_secs(60)),
                metadata,
                body: body.into(),
            };
            wire.session.call(now, call, 1).ok().unwrap()
        };
        for _ in 0..3 {
            let arguments = vec![0x82, 6, 7];
            call(
                measured::multiply::TAG,
                arguments,
                b"traceparent: 00-0af7-b7ad-01",
            );
        }
        let waits = call(measured::wait::TAG, vec![0x81, 0x19, 0x03, 0xe8], b"");
        call(TAGS[2], b"\x81\xa1\x61a\x82\xf9\x3c\x00\x01".to_vec(), b"");
        let large = [&b"\x81\x5a\x00\x02\x00\x00"[..], &vec![7; 128 << 10]].concat();
        let large = call(measured::echo::TAG, large, b"");
        let interest = |number| Interest {
            event: "news".to_owned(),
            number,
            keep: 16,
            policy: Policy::Block,
            window: 1 << 20,
            after: 0,
            turn: 1,
        };
        let first = wire.session.interest(&interest(1)).unwrap();
        wire.session.interest(&interest(2)).unwrap();
        let mut sent = wire::bytes_of(&mut wire.session);
        for id in [waits, large, first] {
            wire.session.cancel(id);
            sent.extend(wire::bytes_of(&mut wire.session));
        }
        sent.extend(raw::frame(raw::CANCEL, 0, first, b""));
        sent.extend(raw::frame(raw::PING, 0, 0, &[9; 8]));
        sent.extend(raw::frame(raw::PONG, 0, 0, &[9; 8]));
        sent.extend(raw::frame(0x91, 0xff, 12, b"of a later version"));
        wire.session.goodbye("that was all");
        sent.extend(wire::bytes_of(&mut wire.session));
        let frames = raw::frames(&sent).into_iter().map(<[u8]>::to_vec);
        Self {
            greeting,
            frames: frames.collect(),
        }
    }
}

/// What comes in place of a frame: itself, changed, doubled or moved, or one with a length that is not its own.
pub(crate) fn instead_of(random: &mut Rng, frames: &[Vec<u8>], at: usize) -> Vec<u8> {
    let mut bytes = frames[at].clone();
    match random.u8(..10) {
        // Another one before it, or in its place.
        0 => {
            let other = &frames[random.usize(..frames.len())];
            bytes.splice(0..0, other.iter().copied());
        }
        1 => bytes.clone_from(&frames[random.usize(..frames.len())]),
        2 => bytes.extend_from_within(..),
        3 => {
            let length = match random.bool() {
                true => random.u32(..) >> random.u32(..32),
                false => (bytes.len() as u32).wrapping_sub(raw::HEADER as u32 + random.u32(..4)),
            };
            bytes[..4].copy_from_slice(&length.to_le_bytes());
        }
        // What follows the header, so that more than the header is looked at, and its length is right.
        4..=7 if bytes.len() > raw::HEADER => {
            let mut payload = bytes.split_off(raw::HEADER);
            for _ in 0..random.usize(1..4) {
                change(random, &mut payload);
            }
            bytes[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
            bytes.extend(payload);
        }
        _ => change(random, &mut bytes),
    }
    bytes
}

/// What a stranger says that is no peer, or no peer any more.
pub(crate) fn stranger(random: &mut Rng, greeting: &[u8]) -> Vec<u8> {
    let mut bytes = match random.u8(..4) {
        // TLS: the first byte of a handshake, then a record as it should be, or not.
        0 => {
            let length = random.usize(..600);
            let mut bytes = vec![0x16, 0x03, random.u8(..5)];
            let claimed = match random.bool() {
                true => length as u16,
                false => random.u16(..),
            };
            bytes.extend(claimed.to_be_bytes());
            bytes.extend([0x01, 0x00, random.u8(..), random.u8(..), 0x03, 0x03]);
            bytes.extend((0..length).map(|_| random.u8(..)));
            bytes
        }
        1 => {
            let mut bytes = MAGIC.to_vec();
            bytes.extend((0..random.usize(..200)).map(|_| random.u8(..)));
            bytes
        }
        2 => (0..random.usize(1..300)).map(|_| random.u8(..)).collect(),
        _ => greeting.to_vec(),
    };
    for _ in 0..random.usize(..3) {
        let keep = bytes.first().copied().unwrap_or_default();
        change(random, &mut bytes);
        // Most are to get past the first look.
        if random.u8(..8) > 0 && !bytes.is_empty() {
            bytes[0] = keep;
        }
    }
    bytes
}

/// What an original peer asks, of either dialect, changed.
pub(crate) fn original(random: &mut Rng) -> Vec<u8> {
    use base64::Engine as _;
    let coded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let tag = TAGS[random.usize(..TAGS.len())];
    let argument = match random.u8(..6) {
        0 => "[".repeat(random.usize(..2_000)),
        1 => format!("\"{}\"", "\\ud800".repeat(random.usize(..50))),
        2 => format!("{}e{}", random.u64(..), random.i16(..)),
        3 => "{\"a\":".repeat(random.usize(..300)),
        4 => "6, 7".to_owned(),
        _ => "[[1, 2], [3]]".to_owned(),
    };
    let mut bytes = if random.bool() {
        format!(r#"{{"connection": "{tag}", "args": [{argument}], "kwargs": {{"k": null}}}}"#)
            .into_bytes()
    } else {
        let inner = format!(
            r#"{{"connection": "{}", "args": "{}", "kwargs": "{}"}}"#,
            coded(tag),
            coded(&format!("[{argument}]")),
            coded("{}")
        );
        coded(&inner).into_bytes()
    };
    // Some as they are: what is deep or long has to get past the first look.
    for _ in 0..random.usize(..3) {
        change(random, &mut bytes);
    }
    bytes
}

/// One call with whatever for arguments, on a stream of its own.
pub(crate) fn bomb(random: &mut Rng, stream: u64) -> Vec<u8> {
    let tag = TAGS[random.usize(..TAGS.len())];
    raw::call(stream, tag, &body(random))
}
