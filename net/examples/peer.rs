//! A peer with a few functions, to call from another terminal:
//!
//! ```text
//! cargo run --example peer
//! cargo run -p app-net-cli -- call peer.multiply 6 7
//! ```
//!
//! It says that it is ready on its first line of output, and runs until its input ends (Ctrl-D).

use std::error::Error;
use std::io::Read as _;
use std::process::ExitCode;
use std::time::Duration;

/// Multiplies two numbers.
#[net::connect]
fn multiply(a: i64, #[net(default = 5)] b: i64) -> i64 {
    a * b
}

/// Keeps a thread busy.
#[net::connect]
fn block(milliseconds: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(milliseconds));
    milliseconds
}

/// Gives back what it is given.
#[net::connect]
fn echo(data: net::value::Bytes) -> net::value::Bytes {
    data
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let peer = net::blocking::start()?;
    println!("ready {} {}", peer.id(), peer.addresses().join(" "));
    std::io::stdin().read_to_end(&mut Vec::new())?;
    net::blocking::shutdown(&peer);
    Ok(())
}
