//! Runs each example as its README says, in processes of their own, and checks what they print.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// How long an example may take to say what it is to say, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// An example that runs; killed at the end of the test whatever comes.
struct Example {
    child: Child,
    lines: Receiver<String>,
}

impl Example {
    fn start(program: &str, meets_in: &Path, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(program)
            .env("NET_RUNTIME_DIR", meets_in)
            .env("NET_PORT", "0")
            .env_remove("NET_GROUP")
            .env_remove("NET_IS_HUB")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        // Ends with the process.
        std::thread::spawn(move || {
            out.lines()
                .map_while(Result::ok)
                .all(|line| tell.send(line).is_ok())
        });
        Self { child, lines }
    }

    #[track_caller]
    fn says(&self, line: &str) {
        assert_eq!(self.lines.recv_timeout(PATIENCE).as_deref(), Ok(line));
    }

    /// Checks that it says nothing more, and ends well.
    #[track_caller]
    fn ends(mut self) {
        // No more lines can come once it has closed its output.
        let rest = self.lines.recv_timeout(PATIENCE);
        assert!(rest.is_err(), "{rest:?}");
        assert!(self.child.wait().unwrap().success());
    }

    /// As Ctrl-C does.
    fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // It has ended already where all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn connection() {
    let program = env!("CARGO_BIN_EXE_connection");
    let place = tempfile::tempdir().unwrap();
    let first = Example::start(program, place.path(), &[]);
    first.says("nobody else is here: run this once more, in another terminal");
    let second = Example::start(program, place.path(), &[]);
    let named = second.lines.recv_timeout(PATIENCE).unwrap();
    assert!(named.contains(&first.child.id().to_string()), "{named}");
    second.says("  5 × 10 = 50");
    let failed = second.lines.recv_timeout(PATIENCE).unwrap();
    assert!(failed.contains("1 cannot be divided by 0"), "{failed}");
    second.ends();
    first.says("asked for 5 × 10");
    first.interrupt();
    first.ends();
}

#[test]
fn tagged() {
    let (v1, v2) = (
        env!("CARGO_BIN_EXE_tagged-v1"),
        env!("CARGO_BIN_EXE_tagged-v2"),
    );
    let place = tempfile::tempdir().unwrap();
    let old = Example::start(v1, place.path(), &[]);
    old.says("version 1 is open: run version 2 in another terminal");
    let new = Example::start(v2, place.path(), &[]);
    new.says("tea costs 250 cents there");
    new.says("there is no coffee there");
    new.ends();
    old.says("version 1 is asked for tea");
    old.says("version 1 is asked for coffee");
    old.interrupt();
    old.ends();

    let new = Example::start(v2, place.path(), &[]);
    new.says("version 2 is open: run version 1 in another terminal");
    let old = Example::start(v1, place.path(), &[]);
    old.says("tea costs 260 cents there");
    old.ends();
    new.says("version 2 is asked for tea");
    new.interrupt();
    new.ends();
}

#[test]
fn subscription() {
    let hub = env!("CARGO_BIN_EXE_subscription-hub");
    let member = env!("CARGO_BIN_EXE_subscription-member");
    let group = ("NET_GROUP", "weather");
    let place = tempfile::tempdir().unwrap();
    // A hub of another group, and one of none, are not heard.
    let other = Example::start(
        hub,
        place.path(),
        &[("NET_GROUP", "stars"), ("NET_IS_HUB", "1")],
    );
    other.says("waiting for a member of the group");
    let member = Example::start(member, place.path(), &[group]);
    member.says("waiting for the hub of the group");
    let hub = Example::start(hub, place.path(), &[group, ("NET_IS_HUB", "1")]);
    hub.says("waiting for a member of the group");
    for (station, celsius) in [("harbour", "8.5"), ("hill", "4"), ("harbour", "9")] {
        hub.says(&format!("told 1 of {celsius} °C"));
        member.says(&format!("{celsius} °C at the {station}"));
    }
    hub.ends();
    member.ends();
    other.interrupt();
}
