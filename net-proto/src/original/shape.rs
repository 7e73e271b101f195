//! The JSON objects that both dialects share: the request and the error.
//!
//! What must not be in here: base64, flags, and how a result is wrapped.

use serde_json::{Map, Value, json};

use super::{OriginalError, Request, json};

/// What a caller says for itself in the keyword arguments, in 0.6 because nothing takes them out.
const NOT_FOR_THE_FUNCTION: [&str; 2] = ["peer", "time_out"];

/// A request's JSON; `connection` is the tag as the dialect writes it.
///
/// Put together from parts so that the arguments need not be copied into one value first.
pub(super) fn request(connection: &str, request: &Request) -> String {
    let args: Vec<String> = request.args.iter().map(json::write).collect();
    let kwargs: Vec<String> = request
        .kwargs
        .iter()
        .map(|(name, value)| format!("{}:{}", json::write(&json!(name)), json::write(value)))
        .collect();
    format!(
        r#"{{"connection":{},"args":[{}],"kwargs":{{{}}}}}"#,
        json::write(&json!(connection)),
        args.join(","),
        kwargs.join(",")
    )
}

/// What [`request`] wrote. The tag is left as the dialect writes it.
pub(super) fn read_request(value: Value) -> Result<Request, OriginalError> {
    let malformed = |why: &str| OriginalError::Malformed {
        message: REQUEST,
        why: why.to_owned(),
    };
    let Value::Object(mut object) = value else {
        return Err(malformed("it is no object"));
    };
    let Some(Value::String(connection)) = object.remove("connection") else {
        return Err(malformed("it names no \"connection\""));
    };
    let args = match object.remove("args") {
        None => Vec::new(),
        Some(Value::Array(args)) => args,
        Some(_) => return Err(malformed("its \"args\" are no list")),
    };
    let mut kwargs = match object.remove("kwargs") {
        None => Map::new(),
        Some(Value::Object(kwargs)) => kwargs,
        Some(_) => return Err(malformed("its \"kwargs\" are no object")),
    };
    for name in NOT_FOR_THE_FUNCTION {
        kwargs.remove(name);
    }
    Ok(Request {
        args,
        kwargs,
        ..Request::new(connection)
    })
}

/// An error's JSON.
pub(super) fn error(traceback: &str) -> String {
    format!(
        r#"{{"payload":"error","traceback":{}}}"#,
        json::write(&json!(traceback))
    )
}

/// The traceback, if the value is what [`error`] writes.
pub(super) fn read_error(value: &Value) -> Option<&str> {
    if value.get("payload")?.as_str()? != "error" {
        return None;
    }
    value.get("traceback")?.as_str()
}

/// The name of a message in errors.
pub(super) const REQUEST: &str = "request";
/// The name of a message in errors.
pub(super) const ANSWER: &str = "answer";

/// Says of which message a number is that cannot be carried, or what else is wrong with it.
///
/// [`json::ReadError::Incomplete`] means something else in a request than in an answer; `incomplete` says what.
pub(super) fn json_error<T>(
    error: json::ReadError,
    message: &'static str,
    incomplete: Result<T, OriginalError>,
) -> Result<T, OriginalError> {
    match error {
        json::ReadError::Incomplete => incomplete,
        json::ReadError::NotFinite(literal) => Err(OriginalError::NotFinite { message, literal }),
        json::ReadError::IntegerTooLarge(literal) => {
            Err(OriginalError::IntegerTooLarge { message, literal })
        }
        json::ReadError::TooDeep => Err(OriginalError::TooDeep {
            message,
            limit: json::MOST_LEVELS,
        }),
        json::ReadError::Malformed(why) => Err(OriginalError::Malformed { message, why }),
    }
}
