//! The machine that the numbers are from, and the programs on it that the bench can use.

use std::fs;
use std::process::{Command, Stdio};

/// The core that both ends are pinned to: not the first, which most interrupts go to.
fn core() -> usize {
    std::thread::available_parallelism().map_or(0, |cores| usize::from(cores.get() > 1))
}

/// What both ends are started behind to stay on one core, or why that cannot be.
pub(crate) fn pin() -> Result<Vec<String>, String> {
    let core = core().to_string();
    let words: Vec<String> = ["taskset", "-c", &core].map(str::to_owned).to_vec();
    match runs(&words, "true") {
        true => Ok(words),
        false => {
            Err("`taskset -c` does not work here: both ends run where the system puts them".into())
        }
    }
}

/// Whether `program` runs, and ends well, behind `wrap`.
pub(crate) fn runs(wrap: &[String], program: &str) -> bool {
    let mut command = Command::new(&wrap[0]);
    command
        .args(&wrap[1..])
        .arg(program)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// One line of what the numbers depend on.
pub(crate) fn describe() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .and_then(|line| line.split(": ").nth(1));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{} x {}, Linux {}, load {}",
        cores,
        cpu.unwrap_or("unknown processor"),
        kernel.trim(),
        load()
    )
}

/// The load of the last minute: above nothing, others worked on the machine meanwhile.
pub(crate) fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace()
        .next()
        .unwrap_or("unknown")
        .to_owned()
}

/// Today.
pub(crate) fn date() -> String {
    let said = Command::new("date").arg("+%F").output();
    let said = said.map(|said| said.stdout).unwrap_or_default();
    String::from_utf8_lossy(&said).trim().to_owned()
}

/// Descriptors that a process may have. The limit of this one, and of those it starts, is raised to that.
pub(crate) fn descriptors() -> usize {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls read or write one `rlimit`, which is there.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
    }
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}
