//! The join code: a group's name and its key as a text to pass on. Neither files nor secrets of any other form.
//!
//! ```text
//! lab:5xj4-…                   the name, percent-encoded; a colon; 56 characters in groups of four
//! ```
//!
//! The 56 characters are Crockford's base32 of 35 bytes: the key, and a checksum of name and key. The checksum is CRC-24 (RFC 9580, 6.1.1)
//! and not a piece of a hash, since it finds each wrong character and each swap of two neighbours for certain.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use super::key::{GroupKey, KEY_SIZE};

/// The longest name that a group with a key has, in bytes of UTF-8. Percent-encoded, with an ending, it is a file's name, which is of 255
/// bytes at most.
pub const GROUP_NAME_MAX: usize = 80;

/// Crockford's base32: without i, l, o and u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Bits of a character, and bytes and characters of the smallest piece that is a whole number of both.
const BITS: usize = 5;
const PIECE_BYTES: usize = 5;
const PIECE_CHARS: usize = 8;

const CHECKSUM_SIZE: usize = 3;
const BODY_SIZE: usize = KEY_SIZE + CHECKSUM_SIZE;
/// Characters after the colon, without dashes.
const BODY_CHARS: usize = BODY_SIZE / PIECE_BYTES * PIECE_CHARS;
const _: () = assert!(BODY_SIZE.is_multiple_of(PIECE_BYTES));
/// Characters between dashes: as many as are remembered at a look.
const GROUPED: usize = 4;

/// A group's name and its key, which [`Display`](fmt::Display) shows as the text to pass on. Whoever reads it is a member of the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinCode {
    group: String,
    key: GroupKey,
}

/// Why a text is no join code. It shows nothing of the text but a character that cannot be in one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinCodeError {
    /// There is no colon.
    #[error("a join code is a group's name, a colon and a key, as in lab:5xj4-…: here is no colon")]
    NoColon,
    /// What stands before the colon is no name.
    #[error(transparent)]
    Name(#[from] GroupNameError),
    /// A percent sign is not followed by two hexadecimal digits, or what they spell is not UTF-8.
    #[error("the name in the join code is not percent-encoded UTF-8")]
    Encoding,
    /// A character is in no key.
    #[error("{found:?} is not a character of a key, which has digits and letters without u")]
    Character {
        /// That character.
        found: char,
    },
    /// The key is too short or too long.
    #[error(
        "after the colon a join code has {BODY_CHARS} characters besides dashes, here are {found}"
    )]
    Length {
        /// How many there are.
        found: usize,
    },
    /// Name, key and checksum do not fit together.
    #[error("a character of the join code, in its name or its key, is wrong")]
    Checksum,
}

/// Why a group of this name cannot have a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupNameError {
    /// It is empty.
    #[error("a group with a key has a name, and this one is empty")]
    Empty,
    /// It is the original's word for no group.
    #[error("\"None\" stands for no group, as in the original: give the group another name")]
    None,
    /// It is too long.
    #[error("the name of a group with a key has at most {GROUP_NAME_MAX} bytes, this one {found}")]
    Long {
        /// Its bytes.
        found: usize,
    },
}

/// Checks that a group of this name can have a key.
pub(crate) fn check_name(group: &str) -> Result<(), GroupNameError> {
    match group {
        "" => Err(GroupNameError::Empty),
        "None" => Err(GroupNameError::None),
        _ if group.len() > GROUP_NAME_MAX => Err(GroupNameError::Long { found: group.len() }),
        _ => Ok(()),
    }
}

impl JoinCode {
    /// The code of this group.
    ///
    /// # Errors
    ///
    /// When a group of this name cannot have a key.
    pub fn new(group: impl Into<String>, key: GroupKey) -> Result<Self, GroupNameError> {
        let group = group.into();
        check_name(&group)?;
        Ok(Self { group, key })
    }

    /// The group's name.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The group's key.
    #[must_use]
    pub fn key(&self) -> &GroupKey {
        &self.key
    }

