//! Large bodies: those that leave, cut into chunks that take turns, and those that arrive, put together again.

use std::collections::{HashMap, VecDeque};

use bytes::{BufMut, Bytes};

use crate::error::Misbehaviour;
use crate::frame::{HEADER, Kind, LAST, header};
use crate::limits::MAX_BODY;
use crate::pieces::Pieces;
use crate::session::CallId;
use crate::session::credit::{ReceiveWindow, SendWindow};
use crate::session::ids::IdHash;
use crate::transmit::Transmit;

/// The large bodies that leave on one link.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    bodies: HashMap<CallId, LeavingBody, IdHash>,
    /// Whose turn it is: the bodies that have credit.
    turns: VecDeque<CallId>,
    /// Bytes not yet handed out.
    bytes: u64,
}

#[derive(Debug)]
struct LeavingBody {
    rest: Pieces,
    window: SendWindow,
    /// Whether it is in `turns`: while there is credit for its next chunk.
    has_turn: bool,
}

impl Leaving {
    /// Sends a body from now on, with credit for a chunk at least.
    pub(super) fn add(&mut self, id: CallId, body: Pieces, window: SendWindow) {
        self.bytes += body.len() as u64;
        self.turns.push_back(id);
        let body = LeavingBody {
            rest: body,
            window,
            has_turn: true,
        };
        self.bodies.insert(id, body);
    }

    /// Stops sending a body.
    pub(super) fn remove(&mut self, id: CallId) {
        // The look-up is spared where there are no large bodies, as nearly always.
        if !self.bodies.is_empty()
            && let Some(body) = self.bodies.remove(&id)
        {
            self.bytes -= body.rest.len() as u64;
            self.turns.retain(|turn| *turn != id);
        }
    }

    /// Bytes not yet handed out.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The other side gives credit back for one body. Ignored for one that is not here any more.
    pub(super) fn give(&mut self, id: CallId, credit: u64) -> Result<(), Misbehaviour> {
        let Some(body) = self.bodies.get_mut(&id) else {
            return Ok(());
        };
        body.window.give(credit)?;
        if !body.has_turn && body.has_credit() {
            body.has_turn = true;
            self.turns.push_back(id);
        }
        Ok(())
    }

    /// Whether a chunk can go out now.
    pub(super) fn is_ready(&self, link: &SendWindow) -> bool {
        !self.turns.is_empty() && link_has_room(link)
    }

    /// Moves chunks out, one a body in turn, until about `budget` bytes are out or nothing more may go. Calls `done`
    /// for each body that is out whole, with what is left of its window.
    pub(super) fn transmit(
        &mut self,
        link: &mut SendWindow,
        budget: usize,
        out: &mut Transmit,
        mut done: impl FnMut(CallId, SendWindow),
    ) {
        let mut moved = 0;
        while moved < budget && link_has_room(link) {
            let Some(id) = self.turns.pop_front() else {
                return;
            };
            let body = self.bodies.get_mut(&id).expect("a turn is of a body");
            let length = body.next_chunk();
            let taken = body.window.take(length as u64) && link.take((HEADER + length) as u64);
            debug_assert!(
                taken,
                "a turn and link_has_room mean credit for a whole chunk"
            );
            body.window.handed_out();
            let is_last = length == body.rest.len();
            let flags = if is_last { LAST } else { 0 };
            out.push_header(header(Kind::Chunk, flags, id, length));
            let mut left = length;
            while left > 0 {
                let piece = body.rest.take(left);
                left -= piece.len();
                out.push(piece);
            }
            self.bytes -= length as u64;
            moved += HEADER + length;
            if is_last {
                let window = self.bodies.remove(&id).map(|body| body.window);
                done(id, window.expect("the body is here"));
            } else if body.has_credit() {
                self.turns.push_back(id);
            } else {
                body.has_turn = false;
            }
        }
    }
}

impl LeavingBody {
    fn next_chunk(&self) -> usize {
        self.rest.len().min(MAX_BODY)
    }

    fn has_credit(&self) -> bool {
        self.window.available() >= self.next_chunk() as u64
    }
}

/// Whether the link has credit for a chunk.
fn link_has_room(link: &SendWindow) -> bool {
    link.has_beside_calls((HEADER + MAX_BODY) as u64)
}

/// Room for a body that is made at once, whatever has come of it: so that little is taken on the word of the sender.
const AHEAD: usize = 1024 * 1024;
/// And for what is copied of a chunk before the rest of it is read to where it is to be.
const BESIDE: usize = MAX_BODY;

/// The body that the next bytes of a link belong to, from [`Session::lend`](super::Session::lend).
#[derive(Debug)]
pub struct Lent {
    stream: CallId,
    /// What has come of it.
    bytes: Vec<u8>,
    /// How much had come when it was lent.
    before: usize,
    /// Where its chunk ends.
    limit: usize,
}

impl Lent {
    /// Where the next bytes go, as many as there is room for here.
    pub fn buf(&mut self) -> impl BufMut + '_ {
        let room = self.limit - self.bytes.len();
        (&mut self.bytes).limit(room)
    }

    /// Its stream, what has come of it, and how much of that since it was lent.
    pub(super) fn into_parts(self) -> (CallId, Vec<u8>, usize) {
        let read = self.bytes.len() - self.before;
        (self.stream, self.bytes, read)
    }
}

