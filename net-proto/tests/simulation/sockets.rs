//! The sockets of all processes: connecting, accepting, reading, writing, closing.

use net_proto::Side;
use net_proto::links::Carrier;

use crate::calls::Ending;
use crate::network::{MS, NEVER, Pipe, Time, Wire};
use crate::node::{Conn, Dial, Door, End, at};
use crate::world::{Sabotage, World};

/// How long connecting may take, and when its packets are sent again.
const CONNECT_TIME: Time = 3_000 * MS;
const CONNECT_AGAIN: Time = 1_000 * MS;
/// What a slow process reads of each connection in a millisecond.
const SLOW_READ: usize = 300;
/// The most that one read takes in.
const READ: usize = 64 * 1024;

impl World {
    /// Dials that get an answer, or none, and names that are looked up.
    pub(crate) fn dials(&mut self, n: usize) -> bool {
        let (now, instant) = (self.now, self.instant());
        let due: Vec<_> = self.nodes[n]
            .dials
            .extract_if(.., |dial| dial.next <= now)
            .collect();
        let is_busy = !due.is_empty();
        for mut dial in due {
            let (to, door) = at(&dial.attempt.address);
            let is_cut = self.cut[n][to].0 > now || self.cut[to][n].0 > now;
            let is_hole = matches!(door, Door::Hole(_));
            if door == Door::Name {
                let found = self.scenario.named(to);
                self.nodes[n]
                    .links
                    .resolved(instant, &dial.attempt, Ok(found));
            } else if is_hole || is_cut || self.off[to] {
                dial.next = now + CONNECT_AGAIN;
                if dial.next - dial.since > CONNECT_TIME {
                    let why = "it could not be connected to".to_owned();
                    self.nodes[n]
                        .links
                        .dialled(instant, &dial.attempt, Err(why));
                } else {
                    self.nodes[n].dials.push(dial);
                }
            } else if !self.nodes[to].is_up() {
                let why = "refused".to_owned();
                self.nodes[n]
                    .links
                    .dialled(instant, &dial.attempt, Err(why));
            } else {
                self.connect(n, to, dial);
            }
            self.pump(n);
        }
        is_busy
    }

    fn connect(&mut self, n: usize, to: usize, dial: Dial) {
        let carrier = match dial.attempt.address {
            net_proto::Address::Unix(_) => Carrier::Unix,
            _ => Carrier::Tcp,
        };
        let wire = self.wires.len();
        self.wires.push(Wire {
            nodes: [n, to],
            carrier,
            held: [true, true],
            pipes: [Pipe::default(), Pipe::default()],
        });
        let instant = self.instant();
        let node = &mut self.nodes[n];
        let mut end = End::new(Side::Dialer, node, self.limits.clone(), instant);
        end.dialled = Some(dial.attempt);
        node.ends.insert((wire, 0), end);
    }

    pub(crate) fn accept(&mut self, n: usize) -> bool {
        let mut is_busy = false;
        for wire in 0..self.wires.len() {
            let is_new = self.wires[wire].nodes[1] == n && self.wires[wire].held[1];
            if is_new && !self.nodes[n].ends.contains_key(&(wire, 1)) {
                let instant = self.instant();
                let node = &mut self.nodes[n];
                let end = End::new(Side::Acceptor, node, self.limits.clone(), instant);
                node.ends.insert((wire, 1), end);
                is_busy = true;
            }
        }
        is_busy
    }

    pub(crate) fn reads(&mut self, n: usize) -> bool {
        let mut is_busy = false;
        let conns: Vec<_> = self.nodes[n].ends.keys().copied().collect();
        let is_slow = self.now < self.nodes[n].slow_until;
        if self.now < self.nodes[n].reads {
            return false;
        }
        for conn in conns {
            let (wire, side) = conn;
            while self.nodes[n].ends.contains_key(&conn) && self.readable(conn) <= self.now {
                let most = match is_slow {
                    true => SLOW_READ,
                    false => self.rng.usize(1..=READ),
                };
                let pipe = &mut self.wires[wire].pipes[1 - side];
                let Some(bytes) = pipe.read(self.now, most) else {
                    break;
                };
                is_busy = true;
                match bytes.is_empty() {
                    true => self.close(n, conn, true),
                    false => self.receive(n, conn, &bytes),
                }
                if is_slow {
                    self.nodes[n].reads = self.now + MS;
                    break;
                }
            }
        }
        is_busy
    }

    pub(crate) fn write_all(&mut self, n: usize) -> bool {
        let conns: Vec<_> = self.nodes[n].ends.keys().copied().collect();
        let mut is_busy = false;
        for conn in conns {
            is_busy |= self.write(n, conn);
        }
        is_busy
    }

    pub(crate) fn write(&mut self, n: usize, conn: Conn) -> bool {
        let (wire, side) = conn;
        let mut is_busy = false;
        loop {
            let arrival = self.arrival();
            let Some(end) = self.nodes[n].ends.get_mut(&conn) else {
                return is_busy;
            };
            if end.out.is_empty() {
                if !end.session.wants_write() {
                    if end.drained && !end.finished {
                        end.finished = true;
                        self.wires[wire].pipes[side].finish(arrival);
                    }
                    return is_busy;
                }
                end.session.transmit(&mut end.out);
                self.poll(n, conn);
                continue;
            }
            let Wire { pipes, held, .. } = &mut self.wires[wire];
            let room = pipes[side].room(self.scenario.pipe);
            if room == 0 {
                return is_busy;
            }
            is_busy = true;
            let bytes = end.take(room);
            if held[1 - side] {
                pipes[side].write(arrival, bytes);
            }
        }
    }

    /// When what is written now arrives.
    pub(crate) fn arrival(&mut self) -> Time {
        let (least, more) = self.scenario.delay;
        let jitter = self.rng.u32(0..=more);
        self.now + Time::from(least + jitter)
    }

    pub(crate) fn far(&self, (wire, side): Conn) -> usize {
        self.wires[wire].nodes[1 - side]
    }

    /// When an end has something to read next.
    pub(crate) fn readable(&self, (wire, side): Conn) -> Time {
        let wire = &self.wires[wire];
        let (from, to) = (wire.nodes[1 - side], wire.nodes[side]);
        let next = wire.pipes[1 - side].next();
        let (cut, _) = self.cut[from][to];
        match next {
            NEVER => NEVER,
            next if cut > self.now => next.max(cut),
            next => next,
        }
    }

    pub(crate) fn close(&mut self, n: usize, conn: Conn, told: bool) {
        let Some(mut end) = self.nodes[n].ends.remove(&conn) else {
            return;
        };
        self.say(|| format!("{n}: link {conn:?} is closed"));
        let (wire, side) = conn;
        self.let_go(wire, side, told);
        self.nodes[n].running.retain(|running| running.conn != conn);
        let tokens = end.session.close();
        self.events_lost(n, conn, end.peer);
        if self.sabotage != Sabotage::KeepsLostLinks
            && let Some(peer) = end.peer
        {
            self.nodes[n].links.lost(peer, &conn);
        }
        if let (None, Some(attempt)) = (end.peer, end.dialled) {
            let why = "it closed before it said who it is".to_owned();
            let instant = self.instant();
            self.nodes[n].links.dialled(instant, &attempt, Err(why));
        }
        for call in tokens {
            let is_late = self.calls[call as usize]
                .deadline
                .is_some_and(|at| at <= self.now);
            self.end(
                call,
                if is_late {
                    Ending::TimedOut
                } else {
                    Ending::Lost
                },
            );
        }
        for call in end.blocked {
            self.route(call);
        }
        self.pump(n);
    }
}
