//! What was published to whom, and what must hold for it: in order, none twice, none changed, none lost unless it was dropped and
//! counted, nothing left behind.

use bytes::Bytes;
use net_proto::interests::Delivery;
use net_proto::{InstanceId, Policy, Publication, Published};

use crate::calls::pattern;
use crate::checks::AFTERMATH;
use crate::events::Wished;
use crate::network::Time;
use crate::node::{Conn, Node};
use crate::world::World;

/// Names an event in the whole world.
pub(crate) type Publ = u64;

/// An event as it was published.
pub(crate) struct Made {
    from: usize,
    event: &'static str,
    size: usize,
    at: Time,
}

/// What one publisher has for one wish of one subscriber.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Handed to it, in this order, and whether it was taken.
    sent: Vec<(Publ, bool)>,
    /// How far the subscriber has come.
    next: usize,
    /// Dropped, as the publisher counts them.
    dropped: u64,
    /// Dropped, as the subscriber counts them.
    missed: u64,
}

/// A publisher, a subscriber, and the subscriber's wish.
pub(crate) type Between = (InstanceId, InstanceId, u64);

impl World {
    pub(crate) fn new_publication(
        &mut self,
        from: usize,
        event: &'static str,
        size: usize,
    ) -> (Publ, Publication) {
        let publ = self.published.len() as Publ;
        let at = self.now;
        self.largest_event = self.largest_event.max(size + 8);
        self.published.push(Made {
            from,
            event,
            size,
            at,
        });
        let metadata = match publ % 5 {
            0 => Bytes::copy_from_slice(&publ.to_le_bytes()),
            _ => Bytes::new(),
        };
        let body = body(publ, size).into();
        (publ, Publication { metadata, body })
    }

    pub(crate) fn note_published(
        &mut self,
        n: usize,
        (peer, number): (InstanceId, u64),
        publ: Publ,
        published: Published,
    ) {
        let own = self.nodes[n].id;
        let ledger = self.ledgers.entry((own, peer, number)).or_default();
        match published {
            Published::Accepted { dropped } => {
                ledger.sent.push((publ, false));
                ledger.dropped += dropped;
            }
            Published::TooLarge { size, limit } => {
                assert!(size > limit && limit == self.limits.max_value);
                ledger.sent.push((publ, false));
                ledger.dropped += 1;
            }
            Published::Full | Published::Gone => {}
        }
    }

    /// Whether the loss of an event between two peers can be put down to a fault.
    fn is_excused_event(&self, publ: Publ, to: usize) -> bool {
        let made = &self.published[publ as usize];
        self.is_excused(made.from, to, made.at)
    }

    fn is_too_large(&self, publ: Publ) -> bool {
        self.published[publ as usize].size as u64 + 8 > self.limits.max_value
    }

    /// A program takes an event.
    pub(crate) fn check_taken(&mut self, n: usize, delivery: &Delivery<Conn>) {
        let Delivery { wish, peer, .. } = *delivery;
        let own = self.nodes[n].id;
        let Some(wished) = self.nodes[n].events.wishes.get(&wish) else {
            panic!("{n} is given an event for a wish that was withdrawn");
        };
        let policy = wished.policy;
        let body_taken = &delivery.arrivals[0].body;
        let name = body_taken.first_chunk().expect("an event's name");
        let publ = Publ::from_le_bytes(*name);
        let made = &self.published[publ as usize];
        assert_eq!(
            made.event, wished.event,
            "another event than was wished for"
        );
        assert!(
            *body_taken == body(publ, made.size),
            "event {publ} did not arrive as it was published"
        );
        let ledger = self.ledgers.get(&(peer, own, wish));
        let ledger = ledger.unwrap_or_else(|| panic!("event {publ} came from another peer"));
        let (before, rest) = ledger.sent.split_at(ledger.next);
        assert!(
            !before.contains(&(publ, true)),
            "event {publ} is given to {n} twice"
        );
        let ahead = rest.iter().position(|(sent, _)| *sent == publ);
        let Some(skipped) = ahead else {
            panic!("event {publ} is given to {n} out of its order");
        };
        let passed = &rest[..=skipped];
        if !passed
            .iter()
            .any(|(publ, _)| self.is_excused_event(*publ, n))
        {
            assert_eq!(
                delivery.missed, skipped as u64,
                "{n} is told of another number of dropped events before {publ} than there were"
            );
            let is_kept = |(publ, _): &&(Publ, bool)| !self.is_too_large(*publ);
            let missing = passed[..skipped].iter().find(is_kept);
            assert!(
                policy == Policy::DropOldest || missing.is_none(),
                "event {missing:?} is missing for {n}, which is to be waited for"
            );
        }
        let at = ledger.next + skipped;
        let ledger = self
            .ledgers
            .get_mut(&(peer, own, wish))
            .expect("it is here");
        ledger.next = at + 1;
        ledger.sent[at].1 = true;
        ledger.missed += delivery.missed;
    }

