//! How cost grows with what there is more of: calls in flight, links, bytes, functions. A table and a plot of each.

use std::path::Path;

use lines::{Error, Order, Transport};

use crate::child::{Pair, Round, Wrap};
use crate::field::{ALL, Field, values};
use crate::host;
use crate::plot::{Panel, Plot, Series};
use crate::suite::{MIB, Paper, take_turns};
use crate::table::{Table, number, spread};

/// What grows, and who is asked to bear it.
struct Growth {
    /// Of the plot's file.
    name: &'static str,
    /// Of what there is more and more.
    what: &'static str,
    rivals: &'static [&'static str],
    steps: &'static [usize],
    order: fn(usize) -> Order,
    /// How a step is written.
    label: fn(usize) -> String,
    panels: [Measure; 2],
}

/// What is read off a round, and its unit.
struct Measure {
    title: &'static str,
    unit: &'static str,
    of: fn(Order, &Round) -> Result<f64, Error>,
}

const CALLS_PER_SECOND: Measure = Measure {
    title: "throughput",
    unit: "calls/s",
    of: |order, round| Ok(order.calls() as f64 / round.client.get("took")? * 1e6),
};

const P50: Measure = Measure {
    title: "time of a call, median",
    unit: "µs",
    of: |_, round| round.client.get("p50"),
};

const P99: Measure = Measure {
    title: "time of a call, 99th percentile",
    unit: "µs",
    of: |_, round| round.client.get("p99"),
};

const BYTES_PER_SECOND: Measure = Measure {
    title: "throughput, a value's size by the time there and back",
    unit: "MB/s",
    of: |order, round| match order {
        Order::Echo { size, calls } => Ok((size * calls) as f64 / round.client.get("took")?),
        _ => Err("it sends no values".into()),
    },
};

const IN_FLIGHT: Growth = Growth {
    name: "in-flight",
    what: "calls in flight on one link",
    rivals: &ALL,
    steps: &[1, 4, 16, 64, 256, 1024, 4096],
    order: |window| Order::Flight {
        window,
        calls: if window < 16 { 8_000 } else { 32_000 },
    },
    label: thousands,
    panels: [CALLS_PER_SECOND, P99],
};

const LINKS: Growth = Growth {
    name: "links",
    what: "links to one server, 64 calls in flight over them in turn",
    rivals: &["tarpc"],
    steps: &[1, 10, 100, 1_000, 10_000],
    order: |links| Order::Links {
        links,
        calls: 40_000,
    },
    label: thousands,
    panels: [CALLS_PER_SECOND, P99],
};

const PAYLOAD: Growth = Growth {
    name: "payload",
    what: "size of a value there and back, one at a time",
    rivals: &ALL,
    steps: &[
        0,
        64,
        1024,
        16 * 1024,
        256 * 1024,
        4 * MIB,
        64 * MIB,
        256 * MIB,
    ],
    order: |size| Order::Echo {
        size,
        calls: (64 * MIB / size.max(1)).clamp(1, 2_000),
    },
    label: |size| match size {
        _ if size >= MIB => format!("{} MiB", size / MIB),
        _ if size >= 1024 => format!("{} KiB", size / 1024),
        _ => format!("{size} B"),
    },
    panels: [P50, BYTES_PER_SECOND],
};

const FUNCTIONS: Growth = Growth {
    name: "functions",
    what: "registered functions, called in turn, 64 calls in flight",
    rivals: &["nats"],
    steps: &[1, 10, 100, 1_000, 10_000, 100_000],
    order: |functions| Order::Functions {
        functions,
        calls: 100_000,
    },
    label: thousands,
    panels: [CALLS_PER_SECOND, P99],
};

/// Descriptors that a process has besides its links'.
const SPARE: usize = 100;

/// The rounds of each of the field at one step.
type Step = (usize, Vec<Vec<Round>>);

/// Measures all, and draws the plots into `plots`, if there is such a folder.
pub(crate) fn run(
    paper: &mut Paper,
    field: &Field<'_>,
    plots: Option<&Path>,
    rounds: usize,
) -> Result<(), Error> {
    // Before anything is started that is to have them.
    let descriptors = host::descriptors();
    for growth in [IN_FLIGHT, LINKS, PAYLOAD, FUNCTIONS] {
        let mut started = field.start(growth.rivals, Transport::Tcp, &Wrap::default())?;
        let labels: Vec<String> = started.labels().map(str::to_owned).collect();
        let steps = growth.climb(paper, &mut started.pairs, descriptors, rounds)?;
        drop(started);
        let mut heading = vec![""];
        heading.extend(labels.iter().map(String::as_str));
        for measure in &growth.panels {
            let (what, Measure { title, unit, .. }) = (growth.what, measure);
            paper.print(&format!("\ntcp: {title}, {unit}, against the {what}"))?;
            let table = growth.table(&heading, &steps, measure);
            paper.print(table.to_string().trim_end())?;
        }
        for why in growth.failures(&labels, &steps) {
            paper.print(&format!("  {why}"))?;
        }
        if growth.name == LINKS.name {
            paper.print("\ntcp: what a server holds for each link, idle after its calls, KiB")?;
            paper.print(idle_links(&heading, &steps).to_string().trim_end())?;
        }
        if let Some(plots) = plots {
            let file = plots.join(format!("growth-{}.svg", growth.name));
            let small_print = vec![
                format!(
                    "app-net {} beside {}",
                    env!("CARGO_PKG_VERSION"),
                    field.versions()
                ),
                format!(
                    "{}; {}; TCP on the loopback; medians of {rounds} rounds",
                    host::date(),
                    host::describe()
                ),
            ];
            let plot = growth.plot(&labels, &steps, small_print);
            std::fs::write(file, plot.to_string())?;
        }
    }
    Ok(())
}

