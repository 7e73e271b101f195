//! Subscribers whose links are ended under them, which only this crate can do.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::{Peer, value};

async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), waiting).await.unwrap();
}

/// Each link comes with a window of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_taken_does_not_grow_with_each_link_that_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let start = || Peer::builder().port(0).runtime_dir(dir.path()).start();
    let (here, there) = (start().await.unwrap(), start().await.unwrap());
    let gate = Arc::new(Semaphore::new(0));
    let (taken, waits) = (Arc::new(Semaphore::new(0)), Arc::clone(&gate));
    let takes = Arc::clone(&taken);
    let slow = here.subscribe("e").run_async(move |_: (value::Bytes,)| {
        let (takes, waits) = (Arc::clone(&takes), Arc::clone(&waits));
        async move {
            waits.acquire().await.unwrap().forget();
            takes.add_permits(1);
        }
    });
    let body = value::Bytes(vec![1; 50_000]);
    // What went over the link to one side before an answer of it is there when that is.
    let heard = async || {
        here.refresh().await;
        let remote = there.remote(&here.id().to_string()).unwrap();
        let tag = "net.defaults.handlers.pass_through";
        assert_eq!(remote.call::<i64>(tag, &(7,)).await.unwrap(), 7);
    };
    let publish = async || {
        heard().await;
        for _ in 0..20 {
            drop(there.emit("e", &(&body,)));
        }
        heard().await;
    };
    let lose = async || {
        publish().await;
        for link in here.0.open_links() {
            link.close("for the test");
        }
        slow.received()
    };
    // A window is nearly five events. After two there is room for one more, and then no more: however many links follow, of
    // which two at once are no rarity while both sides dial.
    until(async || lose().await > 10).await;
    for _ in 0..4 {
        assert!(lose().await <= 15, "{}", slow.received());
    }
    let left = slow.received();
    gate.add_permits(1000);
    until(async || there.subscribers("e") == 1).await;
    publish().await;
    until(async || taken.available_permits() as u64 > left).await;
}
