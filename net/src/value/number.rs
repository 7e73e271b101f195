//! Numbers beyond the machine's: integers of any size, decimal fractions. No arithmetic: they pass through, exactly.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::ser::{Serialize, SerializeSeq, Serializer};

use super::Bytes;
use super::error::ValueError;
use super::tags::marker;

/// Digits that are turned from or to binary at most: the effort grows with the square. Python draws the same line.
const MOST_DIGITS: usize = 4300;

/// The exponents that Python's Decimal can have, so that each side takes what the other sends: that of the last digit
/// (its `MIN_ETINY`), and that of the first (its `MAX_EMAX`).
const LEAST_EXPONENT: i64 = -1_999_999_999_999_999_997;
const MOST_ADJUSTED_EXPONENT: i64 = 999_999_999_999_999_999;

/// The bytes that [`MOST_DIGITS`] digits take.
const MOST_BYTES: usize = 1786;

/// An integer of any size (tags 2 and 3; without a tag if it fits 64 bits and a sign).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BigInt {
    negative: bool,
    /// Big endian, without leading zeros; empty for zero.
    magnitude: Vec<u8>,
}

impl BigInt {
    /// From a sign and a big-endian magnitude. Zero has no sign.
    pub fn new(negative: bool, magnitude: &[u8]) -> Self {
        let zeros = magnitude.iter().take_while(|&&byte| byte == 0).count();
        let magnitude = magnitude[zeros..].to_vec();
        Self {
            negative: negative && !magnitude.is_empty(),
            magnitude,
        }
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Its absolute value, big endian, without leading zeros.
    pub fn magnitude(&self) -> &[u8] {
        &self.magnitude
    }

    /// As an `i128`, if it fits.
    pub fn to_i128(&self) -> Option<i128> {
        let magnitude = self.to_u128_magnitude()?;
        if self.negative {
            0i128.checked_sub_unsigned(magnitude)
        } else {
            i128::try_from(magnitude).ok()
        }
    }

    /// As a `u128`, if it fits.
    pub fn to_u128(&self) -> Option<u128> {
        if self.negative {
            None
        } else {
            self.to_u128_magnitude()
        }
    }

    fn to_u128_magnitude(&self) -> Option<u128> {
        let mut wide = [0; 16];
        let start = wide.len().checked_sub(self.magnitude.len())?;
        wide[start..].copy_from_slice(&self.magnitude);
        Some(u128::from_be_bytes(wide))
    }

    /// -1-n for the n that `bytes` are: the content of tag 3.
    pub(crate) fn from_below(bytes: &[u8]) -> Self {
        let mut magnitude = Vec::with_capacity(bytes.len() + 1);
        magnitude.push(0);
        magnitude.extend_from_slice(bytes);
        for byte in magnitude.iter_mut().rev() {
            let overflowed;
            (*byte, overflowed) = byte.overflowing_add(1);
            if !overflowed {
                break;
            }
        }
        Self::new(true, &magnitude)
    }

    /// The content of its tag: the magnitude, less one if it is negative; without leading zeros.
    fn tag_content(&self) -> Vec<u8> {
        let mut content = self.magnitude.clone();
        if self.negative {
            for byte in content.iter_mut().rev() {
                let overflowed;
                (*byte, overflowed) = byte.overflowing_sub(1);
                if !overflowed {
                    break;
                }
            }
            // Of a power of 256 the first byte is gone.
            if content.first() == Some(&0) {
                content.remove(0);
            }
        }
        content
    }
}

impl From<i128> for BigInt {
    fn from(n: i128) -> Self {
        Self::new(n < 0, &n.unsigned_abs().to_be_bytes())
    }
}

impl From<u128> for BigInt {
    fn from(n: u128) -> Self {
        Self::new(false, &n.to_be_bytes())
    }
}

impl From<i64> for BigInt {
    fn from(n: i64) -> Self {
        i128::from(n).into()
    }
}

impl From<u64> for BigInt {
    fn from(n: u64) -> Self {
        u128::from(n).into()
    }
}

/// Decimal; hexadecimal with `0x` where that would take long (thousands of digits).
impl fmt::Display for BigInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        if self.magnitude.len() <= MOST_BYTES {
            return f.write_str(&to_digits(&self.magnitude));
        }
        f.write_str("0x")?;
        self.magnitude
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for BigInt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(n) = self.to_i128() {
            return serializer.serialize_i128(n);
        }
        let tag = if self.negative {
            marker::NEGATIVE_BIGNUM
        } else {
            marker::POSITIVE_BIGNUM
        };
        serializer.serialize_newtype_struct(tag, &Bytes(self.tag_content()))
    }
}

