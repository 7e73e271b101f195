//! Values over a link between two peers of one process: any of them comes back, and one that is too large is refused with its size.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;
#[path = "values/strategies.rs"]
#[allow(dead_code, reason = "made for more tests than these")]
mod strategies;

use common::{PATIENCE, Place, pair};
use net::value::{Bytes, Value, encode};
use net::{CallError, Limits, Remote};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use strategies::{same, value};

const PASS_THROUGH: &str = "net.defaults.handlers.pass_through";

/// Decoded at the callee, and encoded anew.
#[net::connect]
fn identity(value: Value) -> Value {
    value
}

#[net::connect]
fn zeros(count: usize) -> Bytes {
    Bytes(vec![0; count])
}

#[net::connect]
fn numbers() -> Value {
    Value::List(vec![1.into(), Value::Map(vec![("k".into(), "x".into())])])
}

#[test]
fn any_value_comes_back_from_another_peer() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let place = Place::new();
    let (_a, _b, remote) = runtime.block_on(pair(&place));
    let call = |tag: &str, value: &Value, keyword: Option<&Value>| {
        let mut call = remote.call::<Value>(tag, &(value,)).timeout(PATIENCE);
        if let Some(keyword) = keyword {
            call = call.keyword("k", keyword);
        }
        runtime.block_on(call).unwrap()
    };
    TestRunner::new(ProptestConfig::with_cases(256))
        .run(&(value(), value()), |(value, other)| {
            for tag in [PASS_THROUGH, identity::TAG] {
                let back = call(tag, &value, None);
                prop_assert!(same(&back, &value), "{back:?}\nis not\n{value:?}");
            }
            let back = call(PASS_THROUGH, &value, Some(&other));
            let sent = Value::Tuple(vec![
                Value::Tuple(vec![value]),
                Value::Map(vec![("k".into(), other)]),
            ]);
            prop_assert!(same(&back, &sent), "{back:?}\nis not\n{sent:?}");
            Ok(())
        })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_at_the_limit_passes_and_one_over_it_is_refused_with_its_size() {
    const LIMIT: u64 = 256 * 1024;
    let place = Place::new();
    let small = Limits {
        max_value: LIMIT,
        ..Limits::default()
    };
    let (a, b) = (
        place.peer().await,
        place.builder().limits(small).start().await.unwrap(),
    );
    let to = |from: &net::Peer, to: &net::Peer| from.remote(&to.id().to_string()).unwrap();
    let echo = |remote: &Remote, count: usize| {
        remote
            .call::<Bytes>(identity::TAG, &(Bytes(vec![0; count]),))
            .timeout(PATIENCE)
    };
    // Arguments: the head of the array, that of the byte string, and the bytes.
    let fits = LIMIT as usize - 6;
    assert_eq!(echo(&to(&a, &b), fits).await.unwrap().0.len(), fits);
    let refused = echo(&to(&a, &b), fits + 1).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "arguments of 262145 bytes is over the limit of 262144 bytes: send it in parts, or raise the limit"
    );
    assert!(matches!(refused, CallError::TooLarge { size, limit: LIMIT, .. } if size == LIMIT + 1));

    let fits = LIMIT as usize - 5;
    let result = zeros::on(&to(&b, &a), fits).await.unwrap();
    assert_eq!(result.0.len(), fits);
    let refused = zeros::on(&to(&b, &a), fits + 1).await.unwrap_err();
    let text = refused.to_string();
    assert!(
        text.contains("the result has 262145 bytes, the caller takes 262144"),
        "{text}"
    );
    assert_eq!(
        zeros::on(&to(&b, &a), 1).await.unwrap().0,
        [0],
        "the link lives on"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_names_the_way_to_the_value() {
    let place = Place::new();
    let (_a, _b, remote) = pair(&place).await;
    let result = remote.call::<(u8, std::collections::BTreeMap<String, u8>)>(numbers::TAG, &());
    assert_eq!(
        result.await.unwrap_err().to_string(),
        "result[1][\"k\"]: expected u8, found text \"x\""
    );
    let mut deep = Value::Null;
    for _ in 0..=net::value::MAX_DEPTH {
        deep = Value::List(vec![deep]);
    }
    let sent = remote.call::<Value>(PASS_THROUGH, &(1, &deep));
    let text = sent.await.unwrap_err().to_string();
    assert!(text.starts_with("args[1][0]"), "{text}");
    let sent = remote.call::<Value>(PASS_THROUGH, &()).keyword("k", &deep);
    let text = sent.await.unwrap_err().to_string();
    assert!(text.starts_with("argument 'k'[0]"), "{text}");
    // As deep as can be passes; wrapped by `pass_through` it no longer does.
    let Value::List(inner) = deep else { panic!() };
    let sent = remote.call::<Value>(PASS_THROUGH, &(&inner[0],));
    assert!(same(&sent.await.unwrap(), &inner[0]));
    let sent = remote.call::<Value>(PASS_THROUGH, &(&inner[0], 1));
    let text = sent.await.unwrap_err().to_string();
    assert!(text.starts_with("result[0][0][0]"), "{text}");
    let _ = encode(&inner[0], &mut vec![]);
}
