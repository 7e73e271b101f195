//! Our interests in events of the other side: asking, what comes, giving credit back as it is taken, the end. Those of the other side
//! are in `publish`.

use bytes::Bytes;

use crate::answer::ErrorBody;
use crate::error::Misbehaviour;
use crate::frame::{Body, HEADER, Kind, write_frame};
use crate::interest::Interest;
use crate::limits::{MAX_EVENT, MIN_STREAM_WINDOW};
use crate::session::chunks::{Assembly, Part};
use crate::session::credit::ReceiveWindow;
use crate::session::{CallId, Event, Session, WhyRefused};

/// An event that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The interest it is for.
    pub id: CallId,
    /// Its number: one more than that of the one before, and as many more as were dropped in between.
    pub number: u64,
    /// What came along with it; empty for none.
    pub metadata: Bytes,
    /// Its arguments.
    pub body: Bytes,
    /// What [`Session::taken`] is to be told once the program has taken it.
    pub charge: u64,
}

/// An interest of ours.
#[derive(Debug)]
pub(super) struct OwnInterest {
    window: ReceiveWindow,
    /// Bytes that were handed out and not taken yet.
    held: u64,
    /// The number of the last event that came.
    last: u64,
    arriving: Option<ArrivingEvent>,
    credit_is_due: bool,
}

#[derive(Debug)]
struct ArrivingEvent {
    number: u64,
    metadata: Bytes,
    /// Bytes of its EVENT.
    head: u64,
    body: Assembly,
    /// Whether it has its place among all that arrives. Until then it is given no credit, and so is no larger here than the window.
    has_place: bool,
}

impl OwnInterest {
    fn new(interest: &Interest) -> Self {
        Self {
            window: ReceiveWindow::new(interest.window),
            held: 0,
            last: interest.after,
            arriving: None,
            credit_is_due: false,
        }
    }

    /// The large event that is arriving.
    pub(super) fn assembly(&mut self) -> Option<&mut Assembly> {
        self.arriving.as_mut().map(|event| &mut event.body)
    }

    /// Bytes of large events that are arriving, by the sizes they declared.
    fn arriving(&self) -> u64 {
        let with_place = self.arriving.iter().filter(|event| event.has_place);
        with_place.map(|event| event.body.total()).sum()
    }

    /// What can be given back: what was taken, and the part of a large event that is here, as far as the rest needs it.
    /// So the whole of what a large event has used is given back only when it is taken.
    fn releasable(&self) -> u64 {
        let free = self.window.used() - self.held;
        match &self.arriving {
            None => free,
            Some(event) if event.has_place => {
                let missing = event.body.missing();
                free.min(missing.saturating_sub(self.window.available()))
            }
            Some(_) => 0,
        }
    }

    fn is_due(&self) -> bool {
        let bytes = self.releasable();
        !self.credit_is_due
            && match self.arriving {
                // The sender stops when it has none.
                Some(_) => bytes > 0 && self.window.is_due(),
                None => self.window.is_worth_it(bytes),
            }
    }

    /// The credit that is due. None may be left of it by now.
    pub(super) fn give_credit(&mut self) -> Option<u64> {
        self.credit_is_due = false;
        let bytes = self.releasable();
        self.window.give_back(bytes);
        (bytes > 0).then_some(bytes)
    }

    /// What the event that is here now counts for until it is taken.
    fn hold(&mut self, bytes: u64) -> u64 {
        let charge = bytes.min(self.window.used() - self.held);
        self.held += charge;
        charge
    }
}

impl<C> Session<C> {
    /// Asks the other side for an event. What comes of it is told by the id that this gives.
    ///
    /// # Errors
    /// Nothing was sent.
    pub fn interest(&mut self, interest: &Interest) -> Result<CallId, WhyRefused> {
        let peer = self.peer().ok_or(WhyRefused::NotConnected)?;
        if !peer.events {
            return Err(WhyRefused::NotSupported);
        }
        if self.drain.is_draining() {
            return Err(WhyRefused::Draining);
        }
        let (length, limit) = (interest.event.len(), MAX_EVENT);
        if length > limit {
            return Err(WhyRefused::TagTooLong { length, limit });
        }
        let interest = Interest {
            keep: interest.keep.max(1),
            window: interest.window.max(MIN_STREAM_WINDOW),
            ..interest.clone()
        };
        let mut map = Vec::new();
        interest.encode(&mut map);
        // An interest is opened on events of the driver's own, not in a loop: it may use what is left to small frames.
        if !self.unsent.is_empty() || !self.send_window.take((HEADER + map.len()) as u64) {
            self.block_on((HEADER + map.len()) as u64);
            return Err(WhyRefused::Blocked);
        }
        let id = self.next_id;
        self.next_id += 2;
        write_frame(&mut self.out, Kind::Interest, 0, id, &map);
        self.own_interests.insert(id, OwnInterest::new(&interest));
        Ok(id)
    }

