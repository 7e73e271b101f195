//! serde to CBOR. What tags mean is decided by the types that ask for them, not here.
//!
//! minicbor-serde cannot serve: it writes sequences of unknown length as indefinite ones, tuples like lists, and floats at
//! the width they came in.
//!
//! A type asks for a tag by serializing as a newtype struct named `$net:<number>` (see `tags::marker`).

mod compound;

use serde::Serialize;
use serde::ser;

use super::MAX_DEPTH;
use super::array;
use super::cbor::Writer;
use super::error::{Step, ValueError, ValueErrorKind};
use super::hand_over;
use super::tags;
use compound::{Compound, Inside};

/// The name of the tuple struct of a tag's number and the value under it, for any tag ([`super::Value::Tagged`]).
pub(crate) const TAGGED: &str = "$net:tagged";

const MARKER: &str = "$net:";

pub(crate) struct Serializer<'a> {
    writer: Writer<'a>,
    depth: usize,
    next: Next,
}

/// What is special about the value that comes next.
#[derive(Clone, Copy, PartialEq)]
enum Next {
    Nothing,
    /// It is the list of a call's arguments: a plain array, also for a tuple or `()`.
    Arguments,
    /// It is a tag's number.
    TagNumber,
    /// It is what is under the tag of an array of numbers: bytes, or an array of the dimensions and of such an array.
    Numbers,
}

impl<'a> Serializer<'a> {
    pub(crate) fn new(writer: Writer<'a>) -> Self {
        Self::nested(writer, 0)
    }

    /// For a value inside of others: `depth` levels are open around it.
    pub(crate) fn nested(writer: Writer<'a>, depth: usize) -> Self {
        Self {
            writer,
            depth,
            next: Next::Nothing,
        }
    }

    /// For the arguments of a call: the outermost tuple or `()` becomes a plain array.
    pub(crate) fn for_arguments(writer: Writer<'a>) -> Self {
        Self {
            writer,
            depth: 0,
            next: Next::Arguments,
        }
    }

    fn take_next(&mut self) -> Next {
        std::mem::replace(&mut self.next, Next::Nothing)
    }

    fn enter(&mut self) -> Result<(), ValueError> {
        if self.depth >= MAX_DEPTH {
            return Err(ValueErrorKind::TooDeep { limit: MAX_DEPTH }.into());
        }
        self.depth += 1;
        Ok(())
    }

    fn tagged<T: Serialize + ?Sized>(&mut self, tag: u64, value: &T) -> Result<(), ValueError> {
        self.enter()?;
        self.writer.tag(tag);
        if array::is_array(tag) {
            self.next = Next::Numbers;
        }
        value.serialize(&mut *self)?;
        self.depth -= 1;
        Ok(())
    }

    fn bignum(&mut self, tag: u64, content: u128) -> Result<(), ValueError> {
        self.enter()?;
        self.writer.tag(tag);
        self.writer
            .bytes(without_leading_zeros(&content.to_be_bytes()));
        self.depth -= 1;
        Ok(())
    }

    fn array(&mut self, guessed: Option<usize>) -> Result<Compound<'_, 'a>, ValueError> {
        // The list of arguments is no level: each of them nests as deep as a value may.
        let levels = usize::from(self.take_next() != Next::Arguments);
        if levels > 0 {
            self.enter()?;
        }
        let (start, guessed) = (self.writer.position(), guessed.unwrap_or(0));
        self.writer.array(guessed);
        let mut compound = Compound::new(self, start, guessed);
        compound.levels = levels;
        Ok(compound)
    }

    fn tuple(&mut self, length: usize) -> Result<Compound<'_, 'a>, ValueError> {
        if matches!(self.next, Next::Arguments | Next::Numbers) {
            return self.array(Some(length));
        }
        self.enter()?;
        self.writer.tag(tags::TUPLE);
        let mut compound = self.array(Some(length))?;
        compound.levels += 1;
        Ok(compound)
    }

    fn map(&mut self, guessed: Option<usize>) -> Result<Compound<'_, 'a>, ValueError> {
        self.enter()?;
        let (start, guessed) = (self.writer.position(), guessed.unwrap_or(0));
        self.writer.map(guessed);
        Ok(Compound::new(self, start, guessed))
    }

    /// The head of the one-entry map that an enum's variant with data is.
    fn variant(&mut self, variant: &'static str) -> Result<(), ValueError> {
        self.enter()?;
        self.writer.map(1);
        self.writer.text(variant);
        Ok(())
    }
}

