//! When calls run out of time, made here or served here. Calls without a deadline never come near this.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::session::CallId;

/// Entries of ended calls that are not worth clearing away.
const FEW: usize = 64;

/// A heap with lazy deletion: ending a call costs a decrement, and an entry of an ended call goes when it comes
/// up or when such entries are the majority.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, CallId)>>,
    /// Entries whose call has not ended.
    live: usize,
}

impl Deadlines {
    pub(super) fn insert(&mut self, due: Instant, id: CallId) {
        self.heap.push(Reverse((due, id)));
        self.live += 1;
    }

    /// A call with a deadline has ended; `is_live` tells which of the others have not.
    pub(super) fn ended(&mut self, is_live: impl Fn(CallId) -> bool) {
        self.live -= 1;
        if self.heap.len() > 2 * self.live + FEW {
            self.heap.retain(|Reverse((_, id))| is_live(*id));
        }
    }

    /// When the first is due. It may be of a call that has ended: waking up once for nothing is cheaper than looking.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }

    /// Takes out one entry that is due, of a call ended or not.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<CallId> {
        match self.heap.peek() {
            Some(Reverse((due, _))) if *due <= now => self.heap.pop().map(|Reverse((_, id))| id),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_entries_of_ended_calls_do_not_pile_up() {
        let start = Instant::now();
        let mut deadlines = Deadlines::default();
        deadlines.insert(start + Duration::from_secs(1), 0);
        for id in 1..10_000 {
            deadlines.insert(start + Duration::from_secs(3600), id);
            deadlines.ended(|other| other == 0);
        }
        assert!(deadlines.heap.len() <= FEW + 3);
        assert_eq!(deadlines.pop_due(start), None);
        assert_eq!(deadlines.pop_due(start + Duration::from_secs(1)), Some(0));
    }
}
