//! What must hold in the world: at each step, and when it has been left in peace.

use net_proto::limits::MAX_PAYLOAD;
use net_proto::links::Target;
use net_proto::{Incoming, ProtocolError};

use crate::calls::{self, Ending, Made, Stage};
use crate::network::{MS, Time};
use crate::node::{Call, Conn, Node};
use crate::world::World;

/// So long after a fault its effects are excused: the time after which a silent peer is given up, and what its noticing leads to.
pub(crate) const AFTERMATH: Time = 7_000 * MS;
/// A peer that is gone or cut off is known to be so within this time.
const NOTICED: Time = 7_000 * MS;
/// Everything has come to rest after being left in peace so long.
const PEACE: Time = 25_000 * MS;

impl World {
    /// Whether what goes wrong between two peers, from `since` on, can be put down to a fault.
    pub(crate) fn is_excused(&self, a: usize, b: usize, since: Time) -> bool {
        let until = self.trouble[a][b];
        until > 0 && until + AFTERMATH >= since
    }

    pub(crate) fn check_end(&self, call: Call, ending: Ending) {
        let made = &self.calls[call as usize];
        assert!(
            !matches!(made.stage, Stage::Ended(_)),
            "call {call} has ended as {:?} and ends again as {ending:?}",
            made.stage
        );
        match ending {
            Ending::Reply => assert_eq!(made.runs, 1, "call {call} was answered and not run"),
            Ending::Lost => assert!(
                self.is_excused(made.from, made.to, made.at),
                "call {call} from {} to {} was lost for no reason",
                made.from,
                made.to
            ),
            Ending::Unreachable => {
                assert_eq!(made.runs, 0, "call {call} was never sent, and was run");
                assert!(
                    self.is_excused(made.from, made.to, made.at),
                    "call {call} from {} to {} did not reach it for no reason",
                    made.from,
                    made.to
                );
            }
            Ending::TimedOut => {
                let deadline = made
                    .deadline
                    .expect("only a call with a deadline times out");
                // The other side's clock began when the call arrived there, with whole milliseconds.
                assert!(self.now >= deadline, "call {call} timed out early");
            }
            Ending::Refused | Ending::Cancelled | Ending::Gone => {}
        }
    }

    pub(crate) fn check_served(&self, n: usize, call: Call, incoming: &Incoming) {
        let made = &self.calls[call as usize];
        assert_eq!(made.runs, 0, "call {call} is run again");
        assert_eq!(made.to, n, "call {call} came to another peer");
        if let Target::Instance(id) = made.target {
            assert_eq!(id, self.nodes[n].id, "call {call} came to another process");
        }
        assert!(
            incoming.body == calls::body(call, made),
            "call {call} did not arrive as it was sent"
        );
    }

    /// Honest sides never accuse each other, and a peer that is there is not called silent.
    pub(crate) fn check_failure(&self, n: usize, conn: Conn, error: &ProtocolError) {
        let other = self.far(conn);
        match error {
            ProtocolError::Silent { .. } | ProtocolError::NoHello { .. } => assert!(
                self.is_excused(n, other, self.now),
                "{n} gave {other} up for no reason: {error}"
            ),
            other => panic!("{n} failed on {conn:?}: {other}"),
        }
    }

    /// After everything that happens.
    pub(crate) fn check(&mut self) {
        self.check_credit();
        for n in 0..self.nodes.len() {
            self.check_memory(&self.nodes[n]);
            if self.nodes[n].is_up() && !self.nodes[n].is_stalled(self.now) {
                self.check_presence(n);
            }
        }
    }

    fn check_memory(&self, node: &Node) {
        let limits = &self.limits;
        for (conn, end) in &node.ends {
            let usage = end.session.usage();
            let calls = limits.max_calls as usize;
            // Calls stop at the high-water mark; answers at the credit there is; what else there is has no body.
            let small = limits.high_water + limits.link_window as usize + (4 * calls + 64) * 64;
            assert!(usage.small_frames <= small, "{conn:?}: {usage:?}");
            assert!(usage.arriving <= limits.max_arriving, "{conn:?}: {usage:?}");
            // As much again where what waited on another link came here.
            let queued = 2 * limits.max_queued + self.largest_event as u64;
            assert!(usage.queued <= queued, "{conn:?}: {usage:?}");
            assert!(usage.may_send <= limits.link_window, "{conn:?}: {usage:?}");
            assert!(
                usage.may_receive <= limits.link_window,
                "{conn:?}: {usage:?}"
            );
            // One body over the mark, and an answer for each call that was taken in below it.
            let largest = 500_008;
            let waiting = limits.max_leaving + limits.max_unsent + largest * (1 + calls as u64);
            assert!(
                usage.leaving + usage.unsent <= waiting,
                "{conn:?}: {usage:?}"
            );
            assert!(end.session.in_flight() <= calls, "{conn:?}: too many calls");
            assert!(
                end.session.serving() <= 2 * calls + 16,
                "{conn:?}: too many served"
            );
            assert!(
                end.input.len() <= MAX_PAYLOAD + 64 * 1024,
                "{conn:?}: input"
            );
        }
    }

