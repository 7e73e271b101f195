//! Who is asked, over which link, and in which order what comes is delivered.

use bytes::Bytes;

use super::*;

const A: InstanceId = InstanceId([0xA; 16]);
const B: InstanceId = InstanceId([0xB; 16]);

fn who(id: InstanceId) -> Who {
    Who {
        id: Some(id),
        addresses: vec!["127.0.0.1:3010".parse().unwrap()],
        group: Some("lab".into()),
        hub: false,
        on_host: true,
    }
}

fn wish(from: Filter) -> Wish {
    Wish {
        event: "alarm".into(),
        keep: 10,
        policy: Policy::Block,
        window: 1 << 17,
        from,
    }
}

fn arrival(id: CallId, number: u64) -> Arrival {
    Arrival {
        id,
        number,
        metadata: Bytes::new(),
        body: Bytes::new(),
        charge: 8,
    }
}

type Links = Interests<&'static str>;

/// What is done next has to be to open an interest: on which link, of whom, after which number.
fn opens(interests: &mut Links) -> (&'static str, InstanceId, u64) {
    match interests.poll() {
        Some(Action::Open {
            link,
            peer,
            interest,
        }) => (link, peer, interest.after),
        other => panic!("an interest was to be opened, not {other:?}"),
    }
}

/// What is delivered, up to the next other thing: numbers, and how many are missing before the last of each delivery.
fn delivered(interests: &mut Links) -> Vec<(Vec<u64>, u64)> {
    let mut all = Vec::new();
    while let Some(Action::Deliver(delivery)) = interests.actions.front() {
        let numbers = delivery.arrivals.iter().map(|arrival| arrival.number);
        all.push((numbers.collect(), delivery.missed));
        interests.actions.pop_front();
    }
    all
}

/// Each of these events comes in a read of its own.
fn arrive<const N: usize>(
    interests: &mut Links,
    link: &'static str,
    id: CallId,
    numbers: [u64; N],
) {
    for number in numbers {
        interests.arrived(A, &link, id, [arrival(id, number)].into());
    }
}

/// A wish for everything, open on the first link of A under stream 1.
fn open() -> Links {
    let mut interests = Links::default();
    let number = interests.declare(wish(Filter::default()));
    interests.used(A, &who(A), Some("first"));
    assert_eq!(opens(&mut interests), ("first", A, 0));
    interests.opened(A, number, &"first", 1);
    interests
}

/// The same, and opened on a second link under stream 2.
fn moving() -> Links {
    let mut interests = open();
    interests.used(A, &who(A), Some("second"));
    assert_eq!(opens(&mut interests), ("second", A, 0));
    interests.opened(A, 1, &"second", 2);
    interests
}

#[test]
fn a_wish_holds_for_peers_that_are_there_and_that_come() {
    let mut interests = Links::default();
    interests.used(A, &who(A), Some("to A"));
    let number = interests.declare(wish(Filter::default()));
    assert_eq!(opens(&mut interests), ("to A", A, 0));
    interests.used(B, &who(B), Some("to B"));
    assert_eq!(opens(&mut interests), ("to B", B, 0));
    interests.used(B, &who(B), Some("to B"));
    assert_eq!(interests.poll(), None, "it is asked once");
    interests.opened(A, number, &"to A", 1);
    assert_eq!(interests.publishers(number).collect::<Vec<_>>(), [A]);
}

#[test]
fn who_does_not_match_is_not_asked() {
    let all = Filter::default;
    let groups = |name: Option<&str>| Filter {
        groups: Some(vec![name.map(str::to_owned)]),
        ..all()
    };
    let peers = |target| Filter {
        peers: Some(vec![target]),
        ..all()
    };
    let at = |address: &str| Target::At(address.parse().unwrap());
    for (from, is_asked) in [
        (groups(Some("lab")), true),
        (groups(Some("office")), false),
        (groups(None), false),
        (
            Filter {
                hubs_only: true,
                ..all()
            },
            false,
        ),
        (
            Filter {
                on_host: true,
                ..all()
            },
            true,
        ),
        (peers(Target::Instance(A)), true),
        (peers(Target::Instance(B)), false),
        (peers(at("127.0.0.1:3010")), true),
        (peers(at("127.0.0.1:9")), false),
    ] {
        let mut interests = Links::default();
        interests.declare(wish(from.clone()));
        interests.used(A, &who(A), Some("link"));
        assert_eq!(interests.poll().is_some(), is_asked, "{from:?}");
    }
}

