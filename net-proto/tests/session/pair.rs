//! Two sessions joined by a network that is not there, in time that does not pass by itself.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use net_proto::limits::VERSIONS;
use net_proto::{
    CallId, CallRefused, Event, Hello, Incoming, InstanceId, Limits, MAGIC, Outcome, Outgoing,
    Payload, ProtocolError, Session, Side, Transmit,
};

pub(crate) const HELLO: u8 = 0x01;
pub(crate) const CALL: u8 = 0x02;
pub(crate) const REPLY: u8 = 0x03;
pub(crate) const ERROR: u8 = 0x05;
pub(crate) const CANCEL: u8 = 0x08;
pub(crate) const CREDIT: u8 = 0x09;
pub(crate) const CHUNK: u8 = 0x0A;
pub(crate) const PING: u8 = 0x0D;
pub(crate) const PONG: u8 = 0x0E;
pub(crate) const GOODBYE: u8 = 0x0F;

/// What the network does to the bytes.
#[derive(Clone, Copy)]
pub(crate) struct Network {
    pub(crate) delay: Duration,
    /// The most bytes that arrive at once.
    pub(crate) piece: usize,
}

pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) network: Network,
    pub(crate) dialer: End,
    pub(crate) acceptor: End,
}

pub(crate) struct End {
    pub(crate) session: Session<u32>,
    /// What has happened here and was not looked at.
    pub(crate) events: VecDeque<Event<u32>>,
    pub(crate) failed: Option<ProtocolError>,
    /// Every frame that left here.
    pub(crate) sent: Vec<Sent>,
    /// Whether calls are answered at once with what they were called with.
    pub(crate) echoes: bool,
    input: BytesMut,
    arriving: VecDeque<(Instant, Vec<u8>)>,
    transmit: Transmit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u64,
    pub(crate) length: usize,
}

impl Pair {
    /// Two sides that have said HELLO.
    pub(crate) fn connected() -> Self {
        Self::connected_with(Limits::default(), Limits::default())
    }

    pub(crate) fn connected_with(dialer: Limits, acceptor: Limits) -> Self {
        let mut pair = Self::new(dialer, acceptor);
        pair.connect();
        pair
    }

    /// Two sides that have yet to exchange a byte.
    pub(crate) fn new(dialer: Limits, acceptor: Limits) -> Self {
        Self::speaking([VERSIONS, VERSIONS], dialer, acceptor)
    }

    /// Two sides of releases that speak these versions, the dialer's first.
    pub(crate) fn speaking(
        [first, second]: [RangeInclusive<u8>; 2],
        dialer: Limits,
        acceptor: Limits,
    ) -> Self {
        let now = Instant::now();
        Self {
            now,
            network: Network {
                delay: Duration::from_millis(1),
                piece: usize::MAX,
            },
            dialer: End::new(first, Side::Dialer, dialer, now),
            acceptor: End::new(second, Side::Acceptor, acceptor, now),
        }
    }

    pub(crate) fn connect(&mut self) {
        self.flow();
        for end in [&mut self.dialer, &mut self.acceptor] {
            let event = end.events.pop_front();
            assert!(matches!(event, Some(Event::Connected { .. })), "{event:?}");
        }
    }

    /// The dialer hears a HELLO in which no features are named.
    pub(crate) fn connect_to_older(&mut self) {
        let arrival = self.now;
        self.acceptor.write(arrival, &mut self.dialer.arriving);
        let Some((_, mut hello)) = self.dialer.arriving.pop_front() else {
            panic!("no HELLO");
        };
        // The last of the map: its key, then a list of two texts.
        let list = b"\x0b\x82\x66events\x67members";
        let end = hello.strip_suffix(list).expect("it names events").len();
        hello.truncate(end);
        hello.extend(b"\x0b\x80");
        hello[8] -= list.len() as u8 - 2;
        self.dialer.receive(self.now, &hello);
        let event = self.dialer.events.pop_front();
        assert!(matches!(event, Some(Event::Connected { .. })), "{event:?}");
    }

    /// Lets bytes flow until none are under way. Time passes only as they travel.
    pub(crate) fn flow(&mut self) {
        self.run(None);
    }

    /// Lets time pass, and bytes flow meanwhile.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        self.run(Some(until));
        self.now = until;
    }

    fn run(&mut self, until: Option<Instant>) {
        loop {
            let arrival = self.now + self.network.delay;
            let (dialer, acceptor) = (&mut self.dialer, &mut self.acceptor);
            dialer.write(arrival, &mut acceptor.arriving);
            acceptor.write(arrival, &mut dialer.arriving);

            let arrivals = [dialer.next_arrival(), acceptor.next_arrival()];
            let mut next = arrivals.into_iter().flatten().min();
            if let Some(until) = until {
                let timers = [dialer.timeout(), acceptor.timeout()];
                next = timers.into_iter().flatten().chain(next).min();
                next = next.filter(|time| *time <= until);
            }
            let Some(next) = next else { return };
            self.now = self.now.max(next);
            for end in [dialer, acceptor] {
                end.read(self.now, self.network.piece);
                end.tick(self.now);
            }
        }
    }

    /// Gives the bytes under way to nobody.
    pub(crate) fn cut(&mut self) {
        self.dialer.arriving.clear();
        self.acceptor.arriving.clear();
    }
}

impl End {
    fn new(versions: RangeInclusive<u8>, side: Side, limits: Limits, now: Instant) -> Self {
        let hello = Hello {
            software: format!("app-net/0.{}", versions.end()),
            ..Hello::new(InstanceId([side as u8 + 1; 16]))
        };
        Self {
            session: Session::speaking(versions, side, hello, limits, now),
            events: VecDeque::new(),
            failed: None,
            sent: Vec::new(),
            echoes: false,
            input: BytesMut::new(),
            arriving: VecDeque::new(),
            transmit: Transmit::default(),
        }
    }

