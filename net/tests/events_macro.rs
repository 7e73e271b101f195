//! `#[net::event]` and `#[net::subscribe]` between peers of one process. What the macros expand to is tested in `macros.rs`, what
//! becomes of an event in `events.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::sync::Mutex;
use std::time::Duration;

use common::{PATIENCE, Place, until};
use net::value::{Keywords, encode_arguments};
use net::{CallError, Peer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// What the functions below were told: each its name, which test it was for, and the rest.
static TOLD: Mutex<Vec<(&str, String, i64)>> = Mutex::new(Vec::new());

fn told(name: &'static str, test: &str, number: i64) {
    TOLD.lock().unwrap().push((name, test.to_owned(), number));
}

/// What has been told for a test, sorted by name, else as it came.
fn heard(test: &str) -> Vec<(&'static str, i64)> {
    let told = TOLD.lock().unwrap();
    let of_test = told.iter().filter(|(_, of, _)| of == test);
    let mut heard: Vec<_> = of_test.map(|(name, _, number)| (*name, *number)).collect();
    heard.sort_by_key(|(name, _)| *name);
    heard
}

async fn until_heard(test: &str, expected: &[(&'static str, i64)]) {
    until("it is heard", async || heard(test).len() >= expected.len()).await;
    assert_eq!(heard(test), expected);
}

#[net::event("alarm")]
fn alarm(test: &str, level: i64) -> (String, i64) {
    (test.to_owned(), level)
}

#[net::event]
async fn read(test: &str) -> Result<(String, i64), std::num::ParseIntError> {
    tokio::task::yield_now().await;
    Ok((test.to_owned(), test.parse()?))
}

#[net::subscribe("alarm")]
fn on_alarm(test: &str, #[net(default = 5)] level: i64) {
    told("on_alarm", test, level);
}

#[net::subscribe(alarm::EVENT, hubs_only)]
#[net::subscribe(read::EVENT)]
async fn on_several(test: String, level: i64) -> Result<(), String> {
    tokio::task::yield_now().await;
    told("on_several", &test, level);
    Err("each time".to_owned())
}

#[net::subscribe("alarm", groups = ["lab"], on_host)]
fn on_alarm_in_the_lab(test: &str, level: i64) {
    told("on_alarm_in_the_lab", test, level);
}

static GATE: Semaphore = Semaphore::const_new(0);

#[net::subscribe("flood", keep = 1, when_full = "block")]
async fn on_flood(n: i64, _bytes: net::value::Bytes) {
    GATE.acquire().await.unwrap().forget();
    told("on_flood", "flood", n);
}

/// A peer that publishes and subscribes to nothing.
async fn publisher(place: &Place) -> Peer {
    place.builder().functions(false).start().await.unwrap()
}

/// Waits until so many interests of others have come to a peer.
async fn subscribed(publisher: &Peer, event: &str, count: usize) {
    let all = async || publisher.subscribers(event) == count;
    until("all subscribe", all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_function_returns_comes_to_those_that_subscribe_on_each_peer() {
    let place = Place::new();
    let (_here, _too) = (place.peer().await, place.peer().await);
    let there = publisher(&place).await;
    subscribed(&there, "alarm", 2).await;
    let emitted = alarm::on(&there, "each peer", 3).await.unwrap();
    assert_eq!(emitted.subscribers, 2);
    until_heard("each peer", &[("on_alarm", 3), ("on_alarm", 3)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_functions_hear_one_event_as_each_asked_for_it() {
    let place = Place::new();
    let _here = place.peer().await;
    let hub = place.builder().functions(false).hub(true);
    let hub = hub.start().await.unwrap();
    let lab = place.builder().functions(false).group("lab");
    let lab = lab.start().await.unwrap();
    subscribed(&hub, "alarm", 2).await;
    subscribed(&lab, "alarm", 1).await;
    alarm::on(&hub, "several", 1).await.unwrap();
    until_heard("several", &[("on_alarm", 1), ("on_several", 1)]).await;
    alarm::on(&lab, "lab", 2).await.unwrap();
    until_heard("lab", &[("on_alarm_in_the_lab", 2)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_come_by_place_by_name_and_by_default() {
    let place = Place::new();
    let _here = place.peer().await;
    let there = publisher(&place).await;
    subscribed(&there, "alarm", 1).await;
    there.emit("alarm", &("named",)).await.unwrap();
    // As a publisher in Python may: by name.
    let mut body = Vec::new();
    encode_arguments(&(), &mut body).unwrap();
    let mut keywords = Keywords::new();
    keywords.add("level", &7).unwrap();
    keywords.add("test", "named").unwrap();
    keywords.append_to(&mut body);
    there.emit_raw("alarm", body).await.unwrap();
    until_heard("named", &[("on_alarm", 5), ("on_alarm", 7)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_that_do_not_fit_and_failures_leave_the_next_event_to_come() {
    let place = Place::new();
    let _here = place.peer().await;
    let hub = place.builder().functions(false).hub(true);
    let hub = hub.start().await.unwrap();
    subscribed(&hub, "alarm", 2).await;
    hub.emit("alarm", &("unfit", "many", 3)).await.unwrap();
    hub.emit("alarm", &()).await.unwrap();
    hub.emit("alarm", &("unfit", "a text")).await.unwrap();
    // One of the two fails each time.
    for level in 1..=3 {
        alarm::on(&hub, "unfit", level).await.unwrap();
    }
    let expected = [1, 2, 3].map(|level| ("on_alarm", level)).into_iter();
    let expected = expected.chain([1, 2, 3].map(|level| ("on_several", level)));
    until_heard("unfit", &expected.collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_fails_is_its_callers_and_is_not_published() {
    let place = Place::new();
    let _here = place.peer().await;
    let there = publisher(&place).await;
    subscribed(&there, read::EVENT, 1).await;
    assert!(read::on(&there, "not a number").await.is_err());
    let emitted = read::on(&there, "17").await.unwrap().await.unwrap();
    assert_eq!(emitted.subscribers, 1);
    until_heard("17", &[("on_several", 17)]).await;
    assert!(heard("not a number").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_waits_where_the_attribute_says_so() {
    let place = Place::new();
    let _here = place.peer().await;
    let there = publisher(&place).await;
    subscribed(&there, "flood", 1).await;
    let bytes = net::value::Bytes(vec![1; 50_000]);
    let mut sent = 0;
    let blocked = loop {
        let mut emit = there.emit("flood", &(sent, &bytes));
        sent += 1;
        assert!(sent < 1000, "the publisher waits for nobody");
        if timeout(Duration::from_millis(100), &mut emit)
            .await
            .is_err()
        {
            break emit;
        }
    };
    GATE.add_permits(10_000);
    let emitted = timeout(PATIENCE, blocked).await.unwrap().unwrap();
    assert_eq!((emitted.subscribers, emitted.dropped), (1, 0));
    let all: Vec<_> = (0..sent).map(|n| ("on_flood", n)).collect();
    until_heard("flood", &all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_original_publisher_calls_the_function_by_its_tag() {
    let place = Place::new();
    let here = place.peer().await;
    let address = (here.host(), here.port().unwrap());
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request =
        r#"{"connection": "events_macro.on_alarm", "args": ["original"], "kwargs": {"level": 4}}"#;
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = socket.read_to_string(&mut answer);
    timeout(PATIENCE, read).await.unwrap().unwrap();
    assert_eq!(
        (answer.as_str(), on_alarm::TAG),
        ("null", "events_macro.on_alarm")
    );
    assert_eq!(heard("original"), [("on_alarm", 4)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_subscribes_can_be_called_and_is_on_the_peers_list() {
    let place = Place::new();
    let (here, there, remote) = common::pair(&place).await;
    on_alarm::on(&remote, "called", 9).await.unwrap();
    on_alarm("called", 8);
    assert_eq!(heard("called"), [("on_alarm", 9), ("on_alarm", 8)]);
    let CallError::Remote(error) = on_several::on(&remote, "x".into(), 1).await.unwrap_err() else {
        panic!()
    };
    assert_eq!(error.message, "each time");

    subscribed(&there, "alarm", 1).await;
    let subscriptions = here.subscriptions();
    let mut listed: Vec<_> = subscriptions
        .iter()
        .map(|subscription| (subscription.event(), subscription.function()))
        .collect();
    listed.sort_unstable();
    assert_eq!(
        listed,
        [
            ("alarm", on_alarm::TAG),
            ("alarm", on_alarm_in_the_lab::TAG),
            ("alarm", on_several::TAG),
            (read::EVENT, on_several::TAG),
            ("flood", on_flood::TAG),
        ]
    );
    for subscription in subscriptions {
        subscription.unsubscribe();
    }
    subscribed(&there, "alarm", 0).await;
    assert!(here.subscriptions().is_empty());
    assert!(publisher(&place).await.subscriptions().is_empty());
}
