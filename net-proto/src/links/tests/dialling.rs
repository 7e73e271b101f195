//! How the addresses of one target are dialled: in which order, when, how many at once, and what is left when one has led there.

use std::time::Duration;

use super::*;
use crate::links::ATTEMPT_DELAY;

/// The peer with the larger id, found at these addresses.
fn found_at(addresses: &[&str]) -> (Links<L>, Target) {
    let mut links = Links::new(SMALL);
    // The one that was found last is the first.
    for address in addresses.iter().rev() {
        links.found(LARGE, at(address));
    }
    (links, Target::Instance(LARGE))
}

fn places(attempts: &[Attempt]) -> Vec<String> {
    let places = attempts.iter().map(|attempt| attempt.address.to_string());
    places.collect()
}

fn given_up(actions: &[Action<L>]) -> Vec<String> {
    let given_up = actions.iter().filter_map(|action| match action {
        Action::GiveUp(attempt) => Some(attempt.address.to_string()),
        _ => None,
    });
    given_up.collect()
}

/// Lets time pass, until nothing more begins by itself, and says what began and how long after the start.
fn begun_in_time(links: &mut Links<L>) -> Vec<(Duration, Attempt)> {
    let mut all = Vec::new();
    let mut time = now();
    loop {
        all.extend(begun(links).into_iter().map(|new| (time - now(), new)));
        match links.timeout() {
            Some(next) => time = next,
            None => return all,
        }
        links.handle_timeout(time);
    }
}

fn link(links: &mut Links<L>, name: L, attempt: &Attempt, time: Instant) {
    add(links, name, LARGE, true);
    links.dialled(time, attempt, Ok(Met::Peer(LARGE)));
}

#[test]
fn many_who_want_a_peer_make_one_dial_and_an_address_that_fails_is_followed_by_the_next() {
    let (mut links, target) = found_at(&["unix:/run/b", "10.0.0.1:1"]);
    let first = dial(&mut links, &target);
    assert_eq!(links.want(now(), &target), None);
    assert_eq!(places(&begun(&mut links)), [""; 0]);
    assert_eq!(first.address, at("unix:/run/b"));
    links.dialled(now(), &first, Err("refused".into()));
    let second = begun(&mut links);
    assert_eq!(places(&second), ["10.0.0.1:1"]);
    assert_eq!(links.timeout(), None, "there is no third");
    assert_eq!(links.want(now(), &target), None);
    links.dialled(now(), &second[0], Err("silent".into()));
    let why = "unix:/run/b: refused; 10.0.0.1:1: silent".to_owned();
    assert_eq!(routed(&mut links), [Err(why)]);
    // Asked again, it is dialled again.
    assert_eq!(
        dial(&mut links, &target).address,
        at("unix:/run/b"),
        "all have failed"
    );
}

#[test]
fn an_address_that_says_nothing_is_let_alone_for_a_quarter_of_a_second() {
    let (mut links, target) = found_at(&["[2001:db8::1]:1", "10.0.0.1:1", "10.0.0.2:1"]);
    assert_eq!(links.timeout(), None);
    let first = dial(&mut links, &target);
    assert_eq!(links.timeout(), Some(now() + ATTEMPT_DELAY));
    links.handle_timeout(now() + ATTEMPT_DELAY - Duration::from_millis(1));
    assert!(begun(&mut links).is_empty());
    links.handle_timeout(now() + ATTEMPT_DELAY);
    let second = begun(&mut links);
    assert_eq!(places(&second), ["10.0.0.1:1"]);
    // One that fails has the next begin at once; its own delay is then counted.
    let later = now() + ATTEMPT_DELAY + Duration::from_millis(10);
    links.dialled(later, &first, Err("no route".into()));
    assert_eq!(places(&begun(&mut links)), ["10.0.0.2:1"]);
    assert_eq!(links.timeout(), None);
}

#[test]
fn the_first_link_wins_and_the_others_are_given_up() {
    let (mut links, target) = found_at(&["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1"]);
    links.want(now(), &target);
    let mut attempts = begun(&mut links);
    for nth in 1..3 {
        links.handle_timeout(now() + nth * ATTEMPT_DELAY);
        attempts.extend(begun(&mut links));
    }
    let time = now() + 2 * ATTEMPT_DELAY;
    link(&mut links, "second", &attempts[1], time);
    let came = actions(&mut links);
    assert_eq!(given_up(&came), ["10.0.0.1:1", "10.0.0.3:1"]);
    let route = Ok(Route::Link("second"));
    assert!(came.contains(&Action::Routed { target, route }));
    assert_eq!(links.timeout(), None, "and no fourth begins");
    // Those that were given up have nothing to say any more.
    links.dialled(time, &attempts[0], Err("given up".into()));
    links.dialled(time, &attempts[2], Err("given up".into()));
    assert_eq!(actions(&mut links), []);
}

