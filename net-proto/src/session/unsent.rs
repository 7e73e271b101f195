//! Answers for which there is no credit yet. They wait here in order, and go out before any new call.

use std::collections::VecDeque;

use crate::pieces::Pieces;
use crate::session::CallId;
use crate::session::credit::SendWindow;

/// An answer that waits for credit.
#[derive(Debug)]
pub(super) struct UnsentAnswer {
    pub(super) id: CallId,
    /// The frame, header included.
    pub(super) frame: Vec<u8>,
    /// The large body that follows it in chunks.
    pub(super) body: Option<Pieces>,
}

impl UnsentAnswer {
    fn bytes(&self) -> u64 {
        (self.frame.len() + self.body.as_ref().map_or(0, Pieces::len)) as u64
    }
}

/// The answers that wait. Their number is bounded by the calls that may be in flight.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    answers: VecDeque<UnsentAnswer>,
    bytes: u64,
}

impl Unsent {
    pub(super) fn push(&mut self, answer: UnsentAnswer) {
        self.bytes += answer.bytes();
        self.answers.push_back(answer);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// Bytes that wait, large bodies included.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes out the first answer, if there is credit for it now.
    pub(super) fn pop(&mut self, link: &mut SendWindow) -> Option<UnsentAnswer> {
        if !link.take(self.answers.front()?.frame.len() as u64) {
            return None;
        }
        let answer = self.answers.pop_front()?;
        self.bytes -= answer.bytes();
        Some(answer)
    }

    /// Drops the answer of a call that was cancelled.
    pub(super) fn remove(&mut self, id: CallId) {
        if let Some(index) = self.answers.iter().position(|answer| answer.id == id)
            && let Some(answer) = self.answers.remove(index)
        {
            self.bytes -= answer.bytes();
        }
    }
}
