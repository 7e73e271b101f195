//! Members two and three at a time: what each says to what. Many of them are in `tests/members`.

use std::time::Duration;

use super::message::Parts;
use super::record::Telling;
use super::*;
use crate::limits::{
    FAILED_KEPT, LEFT_KEPT, MAX_FOUND, MAX_KNOWN, MAX_KNOWN_ALIKE, MAX_MEMBERS, MAX_WANTED,
    SUSPICION,
};

type M = Members<&'static str>;

const A: InstanceId = InstanceId([0x0A; 16]);
const B: InstanceId = InstanceId([0x0B; 16]);
const C: InstanceId = InstanceId([0x0C; 16]);

fn hello(id: InstanceId) -> Hello {
    Hello {
        name: format!("of {id}"),
        addresses: vec!["192.0.2.7:3010".into()],
        features: vec![MEMBERS.into()],
        ..Hello::new(id)
    }
}

fn member(id: InstanceId, now: Instant) -> M {
    Members::new(&hello(id), u64::from(id.0[0]), now)
}

/// An id for each number, spread over the ring.
fn numbered(number: u64) -> InstanceId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&table::mix(number).to_le_bytes());
    InstanceId(id)
}

fn telling(id: InstanceId, incarnation: u64, status: Status) -> Telling {
    Telling {
        id,
        version: Version::new(incarnation, status),
        since: 1,
        body: Some(Said::write(&About::default(), 1)),
    }
}

fn message(tellings: Vec<Telling>) -> Message {
    Message {
        tellings,
        needed: Some(true),
        ..Message::default()
    }
}

/// What there is to do, what is told to whom and what the program is told apart.
#[derive(Default)]
struct Done {
    sent: Vec<(InstanceId, Message)>,
    dialled: Vec<InstanceId>,
    released: Vec<InstanceId>,
    /// Who joined (`+`), left (`-`) or changed (`~`).
    told: Vec<(char, InstanceId)>,
    why: Vec<WhyLeft>,
}

fn done(members: &mut M) -> Done {
    let mut done = Done::default();
    while let Some(action) = members.poll() {
        match action {
            Action::Send { id, message, .. } => done.sent.push((id, message)),
            Action::Dial { id, .. } => done.dialled.push(id),
            Action::Release(id) => done.released.push(id),
            Action::Joined(record) => done.told.push(('+', record.id())),
            Action::Left { record, why } => {
                done.told.push(('-', record.id()));
                done.why.push(why);
            }
            Action::Changed(record) => done.told.push(('~', record.id())),
        }
    }
    done
}

/// What is told of one in what was sent to one.
fn told_of(done: &Done, to: InstanceId, of: InstanceId) -> Vec<Version> {
    let messages = done.sent.iter().filter(|(id, _)| *id == to);
    let tellings = messages.flat_map(|(_, message)| &message.tellings);
    tellings
        .filter(|telling| telling.id == of)
        .map(|telling| telling.version)
        .collect()
}

/// Joins two by a link, and carries what they say until neither says any more. Gives the bytes that they said.
fn meet(one: &mut M, other: &mut M, now: &mut Instant) -> usize {
    let (a, b) = (one.own.id, other.own.id);
    one.linked("link", &hello(b), *now);
    other.linked("link", &hello(a), *now);
    let mut bytes = 0;
    for _ in 0..100 {
        let (from_one, from_other) = (done(one), done(other));
        if from_one.sent.is_empty() && from_other.sent.is_empty() && one.busy.is_empty() {
            break;
        }
        for (_, message) in from_one.sent {
            bytes += message.length();
            assert!(message.length() <= MAX_MEMBERS);
            other.received(a, &"link", message, *now);
        }
        for (_, message) in from_other.sent {
            bytes += message.length();
            assert!(message.length() <= MAX_MEMBERS);
            one.received(b, &"link", message, *now);
        }
        *now += MEMBERS_BATCH;
        one.flush(*now);
        other.flush(*now);
    }
    bytes
}

/// One who knows so many others, by what they say.
fn knowing(id: InstanceId, others: std::ops::Range<u64>, now: Instant) -> M {
    let mut members = member(id, now);
    for number in others {
        let other = hello(numbered(number));
        members.table.put(Record {
            id: other.id,
            version: Version::new(1, Status::Here),
            body: Said::write(&About::from(&other), 1),
        });
    }
    members
}