#[test]
fn what_is_missing_is_counted() {
    let mut interests = open();
    arrive(&mut interests, "first", 1, [1, 2, 5, 6]);
    assert_eq!(
        delivered(&mut interests),
        [(vec![1], 0), (vec![2], 0), (vec![5], 2), (vec![6], 0)]
    );
    let run = [9, 10, 12].map(|number| arrival(1, number));
    interests.arrived(A, &"first", 1, run.into());
    assert_eq!(delivered(&mut interests), [(vec![9, 10, 12], 3)]);
}

#[test]
fn the_newer_stream_waits_for_the_end_of_the_older() {
    let mut interests = moving();
    arrive(&mut interests, "second", 2, [3]);
    arrive(&mut interests, "first", 1, [1]);
    arrive(&mut interests, "second", 2, [5]);
    arrive(&mut interests, "first", 1, [2]);
    assert_eq!(delivered(&mut interests), [(vec![1], 0), (vec![2], 0)]);
    interests.ended(A, &"first", 1, false);
    assert_eq!(delivered(&mut interests), [(vec![3, 5], 1)]);
    arrive(&mut interests, "second", 2, [6]);
    assert_eq!(delivered(&mut interests), [(vec![6], 0)]);
}

#[test]
fn a_third_link_is_asked_only_when_the_first_has_ended() {
    let mut interests = moving();
    interests.used(A, &who(A), Some("third"));
    assert_eq!(interests.poll(), None);
    interests.ended(A, &"first", 1, false);
    assert_eq!(opens(&mut interests), ("third", A, 0));
}

#[test]
fn a_link_that_is_used_again_is_asked_again() {
    let mut interests = moving();
    interests.used(A, &who(A), Some("first"));
    assert_eq!(interests.poll(), None, "the first is still open");
    interests.ended(A, &"first", 1, false);
    assert_eq!(opens(&mut interests), ("first", A, 0));
}

#[test]
fn a_lost_link_sets_free_what_waited_and_is_asked_anew_from_there() {
    let mut interests = moving();
    arrive(&mut interests, "first", 1, [1]);
    arrive(&mut interests, "second", 2, [4]);
    interests.lost(A, &"first");
    assert_eq!(
        delivered(&mut interests),
        [(vec![1], 0), (vec![4], 2)],
        "two were lost with the link"
    );
    interests.lost(A, &"second");
    assert_eq!(interests.poll(), None);
    interests.used(A, &who(A), Some("third"));
    assert_eq!(opens(&mut interests), ("third", A, 4));
}

#[test]
fn what_came_on_a_newer_link_that_is_lost_is_delivered_after_the_older() {
    let mut interests = moving();
    arrive(&mut interests, "second", 2, [3]);
    interests.lost(A, &"second");
    arrive(&mut interests, "first", 1, [1]);
    assert_eq!(delivered(&mut interests), [(vec![1], 0)]);
    interests.ended(A, &"first", 1, false);
    assert_eq!(delivered(&mut interests), [(vec![3], 1)]);
    interests.used(A, &who(A), Some("third"));
    assert_eq!(opens(&mut interests), ("third", A, 3));
}

#[test]
fn a_refused_interest_is_tried_again_on_another_link_alone() {
    let mut interests = open();
    interests.ended(A, &"first", 1, true);
    interests.used(A, &who(A), Some("first"));
    assert_eq!(interests.poll(), None);
    interests.used(A, &who(A), Some("second"));
    assert_eq!(opens(&mut interests), ("second", A, 0));
    interests.not_opened(A, 1, &"second");
    interests.used(A, &who(A), Some("third"));
    assert_eq!(opens(&mut interests), ("third", A, 0));
}

#[test]
fn a_refusal_on_the_older_link_sets_free_what_waited_on_the_newer() {
    let mut interests = moving();
    arrive(&mut interests, "second", 2, [1]);
    interests.used(A, &who(A), Some("first"));
    interests.ended(A, &"first", 1, true);
    assert_eq!(delivered(&mut interests), [(vec![1], 0)]);
    arrive(&mut interests, "second", 2, [2]);
    assert_eq!(delivered(&mut interests), [(vec![2], 0)]);
    assert_eq!(interests.poll(), None, "the first has refused it");
}

