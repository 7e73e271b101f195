//! The calls of the other side: taking them in, answering, their cancelling and deadline. Our own are in `calls`.

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::answer::{ErrorBody, ErrorCode};
use crate::error::Misbehaviour;
use crate::frame::{Body, CallHead, HEADER, Kind, MORE, write_frame};
use crate::limits::{MAX_BODY, MAX_FLAG};
use crate::pieces::Pieces;
use crate::session::chunks::{Arriving, Part, Progress};
use crate::session::credit::SendWindow;
use crate::session::reached::Limit;
use crate::session::unsent::UnsentAnswer;
use crate::session::{CallId, Event, Incoming, Payload, Session, Tag};

/// A call of the other side whose answer has not left.
#[derive(Debug)]
pub(super) struct PeerCall {
    is_timed: bool,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Its body comes in chunks.
    Arriving(Box<ArrivingCall>),
    /// It was handed out and is not answered.
    Running,
    /// Its answer waits for credit.
    Unsent,
    /// Its answer leaves in chunks.
    Leaving,
}

/// What is kept of a call until its body is here.
#[derive(Debug)]
struct ArrivingCall {
    tag: Tag,
    due: Option<Instant>,
    metadata: Bytes,
    body: Arriving,
}

impl PeerCall {
    pub(super) fn is_timed(&self) -> bool {
        self.is_timed
    }

    fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running)
    }

    pub(super) fn arriving(&mut self) -> Option<&mut Arriving> {
        match &mut self.stage {
            Stage::Arriving(call) => Some(&mut call.body),
            _ => None,
        }
    }
}

impl<C> Session<C> {
    /// Answers a call of the other side with a value. A value that is larger than it takes becomes an error.
    ///
    /// Nothing happens if the call is over: answered, cancelled or out of time.
    pub fn reply(&mut self, id: CallId, body: Payload<'_>) {
        let Some(peer) = self.peer() else { return };
        let size = body.len();
        if size as u64 > peer.max_value {
            let limit = peer.max_value;
            let text = format!("the result has {size} bytes, the caller takes {limit}");
            self.answer_error(id, &ErrorBody::new(ErrorCode::TooLarge, text));
        } else if size > MAX_BODY {
            if self.take_running(id) {
                let total = (size as u64).to_le_bytes();
                self.send_answer(id, Kind::Reply, &total, Some(body.into_pieces()));
            }
        } else if self.take_running(id) {
            self.send_answer(id, Kind::Reply, &body.contiguous(), None);
        }
    }

    /// Answers a call of the other side with a flag. Nothing happens if the call is over.
    pub fn flag(&mut self, id: CallId, name: &str) {
        if name.len() > MAX_FLAG {
            let text = format!("the flag's name has {} bytes, over {MAX_FLAG}", name.len());
            self.answer_error(id, &ErrorBody::new(ErrorCode::BadValue, text));
        } else if self.take_running(id) {
            self.send_answer(id, Kind::Flag, name.as_bytes(), None);
        }
    }

    /// Answers a call of the other side with an error. Nothing happens if the call is over.
    pub fn error(&mut self, id: CallId, error: &ErrorBody) {
        self.answer_error(id, error);
    }

    /// Whether an answer to this call of the other side is still to be given: it is not answered, cancelled or out of time.
    pub fn is_wanted(&self, id: CallId) -> bool {
        self.peer_calls.get(&id).is_some_and(PeerCall::is_running)
    }

    /// Whether a call that was handed out a while ago is still to be run. It is not if it [is not wanted](Self::is_wanted) any
    /// more; and if so many bytes of other answers wait by now that it would not have been handed out, it is answered Busy.
    pub fn may_run(&mut self, id: CallId) -> bool {
        if let Some(busy) = self.too_much_unsent() {
            self.refused_at(Limit::MaxUnsent);
            self.answer_error(id, &busy);
        }
        self.is_wanted(id)
    }

    fn answer_error(&mut self, id: CallId, error: &ErrorBody) {
        if self.take_running(id) {
            self.send_error(id, error);
        }
    }

    pub(super) fn send_error(&mut self, id: CallId, error: &ErrorBody) {
        let mut map = Vec::new();
        error.encode(&mut map);
        self.send_answer(id, Kind::Error, &map, None);
    }

    /// Ends the running of a call, if it runs. It is out of the table then: whoever sends the answer puts it back if need be.
    fn take_running(&mut self, id: CallId) -> bool {
        match self.peer_calls.entry(id) {
            Entry::Occupied(call) if call.get().is_running() => {
                if call.remove().is_timed {
                    self.end_deadline();
                }
                true
            }
            _ => false,
        }
    }

