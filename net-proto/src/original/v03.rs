//! The dialect of 0.3 and 0.4: JSON in base64, tags in base64 once more, results wrapped, flags bare.
//!
//! What must not be in here: the limit on a message, and peer ids.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Value, json};

use super::shape::{self, ANSWER, REQUEST};
use super::{Answer, OriginalError, Parsed, Request, json};

/// What a request begins with: the base64 of `{"`, whatever follows.
pub(super) const PREFIX: &[u8] = b"eyJ";

/// The key that a result which is no object travels under.
const RAW: &str = "raw";

/// Standard base64 with padding; like Python's, it does not look at the bits that the padding leaves over.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// A function's tag as 0.3 sends it, in requests, in `net.info`, and as the last argument of a subscription.
///
/// # Examples
///
/// ```
/// use net_proto::original::Tag03;
///
/// let tag = Tag03 { name: "app.multiply".to_owned(), custom: false };
/// assert_eq!(tag.encode(), "YXBwLm11bHRpcGx5");
/// assert_eq!(Tag03::decode("YXBwLm11bHRpcGx5"), tag);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tag03 {
    /// `module.name`, or the custom tag.
    pub name: String,
    /// Whether it is a custom tag.
    pub custom: bool,
}

impl Tag03 {
    /// The base64 of the name, or of the JSON `{"raw": name}` for a custom tag.
    #[must_use]
    pub fn encode(&self) -> String {
        if self.custom {
            // With the space that Python puts there: the tag is looked up as it is written, not as it reads.
            BASE64.encode(format!("{{\"{RAW}\": {}}}", json::write(&json!(self.name))))
        } else {
            BASE64.encode(&self.name)
        }
    }

    /// The tag behind `text`. A text in neither form is taken as a name in plain text, which the registry then does
    /// or does not know; a tag is therefore never an error.
    #[must_use]
    pub fn decode(text: &str) -> Self {
        let text = without_bytes_repr(text);
        let Some(name) = BASE64
            .decode(text)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
        else {
            return Self {
                name: text.to_owned(),
                custom: false,
            };
        };
        match json::read(name.as_bytes()) {
            Ok(Value::Object(mut object)) => match object.remove(RAW) {
                Some(Value::String(name)) => Self { name, custom: true },
                _ => Self {
                    name,
                    custom: false,
                },
            },
            _ => Self {
                name,
                custom: false,
            },
        }
    }
}

/// The text in `b'text'`: 0.3 subscribes with `str(tag)` and `str(id)`, and on Python 3 the two are `bytes`.
pub(super) fn without_bytes_repr(text: &str) -> &str {
    text.strip_prefix("b'")
        .and_then(|text| text.strip_suffix('\''))
        .unwrap_or(text)
}

/// Text as it stands on the wire.
pub(super) fn seal(text: &str) -> Vec<u8> {
    BASE64.encode(text).into_bytes()
}

/// What [`seal`] made of a text.
pub(super) fn unseal(bytes: &[u8]) -> Result<Vec<u8>, base64::DecodeError> {
    BASE64.decode(bytes)
}

/// What is in the base64 as far as it is there, and whether it ends inside a group of four.
fn unseal_begun(bytes: &[u8], message: &'static str) -> Result<(Vec<u8>, bool), OriginalError> {
    let bytes = bytes.trim_ascii_end();
    let whole = bytes.len() / 4 * 4;
    let text = unseal(&bytes[..whole]).map_err(|error| OriginalError::Malformed {
        message,
        why: format!("it is not base64: {error}"),
    })?;
    Ok((text, whole < bytes.len()))
}

pub(super) fn parse_request(bytes: &[u8]) -> Result<Parsed<Request>, OriginalError> {
    let (text, in_group) = unseal_begun(bytes, REQUEST)?;
    let value = match json::read(&text) {
        Ok(_) if in_group => {
            let why = "there is more after its end".to_owned();
            return Err(OriginalError::Malformed {
                message: REQUEST,
                why,
            });
        }
        Ok(value) => value,
        Err(error) => return shape::json_error(error, REQUEST, Ok(Parsed::Incomplete)),
    };
    let request = shape::read_request(value)?;
    let tag = Tag03::decode(&request.tag);
    Ok(Parsed::Complete(Request {
        tag: tag.name,
        custom_tag: tag.custom,
        ..request
    }))
}

pub(super) fn build_request(request: &Request) -> Vec<u8> {
    let tag = Tag03 {
        name: request.tag.clone(),
        custom: request.custom_tag,
    };
    seal(&shape::request(&tag.encode(), request))
}

/// A result's JSON: wrapped unless it is an object, and then too if the wrapper would be looked for in vain.
pub(super) fn result_json(value: &Value) -> String {
    let bare = match value {
        Value::Object(object) => !object.contains_key(RAW) && shape::read_error(value).is_none(),
        _ => false,
    };
    if bare {
        json::write(value)
    } else {
        format!("{{\"{RAW}\":{}}}", json::write(value))
    }
}

pub(super) fn parse_answer(bytes: &[u8]) -> Result<Answer, OriginalError> {
    let (text, in_group) = unseal_begun(bytes, ANSWER)?;
    let cut = OriginalError::Cut {
        received: bytes.len(),
    };
    if in_group {
        return Err(cut);
    }
    // Every result is an object, so whatever is none is the name of a flag.
    if !text.starts_with(b"{") {
        return match String::from_utf8(text) {
            Ok(name) if !name.is_empty() => Ok(Answer::Flag(name)),
            _ => Err(OriginalError::Malformed {
                message: ANSWER,
                why: "its base64 holds no text".to_owned(),
            }),
        };
    }
    let mut value = match json::read(&text) {
        Ok(value) => value,
        Err(error) => return shape::json_error(error, ANSWER, Err(cut)),
    };
    // Before the wrapper is taken off: what is inside of one is a result, whatever it looks like.
    if let Some(traceback) = shape::read_error(&value) {
        return Ok(Answer::Error {
            traceback: traceback.to_owned(),
        });
    }
    Ok(Answer::Value(match value.get_mut(RAW) {
        Some(raw) => raw.take(),
        None => value,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tags_as_python_writes_them() {
        for (name, custom, text) in [
            ("app.multiply", false, "YXBwLm11bHRpcGx5"),
            ("MyTägged", true, "eyJyYXciOiAiTXlUXHUwMGU0Z2dlZCJ9"),
        ] {
            let tag = Tag03 {
                name: name.to_owned(),
                custom,
            };
            assert_eq!(tag.encode(), text);
            assert_eq!(Tag03::decode(text), tag);
            assert_eq!(
                Tag03::decode(&format!("b'{text}'")),
                tag,
                "str() of the bytes"
            );
        }
    }

    #[test]
    fn a_tag_in_plain_text_is_taken_as_it_is() {
        for name in ["app.multiply", "Résumé", "////"] {
            assert_eq!(
                Tag03::decode(name),
                Tag03 {
                    name: name.to_owned(),
                    custom: false
                }
            );
        }
    }

    proptest! {
        #[test]
        fn any_tag_survives(name in "[a-z]{0,4}[ -~é😀]{0,20}", custom in any::<bool>()) {
            let tag = Tag03 { name, custom };
            prop_assert_eq!(Tag03::decode(&tag.encode()), tag);
        }

        #[test]
        fn decoding_never_panics(text in any::<String>()) {
            let _ = Tag03::decode(&text);
        }
    }
}
