//! The timers of a session: which there are, and when the next one is due. What each does is in `session`.

use std::time::Instant;

/// Everything that happens in a session because time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The other side's HELLO has not come. Set when the session is made; the link fails.
    Handshake = 0,
    /// Nothing may have been heard for a while. Set while connected; pings, or is set anew if something was heard
    /// since, so that receiving never has to touch a timer.
    KeepAlive = 1,
    /// A ping may have gone unanswered. Set by a ping; the link fails, if nothing was heard since.
    Silence = 2,
    /// The time of the call that ends first, made here or served here, has run out.
    Deadline = 3,
}

impl Timer {
    const ALL: [Self; 4] = [
        Self::Handshake,
        Self::KeepAlive,
        Self::Silence,
        Self::Deadline,
    ];
}

/// When each timer is due.
#[derive(Debug, Default)]
pub(crate) struct TimerTable {
    due: [Option<Instant>; Timer::ALL.len()],
}

impl TimerTable {
    pub(crate) fn set(&mut self, timer: Timer, due: Option<Instant>) {
        self.due[timer as usize] = due;
    }

    /// When the first timer is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.iter().flatten().min().copied()
    }

    /// Takes out one timer that is due, with the time it was set to.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Timer, Instant)> {
        Timer::ALL.into_iter().find_map(|timer| {
            let due = self.due[timer as usize].take_if(|due| *due <= now)?;
            Some((timer, due))
        })
    }
}
