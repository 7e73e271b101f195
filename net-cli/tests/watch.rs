//! `app-net peers --watch`.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdout, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use common::Place;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;

const PATIENCE: Duration = Duration::from_secs(30);

/// One that watches; killed at the end of the test whatever comes.
struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    fn begin(place: &Place, args: &[&str]) -> Self {
        let mut command = place.command(&[&["peers", "--watch"], args].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line, in time")
    }

    fn json(&self) -> Json {
        serde_json::from_str(&self.line()).unwrap()
    }

    fn end(&mut self) -> (ExitStatus, String) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "it goes on and on");
            thread::sleep(Duration::from_millis(10));
        };
        let mut said = String::new();
        let mut errors = self.child.stderr.take().unwrap();
        errors.read_to_string(&mut said).unwrap();
        (status, said)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines_of(out: ChildStdout) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        let read = BufReader::new(out).lines();
        read.map_while(Result::ok)
            .try_for_each(|line| sender.send(line))
    });
    lines
}

#[test]
fn writes_the_list_and_then_who_comes_and_goes() {
    let place = Place::new();
    let first = place.peer("first");
    let watching = Watching::begin(&place, &[]);
    let head = watching.line();
    assert!(head.starts_with("NAME "), "{head}");
    assert!(watching.line().starts_with("first "));

    let second = place.peer("sec\nond");
    let words = |line: String| line.splitn(3, "  ").map(str::to_owned).collect::<Vec<_>>();
    let joined = words(watching.line());
    let peer = format!("sec ond ({}) at {}", &second.id()[..8], second.address());
    assert!(
        joined[0].ends_with('Z') && joined[0].len() == 20,
        "{joined:?}"
    );
    assert_eq!(
        (joined[1].as_str(), joined[2].trim()),
        ("joined", peer.as_str())
    );
    drop(second);
    let left = words(watching.line());
    assert_eq!(left[1], "left");
    assert_eq!(
        left[2].trim(),
        format!("{peer}: it took leave: shutting down")
    );
    drop(first);
    assert!(watching.line().contains("first"));
}

#[test]
fn as_json_each_is_a_line_and_only_of_the_group() {
    let place = Place::new();
    let hub = place.hub("hub", "render");
    let _other = place.peer("other");
    let watching = Watching::begin(&place, &["--json", "--group", "render"]);
    let present = watching.json();
    assert_eq!(
        (&present["change"], &present["peer"]["id"]),
        (&"present".into(), &hub.id().into())
    );
    let second = place.hub("second", "render");
    let joined = watching.json();
    assert_eq!(
        (&joined["change"], &joined["peer"]["name"]),
        (&"joined".into(), &"second".into())
    );
    assert_eq!(joined.get("why"), None);
    drop(second);
    let left = watching.json();
    assert_eq!(
        (&left["change"], &left["peer"]["name"]),
        (&"left".into(), &"second".into())
    );
    assert_eq!(left["why"], "it took leave: shutting down");
}

#[test]
fn an_interrupt_ends_it_without_a_word() {
    let place = Place::new();
    let _peer = place.peer("only");
    let mut watching = Watching::begin(&place, &[]);
    watching.line();
    kill_process(Pid::from_child(&watching.child), Signal::INT).unwrap();
    let (status, said) = watching.end();
    // A shell says 130 of that.
    assert_eq!((status.signal(), said.as_str()), (Some(2), ""));
}

#[test]
fn a_reader_that_has_gone_ends_it_though_nobody_comes_or_goes() {
    let place = Place::new();
    let _peer = place.peer("only");
    let mut command = place.command(&["peers", "--watch"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first = [0];
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut first).unwrap();
    drop(out);
    let lines = channel().1;
    let (status, said) = Watching { child, lines }.end();
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
}
