//! The two dialects of the original app-net, read and written as bytes, in both roles.
//!
//! What must not be in here: sockets, deadlines, the registry of functions, and anything of the native protocol.
//!
//! In both dialects a TCP connection carries one request and one answer. Nothing says how long a message is: the
//! caller sends and reads, the peer answers and closes. Either side reads once, at most [`MESSAGE_LIMIT`] bytes, so
//! whatever is longer is broken for the one who reads it. Hence the contract of a driver:
//!
//! 1. As the peer that is called: read, and [`sniff`] until the dialect is known; then
//!    [`RequestReader::read`] after each read until it is [`Parsed::Complete`]; write what
//!    [`Dialect::build_answer`] gives, and close. A request that cannot be parsed is answered too, with
//!    [`Answer::Error`]: a caller of the original waits without a deadline. A connection that ends before its first
//!    byte was only a look whether the port is open.
//! 2. As the caller: write what [`Dialect::build_request`] gives, **in one write** (an original peer does not read
//!    twice), read to the end of the connection, and hand it all to [`Dialect::parse_answer`]. An original peer
//!    *sends* its whole answer, so there is no limit of the dialect on what is read; how much to read at most is
//!    for the driver to say.
//!
//! JSON is written in ASCII alone, because the originals read nothing else, and without spaces, because each one is
//! a byte of the 1,024.
//!
//! # What cannot be told apart
//!
//! - 0.6: a function that returns the string `"NULL"` or `"INVALID_CONNECTION"` from the flag of that name: to the
//!   original both are the flag, so they are here. A flag that a program made for itself arrives as
//!   [`Answer::Value`] with its name as a string: whoever keeps the registered flags compares, as the original does.
//! - 0.6: a function that returns `{"payload": "error", "traceback": "…"}` from a function that failed. In 0.3 that
//!   is so for an original caller; ours can tell, see [`Dialect::build_answer`].
//! - 0.3: the group `"None"` from no group, in a peer id.

mod arriving;
mod json;
mod peer_id;
mod shape;
mod traceback;
mod v03;
mod v06;

#[cfg(test)]
mod tests;

pub use arriving::RequestReader;
pub use peer_id::{PeerId03, PeerIdError};
use serde_json::{Map, Value};
pub use traceback::error_kind;
pub use v03::Tag03;

/// What either side of the original reads of a message, in bytes. Anything longer is cut by the one who reads it.
pub const MESSAGE_LIMIT: usize = 1024;

/// The name of the flag that says "there is nothing to answer".
pub const NULL: &str = "NULL";

/// The name of the flag that says "this peer has no such connection".
pub const INVALID_CONNECTION: &str = "INVALID_CONNECTION";

/// Which original is on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// 0.3 and 0.4: everything in base64.
    V03,
    /// 0.5 and 0.6: plain JSON.
    V06,
}

/// A call, as it travels in one message.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What is called, in plain text in both dialects: `module.name` or the custom tag.
    pub tag: String,
    /// Whether the tag is a custom one (`@net.connect("Tag")`). Only 0.3 writes the two in different forms, and its
    /// peers know a function under one of them only. A request of 0.6 does not say, so it is guessed as
    /// [`Request::new`] does.
    pub custom_tag: bool,
    /// The positional arguments.
    pub args: Vec<Value>,
    /// The keyword arguments of the function itself: without `peer` and `time_out`, which are the caller's own.
    pub kwargs: Map<String, Value>,
}

impl Request {
    /// A request without arguments. The tag is taken for a custom one if there is no dot in it, as a function's own
    /// tag always has one; set [`custom_tag`](Self::custom_tag) where more is known.
    pub fn new(tag: impl Into<String>) -> Self {
        let tag = tag.into();
        Self {
            custom_tag: !tag.contains('.'),
            tag,
            args: Vec::new(),
            kwargs: Map::new(),
        }
    }
}

/// What comes back for a [`Request`].
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The result.
    Value(Value),
    /// A reserved answer, by its name: [`NULL`], [`INVALID_CONNECTION`], or one that a program made for itself.
    Flag(String),
    /// The function failed.
    Error {
        /// The traceback as Python prints it; [`error_kind`] finds the exception in it.
        traceback: String,
    },
}

