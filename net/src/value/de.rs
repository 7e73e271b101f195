//! CBOR to serde. What tags mean is decided by the types that ask for them ([`Value`](super::Value)), not here.
//!
//! minicbor-serde cannot serve: to it a tag that the type did not ask for is an error, so no Python tuple would fit a
//! `Vec`; nor do bytes, pieces of text or an integer for a float; and its errors have no path.

use std::borrow::Cow;

use serde::de::value::SeqDeserializer;
use serde::de::{self, DeserializeSeed, IntoDeserializer, Unexpected, Visitor};

use super::MAX_DEPTH;
use super::cbor::{Item, Reader};
use super::error::{Step, ValueError, ValueErrorKind};
use super::tags;

/// The newtype name by which a type asks to see tags: they then come as an enum's variant, numbered by the tag.
pub(crate) const WITH_TAGS: &str = "$net:value";

/// Elements that room is made for ahead, whatever a head claims: nested claims multiply, so each must be small.
const MOST_AHEAD: usize = 1024;

pub(crate) struct Deserializer<'r, 'de> {
    reader: &'r mut Reader<'de>,
    depth: usize,
}

impl<'r, 'de> Deserializer<'r, 'de> {
    pub(crate) fn new(reader: &'r mut Reader<'de>) -> Self {
        Self { reader, depth: 0 }
    }

    /// For a value inside of others: `depth` levels are open around it.
    pub(crate) fn inside(reader: &'r mut Reader<'de>, depth: usize) -> Self {
        Self { reader, depth }
    }

    fn nested<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, ValueError>,
    ) -> Result<T, ValueError> {
        if self.depth >= MAX_DEPTH {
            return Err(ValueErrorKind::TooDeep { limit: MAX_DEPTH }.into());
        }
        self.depth += 1;
        let value = inner(self)?;
        self.depth -= 1;
        Ok(value)
    }

    /// The next item that is no tag; a bignum's tag is left to the caller as the sign of its bytes.
    fn item(&mut self) -> Result<(Item<'de>, Option<Sign>), ValueError> {
        let mut sign = None;
        loop {
            match self.reader.next()? {
                Item::Tag(tag) => {
                    sign = match tag {
                        tags::POSITIVE_BIGNUM => Some(Sign::Positive),
                        tags::NEGATIVE_BIGNUM => Some(Sign::Negative),
                        _ => None,
                    }
                }
                item => return Ok((item, sign)),
            }
        }
    }

    fn seq<V: Visitor<'de>>(
        &mut self,
        length: Option<usize>,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.nested(|de| {
            let mut elements = Elements {
                de,
                left: length,
                done: 0,
                key: &[],
            };
            let value = visitor.visit_seq(&mut elements)?;
            elements.finish("elements")?;
            Ok(value)
        })
    }

    fn elements<V: Visitor<'de>>(
        &mut self,
        item: Item<'de>,
        sign: Option<Sign>,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match (item, sign) {
            (Item::Array(length), _) => self.seq(length, visitor),
            // A byte string for a list of numbers: `Vec<u8>` is the usual one.
            (Item::Bytes(bytes), None) => {
                let bytes = bytes.iter().copied();
                let mut bytes = SeqDeserializer::<_, ValueError>::new(bytes);
                let value = visitor.visit_seq(&mut bytes)?;
                bytes.end()?;
                Ok(value)
            }
            (item, _) => Err(de::Error::invalid_type(unexpected(&item), &visitor)),
        }
    }

    fn map<V: Visitor<'de>>(
        &mut self,
        length: Option<usize>,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.nested(|de| {
            let mut entries = Elements {
                de,
                left: length,
                done: 0,
                key: &[],
            };
            let value = visitor.visit_map(&mut entries)?;
            entries.finish("entries")?;
            Ok(value)
        })
    }
}

#[derive(Clone, Copy)]
enum Sign {
    Positive,
    Negative,
}

