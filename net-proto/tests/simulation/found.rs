//! Scenarios that failed once, cut down, each named after the defect that it showed.

use crate::scenario::{By::*, Scenario, Step::*};
use crate::world::Sabotage;

fn holds(scenario: &Scenario) {
    crate::run(scenario, Sabotage::None);
}

/// Each probe put off the ping that silence is measured from.
#[test]
fn a_dead_link_that_is_probed_is_given_up_no_later_for_it() {
    #[rustfmt::skip]
    holds(&Scenario {
        seed: 4270, peers: 2, small_limits: false, delay: (300, 300), pipe: 16384,
        steps: vec![
            (14752, Call { from: 1, to: 0, by: Unix, size: 26, reply: 52272, takes: 0, deadline: 300, cancel: 0 }),
            (15105, Drop { from: 0, to: 1, told: false }),
            (16896, Call { from: 1, to: 0, by: Tcp, size: 53, reply: 47, takes: 0, deadline: 0, cancel: 0 }),
            (18000, Call { from: 0, to: 1, by: Tcp, size: 67753, reply: 53, takes: 50, deadline: 3000, cancel: 0 }),
        ],
    });
}
