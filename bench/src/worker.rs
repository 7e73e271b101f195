//! The processes that do the work: a server or a client of one kind, driven by lines on standard input until it ends.

use std::path::Path;
use std::process;

use lines::worker::{self, Meter, say};
use lines::{Error, Transport};
use net::Builder;
use tokio::runtime::{self, Runtime};

use crate::ours::{self, Net, NetTls};
use crate::{Kind, bare_std, bare_tls, bare_tokio};

/// Serves until the lines end.
pub(crate) fn serve(kind: &str, transport: &str, dir: &Path) -> Result<(), Error> {
    let transport: Transport = transport.parse()?;
    let kind: Kind = kind.parse()?;
    let runtime = runtime(kind)?;
    let address = match kind {
        Kind::Net | Kind::NetWait => ours::serve(&runtime, transport, dir, ours::quiet())?,
        Kind::NetTls | Kind::NetTlsWait => {
            ours::serve(&runtime, transport, dir, ours::with_a_key())?
        }
        Kind::Tokio | Kind::TokioThreads => bare_tokio::serve(&runtime, transport, dir)?,
        Kind::Std => bare_std::serve(transport, dir)?,
        Kind::StdTls => bare_tls::serve()?,
    };
    match kind {
        Kind::Tokio => serve_on_this_thread(&runtime, &address),
        _ => worker::serve(&address),
    }
}

/// A runtime of one thread runs on the thread that waits in it; the lines are then read on another.
fn serve_on_this_thread(runtime: &Runtime, address: &str) -> Result<(), Error> {
    say(&format!("ready {address}"))?;
    let (lines, mut line) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        std::io::stdin()
            .lines()
            .map_while(Result::ok)
            .try_for_each(|line| lines.blocking_send(line))
    });
    let mut meter = Meter::start();
    while runtime.block_on(line.recv()).is_some() {
        say(&meter.read())?;
    }
    process::exit(0);
}

/// Carries out the order of each line, and says what came of it and what it used.
pub(crate) fn ask(kind: &str, address: &str) -> Result<(), Error> {
    let kind: Kind = kind.parse()?;
    let runtime = runtime(kind)?;
    match kind {
        Kind::Net => worker::ask_with::<Net>(&runtime, address),
        Kind::NetTls => worker::ask_with::<NetTls>(&runtime, address),
        Kind::NetWait => ask_and_wait(address, ours::quiet()),
        Kind::NetTlsWait => ask_and_wait(address, ours::with_a_key()),
        Kind::Tokio => {
            worker::ask(|order| runtime.block_on(bare_tokio::ask(address.to_owned(), order)))
        }
        Kind::TokioThreads => worker::ask(|order| {
            runtime.block_on(runtime.spawn(bare_tokio::ask(address.to_owned(), order)))?
        }),
        Kind::Std => worker::ask(|order| bare_std::ask(address, order)),
        Kind::StdTls => worker::ask(|order| bare_tls::ask(address, order)),
    }
}

fn ask_and_wait(address: &str, builder: Builder) -> Result<(), Error> {
    let remote = ours::connect_and_wait(address, builder)?;
    worker::ask(|order| ours::ask_and_wait(&remote, order))
}

fn runtime(kind: Kind) -> std::io::Result<Runtime> {
    match kind {
        // A server is the same for both; a client that waits has the peer's own runtime, and this one idles.
        Kind::Net | Kind::NetWait | Kind::NetTls | Kind::NetTlsWait | Kind::TokioThreads => {
            worker::runtime()
        }
        Kind::Tokio | Kind::Std | Kind::StdTls => {
            runtime::Builder::new_current_thread().enable_all().build()
        }
    }
}
