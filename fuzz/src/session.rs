//! Any bytes into a session, in either role, in pieces of any size.
//!
//! An input begins with four bytes that say how it is read; [`Hostile`] is what frames.rs shares.

use std::time::Instant;

use net_proto::{CallId, Interest, Outgoing, Policy, Side};

use crate::end::{End, millis, tight};
use crate::source::Source;

/// What a peer sends before its first frame, its limits the default ones: the preface and a HELLO.
const MEETING: &[u8] = b"\xABnet\r\n\x01\x01\
    \x27\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\
    \xa5\x00\x50\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff\
    \x07\x04\x08\x1a\x00\x08\x00\x00\x09\x1a\x00\x02\x00\x00\x0a\x1a\x00\x04\x93\xe0";

/// The same of one that knows events and members.
const MEETING_WITH_EVENTS: &[u8] = b"\xABnet\r\n\x01\x01\
    \x38\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\
    \xa6\x00\x50\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff\
    \x07\x04\x08\x1a\x00\x08\x00\x00\x09\x1a\x00\x02\x00\x00\x0a\x1a\x00\x04\x93\xe0\
    \x0b\x82\x66events\x67members";

/// A session that is fed by anyone.
pub fn session(input: &[u8]) {
    let mut source = Source::new(input);
    let mut hostile = Hostile::new(source.byte());
    let (pace, habit) = (source.byte(), source.byte());
    let piece = 1 + usize::from(source.byte()) * usize::from(source.byte());
    for bytes in source.rest().chunks(piece) {
        hostile.send(bytes);
        hostile.answer(habit);
        hostile.live(habit);
        if pace & 1 != 0 {
            hostile.listen();
        }
        hostile.pass(u16::from(pace >> 4) * 10);
    }
    hostile.end();
}

/// A session whose other side is hostile.
pub(crate) struct Hostile {
    pub(crate) end: End,
    pub(crate) side: Side,
    now: Instant,
    heard: Vec<u8>,
    deeds: usize,
    has_events: bool,
}

impl Hostile {
    /// How it begins: bit 0 the role, bit 1 whether they have met, bit 2 whether calls have been made, bit 3 whether
    /// it knows events, and is subscribed to; the rest how many calls are served.
    pub(crate) fn new(how: u8) -> Self {
        let side = if how & 1 != 0 {
            Side::Dialer
        } else {
            Side::Acceptor
        };
        let now = Instant::now();
        let mut hostile = Self {
            end: End::plain(side, tight(u32::from(how >> 4)), now),
            side,
            now,
            heard: Vec::new(),
            deeds: 0,
            has_events: how & 8 != 0,
        };
        if how & 2 != 0 {
            hostile.send([MEETING, MEETING_WITH_EVENTS][usize::from(hostile.has_events)]);
            assert!(
                hostile.end.session.is_connected(),
                "{:?}",
                hostile.end.failed
            );
        }
        if how & 4 != 0 {
            hostile.call(10, 0);
            hostile.call(200_000, 0);
            hostile.call(3, 500);
        }
        if hostile.has_events {
            hostile.subscribe(0);
            hostile.subscribe(1);
        }
        hostile
    }

    pub(crate) fn call(&mut self, size: usize, time: u16) {
        self.deeds += 1;
        let call = Outgoing {
            tag: "app.multiply",
            time_left: (time > 0).then(|| millis(time)),
            metadata: &[],
            body: vec![7; size].into(),
        };
        let _ = self.end.call(self.now, call);
    }

    pub(crate) fn cancel(&mut self, which: usize) {
        self.deeds += 1;
        self.end.cancel(which);
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.end.read(self.now, bytes);
        self.end.check();
        self.end.check_small_frames(self.deeds);
    }

    /// Answers a call that waits, if `habit` says so; its higher bits say how.
    pub(crate) fn answer(&mut self, habit: u8) {
        if habit & 1 == 0 {
            return;
        }
        while let Some(call) = self.end.asked.pop_front() {
            match habit >> 1 & 3 {
                0 => self.end.reply(call.id, call.body.into()),
                1 => self.end.reply(call.id, vec![3; usize::from(habit) * 1000]),
                2 => self.end.flag(call.id, "NULL"),
                _ => self.end.error(call.id, "no".repeat(20_000)),
            }
            self.end.check();
        }
    }

    pub(crate) fn subscribe(&mut self, how: u8) {
        self.deeds += 1;
        let interest = Interest {
            event: "alarm".into(),
            number: how.into(),
            keep: 1 + u32::from(how >> 1),
            policy: [Policy::DropOldest, Policy::Block][usize::from(how & 1)],
            window: 0,
            after: u64::from(how >> 6),
            turn: 1,
        };
        let _ = self.end.subscribe(&interest);
        self.end.check();
    }

    /// Publishes so many events of one size to all that ask for any.
    pub(crate) fn publish(&mut self, times: u8, size: usize) {
        for _ in 0..times {
            for which in 0..self.end.streams.wanted.len() {
                self.end.publish(which, size);
            }
            self.end.check();
        }
        self.end.check_small_frames(self.deeds);
    }

    /// The program takes one of the events that came, or all.
    pub(crate) fn take(&mut self, which: Option<usize>) {
        match which {
            Some(which) => self.end.take_one(which),
            None => self.end.take_all(),
        }
        self.end.check();
    }

    pub(crate) fn lose(&mut self, which: usize) {
        self.deeds += 1;
        self.end.lose(which);
        self.end.check();
    }

    pub(crate) fn end_interest(&mut self, which: usize) {
        self.end.end_interest(which);
        self.end.check();
    }

    pub(crate) fn refuse(&mut self, which: usize) {
        self.end.refuse(which);
        self.end.check();
    }

    /// What a program does with events, if there are any: the bits of `habit` say what.
    fn live(&mut self, habit: u8) {
        if !self.has_events {
            return;
        }
        let has = |bit| habit & bit != 0;
        self.publish(1, usize::from(habit) + 1);
        if has(0x10) {
            self.publish(1, 65_530 + usize::from(habit) * 800);
        }
        if has(8) {
            self.take(None);
        }
        if has(0x20) {
            self.end_interest(0);
        }
        if has(0x40) {
            self.refuse(1);
        }
        if has(0x80) {
            self.lose(0);
        }
    }

    pub(crate) fn probe(&mut self) {
        self.deeds += 1;
        self.end.probe(self.now);
    }

    pub(crate) fn goodbye(&mut self) {
        self.end.goodbye("enough");
    }

    /// Takes what the session has to say.
    pub(crate) fn listen(&mut self) {
        self.end.write(usize::MAX / 2, &mut self.heard);
        self.heard.clear();
        self.end.check();
    }

    pub(crate) fn pass(&mut self, time: u16) {
        self.now += millis(time);
        // A ping, and a CANCEL for each call.
        self.deeds += 1;
        self.end.tick(self.now);
        self.end.check();
    }

    /// The ids of our calls, and of our interests, that have not ended.
    pub(crate) fn own(&self) -> impl Iterator<Item = CallId> {
        let calls = self.end.own.iter().map(|(id, _)| *id);
        calls.chain(self.interests())
    }

    /// The ids of our interests that have not ended.
    pub(crate) fn interests(&self) -> impl Iterator<Item = CallId> {
        self.end.streams.own.iter().map(|own| own.id)
    }

    pub(crate) fn end(mut self) {
        if self.end.failed.is_some() {
            // Says the same again, and what it has left can be written.
            self.end.read(self.now, b"anything");
            self.listen();
            self.call(1, 0);
        }
        self.end.close();
    }
}
