//! The demo's Rust peer: functions that any peer can call, an event, and a loop that calls what others have.
//!
//! A line of JSON in asks for one call and a line of JSON out is its answer, as in `driven.py` beside this crate.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use net::{CallError, Peer};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

#[net::connect("introduce")]
fn introduce() -> String {
    "Rust".to_owned()
}

#[net::connect("multiply")]
fn multiply(a: i64, b: i64) -> i64 {
    a * b
}

#[net::connect("divide")]
fn divide(a: i64, b: i64) -> Result<f64, DivisionByZero> {
    if b == 0 {
        Err(DivisionByZero)
    } else {
        Ok(a as f64 / b as f64)
    }
}

/// Why [`divide()`] failed; the caller, whatever its language, is told its name and its text.
#[derive(Debug)]
struct DivisionByZero;

impl fmt::Display for DivisionByZero {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("division by zero")
    }
}

impl std::error::Error for DivisionByZero {}

/// Publishes an event; whoever subscribes to it is told.
#[net::connect("publish")]
async fn publish(text: String) {
    if let Err(error) = net::emit("news", &(text,)).await {
        eprintln!("error: {error}");
    }
}

/// How many are told of the event.
#[net::connect("audience")]
fn audience() -> usize {
    Peer::current().map_or(0, |here| here.subscribers("news"))
}

/// What this peer was told.
#[net::connect("heard")]
fn heard() -> Vec<String> {
    HEARD.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What the driver asks for: to call `tag` at `address`.
#[derive(Deserialize)]
struct Request {
    tag: String,
    address: (String, u16),
    args: Vec<i64>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let here = net::start().await?;
    here.subscribe("news").run(|(text,): (String,)| {
        HEARD
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(text);
    });
    println!(
        "{}",
        json!({ "ready": { "host": here.host(), "port": here.port() } })
    );

    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let answer = match call(&here, &serde_json::from_str(&line)?).await {
            Ok(result) => json!({ "result": result }),
            Err(error) => json!({ "error": { "types": ["CallError"], "text": error.to_string() } }),
        };
        println!("{answer}");
    }
    here.shutdown().await;
    Ok(())
}

async fn call(here: &Peer, request: &Request) -> Result<Value, CallError> {
    let (host, port) = &request.address;
    let there = here.remote(&format!("{host}:{port}"))?;
    match (request.tag.as_str(), request.args.as_slice()) {
        ("introduce", []) => introduce::on(&there).await.map(Value::from),
        ("multiply", &[a, b]) => multiply::on(&there, a, b).await.map(Value::from),
        ("divide", &[a, b]) => divide::on(&there, a, b).await.map(Value::from),
        (tag, args) => there.call(tag, args).await,
    }
}
