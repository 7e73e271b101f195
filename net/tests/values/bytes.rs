//! Each kind of value as literal bytes. Those marked so are what Python's cbor2 writes, to the byte.

use std::collections::BTreeMap;

use net::value::{
    BigInt, Bytes, Complex, Date, DateTime, Decimal, FrozenSet, NaiveDateTime, Set, Time,
    TimeDelta, Uuid, Value,
};
use serde::Serialize;

use super::{encoded, hex, untyped};

/// The typed form has these bytes, and they read as a `Value` that has the same bytes and this text.
#[track_caller]
fn is<T: Serialize>(value: T, bytes: &str, text: &str) {
    assert_eq!(hex(&encoded(&value)), bytes);
    let value = untyped(bytes);
    assert_eq!(value.to_string(), text);
    assert_eq!(hex(&encoded(&value)), bytes, "as a Value");
}

#[test]
fn integers_are_as_short_as_can_be_as_in_cbor2() {
    is(0, "00", "0");
    is(23u8, "17", "23");
    is(24i64, "1818", "24");
    is(255u16, "18ff", "255");
    is(256, "190100", "256");
    is(65535, "19ffff", "65535");
    is(65536, "1a00010000", "65536");
    is(1i64 << 32, "1b0000000100000000", "4294967296");
    is(u64::MAX, "1bffffffffffffffff", "18446744073709551615");
    is(-1i8, "20", "-1");
    is(-24, "37", "-24");
    is(-25, "3818", "-25");
    is(i64::MIN, "3b7fffffffffffffff", "-9223372036854775808");
    is(
        -(1i128 << 64),
        "3bffffffffffffffff",
        "-18446744073709551616",
    );
}