    fn timeout(&self) -> Option<Instant> {
        self.session.timeout().filter(|_| self.failed.is_none())
    }

    fn next_arrival(&self) -> Option<Instant> {
        let (time, _) = self.arriving.front()?;
        Some(*time)
    }

    /// Writes all there is; it is in `wire` then.
    pub(crate) fn write(&mut self, arrival: Instant, wire: &mut VecDeque<(Instant, Vec<u8>)>) {
        while self.failed.is_none() && self.session.wants_write() {
            let bytes = self.write_once();
            if !bytes.is_empty() {
                wire.push_back((arrival, bytes));
            }
            self.poll();
        }
    }

    /// The bytes of one transmit, taken in writes that end anywhere, as a socket's do.
    pub(crate) fn write_once(&mut self) -> Vec<u8> {
        self.session.transmit(&mut self.transmit);
        let mut bytes = Vec::with_capacity(self.transmit.len());
        while !self.transmit.is_empty() {
            let mut slices = [IoSlice::new(&[]); 3];
            let used = self.transmit.slices(&mut slices);
            let start = bytes.len();
            for slice in &slices[..used] {
                bytes.extend_from_slice(slice);
            }
            let short = bytes.len() % 3;
            if bytes.len() - start > short {
                bytes.truncate(bytes.len() - short);
            }
            self.transmit.advance(bytes.len() - start);
        }
        self.log(&bytes);
        bytes
    }

    fn log(&mut self, bytes: &[u8]) {
        let mut rest = bytes.strip_prefix(&MAGIC).map_or(bytes, |rest| &rest[2..]);
        while !rest.is_empty() {
            let mut header = rest;
            let length = header.get_u32_le() as usize;
            let (kind, flags, _) = (header.get_u8(), header.get_u8(), header.get_u16_le());
            let stream = header.get_u64_le();
            self.sent.push(Sent {
                kind,
                flags,
                stream,
                length,
            });
            rest = &header[length..];
        }
    }

    fn read(&mut self, now: Instant, piece: usize) {
        while self.next_arrival().is_some_and(|time| time <= now)
            && let Some((_, bytes)) = self.arriving.pop_front()
        {
            for piece in bytes.chunks(piece.min(bytes.len())) {
                self.receive(now, piece);
            }
        }
    }

    /// Takes in bytes that came from anywhere.
    pub(crate) fn receive(&mut self, now: Instant, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        if let Err(error) = self.take_in(now, bytes) {
            self.failed = Some(error);
        }
    }

    fn take_in(&mut self, now: Instant, bytes: &[u8]) -> Result<(), ProtocolError> {
        self.session.take_read(now, &mut self.input, bytes)?;
        while let Some(event) = self.session.receive(now, &mut self.input)? {
            self.take(event);
        }
        Ok(())
    }

    fn tick(&mut self, now: Instant) {
        if self.timeout().is_some_and(|time| time <= now)
            && let Err(error) = self.session.handle_timeout(now)
        {
            self.failed = Some(error);
        }
        self.poll();
    }

    pub(crate) fn poll(&mut self) {
        while let Some(event) = self.session.poll() {
            self.take(event);
        }
    }

    fn take(&mut self, event: Event<u32>) {
        match event {
            Event::Call(call) if self.echoes => {
                self.session.reply(call.id, call.body.into());
            }
            event => self.events.push_back(event),
        }
    }

    /// Calls, which must not be refused.
    pub(crate) fn call(&mut self, now: Instant, tag: &str, body: &[u8], token: u32) -> CallId {
        self.try_call(now, tag, body, token).expect("there is room")
    }

    pub(crate) fn try_call(
        &mut self,
        now: Instant,
        tag: &str,
        body: &[u8],
        token: u32,
    ) -> Result<CallId, CallRefused<u32>> {
        self.session.call(now, outgoing(tag, body), token)
    }

    /// The next event, which has to be a call.
    pub(crate) fn expect_call(&mut self) -> Incoming {
        match self.events.pop_front() {
            Some(Event::Call(call)) => call,
            other => panic!("a call was expected, not {other:?}"),
        }
    }

    /// The next event, which has to be the end of the call with this token.
    pub(crate) fn expect_end(&mut self, token: u32) -> Outcome {
        match self.events.pop_front() {
            Some(Event::Ended {
                token: ended,
                outcome,
            }) if ended == token => outcome,
            other => panic!("the end of call {token} was expected, not {other:?}"),
        }
    }

    /// How often frames of a kind were sent.
    pub(crate) fn count(&self, kind: u8) -> usize {
        self.sent.iter().filter(|frame| frame.kind == kind).count()
    }
}

pub(crate) fn outgoing<'a>(tag: &'a str, body: &'a [u8]) -> Outgoing<'a> {
    Outgoing {
        tag,
        time_left: None,
        metadata: &[],
        body: Payload::Borrowed(body),
    }
}

/// A frame as the other side would have to write it.
pub(crate) fn frame(kind: u8, flags: u8, stream: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_le_bytes().to_vec();
    bytes.extend([kind, flags, 0, 0]);
    bytes.extend(stream.to_le_bytes());
    bytes.extend(payload);
    bytes
}

/// A body that differs from place to place.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    let period: Vec<u8> = (0..=250).collect();
    let mut body = period.repeat(length / period.len() + 1);
    body.truncate(length);
    body
}
