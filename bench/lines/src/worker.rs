//! A worker's side of the lines: it says `ready`, then answers each line of standard input with one, until they end.

use std::io::{BufRead, Write};
use std::process;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Mutex;

use crate::client::{Client, Links};
use crate::report::{Error, Order};
use crate::usage::Usage;

/// Threads of a runtime with more than one: the least that a peer takes without starting a runtime of its own.
const WORKERS: usize = 2;

/// The runtime of all that are measured beside each other and can use more than one thread.
///
/// # Errors
///
/// The system has no threads or descriptors for it.
pub fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
}

/// A server's lines: where it is, then for each line what it has used since the line before.
///
/// # Errors
///
/// The driver has gone.
pub fn serve(address: &str) -> Result<(), Error> {
    say(&format!("ready {address}"))?;
    let mut meter = Meter::start();
    each_line(|_| Ok(meter.read()))
}

/// A client's lines: carries out the order of each, and says what came of it and what it used.
///
/// # Errors
///
/// The driver has gone. What an order fails with is said to it.
pub fn ask(mut work: impl FnMut(Order) -> Result<crate::Done, Error>) -> Result<(), Error> {
    say("ready")?;
    each_line(|line| {
        let order = line.parse()?;
        let before = Usage::now();
        let done = work(order)?;
        Ok(format!("{done} {}", Usage::now().since(before)))
    })
}

/// [`ask`] with a [`Client`], whose tasks run on the runtime's own threads: that is where a program's tasks are.
///
/// # Errors
///
/// It cannot connect, or as [`ask`].
pub fn ask_with<C: Client>(runtime: &Runtime, address: &str) -> Result<(), Error> {
    let links = runtime.block_on(Links::<C>::connect(address))?;
    let links = Arc::new(Mutex::new(links));
    ask(|order| {
        let links = Arc::clone(&links);
        let task = runtime.spawn(async move { links.lock().await.carry_out(order).await });
        runtime.block_on(task)?
    })
}

/// What this process has used since it was last asked.
pub struct Meter(Usage);

impl Meter {
    /// Begins to count.
    #[must_use]
    pub fn start() -> Self {
        Self(Usage::now())
    }

    /// As a part of a report.
    pub fn read(&mut self) -> String {
        let now = Usage::now();
        let used = now.since(self.0);
        self.0 = now;
        used.to_string()
    }
}

fn each_line(mut answer: impl FnMut(&str) -> Result<String, Error>) -> Result<(), Error> {
    for line in std::io::stdin().lock().lines() {
        say(&answer(&line?).unwrap_or_else(|error| cannot(&*error)))?;
    }
    // Not through the runtimes' ends: nothing is left to be said, and a server still listens.
    process::exit(0);
}

/// The line of one who cannot do what it is asked to.
#[must_use]
pub fn cannot(error: &(dyn std::error::Error + 'static)) -> String {
    format!("cannot {}", error.to_string().replace('\n', " "))
}

/// Says one line to the driver.
///
/// # Errors
///
/// The driver has gone.
pub fn say(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
