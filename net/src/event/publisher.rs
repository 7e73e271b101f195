//! A peer as publisher: who subscribes to what, and handing an event to all of them. Nothing here waits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use net_proto::audience::{Audience, Joined, Member};
use net_proto::{CallId, InstanceId, Interest, Publication, Published};

use super::Emitted;
use super::outpost::Outposts;
use crate::link::Link;
use crate::link::events::{Ticket, Waiter};

/// Lock order: this, then a link's state. An event is handed to all its subscribers under the lock, so that a subscriber that
/// changes links meanwhile gets it once.
#[derive(Default)]
pub(crate) struct Publisher {
    audience: Mutex<Audience<Arc<Link>>>,
    /// Those that are called with each event.
    pub(super) outposts: Outposts,
}

impl Publisher {
    fn audience(&self) -> MutexGuard<'_, Audience<Arc<Link>>> {
        self.audience.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands an event to all who subscribe to it. Gives those whose queue is full and who are to be waited for.
    pub(super) fn publish(
        &self,
        event: &str,
        publication: &Publication,
        emitted: &mut Emitted,
    ) -> Vec<(InstanceId, u64)> {
        self.outposts.publish(event, &publication.body, emitted);
        let (mut waiting, mut notes) = (Vec::new(), Notes::new());
        for member in self.audience().of(event) {
            match member.link.publish(member.id, publication, None) {
                Published::Full => waiting.push((member.peer, member.number)),
                other => count(member, other, emitted, &mut notes),
            }
        }
        log(event, &notes);
        waiting
    }

    /// Tries those again that had no room. Gives those that have none yet, which wake the waker when they have.
    pub(super) fn retry(
        &self,
        event: &str,
        publication: &Publication,
        mut waiting: Vec<(InstanceId, u64)>,
        (ticket, waker): (Ticket, &Waker),
        emitted: &mut Emitted,
    ) -> Vec<(InstanceId, u64)> {
        let mut notes = Notes::new();
        let mut waiter = Waiter {
            ticket,
            waker,
            replaced: Vec::new(),
        };
        let audience = self.audience();
        let members = audience.of(event);
        waiting.retain(|who| {
            let member = members.iter().find(|m| (m.peer, m.number) == *who);
            // Else it is gone, and waited for no more.
            member.is_some_and(|member| {
                match member
                    .link
                    .publish(member.id, publication, Some(&mut waiter))
                {
                    Published::Full => true,
                    other => {
                        count(member, other, emitted, &mut notes);
                        false
                    }
                }
            })
        });
        drop(audience);
        log(event, &notes);
        waiting
    }

    /// Who waits for these does not wait any more.
    pub(super) fn forget(&self, event: &str, waiting: &[(InstanceId, u64)], ticket: Ticket) {
        let audience = self.audience();
        let members = audience.of(event).iter();
        let meant = members.filter(|m| waiting.contains(&(m.peer, m.number)));
        let forgotten: Vec<_> = meant.map(|m| m.link.forget_waiting(ticket)).collect();
        drop(audience);
        drop(forgotten);
    }

    /// A peer has asked for an event on a link.
    pub(crate) fn joined(&self, link: &Arc<Link>, id: CallId, interest: &Interest) {
        tracing::debug!(peer = %link.hello.name, event = interest.event, "subscribed");
        let mut audience = self.audience();
        if link.is_closed() {
            // Whoever closed it has been here, or waits for the lock.
            return;
        }
        let new = Member {
            link: Arc::clone(link),
            id,
            peer: link.id(),
            number: interest.number,
            turn: interest.turn,
        };
        match audience.joined(&interest.event, new) {
            Joined::New => {}
            Joined::Instead(old) => {
                if let Some(backlog) = old.link.move_interest(old.id) {
                    link.resume_interest(id, backlog);
                }
            }
            Joined::Late => link.end_interest(id),
        }
        if link.core.is_stopped() {
            link.end_interest(id);
        }
    }

    /// A peer has taken an interest back.
    pub(crate) fn left(&self, link: &Arc<Link>, id: CallId) {
        self.audience().left(link, id);
    }

    /// A link is gone, and with it all interests on it.
    pub(crate) fn lost(&self, link: &Arc<Link>) {
        let pruned = self.audience().lost(link);
        if pruned > 0 {
            tracing::debug!(peer = %link.hello.name, pruned, "its subscriptions are gone with its link");
        }
    }

    /// Tells the peer at the other end of a link that nothing more will be published to it.
    pub(crate) fn end(&self, link: &Arc<Link>) {
        for id in self.audience().on(link) {
            link.end_interest(id);
        }
    }

    /// How many subscribe to an event.
    pub(super) fn subscribers(&self, event: &str) -> usize {
        self.audience().of(event).len() + self.outposts.count(event)
    }

    /// The peers that subscribe to an event over a link.
    pub(super) fn peers(&self, event: &str) -> Vec<InstanceId> {
        self.audience()
            .of(event)
            .iter()
            .map(|member| member.peer)
            .collect()
    }

    /// The events that have subscribers, in order.
    pub(crate) fn events(&self) -> Vec<String> {
        let mut events: Vec<String> = self.audience().events().map(str::to_owned).collect();
        events.extend(self.outposts.events());
        events.sort_unstable();
        events.dedup();
        events
    }
}

/// What is to be logged once the audience is free again: whoever takes logs may publish them as events.
type Notes = Vec<(Arc<Link>, Published)>;

fn count(
    member: &Member<Arc<Link>>,
    published: Published,
    emitted: &mut Emitted,
    notes: &mut Notes,
) {
    let is_noted = match published {
        Published::Accepted { dropped } => {
            emitted.subscribers += 1;
            emitted.dropped += dropped;
            dropped > 0 && tracing::enabled!(tracing::Level::DEBUG)
        }
        Published::TooLarge { .. } => {
            emitted.dropped += 1;
            true
        }
        // Its end is being told of.
        Published::Gone | Published::Full => false,
    };
    if is_noted {
        notes.push((Arc::clone(&member.link), published));
    }
}

fn log(event: &str, notes: &Notes) {
    for (link, published) in notes {
        let peer = &link.hello.name;
        match published {
            Published::TooLarge { size, limit } => {
                tracing::warn!(%peer, event, size, limit, "an event is larger than a subscriber takes");
            }
            Published::Accepted { dropped } => {
                tracing::debug!(%peer, event, dropped, "a subscriber does not keep up");
            }
            Published::Gone | Published::Full => {}
        }
    }
}
