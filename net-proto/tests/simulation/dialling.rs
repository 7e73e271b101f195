//! Peers with many addresses, of which some lead nowhere: how long it takes until there is a link, and what is left of the rest.

use std::panic::{AssertUnwindSafe, catch_unwind};

use net_proto::links::{ATTEMPT_DELAY, Target};

use crate::calls::Stage;
use crate::network::{MS, Time};
use crate::node::Door;
use crate::scenario::{By, Scenario, Step};
use crate::world::{Sabotage, World};

/// Milliseconds that anything is under way from one to the other.
const UNDER_WAY: u32 = 5;
/// A connection takes one round trip, the HELLOs one, the call one; with a millisecond for the turns of a process.
const ROUND_TRIPS: Time = 3 * 2 * UNDER_WAY as Time * MS + MS;

/// One calls the other, or both at once, when they have looked for nobody yet.
fn world(seed: u64, holes: u8, by: By, both: bool, sabotage: Sabotage) -> World {
    let call = |from, to| Step::Call {
        from,
        to,
        by,
        size: 10,
        reply: 10,
        takes: 0,
        deadline: 0,
        cancel: 0,
    };
    let mut steps = vec![(0, call(0, 1))];
    if both {
        steps.push((0, call(1, 0)));
    }
    let scenario = Scenario {
        seed,
        peers: 2,
        small_limits: false,
        delay: (UNDER_WAY * 1000, 0),
        pipe: 16_384,
        jams: false,
        apart: true,
        holes,
        steps,
    };
    let mut world = World::new(&scenario, sabotage);
    for node in &mut world.nodes {
        node.looks = Time::from(u32::MAX);
    }
    world
}

fn answered(world: &World) -> bool {
    let is_answered = |call: &crate::calls::Made| matches!(call.stage, Stage::Ended(_));
    world.calls.iter().all(is_answered)
}

/// Sees that all calls are answered as soon as one can be that dials one address after another in steps of [`ATTEMPT_DELAY`].
fn in_time(world: &mut World, holes: u8) {
    let steps = Time::from(holes) * ATTEMPT_DELAY.as_micros() as Time;
    world.act();
    world.pass_until(steps + ROUND_TRIPS);
    assert!(answered(world), "held up by {holes} that hang");
    let is_new = |node: &crate::node::Node| node.dials.is_empty() && node.links.timeout().is_none();
    assert!(world.nodes.iter().all(is_new), "something is still dialled");
}

#[test]
fn addresses_that_hang_hold_up_those_after_them_by_a_quarter_of_a_second_each() {
    for holes in 0..=7 {
        let mut world = world(1, holes, By::Id, false, Sabotage::None);
        in_time(&mut world, holes);
        assert!(world.now < 2_000 * MS, "far below the time for one of them");
        world.check_peace();
    }
}

#[test]
fn a_name_whose_first_addresses_hang_leads_there_as_soon() {
    for holes in 0..=7 {
        // A name, where there are no Unix sockets. It is looked up first, which takes a round trip.
        let mut world = world(1, holes, By::Unix, false, Sabotage::None);
        world.act();
        let steps = Time::from(holes) * ATTEMPT_DELAY.as_micros() as Time;
        world.pass_until(steps + ROUND_TRIPS + 2 * Time::from(UNDER_WAY) * MS);
        assert!(answered(&world), "held up by {holes} that hang");
        world.check_peace();
    }
}

#[test]
fn two_that_dial_all_of_each_others_addresses_at_once_have_one_link() {
    for seed in 0..50 {
        let holes = (seed % 8) as u8;
        let mut world = world(seed, holes, By::Id, true, Sabotage::None);
        in_time(&mut world, holes);
        world.check_peace();
    }
}

#[test]
fn the_address_that_worked_is_the_first_the_next_time() {
    let mut world = world(1, 7, By::Id, false, Sabotage::None);
    in_time(&mut world, 7);
    world.step(Step::Drop {
        from: 0,
        to: 1,
        told: true,
    });
    world.pass_until(world.now + 100 * MS);
    let (id, again) = (world.nodes[1].id, world.now);
    let instant = world.instant();
    assert_eq!(world.nodes[0].links.link(&Target::Instance(id)), None);
    world.nodes[0].links.want(instant, &Target::Instance(id));
    world.pump(0);
    let dialled: Vec<_> = world.nodes[0].dials.iter().collect();
    let address = world.nodes[1].address(Door::Tcp);
    assert_eq!(dialled.len(), 1);
    assert_eq!(dialled[0].attempt.address, address);
    world.pass_until(again + ROUND_TRIPS);
    assert!(world.nodes[0].links.link(&Target::Instance(id)).is_some());
}

#[test]
fn one_after_the_other_is_noticed() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut world = world(1, 2, By::Id, false, Sabotage::NeverStaggers);
    let why = catch_unwind(AssertUnwindSafe(|| in_time(&mut world, 2)));
    let _ = std::panic::take_hook();
    let why = why.unwrap_err();
    let why = why.downcast_ref::<String>().map_or("", String::as_str);
    assert!(why.contains("held up"), "{why}");
}
