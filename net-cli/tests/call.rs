//! `app-net call`.

mod common;

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use common::{Place, answer_value, nobody, original_peer};
use net::value::{Bytes, Complex};
use net::{Answer, ErrorCode, Value};
use serde_json::json;

/// How long a function here takes at the most that is never to end by itself.
const FOREVER: Duration = Duration::from_secs(20);

#[test]
fn calls_the_only_peer_that_has_the_function() {
    let place = Place::new();
    let _other = place.empty_peer("other");
    let _peer = place.peer("one");
    assert_eq!(
        place.run(&["call", "app.multiply", "5", "10"]).text(),
        "50\n"
    );
    assert_eq!(place.run(&["call", "app.multiply", "-5"]).text(), "-25\n");
    assert_eq!(
        place
            .run(&["call", "--json", "app.multiply", "b=3", "a=2"])
            .text(),
        "6\n"
    );
}

#[test]
fn calls_the_peer_that_is_named() {
    let place = Place::new();
    let one = place.peer("one");
    let two = place.peer("two");
    one.offer("which", |_| answer_value("one"));
    two.offer("which", |_| answer_value("two"));
    let address = two.address();
    let call = |name: &str| place.run(&["call", "which", "--peer", name]).text();
    assert_eq!(call("one"), "'one'\n");
    for name in ["two", &two.id(), &two.id()[..16], &address] {
        assert_eq!(call(name), "'two'\n", "{name}");
    }
}

#[test]
fn arguments_arrive_as_written() {
    let place = Place::new();
    let peer = place.peer("one");
    peer.offer_arguments("args");
    let call = |args: &[&str]| place.run(&[&["call", "args"], args].concat()).text();
    assert_eq!(call(&[]), "[[]]\n");
    assert_eq!(
        call(&["5", "-2.5", "true", "null", "word"]),
        "[[5, -2.5, True, None, 'word']]\n"
    );
    assert_eq!(
        call(&["\"5\"", "two words", "[1, {\"a\": 2}]"]),
        "[['5', 'two words', [1, {'a': 2}]]]\n"
    );
    assert_eq!(call(&["x=1", "0", "y=mm"]), "[[0], {'x': 1, 'y': 'mm'}]\n");
    assert_eq!(
        call(&["123456789012345678901234567890"]),
        "[[123456789012345678901234567890]]\n"
    );
    assert_eq!(call(&["--", "--json", "-x"]), "[['--json', '-x']]\n");
}

