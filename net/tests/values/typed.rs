//! Rust types and values of another's making: what fits what.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use net::value::{
    BigInt, Bytes, Complex, Date, DateTime, Decimal, NaiveDateTime, Set, Time, TimeDelta, Uuid,
    Value, decode,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{encoded, unhex};

fn read<T: DeserializeOwned>(value: &(impl Serialize + ?Sized)) -> Result<T, String> {
    decode(&encoded(value)).map_err(|error| error.to_string())
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Job {
    name: String,
    steps: Vec<Step>,
    note: Option<String>,
    size: (u32, u32),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Step {
    Wait,
    Run(String),
    Move(i8, i8),
    Render { frame: u32 },
}

#[test]
fn a_struct_comes_back_and_is_a_map_to_others() {
    let job = Job {
        name: "a".into(),
        steps: vec![
            Step::Wait,
            Step::Run("x".into()),
            Step::Move(-1, 2),
            Step::Render { frame: 3 },
        ],
        note: None,
        size: (640, 480),
    };
    assert_eq!(read::<Job>(&job).unwrap(), job);
    let untyped: Value = read(&job).unwrap();
    assert_eq!(read::<Job>(&untyped).unwrap(), job);
    assert_eq!(untyped.get("name"), Some(&"a".into()));
    assert_eq!(untyped.get("size").unwrap().to_string(), "(640, 480)");
}

#[test]
fn tuple_list_and_set_fit_each_other() {
    assert_eq!(read::<Vec<u8>>(&(1, 2)), Ok(vec![1, 2]));
    assert_eq!(read::<(u8, u8)>(&vec![1, 2]), Ok((1, 2)));
    assert_eq!(read::<[u8; 2]>(&vec![1, 2]), Ok([1, 2]));
    assert_eq!(read::<Vec<u8>>(&Set(vec![1, 2])), Ok(vec![1, 2]));
    assert_eq!(
        read::<BTreeSet<u8>>(&Set(vec![2, 1])),
        Ok(BTreeSet::from([1, 2]))
    );
    assert_eq!(read::<Set<u8>>(&vec![1]), Ok(Set(vec![1])));
}

#[test]
fn a_tuple_of_another_length_does_not_fit() {
    assert_eq!(
        read::<(u8, u8)>(&vec![1]).unwrap_err(),
        "expected a tuple of size 2, found 1 of them"
    );
    assert_eq!(
        read::<(u8, u8)>(&vec![1, 2, 3]).unwrap_err(),
        "expected a tuple of size 2, found 3 of them"
    );
    assert!(decode::<(u8, u8)>(&unhex("9f010203ff")).is_err());
    assert!(decode::<(u8, u8)>(&unhex("9f01ff")).is_err());
    assert_eq!(decode::<(u8, u8)>(&unhex("9f0102ff")).unwrap(), (1, 2));
    assert!(decode::<[u8; 2]>(&unhex("43010203")).is_err());
}

#[test]
fn bytes_fit_a_vector_of_numbers_and_the_other_way_round() {
    assert_eq!(read::<Vec<u8>>(&Bytes(b"ab")), Ok(vec![97, 98]));
    assert_eq!(read::<[u8; 2]>(&Bytes(b"ab")), Ok([97, 98]));
    assert_eq!(read::<Bytes>(&vec![97u8, 98]), Ok(Bytes(vec![97, 98])));
    let bytes = encoded(&Bytes(b"ab"));
    assert_eq!(decode::<&[u8]>(&bytes).unwrap(), b"ab");
}

#[test]
fn text_is_no_bytes() {
    assert!(read::<String>(&Bytes(b"ab")).is_err());
    assert!(read::<Bytes>(&"ab").is_err());
    let bytes = encoded("ab");
    assert_eq!(decode::<&str>(&bytes).unwrap(), "ab");
}

#[test]
fn integers_fit_floats_and_never_the_other_way_round() {
    assert_eq!(read::<f64>(&2), Ok(2.0));
    assert_eq!(read::<f32>(&1.5), Ok(1.5));
    assert_eq!(
        read::<i64>(&2.0).unwrap_err(),
        "expected i64, found the float 2.0"
    );
    assert_eq!(
        read::<u8>(&300).unwrap_err(),
        "expected u8, found the integer 300"
    );
    assert_eq!(
        read::<u8>(&-1).unwrap_err(),
        "expected u8, found the integer -1"
    );
}

#[test]
fn wide_integers() {
    for n in [
        i128::MIN,
        i128::from(i64::MIN) - 1,
        -1,
        0,
        i128::from(u64::MAX) + 1,
        i128::MAX,
    ] {
        assert_eq!(read::<i128>(&n), Ok(n));
        assert_eq!(read::<BigInt>(&n), Ok(BigInt::from(n)));
        assert_eq!(read::<BigInt>(&n).unwrap().to_i128(), Some(n));
        assert_eq!(BigInt::from(n).to_string(), n.to_string());
    }
    assert_eq!(read::<u128>(&u128::MAX), Ok(u128::MAX));
    assert_eq!(read::<i64>(&BigInt::from(7i64)), Ok(7));
    assert!(read::<i64>(&u64::MAX).is_err());
    let huge = BigInt::new(true, &[1; 40]);
    assert_eq!(read::<BigInt>(&huge), Ok(huge.clone()));
    assert_eq!(
        read::<i128>(&huge).unwrap_err(),
        "expected i128, found an integer of more than 128 bits"
    );
    assert!(
        BigInt::new(false, &[1; 4000])
            .to_string()
            .starts_with("0x0101")
    );
}

#[test]
fn null_and_option() {
    assert_eq!(read::<Option<u8>>(&()), Ok(None));
    assert_eq!(read::<Option<u8>>(&Some(1)), Ok(Some(1)));
    assert_eq!(read::<()>(&None::<u8>), Ok(()));
    assert_eq!(read::<u8>(&()).unwrap_err(), "expected u8, found null");
}

#[test]
fn a_tag_that_was_not_asked_for_is_passed_over() {
    assert_eq!(
        decode::<u32>(&unhex("c11a6553f100")).unwrap(),
        1_700_000_000
    );
    assert_eq!(
        decode::<String>(&unhex("d903ec6a323032342d30322d3239")).unwrap(),
        "2024-02-29"
    );
    assert_eq!(
        decode::<Vec<u8>>(&unhex("d82550 00000000000000000000000000000001")).unwrap()[15],
        1
    );
    assert_eq!(decode::<u8>(&unhex("d9d9f705")).unwrap(), 5);
}

#[test]
fn tagged_types_come_back_alone_and_inside_others() {
    fn comes_back<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug + Clone>(value: T) {
        assert_eq!(read::<T>(&value), Ok(value.clone()));
        assert_eq!(
            read::<Vec<Option<T>>>(&vec![Some(&value), None]),
            Ok(vec![Some(value.clone()), None])
        );
        assert_eq!(
            read::<BTreeMap<String, (T,)>>(&BTreeMap::from([("k", (&value,))])).unwrap()["k"].0,
            value
        );
        assert_eq!(read::<T>(&read::<Value>(&value).unwrap()), Ok(value));
    }
    comes_back(Uuid([7; 16]));
    comes_back(Complex { re: 1.0, im: -0.5 });
    comes_back(Date::new(1, 1, 1).unwrap());
    comes_back(Time::new(23, 59, 59, 999_999_999).unwrap());
    comes_back(
        "9999-12-31T23:59:59.999999"
            .parse::<NaiveDateTime>()
            .unwrap(),
    );
    comes_back(
        "2024-01-02T03:04:05.123456789+14:00"
            .parse::<DateTime>()
            .unwrap(),
    );
    comes_back(TimeDelta::new(i64::MIN, 999_999).unwrap());
    comes_back(BigInt::new(true, &[255; 9]));
    comes_back(Set(vec![1, 2]));
    comes_back(Bytes(vec![0, 255]));
}

#[test]
fn text_of_a_date_fits_a_date() {
    assert_eq!(read("2024-02-29"), Ok(Date::new(2024, 2, 29).unwrap()));
    assert_eq!(
        read::<Uuid>("6BA7B8109DAD11D180B400C04FD430C8")
            .unwrap()
            .to_string(),
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
    );
    assert_eq!(
        read::<Date>("2024-02-30").unwrap_err(),
        "there is no day 2024-02-30"
    );
    assert_eq!(
        read::<Date>("today").unwrap_err(),
        "\"today\" is not a date (YYYY-MM-DD)"
    );
    assert_eq!(
        read::<Uuid>(&5).unwrap_err(),
        "expected a UUID, found the integer 5"
    );
}

#[test]
fn decimals_keep_their_form() {
    for text in [
        "0",
        "0.00",
        "-0",
        "1.50",
        "-1.5",
        "123456789012345678901234567890.123456789",
        "1E+5",
        "1.2E-7",
        "0.000001",
        "1E-7",
        "0E+3",
        "NaN",
        "-sNaN12",
        "Infinity",
        "1E+999999999999999999",
        "9.99E+999999999999999999",
        "1E-1999999999999999997",
    ] {
        let decimal: Decimal = text.parse().unwrap();
        assert_eq!(decimal.as_str(), text);
        assert_eq!(read::<Decimal>(&decimal).unwrap().as_str(), text);
    }
    for (text, canonical) in [
        ("007", "7"),
        ("+1e5", "1E+5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("inf", "Infinity"),
    ] {
        assert_eq!(text.parse::<Decimal>().unwrap().as_str(), canonical);
    }
    let long = "9".repeat(4300);
    assert_eq!(
        read::<Decimal>(&long.parse::<Decimal>().unwrap())
            .unwrap()
            .as_str(),
        long
    );
    for text in [
        "",
        "-",
        ".",
        "1e",
        "1_0",
        "1,5",
        "é",
        "1e99999999999999999999",
        "10E+999999999999999999",
        "1E-1999999999999999998",
        "1E+9223372036854775807",
        &"9".repeat(4301),
    ] {
        assert!(text.parse::<Decimal>().is_err(), "{text}");
    }
}

#[test]
fn moments_to_the_clock_and_back() {
    let at = |text: &str| text.parse::<DateTime>().unwrap();
    assert_eq!(SystemTime::from(at("1970-01-01T00:00:00Z")), UNIX_EPOCH);
    assert_eq!(
        SystemTime::from(at("2000-03-01T01:00:00+01:00")),
        UNIX_EPOCH + Duration::from_secs(951_868_800)
    );
    for text in [
        "1969-12-31T23:59:59.500000Z",
        "2024-02-29T12:00:00Z",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
    ] {
        assert_eq!(
            DateTime::try_from(SystemTime::from(at(text)))
                .unwrap()
                .to_string(),
            text
        );
    }
    assert_eq!(
        TimeDelta::try_from(Duration::from_millis(1500))
            .unwrap()
            .to_string(),
        "1.5s"
    );
    assert_eq!(
        Duration::try_from(TimeDelta::new(1, 500_000).unwrap()).unwrap(),
        Duration::from_millis(1500)
    );
    assert!(Duration::try_from(TimeDelta::new(-1, 0).unwrap()).is_err());
}

#[test]
fn wrong_moments_are_refused() {
    for text in [
        "2024-01-02",
        "2024-01-02T03:04:05",
        "2024-01-02T03:04:60Z",
        "2024-01-02T03:04:05+25:00",
        "é",
        "+00:00",
    ] {
        assert!(text.parse::<DateTime>().is_err(), "{text}");
    }
    assert!(Date::new(2023, 2, 29).is_err());
    assert!(Date::new(0, 1, 1).is_err());
    assert!(TimeDelta::new(0, 1_000_000).is_err());
}

#[test]
fn of_equal_keys_the_later_counts() {
    let twice = unhex("a2616101616102");
    assert_eq!(decode::<BTreeMap<String, u8>>(&twice).unwrap()["a"], 2);
    assert_eq!(
        decode::<Value>(&twice).unwrap().get("a"),
        Some(&Value::Int(2))
    );
    assert_eq!(
        net::value::to_json(&twice).unwrap(),
        serde_json::json!({"a": 2})
    );
}

#[test]
fn keys_are_equal_only_if_they_are_of_one_type() {
    let three = unhex("a3 01 01 f5 02 fb3ff0000000000000 03");
    assert_eq!(
        decode::<Value>(&three).unwrap().to_string(),
        "{1: 1, True: 2, 1.0: 3}"
    );
    let twice = unhex("a3 d99b828101 01 02 02 d99b828101 03");
    assert_eq!(
        decode::<BTreeMap<Value1, u8>>(&twice).unwrap(),
        BTreeMap::from([(Value1::Tuple((1,)), 3), (Value1::Number(2), 2)])
    );

    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
    #[serde(untagged)]
    enum Value1 {
        Number(u8),
        Tuple((u8,)),
    }
}

#[test]
fn keys_may_be_anything() {
    let map = BTreeMap::from([((1, 2), "a"), ((3, 4), "b")]);
    assert_eq!(
        read::<BTreeMap<(u8, u8), String>>(&map).unwrap()[&(3, 4)],
        "b"
    );
    assert_eq!(
        read::<Value>(&map).unwrap().to_string(),
        "{(1, 2): 'a', (3, 4): 'b'}"
    );
}

#[test]
fn a_field_that_is_not_known_is_passed_over() {
    #[derive(Deserialize, Debug, PartialEq)]
    struct Small {
        a: u8,
    }
    let value = BTreeMap::from([
        ("b", Value::List(vec![Value::Map(vec![])])),
        ("a", 1.into()),
    ]);
    assert_eq!(read(&value), Ok(Small { a: 1 }));
}
