//! Numbers of one type as they lie on the wire: the one place that reads them from bytes and writes them.
//!
//! Kept as bytes in little endian, which is what is written, so that who knows their type only when they come loses nothing, and
//! most machines copy no more than once.

use std::borrow::Cow;
use std::fmt;

use serde::ser::{Serialize, SerializeTuple, Serializer};

use super::lists::Lists;
use super::types::{Number, NumberType, One};
use crate::value::MAX_DEPTH;
use crate::value::cbor::{Item, Reader};
use crate::value::error::{ValueError, ValueErrorKind};
use crate::value::tags::{self, marker};

/// Most dimensions of an array: as many as numpy and `memoryview` have.
pub const MAX_DIMENSIONS: usize = 64;

/// Numbers of one type, whichever it is: in one row, or with any number of dimensions.
///
/// Equal are those of the same type, shape and bytes: a NaN equals itself here, and zero is not minus zero.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Numbers<B = Vec<u8>> {
    of: NumberType,
    shape: Option<Vec<usize>>,
    bytes: B,
}

impl<B: AsRef<[u8]>> Numbers<B> {
    /// The numbers that `bytes` are, in little endian: in one row without a `shape`, else row by row, the last dimension the
    /// fastest.
    ///
    /// # Errors
    ///
    /// When the bytes are no whole number of numbers, or the shape has other than as many, or too many dimensions.
    pub fn new(of: NumberType, shape: Option<Vec<usize>>, bytes: B) -> Result<Self, ValueError> {
        let (length, width) = (bytes.as_ref().len(), of.width());
        if length % width != 0 {
            return Err(ValueError::custom(format_args!(
                "an array of {of} must be a multiple of {width} bytes, not {length}"
            )));
        }
        if let Some(shape) = &shape {
            check_shape(shape, length / width)?;
        }
        Ok(Self { of, shape, bytes })
    }

    /// Their type.
    pub fn of(&self) -> NumberType {
        self.of
    }

    /// The dimensions, where it was sent with such.
    pub fn shape(&self) -> Option<&[usize]> {
        self.shape.as_deref()
    }

    /// Them all, in little endian.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.as_bytes().len() / self.of.width()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// Each, row by row.
    pub(crate) fn each(&self) -> impl Iterator<Item = One> {
        let each = self.as_bytes().chunks_exact(self.of.width());
        each.map(|bytes| self.of.one(bytes))
    }

    /// As numbers of `T`, if that is their type.
    pub fn to_vec<T: Number>(&self) -> Option<Vec<T>> {
        (T::TYPE == self.of).then(|| T::from_bytes(self.as_bytes()))
    }

    /// Them all in one list, whatever their shape.
    pub(super) fn row(&self) -> Lists<'_> {
        Lists::new(self.of, None, self.as_bytes())
    }

    /// The dimensions alone.
    pub(super) fn into_shape(self) -> Option<Vec<usize>> {
        self.shape
    }

    /// Them in lists: one list without a shape, lists in lists with one, `depth` levels being open around them.
    ///
    /// # Errors
    ///
    /// When they are nested too deep, or their shape makes more lists of them than they have bytes: a few bytes may claim any
    /// number of lists without elements.
    pub(crate) fn lists(&self, depth: usize) -> Result<Lists<'_>, ValueError> {
        /// Lists that any shape may have.
        const FREE: usize = 1024;
        let shape = self.shape();
        if depth + shape.map_or(1, <[_]>::len) > MAX_DEPTH {
            return Err(ValueErrorKind::TooDeep { limit: MAX_DEPTH }.into());
        }
        if let Some([outer @ .., _]) = shape {
            let mut lists = 1_usize;
            let mut within = 1_usize;
            for dimension in outer {
                within = within.saturating_mul(*dimension);
                lists = lists.saturating_add(within);
            }
            if lists > self.as_bytes().len().saturating_add(FREE) {
                return Err(ValueError::custom(format_args!(
                    "an array of shape {} makes too many lists; ask for an array",
                    Shape(self.shape().unwrap_or_default())
                )));
            }
        }
        Ok(Lists::new(self.of, self.shape(), self.as_bytes()))
    }
}

