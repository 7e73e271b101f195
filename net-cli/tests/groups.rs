//! `app-net group` and `app-net join`: two machines are two directories of configurations.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use common::{Place, Ran};
use serde_json::Value as Json;

/// The join code that is kept for `lab`.
fn code_of_lab(place: &Place) -> String {
    let shown = place.run(&["group", "show", "--code", "lab"]).text();
    shown.trim_end().to_owned()
}

/// A place with the group `lab`, and its join code.
fn with_lab() -> (Place, String) {
    let place = Place::new();
    let code = place.run(&["group", "new", "lab"]).text_saying(&[]);
    (place, code.trim_end().to_owned())
}

impl Place {
    fn key_file(&self, name: &str) -> PathBuf {
        self.config_dir().join("app-net/groups").join(name)
    }

    fn shown(&self, group: &str) -> Json {
        self.run(&["group", "show", group, "--json"]).json()
    }
}

#[test]
fn a_group_made_on_one_machine_is_joined_on_another() {
    let (here, code) = with_lab();
    let there = Place::new();
    assert!(
        code.starts_with("lab:") && code.lines().count() == 1,
        "{code}"
    );
    there
        .run(&["join", &code])
        .text_saying(&["Joined the group lab"]);
    assert_eq!(
        here.shown("lab")["fingerprint"],
        there.shown("lab")["fingerprint"]
    );
    assert_eq!(
        there
            .run(&["group", "show", "lab", "--code"])
            .text()
            .trim_end(),
        code
    );
    let file = fs::metadata(there.key_file("lab.json")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    // Once more is no error, and changes nothing.
    there
        .run(&["join", &code])
        .text_saying(&["has this key already"]);
}

#[test]
fn what_to_do_with_the_code_is_said_beside_it() {
    let place = Place::new();
    let ran = place.run(&["group", "new", "my lab"]);
    let code = ran.text_saying(&["app-net join -", "NET_GROUP='my lab'", "fingerprint"]);
    assert!(code.starts_with("my%20lab:"), "{code}");
    assert!(place.key_file("my%20lab.json").exists());
}

#[test]
fn the_code_may_come_from_standard_input() {
    let (_here, code) = with_lab();
    let there = Place::new();
    there
        .run_with_input(
            &["join", "-"],
            &format!("\n{}\n", code.to_uppercase().replace("LAB", "lab")),
        )
        .text_saying(&["Joined the group lab"]);
    there
        .run_with_input(&["join", "-"], "")
        .fails(2, &["not a join code"]);
}

#[test]
fn a_wrong_code_is_refused_and_not_shown() {
    let (_here, code) = with_lab();
    let there = Place::new();
    let last = if code.ends_with('0') { "1" } else { "0" };
    let changed = format!("{}{last}", &code[..code.len() - 1]);
    for (wrong, why) in [
        (&*changed, "is wrong"),
        (&code[..code.len() - 3], "56 characters"),
        (&code.replace("lab", "lob"), "is wrong"),
        (&code.replace(':', " "), "no colon"),
        (&format!("{code}u"), "'u' is not a character"),
    ] {
        let ran = there.run(&["join", wrong]);
        assert!(!ran.err.contains(&code[4..13]), "{}", ran.err);
        ran.fails(2, &[why, "hint: "]);
    }
    assert!(!there.config_dir().exists());
}

#[test]
fn a_key_is_not_replaced_unless_it_is_asked_for() {
    let (place, code) = with_lab();
    place
        .run(&["group", "new", "lab"])
        .fails(1, &["has a key already", "hint: ", "group rotate lab"]);
    assert_eq!(code_of_lab(&place), code);
    let (_other, other_code) = with_lab();
    place
        .run(&["join", &other_code])
        .fails(1, &["has another key here", "hint: ", "--replace"]);
    assert_eq!(code_of_lab(&place), code);
}

#[test]
fn a_rotated_key_comes_to_the_other_machines_and_the_old_one_is_accepted_meanwhile() {
    let (here, code) = with_lab();
    let there = Place::new();
    there.run(&["join", &code]).text_saying(&[]);
    let old = here.shown("lab")["fingerprint"].clone();
    let new_code = here
        .run(&["group", "rotate", "lab", "--accept-old", "36h"])
        .text_saying(&[
            "is accepted here until",
            "join --replace --accept-old 36h -",
        ]);
    assert_ne!(new_code.trim_end(), code);
    there
        .run(&[
            "join",
            "--replace",
            "--accept-old",
            "36h",
            new_code.trim_end(),
        ])
        .text_saying(&["has a new key", "is accepted here until"]);
    for place in [&here, &there] {
        let shown = place.shown("lab");
        assert_eq!(shown["previous"]["fingerprint"], old);
        let until = shown["previous"]["accepted_until"].as_str().unwrap();
        assert!(
            until.ends_with('Z') && until.len() == "2026-11-28T06:00:00Z".len(),
            "{until}"
        );
        let table = place.run(&["group", "list"]).text();
        assert!(table.contains(until), "{table}");
    }
    assert_eq!(
        here.shown("lab")["fingerprint"],
        there.shown("lab")["fingerprint"]
    );
    // The next one ends it, and says so.
    let old = old.as_str().unwrap();
    here.run(&["group", "rotate", "lab", "--accept-old", "0"])
        .text_saying(&["is not accepted here any more", old]);
    assert_eq!(here.shown("lab")["previous"], Json::Null);
}

#[test]
fn a_disk_that_takes_no_more_leaves_the_old_key() {
    let (place, code) = with_lab();
    // No file may have a single byte. The signal that comes with that is ignored at first; then it ends the command as it writes.
    for (trap, status) in [("trap '' XFSZ;", Some(1)), ("", None)] {
        for args in ["group rotate lab", "group new stage"] {
            let binary = env!("CARGO_BIN_EXE_app-net");
            let script = format!("{trap} ulimit -c 0; ulimit -f 0; exec '{binary}' {args}");
            let ran = place
                .command_of("sh")
                .args(["-c", &script])
                .output()
                .unwrap();
            assert_eq!(
                (ran.status.code(), &ran.stdout[..]),
                (status, &b""[..]),
                "{ran:?}"
            );
        }
        let files = fs::read_dir(place.key_file("")).unwrap().count();
        assert!(status.is_none() || files == 1, "{files} files");
    }
    let table = place.run(&["group", "list"]).text();
    assert_eq!(table.lines().count(), 2, "{table}");
    assert_eq!(code_of_lab(&place), code);
}

#[test]
fn a_time_that_is_none_is_wrong_usage() {
    let (place, code) = with_lab();
    for time in ["", "7", "soon", "-1d"] {
        let ran = place.run(&["group", "rotate", "lab", &format!("--accept-old={time}")]);
        ran.fails(2, &["7d"]);
    }
    place
        .run(&["group", "rotate", "lab", "--accept-old", "2000d"])
        .fails(2, &["366 days"]);
    place
        .run(&["join", &code, "--accept-old", "1d"])
        .fails(2, &["--replace"]);
    assert_eq!(code_of_lab(&place), code);
}

#[test]
fn groups_are_listed_without_their_keys() {
    let place = Place::new();
    place
        .run(&["group", "list"])
        .text_saying(&["no keys", "hint: "]);
    assert_eq!(
        place.run(&["group", "list", "--json"]).json(),
        Json::Array(vec![])
    );
    let codes = ["stage", "lab"].map(|name| place.run(&["group", "new", name, "--json"]));
    let codes = codes.map(|ran| serde_json::from_str::<Json>(&ran.text_saying(&[])).unwrap());
    let text = place.run(&["group", "list"]).text();
    let first: Vec<_> = text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(first, ["GROUP", "lab", "stage"]);
    let json = place.run(&["group", "list", "--json"]).text();
    let shown = place.run(&["group", "show", "lab"]).text();
    for told in &codes {
        let body = told["code"].as_str().unwrap().rsplit_once(':').unwrap().1;
        assert!(
            ![&text, &json, &shown]
                .into_iter()
                .any(|told| told.contains(&body[..9]))
        );
        assert!(text.contains(told["fingerprint"].as_str().unwrap()));
    }
    assert!(
        shown.contains(codes[1]["fingerprint"].as_str().unwrap()),
        "{shown}"
    );
}

#[test]
fn a_group_that_is_left_is_forgotten() {
    let (place, _) = with_lab();
    place
        .run(&["group", "leave", "lab"])
        .text_saying(&["hint: "]);
    assert!(!place.key_file("lab.json").exists());
    for args in [
        &["group", "leave", "lab"][..],
        &["group", "show", "lab"],
        &["group", "rotate", "lab"],
    ] {
        place.run(args).fails(
            1,
            &["\"lab\" has no key here", "hint: `app-net group list`"],
        );
    }
}

#[test]
fn a_file_that_others_can_read_is_refused_with_what_to_run() {
    let (place, _) = with_lab();
    place.run(&["group", "new", "stage"]).text_saying(&[]);
    let file = place.key_file("lab.json");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let run = format!("chmod 600 '{}'", file.display());
    place.run(&["group", "show", "lab"]).fails(1, &[&run]);
    // The others are listed all the same.
    let ran = place.run(&["group", "list"]);
    assert_eq!(ran.status, 1);
    assert!(
        ran.out.contains("stage") && !ran.out.contains("lab"),
        "{ran:?}"
    );
    assert!(ran.err.contains(&run), "{ran:?}");
}

#[test]
fn a_name_that_can_have_no_key_is_wrong_usage() {
    let place = Place::new();
    place.run(&["group", "new", ""]).fails(2, &["empty"]);
    place
        .run(&["group", "new", "None"])
        .fails(2, &["stands for no group"]);
    place
        .run(&["group", "new", &"x".repeat(81)])
        .fails(2, &["80 bytes"]);
}

#[test]
fn without_a_place_for_keys_the_error_says_what_to_set() {
    let place = Place::new();
    let mut command = place.command(&["group", "list"]);
    command
        .env_remove("HOME")
        .env("XDG_CONFIG_HOME", "not/from/the/root");
    Ran::of(&mut command).fails(1, &["XDG_CONFIG_HOME", "HOME"]);
    let mut command = place.command(&["group", "new", "lab"]);
    command
        .env_remove("XDG_CONFIG_HOME")
        .env("HOME", place.config_dir());
    Ran::of(&mut command).text_saying(&[]);
    assert!(
        place
            .config_dir()
            .join(".config/app-net/groups/lab.json")
            .exists()
    );
}
