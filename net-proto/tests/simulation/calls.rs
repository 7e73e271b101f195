//! The calls of all programs: what each was to do, how it ended, how often it was run.

use net_proto::links::Target;

use crate::network::Time;
use crate::node::{Call, Conn, Node};

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

fn pattern(call: Call, size: usize) -> Vec<u8> {
    let start = (call.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8;
    let unit: Vec<u8> = (0..=250).map(|n: u8| n.wrapping_add(start)).collect();
    let mut pattern = unit.repeat(size / unit.len() + 1);
    pattern.truncate(size);
    pattern
}