#[test]
fn one_that_was_given_up_too_late_is_one_link_too_many() {
    let (mut links, target) = found_at(&["10.0.0.1:1", "10.0.0.2:1"]);
    links.want(now(), &target);
    let first = begun(&mut links);
    links.handle_timeout(now() + ATTEMPT_DELAY);
    let second = begun(&mut links);
    link(&mut links, "second", &second[0], now() + ATTEMPT_DELAY);
    link(&mut links, "first", &first[0], now() + 2 * ATTEMPT_DELAY);
    actions(&mut links);
    links.answered(LARGE, &"second");
    links.answered(LARGE, &"first");
    assert_eq!(drained(&mut links), ["first"], "of equals the older stays");
}

#[test]
fn the_other_side_that_is_quicker_ends_all_of_it() {
    let (mut links, target) = found_at(&["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"]);
    links.want(now(), &target);
    links.handle_timeout(now() + ATTEMPT_DELAY);
    actions(&mut links);
    add(&mut links, "theirs", LARGE, false);
    let came = actions(&mut links);
    assert_eq!(given_up(&came), ["10.0.0.1:1", "10.0.0.2:1"]);
    assert_eq!(links.timeout(), None);
}

#[test]
fn a_place_where_the_peer_is_met_ends_the_search_for_it() {
    let (mut links, target) = found_at(&["10.0.0.1:1", "10.0.0.2:1"]);
    dial(&mut links, &target);
    let there = dial(&mut links, &Target::At(at("10.0.0.7:1")));
    link(&mut links, "there", &there, now());
    let came = actions(&mut links);
    assert_eq!(given_up(&came), ["10.0.0.1:1"]);
    assert_eq!(links.timeout(), None);
    links.lost(LARGE, &"there");
    actions(&mut links);
    // It is one of its addresses from now on, and known to work.
    assert_eq!(dial(&mut links, &target).address, at("10.0.0.7:1"));
    assert_eq!(links.known(&target).addresses.len(), 2);
}

#[test]
fn the_address_that_worked_is_the_first_next_time_and_slower_ones_are_the_last() {
    let (mut links, target) = found_at(&["unix:/run/b", "10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"]);
    links.want(now(), &target);
    let attempts = begun_in_time(&mut links);
    let (_, third) = &attempts[2];
    link(&mut links, "third", third, now());
    actions(&mut links);
    links.lost(LARGE, &"third");
    links.want(now(), &target);
    let again = begun_in_time(&mut links);
    let again: Vec<_> = again.into_iter().map(|(_, attempt)| attempt).collect();
    assert_eq!(
        places(&again),
        ["10.0.0.2:1", "10.0.0.3:1", "unix:/run/b", "10.0.0.1:1"]
    );
}

#[test]
fn one_that_comes_too_late_has_worked_all_the_same() {
    let (mut links, target) = found_at(&["unix:/run/b", "10.0.0.1:1"]);
    links.want(now(), &target);
    let attempts = begun_in_time(&mut links);
    link(&mut links, "tcp", &attempts[1].1, now());
    link(&mut links, "unix", &attempts[0].1, now());
    links.lost(LARGE, &"tcp");
    links.lost(LARGE, &"unix");
    actions(&mut links);
    assert_eq!(dial(&mut links, &target).address, at("unix:/run/b"));
}

#[test]
fn a_bounded_number_is_under_way_at_once_and_a_bounded_number_is_tried() {
    let hello = Hello {
        addresses: (1..=32).map(|n| format!("10.0.0.{n}:1")).collect(),
        ..hello(LARGE)
    };
    let mut links = Links::new(SMALL);
    links.linked(New {
        link: "gone",
        hello: &hello,
        dialled: false,
        carrier: Carrier::Tcp,
    });
    links.lost(LARGE, &"gone");
    let target = Target::Instance(LARGE);
    links.want(now(), &target);
    let mut under_way = begun_in_time(&mut links);
    let times: Vec<_> = under_way.iter().map(|(time, _)| *time).collect();
    let expected: Vec<_> = (0..8).map(|nth| nth * ATTEMPT_DELAY).collect();
    assert_eq!(times, expected);
    let (mut all, mut time) = (under_way.len(), now() + Duration::from_secs(3));
    while let Some((_, attempt)) = under_way.pop() {
        time += Duration::from_millis(1);
        links.dialled(time, &attempt, Err("x".repeat(1000)));
        if under_way.is_empty() {
            break;
        }
        let more = begun(&mut links);
        all += more.len();
        under_way.extend(more.into_iter().map(|attempt| (time - now(), attempt)));
        assert!(under_way.len() <= 8);
    }
    assert_eq!(all, 16);
    let [Err(why)] = &routed(&mut links)[..] else {
        panic!("it was not reached")
    };
    assert!(why.contains("10.0.0.8:1: xxx"), "{why}");
    assert!(why.ends_with("; and 26 more addresses"), "{why}");
    assert!(why.len() < 1500, "{}", why.len());
    assert_eq!(links.timeout(), None);
}

