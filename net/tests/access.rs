//! Who may call what, who a function's caller is, and what callers are shown: over the Unix socket, over loopback, and from originals. (That
//! nobody from another host is believed what he says is tested where it is decided, in `link/proof`.)

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{PATIENCE, Place, ask, tcp, until};
use net::private::{answer_value, async_handler, sync_handler};
use net::{Answer, CallError, Caller, Connection, Peer, Remote};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;

static RUNS: AtomicUsize = AtomicUsize::new(0);

const ADMINS: &str = "admins";

#[net::connect("guarded", groups("lab", ADMINS))]
fn guarded(x: i64) -> i64 {
    RUNS.fetch_add(1, Ordering::SeqCst);
    x
}

#[net::connect(groups = ["lab"])]
async fn guarded_later(x: i64) -> i64 {
    RUNS.fetch_add(1, Ordering::SeqCst);
    x
}

#[net::connect]
fn open(x: i64) -> i64 {
    x
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Seen {
    id: Option<String>,
    name: String,
    group: Option<String>,
    is_original: bool,
    can_be_called: bool,
}

impl Seen {
    fn of(caller: &Caller) -> Self {
        Self {
            id: caller.id().map(|id| id.to_string()),
            name: caller.name().to_owned(),
            group: caller.group().map(str::to_owned),
            is_original: caller.is_original(),
            can_be_called: caller.remote().is_some(),
        }
    }

    /// What is to be seen of a peer.
    fn peer(peer: &Peer) -> Option<Self> {
        Some(Self {
            id: Some(peer.id().to_string()),
            name: peer.name().to_owned(),
            group: peer.group().map(str::to_owned),
            is_original: false,
            can_be_called: true,
        })
    }
}

#[net::connect("who")]
fn who() -> Option<Seen> {
    net::caller().as_ref().map(Seen::of)
}

#[net::connect]
async fn who_later() -> Vec<Option<Seen>> {
    let mut seen = vec![who()];
    for _ in 0..20 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        seen.push(who());
    }
    seen
}

#[net::connect]
async fn call_back() -> i64 {
    let caller = net::caller().unwrap().remote().unwrap();
    open::on(&caller, 7).await.unwrap()
}

#[net::connect]
fn panic_over_caller() {
    panic!("{:?}", net::caller().map(|caller| caller.name().to_owned()));
}

async fn of(place: &Place, group: Option<&str>) -> Peer {
    let builder = place.builder().discover(false);
    match group {
        Some(group) => builder.group(group).start().await.unwrap(),
        None => builder.start().await.unwrap(),
    }
}

fn over_unix(from: &Peer, to: &Peer) -> Remote {
    from.remote(&to.id().to_string()).unwrap()
}

fn over_tcp(from: &Peer, to: &Peer) -> Remote {
    from.remote(&tcp(to).to_string()).unwrap()
}

