//! The same beside bare sockets of Python: pairs of the scripts in `bench/python`, which keep to the same lines.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::child::{Pair, Wrap};
use crate::suite::{Paper, compare, costs, take_turns};
use lines::{Error, Order};

const LATENCY: Order = Order::Latency { calls: 5_000 };
const WARM_UP: Order = Order::Latency { calls: 1_000 };
const FLIGHT: Order = Order::Flight {
    window: 64,
    calls: 20_000,
};

/// Says whether `net` is this project's: the original has no such module of its own.
const IS_OURS: &str = "import net._net";

/// Runs both parts, or says why not.
pub(crate) fn run(
    paper: &mut Paper,
    python: &str,
    scripts: &Path,
    dir: &Path,
    pinned: &Wrap,
    rounds: usize,
) -> Result<(), Error> {
    let dir = tempfile::Builder::new().prefix("python").tempdir_in(dir)?;
    if !is_ours(python, dir.path()) {
        let line = format!(
            "\nPython: skipped, `import net` of {python} is not this project's (`make setup` installs it)"
        );
        return paper.print(&line);
    }
    let start = |script: &str, kind: &str, wrap: &Wrap| {
        let program = |role: &str| {
            let place = dir.path().join(kind);
            let script = scripts.join(script);
            [
                python,
                &script.to_string_lossy(),
                role,
                kind,
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
        Pair::of(&format!("{kind} (Python)"), &program("serve"), client, wrap)
    };
    let mut pairs = vec![
        start("ours.py", "net", pinned)?,
        start("bare.py", "socket", pinned)?,
    ];
    take_turns(&mut pairs, WARM_UP, 1);
    let taken = take_turns(&mut pairs, LATENCY, rounds);
    paper.print(
        "\nunix, Python both ends: one small call at a time, both ends on one core, p50 in µs",
    )?;
    compare(paper, &pairs, &taken, &[(0, 1)], |round| {
        round.client.get("p50")
    })?;
    costs(paper, &pairs, &taken, LATENCY)?;
    drop(pairs);

    let free = Wrap::default();
    let mut pairs = vec![
        start("ours.py", "net.submit", &free)?,
        start("ours.py", "net.aio", &free)?,
        start("bare.py", "asyncio", &free)?,
    ];
    take_turns(&mut pairs, FLIGHT, 1);
    let taken = take_turns(&mut pairs, FLIGHT, rounds);
    paper.print("\nunix, Python both ends: 64 small calls in flight on one link, calls/s")?;
    compare(paper, &pairs, &taken, &[(0, 2), (1, 2)], |round| {
        Ok(FLIGHT.calls() as f64 / round.client.get("took")? * 1e6)
    })?;
    costs(paper, &pairs, &taken, FLIGHT)
}

fn is_ours(python: &str, dir: &Path) -> bool {
    let mut command = Command::new(python);
    // To import it starts a peer: in a place of its own, at a port that the system gives.
    command
        .args(["-c", IS_OURS])
        .env("NET_RUNTIME_DIR", dir)
        .env("NET_PORT", "0");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