    /// Takes an interest back. Events that are under way will be ignored.
    pub fn lose_interest(&mut self, id: CallId) {
        if self.end_own_interest(id) {
            write_frame(&mut self.out, Kind::Cancel, 0, id, &[]);
            self.check_drained();
        }
    }

    /// The program has taken an event: the other side may send as much again.
    pub fn taken(&mut self, id: CallId, charge: u64) {
        if let Some(interest) = self.own_interests.get_mut(&id) {
            interest.held = interest.held.saturating_sub(charge);
            self.owe_credit(id);
        }
    }

    fn owe_credit(&mut self, id: CallId) {
        if let Some(interest) = self.own_interests.get_mut(&id)
            && interest.is_due()
        {
            interest.credit_is_due = true;
            self.credit_due.push(id);
        }
    }

    fn end_own_interest(&mut self, id: CallId) -> bool {
        let Some(interest) = self.own_interests.remove(&id) else {
            return false;
        };
        self.arriving -= interest.arriving();
        self.give_places();
        true
    }

    /// No more events will come on a stream: it was ended, or refused.
    pub(super) fn on_interest_end(&mut self, id: CallId, error: Option<ErrorBody>) {
        if self.end_own_interest(id) {
            self.events.push_back(Event::InterestEnded { id, error });
            self.check_drained();
        }
    }

    /// Takes an event, or what begins a large one.
    pub(super) fn on_event(
        &mut self,
        stream: CallId,
        number: u64,
        metadata: Bytes,
        body: Body<Bytes>,
        length: u64,
    ) -> Result<Option<Arrival>, Misbehaviour> {
        let kind = Kind::Event;
        self.check_own(kind, stream)?;
        let Some(interest) = self.own_interests.get_mut(&stream) else {
            return Ok(None);
        };
        if interest.arriving.is_some() {
            return Err(Misbehaviour::WrongStream { kind, stream });
        }
        if number <= interest.last {
            let field = "number";
            return Err(Misbehaviour::BadField { kind, field });
        }
        // So that one large body is held at a time, whoever sends them.
        if matches!(body, Body::More(_)) && !interest.window.is_open_for_large() {
            return Err(Misbehaviour::CreditExceeded);
        }
        interest.window.take(length)?;
        interest.last = number;
        let total = match body {
            Body::Whole(body) => {
                return Ok(Some(Arrival {
                    id: stream,
                    number,
                    metadata,
                    body,
                    charge: interest.hold(length),
                }));
            }
            Body::More(total) => total,
        };
        if total > self.limits.max_value {
            // It was told, and events are not asked for one by one.
            let field = "body length";
            return Err(Misbehaviour::BadField { kind, field });
        }
        interest.arriving = Some(ArrivingEvent {
            number,
            metadata,
            head: length,
            body: Assembly::new(total),
            has_place: false,
        });
        if !self.without_place.contains(&stream) {
            self.without_place.push_back(stream);
        }
        self.give_places();
        Ok(None)
    }

    /// Gives large events that arrive their places among all large bodies, in their turn, as far as there is room. To be called
    /// whenever there is more.
    pub(super) fn give_places(&mut self) {
        while let Some(id) = self.without_place.front().copied() {
            let interest = self.own_interests.get_mut(&id);
            let event = interest.and_then(|interest| interest.arriving.as_mut());
            // Else it came whole without, or its interest has ended.
            if let Some(event) = event.filter(|event| !event.has_place) {
                let total = event.body.total();
                let free = self.limits.max_arriving.saturating_sub(self.arriving);
                // One of any size may always come.
                if total > free && self.arriving > 0 {
                    return;
                }
                self.arriving += total;
                event.has_place = true;
                self.owe_credit(id);
            }
            self.without_place.pop_front();
        }
    }

    /// Takes a part of a large event.
    pub(super) fn on_event_chunk(
        &mut self,
        stream: CallId,
        part: Part<'_>,
        last: bool,
    ) -> Result<(), Misbehaviour> {
        let Some(interest) = self.own_interests.get_mut(&stream) else {
            return Ok(());
        };
        let Some(event) = &mut interest.arriving else {
            return Err(Misbehaviour::BadChunk(stream));
        };
        interest.window.take(part.len() as u64)?;
        let whole = event.body.add(stream, part, last)?;
        if let Some(body) = whole
            && let Some(event) = interest.arriving.take()
        {
            if event.has_place {
                self.arriving -= body.len() as u64;
            }
            let charge = interest.hold(event.head + body.len() as u64);
            self.events.push_back(Event::Arrived(Arrival {
                id: stream,
                number: event.number,
                metadata: event.metadata,
                body,
                charge,
            }));
            self.give_places();
        }
        self.owe_credit(stream);
        Ok(())
    }
}
