//! Signs of life: those asked for, and what is concluded from none by a side that was asleep itself.

use std::time::Duration;

use net_proto::{Event, Limits, Outcome, Outgoing, ProtocolError};

use crate::pair::{PING, Pair, outgoing};

const MILLIS: Duration = Duration::from_millis(1);

#[test]
fn a_probe_is_answered_once() {
    let mut pair = Pair::connected();
    pair.dialer.session.probe(pair.now);
    pair.flow();
    assert!(matches!(
        pair.dialer.events.pop_front(),
        Some(Event::Answered)
    ));
    assert!(pair.dialer.events.is_empty() && pair.acceptor.events.is_empty());
    // An ordinary ping's answer is no event.
    pair.pass(10 * Limits::default().keep_alive);
    assert!(pair.dialer.count(PING) > 1);
    assert!(pair.dialer.events.is_empty() && pair.acceptor.events.is_empty());
}

#[test]
fn a_later_ping_that_is_answered_in_its_place_answers_a_probe_and_an_earlier_one_does_not() {
    let mut pair = Pair::connected();
    pair.network.delay = 100 * MILLIS;
    pair.dialer.session.probe(pair.now);
    pair.pass(150 * MILLIS);
    // The answer to the first is on its way when it is asked again.
    pair.dialer.session.probe(pair.now);
    pair.pass(100 * MILLIS);
    assert!(pair.dialer.events.is_empty());
    pair.pass(100 * MILLIS);
    assert!(matches!(
        pair.dialer.events.pop_front(),
        Some(Event::Answered)
    ));
}

#[test]
fn a_probe_before_the_other_side_is_known_or_after_the_end_asks_nothing() {
    let mut pair = Pair::new(Limits::default(), Limits::default());
    pair.dialer.session.probe(pair.now);
    pair.connect();
    assert_eq!(pair.dialer.count(PING), 0);
    pair.dialer.session.close();
    pair.dialer.session.probe(pair.now);
    pair.flow();
    assert_eq!(pair.dialer.count(PING), 0);
}

#[test]
fn a_side_that_was_asleep_takes_in_what_came_meanwhile_before_it_ends_calls() {
    let mut pair = Pair::connected();
    let call = Outgoing {
        time_left: Some(200 * MILLIS),
        ..outgoing("a", b"")
    };
    pair.dialer.session.call(pair.now, call, 1).unwrap();
    pair.flow();
    let asked = pair.acceptor.expect_call();
    pair.acceptor.session.reply(asked.id, vec![1].into());

    // Stopped for a minute, and woken by its timer before it has read the answer.
    let woken = pair.now + Duration::from_secs(60);
    pair.dialer.session.handle_timeout(woken).unwrap();
    pair.dialer.poll();
    assert!(pair.dialer.events.is_empty());
    let wait = pair.dialer.session.timeout().unwrap() - woken;
    assert!(wait > Duration::ZERO && wait <= 100 * MILLIS, "{wait:?}");
    pair.now = woken;
    pair.flow();
    assert_eq!(pair.dialer.expect_end(1), Outcome::Reply(vec![1].into()));
}

#[test]
fn a_side_that_was_asleep_blames_nobody_before_it_has_asked_again() {
    let mut pair = Pair::connected();
    pair.now += Duration::from_secs(60);
    pair.pass(Duration::from_secs(60));
    assert_eq!((&pair.dialer.failed, &pair.acceptor.failed), (&None, &None));

    // Nor does it wait for ever.
    let limits = Limits::default();
    pair.now += Duration::from_secs(60);
    let woken = pair.now;
    let mut alone = pair.dialer;
    while alone.failed.is_none() {
        let now = alone.session.timeout().unwrap().max(woken);
        assert!(now < woken + limits.silence + limits.keep_alive);
        alone.failed = alone.session.handle_timeout(now).err();
    }
    assert!(matches!(alone.failed, Some(ProtocolError::Silent { .. })));
}

#[test]
fn a_side_that_was_asleep_while_it_waited_for_an_answer_asks_once_more() {
    let mut pair = Pair::connected();
    let limits = Limits::default();
    // Asked, and the machine is put to sleep with both of them before the answer.
    pair.now += limits.keep_alive;
    pair.dialer.session.handle_timeout(pair.now).unwrap();
    pair.dialer.write_once();
    let woken = pair.now + Duration::from_secs(3600);
    let mut asked = pair.dialer.count(PING);
    for _ in 0..3 {
        let due = pair.dialer.session.timeout().unwrap().max(woken);
        pair.dialer.session.handle_timeout(due).unwrap();
        pair.dialer.write_once();
        pair.now = due;
    }
    asked = pair.dialer.count(PING) - asked;
    assert!(asked > 0 && pair.now < woken + limits.silence);
    // Its answer may take as long as any.
    pair.network.delay = 400 * MILLIS;
    pair.pass(10 * limits.silence);
    assert_eq!(pair.dialer.failed, None);
}

#[test]
fn probes_do_not_put_off_the_end_of_a_dead_link() {
    let mut pair = Pair::connected();
    let limits = Limits::default();
    let cut = pair.now;
    while pair.dialer.failed.is_none() {
        pair.dialer.session.probe(pair.now);
        pair.dialer.write_once();
        pair.cut();
        pair.pass(100 * MILLIS);
        assert!(pair.now <= cut + limits.silence + 200 * MILLIS);
    }
}
