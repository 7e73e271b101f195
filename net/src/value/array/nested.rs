//! Lists in lists as an array with dimensions: each as long as those beside it.

use serde::de::value::{F64Deserializer, I64Deserializer, U64Deserializer};
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, SeqAccess};

use super::{MAX_DIMENSIONS, NdArray, Number};

/// An array while its lists are read.
pub(super) struct Nested<T> {
    /// How long the lists are at each depth; `None` while the first of that depth is read.
    shape: Vec<Option<usize>>,
    elements: Vec<T>,
}

/// What is at one depth: a list, or a number.
pub(super) struct Level<'n, T> {
    nested: &'n mut Nested<T>,
    depth: usize,
}

impl<T: Number> Nested<T> {
    /// The array that `content` reads into its outermost level.
    pub(super) fn read<E: de::Error>(
        content: impl FnOnce(Level<'_, T>) -> Result<(), E>,
    ) -> Result<NdArray<T>, E> {
        let mut nested = Self {
            shape: Vec::new(),
            elements: Vec::new(),
        };
        content(Level {
            nested: &mut nested,
            depth: 0,
        })?;
        let shape = nested.shape.into_iter().map(Option::unwrap_or_default);
        NdArray::new(shape.collect(), nested.elements).map_err(E::custom)
    }
}

impl<T: Number> Level<'_, T> {
    fn number<'de, E: de::Error>(self, number: impl Deserializer<'de, Error = E>) -> Result<(), E> {
        if self.depth != self.nested.shape.len() {
            return Err(uneven());
        }
        self.nested.elements.push(T::deserialize(number)?);
        Ok(())
    }
}

fn uneven<E: de::Error>() -> E {
    E::custom("the lists of an array must be as long, and nest as deep, as those beside them")
}

impl<'de, T: Number> DeserializeSeed<'de> for Level<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Number> de::Visitor<'de> for Level<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} or a list", T::TYPE)
    }

    fn visit_u64<E: de::Error>(self, n: u64) -> Result<(), E> {
        let number: U64Deserializer<E> = n.into_deserializer();
        self.number(number)
    }

    fn visit_i64<E: de::Error>(self, n: i64) -> Result<(), E> {
        let number: I64Deserializer<E> = n.into_deserializer();
        self.number(number)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        let number: F64Deserializer<E> = value.into_deserializer();
        self.number(number)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { nested, depth } = self;
        if depth == nested.shape.len() {
            // Numbers were found at this depth before.
            if !nested.elements.is_empty() || depth == MAX_DIMENSIONS {
                return Err(uneven());
            }
            nested.shape.push(None);
        }
        let mut length = 0;
        loop {
            let inner = Level {
                nested: &mut *nested,
                depth: depth + 1,
            };
            if list.next_element_seed(inner)?.is_none() {
                break;
            }
            length += 1;
        }
        match nested.shape[depth].replace(length) {
            Some(before) if before != length => Err(uneven()),
            _ => Ok(()),
        }
    }
}