/// What has come of a chunk: all of it, or less.
pub(super) enum Part<'a> {
    /// Bytes that lie elsewhere.
    Copy(&'a [u8]),
    /// The body as it was [lent](Assembly::lend), with so many bytes more.
    InPlace(Vec<u8>, usize),
}

impl Part<'_> {
    /// How many bytes have come.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Copy(bytes) => bytes.len(),
            Self::InPlace(_, added) => *added,
        }
    }
}

/// A large body that is put together.
#[derive(Debug)]
pub(super) struct Assembly {
    bytes: Vec<u8>,
    total: u64,
}

impl Assembly {
    /// `total` has been held against the limits.
    pub(super) fn new(total: u64) -> Self {
        Self {
            bytes: Vec::new(),
            total,
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn missing(&self) -> u64 {
        self.total - self.bytes.len() as u64
    }

    /// Takes a part in; gives the body when that was the last.
    pub(super) fn add(
        &mut self,
        id: CallId,
        part: Part<'_>,
        last: bool,
    ) -> Result<Option<Bytes>, Misbehaviour> {
        match part {
            Part::Copy(bytes) => {
                if bytes.is_empty() || bytes.len() as u64 > self.missing() {
                    return Err(Misbehaviour::BadChunk(id));
                }
                self.make_room(bytes.len());
                self.bytes.extend_from_slice(bytes);
            }
            Part::InPlace(body, _) => self.bytes = body,
        }
        if last != (self.missing() == 0) {
            return Err(Misbehaviour::BadChunk(id));
        }
        Ok(last.then(|| std::mem::take(&mut self.bytes).into()))
    }

    /// Hands out what has come, with room for the rest of a chunk. None if that is more than is to come. `room` gives the room for
    /// the whole, when that is needed.
    pub(super) fn lend(
        &mut self,
        stream: CallId,
        rest: usize,
        room: impl FnOnce(usize) -> Vec<u8>,
    ) -> Option<Lent> {
        if rest as u64 > self.missing() {
            return None;
        }
        let is_ahead = self.bytes.len() + rest <= AHEAD;
        let has_moved = self.bytes.capacity() > AHEAD + BESIDE;
        if !is_ahead && !has_moved && (self.bytes.capacity() as u64) < self.total {
            let mut whole = room(self.total as usize);
            whole.extend_from_slice(&self.bytes);
            self.bytes = whole;
        }
        self.make_room(rest);
        let bytes = std::mem::take(&mut self.bytes);
        Some(Lent {
            stream,
            before: bytes.len(),
            limit: bytes.len() + rest,
            bytes,
        })
    }

    /// Grows at most once, and to the end, so that the body is handed out without a copy. (The system gives memory when it is written
    /// to, so what is ahead costs nothing until it comes.)
    fn make_room(&mut self, more: usize) {
        let length = self.bytes.len() + more;
        if length > self.bytes.capacity() {
            let capacity = match length {
                ..=AHEAD => self.total.min((AHEAD + BESIDE) as u64),
                _ => self.total,
            };
            let ahead = capacity as usize - self.bytes.len();
            // What is only claimed does not end the process: where the system promises no such memory, it is asked for as it is needed.
            if self.bytes.try_reserve_exact(ahead).is_err() {
                self.bytes.reserve(more);
            }
        }
    }
}

/// A large body of a call that arrives, with the credit of its stream.
#[derive(Debug)]
pub(super) struct Arriving {
    body: Assembly,
    window: ReceiveWindow,
    credit_is_due: bool,
}

impl Arriving {
    /// `total` has been held against the limits.
    pub(super) fn new(total: u64, window: u64) -> Self {
        Self {
            body: Assembly::new(total),
            window: ReceiveWindow::new(window),
            credit_is_due: false,
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.body.total()
    }

    pub(super) fn assembly(&mut self) -> &mut Assembly {
        &mut self.body
    }

    /// Takes a part in.
    pub(super) fn add(
        &mut self,
        id: CallId,
        part: Part<'_>,
        last: bool,
    ) -> Result<Progress, Misbehaviour> {
        self.window.take(part.len() as u64)?;
        if let Some(body) = self.body.add(id, part, last)? {
            return Ok(Progress::Whole(body));
        }
        let is_short = self.body.missing() > self.window.available();
        if !self.credit_is_due && self.window.is_due() && is_short {
            self.credit_is_due = true;
            return Ok(Progress::CreditDue);
        }
        Ok(Progress::Partial)
    }

    /// The credit that is due.
    pub(super) fn give_credit(&mut self) -> u64 {
        self.credit_is_due = false;
        self.window.give()
    }
}

/// What a chunk brings about.
#[derive(Debug)]
pub(super) enum Progress {
    /// The body is whole.
    Whole(Bytes),
    /// The sender needs credit to go on. Said once, until it is given.
    CreditDue,
    /// More has to come.
    Partial,
}