#[test]
fn integers_beyond_64_bits_as_in_cbor2() {
    is(
        1u128 << 64,
        "c249010000000000000000",
        "18446744073709551616",
    );
    is(
        -(1i128 << 64) - 1,
        "c349010000000000000000",
        "-18446744073709551617",
    );
    is(
        1u128 << 127,
        "c25080000000000000000000000000000000",
        &(1u128 << 127).to_string(),
    );
    is(
        BigInt::new(true, &[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        "c35080000000000000000000000000000000",
        "-170141183460469231731687303715884105729",
    );
}

#[test]
fn a_bigint_that_fits_is_a_plain_integer() {
    assert_eq!(hex(&encoded(&BigInt::from(5i64))), "05");
    assert_eq!(hex(&encoded(&Value::BigInt(BigInt::from(-1i64)))), "20");
    assert_eq!(untyped("c24105"), Value::Int(5));
    assert_eq!(untyped("c240"), Value::Int(0));
    assert_eq!(untyped("c340"), Value::Int(-1));
}

#[test]
fn floats_have_64_bits_as_in_cbor2() {
    is(1.5, "fb3ff8000000000000", "1.5");
    is(1.5f32, "fb3ff8000000000000", "1.5");
    is(-0.0, "fb8000000000000000", "-0.0");
    is(f64::INFINITY, "fb7ff0000000000000", "inf");
    assert_eq!(untyped("fb7ff8000000000000").to_string(), "nan");
}

#[test]
fn shorter_floats_of_others_are_read() {
    assert_eq!(untyped("f93c00"), Value::Float(1.0));
    assert_eq!(untyped("f9c400"), Value::Float(-4.0));
    assert_eq!(untyped("f90001"), Value::Float(2f64.powi(-24)));
    assert_eq!(untyped("f97bff"), Value::Float(65504.0));
    assert_eq!(untyped("f97c00"), Value::Float(f64::INFINITY));
    assert_eq!(untyped("f9fc00"), Value::Float(f64::NEG_INFINITY));
    assert_eq!(untyped("f97e00").to_string(), "nan");
    assert_eq!(untyped("fa47c35000"), Value::Float(100_000.0));
}

#[test]
fn plain_values_as_in_cbor2() {
    is((), "f6", "None");
    is(None::<u8>, "f6", "None");
    is(true, "f5", "True");
    is(false, "f4", "False");
    is("é", "62c3a9", "'é'");
    is('é', "62c3a9", "'é'");
    is(Bytes(b"\x01\x02"), "420102", "b'\\x01\\x02'");
    is(
        vec![Value::Int(1), Value::List(vec![2.into()])],
        "82018102",
        "[1, [2]]",
    );
    is(BTreeMap::from([("a", 1)]), "a1616101", "{'a': 1}");
    is(
        Value::Map(vec![("a".into(), 1.into()), (2.into(), ().into())]),
        "a261610102f6",
        "{'a': 1, 2: None}",
    );
}

#[test]
fn tags_as_in_cbor2() {
    is(Set(vec![1]), "d901028101", "{1}");
    is(
        "1.50".parse::<Decimal>().unwrap(),
        "c482211896",
        "Decimal('1.50')",
    );
    is(
        "-3E+7".parse::<Decimal>().unwrap(),
        "c4820722",
        "Decimal('-3E+7')",
    );
    is(
        "1180591620717411303424".parse::<Decimal>().unwrap(),
        "c48200c249400000000000000000",
        "Decimal('1180591620717411303424')",
    );
    is(
        "00000000-0000-0000-0000-000000000001"
            .parse::<Uuid>()
            .unwrap(),
        "d8255000000000000000000000000000000001",
        "UUID('00000000-0000-0000-0000-000000000001')",
    );
    is(
        Complex { re: 1.0, im: -2.5 },
        "d9a7f882fb3ff0000000000000fbc004000000000000",
        "(1.0-2.5j)",
    );
    is(
        Date::new(2024, 2, 29).unwrap(),
        "d903ec6a323032342d30322d3239",
        "date('2024-02-29')",
    );
    is(
        "2024-01-02T03:04:05.000006+00:00"
            .parse::<DateTime>()
            .unwrap(),
        "c0781b323032342d30312d30325430333a30343a30352e3030303030365a",
        "datetime('2024-01-02T03:04:05.000006Z')",
    );
    is(
        "2024-01-02T03:04:05-03:30".parse::<DateTime>().unwrap(),
        "c07819323032342d30312d30325430333a30343a30352d30333a3330",
        "datetime('2024-01-02T03:04:05-03:30')",
    );
    is(
        TimeDelta::new(-1, 750_000).unwrap(),
        "d903eaa20120251a000b71b0",
        "timedelta('-0.25s')",
    );
}

#[test]
fn tags_of_our_own() {
    is((1, "a"), "d99b8282016161", "(1, 'a')");
    is((1,), "d99b828101", "(1,)");
    is([1, 2], "d99b82820102", "(1, 2)");
    is(Value::Tuple(vec![]), "d99b8280", "()");
    is(FrozenSet(vec![1]), "d99b838101", "frozenset({1})");
    is(
        "2024-01-02T03:04:05".parse::<NaiveDateTime>().unwrap(),
        "d99b8473323032342d30312d30325430333a30343a3035",
        "datetime('2024-01-02T03:04:05')",
    );
    is(
        Time::new(3, 4, 5, 6_000).unwrap(),
        "d99b856f30333a30343a30352e303030303036",
        "time('03:04:05.000006')",
    );
    is(
        "NaN".parse::<Decimal>().unwrap(),
        "d99b86634e614e",
        "Decimal('NaN')",
    );
    is(
        "-0.00".parse::<Decimal>().unwrap(),
        "d99b86652d302e3030",
        "Decimal('-0.00')",
    );
    is(
        "-inf".parse::<Decimal>().unwrap(),
        "d99b86692d496e66696e697479",
        "Decimal('-Infinity')",
    );
}

#[test]
fn the_numbers_in_the_markers_are_those_of_the_tags() {
    use net::value::tags;
    assert_eq!(
        (tags::TUPLE, tags::FROZENSET, tags::NAIVE_DATETIME),
        (39810, 39811, 39812)
    );
    assert_eq!((tags::TIME, tags::SPECIAL_DECIMAL), (39813, 39814));
}

#[test]
fn a_tag_without_meaning_here_is_kept() {
    is(
        Value::Tagged(1, Box::new(Value::Int(1_700_000_000))),
        "c11a6553f100",
        "tag(1, 1700000000)",
    );
    is(
        Value::Tagged(u64::MAX, Box::new(Value::Tuple(vec![]))),
        "dbffffffffffffffffd99b8280",
        &format!("tag({}, ())", u64::MAX),
    );
}

#[test]
fn pieces_and_unknown_lengths_of_others_are_read() {
    assert_eq!(untyped("5f4101420203ff"), Value::Bytes(vec![1, 2, 3]));
    assert_eq!(untyped("7f61616162ff"), Value::Text("ab".into()));
    assert_eq!(untyped("9f01820203ff"), untyped("8201820203"));
    assert_eq!(untyped("bf616101ff"), untyped("a1616101"));
    assert_eq!(untyped("9fff"), Value::List(vec![]));
    assert_eq!(untyped("f7"), Value::Null);
}

#[test]
fn lengths_are_known_even_where_an_iterator_did_not_tell() {
    struct Odd(usize);
    impl Serialize for Odd {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq((0..2 * self.0).filter(|n| n % 2 == 1))
        }
    }
    for length in [0, 1, 23, 24, 300] {
        let expected: Vec<usize> = (0..length).map(|n| 2 * n + 1).collect();
        assert_eq!(encoded(&Odd(length)), encoded(&expected));
    }
}

#[test]
fn an_enum_is_its_variants_name_or_a_map_of_it() {
    #[derive(Serialize)]
    enum Shape {
        Point,
        Circle(f64),
        Box(u8, u8),
        Named { name: &'static str },
    }
    is(Shape::Point, "65506f696e74", "'Point'");
    is(
        Shape::Circle(1.0),
        "a166436972636c65fb3ff0000000000000",
        "{'Circle': 1.0}",
    );
    is(
        Shape::Box(1, 2),
        "a163426f78d99b82820102",
        "{'Box': (1, 2)}",
    );
    is(
        Shape::Named { name: "x" },
        "a1654e616d6564a1646e616d656178",
        "{'Named': {'name': 'x'}}",
    );
}