    /// Sends the answer of a call that is not in the table, or lets it wait for credit, or for those before it to be written: the
    /// other side may have announced a window without end, and read nothing.
    fn send_answer(&mut self, id: CallId, kind: Kind, payload: &[u8], body: Option<Pieces>) {
        let flags = if body.is_some() { MORE } else { 0 };
        let cost = HEADER + payload.len();
        let goes_now = self.unsent.is_empty()
            && self.out.len() < self.limits.high_water
            && self.send_window.take(cost as u64);
        let mut frame = Vec::new();
        let out = if goes_now { &mut self.out } else { &mut frame };
        write_frame(out, kind, flags, id, payload);
        if goes_now {
            self.answer_sent(id, body);
        } else {
            self.put_back(id, Stage::Unsent);
            self.unsent.push(UnsentAnswer { id, frame, body });
        }
    }

    /// The answer's frame is written; its large body, if any, follows.
    fn answer_sent(&mut self, id: CallId, body: Option<Pieces>) {
        if let Some(body) = body
            && let Some(peer) = self.peer()
        {
            self.put_back(id, Stage::Leaving);
            self.leaving
                .add(id, body, SendWindow::new(peer.stream_window));
        }
    }

    fn put_back(&mut self, id: CallId, stage: Stage) {
        let is_timed = false;
        self.peer_calls.insert(id, PeerCall { is_timed, stage });
    }

    /// Credit has come, or what was here was handed out: sends the answers that waited for it.
    pub(super) fn send_unsent(&mut self) {
        while self.out.len() < self.limits.high_water
            && let Some(answer) = self.unsent.pop(&mut self.send_window)
        {
            self.out.extend_from_slice(&answer.frame);
            self.peer_calls.remove(&answer.id);
            self.answer_sent(answer.id, answer.body);
        }
    }

    pub(super) fn on_call(
        &mut self,
        now: Instant,
        stream: u64,
        head: CallHead<Arc<str>, Bytes>,
        body: Body<Bytes>,
    ) -> Result<(), Misbehaviour> {
        self.check_new(Kind::Call, stream)?;
        // Before anything can refuse the call: the tag is remembered even so.
        let tag = self.known_tags.resolve(head.tag_number, head.tag)?;
        if let Some((limit, why)) = self.why_not(&body)? {
            self.refused_at(limit);
            self.send_error(stream, &why);
            return Ok(());
        }

        let time_left = head
            .time_left
            .map(|millis| Duration::from_millis(millis.get().into()));
        let due = time_left.and_then(|left| now.checked_add(left));
        let stage = match body {
            Body::Whole(body) => {
                self.events.push_back(Event::Call(Incoming {
                    id: stream,
                    tag,
                    time_left,
                    metadata: head.metadata,
                    body,
                }));
                Stage::Running
            }
            Body::More(total) => {
                self.arriving += total;
                Stage::Arriving(Box::new(ArrivingCall {
                    tag,
                    due,
                    metadata: head.metadata,
                    body: Arriving::new(total, self.limits.stream_window),
                }))
            }
        };
        let is_timed = due.is_some();
        self.peer_calls.insert(stream, PeerCall { is_timed, stage });
        if let Some(due) = due {
            self.add_deadline(due, stream);
        }
        Ok(())
    }

    /// The error that a new call is answered with, if it cannot be served, and the limit that it is over.
    fn why_not(&self, body: &Body<Bytes>) -> Result<Option<(Limit, ErrorBody)>, Misbehaviour> {
        let max_calls = self.limits.max_calls;
        let serving = self.peer_calls.len() as u64;
        if serving >= u64::from(max_calls) {
            self.check_refusals()?;
            let text = format!("{max_calls} calls are under way, which is all that are allowed");
            let busy = ErrorBody::new(ErrorCode::Busy, text);
            return Ok(Some((Limit::MaxCalls, busy)));
        }
        if let Some(busy) = self.too_much_unsent() {
            return Ok(Some((Limit::MaxUnsent, busy)));
        }
        let Body::More(total) = *body else {
            return Ok(None);
        };
        let limit = self.limits.max_value;
        if total > limit {
            let text = format!("the arguments have {total} bytes, {limit} are taken");
            let too_large = ErrorBody::new(ErrorCode::TooLarge, text);
            return Ok(Some((Limit::MaxValue, too_large)));
        }
        // By what is left, not by a sum: that could pass the largest number.
        if total > self.limits.max_arriving.saturating_sub(self.arriving) {
            let text = format!(
                "{} bytes of large calls are arriving already",
                self.arriving
            );
            let busy = ErrorBody::new(ErrorCode::Busy, text);
            return Ok(Some((Limit::MaxArriving, busy)));
        }
        Ok(None)
    }

