//! One link's protocol state: bytes and time in, bytes and events out. This file is the frame around the concerns, each of
//! which has a file of its own in `session/`; it hands every frame and timer to the one that it concerns.

mod calls;
mod chunks;
mod credit;
mod deadlines;
mod drain;
mod event;
mod ids;
mod liveness;
mod serve;
mod tags;
mod unsent;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};

use crate::error::{Misbehaviour, ProtocolError};
use crate::frame::{Frame, HEADER, Header, Kind, write_frame, write_number};
use crate::hello::{Hello, MAGIC, PREFACE, agree, preface};
use crate::limits::{Limits, MAX_HELLO};
use crate::timer::{Timer, TimerTable};
use crate::transmit::Transmit;

use calls::{Blocked, OwnCall};
use chunks::Leaving;
use credit::{ReceiveWindow, SendWindow};
use deadlines::Deadlines;
use drain::Drain;
use ids::IdHash;
use liveness::Liveness;
use serve::PeerCall;
use tags::{KnownTags, SentTags};
use unsent::Unsent;

pub use event::{CallRefused, Event, Incoming, Outcome, Outgoing, Payload, WhyRefused};
pub use tags::Tag;

/// Names one call on one link: the number of its stream.
pub type CallId = u64;

/// Which end of the link this is. Both ends can do the same; it decides whose stream ids are odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The side that made the link.
    Dialer,
    /// The side that was reached.
    Acceptor,
}

/// The protocol on one link, without the link: see the [crate's documentation](crate) for how it is driven.
///
/// `C` is what the driver knows a call by. Each token given to [`call`](Session::call) comes back exactly once.
#[derive(Debug)]
pub struct Session<C> {
    side: Side,
    limits: Limits,
    stage: Stage,
    failed: Option<ProtocolError>,
    /// Small frames that wait to be written.
    out: Vec<u8>,
    events: VecDeque<Event<C>>,
    /// Bytes that the last `receive` left in its input: more than that means that something was heard.
    left_over: usize,

    timers: TimerTable,
    deadlines: Deadlines,
    liveness: Liveness,
    /// A ping that is to be answered: the last, so that pings cannot pile up answers.
    ping_to_answer: Option<u64>,

    send_window: SendWindow,
    receive_window: ReceiveWindow,
    /// Arriving bodies for which credit is to be given back.
    credit_due: Vec<CallId>,
    leaving: Leaving,
    /// Declared bytes of all arriving bodies.
    arriving: u64,

    sent_tags: SentTags,
    known_tags: KnownTags,
    own_calls: HashMap<CallId, OwnCall<C>, IdHash>,
    next_id: CallId,
    blocked: Option<Blocked>,
    peer_calls: HashMap<CallId, PeerCall, IdHash>,
    last_peer_id: CallId,
    unsent: Unsent,
    drain: Drain,
}

/// How far the other side has come.
#[derive(Debug)]
enum Stage {
    AwaitingPreface,
    AwaitingHello {
        version: u8,
    },
    Open {
        peer: PeerLimits,
    },
    /// This side has closed.
    Closed,
}

/// What the other side allows us, from its HELLO.
#[derive(Clone, Copy, Debug)]
struct PeerLimits {
    max_calls: usize,
    max_value: u64,
    stream_window: u64,
}

impl<C> Session<C> {
    /// A session on a new link. Its preface and HELLO are ready to be transmitted at once.
    ///
    /// The limits in `hello` are set from `limits`, so that what is announced is what is enforced.
    pub fn new(side: Side, hello: Hello, limits: Limits, now: Instant) -> Self {
        let limits = limits.workable();
        let mut out = preface().to_vec();
        let mut map = Vec::new();
        hello.with_limits(&limits).encode(&mut map);
        write_frame(&mut out, Kind::Hello, 0, 0, &map);

        let mut timers = TimerTable::default();
        timers.set(Timer::Handshake, now.checked_add(limits.handshake_time));
        Self {
            side,
            stage: Stage::AwaitingPreface,
            failed: None,
            out,
            events: VecDeque::new(),
            left_over: 0,
            timers,
            deadlines: Deadlines::default(),
            liveness: Liveness::new(now),
            ping_to_answer: None,
            // Nothing may be sent before the other side's HELLO says how much.
            send_window: SendWindow::new(0),
            receive_window: ReceiveWindow::new(limits.link_window),
            credit_due: Vec::new(),
            leaving: Leaving::default(),
            arriving: 0,
            sent_tags: SentTags::default(),
            known_tags: KnownTags::default(),
            own_calls: HashMap::default(),
            next_id: side.first_id(),
            blocked: None,
            peer_calls: HashMap::default(),
            last_peer_id: 0,
            unsent: Unsent::default(),
            drain: Drain::default(),
            limits,
        }
    }

