//! What happens in one run of the world: data, made from a seed, that prints as the Rust it can be written in.

use std::net::SocketAddr;

use fastrand::Rng;
use net_proto::{Address, Limits};

use crate::node::Door;

use Step::{Call, Crash, Cut, Drop, Publish, Slow, Stall, Stop, Subscribe, Unsubscribe};

/// One run. Times of steps are milliseconds; everything not said here follows from `seed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scenario {
    /// Jitter, the sizes of reads, and who comes first of those that could.
    pub(crate) seed: u64,
    pub(crate) peers: usize,
    /// Whether sessions have limits so small that all of them are run into.
    pub(crate) small_limits: bool,
    /// Microseconds that bytes are under way at least, and how many more they may be.
    pub(crate) delay: (u32, u32),
    /// Bytes that the network holds for each direction of a connection.
    pub(crate) pipe: usize,
    /// Whether links have no room for an interest now and then, as where they are full of calls, which is seldom at the right time.
    pub(crate) jams: bool,
    /// Whether each peer is on a host of its own, which is reached over TCP alone.
    pub(crate) apart: bool,
    /// So many addresses of each, the first ones, lead nowhere.
    pub(crate) holes: u8,
    pub(crate) steps: Vec<(u32, Step)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// One peer calls another with a body of `size` bytes; the function takes `takes` ms and answers `reply` bytes.
    Call {
        from: usize,
        to: usize,
        by: By,
        size: usize,
        reply: usize,
        takes: u32,
        /// Milliseconds; 0 for none.
        deadline: u32,
        /// Milliseconds after which the caller gives up; 0 for never.
        cancel: u32,
    },
    /// A program wishes for an event, has so many kept at each publisher, and takes one each `every` ms, the first after `sleep`
    /// ms.
    Subscribe {
        peer: usize,
        event: usize,
        block: bool,
        keep: u32,
        from: From,
        every: u32,
        sleep: u32,
    },
    /// A program takes a wish back.
    Unsubscribe { peer: usize, which: usize },
    /// A program publishes one event each `every` ms, waiting for those who ask for it or not.
    Publish {
        from: usize,
        event: usize,
        count: u32,
        size: usize,
        every: u32,
        waits: bool,
    },
    /// Nothing gets from one peer to another for so long; then it arrives, as TCP sees to.
    Cut { from: usize, to: usize, ms: u32 },
    /// One side's connections to another fail. If the other is not told, no byte passes on them any more.
    Drop { from: usize, to: usize, told: bool },
    /// A process is stopped.
    Stall { peer: usize, ms: u32 },
    /// A process reads little at a time.
    Slow { peer: usize, ms: u32 },
    /// A process ends at once and is another one `ms` later; if the others are not told, it was its machine.
    Crash { peer: usize, ms: u32, told: bool },
    /// A process takes leave, ends, and is another one `ms` after.
    Stop { peer: usize, ms: u32 },
}

/// What the caller knows of whom it calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum By {
    Id,
    Unix,
    Tcp,
}

/// Whose events are wished for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    All,
    Group(usize),
    Hubs,
    /// The process that is there at the time.
    Process(usize),
    /// Whoever is there, whenever.
    Place(usize),
}

/// Steps are taken for so long.
const ACTIVE: u32 = 20_000;

impl Scenario {
    /// The scenario of a seed: always the same.
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let peers = rng.usize(2..=5);
        // Some are calm, so that what must hold without any fault is seen to hold.
        let faults = rng.u32(0..4) * 7;
        // In some nothing happens but that processes take leave, and are to lose nothing by it.
        let only_leave = rng.u32(0..5) == 0;
        // Some programs only call, some mostly publish.
        let events = rng.u32(0..4) * 30;
        let mut steps: Vec<_> = (0..rng.usize(5..80))
            .map(|_| {
                let at = match rng.bool() {
                    // All at once, to meet in the middle.
                    true => rng.u32(0..10) * ACTIVE / 10,
                    false => rng.u32(0..ACTIVE),
                };
                let step = match (rng.u32(0..100) < faults, rng.u32(0..100) < events) {
                    (true, _) if only_leave => leave(&mut rng, peers),
                    (true, _) => fault(&mut rng, peers),
                    (false, true) => event(&mut rng, peers),
                    (false, false) => call(&mut rng, peers),
                };
                (at, step)
            })
            .collect();
        if events > 0 {
            let first = |_| (rng.u32(0..1_000), subscribe(&mut rng, peers));
            steps.extend((0..3).map(first));
        }
        steps.sort_by_key(|(at, _)| *at);
        let (least, more) = *pick(
            &mut rng,
            &[(20, 10), (300, 300), (5_000, 40_000), (80_000, 0)],
        );
        let pipe = *pick(&mut rng, &[1_500, 16_384, 262_144]);
        let small_limits = rng.bool();
        // Drawn last, so that all else is as it was.
        let jams = rng.bool();
        let apart = rng.bool();
        let holes = *pick(&mut rng, &[0, 0, 1, 2, 5]);
        Self {
            seed,
            peers,
            small_limits,
            delay: (least, more),
            // Half a megabyte a second at the least: what is slower than that is slow on purpose.
            pipe: pipe.max((least + more) as usize / 2),
            jams,
            apart,
            holes: if apart { holes } else { 0 },
            steps,
        }
    }

    /// Where each peer says that it is.
    pub(crate) fn doors(&self) -> Vec<Door> {
        let own = match self.apart {
            true => vec![Door::Tcp],
            false => vec![Door::Unix, Door::Tcp],
        };
        (0..self.holes).map(Door::Hole).chain(own).collect()
    }

    /// What the name of a peer's host leads to.
    pub(crate) fn named(&self, index: usize) -> Vec<SocketAddr> {
        let doors = self.doors().into_iter();
        let tcp = doors.filter_map(|door| match door.of(index) {
            Address::Tcp(address) => Some(address),
            _ => None,
        });
        tcp.collect()
    }

    /// The limits that sessions have.
    pub(crate) fn limits(&self) -> Limits {
        if !self.small_limits {
            return Limits::default();
        }
        Limits {
            max_calls: 6,
            link_window: 1 << 19,
            stream_window: 1 << 17,
            max_value: 600_000,
            max_arriving: 1_000_000,
            max_unsent: 500_000,
            max_leaving: 800_000,
            max_queue: 20,
            max_queued: 250_000,
            high_water: 100_000,
            ..Limits::default()
        }
    }
}

fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    &from[rng.usize(0..from.len())]
}

/// One, and another; now and then the same.
fn two(rng: &mut Rng, peers: usize) -> (usize, usize) {
    let from = rng.usize(0..peers);
    let to = match rng.u32(0..20) {
        0 => from,
        _ => (from + rng.usize(1..peers)) % peers,
    };
    (from, to)
}

fn fault(rng: &mut Rng, peers: usize) -> Step {
    let (from, to) = two(rng, peers);
    let ms = *pick(rng, &[1, 30, 400, 2_000, 3_000, 7_000, 12_000]);
    match rng.u32(0..9) {
        0 | 1 => Cut { from, to, ms },
        2 | 3 => Drop {
            from,
            to,
            told: rng.bool(),
        },
        4 | 5 => Stall { peer: from, ms },
        6 => Slow { peer: from, ms },
        7 => Crash {
            peer: from,
            ms,
            told: rng.bool(),
        },
        _ => leave(rng, peers),
    }
}

fn leave(rng: &mut Rng, peers: usize) -> Step {
    Stop {
        peer: rng.usize(0..peers),
        ms: *pick(rng, &[1, 400, 3_000]),
    }
}

fn size(rng: &mut Rng) -> usize {
    match rng.u32(0..10) {
        0..=6 => rng.usize(0..100),
        7 | 8 => rng.usize(50_000..70_000),
        _ => rng.usize(70_000..500_000),
    }
}

fn call(rng: &mut Rng, peers: usize) -> Step {
    let (from, to) = two(rng, peers);
    Call {
        from,
        to,
        by: *pick(rng, &[By::Id, By::Id, By::Unix, By::Tcp]),
        size: size(rng),
        reply: size(rng),
        takes: *pick(rng, &[0, 0, 1, 50, 1_000, 4_000]),
        deadline: *pick(rng, &[0, 0, 0, 1, 300, 3_000]),
        cancel: *pick(rng, &[0, 0, 0, 0, 1, 500]),
    }
}

fn event(rng: &mut Rng, peers: usize) -> Step {
    match rng.u32(0..10) {
        0 => subscribe(rng, peers),
        1 => Unsubscribe {
            peer: rng.usize(0..peers),
            which: rng.usize(0..8),
        },
        _ => publish(rng, peers),
    }
}

fn subscribe(rng: &mut Rng, peers: usize) -> Step {
    let other = rng.usize(0..peers);
    let froms = [
        From::All,
        From::All,
        From::Group(other % 2),
        From::Hubs,
        From::Process(other),
        From::Place(other),
    ];
    Subscribe {
        peer: rng.usize(0..peers),
        event: rng.usize(0..2),
        block: rng.bool(),
        keep: *pick(rng, &[1, 3, 20, 1_000]),
        from: *pick(rng, &froms),
        every: *pick(rng, &[0, 0, 0, 1, 20]),
        sleep: *pick(rng, &[0, 0, 0, 500, 5_000]),
    }
}

fn publish(rng: &mut Rng, peers: usize) -> Step {
    let (count, size) = match rng.u32(0..8) {
        0..=4 => (rng.u32(1..100), rng.usize(0..100)),
        5 | 6 => (rng.u32(1..10), rng.usize(50_000..70_000)),
        // Sometimes larger than is taken.
        _ => (rng.u32(1..3), rng.usize(70_000..650_000)),
    };
    Publish {
        from: rng.usize(0..peers),
        event: rng.usize(0..2),
        count,
        size,
        every: *pick(rng, &[0, 0, 1, 10, 40]),
        waits: rng.u32(0..4) > 0,
    }
}
