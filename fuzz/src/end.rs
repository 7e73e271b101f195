//! One side of a link with a driver that keeps to the contract of `net_proto`, and what must hold of it whatever the
//! other side does. Not what the other side is.

pub(crate) mod events;

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use net_proto::limits::{MAX_MEMBERS, MAX_PAYLOAD, MEMBERS_BATCH};
use net_proto::members::{Action, Members, Message};
use net_proto::{
    CallId, ErrorBody, ErrorCode, Event, Hello, Incoming, InstanceId, Limits, Outcome, Outgoing,
    ProtocolError, Session, Side, Transmit, WhyRefused,
};

use events::Streams;

/// Small limits, so that all of them are run into. What is smaller is raised to this by the session.
pub(crate) fn tight(max_calls: u32) -> Limits {
    Limits {
        max_calls,
        link_window: 512 * 1024,
        stream_window: 128 * 1024,
        max_value: LARGEST as u64,
        max_arriving: 500_000,
        max_unsent: 200_000,
        max_leaving: 300_000,
        max_interests: MOST_INTERESTS,
        max_queue: 20,
        max_queued: 250_000,
        high_water: 20_000,
        chunk_budget: 100_000,
        ..Limits::default()
    }
}

/// The largest body that a side with [`tight`] limits takes.
pub(crate) const LARGEST: usize = 300_000;

/// The interests that a side with [`tight`] limits serves.
pub(crate) const MOST_INTERESTS: u32 = 6;

/// Events that are taken in one go. Few, so that there are often more.
const RUN: usize = 5;

/// A side of a link. Its calls are known by numbers from 0 up.
pub(crate) struct End {
    pub(crate) session: Session<u32>,
    pub(crate) limits: Limits,
    pub(crate) hello: Option<Hello>,
    pub(crate) failed: Option<ProtocolError>,
    pub(crate) is_drained: bool,
    /// The calls that were made and have not ended.
    pub(crate) own: Vec<(CallId, u32)>,
    /// The calls of the other side that wait for an answer.
    pub(crate) asked: VecDeque<Incoming>,
    /// How those ended that ended by themselves and were not looked at.
    pub(crate) ended: Vec<(u32, Outcome)>,
    /// Whether a call was refused until there is room.
    pub(crate) waits_for_room: bool,
    pub(crate) streams: Streams,
    members: Members<()>,
    /// Its time for members.
    start: Instant,
    /// Answers to probes that are due.
    probes: u32,
    /// For each call made whether its token has come back.
    made: Vec<bool>,
    input: BytesMut,
    transmit: Transmit,
}

impl End {
    pub(crate) fn new(side: Side, hello: Hello, limits: Limits, now: Instant) -> Self {
        let members = Members::new(&hello, 1, now);
        Self {
            session: Session::new(side, hello, limits.clone(), now),
            limits,
            hello: None,
            failed: None,
            is_drained: false,
            own: Vec::new(),
            asked: VecDeque::new(),
            ended: Vec::new(),
            waits_for_room: false,
            streams: Streams::default(),
            members,
            start: now,
            probes: 0,
            made: Vec::new(),
            input: BytesMut::new(),
            transmit: Transmit::default(),
        }
    }

    /// A side with nothing to tell of itself.
    pub(crate) fn plain(side: Side, limits: Limits, now: Instant) -> Self {
        let id = InstanceId([side as u8 + 1; 16]);
        Self::new(side, Hello::new(id), limits, now)
    }

    /// The token of the next call.
    pub(crate) fn next_token(&self) -> u32 {
        self.made.len() as u32
    }

    pub(crate) fn call(&mut self, now: Instant, call: Outgoing<'_>) -> Result<(), WhyRefused> {
        let token = self.next_token();
        self.made.push(false);
        let made = self.session.call(now, call, token);
        let result = match made {
            Ok(id) => {
                self.own.push((id, token));
                Ok(())
            }
            Err(refused) => {
                assert_eq!(refused.token, token);
                self.comes_back(token);
                self.waits_for_room |= refused.why == WhyRefused::Blocked;
                Err(refused.why)
            }
        };
        self.poll();
        result
    }

