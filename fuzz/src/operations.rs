//! Two honest sessions joined by a network of uneven pace, and any sequence of what drivers may do.
//!
//! Each step takes six bytes: which side and what it does, and four or five that say how.

use std::time::{Duration, Instant};

use net_proto::{ErrorCode, Interest, Outcome, Outgoing, Policy, ProtocolError, Side, WhyRefused};

use crate::end::events::check_arrival;
use crate::end::{End, LARGEST, filled, is_filled, millis, tight};
use crate::source::Source;

/// Steps in one input. More find nothing that a second input would not.
const MOST_STEPS: usize = 400;

const TAGS: [&str; 4] = ["a", "b.c", "app.multiply", ""];

/// Sessions that are driven as the contract says never accuse each other, end each call once and with its own answer, and
/// are at rest when all is answered.
pub fn operations(input: &[u8]) {
    let mut source = Source::new(input);
    let mut link = Link::new(&mut source);
    let mut steps = 0;
    while !source.is_empty() && steps < MOST_STEPS && link.is_up() {
        steps += 1;
        let from = usize::from(source.byte() & 1);
        link.step(from, &mut source);
        link.check(steps);
    }
    if link.is_up() {
        link.settle();
    }
    let [one, other] = link.ends;
    one.close();
    other.close();
}

struct Link {
    now: Instant,
    ends: [End; 2],
    /// Bytes under way from each end.
    wires: [Vec<u8>; 2],
}

impl Link {
    fn new(source: &mut Source<'_>) -> Self {
        let now = Instant::now();
        let [one, other] =
            [source.byte(), source.byte()].map(|most| tight(1 + u32::from(most % 16)));
        Self {
            now,
            ends: [
                End::plain(Side::Dialer, one, now),
                End::plain(Side::Acceptor, other, now),
            ],
            wires: [Vec::new(), Vec::new()],
        }
    }

    /// Whether neither side has failed. A side may only have found the other silent, as what it sent may not have been delivered.
    fn is_up(&self) -> bool {
        self.ends.iter().all(|end| match &end.failed {
            None => true,
            Some(ProtocolError::Silent { .. } | ProtocolError::NoHello { .. }) => false,
            Some(error) => panic!("between honest sides: {error}"),
        })
    }

    fn step(&mut self, from: usize, source: &mut Source<'_>) {
        let now = self.now;
        let what = source.byte() % 23;
        let (how, number) = (source.byte(), source.short());
        let extra = source.byte();
        let end = &mut self.ends[from];
        match what {
            0 | 1 => {
                let time_left = (extra & 1 != 0).then(|| millis(u16::from(extra) * 8));
                let token = end.next_token();
                let metadata = token.to_le_bytes();
                let call = Outgoing {
                    tag: TAGS[usize::from(how % 4)],
                    time_left,
                    metadata: &metadata,
                    body: filled(token, size(how, number)).into(),
                };
                let is_open = end.session.is_connected() && !end.session.is_draining();
                match end.call(now, call) {
                    Ok(()) | Err(WhyRefused::Blocked) => assert!(is_open),
                    Err(WhyRefused::NotConnected | WhyRefused::Draining) => assert!(!is_open),
                    Err(WhyRefused::TooLarge { size, .. }) => assert!(size > LARGEST as u64),
                    Err(why) => panic!("{why}"),
                }
            }
            2 => end.cancel(number.into()),
            3..=5 => self.answer(from, what, how, number),
            6 => end.probe(now),
            7 => end.goodbye("enough"),
            8 => end.write(usize::from(number) * 8, &mut self.wires[from]),
            9 => self.deliver(from, usize::from(number) * 8),
            10 => self.pass(millis(number % 2000)),
            11 => self.flow(),
            13 => {
                let interest = Interest {
                    event: TAGS[usize::from(number % 4)].into(),
                    number: number.into(),
                    keep: u32::from(how),
                    policy: [Policy::DropOldest, Policy::Block][usize::from(extra & 1)],
                    window: u64::from(extra >> 1) << 13,
                    after: u64::from(how >> 6),
                    turn: 1,
                };
                let _ = end.subscribe(&interest);
            }
            14 | 15 => end.publish(extra.into(), size(how, number)),
            // An event for all.
            16 => {
                for which in 0..end.streams.wanted.len() {
                    end.publish(which, size(how, number));
                }
            }
            // One that goes on publishing.
            17 => {
                for _ in 0..how % 64 {
                    end.publish(extra.into(), number.into());
                }
            }
            18 => end.take_one(number.into()),
            19 => end.take_all(),
            20 => end.lose(number.into()),
            21 => end.end_interest(number.into()),
            22 => end.refuse(number.into()),
            // Whoever does as many calls as it can.
            _ => {
                for _ in 0..how % 32 {
                    let token = end.next_token();
                    let metadata = token.to_le_bytes();
                    let call = Outgoing {
                        tag: "b.c",
                        time_left: None,
                        metadata: &metadata,
                        body: filled(token, number.into()).into(),
                    };
                    if end.call(now, call).is_err() {
                        break;
                    }
                }
            }
        }
        self.look();
    }

