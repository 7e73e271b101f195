//! What is decided about links, one scenario a test. How several addresses are dialled is in [`dialling`].

mod dialling;

use std::sync::OnceLock;

use super::*;

type L = &'static str;

const SMALL: InstanceId = InstanceId([1; 16]);
const LARGE: InstanceId = InstanceId([2; 16]);

fn hello(id: InstanceId) -> Hello {
    Hello::new(id)
}

fn add(links: &mut Links<L>, link: L, id: InstanceId, dialled: bool) {
    let hello = &hello(id);
    links.linked(New {
        link,
        hello,
        dialled,
        carrier: Carrier::Tcp,
    });
}

/// A time that is always the same, where none passes.
fn now() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// The attempts that have begun since this was asked last.
fn begun(links: &mut Links<L>) -> Vec<Attempt> {
    let actions = actions(links).into_iter();
    actions
        .filter_map(|action| match action {
            Action::Dial(attempt) | Action::Resolve(attempt) => Some(attempt),
            _ => None,
        })
        .collect()
}

/// Wants a target that has one address, and is to be dialled there.
fn dial(links: &mut Links<L>, target: &Target) -> Attempt {
    assert_eq!(links.want(now(), target), None);
    let [attempt] = <[Attempt; 1]>::try_from(begun(links)).unwrap();
    attempt
}

fn actions(links: &mut Links<L>) -> Vec<Action<L>> {
    std::iter::from_fn(|| links.poll()).collect()
}

fn drained(links: &mut Links<L>) -> Vec<L> {
    let actions = actions(links).into_iter();
    actions
        .filter_map(|action| match action {
            Action::Drain(link) => Some(link),
            _ => None,
        })
        .collect()
}

fn at(text: &str) -> Address {
    text.parse().unwrap()
}

fn routed(links: &mut Links<L>) -> Vec<Result<Route<L>, String>> {
    let actions = actions(links).into_iter();
    actions
        .filter_map(|action| match action {
            Action::Routed { route, .. } => Some(route),
            _ => None,
        })
        .collect()
}

#[test]
fn of_two_links_made_at_once_the_one_dialled_by_the_smaller_id_stays_and_it_alone_drains_the_other()
{
    let (mut small, mut large) = (Links::new(SMALL), Links::new(LARGE));
    add(&mut small, "by large", LARGE, false);
    add(&mut small, "by small", LARGE, true);
    add(&mut large, "by small", SMALL, false);
    add(&mut large, "by large", SMALL, true);
    for (links, other) in [(&mut small, LARGE), (&mut large, SMALL)] {
        assert!(drained(links).is_empty(), "before the other side has both");
        links.answered(other, &"by small");
        assert!(drained(links).is_empty(), "before the other side has both");
        links.answered(other, &"by large");
        assert_eq!(links.link(&Target::Instance(other)), Some("by small"));
    }
    assert_eq!(drained(&mut small), ["by large"]);
    assert!(drained(&mut large).is_empty());
}

#[test]
fn a_new_link_is_used_at_once_while_the_older_one_has_not_answered() {
    let mut small = Links::new(SMALL);
    add(&mut small, "old", LARGE, true);
    actions(&mut small);
    // The other side has lost the old one, or it would not dial.
    add(&mut small, "new", LARGE, false);
    assert_eq!(small.link(&Target::Instance(LARGE)), Some("new"));
    assert_eq!(
        actions(&mut small),
        [
            Action::Probe("old"),
            Action::Probe("new"),
            Action::Use {
                target: Target::Instance(LARGE),
                link: Some("new")
            }
        ]
    );
    small.answered(LARGE, &"new");
    assert!(drained(&mut small).is_empty(), "the old one says nothing");
    small.lost(LARGE, &"new");
    assert_eq!(small.link(&Target::Instance(LARGE)), Some("old"));
}

#[test]
fn a_unix_socket_is_preferred_to_tcp_whoever_dialled() {
    let mut small = Links::new(SMALL);
    add(&mut small, "tcp", LARGE, true);
    small.linked(New {
        link: "unix",
        hello: &hello(LARGE),
        dialled: false,
        carrier: Carrier::Unix,
    });
    small.answered(LARGE, &"tcp");
    small.answered(LARGE, &"unix");
    assert_eq!(drained(&mut small), ["tcp"]);
    assert_eq!(small.link(&Target::Instance(LARGE)), Some("unix"));
}

#[test]
fn links_without_number_are_not_held() {
    let mut small = Links::new(SMALL);
    let names: Vec<L> = (0..20).map(|n| &*format!("link {n}").leak()).collect();
    for name in &names {
        add(&mut small, name, LARGE, false);
    }
    assert_eq!(drained(&mut small), names[..12]);
}