impl<'s, 'a> ser::Serializer for &'s mut Serializer<'a> {
    type Ok = ();
    type Error = ValueError;
    type SerializeSeq = Compound<'s, 'a>;
    type SerializeTuple = Compound<'s, 'a>;
    type SerializeTupleStruct = Compound<'s, 'a>;
    type SerializeTupleVariant = Compound<'s, 'a>;
    type SerializeMap = Compound<'s, 'a>;
    type SerializeStruct = Compound<'s, 'a>;
    type SerializeStructVariant = Compound<'s, 'a>;

    fn serialize_bool(self, value: bool) -> Result<(), ValueError> {
        self.writer.bool(value);
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), ValueError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), ValueError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), ValueError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), ValueError> {
        self.writer.int(value);
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<(), ValueError> {
        if let Ok(value) = u128::try_from(value) {
            return self.serialize_u128(value);
        }
        let below = !value as u128;
        match u64::try_from(below) {
            Ok(below) => {
                self.writer.nint(below);
                Ok(())
            }
            Err(_) => self.bignum(tags::NEGATIVE_BIGNUM, below),
        }
    }

    fn serialize_u8(self, value: u8) -> Result<(), ValueError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), ValueError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), ValueError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), ValueError> {
        if self.take_next() == Next::TagNumber {
            self.writer.tag(value);
        } else {
            self.writer.uint(value);
        }
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<(), ValueError> {
        match u64::try_from(value) {
            Ok(value) => {
                self.writer.uint(value);
                Ok(())
            }
            Err(_) => self.bignum(tags::POSITIVE_BIGNUM, value),
        }
    }

    fn serialize_f32(self, value: f32) -> Result<(), ValueError> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), ValueError> {
        self.writer.float(value);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), ValueError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), ValueError> {
        self.writer.text(value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), ValueError> {
        self.next = Next::Nothing;
        match hand_over::offered(value) {
            Some(shared) => self.writer.shared_bytes(shared),
            None => self.writer.bytes(value),
        }
        Ok(())
    }

    fn serialize_none(self) -> Result<(), ValueError> {
        self.writer.null();
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), ValueError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), ValueError> {
        if self.take_next() == Next::Arguments {
            self.writer.array(0);
        } else {
            self.writer.null();
        }
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), ValueError> {
        self.writer.null();
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), ValueError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), ValueError> {
        match name.strip_prefix(MARKER).map(str::parse) {
            // As `Value::Tuple` comes.
            Some(Ok(tags::TUPLE)) if self.next == Next::Arguments => value.serialize(self),
            Some(Ok(tag)) => self.tagged(tag, value),
            _ => value.serialize(self),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), ValueError> {
        self.variant(variant)?;
        value
            .serialize(&mut *self)
            .map_err(|error| error.inside(Step::Key(variant.to_owned())))?;
        self.depth -= 1;
        Ok(())
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Compound<'s, 'a>, ValueError> {
        self.array(length)
    }

    fn serialize_tuple(self, length: usize) -> Result<Compound<'s, 'a>, ValueError> {
        self.tuple(length)
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Compound<'s, 'a>, ValueError> {
        if name == TAGGED {
            self.enter()?;
            self.next = Next::TagNumber;
            let start = self.writer.position();
            let mut compound = Compound::new(self, start, 2);
            compound.inside = Inside::Tag;
            return Ok(compound);
        }
        self.tuple(length)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Compound<'s, 'a>, ValueError> {
        self.variant(variant)?;
        let mut compound = self.tuple(length)?;
        compound.levels += 1;
        compound.inside = Inside::Variant(variant);
        Ok(compound)
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Compound<'s, 'a>, ValueError> {
        self.map(length)
    }

    fn serialize_struct(
        self,
        _: &'static str,
        length: usize,
    ) -> Result<Compound<'s, 'a>, ValueError> {
        self.map(Some(length))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Compound<'s, 'a>, ValueError> {
        self.variant(variant)?;
        let mut compound = self.map(Some(length))?;
        compound.levels += 1;
        compound.inside = Inside::Variant(variant);
        Ok(compound)
    }

    /// True, because the other end may be another language: it shall see `"127.0.0.1"`, not how Rust stores it. But an array of
    /// numbers is to be written as it lies.
    fn is_human_readable(&self) -> bool {
        self.next != Next::Numbers
    }
}

fn without_leading_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    &bytes[zeros..]
}
