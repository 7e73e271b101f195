//! CBOR items to and from bytes: the head of an item, strings, skipping. No meaning of tags, no serde.
//!
//! Our own and not minicbor's because every value on the hot path passes here: one look at an item says its type and
//! its argument ([`Reader::next`]) where minicbor needs two, failures are our [`ValueError`] with the byte's offset,
//! half floats need no further crate, and skipping has a depth limit.

use std::borrow::Cow;

use bytes::Bytes;

use super::MAX_DEPTH;
use super::body::{Body, SHARED, Shared};
use super::error::{ValueError, ValueErrorKind};

/// One item: a whole scalar, or the start of something that goes on in the items after it.
#[derive(Debug, Clone, PartialEq)]
pub enum Item<'de> {
    /// A non-negative integer.
    Uint(u64),
    /// The negative integer -1-n.
    Nint(u64),
    /// A byte string; owned only if it came in pieces.
    Bytes(Cow<'de, [u8]>),
    /// A text; owned only if it came in pieces.
    Text(Cow<'de, str>),
    /// An array: so many values follow, or `None`: values follow until [`Item::Break`].
    Array(Option<usize>),
    /// A map: so many pairs of values follow, or `None`: pairs follow until [`Item::Break`].
    Map(Option<usize>),
    /// A tag; the value it is on follows.
    Tag(u64),
    /// True or false.
    Bool(bool),
    /// Null, or CBOR's "undefined".
    Null,
    /// A float of any width.
    Float(f64),
    /// The end of an array or map of unknown length.
    Break,
}

/// Reads items from the front of a byte slice. Allocates nothing, save for strings that came in pieces.
#[derive(Debug, Clone)]
pub struct Reader<'de> {
    input: &'de [u8],
    at: usize,
}

mod major {
    pub(super) const UINT: u8 = 0;
    pub(super) const NINT: u8 = 1;
    pub(super) const BYTES: u8 = 2;
    pub(super) const TEXT: u8 = 3;
    pub(super) const ARRAY: u8 = 4;
    pub(super) const MAP: u8 = 5;
    pub(super) const TAG: u8 = 6;
    pub(super) const SIMPLE: u8 = 7;
}

/// By initial byte, how many bytes a value takes that is an integer, a float, a boolean or null; 0 for the rest.
const SCALAR_WIDTH: [u8; 256] = {
    let mut widths = [0; 256];
    let mut info = 0;
    while info < 28 {
        let width = if info < 24 { 1 } else { 1 + (1 << (info - 24)) };
        widths[(major::UINT << 5) as usize | info] = width;
        widths[(major::NINT << 5) as usize | info] = width;
        if (info >= 20 && info < 24) || info > 24 {
            widths[(major::SIMPLE << 5) as usize | info] = width;
        }
        info += 1;
    }
    widths
};

/// An initial byte and its argument; `None`: indefinite length (31).
struct Head {
    major: u8,
    info: u8,
    argument: Option<u64>,
}

impl<'de> Reader<'de> {
    /// A reader at the start of `input`.
    pub fn new(input: &'de [u8]) -> Self {
        Self { input, at: 0 }
    }

