//! The interests of the other side: what is published to each, what waits for it, and the end. Our own are in `subscribe`.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use crate::answer::{ErrorBody, ErrorCode};
use crate::error::Misbehaviour;
use crate::frame::{Body, HEADER, Kind, event_length, write_event, write_frame};
use crate::interest::{Interest, Policy};
use crate::limits::{Limits, MAX_BODY, MAX_METADATA};
use crate::session::credit::SendWindow;
use crate::session::ids::IdHash;
use crate::session::reached::Limit;
use crate::session::{CallId, Event, Session};

/// An event as it is published: the same to every subscriber.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publication {
    /// What goes along with it; empty for none. At most [`MAX_METADATA`] bytes.
    pub metadata: Bytes,
    /// Its arguments, encoded as those of a call.
    pub body: Bytes,
}

/// What became of an event for one subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Published {
    /// It is on its way, or waits in the queue. So many others were dropped to make room for it.
    Accepted {
        /// Events that the subscriber will not see.
        dropped: u64,
    },
    /// The queue is full and the subscriber asked that the publisher wait. [`Event::QueueRoom`] tells when to try again,
    /// also where the interest ends before.
    Full,
    /// It is larger than the subscriber takes, and counts as dropped.
    TooLarge {
        /// Bytes of the event.
        size: u64,
        /// Bytes that the subscriber takes.
        limit: u64,
    },
    /// There is no such interest any more.
    Gone,
}

/// What waited for one subscriber, on its way from one link to another.
#[derive(Debug)]
pub struct Backlog {
    queue: VecDeque<Queued>,
    last: u64,
}

/// The interests of the other side on one link.
#[derive(Debug, Default)]
pub(super) struct Publishing {
    interests: HashMap<CallId, PeerInterest, IdHash>,
    /// Whose turn it is to send: of those that have something to send and may.
    turns: VecDeque<CallId>,
    /// Those for which somebody waits, as their queue was full.
    awaited: Vec<CallId>,
    /// Those whose events are among the small frames that wait to be written.
    written: Vec<CallId>,
    /// Bytes of all that waits.
    bytes: u64,
}

/// An interest of the other side.
#[derive(Debug)]
struct PeerInterest {
    keep: usize,
    policy: Policy,
    /// The number of the last event, sent or dropped.
    last: u64,
    queue: VecDeque<Queued>,
    /// The credit for events. None: it is with a large one that leaves in chunks.
    window: Option<SendWindow>,
    has_turn: bool,
    /// Nothing more will be published: END follows what is in the queue.
    is_ending: bool,
}

#[derive(Debug)]
struct Queued {
    number: u64,
    event: Publication,
}

impl Backlog {
    /// Numbers what waits from the one on that the subscriber says came last. It is ahead of ours where it got more over a link that we had
    /// given up than over the one that took its place.
    fn go_on_after(&mut self, number: u64) {
        let next = self.queue.front().map_or(self.last, |next| next.number - 1);
        let behind = number.saturating_sub(next);
        for queued in &mut self.queue {
            queued.number += behind;
        }
        self.last += behind;
    }
}

fn bytes_of(queue: &VecDeque<Queued>) -> u64 {
    queue.iter().map(|queued| queued.event.bytes()).sum()
}

impl Publication {
    /// What it counts for while it waits: a tiny one too takes up a place.
    fn bytes(&self) -> u64 {
        (self.metadata.len() + self.body.len() + size_of::<Queued>()) as u64
    }

    fn frame_body(&self) -> Body<&[u8]> {
        match self.body.len() {
            0..=MAX_BODY => Body::Whole(&self.body[..]),
            length => Body::More(length as u64),
        }
    }
}

impl PeerInterest {
    fn new(interest: &Interest, limits: &Limits) -> Self {
        Self {
            keep: interest.keep.min(limits.max_queue) as usize,
            policy: interest.policy,
            last: interest.after,
            queue: VecDeque::new(),
            window: Some(SendWindow::new(interest.window)),
            has_turn: false,
            is_ending: false,
        }
    }

