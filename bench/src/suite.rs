//! What is measured beside what, in rounds that take turns, and the tables of it.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::child::{Pair, Round, Wrap};
use crate::field::Field;
use crate::table::{Table, number, spread};
use crate::{Kind, calls, growth, host, idle, python, rivals, secured, size};
use lines::Transport;
use lines::{Error, Order};

/// What can be named on the command line to be run alone.
pub(crate) const PARTS: [&str; 11] = [
    "latency", "flight", "echo", "tls", "calls", "python", "rivals", "events", "growth", "idle",
    "size",
];

/// What was asked for on the command line.
pub(crate) struct Options {
    pub(crate) out: Option<PathBuf>,
    /// Turns that each pair takes.
    pub(crate) rounds: usize,
    /// The Python to run, and where its scripts are.
    pub(crate) python: Option<(String, String)>,
    /// The program that does the work with other libraries.
    pub(crate) rivals: Option<String>,
    /// The folder that the plots go to.
    pub(crate) plots: Option<PathBuf>,
    /// None is all.
    pub(crate) parts: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            out: None,
            rounds: 7,
            python: None,
            rivals: None,
            plots: None,
            parts: Vec::new(),
        }
    }
}

/// Where the tables go: standard output, and the file that was asked for.
pub(crate) struct Paper(Option<File>);

impl Paper {
    pub(crate) fn print(&mut self, text: &str) -> Result<(), Error> {
        // Not `println!`, which panics where nobody reads on.
        writeln!(std::io::stdout(), "{text}")?;
        if let Some(file) = &mut self.0 {
            writeln!(file, "{text}")?;
        }
        Ok(())
    }
}

/// Small calls of one round, where they go one at a time; and before the first round, to warm up.
pub(crate) const LATENCY: Order = Order::Latency { calls: 10_000 };
pub(crate) const WARM_UP: Order = Order::Latency { calls: 2_000 };
/// Small calls of one round where many are in flight.
pub(crate) const FLIGHT_CALLS: usize = 100_000;
pub(crate) const WINDOWS: [usize; 2] = [64, 1024];
/// Sizes of large values, in MiB, and how many go in one round.
pub(crate) const LARGE: [(usize, usize); 2] = [(8, 8), (64, 2)];
pub(crate) const MIB: usize = 1024 * 1024;

/// Runs the parts that were asked for.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let mut paper = Paper(options.out.as_ref().map(File::create).transpose()?);
    let dir = tempfile::Builder::new().prefix("net-bench-").tempdir()?;
    let wanted =
        |part: &str| options.parts.is_empty() || options.parts.iter().any(|named| named == part);
    paper.print(&format!(
        "app-net {} beside bare sockets and other libraries",
        env!("CARGO_PKG_VERSION")
    ))?;
    paper.print(&host::describe())?;
    paper.print(&format!(
        "{} rounds, taking turns; medians of rounds; ratio = ours/bare (least-most)",
        options.rounds
    ))?;
    let pinned = match host::pin() {
        Ok(words) => Wrap::both(&words),
        Err(why) => {
            paper.print(&why)?;
            Wrap::default()
        }
    };
    if wanted("latency") {
        for transport in Transport::ALL {
            latency(&mut paper, transport, dir.path(), &pinned, options.rounds)?;
        }
    }
    if wanted("flight") {
        for transport in Transport::ALL {
            flight(&mut paper, transport, dir.path(), options.rounds)?;
        }
    }
    if wanted("echo") {
        for transport in Transport::ALL {
            echo(&mut paper, transport, dir.path(), options.rounds)?;
        }
    }
    if wanted("tls") {
        secured::run(&mut paper, dir.path(), &pinned, options.rounds)?;
    }
    if wanted("calls") {
        calls::run(&mut paper, dir.path(), &pinned)?;
    }
    if wanted("python") {
        match &options.python {
            Some((python, scripts)) => {
                python::run(
                    &mut paper,
                    python,
                    scripts.as_ref(),
                    dir.path(),
                    &pinned,
                    options.rounds,
                )?;
            }
            None => {
                paper.print("\nPython: skipped, no --python was given (`make bench` gives it)")?
            }
        }
    }
    let field = Field::find(options.rivals.as_deref(), dir.path())?;
    if ["rivals", "events", "growth", "idle"]
        .iter()
        .any(|part| wanted(part))
    {
        paper.print(&format!("\nbeside app-net: {}", field.versions()))?;
    }
    if wanted("rivals") {
        rivals::run(&mut paper, &field, &pinned, options.rounds)?;
    }
    if wanted("events") {
        rivals::events(&mut paper, &field, options.rounds)?;
    }
    if wanted("growth") {
        let rounds = (options.rounds / 2).max(1);
        growth::run(&mut paper, &field, options.plots.as_deref(), rounds)?;
    }
    if wanted("idle") {
        idle::run(&mut paper, &field)?;
    }
    if wanted("size") {
        size::run(&mut paper)?;
    }
    paper.print(&format!("\nload at the end: {}", host::load()))
}

/// The rounds of each pair, taken in turns so that what else the machine does falls on all alike.
pub(crate) fn take_turns(pairs: &mut [Pair], order: Order, rounds: usize) -> Vec<Vec<Round>> {
    let mut taken: Vec<Vec<Round>> = pairs.iter().map(|_| Vec::with_capacity(rounds)).collect();
    for _ in 0..rounds {
        for (pair, taken) in pairs.iter_mut().zip(&mut taken) {
            taken.push(pair.attempt(order));
        }
    }
    taken
}

