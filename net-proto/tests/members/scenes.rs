//! What must hold, for many seeds: how soon all know of who comes and goes, that nobody is called gone who is not, and that in the end all
//! know the same.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use net_proto::members::About;

use crate::world::{Micros, NEAR, SECOND, Seen, WIDE, World};

/// Runs a scene for so many seeds, or the one that was asked for, and says which failed.
fn for_seeds(count: u64, scene: impl Fn(u64)) {
    let number = |name| std::env::var(name).ok()?.parse().ok();
    let count = number("SIM_SEEDS").unwrap_or(count);
    let seeds = number("SIM_SEED").map_or(0..count, |seed: u64| seed..seed + 1);
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| scene(seed))) {
            eprintln!("seed {seed} fails: SIM_SEED={seed} replays it");
            resume_unwind(panic);
        }
    }
}

/// A group that has settled, of a size that goes with the seed.
fn settled(seed: u64, sizes: [usize; 3]) -> World {
    let count = sizes[seed as usize % sizes.len()];
    let delay = if seed % 4 == 3 { WIDE } else { NEAR };
    let mut world = World::new(seed, delay);
    world.start_all(count);
    assert!(
        world.run_until(5 * SECOND, |world| world.listed == count * (count - 1)),
        "{} of {} pairs",
        world.listed,
        count * (count - 1)
    );
    world.run(20 * SECOND);
    assert_eq!((world.wrong(), world.false_left), (0, 0));
    world
}

/// Runs on until all others that are up were told something of a peer; says how long that took.
fn known(
    world: &mut World,
    peer: usize,
    most: Micros,
    told: fn(&Seen) -> &Vec<(Micros, usize)>,
) -> Micros {
    let (start, others) = (
        world.now,
        world.up().iter().filter(|other| **other != peer).count(),
    );
    let all = world.run_until(start + most, |world| {
        told(&world.watched[&peer]).len() >= others
    });
    assert!(
        all,
        "{} of {others} know",
        told(&world.watched[&peer]).len()
    );
    world.now - start
}

#[test]
fn a_join_and_a_leave_are_known_to_all_within_a_second() {
    for_seeds(24, |seed| {
        let mut world = settled(seed, [2, 50, 300]);
        let new = world.start();
        world.watched.insert(new, Seen::default());
        let found = world.rng.usize(..new);
        world.find(new, &[found]);
        known(&mut world, new, SECOND, |seen| &seen.joined);
        world.run(10 * SECOND);
        assert_eq!(world.wrong(), 0);
        world.leave(new);
        known(&mut world, new, SECOND, |seen| &seen.left);
        world.run(10 * SECOND);
        assert_eq!((world.wrong(), world.false_left), (0, 0));
    });
}

#[test]
fn a_crash_is_known_to_all_within_five_seconds_and_a_killed_process_at_once() {
    for_seeds(24, |seed| {
        let mut world = settled(seed, [2, 50, 300]);
        let lost = world.any_up();
        world.watched.insert(lost, Seen::default());
        if seed % 2 == 0 {
            world.crash(lost);
            known(&mut world, lost, 6 * SECOND, |seen| &seen.left);
        } else {
            world.kill(lost);
            known(&mut world, lost, 2 * SECOND, |seen| &seen.left);
        }
        world.run(60 * SECOND);
        assert_eq!((world.wrong(), world.false_left), (0, 0));
    });
}

#[test]
fn what_a_member_says_anew_is_known_to_all() {
    for_seeds(8, |seed| {
        let mut world = settled(seed, [3, 20, 100]);
        let peer = world.any_up();
        world.watched.insert(peer, Seen::default());
        let addresses = vec!["192.0.2.99:3010".to_owned()];
        let about = About {
            addresses,
            ..About::default()
        };
        world.change(peer, &about);
        known(&mut world, peer, SECOND, |seen| &seen.changed);
        let id = world.id(peer);
        for other in world.up() {
            let record = world.peers[other].members.member(id).unwrap();
            assert_eq!(record.about(), about);
        }
    });
}

#[test]
fn each_side_of_a_parted_network_is_right_and_so_is_the_whole_when_it_heals() {
    for_seeds(40, |seed| {
        let mut world = settled(seed, [10, 10, 50]);
        let count = world.peers.len();
        world.part(|peer| u8::from(peer < count * 6 / 10));
        world.run(9 * SECOND + SECOND / 2);
        assert_eq!((world.wrong(), world.false_left), (0, 0), "parted");
        world.run(seed % 5 * 30 * SECOND);
        world.heal();
        world.run(10 * SECOND);
        assert_eq!(world.wrong(), 0, "healed");
        assert_eq!(world.false_left, 0);
    });
}

#[test]
fn a_network_that_is_parted_over_and_over_is_right_each_time() {
    for_seeds(40, |seed| {
        let mut world = settled(seed, [10, 10, 50]);
        let count = world.peers.len();
        for round in 0..4 {
            world.part(|peer| u8::from(peer < count * 6 / 10));
            world.run(20 * SECOND);
            assert_eq!(world.wrong(), 0, "parted, {round}");
            world.heal();
            world.run(3 * SECOND + seed % 8 * SECOND);
            assert_eq!(world.wrong(), 0, "healed, {round}");
        }
    });
}