/// A decimal fraction, exactly as written: `1.50` is not `1.5`. Also Python's NaN, infinities and negative zero.
///
/// Its text is what Python's `str(Decimal)` gives and `Decimal(str)` takes. At most 4300 digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal(String);

impl Decimal {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// mantissa · 10^exponent, as the content of tag 4 is. `150, -2` is `1.50`.
    ///
    /// # Errors
    ///
    /// When it has more digits, or another exponent, than a decimal can have.
    pub fn from_parts(mantissa: &BigInt, exponent: i64) -> Result<Self, ValueError> {
        if mantissa.magnitude.len() > MOST_BYTES {
            return Err(too_many_digits());
        }
        let digits = to_digits(&mantissa.magnitude);
        Ok(Self(scientific(mantissa.negative, &digits, exponent)?))
    }
}

impl FromStr for Decimal {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match parts(text) {
            Some(Parts::Finite {
                negative,
                digits,
                exponent,
            }) => Ok(Self(scientific(negative, &digits, exponent)?)),
            Some(Parts::Special {
                negative,
                name,
                payload,
            }) => Ok(Self(format!(
                "{}{name}{payload}",
                if negative { "-" } else { "" }
            ))),
            None => Err(ValueError::custom(format_args!(
                "{text:.40?} is not a decimal number"
            ))),
        }
    }
}

impl From<i64> for Decimal {
    fn from(n: i64) -> Self {
        Self(n.to_string())
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match parts(&self.0) {
            Some(Parts::Finite {
                negative,
                digits,
                exponent,
            }) if !negative || digits != "0" => {
                let mantissa = BigInt::new(negative, &from_digits(&digits));
                serializer
                    .serialize_newtype_struct(marker::DECIMAL, &Fraction { exponent, mantissa })
            }
            _ => serializer.serialize_newtype_struct(marker::SPECIAL_DECIMAL, &self.0),
        }
    }
}

struct Fraction {
    exponent: i64,
    mantissa: BigInt,
}

impl Serialize for Fraction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_seq(Some(2))?;
        pair.serialize_element(&self.exponent)?;
        pair.serialize_element(&self.mantissa)?;
        pair.end()
    }
}

enum Parts {
    /// ±digits · 10^exponent; digits without leading zeros, `0` for zero.
    Finite {
        negative: bool,
        digits: String,
        exponent: i64,
    },
    Special {
        negative: bool,
        name: &'static str,
        payload: String,
    },
}

fn parts(text: &str) -> Option<Parts> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    for (spelling, name) in [
        ("infinity", "Infinity"),
        ("inf", "Infinity"),
        ("nan", "NaN"),
        ("snan", "sNaN"),
    ] {
        let Some((head, payload)) = rest.split_at_checked(spelling.len()) else {
            continue;
        };
        let is_payload = payload.bytes().all(|b| b.is_ascii_digit())
            && (name != "Infinity" || payload.is_empty());
        if head.eq_ignore_ascii_case(spelling) && is_payload {
            return Some(Parts::Special {
                negative,
                name,
                payload: payload.trim_start_matches('0').to_owned(),
            });
        }
    }
    let (number, exponent) = match rest.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i64>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let digits = match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        digits => digits.to_owned(),
    };
    Some(Parts::Finite {
        negative,
        digits,
        exponent,
    })
}

