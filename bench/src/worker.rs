//! The processes that do the work: a server or a client of one kind, driven by lines on standard input until it ends.

use std::io::{BufRead, Write};
use std::path::Path;
use std::process;

use tokio::runtime::{Builder, Runtime};

use crate::report::{Done, Error, Order};
use crate::usage::Usage;
use crate::{Kind, Transport, bare_std, bare_tokio, ours};

/// Threads of a runtime with more than one: the least that a peer takes without starting a runtime of its own.
const WORKERS: usize = 2;

/// Serves; says `ready <address>`, then for each line what it has used since the line before.
pub(crate) fn serve(kind: &str, transport: &str, dir: &Path) -> Result<(), Error> {
    let transport = if transport == "tcp" {
        Transport::Tcp
    } else {
        Transport::Unix
    };
    let kind: Kind = kind.parse()?;
    let runtime = runtime(kind)?;
    let address = match kind {
        Kind::Net | Kind::NetWait => ours::serve(&runtime, transport, dir)?,
        Kind::Tokio | Kind::TokioThreads => bare_tokio::serve(&runtime, transport, dir)?,
        Kind::Std => bare_std::serve(transport, dir)?,
    };
    say(&format!("ready {address}"))?;
    let mut before = Usage::now();
    let mut answer = |_: &str| {
        let now = Usage::now();
        let used = now.since(before);
        before = now;
        Ok(used.to_string())
    };
    if kind == Kind::Tokio {
        // A runtime of one thread runs on the thread that waits in it; the lines are then read on another.
        let (lines, mut line) = tokio::sync::mpsc::channel(1);
        std::thread::spawn(move || {
            std::io::stdin()
                .lock()
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| lines.blocking_send(line))
        });
        while let Some(line) = runtime.block_on(line.recv()) {
            say(&answer(&line)?)?;
        }
        process::exit(0);
    }
    each_line(answer)
}

/// Carries out the order of each line, and says what came of it and what it used.
pub(crate) fn ask(kind: &str, address: &str) -> Result<(), Error> {
    let kind: Kind = kind.parse()?;
    let runtime = runtime(kind)?;
    let remote = match kind {
        Kind::Net => Some(ours::connect(Some(&runtime), address)?),
        Kind::NetWait => Some(ours::connect(None, address)?),
        Kind::Tokio | Kind::TokioThreads | Kind::Std => None,
    };
    let work = |order: Order| -> Result<Done, Error> {
        match (kind, &remote) {
            // On the runtime's own threads, not on this one: that is where a program's tasks are.
            (Kind::Net, Some(remote)) => {
                runtime.block_on(runtime.spawn(ours::ask(remote.clone(), order)))?
            }
            (Kind::NetWait, Some(remote)) => ours::ask_and_wait(remote, order),
            (Kind::Tokio, _) => runtime.block_on(bare_tokio::ask(address.to_owned(), order)),
            (Kind::TokioThreads, _) => {
                runtime.block_on(runtime.spawn(bare_tokio::ask(address.to_owned(), order)))?
            }
            _ => bare_std::ask(address, order),
        }
    };
    say("ready")?;
    each_line(|line| {
        let order = line.parse()?;
        let before = Usage::now();
        let done = work(order)?;
        Ok(format!("{done} {}", Usage::now().since(before)))
    })
}

fn runtime(kind: Kind) -> std::io::Result<Runtime> {
    match kind {
        Kind::Net | Kind::TokioThreads => Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .enable_all()
            .build(),
        // A server is the same for both; a client that waits has the peer's own runtime, and this one idles.
        Kind::NetWait => Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .enable_all()
            .build(),
        Kind::Tokio | Kind::Std => Builder::new_current_thread().enable_all().build(),
    }
}

fn each_line(mut answer: impl FnMut(&str) -> Result<String, Error>) -> Result<(), Error> {
    for line in std::io::stdin().lock().lines() {
        say(&answer(&line?)?)?;
    }
    // Not through the runtimes' ends: nothing is left to be said, and a server still listens.
    process::exit(0);
}

fn say(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
