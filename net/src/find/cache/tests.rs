//! Peers that are found where they were, in the finders' suite and in what only this way has: a file.

use std::sync::Arc;
use std::time::SystemTime;

use tempfile::TempDir;

use super::file::File;
use super::{CacheFinder, Finder, leads_beyond};
use crate::find::tests::{World, apart, sees, suite, until};
use crate::{Builder, Peer};
use net_proto::Address;

/// The state of one user, whose peers here count as if they were elsewhere.
struct State(TempDir);

impl State {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> File {
        File::of(self.0.path(), None)
    }

    fn known(&self) -> Vec<Address> {
        let known = self.file().read(SystemTime::now()).unwrap();
        known.into_keys().collect()
    }
}

fn at(peer: &Peer) -> Address {
    let mut addresses = peer.addresses().into_iter().map(|at| at.parse().unwrap());
    addresses.find(|at| matches!(at, Address::Tcp(_))).unwrap()
}

impl World for State {
    fn finder(&self) -> Arc<dyn Finder> {
        Arc::new(CacheFinder::of(Some(self.file()), |_, _| true))
    }

    fn started(&self, peer: &Peer) {
        self.file()
            .remember(&[at(peer)], SystemTime::now())
            .unwrap();
    }
}

async fn start(builder: Builder) -> Peer {
    builder.open(true).start().await.unwrap()
}

fn trouble(peer: &Peer) -> String {
    let cache = peer
        .finders()
        .into_iter()
        .filter(|report| report.finder == "cache");
    cache.filter_map(|report| report.trouble).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_on_this_host_is_not_remembered() {
    let (_a, here) = apart();
    let here = start(here.bind(["127.0.0.1".parse().unwrap()])).await;
    let beyond = |at: &str| leads_beyond(&here.0, &at.parse().unwrap());
    assert!(!beyond("127.0.0.2:3010") && !beyond("unix:/x") && beyond("192.0.2.7:3010"));
    here.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_they_were() {
    suite(&State::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_linked_is_written_down_whichever_dialled_and_a_command_line_writes_nothing() {
    let (of_dialled, of_dialler) = (State::new(), State::new());
    let (_a, there) = apart();
    let there = start(there.finder(of_dialled.finder())).await;
    let of_passer = State::new();
    let (_b, passer) = apart();
    let passing = passer.transient(true).finder(of_passer.finder());
    let passer = start(passing.peers([at(&there).to_string()])).await;
    sees(&passer, &there).await;
    passer.shutdown().await;
    assert!(of_passer.known().is_empty());

    // Before the first time that it is written otherwise.
    let of_quick = State::new();
    let (_d, quick) = apart();
    let quick = start(
        quick
            .finder(of_quick.finder())
            .peers([at(&there).to_string()]),
    )
    .await;
    sees(&quick, &there).await;
    quick.shutdown().await;
    assert_eq!(of_quick.known(), [at(&there)]);

    let (_c, here) = apart();
    let here = start(
        here.finder(of_dialler.finder())
            .peers([at(&there).to_string()]),
    )
    .await;
    sees(&here, &there).await;
    sees(&there, &here).await;
    // And while it runs.
    until(&here, || async { of_dialler.known() == [at(&there)] }).await;
    there.shutdown().await;
    assert!(of_dialled.known().contains(&at(&here)));
    here.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_of_other_groups_are_not_written_down() {
    let state = State::new();
    let (_a, there) = apart();
    let there = start(there.group("other")).await;
    let (_b, here) = apart();
    let here = start(here.finder(state.finder()).peers([at(&there).to_string()])).await;
    until(&here, || async { !here.0.peers.links().is_empty() }).await;
    here.shutdown().await;
    there.shutdown().await;
    assert!(state.known().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_place_and_with_a_broken_file_a_peer_runs_and_says_so() {
    let (_a, here) = apart();
    let nowhere = Arc::new(CacheFinder::of(None, |_, _| true));
    let here = start(here.finder(nowhere)).await;
    assert!(here.refresh().await.is_empty());
    assert!(trouble(&here).contains("XDG_STATE_HOME"));
    here.shutdown().await;

    let state = State::new();
    let file = state.file();
    file.remember(&["127.0.0.1:9".parse().unwrap()], SystemTime::now())
        .unwrap();
    std::fs::write(file.path(), "{").unwrap();
    let (_b, here) = apart();
    let here = start(here.finder(state.finder())).await;
    until(&here, || async {
        trouble(&here).contains("could not be read")
    })
    .await;
    here.shutdown().await;
}
