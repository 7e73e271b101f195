//! A request as it comes in, in whatever pieces. Nothing in it says where it ends but its own brackets, so those are followed,
//! and it is parsed when they are closed: not for each piece anew.
//!
//! What must not be in here: what a request means.

use super::{Dialect, OriginalError, Parsed, Request};

/// Reads one request as it comes in.
///
/// [`Dialect::parse_request`] reads from the beginning each time that it is asked; asked through this, the whole costs a few
/// times its length, however small the pieces are that it comes in.
///
/// # Examples
///
/// ```
/// use net_proto::original::{Dialect, Parsed, RequestReader};
///
/// let mut reader = RequestReader::new(Dialect::V06);
/// assert_eq!(reader.read(br#"{"connection": "app."#)?, Parsed::Incomplete);
/// let Parsed::Complete(request) = reader.read(br#"{"connection": "app.f"}"#)? else { panic!() };
/// assert_eq!(request.tag, "app.f");
/// # Ok::<(), net_proto::original::OriginalError>(())
/// ```
#[derive(Debug, Clone)]
pub struct RequestReader {
    dialect: Dialect,
    /// Bytes that were followed.
    seen: usize,
    /// Bytes that there were when they were parsed last.
    parsed: usize,
    brackets: Brackets,
    group: Group,
}

impl RequestReader {
    /// Of a request of which nothing is there yet.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            seen: 0,
            parsed: 0,
            brackets: Brackets::default(),
            group: Group::default(),
        }
    }

    /// Reads on. `bytes` is all that has come so far, from the beginning.
    ///
    /// # Errors
    ///
    /// As [`Dialect::parse_request`], but where the brackets do not close it may be later: when there is twice as much.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Parsed<Request>, OriginalError> {
        // Whether the brackets have closed, or what came cannot be of a request: parsing says which.
        let mut may_be_whole = false;
        for byte in bytes.iter().skip(self.seen) {
            may_be_whole |= match self.dialect {
                Dialect::V03 => self.group.push(*byte, &mut self.brackets),
                Dialect::V06 => self.brackets.push(*byte),
            };
        }
        self.seen = bytes.len();
        if !may_be_whole && bytes.len() < 2 * self.parsed {
            return Ok(Parsed::Incomplete);
        }
        self.parsed = bytes.len();
        self.dialect.parse_request(bytes)
    }
}

/// The brackets of a JSON text that are open.
#[derive(Debug, Clone, Default)]
struct Brackets {
    open: usize,
    in_string: bool,
    is_escaped: bool,
}

impl Brackets {
    /// Takes the next byte. Says whether it closes the last one.
    fn push(&mut self, byte: u8) -> bool {
        if self.in_string {
            let is_escaped = std::mem::take(&mut self.is_escaped);
            match byte {
                b'\\' => self.is_escaped = !is_escaped,
                b'"' => self.in_string = is_escaped,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.open += 1,
            b'}' | b']' => {
                self.open = self.open.saturating_sub(1);
                return self.open == 0;
            }
            _ => {}
        }
        false
    }
}

/// Four characters of base64, which are three bytes.
#[derive(Debug, Clone, Default)]
struct Group {
    bits: u32,
    characters: u32,
    padding: usize,
    /// White space has come, after which nothing else may; or what is no base64.
    is_over: bool,
}

impl Group {
    /// Takes the next character, and gives the bytes that are there then to `json`. Says whether the text closes with them, or
    /// is none.
    fn push(&mut self, character: u8, json: &mut Brackets) -> bool {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                self.padding += 1;
                0
            }
            space if space.is_ascii_whitespace() => {
                self.is_over = true;
                return false;
            }
            _ => {
                self.is_over = true;
                0
            }
        };
        if self.is_over {
            return true;
        }
        self.bits = self.bits << 6 | u32::from(value);
        self.characters += 1;
        if self.characters < 4 {
            return false;
        }
        let [_, bytes @ ..] = self.bits.to_be_bytes();
        let there = bytes.len().saturating_sub(self.padding);
        *self = Self::default();
        bytes[..there].iter().any(|byte| json.push(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_whole_when_its_brackets_are() {
        let text = br#"{"connection": "a\"}.f\\", "args": [[{"}": "{"}], []], "kwargs": {}}"#;
        let mut reader = RequestReader::new(Dialect::V06);
        for end in 1..text.len() {
            assert_eq!(reader.read(&text[..end]), Ok(Parsed::Incomplete), "{end}");
            assert!(reader.brackets.open > 0);
        }
        assert!(matches!(reader.read(text), Ok(Parsed::Complete(_))));
    }

    #[test]
    fn what_can_be_no_request_is_parsed_at_once() {
        for (dialect, bytes) in [
            (Dialect::V03, &b"eyJh\xffyJh"[..]),
            (Dialect::V03, b"eyJh eyJh"),
            (Dialect::V06, b"{'a': 1}"),
            (Dialect::V06, b"{]"),
        ] {
            let mut reader = RequestReader::new(dialect);
            let last = bytes.len() - 1;
            let _ = reader.read(&bytes[..last]);
            assert!(matches!(
                reader.read(bytes),
                Err(OriginalError::Malformed { .. })
            ));
        }
    }

    #[test]
    fn parsing_in_small_pieces_costs_a_few_times_the_length() {
        const SIZE: usize = 100_000;
        let plain = [&br#"{"a"#[..], &b"a".repeat(SIZE)].concat();
        let base64 = [&b"eyJh"[..], &b"YWFh".repeat(SIZE / 4)].concat();
        let spaces = [&b"eyJh"[..], &b" ".repeat(SIZE)].concat();
        let stuck = [
            &b"YWFh".repeat(SIZE / 8)[..],
            b"\xff",
            &b" ".repeat(SIZE / 2),
        ]
        .concat();
        let stuck = [&b"eyJh"[..], &stuck].concat();
        for (dialect, bytes) in [
            (Dialect::V06, plain),
            (Dialect::V03, base64),
            (Dialect::V03, spaces),
            (Dialect::V03, stuck),
        ] {
            let mut reader = RequestReader::new(dialect);
            let mut parsed = 0;
            for end in 1..bytes.len() {
                let before = reader.parsed;
                assert_eq!(reader.read(&bytes[..end]), Ok(Parsed::Incomplete));
                parsed += if reader.parsed == before { 0 } else { end };
            }
            assert!(parsed < 3 * SIZE, "{parsed}");
        }
    }
}
