//! Who is in the group, as a link carries it. What follows from it is in `members`.

use crate::error::Misbehaviour;
use crate::frame::{HEADER, Kind, write_frame};
use crate::members::Message;
use crate::session::{Event, Session, WhyRefused};

impl<C> Session<C> {
    /// Tells the other side who is in the group. It comes there as [`Event::Members`]. As events do, it leaves the last quarter of the link's credit
    /// to calls and answers.
    ///
    /// # Errors
    /// Nothing was sent. If the link had no room, [`Event::Room`] tells when to try again.
    pub fn members(&mut self, message: &Message) -> Result<(), WhyRefused> {
        let peer = self.peer().ok_or(WhyRefused::NotConnected)?;
        if !peer.members {
            return Err(WhyRefused::NotSupported);
        }
        if self.drain.is_draining() {
            return Err(WhyRefused::Draining);
        }
        let cost = (HEADER + message.length()) as u64;
        let has_room = self.send_window.has_beside_calls(cost);
        if !has_room || self.out.len() >= self.limits.high_water || !self.send_window.take(cost) {
            self.block_on(self.send_window.beside_calls(cost));
            return Err(WhyRefused::Blocked);
        }
        let mut map = Vec::with_capacity(message.length());
        message.encode(&mut map);
        write_frame(&mut self.out, Kind::Members, 0, 0, &map);
        Ok(())
    }

    pub(super) fn on_members(&mut self, message: Message) -> Result<(), Misbehaviour> {
        if !self.peer().is_some_and(|peer| peer.members) {
            return Err(Misbehaviour::NotAgreed(Kind::Members));
        }
        self.events.push_back(Event::Members(message));
        Ok(())
    }
}
