//! What serde's visitors pull at: the elements of an array, the entries of a map, a variant and its data, a tag and what is under it.
//! Which of them a value is, is decided in [`super`].

use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};

use super::{Deserializer, MOST_AHEAD};
use crate::value::error::{Step, ValueError, ValueErrorKind};

/// The elements of an array, or the entries of a map.
pub(super) struct Elements<'a, 'r, 'de> {
    pub(super) de: &'a mut Deserializer<'r, 'de>,
    /// `None`: until a break.
    pub(super) left: Option<usize>,
    pub(super) done: usize,
    /// The bytes of the latest key, for the path of an error.
    pub(super) key: &'de [u8],
}

impl Elements<'_, '_, '_> {
    /// Whether one more is there. After `false` all bytes of the array or map were read.
    fn more(&mut self) -> bool {
        match &mut self.left {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None if self.de.reader.eat_break() => {
                self.left = Some(0);
                false
            }
            None => true,
        }
    }

    /// A visitor may stop early, as that of a tuple does; what it left is an error.
    pub(super) fn finish(&mut self, expected: &'static str) -> Result<(), ValueError> {
        if !self.more() {
            return Ok(());
        }
        let expected = format!("at most {} {expected}", self.done);
        Err(ValueErrorKind::Mismatch {
            expected,
            found: "more".to_owned(),
        }
        .into())
    }

    fn size_ahead(&self) -> Option<usize> {
        self.left.map(|left| left.min(MOST_AHEAD))
    }
}

impl<'de> de::SeqAccess<'de> for Elements<'_, '_, 'de> {
    type Error = ValueError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ValueError> {
        if !self.more() {
            return Ok(None);
        }
        let index = self.done;
        self.done += 1;
        seed.deserialize(&mut *self.de)
            .map(Some)
            .map_err(|error| error.inside(Step::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        self.size_ahead()
    }
}

impl<'de> de::MapAccess<'de> for Elements<'_, '_, 'de> {
    type Error = ValueError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ValueError> {
        if !self.more() {
            return Ok(None);
        }
        self.done += 1;
        let start = self.de.reader.position();
        let key = seed
            .deserialize(&mut *self.de)
            .map_err(|error| error.inside(Step::Member))?;
        self.key = self.de.reader.since(start);
        Ok(Some(key))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, ValueError> {
        seed.deserialize(&mut *self.de)
            .map_err(|error| error.inside(Step::key(self.key)))
    }

    fn size_hint(&self) -> Option<usize> {
        self.size_ahead()
    }
}

/// A variant with data: the one entry of a map.
pub(super) struct Variant<'a, 'r, 'de> {
    pub(super) de: &'a mut Deserializer<'r, 'de>,
    /// The bytes of its name, for the path of an error.
    pub(super) name: &'de [u8],
}

impl<'de> de::EnumAccess<'de> for Variant<'_, '_, 'de> {
    type Error = ValueError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        mut self,
        seed: V,
    ) -> Result<(V::Value, Self), ValueError> {
        let start = self.de.reader.position();
        let variant = seed.deserialize(&mut *self.de)?;
        self.name = self.de.reader.since(start);
        Ok((variant, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, '_, 'de> {
    type Error = ValueError;

    fn unit_variant(self) -> Result<(), ValueError> {
        serde::Deserialize::deserialize(self.de).map_err(|error| inside(error, self.name))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, ValueError> {
        seed.deserialize(self.de)
            .map_err(|error| inside(error, self.name))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        de::Deserializer::deserialize_tuple_struct(self.de, "", length, visitor)
            .map_err(|error| inside(error, self.name))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        de::Deserializer::deserialize_map(self.de, visitor)
            .map_err(|error| inside(error, self.name))
    }
}

/// The error, seen from the enum whose variant's data it is in.
#[cold]
fn inside(error: ValueError, variant: &[u8]) -> ValueError {
    error.inside(Step::key(variant))
}

/// A tagged value, for a type that asked for tags: variant = the tag's number, data = the value under it.
pub(super) struct Tagged<'a, 'r, 'de> {
    pub(super) de: &'a mut Deserializer<'r, 'de>,
    pub(super) tag: u64,
}

impl<'de> de::EnumAccess<'de> for Tagged<'_, '_, 'de> {
    type Error = ValueError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self), ValueError> {
        Ok((
            seed.deserialize(IntoDeserializer::<ValueError>::into_deserializer(self.tag))?,
            self,
        ))
    }
}

impl<'de> de::VariantAccess<'de> for Tagged<'_, '_, 'de> {
    type Error = ValueError;

    fn unit_variant(self) -> Result<(), ValueError> {
        Err(ValueError::custom("a tag without a value"))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, ValueError> {
        seed.deserialize(self.de)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ValueError> {
        de::Deserializer::deserialize_seq(self.de, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        de::Deserializer::deserialize_map(self.de, visitor)
    }
}
