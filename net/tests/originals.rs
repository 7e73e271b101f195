//! The original's two dialects over real sockets, in both roles: what its programs send and answer, to the byte.
//! (That 0.6.2 itself says the same is tested with it, in tests/interop.)

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::{Place, ask, tcp};
use net::{CallError, Speaks, Value};
use tokio::io::AsyncWriteExt as _;

#[net::connect("Tagged")]
fn multiply(a: i64, #[net(default = 5)] b: i64) -> i64 {
    a * b
}

#[net::connect]
fn long(length: usize) -> String {
    "x".repeat(length)
}

#[net::connect]
fn fails() -> Result<(), String> {
    Err("no luck".into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_0_6_are_answered() {
    let peer = Place::new().peer().await;
    for (request, answer) in [
        (
            r#"{"connection": "Tagged", "args": [5, 10], "kwargs": {}}"#,
            "50",
        ),
        (
            r#"{"connection": "Tagged", "args": [5], "kwargs": {}}"#,
            "25",
        ),
        (
            r#"{"connection": "Tagged", "args": [], "kwargs": {"a": 2, "b": 3}}"#,
            "6",
        ),
        // What the original sends along and the function is not to see.
        (
            r#"{"connection": "Tagged", "args": [5, 10], "kwargs": {"peer": ["127.0.0.1", 3010], "time_out": 1}}"#,
            "50",
        ),
        (
            r#"{"connection": "nowhere", "args": [], "kwargs": {}}"#,
            "INVALID_CONNECTION",
        ),
        (
            r#"{"connection": "net.defaults.handlers.null", "args": [], "kwargs": {}}"#,
            "NULL",
        ),
        (
            r#"{"connection": "net.defaults.handlers.pass_through", "args": [{"a": [1, 2.5, null, "\u00e9"]}], "kwargs": {}}"#,
            r#"{"a":[1,2.5,null,"\u00e9"]}"#,
        ),
    ] {
        assert_eq!(ask(&peer, request).await, answer, "{request}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_0_3_are_answered() {
    let peer = Place::new().peer().await;
    for (request, answer) in [
        // {"connection": base64({"raw": "Tagged"}), "args": [5, 10], "kwargs": {}}: {"raw": 50}
        (
            "eyJjb25uZWN0aW9uIjogImV5SnlZWGNpT2lBaVZHRm5aMlZrSW4wPSIsICJhcmdzIjogWzUsIDEwXSwgImt3YXJncyI6IHt9fQ==",
            "eyJyYXciOjUwfQ==",
        ),
        // {"connection": base64("net.defaults.handlers.null"), "args": [], "kwargs": {}}: the flag NULL
        (
            "eyJjb25uZWN0aW9uIjogImJtVjBMbVJsWm1GMWJIUnpMbWhoYm1Sc1pYSnpMbTUxYkd3PSIsICJhcmdzIjogW10sICJrd2FyZ3MiOiB7fX0=",
            "TlVMTA==",
        ),
        // {"connection": base64("no.where"), "args": [], "kwargs": {}}: the flag INVALID_CONNECTION
        (
            "eyJjb25uZWN0aW9uIjogImJtOHVkMmhsY21VPSIsICJhcmdzIjogW10sICJrd2FyZ3MiOiB7fX0=",
            "SU5WQUxJRF9DT05ORUNUSU9O",
        ),
    ] {
        assert_eq!(ask(&peer, request).await, answer, "{request}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_longer_than_an_original_reads_says_so_instead() {
    let peer = Place::new().peer().await;
    let request = |length| {
        format!(r#"{{"connection": "originals.long", "args": [{length}], "kwargs": {{}}}}"#)
    };
    // With its quotes, 1,024 bytes.
    assert_eq!(ask(&peer, &request(1022)).await.len(), 1024);
    let refused = ask(&peer, &request(1023)).await;
    assert!(
        refused.len() <= 1024
            && refused.contains(r#""payload":"error""#)
            && refused.contains("1024"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_answered_in_the_error_form() {
    let peer = Place::new().peer().await;
    let answer = ask(
        &peer,
        r#"{"connection": "originals.fails", "args": [], "kwargs": {}}"#,
    )
    .await;
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["payload"], "error");
    assert!(
        answer["traceback"].as_str().unwrap().contains("no luck"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn info_fits_what_an_original_reads_however_much_there_is_to_tell() {
    let place = Place::new();
    let peer = place
        .builder()
        .group("studio")
        .hub(true)
        .start()
        .await
        .unwrap();
    let registration = |n: usize| net::Connection {
        tag: format!("app.mödule.with.a.long.name.function_{n}"),
        name: format!("function_{n}"),
        module: "app.module.with.a.long.name".into(),
        doc: String::new(),
        signature: net::Signature::default(),
        groups: None,
        handler: net::private::sync_handler(|_| net::private::answer_value(&())),
    };
    for n in 0..200 {
        peer.registry().register(registration(n));
        peer.registry()
            .register_flag(format!("FLAG_OF_THE_PROGRAM_{n}"));
    }
    let answer = ask(
        &peer,
        r#"{"connection": "net.defaults.handlers.info", "args": [], "kwargs": {}}"#,
    )
    .await;
    assert!(answer.len() <= 1024);
    let info: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(info["group"], "studio");
    assert_eq!(info["hub"], true);
    assert_eq!(
        (info["host"].as_str(), info["port"].as_u64()),
        (Some(peer.host()), peer.port().map(u64::from))
    );
    // What an original subscribes by is a method of its handle on this peer, for which it has to read of it.
    let connections = info["connections"].as_array().unwrap();
    assert_eq!(connections[0], "net.defaults.handlers.subscription_handler");
    assert!(connections.len() > 1);
    // The same of 0.3: {"connection": base64("net.defaults.handlers.info"), "args": [], "kwargs": {}}
    let answer = ask(&peer, "eyJjb25uZWN0aW9uIjogImJtVjBMbVJsWm1GMWJIUnpMbWhoYm1Sc1pYSnpMbWx1Wm04PSIsICJhcmdzIjogW10sICJrd2FyZ3MiOiB7fX0=").await;
    assert!(answer.len() <= 1024 && answer.len() > 900, "{answer}");
}

/// An original peer: answers each connection in turn with what it is given, and tells what it was asked.
fn original(answers: &'static [&'static str]) -> (SocketAddr, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            // One read, as the original.
            let n = stream.read(&mut request).unwrap();
            asked.push(String::from_utf8_lossy(&request[..n]).into_owned());
            stream.write_all(answer.as_bytes()).unwrap();
        }
        asked
    });
    (address, serving)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn originals_of_0_6_are_called() {
    let place = Place::new();
    let peer = place.builder().discover(false).start().await.unwrap();
    let (address, serving) = original(&[
        r#"{"payload": "error", "traceback": "Traceback (most recent call last):\n  ...\nUnicodeDecodeError: 'ascii' codec can't decode byte 0xab in position 0: ordinal not in range(128)\n"}"#,
        "50",
        r#""NULL""#,
        "INVALID_CONNECTION",
        r#"{"port": 1, "connections": ["app.multiply"]}"#,
        r#""LATER""#,
        r#""LATER""#,
        r#"{"payload": "error", "traceback": "Traceback (most recent call last):\n  File \"x.py\", line 1, in f\nZeroDivisionError: division by zero\n"}"#,
        "",
    ]);
    let remote = peer.remote(&address.to_string()).unwrap();
    assert_eq!(remote.speaks(), Speaks::Unknown);
    assert_eq!(
        net::call(&remote, "app.multiply", &(5,))
            .keyword("b", &10)
            .await
            .unwrap(),
        Value::Int(50)
    );
    assert_eq!(remote.speaks(), Speaks::V06);
    let null = net::call(&remote, "app.null", &()).await.unwrap();
    assert_eq!(null, Value::Text("NULL".into()));
    let error = net::call(&remote, "app.none", &()).await.unwrap_err();
    assert!(
        matches!(&error, CallError::NoSuchConnection { connections, .. } if connections == &["app.multiply"]),
        "{error}"
    );
    // A flag of the program's own is a text to who does not know it.
    let text = net::call(&remote, "app.later", &()).await.unwrap();
    assert_eq!(text, Value::Text("LATER".into()));
    peer.registry().register_flag("LATER");
    let error = net::call(&remote, "app.later", &()).await.unwrap_err();
    assert!(
        matches!(&error, CallError::Flag { name } if name == "LATER"),
        "{error}"
    );
    let CallError::Remote(error) = net::call(&remote, "app.fails", &()).await.unwrap_err() else {
        panic!()
    };
    assert_eq!(
        (error.kind.as_str(), error.message.as_str()),
        ("ZeroDivisionError", "division by zero")
    );
    assert!(error.traceback.contains("x.py"));
    let error = net::call(&remote, "app.dies", &()).await.unwrap_err();
    assert!(matches!(error, CallError::Lost { .. }), "{error}");
    let error = net::call(&remote, "app.echo", &("x".repeat(1024),))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("1024"), "{error}");
    let asked = serving.join().unwrap();
    assert_eq!(
        asked[1],
        r#"{"connection":"app.multiply","args":[5],"kwargs":{"b":10}}"#
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn originals_of_0_3_are_called() {
    let place = Place::new();
    let peer = place.builder().discover(false).start().await.unwrap();
    let (address, serving) = original(&[
        // {"payload": "error", "traceback": "x"}, its answer to what it cannot read
        "eyJwYXlsb2FkIjogImVycm9yIiwgInRyYWNlYmFjayI6ICJ4In0=",
        // {"raw": 50}
        "eyJyYXciOiA1MH0=",
        "SU5WQUxJRF9DT05ORUNUSU9O",
    ]);
    let remote = peer.remote(&address.to_string()).unwrap();
    assert_eq!(
        net::call(&remote, "app.multiply", &(5, 10)).await.unwrap(),
        Value::Int(50)
    );
    assert_eq!(remote.speaks(), Speaks::V03);
    let error = net::call(&remote, "app.none", &()).await.unwrap_err();
    assert!(
        matches!(error, CallError::NoSuchConnection { .. }),
        "{error}"
    );
    // {"connection":"YXBwLm11bHRpcGx5","args":[5,10],"kwargs":{}}
    assert_eq!(
        serving.join().unwrap()[1],
        "eyJjb25uZWN0aW9uIjoiWVhCd0xtMTFiSFJwY0d4NSIsImFyZ3MiOls1LDEwXSwia3dhcmdzIjp7fX0="
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_speaks_something_else_is_refused_and_harms_nobody() {
    let peer = Place::new().peer().await;
    for garbage in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xabnot\r\n\x01\x01",
        &[0; 5000],
    ] {
        let mut stream = TcpStream::connect(tcp(&peer)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream.write_all(garbage).unwrap();
        let mut answer = Vec::new();
        // Closed, with or without a reset; never an answer that could be taken for one of ours. Who speaks TLS is denied in TLS.
        let _ = stream.read_to_end(&mut answer);
        let is_tls = garbage[0] == 0x16 && answer.starts_with(b"\x15");
        assert!(
            answer.is_empty() || answer.starts_with(b"\xab") || is_tls,
            "{answer:?}"
        );
    }
    assert_eq!(
        ask(
            &peer,
            r#"{"connection": "Tagged", "args": [5, 10], "kwargs": {}}"#
        )
        .await,
        "50"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_a_little_now_and_then_is_not_waited_for_without_end() {
    let peer = Place::new().peer().await;
    let mut stream = tokio::net::TcpStream::connect(tcp(&peer)).await.unwrap();
    let start = Instant::now();
    while stream.write_all(b" ").await.is_ok() {
        assert!(start.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_a_connection_and_says_nothing_is_given_up() {
    let peer = Place::new().peer().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let remote = peer.remote(&address).unwrap();
    let call = || remote.call::<i64>("Tagged", &(5, 10));
    let untimed = tokio::spawn(call());
    let start = Instant::now();
    let timed = call().timeout(Duration::from_millis(200)).await;
    assert!(
        matches!(timed, Err(CallError::TimedOut { .. })),
        "{timed:?}"
    );
    assert!(start.elapsed() < Duration::from_secs(2));
    let error = untimed.await.unwrap().unwrap_err();
    assert!(
        error.was_not_run() && error.to_string().contains("did not say who it is"),
        "{error}"
    );
    assert!(start.elapsed() < Duration::from_secs(10));
}