fn request(tag: &str) -> String {
    format!(r#"{{"connection": "{tag}", "args": [1], "kwargs": {{}}}}"#)
}

fn why(refused: CallError) -> String {
    match refused {
        CallError::Refused { why, .. } => why,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_of_the_groups_that_are_named_may_call_and_no_others() {
    let place = Place::new();
    let callee = of(&place, Some("lab")).await;
    for way in [over_unix, over_tcp] {
        for group in ["lab", ADMINS] {
            let caller = of(&place, Some(group)).await;
            let there = way(&caller, &callee);
            assert_eq!(guarded::on(&there, 3).await.unwrap(), 3);
        }
        let lab = of(&place, Some("lab")).await;
        assert_eq!(guarded_later::on(&way(&lab, &callee), 4).await.unwrap(), 4);

        let before = RUNS.load(Ordering::SeqCst);
        for (group, is) in [
            (Some("guests"), r#"is of "guests""#),
            (Some("lab2"), r#"is of "lab2""#),
            (None, "has proved to be of none"),
        ] {
            let caller = of(&place, group).await;
            let there = way(&caller, &callee);
            let why_not = why(guarded::on(&there, 3).await.unwrap_err());
            assert!(
                why_not.contains("guarded")
                    && why_not.contains(r#""lab", "admins""#)
                    && why_not.contains(is),
                "{why_not}"
            );
            why(guarded_later::on(&there, 3).await.unwrap_err());
            // Its arguments are not even looked at.
            let unfit = there.call::<i64>(guarded::TAG, &("no", "numbers", "at all"));
            why(unfit.await.unwrap_err());
            // And the link lives on.
            assert_eq!(open::on(&there, 3).await.unwrap(), 3);
        }
        assert_eq!(RUNS.load(Ordering::SeqCst), before);
    }
    // The program's own calls are nobody else's business.
    assert_eq!(guarded(5), 5);
    assert_eq!(guarded_later(6).await, 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_keeps_its_thread_is_refused_as_any() {
    let place = Place::new();
    let callee = of(&place, None).await;
    let (tell, mut told) = unbounded_channel();
    let handler = sync_handler(move |call| {
        tell.send(call.caller.group().map(str::to_owned)).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5));
        answer_value(&())
    });
    register(&callee, "slow", Some(vec!["lab".to_owned()]), handler);
    let (lab, guest) = (of(&place, Some("lab")).await, of(&place, None).await);
    for _ in 0..3 {
        over_unix(&lab, &callee)
            .call::<()>("slow", &())
            .await
            .unwrap();
        assert_eq!(told.recv().await.unwrap().as_deref(), Some("lab"));
        why(over_unix(&guest, &callee)
            .call::<()>("slow", &())
            .await
            .unwrap_err());
        assert!(told.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_without_a_group_lets_nobody_in() {
    let place = Place::new();
    let (callee, caller) = (of(&place, None).await, of(&place, None).await);
    let handler = sync_handler(|_| answer_value(&()));
    register(&callee, "nobody's", Some(Vec::new()), handler);
    why(over_unix(&caller, &callee)
        .call::<()>("nobody's", &())
        .await
        .unwrap_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_original_has_no_group_to_prove() {
    let place = Place::new();
    let callee = of(&place, Some("lab")).await;
    let before = RUNS.load(Ordering::SeqCst);
    let answer: Json = serde_json::from_str(&ask(&callee, &request(guarded::TAG)).await).unwrap();
    assert_eq!(answer["payload"], "error");
    let text = answer["traceback"].as_str().unwrap();
    assert!(
        text.starts_with("Refused: ") && text.contains(r#""lab", "admins""#),
        "{text}"
    );
    // The same of 0.3: {"connection": base64({"raw": "guarded"}), "args": [1], "kwargs": {}}
    let answer = ask(
        &callee,
        "eyJjb25uZWN0aW9uIjogImV5SnlZWGNpT2lBaVozVmhjbVJsWkNKOSIsICJhcmdzIjogWzFdLCAia3dhcmdzIjoge319",
    );
    let answer = answer.await;
    // {"payload":"error","traceback":"Refused…
    assert!(
        answer.starts_with("eyJwYXlsb2FkIjoiZXJyb3IiLCJ0cmFjZWJhY2siOiJSZWZ1c2Vk"),
        "{answer}"
    );
    assert_eq!(RUNS.load(Ordering::SeqCst), before);
    assert_eq!(ask(&callee, &request(open::TAG)).await, "1");
}

static HEARD: AtomicUsize = AtomicUsize::new(0);

#[net::subscribe("access.alarm")]
#[net::connect("alarmed", groups(ADMINS))]
fn alarmed(level: usize) {
    HEARD.fetch_add(level, Ordering::SeqCst);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_of_events_is_guarded_against_calls() {
    let place = Place::new();
    let (hearer, other) = (place.peer().await, place.peer().await);
    until("it subscribes", async || {
        hearer.peers().await;
        other.subscribers("access.alarm") == 1
    })
    .await;
    why(alarmed::on(&over_unix(&other, &hearer), 100)
        .await
        .unwrap_err());
    other.emit("access.alarm", &(1,)).await.unwrap();
    until("it hears", async || HEARD.load(Ordering::SeqCst) > 0).await;
    assert_eq!(HEARD.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_told_who_may_call() {
    let place = Place::new();
    let (callee, caller) = (of(&place, None).await, of(&place, None).await);
    let there = over_unix(&caller, &callee);
    let all: Json = there
        .call("net.defaults.handlers.connections", &())
        .await
        .unwrap();
    assert_eq!(
        all["guarded"]["groups"],
        serde_json::json!(["lab", "admins"])
    );
    assert_eq!(all["who"]["groups"], Json::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_knows_its_caller() {
    let place = Place::new();
    let callee = of(&place, None).await;
    let (lab, guest) = (of(&place, Some("lab")).await, of(&place, None).await);
    assert_eq!(who(), None);
    for way in [over_unix, over_tcp] {
        let (from_lab, from_guest) = (way(&lab, &callee), way(&guest, &callee));
        assert_eq!(who::on(&from_lab).await.unwrap(), Seen::peer(&lab));
        assert_eq!(who::on(&from_guest).await.unwrap(), Seen::peer(&guest));
        // Async ones that run at once, on the same threads, each keep their own.
        let (of_lab, of_guest) = tokio::join!(who_later::on(&from_lab), who_later::on(&from_guest));
        assert!(of_lab.unwrap().iter().all(|seen| *seen == Seen::peer(&lab)));
        assert!(
            of_guest
                .unwrap()
                .iter()
                .all(|seen| *seen == Seen::peer(&guest))
        );
        assert_eq!(call_back::on(&from_lab).await.unwrap(), 7);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outside_of_a_call_nobody_calls() {
    let place = Place::new();
    let (callee, caller) = (of(&place, None).await, of(&place, None).await);
    let there = over_unix(&caller, &callee);
    let CallError::Remote(error) = panic_over_caller::on(&there).await.unwrap_err() else {
        panic!()
    };
    assert_eq!(error.message, format!("Some({:?})", caller.name()));
    // Neither after a function that has panicked nor beside one that waits.
    let waiting = tokio::spawn(who_later::on(&there));
    for _ in 0..20 {
        assert_eq!(tokio::spawn(async { who() }).await.unwrap(), None);
        assert_eq!(callee.runtime().spawn(async { who() }).await.unwrap(), None);
        tokio::task::yield_now().await;
    }
    waiting.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_original_that_calls_is_known_for_one() {
    let place = Place::new();
    let callee = of(&place, Some("lab")).await;
    let request = r#"{"connection": "who", "args": [], "kwargs": {}}"#;
    let seen: Seen = serde_json::from_str(&ask(&callee, request).await).unwrap();
    assert!(seen.name.starts_with("127."), "{seen:?}");
    let expected = Seen {
        id: None,
        name: seen.name.clone(),
        group: None,
        is_original: true,
        can_be_called: false,
    };
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_told_of_an_event_knows_who_has_published() {
    let place = Place::new();
    let (hearer, publisher) = (place.peer().await, place.peer().await);
    let (tell, mut told) = unbounded_channel();
    let tell_later = tell.clone();
    hearer
        .subscribe("news")
        .run(move |(): ()| tell.send(who()).unwrap());
    hearer.subscribe("news").run_async(move |(): ()| {
        let tell = tell_later.clone();
        async move {
            tokio::task::yield_now().await;
            tell.send(who()).unwrap();
        }
    });
    until("it subscribes", async || {
        hearer.peers().await;
        publisher.subscribers("news") == 2
    })
    .await;
    publisher.emit("news", &()).await.unwrap();
    for _ in 0..2 {
        let seen = timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
        assert_eq!(seen, Seen::peer(&publisher));
    }
}

fn register(
    peer: &Peer,
    tag: &str,
    groups: Option<Vec<String>>,
    handler: std::sync::Arc<dyn net::Handler>,
) {
    peer.registry().register(Connection {
        tag: tag.into(),
        name: tag.into(),
        module: String::new(),
        doc: String::new(),
        signature: net::Signature::default(),
        groups,
        handler,
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn user_and_executable_are_for_the_same_group_and_the_same_user() {
    let place = Place::new();
    for own in [None, Some("lab")] {
        let callee = of(&place, own).await;
        let (same, other) = (of(&place, own).await, of(&place, Some("guests")).await);
        for (there, is_shown) in [
            (over_unix(&same, &callee), true),
            (over_unix(&other, &callee), true),
            (over_tcp(&of(&place, own).await, &callee), true),
            (over_tcp(&of(&place, Some("guests")).await, &callee), false),
        ] {
            let info: Json = there.call("net.defaults.handlers.info", &()).await.unwrap();
            assert_eq!(info["user"].is_string(), is_shown, "{there}: {info}");
            assert_eq!(info["executable"].is_string(), is_shown, "{there}: {info}");
            assert_eq!(info["host"], callee.host());
        }
        // Any program of this host could say that it is of this group: originals, which say nothing, are shown what they always were.
        let request = r#"{"connection": "net.defaults.handlers.info", "args": [], "kwargs": {}}"#;
        let info: Json = serde_json::from_str(&ask(&callee, request).await).unwrap();
        assert!(
            info["user"].is_string() && info["executable"].is_string(),
            "{info}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tracebacks_are_for_the_same_group_and_the_same_user() {
    let failed = || {
        Answer::failed(
            "app.Odd",
            "it is odd",
            "  File \"/home/ada/app.py\", line 3\n",
        )
    };
    let place = Place::new();
    let callee = of(&place, Some("lab")).await;
    register(&callee, "fails", None, sync_handler(move |_| failed()));
    let later = async_handler(move |_| async move {
        tokio::task::yield_now().await;
        failed()
    });
    register(&callee, "fails later", None, later);
    let slow = sync_handler(move |_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        failed()
    });
    register(&callee, "fails slowly", None, slow);
    let (lab, guest) = (of(&place, Some("lab")).await, of(&place, None).await);
    for (there, is_shown) in [
        (over_tcp(&lab, &callee), true),
        (over_tcp(&guest, &callee), false),
        (over_unix(&of(&place, None).await, &callee), true),
    ] {
        // The slow one runs on the pool from the second time on.
        for tag in [
            "fails",
            "fails later",
            "fails slowly",
            "fails slowly",
            "fails slowly",
        ] {
            let CallError::Remote(error) = there.call::<()>(tag, &()).await.unwrap_err() else {
                panic!()
            };
            assert_eq!((&*error.kind, &*error.message), ("app.Odd", "it is odd"));
            assert_eq!(
                error.traceback.contains("/home/ada"),
                is_shown,
                "{tag}, {there}: {error}"
            );
            assert_eq!(error.to_string().contains("/home/ada"), is_shown);
        }
    }
    let answer = ask(&callee, &request("fails")).await;
    assert!(answer.contains("/home/ada"), "{answer}");
}

/// A peer that a function of this program calls in turn.
static BEYOND: OnceLock<Remote> = OnceLock::new();

#[net::connect]
async fn passes_on() -> Result<(), CallError> {
    BEYOND.get().unwrap().call("fails", &()).await
}

#[net::connect]
async fn passes_on_in_a_box() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Ok(passes_on().await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_peer_failed_with_is_passed_on_without_its_traceback_to_those_outside() {
    let place = Place::new();
    let callee = place.builder().group("lab").start().await.unwrap();
    let beyond = of(&place, Some("lab")).await;
    let fails = |_: &_| Answer::failed("app.Odd", "it is odd", "  File \"/home/ada/app.py\"\n");
    register(&beyond, "fails", None, sync_handler(fails));
    let (lab, guest) = (of(&place, Some("lab")).await, of(&place, None).await);
    let to_beyond = callee.remote(&beyond.id().to_string()).unwrap();
    BEYOND.set(to_beyond).unwrap();
    for (there, is_shown) in [
        (over_tcp(&lab, &callee), true),
        (over_tcp(&guest, &callee), false),
    ] {
        let answers = [
            passes_on::on(&there).await,
            passes_on_in_a_box::on(&there).await,
        ];
        for answer in answers {
            let error = answer.unwrap_err().to_string();
            assert!(error.contains("app.Odd: it is odd"), "{error}");
            assert_eq!(error.contains("/home/ada"), is_shown, "{error}");
        }
    }
}
