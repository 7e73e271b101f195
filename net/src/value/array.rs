//! Arrays of numbers of one type, as types of Rust: written and read in one piece, where a list is written number by number.
//!
//! How they lie on the wire is in `array/numbers.rs`, how one is read where a list is asked for in `array/lists.rs`, and how
//! lists are read where an array is in `array/nested.rs`.

mod lists;
mod nested;
mod numbers;
mod types;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, Unexpected, VariantAccess};
use serde::ser::{Serialize, Serializer};

use super::cbor::Reader;
use super::de::{Undecoded, WITH_TAGS};
use super::error::ValueError;
use super::{Bytes, Value};
pub(crate) use lists::Lists;
use nested::Nested;
use numbers::Shape;
pub use numbers::{MAX_DIMENSIONS, Numbers, is_array, read as read_array};
pub(crate) use types::One;
pub use types::{Number, NumberType};

/// An array of numbers of one type (RFC 8746): Python's `array.array`. A bare `Vec<f64>` is sent as a list; received, either
/// takes either, and numbers of another type are taken as those of a list would be.
///
/// To send a slice without copying it first: [`ArrayRef`]. With any number of dimensions, as numpy's: [`NdArray`].
///
/// # Examples
///
/// ```
/// use net::value::{Array, ArrayRef, decode, encode};
///
/// let mut bytes = Vec::new();
/// encode(&ArrayRef(&[1.5_f64, 2.5]), &mut bytes)?;
/// let Array(numbers) = decode::<Array<f64>>(&bytes)?;
/// assert_eq!(numbers, [1.5, 2.5]);
/// assert_eq!(decode::<Vec<f64>>(&bytes)?, numbers);
/// # Ok::<(), net::value::ValueError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Array<T>(pub Vec<T>);

/// A slice that is sent as an [`Array`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArrayRef<'a, T>(pub &'a [T]);

/// An array of numbers of one type with any number of dimensions, row by row: Python's `numpy.ndarray`. Received, lists in
/// lists fit it too, and it fits them.
///
/// # Examples
///
/// ```
/// use net::value::{NdArray, decode, encode};
///
/// let mut bytes = Vec::new();
/// encode(&NdArray::new(vec![2, 3], vec![1, 2, 3, 4, 5, 6])?, &mut bytes)?;
/// let array: NdArray<i32> = decode(&bytes)?;
/// assert_eq!((array.shape(), array.elements()[5]), (&[2, 3][..], 6));
/// assert_eq!(decode::<Vec<Vec<i32>>>(&bytes)?, [[1, 2, 3], [4, 5, 6]]);
/// # Ok::<(), net::value::ValueError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NdArray<T> {
    shape: Vec<usize>,
    elements: Vec<T>,
}

impl<T> NdArray<T> {
    /// The array of `elements`, of which those lie next to each other that differ in the last dimension. Without dimensions it is
    /// a single number.
    ///
    /// # Errors
    ///
    /// When `shape` has other than as many elements, or more than [`MAX_DIMENSIONS`] dimensions.
    pub fn new(shape: Vec<usize>, elements: Vec<T>) -> Result<Self, ValueError> {
        numbers::check_shape(&shape, elements.len())?;
        Ok(Self { shape, elements })
    }

    /// Its dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its elements, row by row.
    pub fn elements(&self) -> &[T] {
        &self.elements
    }

    /// Its elements, to be changed where they are.
    pub fn elements_mut(&mut self) -> &mut [T] {
        &mut self.elements
    }

    /// Its dimensions and its elements.
    pub fn into_parts(self) -> (Vec<usize>, Vec<T>) {
        (self.shape, self.elements)
    }
}

impl<T: Number> Serialize for ArrayRef<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Numbers::of_type(None, self.0).serialize(serializer)
    }
}

impl<T: Number> Serialize for Array<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ArrayRef(&self.0).serialize(serializer)
    }
}