#[test]
fn two_that_nearly_agree_exchange_little_and_a_newcomer_is_told_all() {
    let mut now = Instant::now();
    let mut one = knowing(A, 0..3000, now);
    let mut other = knowing(B, 5..3003, now);
    let nearly = meet(&mut one, &mut other, &mut now);
    assert_eq!((one.table.here(), other.table.here()), (3005, 3005));
    assert_eq!(one.table.digest(256), other.table.digest(256));
    assert!(nearly < 10_000, "{nearly}");

    let mut new = member(C, now);
    let all = meet(&mut new, &mut other, &mut now);
    assert_eq!(new.table.digest(256), other.table.digest(256));
    assert!((3000 * 80..3000 * 140).contains(&all), "{all}");
    // And the other way round.
    let mut new = member(InstanceId([0; 16]), now);
    let all_again = meet(&mut other, &mut new, &mut now);
    assert!(all_again < all * 11 / 10, "{all_again}");
}

#[test]
fn two_that_differ_in_all_come_to_agree() {
    let mut now = Instant::now();
    let mut one = knowing(A, 0..2000, now);
    let mut other = knowing(B, 1000..3000, now);
    for number in 0..500 {
        one.fail(numbered(1000 + number), now);
        other.fail(numbered(1500 + number), now);
    }
    meet(&mut one, &mut other, &mut now);
    assert_eq!(one.table.digest(256), other.table.digest(256));
    assert_eq!((one.table.here(), one.table.failed()), (2002, 1000));
    assert_eq!((other.table.here(), other.table.failed()), (2002, 1000));
}

#[test]
fn who_is_said_to_be_gone_and_is_not_says_so_and_a_program_never_hears_of_it() {
    let mut now = Instant::now();
    let (mut one, mut other) = (member(A, now), member(B, now));
    meet(&mut one, &mut other, &mut now);
    done(&mut one);
    other.received(
        A,
        &"link",
        message(vec![telling(B, 1, Status::Failed)]),
        now,
    );
    other.flush(now + MEMBERS_BATCH);
    let answer = done(&mut other);
    assert_eq!(told_of(&answer, A, B), [Version::new(2, Status::Here)]);
    // One that is linked is listed whatever is said of it; then it says that it is here.
    one.received(
        B,
        &"link",
        message(vec![telling(B, 1, Status::Failed)]),
        now,
    );
    now += SUSPICION * 2;
    one.handle_timeout(now);
    assert_eq!(one.members().count(), 1);
    for (_, message) in answer.sent {
        one.received(B, &"link", message, now);
    }
    assert_eq!(done(&mut one).told, []);
    // In the greatest incarnation it cannot.
    let last = Version::MAX_INCARNATION;
    other.received(
        A,
        &"link",
        message(vec![telling(B, last, Status::Failed)]),
        now,
    );
    assert_eq!(other.own.version, Version::new(last, Status::Here));
}

#[test]
fn what_is_older_is_answered_by_what_is_known() {
    let mut now = Instant::now();
    let (mut one, mut other) = (member(A, now), member(B, now));
    meet(&mut one, &mut other, &mut now);
    let said = vec![
        telling(C, 5, Status::Here),
        telling(A, 0, Status::Left),
        telling(numbered(1), 1, Status::Left),
    ];
    one.received(B, &"link", message(said), now);
    now += MEMBERS_BATCH;
    let old = vec![telling(C, 4, Status::Failed)];
    one.received(B, &"link", message(old), now);
    one.flush(now);
    let answer = done(&mut one);
    assert_eq!(told_of(&answer, B, C), [Version::new(5, Status::Here)]);
    assert_eq!(told_of(&answer, B, A), [Version::new(1, Status::Here)]);
    // One that is gone and was not known is no news.
    assert!(one.member(numbered(1)).is_none());
}