    /// Takes what came in from the front of `input`, up to the next event. `None`: it needs more bytes.
    ///
    /// To be called until it gives `None`, each time that bytes have come in. Bodies are handed out as slices of the
    /// buffer behind `input`.
    ///
    /// # Errors
    /// The link cannot go on; every later call gives the same error.
    pub fn receive(
        &mut self,
        now: Instant,
        input: &mut BytesMut,
    ) -> Result<Option<Event<C>>, ProtocolError> {
        if input.len() != self.left_over {
            self.liveness.heard(now);
        }
        let event = loop {
            if let Some(event) = self.events.pop_front() {
                break Some(event);
            }
            if let Some(error) = &self.failed {
                return Err(error.clone());
            }
            match self.receive_one(now, input) {
                Ok(true) => {}
                Ok(false) => break None,
                Err(error) => {
                    self.failed = Some(error.clone());
                    return Err(error);
                }
            }
        };
        self.left_over = input.len();
        Ok(event)
    }

    /// Takes one preface or frame from the input, if it is there whole.
    fn receive_one(&mut self, now: Instant, input: &mut BytesMut) -> Result<bool, ProtocolError> {
        match self.stage {
            Stage::AwaitingPreface => return self.receive_preface(input),
            Stage::Closed => return Ok(false),
            Stage::AwaitingHello { .. } | Stage::Open { .. } => {}
        }
        let Some(header) = input.first_chunk::<HEADER>() else {
            return Ok(false);
        };
        let header = Header::read(header)?;
        let kind = header.known_kind()?;
        if let Stage::AwaitingHello { .. } = self.stage {
            // Judged before it is waited for: a stranger gets no larger buffer than a HELLO needs.
            match kind {
                Some(Kind::Hello) if header.length <= MAX_HELLO => {}
                Some(Kind::Hello) => {
                    let (length, limit) = (header.length, MAX_HELLO);
                    return Err(Misbehaviour::FrameTooLong { length, limit }.into());
                }
                Some(other) => return Err(Misbehaviour::NotHello(other).into()),
                None => return Err(Misbehaviour::UnknownKind(header.kind).into()),
            }
        }
        let missing = (HEADER + header.length).saturating_sub(input.len());
        if missing > 0 {
            input.reserve(missing);
            return Ok(false);
        }
        input.advance(HEADER);
        let payload = input.split_to(header.length).freeze();
        if let Some(kind) = kind {
            if kind.is_charged() {
                self.receive_window.take((HEADER + header.length) as u64)?;
            }
            let frame = Frame::read(kind, &header, payload)?;
            self.dispatch(now, kind, header.stream, frame)?;
        }
        Ok(true)
    }

    fn receive_preface(&mut self, input: &mut BytesMut) -> Result<bool, ProtocolError> {
        // What cannot become a preface is refused at its first wrong byte, not when eight have come.
        let known = input.len().min(MAGIC.len());
        if input[..known] != MAGIC[..known] {
            return Err(Misbehaviour::BadPreface.into());
        }
        let Some(theirs) = input.first_chunk::<PREFACE>() else {
            return Ok(false);
        };
        let version = agree(theirs)?;
        input.advance(PREFACE);
        self.stage = Stage::AwaitingHello { version };
        Ok(true)
    }

