//! What a link does for events: the session's part of it, under the link's lock. Who subscribes to what is known in
//! [`crate::event`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use net_proto::{Backlog, CallId, Interest, Publication, Published, WhyRefused};

use super::{Link, State};

/// A publisher that waits for room in the queue of an interest: its place, and what wakes it.
pub(crate) struct Waits {
    interest: CallId,
    ticket: Ticket,
    waker: Waker,
}

/// Tells those who wait apart, so that each can be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

impl Ticket {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What a publisher waits with.
pub(crate) struct Waiter<'a> {
    pub(crate) ticket: Ticket,
    pub(crate) waker: &'a Waker,
    /// Wakers that are not needed any more. To be dropped without a lock: with one may go a program's last hold on a task.
    pub(crate) replaced: Vec<Waker>,
}

impl Waits {
    pub(super) fn wake(self) {
        self.waker.wake();
    }
}

impl Link {
    /// Publishes an event to one subscriber. The keeper writes it, with what else is published meanwhile. Where the queue is full
    /// and is to be waited for, the waker is woken when there is room, or nothing more to wait for.
    pub(crate) fn publish(
        &self,
        id: CallId,
        event: &Publication,
        waiter: Option<&mut Waiter<'_>>,
    ) -> Published {
        let mut state = self.state();
        let published = state.session.publish(id, event);
        if let (Published::Full, Some(waiter)) = (published, waiter) {
            let all = &mut state.waiting_for_queue;
            let (ticket, waker) = (waiter.ticket, waiter.waker);
            let same = |known: &&mut Waits| (known.interest, known.ticket) == (id, ticket);
            match all.iter_mut().find(same) {
                Some(known) if known.waker.will_wake(waker) => {}
                Some(known) => {
                    let old = std::mem::replace(&mut known.waker, waker.clone());
                    waiter.replaced.push(old);
                }
                None => all.push(Waits {
                    interest: id,
                    ticket,
                    waker: waker.clone(),
                }),
            }
        }
        self.write_soon(&mut state);
        published
    }

    /// Nobody waits with this ticket any more. Gives what is to be dropped without a lock.
    pub(crate) fn forget_waiting(&self, ticket: Ticket) -> Vec<Waits> {
        let mut state = self.state();
        let all = &mut state.waiting_for_queue;
        all.extract_if(.., |waits| waits.ticket == ticket).collect()
    }

    /// Asks the other side for an event.
    pub(crate) fn ask_for(&self, interest: &Interest) -> Result<CallId, WhyRefused> {
        let mut state = self.state();
        let asked = state.session.interest(interest);
        self.write_soon(&mut state);
        asked
    }

    /// Takes an interest back.
    pub(crate) fn lose_interest(&self, id: CallId) {
        let mut state = self.state();
        state.session.lose_interest(id);
        self.write_soon(&mut state);
    }

    /// The program has taken an event.
    pub(crate) fn taken(&self, id: CallId, charge: u64) {
        let mut state = self.state();
        state.session.taken(id, charge);
        self.write_soon(&mut state);
    }

    /// Ends an interest of the other side after all that was published to it.
    pub(crate) fn end_interest(&self, id: CallId) {
        let mut state = self.state();
        state.session.end_interest(id);
        self.write_soon(&mut state);
    }

    /// Takes out what waits for an interest that goes on over another link.
    pub(crate) fn move_interest(&self, id: CallId) -> Option<Backlog> {
        let mut state = self.state();
        let backlog = state.session.move_interest(id);
        let waits = std::mem::take(&mut state.waiting_for_queue);
        self.write_soon(&mut state);
        drop(state);
        // They look for it anew, and find it on the other link.
        waits.into_iter().for_each(Waits::wake);
        backlog
    }

    /// Goes on with what waited on another link.
    pub(crate) fn resume_interest(&self, id: CallId, backlog: Backlog) {
        let mut state = self.state();
        state.session.resume_interest(id, backlog);
        self.write_soon(&mut state);
    }

    /// Wakes those who wait for room in the queue of an interest.
    pub(super) fn queue_has_room(&self, id: CallId) {
        let mut state = self.state();
        let all = &mut state.waiting_for_queue;
        let woken: Vec<_> = all.extract_if(.., |waits| waits.interest == id).collect();
        drop(state);
        woken.into_iter().for_each(Waits::wake);
    }

    /// Has the keeper write what there is, unless that is seen to already.
    fn write_soon(&self, state: &mut State) {
        let is_seen_to = state.writing || state.full || state.told;
        if !is_seen_to && state.session.wants_write() {
            state.told = true;
            self.keeper.notify_one();
        }
    }
}