#[test]
fn a_peer_of_which_no_address_is_known_is_said_to_be_so() {
    let mut links = Links::<L>::new(SMALL);
    assert_eq!(links.want(now(), &Target::Instance(LARGE)), None);
    let why = "no address is known for it".to_owned();
    assert_eq!(routed(&mut links), [Err(why)]);
}

#[test]
fn whoever_waits_for_a_dial_is_served_by_the_other_sides_own() {
    let mut links = Links::new(SMALL);
    let target = Target::Instance(LARGE);
    links.found(LARGE, at("10.0.0.1:1"));
    let attempt = dial(&mut links, &target);
    add(&mut links, "theirs", LARGE, false);
    let came = actions(&mut links);
    assert!(came.contains(&Action::GiveUp(attempt.clone())));
    assert!(came.contains(&Action::Routed {
        target,
        route: Ok(Route::Link("theirs"))
    }));
    // Told once: nobody waits for the dial any more.
    links.dialled(now(), &attempt, Err("refused".into()));
    assert!(routed(&mut links).is_empty());
}

#[test]
fn an_address_leads_to_whoever_is_met_there_and_an_id_to_that_instance_alone() {
    let third = InstanceId([3; 16]);
    let mut links = Links::new(SMALL);
    let (place, instance) = (Target::At(at("10.0.0.1:1")), Target::Instance(LARGE));
    links.found(LARGE, at("10.0.0.1:1"));
    let (to_place, to_instance) = (dial(&mut links, &place), dial(&mut links, &instance));
    add(&mut links, "to the third", third, true);
    links.dialled(now(), &to_place, Ok(Met::Peer(third)));
    links.dialled(now(), &to_instance, Ok(Met::Peer(third)));
    let why = format!("10.0.0.1:1: instance {third} is there now, not {LARGE}");
    assert_eq!(
        routed(&mut links),
        [Ok(Route::Link("to the third")), Err(why)]
    );
    assert_eq!(links.known(&place).id, Some(third));

    links.lost(third, &"to the third");
    assert_eq!(links.link(&place), None);
    // It has dialled us: it is still the one that is there.
    add(&mut links, "from the third", third, false);
    assert_eq!(links.link(&place), Some("from the third"));
}

#[test]
fn what_a_peer_says_of_its_addresses_leads_no_call_for_an_address_to_it() {
    let mut links = Links::new(SMALL);
    let place = Target::At(at("10.0.0.1:1"));
    let claims = Hello {
        addresses: vec!["10.0.0.1:1".into()],
        ..hello(LARGE)
    };
    links.linked(New {
        link: "from a liar",
        hello: &claims,
        dialled: false,
        carrier: Carrier::Tcp,
    });
    assert_eq!(links.want(now(), &place), None);
}

#[test]
fn an_original_is_told_by_its_dialect_until_a_peer_is_met_in_its_place() {
    let mut links = Links::new(SMALL);
    let place = Target::At(at("10.0.0.1:1"));
    let attempt = dial(&mut links, &place);
    links.dialled(now(), &attempt, Ok(Met::Original(Dialect::V06)));
    assert_eq!(routed(&mut links), [Ok(Route::Original(Dialect::V06))]);
    assert_eq!(links.dialect(&place), Some(Dialect::V06));
    assert_eq!(
        links.present().collect::<Vec<_>>(),
        std::slice::from_ref(&place)
    );

    let attempt = dial(&mut links, &place);
    add(&mut links, "native", LARGE, true);
    links.dialled(now(), &attempt, Ok(Met::Peer(LARGE)));
    assert_eq!(routed(&mut links), [Ok(Route::Link("native"))]);
    assert_eq!(links.dialect(&place), None);
}

#[test]
fn a_link_that_has_ended_when_its_dial_is_told_of_is_no_way_to_the_peer() {
    let mut links = Links::new(SMALL);
    let place = Target::At(at("10.0.0.1:1"));
    let attempt = dial(&mut links, &place);
    add(&mut links, "short", LARGE, true);
    links.lost(LARGE, &"short");
    links.dialled(now(), &attempt, Ok(Met::Peer(LARGE)));
    let why = "10.0.0.1:1: the link ended as soon as it was made".to_owned();
    assert_eq!(routed(&mut links), [Err(why)]);
}

