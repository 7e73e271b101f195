//! What a link does for events: the session's part of it, under the link's lock. Who subscribes to what is known in
//! [`crate::event`].

use std::task::Waker;
use std::time::Instant;

use net_proto::{Backlog, CallId, Interest, Publication, Published, WhyRefused};

use super::{Link, State};

impl Link {
    /// Publishes an event to one subscriber. The keeper writes it, with what else is published meanwhile. Where the queue is full
    /// and is to be waited for, the waker is woken when there is room.
    pub(crate) fn publish(
        &self,
        id: CallId,
        event: &Publication,
        waker: Option<&Waker>,
    ) -> Published {
        let mut state = self.state();
        let published = state.session.publish(Instant::now(), id, event);
        if let (Published::Full, Some(waker)) = (published, waker) {
            let waits = &mut state.waiting_for_queue;
            if !waits
                .iter()
                .any(|(of, is)| *of == id && is.will_wake(waker))
            {
                waits.push((id, waker.clone()));
            }
        }
        self.write_soon(&state);
        published
    }

    /// Asks the other side for an event.
    pub(crate) fn ask_for(&self, interest: &Interest) -> Result<CallId, WhyRefused> {
        let mut state = self.state();
        let asked = state.session.interest(Instant::now(), interest);
        self.write_soon(&state);
        asked
    }

    /// Takes an interest back.
    pub(crate) fn lose_interest(&self, id: CallId) {
        let mut state = self.state();
        state.session.lose_interest(Instant::now(), id);
        self.write_soon(&state);
    }

    /// The program has taken an event.
    pub(crate) fn taken(&self, id: CallId, charge: u64) {
        let mut state = self.state();
        state.session.taken(Instant::now(), id, charge);
        self.write_soon(&state);
    }

    /// Ends an interest of the other side after all that was published to it.
    pub(crate) fn end_interest(&self, id: CallId) {
        let mut state = self.state();
        state.session.end_interest(Instant::now(), id);
        self.write_soon(&state);
    }

    /// Takes out what waits for an interest that goes on over another link.
    pub(crate) fn move_interest(&self, id: CallId) -> Option<Backlog> {
        let mut state = self.state();
        let backlog = state.session.move_interest(Instant::now(), id);
        let waits = std::mem::take(&mut state.waiting_for_queue);
        self.write_soon(&state);
        drop(state);
        // They look for it anew, and find it on the other link.
        waits.into_iter().for_each(|(_, waker)| waker.wake());
        backlog
    }

    /// Goes on with what waited on another link.
    pub(crate) fn resume_interest(&self, id: CallId, backlog: Backlog) {
        let mut state = self.state();
        state.session.resume_interest(Instant::now(), id, backlog);
        self.write_soon(&state);
    }

    /// Wakes those who wait for room in the queue of an interest.
    pub(super) fn queue_has_room(&self, id: CallId) {
        let mut woken = Vec::new();
        self.state().waiting_for_queue.retain(|(of, waker)| {
            if *of == id {
                woken.push(waker.clone());
            }
            *of != id
        });
        woken.into_iter().for_each(Waker::wake);
    }

    /// Has the keeper write what there is, unless that is seen to already.
    fn write_soon(&self, state: &State) {
        if !state.writing && !state.full && state.session.wants_write() {
            self.keeper.notify_one();
        }
    }
}