    /// What stands after the colon in the code of this group.
    pub(crate) fn body_of(group: &str, key: &GroupKey) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; BODY_SIZE]);
        bytes[..KEY_SIZE].copy_from_slice(key.bytes());
        bytes[KEY_SIZE..].copy_from_slice(&checksum(group, key));
        // Of its full size from the start: one that grows leaves pieces of the key behind.
        let mut text = Zeroizing::new(String::with_capacity(BODY_CHARS + BODY_CHARS / GROUPED));
        for place in 0..BODY_CHARS {
            if place > 0 && place.is_multiple_of(GROUPED) {
                text.push('-');
            }
            text.push(char::from(ALPHABET[symbol(&bytes, place)]));
        }
        text
    }

    /// Reads what stands after the colon, for a group whose name is known. Dashes and white space, as a line's end, mean nothing.
    pub(crate) fn from_body(group: String, body: &str) -> Result<Self, JoinCodeError> {
        check_name(&group)?;
        let mut bytes = Zeroizing::new([0; BODY_SIZE]);
        let mut found = 0;
        for c in body.chars().filter(|c| *c != '-' && !c.is_whitespace()) {
            let value = value_of(c).ok_or(JoinCodeError::Character { found: c })?;
            if found < BODY_CHARS {
                set_symbol(&mut bytes, found, value);
            }
            found += 1;
        }
        if found != BODY_CHARS {
            return Err(JoinCodeError::Length { found });
        }
        let mut key = GroupKey::from_bytes([0; KEY_SIZE]);
        key.bytes_mut().copy_from_slice(&bytes[..KEY_SIZE]);
        if checksum(&group, &key) != bytes[KEY_SIZE..] {
            return Err(JoinCodeError::Checksum);
        }
        Ok(Self { group, key })
    }
}

impl fmt::Display for JoinCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = Self::body_of(&self.group, &self.key);
        write!(f, "{}:{}", percent_encode(&self.group), *body)
    }
}

impl FromStr for JoinCode {
    type Err = JoinCodeError;

    /// Letters of the key may be of either case, i and l are taken for 1 and o for 0, and dashes may be left out.
    fn from_str(text: &str) -> Result<Self, JoinCodeError> {
        let (name, body) = text.trim().rsplit_once(':').ok_or(JoinCodeError::NoColon)?;
        let group = percent_decode(name).ok_or(JoinCodeError::Encoding)?;
        Self::from_body(group, body)
    }
}

fn symbol(bytes: &[u8; BODY_SIZE], place: usize) -> usize {
    let bit = |at: usize| usize::from(bytes[at / 8] >> (7 - at % 8) & 1);
    (place * BITS..(place + 1) * BITS).fold(0, |symbol, at| symbol << 1 | bit(at))
}

/// In bytes in which it was zero.
fn set_symbol(bytes: &mut [u8; BODY_SIZE], place: usize, value: u8) {
    for n in 0..BITS {
        let at = place * BITS + n;
        bytes[at / 8] |= (value >> (BITS - 1 - n) & 1) << (7 - at % 8);
    }
}

fn value_of(c: char) -> Option<u8> {
    let c = match c.to_ascii_lowercase() {
        'i' | 'l' => '1',
        'o' => '0',
        c => c,
    };
    let place = ALPHABET
        .iter()
        .position(|symbol| char::from(*symbol) == c)?;
    u8::try_from(place).ok()
}

/// Of the name and the key, and of a byte between them that is in no name.
fn checksum(group: &str, key: &GroupKey) -> [u8; CHECKSUM_SIZE] {
    const START: u32 = 0x00b7_04ce;
    const POLYNOMIAL: u32 = 0x0186_4cfb;
    const TOP: u32 = 1 << 24;
    let bytes = group.bytes().chain([0xff]).chain(*key.bytes());
    let crc = bytes.fold(START, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte) << 16, |crc, _| match crc << 1 {
            shifted if shifted & TOP == 0 => shifted,
            shifted => shifted ^ POLYNOMIAL,
        })
    });
    let [_, checksum @ ..] = crc.to_be_bytes();
    checksum
}