#[test]
fn who_lacks_what_a_member_says_asks_for_it() {
    let mut now = Instant::now();
    let (mut one, mut other) = (knowing(A, 1..2, now), member(B, now));
    meet(&mut one, &mut other, &mut now);
    let bare = Telling {
        since: 2,
        body: None,
        ..telling(numbered(1), 2, Status::Here)
    };
    let new = Telling {
        body: None,
        ..telling(C, 1, Status::Here)
    };
    one.received(B, &"link", message(vec![bare, new]), now);
    one.flush(now + MEMBERS_BATCH);
    let (_, asks) = &done(&mut one).sent[0];
    let mut wanted = [numbered(1), C];
    wanted.sort_unstable();
    assert_eq!(asks.wanted, wanted);
    // It knows nothing of C, who is not told of then.
    other.received(A, &"link", asks.clone(), now + MEMBERS_BATCH);
    let told = done(&mut other);
    assert_eq!(told_of(&told, A, numbered(1)).len(), 1);
    assert_eq!(told_of(&told, A, C), []);
    // Nobody makes it ask without end.
    for number in 0..2 * MAX_WANTED as u64 {
        let outlet = one.links.get_mut(&B).unwrap();
        outlet.ask_for(numbered(number));
    }
    now += 2 * MEMBERS_BATCH;
    one.busy.insert(B);
    (0..10).for_each(|n| one.flush(now + n * MEMBERS_BATCH));
    let asked = done(&mut one).sent;
    let count = asked
        .iter()
        .map(|(_, message)| message.wanted.len())
        .sum::<usize>();
    assert_eq!(count, MAX_WANTED);
}

#[test]
fn one_that_takes_leave_is_gone_at_once_and_says_nothing_more() {
    let mut now = Instant::now();
    let (mut one, mut other) = (member(A, now), member(B, now));
    meet(&mut one, &mut other, &mut now);
    done(&mut one);
    other.leave(now);
    let last = done(&mut other);
    assert_eq!(told_of(&last, A, B), [Version::new(1, Status::Left)]);
    for (_, message) in last.sent {
        one.received(B, &"link", message, now);
    }
    let told = done(&mut one);
    assert_eq!((told.told, told.why), (vec![('-', B)], vec![WhyLeft::Left]));
    one.lost(B, &"link", How::Broken, now);
    assert_eq!(one.member(B).unwrap().status(), Status::Left);
    // Whatever is said of it.
    other.received(
        A,
        &"link",
        message(vec![telling(B, 9, Status::Failed)]),
        now,
    );
    other.found(C, vec![], now);
    other.change(&About::default(), now);
    other.handle_timeout(now + Duration::from_secs(60));
    let after = done(&mut other);
    assert_eq!((&after.dialled, told_of(&after, A, B)), (&vec![], vec![]));
}

#[test]
fn those_that_are_gone_are_remembered_for_a_while() {
    let mut now = Instant::now();
    let mut one = knowing(A, 0..2, now);
    one.linked("link", &hello(B), now);
    let gone = vec![
        telling(numbered(0), 1, Status::Left),
        telling(numbered(1), 1, Status::Failed),
    ];
    one.received(B, &"link", message(gone), now);
    assert_eq!(one.table.count(), 3);
    let begin = now;
    for (kept, left) in [(LEFT_KEPT, 2), (FAILED_KEPT, 1)] {
        now = begin + kept - Duration::from_secs(1);
        one.handle_timeout(now);
        assert_eq!(one.table.count(), left + 1);
        now = begin + kept + Duration::from_secs(4);
        one.handle_timeout(now);
        assert_eq!(one.table.count(), left);
    }
}

#[test]
fn one_that_comes_and_goes_for_ever_is_buried_only_so_often() {
    let now = Instant::now();
    let mut one = knowing(A, 0..2, now);
    one.linked("link", &hello(B), now);
    for incarnation in 1..1000 {
        let both = [Status::Here, Status::Failed];
        for told in both.map(|status| telling(numbered(0), incarnation, status)) {
            one.received(B, &"link", message(vec![told]), now);
        }
    }
    assert!(one.failed.len() <= 64 + 2 * one.table.count());
    assert_eq!(one.table.failed(), 1);
}

#[test]
fn made_up_members_take_only_so_much_room() {
    let now = Instant::now();
    let mut one = member(A, now);
    one.linked("link", &hello(B), now);
    let alike = |number: u32| {
        let mut id = [7; 16];
        id[1..5].copy_from_slice(&number.to_be_bytes());
        InstanceId(id)
    };
    for number in 0..2 * MAX_KNOWN_ALIKE as u32 {
        let told = vec![telling(alike(number), 1, Status::Here)];
        one.received(B, &"link", message(told), now);
    }
    assert_eq!(one.table.count(), 1 + MAX_KNOWN_ALIKE);
    // They do not fit into one message as one part; they are told of all the same.
    done(&mut one);
    let digest = Some(vec![0; 256]);
    let compared = Message {
        digest,
        ..Message::default()
    };
    one.received(B, &"link", compared, now);
    (1..20).for_each(|n| one.flush(now + n * MEMBERS_BATCH));
    let told = done(&mut one);
    let all: BTreeSet<_> = told
        .sent
        .iter()
        .flat_map(|(_, message)| {
            assert!(message.length() <= MAX_MEMBERS);
            message.tellings.iter().map(|telling| telling.id)
        })
        .collect();
    assert_eq!(all.len(), 1 + MAX_KNOWN_ALIKE);
}

