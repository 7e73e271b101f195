//! Whether the other side is there: pings, round trips, silence.

use std::time::{Duration, Instant};

use crate::error::ProtocolError;
use crate::frame::{Kind, write_number};
use crate::session::Session;
use crate::timer::Timer;

#[derive(Debug)]
pub(super) struct Liveness {
    /// When anything was last heard.
    heard: Instant,
    /// When it was first asked for a sign of life since anything was heard.
    asked: Option<Instant>,
    /// The last ping: its number and when it was sent.
    ping: (u64, Instant),
    rtt: Option<Duration>,
}

impl Liveness {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            heard: now,
            asked: None,
            ping: (0, now),
            rtt: None,
        }
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Only the last ping is measured; a pong of an earlier one, or of none, tells nothing.
    pub(super) fn on_pong(&mut self, now: Instant, number: u64) {
        let (last, sent) = self.ping;
        if number == last && number != 0 {
            self.rtt = Some(now.saturating_duration_since(sent));
        }
    }

    pub(super) fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    fn was_answered(&self) -> bool {
        self.asked.is_none_or(|asked| self.heard >= asked)
    }
}

impl<C> Session<C> {
    pub(super) fn keep_alive(&mut self, now: Instant) {
        let due = self.liveness.heard + self.limits.keep_alive;
        if due > now {
            self.timers.set(Timer::KeepAlive, Some(due));
            return;
        }
        if self.liveness.was_answered() {
            self.liveness.asked = Some(now);
            // The later of the two: if we come late to asking, the answer has its time all the same.
            let silent = (self.liveness.heard + self.limits.silence).max(now + self.grace());
            self.timers.set(Timer::Silence, Some(silent));
        }
        self.ping(now);
    }

    /// # Errors
    /// Nothing was heard since it was asked for.
    pub(super) fn silence(&mut self, now: Instant, due: Instant) -> Result<(), ProtocolError> {
        if self.liveness.was_answered() {
            return Ok(());
        }
        if now > due + self.limits.keep_alive {
            // It is this process that was asleep. Ask again before blaming the other side.
            self.ping(now);
            self.timers.set(Timer::Silence, Some(now + self.grace()));
            return Ok(());
        }
        let after = now.saturating_duration_since(self.liveness.heard);
        Err(ProtocolError::Silent { after })
    }

    fn ping(&mut self, now: Instant) {
        let number = self.liveness.ping.0 + 1;
        self.liveness.ping = (number, now);
        write_number(&mut self.out, Kind::Ping, 0, number);
        self.timers
            .set(Timer::KeepAlive, Some(now + self.limits.keep_alive));
    }

    /// The time that an answer to the first ping has.
    fn grace(&self) -> Duration {
        self.limits.silence.saturating_sub(self.limits.keep_alive)
    }
}
