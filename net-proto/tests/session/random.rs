//! Anything that drivers may do, in any order: each call ends exactly once, and events come in order, with a gap for each that was
//! dropped.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use net_proto::{
    Arrival, CallId, ErrorBody, ErrorCode, Event, Interest, Limits, Outgoing, Policy, Publication,
    Published,
};
use proptest::prelude::*;

use crate::pair::{End, Pair, outgoing, pattern};

#[derive(Clone, Debug)]
enum Step {
    Call {
        tag: usize,
        size: usize,
        time: Option<u64>,
    },
    Cancel {
        which: usize,
    },
    Reply {
        which: usize,
        size: usize,
    },
    Error {
        which: usize,
    },
    Subscribe {
        keep: u32,
        blocks: bool,
    },
    Publish {
        which: usize,
        size: usize,
    },
    Take {
        which: usize,
    },
    LoseInterest {
        which: usize,
    },
    EndInterest {
        which: usize,
    },
    Flow,
    Pass {
        millis: u64,
    },
    Goodbye,
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        6 => 0..100_usize,
        2 => 50_000..70_000_usize,
        1 => 70_000..700_000_usize,
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..4_usize, size(), proptest::option::of(1..500_u64))
            .prop_map(|(tag, size, time)| Step::Call { tag, size, time }),
        3 => any::<usize>().prop_map(|which| Step::Cancel { which }),
        8 => (any::<usize>(), size()).prop_map(|(which, size)| Step::Reply { which, size }),
        1 => any::<usize>().prop_map(|which| Step::Error { which }),
        2 => (1..20_u32, any::<bool>())
            .prop_map(|(keep, blocks)| Step::Subscribe { keep, blocks }),
        8 => (any::<usize>(), size()).prop_map(|(which, size)| Step::Publish { which, size }),
        5 => any::<usize>().prop_map(|which| Step::Take { which }),
        1 => any::<usize>().prop_map(|which| Step::LoseInterest { which }),
        1 => any::<usize>().prop_map(|which| Step::EndInterest { which }),
        3 => Just(Step::Flow),
        3 => (0..300_u64).prop_map(|millis| Step::Pass { millis }),
        1 => Just(Step::Goodbye),
    ]
}

/// What one driver knows.
#[derive(Default)]
struct Driver {
    made: u32,
    ended: HashMap<u32, u32>,
    own: Vec<CallId>,
    asked: Vec<CallId>,
    /// Interests of this side, and the number of the last event of each.
    interests: HashMap<CallId, u64>,
    arrived: Vec<Arrival>,
    /// Interests of the other side, and how many events were published to each.
    wanted: HashMap<CallId, u64>,
    drained: bool,
}

impl Driver {
    fn end(&mut self, token: u32) {
        *self.ended.entry(token).or_default() += 1;
    }