    /// How many bytes were read.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The bytes that were read since `position`.
    pub(crate) fn since(&self, position: usize) -> &'de [u8] {
        &self.input[position..self.at]
    }

    /// Whether all bytes were read.
    pub fn is_empty(&self) -> bool {
        self.at == self.input.len()
    }

    /// The next item.
    ///
    /// # Errors
    ///
    /// When the bytes end or are not well-formed. A length that the input cannot hold is refused here, before anyone
    /// makes room for it.
    #[inline]
    #[expect(
        clippy::should_implement_trait,
        reason = "fallible, and its end is an error: not an iterator"
    )]
    pub fn next(&mut self) -> Result<Item<'de>, ValueError> {
        let start = self.at;
        let head = self.head()?;
        Ok(match (head.major, head.argument) {
            (major::UINT, Some(n)) => Item::Uint(n),
            (major::NINT, Some(n)) => Item::Nint(n),
            (major::BYTES, Some(n)) => Item::Bytes(Cow::Borrowed(self.take(n)?)),
            (major::BYTES, None) => Item::Bytes(Cow::Owned(self.pieces(major::BYTES)?)),
            (major::TEXT, Some(n)) => Item::Text(Cow::Borrowed(self.text(n)?)),
            (major::TEXT, None) => {
                let bytes = self.pieces(major::TEXT)?;
                let text =
                    String::from_utf8(bytes).map_err(|_| malformed(start, "text is not UTF-8"))?;
                Item::Text(Cow::Owned(text))
            }
            (major::ARRAY, argument) => Item::Array(self.length(argument, 1)?),
            (major::MAP, argument) => Item::Map(self.length(argument, 2)?),
            (major::TAG, Some(n)) => Item::Tag(n),
            (major::SIMPLE, argument) => simple(head.info, argument)
                .ok_or_else(|| malformed(start, "unknown simple value"))?,
            _ => return Err(malformed(start, "a length is missing")),
        })
    }

    /// The next item, without reading on.
    ///
    /// # Errors
    ///
    /// As for [`Reader::next`].
    pub fn peek(&self) -> Result<Item<'de>, ValueError> {
        self.clone().next()
    }

    /// Whether null (or undefined) is next.
    pub(crate) fn at_null(&self) -> bool {
        matches!(self.input.get(self.at), Some(0xf6 | 0xf7))
    }

    /// Whether a tag is next.
    pub(crate) fn at_tag(&self) -> bool {
        self.major() == Some(major::TAG)
    }

    /// Reads a break if it is next.
    pub(crate) fn eat_break(&mut self) -> bool {
        let is_break = self.input.get(self.at) == Some(&0xff);
        self.at += usize::from(is_break);
        is_break
    }

    /// A 64-bit float, if that is next: what a list of numbers is made of.
    #[inline]
    pub(crate) fn eat_float(&mut self) -> Option<f64> {
        let bytes: &[u8; 9] = self.input[self.at..].first_chunk()?;
        let [0xfb, bits @ ..] = *bytes else {
            return None;
        };
        self.at += bytes.len();
        Some(f64::from_be_bytes(bits))
    }

    /// Passes over one whole value and returns its bytes.
    ///
    /// # Errors
    ///
    /// When it is not well-formed or nests deeper than [`MAX_DEPTH`].
    pub fn skip(&mut self) -> Result<&'de [u8], ValueError> {
        self.skip_inside(0)
    }

    /// The same inside of others, of which `depth` levels are open.
    pub(crate) fn skip_inside(&mut self, depth: usize) -> Result<&'de [u8], ValueError> {
        let start = self.at;
        self.skip_nested(depth)?;
        Ok(&self.input[start..self.at])
    }

    /// Says that nothing may follow.
    ///
    /// # Errors
    ///
    /// When bytes are left.
    pub fn finish(&self) -> Result<(), ValueError> {
        match self.input.len() - self.at {
            0 => Ok(()),
            extra => Err(ValueErrorKind::TrailingBytes { extra }.into()),
        }
    }

    fn skip_nested(&mut self, depth: usize) -> Result<(), ValueError> {
        let start = self.at;
        if let Some(&initial) = self.input.get(start) {
            let width = usize::from(SCALAR_WIDTH[usize::from(initial)]);
            if width > 0 && width <= self.input.len() - start {
                self.at += width;
                return Ok(());
            }
        }
        let head = self.head()?;
        if matches!(head.major, major::ARRAY | major::MAP | major::TAG) && depth >= MAX_DEPTH {
            return Err(ValueErrorKind::TooDeep { limit: MAX_DEPTH }.into());
        }
        match (head.major, head.argument) {
            (major::UINT | major::NINT, Some(_)) => {}
            (major::BYTES | major::TEXT, Some(n)) => {
                self.take(n)?;
            }
            (major::BYTES | major::TEXT, None) => while self.piece(head.major)?.is_some() {},
            (major::ARRAY, Some(_)) => {
                for _ in 0..self.length(head.argument, 1)?.unwrap_or(0) {
                    self.skip_nested(depth + 1)?;
                }
            }
            (major::ARRAY, None) => {
                while !self.eat_break() {
                    self.skip_nested(depth + 1)?;
                }
            }
            (major::MAP, Some(_)) => {
                for _ in 0..self.length(head.argument, 2)?.unwrap_or(0) {
                    self.skip_nested(depth + 1)?;
                    self.skip_nested(depth + 1)?;
                }
            }
            (major::MAP, None) => {
                while !self.eat_break() {
                    self.skip_nested(depth + 1)?;
                    self.skip_nested(depth + 1)?;
                }
            }
            (major::TAG, Some(_)) => self.skip_nested(depth + 1)?,
            (major::SIMPLE, argument) => match simple(head.info, argument) {
                Some(Item::Break) => {
                    return Err(malformed(start, "a break outside of an array or map"));
                }
                Some(_) => {}
                None => return Err(malformed(start, "unknown simple value")),
            },
            _ => return Err(malformed(start, "a length is missing")),
        }
        Ok(())
    }

    fn major(&self) -> Option<u8> {
        self.input.get(self.at).map(|initial| initial >> 5)
    }

    #[inline]
    fn head(&mut self) -> Result<Head, ValueError> {
        let start = self.at;
        let Some(&initial) = self.input.get(start) else {
            return Err(self.truncated());
        };
        self.at += 1;
        let info = initial & 0x1f;
        let argument = match info {
            0..=23 => Some(u64::from(info)),
            24 => Some(u64::from(self.array::<1>()?[0])),
            25 => Some(u64::from(u16::from_be_bytes(self.array()?))),
            26 => Some(u64::from(u32::from_be_bytes(self.array()?))),
            27 => Some(u64::from_be_bytes(self.array()?)),
            31 => None,
            _ => return Err(malformed(start, "a reserved length")),
        };
        Ok(Head {
            major: initial >> 5,
            info,
            argument,
        })
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], ValueError> {
        let Some(&bytes) = self.input[self.at..].first_chunk() else {
            return Err(self.truncated());
        };
        self.at += N;
        Ok(bytes)
    }

    #[inline]
    fn take(&mut self, length: u64) -> Result<&'de [u8], ValueError> {
        let rest = &self.input[self.at..];
        let length = usize::try_from(length)
            .ok()
            .filter(|&length| length <= rest.len());
        let Some(length) = length else {
            return Err(self.truncated());
        };
        self.at += length;
        Ok(&rest[..length])
    }

    fn text(&mut self, length: u64) -> Result<&'de str, ValueError> {
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|error| {
            malformed(
                self.at - bytes.len() + error.valid_up_to(),
                "text is not UTF-8",
            )
        })
    }

    /// One piece of a string of unknown length; `None` at its end.
    fn piece(&mut self, major: u8) -> Result<Option<&'de [u8]>, ValueError> {
        if self.eat_break() {
            return Ok(None);
        }
        let start = self.at;
        match self.head()? {
            Head {
                major: found,
                argument: Some(length),
                ..
            } if found == major => self.take(length).map(Some),
            _ => Err(malformed(start, "a string in pieces holds something else")),
        }
    }

    fn pieces(&mut self, major: u8) -> Result<Vec<u8>, ValueError> {
        let mut whole = Vec::new();
        while let Some(piece) = self.piece(major)? {
            whole.extend_from_slice(piece);
        }
        Ok(whole)
    }

    /// A number of elements, each of which takes at least `least` bytes of what is left.
    #[inline]
    fn length(&self, argument: Option<u64>, least: usize) -> Result<Option<usize>, ValueError> {
        let Some(length) = argument else {
            return Ok(None);
        };
        let room = (self.input.len() - self.at) / least;
        match usize::try_from(length) {
            Ok(length) if length <= room => Ok(Some(length)),
            _ => Err(self.truncated()),
        }
    }

    #[cold]
    fn truncated(&self) -> ValueError {
        ValueErrorKind::Truncated {
            offset: self.input.len(),
        }
        .into()
    }
}

