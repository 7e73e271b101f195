//! A peer in a process of its own, started and stopped by a test.

use std::io::{BufRead as _, BufReader};
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

impl Process {
    /// The example `peer`.
    pub(crate) fn example(place: &Place) -> Self {
        // Tests and examples are built beside each other.
        let tests = std::env::current_exe().unwrap();
        let beside = tests.parent().unwrap().parent().unwrap();
        let built = beside.join("examples/peer");
        let mut command = Command::new(&built);
        command.env("NET_PORT", "0");
        Self::start(&mut command, place)
    }

    /// Starts a program that says `ready`, its id and its addresses on a line of its own, and runs until its input ends.
    pub(crate) fn start(command: &mut Command, place: &Place) -> Self {
        let started = command
            .env("NET_RUNTIME_DIR", place.path())
            .env_remove("NET_GROUP")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = started.unwrap_or_else(|error| {
            let program = command.get_program().display();
            panic!("{program}: {error} (cargo build -p app-net --example peer)")
        });
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("ready ") {
            line.clear();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "it has ended");
        }
        let mut words = line.split_whitespace().skip(1).map(str::to_owned);
        Self {
            child,
            id: words.next().unwrap(),
            addresses: words.collect(),
            _output: output,
        }
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
