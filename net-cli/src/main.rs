//! The `app-net` command line: what it takes, and which command runs. This crate is the only one that knows a terminal.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod argument;
mod call;
mod doctor;
mod failure;
mod find;
mod function;
mod group;
mod info;
mod join;
mod keys;
mod listing;
mod looking;
mod output;
mod peers;
mod target;

use failure::{Failure, Status};
use net::Peer;

/// One thread may wait on a name look-up or a slow disk while the other goes on.
const THREADS: usize = 2;

/// Call any function of yours on any machine of yours.
#[derive(Debug, Parser)]
#[command(name = "app-net", version, after_help = failure::EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Write JSON to standard output, for programs to read
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the peers that are there
    Peers(peers::Args),
    /// Show what a peer is, and the functions it offers
    Info(info::Args),
    /// Call a function on a peer
    Call(call::Args),
    /// Say why a peer is not seen
    Doctor(doctor::Args),
    /// Show what each way to find peers sees
    Find(find::Args),
    /// Make, show, replace and forget the keys of groups
    #[command(subcommand)]
    Group(group::Command),
    /// Join a group: store the key in its join code
    Join(join::Args),
}

impl Command {
    async fn run(self, json: bool) -> Result<(), Failure> {
        match self {
            Self::Peers(args) => peers::run(args, json).await,
            Self::Info(args) => info::run(args, json).await,
            Self::Call(args) => call::run(args, json).await,
            Self::Doctor(args) => doctor::run(args, json).await,
            Self::Find(args) => find::run(args, json).await,
            Self::Group(command) => group::run(command, json),
            Self::Join(args) => join::run(&args, json),
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => {
            let done = runtime.block_on(cli.command.run(cli.json));
            // Whatever still goes on (looking around) is not waited for.
            runtime.shutdown_background();
            done
        }
        Err(error) => Err(Failure::new(
            Status::NotCalled,
            format!("cannot start: {error}"),
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            failure.status().into()
        }
    }
}

/// This process's own peer: it calls, offers nothing, cannot be dialled, and others do not list it.
///
/// Where the address to call is known there is no need to look around.
async fn start_peer(discover: bool) -> Result<Peer, Failure> {
    let builder = Peer::builder()
        .transient(true)
        .listen(false)
        .functions(false)
        .discover(discover);
    Ok(builder.start().await?)
}
