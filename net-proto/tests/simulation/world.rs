//! The world: virtual time, and the processes in it, each in its turn driven as the runtime drives a peer. Everything that it does follows
//! from the scenario. What befalls it is in `steps`, what must always hold in `checks`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fastrand::Rng;
use net_proto::links::{ANOTHER_LINK, Action, Links, Met, New, Route, Target};
use net_proto::{Event, InstanceId, Limits, ProtocolError};

use crate::calls::{Ending, Made, Stage};
use crate::ledger::{self, Between, Ledger};
use crate::network::{MS, NEVER, Time, Wire};
use crate::node::{Call, Conn, Dial, Door, Node, State};
use crate::scenario::Scenario;
use crate::steps::GRACE;

/// How often a process looks for others.
const LOOK_EVERY: Time = 2_000 * MS;

/// Events that are handled in one go. Few, so that there are often more.
const RUN: usize = 5;

/// A defect put into the processes, to see that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    None,
    LosesAnswers,
    SwapsAnswers,
    RunsTwice,
    /// Takes a link for confirmed without waiting for the answer.
    ConfirmsAtOnce,
    /// Does not say that a link has ended.
    KeepsLostLinks,
    /// Never asks whether the other side is there.
    NeverPings,
    /// Does not deliver every event that comes.
    LosesEvents,
    DeliversTwice,
    LatestFirst,
    /// Does not tell of gaps.
    CountsNoGaps,
    /// Goes on delivering after a wish was withdrawn.
    KeepsWithdrawn,
    /// Gives no credit back.
    NeverTakes,
    /// Does not move what waits to a subscriber's new link.
    LosesBacklogs,
    /// Does not go on when there is room.
    ForgetsQueueRoom,
    /// Drops what waits when it takes leave.
    LeavesAtOnce,
    /// Takes note of no interest's end.
    IgnoresEnds,
    /// Goes on publishing to those who are gone.
    KeepsMembers,
    /// Dials one address after the other.
    NeverStaggers,
}

pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) limits: Limits,
    pub(crate) now: Time,
    start: Instant,
    pub(crate) rng: Rng,
    pub(crate) sabotage: Sabotage,
    pub(crate) nodes: Vec<Node>,
    pub(crate) wires: Vec<Wire>,
    pub(crate) calls: Vec<Made>,
    pub(crate) published: Vec<ledger::Made>,
    pub(crate) ledgers: BTreeMap<Between, Ledger>,
    /// The most bytes that an event has.
    pub(crate) largest_event: usize,
    /// Until when nothing gets from one to another, and since when.
    pub(crate) cut: Vec<Vec<(Time, Time)>>,
    /// When connections between two peers failed last.
    pub(crate) dropped: Vec<Vec<Time>>,
    /// Until when two peers have trouble, or had.
    pub(crate) trouble: Vec<Vec<Time>>,
    /// The same, but for that one of them took leave.
    pub(crate) disturbed: Vec<Vec<Time>>,
    /// Processes that are gone, and since when.
    pub(crate) gone: Vec<(InstanceId, Time)>,
    /// Peers whose machine is off: nothing is answered there, not even with a refusal.
    pub(crate) off: Vec<bool>,
    trace: bool,
}

impl World {
    pub(crate) fn new(scenario: &Scenario, sabotage: Sabotage) -> Self {
        let mut limits = scenario.limits();
        if sabotage == Sabotage::NeverPings {
            limits.keep_alive = Duration::from_secs(10_000);
        }
        let mut world = Self {
            scenario: scenario.clone(),
            limits,
            now: 0,
            start: Instant::now(),
            rng: Rng::with_seed(scenario.seed),
            sabotage,
            nodes: Vec::new(),
            wires: Vec::new(),
            calls: Vec::new(),
            published: Vec::new(),
            ledgers: BTreeMap::new(),
            largest_event: 0,
            cut: vec![vec![(0, 0); scenario.peers]; scenario.peers],
            dropped: vec![vec![0; scenario.peers]; scenario.peers],
            trouble: vec![vec![0; scenario.peers]; scenario.peers],
            disturbed: vec![vec![0; scenario.peers]; scenario.peers],
            gone: Vec::new(),
            off: vec![false; scenario.peers],
            trace: std::env::var_os("SIM_TRACE").is_some(),
        };
        for index in 0..scenario.peers {
            let node = world.process(index, 0);
            world.nodes.push(node);
        }
        world
    }

