//! The calls that we make: sending, the answer, cancelling, the deadline, and when to wait. Serving is in `serve`.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::error::Misbehaviour;
use crate::frame::{Body, CallHead, Kind, call_length, write_call, write_frame};
use crate::limits::{MAX_BODY, MAX_METADATA, MAX_TAG};
use crate::session::chunks::{Arriving, Part, Progress};
use crate::session::credit::SendWindow;
use crate::session::{
    CallId, CallRefused, Event, Outcome, Outgoing, PeerLimits, Session, WhyRefused,
};

/// A call of ours that has not ended.
#[derive(Debug)]
pub(super) struct OwnCall<C> {
    token: C,
    is_timed: bool,
    /// The reply, where it comes in chunks.
    arriving: Option<Box<Arriving>>,
}

impl<C> OwnCall<C> {
    pub(super) fn is_timed(&self) -> bool {
        self.is_timed
    }

    pub(super) fn arriving(&mut self) -> Option<&mut Arriving> {
        self.arriving.as_deref_mut()
    }

    pub(super) fn into_token(self) -> C {
        self.token
    }
}

/// What the refused calls wait for: the least of each, so that whichever can go is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocked {
    /// Bytes of the frame.
    cost: u64,
    /// Whether all are calls, of which the other side serves no more than so many.
    is_call: bool,
    /// Bytes of the body in chunks.
    large: u64,
}

impl<C> Session<C> {
    /// Makes a call. Its end comes as [`Event::Ended`] with `token`.
    ///
    /// # Errors
    /// The call was not made and nothing of it sent; the token is in the error.
    pub fn call(
        &mut self,
        now: Instant,
        call: Outgoing<'_>,
        token: C,
    ) -> Result<CallId, CallRefused<C>> {
        let due = call.time_left.and_then(|left| now.checked_add(left));
        self.call_until(due, call, token)
    }

    /// As [`call`](Session::call), by who knows already at what time the time left is over; none is for ever. Most calls have no
    /// deadline, and to look at the clock is a good part of a small one.
    ///
    /// # Errors
    /// As [`call`](Session::call).
    pub fn call_until(
        &mut self,
        due: Option<Instant>,
        call: Outgoing<'_>,
        token: C,
    ) -> Result<CallId, CallRefused<C>> {
        match self.try_call(call) {
            Ok(id) => {
                if let Some(due) = due {
                    self.add_deadline(due, id);
                }
                let call = OwnCall {
                    token,
                    is_timed: due.is_some(),
                    arriving: None,
                };
                self.own_calls.insert(id, call);
                Ok(id)
            }
            Err(why) => Err(CallRefused { token, why }),
        }
    }

    /// Sends the call, if it can be sent.
    fn try_call(&mut self, call: Outgoing<'_>) -> Result<CallId, WhyRefused> {
        let peer = self.peer().ok_or(WhyRefused::NotConnected)?;
        if self.drain.is_draining() {
            return Err(WhyRefused::Draining);
        }
        if peer.max_calls == 0 {
            return Err(WhyRefused::ServesNone);
        }
        check_sizes(&call, peer)?;

        let tag_use = self.sent_tags.plan(call.tag);
        let head = CallHead {
            tag_number: tag_use.number,
            tag: tag_use.in_full.then_some(call.tag),
            time_left: call.time_left.map(to_millis),
            metadata: call.metadata,
        };
        let size = call.body.len();
        let is_large = size > MAX_BODY;
        let small = (!is_large).then(|| call.body.contiguous());
        let body = match &small {
            Some(body) => Body::Whole(&body[..]),
            None => Body::More(size as u64),
        };
        let need = Blocked {
            is_call: true,
            cost: call_length(&head, &body) as u64,
            large: if is_large { size as u64 } else { 0 },
        };
        if !self.has_room(peer, need) {
            self.block(need);
            return Err(WhyRefused::Blocked);
        }

        let taken = self.send_window.take(need.cost);
        debug_assert!(taken, "there is room");
        let id = self.next_id;
        self.next_id += 2;
        write_call(&mut self.out, id, &head, &body);
        self.sent_tags.sent(call.tag, tag_use);
        if is_large {
            let window = SendWindow::new(peer.stream_window);
            self.leaving.add(id, call.body.into_pieces(), window);
        }
        Ok(id)
    }

    fn block(&mut self, need: Blocked) {
        let least = self.blocked.get_or_insert(need);
        least.cost = least.cost.min(need.cost);
        least.large = least.large.min(need.large);
        least.is_call &= need.is_call;
    }

    /// A small frame waits for room.
    pub(super) fn block_on(&mut self, cost: u64) {
        self.block(Blocked {
            is_call: false,
            cost,
            large: 0,
        });
    }

    fn has_room(&self, peer: PeerLimits, need: Blocked) -> bool {
        // Answers go first: a call that overtook them could use up the credit that they wait for.
        self.unsent.is_empty()
            && self.send_window.available() >= need.cost
            && self.out.len() < self.limits.high_water
            && (!need.is_call || self.own_calls.len() < peer.max_calls)
            && self.has_room_for_body(need.large)
    }

    /// Whether one more large body may leave. One of any size may where there is none.
    pub(super) fn has_room_for_body(&self, size: u64) -> bool {
        let waiting = self.leaving.bytes();
        size == 0 || waiting == 0 || waiting.saturating_add(size) <= self.limits.max_leaving
    }