/// The text of ±digits · 10^exponent as the General Decimal Arithmetic's `to-scientific-string`, which Python follows.
fn scientific(negative: bool, digits: &str, exponent: i64) -> Result<String, ValueError> {
    if digits.len() > MOST_DIGITS {
        return Err(too_many_digits());
    }
    let length = digits.len() as i64;
    // Far enough from i64's ends that nothing here overflows.
    let adjusted = exponent.saturating_add(length - 1);
    if exponent < LEAST_EXPONENT || adjusted > MOST_ADJUSTED_EXPONENT {
        return Err(ValueError::custom("a decimal's exponent is out of range"));
    }
    let mut text = String::with_capacity(digits.len() + 8);
    if negative {
        text.push('-');
    }
    if exponent <= 0 && adjusted >= -6 {
        match usize::try_from(length + exponent) {
            Ok(whole) if whole > 0 => {
                text.push_str(&digits[..whole]);
                if whole < digits.len() {
                    text.push('.');
                    text.push_str(&digits[whole..]);
                }
            }
            _ => {
                text.push_str("0.");
                text.extend(std::iter::repeat_n(
                    '0',
                    (length + exponent).unsigned_abs() as usize,
                ));
                text.push_str(digits);
            }
        }
        return Ok(text);
    }
    text.push_str(&digits[..1]);
    if digits.len() > 1 {
        text.push('.');
        text.push_str(&digits[1..]);
    }
    let _ = write!(text, "E{adjusted:+}");
    Ok(text)
}

fn too_many_digits() -> ValueError {
    ValueError::custom(format_args!(
        "a decimal has more than {MOST_DIGITS} digits; send it as text"
    ))
}

const CHUNK: u32 = 1_000_000_000;
const CHUNK_DIGITS: usize = 9;

/// Big-endian bytes of decimal digits.
fn from_digits(digits: &str) -> Vec<u8> {
    // Little-endian words. The first chunk is the odd one, so that each further one is a multiplication by CHUNK.
    let mut words: Vec<u32> = Vec::with_capacity(digits.len() / CHUNK_DIGITS + 1);
    let (first, rest) = digits.split_at(digits.len() % CHUNK_DIGITS);
    let chunks = std::iter::once(first.as_bytes()).chain(rest.as_bytes().chunks(CHUNK_DIGITS));
    for chunk in chunks {
        let mut carry = chunk
            .iter()
            .fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
        for word in &mut words {
            carry += u64::from(*word) * u64::from(CHUNK);
            *word = carry as u32; // the low half
            carry >>= 32;
        }
        if carry > 0 {
            words.push(carry as u32);
        }
    }
    words
        .iter()
        .rev()
        .flat_map(|word| word.to_be_bytes())
        .collect()
}

/// Decimal digits of big-endian bytes; `0` for none.
fn to_digits(bytes: &[u8]) -> String {
    let mut words: Vec<u32> = Vec::with_capacity(bytes.len() / 4 + 1);
    for chunk in bytes.rchunks(4) {
        words.push(
            chunk
                .iter()
                .fold(0, |word, byte| word << 8 | u32::from(*byte)),
        );
    }
    let mut chunks = Vec::new();
    while !words.is_empty() {
        let mut remainder = 0;
        for word in words.iter_mut().rev() {
            let number = remainder << 32 | u64::from(*word);
            *word = (number / u64::from(CHUNK)) as u32;
            remainder = number % u64::from(CHUNK);
        }
        chunks.push(remainder);
        while words.last() == Some(&0) {
            words.pop();
        }
    }
    let mut text = chunks.pop().unwrap_or(0).to_string();
    for chunk in chunks.iter().rev() {
        let _ = write!(text, "{chunk:09}");
    }
    text
}
