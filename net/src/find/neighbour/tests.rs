//! Neighbours that are asked, in the finders' suite and in what only this way has: a table, a width, and strangers. The table here is of this host's own addresses.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use net_proto::original::{Answer, Dialect};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::table::Neighbour;
use super::{Finder, HOSTS, NeighbourFinder};
use crate::find::FinderReport;
use crate::find::tests::{World, apart, black_hole, suite, until};
use crate::{Peer, Speaks};

fn neighbour(ip: Ipv4Addr) -> Neighbour {
    Neighbour {
        ip: ip.into(),
        interface: 1,
        card: Vec::new(),
        is_fresh: true,
    }
}

fn finder(hosts: Vec<Ipv4Addr>, ports: &[u16], width: usize) -> Arc<dyn Finder> {
    let table: Vec<_> = hosts.into_iter().map(neighbour).collect();
    Arc::new(NeighbourFinder::of(
        move || Ok(table.clone()),
        ports.to_vec(),
        width,
    ))
}

fn report(peer: &Peer) -> FinderReport {
    let mut reports = peer.finders().into_iter();
    reports
        .rfind(|report| report.finder == "neighbour")
        .unwrap()
}

/// One host, at which peers have these ports.
#[derive(Default)]
struct Segment(Mutex<Vec<u16>>);

impl World for Segment {
    fn finder(&self) -> Arc<dyn Finder> {
        finder(vec![Ipv4Addr::LOCALHOST], &self.0.lock().unwrap(), 5)
    }

    fn started(&self, peer: &Peer) {
        self.0.lock().unwrap().extend(peer.port());
    }

    fn is_asked(&self) -> bool {
        true
    }
}

/// An original, as far as it says who it is.
async fn original(ip: Ipv4Addr) -> SocketAddr {
    let listener = TcpListener::bind((ip, 0)).await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            if matches!(stream.read(&mut request).await, Ok(1..)) {
                let info = serde_json::json!({ "port": at.port(), "group": "None", "hub": false });
                let answer = Dialect::V06.build_answer(&Answer::Value(info));
                stream.write_all(&answer).await.unwrap();
            }
        }
    });
    at
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_asking() {
    suite(&Segment::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_asked_before_the_peer_is_and_then_originals_are_found() {
    let at = original(Ipv4Addr::new(127, 0, 0, 9)).await;
    let hosts = (1..=20)
        .map(|last| Ipv4Addr::new(127, 0, 0, last))
        .collect();
    let (_a, here) = apart();
    let here = here.open(true).finder(finder(hosts, &[at.port()], 5));
    let here = here.start().await.unwrap();
    assert!(here.peers().await.is_empty());
    assert_eq!(
        (report(&here).progress, report(&here).seen.len()),
        (None, 0)
    );
    let found = here.refresh().await;
    assert_eq!(found.len(), 1, "{:?}", here.finders());
    assert_eq!(found[0].addresses(), [at.to_string()]);
    assert_eq!(found[0].speaks(), Speaks::V06);
    assert_eq!(
        (report(&here).progress, report(&here).seen.len()),
        (Some((20, 20)), 1)
    );
    here.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_are_asked_at_once_and_so_many_in_all_and_those_who_wait_share_the_answers() {
    let tables = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tables);
    let (hole, _listener, _queue) = black_hole().await;
    let table = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        // At the first four, connecting takes its time.
        let others = (0..300u16).map(|n| Ipv4Addr::new(127, 1, (n >> 8) as u8, n as u8));
        let slow = std::iter::repeat_n(Ipv4Addr::LOCALHOST, 4);
        Ok(slow.chain(others).map(neighbour).collect())
    };
    let finder = Arc::new(NeighbourFinder::of(table, vec![hole.port()], 2));
    let (_a, here) = apart();
    let here = here.open(true).finder(finder).start().await.unwrap();
    let asked = Instant::now();
    let looking = tokio::spawn({
        let here = here.clone();
        async move { here.refresh().await }
    });
    until(&here, || async { report(&here).progress.is_some() }).await;
    assert_eq!(report(&here).progress.unwrap().1, HOSTS);
    here.refresh().await;
    assert_eq!(report(&here).progress, Some((HOSTS, HOSTS)));
    assert!(looking.await.unwrap().is_empty());
    assert_eq!(tables.load(Ordering::Relaxed), 1);
    // Two pairs of slow ones, and the pace of all others.
    let least = 2 * Duration::from_millis(300) + Duration::from_millis(10) * 250;
    assert!(asked.elapsed() >= least, "{:?}", asked.elapsed());
    here.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_stays_on_its_host_asks_nobody_and_a_table_that_cannot_be_read_is_told_of() {
    let (_a, here) = apart();
    let unreadable = || Err("it is closed".to_owned());
    let finder = || Arc::new(NeighbourFinder::of(unreadable, vec![1], 5));
    let here = here.finder(finder()).start().await.unwrap();
    here.refresh().await;
    assert_eq!(
        (report(&here).progress, report(&here).trouble),
        (None, None)
    );
    here.shutdown().await;
    let (_b, here) = apart();
    let here = here.open(true).finder(finder()).start().await.unwrap();
    here.refresh().await;
    assert_eq!(report(&here).trouble.as_deref(), Some("it is closed"));
    here.shutdown().await;
}