#[test]
fn a_name_is_looked_up_and_all_its_addresses_are_dialled() {
    let mut links = Links::<L>::new(SMALL);
    let place = Target::At(at("studio:1"));
    links.want(now(), &place);
    let came = actions(&mut links);
    let [Action::Resolve(attempt)] = &came[..] else {
        panic!("{came:?}")
    };
    assert_eq!(links.timeout(), None);
    let found = ["10.0.0.1:1", "10.0.0.2:1", "[2001:db8::1]:1", "10.0.0.1:1"];
    let found = || found.map(|text| text.parse().unwrap()).to_vec();
    links.resolved(now(), attempt, Ok(found()));
    let attempts = begun_in_time(&mut links);
    let attempts: Vec<_> = attempts.into_iter().map(|(_, attempt)| attempt).collect();
    let order = ["[2001:db8::1]:1", "10.0.0.1:1", "10.0.0.2:1"];
    assert_eq!(places(&attempts), order);
    link(&mut links, "there", &attempts[2], now());
    assert_eq!(links.link(&place), Some("there"));
    links.lost(LARGE, &"there");
    actions(&mut links);

    // It is asked for anew, for it may lead elsewhere by now; what worked is the first of what it leads to.
    let again = dial(&mut links, &place);
    assert_eq!(again.address, at("studio:1"));
    links.resolved(now(), &again, Ok(found()));
    assert_eq!(places(&begun(&mut links)), ["10.0.0.2:1"]);
}

#[test]
fn a_name_that_leads_nowhere_says_why() {
    for (found, why) in [
        (Ok(vec![]), "studio:1: it has no address"),
        (Err("no such host".to_owned()), "studio:1: no such host"),
    ] {
        let mut links = Links::<L>::new(SMALL);
        let attempt = dial(&mut links, &Target::At(at("studio:1")));
        links.resolved(now(), &attempt, found);
        assert_eq!(routed(&mut links), [Err(why.to_owned())]);
    }
}

#[test]
fn a_name_that_takes_long_to_look_up_holds_up_no_other_address() {
    let (mut links, target) = found_at(&["[fe80::1%eth0]:1", "10.0.0.1:1"]);
    links.want(now(), &target);
    let attempts = begun_in_time(&mut links);
    assert_eq!(attempts[0].1.address, at("[fe80::1%eth0]:1"));
    assert_eq!(attempts[1].0, ATTEMPT_DELAY);
    link(&mut links, "there", &attempts[1].1, now() + ATTEMPT_DELAY);
    actions(&mut links);
    let late = vec!["[fe80::1%2]:1".parse().unwrap()];
    links.resolved(now(), &attempts[0].1, Ok(late));
    assert_eq!(actions(&mut links), []);
}

#[test]
fn an_attempt_that_was_given_up_is_not_taken_for_the_next_one_at_the_same_address() {
    let (mut links, target) = found_at(&["10.0.0.1:1"]);
    let first = dial(&mut links, &target);
    add(&mut links, "theirs", LARGE, false);
    links.lost(LARGE, &"theirs");
    actions(&mut links);
    let second = dial(&mut links, &target);
    links.dialled(now(), &first, Err("given up".into()));
    assert_eq!(actions(&mut links), []);
    links.dialled(now(), &second, Err("refused".into()));
    let why = "10.0.0.1:1: refused".to_owned();
    assert_eq!(routed(&mut links), [Err(why)]);
}

#[test]
fn a_search_that_somebody_joins_after_a_link_came_and_went_goes_on() {
    let (mut links, target) = found_at(&["10.0.0.1:1", "10.0.0.2:1"]);
    let first = dial(&mut links, &target);
    // As where somebody looked at a port, and not for anybody.
    add(&mut links, "by chance", LARGE, true);
    links.lost(LARGE, &"by chance");
    actions(&mut links);
    assert_eq!(links.timeout(), None, "nobody waits");
    assert_eq!(links.want(now(), &target), None);
    assert_eq!(links.timeout(), Some(now() + ATTEMPT_DELAY));
    links.dialled(now(), &first, Err("refused".into()));
    assert_eq!(places(&begun(&mut links)), ["10.0.0.2:1"]);
}
