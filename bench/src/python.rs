//! The same with both ends in Python, beside bare sockets and rivals: pairs of what is in `bench/python`, which keeps
//! to the same lines. A row that cannot be measured says why, and leaves the others.

mod parts;

use std::path::{Path, PathBuf};

use crate::child::{Pair, Round, Wrap};
use crate::suite::{Paper, costs, take_turns};
use crate::table::{Table, number, spread};
use lines::{Error, Order};
use parts::{Contestant, Environment, PARTS, Part};

/// The other environments, from the folder of the scripts.
const RIVALS: &str = "../../.venv-bench/bin/python";
const ORIGINAL: &str = "../../.venv-original/bin/python";

/// Makes all tables.
pub(crate) fn run(
    paper: &mut Paper,
    python: &str,
    scripts: &Path,
    dir: &Path,
    pinned: &Wrap,
    rounds: usize,
) -> Result<(), Error> {
    // Each process goes to a folder of its own.
    let scripts = std::path::absolute(scripts)?;
    let free = Wrap::default();
    for part in &PARTS {
        let wrap = if part.pinned { pinned } else { &free };
        let (mut pairs, mut missing) = (Vec::new(), Vec::new());
        for contestant in part.contestants {
            let place = tempfile::Builder::new().prefix("python").tempdir_in(dir)?;
            let warm = start(contestant, python, &scripts, &place.keep(), wrap)
                .and_then(|mut pair| pair.round(part.warm_up).map(|_| pair));
            match warm {
                Ok(pair) => pairs.push(pair),
                Err(reason) => missing.push(format!("  {}: cannot: {reason}", contestant.label)),
            }
        }
        let taken = take_turns(&mut pairs, part.order, rounds);
        paper.print(&format!("\nPython both ends: {}", part.title))?;
        compare_to_ours(paper, part, &pairs, &taken)?;
        for line in missing {
            paper.print(&line)?;
        }
        if part.costs {
            costs(paper, &pairs, &taken, part.order)?;
        }
    }
    Ok(())
}

fn start(
    contestant: &Contestant,
    python: &str,
    scripts: &Path,
    place: &Path,
    wrap: &Wrap,
) -> Result<Pair, Error> {
    let interpreter = match contestant.environment {
        Environment::Ours => PathBuf::from(python),
        Environment::Rivals => scripts.join(RIVALS),
        Environment::Original => scripts.join(ORIGINAL),
    };
    if !interpreter.exists() {
        return Err("there is no Python environment for it (`make bench` makes them)".into());
    }
    let program = |role: &str| {
        [
            &interpreter.to_string_lossy(),
            &scripts.join("run.py").to_string_lossy(),
            contestant.module,
            role,
            contestant.way,
            &place.to_string_lossy(),
        ]
        .map(str::to_owned)
        .to_vec()
    };
    let client = |address: &str| {
        let mut words = program("ask");
        words.push(address.to_owned());
        words
    };
    Pair::of(contestant.label, &program("serve"), client, wrap)
}

/// The table of one measure: each median, and the ratio of neighbouring rounds to ours, which is the first row.
fn compare_to_ours(
    paper: &mut Paper,
    part: &Part,
    pairs: &[Pair],
    taken: &[Vec<Round>],
) -> Result<(), Error> {
    let values: Vec<Vec<f64>> = taken
        .iter()
        .map(|rounds| rounds.iter().map(|round| value(part, round)).collect())
        .collect::<Result<_, _>>()?;
    let ours = part.contestants.first().map(|ours| ours.label);
    let ours = pairs
        .iter()
        .position(|pair| Some(pair.label.as_str()) == ours);
    let mut table = Table::new(&["", "median", "to ours", "(least-most)"]);
    for (row, pair) in pairs.iter().enumerate() {
        let mut words = vec![pair.label.clone(), number(spread(values[row].clone()).0)];
        match ours {
            Some(ours) if ours != row => {
                let ratios = values[row].iter().zip(&values[ours]);
                let (ratio, least, most) = spread(ratios.map(|(rival, ours)| rival / ours));
                words.push(number(ratio));
                words.push(format!("({}-{})", number(least), number(most)));
            }
            _ => {}
        }
        table.row(words);
    }
    paper.print(table.to_string().trim_end())
}

/// What the order is measured in, in the part's unit.
fn value(part: &Part, round: &Round) -> Result<f64, Error> {
    let took = round.client.get("took")?;
    let value = match part.order {
        Order::Latency { .. } => round.client.get("p50")?,
        Order::Echo { size, calls } => (size * calls) as f64 / took,
        order => order.calls() as f64 / took * 1e6,
    };
    Ok(value / part.unit)
}
