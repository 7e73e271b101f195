//! Links that come and go by the thousand, and what they leave behind in the peer that they came to: nothing.

use std::time::Duration;

use net::{Peer, Remote};

use crate::common::{Place, until};
use crate::measured::{self, Usage};
use crate::wire::{self, Wire};

const ROUNDS: usize = 50;
/// Links of one round, all there at once.
const LINKS: usize = 200;
/// Rounds after which all tables have had their size once. The peer remembers some thousand who are gone, and then forgets them.
const WARM_UP: usize = 15;
/// What a link may leave: less than the smallest thing that could be kept for each.
const BYTES_LEFT: i64 = 8;

/// How a link ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Goodbye,
    Closed,
    Reset,
    HalfClosed,
    InTheMiddleOfABody,
    Killed,
}

const ENDS: [End; 6] = [
    End::Goodbye,
    End::Closed,
    End::Reset,
    End::HalfClosed,
    End::InTheMiddleOfABody,
    End::Killed,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_links_leave_nothing_behind() {
    let place = Place::new();
    let process = measured::quiet(&place);
    let peer = place.builder().discover(false).start().await.unwrap();
    let remote = process.seen_from(&peer);
    let addresses = process.addresses.clone();
    let before = settled(&remote, None).await;
    let mut live = Vec::new();
    for round in 0..ROUNDS {
        let (addresses, end) = (addresses.clone(), ENDS[round % ENDS.len()]);
        let coming_and_going = tokio::task::spawn_blocking(move || come_and_go(&addresses, end));
        coming_and_going.await.unwrap();
        live.push(settled(&remote, Some(&before)).await.live);
    }
    let after = settled(&remote, Some(&before)).await;
    let highest = |rounds: &[i64]| *rounds.iter().max().unwrap();
    let (early, late) = live.split_at(WARM_UP);
    let grown = highest(late) - highest(early);
    let links = (late.len() * LINKS) as i64;
    println!("before {before:?}\nafter {after:?}\ngrown by {grown} bytes in {links} links");
    assert!(
        grown < BYTES_LEFT * links,
        "{grown} bytes in {links} links: {live:?}"
    );
    assert_eq!(after.warnings, 0);
    assert_eq!(listed(&process.seen_from(&peer), &peer).await, 1);
}

/// Waits until as many tasks, threads and descriptors are there as `before`: none of a link.
async fn settled(remote: &Remote, before: Option<&Usage>) -> Usage {
    let mut last = None;
    until(
        "tasks, threads and descriptors are what they were",
        async || {
            let usage = measured::usage::on(remote).await.unwrap();
            let is_settled = before.is_none_or(|before| {
                usage.tasks <= before.tasks
                    && usage.descriptors <= before.descriptors
                    && usage.threads <= before.threads
            });
            last = Some(usage);
            is_settled
        },
    )
    .await;
    let mut settled = last.unwrap();
    // Some thread may be on its way out with something in its hands.
    for _ in 0..5 {
        let usage = measured::usage::on(remote).await.unwrap();
        settled.live = settled.live.min(usage.live);
    }
    settled
}

/// How many peers it sees.
async fn listed(remote: &Remote, peer: &Peer) -> usize {
    let seen = measured::seen::on(remote).await.unwrap();
    assert_eq!(seen, [peer.id().to_string()]);
    seen.len()
}

fn come_and_go(addresses: &[String], end: End) {
    if let End::Killed = end {
        let mut child = wire::in_a_process(LINKS, addresses);
        child.kill().unwrap();
        child.wait().unwrap();
        return;
    }
    let wait = measured::wait::TAG;
    let each = addresses.iter().cycle().take(LINKS);
    let mut wires: Vec<_> = each.map(|address| Wire::connect(address)).collect();
    for wire in &mut wires {
        wire.until_connected();
        // An answer that comes and is read, or is not; and a call that goes on when the link ends.
        assert!(wire.call(1, wait, vec![0x81, 0]));
        if let End::Goodbye | End::HalfClosed = end {
            wire.until_answered(1);
        } else {
            assert!(wire.call(2, wait, vec![0x81, 0x19, 0xff, 0xff]));
        }
    }
    for mut wire in wires {
        match end {
            End::Goodbye => wire.goodbye(),
            End::Closed | End::Killed => drop(wire),
            End::Reset => wire.socket.reset(),
            End::HalfClosed => {
                wire.socket.shutdown(std::net::Shutdown::Write);
                let took = wire.socket.until_closed();
                assert!(took < Duration::from_secs(4), "{took:?}");
            }
            End::InTheMiddleOfABody => {
                wire.call_in_part(3, measured::echo::TAG, 1 << 20);
                drop(wire);
            }
        }
    }
}
