//! Calls measured beside a bare socket: the same work, in one run, between two processes.
//!
//! Started plainly it is the driver ([`suite`]); it starts itself again as each server and each client, and tells them
//! what to do ([`child`], [`worker`]). README.md says how to read what it prints.

mod bare_std;
mod bare_tls;
mod bare_tokio;
mod calls;
mod child;
mod field;
mod growth;
mod host;
mod idle;
mod ours;
mod plot;
mod python;
mod rivals;
mod secured;
mod size;
mod suite;
mod table;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use lines::{Error, alloc};

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

/// Bytes of a small message on the bare sockets, its length included where it has one.
const MESSAGE: usize = 64;

const USAGE: &str = "usage: app-net-bench [--out FILE] [--plots DIR] [--rounds N] [--python PYTHON SCRIPTS] [--rivals PROGRAM]
    [PART...]
parts: latency flight echo tls calls python rivals events growth idle size (all of them where none is named)";

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Calls of this project, awaited.
    Net,
    /// Calls of this project, waited for by an ordinary thread.
    NetWait,
    /// As the first, in a group with a key.
    NetTls,
    /// As the second, in a group with a key.
    NetTlsWait,
    /// A bare tokio socket, on a runtime of one thread.
    Tokio,
    /// A bare tokio socket, on a runtime as ours has.
    TokioThreads,
    /// A bare socket of the standard library.
    Std,
    /// TLS over such a socket.
    StdTls,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Net,
        Self::NetWait,
        Self::NetTls,
        Self::NetTlsWait,
        Self::Tokio,
        Self::TokioThreads,
        Self::Std,
        Self::StdTls,
    ];

    /// In commands between the processes.
    fn name(self) -> &'static str {
        match self {
            Self::Net => "net",
            Self::NetWait => "net-wait",
            Self::NetTls => "net-tls",
            Self::NetTlsWait => "net-tls-wait",
            Self::Tokio => "tokio",
            Self::TokioThreads => "tokio-threads",
            Self::Std => "std",
            Self::StdTls => "std-tls",
        }
    }

    /// In tables.
    fn label(self) -> &'static str {
        match self {
            Self::Net => "net, awaited",
            Self::NetWait => "net, .wait()",
            Self::NetTls => "net over TLS, awaited",
            Self::NetTlsWait => "net over TLS, .wait()",
            Self::Tokio => "bare tokio, 1 thread",
            Self::TokioThreads => "bare tokio, 2 workers",
            Self::Std => "bare std",
            Self::StdTls => "bare TLS",
        }
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let kind = Self::ALL.into_iter().find(|kind| kind.name() == name);
        kind.ok_or_else(|| format!("{name:?} is no kind of worker").into())
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let ended = match words.as_slice() {
        ["serve", kind, transport, dir] => worker::serve(kind, transport, dir.as_ref()),
        ["ask", kind, address] => worker::ask(kind, address),
        words => options(words).and_then(|options| suite::run(&options)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("app-net-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options(words: &[&str]) -> Result<suite::Options, Error> {
    let mut options = suite::Options::default();
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .ok_or_else(|| format!("{word} needs a value\n{USAGE}"))
        };
        match word {
            "--out" => options.out = Some(PathBuf::from(value()?)),
            "--plots" => options.plots = Some(PathBuf::from(value()?)),
            "--rivals" => options.rivals = Some(value()?.to_owned()),
            "--rounds" => options.rounds = value()?.parse::<usize>()?.max(1),
            "--python" => options.python = Some((value()?.into(), value()?.into())),
            "-h" | "--help" => {
                println!("{USAGE}");
                std::process::exit(0);
            }
            part if suite::PARTS.contains(&part) => options.parts.push(part.to_owned()),
            _ => return Err(format!("{word:?} is not known\n{USAGE}").into()),
        }
    }
    Ok(options)
}