    pub(crate) fn process(&mut self, index: usize, incarnation: u64) -> Node {
        let mut id = [0; 16];
        self.rng.fill(&mut id);
        let id = InstanceId(id);
        Node {
            index,
            doors: self.scenario.doors(),
            id,
            state: State::Up,
            links: Links::new(id),
            actions: Default::default(),
            ends: Default::default(),
            dials: Vec::new(),
            waiting: Default::default(),
            running: Vec::new(),
            events: Default::default(),
            live: Default::default(),
            looks: self.now + self.rng.u64(0..LOOK_EVERY),
            reads: 0,
            stalled_until: 0,
            slow_until: 0,
            listed: Vec::new(),
            unstalled_since: self.now,
            incarnation,
        }
    }

    pub(crate) fn instant(&self) -> Instant {
        self.start + Duration::from_micros(self.now)
    }

    pub(crate) fn time(&self, instant: Instant) -> Time {
        let after = instant.saturating_duration_since(self.start);
        // Never earlier than it is due.
        after.as_nanos().div_ceil(1_000) as Time
    }

    pub(crate) fn say(&self, text: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:>12.6} {}", self.now as f64 / 1e6, text());
        }
    }

    /// Takes all steps of the scenario, at their times.
    pub(crate) fn act(&mut self) {
        for (at, step) in self.scenario.steps.clone() {
            self.pass_until(Time::from(at) * MS);
            self.say(|| format!("{step:?}"));
            self.step(step);
        }
    }

    /// Lets time pass.
    pub(crate) fn pass_until(&mut self, until: Time) {
        loop {
            self.settle();
            match self.next() {
                next if next <= until => self.now = next.max(self.now),
                _ => break,
            }
        }
        self.now = self.now.max(until);
    }

    /// Lets everything happen that can happen now.
    fn settle(&mut self) {
        loop {
            let mut order: Vec<usize> = (0..self.nodes.len()).collect();
            self.rng.shuffle(&mut order);
            let mut is_busy = false;
            for node in order {
                is_busy |= self.turn(node);
            }
            self.check();
            if !is_busy {
                return;
            }
        }
    }

    /// Whether there was anything to do.
    pub(crate) fn turn(&mut self, n: usize) -> bool {
        let now = self.now;
        match self.nodes[n].state {
            State::Down(until) if until <= now => {
                let incarnation = self.nodes[n].incarnation + 1;
                let stalled = self.nodes[n].stalled_until;
                self.nodes[n] = self.process(n, incarnation);
                self.nodes[n].stalled_until = stalled;
                self.nodes[n].unstalled_since = stalled.max(now);
                self.off[n] = false;
                self.say(|| format!("{n} is another process now"));
                return true;
            }
            State::Down(_) => return false,
            State::Leaving(until, down) if until <= now || self.nodes[n].ends.is_empty() => {
                if until > now {
                    self.check_leave(n, until - GRACE);
                }
                let conns: Vec<_> = self.nodes[n].ends.keys().copied().collect();
                for conn in conns {
                    self.close(n, conn, true);
                }
                self.die(n, now + down, true);
                return true;
            }
            _ if self.nodes[n].is_stalled(now) => return false,
            _ => {}
        }
        let mut is_busy = self.accept(n);
        // A process that has slept may look at the clock first or at its sockets first.
        if self.rng.bool() {
            is_busy |= self.timers(n);
            is_busy |= self.reads(n);
        } else {
            is_busy |= self.reads(n);
            is_busy |= self.timers(n);
        }
        is_busy |= self.dials(n);
        is_busy |= self.functions(n);
        is_busy |= self.programs(n);
        is_busy |= self.clocks(n);
        self.pump(n);
        is_busy | self.write_all(n)
    }

    pub(crate) fn receive(&mut self, n: usize, conn: Conn, bytes: &[u8]) {
        let instant = self.instant();
        if let Some(end) = self.nodes[n].ends.get_mut(&conn)
            && let Err(error) = end.session.take_read(instant, &mut end.input, bytes)
        {
            return self.fail(n, conn, &error);
        }
        loop {
            let Some(end) = self.nodes[n].ends.get_mut(&conn) else {
                return;
            };
            match end.session.receive(instant, &mut end.input) {
                Ok(Some(Event::Arrived(first))) => {
                    let id = first.id;
                    let run = end.session.receive_run(&mut end.input, first, RUN);
                    self.arrived(n, conn, id, run);
                }
                Ok(Some(event)) => self.event(n, conn, event),
                Ok(None) => return,
                Err(error) => return self.fail(n, conn, &error),
            }
            self.pump(n);
        }
    }

    /// A session cannot go on.
    pub(crate) fn fail(&mut self, n: usize, conn: Conn, error: &ProtocolError) {
        self.say(|| format!("{n}: link {conn:?} fails: {error}"));
        self.check_failure(n, conn, error);
        self.write(n, conn);
        self.close(n, conn, true);
    }

    pub(crate) fn timers(&mut self, n: usize) -> bool {
        let instant = self.instant();
        let conns: Vec<_> = self.nodes[n].ends.keys().copied().collect();
        let mut is_busy = false;
        let links = &mut self.nodes[n].links;
        if links.timeout().is_some_and(|due| due <= instant)
            && self.sabotage != Sabotage::NeverStaggers
        {
            links.handle_timeout(instant);
            self.pump(n);
            is_busy = true;
        }
        for conn in conns {
            let Some(end) = self.nodes[n].ends.get_mut(&conn) else {
                continue;
            };
            if end.session.timeout().is_some_and(|due| due <= instant) {
                is_busy = true;
                match end.session.handle_timeout(instant) {
                    Ok(()) => self.poll(n, conn),
                    Err(error) => self.fail(n, conn, &error),
                }
            }
        }
        is_busy
    }

    /// What the program's own clocks say: callers that give up, calls that were not sent in time; and looking around.
    fn clocks(&mut self, n: usize) -> bool {
        let (now, instant) = (self.now, self.instant());
        let mut is_busy = false;
        let live: Vec<_> = self.nodes[n].live.iter().copied().collect();
        for call in live {
            let made = &self.calls[call as usize];
            let is_cancelled = made.cancel.is_some_and(|at| at <= now);
            let is_late = made.deadline.is_some_and(|at| at <= now);
            match made.stage {
                Stage::Sent(conn, id) if is_cancelled => {
                    let end = self.nodes[n].ends.get_mut(&conn);
                    let token = end.and_then(|end| end.session.cancel(id));
                    assert_eq!(
                        token,
                        Some(call),
                        "a call that is under way can be cancelled"
                    );
                    self.end(call, Ending::Cancelled);
                    self.poll(n, conn);
                    is_busy = true;
                }
                Stage::Unsent if is_cancelled => self.end(call, Ending::Cancelled),
                Stage::Unsent if is_late => self.end(call, Ending::TimedOut),
                _ => {}
            }
        }
        if self.nodes[n].looks <= now && self.nodes[n].is_up() {
            is_busy = true;
            self.nodes[n].looks = now + LOOK_EVERY;
            for other in 0..self.nodes.len() {
                if other != n && self.nodes[other].is_up() {
                    let id = self.nodes[other].id;
                    self.finds(n, other);
                    self.nodes[n].links.want(instant, &Target::Instance(id));
                    self.pump(n);
                }
            }
        }
        is_busy
    }

    /// One learns where another is: as who reads the directory, or, on hosts of their own, as who was told all its addresses.
    pub(crate) fn finds(&mut self, n: usize, other: usize) {
        let id = self.nodes[other].id;
        for door in self.scenario.doors().into_iter().rev() {
            let address = self.nodes[other].address(door);
            if !self.scenario.apart && door != Door::Unix {
                continue;
            }
            self.nodes[n].links.found(id, address);
        }
    }

    pub(crate) fn poll(&mut self, n: usize, conn: Conn) {
        while let Some(end) = self.nodes[n].ends.get_mut(&conn)
            && let Some(event) = end.session.poll()
        {
            self.event(n, conn, event);
        }
        self.pump(n);
    }

    pub(crate) fn event(&mut self, n: usize, conn: Conn, event: Event<Call>) {
        let (wire, side) = conn;
        let instant = self.instant();
        let peer = self.nodes[n].ends[&conn].peer;
        match event {
            Event::Connected { hello, .. } => {
                let carrier = self.wires[wire].carrier;
                let node = &mut self.nodes[n];
                let is_up = node.is_up();
                let end = node.ends.get_mut(&conn).expect("it has just said so");
                end.peer = Some(hello.id);
                let dialled = end.dialled.clone();
                if !is_up {
                    end.session.goodbye("shutting down");
                }
                node.links.linked(New {
                    link: conn,
                    hello: &hello,
                    dialled: side == 0,
                    carrier,
                });
                if let Some(attempt) = dialled {
                    node.links
                        .dialled(instant, &attempt, Ok(Met::Peer(hello.id)));
                }
                self.say(|| format!("{n}: link {conn:?} to {}", hello.name));
            }
            Event::Call(incoming) => self.serve(n, conn, &incoming),
            Event::Cancelled(id) => {
                let running = &mut self.nodes[n].running;
                running.retain(|running| (running.conn, running.id) != (conn, id));
            }
            Event::Ended { token, outcome } => self.outcome(token, outcome),
            Event::Answered => {
                if let Some(peer) = peer {
                    self.nodes[n].links.answered(peer, &conn);
                }
            }
            Event::Room => {
                let end = self.nodes[n].ends.get_mut(&conn);
                let blocked = end.map(|end| std::mem::take(&mut end.blocked));
                for call in blocked.unwrap_or_default() {
                    self.route(call);
                }
                self.event_of_events(n, conn, event);
            }
            Event::Goodbye { reason } => {
                self.say(|| format!("{n}: goodbye on {conn:?}: {reason}"));
                if let Some(peer) = peer {
                    self.nodes[n].links.lost(peer, &conn);
                }
            }
            Event::Drained => {
                let end = self.nodes[n].ends.get_mut(&conn);
                end.expect("it has just said so").drained = true;
            }
            other => self.event_of_events(n, conn, other),
        }
    }

    /// Does what the links say.
    pub(crate) fn pump(&mut self, n: usize) {
        let instant = self.instant();
        while let Some(action) = self.next_action(n) {
            match action {
                Action::Dial(attempt) | Action::Resolve(attempt) => {
                    let next = self.now + 2 * Time::from(self.scenario.delay.0);
                    let since = self.now;
                    self.nodes[n].dials.push(Dial {
                        attempt,
                        since,
                        next,
                    });
                }
                // On what is connected this side has said HELLO.
                Action::GiveUp(attempt) => {
                    self.nodes[n].dials.retain(|dial| dial.attempt != attempt);
                }
                Action::Probe(conn) if self.sabotage == Sabotage::ConfirmsAtOnce => {
                    let peer = self.nodes[n].ends[&conn].peer.expect("a link has a peer");
                    self.nodes[n].links.answered(peer, &conn);
                }
                Action::Probe(conn) => {
                    let end = self.nodes[n].ends.get_mut(&conn);
                    end.expect("a link that is known is there")
                        .session
                        .probe(instant);
                }
                Action::Drain(conn) => {
                    self.say(|| format!("{n}: drains {conn:?}"));
                    let end = self.nodes[n].ends.get_mut(&conn);
                    let end = end.expect("a link that is known is there");
                    end.session.goodbye(ANOTHER_LINK);
                    self.poll(n, conn);
                }
                Action::Routed { target, route } => {
                    let waiting = self.nodes[n].waiting.remove(&target);
                    for call in waiting.unwrap_or_default() {
                        if self.calls[call as usize].stage != Stage::Unsent {
                            continue;
                        }
                        match &route {
                            Ok(Route::Link(conn)) => self.send(call, *conn),
                            Ok(Route::Original(_)) => panic!("there are no originals here"),
                            Err(_) => self.end(call, Ending::Unreachable),
                        }
                    }
                }
                Action::Use { target, .. } => self.used(n, &target),
            }
        }
    }

    /// What is to be done next for the links. A link that is used is told of before any is drained or dialled.
    fn next_action(&mut self, n: usize) -> Option<Action<Conn>> {
        let node = &mut self.nodes[n];
        while let Some(action) = node.links.poll() {
            node.actions.push_back(action);
        }
        let is_use = |action: &Action<Conn>| matches!(action, Action::Use { .. });
        let first = node.actions.iter().position(is_use).unwrap_or(0);
        node.actions.remove(first)
    }

    /// When anything happens next.
    fn next(&self) -> Time {
        self.nodes
            .iter()
            .map(|node| self.next_of(node))
            .min()
            .unwrap_or(NEVER)
    }

    fn next_of(&self, node: &Node) -> Time {
        let mut next = match node.state {
            State::Down(until) => return until,
            State::Leaving(until, _) => until,
            State::Up => node.looks,
        };
        let mut may = |time: Time| next = next.min(time);
        may(node.events.next());
        node.dials.iter().for_each(|dial| may(dial.next));
        if let Some(due) = node.links.timeout()
            && self.sabotage != Sabotage::NeverStaggers
        {
            may(self.time(due));
        }
        node.running.iter().for_each(|running| may(running.until));
        for (conn, end) in &node.ends {
            may(self.readable(*conn).max(node.reads));
            if let Some(due) = end.session.timeout() {
                may(self.time(due));
            }
        }
        for call in &node.live {
            let made = &self.calls[*call as usize];
            may(made.cancel.unwrap_or(NEVER));
            if made.stage == Stage::Unsent {
                may(made.deadline.unwrap_or(NEVER));
            }
        }
        next.max(node.stalled_until).max(self.now)
    }
}