    /// The number of one more event. An INTEREST leaves enough of them ([`MAX_NUMBER`](crate::limits::MAX_NUMBER)).
    fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Whether there is credit for the event. A large one needs most of the window: then no other is under way that is not
    /// taken, so that the subscriber holds one large body at a time.
    fn may_send(&self, event: &Publication) -> bool {
        let Some(window) = &self.window else {
            return false;
        };
        let body = event.frame_body();
        match body {
            Body::Whole(_) => window.available() >= event_length(&event.metadata, &body) as u64,
            Body::More(_) => window.is_open_for_large(),
        }
    }

    /// Whether it has something to send, and may as far as it is for its own credit to say.
    fn is_ready(&self) -> bool {
        match self.queue.front() {
            Some(next) => self.may_send(&next.event),
            None => self.is_ending && self.window.is_some(),
        }
    }
}

impl Publishing {
    pub(super) fn is_empty(&self) -> bool {
        self.interests.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.interests.len()
    }

    /// Bytes of all that waits.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The other side gives credit for an interest of its own. Says whether there is such an interest, and its credit is here.
    pub(super) fn give(&mut self, id: CallId, credit: u64) -> Result<bool, Misbehaviour> {
        let Some(window) = self.interests.get_mut(&id).and_then(|i| i.window.as_mut()) else {
            return Ok(false);
        };
        window.give(credit)?;
        self.wake(id);
        Ok(true)
    }

    /// All small frames have been handed out to be written.
    pub(super) fn handed_out(&mut self) {
        for id in self.written.drain(..) {
            let interest = self.interests.get_mut(&id);
            if let Some(window) = interest.and_then(|interest| interest.window.as_mut()) {
                window.handed_out();
            }
        }
    }

    /// A large event has left, and gives back what is left of the credit.
    pub(super) fn large_is_out(&mut self, id: CallId, window: SendWindow) {
        if let Some(interest) = self.interests.get_mut(&id) {
            interest.window = Some(window);
            self.wake(id);
        }
    }

    /// Gives an interest its turn, if it can use it.
    fn wake(&mut self, id: CallId) {
        if let Some(interest) = self.interests.get_mut(&id)
            && !interest.has_turn
            && interest.is_ready()
        {
            interest.has_turn = true;
            self.turns.push_back(id);
        }
    }

    fn remove(&mut self, id: CallId) -> Option<PeerInterest> {
        let interest = self.interests.remove(&id)?;
        self.bytes -= bytes_of(&interest.queue);
        if interest.has_turn {
            self.turns.retain(|turn| *turn != id);
        }
        Some(interest)
    }

    fn has_room(&self, interest: &PeerInterest, bytes: u64, most: u64) -> bool {
        interest.queue.len() < interest.keep && (self.bytes == 0 || self.bytes + bytes <= most)
    }

    /// Those that were waited for and have room now, or are gone.
    fn take_roomy(&mut self, most: u64) -> Vec<CallId> {
        let awaited = std::mem::take(&mut self.awaited);
        let (roomy, full) = awaited.into_iter().partition(|id| {
            let interest = self.interests.get(id);
            interest.is_none_or(|interest| self.has_room(interest, 0, most))
        });
        self.awaited = full;
        roomy
    }
}

impl<C> Session<C> {
    /// Publishes an event to one subscriber: writes it where there is credit and nothing waits before it, else lets it wait.
    ///
    /// Each event has a number on its stream; one that is dropped uses up its own, which is how the subscriber sees it.
    pub fn publish(&mut self, id: CallId, event: &Publication) -> Published {
        let Some(peer) = self.peer() else {
            return Published::Gone;
        };
        let fits = self.out.len() < self.event_mark() && event.metadata.len() <= MAX_METADATA;
        let publishing = &mut self.publishing;
        let Some(interest) = publishing.interests.get_mut(&id) else {
            return Published::Gone;
        };
        if interest.is_ending {
            return Published::Gone;
        }
        let (size, limit) = (event.body.len() as u64, peer.max_value);
        if size > limit || event.metadata.len() > MAX_METADATA {
            interest.next_number();
            return Published::TooLarge { size, limit };
        }
        let goes_now = fits && interest.queue.is_empty() && interest.may_send(event);
        if goes_now && self.send_event(id, event, None) {
            return Published::Accepted { dropped: 0 };
        }
        self.queue_event(id, event)
    }

