//! Flags between peers of one process: what a function that answers with one comes to, here and there. Flags of original peers are
//! in `originals.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::error::Error;

use common::{Place, pair};
use net::{CallError, Flag, Peer, Remote, Value};

#[net::flag("BUSY")]
fn busy(connection: &str, peer: &Remote) -> String {
    let name = peer.name().unwrap_or_default();
    format!("{name} is too busy for {connection}")
}

#[derive(Debug, thiserror::Error, PartialEq)]
#[error("no more paper")]
struct NoPaper;

#[net::flag("EMPTY")]
fn empty(_connection: &str, _peer: &Remote) -> Result<i64, NoPaper> {
    Err(NoPaper)
}

#[net::flag("ELSEWHERE")]
fn elsewhere(connection: &str, _peer: &Remote) -> Result<(), Flag> {
    Err(Flag::from(format!("NOT {connection}")))
}

#[net::connect("print")]
fn print(job: &str) -> Result<String, Flag> {
    match job {
        "" => Err(Flag::NULL),
        "busy" => Err(busy::FLAG),
        "empty" => Err(empty::FLAG),
        "elsewhere" => Err(elsewhere::FLAG),
        "unknown" => Err(Flag::new("UNKNOWN")),
        "invalid" => Err(Flag::INVALID_CONNECTION),
        job => Ok(job.to_owned()),
    }
}

#[net::connect("count")]
async fn count(job: &str) -> Result<i64, Box<dyn Error + Send + Sync>> {
    tokio::task::yield_now().await;
    match job {
        "null" => Err(Flag::NULL.into()),
        "busy" => Err(Box::new(busy::FLAG)),
        job => Ok(job.parse()?),
    }
}

/// What a call here and one there come to are the same.
async fn both(remote: &Remote, job: &str) -> Result<String, CallError> {
    let here = print(job).or_else(|flag| flag.handle(print::TAG, remote));
    let there = print::on(remote, job).await;
    assert_eq!(format!("{here:?}"), format!("{there:?}"));
    there
}

async fn named(place: &Place) -> (Peer, Peer, Remote) {
    let here = place.peer().await;
    let there = place.builder().name("printer").start().await.unwrap();
    let remote = here.remote(&there.id().to_string()).unwrap();
    remote.connect().await.unwrap();
    (here, there, remote)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flag_comes_to_what_its_handler_gives() {
    let place = Place::new();
    let (_here, _there, remote) = named(&place).await;
    assert_eq!(print("busy"), Err(busy::FLAG));
    let text = both(&remote, "busy").await.unwrap();
    assert_eq!(text, "printer is too busy for print");
    assert_eq!(both(&remote, "page").await.unwrap(), "page");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flag_comes_to_the_error_its_handler_gives() {
    let place = Place::new();
    let (_here, _there, remote) = named(&place).await;
    let error = both(&remote, "empty").await.unwrap_err();
    let CallError::FlagHandler { name, source } = error else {
        panic!("{error}")
    };
    assert_eq!(
        (name.as_str(), source.downcast_ref()),
        ("EMPTY", Some(&NoPaper))
    );
    let error = both(&remote, "elsewhere").await.unwrap_err();
    assert!(
        matches!(&error, CallError::Flag { name } if name == "NOT print"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flag_without_a_handler_is_an_error_that_names_it() {
    let place = Place::new();
    let (_here, _there, remote) = named(&place).await;
    let error = both(&remote, "unknown").await.unwrap_err();
    assert!(
        matches!(&error, CallError::Flag { name } if name == "UNKNOWN"),
        "{error}"
    );
    // A peer without the program's functions has none of its handlers.
    let bare = place.builder().functions(false).start().await.unwrap();
    let remote = bare.remote(&remote.target()).unwrap();
    let error = both(&remote, "busy").await.unwrap_err();
    assert!(
        matches!(&error, CallError::Flag { name } if name == "BUSY"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handlers_value_has_to_be_what_was_asked_for() {
    let place = Place::new();
    let (here, _there, remote) = named(&place).await;
    let error = count::on(&remote, "busy").await.unwrap_err();
    assert!(matches!(error, CallError::Value(_)), "{error}");
    here.on_flag("BUSY", |connection, _| Ok(connection.len()));
    assert_eq!(count::on(&remote, "busy").await.unwrap(), 5);
    assert_eq!(count::on(&remote, "12").await.unwrap(), 12);
    let error = count::on(&remote, "x").await.unwrap_err();
    assert!(matches!(error, CallError::Remote(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn null_comes_to_its_name_where_a_text_is_asked_for() {
    const NULL: &str = "net.defaults.handlers.null";
    let place = Place::new();
    let (_here, _there, remote) = pair(&place).await;
    assert_eq!(both(&remote, "").await.unwrap(), "NULL");
    let untyped = net::call(&remote, NULL, &()).await.unwrap();
    assert_eq!(untyped, Value::Text("NULL".into()));
    let error = count::on(&remote, "null").await.unwrap_err();
    assert!(
        matches!(&error, CallError::Flag { name } if name == "NULL"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_reads_as_a_flag_is_a_text() {
    let place = Place::new();
    let (here, _there, remote) = pair(&place).await;
    here.on_flag("NULL", |_, _| Ok("nothing"));
    assert_eq!(both(&remote, "NULL").await.unwrap(), "NULL");
    assert_eq!(both(&remote, "BUSY").await.unwrap(), "BUSY");
    assert_eq!(both(&remote, "").await.unwrap(), "nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_connection_names_the_peer_and_what_was_asked_for() {
    let place = Place::new();
    let (here, _there, remote) = named(&place).await;
    let error = both(&remote, "invalid").await.unwrap_err();
    assert!(
        matches!(&error, CallError::NoSuchConnection { tag, .. } if tag == "print"),
        "{error}"
    );
    let error = remote.call::<String>("prin", &()).await.unwrap_err();
    let CallError::NoSuchConnection {
        peer, connections, ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(
        (peer, connections[0].as_str()),
        (&remote.to_string(), print::TAG)
    );

    here.on_flag("INVALID_CONNECTION", |connection, _| {
        Ok(format!("no {connection}"))
    });
    assert_eq!(both(&remote, "invalid").await.unwrap(), "no print");
    let text: String = remote.call("prin", &()).await.unwrap();
    assert_eq!(text, "no prin");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_calls_itself_handles_its_flags() {
    let place = Place::new();
    let here = place.builder().name("itself").start().await.unwrap();
    let itself = here.remote(&here.id().to_string()).unwrap();
    itself.connect().await.unwrap();
    let text = both(&itself, "busy").await.unwrap();
    assert_eq!(text, "itself is too busy for print");
    assert!(here.peers().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_tells_of_its_flags() {
    let place = Place::new();
    let (_here, there, remote) = pair(&place).await;
    there.on_flag("LATER", |_, _| Ok(()));
    let info: std::collections::HashMap<String, Value> = remote
        .call("net.defaults.handlers.info", &())
        .await
        .unwrap();
    let names = [
        "BUSY",
        "ELSEWHERE",
        "EMPTY",
        "INVALID_CONNECTION",
        "LATER",
        "NULL",
    ];
    let names = names.map(|name| Value::Text(name.into()));
    assert_eq!(info["flags"], Value::List(names.to_vec()));
}