    fn answer(&mut self, from: usize, what: u8, how: u8, number: u16) {
        let end = &mut self.ends[from];
        let which = usize::from(number) % end.asked.len().max(1);
        let Some(call) = end.asked.remove(which) else {
            return;
        };
        let token = u32::from_le_bytes(call.metadata[..].try_into().expect("a token comes along"));
        assert!(is_filled(token, &call.body), "a body arrives as it was");
        match what {
            3 => end.reply(call.id, filled(token, size(how, number))),
            4 => end.flag(call.id, &token.to_string()),
            _ => end.error(call.id, token.to_string()),
        }
    }

    fn deliver(&mut self, from: usize, most: usize) {
        let wire = &mut self.wires[from];
        let rest = wire.split_off(most.min(wire.len()));
        let bytes = std::mem::replace(wire, rest);
        if !bytes.is_empty() {
            self.ends[1 - from].read(self.now, &bytes);
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        for end in &mut self.ends {
            end.tick(self.now);
        }
    }

    /// Writes and delivers until nothing is under way.
    fn flow(&mut self) {
        loop {
            let mut moved = 0;
            for from in [0, 1] {
                self.ends[from].write(usize::MAX / 2, &mut self.wires[from]);
                moved += self.wires[from].len();
                self.deliver(from, usize::MAX);
            }
            self.look();
            if moved == 0 {
                self.ends.iter_mut().for_each(|end| end.check_waiting());
                return;
            }
        }
    }

    /// Looks at how calls ended, and at what came.
    fn look(&mut self) {
        for end in &mut self.ends {
            end.look_at_arrivals(check_arrival);
            for (token, outcome) in end.ended.drain(..) {
                match outcome {
                    Outcome::Reply(body) => assert!(is_filled(token, &body), "another's reply"),
                    Outcome::Flag(name) => assert_eq!(name, token.to_string(), "another's flag"),
                    Outcome::Error(error) => {
                        // What has another code the session itself has said.
                        let is_own = error.code != net_proto::ErrorCode::Remote;
                        assert!(
                            is_own || error.message == token.to_string(),
                            "another's error"
                        );
                    }
                    Outcome::TimedOut => {}
                    Outcome::TooLarge { size, limit } => assert!(size > limit),
                }
            }
        }
    }

    fn check(&self, steps: usize) {
        let [one, other] = &self.ends;
        for (from, to) in [(one, other), (other, one)] {
            from.check();
            // A step makes 32 calls at most, each of which is cancelled once.
            from.check_small_frames(steps * 33);
            let usage = from.session.usage();
            let most = to.session.usage().may_receive;
            assert!(usage.may_send <= most, "{usage:?}, {most}");
            // One body over the mark, and an answer for each call that was taken in below it.
            let answers = LARGEST as u64 * (1 + u64::from(from.limits.max_calls));
            let waiting = from.limits.max_leaving + from.limits.max_unsent + answers;
            // And an event beyond, as one of any size may go.
            let waiting = waiting + LARGEST as u64;
            assert!(usage.leaving + usage.unsent <= waiting, "{usage:?}");
        }
    }

    /// Answers all there is and lets it flow: nothing is stuck then, the link holds as long as it is left alone, and a goodbye ends it.
    fn settle(&mut self) {
        // Each round an answer for every call, and the calls that waited for it come in.
        for _ in 0..100 {
            self.flow();
            while self.ends.iter().any(|end| !end.asked.is_empty()) {
                self.answer(0, 3, 0, 0);
                self.answer(1, 3, 0, 0);
            }
            self.ends.iter_mut().for_each(|end| end.take_all());
        }
        for _ in 0..10 {
            self.pass(millis(1000));
            self.flow();
        }
        assert!(self.is_up(), "a link that is left alone holds");
        for end in &self.ends {
            assert!(end.is_at_rest(), "{:?} {:?}", end.session.usage(), end.own);
            assert!(!end.waits_for_room, "there is room, and nobody was told");
            let mut wanted = end.streams.wanted.iter();
            assert!(wanted.all(|wanted| wanted.waits.is_none()));
        }
        self.end_interests();
        self.ends[0].goodbye("done");
        self.flow();
        assert!(
            self.ends.iter().all(|end| end.is_drained),
            "a goodbye ends it"
        );
    }
}

impl Link {
    /// Ends the interests there are: both sides think the same of each, and all came that was to come.
    fn end_interests(&mut self) {
        for from in [0, 1] {
            while !self.ends[from].streams.wanted.is_empty() {
                self.ends[from].end_interest(0);
            }
        }
        self.flow();
        for from in [0, 1] {
            let [subscriber, publisher] = [&self.ends[from], &self.ends[1 - from]];
            assert_eq!(subscriber.session.interests(), (0, 0));
            for (own, error) in &subscriber.streams.ended {
                if let Some(error) = error {
                    assert!([ErrorCode::Refused, ErrorCode::Busy].contains(&error.code));
                    continue;
                }
                let mut over = publisher.streams.over.iter();
                let over = over.find(|over| over.id == own.id).expect("it was ended");
                assert!(own.count <= over.count);
                assert!(
                    over.had_large || own.count == over.count,
                    "{own:?} {over:?}"
                );
            }
        }
    }
}

/// Small as a rule, at times of one frame or a little more, at times of several.
pub(crate) fn size(how: u8, number: u16) -> usize {
    match how >> 4 {
        0..=9 => usize::from(number % 64),
        10 | 11 => usize::from(number),
        12 => 65_530 + usize::from(number % 16),
        13 => usize::from(number) * 4,
        _ => usize::from(number) * 5,
    }
}
