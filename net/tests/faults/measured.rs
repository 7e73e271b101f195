//! A peer in a process of its own, and what it says of that process: memory, tasks, threads, descriptors, warnings.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeSet;
use std::io::Read as _;
use std::process::Command;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use net::value::Bytes;
use net::{CallError, Limits, Peer, Remote};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

use crate::common::process::Process;
use crate::common::{Place, until};

/// Tells the test that it is to run a peer, and of which kind.
const ROLE: &str = "APP_NET_TEST_PEER";
/// Its limits that are not the usual ones, as `name=number`, with spaces between.
const LIMITS: &str = "APP_NET_TEST_LIMITS";
/// Bytes of answers that may wait for a peer that does not take them: so few that it is reached.
pub(crate) const MAX_UNSENT: u64 = 8 << 20;

static PEER: OnceLock<Peer> = OnceLock::new();

/// Starts one that meets others only as it is dialled.
pub(crate) fn quiet(place: &Place) -> Process {
    limited(place, "")
}

/// Starts one as [`quiet`] with other limits, as `name=number`, with spaces between.
pub(crate) fn limited(place: &Place, limits: &str) -> Process {
    start(place, "quiet", limits)
}

/// Starts one that looks for others on this host.
pub(crate) fn finding(place: &Place) -> Process {
    start(place, "finding", "")
}

/// Starts one as [`quiet`] in which little may wait: [`MAX_UNSENT`].
pub(crate) fn tight(place: &Place) -> Process {
    limited(place, &format!("max_unsent={MAX_UNSENT}"))
}

fn start(place: &Place, role: &str, limits: &str) -> Process {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "measured_peer", "--nocapture"])
        .env(LIMITS, limits)
        .env(ROLE, role);
    Process::start(&mut command, place)
}

pub(crate) fn run_if_asked() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    tracing::subscriber::set_global_default(Log).unwrap();
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        report(panic);
    }));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // So that what is left is seen at once.
        .thread_keep_alive(Duration::from_millis(100))
        .enable_all()
        .build()
        .unwrap();
    let limits = limits(&std::env::var(LIMITS).unwrap());
    let builder = Peer::builder().port(0).port_range(0).limits(limits);
    let starting = builder.discover(role == "finding").start();
    let peer = runtime.block_on(starting).unwrap();
    println!("\nready {} {}", peer.id(), peer.addresses().join(" "));
    PEER.set(peer.clone()).unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    runtime.block_on(peer.shutdown());
}

fn limits(settings: &str) -> Limits {
    let mut limits = Limits::default();
    for setting in settings.split_whitespace() {
        let (name, number) = setting.split_once('=').unwrap();
        let number: u64 = number.parse().unwrap();
        match name {
            "max_calls" => limits.max_calls = number as u32,
            "max_unsent" => limits.max_unsent = number,
            "max_held" => limits.max_held = number,
            "max_originals" => limits.max_originals = number as u32,
            "max_connections" => limits.max_connections = number as u32,
            "max_connections_from_one" => limits.max_connections_from_one = number as u32,
            other => panic!("{other}"),
        }
    }
    limits
}

/// What a process holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// Bytes allocated and not given back.
    pub(crate) live: i64,
    /// The most that there were since this was last asked.
    pub(crate) peak: i64,
    pub(crate) descriptors: usize,
    /// Without the library's own, of which there is one each, from when it is first needed.
    pub(crate) threads: usize,
    pub(crate) tasks: usize,
    /// Everything that was logged as a warning or worse.
    pub(crate) warnings: u64,
    /// Connections refused and links ended for a breach, at whichever level.
    pub(crate) refusals: u64,
    /// Those of functions, which are answers, among them.
    pub(crate) panics: u64,
    /// The limits that were named in the log, at whichever level.
    pub(crate) limits: BTreeSet<String>,
}

#[net::connect]
pub(crate) fn usage() -> Usage {
    let count = |directory| std::fs::read_dir(directory).map_or(0, Iterator::count);
    let metrics = tokio::runtime::Handle::current().metrics();
    let mut usage = Usage {
        live: 0,
        peak: 0,
        descriptors: count("/proc/self/fd"),
        threads: threads(),
        tasks: metrics.num_alive_tasks(),
        warnings: WARNINGS.load(Ordering::Relaxed),
        refusals: REFUSALS.load(Ordering::Relaxed),
        panics: PANICS.load(Ordering::Relaxed),
        limits: LIMITED.lock().unwrap().clone(),
    };
    // After those: what is seen to be gone has given back its memory.
    usage.live = LIVE.load(Ordering::Relaxed);
    usage.peak = PEAK.swap(usage.live, Ordering::Relaxed);
    usage
}