impl<'a> Numbers<Cow<'a, [u8]>> {
    /// Numbers of which is known that they fit the shape.
    pub(crate) fn of_type<T: Number>(shape: Option<Vec<usize>>, elements: &'a [T]) -> Self {
        let bytes = T::to_bytes(elements);
        Self {
            of: T::TYPE,
            shape,
            bytes,
        }
    }

    /// Those of bytes in big endian, as [`Numbers::new`] has those in little.
    ///
    /// # Errors
    ///
    /// As for [`Numbers::new`].
    pub fn from_big_endian(
        of: NumberType,
        shape: Option<Vec<usize>>,
        bytes: Cow<'a, [u8]>,
    ) -> Result<Self, ValueError> {
        let mut numbers = Self::new(of, shape, bytes)?;
        match of.width() {
            1 => {}
            2 => turn::<2>(numbers.bytes.to_mut()),
            4 => turn::<4>(numbers.bytes.to_mut()),
            _ => turn::<8>(numbers.bytes.to_mut()),
        }
        Ok(numbers)
    }

    /// With bytes of their own.
    pub(crate) fn into_owned(self) -> Numbers {
        Numbers {
            of: self.of,
            shape: self.shape,
            bytes: self.bytes.into_owned(),
        }
    }
}

/// As `array(f64, [1.0, 2.0])`, and with a shape `array(f64, (1, 2), [1.0, 2.0])`.
impl<B: AsRef<[u8]>> fmt::Display for Numbers<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "array({}, ", self.of)?;
        if let Some(shape) = &self.shape {
            write!(f, "{}, ", Shape(shape))?;
        }
        f.write_str("[")?;
        for (index, one) in self.each().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{one}")?;
        }
        f.write_str("])")
    }
}

/// As Python writes a tuple.
pub(super) struct Shape<'a>(pub(super) &'a [usize]);

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (index, dimension) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{dimension}")?;
        }
        f.write_str(if self.0.len() == 1 { ",)" } else { ")" })
    }
}

/// Says that so many elements have that shape.
pub(super) fn check_shape(shape: &[usize], elements: usize) -> Result<(), ValueError> {
    if shape.len() > MAX_DIMENSIONS {
        return Err(too_many_dimensions(shape.len()));
    }
    let product = shape.iter().try_fold(1_usize, |product, dimension| {
        product.checked_mul(*dimension)
    });
    if product != Some(elements) {
        return Err(ValueError::custom(format_args!(
            "an array of shape {} cannot have {elements} elements",
            Shape(shape)
        )));
    }
    Ok(())
}

fn too_many_dimensions(dimensions: usize) -> ValueError {
    ValueError::custom(format_args!(
        "an array has {MAX_DIMENSIONS} dimensions at most, not {dimensions}"
    ))
}

// --- reading ------------------------------------------------------------------------------------------

/// Whether what stands under the tag is [`read`] here.
pub fn is_array(tag: u64) -> bool {
    matches!(tag, tags::SHAPED_ARRAY | tags::U8_ARRAY..=tags::F128_ARRAY)
}

/// Reads the numbers under `tag`, whose number was just read, of which [`is_array`] holds; `depth` levels are open, the tag itself
/// among them. Copies nothing that lies in one piece and in little endian.
///
/// # Errors
///
/// When the content is not what the tag asks for, is of numbers that neither language has, or nests deeper than [`MAX_DEPTH`].
pub fn read<'de>(
    tag: u64,
    reader: &mut Reader<'de>,
    depth: usize,
) -> Result<Numbers<Cow<'de, [u8]>>, ValueError> {
    if tag != tags::SHAPED_ARRAY {
        return typed(tag, None, reader);
    }
    // An array, and the tag of the numbers in it.
    if depth + 2 > MAX_DEPTH {
        return Err(ValueErrorKind::TooDeep { limit: MAX_DEPTH }.into());
    }
    let wrong = || {
        ValueError::custom("tag 40 must be on an array of two: the dimensions, and a typed array")
    };
    let ends = match reader.next()? {
        Item::Array(Some(2)) => false,
        Item::Array(None) => true,
        _ => return Err(wrong()),
    };
    let shape = dimensions(reader)?.ok_or_else(wrong)?;
    let Item::Tag(tag) = reader.next()? else {
        return Err(wrong());
    };
    if tag == tags::SHAPED_ARRAY || !is_array(tag) {
        return Err(wrong());
    }
    let numbers = typed(tag, Some(shape), reader)?;
    if ends && !reader.eat_break() {
        return Err(wrong());
    }
    Ok(numbers)
}

