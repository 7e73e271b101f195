//! How cost grows with what there is more of: calls in flight, links, bytes, functions. A table and a plot of each.

use std::path::Path;

use lines::{Error, Order, Transport};

use crate::child::{Round, Wrap};
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
        Order::Echo { size: 0, .. } => Err("it has no bytes".into()),
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

/// Measures all, and draws the plots into `plots`, if there is such a folder.
pub(crate) fn run(
    paper: &mut Paper,
    field: &Field<'_>,
    plots: Option<&Path>,
    rounds: usize,
) -> Result<(), Error> {
    for growth in [IN_FLIGHT, LINKS, PAYLOAD, FUNCTIONS] {
        let grown = growth.measure(paper, field, rounds)?;
        if let Some(plots) = plots {
            let file = plots.join(format!("growth-{}.svg", growth.name));
            std::fs::write(file, growth.plot(field, grown, rounds))?;
        }
    }
    Ok(())
}

/// For each measure and each of the field, the value at each step that it could bear.
type Grown = Vec<Vec<Series>>;

impl Growth {
    fn measure(&self, paper: &mut Paper, field: &Field<'_>, rounds: usize) -> Result<Grown, Error> {
        let mut started = field.start(self.rivals, Transport::Tcp, &Wrap::default())?;
        let labels: Vec<String> = started
            .pairs
            .iter()
            .map(|pair| pair.label.clone())
            .collect();
        let empty = |label: &String| Series {
            label: label.clone(),
            points: Vec::new(),
        };
        let mut grown: Grown = vec![labels.iter().map(empty).collect(); self.panels.len()];
        let mut heading = vec![self.what];
        heading.extend(labels.iter().map(String::as_str));
        let mut tables: Vec<Table> = self.panels.iter().map(|_| Table::new(&heading)).collect();
        let mut resident = Vec::new();
        let mut notes: Vec<String> = Vec::new();
        for &step in self.steps {
            let order = (self.order)(step);
            if matches!(order, Order::Links { .. }) && step + SPARE > host::descriptors() {
                let limit = host::descriptors();
                notes.push(format!(
                    "{step} links: this system allows a process {limit} descriptors"
                ));
                continue;
            }
            take_turns(&mut started.pairs, order, 1);
            let taken = take_turns(&mut started.pairs, order, rounds);
            for ((measure, table), grown) in self.panels.iter().zip(&mut tables).zip(&mut grown) {
                let mut row = vec![(self.label)(step)];
                for (series, rounds) in grown.iter_mut().zip(&taken) {
                    row.push(match values(rounds, |round| (measure.of)(order, round)) {
                        Ok(values) => {
                            let value = spread(values).0;
                            series.points.push((step, value));
                            number(value)
                        }
                        Err(why) => {
                            let why = format!("{} at {}: {why}", series.label, row[0]);
                            notes.push(why);
                            "cannot".to_owned()
                        }
                    });
                }
                table.row(row);
            }
            let held =
                |rounds: &Vec<Round>| rounds.last().and_then(|last| last.server.find("resident"));
            resident.push((step, taken.iter().map(held).collect::<Vec<_>>()));
        }
        for (measure, table) in self.panels.iter().zip(&tables) {
            paper.print(&format!(
                "\ntcp: {}, {}, against the {}",
                measure.title, measure.unit, self.what
            ))?;
            paper.print(table.to_string().trim_end())?;
        }
        notes.dedup();
        for note in notes {
            paper.print(&format!("  {note}"))?;
        }
        if matches!((self.order)(1), Order::Links { .. }) {
            idle_links(paper, &heading, &resident)?;
        }
        Ok(grown)
    }

    fn plot(&self, field: &Field<'_>, grown: Grown, rounds: usize) -> String {
        let panels = self
            .panels
            .iter()
            .zip(grown)
            .map(|(measure, series)| Panel {
                title: format!("{}, {}", measure.title, measure.unit),
                series,
            });
        Plot {
            title: format!("Cost against the {}", self.what),
            steps: self
                .steps
                .iter()
                .map(|step| (*step, (self.label)(*step)))
                .collect(),
            across: self.what,
            panels: panels.collect(),
            small_print: vec![
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
            ],
        }
        .to_string()
    }
}

/// What a server holds more with many links than with one, for each: links that were used, and are idle.
fn idle_links(
    paper: &mut Paper,
    heading: &[&str],
    resident: &[(usize, Vec<Option<f64>>)],
) -> Result<(), Error> {
    let mut table = Table::new(heading);
    let Some((_, before)) = resident.first() else {
        return Ok(());
    };
    for (links, held) in resident.iter().filter(|(links, _)| *links >= 1_000) {
        let each = held
            .iter()
            .zip(before)
            .map(|(held, before)| match (held, before) {
                (Some(held), Some(before)) => number((held - before) / *links as f64 / 1024.0),
                _ => "cannot".to_owned(),
            });
        table.row(std::iter::once(thousands(*links)).chain(each).collect());
    }
    paper.print("\ntcp: memory of the server for each link that is idle after its calls, KiB")?;
    paper.print(table.to_string().trim_end())
}

/// 10,000 rather than 10000.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