/// Waits until there are no more tasks and descriptors than before.
pub(crate) async fn left_as(remote: &Remote, before: &Usage) {
    until("nothing of it is left", async || {
        let now = usage::on(remote).await.unwrap();
        now.tasks <= before.tasks && now.descriptors <= before.descriptors
    })
    .await;
}

fn threads() -> usize {
    let all = std::fs::read_dir("/proc/self/task").unwrap();
    let name = |thread: std::io::Result<std::fs::DirEntry>| {
        // One that ends meanwhile has none any more.
        std::fs::read_to_string(thread.ok()?.path().join("comm")).ok()
    };
    all.filter_map(name)
        .filter(|name| !name.starts_with("net-"))
        .count()
}

#[net::connect]
pub(crate) fn multiply(a: i64, b: i64) -> i64 {
    // Those who mean harm choose them.
    a.wrapping_mul(b)
}

/// Answers after a while, without keeping a thread.
#[net::connect]
pub(crate) async fn wait(milliseconds: u64) -> u64 {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    milliseconds
}

#[net::connect]
pub(crate) fn echo(data: Bytes) -> Bytes {
    data
}

/// As [`echo`], with what is held in common.
#[net::connect]
pub(crate) fn share(data: Bytes<bytes::Bytes>) -> Bytes<bytes::Bytes> {
    data
}

/// A large answer to a small call.
#[net::connect]
pub(crate) fn zeros(bytes: usize) -> Bytes {
    Bytes(vec![0; bytes])
}

/// The peers that this one sees.
#[net::connect]
pub(crate) async fn seen() -> Vec<String> {
    let peers = PEER.get().unwrap().peers().await;
    peers
        .iter()
        .map(|peer| peer.id().unwrap().to_string())
        .collect()
}

/// What has become of the calls that this process was told to make.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) answered: u64,
    pub(crate) lost: u64,
    pub(crate) otherwise: u64,
}

static TALLY: Mutex<Tally> = Mutex::new(Tally {
    answered: 0,
    lost: 0,
    otherwise: 0,
});

/// Has this process call `wait` so many times on the peer with this id, and an echo of so many bytes; ends at once.
#[net::connect]
pub(crate) fn start_calling(id: String, calls: u64, milliseconds: u64, bytes: usize) {
    let remote = PEER.get().unwrap().remote(&id).unwrap();
    let mut all = JoinSet::new();
    for _ in 0..calls {
        let call = wait::on(&remote, milliseconds);
        all.spawn(async move { call.await.map(|answer| answer == milliseconds) });
    }
    let call = echo::on(&remote, Bytes(vec![7; bytes]));
    all.spawn(async move { call.await.map(|answer| answer.0.len() == bytes) });
    tokio::spawn(async move {
        while let Some(ended) = all.join_next().await {
            let mut tally = TALLY.lock().unwrap();
            match ended.unwrap() {
                Ok(true) => tally.answered += 1,
                Err(CallError::Lost { .. }) => tally.lost += 1,
                Ok(false) | Err(_) => tally.otherwise += 1,
            }
        }
    });
}

#[net::connect]
pub(crate) fn tally() -> Tally {
    *TALLY.lock().unwrap()
}

static LIVE: AtomicI64 = AtomicI64::new(0);
static PEAK: AtomicI64 = AtomicI64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The system's allocator, counting what is held.
struct Counting;

impl Counting {
    fn add(size: usize) {
        let now = LIVE.fetch_add(size as i64, Ordering::Relaxed) + size as i64;
        PEAK.fetch_max(now, Ordering::Relaxed);
    }
}

// SAFETY: every request goes to the system's allocator as it came; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::add(layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::add(layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        Self::add(size);
        // SAFETY: as the caller promised.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(block, layout) }
    }
}

static WARNINGS: AtomicU64 = AtomicU64::new(0);
static REFUSALS: AtomicU64 = AtomicU64::new(0);
static PANICS: AtomicU64 = AtomicU64::new(0);
static LIMITED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Counts what is logged.
struct Log;

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::DEBUG && metadata.target().starts_with("net")
    }

    fn event(&self, event: &Event<'_>) {
        if *event.metadata().level() <= Level::WARN {
            WARNINGS.fetch_add(1, Ordering::Relaxed);
        }
        event.record(&mut Refusal);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Refusal;

impl Visit for Refusal {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if matches!(field.name(), "limit" | "why" | "error") {
            let text = format!("{value:?}");
            let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
            let names = words.filter(|word| word.starts_with("max_") || word.ends_with("_window"));
            LIMITED.lock().unwrap().extend(names.map(str::to_owned));
        }
        if field.name() == "message" {
            let text = format!("{value:?}");
            if text.starts_with("connection refused") || text.starts_with("link ended") {
                REFUSALS.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