/// What the bytes that are there so far make.
#[derive(Debug, Clone, PartialEq)]
pub enum Parsed<T> {
    /// A whole message.
    Complete(T),
    /// The beginning of one: read on, and parse all of it again.
    Incomplete,
}

/// What the first bytes of a connection say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniffed {
    /// An original caller, of this dialect.
    Original(Dialect),
    /// Too little to say: read on.
    NeedMore,
}

/// Why a message of an original peer cannot be read, or one to it cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginalError {
    /// The peer closed the connection without an answer.
    #[error("the peer closed the connection without an answer: it died during the call")]
    Empty,
    /// The connection ended inside an answer.
    #[error(
        "the answer ends in its middle, after {received} bytes: the peer died while it sent it"
    )]
    Cut {
        /// How much of it arrived, in bytes.
        received: usize,
    },
    /// A request that an original peer would read only the beginning of.
    #[error(
        "the request has {} bytes and an original app-net peer reads no more than {limit}: \
         pass less in one call, or run the current app-net on both sides",
        at_least(*size, *limit)
    )]
    TooLong {
        /// The length in bytes. Of an incoming request only what was read, so it may be just the limit.
        size: usize,
        /// [`MESSAGE_LIMIT`].
        limit: usize,
    },
    /// Not what the dialect says.
    #[error("the {message} is not one of the original app-net: {why}")]
    Malformed {
        /// "request" or "answer".
        message: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A number that JSON does not have. Python writes it all the same.
    #[error("the {message} holds {literal}, a number that JSON cannot carry: send it as a string")]
    NotFinite {
        /// "request" or "answer".
        message: &'static str,
        /// As it was written.
        literal: String,
    },
    /// An integer beyond 64 bits. Read as a float it would be a different number.
    #[error(
        "the {message} holds the integer {literal}, which does not fit 64 bits: send it as a string"
    )]
    IntegerTooLarge {
        /// "request" or "answer".
        message: &'static str,
        /// As it was written.
        literal: String,
    },
    /// Lists and objects in one another, more than are read.
    #[error("the {message} nests deeper than {limit} levels: flatten it, or send it as a string")]
    TooDeep {
        /// "request" or "answer".
        message: &'static str,
        /// The limit.
        limit: usize,
    },
}

/// The size as the text of an error says it: at the limit it is known only that there was more to come.
fn at_least(size: usize, limit: usize) -> String {
    if size > limit {
        size.to_string()
    } else {
        format!("more than {limit}")
    }
}

/// Tells from the first bytes of a connection whether an original calls, and which. `None`: not an original.
///
/// A request of 0.3 begins with `eyJ`, the base64 of `{"`; one of 0.6 with `{`, after white space at most.
///
/// # Examples
///
/// ```
/// use net_proto::original::{Dialect, Sniffed, sniff};
///
/// assert_eq!(sniff(b"eyJjb25uZWN0aW9u"), Some(Sniffed::Original(Dialect::V03)));
/// assert_eq!(sniff(br#"{"connection""#), Some(Sniffed::Original(Dialect::V06)));
/// assert_eq!(sniff(b"ey"), Some(Sniffed::NeedMore));
/// assert_eq!(sniff(b"GET / HTTP/1.1"), None);
/// ```
#[must_use]
pub fn sniff(first: &[u8]) -> Option<Sniffed> {
    if first.starts_with(v03::PREFIX) {
        return Some(Sniffed::Original(Dialect::V03));
    }
    if v03::PREFIX.starts_with(first) {
        return Some(Sniffed::NeedMore);
    }
    // Past the limit no request begins any more, however much of it has been read at once.
    let first = &first[..first.len().min(MESSAGE_LIMIT)];
    match first.iter().position(|byte| !json::is_space(*byte)) {
        Some(start) if first[start] == b'{' => Some(Sniffed::Original(Dialect::V06)),
        None if first.len() < MESSAGE_LIMIT => Some(Sniffed::NeedMore),
        _ => None,
    }
}

