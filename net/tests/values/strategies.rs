//! What is generated for the tests: every kind of value, and the comparison that a trip must pass. No test is in here; the peer
//! with which the Python tests exchange values is made of it too.

use net::value::{
    BigInt, Complex, Date, Decimal, NaiveDateTime, NumberType, Numbers, Time, TimeDelta, Uuid,
    Value, encode, tags,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Any value that Rust can hold.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(6, 60, 6, |inner| {
        let many = || vec(inner.clone(), 0..6);
        prop_oneof![
            many().prop_map(Value::List),
            many().prop_map(Value::Tuple),
            many().prop_map(Value::Set),
            many().prop_map(Value::FrozenSet),
            vec((inner.clone(), inner.clone()), 0..6).prop_map(Value::Map),
            (unknown_tag(), inner).prop_map(|(tag, content)| Value::Tagged(tag, content.into())),
        ]
    })
}

/// A value that Python can hold as well, and gives back as it came, save for the order in sets.
pub(crate) fn shared_value() -> impl Strategy<Value = Value> {
    shared_leaf().prop_recursive(6, 60, 6, |inner| {
        let many = || vec(inner.clone(), 0..6);
        prop_oneof![
            many().prop_map(Value::List),
            many().prop_map(Value::Tuple),
            vec(shared_key(), 0..6)
                .prop_map(|elements| Value::Set(distinct(elements, Clone::clone))),
            vec(shared_key(), 0..6)
                .prop_map(|elements| Value::FrozenSet(distinct(elements, Clone::clone))),
            vec((shared_key(), inner), 0..6)
                .prop_map(|entries| Value::Map(distinct(entries, |(key, _)| key.clone()))),
        ]
    })
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        shared_leaf(),
        naive_datetime(nanosecond()).prop_map(Value::NaiveDateTime),
        time(nanosecond()).prop_map(Value::Time),
        (any::<i64>(), 0u32..1_000_000)
            .prop_map(|(s, us)| Value::TimeDelta(TimeDelta::new(s, us).unwrap())),
        vec(any::<[u8; 2]>(), 0..20).prop_map(|halves| {
            Value::from(Numbers::new(NumberType::F16, None, halves.concat()).unwrap())
        }),
    ]
}

fn shared_leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        integer(),
        float().prop_map(Value::Float),
        text().prop_map(Value::Text),
        vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
        (naive_datetime(microsecond()), -1439i16..=1439)
            .prop_map(|(local, offset)| Value::DateTime(local.at_offset(offset).unwrap())),
        naive_datetime(microsecond()).prop_map(Value::NaiveDateTime),
        date().prop_map(Value::Date),
        time(microsecond()).prop_map(Value::Time),
        timedelta().prop_map(Value::TimeDelta),
        decimal().prop_map(Value::Decimal),
        any::<[u8; 16]>().prop_map(|uuid| Value::Uuid(Uuid(uuid))),
        (float(), float()).prop_map(|(re, im)| Value::Complex(Complex { re, im })),
        array().prop_map(Value::from),
    ]
}

/// Of kinds that are equal in Python when they are equal in Rust: there 1, 1.0 and true are one key.
fn shared_key() -> impl Strategy<Value = Value> {
    let simple = prop_oneof![
        Just(Value::Null),
        integer(),
        text().prop_map(Value::Text),
        vec(any::<u8>(), 0..30).prop_map(Value::Bytes),
        any::<i16>().prop_map(|n| Value::Float(f64::from(n) + 0.5)),
        naive_datetime(microsecond()).prop_map(Value::NaiveDateTime),
        date().prop_map(Value::Date),
        time(microsecond()).prop_map(Value::Time),
        timedelta().prop_map(Value::TimeDelta),
        any::<[u8; 16]>().prop_map(|uuid| Value::Uuid(Uuid(uuid))),
    ];
    simple.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Tuple),
            // More than one element would come back in another order.
            vec(inner, 0..2).prop_map(Value::FrozenSet),
        ]
    })
}

/// Any number that has no meaning of its own.
fn unknown_tag() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..300, any::<u64>(), 39_000u64..43_100]
        .prop_filter("it has a meaning", |tag| !tags::ALL.contains(tag))
}

/// Of any sign and size; often at the edge of what fits some number of bytes.
fn integer() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::Int),
        (-300i64..300).prop_map(Value::Int),
        any::<i128>().prop_map(Value::from),
        (any::<bool>(), vec(any::<u8>(), 0..40))
            .prop_map(|(sign, magnitude)| BigInt::new(sign, &magnitude).into()),
        (any::<bool>(), 0usize..40, -1i128..=1).prop_map(|(negative, bytes, off)| {
            let mut magnitude = vec![0; bytes + 1];
            magnitude[0] = 1;
            let edge = BigInt::new(negative, &magnitude);
            // An edge within 128 bits is moved by one to either side.
            edge.to_i128()
                .map_or_else(|| edge.into(), |n| (n + off).into())
        }),
    ]
}

/// Every pattern of bits: subnormals, infinities, zeros of both signs, and NaN with any payload.
fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        any::<u64>().prop_map(|bits| f64::from_bits(bits | 0x7ff0_0000_0000_0000)),
        prop::sample::select(vec![
            0.0,
            -0.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MIN_POSITIVE,
            5e-324,
            f64::MAX,
            f64::EPSILON,
        ]),
        any::<i32>().prop_map(f64::from),
    ]
}

