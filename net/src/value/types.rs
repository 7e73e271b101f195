//! Types of values that Rust has no type of its own for, and how each of them is read back. Numbers and times have their
//! own files.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use super::error::ValueError;
use super::hand_over;
use super::tags::marker;
use super::{BigInt, Date, DateTime, Decimal, NaiveDateTime, Time, TimeDelta, Value};

/// A byte string. A bare `Vec<u8>` is sent as a list of numbers, since serde cannot tell it from any other vector;
/// received, either takes either.
///
/// To send bytes without putting them in a vector first: `Bytes(&slice)`. To have large ones sent from where they lie, and handed out as
/// the buffer that they were received in: `Bytes<bytes::Bytes>`, on either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes<B = Vec<u8>>(pub B);

/// What [`Bytes`] can be of.
pub trait ByteString: AsRef<[u8]> {
    /// Itself, if it can be held on to without a copy.
    fn shared(&self) -> Option<&bytes::Bytes> {
        None
    }
}

impl ByteString for Vec<u8> {}
impl ByteString for Box<[u8]> {}
impl ByteString for std::sync::Arc<[u8]> {}
impl ByteString for [u8] {}
impl<const N: usize> ByteString for [u8; N] {}

impl ByteString for bytes::Bytes {
    fn shared(&self) -> Option<&bytes::Bytes> {
        Some(self)
    }
}

impl<B: ByteString + ?Sized> ByteString for &B {
    fn shared(&self) -> Option<&bytes::Bytes> {
        (**self).shared()
    }
}

impl<B: ByteString> Serialize for Bytes<B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let slice = self.0.as_ref();
        match self.0.shared() {
            Some(shared) => hand_over::offer(shared, || serializer.serialize_bytes(slice)),
            None => serializer.serialize_bytes(slice),
        }
    }
}

/// What [`Bytes`] can be received as.
pub trait Received: From<Vec<u8>> {
    /// What was received, which lies elsewhere.
    fn received(bytes: &[u8]) -> Self;
}

impl Received for Vec<u8> {
    fn received(bytes: &[u8]) -> Self {
        bytes.to_vec()
    }
}

impl Received for bytes::Bytes {
    fn received(bytes: &[u8]) -> Self {
        hand_over::kept(bytes)
    }
}

impl<'de, B: Received> Deserialize<'de> for Bytes<B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<B>(PhantomData<B>);

        impl<'de, B: Received> de::Visitor<'de> for Visitor<B> {
            type Value = B;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<B, E> {
                Ok(B::received(bytes))
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<B, E> {
                Ok(bytes.into())
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut elements: A) -> Result<B, A::Error> {
                let mut bytes = Vec::with_capacity(elements.size_hint().unwrap_or(0));
                while let Some(byte) = elements.next_element()? {
                    bytes.push(byte);
                }
                Ok(bytes.into())
            }
        }

        deserializer
            .deserialize_byte_buf(Visitor(PhantomData))
            .map(Self)
    }
}

/// Without a copy: only a byte string in one piece can be borrowed.
impl<'de: 'a, 'a> Deserialize<'de> for Bytes<&'a [u8]> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Deserialize::deserialize(deserializer).map(Self)
    }
}

/// A UUID (tag 37): its 16 bytes in the order in which its text shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(index, byte)| {
            let dash = if matches!(index, 4 | 6 | 8 | 10) {
                "-"
            } else {
                ""
            };
            write!(f, "{dash}{byte:02x}")
        })
    }
}

impl FromStr for Uuid {
    type Err = ValueError;

    /// 32 hexadecimal digits, with dashes or without.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let mut uuid = [0; 16];
        let mut digits = text.chars().filter(|c| *c != '-').map(|c| c.to_digit(16));
        for byte in &mut uuid {
            let (Some(Some(high)), Some(Some(low))) = (digits.next(), digits.next()) else {
                return Err(ValueError::custom(format_args!(
                    "{text:.40?} is not a UUID"
                )));
            };
            *byte = (high << 4 | low) as u8; // two digits of four bits
        }
        match digits.next() {
            None => Ok(Self(uuid)),
            Some(_) => Err(ValueError::custom(format_args!(
                "{text:.40?} is not a UUID"
            ))),
        }
    }
}

impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(marker::UUID, &Bytes(&self.0))
    }
}

/// A complex number (tag 43000).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Complex {
    /// The real part.
    pub re: f64,
    /// The imaginary part.
    pub im: f64,
}

/// As Python writes it: `(1.0+2.0j)`.
impl fmt::Display for Complex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:?}{:+?}j)", self.re, self.im)
    }
}

impl Serialize for Complex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(marker::COMPLEX, [self.re, self.im].as_slice())
    }
}

/// The elements of a set (tag 258), in the order in which they came. Any array is taken for one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Set<T>(pub Vec<T>);

/// The elements of an immutable set (our own tag), in the order in which they came. Any array is taken for one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct FrozenSet<T>(pub Vec<T>);

macro_rules! set {
    ($type:ident, $tag:ident) => {
        impl<T: Serialize> Serialize for $type<T> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_newtype_struct(marker::$tag, self.0.as_slice())
            }
        }

        impl<'de, T: Deserialize<'de>> Deserialize<'de> for $type<T> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Vec::deserialize(deserializer).map(Self)
            }
        }

        impl<T> FromIterator<T> for $type<T> {
            fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
                Self(elements.into_iter().collect())
            }
        }

        impl<T> IntoIterator for $type<T> {
            type Item = T;
            type IntoIter = std::vec::IntoIter<T>;

            fn into_iter(self) -> Self::IntoIter {
                self.0.into_iter()
            }
        }
    };
}

set!(Set, SET);
set!(FrozenSet, FROZENSET);

/// Reads a type that is tagged on the wire, by way of [`Value`], which knows the tags. Where it has a text form that is
/// taken as well, since that is how it arrives from JSON.
macro_rules! deserialize_by_value {
    ($($type:ident, $expected:literal: { $($pattern:pat => $value:expr,)+ })*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                match Value::deserialize(deserializer)? {
                    $($pattern => $value.map_err(de::Error::custom),)+
                    other => Err(de::Error::invalid_type(other.unexpected(), &$expected)),
                }
            }
        }
    )*};
}

fn exactly<T>(value: T) -> Result<T, ValueError> {
    Ok(value)
}

deserialize_by_value! {
    Uuid, "a UUID": {
        Value::Uuid(uuid) => exactly(uuid),
        Value::Text(text) => text.parse(),
    }
    Complex, "a complex number": {
        Value::Complex(complex) => exactly(complex),
        Value::Float(re) => exactly(Complex { re, im: 0.0 }),
        Value::Int(n) => exactly(Complex { re: n as f64, im: 0.0 }),
    }
    BigInt, "an integer": {
        Value::Int(n) => exactly(n.into()),
        Value::BigInt(n) => exactly(n),
    }
    Decimal, "a decimal number": {
        Value::Decimal(decimal) => exactly(decimal),
        Value::Int(n) => exactly(n.into()),
        Value::Text(text) => text.parse(),
    }
    Date, "a date": {
        Value::Date(date) => exactly(date),
        Value::Text(text) => text.parse(),
    }
    Time, "a time of day": {
        Value::Time(time) => exactly(time),
        Value::Text(text) => text.parse(),
    }
    NaiveDateTime, "a datetime without an offset": {
        Value::NaiveDateTime(datetime) => exactly(datetime),
        Value::Text(text) => text.parse(),
    }
    DateTime, "a datetime with an offset": {
        Value::DateTime(datetime) => exactly(datetime),
        Value::Text(text) => text.parse(),
    }
    TimeDelta, "a span of time": {
        Value::TimeDelta(delta) => exactly(delta),
    }
}
