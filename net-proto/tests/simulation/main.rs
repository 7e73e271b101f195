//! Many sessions and the links between them in a world that is not there: virtual time, a network that delays, cuts and
//! loses, processes that stop, crash and come back. A scenario is made from a seed; one that fails is cut down to what is needed and
//! printed as the Rust it can be kept as.
//!
//! `SIM_SEED=7 cargo test -p app-net-proto --test simulation one_seed -- --nocapture` replays one, with `SIM_TRACE=1` aloud;
//! `make soak` goes on with new ones.

mod calls;
mod checks;
mod dialling;
mod events;
mod found;
mod ledger;
mod network;
mod node;
mod publishers;
mod scenario;
mod sockets;
mod steps;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use scenario::Scenario;
use world::{Sabotage, World};

/// Runs a scenario, and gives the virtual time it took. Panics where something does not hold.
fn run(scenario: &Scenario, sabotage: Sabotage) -> Duration {
    let mut world = World::new(scenario, sabotage);
    world.act();
    world.check_peace();
    Duration::from_micros(world.now)
}

/// What does not hold in a scenario.
fn failure(scenario: &Scenario, sabotage: Sabotage) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(|| run(scenario, sabotage))).err()?;
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
    Some(text.unwrap_or_else(|| "a panic without a text".to_owned()))
}

/// Leaves out whatever steps are not needed for it to fail.
fn cut_down(mut scenario: Scenario) -> Scenario {
    let mut size = scenario.steps.len().div_ceil(2);
    while size > 0 {
        let mut start = 0;
        while start < scenario.steps.len() {
            let mut less = scenario.clone();
            less.steps
                .drain(start..(start + size).min(less.steps.len()));
            match failure(&less, Sabotage::None) {
                Some(_) => scenario = less,
                None => start += size,
            }
        }
        size /= 2;
    }
    scenario
}

fn check(seed: u64) -> Duration {
    let scenario = Scenario::of(seed);
    let mut time = Duration::ZERO;
    let ran = catch_unwind(AssertUnwindSafe(|| time = run(&scenario, Sabotage::None)));
    if ran.is_err() {
        std::panic::set_hook(Box::new(|_| {}));
        let least = cut_down(scenario);
        let why = failure(&least, Sabotage::None).unwrap_or_default();
        let _ = std::panic::take_hook();
        panic!(
            "seed {seed} fails; cut down: {why}\nSIM_SEED={seed} replays it; as data:\n{least:?}"
        );
    }
    time
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Four tests, so that two cores have something to do.
fn quarter(quarter: u64) {
    for seed in (0..1000).filter(|seed| seed % 4 == quarter) {
        check(seed);
    }
}

#[test]
fn the_first_quarter_of_a_thousand_seeds_holds() {
    quarter(0);
}

#[test]
fn the_second_quarter_of_a_thousand_seeds_holds() {
    quarter(1);
}

#[test]
fn the_third_quarter_of_a_thousand_seeds_holds() {
    quarter(2);
}

#[test]
fn the_fourth_quarter_of_a_thousand_seeds_holds() {
    quarter(3);
}

#[test]
fn one_seed_replays() {
    let seed = number("SIM_SEED").unwrap_or(1);
    assert_eq!(check(seed), check(seed), "the same time passes");
}

/// For as long as `SOAK_S` says, with seeds that were never tried; for a moment, with the next ones, if it says nothing.
#[test]
fn soak() {
    let asked = number("SOAK_S");
    let time = Duration::from_secs(asked.unwrap_or(1));
    let new = || asked.map_or(1000, |_| fastrand::u64(..) >> 16);
    let first = number("SIM_SEED").unwrap_or_else(new);
    let (began, mut simulated, mut seeds) = (Instant::now(), Duration::ZERO, 0);
    println!("from seed {first} on");
    while began.elapsed() < time {
        simulated += check(first + seeds);
        seeds += 1;
    }
    let hours = simulated.as_secs_f64() / 3600.0;
    println!("{seeds} seeds, {hours:.1} simulated hours");
}

/// A world in which a defect goes unnoticed shows nothing. What it is noticed by says so with `sign`.
fn is_noticed(sabotage: Sabotage, sign: &str) -> bool {
    std::panic::set_hook(Box::new(|_| {}));
    let fails = |seed| failure(&Scenario::of(seed), sabotage);
    let is_noticed = (0..200).filter_map(fails).any(|why| why.contains(sign));
    let _ = std::panic::take_hook();
    is_noticed
}

#[test]
fn defects_put_in_on_purpose_are_noticed() {
    for (sabotage, sign) in [
        (Sabotage::LosesAnswers, "stuck"),
        (Sabotage::SwapsAnswers, "another one's answer"),
        (Sabotage::RunsTwice, "not run"),
        (Sabotage::ConfirmsAtOnce, "for no reason"),
        (Sabotage::KeepsLostLinks, "is gone"),
        (Sabotage::NeverPings, "does not notice"),
        (Sabotage::LosesEvents, "is to be waited for"),
        (Sabotage::DeliversTwice, "twice"),
        (Sabotage::LatestFirst, "out of its order"),
        (Sabotage::CountsNoGaps, "another number of dropped"),
        (Sabotage::KeepsWithdrawn, "was withdrawn"),
        (Sabotage::NeverTakes, "stuck on"),
        (Sabotage::LosesBacklogs, "another number of dropped"),
        (Sabotage::ForgetsQueueRoom, "stuck publishing"),
        (Sabotage::LeavesAtOnce, "before it left"),
        (Sabotage::IgnoresEnds, "links from"),
        (Sabotage::KeepsMembers, "a dead member"),
    ] {
        assert!(is_noticed(sabotage, sign), "nothing noticed {sabotage:?}");
    }
}
