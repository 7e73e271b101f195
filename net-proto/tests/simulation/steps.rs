//! What befalls the processes and the network between them: the steps of a scenario, carried out.

use net_proto::links::Target;

use crate::calls::{Ending, Made, Stage};
use crate::events::Events;
use crate::network::{MS, Time};
use crate::node::{Door, State};
use crate::scenario::{By, Step};
use crate::world::World;

/// How long calls in flight may go on when their process ends.
pub(crate) const GRACE: Time = 5_000 * MS;
/// Faults that are over so soon must not be noticed.
const SHORT: u32 = 400;

impl World {
    pub(crate) fn step(&mut self, step: Step) {
        let now = self.now;
        let after = |ms: u32| now + Time::from(ms) * MS;
        match step {
            Step::Call {
                from,
                to,
                by,
                size,
                reply,
                takes,
                deadline,
                cancel,
            } => {
                let target = match by {
                    By::Id => Target::Instance(self.nodes[to].id),
                    // There are no Unix sockets between hosts.
                    By::Unix if self.scenario.apart => {
                        Target::At(self.nodes[to].address(Door::Name))
                    }
                    By::Unix => Target::At(self.nodes[to].address(Door::Unix)),
                    By::Tcp => Target::At(self.nodes[to].address(Door::Tcp)),
                };
                if !self.acts(from) {
                    return;
                }
                if by == By::Id {
                    self.finds(from, to);
                }
                self.call(Made {
                    from,
                    to,
                    target,
                    size,
                    reply,
                    takes,
                    at: now,
                    deadline: (deadline > 0).then(|| after(deadline)),
                    cancel: (cancel > 0).then(|| after(cancel)),
                    redials: 0,
                    stage: Stage::Unsent,
                    runs: 0,
                });
            }
            Step::Cut { from, to, ms } if from != to => {
                let (until, since) = &mut self.cut[from][to];
                if *until <= now {
                    *since = now;
                }
                *until = (*until).max(after(ms));
                if ms > SHORT {
                    self.troubles(from, to, after(ms));
                }
            }
            Step::Drop { from, to, told } => {
                self.troubles(from, to, now);
                (self.dropped[from][to], self.dropped[to][from]) = (now, now);
                let conns: Vec<_> = self.nodes[from].ends.keys().copied().collect();
                for conn in conns {
                    if self.far(conn) == to {
                        self.close(from, conn, told);
                    }
                }
            }
            Step::Stall { peer, ms } => {
                let node = &mut self.nodes[peer];
                node.stalled_until = node.stalled_until.max(after(ms));
                node.unstalled_since = node.stalled_until;
                if ms > SHORT {
                    self.all_trouble(peer, after(ms));
                }
            }
            Step::Slow { peer, ms } => self.nodes[peer].slow_until = after(ms),
            Step::Crash { peer, ms, told } if self.nodes[peer].state == State::Up => {
                self.all_trouble(peer, after(ms));
                self.off[peer] = !told;
                self.die(peer, after(ms), told);
            }
            Step::Stop { peer, ms } if self.nodes[peer].state == State::Up => {
                let disturbed = self.disturbed.clone();
                self.all_trouble(peer, after(ms) + GRACE);
                self.disturbed = disturbed;
                self.end_events(peer);
                let node = &mut self.nodes[peer];
                node.state = State::Leaving(now + GRACE, Time::from(ms) * MS);
                for end in node.ends.values_mut() {
                    end.session.goodbye("shutting down");
                }
                let routing: Vec<_> = node.waiting.drain().flat_map(|(_, calls)| calls).collect();
                for call in routing {
                    if self.calls[call as usize].stage == Stage::Unsent {
                        self.end(call, Ending::Unreachable);
                    }
                }
            }
            Step::Subscribe { peer, .. } if self.acts(peer) => self.subscribe(step),
            Step::Unsubscribe { peer, which } if self.acts(peer) => {
                let wishes = &self.nodes[peer].events.wishes;
                let number = wishes.keys().nth(which % wishes.len().max(1)).copied();
                if let Some(number) = number {
                    self.unsubscribe(peer, number);
                }
            }
            Step::Publish { from, .. } if self.acts(from) => self.publish(step),
            Step::Subscribe { .. } | Step::Unsubscribe { .. } | Step::Publish { .. } => {}
            Step::Cut { .. } | Step::Crash { .. } | Step::Stop { .. } => {}
        }
    }

    /// Whether a program can do anything now.
    fn acts(&self, peer: usize) -> bool {
        self.nodes[peer].is_up() && !self.nodes[peer].is_stalled(self.now)
    }

    pub(crate) fn troubles(&mut self, a: usize, b: usize, until: Time) {
        for (a, b) in [(a, b), (b, a)] {
            self.trouble[a][b] = self.trouble[a][b].max(until);
            self.disturbed[a][b] = self.disturbed[a][b].max(until);
        }
    }

    pub(crate) fn all_trouble(&mut self, peer: usize, until: Time) {
        for other in 0..self.nodes.len() {
            self.troubles(peer, other, until);
        }
    }

    /// A process ends, at once.
    pub(crate) fn die(&mut self, n: usize, until: Time, told: bool) {
        let conns: Vec<_> = self.nodes[n].ends.keys().copied().collect();
        for (wire, end) in conns {
            self.let_go(wire, end, told);
        }
        let node = &mut self.nodes[n];
        node.state = State::Down(until);
        node.ends.clear();
        node.dials.clear();
        node.waiting.clear();
        node.running.clear();
        node.events = Events::default();
        for call in std::mem::take(&mut node.live) {
            self.calls[call as usize].stage = Stage::Ended(Ending::Gone);
        }
        let id = self.nodes[n].id;
        self.gone.push((id, self.now));
        // What was not accepted yet is closed by the kernel.
        for index in 0..self.wires.len() {
            if self.wires[index].nodes[1] == n && self.wires[index].held[1] {
                self.let_go(index, 1, told);
            }
        }
    }

    pub(crate) fn let_go(&mut self, wire: usize, end: usize, told: bool) {
        let arrival = self.arrival();
        let wire = &mut self.wires[wire];
        wire.held[end] = false;
        wire.pipes[1 - end].discard();
        match told {
            true => wire.pipes[end].finish(arrival),
            false => wire.pipes[end].cut_off(),
        }
    }
}