fn typed<'de>(
    tag: u64,
    shape: Option<Vec<usize>>,
    reader: &mut Reader<'de>,
) -> Result<Numbers<Cow<'de, [u8]>>, ValueError> {
    let Some((of, is_big_endian)) = NumberType::of_tag(tag) else {
        return Err(ValueError::custom(format_args!(
            "an array under tag {tag} is of numbers that have no type here"
        )));
    };
    let Item::Bytes(bytes) = reader.next()? else {
        return Err(ValueError::custom(format_args!(
            "tag {tag} must be on a byte string"
        )));
    };
    if is_big_endian {
        Numbers::from_big_endian(of, shape, bytes)
    } else {
        Numbers::new(of, shape, bytes)
    }
}

/// Turns each `N` bytes round.
fn turn<const N: usize>(bytes: &mut [u8]) {
    bytes.chunks_exact_mut(N).for_each(<[u8]>::reverse);
}

/// The array of dimensions that comes next, `None` if it is something else.
fn dimensions(reader: &mut Reader<'_>) -> Result<Option<Vec<usize>>, ValueError> {
    let length = match reader.next()? {
        Item::Array(Some(length)) if length > MAX_DIMENSIONS => {
            return Err(too_many_dimensions(length));
        }
        Item::Array(length) => length,
        _ => return Ok(None),
    };
    let mut shape = Vec::with_capacity(length.unwrap_or(0));
    loop {
        if length == Some(shape.len()) {
            return Ok(Some(shape));
        }
        match reader.next()? {
            Item::Break if length.is_none() => return Ok(Some(shape)),
            Item::Uint(dimension) => match usize::try_from(dimension) {
                Ok(dimension) if shape.len() < MAX_DIMENSIONS => shape.push(dimension),
                Ok(_) => return Err(too_many_dimensions(shape.len() + 1)),
                Err(_) => return Ok(None),
            },
            _ => return Ok(None),
        }
    }
}

// --- writing ------------------------------------------------------------------------------------------

impl<B: AsRef<[u8]>> Serialize for Numbers<B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.shape() {
            None => serializer.serialize_newtype_struct(self.of.marker(), &Row(self)),
            Some(_) => serializer.serialize_newtype_struct(marker::SHAPED_ARRAY, &Rows(self)),
        }
    }
}

/// What is under the tag of a typed array: bytes, and a list where the numbers are for people (JSON). Our serializer, which says that
/// all is for people since the other end may be another language, says otherwise under these tags.
struct Row<'a, B>(&'a Numbers<B>);

impl<B: AsRef<[u8]>> Serialize for Row<'_, B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            self.0.row().serialize(serializer)
        } else {
            serializer.serialize_bytes(self.0.as_bytes())
        }
    }
}

/// What is under tag 40: dimensions and row, or lists in lists.
struct Rows<'a, B>(&'a Numbers<B>);

impl<B: AsRef<[u8]>> Serialize for Rows<'_, B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Numbers { of, shape, bytes } = self.0;
        let shape = shape.as_deref().unwrap_or_default();
        if serializer.is_human_readable() {
            return Lists::new(*of, Some(shape), bytes.as_ref()).serialize(serializer);
        }
        let row = Numbers {
            of: *of,
            shape: None,
            bytes: bytes.as_ref(),
        };
        let mut both = serializer.serialize_tuple(2)?;
        both.serialize_element(shape)?;
        both.serialize_element(&row)?;
        both.end()
    }
}
