//! Any value comes back as it was; its bytes are the shortest, and well-formed to another reader of CBOR.

use net::value::{
    BigInt, Complex, Date, Decimal, MAX_DEPTH, NaiveDateTime, Time, TimeDelta, Uuid, Value, check,
    decode,
};
use proptest::prelude::*;

use super::encoded;

fn date() -> impl Strategy<Value = Date> {
    (1u16..=9999, 1u8..=12, 1u8..=28).prop_map(|(y, m, d)| Date::new(y, m, d).unwrap())
}

fn time() -> impl Strategy<Value = Time> {
    (0u8..24, 0u8..60, 0u8..60, 0u32..1_000_000_000)
        .prop_map(|(h, m, s, ns)| Time::new(h, m, s, ns).unwrap())
}

fn datetime() -> impl Strategy<Value = NaiveDateTime> {
    (date(), time()).prop_map(|(date, time)| NaiveDateTime { date, time })
}

fn decimal() -> impl Strategy<Value = Decimal> {
    prop_oneof![
        (any::<i128>(), any::<i32>()).prop_map(|(m, e)| format!("{m}E{e}").parse().unwrap()),
        (any::<i32>(), -12i32..12).prop_map(|(m, e)| format!("{m}E{e}").parse().unwrap()),
        prop::sample::select(vec!["NaN", "sNaN", "-Infinity", "-0", "-0.00", "0E+9"])
            .prop_map(|d| d.parse().unwrap()),
    ]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-300i64..300).prop_map(Value::Int),
        any::<i128>().prop_map(Value::from),
        (any::<bool>(), prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(sign, m)| BigInt::new(sign, &m).into()),
        any::<f64>()
            .prop_filter("NaN is unequal to itself", |x| !x.is_nan())
            .prop_map(Value::Float),
        any::<String>().prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
        (datetime(), -1439i16..=1439)
            .prop_map(|(local, offset)| Value::DateTime(local.at_offset(offset).unwrap())),
        datetime().prop_map(Value::NaiveDateTime),
        date().prop_map(Value::Date),
        time().prop_map(Value::Time),
        (any::<i64>(), 0u32..1_000_000)
            .prop_map(|(s, us)| Value::TimeDelta(TimeDelta::new(s, us).unwrap())),
        decimal().prop_map(Value::Decimal),
        any::<[u8; 16]>().prop_map(|uuid| Value::Uuid(Uuid(uuid))),
        (any::<f32>(), any::<f32>())
            .prop_filter("NaN is unequal to itself", |(re, im)| !re.is_nan()
                && !im.is_nan())
            .prop_map(|(re, im)| Value::Complex(Complex {
                re: re.into(),
                im: im.into()
            })),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(6, 60, 6, |inner| {
        let many = || prop::collection::vec(inner.clone(), 0..6);
        prop_oneof![
            many().prop_map(Value::List),
            many().prop_map(Value::Tuple),
            many().prop_map(Value::Set),
            many().prop_map(Value::FrozenSet),
            prop::collection::vec((inner.clone(), inner.clone()), 0..6).prop_map(Value::Map),
            // Any number that has no meaning of its own.
            (50_000u64.., inner).prop_map(|(tag, content)| Value::Tagged(tag, Box::new(content))),
        ]
    })
}

proptest! {
    #[test]
    fn a_value_comes_back(value in value()) {
        let bytes = encoded(&value);
        check(&bytes).unwrap();
        prop_assert_eq!(&decode::<Value>(&bytes).unwrap(), &value);
        // A second reader agrees on where it ends.
        let mut other = minicbor::Decoder::new(&bytes);
        other.skip().unwrap();
        prop_assert_eq!(other.position(), bytes.len());
    }

    #[test]
    fn random_bytes_never_panic_and_agree_with_check(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let value = decode::<Value>(&bytes);
        if value.is_ok() {
            check(&bytes).unwrap();
        }
        let _ = decode::<Vec<(String, Option<i64>)>>(&bytes);
        let _ = net::value::to_json_lossy(&bytes);
        let _ = net::value::Arguments::parse(&bytes, &["a", "b"]);
        let _ = net::value::arguments_to_json(&bytes);
        // What was read can be written, and is then read as the same (but for NaN, hence the text).
        if let Ok(value) = value {
            prop_assert_eq!(decode::<Value>(&encoded(&value)).unwrap().to_string(), value.to_string());
        }
    }

    #[test]
    fn a_value_cut_short_is_refused(value in value()) {
        let bytes = encoded(&value);
        for end in 0..bytes.len() {
            prop_assert!(decode::<Value>(&bytes[..end]).is_err());
            prop_assert!(check(&bytes[..end]).is_err());
        }
    }

    #[test]
    fn numbers_agree_with_rusts(n in any::<i128>(), digits in "[1-9][0-9]{0,200}") {
        prop_assert_eq!(BigInt::from(n).to_string(), n.to_string());
        let decimal: Decimal = digits.parse().unwrap();
        let back: Decimal = decode(&encoded(&decimal)).unwrap();
        prop_assert_eq!(back.as_str(), digits);
    }
}

#[test]
fn nan_comes_back_with_its_bits() {
    let nan = f64::from_bits(0x7ff8_0000_0000_1234);
    assert_eq!(
        decode::<f64>(&encoded(&nan)).unwrap().to_bits(),
        nan.to_bits()
    );
    assert_eq!(
        decode::<f64>(&encoded(&-0.0)).unwrap().to_bits(),
        (-0.0f64).to_bits()
    );
}

#[test]
fn depth_counts_a_meaningful_tag() {
    let mut value = Value::Null;
    for _ in 0..MAX_DEPTH / 2 {
        value = Value::Tuple(vec![value]);
    }
    assert_eq!(decode::<Value>(&encoded(&value)).unwrap(), value);
    assert!(net::value::encode(&Value::Tuple(vec![value]), &mut vec![]).is_err());
}
