//! System calls for each call, by name: counted over two runs that differ only in how many calls they make, so that
//! starting and ending cancel out. `perf` counts them in the kernel at little cost; `strace` stops the process at each,
//! so that what depends on time (batches, above all) is not as it is in truth.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::child::{Pair, Wrap};
use crate::suite::Paper;
use crate::table::Table;
use crate::{Kind, host};
use lines::Transport;
use lines::{Error, Order};

/// Calls of the shorter run, and of the longer one.
const CALLS: (usize, usize) = (5_000, 25_000);
/// What happens less often than once in so many calls is left out.
const RARE: f64 = 0.01;

type Counts = BTreeMap<String, f64>;

/// What counts.
#[derive(Clone)]
enum Tracer {
    /// With the tracepoints that this kernel has of those that matter.
    Perf(String),
    Strace,
}

/// Where the kernel lists its tracepoints.
const TRACEPOINTS: &str = "/sys/kernel/tracing/events/syscalls";
/// The system calls of sockets, waiting, threads and memory. All that there are would be hundreds of counters, which cost
/// at each switch of threads.
const WATCHED: &str = "read write readv writev recvfrom sendto recvmsg sendmsg epoll_wait epoll_pwait epoll_ctl poll ppoll \
    select pselect6 futex sched_yield nanosleep clock_nanosleep mmap munmap mremap brk madvise mprotect ioctl fcntl";

impl Tracer {
    fn find() -> Option<Self> {
        let there = |name: &&str| {
            Path::new(TRACEPOINTS)
                .join(format!("sys_enter_{name}"))
                .exists()
        };
        let names: Vec<String> = WATCHED
            .split_whitespace()
            .filter(there)
            .map(|name| format!("{PREFIX}{name}"))
            .collect();
        let perf = Self::Perf(names.join(","));
        if !names.is_empty() && host::runs(&perf.around("/dev/null"), "true") {
            return Some(perf);
        }
        host::runs(&Self::Strace.around("/dev/null"), "true").then_some(Self::Strace)
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Perf(_) => "perf",
            Self::Strace => "strace, which slows all of it",
        }
    }

    /// What a program is started behind, to be counted into `file`.
    fn around(&self, file: &str) -> Vec<String> {
        match self {
            Self::Perf(events) => ["perf", "stat", "-x,", "-o", file, "-e", events]
                .map(str::to_owned)
                .to_vec(),
            Self::Strace => ["strace", "-f", "-c", "-o", file]
                .map(str::to_owned)
                .to_vec(),
        }
    }

    fn read(&self, text: &str) -> Counts {
        match self {
            Self::Perf(_) => text.lines().filter_map(perf_line).collect(),
            Self::Strace => text.lines().filter_map(strace_line).collect(),
        }
    }
}

const PREFIX: &str = "syscalls:sys_enter_";

/// `count,unit,event,…`
fn perf_line(line: &str) -> Option<(String, f64)> {
    let mut words = line.split(',');
    let (count, name) = (words.next()?.parse().ok()?, words.nth(1)?);
    Some((name.strip_prefix(PREFIX)?.to_owned(), count))
}

/// The fourth word is how often, and the last is what.
fn strace_line(line: &str) -> Option<(String, f64)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (count, name) = (words.get(3)?.parse().ok()?, *words.last()?);
    (name != "total").then(|| (name.to_owned(), count))
}

/// Counts for each kind one at a time, pinned, and for those that can with 64 in flight, not pinned.
pub(crate) fn run(paper: &mut Paper, dir: &Path, pinned: &Wrap) -> Result<(), Error> {
    let Some(tracer) = Tracer::find() else {
        return paper
            .print("\nSystem calls: not counted, neither `perf` nor `strace` may trace here");
    };
    let kinds = [
        Kind::Net,
        Kind::Tokio,
        Kind::TokioThreads,
        Kind::NetWait,
        Kind::Std,
        Kind::NetTls,
        Kind::NetTlsWait,
        Kind::StdTls,
    ];
    let plain = &kinds[..5];
    for transport in Transport::ALL {
        let what = format!(
            "{}: system calls of each call, one at a time, both ends on one core",
            transport.name()
        );
        let order = |calls| Order::Latency { calls };
        let kinds = match transport {
            Transport::Unix => plain,
            Transport::Tcp => &kinds,
        };
        count(
            paper,
            &tracer,
            &what,
            &Plan {
                transport,
                kinds,
                wrap: pinned,
                dir,
            },
            order,
        )?;
    }
    let plan = Plan {
        transport: Transport::Unix,
        kinds: &plain[..3],
        wrap: &Wrap::default(),
        dir,
    };
    let order = |calls| Order::Flight { window: 64, calls };
    count(
        paper,
        &tracer,
        "unix: system calls of each call, 64 in flight",
        &plan,
        order,
    )
}

/// What is counted, and how it is started.
struct Plan<'a> {
    transport: Transport,
    kinds: &'a [Kind],
    wrap: &'a Wrap,
    dir: &'a Path,
}

fn count(
    paper: &mut Paper,
    tracer: &Tracer,
    what: &str,
    plan: &Plan<'_>,
    order: impl Fn(usize) -> Order,
) -> Result<(), Error> {
    paper.print(&format!("\n{what} (by {})", tracer.name()))?;
    let mut table = Table::new(&["", "client", "server", "client: which", "server: which"]);
    for kind in plan.kinds {
        let few = traced(tracer, *kind, plan, order(CALLS.0))?;
        let many = traced(tracer, *kind, plan, order(CALLS.1))?;
        let more = (CALLS.1 - CALLS.0) as f64;
        let sides = [(&few.0, &many.0), (&few.1, &many.1)].map(|(few, many)| each(few, many, more));
        let total = |counts: &Counts| format!("{:.2}", counts.values().sum::<f64>());
        table.row(vec![
            kind.label().into(),
            total(&sides[0]),
            total(&sides[1]),
            which(&sides[0]),
            which(&sides[1]),
        ]);
    }
    paper.print(table.to_string().trim_end())
}

/// One run of a pair of which both sides are traced; what each did, client first.
fn traced(
    tracer: &Tracer,
    kind: Kind,
    plan: &Plan<'_>,
    order: Order,
) -> Result<(Counts, Counts), Error> {
    let dir = tempfile::Builder::new()
        .prefix("trace")
        .tempdir_in(plan.dir)?;
    let files = [dir.path().join("client"), dir.path().join("server")];
    // The tracer within the pinning: what it traces inherits it.
    let around =
        |outer: &[String], file: &Path| [outer, &tracer.around(&file.to_string_lossy())].concat();
    let wrap = Wrap {
        client: around(&plan.wrap.client, &files[0]),
        server: around(&plan.wrap.server, &files[1]),
    };
    let mut pair = Pair::start(kind, plan.transport, dir.path(), &wrap)?;
    pair.round(order)?;
    pair.end()?;
    let [client, server] = files.each_ref().map(fs::read_to_string);
    Ok((tracer.read(&client?), tracer.read(&server?)))
}

fn each(few: &Counts, many: &Counts, calls: f64) -> Counts {
    many.iter()
        .map(|(name, count)| {
            (
                name.clone(),
                (count - few.get(name).copied().unwrap_or(0.0)) / calls,
            )
        })
        .filter(|(_, each)| *each >= RARE)
        .collect()
}

fn which(counts: &Counts) -> String {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by(|a, b| b.1.total_cmp(a.1));
    counts
        .iter()
        .map(|(name, each)| format!("{name} {each:.2}"))
        .collect::<Vec<_>>()
        .join(", ")
}
