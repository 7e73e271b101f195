//! `app-net doctor` and `app-net find`.

mod common;

use common::Place;

#[test]
fn a_peer_that_can_be_called_has_nothing_in_the_way() {
    let place = Place::new();
    let peer = place.peer("studio");
    let text = place.run(&["doctor", &peer.address()]).text();
    assert!(text.contains("there is a link to studio"), "{text}");
    assert!(text.ends_with("nothing is in the way\n"), "{text}");
    // By its name too, as it is listed.
    let told = place.run(&["doctor", "studio", "--json"]).json();
    assert_eq!(told["cause"], "none");
    let found = told["findings"].as_array().unwrap().iter();
    assert!(
        found.clone().any(|finding| finding["what"] == "found"),
        "{told}"
    );
}

#[test]
fn the_cause_is_named_with_what_to_do() {
    let place = Place::new();
    for (args, parts) in [
        (
            &["doctor", "127.0.0.1:1"][..],
            [
                "error: nothing listens at that port",
                "hint: start the program there",
            ],
        ),
        (
            &["doctor"],
            ["error: peers of this group", "app-net group new"],
        ),
    ] {
        let ran = place.run(args);
        // What was looked at is data, whatever it comes to.
        assert_eq!(
            (ran.status, ran.out.contains("FAULT")),
            (3, true),
            "{ran:?}"
        );
        for part in parts {
            assert!(ran.err.contains(part), "{ran:?}");
        }
    }
}

#[test]
fn the_peers_of_this_host_are_named_with_where_they_listen() {
    let place = Place::new();
    let peer = place.peer("studio");
    let text = place.run(&["doctor"]).text();
    assert!(text.contains("studio listens at unix:"), "{text}");
    assert!(text.contains(&peer.address()), "{text}");
    assert!(
        text.contains("no further than this host is looked"),
        "{text}"
    );
}

#[test]
fn each_finder_tells_what_it_saw() {
    let place = Place::new();
    let peer = place.peer("studio");
    let text = place.run(&["find"]).text();
    assert!(text.starts_with("host\n"), "{text}");
    assert!(text.contains(&format!("linked to {}", peer.id())), "{text}");
    let reports = place.run(&["find", "--json"]).json();
    let host = &reports.as_array().unwrap()[0];
    assert_eq!(
        (&host["finder"], &host["has_looked"]),
        (&"host".into(), &true.into())
    );
    let seen = host["seen"].as_array().unwrap();
    assert!(seen.iter().any(|seen| seen["id"] == peer.id()), "{reports}");
    assert!(seen[0]["first"].as_f64() <= seen[0]["last"].as_f64());
}
