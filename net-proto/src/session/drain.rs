//! The orderly end of a link: goodbye from both sides, calls under way finish, then it is drained.

use crate::answer::head;
use crate::frame::{Kind, write_frame};
use crate::limits::MAX_REASON;
use crate::session::{Event, Session};

#[derive(Debug, Default)]
pub(super) struct Drain {
    /// Our reason, once we mean to say goodbye.
    reason: Option<String>,
    said: bool,
    heard: bool,
    drained: bool,
}

impl Drain {
    pub(super) fn is_draining(&self) -> bool {
        self.reason.is_some() || self.heard
    }

    pub(super) fn was_heard(&self) -> bool {
        self.heard
    }
}

impl<C> Session<C> {
    /// Ends the link in order: no new calls are made by either side, calls under way finish, interests are ended or taken
    /// back by whoever drives the two sides, then [`Event::Drained`] comes. The other side's session answers by itself. Said twice it does nothing.
    pub fn goodbye(&mut self, reason: &str) {
        if self.drain.reason.is_none() {
            self.drain.reason = Some(head(reason, MAX_REASON).to_owned());
            // Before the goodbye: that may be the end, after which nothing comes.
            self.end_waiting();
            self.say_goodbye();
        }
    }

    /// Whether either side has said goodbye, so that no new calls can be made.
    pub fn is_draining(&self) -> bool {
        self.drain.is_draining()
    }

    pub(super) fn say_goodbye(&mut self) {
        if let Some(reason) = &self.drain.reason
            && !self.drain.said
            && self.is_connected()
        {
            write_frame(&mut self.out, Kind::Goodbye, 0, 0, reason.as_bytes());
            self.drain.said = true;
            self.check_drained();
        }
    }

    pub(super) fn on_goodbye(&mut self, reason: String) {
        if self.drain.heard {
            return;
        }
        self.drain.heard = true;
        // Our answer carries the same reason: it is what ends the link.
        self.drain.reason.get_or_insert_with(|| reason.clone());
        self.events.push_back(Event::Goodbye { reason });
        self.end_waiting();
        self.say_goodbye();
        self.check_drained();
    }

    /// Reports the end, once, when nothing is under way any more. After an answer it is the transmit that looks: the
    /// link has not ended while the answer is in here.
    pub(super) fn check_drained(&mut self) {
        let calls_are_done = self.own_calls.is_empty() && self.peer_calls.is_empty();
        let interests_are_done = self.own_interests.is_empty() && self.publishing.is_empty();
        let is_done = calls_are_done && interests_are_done;
        if self.drain.said && self.drain.heard && is_done && !self.drain.drained {
            self.drain.drained = true;
            self.events.push_back(Event::Drained);
        }
    }
}
