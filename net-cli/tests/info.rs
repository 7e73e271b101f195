//! `app-net info`.

mod common;

use common::{Place, nobody, original_peer};
use serde_json::{Value as Json, json};

#[test]
fn shows_what_a_peer_is_and_what_it_offers() {
    let place = Place::new();
    let peer = place.hub("studio", "render");
    peer.offer("other.bare", |_| net::Answer::Flag("NULL".into()));
    let text = place.run(&["info", "studio"]).text();
    let fact = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("no {name} in:\n{text}"))[name.len()..]
            .trim()
            .to_owned()
    };
    assert_eq!(fact("name"), "studio");
    assert_eq!(fact("id"), peer.id());
    assert_eq!(fact("group"), "render");
    assert_eq!(fact("hub"), "yes");
    assert_eq!(fact("speaks"), "native");
    assert!(fact("software").starts_with("app-net/"));
    assert!(!fact("user").is_empty() && !fact("executable").is_empty());
    for address in peer.0.addresses() {
        assert!(text.contains(&address), "{text}");
    }
    // Signature and the first line of the documentation; nothing where there is none.
    assert!(text.contains("\nfunctions\n  app.multiply(a: i64, b: i64 = 5) -> i64\n      Multiplies.\n  other.bare()\n"), "{text}");
    assert!(!text.contains("no longer"), "{text}");
    assert!(
        text.contains("\nbuilt-in functions\n  net.defaults.handlers.connections("),
        "{text}"
    );
}

#[test]
fn who_may_call_is_shown_beside_the_function() {
    let place = Place::new();
    let peer = place.peer("studio");
    peer.offer("other.bare", |_| net::Answer::Flag("NULL".into()));
    let bare = peer.0.registry().find("other.bare").unwrap();
    peer.0.registry().register(net::Connection {
        groups: Some(vec!["lab".into(), "admins".into()]),
        ..net::Connection::clone(&bare)
    });
    let text = place.run(&["info", "studio"]).text();
    assert!(
        text.contains("\n  other.bare()  [callers of lab, admins]\n"),
        "{text}"
    );
    let told = place.run(&["info", "studio", "--json"]).json();
    assert_eq!(
        told["connections"]["other.bare"]["groups"],
        json!(["lab", "admins"])
    );
    place
        .run(&["call", "other.bare"])
        .fails(3, &["refused", "\"lab\", \"admins\""]);
}

#[test]
fn json_has_it_all() {
    let place = Place::new();
    let peer = place.peer("studio");
    let told = place.run(&["info", &peer.id(), "--json"]).json();
    assert_eq!(told["id"], peer.id());
    assert_eq!(told["name"], "studio");
    assert_eq!(told["group"], Json::Null);
    assert_eq!(told["info"]["instance"], peer.id());
    let function = &told["connections"]["app.multiply"];
    assert_eq!(function["signature"], "(a: i64, b: i64 = 5) -> i64");
    assert_eq!(function["name"], "multiply");
    assert!(function["doc"].as_str().unwrap().starts_with("Multiplies."));
}

#[test]
fn a_peer_has_many_names() {
    let place = Place::new();
    let peer = place.peer("me@studio:4711");
    let _other = place.peer("other");
    let mut addresses = peer.0.addresses().into_iter();
    let unix = addresses.find(|address| address.starts_with("unix:"));
    let unix = unix.unwrap();
    let address = peer.address();
    for name in [
        "me@studio:4711",
        &peer.id(),
        &peer.id()[..12],
        &peer.id()[..12].to_uppercase(),
        &address,
        &unix,
    ] {
        assert_eq!(
            place.run(&["info", name, "--json"]).json()["id"],
            peer.id(),
            "{name}"
        );
    }
}

#[test]
fn without_a_name_it_is_the_only_peer() {
    let place = Place::new();
    place
        .run(&["info"])
        .fails(3, &["no peers found", "hint: start a program"]);
    let one = place.peer("one");
    assert_eq!(place.run(&["info", "--json"]).json()["id"], one.id());
    let two = place.peer("two");
    place.run(&["info"]).fails(
        3,
        &[
            "several peers",
            &one.id()[..8],
            &two.id()[..8],
            "one",
            "hint: name one by its id",
        ],
    );
}

#[test]
fn a_name_that_several_have_is_refused() {
    let place = Place::new();
    let one = place.peer("twin");
    let two = place.peer("twin");
    place.run(&["info", "twin"]).fails(
        3,
        &[
            "several peers",
            &one.id()[..8],
            &two.id()[..8],
            "hint: name one by its id",
        ],
    );
}

#[test]
fn nobody_of_that_name_says_how_to_list() {
    let place = Place::new();
    let _peer = place.peer("one");
    for name in ["tow", "zz", &"0".repeat(32), ""] {
        place
            .run(&["info", name])
            .fails(3, &["there is no peer", "hint: `app-net peers` lists"]);
    }
    let nobody = nobody();
    place.run(&["info", &nobody]).fails(
        3,
        &["cannot be reached", &nobody, "hint: `app-net peers` lists"],
    );
    place
        .run(&["info", "unix:/nowhere.sock"])
        .fails(3, &["cannot be reached", "/nowhere.sock", "hint: "]);
}

#[test]
fn an_original_peer_tells_its_tags() {
    let place = Place::new();
    let address = format!("127.0.0.1:{}", original_peer());
    let text = place.run(&["info", &address]).text();
    for part in [
        "original 0.6",
        "render",
        "mona",
        "\nfunctions\n  app.double\n",
    ] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    let told = place.run(&["info", &address, "--json"]).json();
    assert_eq!(
        (&told["speaks"], &told["group"], &told["hub"]),
        (&json!("0.6"), &json!("render"), &json!(true))
    );
    assert_eq!(
        told["connections"]["app.double"],
        json!({"name": null, "module": null, "doc": null, "signature": null, "groups": null})
    );
}