#[test]
fn a_network_that_is_whole_before_it_was_noticed_is_as_it_was() {
    for_seeds(8, |seed| {
        let mut world = settled(seed, [10, 20, 50]);
        let listed = world.listed;
        world.part(|peer| (peer % 2) as u8);
        world.run(2 * SECOND);
        world.heal();
        world.run(20 * SECOND);
        assert_eq!(
            (world.wrong(), world.false_left, world.listed),
            (0, 0, listed)
        );
    });
}

#[test]
fn one_that_is_cut_off_says_so_and_is_there_again_when_it_is_back() {
    for_seeds(20, |seed| {
        let mut world = settled(seed, [2, 30, 100]);
        let peer = world.any_up();
        for other in 0..world.peers.len() {
            world.watched.insert(other, Seen::default());
        }
        world.part(|other| u8::from(other == peer));
        world.run(15 * SECOND);
        assert_eq!((world.wrong(), world.peers[peer].listed), (0, 0));
        world.heal();
        world.run(10 * SECOND);
        assert_eq!((world.wrong(), world.false_left), (0, 0));
        // To each other the rest have been there all the time.
        let others = world.watched.iter().filter(|(other, _)| **other != peer);
        let mut told = others.flat_map(|(_, seen)| seen.left.iter().chain(&seen.joined));
        assert!(told.all(|(_, by)| *by == peer));
    });
}

#[test]
fn one_that_stands_still_is_not_there_only_if_it_does_so_for_long() {
    for_seeds(24, |seed| {
        let mut world = settled(seed, [5, 30, 100]);
        let peer = world.any_up();
        for other in 0..world.peers.len() {
            world.watched.insert(other, Seen::default());
        }
        world.pause(peer);
        let is_long = seed % 2 == 1;
        world.run(if is_long { 25 * SECOND } else { 2 * SECOND });
        world.resume(peer);
        world.run(20 * SECOND);
        assert_eq!((world.wrong(), world.false_left), (0, 0));
        let times = if is_long { world.peers.len() - 1 } else { 0 };
        for (other, seen) in &world.watched {
            let times = if *other == peer { times } else { 0 };
            assert_eq!(
                (seen.left.len(), seen.joined.len()),
                (times, times),
                "of {other}"
            );
        }
    });
}

#[test]
fn links_that_break_or_between_two_alone_are_nobody_elses_trouble() {
    for_seeds(20, |seed| {
        let mut world = settled(seed, [8, 30, 100]);
        for _ in 0..20 {
            let (one, other) = (world.any_up(), world.any_up());
            // Nobody is to be cut off altogether.
            let cuts = |peer| {
                world
                    .cut
                    .iter()
                    .filter(|cut| cut.0 == peer || cut.1 == peer)
                    .count()
            };
            if cuts(one).max(cuts(other)) < 3 {
                world.cut(one, other);
            }
            world.break_link(one);
            world.run(SECOND);
        }
        world.run(60 * SECOND);
        let count = world.peers.len();
        assert_eq!((world.listed, world.false_left), (count * (count - 1), 0));
    });
}

#[test]
fn nobody_has_more_than_a_few_links() {
    for_seeds(6, |seed| {
        let world = settled(seed, [100, 200, 300]);
        let mean = world.links().sum::<usize>() as f64 / world.peers.len() as f64;
        let most = world.links().max().unwrap();
        assert!(mean <= 9.0 && most <= 18, "{mean} {most}");
    });
}

/// A while of all that may happen.
fn churn(world: &mut World, steps: usize) {
    for _ in 0..steps {
        let peer = world.any_up();
        match world.rng.u8(..12) {
            0..=3 => {
                let other = world.any_up();
                let new = world.start();
                world.find(new, &[other]);
            }
            4 if world.up().len() > 5 => world.leave(peer),
            5 if world.up().len() > 5 => world.crash(peer),
            6 if world.up().len() > 5 => world.kill(peer),
            7 => world.break_link(peer),
            8 => {
                let salt = world.rng.u8(..);
                world.part(|peer| u8::from((peer as u8).wrapping_mul(31) ^ salt > 200));
            }
            9 => world.heal(),
            10 => world.pause(peer),
            _ => (0..world.peers.len()).for_each(|peer| world.resume(peer)),
        }
        let time = world.rng.u64(..3 * SECOND);
        world.run(time);
    }
}

#[test]
fn whatever_has_happened_all_know_the_same_in_the_end() {
    for_seeds(60, |seed| {
        let mut world = settled(seed, [5, 20, 50]);
        churn(&mut world, 40);
        world.heal();
        (0..world.peers.len()).for_each(|peer| world.resume(peer));
        // Whom newcomers found may have gone before it told anybody of them. Finders go on.
        for peer in world.up() {
            let others = [world.up()[0], world.any_up()];
            world.find(peer, &others);
        }
        world.run(30 * SECOND);
        assert_eq!(world.wrong(), 0, "{}", world.describe());
        let before = world.false_left;
        world.run(60 * SECOND);
        assert_eq!((world.wrong(), world.false_left), (0, before));
    });
}

#[test]
fn the_same_seed_makes_the_same_world() {
    let run = |seed| {
        let mut world = settled(seed, [20, 20, 20]);
        churn(&mut world, 20);
        let sent = |peer: &crate::world::Peer| (peer.messages, peer.bytes, peer.listed);
        (world.now, world.peers.iter().map(sent).collect::<Vec<_>>())
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}
