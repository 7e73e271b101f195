//! The words of errors, and the way to the place.

use std::collections::BTreeMap;

use net::value::{MAX_DEPTH, Value, ValueErrorKind, decode, encode, encode_arguments};

use super::{encoded, unhex};

#[test]
fn the_path_goes_through_lists_and_maps() {
    let value = encoded(&BTreeMap::from([("x", vec![BTreeMap::from([(1, "a")])])]));
    let error = decode::<BTreeMap<String, Vec<BTreeMap<u8, u8>>>>(&value).unwrap_err();
    assert_eq!(
        error.to_string(),
        "value[\"x\"][0][1]: expected u8, found text \"a\""
    );
    assert!(matches!(error.kind(), ValueErrorKind::Mismatch { .. }));
}

#[test]
fn a_long_text_is_not_repeated_in_full() {
    let error = decode::<u8>(&encoded(&"x".repeat(1_000_000))).unwrap_err();
    assert_eq!(
        error.to_string().len(),
        "expected u8, found text \"\"…".len() + 40
    );
}

#[test]
fn malformed_bytes_are_told_with_their_place() {
    let says = |digits: &str| decode::<Value>(&unhex(digits)).unwrap_err().to_string();
    assert_eq!(
        says(""),
        "the value is cut short: 0 bytes are there, and more were announced"
    );
    assert_eq!(
        says("8201"),
        "the value is cut short: 2 bytes are there, and more were announced"
    );
    assert_eq!(
        says("0101"),
        "the value ends before its bytes do (1 more); exactly one value was expected"
    );
    assert_eq!(
        says("62c328"),
        "not a CBOR value: text is not UTF-8 (byte 1)"
    );
    assert_eq!(says("1c"), "not a CBOR value: a reserved length (byte 0)");
    assert_eq!(
        says("ff"),
        "not a CBOR value: a break outside of an array or map (byte 0)"
    );
    assert_eq!(says("1f"), "not a CBOR value: a length is missing (byte 0)");
    assert_eq!(
        says("f820"),
        "not a CBOR value: unknown simple value (byte 0)"
    );
    assert_eq!(
        says("5f6161ff"),
        "not a CBOR value: a string in pieces holds something else (byte 1)"
    );
    assert_eq!(
        says("bf01ff"),
        "value[1]: not a CBOR value: a break outside of an array or map (byte 2)"
    );
    assert_eq!(says("c001"), "tag 0 must be on text, not on an integer");
    assert_eq!(says("d8254100"), "a UUID must be 16 bytes");
    assert_eq!(
        says("81c0613f"),
        "value[0]: \"?\" is not a datetime with an offset (YYYY-MM-DDTHH:MM:SS.ffffff+HH:MM)"
    );
}

#[test]
fn too_deep_is_refused_both_ways() {
    let mut nested = Value::Null;
    for _ in 0..MAX_DEPTH {
        nested = Value::List(vec![nested]);
    }
    let bytes = encoded(&nested);
    assert_eq!(decode::<Value>(&bytes).unwrap(), nested);
    net::value::check(&bytes).unwrap();

    let deeper = Value::List(vec![nested]);
    let mut out = vec![7];
    let error = encode(&deeper, &mut out).unwrap_err();
    assert!(matches!(
        error.kind(),
        ValueErrorKind::TooDeep { limit: MAX_DEPTH }
    ));
    assert_eq!(out, [7], "nothing is left behind");
    let bytes = [&[0x81], bytes.as_slice()].concat();
    assert!(matches!(
        decode::<Value>(&bytes).unwrap_err().kind(),
        ValueErrorKind::TooDeep { .. }
    ));
    assert!(net::value::check(&bytes).is_err());
}

#[test]
fn a_bignum_beyond_the_last_level_is_refused_where_it_is_written() {
    for n in [i128::MAX, i128::MIN] {
        let nested =
            |levels: usize| (0..levels).fold(Value::from(n), |inner, _| Value::List(vec![inner]));
        let bytes = encoded(&nested(MAX_DEPTH - 1));
        assert_eq!(decode::<Value>(&bytes).unwrap(), nested(MAX_DEPTH - 1));
        let error = encode(&nested(MAX_DEPTH), &mut Vec::new()).unwrap_err();
        assert!(matches!(error.kind(), ValueErrorKind::TooDeep { .. }));
    }
}

#[test]
fn a_serialize_that_fails_is_told_with_its_place() {
    struct Fails;
    impl serde::Serialize for Fails {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("it is locked"))
        }
    }
    let error = encode_arguments(&(1, BTreeMap::from([("x", [Fails])])), &mut vec![]).unwrap_err();
    assert_eq!(error.to_string(), "args[1][\"x\"][0]: it is locked");
}