#[cold]
fn malformed(offset: usize, what: &'static str) -> ValueError {
    ValueErrorKind::Malformed { offset, what }.into()
}

#[inline]
fn simple(info: u8, argument: Option<u64>) -> Option<Item<'static>> {
    // The narrowing is exact: the argument was read from as many bytes.
    Some(match (info, argument) {
        (20, _) => Item::Bool(false),
        (21, _) => Item::Bool(true),
        (22 | 23, _) => Item::Null,
        (25, Some(bits)) => Item::Float(half(bits as u16)),
        (26, Some(bits)) => Item::Float(f64::from(f32::from_bits(bits as u32))),
        (27, Some(bits)) => Item::Float(f64::from_bits(bits)),
        (31, None) => Item::Break,
        _ => return None,
    })
}

/// A 16-bit float (RFC 8949, appendix D).
pub(super) fn half(bits: u16) -> f64 {
    let exponent = i32::from(bits >> 10 & 0x1f);
    let mantissa = f64::from(bits & 0x3ff);
    let magnitude = match exponent {
        0 => mantissa * 2f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (mantissa + 1024.0) * 2f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

/// Writes items to the end of a byte vector, each in its shortest form and of known length.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// The byte strings that are not copied into `out`, where it is a [`Body`]'s.
    shared: Option<&'a mut Vec<Shared>>,
}

impl<'a> From<&'a mut Vec<u8>> for Writer<'a> {
    fn from(out: &'a mut Vec<u8>) -> Self {
        Self { out, shared: None }
    }
}

impl<'a> From<&'a mut Body> for Writer<'a> {
    fn from(body: &'a mut Body) -> Self {
        Self {
            out: &mut body.written,
            shared: Some(&mut body.shared),
        }
    }
}

