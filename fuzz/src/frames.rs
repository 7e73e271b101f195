//! Frames with sound headers into a session, in any order and with any payload: what random bytes seldom come to, as each frame
//! has to have the right length and stream.
//!
//! An input begins with a byte for [`Hostile`]; then each step takes its kind and what that needs.

use net_proto::Side;
use net_proto::limits::MAX_NUMBER;

use crate::session::Hostile;
use crate::source::Source;

/// Steps in one input. More find nothing that a second input would not.
const MOST_STEPS: usize = 300;

const HELLO: u8 = 0x01;
const CALL: u8 = 0x02;
const REPLY: u8 = 0x03;
const FLAG: u8 = 0x04;
const ERROR: u8 = 0x05;
const END: u8 = 0x07;
const CANCEL: u8 = 0x08;
const CREDIT: u8 = 0x09;
const CHUNK: u8 = 0x0A;
const INTEREST: u8 = 0x0B;
const EVENT: u8 = 0x0C;
const PING: u8 = 0x0D;
const PONG: u8 = 0x0E;
const GOODBYE: u8 = 0x0F;
const MEMBERS: u8 = 0x10;

/// A session that is fed by someone who knows the frames and keeps to nothing else.
pub fn frames(input: &[u8]) {
    run(input).hostile.end();
}

fn run(input: &[u8]) -> Peer {
    let mut source = Source::new(input);
    let mut peer = Peer::new(&mut source);
    let mut steps = 0;
    while !source.is_empty() && steps < MOST_STEPS && peer.hostile.end.failed.is_none() {
        steps += 1;
        peer.step(&mut source);
    }
    peer
}

struct Peer {
    hostile: Hostile,
    /// The next stream that it may open.
    next: u64,
    /// The tags that it has sent with a number.
    tags: u32,
    /// The number of the last event that it has sent on any stream.
    last_event: u64,
}

impl Peer {
    fn new(source: &mut Source<'_>) -> Self {
        let hostile = Hostile::new(source.byte());
        let next = match hostile.side {
            Side::Dialer => 2,
            Side::Acceptor => 1,
        };
        Self {
            hostile,
            next,
            tags: 0,
            last_event: 4,
        }
    }

