//! How it grows: the same things done to groups of several sizes, measured, and printed as a table. Bounds that must hold at any size are in
//! `scenes`.

use std::collections::BTreeMap;
use std::time::Instant;

use net_proto::members::{Action, How, Members};
use net_proto::{Hello, InstanceId};

use crate::world::{Micros, NEAR, SECOND, Seen, WIDE, World};

/// What was measured, in the order in which it is printed.
type Column = Vec<(&'static str, String)>;

/// How many times a thing is done of which the time is measured.
const TIMES: usize = 5;

#[test]
fn table() {
    let sizes = std::env::var("MEMBERS_OF").unwrap_or_else(|_| "50".to_owned());
    let delay = if std::env::var_os("MEMBERS_WIDE").is_some() {
        WIDE
    } else {
        NEAR
    };
    // Before anything else, so that it is not made of memory that was used before.
    println!(
        "a member costs whoever knows it {} B, with what it says of itself",
        record_size(10_000)
    );
    let sizes: Vec<usize> = sizes.split(',').map(|size| size.parse().unwrap()).collect();
    let columns: Vec<Column> = sizes
        .iter()
        .map(|size| measure(*size, delay.clone()))
        .collect();
    print!("| peers |");
    sizes.iter().for_each(|size| print!(" {size} |"));
    println!("\n| --- |{}", " --- |".repeat(sizes.len()));
    for (row, (name, _)) in columns[0].iter().enumerate() {
        print!("| {name} |");
        columns
            .iter()
            .for_each(|column| print!(" {} |", column[row].1));
        println!();
    }
}

/// What was sent up to now, by all together.
fn sent(world: &World) -> (u64, u64) {
    let peers = world.peers.iter();
    peers.fold((0, 0), |sum, peer| {
        (sum.0 + peer.messages, sum.1 + peer.bytes)
    })
}

/// What each peer sends in a second, while something is done.
fn rate(world: &mut World, act: impl FnOnce(&mut World)) -> String {
    let (before, start) = (sent(world), world.now);
    act(world);
    let (after, seconds) = (sent(world), (world.now - start) as f64 / SECOND as f64);
    let each = |before, after| (after - before) as f64 / world.up().len() as f64 / seconds;
    format!(
        "{:.1} and {:.0} B",
        each(before.0, after.0),
        each(before.1, after.1)
    )
}

/// Bytes that each peer sends, while something is done.
fn cost(world: &mut World, act: impl FnOnce(&mut World)) -> String {
    let before = sent(world).1;
    act(world);
    let bytes = (sent(world).1 - before) as f64 / world.up().len() as f64;
    format!("{:.1} kB", bytes / 1000.0)
}

fn seconds(time: Micros) -> String {
    format!("{:.2} s", time as f64 / SECOND as f64)
}

/// When 99 of 100 and when all were told, at the median and at the worst.
fn spread(mut times: Vec<(Micros, Micros)>) -> String {
    times.sort_unstable_by_key(|(_, all)| *all);
    let (most, all) = times[times.len() / 2];
    format!(
        "{} / {} / {}",
        seconds(most),
        seconds(all),
        seconds(times[times.len() - 1].1)
    )
}

/// Until so many pairs list each other.
fn until(world: &mut World, pairs: usize) -> Micros {
    let start = world.now;
    let end = start + 60 * SECOND;
    assert!(
        world.run_until(end, |world| world.listed >= pairs),
        "{} of {pairs}",
        world.listed
    );
    world.now - start
}

/// Until fewer do.
fn until_fewer(world: &mut World, pairs: usize) -> Micros {
    let start = world.now;
    let end = start + 60 * SECOND;
    assert!(
        world.run_until(end, |world| world.listed <= pairs),
        "{} of {pairs}",
        world.listed
    );
    world.now - start
}

/// Does something to a peer, and waits until all others were told of it.
fn told(
    world: &mut World,
    peer: usize,
    act: impl FnOnce(&mut World, usize),
    of: fn(&Seen) -> &Vec<(Micros, usize)>,
) -> (Micros, Micros) {
    world.watched = BTreeMap::from([(peer, Seen::default())]);
    let start = world.now;
    act(world, peer);
    let others = world.up().iter().filter(|other| **other != peer).count();
    let end = start + 60 * SECOND;
    assert!(world.run_until(end, |world| of(&world.watched[&peer]).len() >= others));
    let seen = std::mem::take(&mut world.watched);
    let times = of(&seen[&peer]);
    let most = times[(others * 99).div_ceil(100) - 1].0 - start;
    let all = world.now - start;
    world.run(5 * SECOND);
    (most, all)
}

fn measure(size: usize, delay: std::ops::Range<Micros>) -> Column {
    let real = Instant::now();
    let before = resident();
    let mut column = Column::new();
    let mut world = World::new(1, delay);
    let pairs = size * (size - 1);
    let mut times = (0, 0);
    let is_assumed = std::env::var_os("MEMBERS_ASSUMED").is_some();
    let bytes = cost(&mut world, |world| {
        if is_assumed {
            return world.assume_all(size);
        }
        world.start_all(size);
        times.0 = until(world, pairs * 99 / 100);
        times.1 = times.0 + until(world, pairs);
    });
    column.push((
        "start of all at once: 99 %, 100 % of pairs",
        format!("{} / {}", seconds(times.0), seconds(times.1)),
    ));
    column.push(("its cost for each peer", bytes));
    eprintln!("{size}: started, {:?}", real.elapsed());
    world.run(20 * SECOND);
    let links: Vec<usize> = world.links().collect();
    let mean = links.iter().sum::<usize>() as f64 / size as f64;
    let most = world.peers.iter().map(|peer| peer.most_links).max();
    column.push((
        "links of each: mean, max (max at the start)",
        format!(
            "{mean:.1}, {} ({})",
            links.iter().max().unwrap_or(&0),
            most.unwrap_or(0)
        ),
    ));
    let resident = resident().saturating_sub(before) / size;
    column.push((
        "memory of each here, where what members say is shared",
        format!("{} kB", resident / 1000),
    ));

    column.push((
        "sent by each in a second, in peace: messages and bytes",
        rate(&mut world, |world| world.run(60 * SECOND)),
    ));

    let joins = (0..TIMES).map(|_| {
        let (new, found) = (world.peers.len(), world.any_up());
        told(
            &mut world,
            new,
            |world, new| {
                assert_eq!(world.start(), new);
                world.find(new, &[found]);
            },
            |seen| &seen.joined,
        )
    });
    let joins = joins.collect();
    column.push((
        "a join is known to 99 % / all / all at worst",
        spread(joins),
    ));
    let leaves = (0..TIMES).map(|_| {
        let peer = world.any_up();
        told(&mut world, peer, World::leave, |seen| &seen.left)
    });
    let leaves = leaves.collect();
    column.push(("a leave", spread(leaves)));
    let kills = (0..TIMES).map(|_| {
        let peer = world.any_up();
        told(&mut world, peer, World::kill, |seen| &seen.left)
    });
    let kills = kills.collect();
    column.push(("a killed process", spread(kills)));
    let crashes = (0..TIMES).map(|_| {
        let peer = world.any_up();
        told(&mut world, peer, World::crash, |seen| &seen.left)
    });
    let crashes = crashes.collect();
    column.push(("a host's crash", spread(crashes)));
    let churn = rate(&mut world, |world| {
        for _ in 0..30 {
            let gone = world.any_up();
            world.leave(gone);
            // After it, so that nobody has found it alone.
            let found = world.any_up();
            let new = world.start();
            world.find(new, &[found]);
            world.run(SECOND);
        }
    });
    column.push((
        "sent by each in a second, while one joins and one leaves in each",
        churn,
    ));
    eprintln!("{size}: peace over, {:?}", real.elapsed());
    world.run(20 * SECOND);
    assert_eq!((world.wrong(), world.false_left), (0, 0));

    if std::env::var_os("MEMBERS_PEACE").is_some() {
        return column;
    }
    let up = world.up();
    let parts = [up.len() * 6 / 10, up.len() - up.len() * 6 / 10];
    let last = up[parts[0] - 1];
    let mut right = 0;
    let bytes = cost(&mut world, |world| {
        world.part(|peer| u8::from(peer <= last));
        right = until_fewer(world, parts.iter().map(|part| part * (part - 1)).sum());
    });
    column.push(("parted 60 to 40: both sides right after", seconds(right)));
    column.push(("its cost for each peer", bytes));
    eprintln!("{size}: parted, {:?}", real.elapsed());
    world.run(20 * SECOND);
    let wrong = world.wrong();
    let mut whole = 0;
    let bytes = cost(&mut world, |world| {
        world.heal();
        whole = until(world, up.len() * (up.len() - 1));
    });
    column.push(("whole again after", seconds(whole)));
    column.push(("its cost for each peer", bytes));
    world.run(20 * SECOND);
    column.push((
        "wrong views of the parts and of the whole, and false news",
        format!("{wrong}, {}, {}", world.wrong(), world.false_left),
    ));
    eprintln!("{size}: whole, {:?}", real.elapsed());
    column
}

/// Bytes of memory that this process has.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

/// What each of so many members costs one that knows them, with what they say of themselves.
fn record_size(count: usize) -> usize {
    const COPIES: usize = 10;
    let now = Instant::now();
    let hello = |number: usize| {
        let number = number as u128;
        Hello {
            name: format!("user@host-{number:05}:4711"),
            addresses: vec![
                format!("10.0.0.{}:3010", number % 256),
                format!("[2001:db8::{number:04x}]:3010"),
            ],
            software: "app-net 0.1.0".to_owned(),
            features: vec!["members".to_owned()],
            ..Hello::new(InstanceId(
                (number + 1)
                    .wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
                    .to_le_bytes(),
            ))
        }
    };
    let before = resident();
    let copies: Vec<Members<()>> = (0..COPIES)
        .map(|copy| {
            let own = hello(count + copy);
            let mut members = Members::new(&own, 1, now);
            for number in 0..count {
                let other_hello = hello(number);
                let mut other = Members::new(&other_hello, 1, now);
                other.linked((), &own, now);
                members.linked((), &other_hello, now);
                while let Some(Action::Send { message, .. }) = other.poll() {
                    members.received(other_hello.id, &(), message, now);
                }
                members.lost(other_hello.id, &(), How::Closed, now);
                while members.poll().is_some() {}
            }
            assert_eq!(members.members().count(), count);
            members
        })
        .collect();
    let after = resident();
    drop(copies);
    after.saturating_sub(before) / COPIES / count
}
