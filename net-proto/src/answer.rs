//! What a call can come back with besides a value: the error body and its codes, and how they are encoded.

use minicbor::{Decoder, Encoder};

use crate::limits::{
    MAX_ERROR_KIND, MAX_ERROR_MESSAGE, MAX_ERROR_NAME, MAX_ERROR_NAMES, MAX_ERROR_TRACEBACK,
};

/// What kind of failure an error is, for programs; its text is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The function itself failed.
    Remote,
    /// No function is registered under the tag.
    NoSuchConnection,
    /// The callee has too much to do. It did not run the call: it is safe to try again.
    Busy,
    /// The caller may not call this.
    Refused,
    /// The arguments do not fit the function.
    BadArguments,
    /// The call was stopped at the callee.
    Cancelled,
    /// The call's time ran out at the callee.
    TimedOut,
    /// The call or its result is larger than the other side takes.
    TooLarge,
    /// The function's result cannot be sent.
    BadValue,
    /// A code of a later version.
    Unknown(u8),
}

impl ErrorCode {
    /// The number on the wire.
    pub fn number(self) -> u8 {
        match self {
            Self::Remote => 1,
            Self::NoSuchConnection => 2,
            Self::Busy => 3,
            Self::Refused => 4,
            Self::BadArguments => 5,
            Self::Cancelled => 6,
            Self::TimedOut => 7,
            Self::TooLarge => 8,
            Self::BadValue => 9,
            Self::Unknown(number) => number,
        }
    }

    /// The code of a number on the wire.
    pub fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Remote,
            2 => Self::NoSuchConnection,
            3 => Self::Busy,
            4 => Self::Refused,
            5 => Self::BadArguments,
            6 => Self::Cancelled,
            7 => Self::TimedOut,
            8 => Self::TooLarge,
            9 => Self::BadValue,
            other => Self::Unknown(other),
        }
    }
}

/// The error that a call is answered with.
///
/// On the wire each part is bounded (see [`limits`](crate::limits)); a longer one is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorBody {
    /// What kind of failure, for programs.
    pub code: ErrorCode,
    /// The exception's type as the callee names it, such as `ValueError` or `app.MyError`; may be empty.
    pub kind: String,
    /// What went wrong, for people.
    pub message: String,
    /// Where it went wrong, as the callee's language prints it; may be empty.
    pub traceback: String,
    /// For [`ErrorCode::NoSuchConnection`]: tags that are registered, those that come near first.
    pub names: Vec<String>,
}

/// The bytes of an ERROR are not an error body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadErrorBody;

impl ErrorBody {
    /// An error that has a code and a message only.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            kind: String::new(),
            message: message.into(),
            traceback: String::new(),
            names: Vec::new(),
        }
    }

    /// Appends the CBOR map `{0: code, 1: kind, 2: message, 3: traceback, 4: names}`, empty parts left out, long ones cut.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let texts = [
            (1, head(&self.kind, MAX_ERROR_KIND)),
            (2, head(&self.message, MAX_ERROR_MESSAGE)),
            (3, tail(&self.traceback, MAX_ERROR_TRACEBACK)),
        ];
        let names = || {
            let fits = |name: &&String| name.len() <= MAX_ERROR_NAME;
            self.names.iter().filter(fits).take(MAX_ERROR_NAMES)
        };
        let count = names().count();
        let filled = texts.iter().filter(|(_, text)| !text.is_empty()).count();
        let entries = 1 + filled + usize::from(count > 0);

        let mut cbor = Encoder::new(out);
        let written: Result<(), minicbor::encode::Error<_>> = (|| {
            cbor.map(entries as u64)?.u8(0)?.u8(self.code.number())?;
            for (key, text) in texts.iter().filter(|(_, text)| !text.is_empty()) {
                cbor.u8(*key)?.str(text)?;
            }
            if count > 0 {
                cbor.u8(4)?.array(count as u64)?;
                for name in names() {
                    cbor.str(name)?;
                }
            }
            Ok(())
        })();
        written.expect("a Vec takes every byte");
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, BadErrorBody> {
        let read = |cbor: &mut Decoder<'_>| -> Result<Self, minicbor::decode::Error> {
            let mut error = Self::new(ErrorCode::Unknown(0), "");
            let entries = cbor
                .map()?
                .ok_or_else(|| minicbor::decode::Error::message("no length"))?;
            for _ in 0..entries {
                // A key below 0 is one that is not known.
                match u64::try_from(cbor.int()?).unwrap_or(u64::MAX) {
                    0 => error.code = ErrorCode::from_number(cbor.u8()?),
                    1 => error.kind = cbor.str()?.to_owned(),
                    2 => error.message = cbor.str()?.to_owned(),
                    3 => error.traceback = cbor.str()?.to_owned(),
                    4 => {
                        error.names.clear();
                        for (index, name) in cbor.array_iter::<&str>()?.enumerate() {
                            let name = name?;
                            if index < MAX_ERROR_NAMES {
                                error.names.push(name.to_owned());
                            }
                        }
                    }
                    _ => cbor.skip()?,
                }
            }
            Ok(error)
        };
        let mut cbor = Decoder::new(bytes);
        match read(&mut cbor) {
            Ok(error) if cbor.position() == bytes.len() => Ok(error),
            _ => Err(BadErrorBody),
        }
    }
}

/// The first `limit` bytes of `text`, or a little less: never half a character.
pub(crate) fn head(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The last `limit` bytes of `text`, or a little less: never half a character.
fn tail(text: &str, limit: usize) -> &str {
    let mut start = text.len().saturating_sub(limit);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROTOCOL: &str = include_str!("../../PROTOCOL.md");

    #[test]
    fn the_codes_are_as_protocol_md_lists_them() {
        for number in 1..=9 {
            let code = ErrorCode::from_number(number);
            assert_eq!(code.number(), number);
            let row = format!("| {number} | {code:?} |");
            assert!(PROTOCOL.contains(&row), "{row}");
        }
        assert_eq!(ErrorCode::from_number(10), ErrorCode::Unknown(10));
    }

    #[test]
    fn a_text_is_never_cut_inside_a_character() {
        let text = "é€\u{1F980}";
        for limit in 0..=text.len() {
            let (head, tail) = (head(text, limit), tail(text, limit));
            assert!(head.len() <= limit && tail.len() <= limit);
            assert!(text.starts_with(head) && text.ends_with(tail));
            assert!(head.len() + 4 > limit && tail.len() + 4 > limit);
        }
    }
}
