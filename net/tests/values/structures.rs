//! Types of a program's own, as serde derives them: any value of theirs comes back equal, alone and by way of [`Value`].

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use net::value::{BigInt, Bytes, FrozenSet, Set, Uuid, Value, decode};
use proptest::collection::{btree_map, btree_set, hash_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::encoded;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    numbers: (i8, u16, i32, u64, i128, u128),
    float: f64,
    letter: char,
    nothing: (),
    maybe: Option<i128>,
    maybe_many: Vec<Option<Newtype>>,
    array: [Option<bool>; 3],
    pair: Pair,
    unit: Unit,
    shapes: Vec<Shape>,
    tagged: Vec<Tagged>,
    adjacent: Vec<Adjacent>,
    untagged: Vec<Untagged>,
    by_number: HashMap<i64, String>,
    by_pair: BTreeMap<(u8, String), Option<f32>>,
    by_truth: BTreeMap<bool, Vec<u8>>,
    by_option: BTreeMap<Option<i32>, char>,
    by_list: BTreeMap<Vec<u8>, u8>,
    by_variant: BTreeMap<Key, BTreeMap<char, u128>>,
    set: BTreeSet<u128>,
    queue: VecDeque<Box<str>>,
    bytes: Bytes,
    marked: (Set<u8>, FrozenSet<char>, Uuid),
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    seldom: Vec<u8>,
    #[serde(rename = "with spaces")]
    renamed: Result<u8, String>,
    time: Duration,
    address: IpAddr,
    inner: Option<Box<Everything>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Newtype(u64);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pair(String, Vec<(i8,)>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Line(i32, Option<u8>),
    Named { name: String, of: Box<Shape> },
    Alone(()),
    None(),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Point,
    Named { name: String, size: (u8, f64) },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    Point,
    Circle(u128),
    Line(i32, i128),
    Named { name: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Truth(bool),
    Number(i64),
    Text(String),
    Pair(u8, String),
    Named { name: String },
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Key {
    Plain,
    Of(i8),
}

fn shape() -> impl Strategy<Value = Shape> {
    let simple = prop_oneof![
        Just(Shape::Point),
        number().prop_map(Shape::Circle),
        any::<(i32, Option<u8>)>().prop_map(|(a, b)| Shape::Line(a, b)),
        Just(Shape::Alone(())),
        Just(Shape::None()),
    ];
    simple.prop_recursive(4, 8, 1, |inner| {
        (any::<String>(), inner).prop_map(|(name, of)| Shape::Named {
            name,
            of: of.into(),
        })
    })
}

fn tagged() -> impl Strategy<Value = Tagged> {
    prop_oneof![
        Just(Tagged::Point),
        (any::<String>(), any::<u8>(), number())
            .prop_map(|(name, a, b)| Tagged::Named { name, size: (a, b) }),
    ]
}

fn adjacent() -> impl Strategy<Value = Adjacent> {
    prop_oneof![
        Just(Adjacent::Point),
        any::<u128>().prop_map(Adjacent::Circle),
        any::<(i32, i128)>().prop_map(|(a, b)| Adjacent::Line(a, b)),
        any::<String>().prop_map(|name| Adjacent::Named { name }),
    ]
}

fn untagged() -> impl Strategy<Value = Untagged> {
    prop_oneof![
        any::<bool>().prop_map(Untagged::Truth),
        any::<i64>().prop_map(Untagged::Number),
        any::<String>().prop_map(Untagged::Text),
        any::<(u8, String)>().prop_map(|(a, b)| Untagged::Pair(a, b)),
        any::<String>().prop_map(|name| Untagged::Named { name }),
    ]
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![Just(Key::Plain), any::<i8>().prop_map(Key::Of)]
}

/// Not NaN, which equals nothing; that its bits come back is tested elsewhere.
fn number() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("NaN", |x| !x.is_nan())
}

fn everything() -> impl Strategy<Value = Everything> {
    let scalars = (
        any::<(i8, u16, i32, u64, i128, u128)>(),
        number(),
        any::<char>(),
        any::<Option<i128>>(),
        vec(option::of(any::<u64>().prop_map(Newtype)), 0..4),
        any::<[Option<bool>; 3]>(),
        any::<(String, Vec<(i8,)>)>().prop_map(|(a, b)| Pair(a, b)),
    );
    let enums = (
        vec(shape(), 0..4),
        vec(tagged(), 0..3),
        vec(adjacent(), 0..3),
        vec(untagged(), 0..3),
    );
    let maps = (
        hash_map(any::<i64>(), any::<String>(), 0..4),
        btree_map(any::<(u8, String)>(), option::of(-1e9f32..1e9), 0..4),
        btree_map(any::<bool>(), any::<Vec<u8>>(), 0..3),
        btree_map(any::<Option<i32>>(), any::<char>(), 0..4),
        btree_map(any::<Vec<u8>>(), any::<u8>(), 0..4),
        btree_map(key(), btree_map(any::<char>(), any::<u128>(), 0..3), 0..4),
        btree_set(any::<u128>(), 0..4),
    );
    let others = (
        vec(any::<String>().prop_map(Into::into), 0..3).prop_map(VecDeque::from),
        any::<Vec<u8>>().prop_map(Bytes),
        (any::<Vec<u8>>(), any::<Vec<char>>(), any::<[u8; 16]>())
            .prop_map(|(a, b, c)| (Set(a), FrozenSet(b), Uuid(c))),
        vec(any::<u8>(), 0..3),
        any::<Result<u8, String>>(),
        any::<Duration>(),
        any::<IpAddr>(),
    );
    let flat = (scalars, enums, maps, others).prop_map(|(scalars, enums, maps, others)| {
        let (numbers, float, letter, maybe, maybe_many, array, pair) = scalars;
        let (shapes, tagged, adjacent, untagged) = enums;
        let (by_number, by_pair, by_truth, by_option, by_list, by_variant, set) = maps;
        let (queue, bytes, marked, seldom, renamed, time, address) = others;
        Everything {
            numbers,
            float,
            letter,
            nothing: (),
            maybe,
            maybe_many,
            array,
            pair,
            unit: Unit,
            shapes,
            tagged,
            adjacent,
            untagged,
            by_number,
            by_pair,
            by_truth,
            by_option,
            by_list,
            by_variant,
            set,
            queue,
            bytes,
            marked,
            seldom,
            renamed,
            time,
            address,
            inner: None,
        }
    });
    let flat = flat.boxed();
    (flat.clone(), option::of(flat)).prop_map(|(mut outer, inner)| {
        outer.inner = inner.map(Into::into);
        outer
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_structure_comes_back(structure in everything()) {
        let bytes = encoded(&structure);
        prop_assert_eq!(&decode::<Everything>(&bytes).unwrap(), &structure);
        // And by way of a peer that does not know the type.
        let untyped = encoded(&decode::<Value>(&bytes).unwrap());
        prop_assert_eq!(&untyped, &bytes);
    }

    #[test]
    fn integers_of_any_size_fit_what_holds_them(n in any::<i128>(), m in any::<u128>()) {
        prop_assert_eq!(decode::<i128>(&encoded(&BigInt::from(n))).unwrap(), n);
        prop_assert_eq!(decode::<BigInt>(&encoded(&m)).unwrap(), BigInt::from(m));
        prop_assert_eq!(decode::<i64>(&encoded(&n)).ok(), i64::try_from(n).ok());
        prop_assert_eq!(decode::<u64>(&encoded(&m)).ok(), u64::try_from(m).ok());
        prop_assert_eq!(decode::<u8>(&encoded(&n)).ok(), u8::try_from(n).ok());
    }

    #[test]
    fn what_is_borrowed_is_the_input(text in any::<String>(), bytes in any::<Vec<u8>>()) {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Borrowed<'a> {
            text: &'a str,
            #[serde(borrow)]
            bytes: Bytes<&'a [u8]>,
            #[serde(borrow)]
            either: Cow<'a, str>,
            owned: Cow<'a, str>,
        }
        let sent = Borrowed {
            text: &text,
            bytes: Bytes(&bytes),
            either: Cow::Borrowed(&text),
            owned: Cow::Borrowed(&text),
        };
        let input = encoded(&sent);
        let read: Borrowed<'_> = decode(&input).unwrap();
        prop_assert_eq!(&read, &sent);
        prop_assert!(input.as_ptr_range().contains(&read.text.as_ptr()));
        prop_assert!(matches!(read.either, Cow::Borrowed(_)));
    }
}

/// Null is all that serde writes for either; a second level of "nothing" has no form in JSON or Python's `None` either.
#[test]
fn nothing_inside_of_something_is_nothing() {
    type Twice = Option<Option<u8>>;
    assert_eq!(
        decode::<Twice>(&encoded(&Some(Some(1u8)))).unwrap(),
        Some(Some(1))
    );
    assert_eq!(
        decode::<Twice>(&encoded::<Twice>(&Some(None))).unwrap(),
        None
    );
    assert_eq!(decode::<Option<()>>(&encoded(&Some(()))).unwrap(), None);
}

#[test]
fn a_field_that_comes_twice_is_refused() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "nothing is made of it")]
    struct One {
        a: u8,
    }
    let twice = super::unhex("81a2616101616102");
    assert_eq!(
        decode::<Vec<One>>(&twice).unwrap_err().to_string(),
        "value[0]: duplicate field `a`"
    );
}
