//! One process: the links of a peer and their sessions, driven as the runtime drives them, and the calls of its program.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::BytesMut;
use net_proto::links::{Action, Attempt, Links, Target};
use net_proto::{Address, CallId, Hello, InstanceId, Session, Side, Transmit};

use crate::events::Events;
use crate::network::Time;

/// A connection and which end of it.
pub(crate) type Conn = (usize, usize);
/// Names a call in the whole world.
pub(crate) type Call = u64;

pub(crate) struct Node {
    pub(crate) index: usize,
    /// Where it says that it is.
    pub(crate) doors: Vec<Door>,
    pub(crate) id: InstanceId,
    pub(crate) state: State,
    pub(crate) links: Links<Conn>,
    /// What they say is to be done, and is not yet.
    pub(crate) actions: VecDeque<Action<Conn>>,
    pub(crate) ends: BTreeMap<Conn, End>,
    pub(crate) dials: Vec<Dial>,
    /// Who waits for a way to whom.
    pub(crate) waiting: HashMap<Target, Vec<Call>>,
    pub(crate) running: Vec<Running>,
    pub(crate) events: Events,
    /// Its calls that have not ended.
    pub(crate) live: BTreeSet<Call>,
    /// When it looks for others next.
    pub(crate) looks: Time,
    /// When it may read next, if it is slow.
    pub(crate) reads: Time,
    pub(crate) slow_until: Time,
    pub(crate) stalled_until: Time,
    /// Whom it had a link to when it was last looked at.
    pub(crate) listed: Vec<InstanceId>,
    /// When it was last stopped, or began.
    pub(crate) unstalled_since: Time,
    /// How many processes there were in its place before.
    pub(crate) incarnation: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Up,
    /// Takes leave; gone at the latest at that time, and then for so long.
    Leaving(Time, Time),
    /// Gone until that time.
    Down(Time),
}

/// One side of a connection.
pub(crate) struct End {
    pub(crate) session: Session<Call>,
    pub(crate) input: BytesMut,
    pub(crate) out: Transmit,
    /// Who is at the other side, once it has said so.
    pub(crate) peer: Option<InstanceId>,
    /// As what it was dialled.
    pub(crate) dialled: Option<Attempt>,
    pub(crate) drained: bool,
    pub(crate) finished: bool,
    /// Calls that wait for room.
    pub(crate) blocked: Vec<Call>,
}

/// A connection that is being made, or a name that is looked up.
pub(crate) struct Dial {
    pub(crate) attempt: Attempt,
    pub(crate) since: Time,
    /// When the next packet of it gets to the other side, if it does.
    pub(crate) next: Time,
}

/// A function that runs for another.
pub(crate) struct Running {
    pub(crate) until: Time,
    pub(crate) conn: Conn,
    pub(crate) id: CallId,
    pub(crate) call: Call,
}

impl Node {
    pub(crate) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    pub(crate) fn is_stalled(&self, now: Time) -> bool {
        now < self.stalled_until
    }

    pub(crate) fn address(&self, door: Door) -> Address {
        door.of(self.index)
    }

    /// Each other one is in the same group.
    pub(crate) fn group(&self) -> usize {
        self.index % 2
    }

    pub(crate) fn is_hub(&self) -> bool {
        self.index == 0
    }

    pub(crate) fn hello(&self) -> Hello {
        Hello {
            group: Some(self.group().to_string()),
            hub: self.is_hub(),
            name: format!("peer {} ({})", self.index, self.incarnation),
            addresses: self
                .doors
                .iter()
                .map(|door| door.of(self.index).to_string())
                .collect(),
            ..Hello::new(self.id)
        }
    }
}

/// Where a process can be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Unix,
    Tcp,
    /// A name, of which the addresses are to be looked up: some that lead nowhere, then the one that does.
    Name,
    /// An address at which nothing is answered, not even with a refusal: as behind a firewall that drops what it does not like.
    Hole(u8),
}

impl Door {
    /// The address of that kind that a process has.
    pub(crate) fn of(self, index: usize) -> Address {
        let text = match self {
            Self::Unix => format!("unix:/run/{index}"),
            Self::Tcp => format!("10.0.0.{index}:3010"),
            Self::Name => format!("peer-{index}:3010"),
            Self::Hole(nth) if nth % 2 == 0 => format!("[fd00::{nth:x}:{index}]:3010"),
            Self::Hole(nth) => format!("10.1.{nth}.{index}:3010"),
        };
        text.parse().expect("an address")
    }
}

/// Whose address that is, and which of its; holes are not told apart.
pub(crate) fn at(address: &Address) -> (usize, Door) {
    let last = |text: &str, before: char| {
        let digits = text.rsplit(before).next();
        let index = digits.and_then(|digits| digits.parse().ok());
        index.expect("an address of this world")
    };
    match address {
        Address::Unix(path) => (last(&path.to_string_lossy(), '/'), Door::Unix),
        Address::Tcp(SocketAddr::V4(address)) => {
            let [_, net, _, index] = address.ip().octets();
            let door = if net == 0 { Door::Tcp } else { Door::Hole(1) };
            (index.into(), door)
        }
        Address::Tcp(SocketAddr::V6(address)) => (address.ip().segments()[7].into(), Door::Hole(0)),
        Address::Name(name, _) => (last(name, '-'), Door::Name),
        Address::Scoped(..) => panic!("there are no interfaces here"),
    }
}

impl End {
    pub(crate) fn new(side: Side, node: &Node, limits: net_proto::Limits, now: Instant) -> Self {
        Self {
            session: Session::new(side, node.hello(), limits, now),
            input: BytesMut::new(),
            out: Transmit::default(),
            peer: None,
            dialled: None,
            drained: false,
            finished: false,
            blocked: Vec::new(),
        }
    }

    /// Takes out at most so many of the bytes that are to be written.
    pub(crate) fn take(&mut self, most: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < most && !self.out.is_empty() {
            let mut slices = [IoSlice::new(&[]); 8];
            let used = self.out.slices(&mut slices);
            let start = bytes.len();
            for slice in &slices[..used] {
                let left = most - bytes.len();
                bytes.extend_from_slice(&slice[..slice.len().min(left)]);
            }
            self.out.advance(bytes.len() - start);
        }
        bytes
    }
}