    fn dispatch(
        &mut self,
        now: Instant,
        kind: Kind,
        stream: u64,
        frame: Frame,
    ) -> Result<(), ProtocolError> {
        match frame {
            Frame::Hello(hello) => self.on_hello(now, *hello)?,
            Frame::Call(head, body) => self.on_call(now, stream, head, body)?,
            Frame::Reply(body) => self.on_reply(stream, body)?,
            Frame::Flag(name) => self.on_answer(kind, stream, Outcome::Flag(name))?,
            Frame::Error(error) => self.on_answer(kind, stream, Outcome::Error(*error))?,
            Frame::Cancel => self.on_cancel(stream)?,
            Frame::Credit(amount) => self.on_credit(stream, amount)?,
            Frame::Chunk { bytes, last } => self.on_chunk(now, stream, &bytes, last)?,
            Frame::Ping(number) => self.ping_to_answer = Some(number),
            Frame::Pong(number) => self.liveness.on_pong(now, number),
            Frame::Goodbye(reason) => self.on_goodbye(reason),
        }
        Ok(())
    }

    fn on_hello(&mut self, now: Instant, hello: Hello) -> Result<(), Misbehaviour> {
        let Stage::AwaitingHello { version } = self.stage else {
            return Err(Misbehaviour::SecondHello);
        };
        let peer = PeerLimits {
            max_calls: hello.max_calls as usize,
            max_value: hello.max_value,
            stream_window: hello.stream_window,
        };
        self.stage = Stage::Open { peer };
        self.send_window = SendWindow::new(hello.link_window);
        self.timers.set(Timer::Handshake, None);
        self.timers
            .set(Timer::KeepAlive, now.checked_add(self.limits.keep_alive));
        self.events.push_back(Event::Connected { hello, version });
        if self.drain.is_draining() {
            self.say_goodbye();
        }
        Ok(())
    }

    fn on_credit(&mut self, stream: u64, amount: u64) -> Result<(), Misbehaviour> {
        let kind = Kind::Credit;
        if amount == 0 {
            let field = "amount";
            return Err(Misbehaviour::BadField { kind, field });
        }
        if stream == 0 {
            self.send_window.give(amount)?;
            self.send_unsent();
            self.offer_room();
        } else if self.was_opened(stream) {
            self.leaving.give(stream, amount)?;
        } else {
            return Err(Misbehaviour::WrongStream { kind, stream });
        }
        Ok(())
    }

    fn on_chunk(
        &mut self,
        now: Instant,
        stream: u64,
        bytes: &[u8],
        last: bool,
    ) -> Result<(), Misbehaviour> {
        if !self.was_opened(stream) {
            let kind = Kind::Chunk;
            return Err(Misbehaviour::WrongStream { kind, stream });
        }
        if self.side.owns(stream) {
            self.on_reply_chunk(stream, bytes, last)
        } else {
            self.on_call_chunk(now, stream, bytes, last)
        }
    }

    /// Whether a stream is or was in use. A frame on one that is over is late and is ignored.
    fn was_opened(&self, stream: u64) -> bool {
        if self.side.owns(stream) {
            stream < self.next_id
        } else {
            stream != 0 && stream <= self.last_peer_id
        }
    }

    fn peer(&self) -> Option<PeerLimits> {
        match self.stage {
            Stage::Open { peer } => Some(peer),
            _ => None,
        }
    }