    fn step(&mut self, source: &mut Source<'_>) {
        match source.byte() % 28 {
            0..=2 => self.call(source, false),
            3 => self.call(source, true),
            4 | 5 => self.body(source),
            6 => {
                let stream = self.stream(source);
                let flags = source.byte() & 1;
                self.send(CHUNK, flags, stream, &vec![1; length(source)]);
            }
            7 => {
                let stream = self.stream(source);
                self.send(REPLY, 0, stream, &vec![2; length(source)]);
            }
            8 => {
                let stream = self.stream(source);
                self.send(REPLY, 8, stream, &number(source).to_le_bytes());
            }
            9 => {
                let (kind, stream) = (
                    [FLAG, ERROR][usize::from(source.yes())],
                    self.stream(source),
                );
                let payload = source.text();
                let error = [b"\xa2\x00\x01\x02\x62no", payload.as_bytes()];
                self.send(kind, 0, stream, error[usize::from(source.yes())]);
            }
            10 => {
                let stream = self.stream(source);
                self.send(CANCEL, 0, stream, &[]);
            }
            11 => {
                let stream = [0, self.stream(source)][usize::from(source.yes())];
                self.send(CREDIT, 0, stream, &number(source).to_le_bytes());
            }
            12 => {
                let kind = [PING, PONG][usize::from(source.yes())];
                self.send(kind, 0, 0, &u64::from(source.byte()).to_le_bytes());
            }
            13 => self.send(GOODBYE, 0, 0, source.text().as_bytes()),
            14 => {
                let (kind, flags) = (
                    [HELLO, source.byte()][usize::from(source.yes())],
                    source.byte(),
                );
                let stream = self.stream(source);
                self.send(kind, flags, stream, source.text().as_bytes());
            }
            // What the session's own side does meanwhile.
            15 => self.hostile.answer(source.byte() | 1),
            16 => self.hostile.listen(),
            17 => self.hostile.pass(source.short() % 2000),
            18 => self.hostile.call(length(source), u16::from(source.byte())),
            // Events. Interests of its own, credit for them, and their end before it is time.
            20 => self.interest(source),
            21 => {
                let times = source.byte() % 64;
                let (keeps, flags) = (source.byte(), source.byte());
                for _ in 0..times {
                    self.interest(&mut Source::new(&[0, 0, keeps, flags]));
                    if keeps & 1 != 0 {
                        self.send(CANCEL, 0, self.next - 2, &[]);
                    }
                }
            }
            22 => {
                let stream = self
                    .next
                    .saturating_sub(2 * (1 + u64::from(source.byte() % 8)));
                self.send(CREDIT, 0, stream, &number(source).to_le_bytes());
            }
            23 => self.event(source),
            24 => self.large_event(source),
            25 => {
                let stream = self.interest_stream(source);
                self.send(END, 0, stream, &[]);
            }
            26 => match source.byte() % 4 {
                0 => self.hostile.subscribe(source.byte()),
                1 => self.hostile.take(Some(source.byte().into())),
                2 => self.hostile.take(None),
                _ => self.hostile.lose(source.byte().into()),
            },
            27 => match source.byte() % 4 {
                0 => self.hostile.publish(1, length(source)),
                1 => self.hostile.publish(source.byte() % 64, length(source)),
                2 => self.hostile.end_interest(source.byte().into()),
                3 if source.yes() => self.hostile.refuse(source.byte().into()),
                _ => self.hostile.publish(1, usize::from(source.short()) * 5),
            },
            _ => match source.byte() % 8 {
                0 => self.hostile.goodbye(),
                1 | 2 => self.hostile.probe(),
                4 => self.members(source),
                // Calls that go on coming.
                3 => {
                    for _ in 0..source.byte() % 64 {
                        self.call(&mut Source::new(&[]), false);
                    }
                }
                _ => self.hostile.cancel(source.byte().into()),
            },
        }
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u64, payload: &[u8]) {
        let mut frame = Vec::with_capacity(16 + payload.len());
        frame.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        frame.extend_from_slice(&[kind, flags, 0, 0]);
        frame.extend_from_slice(&stream.to_le_bytes());
        frame.extend_from_slice(payload);
        self.hostile.send(&frame);
    }

    /// A stream that is in use, was, or may be.
    fn stream(&mut self, source: &mut Source<'_>) -> u64 {
        let (which, number) = (source.byte(), u64::from(source.byte()));
        match which % 8 {
            0..=2 => {
                let own: Vec<_> = self.hostile.own().collect();
                let index = number as usize % own.len().max(1);
                own.get(index).copied().unwrap_or(number)
            }
            // The latest that it opened.
            3..=5 => self.next.saturating_sub(2 * (1 + number % 8)),
            6 => number,
            _ => source.long(),
        }
    }

    /// MEMBERS, by the rules as a rule: one or more tellings, and what else there may be.
    fn members(&mut self, source: &mut Source<'_>) {
        let (keys, count) = (source.byte(), source.byte() % 16);
        let mut map = vec![0xA0 | (keys & 31).count_ones() as u8];
        if keys & 1 != 0 {
            map.extend([0x00, 0x80 | count]);
            for _ in 0..count {
                let (id, how, incarnation) = (source.byte(), source.byte(), source.byte() % 24);
                map.push(0x84 | (how & 1));
                map.push(0x50);
                map.extend([id; 16]);
                map.extend([incarnation, how / 2 % 4, incarnation.min(how / 8 % 4)]);
                if how & 1 != 0 {
                    map.extend([0x44, 0xA1, 0x00, 0x61, b'a' + how / 64]);
                }
            }
        }
        if keys & 2 != 0 {
            let parts = 1_u16 << (source.byte() % 9);
            map.extend([0x01, 0x59]);
            map.extend((8 * parts).to_be_bytes());
            map.extend(vec![source.byte(); 8 * usize::from(parts)]);
        }
        if keys & 4 != 0 {
            map.extend([0x02, 0x82, 0x10, 0x41, source.byte() % 17]);
        }
        if keys & 8 != 0 {
            map.extend([0x03, 0x50]);
            map.extend([source.byte(); 16]);
        }
        if keys & 16 != 0 {
            map.extend([0x04, 0xF4 | (keys >> 7)]);
        }
        self.send(MEMBERS, 0, 0, &map);
    }

