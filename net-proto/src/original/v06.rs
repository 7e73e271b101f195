//! The dialect of 0.5 and 0.6: plain JSON, flags as their bare names.
//!
//! What must not be in here: the limit on a message, and anything of base64.

use serde_json::{Value, json};

use super::shape::{self, ANSWER, REQUEST};
use super::{Answer, INVALID_CONNECTION, NULL, OriginalError, Parsed, Request, json};

/// The flags that the server itself sends. Others are ordinary strings in this dialect.
const BUILT_IN_FLAGS: [&str; 2] = [NULL, INVALID_CONNECTION];

pub(super) fn parse_request(bytes: &[u8]) -> Result<Parsed<Request>, OriginalError> {
    let value = match json::read(bytes) {
        Ok(value) => value,
        // What this caller sends when an argument is no JSON type: the `repr` of its dict.
        Err(json::ReadError::Malformed(_)) if bytes.trim_ascii_start().starts_with(b"{'") => {
            let why = "it is Python's repr and not JSON, so an argument is of a type that JSON does not have".to_owned();
            return Err(OriginalError::Malformed {
                message: REQUEST,
                why,
            });
        }
        Err(error) => return shape::json_error(error, REQUEST, Ok(Parsed::Incomplete)),
    };
    shape::read_request(value).map(Parsed::Complete)
}

pub(super) fn build_request(request: &Request) -> Vec<u8> {
    shape::request(&request.tag, request).into_bytes()
}

pub(super) fn parse_answer(bytes: &[u8]) -> Result<Answer, OriginalError> {
    let value = match json::read(bytes) {
        Ok(value) => value,
        Err(json::ReadError::Malformed(why)) => match str::from_utf8(bytes) {
            Ok(text) => Value::String(text.to_owned()),
            Err(_) => {
                return Err(OriginalError::Malformed {
                    message: ANSWER,
                    why,
                });
            }
        },
        Err(error) => {
            return shape::json_error(
                error,
                ANSWER,
                Err(OriginalError::Cut {
                    received: bytes.len(),
                }),
            );
        }
    };
    Ok(match value {
        Value::String(text) if BUILT_IN_FLAGS.contains(&text.as_str()) => Answer::Flag(text),
        value => match shape::read_error(&value) {
            Some(traceback) => Answer::Error {
                traceback: traceback.to_owned(),
            },
            None => Answer::Value(value),
        },
    })
}

/// A flag on the wire: bare if it is built in, else the JSON string that a function of the original returns for it.
pub(super) fn flag(name: &str) -> Vec<u8> {
    if BUILT_IN_FLAGS.contains(&name) {
        name.as_bytes().to_vec()
    } else {
        json::write(&json!(name)).into_bytes()
    }
}
