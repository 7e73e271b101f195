//! `app-net peers`.

mod common;

use std::process::Stdio;

use common::{Place, Ran, original_peer};
use serde_json::json;

#[test]
fn lists_the_peers_in_a_table() {
    let place = Place::new();
    let plain = place.peer("plain");
    let hub = place.hub("studio: the hub", "render");
    let text = place.run(&["peers"]).text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    let words = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        words(lines[0]),
        ["NAME", "ID", "GROUP", "HUB", "ADDRESS", "SPEAKS"]
    );
    let row = |name: &str| words(lines.iter().find(|line| line.starts_with(name)).unwrap());
    assert_eq!(
        row("plain"),
        [
            "plain",
            &plain.id()[..8],
            "-",
            "-",
            &plain.address(),
            "native"
        ]
    );
    assert_eq!(
        row("studio: the hub")[3..],
        [&hub.id()[..8], "render", "yes", &hub.address(), "native"]
    );
    // The columns are aligned.
    let column = lines[0].find("SPEAKS");
    assert!(
        lines
            .iter()
            .all(|line| line.find("native").or(line.find("SPEAKS")) == column),
        "{text}"
    );
}

#[test]
fn json_has_all_of_each() {
    let place = Place::new();
    let peer = place.hub("studio", "render");
    let listed = place.run(&["peers", "--json"]).json();
    assert_eq!(
        listed,
        json!([{
            "id": peer.id(),
            "name": "studio",
            "group": "render",
            "hub": true,
            "host": peer.0.host(),
            "port": peer.0.port(),
            "addresses": peer.0.addresses(),
            "speaks": "native",
        }])
    );
}

#[test]
fn a_group_is_listed_alone() {
    let place = Place::new();
    let _plain = place.peer("plain");
    let _hub = place.hub("hub", "render");
    let listed = place
        .run(&["--json", "peers", "--group", "render", "--refresh"])
        .json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["name"], "hub");

    let other = place.run(&["peers", "--group", "other"]);
    assert_eq!((other.status, other.out.as_str()), (0, ""));
    assert!(
        other.err.contains("in the group other") && other.err.contains("\nhint: "),
        "{}",
        other.err
    );
    assert!(other.err.contains("there are 2"), "{}", other.err);
}

#[test]
fn nobody_there_is_no_error() {
    let place = Place::new();
    let none = place.run(&["peers"]);
    assert_eq!((none.status, none.out.as_str()), (0, ""));
    assert!(
        none.err.starts_with("No peers found.\nhint: "),
        "{}",
        none.err
    );
    let none = place.run(&["peers", "--json"]);
    assert_eq!((none.status, none.out.as_str()), (0, "[]\n"));
}

#[test]
fn original_peers_are_listed_too() {
    let place = Place::new();
    let port = original_peer();
    let mut command = place.command(&["peers"]);
    command
        .env("NET_PORT", port.to_string())
        .env("NET_PORT_RANGE", "0");
    let text = Ran::of(&mut command).text();
    let row: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(
        row,
        [
            "-",
            "-",
            "render",
            "yes",
            &format!("127.0.0.1:{port}"),
            "original",
            "0.6"
        ]
    );
}

#[test]
fn a_command_line_is_no_peer_to_others() {
    let place = Place::new();
    let peer = place.peer("only");
    place.run(&["call", "app.multiply", "1"]).text();
    assert!(net::blocking::peers(&peer.0).is_empty());
}

#[test]
fn a_name_cannot_steer_the_terminal() {
    let place = Place::new();
    let _peer = place.peer("a\x1b[2J\nb");
    let text = place.run(&["peers"]).text();
    assert!(
        text.contains("a\\u{1b}[2J b") && text.lines().count() == 2,
        "{text:?}"
    );
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let place = Place::new();
    let _peer = place.peer("only");
    for args in [["peers", "--refresh"], ["peers", "--json"]] {
        let mut child = place
            .command(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            (output.status.code(), output.stderr.as_slice()),
            (Some(0), &b""[..])
        );
    }
}

#[test]
fn a_setting_that_is_wrong_is_named() {
    let place = Place::new();
    let mut command = place.command(&["peers"]);
    Ran::of(command.env("NET_PORT", "many"))
        .fails(3, &["NET_PORT=\"many\"", "hint: correct or unset NET_PORT"]);
}

#[test]
fn the_command_line_explains_itself() {
    let place = Place::new();
    let help = place.run(&["--help"]).text();
    for part in ["peers", "info", "call", "--json", "Exit status:"] {
        assert!(help.contains(part), "{help}");
    }
    assert!(place.run(&["--version"]).text().starts_with("app-net "));
    assert!(place.run(&["help", "call"]).text().contains("name=value"));
    // Nothing to do, and what is not there.
    assert_eq!(place.run(&[]).status, 2);
    place.run(&["per"]).fails(2, &["peers"]);
    place.run(&["peers", "--gruop", "x"]).fails(2, &["--group"]);
}