#[test]
fn a_full_table_forgets_those_that_are_gone_and_takes_nobody_more() {
    let now = Instant::now();
    let mut one = knowing(A, 0..MAX_KNOWN as u64 - 1, now);
    assert_eq!(one.table.count(), MAX_KNOWN);
    one.linked("link", &hello(B), now);
    let more = |number| message(vec![telling(numbered(number), 1, Status::Here)]);
    one.received(B, &"link", more(1_000_000), now);
    assert!(one.member(numbered(1_000_000)).is_none());
    one.fail(numbered(5), now);
    one.received(B, &"link", more(1_000_000), now);
    assert!(one.member(numbered(1_000_000)).is_some());
    assert!(one.member(numbered(5)).is_none());
    assert_eq!(one.table.count(), MAX_KNOWN);
}

#[test]
fn what_a_full_link_had_no_room_for_is_sent_when_there_is_room() {
    let now = Instant::now();
    let mut one = member(A, now);
    one.linked("link", &hello(B), now);
    let sent = done(&mut one).sent;
    for (_, message) in &sent {
        one.blocked(B, &"another", message.clone());
        one.blocked(B, &"link", message.clone());
    }
    // Meanwhile what is new waits.
    one.received(B, &"link", message(vec![telling(C, 1, Status::Here)]), now);
    one.change(&About::default(), now + MEMBERS_BATCH);
    assert_eq!(done(&mut one).sent, []);
    one.room(B, &"another", now + MEMBERS_BATCH);
    assert_eq!(done(&mut one).sent, []);
    one.room(B, &"link", now + 2 * MEMBERS_BATCH);
    let again = done(&mut one);
    assert_eq!(again.sent[0], sent[0]);
    assert_eq!(
        told_of(&again, B, A).last(),
        Some(&Version::new(2, Status::Here))
    );
}

#[test]
fn only_the_link_that_is_used_is_looked_at() {
    let mut now = Instant::now();
    let (mut one, mut other) = (member(A, now), member(B, now));
    meet(&mut one, &mut other, &mut now);
    one.linked("newer", &hello(B), now);
    let news = || message(vec![telling(C, 1, Status::Here)]);
    one.received(B, &"link", news(), now);
    one.lost(B, &"link", How::Silent, now);
    assert_eq!((one.members().count(), one.is_needed(B)), (1, true));
    one.received(B, &"newer", news(), now);
    assert_eq!(one.members().count(), 2);
    // Nor one to who does not know of members, or to itself.
    one.linked("to C", &Hello::new(C), now);
    one.linked("to A", &hello(A), now);
    assert_eq!(one.links.len(), 1);
    one.received(C, &"to C", news(), now);
    one.room(C, &"to C", now);
}

#[test]
fn one_that_passes_by_hears_of_the_others_and_they_do_not_hear_of_it() {
    let mut now = Instant::now();
    let mut one = knowing(A, 0..20, now);
    let passing = Hello {
        transient: true,
        ..hello(B)
    };
    let mut other = M::new(&passing, 1, now);
    meet(&mut one, &mut other, &mut now);
    assert_eq!(other.members().count(), 21);
    assert_eq!(one.members().count(), 20);

    other.handle_timeout(now + Duration::from_secs(5));
    assert_eq!(done(&mut other).dialled, []);
    // News come to it as long as it is there.
    one.received(
        B,
        &"link",
        message(vec![telling(B, 1, Status::Failed)]),
        now,
    );
    other.received(
        A,
        &"link",
        message(vec![telling(B, 1, Status::Failed)]),
        now,
    );
    other.change(&About::default(), now);
    other.leave(now);
    assert_eq!(told_of(&done(&mut other), A, B), []);
}

#[test]
fn neighbours_that_were_found_are_dialled_but_not_a_crowd_of_them() {
    let now = Instant::now();
    let mut one = member(A, now);
    for number in 0..2 * MAX_FOUND as u64 {
        one.found(numbered(number), vec!["host:1".into()], now);
    }
    one.found(A, vec![], now);
    let first = done(&mut one).dialled;
    assert_eq!(first.len(), neighbours::NEIGHBOURS);
    for id in first {
        one.not_reached(id, now);
    }
    assert_eq!(
        done(&mut one).dialled.len(),
        neighbours::NEIGHBOURS,
        "others"
    );
    one.linked("link", &hello(B), now);
    one.received(
        B,
        &"link",
        message(
            (0..5)
                .map(|n| telling(numbered(1000 + n), 1, Status::Here))
                .collect(),
        ),
        now,
    );
    done(&mut one);
    one.found(numbered(500), vec![], now);
    one.found(numbered(1001), vec![], now);
    assert_eq!(done(&mut one).dialled, [], "whoever is known knows it too");
}

