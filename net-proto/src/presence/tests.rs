//! What listeners are told, one scenario a test.

use std::collections::HashSet;

use super::*;
use crate::id::InstanceId;

fn peer(n: u8) -> Target {
    Target::Instance(InstanceId([n; 16]))
}

fn shown(name: &str) -> Shown {
    Shown {
        name: Some(name.into()),
        ..Shown::default()
    }
}

fn in_group(group: &str) -> Who {
    Who {
        id: None,
        addresses: vec![],
        group: Some(group.into()),
        hub: false,
        on_host: true,
    }
}

fn lost() -> WhyLeft {
    WhyLeft::LinkLost {
        why: "reset".into(),
    }
}

fn leave() -> WhyLeft {
    WhyLeft::TookLeave {
        reason: "shutting down".into(),
    }
}

fn join(presence: &mut Presence, n: u8) {
    presence.is_there(&peer(n), shown("a"), in_group("lab"));
}

fn told(presence: &mut Presence, listener: u64) -> Vec<(Target, Change)> {
    std::iter::from_fn(|| presence.next(listener)).collect()
}

fn actions(presence: &mut Presence) -> Vec<Action> {
    std::iter::from_fn(|| presence.poll()).collect()
}

#[test]
fn who_begins_late_is_told_of_those_that_are_there_first() {
    let mut presence = Presence::default();
    let early = presence.listen(Filter::default());
    join(&mut presence, 1);
    assert_eq!(told(&mut presence, early), [(peer(1), Change::Joined)]);
    let late = presence.listen(Filter::default());
    assert_eq!(told(&mut presence, late), [(peer(1), Change::Joined)]);
    assert_eq!(told(&mut presence, early), []);
}

#[test]
fn the_same_said_again_is_nothing_new_and_something_else_is_a_change() {
    let mut presence = Presence::default();
    let listener = presence.listen(Filter::default());
    join(&mut presence, 1);
    join(&mut presence, 1);
    assert_eq!(actions(&mut presence), [Action::Wake(listener)]);
    assert_eq!(told(&mut presence, listener), [(peer(1), Change::Joined)]);
    presence.is_there(&peer(1), shown("b"), in_group("lab"));
    assert_eq!(told(&mut presence, listener), [(peer(1), Change::Changed)]);
    presence.is_there(&peer(1), shown("c"), in_group("lab"));
    presence.is_there(&peer(1), shown("b"), in_group("lab"));
    assert_eq!(told(&mut presence, listener), [], "it is as it was");
}

#[test]
fn who_takes_leave_is_gone_at_once_and_is_not_looked_for() {
    let mut presence = Presence::default();
    let now = Instant::now();
    let listener = presence.listen(Filter::default());
    let unreached = WhyLeft::Unreached {
        why: "no other peer reaches it".into(),
    };
    let whys = [
        leave(),
        unreached,
        WhyLeft::Silent { after: GRACE },
        WhyLeft::NoAnswer,
    ];
    for why in whys {
        join(&mut presence, 1);
        told(&mut presence, listener);
        actions(&mut presence);
        presence.is_gone(&peer(1), why.clone(), now);
        assert_eq!(actions(&mut presence), [Action::Wake(listener)]);
        assert_eq!(
            told(&mut presence, listener),
            [(peer(1), Change::Left(why))]
        );
    }
}

#[test]
fn who_is_lost_without_a_word_and_found_again_was_never_away() {
    let mut presence = Presence::default();
    let listener = presence.listen(Filter::default());
    join(&mut presence, 1);
    told(&mut presence, listener);
    actions(&mut presence);
    presence.is_gone(&peer(1), lost(), Instant::now());
    presence.is_gone(&peer(1), lost(), Instant::now());
    assert_eq!(actions(&mut presence), [Action::LookFor(peer(1))]);
    join(&mut presence, 1);
    assert_eq!(
        (told(&mut presence, listener), presence.timeout()),
        (vec![], None)
    );
    // What it says of itself by then may be something else.
    presence.is_gone(&peer(1), lost(), Instant::now());
    presence.is_there(&peer(1), shown("b"), in_group("lab"));
    assert_eq!(told(&mut presence, listener), [(peer(1), Change::Changed)]);
}

#[test]
fn who_is_lost_and_not_found_has_left_and_it_is_said_what_was_tried() {
    let mut presence = Presence::default();
    let listener = presence.listen(Filter::default());
    join(&mut presence, 1);
    told(&mut presence, listener);
    presence.is_gone(&peer(1), lost(), Instant::now());
    assert_eq!(told(&mut presence, listener), []);
    presence.not_found(&peer(1), "refused");
    presence.not_found(&peer(1), "said twice");
    let told = told(&mut presence, listener);
    let [(_, Change::Left(why))] = &told[..] else {
        panic!("{told:?}");
    };
    let text = "its link was lost: reset; looked for again, it was not found: refused";
    assert_eq!(why.to_string(), text);
}

#[test]
fn who_is_looked_for_without_an_answer_has_left_when_the_grace_is_over() {
    let mut presence = Presence::default();
    let begun = Instant::now();
    let listener = presence.listen(Filter::default());
    join(&mut presence, 1);
    told(&mut presence, listener);
    presence.is_gone(&peer(1), lost(), begun);
    assert_eq!(presence.timeout(), Some(begun + GRACE));
    presence.handle_timeout(begun + GRACE / 2);
    assert_eq!(told(&mut presence, listener), []);
    presence.handle_timeout(begun + GRACE);
    assert!(matches!(
        told(&mut presence, listener)[..],
        [(_, Change::Left(_))]
    ));
    assert_eq!(presence.timeout(), None);
}