#[test]
fn results_are_written_as_text_or_as_json() {
    let place = Place::new();
    let peer = place.peer("one");
    let value = Value::Tuple(vec![
        Value::from("it's\x1b"),
        Value::Null,
        Value::from(Bytes(b"\x00\xff".to_vec())),
        Value::Map(vec![
            ("z".into(), Value::Int(1)),
            ("a".into(), Value::Float(1.0)),
        ]),
        Value::from(Complex { re: 1.0, im: -1.0 }),
    ]);
    let text = format!("{value}\n");
    peer.offer("value", move |_| answer_value(&value));
    assert_eq!(place.run(&["call", "value"]).text(), text);
    let json = place.run(&["call", "value", "--json"]).text();
    assert_eq!(json.lines().count(), 1);
    assert!(
        json.starts_with(r#"["it's\u001b",null,"AP8=",{"z":1,"a":1.0},"#),
        "{json}"
    );
}

#[test]
fn the_flag_null_is_a_text_and_others_are_errors() {
    let place = Place::new();
    let peer = place.peer("one");
    peer.offer("null", |_| Answer::Flag("NULL".into()));
    peer.offer("flag", |_| Answer::Flag("LATER".into()));
    assert_eq!(place.run(&["call", "null"]).text(), "'NULL'\n");
    assert_eq!(place.run(&["call", "null", "--json"]).json(), "NULL");
    place.run(&["call", "flag"]).fails(1, &["the flag LATER"]);
}

#[test]
fn a_remote_error_comes_with_its_traceback() {
    let place = Place::new();
    let peer = place.peer("one");
    peer.offer("app.fail", |_| {
        Answer::failed(
            "ValueError",
            "no such\x1b[2J shot",
            "Traceback (most recent call last):\n  File \"app.py\"\nValueError: no such shot\n",
        )
    });
    place.run(&["call", "app.fail"]).fails(
        1,
        &[
            "error: ValueError: no such\\u{1b}[2J shot (on peer one at ",
            "\n\nRemote traceback:\nTraceback (most recent call last):\n  File \"app.py\"\nValueError: no such shot\n",
        ],
    );
}

#[test]
fn arguments_that_do_not_fit_say_where_to_look() {
    let place = Place::new();
    let peer = place.peer("one");
    let hint = format!(
        "hint: `app-net info {}` shows what it takes",
        &peer.id()[..8]
    );
    place
        .run(&["call", "app.multiply"])
        .fails(1, &["TypeError", "multiply()", "'a'", &hint]);
    place
        .run(&["call", "app.multiply", "x"])
        .fails(1, &["'a'", &hint]);
    place
        .run(&["call", "app.multiply", "1", "c=1"])
        .fails(1, &["unexpected keyword argument 'c'", &hint]);
}

#[test]
fn a_function_that_nobody_has_names_near_ones() {
    let place = Place::new();
    let peer = place.peer("one");
    place.run(&["call", "app.multipy", "1"]).fails(
        3,
        &[
            "no peer has a function app.multipy",
            "hint: the nearest name there is app.multiply",
            "hint: `app-net info PEER` lists",
        ],
    );
    let lists = format!("hint: `app-net info {}` lists", &peer.id()[..8]);
    place
        .run(&["call", "app.multipy", "1", "--peer", "one"])
        .fails(3, &["has no function app.multipy", "app.multiply", &lists]);
}

#[test]
fn a_function_that_several_have_needs_a_peer() {
    let place = Place::new();
    let one = place.peer("one");
    let two = place.peer("two");
    place.run(&["call", "app.multiply", "1"]).fails(
        3,
        &[
            "several peers have the function app.multiply",
            &one.id()[..8],
            &two.id()[..8],
            "two",
            "hint: name one with --peer",
        ],
    );
}

#[test]
fn nobody_there_to_call() {
    let place = Place::new();
    place
        .run(&["call", "app.multiply"])
        .fails(3, &["no peers found", "hint: start a program"]);
    let nobody = nobody();
    place
        .run(&["call", "app.multiply", "--peer", &nobody])
        .fails(
            3,
            &["cannot be reached", &nobody, "hint: `app-net peers` lists"],
        );
    place
        .run(&["call", "app.multiply", "--peer", "nix"])
        .fails(3, &["there is no peer nix", "hint: "]);
}

#[test]
fn a_call_ends_at_its_timeout() {
    let place = Place::new();
    let peer = place.peer("one");
    // Held until the test lets go.
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    peer.offer("hang", move |_| {
        let _ = held.lock().unwrap().recv_timeout(FOREVER);
        answer_value(&())
    });
    let start = Instant::now();
    place.run(&["call", "hang", "--timeout", "0.2"]).fails(
        4,
        &[
            "no answer from peer one",
            "200ms",
            "hint: give it more time with --timeout",
        ],
    );
    assert!(start.elapsed() < FOREVER / 2, "{:?}", start.elapsed());
    drop(release);
}

#[test]
fn a_peer_that_goes_during_a_call_leaves_it_unknown() {
    let place = Place::new();
    let peer = place.peer("one");
    let (started, has_started) = mpsc::channel();
    let started = Mutex::new(started);
    peer.offer("vanish", move |call| {
        started.lock().unwrap().send(()).unwrap();
        // The grace time of none closes the link under the call.
        let peer = call.peer.clone();
        net::blocking::block_on(peer.shutdown_within(Duration::ZERO));
        answer_value(&())
    });
    place
        .run(&["call", "vanish"])
        .fails(4, &["was lost", "hint: `app-net peers` shows"]);
    has_started.recv_timeout(FOREVER).unwrap();
}

#[test]
fn a_busy_or_refusing_peer_did_not_run_it() {
    let place = Place::new();
    let peer = place.peer("one");
    for (tag, code) in [("busy", ErrorCode::Busy), ("refuse", ErrorCode::Refused)] {
        peer.offer(tag, move |_| Answer::refused(code, "", "not today"));
    }
    place
        .run(&["call", "busy"])
        .fails(3, &["is busy: not today", "hint: the function was not run"]);
    place
        .run(&["call", "refuse"])
        .fails(3, &["refused the call: not today"]);
}

#[test]
fn a_command_line_that_is_wrong_is_not_run() {
    let place = Place::new();
    for (args, parts) in [
        (&["call"][..], &["TAG"][..]),
        (&["call", "f", "--timeout", "soon"], &["number of seconds"]),
        (&["call", "f", "--timeout", "0"], &["number of seconds"]),
        (&["call", "f", "--timeout", "-1"], &["--timeout"]),
        (
            &["call", "f", "[1,"],
            &["[1,", "is not whole JSON", "hint: ", "single quotes"],
        ),
        (&["call", "f", "{a: 1}"], &["is not whole JSON"]),
        (
            &["call", "f", "deep=True"],
            &["deep=True", "hint: write true"],
        ),
        (
            &["call", "f", "a=1", "a=2"],
            &["argument a is given twice", "hint: "],
        ),
        (&["call", "f", "-x"], &["-x"]),
    ] {
        place.run(args).fails(2, parts);
    }
}

#[test]
fn an_original_peer_is_called_too() {
    let place = Place::new();
    let address = format!("127.0.0.1:{}", original_peer());
    let call = |args: &[&str]| place.run(&[&["call", "--peer", &address], args].concat());
    assert_eq!(call(&["app.double", "21"]).text(), "42\n");
    assert_eq!(call(&["app.double", "21", "--json"]).json(), json!(42));
    call(&["app.double", "x"]).fails(
        1,
        &[
            "error: TypeError: not a number",
            "Remote traceback:\nTraceback",
        ],
    );
    call(&["app.treble"]).fails(
        3,
        &[
            "has no function app.treble",
            &format!("hint: `app-net info {address}` lists"),
        ],
    );
}

#[test]
fn an_interrupt_ends_it_at_once() {
    let place = Place::new();
    let peer = place.peer("one");
    let (started, has_started) = mpsc::channel();
    let (release, held) = mpsc::channel::<()>();
    let both = Mutex::new((started, held));
    peer.offer("hang", move |_| {
        let both = both.lock().unwrap();
        both.0.send(()).unwrap();
        let _ = both.1.recv_timeout(FOREVER);
        answer_value(&())
    });
    let mut child = place
        .command(&["call", "hang"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    has_started.recv_timeout(FOREVER).unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&child),
        rustix::process::Signal::INT,
    )
    .unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(2));
    drop(release);
}