    /// A CALL, by the rules as a rule.
    fn call(&mut self, source: &mut Source<'_>, in_chunks: bool) {
        let how = source.byte();
        let stream = if how & 0xF0 == 0xF0 {
            self.stream(source)
        } else {
            self.next
        };
        let (mut flags, mut payload) = (0, Vec::new());
        if how & 1 != 0 || self.tags == 0 {
            flags |= 1;
            self.tags += u32::from(how & 2 == 0);
            let number = if how & 2 == 0 { self.tags } else { 0 };
            let tag = format!("tag.{number}");
            payload.extend_from_slice(&number.to_le_bytes());
            payload.extend_from_slice(&(tag.len() as u16).to_le_bytes());
            payload.extend_from_slice(tag.as_bytes());
        } else {
            payload.extend_from_slice(&self.tags.to_le_bytes());
        }
        if how & 4 != 0 {
            flags |= 2;
            payload.extend_from_slice(&u32::from(source.short()).to_le_bytes());
        }
        if how & 8 != 0 {
            flags |= 4;
            let metadata = source.text();
            payload.extend_from_slice(&(metadata.len() as u32).to_le_bytes());
            payload.extend_from_slice(metadata.as_bytes());
        }
        if in_chunks {
            flags |= 8;
            payload.extend_from_slice(&number(source).to_le_bytes());
        } else {
            payload.resize(payload.len() + length(source), 4);
        }
        self.next = self.next.max(stream).saturating_add(2);
        self.send(CALL, flags, stream, &payload);
    }

    /// An INTEREST, by the rules as a rule.
    fn interest(&mut self, source: &mut Source<'_>) {
        let how = source.byte();
        let stream = if how & 0xF0 == 0xF0 {
            self.stream(source)
        } else {
            self.next
        };
        let (number, keep, flags) = (source.byte(), source.byte(), source.byte());
        let mut map = vec![
            0xA7,
            0,
            0x61,
            b'a',
            1,
            0x18,
            number,
            2,
            0x18,
            keep,
            3,
            flags & 1,
        ];
        let window = [131_072_u64, u64::MAX, 200_000, 131_071][usize::from(flags >> 1 & 3)];
        map.extend_from_slice(&[4, 0x1B]);
        map.extend_from_slice(&window.to_be_bytes());
        let after = [0, MAX_NUMBER + 1, MAX_NUMBER, 7][usize::from(flags >> 3 & 3)];
        map.extend_from_slice(&[5, 0x1B]);
        map.extend_from_slice(&after.to_be_bytes());
        map.extend_from_slice(&[6, number & 0x17]);
        if how & 0x0F == 0x0F {
            map = source.text().into_bytes();
        }
        self.next = self.next.max(stream).saturating_add(2);
        self.send(INTEREST, 0, stream, &map);
    }

    /// A stream that events come on.
    fn interest_stream(&mut self, source: &mut Source<'_>) -> u64 {
        let which = source.byte();
        let own: Vec<_> = self.hostile.interests().collect();
        match own.get(usize::from(which) % own.len().max(1)) {
            Some(own) if which < 240 => *own,
            _ => self.stream(source),
        }
    }

    /// What comes before an event's body, its number by the rules as a rule; and the flags for it.
    fn event_head(&mut self, source: &mut Source<'_>) -> (u8, Vec<u8>) {
        let how = source.byte();
        let number = match how >> 4 {
            0..=11 => self.last_event + 1,
            12 => self.last_event + 1 + u64::from(how & 0xF),
            13 => self.last_event,
            14 => u64::MAX - 1,
            _ => u64::MAX,
        };
        if how >> 4 < 13 {
            self.last_event = number;
        }
        let mut payload = number.to_le_bytes().to_vec();
        if how & 1 == 0 {
            return (0, payload);
        }
        let metadata = source.text();
        payload.extend_from_slice(&(metadata.len() as u32).to_le_bytes());
        payload.extend_from_slice(metadata.as_bytes());
        (4, payload)
    }

