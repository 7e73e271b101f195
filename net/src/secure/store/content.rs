//! What a file of keys has in it. Not where it lies, nor who may read it.
//!
//! ```json
//! { "version": 1, "group": "lab", "key": "5xj4-…", "previous": { "key": "8k2d-…", "until": "2026-12-03T10:00:00Z" } }
//! ```
//!
//! Keys stand there as in a join code, with its checksum of the group's name and the key: a file that was changed by hand or half restored is found out.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Keys;
use crate::secure::code::{JoinCode, JoinCodeError};
use crate::secure::key::GroupKey;
use crate::value::{DateTime, ValueError};

/// Of this form. A later release that writes another counts it up.
const VERSION: u64 = 1;
/// Some more than a file ever has: a buffer that grows leaves pieces of the key behind.
const SIZE: usize = 1024;

#[derive(Serialize, Deserialize)]
struct Content {
    version: u64,
    group: String,
    key: Zeroizing<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<Previous>,
}

#[derive(Serialize, Deserialize)]
struct Previous {
    key: Zeroizing<String>,
    /// RFC 3339, in UTC.
    until: String,
}

/// An error where the previous key's time is in no year that can be written.
pub(super) fn write(keys: &Keys) -> Result<Zeroizing<Vec<u8>>, ValueError> {
    let body = |key: &GroupKey| JoinCode::body_of(&keys.group, key);
    let previous = match &keys.previous {
        None => None,
        Some((key, until)) => Some(Previous {
            key: body(key),
            until: DateTime::try_from(*until)?.to_string(),
        }),
    };
    let content = Content {
        version: VERSION,
        group: keys.group.clone(),
        key: body(&keys.current),
        previous,
    };
    let mut text = Zeroizing::new(Vec::with_capacity(SIZE));
    serde_json::to_writer_pretty(&mut *text, &content)
        .expect("a vector takes all, and texts and a number are JSON");
    text.push(b'\n');
    Ok(text)
}

/// The keys, or why they cannot be read.
pub(super) fn read(text: &[u8]) -> Result<Keys, String> {
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    // The place alone: what stands there may be the key.
    let misplaced = |error: serde_json::Error| {
        let (line, column) = (error.line(), error.column());
        format!("it is not JSON of a group's keys, at line {line}, column {column}")
    };
    let version = serde_json::from_slice::<Version>(text)
        .map_err(misplaced)?
        .version;
    if version != VERSION {
        return Err(format!(
            "it has the version {version}, and this release reads {VERSION}: update app-net"
        ));
    }
    let content: Content = serde_json::from_slice(text).map_err(misplaced)?;
    let key = |body: &str| {
        let code = JoinCode::from_body(content.group.clone(), body);
        code.map(|code| code.key().clone())
            .map_err(|error| match error {
                JoinCodeError::Checksum => {
                    "the key, or the group's name, is not as it was written".to_owned()
                }
                error => format!("the key is not as it was written: {error}"),
            })
    };
    let previous = match &content.previous {
        None => None,
        Some(previous) => {
            let until = previous.until.parse::<DateTime>();
            let until =
                until.map_err(|error| format!("the previous key's time is none: {error}"))?;
            Some((key(&previous.key)?, until.into()))
        }
    };
    let current = key(&content.key)?;
    Ok(Keys {
        group: content.group,
        current,
        previous,
    })
}
