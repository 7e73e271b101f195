//! A call's body taken apart without decoding its arguments, for those who pass them on. How arguments are decoded is in
//! [`crate::value`].

use crate::value::cbor::{Item, Reader};
use crate::value::{ValueError, to_json};

/// The arguments of a call, each as its bytes.
pub(crate) struct Parts<'a> {
    pub(crate) positional: Vec<&'a [u8]>,
    /// The map of those passed by name, if there is one.
    pub(crate) keywords: Option<&'a [u8]>,
}

/// Takes a body apart.
pub(crate) fn split(body: &[u8]) -> Result<Parts<'_>, ValueError> {
    let mut reader = Reader::new(body);
    let mut positional = Vec::new();
    match reader.next()? {
        Item::Array(Some(length)) => {
            // Not reserved by the declared length: each argument has at least a byte, and has to be there.
            for _ in 0..length {
                positional.push(reader.skip()?);
            }
        }
        Item::Array(None) => {
            while reader.peek()? != Item::Break {
                positional.push(reader.skip()?);
            }
            reader.next()?;
        }
        _ => {
            return Err(ValueError::custom(
                "a call's body begins with the array of its arguments",
            ));
        }
    }
    let keywords = if reader.is_empty() {
        None
    } else {
        Some(reader.skip()?)
    };
    reader.finish()?;
    Ok(Parts {
        positional,
        keywords,
    })
}

/// The arguments in the form that original peers take.
pub(crate) fn to_json_arguments(
    body: &[u8],
) -> Result<
    (
        Vec<serde_json::Value>,
        serde_json::Map<String, serde_json::Value>,
    ),
    ValueError,
> {
    let parts = split(body)?;
    let positional = parts
        .positional
        .into_iter()
        .map(to_json)
        .collect::<Result<_, _>>()?;
    let keywords = match parts.keywords.map(to_json).transpose()? {
        None => serde_json::Map::new(),
        Some(serde_json::Value::Object(keywords)) => keywords,
        Some(_) => {
            return Err(ValueError::custom(
                "the arguments passed by name are not a map",
            ));
        }
    };
    Ok((positional, keywords))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{encode_arguments, encode_keywords};

    #[test]
    fn arguments_come_apart() {
        let mut body = Vec::new();
        encode_arguments(&(1, "two"), &mut body).unwrap();
        let plain = split(&body).unwrap();
        assert_eq!(plain.positional, [&[1][..], b"\x63two"]);
        assert_eq!(plain.keywords, None);

        encode_keywords([("c", &3)], &mut body).unwrap();
        let (positional, keywords) = to_json_arguments(&body).unwrap();
        assert_eq!(positional, [serde_json::json!(1), serde_json::json!("two")]);
        assert_eq!(keywords["c"], 3);
    }

    #[test]
    fn what_is_no_body_is_refused() {
        for bytes in [
            &b""[..],
            b"\x01",
            b"\x82\x01",
            b"\x81\x01\xa0\x01",
            b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert!(split(bytes).is_err(), "{bytes:x?}");
        }
    }
}
