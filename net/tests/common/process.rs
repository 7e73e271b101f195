//! A peer in a process of its own, started and stopped by a test.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use net::{Peer, Remote};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::Place;

/// The program that has been started; killed at the end of the test whatever comes.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) id: String,
    pub(crate) addresses: Vec<String>,
    /// It would be a surprise for the program if nobody held the other end.
    _output: BufReader<ChildStdout>,
}

/// Where the example `peer` was built: tests and examples are beside each other.
pub(crate) fn built() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let built = tests.parent().unwrap().parent().unwrap();
    let built = built.join("examples/peer");
    let hint = "cargo build -p app-net --example peer";
    assert!(built.exists(), "{}: {hint}", built.display());
    built
}

impl Process {
    /// The example `peer`.
    pub(crate) fn example(place: &Place) -> Self {
        Self::start(Command::new(built()).env("NET_PORT", "0"), place)
    }

    /// Starts a program that says `ready`, its id and its addresses on a line of its own, and runs until its input ends.
    pub(crate) fn start(command: &mut Command, place: &Place) -> Self {
        command
            .env("NET_RUNTIME_DIR", place.path())
            .env_remove("NET_GROUP");
        Self::began(command).expect("it has ended")
    }

    /// Runs one as it is set up. An error is what it said before it ended.
    pub(crate) fn run(command: &mut Command) -> Result<Self, String> {
        Self::began(command.stderr(Stdio::piped())).map_err(|mut ended| {
            let mut said = String::new();
            let mut errors = ended.stderr.take().unwrap();
            errors.read_to_string(&mut said).unwrap();
            ended.wait().unwrap();
            said
        })
    }

    /// An error is the child, which has ended.
    fn began(command: &mut Command) -> Result<Self, Child> {
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = started.unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("ready ") {
            line.clear();
            if output.read_line(&mut line).unwrap() == 0 {
                return Err(child);
            }
        }
        let mut words = line.split_whitespace().skip(1).map(str::to_owned);
        Ok(Self {
            child,
            id: words.next().unwrap(),
            addresses: words.collect(),
            _output: output,
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

    /// What it has used of the processors.
    pub(crate) fn processor_time(&self) -> Duration {
        /// Of a second: the unit in which Linux tells it.
        const TICKS: u64 = 100;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // After the program's name in brackets, in which there may be anything: the 12th and 13th.
        let rest = stat.rsplit(')').next().unwrap();
        let fields = rest.split_whitespace().skip(11).take(2);
        let ticks: u64 = fields.map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 1000 / TICKS)
    }

    /// Where it listens for TCP.
    pub(crate) fn tcp(&self) -> &str {
        let mut addresses = self.addresses.iter();
        addresses.find(|at| !at.starts_with("unix:")).unwrap()
    }

    /// Where it listens for peers of the same user.
    pub(crate) fn unix(&self) -> &str {
        let mut addresses = self.addresses.iter();
        addresses.find(|at| at.starts_with("unix:")).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