#[test]
fn a_peer_is_present_while_it_has_a_link_unless_it_only_passes_by() {
    let mut links = Links::new(SMALL);
    add(&mut links, "one", LARGE, false);
    let passing = Hello {
        transient: true,
        ..hello(InstanceId([3; 16]))
    };
    links.linked(New {
        link: "passing",
        hello: &passing,
        dialled: false,
        carrier: Carrier::Tcp,
    });
    assert_eq!(
        links.present().collect::<Vec<_>>(),
        [Target::Instance(LARGE)]
    );
    links.lost(LARGE, &"one");
    assert_eq!(links.present().count(), 0);
}

#[test]
fn a_peer_that_calls_itself_uses_the_near_end_and_is_not_present() {
    let mut links = Links::new(SMALL);
    add(&mut links, "far", SMALL, false);
    add(&mut links, "near", SMALL, true);
    assert_eq!(links.link(&Target::Instance(SMALL)), Some("near"));
    assert_eq!(links.present().count(), 0);
}

#[test]
fn peers_that_are_gone_and_that_nobody_holds_are_forgotten() {
    let id = |n: u32| {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&n.to_le_bytes());
        InstanceId(id)
    };
    let mut links = Links::<L>::new(SMALL);
    let held = Target::Instance(id(0));
    for n in 0..100 {
        links.found(id(n), at("10.0.0.1:1"));
        let place = Target::At(Address::Name(format!("host-{n}"), 1));
        let attempt = dial(&mut links, &place);
        links.resolved(now(), &attempt, Err("no".into()));
        actions(&mut links);
    }
    add(&mut links, "there", LARGE, false);
    links.forget(|target| *target == held);
    assert!(links.knows(&held) && links.knows(&Target::Instance(LARGE)));
    assert_eq!(links.known_count(), 2);
}

#[test]
fn an_original_where_an_instance_was_is_not_that_instance() {
    let mut links = Links::<L>::new(SMALL);
    let target = Target::Instance(LARGE);
    links.found(LARGE, at("10.0.0.1:1"));
    let attempt = dial(&mut links, &target);
    links.dialled(now(), &attempt, Ok(Met::Original(Dialect::V06)));
    let why = format!("10.0.0.1:1: an original app-net peer is there now, not {LARGE}");
    assert_eq!(routed(&mut links), [Err(why)]);
    assert_eq!(links.dialect(&target), None);
}

#[test]
fn what_is_known_of_a_peer_is_what_it_said_last_and_where_it_was_found_first() {
    let mut links = Links::<L>::new(SMALL);
    let (target, place) = (Target::Instance(LARGE), Target::At(at("host:7")));
    assert_eq!(links.known(&target).addresses, []);
    assert!(!links.knows(&place));
    links.found(LARGE, at("unix:/run/large.sock"));
    let hello = Hello {
        addresses: ["unix:/run/large.sock", "nonsense", "10.0.0.1:1"]
            .map(str::to_owned)
            .into(),
        ..hello(LARGE)
    };
    let attempt = dial(&mut links, &place);
    links.resolved(now(), &attempt, Ok(vec!["10.0.0.1:1".parse().unwrap()]));
    let [attempt] = <[Attempt; 1]>::try_from(begun(&mut links)).unwrap();
    links.linked(New {
        link: "only",
        hello: &hello,
        dialled: true,
        carrier: Carrier::Tcp,
    });
    links.dialled(now(), &attempt, Ok(Met::Peer(LARGE)));
    let known = links.known(&target);
    assert_eq!(
        (known.id, known.hello.as_ref()),
        (Some(LARGE), Some(&hello))
    );
    assert_eq!(
        known.addresses,
        [at("unix:/run/large.sock"), at("10.0.0.1:1")]
    );
    assert_eq!(links.known(&place).addresses[0], at("host:7"));
    assert!(links.knows(&place));
    assert_eq!(links.want(now(), &place), Some(Route::Link("only")));
    assert_eq!(links.in_use().collect::<Vec<_>>(), [&"only"]);
}

#[test]
fn news_of_what_was_forgotten_change_nothing() {
    let mut links = Links::<L>::new(SMALL);
    let place = Target::At(at("10.0.0.1:1"));
    let attempt = dial(&mut links, &place);
    links.dialled(now(), &attempt, Err("no".into()));
    actions(&mut links);
    links.forget(|_| false);
    links.answered(LARGE, &"link");
    links.lost(LARGE, &"link");
    links.dialled(now(), &attempt, Err("late".into()));
    links.dialled(now(), &attempt, Ok(Met::Peer(LARGE)));
    links.resolved(now(), &attempt, Err("late".into()));
    links.handle_timeout(now());
    assert_eq!((actions(&mut links).len(), links.known_count()), (0, 0));
}