    pub(crate) fn cancel(&mut self, which: usize) {
        if self.own.is_empty() {
            return;
        }
        let (id, token) = self.own[which % self.own.len()];
        let ended = self.session.cancel(id);
        if !self.made[token as usize] {
            assert_eq!(ended, Some(token), "what has not ended can be given up");
            self.comes_back(token);
        } else {
            assert_eq!(ended, None);
        }
        self.poll();
    }

    pub(crate) fn reply(&mut self, id: CallId, body: Vec<u8>) {
        self.session.reply(id, body.into());
        self.poll();
    }

    pub(crate) fn flag(&mut self, id: CallId, name: &str) {
        self.session.flag(id, name);
        self.poll();
    }

    pub(crate) fn error(&mut self, id: CallId, message: String) {
        let error = ErrorBody::new(ErrorCode::Remote, message);
        self.session.error(id, &error);
        self.poll();
    }

    pub(crate) fn probe(&mut self, now: Instant) {
        if self.session.is_connected() {
            self.probes += 1;
        }
        self.session.probe(now);
        self.poll();
    }

    pub(crate) fn goodbye(&mut self, reason: &str) {
        self.session.goodbye(reason);
        self.poll();
    }

    /// Whether this side has something to write, and may.
    pub(crate) fn wants_write(&self) -> bool {
        !self.transmit.is_empty() || self.session.wants_write()
    }

    /// Writes up to `room` bytes.
    pub(crate) fn write(&mut self, room: usize, wire: &mut Vec<u8>) {
        let end = wire.len() + room;
        while wire.len() < end && self.wants_write() {
            self.session.transmit(&mut self.transmit);
            self.poll();
            let mut slices = [IoSlice::new(&[]); 3];
            let used = self.transmit.slices(&mut slices);
            let before = wire.len();
            for slice in &slices[..used] {
                wire.extend_from_slice(slice);
            }
            wire.truncate(end);
            self.transmit.advance(wire.len() - before);
        }
    }

    /// Takes in bytes.
    pub(crate) fn read(&mut self, now: Instant, bytes: &[u8]) {
        if let Err(error) = self.session.take_read(now, &mut self.input, bytes) {
            self.fail(error);
        }
        loop {
            match self.session.receive(now, &mut self.input) {
                Ok(Some(Event::Arrived(first))) => {
                    let run = self.session.receive_run(&mut self.input, first, RUN);
                    assert!(run.len() <= RUN);
                    run.into_iter().for_each(|arrival| self.event_came(arrival));
                }
                Ok(Some(event)) => self.take(event),
                Ok(None) => break,
                Err(error) => return self.fail(error),
            }
        }
        assert!(self.failed.is_none(), "a link that failed stays so");
        assert!(
            self.input.len() < 16 + MAX_PAYLOAD,
            "whole frames are taken"
        );
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Instant) {
        while self.failed.is_none() && self.session.timeout().is_some_and(|due| due <= now) {
            if let Err(error) = self.session.handle_timeout(now) {
                self.fail(error);
            }
            self.poll();
        }
    }

    fn fail(&mut self, error: ProtocolError) {
        assert!(!error.to_string().is_empty());
        match &self.failed {
            Some(before) => assert_eq!(*before, error, "each time the same error"),
            None => self.failed = Some(error),
        }
        self.poll();
    }

    fn poll(&mut self) {
        while let Some(event) = self.session.poll() {
            self.take(event);
        }
    }

    fn take(&mut self, event: Event<u32>) {
        // A ping that was under way is still answered.
        let is_late = self.is_drained && !matches!(event, Event::Answered);
        assert!(!is_late, "after the end: {event:?}");
        match event {
            Event::Connected { hello, version } => {
                assert_eq!(version, 1);
                self.members.linked((), &hello, self.start);
                assert!(self.hello.replace(*hello).is_none(), "HELLO is said once");
            }
            Event::Call(call) => {
                assert!(call.body.len() as u64 <= self.limits.max_value.max(MAX_PAYLOAD as u64));
                assert!(self.session.is_wanted(call.id));
                self.asked.push_back(call);
            }
            Event::Cancelled(id) => {
                let before = self.asked.len();
                self.asked.retain(|call| call.id != id);
                assert_eq!(before, self.asked.len() + 1, "only what runs is cancelled");
            }
            Event::Ended { token, outcome } => {
                self.comes_back(token);
                self.ended.push((token, outcome));
            }
            Event::Answered => {
                assert!(self.probes > 0, "an answer to nothing");
                // One answers for all that came before it.
                self.probes = 0;
            }
            Event::Interest { id, interest } => self.interest_came(id, interest),
            Event::NotInterested(id) => self.interest_left(id),
            Event::QueueRoom(id) => self.queue_has_room(id),
            Event::Arrived(arrival) => self.event_came(arrival),
            Event::InterestEnded { id, error } => self.own_interest_ended(id, error),
            Event::Room => self.waits_for_room = false,
            Event::Members(message) => self.members_came(message),
            Event::Goodbye { .. } => assert!(self.session.is_draining()),
            Event::Drained => {
                self.is_drained = true;
                assert_eq!((self.session.in_flight(), self.session.serving()), (0, 0));
                assert_eq!(self.session.interests(), (0, 0));
            }
        }
    }