pub(crate) fn pairs(
    kinds: &[Kind],
    transport: Transport,
    dir: &Path,
    wrap: &Wrap,
) -> Result<Vec<Pair>, Error> {
    kinds
        .iter()
        .map(|kind| {
            // A directory each: a socket's name is the same for each pair of a kind.
            let dir = tempfile::Builder::new()
                .prefix(kind.name())
                .tempdir_in(dir)?
                .keep();
            Pair::start(*kind, transport, &dir, wrap)
        })
        .collect()
}

fn latency(
    paper: &mut Paper,
    transport: Transport,
    dir: &Path,
    pinned: &Wrap,
    rounds: usize,
) -> Result<(), Error> {
    let kinds = [
        Kind::Net,
        Kind::Tokio,
        Kind::TokioThreads,
        Kind::NetWait,
        Kind::Std,
    ];
    let mut pairs = pairs(&kinds, transport, dir, pinned)?;
    take_turns(&mut pairs, WARM_UP, 1);
    let taken = take_turns(&mut pairs, LATENCY, rounds);
    paper.print(&format!(
        "\n{}: one small call at a time, both ends on one core, p50 in µs",
        transport.name()
    ))?;
    compare(paper, &pairs, &taken, &[(0, 1), (0, 2), (3, 4)], |round| {
        round.client.get("p50")
    })?;
    costs(paper, &pairs, &taken, LATENCY)
}

fn flight(paper: &mut Paper, transport: Transport, dir: &Path, rounds: usize) -> Result<(), Error> {
    let kinds = [Kind::Net, Kind::Tokio, Kind::TokioThreads];
    let mut pairs = pairs(&kinds, transport, dir, &Wrap::default())?;
    for window in WINDOWS {
        let order = Order::Flight {
            window,
            calls: FLIGHT_CALLS,
        };
        take_turns(&mut pairs, order, 1);
        let taken = take_turns(&mut pairs, order, rounds);
        paper.print(&format!(
            "\n{}: {window} small calls in flight on one link, calls/s",
            transport.name()
        ))?;
        compare(paper, &pairs, &taken, &[(0, 1), (0, 2)], |round| {
            Ok(FLIGHT_CALLS as f64 / round.client.get("took")? * 1e6)
        })?;
        costs(paper, &pairs, &taken, order)?;
    }
    Ok(())
}

fn echo(paper: &mut Paper, transport: Transport, dir: &Path, rounds: usize) -> Result<(), Error> {
    let kinds = [Kind::Net, Kind::Tokio, Kind::TokioThreads];
    let mut pairs = pairs(&kinds, transport, dir, &Wrap::default())?;
    for (size, calls) in LARGE {
        let order = Order::Echo {
            size: size * MIB,
            calls,
        };
        take_turns(&mut pairs, order, 1);
        let taken = take_turns(&mut pairs, order, rounds);
        paper.print(&format!(
            "\n{}: a value of {size} MiB there and back, MB/s (its size by the time)",
            transport.name()
        ))?;
        compare(paper, &pairs, &taken, &[(0, 1), (0, 2)], |round| {
            Ok((size * MIB * calls) as f64 / round.client.get("took")?)
        })?;
    }
    Ok(())
}

/// The table of one measure: for each couple (ours, bare), both medians and the ratio of neighbouring rounds.
pub(crate) fn compare(
    paper: &mut Paper,
    pairs: &[Pair],
    taken: &[Vec<Round>],
    couples: &[(usize, usize)],
    measure: impl Fn(&Round) -> Result<f64, Error>,
) -> Result<(), Error> {
    let values: Vec<Vec<f64>> = taken
        .iter()
        .map(|rounds| rounds.iter().map(&measure).collect())
        .collect::<Result<_, _>>()?;
    let mut table = Table::new(&["ours / bare", "ours", "bare", "ratio", "(least-most)"]);
    for (ours, bare) in couples {
        let ratios = values[*ours]
            .iter()
            .zip(&values[*bare])
            .map(|(ours, bare)| ours / bare);
        let (ratio, least, most) = spread(ratios);
        table.row(vec![
            format!("{} / {}", pairs[*ours].label, pairs[*bare].label),
            number(spread(values[*ours].clone()).0),
            number(spread(values[*bare].clone()).0),
            number(ratio),
            format!("({}-{})", number(least), number(most)),
        ]);
    }
    paper.print(table.to_string().trim_end())
}

/// What each call costs either side. Processes that do not count allocations have none shown.
pub(crate) fn costs(
    paper: &mut Paper,
    pairs: &[Pair],
    taken: &[Vec<Round>],
    order: Order,
) -> Result<(), Error> {
    let mut table = Table::new(&[
        "each call, client | server",
        "allocations",
        "bytes allocated",
        "waits",
        "preemptions",
        "cpu µs",
    ]);
    for (pair, rounds) in pairs.iter().zip(taken) {
        let each = |name: &str| {
            let side = |of: fn(&Round) -> &lines::Report| {
                let values: Option<Vec<f64>> =
                    rounds.iter().map(|round| of(round).find(name)).collect();
                values.map_or("-".to_owned(), |values| {
                    number(spread(values).0 / order.calls() as f64)
                })
            };
            format!(
                "{} | {}",
                side(|round| &round.client),
                side(|round| &round.server)
            )
        };
        let measures = ["allocations", "bytes", "waits", "preemptions", "cpu"];
        table.row(
            std::iter::once(pair.label.clone())
                .chain(measures.iter().map(|name| each(name)))
                .collect(),
        );
    }
    paper.print(table.to_string().trim_end())
}