#[test]
fn that_it_took_leave_ends_the_search_for_it() {
    let mut presence = Presence::default();
    let listener = presence.listen(Filter::default());
    join(&mut presence, 1);
    told(&mut presence, listener);
    // A call has found its link gone before the table was told of the goodbye.
    presence.is_gone(&peer(1), lost(), Instant::now());
    presence.is_gone(&peer(1), leave(), Instant::now());
    assert_eq!(
        told(&mut presence, listener),
        [(peer(1), Change::Left(leave()))]
    );
    presence.not_found(&peer(1), "refused");
    assert_eq!(told(&mut presence, listener), []);
}

#[test]
fn who_begins_while_a_peer_is_looked_for_is_told_of_it_when_it_is_found() {
    let mut presence = Presence::default();
    let early = presence.listen(Filter::default());
    join(&mut presence, 1);
    presence.is_gone(&peer(1), lost(), Instant::now());
    let late = presence.listen(Filter::default());
    assert_eq!(told(&mut presence, late), []);
    assert_eq!(told(&mut presence, early), [], "it had not been told yet");
    join(&mut presence, 1);
    assert_eq!(told(&mut presence, late), [(peer(1), Change::Joined)]);
    assert_eq!(told(&mut presence, early), [(peer(1), Change::Joined)]);
}

#[test]
fn only_those_that_are_meant_are_told_of_and_looked_for() {
    let mut presence = Presence::default();
    let groups = Some(vec![Some("office".to_owned())]);
    let filter = Filter {
        groups,
        ..Filter::default()
    };
    let listener = presence.listen(filter);
    join(&mut presence, 1);
    presence.is_gone(&peer(1), lost(), Instant::now());
    assert_eq!(
        (actions(&mut presence), told(&mut presence, listener)),
        (vec![], vec![])
    );
    // It goes over to the other group, and back.
    presence.is_there(&peer(1), shown("a"), in_group("office"));
    assert_eq!(told(&mut presence, listener), [(peer(1), Change::Joined)]);
    presence.is_there(&peer(1), shown("a"), in_group("lab"));
    let left = Change::Left(WhyLeft::NotMeant);
    assert_eq!(told(&mut presence, listener), [(peer(1), left)]);
}

#[test]
fn a_listener_that_does_not_ask_is_kept_no_more_for_than_there_is() {
    let mut presence = Presence::default();
    let listener = presence.listen(Filter::default());
    join(&mut presence, 0);
    told(&mut presence, listener);
    for n in 1..=200 {
        join(&mut presence, n);
        presence.is_gone(&peer(n), leave(), Instant::now());
        presence.is_there(&peer(0), shown(&n.to_string()), in_group("lab"));
    }
    let kept = &presence.listeners[&listener];
    assert_eq!(
        (kept.owed.len(), kept.places.len(), kept.left.len()),
        (1, 1, 0)
    );
    assert_eq!(told(&mut presence, listener), [(peer(0), Change::Changed)]);
}

#[test]
fn nothing_is_kept_when_nobody_listens() {
    let mut presence = Presence::default();
    join(&mut presence, 1);
    assert!(presence.there.is_empty());
    let listener = presence.listen(Filter::default());
    join(&mut presence, 1);
    presence.forget(listener);
    assert!(presence.there.is_empty() && presence.poll().is_none());
    assert_eq!(presence.next(listener), None);
}

/// A small generator of numbers: the same in each run.
fn numbers() -> impl FnMut(u64) -> u64 {
    let mut state = 1_u64;
    move |below| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    }
}

#[test]
fn what_a_listener_is_told_adds_up_to_what_is_so_however_slow_it_is() {
    let mut number = numbers();
    for _ in 0..200 {
        let mut presence = Presence::default();
        let now = Instant::now();
        let everybody = presence.listen(Filter::default());
        let groups = Some(vec![Some("lab".to_owned())]);
        let lab = presence.listen(Filter {
            groups,
            ..Filter::default()
        });
        let mut known: [HashSet<Target>; 2] = Default::default();
        let mut so = HashMap::new();
        let mut take = |presence: &mut Presence, which: usize, most: u64| {
            let listener = [everybody, lab][which];
            for _ in 0..most {
                let Some((target, change)) = presence.next(listener) else {
                    break;
                };
                let known = &mut known[which];
                // Each is told of as it can come after what was told before.
                match change {
                    Change::Joined => assert!(known.insert(target)),
                    Change::Changed => assert!(known.contains(&target)),
                    Change::Left(_) => assert!(known.remove(&target)),
                }
            }
            known[which].clone()
        };
        for _ in 0..300 {
            let target = peer(u8::try_from(number(8)).unwrap());
            match number(6) {
                0 | 1 => {
                    let group = ["lab", "office"][usize::try_from(number(2)).unwrap()];
                    let name = shown(&number(3).to_string());
                    presence.is_there(&target, name, in_group(group));
                    so.insert(target, group);
                }
                2 => {
                    presence.is_gone(&target, leave(), now);
                    so.remove(&target);
                }
                3 => {
                    presence.is_gone(&target, lost(), now);
                    so.remove(&target);
                }
                4 => presence.not_found(&target, "refused"),
                _ => {
                    _ = take(
                        &mut presence,
                        usize::try_from(number(2)).unwrap(),
                        number(4),
                    )
                }
            }
        }
        presence.handle_timeout(now + GRACE);
        assert_eq!(take(&mut presence, 0, u64::MAX).len(), so.len());
        let in_lab = take(&mut presence, 1, u64::MAX);
        let lab = so.iter().filter(|(_, group)| **group == "lab");
        assert!(lab.clone().all(|(target, _)| in_lab.contains(target)));
        assert_eq!(in_lab.len(), lab.count());
    }
}
