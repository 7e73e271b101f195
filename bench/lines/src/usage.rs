//! What a process has used so far, and the difference between two such moments.

use std::fmt;
use std::mem::MaybeUninit;

use crate::alloc;

/// Counters of this process since its start, or between two moments.
#[derive(Clone, Copy)]
pub struct Usage {
    allocations: u64,
    bytes: u64,
    /// Times that a thread gave up its core to wait: what a wake-up follows.
    waits: i64,
    /// Times that a thread was taken off its core.
    preemptions: i64,
    cpu_micros: i64,
    /// Memory that it holds: not a counter, so the later of two moments has it.
    resident: u64,
}

impl Usage {
    /// As of now.
    #[must_use]
    pub fn now() -> Self {
        let (allocations, bytes) = alloc::so_far();
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the call writes one `rusage` where it is told to; zeroed, it is a valid one even if the call fails.
        let usage = unsafe {
            libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
            usage.assume_init()
        };
        let micros = |time: libc::timeval| time.tv_sec * 1_000_000 + time.tv_usec;
        Self {
            allocations,
            bytes,
            waits: usage.ru_nvcsw,
            preemptions: usage.ru_nivcsw,
            cpu_micros: micros(usage.ru_utime) + micros(usage.ru_stime),
            resident: resident(),
        }
    }

    /// What was used between `earlier` and this.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            allocations: self.allocations - earlier.allocations,
            bytes: self.bytes - earlier.bytes,
            waits: self.waits - earlier.waits,
            preemptions: self.preemptions - earlier.preemptions,
            cpu_micros: self.cpu_micros - earlier.cpu_micros,
            resident: self.resident,
        }
    }
}

/// Bytes that the process has in memory, where the system says so in pages.
fn resident() -> u64 {
    // SAFETY: it takes no pointers and changes nothing.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: Option<u64> = pages
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0) * u64::try_from(page).unwrap_or(0)
}

/// As a part of a [report](crate::report::Report).
impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "allocations={} bytes={} waits={} preemptions={} cpu={} resident={}",
            self.allocations,
            self.bytes,
            self.waits,
            self.preemptions,
            self.cpu_micros,
            self.resident
        )
    }
}
