//! What the commands for groups have in common: how a key is told of, and how spans of time are written. Never the key itself, but as a join code.

use std::time::{Duration, SystemTime};

use net::secure::{GroupKey, JoinCode, Keys, Store};
use net::value::DateTime;
use serde::Serialize;

use crate::failure::{Failure, Status};

/// How long a key that was replaced is accepted, if nothing else is said: machines that are off over the weekend join in this time.
pub(crate) const ACCEPT_OLD: &str = "7d";

/// A group as it is told of.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    pub(crate) group: String,
    /// What tells its key from others.
    pub(crate) fingerprint: String,
    /// Where the key is stored.
    pub(crate) file: String,
    /// The key before it, while that is accepted.
    pub(crate) previous: Option<Previous>,
    /// Only where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Previous {
    pub(crate) fingerprint: String,
    /// RFC 3339, in UTC.
    pub(crate) accepted_until: String,
}

impl Told {
    pub(crate) fn of(store: &Store, keys: &Keys) -> Self {
        let group = &keys.group;
        let accepted = keys.previous_at(SystemTime::now()).is_some();
        let previous = keys.previous.as_ref().filter(|_| accepted);
        Self {
            group: group.clone(),
            fingerprint: keys.current.fingerprint(group),
            file: store.path(group).display().to_string(),
            previous: previous.map(|(key, until)| Previous {
                fingerprint: key.fingerprint(group),
                accepted_until: time_text(*until),
            }),
            code: None,
        }
    }

    pub(crate) fn with_code(self, keys: &Keys) -> Result<Self, Failure> {
        let code = JoinCode::new(&*keys.group, keys.current.clone())?;
        Ok(Self {
            code: Some(code.to_string()),
            ..self
        })
    }
}

/// The keys of a group that there must be.
pub(crate) fn load(store: &Store, group: &str) -> Result<Keys, Failure> {
    let keys = store.load(group)?;
    Ok(keys.ok_or_else(|| net::secure::KeyError::NoKey {
        group: group.to_owned(),
    })?)
}

pub(crate) fn generate() -> Result<GroupKey, Failure> {
    GroupKey::generate().map_err(|error| {
        let why = format!("the system gave no random bytes for a key: {error}");
        Failure::new(Status::Failed, why)
    })
}

fn time_text(time: SystemTime) -> String {
    DateTime::try_from(time).map_or_else(|_| "-".to_owned(), |time| time.to_string())
}

/// Units of time, the largest first, in seconds.
const UNITS: [(char, u64); 4] = [('d', 24 * 3600), ('h', 3600), ('m', 60), ('s', 1)];

/// A span of time as `7d`, `12h`, `30m`, `45s` or `0`.
pub(crate) fn parse_span(text: &str) -> Result<Duration, String> {
    let read = || {
        if text == "0" {
            return Some(Duration::ZERO);
        }
        let unit = text.chars().next_back()?;
        let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let number = text.strip_suffix(unit)?;
        // A sign is none.
        let number = number
            .starts_with(|c: char| c.is_ascii_digit())
            .then_some(number)?;
        let seconds = number.parse::<u64>().ok()?.checked_mul(*seconds)?;
        Some(Duration::from_secs(seconds))
    };
    read().ok_or_else(|| {
        "it takes a whole number and a unit (s, m, h, d), such as 7d or 12h, or 0".to_owned()
    })
}

/// As [`parse_span`] reads it.
pub(crate) fn span_text(span: Duration) -> String {
    let seconds = span.as_secs();
    let unit = UNITS.iter().find(|(_, unit)| seconds.is_multiple_of(*unit));
    match unit {
        Some((name, unit)) if seconds > 0 => format!("{}{name}", seconds / unit),
        _ => "0".to_owned(),
    }
}

/// A word as a shell reads it back.
pub(crate) fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._/:%=@".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_unit() {
        let seconds = |text| parse_span(text).map(|span| span.as_secs());
        assert_eq!(seconds(ACCEPT_OLD), Ok(604_800));
        assert_eq!(seconds("12h"), Ok(43_200));
        assert_eq!(seconds("30m"), Ok(1800));
        assert_eq!(seconds("45s"), Ok(45));
        assert_eq!(seconds("0"), Ok(0));
        for wrong in [
            "",
            "7",
            "d",
            "-1d",
            "+1d",
            "1.5h",
            "7 d",
            "7y",
            "1ü",
            "ü",
            "0x1d",
            "99999999999999999999s",
            "9999999999999999999d",
        ] {
            assert!(parse_span(wrong).is_err(), "{wrong}");
        }
        for text in ["0", "45s", "90m", "36h", "8d"] {
            assert_eq!(span_text(parse_span(text).unwrap()), text);
        }
    }

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(shell_word("lab-2.x"), "lab-2.x");
        assert_eq!(shell_word("my lab"), "'my lab'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
