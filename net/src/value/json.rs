//! JSON to CBOR and back, for original peers and the command line. No other formats.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value as Json};

use super::arguments::split_arguments;
use super::array::{Lists, One};
use super::cbor::Reader;
use super::error::{Step, ValueError, ValueErrorKind};
use super::{Value, decode, encode};

/// Appends the CBOR of a JSON value to `out`.
///
/// # Errors
///
/// When it nests too deep; `out` is then as it was before.
pub fn from_json(json: &Json, out: &mut Vec<u8>) -> Result<(), ValueError> {
    encode(json, out)
}

/// The JSON of one CBOR value, as Python's `json` would write it: a tuple becomes a list, an integer, boolean or null as
/// a key becomes text.
///
/// # Errors
///
/// When the bytes are not one value, or hold what JSON has no form for (bytes, a set, a date, NaN, …); the error has the
/// path to it.
pub fn to_json(bytes: &[u8]) -> Result<Json, ValueError> {
    convert(decode(bytes)?, strict, 0)
}

/// The JSON of one CBOR value, for people to read: what JSON has no form for becomes text (bytes: base64; NaN: `"nan"`),
/// a set an array, and every key text.
///
/// # Errors
///
/// When the bytes are not one value.
pub fn to_json_lossy(bytes: &[u8]) -> Result<Json, ValueError> {
    convert(decode(bytes)?, lossy, 0)
}

/// The arguments in a call's body as JSON: the positional ones, and the others by name.
///
/// # Errors
///
/// As for [`to_json`]; the path begins with `args` or the keyword.
pub fn arguments_to_json(body: &[u8]) -> Result<(Vec<Json>, Map<String, Json>), ValueError> {
    let parts = split_arguments(body)?;
    let mut reader = Reader::new(parts.items);
    let mut positional = Vec::with_capacity(parts.count.min(parts.items.len()));
    for index in 0..parts.count {
        let value = reader.skip().and_then(to_json);
        let value =
            value.map_err(|error| error.inside(Step::Index(index)).inside(Step::Arguments))?;
        positional.push(value);
    }
    let mut named = Map::new();
    if let Some(Value::Map(entries)) = parts.keywords.map(decode).transpose()? {
        for (name, value) in entries {
            let name = key(name, strict)?;
            let value = convert(value, strict, 0)
                .map_err(|error| error.inside(Step::Argument(name.clone().into())))?;
            named.insert(name, value);
        }
    }
    Ok((positional, named))
}

/// What becomes of a value that JSON has no form for, with so many lists and objects open around it.
type Rest = fn(Value, usize) -> Result<Json, ValueError>;

/// `depth` lists and objects are open around it.
fn convert(value: Value, rest: Rest, depth: usize) -> Result<Json, ValueError> {
    Ok(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(value),
        Value::Int(n) => Json::Number(n.into()),
        Value::BigInt(n) => match n.to_u128().and_then(|n| u64::try_from(n).ok()) {
            Some(n) => Json::Number(n.into()),
            None => rest(Value::BigInt(n), depth)?,
        },
        Value::Float(value) => match Number::from_f64(value) {
            Some(number) => Json::Number(number),
            None => rest(Value::Float(value), depth)?,
        },
        Value::Text(text) => Json::String(text),
        Value::List(elements) | Value::Tuple(elements) => array(elements, rest, depth)?,
        Value::Map(entries) => {
            let mut object = Map::with_capacity(entries.len());
            for (name, value) in entries {
                let name = key(name, rest)?;
                let value = convert(value, rest, depth + 1)
                    .map_err(|error| error.inside(Step::Key(name.clone())))?;
                object.insert(name, value);
            }
            Json::Object(object)
        }
        Value::Array(numbers) => match numbers.lists(depth) {
            Ok(lists) => list(lists, rest)?,
            Err(_) => rest(Value::Array(numbers), depth)?,
        },
        other => rest(other, depth)?,
    })
}

/// The numbers of an array in lists.
fn list(lists: Lists<'_>, rest: Rest) -> Result<Json, ValueError> {
    match lists.inner() {
        Ok(inner) => {
            let one = |(index, one)| {
                list(one, rest).map_err(|error: ValueError| error.inside(Step::Index(index)))
            };
            inner
                .enumerate()
                .map(one)
                .collect::<Result<_, _>>()
                .map(Json::Array)
        }
        Err(One::Unsigned(n)) => Ok(Json::Number(n.into())),
        Err(One::Signed(n)) => Ok(Json::Number(n.into())),
        Err(One::Float(value)) => convert(Value::Float(value), rest, 0),
    }
}

fn array(elements: Vec<Value>, rest: Rest, depth: usize) -> Result<Json, ValueError> {
    let convert = |(index, element)| {
        convert(element, rest, depth + 1).map_err(|error| error.inside(Step::Index(index)))
    };
    elements
        .into_iter()
        .enumerate()
        .map(convert)
        .collect::<Result<_, _>>()
        .map(Json::Array)
}

fn key(key: Value, rest: Rest) -> Result<String, ValueError> {
    Ok(match key {
        Value::Text(text) => text,
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(_) | Value::BigInt(_) => key.to_string(),
        other => {
            let shown = other.to_string();
            match rest(other, 0) {
                Ok(Json::String(text)) => text,
                Ok(_) => shown,
                Err(_) => return Err(no_form(format!("the key {shown:.40}"))),
            }
        }
    })
}

fn strict(value: Value, _: usize) -> Result<Json, ValueError> {
    Err(no_form(match value {
        Value::Float(value) => format!("the float {value}"),
        Value::BigInt(_) => "an integer beyond 64 bits".to_owned(),
        other => other.kind().to_owned(),
    }))
}

fn no_form(what: String) -> ValueError {
    ValueErrorKind::NoJsonForm { what }.into()
}

fn lossy(value: Value, depth: usize) -> Result<Json, ValueError> {
    Ok(match value {
        Value::Set(elements) | Value::FrozenSet(elements) => array(elements, lossy, depth)?,
        Value::Bytes(bytes) => Json::String(STANDARD.encode(bytes)),
        Value::DateTime(datetime) => Json::String(datetime.to_string()),
        Value::NaiveDateTime(datetime) => Json::String(datetime.to_string()),
        Value::Date(date) => Json::String(date.to_string()),
        Value::Time(time) => Json::String(time.to_string()),
        Value::TimeDelta(delta) => Json::String(delta.to_string()),
        Value::Decimal(decimal) => Json::String(decimal.to_string()),
        Value::Uuid(uuid) => Json::String(uuid.to_string()),
        Value::Tagged(_, content) => convert(*content, lossy, depth)?,
        other => Json::String(other.to_string()),
    })
}
