//! A network that is not there: connections as two pipes that hold bytes for a while, and never reorder or lose them while both
//! ends stand.

use std::collections::VecDeque;

use net_proto::links::Carrier;

/// Virtual time, in microseconds.
pub(crate) type Time = u64;

pub(crate) const MS: Time = 1_000;
pub(crate) const NEVER: Time = Time::MAX;

/// A connection: its dialer is end 0, its acceptor end 1.
pub(crate) struct Wire {
    pub(crate) nodes: [usize; 2],
    pub(crate) carrier: Carrier,
    /// Whether the process at each end still has it.
    pub(crate) held: [bool; 2],
    /// What each end has written to the other.
    pub(crate) pipes: [Pipe; 2],
}

#[derive(Default)]
pub(crate) struct Pipe {
    under_way: VecDeque<(Time, Vec<u8>)>,
    bytes: usize,
    last: Time,
    /// When the end of the stream arrives.
    end: Option<Time>,
    /// Nothing gets through any more, and nobody is told.
    dead: bool,
}

impl Pipe {
    pub(crate) fn room(&self, capacity: usize) -> usize {
        capacity.saturating_sub(self.bytes)
    }

    pub(crate) fn write(&mut self, arrival: Time, bytes: Vec<u8>) {
        self.last = self.last.max(arrival);
        self.bytes += bytes.len();
        self.under_way.push_back((self.last, bytes));
    }

    /// Nothing more will be written.
    pub(crate) fn finish(&mut self, arrival: Time) {
        self.last = self.last.max(arrival);
        self.end.get_or_insert(self.last);
    }

    pub(crate) fn cut_off(&mut self) {
        self.dead = true;
    }

    /// What is written to an end that nobody has any more is gone.
    pub(crate) fn discard(&mut self) {
        self.under_way.clear();
        self.bytes = 0;
    }

    /// When there is something to read next.
    pub(crate) fn next(&self) -> Time {
        match (self.dead, self.under_way.front()) {
            (true, _) => NEVER,
            (false, Some((at, _))) => *at,
            (false, None) => self.end.unwrap_or(NEVER),
        }
    }

    /// Reads at most so many bytes; none at the end of the stream.
    pub(crate) fn read(&mut self, now: Time, most: usize) -> Option<Vec<u8>> {
        if self.next() > now {
            return None;
        }
        let Some((at, mut bytes)) = self.under_way.pop_front() else {
            self.end = None;
            return Some(Vec::new());
        };
        if bytes.len() > most {
            self.under_way.push_front((at, bytes.split_off(most)));
        }
        self.bytes -= bytes.len();
        Some(bytes)
    }
}