    /// A process has taken leave of all, in good time. Whoever was not troubled otherwise has what was published to it before.
    pub(crate) fn check_leave(&self, n: usize, began: Time) {
        let from = &self.nodes[n];
        for to in self.others(from).filter(|to| to.is_up()) {
            let disturbed = self.disturbed[n][to.index];
            if disturbed > 0 && disturbed + AFTERMATH >= began {
                continue;
            }
            for number in to.events.wishes.keys() {
                let Some(ledger) = self.ledgers.get(&(from.id, to.id, *number)) else {
                    continue;
                };
                if ledger
                    .sent
                    .iter()
                    .any(|(publ, _)| self.was_disturbed(*publ, to.index))
                {
                    continue;
                }
                let waits = to.events.inboxes.get(&(*number, from.id));
                let waits = waits.map_or(0, |inbox| inbox.queue.len());
                let taken = ledger.sent.iter().filter(|(_, is_taken)| *is_taken).count();
                let accounted = (taken + waits) as u64 + ledger.dropped;
                let sent = ledger.sent.len() as u64;
                assert_eq!(
                    accounted, sent,
                    "{} lost what {n} published before it left",
                    to.index
                );
            }
        }
    }

    /// Whether there was other trouble between two peers than that one took leave.
    fn was_disturbed(&self, publ: Publ, to: usize) -> bool {
        let made = &self.published[publ as usize];
        let disturbed = self.disturbed[made.from][to];
        disturbed > 0 && disturbed + AFTERMATH >= made.at
    }

    /// Each wish is open at each peer that is meant, over the one link, and nothing is left of anything else.
    pub(crate) fn check_events_at_peace(&self) {
        for node in &self.nodes {
            let events = &node.events;
            assert!(
                events.bursts.is_empty(),
                "{} is stuck publishing",
                node.index
            );
            for (number, wished) in &events.wishes {
                let mut open: Vec<_> = events.interests.publishers(*number).collect();
                let meant = self.others(node).filter(|other| wished.means(other));
                let mut meant: Vec<_> = meant.map(|other| other.id).collect();
                open.sort();
                meant.sort();
                assert_eq!(open, meant, "wish {number} of {}", node.index);
                for other in self.others(node).filter(|other| wished.means(other)) {
                    self.check_ledger(other, node, *number, wished);
                }
            }
            self.check_audience(node);
            for (conn, end) in &node.ends {
                let other = &self.nodes[self.far(*conn)];
                let wishes = |of: &Node, from: &Node| {
                    let wishes = of.events.wishes.values();
                    let is_meant = |wished: &&Wished| from.id != of.id && wished.means(from);
                    wishes.filter(is_meant).count()
                };
                let expected = (wishes(node, other), wishes(other, node));
                assert_eq!(end.session.interests(), expected, "interests on {conn:?}");
                assert_eq!(
                    end.session.usage().queued,
                    0,
                    "events are stuck on {conn:?}"
                );
            }
        }
    }

    fn others<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = &'a Node> {
        self.nodes.iter().filter(|other| other.index != node.index)
    }

    fn check_audience(&self, node: &Node) {
        let mut members = 0;
        for event in node.events.audience.events() {
            for member in node.events.audience.of(event) {
                members += 1;
                let of = self.nodes.iter().find(|other| other.id == member.peer);
                let of = of.unwrap_or_else(|| panic!("{} keeps a dead member", node.index));
                let wished = of.events.wishes.get(&member.number);
                assert!(
                    wished.is_some_and(|wished| wished.event == event && wished.means(node)),
                    "{} keeps a member that left",
                    node.index
                );
                assert!(
                    node.ends.contains_key(&member.link),
                    "on a link that is gone"
                );
            }
        }
        let wishes = self
            .others(node)
            .flat_map(|other| other.events.wishes.values());
        let expected = wishes.filter(|wished| wished.means(node)).count();
        assert_eq!(members, expected, "the audience of {}", node.index);
    }

    fn check_ledger(&self, from: &Node, to: &Node, number: u64, wished: &Wished) {
        let Some(ledger) = self.ledgers.get(&(from.id, to.id, number)) else {
            return;
        };
        let taken = ledger.sent.iter().filter(|(_, is_taken)| *is_taken).count() as u64;
        let sent = ledger.sent.len() as u64;
        let accounted = taken + ledger.dropped;
        let between = format!("wish {number} of {} at {}", to.index, from.index);
        assert!(
            accounted <= sent,
            "{between}: {accounted} of {sent} are accounted for"
        );
        let is_excused = |(publ, _): &(Publ, bool)| self.is_excused_event(*publ, to.index);
        if !ledger.sent.iter().any(is_excused) {
            assert_eq!(accounted, sent, "{between}: events are missing");
            assert!(
                ledger.missed <= ledger.dropped,
                "{between}: too many were counted"
            );
        }
        let lost = ledger.sent.iter().find(|sent| {
            let (publ, is_taken) = **sent;
            !is_taken && !is_excused(sent) && !self.is_too_large(publ)
        });
        assert!(
            wished.policy == Policy::DropOldest || lost.is_none(),
            "{between}: event {lost:?} is missing, and was to be waited for"
        );
    }
}

fn body(publ: Publ, size: usize) -> Vec<u8> {
    let mut body = publ.to_le_bytes().to_vec();
    body.extend(pattern(publ ^ 0xE7E7, size));
    body
}
