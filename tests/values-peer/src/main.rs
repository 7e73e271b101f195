//! The Rust peer with which the Python tests exchange values: it gives back what it gets, shows its bytes, and makes values of its
//! own from a seed, which it knows again.
//!
//! It prints its id and its port, and ends when its standard input does. What it takes is limited, so that the limit can be tested.

#![expect(
    clippy::unwrap_used,
    reason = "the strategies are the tests', in which an unwrap that fails is a test that fails"
)]

#[path = "../../../net/tests/values/strategies.rs"]
#[allow(dead_code, reason = "what Python cannot hold is not sent to it")]
mod strategies;

use std::collections::BTreeMap;
use std::error::Error;

use net::value::{Array, Bytes, NdArray, Value, ValueError, decode, encode};
use net::{Answer, CallError, Limits, Peer};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use strategies::{same, shared_value};
use tokio::io::{AsyncReadExt as _, stdin};

/// Bytes of the largest value that this peer takes.
const MAX_VALUE: u64 = 1 << 20;

/// Decoded, and encoded anew.
#[net::connect("identity")]
fn identity(value: Value) -> Value {
    value
}

/// The bytes that Rust writes for the value.
#[net::connect("encoded")]
fn encoded(value: Value) -> Result<Bytes, ValueError> {
    let mut bytes = Vec::new();
    encode(&value, &mut bytes)?;
    Ok(Bytes(bytes))
}

/// Why Rust does not read the bytes as a value; nothing if it does.
#[net::connect("refused")]
fn refused(data: Bytes) -> Option<String> {
    decode::<Value>(&data.0)
        .err()
        .map(|error| error.to_string())
}

#[net::connect("made")]
fn made(seed: u64) -> Value {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    // Fails only where a filter refuses nearly everything.
    shared_value().new_tree(&mut runner).unwrap().current()
}

/// How the value differs from the one that the seed makes; nothing if it does not.
#[net::connect("difference")]
fn difference(seed: u64, value: Value) -> Option<String> {
    let (made, value) = (sorted(made(seed)), sorted(value));
    (!same(&made, &value)).then(|| format!("{value:?}\nis not\n{made:?}"))
}

/// With the elements of sets in the order of their bytes: Python has an order of its own.
fn sorted(value: Value) -> Value {
    let all = |elements: Vec<Value>| elements.into_iter().map(sorted);
    let by_bytes = |elements: Vec<Value>| {
        let mut elements: Vec<_> = all(elements).collect();
        elements.sort_by_cached_key(|element| encoded(element.clone()).unwrap().0);
        elements
    };
    match value {
        Value::List(elements) => Value::List(all(elements).collect()),
        Value::Tuple(elements) => Value::Tuple(all(elements).collect()),
        Value::Set(elements) => Value::Set(by_bytes(elements)),
        Value::FrozenSet(elements) => Value::FrozenSet(by_bytes(elements)),
        Value::Map(entries) => {
            let entries = entries.into_iter();
            Value::Map(
                entries
                    .map(|(key, value)| (sorted(key), sorted(value)))
                    .collect(),
            )
        }
        other => other,
    }
}

/// What cannot be a value in Python, by its name.
#[net::connect("odd")]
fn odd(name: &str) -> Value {
    let list = || Value::List(vec![1.into()]);
    let odd = match name {
        "list as a key" => Value::Map(vec![(list(), 1.into())]),
        "list in a set" => Value::Set(vec![list()]),
        "unknown tag" => Value::Tagged(50_000, Box::new(list())),
        "keys equal in Python" => Value::Map(vec![
            (1.into(), "integer".into()),
            (true.into(), "boolean".into()),
            (1.0.into(), "float".into()),
        ]),
        _ => Value::Null,
    };
    Value::List(vec![0.into(), Value::Map(vec![("x".into(), odd)])])
}

/// For errors with a path.
#[net::connect("typed")]
fn typed(a: Vec<BTreeMap<String, (u8, Option<i64>)>>, #[net(default = 0)] b: u8) -> (usize, u8) {
    (a.len(), b)
}

#[net::connect("total")]
fn total(values: Vec<f64>) -> f64 {
    values.iter().sum()
}

#[net::connect("doubled")]
fn doubled(values: Array<f64>) -> Array<f64> {
    Array(values.0.iter().map(|value| 2.0 * value).collect())
}

#[net::connect("transposed")]
fn transposed(values: NdArray<f64>) -> Result<NdArray<f64>, ValueError> {
    let &[rows, columns] = values.shape() else {
        return Err(ValueError::custom("two dimensions are needed"));
    };
    let column = |column| (0..rows).map(move |row| row * columns + column);
    let all = (0..columns).flat_map(column);
    let turned = all.map(|place| values.elements()[place]).collect();
    NdArray::new(vec![columns, rows], turned)
}

/// What comes of calling `tag` at the peer `target` with one argument: nothing, or the text of the error.
#[net::connect("call_back")]
async fn call_back(target: String, tag: String, argument: Value) -> Option<String> {
    let call = async {
        let here = HERE.get().ok_or(CallError::ShutDown)?;
        here.remote(&target)?
            .call::<BTreeMap<String, Vec<u8>>>(&tag, &(argument,))
            .await
    };
    call.await.err().map(|error: CallError| error.to_string())
}

/// The same with a body that is sent as it is.
#[net::connect("send_body")]
async fn send_body(target: String, tag: String, body: Bytes) -> Option<String> {
    let call = async {
        let here = HERE.get().ok_or(CallError::ShutDown)?;
        match here.remote(&target)?.call_raw(tag, body.0).await? {
            Answer::Error(error) => Ok(Some(format!("{}: {}", error.kind, error.message))),
            _ => Ok(None),
        }
    };
    call.await
        .unwrap_or_else(|error: CallError| Some(error.to_string()))
}

static HERE: std::sync::OnceLock<Peer> = std::sync::OnceLock::new();

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let limits = Limits {
        max_value: MAX_VALUE,
        ..Limits::default()
    };
    let here = Peer::builder().limits(limits).start().await?;
    println!("{} {}", here.id(), here.port().unwrap_or(0));
    let _ = HERE.set(here.clone());
    stdin().read_to_end(&mut Vec::new()).await?;
    here.shutdown().await;
    Ok(())
}