impl Growth {
    /// All take their rounds at each step, from the least to the greatest.
    fn climb(
        &self,
        paper: &mut Paper,
        pairs: &mut [Pair],
        descriptors: usize,
        rounds: usize,
    ) -> Result<Vec<Step>, Error> {
        let mut steps = Vec::new();
        for &step in self.steps {
            let order = (self.order)(step);
            if matches!(order, Order::Links { .. }) && step + SPARE > descriptors {
                let links = thousands(step);
                paper.print(&format!(
                    "\n{links} links: left out, a process may have {descriptors} descriptors here"
                ))?;
                continue;
            }
            take_turns(pairs, order, 1);
            steps.push((step, take_turns(pairs, order, rounds)));
        }
        Ok(steps)
    }

    /// The median of a measure, if all rounds have it.
    fn median(&self, measure: &Measure, step: usize, rounds: &[Round]) -> Option<f64> {
        let order = (self.order)(step);
        let values = values(rounds, |round| (measure.of)(order, round)).ok()?;
        Some(spread(values).0)
    }

    fn table(&self, heading: &[&str], steps: &[Step], measure: &Measure) -> Table {
        let mut table = Table::new(heading);
        for (step, taken) in steps {
            let medians = taken
                .iter()
                .map(|rounds| self.median(measure, *step, rounds))
                .map(|median| median.map_or("cannot".to_owned(), number));
            table.row(
                std::iter::once((self.label)(*step))
                    .chain(medians)
                    .collect(),
            );
        }
        table
    }

    /// Who could not at which step, and why.
    fn failures(&self, labels: &[String], steps: &[Step]) -> Vec<String> {
        let mut failures = Vec::new();
        for (step, taken) in steps {
            for (label, rounds) in labels.iter().zip(taken) {
                let why = rounds
                    .iter()
                    .find_map(|round| round.client.get("took").err());
                failures.extend(why.map(|why| {
                    let step = (self.label)(*step);
                    format!("{label} cannot at {step}: {why}")
                }));
            }
        }
        failures
    }

    fn plot(&self, labels: &[String], steps: &[Step], small_print: Vec<String>) -> Plot {
        let series = |measure: &Measure, place: usize| Series {
            label: labels[place].clone(),
            // The same in each plot: ours has the first.
            colour: ALL
                .iter()
                .position(|rival| *rival == labels[place])
                .map_or(0, |rival| rival + 1),
            points: steps
                .iter()
                .filter_map(|(step, taken)| {
                    let median = self.median(measure, *step, &taken[place])?;
                    // Nothing has no place among powers of ten.
                    (median > 0.0).then_some((*step, median))
                })
                .collect(),
        };
        let panel = |measure: &Measure| Panel {
            title: format!("{}, {}", measure.title, measure.unit),
            series: (0..labels.len())
                .map(|place| series(measure, place))
                .collect(),
        };
        let steps = self.steps.iter().map(|step| (*step, (self.label)(*step)));
        Plot {
            title: format!("Cost against the {}", self.what),
            steps: steps.collect(),
            across: self.what,
            panels: self.panels.iter().map(panel).collect(),
            small_print,
        }
    }
}

/// What a server holds more with many links than with one, for each.
fn idle_links(heading: &[&str], steps: &[Step]) -> Table {
    let mut table = Table::new(heading);
    let held = |rounds: &Vec<Round>| rounds.last()?.server.find("resident");
    let before = steps.first().map_or(&[][..], |(_, taken)| taken);
    for (links, taken) in steps.iter().filter(|(links, _)| *links >= 1_000) {
        let each = taken.iter().zip(before).map(|(rounds, before)| {
            let more = held(rounds)
                .zip(held(before))
                .map(|(held, before)| held - before);
            more.map_or("cannot".to_owned(), |more| {
                number(more / *links as f64 / 1024.0)
            })
        });
        table.row(std::iter::once(thousands(*links)).chain(each).collect());
    }
    table
}

/// 10,000 rather than 10000.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
