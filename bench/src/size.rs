//! What a user builds and installs: the crates it takes, the time they take to build, the size of the program. Run where cargo is, in
//! the repository; nothing of an earlier build is used.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use lines::Error;

use crate::suite::Paper;
use crate::table::{Table, number};

pub(crate) fn run(paper: &mut Paper) -> Result<(), Error> {
    let crates = crates("app-net")?;
    let target = tempfile::tempdir()?;
    let (seconds, bytes) = built(target.path(), "app-net")?;
    paper.print("\nwhat is built and installed")?;
    let mut table = Table::new(&["", "", "reach"]);
    let mut row = |what: &str, is: String, reach: &str| {
        table.row(vec![what.to_owned(), is, reach.to_owned()]);
    };
    row("crates in app-net's tree", crates.to_string(), "90");
    row(
        "a clean release build of the CLI, s",
        number(seconds),
        "120",
    );
    row(
        "the CLI, stripped, MiB",
        number(bytes as f64 / 1024.0 / 1024.0),
        "8",
    );
    paper.print(table.to_string().trim_end())
}

fn cargo(args: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(args).stdin(Stdio::null());
    cargo
}

/// The crates that a package's build needs, itself included.
fn crates(package: &str) -> Result<usize, Error> {
    let output = cargo(&["tree", "--locked", "--prefix", "none", "-e", "normal,build"])
        .args(["-p", package])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err("cargo tree failed".into());
    }
    let tree = String::from_utf8(output.stdout)?;
    // A crate that was told of already has a star behind it.
    let names = tree.lines().map(|line| line.trim_end_matches(" (*)"));
    let mut names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    Ok(names.len())
}

/// Seconds to build the program in an empty folder, and its size without symbols.
fn built(target: &Path, program: &str) -> Result<(f64, u64), Error> {
    let begun = Instant::now();
    let status = cargo(&[
        "build",
        "--quiet",
        "--locked",
        "--release",
        "-p",
        "app-net-cli",
    ])
    .env("CARGO_TARGET_DIR", target)
    .status()?;
    let seconds = begun.elapsed().as_secs_f64();
    if !status.success() {
        return Err("the CLI could not be built".into());
    }
    let program = target.join("release").join(program);
    let stripped = target.join("stripped");
    let status = Command::new("strip")
        .arg("-o")
        .args([&stripped, &program])
        .status()?;
    if !status.success() {
        return Err("strip failed".into());
    }
    Ok((seconds, stripped.metadata()?.len()))
}
