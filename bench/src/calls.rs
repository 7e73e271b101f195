//! System calls for each call, by name: counted by `strace` over two runs that differ only in how many calls they make,
//! so that starting and ending cancel out.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::child::{Pair, Wrap};
use crate::report::{Error, Order};
use crate::suite::Paper;
use crate::table::Table;
use crate::{Kind, Transport, host};

/// Calls of the shorter run, and of the longer one.
const CALLS: (usize, usize) = (2_000, 10_000);
/// What happens less often than once in so many calls is left out.
const RARE: f64 = 0.01;

type Counts = BTreeMap<String, f64>;

/// Counts for each kind one at a time, pinned, and for those that can with 64 in flight, not pinned.
pub(crate) fn run(paper: &mut Paper, dir: &Path, pinned: &Wrap) -> Result<(), Error> {
    if !host::can_trace() {
        return paper.print("\nSystem calls: not counted, `strace` is not installed or may not trace here");
    }
    let kinds = [Kind::Net, Kind::Tokio, Kind::TokioThreads, Kind::NetWait, Kind::Std];
    let latency = |calls| Order::Latency { calls };
    count(paper, "one at a time, both ends on one core", dir, &kinds, pinned, latency)?;
    let flight = |calls| Order::Flight { window: 64, calls };
    count(paper, "64 in flight", dir, &kinds[..3], &Wrap::default(), flight)
}

fn count(
    paper: &mut Paper,
    what: &str,
    dir: &Path,
    kinds: &[Kind],
    wrap: &Wrap,
    order: impl Fn(usize) -> Order,
) -> Result<(), Error> {
    paper.print(&format!("\nunix: system calls of each call, {what} (under strace, which slows all of it)"))?;
    let mut table = Table::new(&["", "client", "server", "client: which", "server: which"]);
    for kind in kinds {
        let (few, many) = (traced(*kind, dir, wrap, order(CALLS.0))?, traced(*kind, dir, wrap, order(CALLS.1))?);
        let more = (CALLS.1 - CALLS.0) as f64;
        let sides = [(&few.0, &many.0), (&few.1, &many.1)].map(|(few, many)| each(few, many, more));
        let total = |counts: &Counts| format!("{:.2}", counts.values().sum::<f64>());
        table.row(vec![kind.label().into(), total(&sides[0]), total(&sides[1]), which(&sides[0]), which(&sides[1])]);
    }
    paper.print(table.to_string().trim_end())
}

/// One run of a pair of which both sides are traced; what each did, client first.
fn traced(kind: Kind, dir: &Path, wrap: &Wrap, order: Order) -> Result<(Counts, Counts), Error> {
    let dir = tempfile::Builder::new().prefix("trace").tempdir_in(dir)?;
    let files = [dir.path().join("client"), dir.path().join("server")];
    let [client, server] = files.each_ref().map(|file| {
        let file = file.to_string_lossy();
        // The tracer within the pinning: what it traces inherits it.
        wrap.client.iter().cloned().chain(["strace", "-f", "-c", "-o", &file].map(str::to_owned)).collect()
    });
    let mut pair = Pair::start(kind, Transport::Unix, dir.path(), &Wrap { client, server })?;
    pair.round(order)?;
    pair.end()?;
    let [client, server] = files.each_ref().map(fs::read_to_string);
    Ok((summary(&client?), summary(&server?)))
}

/// Reads strace's summary: in each line of it the fourth word is how often, and the last is what.
fn summary(text: &str) -> Counts {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (count, name) = (words.get(3)?.parse().ok()?, *words.last()?);
        (name != "total").then(|| (name.to_owned(), count))
    };
    text.lines().filter_map(line).collect()
}

fn each(few: &Counts, many: &Counts, calls: f64) -> Counts {
    many.iter()
        .map(|(name, count)| (name.clone(), (count - few.get(name).copied().unwrap_or(0.0)) / calls))
        .filter(|(_, each)| *each >= RARE)
        .collect()
}

fn which(counts: &Counts) -> String {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by(|a, b| b.1.total_cmp(a.1));
    counts.iter().map(|(name, each)| format!("{name} {each:.2}")).collect::<Vec<_>>().join(", ")
}