    /// Tells, once, that refused calls may be tried again, if they may.
    pub(super) fn offer_room(&mut self) {
        if let Some(need) = self.blocked
            && let Some(peer) = self.peer()
            && self.has_room(peer, need)
        {
            self.blocked = None;
            self.events.push_back(Event::Room);
        }
    }

    /// The link is being closed: whoever waits for room is to try again and be told so.
    pub(super) fn end_waiting(&mut self) {
        if self.blocked.take().is_some() {
            self.events.push_back(Event::Room);
        }
    }

    /// Gives up a call of ours. The other side is told, and an answer that is under way will be ignored.
    ///
    /// Gives the token back; `None` if the call has ended already (its event may still be unpolled).
    pub fn cancel(&mut self, id: CallId) -> Option<C> {
        let token = self.end_own(id)?;
        self.send_cancel(id);
        self.after_end();
        Some(token)
    }

    pub(super) fn own_call_overdue(&mut self, id: CallId) {
        if let Some(token) = self.end_own(id) {
            self.send_cancel(id);
            self.report(token, Outcome::TimedOut);
        }
    }

    pub(super) fn on_reply(&mut self, stream: u64, body: Body<Bytes>) -> Result<(), Misbehaviour> {
        let total = match body {
            Body::Whole(bytes) => {
                return self.on_answer(Kind::Reply, stream, Outcome::Reply(bytes));
            }
            Body::More(total) => total,
        };
        self.check_own(Kind::Reply, stream)?;
        let Some(call) = self.own_calls.get_mut(&stream) else {
            return Ok(());
        };
        if call.arriving.is_some() {
            let kind = Kind::Reply;
            return Err(Misbehaviour::WrongStream { kind, stream });
        }
        let free = self.limits.max_arriving.saturating_sub(self.arriving);
        let limit = self.limits.max_value.min(free);
        if total > limit {
            if let Some(token) = self.end_own(stream) {
                self.send_cancel(stream);
                self.report(token, Outcome::TooLarge { size: total, limit });
            }
            return Ok(());
        }
        self.arriving += total;
        let arriving = Arriving::new(total, self.limits.stream_window);
        call.arriving = Some(Box::new(arriving));
        Ok(())
    }

    pub(super) fn on_reply_chunk(
        &mut self,
        stream: u64,
        part: Part<'_>,
        last: bool,
    ) -> Result<(), Misbehaviour> {
        let Some(call) = self.own_calls.get_mut(&stream) else {
            return Ok(());
        };
        let Some(arriving) = call.arriving() else {
            return Err(Misbehaviour::BadChunk(stream));
        };
        match arriving.add(stream, part, last)? {
            Progress::Partial => {}
            Progress::CreditDue => self.credit_due.push(stream),
            Progress::Whole(body) => {
                return self.on_answer(Kind::Reply, stream, Outcome::Reply(body));
            }
        }
        Ok(())
    }

    /// A call ends by one frame. An answer to a call that has ended here is late and is ignored.
    pub(super) fn on_answer(
        &mut self,
        kind: Kind,
        stream: u64,
        outcome: Outcome,
    ) -> Result<(), Misbehaviour> {
        self.check_own(kind, stream)?;
        if let Some(token) = self.end_own(stream) {
            self.report(token, outcome);
        }
        Ok(())
    }

    pub(super) fn check_own(&self, kind: Kind, stream: u64) -> Result<(), Misbehaviour> {
        if self.side.owns(stream) && self.was_opened(stream) {
            Ok(())
        } else {
            Err(Misbehaviour::WrongStream { kind, stream })
        }
    }

    fn report(&mut self, token: C, outcome: Outcome) {
        self.events.push_back(Event::Ended { token, outcome });
        self.after_end();
    }

    fn after_end(&mut self) {
        self.body_is_gone();
        self.check_drained();
    }

    /// A large body may leave no more, which may be what others wait for.
    pub(super) fn body_is_gone(&mut self) {
        self.send_events();
        self.offer_room();
    }

    fn send_cancel(&mut self, id: CallId) {
        write_frame(&mut self.out, Kind::Cancel, 0, id, &[]);
    }

    /// Forgets everything about a call of ours.
    fn end_own(&mut self, id: CallId) -> Option<C> {
        let call = self.own_calls.remove(&id)?;
        if let Some(arriving) = &call.arriving {
            self.arriving -= arriving.total();
            self.give_places();
        }
        self.leaving.remove(id);
        if call.is_timed {
            self.end_deadline();
        }
        Some(call.token)
    }
}

fn check_sizes(call: &Outgoing<'_>, peer: PeerLimits) -> Result<(), WhyRefused> {
    let (length, limit) = (call.tag.len(), MAX_TAG);
    if length > limit {
        return Err(WhyRefused::TagTooLong { length, limit });
    }
    let (length, limit) = (call.metadata.len(), MAX_METADATA);
    if length > limit {
        return Err(WhyRefused::MetadataTooLong { length, limit });
    }
    let size = call.body.len() as u64;
    let limit = peer.max_value;
    if size > limit {
        return Err(WhyRefused::TooLarge { size, limit });
    }
    Ok(())
}

/// Whole milliseconds, rounded up, so that a call is never cut short at the other side; never 0.
fn to_millis(time: Duration) -> NonZeroU32 {
    let millis = time.as_nanos().div_ceil(1_000_000);
    u32::try_from(millis).map_or(NonZeroU32::MAX, |millis| {
        NonZeroU32::new(millis).unwrap_or(NonZeroU32::MIN)
    })
}
