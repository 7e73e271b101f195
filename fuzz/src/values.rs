//! Any bytes as a value, as values of certain types, as a call's body; and any tree of values to bytes and back.

mod tree;
mod typed;

use net::Value;
use net::value::cbor::{Item, Reader};
use net::value::{
    Arguments, MAX_DEPTH, ValueError, ValueErrorKind, arguments_to_json, check, decode, encode,
    encode_array_head, from_json, split_arguments, to_json, to_json_lossy,
};

use crate::allocation;
use crate::source::Source;

/// Bytes that a decoder may hold for each byte of its input: the element of a map takes 64 for two bytes, while its
/// list grows old and new are there at once, and an error's text repeats what it is about.
const MEMORY_PER_BYTE: usize = 256;

/// Bytes that a decoder may hold besides: at each level room for 1,024 elements that are only announced.
const MEMORY: usize = (MAX_DEPTH + 1) * 1024 * 64;

/// Most bytes of an error's text: a path of [`MAX_DEPTH`] steps, each an excerpt.
const MOST_TEXT: usize = 64 * 1024;

/// Values of the net crate: reading and writing them, with their types or without, and JSON.
pub fn values(input: &[u8]) {
    untyped(input);
    typed::all(input);
    json(input);
    body(input);
    tree::back_and_forth(&mut Source::new(input));
}

fn untyped(input: &[u8]) {
    let (decoded, peak) = allocation::peak(|| decode::<Value>(input));
    assert!(
        peak <= MEMORY + MEMORY_PER_BYTE * input.len(),
        "{peak} bytes were held"
    );
    match decoded {
        Ok(value) => {
            assert!(check(input).is_ok(), "what is not well-formed was read");
            let _ = value.to_string();
            let mut again = Vec::new();
            match encode(&value, &mut again) {
                Ok(()) => assert_same(&value, &again),
                // A finite decimal under the tag of the others takes two levels more where it is written.
                Err(error) => assert!(
                    is_too_deep(&error) && depth(&mut Reader::new(input)) + 2 > MAX_DEPTH,
                    "{error}"
                ),
            }
        }
        Err(error) => readable(&error),
    }
}

/// What was written is well-formed, and is read as what it was.
fn assert_same(value: &Value, written: &[u8]) {
    assert!(check(written).is_ok(), "{value} is not written well");
    let read: Value = decode(written).expect("what is written can be read");
    let mut again = Vec::new();
    encode(&read, &mut again).expect("what was written can be written again");
    // By their bytes, since a NaN is not equal to itself.
    assert!(again == written, "{value} came back as {read}");
}

fn is_too_deep(error: &ValueError) -> bool {
    matches!(error.kind(), ValueErrorKind::TooDeep { .. })
}

fn readable(error: &ValueError) {
    let length = error.to_string().len();
    assert!(length <= MOST_TEXT, "an error's text has {length} bytes");
}

/// How deep one well-formed value nests.
fn depth(reader: &mut Reader<'_>) -> usize {
    let within = match reader.next() {
        Ok(Item::Array(Some(length))) => length,
        Ok(Item::Map(Some(length))) => 2 * length,
        Ok(Item::Tag(_)) => 1,
        Ok(Item::Array(None) | Item::Map(None)) => {
            let mut deepest = 0;
            while !matches!(reader.peek(), Ok(Item::Break) | Err(_)) {
                deepest = deepest.max(depth(reader));
            }
            let _ = reader.next();
            return 1 + deepest;
        }
        _ => return 0,
    };
    1 + (0..within).map(|_| depth(reader)).max().unwrap_or(0)
}

fn json(input: &[u8]) {
    let is_value = decode::<Value>(input).is_ok();
    let lossy = to_json_lossy(input);
    assert_eq!(
        lossy.is_ok(),
        is_value,
        "every value has a form to be read by people"
    );
    match to_json(input) {
        Ok(json) => {
            assert!(is_value);
            let mut bytes = Vec::new();
            from_json(&json, &mut bytes).expect("what nested well goes on nesting well");
            let again = to_json(&bytes).expect("what came of JSON can be JSON");
            assert_eq!(again, json);
        }
        Err(error) => readable(&error),
    }
    if let Ok(json) = serde_json::from_slice::<serde_json::Value>(input) {
        let mut bytes = Vec::new();
        match from_json(&json, &mut bytes) {
            Ok(()) => assert_eq!(to_json(&bytes).expect("it came of JSON"), json),
            Err(error) => assert!(is_too_deep(&error), "{error}"),
        }
    }
}

fn body(input: &[u8]) {
    let parts = match split_arguments(input) {
        Ok(parts) => parts,
        Err(error) => {
            readable(&error);
            let refused = Arguments::parse(input, &["a", "b", "c"]).is_err();
            assert!(
                refused,
                "who asks for parameters takes no more than who takes all"
            );
            assert!(arguments_to_json(input).is_err());
            return;
        }
    };
    let mut joined = Vec::new();
    encode_array_head(parts.count, &mut joined);
    joined.extend_from_slice(parts.items);
    joined.extend_from_slice(parts.keywords.unwrap_or_default());
    assert_eq!(split_arguments(&joined).expect("it was one"), parts);

    match Arguments::parse(input, &["a", "b", "c"]) {
        Ok(arguments) => {
            assert!(parts.count <= 3);
            for index in 0..3 {
                for result in [
                    arguments.required::<Value>(index).map(drop),
                    arguments.optional(index, || 0_i64).map(drop),
                ] {
                    if let Err(error) = result {
                        readable(&error);
                    }
                }
                assert!(index >= parts.count || !is_missing(&arguments.required::<Value>(index)));
            }
        }
        Err(error) => readable(&error),
    }
    match arguments_to_json(input) {
        Ok((positional, _)) => assert_eq!(positional.len(), parts.count),
        Err(error) => readable(&error),
    }
}

fn is_missing<T>(result: &Result<T, ValueError>) -> bool {
    let error = result.as_ref().err();
    error.is_some_and(|error| matches!(error.kind(), ValueErrorKind::MissingArgument { .. }))
}