    /// The next event that has come of anything but [`receive`](Session::receive), which gives these first.
    pub fn poll(&mut self) -> Option<Event<C>> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Session::handle_timeout) is to be called next. A time that has passed: now.
    pub fn timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Does what is due by `now`: pings, ends calls whose time has run out, finds the other side silent.
    ///
    /// What has come in should be received before, so that a process that was asleep does not blame its peer.
    ///
    /// # Errors
    /// The link cannot go on.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), ProtocolError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        while let Some((timer, due)) = self.timers.pop_due(now) {
            let result = match timer {
                Timer::Handshake => Err(ProtocolError::NoHello {
                    after: self.limits.handshake_time,
                }),
                Timer::KeepAlive => {
                    self.keep_alive(now);
                    Ok(())
                }
                Timer::Silence => self.silence(now, due),
                Timer::Deadline => {
                    self.end_overdue(now);
                    Ok(())
                }
            };
            if let Err(error) = result {
                self.failed = Some(error.clone());
                return Err(error);
            }
        }
        Ok(())
    }

    fn end_overdue(&mut self, now: Instant) {
        while let Some(id) = self.deadlines.pop_due(now) {
            if self.side.owns(id) {
                self.own_call_overdue(id);
            } else {
                self.peer_call_overdue(id);
            }
        }
        self.timers.set(Timer::Deadline, self.deadlines.next());
    }

    fn add_deadline(&mut self, due: Instant, id: CallId) {
        self.deadlines.insert(due, id);
        self.timers.set(Timer::Deadline, self.deadlines.next());
    }

    fn end_deadline(&mut self) {
        self.deadlines.ended(|id| {
            if self.side.owns(id) {
                self.own_calls.get(&id).is_some_and(OwnCall::is_timed)
            } else {
                self.peer_calls.get(&id).is_some_and(PeerCall::is_timed)
            }
        });
    }

    /// Whether [`transmit`](Session::transmit) has something to give.
    pub fn wants_write(&self) -> bool {
        !self.out.is_empty()
            || self.ping_to_answer.is_some()
            || !self.credit_due.is_empty()
            || self.receive_window.is_due()
            || self.leaving.is_ready(&self.send_window)
    }

    /// Moves what is to be written next to `out`: every small frame, and large bodies up to a budget.
    ///
    /// `out` must be empty; otherwise nothing happens. It can be empty after. [`poll`](Session::poll) then: room may have
    /// come of it.
    pub fn transmit(&mut self, _now: Instant, out: &mut Transmit) {
        if !out.is_empty() {
            return;
        }
        self.write_credit();
        if let Some(number) = self.ping_to_answer.take() {
            write_number(&mut self.out, Kind::Pong, 0, number);
        }
        out.swap_small(&mut self.out);

        let peer_calls = &mut self.peer_calls;
        let side = self.side;
        self.leaving
            .transmit(&mut self.send_window, self.limits.chunk_budget, out, |id| {
                if !side.owns(id) {
                    peer_calls.remove(&id);
                }
            });
        self.offer_room();
        self.check_drained();
    }

    /// Writes the credit that is due. Not before a transmit: who does not read us gets none, and so cannot make
    /// the frames of it pile up.
    fn write_credit(&mut self) {
        if self.receive_window.is_due() {
            let amount = self.receive_window.give();
            write_number(&mut self.out, Kind::Credit, 0, amount);
        }
        while let Some(id) = self.credit_due.pop() {
            let arriving = if self.side.owns(id) {
                self.own_calls.get_mut(&id).and_then(OwnCall::arriving)
            } else {
                self.peer_calls.get_mut(&id).and_then(PeerCall::arriving)
            };
            if let Some(arriving) = arriving {
                let amount = arriving.give_credit();
                write_number(&mut self.out, Kind::Credit, id, amount);
            }
        }
    }

    /// The link is gone: the tokens of all calls that have not ended, or whose end was not polled.
    pub fn close(&mut self) -> Vec<C> {
        let unpolled = self.events.drain(..).filter_map(|event| match event {
            Event::Ended { token, .. } => Some(token),
            _ => None,
        });
        let open = self.own_calls.drain().map(|(_, call)| call.into_token());
        let tokens = unpolled.chain(open).collect();
        self.stage = Stage::Closed;
        self.timers = TimerTable::default();
        self.peer_calls.clear();
        tokens
    }

    /// Our calls that have not ended.
    pub fn in_flight(&self) -> usize {
        self.own_calls.len()
    }

    /// The other side's calls that are not answered, or whose answer has not left.
    pub fn serving(&self) -> usize {
        self.peer_calls.len()
    }

    /// Whether the other side's HELLO has come, so that calls can be made.
    pub fn is_connected(&self) -> bool {
        self.peer().is_some()
    }

    /// How long the last ping took to be answered.
    pub fn rtt(&self) -> Option<Duration> {
        self.liveness.rtt()
    }
}