    fn queue_event(&mut self, id: CallId, event: &Publication) -> Published {
        let most = self.limits.max_queued;
        let publishing = &mut self.publishing;
        let Some(mut interest) = publishing.interests.remove(&id) else {
            return Published::Gone;
        };
        let mut dropped = 0;
        let mut is_full = false;
        while !publishing.has_room(&interest, event.bytes(), most) {
            if interest.policy == Policy::Block {
                is_full = true;
                break;
            }
            dropped += 1;
            match interest.queue.pop_front() {
                Some(oldest) => publishing.bytes -= oldest.event.bytes(),
                // What others wait for takes all the room there is: it is this one that is dropped.
                None => {
                    is_full = true;
                    interest.next_number();
                    break;
                }
            }
        }
        let blocks = is_full && interest.policy == Policy::Block;
        if blocks && !publishing.awaited.contains(&id) {
            publishing.awaited.push(id);
        }
        if !is_full {
            publishing.bytes += event.bytes();
            let (number, event) = (interest.next_number(), event.clone());
            interest.queue.push_back(Queued { number, event });
        }
        publishing.interests.insert(id, interest);
        publishing.wake(id);
        match blocks {
            true => Published::Full,
            false => Published::Accepted { dropped },
        }
    }

    /// Ends an interest of the other side, after all that was published to it: it hears that no more will come.
    pub fn end_interest(&mut self, id: CallId) {
        if let Some(interest) = self.publishing.interests.get_mut(&id) {
            interest.is_ending = true;
            self.publishing.wake(id);
            self.send_events();
        }
    }

    /// Refuses an interest. What was published to it and has not left does not leave.
    pub fn refuse_interest(&mut self, id: CallId, why: &ErrorBody) {
        if self.forget_interest(id).is_some() {
            self.send_error(id, why);
            self.body_is_gone();
            self.offer_queue_room();
            self.check_drained();
        }
    }

    /// Takes out what waits for a subscriber, which now has the same interest on another link: there it
    /// goes on, by [`resume_interest`](Session::resume_interest), and here it ends.
    pub fn move_interest(&mut self, id: CallId) -> Option<Backlog> {
        let interest = self.publishing.interests.get_mut(&id)?;
        let backlog = Backlog {
            queue: std::mem::take(&mut interest.queue),
            last: interest.last,
        };
        self.publishing.bytes -= bytes_of(&backlog.queue);
        self.end_interest(id);
        self.offer_queue_room();
        Some(backlog)
    }

    /// Goes on, on a new interest, where an older one on another link was.
    pub fn resume_interest(&mut self, id: CallId, mut backlog: Backlog) {
        if let Some(interest) = self.publishing.interests.get_mut(&id) {
            backlog.go_on_after(interest.last);
            self.publishing.bytes += bytes_of(&backlog.queue);
            interest.queue = backlog.queue;
            interest.last = backlog.last;
            self.publishing.wake(id);
            self.send_events();
        }
    }

    /// So many bytes of small frames leave room for calls beside events.
    fn event_mark(&self) -> usize {
        self.limits.high_water / 2
    }