    /// An EVENT, small.
    fn event(&mut self, source: &mut Source<'_>) {
        let stream = self.interest_stream(source);
        let times = 1 + source.byte() % 32;
        let length = length(source);
        for _ in 0..times {
            let (flags, mut payload) = self.event_head(source);
            payload.resize(payload.len() + length, 6);
            self.send(EVENT, flags, stream, &payload);
        }
    }

    /// An EVENT in chunks, by the rules but for a missing end, and for the credit there is.
    fn large_event(&mut self, source: &mut Source<'_>) {
        let stream = self.interest_stream(source);
        let (flags, mut payload) = self.event_head(source);
        let total = u64::from(source.short()) * 5 + 1;
        let how = source.byte();
        let said = if how & 0xF0 == 0xF0 {
            number(source)
        } else {
            total
        };
        payload.extend_from_slice(&said.to_le_bytes());
        self.send(EVENT, flags | 8, stream, &payload);
        let piece = [65_536, 1 + u64::from(source.short())][usize::from(how & 1)];
        let most = if how & 2 != 0 { 2 } else { 16 };
        let mut left = total;
        for _ in 0..most {
            let size = left.min(piece);
            if size == 0 {
                break;
            }
            left -= size;
            self.send(CHUNK, u8::from(left == 0), stream, &vec![7; size as usize]);
            if how & 4 != 0 {
                self.hostile.listen();
            }
        }
    }

    /// A body in chunks, by the rules but for a byte too many or a missing end: of a new call, or of the reply to one of ours.
    fn body(&mut self, source: &mut Source<'_>) {
        let how = source.byte();
        let total = u64::from(source.short()) * 5 + 1;
        let own = self.hostile.own().next();
        let stream = match own {
            Some(own) if how & 1 != 0 => {
                self.send(REPLY, 8, own, &total.to_le_bytes());
                own
            }
            _ => {
                let stream = self.next;
                self.next = self.next.saturating_add(2);
                self.tags += 1;
                let mut payload = self.tags.to_le_bytes().to_vec();
                payload.extend_from_slice(b"\x01\x00t");
                payload.extend_from_slice(&total.to_le_bytes());
                self.send(CALL, 1 | 8, stream, &payload);
                stream
            }
        };
        let mut left = total;
        let piece = [65_536, 1 + u64::from(source.short())][usize::from(how >> 1 & 1)];
        let most = if how & 4 != 0 { 3 } else { u64::MAX };
        for _ in 0..most.min(16) {
            let size = left.min(piece);
            if size == 0 {
                break;
            }
            left -= size;
            let wrong = u8::from(how & 0xF8 == 0xF8);
            let last = u8::from(left == 0) ^ wrong;
            self.send(CHUNK, last, stream, &vec![5; size as usize]);
            if how & 8 != 0 {
                self.hostile.listen();
            }
        }
    }
}

/// Bytes of a payload: few as a rule, at times about as many as are allowed.
fn length(source: &mut Source<'_>) -> usize {
    match source.byte() {
        few @ 0..200 => few.into(),
        200..220 => 65_530 + usize::from(source.byte() % 16),
        220..225 => 74_810 + usize::from(source.byte() % 16),
        _ => source.short().into(),
    }
}

/// A number such as an amount of credit or a length: of any magnitude.
fn number(source: &mut Source<'_>) -> u64 {
    match source.byte() {
        small @ 0..100 => small.into(),
        100..200 => u64::from(source.short()) * 8,
        shift => u64::MAX >> (shift - 200),
    }
}

#[cfg(test)]
mod tests {
    use net_proto::{Misbehaviour, ProtocolError};

    use super::*;

    /// What is hardest to come to: answers take up all the credit there is, then calls are refused until that is too many.
    #[test]
    fn the_seed_of_a_flood_goes_too_far() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus/frames/seed-flood");
        let peer = run(&std::fs::read(path).expect("there is that seed"));
        let failed = peer.hostile.end.failed;
        let expected = ProtocolError::Misbehaved(Misbehaviour::TooManyCalls(1));
        assert_eq!(failed, Some(expected));
    }
}
