//! Whether the other side is there: pings, round trips, silence.

use std::time::{Duration, Instant};

use crate::error::ProtocolError;
use crate::frame::{Kind, write_number};
use crate::session::{Event, Session};
use crate::timer::Timer;

/// A timer that is handled so much too late says that this process, or the whole machine, stood still.
const LATE: Duration = Duration::from_millis(500);
/// How long what arrived meanwhile is then waited for, before anything is concluded from its absence.
const CATCH_UP: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Liveness {
    /// When anything was last heard.
    heard: Instant,
    /// When it was first asked for a sign of life since anything was heard.
    asked: Option<Instant>,
    /// The last ping: its number and when it was sent.
    ping: (u64, Instant),
    rtt: Option<Duration>,
    /// The ping from which on an answer is to be reported.
    probe: Option<u64>,
    /// Until when nothing is concluded, since this process stood still.
    catching_up: Option<Instant>,
}

impl Liveness {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            heard: now,
            asked: None,
            ping: (0, now),
            rtt: None,
            probe: None,
            catching_up: None,
        }
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Only the last ping is measured; a pong of an earlier one tells no time, and one of none nothing at all. Says whether
    /// it is the answer to a probe.
    pub(super) fn on_pong(&mut self, now: Instant, number: u64) -> bool {
        let (last, sent) = self.ping;
        if number == last && number != 0 {
            self.rtt = Some(now.saturating_duration_since(sent));
        }
        // The other side answers the last of several pings.
        let is_answer = |probe: &mut u64| (*probe..=last).contains(&number);
        self.probe.take_if(is_answer).is_some()
    }

    /// Nothing is to be concluded any more.
    pub(super) fn stop(&mut self) {
        self.catching_up = None;
    }

    pub(super) fn catching_up(&self) -> Option<Instant> {
        self.catching_up
    }

    /// Whether timers are to wait, as the first of them is handled late.
    pub(super) fn must_catch_up(&mut self, now: Instant, due: Instant) -> bool {
        match self.catching_up {
            Some(until) if now < until => true,
            Some(_) => {
                self.catching_up = None;
                false
            }
            None if now.saturating_duration_since(due) > LATE => {
                self.catching_up = Some(now + CATCH_UP);
                true
            }
            None => false,
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
    /// Asks the other side for a sign that it has this link: [`Event::Answered`] when that comes.
    pub fn probe(&mut self, now: Instant) {
        if self.is_connected() {
            self.ask(now);
            // An answer to an earlier one tells of an earlier time.
            self.liveness.probe = Some(self.liveness.ping.0);
        }
    }

    pub(super) fn on_pong(&mut self, now: Instant, number: u64) {
        if self.liveness.on_pong(now, number) {
            self.events.push_back(Event::Answered);
        }
    }

    pub(super) fn keep_alive(&mut self, now: Instant) {
        let due = self.liveness.heard + self.limits.keep_alive;
        if due > now {
            self.timers.set(Timer::KeepAlive, Some(due));
            return;
        }
        self.ask(now);
    }

    /// Asks for a sign of life; without one by its time, the link is dead.
    fn ask(&mut self, now: Instant) {
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
        if now.saturating_duration_since(due) > self.limits.keep_alive {
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
