//! JSON as Python's `json` writes and reads it, where that differs from the standard: ASCII only, `NaN`, integers
//! of any length.
//!
//! What must not be in here: what the JSON means.

use serde_json::Value;

/// Why a text is not a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadError {
    /// It ends too early; more of it could make a value.
    Incomplete,
    /// It is JSON but for a number like `NaN`, or one too large for a float.
    NotFinite(String),
    /// It is JSON, with an integer that only Python's could hold.
    IntegerTooLarge(String),
    /// It is JSON as far as to where it nests deeper than [`MOST_LEVELS`].
    TooDeep,
    /// It is not JSON.
    Malformed(String),
}

/// How deep arrays and objects may nest: as deep as the reader of serde_json goes, which is as deep as values may but for one.
pub(super) const MOST_LEVELS: usize = 127;

/// What Python writes for the floats that are none of JSON.
const CONSTANTS: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];

/// Whether JSON allows the byte between its tokens.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Reads one value that takes up all of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<Value, ReadError> {
    let text = Readable::new(bytes);
    match serde_json::from_slice(&text.json) {
        Ok(_) if text.ends_in_constant => Err(ReadError::Malformed(
            "there is more after the value".to_owned(),
        )),
        Ok(value) => text.misfit.map_or(Ok(value), Err),
        Err(error) if error.is_eof() && text.ends_too_deep => Err(ReadError::TooDeep),
        Err(error) if error.is_eof() => Err(ReadError::Incomplete),
        Err(error) => Err(ReadError::Malformed(error.to_string())),
    }
}

/// Python's JSON made readable for a strict reader.
struct Readable {
    /// The text with `null` where a number stands that a [`Value`] cannot hold.
    json: Vec<u8>,
    /// The first such number. It counts only once the text has turned out to be JSON otherwise: in a text that is
    /// not, the same letters mean nothing.
    misfit: Option<ReadError>,
    /// Whether a constant has only begun when the text ends. It is left out of `json`, so that the text is seen to
    /// end too early and not to be wrong.
    ends_in_constant: bool,
    /// Whether the text nests too deep. `json` ends before that place, so that it is seen whether it is JSON up to there.
    ends_too_deep: bool,
}

impl Readable {
    fn new(bytes: &[u8]) -> Self {
        let mut text = Self {
            json: Vec::with_capacity(bytes.len()),
            misfit: None,
            ends_in_constant: false,
            ends_too_deep: false,
        };
        let mut levels = 0_usize;
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            let length = match first {
                b'"' => string_length(rest),
                b'[' | b'{' if levels == MOST_LEVELS => {
                    text.ends_too_deep = true;
                    break;
                }
                b'[' | b'{' => {
                    levels += 1;
                    1
                }
                b']' | b'}' => {
                    levels = levels.saturating_sub(1);
                    1
                }
                b'-' | b'0'..=b'9' | b'N' | b'I' => {
                    if CONSTANTS
                        .iter()
                        .any(|it| it.len() > rest.len() && it.starts_with(rest))
                    {
                        text.ends_in_constant = true;
                        break;
                    }
                    number_length(rest)
                }
                _ => 1,
            };
            let (token, after) = rest.split_at(length);
            match number_misfit(token) {
                Some(misfit) => {
                    text.misfit.get_or_insert(misfit);
                    text.json.extend_from_slice(b"null");
                }
                None => text.json.extend_from_slice(token),
            }
            rest = after;
        }
        text
    }
}

