//! CBOR to serde. What tags mean is decided by the types that ask for them ([`Value`](super::Value)), not here.
//!
//! minicbor-serde cannot serve: to it a tag that the type did not ask for is an error, so no Python tuple would fit a
//! `Vec`; nor do bytes, pieces of text or an integer for a float; and its errors have no path.

mod access;

use std::borrow::Cow;

use serde::de::value::SeqDeserializer;
use serde::de::{self, Deserializer as _, IntoDeserializer, Unexpected, Visitor};

use super::MAX_DEPTH;
use super::array;
use super::cbor::{Item, Reader};
use super::error::{ValueError, ValueErrorKind};
use super::tags;
use access::{Elements, Tagged, Variant};

/// The newtype name by which a type asks to see tags: they then come as an enum's variant, numbered by the tag.
pub(crate) const WITH_TAGS: &str = "$net:value";

/// The newtype name by which [`Undecoded`] asks for bytes.
const UNDECODED: &str = "$net:undecoded";

/// A value as its bytes, which are well-formed: for who reads it without serde. Only from our own deserializer.
pub(crate) struct Undecoded<'de>(pub(crate) &'de [u8]);

impl<'de> de::Deserialize<'de> for Undecoded<'de> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl<'de> Visitor<'de> for Bytes {
            type Value = Undecoded<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a value")
            }

            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Undecoded<'de>, E> {
                Ok(Undecoded(bytes))
            }
        }

        deserializer.deserialize_newtype_struct(UNDECODED, Bytes)
    }
}

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

    /// The next item that is no tag, or the tag of an array of numbers; a bignum's tag is left to the caller as the sign of its
    /// bytes.
    fn item(&mut self) -> Result<(Item<'de>, Option<Sign>), ValueError> {
        let mut sign = None;
        loop {
            match self.reader.next()? {
                Item::Tag(tag) if !array::is_array(tag) => {
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

    /// The array of numbers under `tag` for who asks for something else, as a list of `length` if that is given.
    #[cold]
    fn numbers<V: Visitor<'de>>(
        &mut self,
        tag: u64,
        length: Option<usize>,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        let numbers = array::read_array(tag, self.reader, self.depth + 1)?;
        let lists = numbers.lists(self.depth)?;
        match lists.length() {
            Some(found) if length.is_some_and(|length| length != found) => {
                Err(de::Error::invalid_length(found, &visitor))
            }
            _ => lists.deserialize_any(visitor),
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
            (Item::Tag(tag), _) => self.numbers(tag, None, visitor),
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
            Item::Tag(tag) => self.numbers(tag, None, visitor),
            Item::Break => Err(misplaced_break(self.reader)),
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
            (Item::Tag(tag), _) => self.numbers(tag, Some(length), visitor),
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
            (Item::Tag(tag), _) => self.numbers(tag, Some(length), visitor),
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
        if name == UNDECODED {
            return visitor.visit_borrowed_bytes(self.reader.skip_inside(self.depth)?);
        }
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
        Item::Tag(_) => Unexpected::Other("an array of numbers"),
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
