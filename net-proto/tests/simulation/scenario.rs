//! What happens in one run of the world: data, made from a seed, that prints as the Rust it can be written in.

use fastrand::Rng;
use net_proto::Limits;

use Step::{Call, Crash, Cut, Drop, Slow, Stall, Stop};

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

/// Steps are taken for so long.
const ACTIVE: u32 = 20_000;

impl Scenario {
    /// The scenario of a seed: always the same.
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let peers = rng.usize(2..=5);
        // Some are calm, so that what must hold without any fault is seen to hold.
        let faults = rng.u32(0..4) * 7;
        let mut steps: Vec<_> = (0..rng.usize(5..80))
            .map(|_| {
                let at = match rng.bool() {
                    // All at once, to meet in the middle.
                    true => rng.u32(0..10) * ACTIVE / 10,
                    false => rng.u32(0..ACTIVE),
                };
                (at, step(&mut rng, peers, faults))
            })
            .collect();
        steps.sort_by_key(|(at, _)| *at);
        let (least, more) = *pick(
            &mut rng,
            &[(20, 10), (300, 300), (5_000, 40_000), (80_000, 0)],
        );
        let pipe = *pick(&mut rng, &[1_500, 16_384, 262_144]);
        Self {
            seed,
            peers,
            small_limits: rng.bool(),
            delay: (least, more),
            // Half a megabyte a second at the least: what is slower than that is slow on purpose.
            pipe: pipe.max((least + more) as usize / 2),
            steps,
        }
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
            high_water: 100_000,
            ..Limits::default()
        }
    }
}

fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    &from[rng.usize(0..from.len())]
}

fn step(rng: &mut Rng, peers: usize, faults: u32) -> Step {
    let from = rng.usize(0..peers);
    // Now and then itself.
    let to = match rng.u32(0..20) {
        0 => from,
        _ => (from + rng.usize(1..peers)) % peers,
    };
    let ms = *pick(rng, &[1, 30, 400, 2_000, 3_000, 7_000, 12_000]);
    if rng.u32(0..100) < faults {
        return match rng.u32(0..9) {
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
            _ => Stop { peer: from, ms },
        };
    }
    let size = |rng: &mut Rng| match rng.u32(0..10) {
        0..=6 => rng.usize(0..100),
        7 | 8 => rng.usize(50_000..70_000),
        _ => rng.usize(70_000..500_000),
    };
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