#[test]
fn a_link_that_neither_side_needs_is_let_go() {
    let mut now = Instant::now();
    let mut one = knowing(A, 0..100, now);
    one.linked("link", &hello(B), now);
    let chosen = neighbours::choose(&one.table, A, |_| true);
    assert_eq!(chosen.len(), neighbours::NEIGHBOURS);
    for id in &chosen {
        one.linked("chosen", &hello(*id), now);
        let here = Message {
            needed: Some(false),
            ..message(vec![])
        };
        one.received(*id, &"chosen", here, now);
    }
    now += Duration::from_secs(1);
    one.handle_timeout(now);
    let released = done(&mut one).released;
    assert!(released.contains(&B) && !one.is_needed(B));
    assert_eq!(
        one.neighbours().collect::<BTreeSet<_>>(),
        chosen.into_iter().collect()
    );
    // Unless the other side needs it.
    one.received(B, &"link", message(vec![]), now);
    assert!(one.is_needed(B));
    one.received(
        B,
        &"link",
        Message {
            needed: Some(false),
            ..Message::default()
        },
        now,
    );
    assert_eq!(done(&mut one).released, [B]);
}

#[test]
fn news_go_to_only_so_many_that_ask_for_them() {
    let now = Instant::now();
    let mut one = knowing(A, 0..1000, now);
    for number in 2000..2000 + 2 * MAX_NEIGHBOURS as u64 {
        one.linked("link", &hello(numbered(number)), now);
        one.received(numbered(number), &"link", message(vec![]), now);
    }
    let count = one.neighbours().count();
    assert!(
        (MAX_NEIGHBOURS..=MAX_NEIGHBOURS + 1).contains(&count),
        "{count}"
    );
}

#[test]
fn one_that_this_peer_alone_cannot_reach_has_to_say_so_ever_more_seldom() {
    let mut now = Instant::now();
    let mut one = knowing(A, 0..3, now);
    one.linked("link", &hello(B), now);
    let far = numbered(0);
    let mut at = Vec::new();
    for round in 0..400_u64 {
        now += Duration::from_secs(5);
        one.handle_timeout(now);
        if done(&mut one).dialled.contains(&far) {
            one.not_reached(far, now);
            if one.member(far).unwrap().status() == Status::Failed {
                at.push(5 * round);
            }
            one.received(
                B,
                &"link",
                message(vec![telling(far, 2 + round, Status::Here)]),
                now,
            );
        }
        done(&mut one);
    }
    assert!((3..=9).contains(&at.len()), "{at:?}");
    let pauses: Vec<_> = at.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(pauses.is_sorted(), "{at:?}");
    // Nobody waits for what nobody dialled.
    one.not_reached(C, now);
}

#[test]
fn parts_are_compared_from_few_to_many() {
    let now = Instant::now();
    let mut one = knowing(A, 0..1000, now);
    one.linked("link", &hello(B), now);
    done(&mut one);
    let later = now + Duration::from_secs(2);
    let ask = |digest| Message {
        digest: Some(digest),
        ..Message::default()
    };
    one.received(B, &"link", ask(vec![1]), later);
    let (_, finer) = &done(&mut one).sent[0];
    assert_eq!(finer.digest.as_ref().map(Vec::len), Some(64));
    let mut theirs = finer.digest.clone().unwrap();
    theirs[3] ^= 1;
    one.received(B, &"link", ask(theirs), later + MEMBERS_BATCH);
    let (_, list) = &done(&mut one).sent[0];
    assert_eq!(
        list.whole,
        Some(Parts {
            of: 64,
            which: vec![3]
        })
    );
    assert!(
        list.tellings
            .iter()
            .all(|telling| telling.id.0[0] / 4 == 3 && telling.body.is_none())
    );
    // The same: nothing is to be said.
    one.received(
        B,
        &"link",
        ask(one.table.digest(1)),
        later + 2 * MEMBERS_BATCH,
    );
    assert_eq!(done(&mut one).sent, []);
}
