//! Any tree of values, written and read.

use net::Value;
use net::value::{
    BigInt, Complex, Date, DateTime, Decimal, FrozenSet, Keywords, NaiveDateTime, NumberType,
    Numbers, Set, Time, TimeDelta, Uuid, decode, encode, encode_arguments, split_arguments, tags,
};

use super::{assert_same, is_too_deep};
use crate::source::Source;

/// Values in one tree: what counts is their order, and there are more inputs than one.
const MOST: usize = 2000;

pub(super) fn back_and_forth(source: &mut Source<'_>) {
    let mut left = MOST;
    let value = value(source, &mut left, 0);
    let mut written = Vec::new();
    match encode(&value, &mut written) {
        Ok(()) => assert_same(&value, &written),
        Err(error) => {
            assert!(is_too_deep(&error), "{error}");
            assert!(
                written.is_empty(),
                "nothing is left of what could not be written"
            );
        }
    }
    let arguments = [value, Value::Null];
    let mut body = Vec::new();
    if encode_arguments(&arguments, &mut body).is_ok() {
        let [value, _] = &arguments;
        let mut keywords = Keywords::new();
        if keywords.add("key", value).is_ok() {
            keywords.append_to(&mut body);
        }
        let parts = split_arguments(&body).expect("a body that was written");
        assert_eq!(parts.count, 2);
        assert_eq!(parts.keywords.is_some(), !keywords.is_empty());
    }
}

fn value(source: &mut Source<'_>, left: &mut usize, depth: usize) -> Value {
    // Deeper than any may be, so that the limit is run into, and no deeper than a stack bears.
    if source.is_empty() || *left == 0 || depth > 2 * net::value::MAX_DEPTH {
        return Value::Null;
    }
    *left -= 1;
    match source.byte() % 27 {
        0 => Value::Null,
        1 => Value::Bool(source.yes()),
        2 => Value::Int(i64::from(source.byte()) - 128),
        3 => Value::Int(source.long() as i64),
        4 => {
            let (negative, length) = (source.yes(), source.byte() % 40);
            BigInt::new(negative, source.bytes(length.into())).into()
        }
        5 => source.long().into(),
        6 => Value::Float(f64::from_bits(source.long())),
        7 => Value::Float(f64::from(source.byte()) / 4.0),
        8 => Value::Text(source.text()),
        9 => {
            let length = source.byte().into();
            Value::Bytes(source.bytes(length).to_vec())
        }
        10 => Value::List(values(source, left, depth)),
        11 => Value::Tuple(values(source, left, depth)),
        12 => Value::Set(values(source, left, depth)),
        13 => Value::FrozenSet(values(source, left, depth)),
        14 => {
            let entries = 0..source.byte() % 8;
            let mut entry = |_| {
                (
                    value(source, left, depth + 1),
                    value(source, left, depth + 1),
                )
            };
            Value::Map(entries.map(&mut entry).collect())
        }
        15 => datetime(source).map_or(Value::Null, Value::DateTime),
        16 => naive(source).map_or(Value::Null, Value::NaiveDateTime),
        17 => date(source).map_or(Value::Null, Value::Date),
        18 => time(source).map_or(Value::Null, Value::Time),
        19 => {
            let microseconds = u32::from(source.short()) * 16;
            TimeDelta::new(source.long() as i64, microseconds).map_or(Value::Null, Into::into)
        }
        20 => source
            .text()
            .parse::<Decimal>()
            .map_or(Value::Null, Into::into),
        21 => {
            let mut uuid = [0; 16];
            uuid.fill_with(|| source.byte());
            Uuid(uuid).into()
        }
        22 => Value::Complex(Complex {
            re: f64::from_bits(source.long()),
            im: f64::from(source.byte()),
        }),
        23 => {
            let tag = source.long() >> (source.byte() % 64);
            let tag = if tags::ALL.contains(&tag) {
                60_000
            } else {
                tag
            };
            Value::Tagged(tag, Box::new(value(source, left, depth + 1)))
        }
        24 => {
            let levels = usize::from(source.byte()) % 130;
            let inner = value(source, left, depth + levels);
            (0..levels).fold(inner, |inner, _| Value::List(vec![inner]))
        }
        25 => array(source).map_or(Value::Null, Into::into),
        _ => {
            // Types of Rust that hold values of any.
            let set = Set(values(source, left, depth));
            let mut bytes = Vec::new();
            match encode(&(FrozenSet(vec![1]), set, Some("é")), &mut bytes) {
                Ok(()) => decode(&bytes).expect("what is written can be read"),
                Err(_) => Value::Null,
            }
        }
    }
}

fn values(source: &mut Source<'_>, left: &mut usize, depth: usize) -> Vec<Value> {
    let length = source.byte() % 16;
    (0..length)
        .map(|_| value(source, left, depth + 1))
        .collect()
}

/// Of any type; its shape, where it has one, is mostly right.
fn array(source: &mut Source<'_>) -> Option<Numbers> {
    use NumberType::{F16, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64};
    let all = [F16, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64];
    let of = all[usize::from(source.byte()) % all.len()];
    let mut length = usize::from(source.byte()) % 32;
    let shape = source.yes().then(|| {
        let dimensions = 0..source.byte() % 5;
        let shape: Vec<usize> = dimensions.map(|_| (source.byte() % 4).into()).collect();
        length = shape.iter().product();
        shape
    });
    let bytes = source.bytes(length * of.width()).to_vec();
    Numbers::new(of, shape, bytes).ok()
}

fn date(source: &mut Source<'_>) -> Option<Date> {
    Date::new(source.short(), source.byte() % 13, source.byte() % 32).ok()
}

fn time(source: &mut Source<'_>) -> Option<Time> {
    let nanosecond = (source.long() >> (source.byte() % 64)) as u32;
    let [hour, minute, second] = [source.byte() % 25, source.byte() % 61, source.byte() % 61];
    Time::new(hour, minute, second, nanosecond).ok()
}

fn naive(source: &mut Source<'_>) -> Option<NaiveDateTime> {
    let (date, time) = (date(source)?, time(source)?);
    Some(NaiveDateTime { date, time })
}

fn datetime(source: &mut Source<'_>) -> Option<DateTime> {
    let local = naive(source)?;
    local.at_offset(source.short() as i16).ok()
}
