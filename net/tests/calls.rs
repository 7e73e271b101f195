//! Calls between two peers of one process: results, errors, deadlines, cancelling, many and large ones.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{PATIENCE, Place, pair, until};
use net::{CallError, Value};
use tokio::sync::Notify;

/// Multiplies.
#[net::connect]
fn multiply(a: i64, #[net(default = 5)] b: i64) -> i64 {
    a * b
}

#[net::connect("Greet")]
async fn greet(name: &str) -> String {
    tokio::task::yield_now().await;
    format!("hello, {name}")
}

#[net::connect]
fn divide(a: i64, b: i64) -> Result<i64, String> {
    if b == 0 {
        Err("division by zero".to_owned())
    } else {
        Ok(a / b)
    }
}

#[net::connect]
fn panics() -> i64 {
    panic!("on purpose")
}

#[net::connect]
fn echo(data: net::value::Bytes) -> net::value::Bytes {
    data
}

#[net::connect]
fn block(milliseconds: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(milliseconds));
    milliseconds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_gives_what_the_function_gives() {
    let place = Place::new();
    let (_a, _b, remote) = pair(&place).await;
    assert_eq!(multiply::on(&remote, 5, 10).await.unwrap(), multiply(5, 10));
    assert_eq!(greet::on(&remote, "you").await.unwrap(), "hello, you");
    assert_eq!(divide::on(&remote, 9, 3).await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn untyped_calls_by_tag_take_keywords_and_defaults() {
    let place = Place::new();
    let (_a, _b, remote) = pair(&place).await;
    assert_eq!(
        net::call(&remote, multiply::TAG, &(5,)).await.unwrap(),
        Value::Int(25)
    );
    assert_eq!(
        net::call(&remote, multiply::TAG, &(5,))
            .keyword("b", &3)
            .await
            .unwrap(),
        Value::Int(15)
    );
    assert_eq!(
        net::call(&remote, "Greet", &("x",)).await.unwrap(),
        Value::Text("hello, x".into())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_functions_error_is_the_callers() {
    let place = Place::new();
    let (_a, _b, remote) = pair(&place).await;
    let CallError::Remote(error) = divide::on(&remote, 1, 0).await.unwrap_err() else {
        panic!()
    };
    assert_eq!(error.message, "division by zero");
    let CallError::Remote(error) = panics::on(&remote).await.unwrap_err() else {
        panic!()
    };
    assert_eq!(
        (error.kind.as_str(), error.message.as_str()),
        ("panic", "on purpose")
    );
    // And the link lives on.
    assert_eq!(multiply::on(&remote, 1, 1).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_that_do_not_fit_are_named() {
    let place = Place::new();
    let (_a, _b, remote) = pair(&place).await;
    for (call, text) in [
        (
            net::call(&remote, multiply::TAG, &()),
            "missing required argument 'a'",
        ),
        (
            net::call(&remote, multiply::TAG, &(1, 2, 3)),
            "takes 2 positional arguments but 3 were given",
        ),
        (
            net::call(&remote, multiply::TAG, &(1,)).keyword("c", &1),
            "unexpected keyword argument 'c'",
        ),
        (net::call(&remote, multiply::TAG, &("x",)), "'a'"),
    ] {
        let error = call.await.unwrap_err().to_string();
        assert!(
            error.contains("multiply()") && error.contains(text),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_is_not_there_names_near_ones() {
    let place = Place::new();
    let (_a, _b, remote) = pair(&place).await;
    let error = net::call(&remote, "calls.multipy", &(1, 2))
        .await
        .unwrap_err();
    let CallError::NoSuchConnection {
        connections, tag, ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(
        (connections[0].as_str(), tag.as_str()),
        (multiply::TAG, "calls.multipy")
    );
    let built_in = "net.defaults.handlers.subscription_handler";
    assert_eq!(connections.last().map(String::as_str), Some(built_in));
    assert!(
        error
            .to_string()
            .contains("Peer does not have the connection you are requesting")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_there_is_unreachable_and_says_what_was_tried() {
    let place = Place::new();
    let a = place.peer().await;
    let nobody = a.remote("127.0.0.1:1").unwrap();
    let error = multiply::on(&nobody, 1, 2).await.unwrap_err();
    assert!(
        error.was_not_run() && error.to_string().contains("127.0.0.1:1"),
        "{error}"
    );
    assert!(a.remote("no address").is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_call_over_one_link() {
    let place = Place::new();
    let (a, b, to_b) = pair(&place).await;
    multiply::on(&to_b, 1, 2).await.unwrap();
    // b never dialled: the link that a made serves both ways.
    let to_a = b
        .peers()
        .await
        .into_iter()
        .find(|peer| peer.id() == Some(a.id()))
        .unwrap();
    assert_eq!(multiply::on(&to_a, 3, 4).await.unwrap(), 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_blocks_keeps_nobody_else() {
    let place = Place::new();
    let (_a, _b, remote) = pair(&place).await;
    let slow = tokio::spawn({
        let remote = remote.clone();
        async move { block::on(&remote, 3_000).await }
    });
    let slower = tokio::spawn({
        let remote = remote.clone();
        async move { block::on(&remote, 3_000).await }
    });
    let start = Instant::now();
    for i in 0..100 {
        assert_eq!(multiply::on(&remote, i, 2).await.unwrap(), 2 * i);
    }
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    assert!(!slow.is_finished() && !slower.is_finished());
    assert_eq!(slow.await.unwrap().unwrap(), 3_000);
    assert_eq!(slower.await.unwrap().unwrap(), 3_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_ends_the_call_and_an_answer_that_comes_late_harms_nobody() {
    let place = Place::new();
    let (_a, _b, remote) = pair(&place).await;
    multiply::on(&remote, 1, 1).await.unwrap();
    let start = Instant::now();
    let error = block::on(&remote, 600)
        .timeout(Duration::from_millis(100))
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::TimedOut { .. }), "{error}");
    assert!(
        start.elapsed() < Duration::from_millis(500),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(block::on(&remote, 700).await.unwrap(), 700);
}

static STARTED: Notify = Notify::const_new();
static STOPPED: AtomicBool = AtomicBool::new(false);

struct OnDrop;

impl Drop for OnDrop {
    fn drop(&mut self) {
        STOPPED.store(true, Ordering::SeqCst);
    }
}

#[net::connect]
async fn forever() {
    let _stopped = OnDrop;
    STARTED.notify_one();
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_a_call_cancels_it_there() {
    let place = Place::new();
    let (_a, _b, remote) = pair(&place).await;
    let call = tokio::spawn(forever::on(&remote).into_future());
    STARTED.notified().await;
    call.abort();
    until("the function is cancelled", async || {
        STOPPED.load(Ordering::SeqCst)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_values_cross_while_small_calls_go_on() {
    const SIZE: usize = 64 * 1024 * 1024;
    let place = Place::new();
    let (_a, _b, remote) = pair(&place).await;
    let large = tokio::spawn({
        let remote = remote.clone();
        async move {
            let data: Vec<u8> = (0..SIZE).map(|i| (i % 251) as u8).collect();
            let back = echo::on(&remote, net::value::Bytes(data.clone()))
                .await
                .unwrap();
            assert!(back.0 == data);
        }
    });
    let mut small = 0;
    while !large.is_finished() {
        multiply::on(&remote, small, 1)
            .timeout(PATIENCE)
            .await
            .unwrap();
        small += 1;
    }
    large.await.unwrap();
    assert!(
        small > 20,
        "only {small} small calls were answered meanwhile"
    );
}

static HELD: Notify = Notify::const_new();
static ARRIVED: AtomicUsize = AtomicUsize::new(0);

#[net::connect]
async fn hold(x: usize) -> usize {
    ARRIVED.fetch_add(1, Ordering::SeqCst);
    HELD.notified().await;
    x
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_in_flight_on_one_link() {
    const CALLS: usize = 10_000;
    let place = Place::new();
    let (_a, _b, remote) = pair(&place).await;
    let remote = Arc::new(remote);
    let calls: Vec<_> = (0..CALLS)
        .map(|i| {
            let remote = Arc::clone(&remote);
            tokio::spawn(async move { hold::on(&remote, i).await })
        })
        .collect();
    until("all are in flight", async || {
        ARRIVED.load(Ordering::SeqCst) == CALLS
    })
    .await;
    for _ in 0..CALLS {
        HELD.notify_one();
        tokio::task::yield_now().await;
    }
    HELD.notify_waiters();
    for (i, call) in calls.into_iter().enumerate() {
        assert_eq!(
            tokio::time::timeout(PATIENCE, call)
                .await
                .unwrap()
                .unwrap()
                .unwrap(),
            i
        );
    }
}

#[test]
fn a_program_without_async_calls_too() {
    let place = Place::new();
    let start = || net::blocking::block_on(place.builder().start()).unwrap();
    let (a, b) = (start(), start());
    let others = net::blocking::peers(&a);
    assert_eq!(others.len(), 1);
    assert_eq!(others[0].id(), Some(b.id()));
    assert_eq!(multiply::on(&others[0], 6, 7).wait().unwrap(), 42);
    let error = block::on(&others[0], 400)
        .timeout(Duration::from_millis(50))
        .wait()
        .unwrap_err();
    assert!(matches!(error, CallError::TimedOut { .. }), "{error}");
    net::blocking::shutdown(&a);
    net::blocking::shutdown(&b);
}

/// Asks the peer at `address` from inside a function, on the thread that runs it.
#[net::connect]
fn ask_further(address: String) -> Result<i64, String> {
    let peer = net::blocking::block_on(
        net::Peer::builder()
            .listen(false)
            .discover(false)
            .transient(true)
            .start(),
    )
    .map_err(|error| error.to_string())?;
    let further = peer.remote(&address).map_err(|error| error.to_string())?;
    let product = multiply::on(&further, 6, 7)
        .wait()
        .map_err(|error| error.to_string());
    net::blocking::shutdown(&peer);
    product
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_may_call_further_and_wait() {
    let place = Place::new();
    let (_a, b, remote) = pair(&place).await;
    for _ in 0..20 {
        let call = ask_further::on(&remote, b.addresses()[0].clone());
        assert_eq!(call.timeout(PATIENCE).await.unwrap(), 42);
    }
}

/// Asks where nobody is, from inside a function, on the thread that runs it; gives how often it was told so.
#[net::connect]
fn ask_nobody(times: usize) -> Result<usize, String> {
    let peer = net::Peer::builder().listen(false).discover(false).start();
    let peer = net::blocking::block_on(peer).map_err(|error| error.to_string())?;
    // Port 1 is nobody's.
    let nobody = peer
        .remote("127.0.0.1:1")
        .map_err(|error| error.to_string())?;
    let told = (0..times)
        .filter(|_| {
            multiply::on(&nobody, 6, 7)
                .wait()
                .is_err_and(|error| error.was_not_run())
        })
        .count();
    net::blocking::shutdown(&peer);
    Ok(told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_may_wait_more_often_than_a_task_may_at_a_stretch() {
    let place = Place::new();
    let (_a, _b, remote) = pair(&place).await;
    let call = ask_nobody::on(&remote, 300).timeout(PATIENCE);
    assert_eq!(call.await.unwrap(), 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_that_is_too_large_says_so_by_name() {
    let place = Place::new();
    let a = place
        .builder()
        .limits(net::Limits {
            max_value: 100_000,
            ..net::Limits::default()
        })
        .start()
        .await
        .unwrap();
    let b = place.peer().await;
    let remote = a.remote(&b.id().to_string()).unwrap();
    let error = zeros::on(&remote, 200_000).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("TooLarge: the result has 200005 bytes"),
        "{text}"
    );
}

#[net::connect]
fn zeros(count: usize) -> net::value::Bytes {
    net::value::Bytes(vec![0; count])
}