impl Dialect {
    /// Reads a request. Nothing in it says where it ends, so that is where its JSON or its base64 is whole.
    ///
    /// It may be longer than the [`MESSAGE_LIMIT`] bytes that an original peer would read: an original caller sends any
    /// length, so how much to read is for the driver to say.
    ///
    /// The keyword arguments `peer` and `time_out` are dropped: 0.6 sends them along, and they are not for the
    /// function. A missing `args` or `kwargs` counts as empty.
    ///
    /// # Errors
    ///
    /// [`OriginalError::NotFinite`] and [`OriginalError::IntegerTooLarge`] for numbers that would arrive as others,
    /// [`OriginalError::TooDeep`], and [`OriginalError::Malformed`] for all else.
    pub fn parse_request(self, bytes: &[u8]) -> Result<Parsed<Request>, OriginalError> {
        match self {
            Dialect::V03 => v03::parse_request(bytes),
            Dialect::V06 => v06::parse_request(bytes),
        }
    }

    /// Writes a request.
    ///
    /// # Errors
    ///
    /// [`OriginalError::TooLong`] if it has more than [`MESSAGE_LIMIT`] bytes.
    pub fn build_request(self, request: &Request) -> Result<Vec<u8>, OriginalError> {
        let bytes = match self {
            Dialect::V03 => v03::build_request(request),
            Dialect::V06 => v06::build_request(request),
        };
        if bytes.len() > MESSAGE_LIMIT {
            return Err(OriginalError::TooLong {
                size: bytes.len(),
                limit: MESSAGE_LIMIT,
            });
        }
        Ok(bytes)
    }

    /// Reads an answer: all that came until the peer closed the connection.
    ///
    /// In 0.6 text that is not JSON is a result, the string of that text, as it is to an original. JSON that just
    /// stops is not: it is [`OriginalError::Cut`].
    ///
    /// # Errors
    ///
    /// [`OriginalError::Empty`] and [`OriginalError::Cut`] if the peer died, [`OriginalError::NotFinite`] and
    /// [`OriginalError::IntegerTooLarge`] for numbers that would arrive as others, [`OriginalError::TooDeep`], and
    /// [`OriginalError::Malformed`] for bytes that are none of the dialect.
    pub fn parse_answer(self, bytes: &[u8]) -> Result<Answer, OriginalError> {
        if bytes.is_empty() {
            return Err(OriginalError::Empty);
        }
        match self {
            Dialect::V03 => v03::parse_answer(bytes),
            Dialect::V06 => v06::parse_answer(bytes),
        }
    }

    /// Writes an answer, in [`MESSAGE_LIMIT`] bytes at most.
    ///
    /// A result or a flag that is longer is replaced by an error that says so, with the sizes and what to do. An
    /// error that is longer loses the first lines of its traceback, so that the exception's type and message
    /// arrive; of a message that alone is too long the end is lost.
    ///
    /// In 0.3 an object goes as itself and any other result as `{"raw": result}`, which the reader takes off once.
    /// An object that has a key `raw` itself, or that looks like the error, is therefore wrapped too: an original
    /// gives the former back as it was, and our [`parse_answer`](Self::parse_answer) both.
    #[must_use]
    pub fn build_answer(self, answer: &Answer) -> Vec<u8> {
        let bytes = match answer {
            Answer::Value(value) => self.seal(match self {
                Dialect::V03 => v03::result_json(value),
                Dialect::V06 => json::write(value),
            }),
            Answer::Flag(name) => match self {
                Dialect::V03 => self.seal(name.clone()),
                Dialect::V06 => v06::flag(name),
            },
            Answer::Error { traceback } => return self.build_error(traceback),
        };
        if bytes.len() <= MESSAGE_LIMIT {
            return bytes;
        }
        self.build_error(&format!(
            "AnswerTooLong: the answer has {} bytes and an original app-net peer reads no more than {MESSAGE_LIMIT}: \
             return less from one call, or run the current app-net on the calling side",
            bytes.len()
        ))
    }

    fn build_error(self, traceback: &str) -> Vec<u8> {
        let room = self.json_limit() - shape::error("").len();
        self.seal(shape::error(&traceback::shorten(traceback, room)))
    }

    /// How long a JSON text may be so that the message is not longer than [`MESSAGE_LIMIT`].
    const fn json_limit(self) -> usize {
        match self {
            Dialect::V03 => MESSAGE_LIMIT / 4 * 3,
            Dialect::V06 => MESSAGE_LIMIT,
        }
    }

    fn seal(self, text: String) -> Vec<u8> {
        match self {
            Dialect::V03 => v03::seal(&text),
            Dialect::V06 => text.into_bytes(),
        }
    }
}
