//! The paths through `net::value`: arguments to bytes, and a result from bytes.

use std::hint::black_box;

use net::Value;
use net::value::{Array, ArrayRef, decode, encode, encode_arguments, from_json};

use crate::count::steadily;

/// Two numbers, which is as small as arguments get.
pub(crate) fn two_numbers() -> u32 {
    let mut bytes = Vec::new();
    steadily(1000, || {
        bytes.clear();
        encode_arguments(black_box(&(5_i64, 1000_i64)), &mut bytes).expect("they can be sent");
        black_box(decode::<(i64, i64)>(black_box(&bytes)).expect("it is a pair"));
    })
}

/// A list of a thousand texts.
pub(crate) fn texts() -> u32 {
    let list: Vec<String> = (0..1000)
        .map(|number| format!("text number {number}"))
        .collect();
    let mut bytes = Vec::new();
    steadily(20, || {
        bytes.clear();
        encode(black_box(&list), &mut bytes).expect("it can be sent");
        black_box(decode::<Vec<String>>(black_box(&bytes)).expect("it is a list"));
    })
}

/// A mebibyte of numbers in an array, which are not to be looked at one by one.
pub(crate) fn array() -> u32 {
    let numbers: Vec<f64> = (0..1 << 17).map(f64::from).collect();
    let mut bytes = Vec::new();
    steadily(20, || {
        bytes.clear();
        encode(black_box(&ArrayRef(&numbers)), &mut bytes).expect("it can be sent");
        black_box(decode::<Array<f64>>(black_box(&bytes)).expect("it is an array"));
    })
}

/// What is nested as JSON is, of no type that is known.
pub(crate) fn nested() -> u32 {
    let record = |number: u32| {
        serde_json::json!({
            "id": number, "name": format!("record {number}"), "share": f64::from(number) / 7.0, "tags": ["a", "b", null, true],
            "within": {"position": [number, -1.5], "more": {"empty": {}}},
        })
    };
    let json = (0..100).map(record).collect::<Vec<_>>().into();
    let mut bytes = Vec::new();
    from_json(&json, &mut bytes).expect("it can be sent");
    steadily(20, || {
        let value: Value = decode(black_box(&bytes)).expect("it is a value");
        bytes.clear();
        encode(&value, &mut bytes).expect("it can be sent");
    })
}