    /// What one side may send is never more than what the other counts on, or one of them would accuse the other.
    fn check_credit(&self) {
        for wire in 0..self.wires.len() {
            let [dialer, acceptor] = self.wires[wire].nodes;
            let ends = [(dialer, (wire, 0)), (acceptor, (wire, 1))]
                .map(|(node, conn)| self.nodes[node].ends.get(&conn));
            if let [Some(one), Some(other)] = ends {
                for (from, to) in [(one, other), (other, one)] {
                    let (from, to) = (from.session.usage(), to.session.usage());
                    assert!(from.may_send <= to.may_receive, "{from:?}, {to:?}");
                }
            }
        }
    }

    fn check_presence(&mut self, n: usize) {
        let node = &self.nodes[n];
        for other in &self.nodes {
            if other.index == n {
                continue;
            }
            let target = Target::Instance(other.id);
            let is_linked = node.links.link(&target).is_some();
            let was_linked = node.listed.contains(&other.id);
            assert!(
                is_linked
                    || !was_linked
                    || !other.is_up()
                    || self.is_excused(n, other.index, self.now),
                "{n} lost sight of {} for no reason",
                other.index
            );
            let is_watching = |since: Time| {
                let awake = node.unstalled_since.max(other.unstalled_since);
                let since = since.max(awake).max(self.dropped[n][other.index]);
                self.now > since + NOTICED
            };
            for (from, to) in [(n, other.index), (other.index, n)] {
                // A side that hears nothing may notice at once, but cannot tell the other while it is not heard itself.
                let (until, since) = self.cut[from][to];
                let since = since.max(self.cut[other.index][n].1);
                assert!(
                    !is_linked || !other.is_up() || until <= self.now || !is_watching(since),
                    "{n} does not notice that {} is cut off",
                    other.index
                );
            }
        }
        for (id, since) in &self.gone {
            let is_linked = node.links.link(&Target::Instance(*id)).is_some();
            let since = (*since).max(node.unstalled_since);
            assert!(
                !is_linked || self.now <= since + NOTICED,
                "{n} does not notice that {id} is gone"
            );
        }
        let listed = self.nodes.iter().map(|other| other.id);
        let listed = listed
            .filter(|id| node.links.link(&Target::Instance(*id)).is_some())
            .collect();
        self.nodes[n].listed = listed;
    }

    /// Leaves the world in peace, then sees that nothing is stuck, and that everyone reaches everyone over one link.
    pub(crate) fn check_peace(&mut self) {
        let calm = self.trouble.iter().flatten().max().copied().unwrap_or(0);
        let calm = self
            .cut
            .iter()
            .flatten()
            .map(|(until, _)| *until)
            .fold(calm, Time::max);
        let calm = self
            .nodes
            .iter()
            .map(|node| node.slow_until)
            .fold(calm, Time::max);
        self.pass_until(calm.max(self.now));
        for node in &mut self.nodes {
            node.events.hurry();
        }
        self.pass_until(self.now + PEACE);
        let first = self.calls.len();
        let peers = self.nodes.len();
        for (from, to) in (0..peers).flat_map(|from| (0..peers).map(move |to| (from, to))) {
            if from != to {
                let made = Made::plain(from, to, &self.nodes, self.now);
                self.call(made);
            }
        }
        self.pass_until(self.now + 3_000 * MS);

        for (call, made) in self.calls.iter().enumerate() {
            let Stage::Ended(ending) = made.stage else {
                panic!("call {call} from {} to {} is stuck", made.from, made.to);
            };
            assert!(
                call < first || ending == Ending::Reply,
                "in peace: {ending:?}"
            );
        }
        for node in &self.nodes {
            assert!(node.is_up(), "{} is there again", node.index);
            assert!(node.dials.is_empty(), "{} still dials", node.index);
            assert!(node.waiting.is_empty(), "{} still waits", node.index);
            assert_eq!(node.links.timeout(), None, "{} still dials", node.index);
            for other in &self.nodes {
                let in_use = node.links.link(&Target::Instance(other.id));
                let all: Vec<_> = node
                    .ends
                    .keys()
                    .filter(|conn| self.far(**conn) == other.index)
                    .collect();
                if node.index == other.index {
                    continue;
                }
                assert_eq!(all.len(), 1, "links from {} to {}", node.index, other.index);
                assert_eq!(in_use.as_ref(), Some(all[0]), "the one there is is used");
            }
            for (conn, end) in &node.ends {
                assert_eq!(
                    end.session.in_flight() + end.session.serving(),
                    0,
                    "{conn:?}"
                );
                let usage = end.session.usage();
                let held = (
                    usage.leaving,
                    usage.unsent,
                    usage.arriving,
                    usage.small_frames,
                );
                assert_eq!(held, (0, 0, 0, 0), "{conn:?}");
            }
        }
        self.check_events_at_peace();
    }
}
