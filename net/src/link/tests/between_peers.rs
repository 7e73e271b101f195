//! What two peers make of their links.

use super::*;

async fn started(dir: &tempfile::TempDir) -> Peer {
    Peer::builder()
        .port(0)
        .runtime_dir(dir.path())
        .discover(false)
        .start()
        .await
        .unwrap()
}

fn open_links(peer: &Peer) -> usize {
    peer.0
        .open_links()
        .iter()
        .filter(|link| link.is_open())
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dialling_each_other_at_once_ends_with_one_link_and_no_lost_call() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..50 {
        let (a, b) = (started(&dir).await, started(&dir).await);
        let to_b = a.remote(&b.id().to_string()).unwrap();
        let to_a = b.remote(&a.id().to_string()).unwrap();
        let calls = (0..20).map(|i| {
            let remote = if i % 2 == 0 {
                to_b.clone()
            } else {
                to_a.clone()
            };
            tokio::spawn(async move {
                remote
                    .call::<i64>("net.defaults.handlers.pass_through", &(i,))
                    .await
            })
        });
        for (i, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
            assert_eq!(call.await.unwrap().unwrap(), i as i64);
        }
        until(|| open_links(&a) == 1 && open_links(&b) == 1).await;
        a.shutdown().await;
        b.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_addresses_of_one_peer_share_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (started(&dir).await, started(&dir).await);
    for address in b.addresses() {
        let remote = a.remote(&address).unwrap();
        remote
            .call::<i64>("net.defaults.handlers.pass_through", &(1,))
            .await
            .unwrap();
    }
    until(|| open_links(&a) == 1 && open_links(&b) == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_went_is_dialled_again() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (started(&dir).await, started(&dir).await);
    let to_b = a.remote(&b.id().to_string()).unwrap();
    for _ in 0..5 {
        to_b.call::<i64>("net.defaults.handlers.pass_through", &(1,))
            .await
            .unwrap();
        // Another may come at any time: both look for each other.
        let before = a.0.open_links();
        for link in b.0.open_links() {
            link.close("for the test");
        }
        until(|| before.iter().all(|link| link.is_closed())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutting_down_lets_calls_in_flight_end() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (started(&dir).await, started(&dir).await);
    b.registry().register(slow_connection());
    let to_b = a.remote(&b.id().to_string()).unwrap();
    let call = tokio::spawn(to_b.call::<String>("slow", &()));
    until(|| {
        b.0.open_links()
            .iter()
            .any(|link| !link.running.lock().unwrap().is_empty())
    })
    .await;
    b.shutdown().await;
    assert_eq!(call.await.unwrap().unwrap(), "done");
    assert!(b.0.open_links().is_empty());
    let error = to_b.call::<String>("slow", &()).await.unwrap_err();
    assert!(error.was_not_run(), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_time_is_over_when_its_link_goes_is_out_of_time() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (started(&dir).await, started(&dir).await);
    b.registry().register(slow_connection());
    let to_b = a.remote(&b.id().to_string()).unwrap();
    to_b.connect().await.unwrap();
    let link = to_b.link().unwrap();
    let time = Duration::from_millis(50);
    let call = tokio::spawn(to_b.call::<String>("slow", &()).timeout(time));
    until(|| link.state().session.in_flight() == 1).await;
    {
        // Keeps the keeper from its timer, as a busy machine does.
        let mut state = link.state();
        std::thread::sleep(2 * time);
        for slot in state.session.close() {
            if let Some(waker) = slot.finish(Finished::Lost) {
                waker.wake();
            }
        }
    }
    let error = call.await.unwrap().unwrap_err();
    assert!(
        matches!(error, crate::CallError::TimedOut { .. }),
        "{error}"
    );
}

fn slow_connection() -> crate::Connection {
    let handler = crate::private::async_handler(|_| async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        crate::private::answer_value("done")
    });
    connection("slow", handler)
}
