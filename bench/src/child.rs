//! The driver's hold on its processes: a server and a client that belong together, started, told what to do, ended.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child as Process, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Kind;
use lines::Transport;
use lines::{Error, Order, Report};

/// A process that answers each line with a line, and may say that it `cannot`, and why.
struct Child {
    name: String,
    process: Process,
    /// None once it was told to end.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Child {
    /// Starts `program` behind `wrap` (a program that runs another, with its options).
    fn start(wrap: &[String], program: &[String]) -> Result<Self, Error> {
        let words: Vec<&String> = wrap.iter().chain(program).collect();
        let (first, rest) = words.split_first().ok_or("no program to start")?;
        let name = words
            .iter()
            .map(|word| word.as_str())
            .collect::<Vec<_>>()
            .join(" ");
        let mut process = Command::new(first)
            .args(rest)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {name}: {error}"))?;
        let orders = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().ok_or("a process without output")?);
        Ok(Self {
            name,
            process,
            orders,
            answers,
        })
    }

    fn answer(&mut self) -> Result<String, Error> {
        let mut line = String::new();
        match self.answers.read_line(&mut line)? {
            0 => Err(format!("ended without an answer: {}", self.name).into()),
            _ => match line.trim_end().strip_prefix("cannot ") {
                Some(reason) => Err(reason.into()),
                None => Ok(line.trim_end().to_owned()),
            },
        }
    }

    fn ready(&mut self) -> Result<String, Error> {
        let line = self.answer()?;
        match line.strip_prefix("ready") {
            Some(address) => Ok(address.trim().to_owned()),
            None => Err(format!("{} said {line:?}", self.name).into()),
        }
    }

    fn tell(&mut self, order: &str) -> Result<Report, Error> {
        let orders = self
            .orders
            .as_mut()
            .ok_or("a process that has ended was asked")?;
        writeln!(orders, "{order}")?;
        self.answer()?.parse()
    }

    /// Ends it as it ends by itself, at the end of its orders, so that a tracer around it can say what it saw.
    fn end(&mut self) -> Result<(), Error> {
        drop(self.orders.take());
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.orders.is_some() {
            // Gone already, or about to go: either way it is waited for.
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// What one round of a pair gave.
pub(crate) struct Round {
    pub(crate) client: Report,
    pub(crate) server: Report,
}

/// A server and a client of one kind.
pub(crate) struct Pair {
    pub(crate) label: String,
    client: Child,
    server: Child,
    /// From the server's start until it said that it listens.
    pub(crate) listening_after: Duration,
}

/// How both processes are started.
#[derive(Clone, Default)]
pub(crate) struct Wrap {
    pub(crate) client: Vec<String>,
    pub(crate) server: Vec<String>,
}

impl Wrap {
    /// Both behind the same program.
    pub(crate) fn both(words: &[String]) -> Self {
        Self {
            client: words.to_vec(),
            server: words.to_vec(),
        }
    }
}

impl Pair {
    /// A pair of this program's own kinds.
    pub(crate) fn start(
        kind: Kind,
        transport: Transport,
        dir: &Path,
        wrap: &Wrap,
    ) -> Result<Self, Error> {
        let me = std::env::current_exe()?;
        let program = |words: &[&str]| -> Vec<String> {
            let me: PathBuf = me.clone();
            std::iter::once(me.to_string_lossy().into_owned())
                .chain(words.iter().map(|w| (*w).to_owned()))
                .collect()
        };
        let dir = dir.to_string_lossy();
        Self::of(
            kind.label(),
            &program(&["serve", kind.name(), transport.name(), &dir]),
            |address| program(&["ask", kind.name(), address]),
            wrap,
        )
    }

    /// A pair of any programs that keep to the lines.
    pub(crate) fn of(
        label: &str,
        server: &[String],
        client: impl FnOnce(&str) -> Vec<String>,
        wrap: &Wrap,
    ) -> Result<Self, Error> {
        let start = Instant::now();
        let mut server = Child::start(&wrap.server, server)?;
        let address = server.ready()?;
        let listening_after = start.elapsed();
        let mut client = Child::start(&wrap.client, &client(&address))?;
        client.ready()?;
        Ok(Self {
            label: label.to_owned(),
            client,
            server,
            listening_after,
        })
    }

    /// Carries out one order. That one of them has ended is told as an order that could not be carried out.
    pub(crate) fn attempt(&mut self, order: Order) -> Round {
        self.round(order).unwrap_or_else(|error| {
            let report = Report::cannot(error);
            Round {
                client: report.clone(),
                server: report,
            }
        })
    }

    /// What the server has used since it was last asked.
    pub(crate) fn server_used(&mut self) -> Result<Report, Error> {
        self.server.tell("mark")
    }

    /// Carries out one order.
    pub(crate) fn round(&mut self, order: Order) -> Result<Round, Error> {
        self.server.tell("mark")?;
        let client = self.client.tell(&order.to_string())?;
        let server = self.server.tell("mark")?;
        Ok(Round { client, server })
    }

    /// Ends both, the client first.
    pub(crate) fn end(mut self) -> Result<(), Error> {
        self.client.end()?;
        self.server.end()
    }
}
