//! The words of errors, and the way to the place.

use std::collections::BTreeMap;

use net::value::{
    Arguments, Date, Keywords, MAX_DEPTH, Set, Uuid, Value, ValueErrorKind, decode, encode,
    encode_arguments,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

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

/// Fails when it is written.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Fails;

impl Serialize for Fails {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it is locked"))
    }
}

#[derive(Serialize)]
enum Shape<T> {
    Circle(T),
    Line(u8, T),
    Named { name: T },
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
    #[track_caller]
    fn fails(value: impl Serialize, path: &str) {
        let mut out = vec![7];
        let error = encode(&value, &mut out).unwrap_err();
        assert_eq!(error.path(), path);
        assert_eq!(out, [7], "nothing is left behind");
        let error = encode_arguments(&(1, &value), &mut out).unwrap_err();
        let inner = path.strip_prefix("value").unwrap_or_default();
        assert_eq!(error.to_string(), format!("args[1]{inner}: it is locked"));
        let error = Keywords::new().add("name", &value).unwrap_err();
        assert_eq!(error.path(), format!("argument 'name'{inner}"));
        assert_eq!(out, [7], "nothing is left behind");
    }
    fails(Fails, "");
    fails([Fails], "value[0]");
    fails(vec![(1, Fails)], "value[0][1]");
    fails(BTreeMap::from([("x", [Fails])]), "value[\"x\"][0]");
    fails(BTreeMap::from([((1, "a"), Fails)]), "value[(1, 'a')]");
    fails(BTreeMap::from([(Fails, 1)]), "value{…}");
    fails(vec![BTreeMap::from([([Fails], 1)])], "value[0]{…}[0]");
    fails(Set(vec![Fails]), "value[0]");
    fails(Some(Shape::Circle([Fails])), "value[\"Circle\"][0]");
    fails([Shape::Line(1, Fails)], "value[0][\"Line\"][1]");
    fails(Shape::Named { name: Fails }, "value[\"Named\"][\"name\"]");
}

#[test]
fn a_value_of_another_type_is_told_with_its_place() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "nothing is made of it")]
    enum Read {
        Circle([u8; 1]),
        Line(u8, u8),
        Named { name: u8 },
        Point,
    }
    type Map<K, V> = BTreeMap<K, V>;

    #[track_caller]
    fn fails<T: DeserializeOwned + std::fmt::Debug>(value: impl Serialize, text: &str) {
        let error = decode::<T>(&encoded(&value)).unwrap_err();
        assert_eq!(error.to_string(), text);
        let mut body = Vec::new();
        encode_arguments(&(), &mut body).unwrap();
        let mut keywords = Keywords::new();
        keywords.add("a", &value).unwrap().append_to(&mut body);
        let arguments = Arguments::parse(&body, &["a"]).unwrap();
        let error = arguments.required::<T>(0).unwrap_err();
        let inner = match text.strip_prefix("value") {
            Some(inner) => inner.to_owned(),
            None => format!(": {text}"),
        };
        assert_eq!(error.to_string(), format!("argument 'a'{inner}"));
    }
    let map = |key: &'static str, value: Value| Value::Map(vec![(key.into(), value)]);
    let found = "expected u8, found text \"x\"";
    fails::<u8>("x", found);
    fails::<Vec<(u8, u8)>>([(1, "x")], &format!("value[0][1]: {found}"));
    fails::<Set<u8>>(Set(vec!["x"]), &format!("value[0]: {found}"));
    fails::<Map<u8, u8>>(map("x", 1.into()), &format!("value{{…}}: {found}"));
    fails::<Map<String, u8>>(map("k", "x".into()), &format!("value[\"k\"]: {found}"));
    fails::<Map<(u8, u8), u8>>(
        Map::from([((1, 2), "x")]),
        &format!("value[(1, 2)]: {found}"),
    );
    fails::<Vec<Map<[u8; 1], u8>>>(
        [Map::from([(["x"], 1)])],
        &format!("value[0]{{…}}[0]: {found}"),
    );
    fails::<Read>(
        Shape::Circle(["x"]),
        &format!("value[\"Circle\"][0]: {found}"),
    );
    fails::<[Read; 1]>(
        [Shape::Line(1, "x")],
        &format!("value[0][\"Line\"][1]: {found}"),
    );
    fails::<Read>(
        Shape::Named { name: "x" },
        &format!("value[\"Named\"][\"name\"]: {found}"),
    );
    fails::<Read>(
        Shape::Line(1, [1, 2]),
        "value[\"Line\"][1]: expected u8, found an array",
    );
    fails::<Read>(
        map("Line", vec![1, 2, 3].into()),
        "value[\"Line\"]: expected tuple variant Read::Line with 2 elements, found 3 of them",
    );
    fails::<Read>(
        map("Point", 1.into()),
        "value[\"Point\"]: expected unit, found the integer 1",
    );
    fails::<Read>(
        "Square",
        "unknown variant `Square`, expected one of `Circle`, `Line`, `Named`, `Point`",
    );
    fails::<Vec<Uuid>>(
        [Value::Tagged(5, Box::new("x".into()))],
        "value[0]: expected a UUID, found a value with an unknown tag",
    );
    fails::<Vec<Date>>(["today"], "value[0]: \"today\" is not a date (YYYY-MM-DD)");
}

#[test]
fn under_a_tag_the_path_goes_on() {
    let value = Value::Tagged(50_000, Box::new(Value::List(vec![Value::Tuple(vec![])])));
    let bytes = encoded(&Value::Set(vec![value]));
    let broken = [&bytes[..bytes.len() - 1], &[0x81, 0xc1, 0x1c]].concat();
    assert_eq!(
        decode::<Value>(&broken).unwrap_err().path(),
        "value[0][0][0]"
    );
    let mut deep = Value::Null;
    for _ in 0..MAX_DEPTH - 1 {
        deep = Value::List(vec![deep]);
    }
    let deep = Value::Tagged(50_000, Box::new(Value::List(vec![deep])));
    let path = encode(&deep, &mut vec![]).unwrap_err().path();
    assert_eq!(path, format!("value{}", "[0]".repeat(MAX_DEPTH - 1)));
}

#[test]
fn a_long_key_is_not_repeated_in_full() {
    let key = BTreeMap::from([(vec![vec![1u8; 1000]; 1000], "x")]);
    let error = decode::<BTreeMap<Vec<Vec<u8>>, u8>>(&encoded(&key)).unwrap_err();
    assert!(error.to_string().len() < 200, "{error}");
}
