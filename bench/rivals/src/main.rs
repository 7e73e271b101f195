//! The bench's work, done with other libraries: each as its own documentation has it, with its limits raised to what is
//! asked of it, and nothing tuned besides.
//!
//! It keeps to the lines of the bench: `serve KIND TRANSPORT DIR` and `ask KIND ADDRESS`; `versions` says what is measured.

mod capnp;
mod nats;
mod sockets;
mod tarpc;
mod tonic;

use std::process::ExitCode;

use lines::{Error, Transport, alloc, worker};

// What Cap'n Proto's compiler generates names itself by this path.
::capnp::generated_code!(mod bench_capnp);

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

/// More calls in flight than any order has, for limits that have to be set to a number.
const MANY: usize = 8192;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let ended = match words.as_slice() {
        ["serve", kind, transport, dir] => serve(kind, transport, dir),
        ["ask", kind, address] => ask(kind, address),
        ["versions"] => worker::say(&versions()).map_err(Error::from),
        _ => Err("usage: rivals serve KIND TRANSPORT DIR | ask KIND ADDRESS | versions".into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // To the driver, which shows it in its tables.
            let _ = worker::say(&worker::cannot(&*error));
            ExitCode::FAILURE
        }
    }
}

fn serve(kind: &str, transport: &str, dir: &str) -> Result<(), Error> {
    let transport: Transport = transport.parse()?;
    let runtime = worker::runtime()?;
    let address = match kind {
        "tarpc" => runtime.block_on(tarpc::serve(transport, dir))?,
        "tonic" => runtime.block_on(tonic::serve(transport, dir))?,
        "nats" if transport == Transport::Unix => return Err("NATS has no Unix sockets".into()),
        "nats" => nats::serve(&runtime, dir)?,
        "capnp" => capnp::serve(transport, dir)?,
        _ => return Err(format!("{kind:?} is no rival").into()),
    };
    worker::serve(&address)
}

fn ask(kind: &str, address: &str) -> Result<(), Error> {
    let runtime = worker::runtime()?;
    match kind {
        "tarpc" => worker::ask_with::<tarpc::Link>(&runtime, address),
        "tonic" => worker::ask_with::<tonic::Link>(&runtime, address),
        "nats" => worker::ask_with::<nats::Link>(&runtime, address),
        "capnp" => capnp::ask(address),
        _ => Err(format!("{kind:?} is no rival").into()),
    }
}

/// Of the libraries, as they were built in, and of what they need besides.
fn versions() -> String {
    let lock: Vec<&str> = include_str!("../Cargo.lock").lines().collect();
    let version = |name: &str| {
        let heading = format!("name = {name:?}");
        let entry = lock.windows(2).find(|lines| lines[0] == heading);
        let version = entry.and_then(|lines| lines[1].split('"').nth(1));
        format!("{name} {}", version.unwrap_or("?"))
    };
    let mut all = ["tarpc", "tonic", "capnp-rpc", "async-nats"]
        .map(version)
        .to_vec();
    all.extend(nats::server_version());
    all.join(", ")
}