impl<'de> de::Deserializer<'de> for &mut Deserializer<'_, 'de> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let (item, sign) = self.item()?;
        match item {
            Item::Uint(n) => visitor.visit_u64(n),
            Item::Nint(n) => match i64::try_from(n) {
                Ok(n) => visitor.visit_i64(!n),
                Err(_) => visitor.visit_i128(!i128::from(n)),
            },
            Item::Bytes(bytes) => match (sign, bytes) {
                (Some(sign), bytes) => bignum(sign, &bytes, visitor),
                (None, Cow::Borrowed(bytes)) => visitor.visit_borrowed_bytes(bytes),
                (None, Cow::Owned(bytes)) => visitor.visit_byte_buf(bytes),
            },
            Item::Text(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
            Item::Text(Cow::Owned(text)) => visitor.visit_string(text),
            Item::Array(length) => self.seq(length, visitor),
            Item::Map(length) => self.map(length, visitor),
            Item::Bool(value) => visitor.visit_bool(value),
            Item::Null => visitor.visit_unit(),
            Item::Float(value) => visitor.visit_f64(value),
            Item::Tag(_) | Item::Break => Err(misplaced_break(self.reader)),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.reader.eat_float() {
            Some(value) => visitor.visit_f64(value),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        if self.reader.at_null() {
            self.reader.next()?;
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let (item, sign) = self.item()?;
        self.elements(item, sign, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match self.item()? {
            // Here and not at the end, so that the error can say what the type asks for.
            (Item::Array(Some(found)), _) if found != length => {
                Err(de::Error::invalid_length(found, &visitor))
            }
            (item, sign) => self.elements(item, sign, visitor),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match self.item()? {
            (Item::Array(Some(found)), _) if found != length => {
                let expected = OfLength(&visitor, length);
                Err(de::Error::invalid_length(found, &expected))
            }
            (item, sign) => self.elements(item, sign, visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.item()? {
            (Item::Map(length), _) => self.map(length, visitor),
            (item, _) => Err(de::Error::invalid_type(unexpected(&item), &visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        // Not `deserialize_any`: serde's String would take a byte string too, and Python's str is not bytes.
        match self.item()? {
            (Item::Text(Cow::Borrowed(text)), _) => visitor.visit_borrowed_str(text),
            (Item::Text(Cow::Owned(text)), _) => visitor.visit_string(text),
            (item, _) => Err(de::Error::invalid_type(unexpected(&item), &visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        if name != WITH_TAGS {
            return visitor.visit_newtype_struct(self);
        }
        if !self.reader.at_tag() {
            return self.deserialize_any(visitor);
        }
        match self.reader.next()? {
            Item::Tag(tag) => self.nested(|de| visitor.visit_enum(Tagged { de, tag })),
            _ => Err(misplaced_break(self.reader)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match self.item()? {
            (Item::Text(name), _) => visitor.visit_enum(name.into_deserializer()),
            (Item::Map(length @ (None | Some(1))), _) => self.nested(|de| {
                let value = visitor.visit_enum(Variant {
                    de: &mut *de,
                    name: &[],
                })?;
                match length {
                    None if !de.reader.eat_break() => {
                        Err(ValueError::custom("a variant must be a map of one entry"))
                    }
                    _ => Ok(value),
                }
            }),
            (Item::Map(_), _) => Err(ValueError::custom("a variant must be a map of one entry")),
            (item, _) => Err(de::Error::invalid_type(unexpected(&item), &visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.reader.skip()?;
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        true
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 char bytes byte_buf unit unit_struct
    }
}

fn bignum<'de, V: Visitor<'de>>(
    sign: Sign,
    magnitude: &[u8],
    visitor: V,
) -> Result<V::Value, ValueError> {
    let zeros = magnitude.iter().take_while(|&&byte| byte == 0).count();
    let digits = &magnitude[zeros..];
    let mut wide = [0; 16];
    let Some(low) = wide
        .len()
        .checked_sub(digits.len())
        .map(|start| &mut wide[start..])
    else {
        let found = Unexpected::Other("an integer of more than 128 bits");
        return Err(de::Error::invalid_type(found, &visitor));
    };
    low.copy_from_slice(digits);
    let wide = u128::from_be_bytes(wide);
    match sign {
        Sign::Positive => match u64::try_from(wide) {
            Ok(narrow) => visitor.visit_u64(narrow),
            Err(_) => visitor.visit_u128(wide),
        },
        Sign::Negative => match i128::try_from(wide) {
            Ok(wide) => visitor.visit_i128(!wide),
            Err(_) => Err(de::Error::invalid_type(
                Unexpected::Other("an integer of more than 128 bits"),
                &visitor,
            )),
        },
    }
}

fn unexpected<'a>(item: &'a Item<'_>) -> Unexpected<'a> {
    match item {
        Item::Uint(n) => Unexpected::Unsigned(*n),
        Item::Nint(n) => i64::try_from(*n)
            .map_or(Unexpected::Other("an integer below -2^63"), |n| {
                Unexpected::Signed(!n)
            }),
        Item::Bytes(bytes) => Unexpected::Bytes(bytes),
        Item::Text(text) => Unexpected::Str(text),
        Item::Array(_) => Unexpected::Seq,
        Item::Map(_) => Unexpected::Map,
        Item::Bool(value) => Unexpected::Bool(*value),
        Item::Null => Unexpected::Unit,
        Item::Float(value) => Unexpected::Float(*value),
        Item::Tag(_) => Unexpected::Other("a tag"),
        Item::Break => Unexpected::Other("the end of an array"),
    }
}

fn misplaced_break(reader: &Reader<'_>) -> ValueError {
    ValueErrorKind::Malformed {
        offset: reader.position() - 1,
        what: "a break outside of an array or map",
    }
    .into()
}

/// What a type of serde's derive asks for, which says only of a plain tuple how long it is.
struct OfLength<'a>(&'a dyn de::Expected, usize);

impl de::Expected for OfLength<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} with {} elements", self.0, self.1)
    }
}

/// The elements of an array, or the entries of a map.
struct Elements<'a, 'r, 'de> {
    de: &'a mut Deserializer<'r, 'de>,
    /// `None`: until a break.
    left: Option<usize>,
    done: usize,
    /// The bytes of the latest key, for the path of an error.
    key: &'de [u8],
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
    fn finish(&mut self, expected: &'static str) -> Result<(), ValueError> {
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
struct Variant<'a, 'r, 'de> {
    de: &'a mut Deserializer<'r, 'de>,
    /// The bytes of its name, for the path of an error.
    name: &'de [u8],
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
struct Tagged<'a, 'r, 'de> {
    de: &'a mut Deserializer<'r, 'de>,
    tag: u64,
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
