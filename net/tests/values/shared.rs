//! Large byte strings that are held in common: written without a copy where the body can hold them, and as any other where it cannot.

use std::collections::BTreeMap;

use net::Pieces;
use net::value::{Body, Bytes, Keywords, encode, encode_arguments};
use serde::ser::{Error as _, SerializeSeq};
use serde::{Serialize, Serializer};

use super::encoded;

const LARGE: usize = 100_000;

fn large(byte: u8) -> bytes::Bytes {
    vec![byte; LARGE].into()
}

/// A value in a body is what it is in a vector; and which of its byte strings were not copied.
fn shared<T: Serialize>(value: &T, of: &[&bytes::Bytes]) -> Vec<bool> {
    let mut body = Body::new();
    encode(value, &mut body).unwrap();
    assert_eq!(body.len(), encoded(value).len());
    assert_eq!(
        body.as_slice().is_none(),
        of.iter().any(|b| b.len() == LARGE)
    );
    // While somebody else holds it, it cannot be taken as one's own.
    let is_shared = of.iter().map(|bytes| !bytes.is_unique()).collect();
    let pieces = Pieces::from(body);
    assert_eq!(pieces.len(), encoded(value).len());
    assert!(*pieces.contiguous() == encoded(value)[..]);
    is_shared
}

#[test]
fn a_large_one_is_not_copied_and_a_small_one_is() {
    let (large, small) = (large(1), bytes::Bytes::from(vec![2; 50_000]));
    assert_eq!(shared(&Bytes(&large), &[&large]), [true]);
    assert_eq!(shared(&Bytes(&small), &[&small]), [false]);
}

#[test]
fn it_may_stand_anywhere() {
    let (a, b) = (large(1), large(2));
    let mut map = BTreeMap::new();
    map.insert("first", vec![Bytes(&a), Bytes(&b)]);
    map.insert("second", vec![Bytes(&a)]);
    assert_eq!(shared(&(1, map, "end"), &[&a, &b]), [true, true]);
    assert_eq!(shared(&[Bytes(&a), Bytes(&a)], &[&a]), [true]);
}

/// A sequence that does not say how long it is: the head before it grows when that is known.
struct Unsized<'a>(&'a bytes::Bytes, usize);

impl Serialize for Unsized<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut elements = serializer.serialize_seq(None)?;
        for _ in 0..self.1 {
            elements.serialize_element(&Bytes(self.0))?;
        }
        elements.end()
    }
}

#[test]
fn a_head_that_grows_moves_what_is_behind_it() {
    let large = large(3);
    for elements in [0, 1, 23, 24, 30] {
        let value = (Bytes(&large), Unsized(&large, elements), "end");
        assert_eq!(shared(&value, &[&large]), [true]);
    }
}

struct Fails<'a>(&'a bytes::Bytes);

impl Serialize for Fails<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut elements = serializer.serialize_seq(Some(2))?;
        elements.serialize_element(&Bytes(self.0))?;
        Err(S::Error::custom("no more"))
    }
}

#[test]
fn what_fails_leaves_the_body_as_it_was() {
    let (kept, dropped) = (large(4), large(5));
    let mut body = Body::new();
    encode(&Bytes(&kept), &mut body).unwrap();
    let before = Pieces::from(body.clone()).into_bytes();
    encode(&Fails(&dropped), &mut body).unwrap_err();
    encode_arguments(&(1, Fails(&dropped)), &mut body).unwrap_err();
    assert!(dropped.is_unique() && !kept.is_unique());
    assert!(Pieces::from(body).into_bytes() == before);
}

#[test]
fn arguments_by_name_follow_those_by_place() {
    let large = large(6);
    let mut body = Body::new();
    encode_arguments(&(Bytes(&large),), &mut body).unwrap();
    let mut keywords = Keywords::new();
    keywords.add("more", &Bytes(&large)).unwrap();
    keywords.append_to(&mut body);
    let mut plain = Vec::new();
    encode_arguments(&(Bytes(&large),), &mut plain).unwrap();
    keywords.append_to(&mut plain);
    assert!(Pieces::from(body).into_bytes() == plain);
}

#[test]
fn other_formats_see_bytes() {
    let value = Bytes(bytes::Bytes::from_static(&[1, 2]));
    assert_eq!(serde_json::to_string(&value).unwrap(), "[1,2]");
    let read: Bytes<bytes::Bytes> = serde_json::from_str("[1,2]").unwrap();
    assert_eq!(read, value);
    let large = Bytes(large(7));
    let json = serde_json::to_string(&large).unwrap();
    assert!(serde_json::from_str::<Bytes<bytes::Bytes>>(&json).unwrap() == large);
}