impl<'a> Writer<'a> {
    /// A writer that appends to `out`, a `Vec<u8>` or a [`Body`].
    pub fn new(out: impl Into<Self>) -> Self {
        out.into()
    }

    /// A writer to the same end, for as long as this one is set aside.
    pub(crate) fn reborrow(&mut self) -> Writer<'_> {
        Writer {
            out: self.out,
            shared: self.shared.as_deref_mut(),
        }
    }

    /// A non-negative integer.
    pub fn uint(&mut self, n: u64) {
        self.head(major::UINT, n);
    }

    /// An integer.
    pub fn int(&mut self, n: i64) {
        match u64::try_from(n) {
            Ok(n) => self.uint(n),
            Err(_) => self.head(major::NINT, !n as u64),
        }
    }

    /// The negative integer -1-n.
    pub fn nint(&mut self, n: u64) {
        self.head(major::NINT, n);
    }

    /// A byte string.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.head(major::BYTES, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    /// Whether a byte string of so many bytes would be sent from where it lies.
    pub fn shares(&self, length: usize) -> bool {
        length >= SHARED && self.shared.is_some()
    }

    /// A byte string that can be held on to: one that is large is sent from where it lies, where that can be.
    pub fn shared_bytes(&mut self, bytes: Bytes) {
        if !self.shares(bytes.len()) {
            return self.bytes(&bytes);
        }
        self.head(major::BYTES, bytes.len() as u64);
        let at = self.out.len();
        if let Some(shared) = &mut self.shared {
            shared.push(Shared { at, bytes });
        }
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        self.head(major::TEXT, text.len() as u64);
        self.out.extend_from_slice(text.as_bytes());
    }

    /// An array of which `length` values follow.
    pub fn array(&mut self, length: usize) {
        self.head(major::ARRAY, length as u64);
    }

    /// A map of which `length` pairs follow.
    pub fn map(&mut self, length: usize) {
        self.head(major::MAP, length as u64);
    }

    /// A tag on the value that follows.
    pub fn tag(&mut self, number: u64) {
        self.head(major::TAG, number);
    }

    /// True or false.
    pub fn bool(&mut self, value: bool) {
        self.out.push(0xf4 + u8::from(value));
    }

    /// Null.
    pub fn null(&mut self) {
        self.out.push(0xf6);
    }

    /// A float, always of 64 bits: shortening would cost time and gain nothing where both ends have doubles.
    pub fn float(&mut self, value: f64) {
        self.out.push(0xfb);
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    /// Items that were encoded elsewhere.
    pub(crate) fn encoded(&mut self, items: &[u8]) {
        self.out.extend_from_slice(items);
    }

    /// How many bytes were written to `out`.
    pub(crate) fn position(&self) -> usize {
        self.out.len()
    }

    /// Takes back what was written since `position`.
    pub(crate) fn truncate(&mut self, position: usize) {
        self.out.truncate(position);
        if let Some(shared) = &mut self.shared {
            shared.retain(|shared| shared.at <= position);
        }
    }

    /// Bytes that were written.
    pub(crate) fn written(&self, range: std::ops::Range<usize>) -> &[u8] {
        &self.out[range]
    }

    /// Puts the number of elements into the head of an array or map at `start`, whose length was guessed.
    pub(crate) fn correct_length(&mut self, start: usize, guessed: usize, length: usize) {
        if guessed == length {
            return;
        }
        let mut old = Vec::with_capacity(9);
        Writer::new(&mut old).head(0, guessed as u64);
        let mut new = Vec::with_capacity(9);
        Writer::new(&mut new).head(self.out[start] >> 5, length as u64);
        for shared in self.shared.iter_mut().flat_map(|shared| shared.iter_mut()) {
            if shared.at > start {
                shared.at = shared.at - old.len() + new.len();
            }
        }
        self.out.splice(start..start + old.len(), new);
    }

    #[inline]
    fn head(&mut self, major: u8, argument: u64) {
        let major = major << 5;
        // The narrowing is exact in each range.
        match argument {
            0..=23 => self.out.push(major | argument as u8),
            24..=0xff => self.out.extend_from_slice(&[major | 24, argument as u8]),
            0x100..=0xffff => {
                let [a, b] = (argument as u16).to_be_bytes();
                self.out.extend_from_slice(&[major | 25, a, b]);
            }
            0x1_0000..=0xffff_ffff => {
                let [a, b, c, d] = (argument as u32).to_be_bytes();
                self.out.extend_from_slice(&[major | 26, a, b, c, d]);
            }
            _ => {
                self.out.push(major | 27);
                self.out.extend_from_slice(&argument.to_be_bytes());
            }
        }
    }
}
