//! The way in: from bytes to frames, and each frame to the concern that it is for. What HELLO, CREDIT and CHUNK do before that is here;
//! everything else they lead to is in the concerns.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::error::{Misbehaviour, ProtocolError};
use crate::frame::{Frame, HEADER, Header, Kind};
use crate::hello::{Hello, MAGIC, PREFACE, agree};
use crate::limits::{MAX_HELLO, MAX_REASON};
use crate::session::chunks::{Arriving, Assembly, Lent, Part};
use crate::session::credit::SendWindow;
use crate::session::{Arrival, CallId, Event, Outcome, PeerLimits, Session, Stage};
use crate::timer::Timer;

/// Less than this is not worth a read of its own.
const LEND_LEAST: usize = 4 * 1024;

/// A chunk of which a part has not come.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartialChunk {
    stream: CallId,
    missing: usize,
    is_last: bool,
}

impl PartialChunk {
    fn of(header: &Header) -> Result<Self, Misbehaviour> {
        Ok(Self {
            stream: header.stream,
            missing: header.length,
            is_last: header.is_last_chunk()?,
        })
    }

    /// Says whether with so many bytes its body is whole.
    fn take(&mut self, bytes: usize) -> bool {
        self.missing -= bytes;
        self.missing == 0 && self.is_last
    }
}

impl<C> Session<C> {
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

    /// Takes the events that follow an [`Arrival`] of the same interest directly in `input`, up to a number of `most` with it: what
    /// one read has brought can be handled in one go. All else is left to [`receive`](Session::receive), errors included.
    pub fn receive_run(
        &mut self,
        input: &mut BytesMut,
        first: Arrival,
        most: usize,
    ) -> VecDeque<Arrival> {
        let stream = first.id;
        let ahead = events_ahead(input, stream, most.saturating_sub(1));
        let mut run = VecDeque::with_capacity(1 + ahead);
        run.push_back(first);
        for _ in 0..ahead {
            match self.receive_event(input) {
                Ok(arrival) => run.extend(arrival),
                Err(error) => {
                    self.failed = Some(error.into());
                    break;
                }
            }
        }
        self.left_over = input.len();
        run
    }

    /// Takes an EVENT that is there whole.
    fn receive_event(&mut self, input: &mut BytesMut) -> Result<Option<Arrival>, Misbehaviour> {
        let Some(header) = input.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let header = Header::read(header)?;
        header.known_kind()?;
        let payload = take_payload(input, &header);
        self.receive_window.take((HEADER + header.length) as u64)?;
        let (number, metadata, body) = Frame::read_event(&header, payload)?;
        self.on_event(header.stream, number, metadata, body, header.length as u64)
    }

