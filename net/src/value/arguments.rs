//! A call's body: the array of positional arguments and, if there are any, the map of keyword arguments after it.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::cbor::{Item, Reader, Writer};
use super::error::{Step, ValueError, ValueErrorKind};
use super::{decode, ser, tags};

/// The arguments of one call, one slice of CBOR for each parameter, not yet decoded.
///
/// # Examples
///
/// ```
/// use net::value::{Arguments, encode_arguments};
///
/// let mut body = Vec::new();
/// encode_arguments(&(5,), &mut body)?;
/// let arguments = Arguments::parse(&body, &["a", "b"])?;
/// let a: i64 = arguments.required(0)?;
/// let b: i64 = arguments.optional(1, || 10)?;
/// assert_eq!((a, b), (5, 10));
/// # Ok::<(), net::value::ValueError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Arguments<'de, const N: usize> {
    names: &'static [&'static str; N],
    given: [Option<&'de [u8]>; N],
}

impl<'de, const N: usize> Arguments<'de, N> {
    /// Sorts the values of `body` under the parameters `names`: by position, then by keyword. Allocates nothing.
    ///
    /// # Errors
    ///
    /// When the body is not well-formed, has more positional arguments than there are names, a keyword that is none of
    /// them, or one that was already given.
    pub fn parse(body: &'de [u8], names: &'static [&'static str; N]) -> Result<Self, ValueError> {
        let mut reader = Reader::new(body);
        let mut given = [None; N];
        let count = array_head(&mut reader)?;
        for position in 0..count {
            let value = reader
                .skip()
                .map_err(|error| error.inside(Step::Index(position)).inside(Step::Arguments))?;
            if let Some(slot) = given.get_mut(position) {
                *slot = Some(value);
            }
        }
        if count > N {
            return Err(ValueErrorKind::TooManyArguments {
                takes: N,
                given: count,
            }
            .into());
        }
        if !reader.is_empty() {
            keywords(&mut reader, names, &mut given)?;
        }
        reader.finish()?;
        Ok(Self { names, given })
    }

    /// The argument for parameter `index`.
    ///
    /// # Errors
    ///
    /// When it was not given, or is not a `T`; the error names the parameter.
    pub fn required<T: Deserialize<'de>>(&self, index: usize) -> Result<T, ValueError> {
        match self.given[index] {
            Some(bytes) => self.decode(index, bytes),
            None => Err(ValueErrorKind::MissingArgument {
                name: self.names[index].to_owned(),
            }
            .into()),
        }
    }

    /// The argument for parameter `index`, or `default()` when it was not given.
    ///
    /// # Errors
    ///
    /// When it was given and is not a `T`; the error names the parameter.
    pub fn optional<T: Deserialize<'de>>(
        &self,
        index: usize,
        default: impl FnOnce() -> T,
    ) -> Result<T, ValueError> {
        match self.given[index] {
            Some(bytes) => self.decode(index, bytes),
            None => Ok(default()),
        }
    }

    fn decode<T: Deserialize<'de>>(&self, index: usize, bytes: &'de [u8]) -> Result<T, ValueError> {
        decode(bytes)
            .map_err(|error| error.inside(Step::Argument(Cow::Borrowed(self.names[index]))))
    }
}

fn keywords<'de>(
    reader: &mut Reader<'de>,
    names: &[&'static str],
    given: &mut [Option<&'de [u8]>],
) -> Result<(), ValueError> {
    for _ in 0..map_head(reader)? {
        let name = keyword(reader)?;
        let value = reader
            .skip()
            .map_err(|error| error.inside(Step::Argument(Cow::Owned(name.clone().into_owned()))))?;
        let Some(index) = names.iter().position(|known| *known == name) else {
            return Err(ValueErrorKind::UnexpectedKeyword {
                name: name.into_owned(),
            }
            .into());
        };
        if given[index].replace(value).is_some() {
            return Err(ValueErrorKind::MultipleValues {
                name: name.into_owned(),
            }
            .into());
        }
    }
    Ok(())
}

/// A call's body, taken apart at the seam between positional and keyword arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArgumentParts<'de> {
    /// How many positional arguments there are.
    pub count: usize,
    /// The positional arguments, one value after the other, without the array's head.
    pub items: &'de [u8],
    /// The map of keyword arguments, with its head.
    pub keywords: Option<&'de [u8]>,
}

/// Takes a call's body apart, for a function that takes whatever comes.
///
/// # Errors
///
/// When the body is not well-formed, a keyword is not text, or one is there twice.
pub fn split_arguments(body: &[u8]) -> Result<ArgumentParts<'_>, ValueError> {
    let mut reader = Reader::new(body);
    let count = array_head(&mut reader)?;
    let start = reader.position();
    for position in 0..count {
        reader
            .skip()
            .map_err(|error| error.inside(Step::Index(position)).inside(Step::Arguments))?;
    }
    let items = reader.since(start);
    let keywords = match &body[reader.position()..] {
        [] => None,
        keywords => {
            let mut seen = HashSet::new();
            for _ in 0..map_head(&mut reader)? {
                let name = keyword(&mut reader)?;
                reader.skip().map_err(|error| {
                    error.inside(Step::Argument(name.clone().into_owned().into()))
                })?;
                if let Some(name) = seen.replace(name) {
                    return Err(ValueErrorKind::MultipleValues {
                        name: name.into_owned(),
                    }
                    .into());
                }
            }
            reader.finish()?;
            Some(keywords)
        }
    };
    Ok(ArgumentParts {
        count,
        items,
        keywords,
    })
}