    /// What is said of members is taken in, and what comes of it can be said.
    fn members_came(&mut self, message: Message) {
        assert!(message.length() <= MAX_MEMBERS);
        let Some(hello) = &self.hello else {
            panic!("before HELLO");
        };
        self.members.received(hello.id, &(), message, self.start);
        // Later, so that nothing waits.
        self.start += MEMBERS_BATCH;
        self.members.handle_timeout(self.start);
        while let Some(action) = self.members.poll() {
            if let Action::Send { message, .. } = action {
                assert!(message.length() <= MAX_MEMBERS);
            }
        }
    }

    fn comes_back(&mut self, token: u32) {
        let has_ended = std::mem::replace(&mut self.made[token as usize], true);
        assert!(!has_ended, "call {token} ends twice");
        self.own.retain(|(_, own)| *own != token);
    }

    /// What must hold at any time.
    pub(crate) fn check(&self) {
        let usage = self.session.usage();
        let limits = &self.limits;
        let calls = limits.max_calls as usize;
        assert_eq!(self.session.in_flight(), self.own.len());
        let refusals = 16 + limits.max_interests as usize;
        assert!(
            self.session.serving() <= 2 * calls + refusals,
            "too many served"
        );
        self.check_events();
        assert!(self.asked.len() <= calls, "too many run");
        assert!(usage.arriving <= limits.max_arriving, "{usage:?}");
        assert!(usage.may_receive <= limits.link_window, "{usage:?}");
        if let Some(hello) = &self.hello {
            assert!(usage.may_send <= hello.link_window, "{usage:?}");
            assert!(self.session.in_flight() <= hello.max_calls as usize);
        } else {
            assert_eq!(usage.may_send, 0);
        }
    }

    /// Small frames that wait here: those of calls end at the high-water mark, those of answers at the credit there is, and what
    /// else there is has no body, and is for something that this side did.
    pub(crate) fn check_small_frames(&self, deeds: usize) {
        let credit = self.hello.as_ref().map_or(0, |hello| hello.link_window);
        let most = self.limits.high_water + MAX_PAYLOAD + credit as usize + (deeds + 64) * 64;
        let held = self.session.usage().small_frames;
        assert!(held <= most, "{held} bytes of small frames");
    }

    /// Nothing is under way any more.
    pub(crate) fn is_at_rest(&self) -> bool {
        let usage = self.session.usage();
        let held = (
            usage.leaving,
            usage.unsent,
            usage.arriving,
            usage.small_frames,
            usage.queued,
        );
        held == (0, 0, 0, 0, 0) && self.session.in_flight() + self.session.serving() == 0
    }

    /// Ends it all: each token has come back once.
    pub(crate) fn close(mut self) {
        for token in self.session.close() {
            self.comes_back(token);
        }
        assert!(self.made.iter().all(|back| *back), "a call has no end");
        assert_eq!(self.session.timeout(), None);
        assert!(self.session.close().is_empty());
    }
}

/// A time that can be added to any other.
pub(crate) fn millis(millis: u16) -> Duration {
    Duration::from_millis(millis.into())
}

/// A body that shows whose it is.
pub(crate) fn filled(token: u32, size: usize) -> Vec<u8> {
    let mut body = vec![token as u8; size];
    for (byte, own) in body.iter_mut().zip(token.to_le_bytes()) {
        *byte = own;
    }
    body
}

pub(crate) fn is_filled(token: u32, body: &[u8]) -> bool {
    body == filled(token, body.len())
}