/// Of any type, and any bits; without dimensions or with up to four, which may be empty. A row of 16-bit floats without dimensions is
/// not among them: Python gives it one.
fn array() -> impl Strategy<Value = Numbers> {
    use NumberType::{F16, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64};
    let of = prop::sample::select(vec![F16, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64]);
    (of, prop::option::of(vec(0usize..4, 0..4)), 0usize..40).prop_flat_map(|(of, shape, length)| {
        let shape = match of {
            F16 => Some(shape.unwrap_or_else(|| vec![length])),
            _ => shape,
        };
        let count = shape
            .as_ref()
            .map_or(length, |shape| shape.iter().product());
        vec(any::<u8>(), count * of.width())
            .prop_map(move |bytes| Numbers::new(of, shape.clone(), bytes).unwrap())
    })
}

/// Of any characters, the zero and those beyond 16 bits among them.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        vec(any::<char>(), 0..30).prop_map(String::from_iter),
        "[ -~]{0,40}",
        vec(
            prop::sample::select(vec!['\0', '\u{1F600}', '\u{FFFF}', '"', '\'', '\\']),
            0..9
        )
        .prop_map(String::from_iter),
    ]
}

fn date() -> impl Strategy<Value = Date> {
    prop_oneof![
        (1u16..=9999, 1u8..=12, 1u8..=31)
            .prop_filter_map("there is no such day", |(y, m, d)| Date::new(y, m, d).ok()),
        prop::sample::select(vec![(1, 1, 1), (9999, 12, 31), (2000, 2, 29)])
            .prop_map(|(y, m, d)| Date::new(y, m, d).unwrap()),
    ]
}

fn nanosecond() -> impl Strategy<Value = u32> {
    0u32..1_000_000_000
}

fn microsecond() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), (0u32..1_000_000).prop_map(|n| n * 1000)]
}

fn time(fraction: impl Strategy<Value = u32>) -> impl Strategy<Value = Time> {
    (0u8..24, 0u8..60, 0u8..60, fraction)
        .prop_map(|(h, m, s, nanosecond)| Time::new(h, m, s, nanosecond).unwrap())
}

fn naive_datetime(fraction: impl Strategy<Value = u32>) -> impl Strategy<Value = NaiveDateTime> {
    (date(), time(fraction)).prop_map(|(date, time)| NaiveDateTime { date, time })
}

/// Within what Python's timedelta holds: 999,999,999 days either way.
fn timedelta() -> impl Strategy<Value = TimeDelta> {
    const MOST: i64 = 999_999_999 * 86_400;
    (
        prop_oneof![-MOST..=MOST, -100_000i64..100_000, Just(-MOST), Just(MOST)],
        prop_oneof![Just(0), 0u32..1_000_000],
    )
        .prop_map(|(seconds, microseconds)| TimeDelta::new(seconds, microseconds).unwrap())
}

fn decimal() -> impl Strategy<Value = Decimal> {
    let text = prop_oneof![
        (any::<i128>(), any::<i32>()).prop_map(|(m, e)| format!("{m}E{e}")),
        (any::<i32>(), -12i32..12).prop_map(|(m, e)| format!("{m}E{e}")),
        "-?[1-9][0-9]{0,200}",
        prop::sample::select(vec![
            "NaN",
            "sNaN",
            "-NaN123",
            "sNaN7",
            "Infinity",
            "-Infinity",
            "0",
            "-0",
            "-0.00",
            "0E+9",
            "1E+999999999999999999",
            "-1E-1999999999999999997",
            "9.99E+999999999999999999",
        ])
        .prop_map(str::to_owned),
    ];
    text.prop_map(|text| text.parse().unwrap())
}

fn distinct<T>(all: Vec<T>, key: impl Fn(&T) -> Value) -> Vec<T> {
    let mut seen = std::collections::HashSet::new();
    all.into_iter()
        .filter(|one| {
            let mut bytes = Vec::new();
            encode(&key(one), &mut bytes).unwrap();
            seen.insert(bytes)
        })
        .collect()
}

/// Whether two values are the same in kind, in content and in order, to the last bit of each float.
pub(crate) fn same(one: &Value, other: &Value) -> bool {
    let all = |one: &[Value], other: &[Value]| {
        one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
    };
    match (one, other) {
        (Value::Float(one), Value::Float(other)) => one.to_bits() == other.to_bits(),
        (Value::Complex(one), Value::Complex(other)) => {
            one.re.to_bits() == other.re.to_bits() && one.im.to_bits() == other.im.to_bits()
        }
        (Value::List(one), Value::List(other))
        | (Value::Tuple(one), Value::Tuple(other))
        | (Value::Set(one), Value::Set(other))
        | (Value::FrozenSet(one), Value::FrozenSet(other)) => all(one, other),
        (Value::Map(one), Value::Map(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|((key, value), (other_key, other_value))| {
                        same(key, other_key) && same(value, other_value)
                    })
        }
        (Value::Tagged(tag, one), Value::Tagged(other_tag, other)) => {
            tag == other_tag && same(one, other)
        }
        (one, other) => one == other,
    }
}
