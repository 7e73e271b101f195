//! The example `peer` in a process of its own.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use net::{Peer, Remote};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::Place;

/// The example `peer`, running; killed at the end of the test whatever comes.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) id: String,
    pub(crate) addresses: Vec<String>,
}

/// Where it was built: tests and examples are beside each other.
pub(crate) fn built() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let built = tests.parent().unwrap().parent().unwrap();
    let built = built.join("examples/peer");
    assert!(
        built.exists(),
        "{}: cargo build -p app-net --example peer",
        built.display()
    );
    built
}

impl Process {
    pub(crate) fn start(place: &Place) -> Self {
        let mut command = Command::new(built());
        command
            .env("NET_RUNTIME_DIR", place.path())
            .env("NET_PORT", "0")
            .env_remove("NET_GROUP");
        Self::run(&mut command).unwrap()
    }

    /// Runs it as set up. An error is what it said before it ended.
    pub(crate) fn run(command: &mut Command) -> Result<Self, String> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let mut words = line.split_whitespace().map(str::to_owned);
        if words.next().as_deref() != Some("ready") {
            let ended = child.wait_with_output().unwrap();
            return Err(String::from_utf8(ended.stderr).unwrap());
        }
        Ok(Self {
            child,
            id: words.next().unwrap(),
            addresses: words.collect(),
        })
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Stops it, and waits until it stands still: the signal alone may find it in the middle of an answer.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        let waited = waitpid(Some(Pid::from_child(&self.child)), WaitOptions::UNTRACED);
        assert!(waited.unwrap().is_some_and(|(_, status)| status.stopped()));
    }

    pub(crate) fn seen_from(&self, peer: &Peer) -> Remote {
        peer.remote(&self.id).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