    /// Takes one preface or frame from the input, if it is there whole.
    fn receive_one(&mut self, now: Instant, input: &mut BytesMut) -> Result<bool, ProtocolError> {
        match self.stage {
            Stage::AwaitingPreface => return self.receive_preface(input),
            Stage::Closed => return Ok(false),
            Stage::AwaitingHello { .. } | Stage::Open { .. } => {}
        }
        if let Some(chunk) = self.chunk {
            return self.receive_part(now, chunk, input);
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
                // In HELLO's place: this side is turned away.
                Some(Kind::Goodbye) if header.length <= MAX_REASON => {}
                Some(other) => return Err(Misbehaviour::NotHello(other).into()),
                None => return Err(Misbehaviour::UnknownKind(header.kind).into()),
            }
        }
        let missing = (HEADER + header.length).saturating_sub(input.len());
        if missing > 0 && kind != Some(Kind::Chunk) {
            input.reserve(missing);
            return Ok(false);
        }
        if let Some(kind) = kind
            && kind.is_charged()
        {
            self.receive_window.take((HEADER + header.length) as u64)?;
        }
        if missing > 0 {
            // The rest of a chunk is taken in as it comes, or read to where it belongs.
            input.advance(HEADER);
            self.chunk = Some(PartialChunk::of(&header)?);
            return Ok(true);
        }
        let payload = take_payload(input, &header);
        if let Some(kind) = kind {
            let frame = Frame::read(kind, &header, payload)?;
            self.dispatch(now, kind, &header, frame)?;
        }
        Ok(true)
    }

    /// Takes what there is of a chunk that has not come whole.
    fn receive_part(
        &mut self,
        now: Instant,
        mut chunk: PartialChunk,
        input: &mut BytesMut,
    ) -> Result<bool, ProtocolError> {
        if input.is_empty() {
            return Ok(false);
        }
        let part = input.split_to(input.len().min(chunk.missing));
        let last = chunk.take(part.len());
        self.chunk = (chunk.missing > 0).then_some(chunk);
        self.on_chunk(now, chunk.stream, Part::Copy(&part), last)?;
        Ok(true)
    }

    /// Lends the body that the next bytes of the link belong to, so that they can be read to where they are to be, without a copy:
    /// to be called when [`receive`](Self::receive) has given `None`. What is read goes on at the end of its [`buf`](Lent::buf),
    /// which ends where the body's chunk does; [`give_back`](Self::give_back) it before `receive` is called again.
    ///
    /// None where there is no such body, or not much of a chunk to come: then what is read goes into the input. `room` is asked for an
    /// empty buffer that has room for so many bytes, when a large body is to be moved into its own.
    pub fn lend(&mut self, input: &BytesMut, room: impl FnOnce(usize) -> Vec<u8>) -> Option<Lent> {
        let chunk = self.chunk.filter(|chunk| chunk.missing >= LEND_LEAST)?;
        // What lies in the input is to be received before.
        if !input.is_empty() || self.failed.is_some() {
            return None;
        }
        let (stream, rest) = (chunk.stream, chunk.missing);
        self.assembly(stream)?.lend(stream, rest, room)
    }

    /// Takes back what was [lent](Self::lend), with what was read. `receive` then gives what came of it.
    ///
    /// # Errors
    /// The link cannot go on, as from `receive`.
    pub fn give_back(&mut self, now: Instant, lent: Lent) -> Result<(), ProtocolError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let (stream, body, read) = lent.into_parts();
        let Some(mut chunk) = self.chunk.filter(|chunk| chunk.stream == stream) else {
            return Ok(());
        };
        if read > 0 {
            self.liveness.heard(now);
        }
        let last = chunk.take(read);
        self.chunk = (chunk.missing > 0).then_some(chunk);
        let part = Part::InPlace(body, read);
        self.on_chunk(now, stream, part, last).map_err(|error| {
            let error = ProtocolError::from(error);
            self.failed = Some(error.clone());
            error
        })
    }

    /// Takes bytes that were read elsewhere, to where a driver would have read them: to the body that they belong to, and the rest to
    /// the end of `input`. To be called as a read is, between two rounds of [`receive`](Self::receive).
    ///
    /// # Errors
    /// The link cannot go on, as from `receive`.
    pub fn take_read(
        &mut self,
        now: Instant,
        input: &mut BytesMut,
        mut bytes: &[u8],
    ) -> Result<(), ProtocolError> {
        if let Some(mut lent) = self.lend(input, Vec::with_capacity) {
            let mut room = lent.buf();
            let (read, rest) = bytes.split_at(bytes.len().min(room.remaining_mut()));
            room.put_slice(read);
            drop(room);
            bytes = rest;
            self.give_back(now, lent)?;
        }
        input.extend_from_slice(bytes);
        Ok(())
    }

    /// The body that arrives in chunks on a stream, if it is wanted.
    fn assembly(&mut self, stream: CallId) -> Option<&mut Assembly> {
        if let Some(interest) = self.own_interests.get_mut(&stream) {
            return interest.assembly();
        }
        let arriving = if self.side.owns(stream) {
            self.own_calls.get_mut(&stream)?.arriving()
        } else {
            self.peer_calls.get_mut(&stream)?.arriving()
        };
        arriving.map(Arriving::assembly)
    }

    fn receive_preface(&mut self, input: &mut BytesMut) -> Result<bool, ProtocolError> {
        // What cannot become a preface is refused at its first wrong byte, not when eight have come.
        let known = input.len().min(MAGIC.len());
        if input[..known] != MAGIC[..known] {
            return Err(Misbehaviour::BadPreface.into());
        }
        let Some((theirs, rest)) = input.split_first_chunk::<PREFACE>() else {
            return Ok(false);
        };
        let version = agree(&self.versions, theirs, rest)?;
        input.advance(PREFACE);
        self.stage = Stage::AwaitingHello { version };
        Ok(true)
    }

    fn dispatch(
        &mut self,
        now: Instant,
        kind: Kind,
        header: &Header,
        frame: Frame,
    ) -> Result<(), ProtocolError> {
        let stream = header.stream;
        match frame {
            Frame::Hello(hello) => self.on_hello(now, hello)?,
            Frame::Call(head, body) => self.on_call(now, stream, head, body)?,
            Frame::Reply(body) => self.on_reply(stream, body)?,
            Frame::Flag(name) => self.on_answer(kind, stream, Outcome::Flag(name))?,
            Frame::Error(error) if self.own_interests.contains_key(&stream) => {
                self.on_interest_end(stream, Some(*error));
            }
            Frame::Error(error) => self.on_answer(kind, stream, Outcome::Error(error))?,
            Frame::End => {
                self.check_own(kind, stream)?;
                self.on_interest_end(stream, None);
            }
            Frame::Cancel => self.on_cancel(stream)?,
            Frame::Credit(amount) => self.on_credit(stream, amount)?,
            Frame::Chunk { bytes, last } => {
                self.on_chunk(now, stream, Part::Copy(&bytes), last)?;
            }
            Frame::Interest(interest) => self.on_interest(stream, interest)?,
            Frame::Event {
                number,
                metadata,
                body,
            } => {
                let length = header.length as u64;
                let arrival = self.on_event(stream, number, metadata, body, length)?;
                self.events.extend(arrival.map(Event::Arrived));
            }
            Frame::Ping(number) => self.ping_to_answer = Some(number),
            Frame::Pong(number) => self.on_pong(now, number),
            Frame::Goodbye(reason) if matches!(self.stage, Stage::AwaitingHello { .. }) => {
                return Err(ProtocolError::TurnedAway { reason });
            }
            Frame::Goodbye(reason) => self.on_goodbye(reason),
            Frame::Members(message) => self.on_members(message)?,
        }
        Ok(())
    }

    fn on_hello(&mut self, now: Instant, hello: Box<Hello>) -> Result<(), Misbehaviour> {
        let Stage::AwaitingHello { version } = self.stage else {
            return Err(Misbehaviour::SecondHello);
        };
        let peer = PeerLimits::of(&hello);
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
            self.send_events();
            self.offer_room();
        } else if self.was_opened(stream) {
            if self.publishing.give(stream, amount)? {
                self.send_events();
            } else {
                self.leaving.give(stream, amount)?;
            }
        } else {
            return Err(Misbehaviour::WrongStream { kind, stream });
        }
        Ok(())
    }

    fn on_chunk(
        &mut self,
        now: Instant,
        stream: u64,
        part: Part<'_>,
        last: bool,
    ) -> Result<(), Misbehaviour> {
        if !self.was_opened(stream) {
            let kind = Kind::Chunk;
            return Err(Misbehaviour::WrongStream { kind, stream });
        }
        if self.side.owns(stream) {
            // A stream of ours is that of an interest or of a call.
            if self.own_interests.contains_key(&stream) {
                self.on_event_chunk(stream, part, last)
            } else {
                self.on_reply_chunk(stream, part, last)
            }
        } else {
            self.on_call_chunk(now, stream, part, last)
        }
    }

    /// Takes note of a stream that the other side opens.
    pub(super) fn check_new(&mut self, kind: Kind, stream: CallId) -> Result<(), Misbehaviour> {
        if self.side.owns(stream) || stream <= self.last_peer_id {
            return Err(Misbehaviour::WrongStream { kind, stream });
        }
        if self.drain.was_heard() {
            return Err(Misbehaviour::OpenedAfterGoodbye);
        }
        self.last_peer_id = stream;
        Ok(())
    }

    /// Whether a stream is or was in use. A frame on one that is over is late and is ignored.
    pub(super) fn was_opened(&self, stream: CallId) -> bool {
        if self.side.owns(stream) {
            stream < self.next_id
        } else {
            stream != 0 && stream <= self.last_peer_id
        }
    }
}

#[inline]
fn take_payload(input: &mut BytesMut, header: &Header) -> Bytes {
    let mut frame = input.split_to(HEADER + header.length).freeze();
    frame.advance(HEADER);
    frame
}

/// How many of the frames that come next are there whole and are EVENTs of a stream, up to `most`.
fn events_ahead(mut input: &[u8], stream: CallId, most: usize) -> usize {
    let mut count = 0;
    while count < most
        && let Some(header) = input.first_chunk::<HEADER>()
        && let Ok(header) = Header::read(header)
        && header.kind == Kind::Event as u8
        && header.stream == stream
        && let Some(rest) = input.get(HEADER + header.length..)
    {
        input = rest;
        count += 1;
    }
    count
}
