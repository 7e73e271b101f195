//! How deep values nest: the limit itself works, one more is an error, in every reader and writer, and no thread's stack ends before it.

use net::value::{
    Arguments, Complex, Decimal, MAX_DEPTH, Value, ValueErrorKind, check, decode, encode,
    encode_arguments, split_arguments, to_json_lossy,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{encoded, unhex};

/// The start of a container that one value is in, and how many levels it takes.
const CONTAINERS: [(&str, usize); 8] = [
    ("81", 1),
    ("9f", 1),
    ("a100", 1),
    ("bf00", 1),
    ("c1", 1),
    ("d9010281", 2),
    ("d99b8281", 2),
    ("d99b8381", 2),
];

/// A value in as many containers as make `levels`.
fn nested(start: &str, each: usize, levels: usize) -> Vec<u8> {
    let start = unhex(start);
    let mut bytes = start.repeat(levels / each);
    // Of tags and heads that take two levels, an odd one out is an array.
    bytes.extend(vec![0x81; levels % each]);
    bytes.push(0xf6);
    if start.first().is_some_and(|head| head & 0x1f == 0x1f) {
        bytes.extend(vec![0xff; levels / each]);
    }
    bytes
}

#[track_caller]
fn too_deep<T: std::fmt::Debug>(read: Result<T, net::value::ValueError>) {
    let error = read.unwrap_err();
    assert!(
        matches!(error.kind(), ValueErrorKind::TooDeep { limit: MAX_DEPTH }),
        "{error}"
    );
}

#[test]
fn the_limit_is_the_same_in_every_reader_and_writer() {
    for (start, each) in CONTAINERS {
        let deepest = nested(start, each, MAX_DEPTH);
        let value: Value = decode(&deepest).unwrap();
        check(&deepest).unwrap();
        to_json_lossy(&deepest).unwrap();
        decode::<Value>(&encoded(&value)).unwrap();

        let deeper = nested(start, each, MAX_DEPTH + 1);
        too_deep(decode::<Value>(&deeper));
        too_deep(check(&deeper));
        too_deep(encode(&Value::List(vec![value]), &mut vec![]));
    }
}

/// What is a tag on the wire is a level for who writes it, as it is for who reads it.
#[test]
fn the_tags_of_plain_types_count() {
    #[track_caller]
    fn takes<T: Serialize + DeserializeOwned>(levels: usize, value: &T) {
        // As lists, each of one level.
        fn lists<T: Serialize>(depth: usize, value: &T) -> Result<Vec<u8>, net::value::ValueError> {
            struct Lists<'a, T>(usize, &'a T);
            impl<T: Serialize> Serialize for Lists<'_, T> {
                fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                    match self.0 {
                        0 => self.1.serialize(to),
                        depth => to.collect_seq([Lists(depth - 1, self.1)]),
                    }
                }
            }
            let mut out = Vec::new();
            encode(&Lists(depth, value), &mut out).map(|()| out)
        }
        let bytes = lists(MAX_DEPTH - levels, value).unwrap();
        check(&bytes).unwrap();
        decode::<Value>(&bytes).unwrap();
        too_deep(lists(MAX_DEPTH - levels + 1, value));
    }
    takes(0, &u64::MAX);
    takes(1, &u128::MAX);
    takes(1, &i128::MIN);
    takes(1, &net::value::BigInt::new(true, &[1; 40]));
    takes(1, &net::value::Uuid([0; 16]));
    takes(2, &Complex::default());
    takes(2, &"1.5".parse::<Decimal>().unwrap());
    takes(3, &"9".repeat(60).parse::<Decimal>().unwrap());
    takes(2, &(1, 2));
    takes(2, &net::value::Set(vec![1]));
}

#[test]
fn each_argument_nests_as_deep_as_a_value() {
    let deepest: Value = decode(&nested("81", 1, MAX_DEPTH)).unwrap();
    let mut body = Vec::new();
    encode_arguments(&(1, &deepest), &mut body).unwrap();
    split_arguments(&body).unwrap();
    let arguments = Arguments::parse(&body, &["a", "b"]).unwrap();
    assert_eq!(arguments.required::<Value>(1).unwrap(), deepest);

    let deeper = Value::List(vec![deepest]);
    for refused in [
        encode_arguments(&(1, &deeper), &mut vec![]),
        encode_arguments(std::slice::from_ref(&deeper), &mut vec![]),
        encode_arguments(&Value::Tuple(vec![deeper]), &mut vec![]),
    ] {
        let error = refused.unwrap_err();
        assert!(error.path().starts_with("args["), "{error}");
        too_deep::<()>(Err(error));
    }
    let body = [&[0x81], nested("81", 1, MAX_DEPTH + 1).as_slice()].concat();
    too_deep(split_arguments(&body));
    too_deep(Arguments::parse(&body, &["a"]));
}

#[test]
fn values_of_any_type_are_arguments() {
    let list = Value::List(vec![1.into(), Value::Tuple(vec![])]);
    let tuple = Value::Tuple(vec![1.into(), Value::Tuple(vec![])]);
    for arguments in [list, tuple] {
        let mut body = Vec::new();
        encode_arguments(&arguments, &mut body).unwrap();
        assert_eq!(super::hex(&body), "8201d99b8280");
    }
}

#[test]
fn a_small_stack_is_enough_for_the_deepest_value() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Nest {
        inner: Option<Box<Nest>>,
    }

    let work = || {
        for (start, each) in CONTAINERS {
            let bytes = nested(start, each, MAX_DEPTH);
            let value: Value = decode(&bytes).unwrap();
            encoded(&value);
            let _ = value.to_string();
            drop(value.clone());
            to_json_lossy(&bytes).unwrap();
            check(&bytes).unwrap();
        }
        let mut nest = Nest { inner: None };
        for _ in 1..MAX_DEPTH {
            nest = Nest {
                inner: Some(Box::new(nest)),
            };
        }
        decode::<Nest>(&encoded(&nest)).unwrap();
    };
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(work);
    thread.unwrap().join().unwrap();
}

/// 192 KiB are enough for optimised code, and half of that for all but JSON. Code that is not optimised takes several times as
/// much: there it is half of what Rust gives its threads.
const STACK: usize = if cfg!(debug_assertions) { 1024 } else { 256 } * 1024;