    /// The refusals that wait here have to end. Twice as many as there are calls: the other side's count may differ from ours for a
    /// moment. And as many as there are interests: all of them may be refused, those too that are served now.
    pub(super) fn check_refusals(&self) -> Result<(), Misbehaviour> {
        let (max_calls, interests) = (self.limits.max_calls, self.limits.max_interests);
        let most = 2 * u64::from(max_calls) + u64::from(interests) + 16;
        if ((self.peer_calls.len() + self.publishing.len()) as u64) < most {
            Ok(())
        } else {
            Err(Misbehaviour::TooManyCalls(max_calls))
        }
    }

    /// The error for calls while the other side does not take its answers.
    fn too_much_unsent(&self) -> Option<ErrorBody> {
        let unsent = self.unsent.bytes() + self.leaving.bytes();
        (unsent > self.limits.max_unsent).then(|| {
            let text = format!("{unsent} bytes of answers wait for you to take them");
            ErrorBody::new(ErrorCode::Busy, text)
        })
    }

    pub(super) fn on_call_chunk(
        &mut self,
        now: Instant,
        stream: u64,
        part: Part<'_>,
        last: bool,
    ) -> Result<(), Misbehaviour> {
        let Some(call) = self.peer_calls.get_mut(&stream) else {
            return Ok(());
        };
        let arriving = match &mut call.stage {
            Stage::Arriving(arriving) => arriving,
            // A call that was refused before its body came: what was under way is ignored.
            Stage::Unsent => return Ok(()),
            Stage::Running | Stage::Leaving => return Err(Misbehaviour::BadChunk(stream)),
        };
        match arriving.body.add(stream, part, last)? {
            Progress::Partial => {}
            Progress::CreditDue => self.credit_due.push(stream),
            Progress::Whole(body) => self.on_call_whole(now, stream, body),
        }
        Ok(())
    }

    fn on_call_whole(&mut self, now: Instant, stream: u64, body: Bytes) {
        if let Some(call) = self.peer_calls.get_mut(&stream)
            && let Stage::Arriving(arrived) = std::mem::replace(&mut call.stage, Stage::Running)
        {
            self.arriving -= arrived.body.total();
            self.give_places();
            self.events.push_back(Event::Call(Incoming {
                id: stream,
                tag: arrived.tag,
                time_left: arrived.due.map(|due| due.saturating_duration_since(now)),
                metadata: arrived.metadata,
                body,
            }));
        }
    }

    /// The caller does not want the answer. One that comes too late for that is ignored.
    pub(super) fn on_cancel(&mut self, stream: u64) -> Result<(), Misbehaviour> {
        if self.side.owns(stream) || !self.was_opened(stream) {
            let kind = Kind::Cancel;
            return Err(Misbehaviour::WrongStream { kind, stream });
        }
        self.interest_cancelled(stream);
        self.give_up(stream);
        Ok(())
    }

    pub(super) fn peer_call_overdue(&mut self, id: CallId) {
        // An answer that is on its way out is not stopped: the caller cancels it if it does not want it.
        if self.peer_calls.get(&id).is_some_and(PeerCall::is_timed) {
            self.give_up(id);
        }
    }

    fn give_up(&mut self, id: CallId) {
        let Some(call) = self.end_peer(id) else {
            return;
        };
        match call.stage {
            Stage::Running => self.events.push_back(Event::Cancelled(id)),
            Stage::Unsent => self.unsent.remove(id),
            Stage::Arriving(_) | Stage::Leaving => {}
        }
        self.body_is_gone();
        self.check_drained();
    }

    /// Takes a call of the other side out of every table but that of unsent answers.
    fn end_peer(&mut self, id: CallId) -> Option<PeerCall> {
        let mut call = self.peer_calls.remove(&id)?;
        if let Some(arriving) = call.arriving() {
            self.arriving -= arriving.total();
            self.give_places();
        }
        if call.is_timed {
            self.end_deadline();
        }
        self.leaving.remove(id);
        Some(call)
    }
}