/// The length of the string literal that `text` begins with, up to the end of the text if it has none.
fn string_length(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// The length of the number or constant that `text` begins with, never 0.
fn number_length(text: &[u8]) -> usize {
    if let Some(constant) = CONSTANTS.iter().find(|it| text.starts_with(it)) {
        return constant.len();
    }
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    text.iter()
        .position(|byte| !is_part(byte))
        .unwrap_or(text.len())
        .max(1)
}

/// Why a token cannot be held, if it is a number that cannot.
fn number_misfit(literal: &[u8]) -> Option<ReadError> {
    let literal = str::from_utf8(literal).ok()?;
    if CONSTANTS.contains(&literal.as_bytes()) {
        return Some(ReadError::NotFinite(literal.to_owned()));
    }
    let digits = literal.strip_prefix('-').unwrap_or(literal);
    // A leading zero is not JSON, and must stay not JSON.
    if digits.len() > 1
        && digits.as_bytes().iter().all(u8::is_ascii_digit)
        && !digits.starts_with('0')
    {
        let fits = literal.parse::<i64>().is_ok() || literal.parse::<u64>().is_ok();
        return (!fits).then(|| ReadError::IntegerTooLarge(literal.to_owned()));
    }
    let is_infinite = literal.parse::<f64>().is_ok_and(f64::is_infinite);
    // `1.e999` is no number to JSON; only what is one may be replaced.
    (is_infinite && is_json_float(digits)).then(|| ReadError::NotFinite(literal.to_owned()))
}

/// Whether digits with a fraction or an exponent are in the form that JSON asks for.
fn is_json_float(digits: &str) -> bool {
    let (mantissa, _) = digits.split_once(['e', 'E']).unwrap_or((digits, ""));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    !whole.is_empty() && !fraction.is_empty() && (whole == "0" || !whole.starts_with('0'))
}

/// Writes a value in ASCII, without spaces.
pub(super) fn write(value: &Value) -> String {
    let text = value.to_string();
    if text.bytes().all(is_plain) {
        return text;
    }
    // Outside of its strings JSON is ASCII, so what has to be escaped stands in a string.
    let mut ascii = String::with_capacity(text.len() * 2);
    for char in text.chars() {
        if u8::try_from(char).is_ok_and(is_plain) {
            ascii.push(char);
            continue;
        }
        for unit in char.encode_utf16(&mut [0; 2]) {
            ascii.push_str(&format!("\\u{unit:04x}"));
        }
    }
    ascii
}

/// What Python leaves as it is: printable ASCII, so not DEL either.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// How many bytes [`write()`] takes for a character inside of a string.
pub(super) fn width(char: char) -> usize {
    match char {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        ' '..='~' => 1,
        _ => 6 * char.len_utf16(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn ascii_as_python_writes_it() {
        // json.dumps("\x7f\x00\b\f\n\r\t\"\\/\u2028é😀")
        let python = r#""\u007f\u0000\b\f\n\r\t\"\\/\u2028\u00e9\ud83d\ude00""#;
        let value = json!("\u{7f}\0\u{8}\u{c}\n\r\t\"\\/\u{2028}é😀");
        assert_eq!(write(&value), python);
        assert_eq!(read(python.as_bytes()), Ok(value));
    }

    #[test]
    fn floats_as_python_writes_them() {
        // " ".join(map(json.dumps, …))
        let python = "1e+16 1000000000000000.0 1.0 0.1 1e-05 0.0001 1.2345678901234568e+17 5e-324 \
                      1.7976931348623157e+308 -0.0 1.234e-05 9.223372036854776e+18 0.30000000000000004";
        let floats = [
            1e16,
            1e15,
            1.0,
            0.1,
            1e-5,
            1e-4,
            123_456_789_012_345_680.0,
            5e-324,
            f64::MAX,
            -0.0,
            0.000_012_34,
            9_223_372_036_854_775_808.0,
            0.1 + 0.2,
        ];
        for (text, float) in python.split_whitespace().zip(floats) {
            let value = read(text.as_bytes()).expect(text);
            assert_eq!(
                value.as_f64().map(f64::to_bits),
                Some(f64::to_bits(float)),
                "{text}"
            );
        }
    }

    #[test]
    fn numbers_that_are_not_json() {
        for (text, literal) in [
            ("NaN", "NaN"),
            ("[1, Infinity]", "Infinity"),
            (r#"{"a \" NaN": -Infinity, "b": NaN}"#, "-Infinity"),
            ("[-1e400]", "-1e400"),
        ] {
            assert_eq!(
                read(text.as_bytes()),
                Err(ReadError::NotFinite(literal.to_owned())),
                "{text}"
            );
        }
        assert_eq!(
            read(br#"["NaN", "Infinity"]"#),
            Ok(json!(["NaN", "Infinity"]))
        );
        for text in [
            "NaNs",
            "[NaN",
            "[1.e999]",
            "[NaN 1]",
            "\"\"-",
            "1 N",
            "01",
            "[0123456789012345678901234567890]",
            "[Ni]",
        ] {
            assert!(
                matches!(
                    read(text.as_bytes()),
                    Err(ReadError::Incomplete | ReadError::Malformed(_))
                ),
                "{text}"
            );
        }
    }

    #[test]
    fn constants_may_arrive_in_parts() {
        let text = b"[NaN, Infinity, -Infinity]";
        for end in 0..text.len() {
            assert_eq!(read(&text[..end]), Err(ReadError::Incomplete), "{end}");
        }
    }

    #[test]
    fn integers_up_to_64_bits() {
        assert_eq!(read(b"18446744073709551615"), Ok(json!(u64::MAX)));
        assert_eq!(read(b"-9223372036854775808"), Ok(json!(i64::MIN)));
        for literal in [
            "18446744073709551616",
            "-9223372036854775809",
            &"9".repeat(500),
        ] {
            let text = format!("[{literal}]");
            assert_eq!(
                read(text.as_bytes()),
                Err(ReadError::IntegerTooLarge(literal.to_owned()))
            );
        }
    }

    #[test]
    fn nesting_is_bounded() {
        assert!(matches!(
            read("[".repeat(1000).as_bytes()),
            Err(ReadError::TooDeep)
        ));
    }

    proptest! {
        #[test]
        fn width_is_what_is_written(char in any::<char>()) {
            prop_assert_eq!(width(char) + 2, write(&json!(char.to_string())).len());
        }

        #[test]
        fn any_float_survives(float in any::<f64>().prop_filter("JSON has no others", |it| it.is_finite())) {
            let read = read(write(&json!(float)).as_bytes()).map(|it| it.as_f64().map(f64::to_bits));
            prop_assert_eq!(read, Ok(Some(float.to_bits())));
        }

        #[test]
        fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64), text in r#"[\[\]{}":,\\0-9eE.+NaInfity u-]{0,40}"#) {
            let _ = read(&bytes);
            let _ = read(text.as_bytes());
        }

        #[test]
        fn reading_agrees_with_serde_json(text in r#"[\[\]{}":,\\0-9eE. u-]{0,24}"#) {
            // Whatever the standard reader takes is taken, and nothing that it refuses is.
            let standard = serde_json::from_str::<Value>(&text);
            match read(text.as_bytes()) {
                Ok(value) => prop_assert_eq!(Some(value), standard.ok()),
                Err(ReadError::IntegerTooLarge(_) | ReadError::NotFinite(_)) => {}
                Err(_) => prop_assert!(standard.is_err()),
            }
        }
    }
}
