//! Events with peers of the original's two dialects over real sockets, in both roles, to the byte. (With 0.6.2 itself they are tested in
//! tests/interop.)

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{PATIENCE, Place, until};
use net::{Peer, PeerId03, Policy, Tag03};
use serde_json::{Value as Json, json};
use tokio::sync::Semaphore;

const HANDLER: &str = "net.defaults.handlers.subscription_handler";
const INFO: &str = "net.defaults.handlers.info";

/// The older dialect writes the same JSON as the newer one, in base64.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Dialect {
    V03,
    V06,
}

use Dialect::{V03, V06};

impl Dialect {
    fn write(self, text: &str) -> String {
        match self {
            V03 => STANDARD.encode(text),
            V06 => text.to_owned(),
        }
    }

    fn read(self, text: &[u8]) -> String {
        let bytes = match self {
            V03 => STANDARD.decode(text).unwrap_or_default(),
            V06 => text.to_vec(),
        };
        String::from_utf8(bytes).unwrap_or_default()
    }

    fn tag(self, name: &str) -> String {
        self.write(name)
    }

    fn result(self, value: &Json) -> String {
        match self {
            V03 => self.write(&json!({ "raw": value }).to_string()),
            V06 => value.to_string(),
        }
    }

    fn request(self, tag: &str, args: &Json, kwargs: &Json) -> String {
        let request = json!({ "connection": tag, "args": args, "kwargs": kwargs });
        self.write(&request.to_string())
    }

    /// Who is at an address, as a subscriber says it.
    fn place(self, at: SocketAddr) -> Vec<Json> {
        match self {
            V03 => {
                let (host, port, group) = (at.ip().to_string(), at.port(), None);
                vec![json!(PeerId03 { host, port, group }.encode())]
            }
            V06 => vec![json!(at.ip().to_string()), json!(at.port())],
        }
    }
}

/// One call on one of ours, as a program of the original makes it.
fn call(peer: &Peer, dialect: Dialect, tag: &str, args: &Json) -> String {
    let at = SocketAddr::new(peer.host().parse().unwrap(), peer.port().unwrap());
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = dialect.request(tag, args, &json!({}));
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[derive(Default)]
struct State {
    /// What it was asked, beside for information: tag, args, kwargs.
    asked: Vec<(String, Json, Json)>,
    /// The events for which it says that it has subscribers.
    subscriptions: Vec<String>,
    group: Option<&'static str>,
    /// What it fails with.
    fails: Option<&'static str>,
    /// Whether it closes without a word when it is asked who it is, and how often it has.
    is_silent: bool,
    silences: usize,
}

/// An original peer, which answers one request for each connection.
struct Original {
    at: SocketAddr,
    state: Arc<Mutex<State>>,
    is_over: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

impl Original {
    fn start(dialect: Dialect) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let (state, is_over) = <(Arc<Mutex<State>>, Arc<AtomicBool>)>::default();
        let (shared, ends) = (Arc::clone(&state), Arc::clone(&is_over));
        let serving = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::Acquire) {
                    return;
                }
                let mut stream = stream.unwrap();
                let mut request = [0; 1024];
                // One read, as the original.
                let n = stream.read(&mut request).unwrap_or(0);
                let answer = answer(dialect, at.port(), &request[..n], &shared);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self {
            at,
            state,
            is_over,
            serving: Some(serving),
        }
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    fn asked(&self) -> Vec<(String, Json, Json)> {
        self.state.lock().unwrap().asked.clone()
    }

    fn stop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.at);
        if let Some(serving) = self.serving.take() {
            serving.join().unwrap();
        }
    }
}

impl Drop for Original {
    fn drop(&mut self) {
        self.stop();
    }
}

fn answer(dialect: Dialect, port: u16, request: &[u8], state: &Mutex<State>) -> String {
    let failed = |text: &str| {
        let error = json!({ "payload": "error", "traceback": text });
        dialect.write(&error.to_string())
    };
    let Ok(request) = serde_json::from_str::<Json>(&dialect.read(request)) else {
        return failed("ValueError: not of this dialect");
    };
    let mut state = state.lock().unwrap();
    let tag = request["connection"].as_str().unwrap();
    if tag == dialect.tag(INFO) && state.is_silent {
        state.silences += 1;
        return String::new();
    }
    if tag == dialect.tag(INFO) {
        let info = json!({
            "host": "127.0.0.1", "port": port, "group": state.group.unwrap_or("None"), "hub": false,
            "connections": [], "subscriptions": state.subscriptions, "flags": [],
        });
        return dialect.write(&info.to_string());
    }
    let asked = (
        tag.to_owned(),
        request["args"].clone(),
        request["kwargs"].clone(),
    );
    state.asked.push(asked);
    match state.fails {
        Some(text) => failed(text),
        None => dialect.result(&Json::Null),
    }
}

