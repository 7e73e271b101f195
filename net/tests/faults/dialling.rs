//! Two peers that dial each other at the same moment: one link, and no call lost or run twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use net::{Peer, Remote};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::common::{PATIENCE, Place, until};
use crate::kernel::{Ends, links};

const ROUNDS: u64 = 200;
/// Calls of each side that begin at the same moment.
const CALLS: u64 = 8;

/// How often each call was run.
static RUNS: Mutex<Option<HashMap<u64, u32>>> = Mutex::new(None);

#[net::connect]
fn run(number: u64) -> u64 {
    let mut runs = RUNS.lock().unwrap();
    *runs.get_or_insert_default().entry(number).or_default() += 1;
    number
}

/// How one side names the other.
#[derive(Clone, Copy)]
enum By {
    Id,
    Tcp,
    Unix,
}

fn remote(from: &Peer, to: &Peer, by: By) -> Remote {
    let target = match by {
        By::Id => to.id().to_string(),
        By::Tcp => format!("127.0.0.1:{}", to.port().unwrap()),
        By::Unix => {
            let mut addresses = to.addresses().into_iter();
            addresses.find(|at| at.starts_with("unix:")).unwrap()
        }
    };
    from.remote(&target).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_dial_each_other_by_id_have_one_link() {
    dial_each_other(1, By::Id, By::Id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_dial_each_other_by_port_have_one_link() {
    dial_each_other(2, By::Tcp, By::Tcp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_dial_each_other_at_other_addresses_have_one_link() {
    dial_each_other(3, By::Tcp, By::Unix).await;
}

async fn dial_each_other(series: u64, left: By, right: By) {
    let place = Place::new();
    let rounds = async |first: u64| {
        let mut most = 0;
        for round in (first..ROUNDS).step_by(2) {
            let number = (series << 32) + (round << 8);
            most = most.max(one_round(&place, number, left, right).await);
        }
        most
    };
    // Two at once, so that their tasks come between one another's.
    let ended = async { tokio::join!(rounds(0), rounds(1)) };
    // Hundreds of peers are started, and the kernel's tables read as often, on a machine that may do other things.
    let ended = tokio::time::timeout(6 * PATIENCE, ended).await;
    let (some, others) = ended.unwrap();
    // Else nothing was tried.
    assert!(some.max(others) > 1, "they never had more than one link");
}

/// Says how many links there were when the first call had been answered.
async fn one_round(place: &Place, number: u64, left: By, right: By) -> usize {
    let start = || place.builder().discover(false).start();
    let (a, b) = (start().await.unwrap(), start().await.unwrap());
    let sides = [remote(&a, &b, left), remote(&b, &a, right)];
    let barrier = Arc::new(Barrier::new(2 * CALLS as usize));
    let mut calls = JoinSet::new();
    let numbers = number..number + 2 * CALLS;
    for number in numbers.clone() {
        let remote = sides[number as usize % 2].clone();
        let barrier = Arc::clone(&barrier);
        calls.spawn(async move {
            barrier.wait().await;
            assert_eq!(run::on(&remote, number).await.unwrap(), number);
        });
    }
    let (ends, other_ends) = (Ends::of(&a), Ends::of(&b));
    let mut most = 0;
    while let Some(ended) = calls.join_next().await {
        ended.unwrap();
        if calls.len() + 1 == 2 * CALLS as usize {
            most = links(&ends, &other_ends).len();
        }
    }
    until("one link is left", async || {
        links(&ends, &other_ends).len() == 1
    })
    .await;
    // It is the one that both use, whatever they call each other.
    for (from, to) in [(&a, &b), (&b, &a)] {
        for by in [By::Id, left, right] {
            let number = number + 2 * CALLS;
            assert_eq!(
                run::on(&remote(from, to, by), number).await.unwrap(),
                number
            );
        }
    }
    assert_eq!(run::on(&sides[0], number + 99).await.unwrap(), number + 99);
    assert_eq!(run::on(&sides[1], number + 99).await.unwrap(), number + 99);
    for number in numbers {
        let runs = RUNS.lock().unwrap().as_mut().unwrap().remove(&number);
        assert_eq!(runs, Some(1), "call {number:x}");
    }
    tokio::join!(a.shutdown(), b.shutdown());
    most
}