    fn take_events(&mut self, end: &mut End) {
        for event in end.events.drain(..) {
            match event {
                Event::Call(call) => {
                    assert_eq!(
                        call.body,
                        pattern(call.body.len()),
                        "bodies arrive as they were"
                    );
                    self.asked.push(call.id);
                }
                Event::Cancelled(id) => {
                    let before = self.asked.len();
                    self.asked.retain(|asked| *asked != id);
                    assert_eq!(self.asked.len(), before - 1, "only what runs is cancelled");
                }
                Event::Ended { token, .. } => self.end(token),
                Event::Drained => {
                    assert!(!self.drained, "drained once");
                    self.drained = true;
                }
                Event::Interest { id, .. } => _ = self.wanted.insert(id, 0),
                Event::NotInterested(id) => _ = self.wanted.remove(&id).expect("it was wanted"),
                Event::Arrived(arrival) => {
                    let last = self
                        .interests
                        .get_mut(&arrival.id)
                        .expect("it was asked for");
                    assert!(arrival.number > *last, "in order");
                    *last = arrival.number;
                    // Each body has the size that its number says.
                    assert_eq!(arrival.metadata, arrival.number.to_le_bytes()[..]);
                    assert_eq!(arrival.body, pattern(arrival.body.len()));
                    self.arrived.push(arrival);
                }
                Event::InterestEnded { id, error } => {
                    assert_eq!(error, None);
                    self.interests.remove(&id).expect("it was asked for");
                }
                Event::QueueRoom(_) | Event::Room | Event::Goodbye { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn act(&mut self, pair: &mut Pair, is_dialer: bool, step: &Step) {
        let now = pair.now;
        let end = if is_dialer {
            &mut pair.dialer
        } else {
            &mut pair.acceptor
        };
        let pick = |list: &mut Vec<CallId>, which: usize| {
            (!list.is_empty()).then(|| list.swap_remove(which % list.len()))
        };
        match step {
            Step::Call { tag, size, time } => {
                let call = Outgoing {
                    time_left: time.map(Duration::from_millis),
                    ..outgoing(["a", "b.c", "d.e.f", ""][*tag], &[])
                };
                let body = pattern(*size);
                let call = Outgoing {
                    body: body[..].into(),
                    ..call
                };
                let token = self.made;
                self.made += 1;
                match end.session.call(now, call, token) {
                    Ok(id) => self.own.push(id),
                    Err(refused) => self.end(refused.token),
                }
            }
            Step::Cancel { which } => {
                if let Some(token) =
                    pick(&mut self.own, *which).and_then(|id| end.session.cancel(id))
                {
                    self.end(token);
                }
            }
            Step::Reply { which, size } => {
                if let Some(id) = pick(&mut self.asked, *which) {
                    end.session.reply(id, pattern(*size).into());
                }
            }
            Step::Error { which } => {
                if let Some(id) = pick(&mut self.asked, *which) {
                    end.session
                        .error(id, &ErrorBody::new(ErrorCode::Remote, "no"));
                }
            }
            Step::Subscribe { keep, blocks } => {
                let policy = match blocks {
                    true => Policy::Block,
                    false => Policy::DropOldest,
                };
                let interest = Interest {
                    event: "e".into(),
                    number: 0,
                    keep: *keep,
                    policy,
                    window: 0,
                    after: 0,
                    turn: 1,
                };
                if let Ok(id) = end.session.interest(&interest) {
                    self.interests.insert(id, 0);
                }
            }
            Step::Publish { which, size } => {
                if let Some(id) = pick_key(&self.wanted, *which) {
                    let count = self.wanted.get_mut(&id).expect("it is wanted");
                    let event = Publication {
                        metadata: Bytes::copy_from_slice(&(*count + 1).to_le_bytes()),
                        body: pattern(*size).into(),
                    };
                    match end.session.publish(id, &event) {
                        Published::Full => {}
                        Published::Gone => panic!("{id} is wanted"),
                        Published::Accepted { .. } | Published::TooLarge { .. } => *count += 1,
                    }
                }
            }
            Step::Take { which } => {
                if !self.arrived.is_empty() {
                    let arrival = self.arrived.swap_remove(which % self.arrived.len());
                    end.session.taken(arrival.id, arrival.charge);
                }
            }
            Step::LoseInterest { which } => {
                if let Some(id) = pick_key(&self.interests, *which) {
                    self.interests.remove(&id);
                    end.session.lose_interest(id);
                }
            }
            Step::EndInterest { which } => {
                if let Some(id) = pick_key(&self.wanted, *which) {
                    self.wanted.remove(&id);
                    end.session.end_interest(id);
                }
            }
            Step::Goodbye => end.session.goodbye("enough"),
            Step::Flow | Step::Pass { .. } => {}
        }
        end.poll();
    }
}

fn pick_key(map: &HashMap<CallId, u64>, which: usize) -> Option<CallId> {
    let mut keys: Vec<_> = map.keys().copied().collect();
    keys.sort_unstable();
    keys.get(which % keys.len().max(1)).copied()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn every_call_ends_exactly_once(
        steps in proptest::collection::vec((any::<bool>(), step()), 1..120),
        piece in prop_oneof![Just(usize::MAX), 1..3000_usize],
        max_calls in 1..20_u32,
        answers_at_last: bool,
    ) {
        // Small limits, so that all of them are run into.
        let limits = Limits {
            max_calls,
            link_window: 1 << 19,
            stream_window: 1 << 17,
            max_value: 600_000,
            max_arriving: 1_000_000,
            max_unsent: 500_000,
            max_leaving: 800_000,
            max_queued: 1_000_000,
            high_water: 100_000,
            ..Limits::default()
        };
        let mut pair = Pair::connected_with(limits.clone(), limits);
        pair.network.piece = piece;
        let mut drivers = [Driver::default(), Driver::default()];
        for (is_dialer, step) in &steps {
            drivers[usize::from(!is_dialer)].act(&mut pair, *is_dialer, step);
            match step {
                Step::Flow => pair.flow(),
                Step::Pass { millis } => pair.pass(Duration::from_millis(*millis)),
                _ => {}
            }
            drivers[0].take_events(&mut pair.dialer);
            drivers[1].take_events(&mut pair.acceptor);
            prop_assert_eq!((&pair.dialer.failed, &pair.acceptor.failed), (&None, &None));
        }

        if answers_at_last {
            // Everything is answered: then nothing is left, and a goodbye drains the link.
            let goodbye = Step::Goodbye;
            drivers[0].act(&mut pair, true, &goodbye);
            for _ in 0..100 {
                pair.flow();
                drivers[0].take_events(&mut pair.dialer);
                drivers[1].take_events(&mut pair.acceptor);
                let sides = drivers.iter_mut().zip([&mut pair.dialer, &mut pair.acceptor]);
                for (driver, end) in sides {
                    for arrival in driver.arrived.drain(..) {
                        end.session.taken(arrival.id, arrival.charge);
                    }
                    for id in driver.wanted.drain().map(|(id, _)| id) {
                        end.session.end_interest(id);
                    }
                }
                let answer = Step::Reply { which: 0, size: 10 };
                while !(drivers[0].asked.is_empty() && drivers[1].asked.is_empty()) {
                    drivers[0].act(&mut pair, true, &answer);
                    drivers[1].act(&mut pair, false, &answer);
                }
            }
            prop_assert_eq!((&pair.dialer.failed, &pair.acceptor.failed), (&None, &None));
            prop_assert_eq!(pair.dialer.session.in_flight() + pair.dialer.session.serving(), 0);
            prop_assert_eq!(pair.acceptor.session.in_flight() + pair.acceptor.session.serving(), 0);
            for end in [&pair.dialer, &pair.acceptor] {
                prop_assert_eq!(end.session.interests(), (0, 0));
                prop_assert_eq!(end.session.usage().queued, 0);
            }
            prop_assert!(drivers[0].drained && drivers[1].drained);
        }
        for (driver, end) in drivers.iter_mut().zip([&mut pair.dialer, &mut pair.acceptor]) {
            for token in end.session.close() {
                driver.end(token);
            }
            prop_assert_eq!(driver.ended.len() as u32, driver.made);
            prop_assert!(driver.ended.values().all(|times| *times == 1));
        }
    }
}