    /// Writes what waits and may go, one event of each subscriber in turn.
    pub(super) fn send_events(&mut self) {
        while self.out.len() < self.event_mark()
            && let Some(id) = self.publishing.turns.pop_front()
        {
            let Some(interest) = self.publishing.interests.get_mut(&id) else {
                continue;
            };
            interest.has_turn = false;
            // What it had its turn for may have been dropped since.
            if !interest.is_ready() {
                continue;
            }
            let is_sent = match interest.queue.pop_front() {
                Some(next) => {
                    let is_sent = self.send_event(id, &next.event, Some(next.number));
                    match (is_sent, self.publishing.interests.get_mut(&id)) {
                        (true, _) => self.publishing.bytes -= next.event.bytes(),
                        (false, Some(interest)) => interest.queue.push_front(next),
                        (false, None) => {}
                    }
                    is_sent
                }
                None => self.send_end(id),
            };
            if !is_sent {
                // The link's credit is used up, or the room for large bodies, for all of them.
                if let Some(interest) = self.publishing.interests.get_mut(&id) {
                    interest.has_turn = true;
                    self.publishing.turns.push_front(id);
                }
                break;
            }
            self.publishing.wake(id);
        }
        self.offer_queue_room();
    }

    /// Writes an event for which its interest has credit, unless the link has none, or too many large bodies. Without a number it is a new one.
    fn send_event(&mut self, id: CallId, event: &Publication, number: Option<u64>) -> bool {
        let body = event.frame_body();
        let length = event_length(&event.metadata, &body) as u64;
        let cost = HEADER as u64 + length;
        if let Body::More(size) = body
            && !self.has_room_for_body(size)
        {
            return false;
        }
        let Some(interest) = self.publishing.interests.get_mut(&id) else {
            return false;
        };
        let Some(window) = &mut interest.window else {
            return false;
        };
        if !(self.send_window.has_beside_calls(cost) && window.take(length)) {
            return false;
        }
        let taken = self.send_window.take(cost);
        debug_assert!(taken, "there is credit");
        let number = number.unwrap_or_else(|| interest.next_number());
        write_event(&mut self.out, id, number, &event.metadata, &body);
        if self.publishing.written.last() != Some(&id) {
            self.publishing.written.push(id);
        }
        if let Body::More(_) = body
            && let Some(window) = interest.window.take()
        {
            self.leaving.add(id, event.body.clone().into(), window);
        }
        true
    }

    fn send_end(&mut self, id: CallId) -> bool {
        if !self.send_window.take(HEADER as u64) {
            return false;
        }
        write_frame(&mut self.out, Kind::End, 0, id, &[]);
        self.publishing.remove(id);
        true
    }

    fn offer_queue_room(&mut self) {
        // Asked after each call, and nobody waits nearly always.
        if self.publishing.awaited.is_empty() {
            return;
        }
        let roomy = self.publishing.take_roomy(self.limits.max_queued);
        let events = roomy.into_iter().map(Event::QueueRoom);
        self.events.extend(events);
    }

    pub(super) fn on_interest(
        &mut self,
        stream: CallId,
        interest: Interest,
    ) -> Result<(), Misbehaviour> {
        let kind = Kind::Interest;
        self.check_new(kind, stream)?;
        if !self.peer().is_some_and(|peer| peer.events) {
            return Err(Misbehaviour::NotAgreed(kind));
        }
        self.check_refusals()?;
        let (used, limit) = (self.publishing.len(), self.limits.max_interests);
        if used >= limit as usize {
            let text = format!("{limit} interests are served, which is all that are allowed");
            self.refused_at(Limit::MaxInterests);
            self.send_error(stream, &ErrorBody::new(ErrorCode::Busy, text));
            return Ok(());
        }
        let wanted = PeerInterest::new(&interest, &self.limits);
        self.publishing.interests.insert(stream, wanted);
        let id = stream;
        self.events.push_back(Event::Interest { id, interest });
        Ok(())
    }

    fn forget_interest(&mut self, id: CallId) -> Option<PeerInterest> {
        let interest = self.publishing.remove(id)?;
        self.leaving.remove(id);
        Some(interest)
    }

    /// The subscriber wants no more.
    pub(super) fn interest_cancelled(&mut self, id: CallId) {
        if let Some(interest) = self.forget_interest(id) {
            // Who has ended it counts on nothing more.
            if !interest.is_ending {
                self.events.push_back(Event::NotInterested(id));
            }
            self.body_is_gone();
            self.check_drained();
        }
    }
}
