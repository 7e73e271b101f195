//! The identity of one running peer. No randomness in here: whoever starts a peer draws the bytes.

use std::fmt;
use std::str::FromStr;

/// The identity of one run of one peer: 16 random bytes, drawn when it starts.
///
/// Two links to the same id lead to the same process, by whatever address they were dialled.
/// It is written as 32 lower-case hexadecimal digits.
///
/// # Examples
/// ```
/// use net_proto::InstanceId;
///
/// let id = InstanceId([0xAB; 16]);
/// assert_eq!(id.to_string(), "ab".repeat(16));
/// assert_eq!(id.to_string().parse::<InstanceId>()?, id);
/// # Ok::<(), net_proto::BadInstanceId>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(pub [u8; 16]);

/// A text that is not 32 hexadecimal digits was given as an [`InstanceId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an instance id is 32 hexadecimal digits")]
pub struct BadInstanceId;

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InstanceId({self})")
    }
}

impl FromStr for InstanceId {
    type Err = BadInstanceId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 32 {
            return Err(BadInstanceId);
        }
        let mut id = [0; 16];
        for (byte, pair) in id.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(id))
    }
}

fn digit(ascii: u8) -> Result<u8, BadInstanceId> {
    match ascii {
        b'0'..=b'9' => Ok(ascii - b'0'),
        b'a'..=b'f' => Ok(ascii - b'a' + 10),
        b'A'..=b'F' => Ok(ascii - b'A' + 10),
        _ => Err(BadInstanceId),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        let id = InstanceId(*b"0123456789abcdef");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
        assert_eq!(format!("{id:?}"), format!("InstanceId({id})"));
        assert_eq!("".parse::<InstanceId>(), Err(BadInstanceId));
        assert_eq!("g".repeat(32).parse::<InstanceId>(), Err(BadInstanceId));
        assert_eq!("é".repeat(16).parse::<InstanceId>(), Err(BadInstanceId));
    }
}