/// Has a peer of ours meet an original, which it keeps an eye on from then on.
async fn meet(peer: &Peer, original: &Original) {
    let remote = peer.remote(&original.at.to_string()).unwrap();
    remote.call::<net::Value>(INFO, &()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn originals_of_both_dialects_subscribe_and_are_called() {
    for dialect in [V03, V06] {
        let place = Place::new();
        let peer = place.peer().await;
        let mut original = Original::start(dialect);
        let mut args = vec![json!("news")];
        args.extend(dialect.place(original.at));
        args.push(json!(dialect.tag("app.hear")));
        // Twice said counts once.
        for _ in 0..2 {
            let answer = call(&peer, dialect, &dialect.tag(HANDLER), &json!(args));
            assert_eq!(answer, dialect.result(&Json::Null));
        }
        assert_eq!(peer.subscribers("news"), 1);
        for n in 0..10 {
            peer.emit("news", &(n, "x", None::<u8>)).await.unwrap();
        }
        // Too long for it, and the next one is not.
        peer.emit("news", &("x".repeat(1024),)).await.unwrap();
        peer.emit("news", &("last",)).await.unwrap();
        until("all come", async || original.asked().len() == 11).await;
        let mut expected: Vec<_> = (0..10).map(|n| json!([n, "x", null])).collect();
        expected.push(json!(["last"]));
        let asked = original.asked();
        assert!(
            asked
                .iter()
                .all(|(tag, ..)| *tag == dialect.tag("app.hear"))
        );
        assert!(
            asked.iter().map(|(_, args, _)| args).eq(&expected),
            "{asked:?}"
        );
        // One that fails stays a subscriber; one that is gone does not.
        original.set(|state| state.fails = Some("ValueError: heard in vain"));
        peer.emit("news", &(1,)).await.unwrap();
        until("it comes", async || original.asked().len() == 12).await;
        assert_eq!(peer.subscribers("news"), 1);
        original.stop();
        until("it is forgotten", async || {
            peer.emit("news", &(2,)).await.unwrap();
            peer.subscribers("news") == 0
        })
        .await;
        assert!(peer.subscribed_events().is_empty());
    }
}

/// The subscriptions that an original was asked for: each event with the tag that it is to call.
fn subscriptions(
    dialect: Dialect,
    original: &Original,
    subscriber: &Peer,
) -> Vec<(String, String)> {
    let at = format!("{}:{}", subscriber.host(), subscriber.port().unwrap());
    let place = dialect.place(at.parse().unwrap());
    let asked = original.asked().into_iter();
    asked
        .map(|(tag, args, _)| {
            assert_eq!(tag, dialect.tag(HANDLER));
            let args = args.as_array().unwrap();
            assert_eq!(args[1..args.len() - 1], place);
            let text = |arg: &Json| arg.as_str().unwrap().to_owned();
            (text(&args[0]), text(args.last().unwrap()))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn originals_of_both_dialects_are_subscribed_to() {
    for dialect in [V03, V06] {
        let place = Place::new();
        let peer = place.peer().await;
        let original = Original::start(dialect);
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let all = peer
            .subscribe("news")
            .run(move |(n, text): (u32, String)| tell.send((n, text)).unwrap());
        meet(&peer, &original).await;
        until("it is asked", async || !original.asked().is_empty()).await;
        original.set(|state| state.subscriptions = vec!["news".into()]);
        let asked = subscriptions(dialect, &original, &peer);
        let [(event, tag)] = &asked[..] else {
            panic!("{asked:?}")
        };
        assert_eq!(event, "news");
        let readable = Tag03::decode(tag).name;
        assert!(readable.contains("net.subscriptions.news."), "{readable}");
        for n in 0..5 {
            let answer = call(&peer, dialect, tag, &json!([n, "x"]));
            assert_eq!(answer, dialect.result(&Json::Null));
            assert_eq!(told.recv().await, Some((n, "x".to_owned())));
        }
        assert_eq!((all.received(), all.dropped()), (5, 0));
        // It cannot be told that this is over, and is told so when it calls.
        all.unsubscribe();
        let refused = call(&peer, dialect, tag, &json!([6, "x"]));
        assert_eq!(refused, dialect.write("INVALID_CONNECTION"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_original_that_was_restarted_or_refused_is_asked_again_and_heard_once() {
    let place = Place::new();
    let peer = place.peer().await;
    let original = Original::start(V06);
    original.set(|state| state.fails = Some("KeyError: just starting"));
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    peer.subscribe("news")
        .run(move |(n,): (u32,)| tell.send(n).unwrap());
    meet(&peer, &original).await;
    until("it is asked", async || !original.asked().is_empty()).await;
    original.set(|state| state.fails = None);
    // It still says that nobody has subscribed: as one that was restarted.
    until("it is asked again", async || original.asked().len() == 2).await;
    original.set(|state| state.subscriptions = vec!["news".into()]);
    let asked = subscriptions(V06, &original, &peer);
    // Whatever became of the first, only the last leads to the function.
    assert_eq!(
        call(&peer, V06, &asked[0].1, &json!([1])),
        "INVALID_CONNECTION"
    );
    assert_eq!(call(&peer, V06, &asked[1].1, &json!([2])), "null");
    assert_eq!(told.recv().await, Some(2));
    assert!(told.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_original_that_was_too_busy_to_answer_is_looked_at_again() {
    let place = Place::new();
    let peer = place.peer().await;
    let original = Original::start(V06);
    peer.subscribe("news").run(|(): ()| {});
    meet(&peer, &original).await;
    until("it is asked", async || original.asked().len() == 1).await;
    // It is restarted, and does not get round to answering.
    original.set(|state| state.is_silent = true);
    until("it is looked at", async || {
        original.state.lock().unwrap().silences > 0
    })
    .await;
    original.set(|state| state.is_silent = false);
    until("it is asked again", async || original.asked().len() == 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_original_that_is_met_while_it_starts_is_looked_at_again() {
    let place = Place::new();
    let original = Original::start(V06);
    original.set(|state| state.is_silent = true);
    let port = original.at.port();
    let builder = place.builder().port(port).port_range(1);
    let peer = builder.start().await.unwrap();
    assert_ne!(peer.port(), Some(port));
    peer.subscribe("news").run(|(): ()| {});
    until("it is looked at", async || {
        original.state.lock().unwrap().silences > 0
    })
    .await;
    original.set(|state| state.is_silent = false);
    until("it is asked", async || original.asked().len() == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_original_of_another_group_is_not_asked_though_it_was_met_before_it_said_so() {
    let place = Place::new();
    let peer = place.peer().await;
    let original = Original::start(V06);
    original.set(|state| state.group = Some("blue"));
    meet(&peer, &original).await;
    peer.subscribe("ungrouped").run(|(): ()| {});
    peer.subscribe("blue").groups(["blue"]).run(|(): ()| {});
    until("it is asked", async || !original.asked().is_empty()).await;
    let asked = subscriptions(V06, &original, &peer);
    assert!(asked.iter().all(|(event, _)| event == "blue"), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_takes_its_time_holds_up_no_original() {
    let place = Place::new();
    let peer = place.peer().await;
    let original = Original::start(V06);
    let gate = Arc::new(Semaphore::new(0));
    let heard = Arc::new(Mutex::new(Vec::<u32>::new()));
    let is_at_work = Arc::new(AtomicBool::new(false));
    let slow = {
        let (gate, heard) = (Arc::clone(&gate), Arc::clone(&heard));
        let is_at_work = Arc::clone(&is_at_work);
        peer.subscribe("news")
            .keep(3)
            .run_async(move |(n,): (u32,)| {
                let (gate, heard) = (Arc::clone(&gate), Arc::clone(&heard));
                is_at_work.store(true, Ordering::Release);
                async move {
                    gate.acquire().await.unwrap().forget();
                    heard.lock().unwrap().push(n);
                }
            })
    };
    let waited = peer
        .subscribe("waited")
        .keep(1)
        .when_full(Policy::Block)
        .run_async({
            let gate = Arc::clone(&gate);
            move |(_,): (u32,)| {
                let gate = Arc::clone(&gate);
                async move { gate.acquire().await.unwrap().forget() }
            }
        });
    meet(&peer, &original).await;
    until("it is asked", async || original.asked().len() >= 2).await;
    original.set(|state| state.subscriptions = vec!["news".into(), "waited".into()]);
    let tags: std::collections::HashMap<_, _> =
        subscriptions(V06, &original, &peer).into_iter().collect();
    // Answered at once, though nothing is handled: one is at work, three are kept, and of the rest the oldest are dropped.
    for n in 0..10 {
        assert_eq!(call(&peer, V06, &tags["news"], &json!([n])), "null");
        until("the first is at work", async || {
            is_at_work.load(Ordering::Acquire)
        })
        .await;
    }
    assert_eq!((slow.received(), slow.dropped()), (10, 6));
    gate.add_permits(4);
    until("what was kept is heard", async || {
        heard.lock().unwrap().len() == 4
    })
    .await;
    assert_eq!(*heard.lock().unwrap(), [0, 7, 8, 9]);
    // Who asked for that sets the pace of an original, too.
    assert_eq!(call(&peer, V06, &tags["waited"], &json!([0])), "null");
    let (again, tag) = (peer.clone(), tags["waited"].clone());
    let waiting = tokio::task::spawn_blocking(move || call(&again, V06, &tag, &json!([1])));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(waited.received(), 1);
    gate.add_permits(2);
    assert_eq!(waiting.await.unwrap(), "null");
    until("both are taken", async || gate.available_permits() == 0).await;
    assert_eq!((waited.received(), waited.dropped()), (2, 0));
}
