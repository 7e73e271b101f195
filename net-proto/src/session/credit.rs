//! Credit: how much may be sent before the other side has taken something in. Only the counting; which frames
//! count is in `frame`, when credit is sent is in `session`.

use crate::error::Misbehaviour;

/// What we may still send.
#[derive(Debug)]
pub(super) struct SendWindow {
    size: u64,
    available: u64,
    /// Used for what is still here, and so cannot come back yet.
    kept: u64,
}

impl SendWindow {
    pub(super) fn new(size: u64) -> Self {
        Self {
            size,
            available: size,
            kept: 0,
        }
    }

    pub(super) fn available(&self) -> u64 {
        self.available
    }

    /// Whether there is credit for so much without touching the last quarter of the window. That is left to calls and
    /// answers, so that neither large bodies nor events ever stop small calls.
    pub(super) fn has_beside_calls(&self, bytes: u64) -> bool {
        self.available >= self.beside_calls(bytes)
    }

    /// The credit that there has to be for that.
    pub(super) fn beside_calls(&self, bytes: u64) -> u64 {
        self.size / 4 + bytes
    }

    /// Whether so much is free that a large event may begin.
    pub(super) fn is_open_for_large(&self) -> bool {
        is_open_for_large(self.size, self.available)
    }

    /// Uses credit, if there is enough.
    pub(super) fn take(&mut self, bytes: u64) -> bool {
        match self.available.checked_sub(bytes) {
            Some(left) => {
                self.available = left;
                self.kept += bytes;
                true
            }
            None => false,
        }
    }

    /// All that credit was used for has been handed out to be written.
    pub(super) fn handed_out(&mut self) {
        self.kept = 0;
    }

    /// The other side gives credit back. Only for what it can have seen: else who reads nothing could have answers pile up here.
    pub(super) fn give(&mut self, bytes: u64) -> Result<(), Misbehaviour> {
        if bytes > self.size - self.available - self.kept {
            return Err(Misbehaviour::CreditOverflow);
        }
        self.available += bytes;
        Ok(())
    }
}

/// What the other side may still send.
#[derive(Debug)]
pub(super) struct ReceiveWindow {
    size: u64,
    available: u64,
}

impl ReceiveWindow {
    pub(super) fn new(size: u64) -> Self {
        Self {
            size,
            available: size,
        }
    }

    pub(super) fn available(&self) -> u64 {
        self.available
    }

    /// Whether so much is free that a large event may begin.
    pub(super) fn is_open_for_large(&self) -> bool {
        is_open_for_large(self.size, self.available)
    }

    /// Bytes that were sent and not given back.
    pub(super) fn used(&self) -> u64 {
        self.size - self.available
    }

    /// Gives back a part of what is used.
    pub(super) fn give_back(&mut self, bytes: u64) {
        debug_assert!(bytes <= self.used());
        self.available += bytes;
    }

    /// The other side sent something.
    pub(super) fn take(&mut self, bytes: u64) -> Result<(), Misbehaviour> {
        self.available = self
            .available
            .checked_sub(bytes)
            .ok_or(Misbehaviour::CreditExceeded)?;
        Ok(())
    }

    /// Whether so much is used that it is worth a frame to give it back.
    ///
    /// A quarter: rarely enough to cost nothing, often enough that the sender of a full stream never stops.
    pub(super) fn is_due(&self) -> bool {
        self.is_worth_it(self.used())
    }

    /// Whether so many bytes are worth a frame to give them back.
    pub(super) fn is_worth_it(&self, bytes: u64) -> bool {
        bytes >= self.size / 4
    }

    /// Gives back all that is used.
    pub(super) fn give(&mut self) -> u64 {
        let used = self.used();
        self.available = self.size;
        used
    }
}

/// More than three quarters: then no other large event is there that was not taken.
fn is_open_for_large(size: u64, available: u64) -> bool {
    available > size / 4 * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_never_more_than_the_window() {
        let mut sender = SendWindow::new(100);
        let mut receiver = ReceiveWindow::new(100);
        assert!(sender.take(100) && !sender.take(1));
        assert_eq!(receiver.take(100), Ok(()));
        assert_eq!(receiver.take(1), Err(Misbehaviour::CreditExceeded));
        assert_eq!(sender.give(1), Err(Misbehaviour::CreditOverflow));
        sender.handed_out();
        assert_eq!(sender.give(receiver.give()), Ok(()));
        assert_eq!(sender.give(1), Err(Misbehaviour::CreditOverflow));
    }

    #[test]
    fn credit_is_due_after_a_quarter() {
        let mut window = ReceiveWindow::new(100);
        window.take(24).unwrap();
        assert!(!window.is_due());
        window.take(1).unwrap();
        assert!(window.is_due());
        assert_eq!(window.give(), 25);
        assert!(!window.is_due());
    }
}
