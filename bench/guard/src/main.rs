//! Runs one hot path so that what it costs can be counted: `app-net-guard PATH`. Says how many operations that were and what they
//! allocated. Without a path, names them all. `scripts/guard.py` runs it, and holds the figures against the committed ones.

mod allocation;
mod calling;
mod count;
mod events;
mod pair;
mod sessions;
mod values;

use std::process::ExitCode;

/// Does its operation in a steady state, and says how often that was counted.
type Path = fn() -> u32;

const PATHS: &[(&str, Path)] = &[
    ("handshake", sessions::handshake),
    ("call", sessions::call),
    ("64 calls", sessions::calls_in_flight),
    ("1 MiB body", sessions::large_body),
    ("event to 100", events::to_many),
    ("64 events", events::many_to_one),
    ("caller", calling::caller),
    ("caller in TLS", calling::caller_in_tls),
    ("function", calling::function),
    ("subscriber", events::function),
    ("two numbers", values::two_numbers),
    ("1,000 texts", values::texts),
    ("nested values", values::nested),
    ("1 MiB array", values::array),
];

fn main() -> ExitCode {
    let Some(wanted) = std::env::args().nth(1) else {
        PATHS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    let Some((_, run)) = PATHS.iter().find(|(name, _)| *name == wanted) else {
        eprintln!("app-net-guard: {wanted:?} is no path");
        return ExitCode::FAILURE;
    };
    let operations = run();
    println!("{operations} {}", count::allocations());
    ExitCode::SUCCESS
}