/// All but ASCII letters, digits and `-._~` (RFC 3986's unreserved characters) as `%` and two hexadecimal digits for each byte.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// What is not encoded stands for itself, whether or not it should be.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A name that needs encoding, and one that does not.
    const NAMES: [&str; 2] = ["lab-2.x", "Größe 2/β:x%"];

    fn code(group: &str) -> JoinCode {
        let bytes = std::array::from_fn(|n| (n * 37 + 11) as u8);
        JoinCode::new(group, GroupKey::from_bytes(bytes)).unwrap()
    }

    fn read(text: &str) -> Result<JoinCode, JoinCodeError> {
        text.parse()
    }

    #[test]
    fn its_form() {
        let key = GroupKey::from_bytes(std::array::from_fn(|n| n as u8));
        let code = JoinCode::new("my lab", key).unwrap();
        assert_eq!(
            code.to_string(),
            "my%20lab:000g-40r4-0m30-e209-185g-r38e-1w81-24gk-2gah-c5rr-34d1-p70x-3rfy-pd8t"
        );
    }

    #[test]
    fn the_checksum_is_that_of_openpgp() {
        // The check value of CRC-24/OPENPGP is over "123456789"; ours ends with 0xff and the key, so the name alone is compared here.
        let long_division = |bytes: &[u8]| {
            let mut crc = 0x00b7_04ce_u32;
            for byte in bytes {
                crc ^= u32::from(*byte) << 16;
                for _ in 0..8 {
                    crc <<= 1;
                    if crc & 0x0100_0000 != 0 {
                        crc ^= 0x0186_4cfb;
                    }
                }
            }
            crc
        };
        assert_eq!(long_division(b"123456789"), 0x0021_cf02);
        let code = code("lab");
        let all = [b"lab\xff", &code.key.bytes()[..]].concat();
        assert_eq!(
            checksum("lab", &code.key),
            long_division(&all).to_be_bytes()[1..]
        );
    }

    #[test]
    fn case_dashes_white_space_and_look_alikes_do_not_matter() {
        for name in NAMES {
            let code = code(name);
            let text = code.to_string();
            let (name, body) = text.rsplit_once(':').unwrap();
            for body in [
                body.to_uppercase(),
                body.replace('-', ""),
                body.replace('-', " - "),
                body.replace('1', "I"),
                body.replace('1', "l"),
                body.replace('0', "O"),
                format!("{}\n{}", &body[..20], &body[20..]),
            ] {
                assert_eq!(
                    read(&format!(" {name}:{body}\n")),
                    Ok(code.clone()),
                    "{body}"
                );
            }
        }
    }

    /// Each text that differs from `text` by one character: another, one more, one less, or two that changed places.
    fn single_errors(text: &str) -> Vec<String> {
        let chars: Vec<char> = text.chars().collect();
        let others: Vec<char> = (' '..='~').chain(['ß', '\u{2014}', '\0']).collect();
        let mut texts = Vec::new();
        for at in 0..=chars.len() {
            let with = |replaced: usize, by: &[char]| -> String {
                [&chars[..at], by, &chars[(at + replaced).min(chars.len())..]]
                    .concat()
                    .iter()
                    .collect()
            };
            for c in &others {
                texts.push(with(0, &[*c]));
                texts.push(with(1, &[*c]));
            }
            texts.push(with(1, &[]));
            if let Some(&[one, two]) = chars.get(at..at + 2) {
                texts.push(with(2, &[two, one]));
            }
        }
        texts
    }

    #[test]
    fn every_single_error_is_found() {
        for name in NAMES {
            let code = code(name);
            let text = code.to_string();
            let mut found = 0;
            for wrong in single_errors(&text) {
                match read(&wrong) {
                    Err(_) => found += 1,
                    // What is no error: a dash, a space or a letter of the other case.
                    Ok(read) => assert_eq!(read, code, "{wrong} was taken"),
                }
            }
            assert!(found > text.len() * 100, "{found} errors");
        }
    }

    #[test]
    fn an_error_says_what_is_wrong() {
        let text = code("lab").to_string();
        let wrong = |text: &str| read(text).unwrap_err();
        assert_eq!(wrong(&text.replace(':', "")), JoinCodeError::NoColon);
        assert_eq!(
            wrong(&text[..text.len() - 1]),
            JoinCodeError::Length { found: 55 }
        );
        assert_eq!(
            wrong(&format!("{text}0")),
            JoinCodeError::Length { found: 57 }
        );
        assert_eq!(
            wrong(&format!("{text}u")),
            JoinCodeError::Character { found: 'u' }
        );
        assert_eq!(wrong(&text.replace("lab", "lob")), JoinCodeError::Checksum);
        assert_eq!(wrong(&text.replace("lab", "%6")), JoinCodeError::Encoding);
        assert_eq!(wrong(&text.replace("lab", "%FF")), JoinCodeError::Encoding);
        assert_eq!(
            wrong(&text.replace("lab", "")),
            GroupNameError::Empty.into()
        );
        assert_eq!(
            wrong(&text.replace("lab", "None")),
            GroupNameError::None.into()
        );
        assert_eq!(
            wrong(&text.replace("lab", &"x".repeat(81))),
            GroupNameError::Long { found: 81 }.into()
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            group in ".{1,20}".prop_filter("what has a key", |name| check_name(name).is_ok()),
            key: [u8; 32],
        ) {
            let code = JoinCode::new(group, GroupKey::from_bytes(key)).unwrap();
            let text = code.to_string();
            prop_assert_eq!(read(&text), Ok(code));
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{}", text);
        }

        #[test]
        fn reading_never_panics(text in "\\PC*", body in "[0-9a-zA-Z-]{0,70}") {
            let _ = read(&text);
            let _ = read(&format!("{text}:{body}"));
        }
    }
}
