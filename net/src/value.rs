//! Values: what calls carry, as CBOR (RFC 8949), and the one place that knows how a type looks on the wire.
//!
//! Nothing in here knows of peers, links or frames; nothing outside of here knows CBOR.
//!
//! A Rust value goes to bytes and back through serde ([`encode`], [`decode`]) without a tree in between. What serde has
//! no word for (a UUID, a date, a set, a big integer) is a type of this module, written with a tag (see [`tags`]), so
//! that it arrives as what it was in either language. [`Value`] holds whatever comes when the type is not known.
//!
//! | Rust | on the wire | Python |
//! |---|---|---|
//! | integers, `i128` and [`BigInt`] beyond 64 bits | integer, bignum | `int` |
//! | `f32`, `f64` | 64-bit float | `float` |
//! | `String`, `char`, unit variant of an enum | text | `str` |
//! | `Vec`, slice | array | `list` |
//! | tuple, `[T; N]`, tuple struct | array with the tuple's tag | `tuple` |
//! | map, struct | map | `dict` |
//! | enum variant with data | map of one entry: name to data | `dict` |
//! | `()`, `None`, unit struct | null | `None` |
//! | [`Bytes`], `serde_bytes` | byte string (of `bytes::Bytes`: not copied) | `bytes` |
//! | [`Set`], [`FrozenSet`], [`Uuid`], [`DateTime`], [`Decimal`], … | tagged | `set`, `frozenset`, `UUID`, `datetime`, `Decimal`, … |
//! | [`Array`], [`ArrayRef`], [`NdArray`] | typed array | `array.array`, `numpy.ndarray` |
//!
//! When decoding, a tag that the Rust type does not ask for is passed over, so a Python tuple fits a `Vec` and a list
//! fits a Rust tuple. An array fits a list, and a list an array. An integer fits a float; a float never fits an integer.
//!
//! # Examples
//!
//! ```
//! let mut bytes = Vec::new();
//! net::value::encode(&("answer", 42), &mut bytes)?;
//! let (name, number): (String, u8) = net::value::decode(&bytes)?;
//! assert_eq!((name.as_str(), number), ("answer", 42));
//!
//! let untyped: net::value::Value = net::value::decode(&bytes)?;
//! assert_eq!(untyped.to_string(), "('answer', 42)");
//! # Ok::<(), net::value::ValueError>(())
//! ```

pub mod cbor;
pub mod tags;

mod arguments;
mod array;
mod body;
mod check;
mod de;
mod error;
pub(crate) mod hand_over;
mod json;
mod number;
mod ser;
mod time;
mod types;
mod untyped;

pub use arguments::{
    ArgumentParts, Arguments, Keywords, decode_arguments, encode_arguments, encode_array_head,
    encode_keywords, encode_map_head, encode_tuple_head, split_arguments,
};
pub use array::{
    Array, ArrayRef, MAX_DIMENSIONS, NdArray, Number, NumberType, Numbers, is_array, read_array,
};
pub use body::Body;
pub use check::{check, check_sequence};
pub use error::{ForFunction, ValueError, ValueErrorKind};
pub use json::{arguments_to_json, from_json, to_json, to_json_lossy};
pub use number::{BigInt, Decimal};
pub use time::{Date, DateTime, NaiveDateTime, Time, TimeDelta};
pub use types::{ByteString, Bytes, Complex, FrozenSet, Received, Set, Uuid};
pub use untyped::Value;

use error::Step;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How deep values may nest, in both directions; each array, map and meaningful tag is a level.
///
/// Deep enough for any data people write, shallow enough that the recursion of a decoder (ours, a derived one, Python's)
/// stays far from the end of a thread's stack.
pub const MAX_DEPTH: usize = 128;

/// Appends the CBOR of `value` to `out`, a `Vec<u8>` or a [`Body`].
///
/// # Errors
///
/// When the value's own `Serialize` fails or it nests deeper than [`MAX_DEPTH`]; `out` is then as it was before.
pub fn encode<'a, T: Serialize + ?Sized>(
    value: &T,
    out: impl Into<cbor::Writer<'a>>,
) -> Result<(), ValueError> {
    let mut out = out.into();
    let start = out.position();
    value
        .serialize(&mut ser::Serializer::new(out.reborrow()))
        .inspect_err(|_| out.truncate(start))
}

/// Builds a `T` from `bytes`, which must be exactly one CBOR value.
///
/// # Errors
///
/// When the bytes are not well-formed, hold another type than `T` asks for, nest deeper than [`MAX_DEPTH`], or go on
/// after the value. The error's text has the path to the place.
pub fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, ValueError> {
    let mut reader = cbor::Reader::new(bytes);
    let value = T::deserialize(&mut de::Deserializer::new(&mut reader))?;
    reader.finish()?;
    Ok(value)
}

/// Writes `value` inside of others, of which `depth` levels are open: for those who walk a tree of another language.
///
/// # Errors
///
/// As for [`encode`]; what was written of the value then stays.
pub fn encode_inside<T: Serialize + ?Sized>(
    value: &T,
    writer: &mut cbor::Writer<'_>,
    depth: usize,
) -> Result<(), ValueError> {
    value.serialize(&mut ser::Serializer::nested(writer.reborrow(), depth))
}

/// Reads what stands under `tag`, whose number was just read, inside of others, of which `depth` levels are open, the tag
/// itself among them.
///
/// # Errors
///
/// As for [`decode`], and when the content is not what the tag asks for.
pub fn decode_tagged(
    tag: u64,
    reader: &mut cbor::Reader<'_>,
    depth: usize,
) -> Result<Value, ValueError> {
    if is_array(tag) {
        return Ok(read_array(tag, reader, depth)?.into_owned().into());
    }
    let content = Value::deserialize(&mut de::Deserializer::inside(reader, depth))?;
    Value::from_tag(tag, content)
}

/// Appends the CBOR of what a function gave; an error's path begins with `result`.
pub(crate) fn encode_result<T: Serialize + ?Sized>(
    result: &T,
    out: &mut Body,
) -> Result<(), ValueError> {
    encode(result, out).map_err(|error| error.inside(Step::Result))
}

/// Builds what a call gave; an error's path begins with `result`.
pub(crate) fn decode_result<T: DeserializeOwned>(bytes: &bytes::Bytes) -> Result<T, ValueError> {
    hand_over::keep(bytes, || decode(bytes)).map_err(|error| error.inside(Step::Result))
}
