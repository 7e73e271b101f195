//! The world: virtual time, processes, the network between them, and what befalls them. Everything that it does follows from the
//! scenario. What must always hold is in `checks`.

use std::time::{Duration, Instant};

use fastrand::Rng;
use net_proto::links::{ANOTHER_LINK, Action, Carrier, Links, Met, New, REDIALS, Route, Target};
use net_proto::{
    CallRefused, ErrorCode, Event, InstanceId, Limits, Outcome, Outgoing, ProtocolError, Side,
    WhyRefused,
};

use crate::calls::{self, Ending, Made, Stage};
use crate::network::{MS, NEVER, Pipe, Time, Wire};
use crate::node::{Call, Conn, Dial, End, Node, Running, State, at};
use crate::scenario::{By, Scenario, Step};

/// How long connecting may take, and when its packets are sent again.
const CONNECT_TIME: Time = 3_000 * MS;
const CONNECT_AGAIN: Time = 1_000 * MS;
/// How often a process looks for others.
const LOOK_EVERY: Time = 2_000 * MS;
/// How long calls in flight may go on when their process ends.
const GRACE: Time = 5_000 * MS;
/// What a slow process reads of each connection in a millisecond.
const SLOW_READ: usize = 300;
/// The most that one read takes in.
const READ: usize = 64 * 1024;
/// Faults that are over so soon must not be noticed.
const SHORT: u32 = 400;

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
}

pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) limits: Limits,
    pub(crate) now: Time,
    start: Instant,
    rng: Rng,
    pub(crate) sabotage: Sabotage,
    pub(crate) nodes: Vec<Node>,
    pub(crate) wires: Vec<Wire>,
    pub(crate) calls: Vec<Made>,
    /// Until when nothing gets from one to another, and since when.
    pub(crate) cut: Vec<Vec<(Time, Time)>>,
    /// When connections between two peers failed last.
    pub(crate) dropped: Vec<Vec<Time>>,
    /// Until when two peers have trouble, or had.
    pub(crate) trouble: Vec<Vec<Time>>,
    /// Processes that are gone, and since when.
    pub(crate) gone: Vec<(InstanceId, Time)>,
    /// Peers whose machine is off: nothing is answered there, not even with a refusal.
    off: Vec<bool>,
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
            cut: vec![vec![(0, 0); scenario.peers]; scenario.peers],
            dropped: vec![vec![0; scenario.peers]; scenario.peers],
            trouble: vec![vec![0; scenario.peers]; scenario.peers],
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

    fn process(&mut self, index: usize, incarnation: u64) -> Node {
        let mut id = [0; 16];
        self.rng.fill(&mut id);
        let id = InstanceId(id);
        Node {
            index,
            id,
            state: State::Up,
            links: Links::new(id),
            ends: Default::default(),
            dials: Vec::new(),
            waiting: Default::default(),
            running: Vec::new(),
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

    fn time(&self, instant: Instant) -> Time {
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

    // --- what befalls them -------------------------------------------------------------------------------

    fn step(&mut self, step: Step) {
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
                    By::Unix => Target::At(self.nodes[to].address(true)),
                    By::Tcp => Target::At(self.nodes[to].address(false)),
                };
                if !self.nodes[from].is_up() || self.nodes[from].is_stalled(now) {
                    return;
                }
                if by == By::Id {
                    // As who reads the directory.
                    let address = self.nodes[to].address(true);
                    let id = self.nodes[to].id;
                    self.nodes[from].links.found(id, address);
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
                self.all_trouble(peer, after(ms) + GRACE);
                let instant = self.instant();
                let node = &mut self.nodes[peer];
                node.state = State::Leaving(now + GRACE, Time::from(ms) * MS);
                for end in node.ends.values_mut() {
                    end.session.goodbye(instant, "shutting down");
                }
                let routing: Vec<_> = node.waiting.drain().flat_map(|(_, calls)| calls).collect();
                for call in routing {
                    if self.calls[call as usize].stage == Stage::Unsent {
                        self.end(call, Ending::Unreachable);
                    }
                }
            }
            Step::Cut { .. } | Step::Crash { .. } | Step::Stop { .. } => {}
        }
    }

    fn troubles(&mut self, a: usize, b: usize, until: Time) {
        for (a, b) in [(a, b), (b, a)] {
            self.trouble[a][b] = self.trouble[a][b].max(until);
        }
    }

    fn all_trouble(&mut self, peer: usize, until: Time) {
        for other in 0..self.nodes.len() {
            self.troubles(peer, other, until);
        }
    }

    /// A process ends, at once.
    fn die(&mut self, n: usize, until: Time, told: bool) {
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

    fn let_go(&mut self, wire: usize, end: usize, told: bool) {
        let arrival = self.arrival();
        let wire = &mut self.wires[wire];
        wire.held[end] = false;
        wire.pipes[1 - end].discard();
        match told {
            true => wire.pipes[end].finish(arrival),
            false => wire.pipes[end].cut_off(),
        }
    }

    // --- one process's turn ------------------------------------------------------------------------------

    /// Whether there was anything to do.
    fn turn(&mut self, n: usize) -> bool {
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
        is_busy |= self.clocks(n);
        self.pump(n);
        is_busy | self.write_all(n)
    }

    fn accept(&mut self, n: usize) -> bool {
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

    fn reads(&mut self, n: usize) -> bool {
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

    fn receive(&mut self, n: usize, conn: Conn, bytes: &[u8]) {
        let instant = self.instant();
        if let Some(end) = self.nodes[n].ends.get_mut(&conn) {
            end.input.extend_from_slice(bytes);
        }
        loop {
            let Some(end) = self.nodes[n].ends.get_mut(&conn) else {
                return;
            };
            match end.session.receive(instant, &mut end.input) {
                Ok(Some(event)) => self.event(n, conn, event),
                Ok(None) => return,
                Err(error) => return self.fail(n, conn, &error),
            }
            self.pump(n);
        }
    }

    /// A session cannot go on.
    fn fail(&mut self, n: usize, conn: Conn, error: &ProtocolError) {
        self.say(|| format!("{n}: link {conn:?} fails: {error}"));
        self.check_failure(n, conn, error);
        self.write(n, conn);
        self.close(n, conn, true);
    }

    fn timers(&mut self, n: usize) -> bool {
        let instant = self.instant();
        let conns: Vec<_> = self.nodes[n].ends.keys().copied().collect();
        let mut is_busy = false;
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

    /// Dials that get an answer, or none.
    fn dials(&mut self, n: usize) -> bool {
        let now = self.now;
        let due: Vec<_> = self.nodes[n]
            .dials
            .extract_if(.., |dial| dial.next <= now)
            .collect();
        let is_busy = !due.is_empty();
        for mut dial in due {
            let to = at(&dial.address);
            let is_cut = self.cut[n][to].0 > now || self.cut[to][n].0 > now;
            if is_cut || self.off[to] {
                dial.next = now + CONNECT_AGAIN;
                if dial.next - dial.since > CONNECT_TIME {
                    let why = "it could not be connected to".to_owned();
                    self.nodes[n].links.dialled(&dial.target, Err(why));
                } else {
                    self.nodes[n].dials.push(dial);
                }
            } else if !self.nodes[to].is_up() {
                let why = "refused".to_owned();
                self.nodes[n].links.dialled(&dial.target, Err(why));
            } else {
                self.connect(n, to, dial);
            }
            self.pump(n);
        }
        is_busy
    }

    fn connect(&mut self, n: usize, to: usize, dial: Dial) {
        let carrier = match dial.address {
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
        end.dialled = Some((dial.target, dial.address));
        node.ends.insert((wire, 0), end);
    }

    /// Functions that have come to their end.
    fn functions(&mut self, n: usize) -> bool {
        let now = self.now;
        let done: Vec<_> = self.nodes[n]
            .running
            .extract_if(.., |running| running.until <= now)
            .collect();
        let is_busy = !done.is_empty();
        for running in done {
            self.answer(n, &running);
        }
        is_busy
    }

    fn answer(&mut self, n: usize, running: &Running) {
        let (call, instant) = (running.call, self.instant());
        let answered = match self.sabotage {
            Sabotage::LosesAnswers if call % 5 == 1 => return,
            Sabotage::SwapsAnswers if call > 0 => call - 1,
            _ => call,
        };
        let body = calls::answer(answered, &self.calls[call as usize]);
        if let Some(end) = self.nodes[n].ends.get_mut(&running.conn) {
            end.session.reply(instant, running.id, body.into());
            self.poll(n, running.conn);
        }
    }

    /// What the program's own clocks say: callers that give up, calls that were not sent in time; and looking around.
    fn clocks(&mut self, n: usize) -> bool {
        let now = self.now;
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
                    let (id, address) = (self.nodes[other].id, self.nodes[other].address(true));
                    let node = &mut self.nodes[n];
                    node.links.found(id, address);
                    node.links.want(&Target::Instance(id));
                    self.pump(n);
                }
            }
        }
        is_busy
    }

    // --- what a session says -----------------------------------------------------------------------------

    fn poll(&mut self, n: usize, conn: Conn) {
        while let Some(end) = self.nodes[n].ends.get_mut(&conn)
            && let Some(event) = end.session.poll()
        {
            self.event(n, conn, event);
        }
        self.pump(n);
    }

    fn event(&mut self, n: usize, conn: Conn, event: Event<Call>) {
        let (wire, side) = conn;
        let peer = self.nodes[n].ends[&conn].peer;
        match event {
            Event::Connected { hello, .. } => {
                let (carrier, instant) = (self.wires[wire].carrier, self.instant());
                let node = &mut self.nodes[n];
                let is_up = node.is_up();
                let end = node.ends.get_mut(&conn).expect("it has just said so");
                end.peer = Some(hello.id);
                let dialled = end.dialled.clone();
                if !is_up {
                    end.session.goodbye(instant, "shutting down");
                }
                node.links.linked(New {
                    link: conn,
                    hello: &hello,
                    dialled: side == 0,
                    carrier,
                });
                if let Some((target, _)) = dialled {
                    node.links.dialled(&target, Ok(Met::Peer(hello.id)));
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
        }
    }

    fn serve(&mut self, n: usize, conn: Conn, incoming: &net_proto::Incoming) {
        let name = incoming.body.first_chunk().expect("a call's name");
        let call = Call::from_le_bytes(*name);
        self.check_served(n, call, incoming);
        let runs = match self.sabotage {
            Sabotage::RunsTwice if call % 5 == 1 => 2,
            _ => 1,
        };
        let made = &mut self.calls[call as usize];
        made.runs += runs;
        let running = Running {
            until: self.now + Time::from(made.takes) * MS,
            conn,
            id: incoming.id,
            call,
        };
        match made.takes {
            0 => self.answer(n, &running),
            _ => self.nodes[n].running.push(running),
        }
    }

    fn outcome(&mut self, call: Call, outcome: Outcome) {
        let made = &self.calls[call as usize];
        let ending = match outcome {
            Outcome::Reply(bytes) => {
                let expected = calls::answer(call, made);
                assert!(bytes == expected, "call {call} got another one's answer");
                Ending::Reply
            }
            Outcome::TimedOut => Ending::TimedOut,
            Outcome::Error(error) if error.code == ErrorCode::TimedOut => Ending::TimedOut,
            Outcome::TooLarge { .. } => Ending::Refused,
            Outcome::Error(error) => {
                assert!(
                    matches!(error.code, ErrorCode::Busy | ErrorCode::TooLarge),
                    "call {call}: {error:?}"
                );
                assert_eq!(made.runs, 0, "call {call} was refused and run");
                Ending::Refused
            }
            Outcome::Flag(_) => panic!("nobody answers with flags here"),
        };
        self.end(call, ending);
    }

    // --- calls -------------------------------------------------------------------------------------------

    pub(crate) fn call(&mut self, made: Made) {
        let call = self.calls.len() as Call;
        let from = made.from;
        self.nodes[from].live.insert(call);
        self.calls.push(made);
        self.route(call);
        self.pump(from);
    }

    /// Sends a call over the link there is, or waits for one.
    fn route(&mut self, call: Call) {
        let made = &self.calls[call as usize];
        if made.stage != Stage::Unsent {
            return;
        }
        let (n, target) = (made.from, made.target.clone());
        let node = &mut self.nodes[n];
        match node.links.link(&target) {
            Some(conn) => self.send(call, conn),
            None if !node.is_up() => self.end(call, Ending::Unreachable),
            None => {
                let waiting = node.waiting.entry(target.clone()).or_default();
                waiting.push(call);
                let route = node.links.want(&target);
                assert_eq!(route, None, "there is no link");
            }
        }
    }

    fn send(&mut self, call: Call, conn: Conn) {
        let (now, instant) = (self.now, self.instant());
        let made = &self.calls[call as usize];
        let n = made.from;
        let body = calls::body(call, made);
        let left = made
            .deadline
            .map(|at| Duration::from_micros(at.saturating_sub(now)));
        if left.is_some_and(|left| left.is_zero()) {
            return self.end(call, Ending::TimedOut);
        }
        let outgoing = Outgoing {
            tag: ["a.b", "c.d", "e"][call as usize % 3],
            time_left: left,
            metadata: &[],
            body: body.into(),
        };
        let end = self.nodes[n].ends.get_mut(&conn);
        let end = end.expect("the link in use is there");
        match end.session.call(instant, outgoing, call) {
            Ok(id) => self.calls[call as usize].stage = Stage::Sent(conn, id),
            Err(CallRefused { why, .. }) => match why {
                WhyRefused::Blocked => end.blocked.push(call),
                WhyRefused::TooLarge { .. } => self.end(call, Ending::Refused),
                _ => {
                    let made = &mut self.calls[call as usize];
                    made.redials += 1;
                    if made.redials > REDIALS || !self.nodes[n].is_up() {
                        return self.end(call, Ending::Unreachable);
                    }
                    let peer = self.nodes[n].ends[&conn].peer.expect("a link has a peer");
                    self.nodes[n].links.lost(peer, &conn);
                    self.route(call);
                }
            },
        }
    }

    pub(crate) fn end(&mut self, call: Call, ending: Ending) {
        self.say(|| format!("call {call}: {ending:?}"));
        self.check_end(call, ending);
        let made = &mut self.calls[call as usize];
        made.stage = Stage::Ended(ending);
        self.nodes[made.from].live.remove(&call);
    }

    // --- links and sockets -------------------------------------------------------------------------------

    /// Does what the links say.
    fn pump(&mut self, n: usize) {
        let instant = self.instant();
        while let Some(action) = self.nodes[n].links.poll() {
            match action {
                Action::Dial { target, address } => {
                    let next = self.now + 2 * Time::from(self.scenario.delay.0);
                    let since = self.now;
                    self.nodes[n].dials.push(Dial {
                        target,
                        address,
                        since,
                        next,
                    });
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
                    end.session.goodbye(instant, ANOTHER_LINK);
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
                Action::Use { .. } => {}
            }
        }
    }

    fn close(&mut self, n: usize, conn: Conn, told: bool) {
        let Some(mut end) = self.nodes[n].ends.remove(&conn) else {
            return;
        };
        self.say(|| format!("{n}: link {conn:?} is closed"));
        let (wire, side) = conn;
        self.let_go(wire, side, told);
        self.nodes[n].running.retain(|running| running.conn != conn);
        let tokens = end.session.close();
        if self.sabotage != Sabotage::KeepsLostLinks
            && let Some(peer) = end.peer
        {
            self.nodes[n].links.lost(peer, &conn);
        }
        if let (None, Some((target, _))) = (end.peer, end.dialled) {
            let why = "it closed before it said who it is".to_owned();
            self.nodes[n].links.dialled(&target, Err(why));
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

    fn write_all(&mut self, n: usize) -> bool {
        let conns: Vec<_> = self.nodes[n].ends.keys().copied().collect();
        let mut is_busy = false;
        for conn in conns {
            is_busy |= self.write(n, conn);
        }
        is_busy
    }

    fn write(&mut self, n: usize, conn: Conn) -> bool {
        let (wire, side) = conn;
        let mut is_busy = false;
        loop {
            let (instant, arrival) = (self.instant(), self.arrival());
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
                end.session.transmit(instant, &mut end.out);
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
    fn arrival(&mut self) -> Time {
        let (least, more) = self.scenario.delay;
        let jitter = self.rng.u32(0..=more);
        self.now + Time::from(least + jitter)
    }

    pub(crate) fn far(&self, (wire, side): Conn) -> usize {
        self.wires[wire].nodes[1 - side]
    }

    /// When an end has something to read next.
    fn readable(&self, (wire, side): Conn) -> Time {
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
        node.dials.iter().for_each(|dial| may(dial.next));
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