/// All arguments of a body as one tuple or list, for who takes none by name.
///
/// # Errors
///
/// When the body is not well-formed, its arguments are others than `T` asks for, or some are passed by name.
pub fn decode_arguments<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, ValueError> {
    /// An empty list, and the nothing that serde takes for `()`.
    const NOTHING: &[u8] = &[0xF6];
    // In one pass where it is as it should be. Where not, the parts tell what is wrong.
    if array_head(&mut Reader::new(body)).is_ok()
        && let Ok(arguments) = super::decode(body)
    {
        return Ok(arguments);
    }
    let parts = split_arguments(body)?;
    let by_name = parts.keywords.unwrap_or_default();
    let (list, by_name) = body.split_at(body.len() - by_name.len());
    if !matches!(by_name, [] | [0xA0]) {
        return Err(ValueError::custom("no arguments are taken by name"));
    }
    match parts.count {
        0 => super::decode(list).or_else(|_| super::decode(NOTHING)),
        _ => super::decode(list),
    }
}

fn array_head(reader: &mut Reader<'_>) -> Result<usize, ValueError> {
    match reader.next()? {
        Item::Array(Some(length)) => Ok(length),
        _ => Err(ValueErrorKind::NotArguments.into()),
    }
}

fn map_head(reader: &mut Reader<'_>) -> Result<usize, ValueError> {
    match reader.next()? {
        Item::Map(Some(length)) => Ok(length),
        _ => Err(ValueError::custom(
            "keyword arguments must be a map of known length",
        )),
    }
}

fn keyword<'de>(reader: &mut Reader<'de>) -> Result<Cow<'de, str>, ValueError> {
    match reader.next()? {
        Item::Text(name) => Ok(name),
        _ => Err(ValueError::custom(
            "the name of a keyword argument must be text",
        )),
    }
}

/// Appends the head of an array of `length` values; the values follow.
pub fn encode_array_head(length: usize, out: &mut Vec<u8>) {
    Writer::new(out).array(length);
}

/// Appends the head of a tuple of `length` values; the values follow.
pub fn encode_tuple_head(length: usize, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out);
    writer.tag(tags::TUPLE);
    writer.array(length);
}

/// Appends the head of a map of `length` pairs; keys and values follow by turns.
pub fn encode_map_head(length: usize, out: &mut Vec<u8>) {
    Writer::new(out).map(length);
}

/// Appends the array of positional arguments to `out`, a `Vec<u8>` or a [`Body`](super::Body): `arguments` is a tuple, a slice or
/// array, or `()` for none.
///
/// # Errors
///
/// When `arguments` is a single value, or one of them cannot be encoded; `out` is then as it was before.
pub fn encode_arguments<'a, A: Serialize + ?Sized>(
    arguments: &A,
    out: impl Into<Writer<'a>>,
) -> Result<(), ValueError> {
    let mut out = out.into();
    let start = out.position();
    let encoded = arguments.serialize(&mut ser::Serializer::for_arguments(out.reborrow()));
    let encoded = encoded.map_err(|error| error.inside(Step::Arguments));
    let written = out.written(start..out.position());
    let encoded = encoded.and_then(|()| match Reader::new(written).next() {
        Ok(Item::Array(_)) => Ok(()),
        _ => Err(ValueErrorKind::NotArguments.into()),
    });
    encoded.inspect_err(|_| out.truncate(start))
}

/// Appends the map of keyword arguments; nothing if there are none.
///
/// # Errors
///
/// When a value cannot be encoded; `out` is then as it was before.
pub fn encode_keywords<'k, V: Serialize + 'k>(
    keywords: impl IntoIterator<Item = (&'k str, &'k V)>,
    out: &mut Vec<u8>,
) -> Result<(), ValueError> {
    let mut map = Keywords::new();
    for (name, value) in keywords {
        map.add(name, value)?;
    }
    map.append_to(out);
    Ok(())
}

/// Keyword arguments, gathered one by one, each of its own type.
///
/// # Examples
///
/// ```
/// let mut keywords = net::value::Keywords::new();
/// keywords.add("b", &10)?.add("unit", "mm")?;
/// let mut body = Vec::new();
/// net::value::encode_arguments(&(5,), &mut body)?;
/// keywords.append_to(&mut body);
/// # Ok::<(), net::value::ValueError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Keywords {
    /// Names and values, one after the other.
    entries: Vec<u8>,
    length: usize,
}

impl Keywords {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one. A name that is added twice is refused by who receives it.
    ///
    /// # Errors
    ///
    /// When the value cannot be encoded; it is then not added.
    pub fn add<T: Serialize + ?Sized>(
        &mut self,
        name: &str,
        value: &T,
    ) -> Result<&mut Self, ValueError> {
        let start = self.entries.len();
        Writer::new(&mut self.entries).text(name);
        if let Err(error) = super::encode(value, &mut self.entries) {
            self.entries.truncate(start);
            return Err(error.inside(Step::Argument(Cow::Owned(name.to_owned()))));
        }
        self.length += 1;
        Ok(self)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends them after the positional arguments in `out`; nothing if there are none.
    pub fn append_to<'a>(&self, out: impl Into<Writer<'a>>) {
        if !self.is_empty() {
            let mut out = out.into();
            out.map(self.length);
            out.encoded(&self.entries);
        }
    }
}
