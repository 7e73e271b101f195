//! Programs that publish, and who subscribes to them: driven as the runtime drives a publisher. Those who take are in `events`.

use net_proto::audience::{Joined, Member};
use net_proto::{CallId, InstanceId, Interest, Publication, Published, Session};

use crate::events::{Events, NAMES};
use crate::ledger::Publ;
use crate::network::{MS, NEVER, Time};
use crate::node::{Call, Conn, Node};
use crate::scenario::Step;
use crate::world::{Sabotage, World};

/// A part of a program that publishes one event after the other.
pub(crate) struct Burst {
    event: &'static str,
    size: usize,
    pub(crate) left: u32,
    every: Time,
    next: Time,
    waits: bool,
    pub(crate) waiting: Option<Waiting>,
}

/// An event that waits for those whose queue is full.
pub(crate) struct Waiting {
    publ: Publ,
    event: Publication,
    by: Vec<(InstanceId, u64)>,
    /// Where it is to be woken from.
    wakers: Vec<(Conn, CallId)>,
    is_woken: bool,
}

fn session(node: &mut Node, conn: Conn) -> &mut Session<Call> {
    &mut node.ends.get_mut(&conn).expect("a member's link").session
}

impl Events {
    /// Publishers that wait for this are woken.
    pub(crate) fn wake(&mut self, is_meant: impl Fn(&(Conn, CallId)) -> bool) {
        for waiting in self.bursts.iter_mut().filter_map(|b| b.waiting.as_mut()) {
            let before = waiting.wakers.len();
            waiting.wakers.retain(|waker| !is_meant(waker));
            waiting.is_woken |= waiting.wakers.len() < before;
        }
    }
}

impl Burst {
    /// When it goes on.
    pub(crate) fn due(&self) -> Time {
        match &self.waiting {
            Some(waiting) if waiting.is_woken => 0,
            Some(_) => NEVER,
            None => self.next,
        }
    }
}

impl World {
    pub(crate) fn publish(&mut self, step: Step) {
        let Step::Publish {
            from,
            event,
            count,
            size,
            every,
            waits,
        } = step
        else {
            return;
        };
        self.nodes[from].events.bursts.push(Burst {
            event: NAMES[event],
            size,
            left: count,
            every: Time::from(every) * MS,
            next: self.now,
            waits,
            waiting: None,
        });
    }

    /// Publishes as much of a burst as there is room for.
    pub(crate) fn go_on(&mut self, n: usize, index: usize) {
        while self.nodes[n].events.bursts[index].due() <= self.now {
            let burst = &mut self.nodes[n].events.bursts[index];
            let (event, waits) = (burst.event, burst.waits);
            let mut waiting = match burst.waiting.take() {
                Some(waiting) => waiting,
                None if burst.left == 0 => return,
                None => {
                    burst.left -= 1;
                    burst.next = self.now + burst.every;
                    let size = burst.size;
                    let (publ, publication) = self.new_publication(n, event, size);
                    let members = self.nodes[n].events.audience.of(event);
                    let by = members.iter().map(|m| (m.peer, m.number)).collect();
                    let mut waiting = Waiting {
                        publ,
                        event: publication,
                        by,
                        wakers: Vec::new(),
                        is_woken: false,
                    };
                    self.try_all(n, event, &mut waiting);
                    waiting
                }
            };
            if waits && !waiting.by.is_empty() {
                waiting.wakers.clear();
                waiting.is_woken = false;
                self.try_all(n, event, &mut waiting);
                if !waiting.by.is_empty() {
                    self.nodes[n].events.bursts[index].waiting = Some(waiting);
                    return;
                }
            }
        }
    }

    /// Hands an event to those who wait for it and have room.
    fn try_all(&mut self, n: usize, event: &str, waiting: &mut Waiting) {
        for (peer, number) in std::mem::take(&mut waiting.by) {
            let node = &mut self.nodes[n];
            let members = node.events.audience.of(event);
            let Some(member) = members
                .iter()
                .find(|m| (m.peer, m.number) == (peer, number))
            else {
                continue;
            };
            let published = match node.ends.get_mut(&member.link) {
                Some(end) => end.session.publish(member.id, &waiting.event),
                None => Published::Gone,
            };
            if published == Published::Full {
                waiting.wakers.push((member.link, member.id));
                waiting.by.push((peer, number));
            }
            self.note_published(n, (peer, number), waiting.publ, published);
        }
    }

    pub(crate) fn joined(&mut self, n: usize, conn: Conn, id: CallId, interest: &Interest) {
        let sabotage = self.sabotage;
        let node = &mut self.nodes[n];
        let new = Member {
            link: conn,
            id,
            peer: node.ends[&conn].peer.expect("a link has a peer"),
            number: interest.number,
            turn: interest.turn,
        };
        match node.events.audience.joined(&interest.event, new) {
            Joined::New => {}
            Joined::Instead(old) => {
                let backlog = session(node, old.link).move_interest(old.id);
                if let Some(backlog) = backlog
                    && sabotage != Sabotage::LosesBacklogs
                {
                    session(node, conn).resume_interest(id, backlog);
                }
                node.events.wake(|waker| waker.0 == old.link);
            }
            Joined::Late => session(node, conn).end_interest(id),
        }
        if !self.nodes[n].is_up() {
            let end = self.nodes[n].ends.get_mut(&conn);
            let end = end.expect("it has just said so");
            end.session.end_interest(id);
        }
    }
}
