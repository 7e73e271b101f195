//! Numbers as lists of them: for who asks for a list and gets an array, and for JSON. Whether there may be so many lists is decided
//! before, by [`Numbers::lists`](super::Numbers::lists).

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeSeq, Serializer};

use super::types::{NumberType, One};
use crate::value::error::{Step, ValueError, ValueErrorKind};

/// The numbers of one list and of the lists in it; or a single one.
#[derive(Clone, Copy)]
pub(crate) struct Lists<'a> {
    of: NumberType,
    /// `None`: a single number.
    length: Option<usize>,
    /// The lengths of the lists in it.
    within: &'a [usize],
    bytes: &'a [u8],
}

impl<'a> Lists<'a> {
    /// With a shape whose product is the number of the numbers, or without: one list.
    pub(crate) fn new(of: NumberType, shape: Option<&'a [usize]>, bytes: &'a [u8]) -> Self {
        match shape {
            Some(shape) => Self::shaped(of, shape, bytes),
            None => Self {
                of,
                length: Some(bytes.len() / of.width()),
                within: &[],
                bytes,
            },
        }
    }

    fn shaped(of: NumberType, shape: &'a [usize], bytes: &'a [u8]) -> Self {
        let (length, within) = match shape.split_first() {
            Some((length, within)) => (Some(*length), within),
            None => (None, shape),
        };
        Self {
            of,
            length,
            within,
            bytes,
        }
    }

    /// How long the list is; `None`: it is a single number.
    pub(crate) fn length(self) -> Option<usize> {
        self.length
    }

    /// What is in the list: lists, or single numbers.
    ///
    /// # Errors
    ///
    /// The number, where this is a single one.
    pub(crate) fn inner(self) -> Result<impl ExactSizeIterator<Item = Self>, One> {
        let Some(length) = self.length else {
            return Err(self.of.one(self.bytes));
        };
        let each = self.bytes.len().checked_div(length).unwrap_or(0);
        Ok((0..length).map(move |index| {
            Self::shaped(self.of, self.within, &self.bytes[index * each..][..each])
        }))
    }
}

impl Serialize for Lists<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.inner() {
            Ok(inner) => {
                let mut list = serializer.serialize_seq(Some(inner.len()))?;
                for one in inner {
                    list.serialize_element(&one)?;
                }
                list.end()
            }
            Err(One::Unsigned(n)) => serializer.serialize_u64(n),
            Err(One::Signed(n)) => serializer.serialize_i64(n),
            Err(One::Float(value)) => serializer.serialize_f64(value),
        }
    }
}

impl<'de> Deserializer<'de> for Lists<'_> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.inner() {
            Ok(left) => {
                let mut elements = Elements { left, done: 0 };
                let value = visitor.visit_seq(&mut elements)?;
                elements.finish()?;
                Ok(value)
            }
            Err(One::Unsigned(n)) => visitor.visit_u64(n),
            Err(One::Signed(n)) => visitor.visit_i64(n),
            Err(One::Float(value)) => visitor.visit_f64(value),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn is_human_readable(&self) -> bool {
        true
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

struct Elements<I> {
    left: I,
    done: usize,
}

impl<'a, I: Iterator<Item = Lists<'a>>> Elements<I> {
    /// A visitor may stop early, as that of a tuple does; what it left is an error.
    fn finish(&mut self) -> Result<(), ValueError> {
        match self.left.next() {
            None => Ok(()),
            Some(_) => Err(ValueErrorKind::Mismatch {
                expected: format!("at most {} elements", self.done),
                found: "more".to_owned(),
            }
            .into()),
        }
    }
}

impl<'a, 'de, I: ExactSizeIterator<Item = Lists<'a>>> SeqAccess<'de> for Elements<I> {
    type Error = ValueError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ValueError> {
        let Some(one) = self.left.next() else {
            return Ok(None);
        };
        let index = self.done;
        self.done += 1;
        seed.deserialize(one)
            .map(Some)
            .map_err(|error: ValueError| error.inside(Step::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.len())
    }
}
