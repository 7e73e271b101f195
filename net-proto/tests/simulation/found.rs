//! Scenarios that failed once, cut down, each named after the defect that it showed.

use crate::scenario::{By::*, From, Scenario, Step::*};
use crate::world::Sabotage;

fn holds(scenario: &Scenario) {
    crate::run(scenario, Sabotage::None);
}

/// Each probe put off the ping that silence is measured from.
#[test]
fn a_dead_link_that_is_probed_is_given_up_no_later_for_it() {
    #[rustfmt::skip]
    holds(&Scenario {
        seed: 4270, peers: 2, small_limits: false, delay: (300, 300), pipe: 16384, jams: false, apart: false, holes: 0,
        steps: vec![
            (14752, Call { from: 1, to: 0, by: Unix, size: 26, reply: 52272, takes: 0, deadline: 300, cancel: 0 }),
            (15105, Drop { from: 0, to: 1, told: false }),
            (16896, Call { from: 1, to: 0, by: Tcp, size: 53, reply: 47, takes: 0, deadline: 0, cancel: 0 }),
            (18000, Call { from: 0, to: 1, by: Tcp, size: 67753, reply: 53, takes: 50, deadline: 3000, cancel: 0 }),
        ],
    });
}

/// Of two openings on two links the publisher took the one that arrived later for the newer, and ended the one in use.
#[test]
fn an_interest_that_comes_late_does_not_take_the_place_of_a_later_one() {
    #[rustfmt::skip]
    holds(&Scenario {
        seed: 28603428, peers: 4, small_limits: false, delay: (5000, 40000), pipe: 22500, jams: false, apart: false, holes: 0,
        steps: vec![
            (2000, Stall { peer: 2, ms: 2000 }),
            (15875, Drop { from: 2, to: 3, told: true }),
            (16000, Subscribe { peer: 2, event: 1, block: true, keep: 20, from: From::All, every: 0, sleep: 0 }),
            (16072, Publish { from: 3, event: 1, count: 33, size: 21, every: 0, waits: true }),
        ],
    });
}

/// Two large events at once were over what may arrive at once, and one of them was dropped, though it was to be waited for.
#[test]
fn large_events_of_two_wishes_both_arrive() {
    #[rustfmt::skip]
    holds(&Scenario {
        seed: 880, peers: 5, small_limits: true, delay: (300, 300), pipe: 262144, jams: false, apart: false, holes: 0,
        steps: vec![
            (111, Subscribe { peer: 3, event: 1, block: false, keep: 3, from: From::Group(0), every: 0, sleep: 0 }),
            (627, Subscribe { peer: 3, event: 1, block: true, keep: 1000, from: From::All, every: 1, sleep: 500 }),
            (2173, Publish { from: 4, event: 1, count: 1, size: 584067, every: 0, waits: true }),
        ],
    });
}