impl<T: Number> Serialize for NdArray<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Numbers::of_type(Some(self.shape.clone()), &self.elements).serialize(serializer)
    }
}

impl<T: Number> From<Array<T>> for Value {
    fn from(array: Array<T>) -> Self {
        Numbers::of_type(None, &array.0).into_owned().into()
    }
}

impl<T: Number> From<NdArray<T>> for Value {
    fn from(array: NdArray<T>) -> Self {
        let NdArray { shape, elements } = array;
        Numbers::of_type(Some(shape), &elements).into_owned().into()
    }
}

impl<'de, T: Number> Deserialize<'de> for Array<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return as_bytes(None, Bytes::deserialize(deserializer)?)
                .map(|array| Self(array.elements));
        }
        let array = deserializer.deserialize_newtype_struct(WITH_TAGS, Visitor(PhantomData))?;
        let NdArray { shape, elements } = array;
        match shape.len() {
            1 => Ok(Self(elements)),
            _ => {
                let found = format!("an array of shape {}", Shape(&shape));
                let expected = format!("an array of {} in one row", T::TYPE);
                Err(de::Error::invalid_type(
                    Unexpected::Other(&found),
                    &expected.as_str(),
                ))
            }
        }
    }
}

impl<'de, T: Number> Deserialize<'de> for NdArray<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            let (shape, bytes) = Deserialize::deserialize(deserializer)?;
            return as_bytes(Some(shape), bytes);
        }
        deserializer.deserialize_newtype_struct(WITH_TAGS, Visitor(PhantomData))
    }
}

struct Visitor<T>(PhantomData<T>);

impl<'de, T: Number> de::Visitor<'de> for Visitor<T> {
    type Value = NdArray<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of {}", T::TYPE)
    }

    /// A tag and what is under it, from our own deserializer.
    fn visit_enum<A: de::EnumAccess<'de>>(self, tagged: A) -> Result<NdArray<T>, A::Error> {
        let (tag, content) = tagged.variant::<u64>()?;
        if !is_array(tag) {
            // A tag that was not asked for.
            return content.newtype_variant();
        }
        let Undecoded(content) = content.newtype_variant()?;
        let numbers = read_array(tag, &mut Reader::new(content), 0);
        numbers.and_then(converted).map_err(de::Error::custom)
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<NdArray<T>, E> {
        let numbers = Numbers::of_type(None, bytes);
        converted(numbers).map_err(de::Error::custom)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, elements: A) -> Result<NdArray<T>, A::Error> {
        Nested::read(|outermost| outermost.visit_seq(elements))
    }

    fn visit_u64<E: de::Error>(self, n: u64) -> Result<NdArray<T>, E> {
        Nested::read(|alone| alone.visit_u64(n))
    }

    fn visit_i64<E: de::Error>(self, n: i64) -> Result<NdArray<T>, E> {
        Nested::read(|alone| alone.visit_i64(n))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<NdArray<T>, E> {
        Nested::read(|alone| alone.visit_f64(value))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<NdArray<T>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// As a format other than ours keeps an array, if it is not for people to read.
fn as_bytes<T: Number, E: de::Error>(
    shape: Option<Vec<usize>>,
    Bytes(bytes): Bytes<Vec<u8>>,
) -> Result<NdArray<T>, E> {
    Numbers::new(T::TYPE, shape, bytes.into())
        .and_then(converted)
        .map_err(E::custom)
}

/// As an array of `T`: in one piece if they are that, else one by one, as a list of them would be.
fn converted<T: Number>(numbers: Numbers<Cow<'_, [u8]>>) -> Result<NdArray<T>, ValueError> {
    let elements = match numbers.to_vec() {
        Some(elements) => elements,
        None => Vec::deserialize(numbers.row())?,
    };
    let shape = numbers.into_shape().unwrap_or_else(|| vec![elements.len()]);
    Ok(NdArray { shape, elements })
}