#[test]
fn a_full_link_is_asked_when_it_has_room() {
    let mut interests = Links::default();
    let number = interests.declare(wish(Filter::default()));
    interests.used(A, &who(A), Some("first"));
    for _ in 0..2 {
        assert_eq!(opens(&mut interests), ("first", A, 0));
        interests.blocked(A, number, &"first");
        assert_eq!(interests.poll(), None);
        interests.room(A, &"first");
    }
    assert_eq!(opens(&mut interests), ("first", A, 0));
    interests.opened(A, number, &"first", 1);
    interests.room(A, &"first");
    assert_eq!(interests.poll(), None);
}

/// It would take the place of the one that was opened since, on a link that is not used any more.
#[test]
fn a_full_link_that_is_not_used_any_more_is_not_asked_when_it_has_room() {
    let mut interests = Links::default();
    let number = interests.declare(wish(Filter::default()));
    interests.used(A, &who(A), Some("first"));
    opens(&mut interests);
    interests.blocked(A, number, &"first");
    interests.used(A, &who(A), Some("second"));
    assert_eq!(opens(&mut interests), ("second", A, 0));
    interests.opened(A, number, &"second", 2);
    interests.room(A, &"first");
    assert_eq!(interests.poll(), None);
    arrive(&mut interests, "second", 2, [1]);
    assert_eq!(delivered(&mut interests), [(vec![1], 0)]);
}

/// A publisher that had not known of the older stream any more counts from what the newer one was opened with.
#[test]
fn numbers_that_begin_anew_are_told_from_those_that_go_on() {
    let mut interests = moving();
    arrive(&mut interests, "first", 1, [1, 2, 3, 4, 5]);
    interests.lost(A, &"first");
    assert_eq!(delivered(&mut interests).len(), 5);
    arrive(&mut interests, "second", 2, [3]);
    arrive(&mut interests, "second", 2, [6]);
    assert_eq!(delivered(&mut interests), [(vec![3], 2), (vec![6], 2)]);
}

#[test]
fn the_greatest_number_there_is_does_no_harm() {
    let mut interests = moving();
    arrive(&mut interests, "first", 1, [u64::MAX]);
    interests.ended(A, &"first", 1, false);
    arrive(&mut interests, "second", 2, [2]);
    assert_eq!(
        delivered(&mut interests),
        [(vec![u64::MAX], u64::MAX - 1), (vec![2], 1)]
    );
}

#[test]
fn a_later_opening_has_a_later_turn() {
    let mut interests = Links::default();
    interests.declare(wish(Filter::default()));
    let mut turns = Vec::new();
    for link in ["first", "second", "third"] {
        interests.used(A, &who(A), Some(link));
        while let Some(action) = interests.poll() {
            if let Action::Open { interest, .. } = action {
                turns.push(interest.turn);
            }
        }
        interests.lost(A, &link);
    }
    assert!(
        turns.is_sorted_by(|a, b| a < b) && turns.len() == 3,
        "{turns:?}"
    );
}

#[test]
fn a_wish_that_is_withdrawn_ends_everywhere() {
    let mut interests = open();
    interests.used(B, &who(B), Some("to B"));
    opens(&mut interests);
    assert!(interests.withdraw(1).is_some());
    let lose = |link, id| Some(Action::Lose { link, id });
    assert_eq!(interests.poll(), lose("first", 1));
    arrive(&mut interests, "first", 1, [1]);
    assert_eq!(
        interests.poll(),
        None,
        "what was under way is not delivered"
    );
    interests.opened(B, 1, &"to B", 9);
    assert_eq!(interests.poll(), lose("to B", 9));
    assert!(interests.withdraw(1).is_none());
}

#[test]
fn peers_that_are_gone_are_not_remembered_without_end() {
    let mut interests = Links::default();
    interests.declare(wish(Filter::default()));
    for n in 0..3 * KEPT as u128 {
        let id = InstanceId(n.to_le_bytes());
        interests.used(id, &who(id), Some("link"));
        interests.lost(id, &"link");
        while interests.poll().is_some() {}
    }
    assert!(interests.peers.len() <= KEPT + 1);
}
