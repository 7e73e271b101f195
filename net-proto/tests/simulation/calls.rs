//! The calls of all programs: what each was to do, how it goes out and is answered, how it ended, how often it was run.

use std::time::Duration;

use net_proto::links::{REDIALS, Target};
use net_proto::{CallRefused, ErrorCode, Outcome, Outgoing, WhyRefused};

use crate::network::{MS, Time};
use crate::node::{Call, Conn, Node, Running};
use crate::world::{Sabotage, World};

pub(crate) struct Made {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) target: Target,
    pub(crate) size: usize,
    pub(crate) reply: usize,
    pub(crate) takes: u32,
    pub(crate) at: Time,
    pub(crate) deadline: Option<Time>,
    pub(crate) cancel: Option<Time>,
    pub(crate) redials: u32,
    pub(crate) stage: Stage,
    /// How often it was run.
    pub(crate) runs: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// On its way to a link, or waiting for room on one.
    Unsent,
    Sent(Conn, net_proto::CallId),
    Ended(Ending),
}

/// How a call ended, for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Reply,
    /// The other side, or the session, refused it: too many, too large.
    Refused,
    TimedOut,
    Cancelled,
    Lost,
    Unreachable,
    /// Its process is gone.
    Gone,
}

impl Made {
    /// A small call by the other one's id, from now.
    pub(crate) fn plain(from: usize, to: usize, nodes: &[Node], now: Time) -> Self {
        Self {
            from,
            to,
            target: Target::Instance(nodes[to].id),
            size: 10,
            reply: 10,
            takes: 0,
            at: now,
            deadline: None,
            cancel: None,
            redials: 0,
            stage: Stage::Unsent,
            runs: 0,
        }
    }
}

/// The body that a call goes out with: its name, what is to be done, and bytes that belong to no other.
pub(crate) fn body(call: Call, made: &Made) -> Vec<u8> {
    let mut body = call.to_le_bytes().to_vec();
    body.extend(pattern(call, made.size));
    body
}

/// The body that it is answered with.
pub(crate) fn answer(call: Call, made: &Made) -> Vec<u8> {
    pattern(call ^ 0x5A5A, made.reply)
}

pub(crate) fn pattern(call: Call, size: usize) -> Vec<u8> {
    let start = (call.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8;
    let unit: Vec<u8> = (0..=250).map(|n: u8| n.wrapping_add(start)).collect();
    let mut pattern = unit.repeat(size / unit.len() + 1);
    pattern.truncate(size);
    pattern
}

impl World {
    pub(crate) fn serve(&mut self, n: usize, conn: Conn, incoming: &net_proto::Incoming) {
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

    pub(crate) fn outcome(&mut self, call: Call, outcome: Outcome) {
        let made = &self.calls[call as usize];
        let ending = match outcome {
            Outcome::Reply(bytes) => {
                let expected = answer(call, made);
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

    /// Functions that have come to their end.
    pub(crate) fn functions(&mut self, n: usize) -> bool {
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

    pub(crate) fn answer(&mut self, n: usize, running: &Running) {
        let call = running.call;
        let answered = match self.sabotage {
            Sabotage::LosesAnswers if call % 5 == 1 => return,
            Sabotage::SwapsAnswers if call > 0 => call - 1,
            _ => call,
        };
        let body = answer(answered, &self.calls[call as usize]);
        if let Some(end) = self.nodes[n].ends.get_mut(&running.conn) {
            end.session.reply(running.id, body.into());
            self.poll(n, running.conn);
        }
    }

    pub(crate) fn call(&mut self, made: Made) {
        let call = self.calls.len() as Call;
        let from = made.from;
        self.nodes[from].live.insert(call);
        self.calls.push(made);
        self.route(call);
        self.pump(from);
    }

    /// Sends a call over the link there is, or waits for one.
    pub(crate) fn route(&mut self, call: Call) {
        let made = &self.calls[call as usize];
        if made.stage != Stage::Unsent {
            return;
        }
        let (n, target, instant) = (made.from, made.target.clone(), self.instant());
        let node = &mut self.nodes[n];
        match node.links.link(&target) {
            Some(conn) => self.send(call, conn),
            None if !node.is_up() => self.end(call, Ending::Unreachable),
            None => {
                let waiting = node.waiting.entry(target.clone()).or_default();
                waiting.push(call);
                let route = node.links.want(instant, &target);
                assert_eq!(route, None, "there is no link");
            }
        }
    }

    pub(crate) fn send(&mut self, call: Call, conn: Conn) {
        let (now, instant) = (self.now, self.instant());
        let made = &self.calls[call as usize];
        let n = made.from;
        let body = body(call, made);
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
}
