//! Any bytes read as values of certain types, as a function's parameters are.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use net::Value;
use net::value::{
    Array, BigInt, Bytes, Complex, Date, DateTime, Decimal, FrozenSet, NaiveDateTime, NdArray, Set,
    Time, TimeDelta, Uuid, decode, encode,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{is_too_deep, readable};

#[derive(Deserialize, Serialize)]
enum Shape {
    Point,
    Circle(f64),
    Box(i64, Option<i64>),
    Named { name: String, inner: Box<Shape> },
}

#[derive(Deserialize, Serialize)]
struct Record {
    id: u32,
    #[serde(default)]
    note: Option<String>,
    list: Vec<(i8, char)>,
}

#[derive(Deserialize, Serialize)]
struct Open {
    id: i128,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Either {
    Number(u64),
    Text(String),
    Many(Vec<Either>),
    Any(Value),
}

#[derive(Deserialize, Serialize)]
#[serde(tag = "kind")]
enum Kinds {
    A { a: i64 },
    B { b: Bytes },
}

#[derive(Deserialize, Serialize)]
struct Unit;

#[derive(Deserialize, Serialize)]
struct Newtype(Vec<Newtype>);

pub(super) fn all(input: &[u8]) {
    macro_rules! each {
        ($($type:ty)*) => { $( one::<$type>(input); )* };
    }
    each! {
        () bool char u8 i8 u16 i32 u64 i64 u128 i128 f32 f64 String Bytes
        Option<i64> Option<Option<String>> (i64, String) [u8; 4] Vec<u8> Vec<f64> Vec<Value>
        Vec<Vec<Option<bool>>> BTreeMap<String, i64> BTreeMap<i64, Value> HashMap<String, Bytes>
        Set<i64> FrozenSet<Value> BigInt Decimal Date Time NaiveDateTime DateTime TimeDelta Uuid
        Array<u8> Array<i32> Array<f64> NdArray<u16> NdArray<f32> Complex Duration IpAddr Shape Record Open Either Kinds Unit Newtype serde_json::Value
    }
    if let Ok(text) = decode::<&str>(input) {
        assert_eq!(decode::<String>(input).expect("it is text"), text);
    }
    if let Ok(time) = decode::<DateTime>(input) {
        let instant = SystemTime::from(time);
        if let Ok(utc) = DateTime::try_from(instant) {
            assert_eq!(SystemTime::from(utc), instant);
        }
    }
    if let Ok(delta) = decode::<TimeDelta>(input)
        && let Ok(duration) = Duration::try_from(delta)
    {
        assert_eq!(TimeDelta::try_from(duration).expect("it was one"), delta);
    }
}

/// What is read as a type is written as what reads the same.
fn one<T: DeserializeOwned + Serialize>(input: &[u8]) {
    let value: T = match decode(input) {
        Ok(value) => value,
        Err(error) => return readable(&error),
    };
    let mut written = Vec::new();
    if let Err(error) = encode(&value, &mut written) {
        // What a type does not ask for is passed over, and so are its levels; what it does ask for may take some.
        return assert!(is_too_deep(&error) || is_own(&error), "{error}");
    }
    let read: T = decode(&written).unwrap_or_else(|error| panic!("it was written: {error}"));
    let mut again = Vec::new();
    encode(&read, &mut again).expect("it was written before");
    assert!(
        again == written,
        "a {} came back as another",
        std::any::type_name::<T>()
    );
}

/// From a type's own `Serialize`.
fn is_own(error: &net::value::ValueError) -> bool {
    matches!(error.kind(), net::value::ValueErrorKind::Custom(_))
}
