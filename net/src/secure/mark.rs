//! Marks by which those of one group know each other's announcements on a network: whoever hears one and is not of the group learns nothing
//! from it, not even which two are of the same. A mark proves nothing: who is there shows that in the handshake.

use std::fmt;

use net_proto::InstanceId;
use zeroize::Zeroizing;

use super::key::{GroupKey, KEY_SIZE, derive, hex};

/// Salts of what is derived (RFC 5869).
const KEY_SALT: &[u8] = b"app-net group seal 1";
const AUTHORITY_SALT: &[u8] = b"app-net authority seal 1";
const NAME_SALT: &[u8] = b"app-net open group seal 1";
const MARK_SALT: &[u8] = b"app-net mark 1";
/// So much that two groups' are told apart. If they ever are not, a connection is made that the handshake ends.
const MARK_SIZE: usize = 8;

/// With which the marks of one group are made.
#[derive(Clone)]
pub(crate) struct Seal(Zeroizing<[u8; KEY_SIZE]>);

/// That one instance is of a group, for those of the group: another one for each instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark([u8; MARK_SIZE]);

impl Seal {
    /// That of a key: nobody else can make a mark with it, or tell whose one is.
    pub(crate) fn of_key(key: &GroupKey, group: &str) -> Self {
        Self::of(key.bytes(), KEY_SALT, group)
    }

    /// That of an authority, of its public key: whoever has its certificate can tell who trusts it.
    pub(crate) fn of_authority(public_key: &[u8]) -> Self {
        Self::of(public_key, AUTHORITY_SALT, "")
    }

    /// That of a group without a key: whoever knows its name can tell who is of it.
    pub(crate) fn of_name(group: Option<&str>) -> Self {
        Self::of(group.unwrap_or("").as_bytes(), NAME_SALT, "")
    }

    fn of(secret: &[u8], salt: &[u8], group: &str) -> Self {
        Self(Zeroizing::new(derive(secret, salt, group.as_bytes())))
    }

    pub(crate) fn mark(&self, id: InstanceId) -> Mark {
        let whole = derive(&self.0[..], MARK_SALT, &id.0);
        let mut mark = [0; MARK_SIZE];
        mark.copy_from_slice(&whole[..MARK_SIZE]);
        Mark(mark)
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(..)")
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: InstanceId = InstanceId([1; 16]);
    const TWO: InstanceId = InstanceId([2; 16]);

    #[test]
    fn a_mark_is_of_one_instance_in_one_group_with_one_key() {
        let of = |key: u8, group| Seal::of_key(&GroupKey::from_bytes([key; KEY_SIZE]), group);
        let mark = of(7, "lab").mark(ONE);
        assert_eq!(mark, of(7, "lab").mark(ONE));
        assert_ne!(mark, of(7, "lab").mark(TWO));
        assert_ne!(mark, of(8, "lab").mark(ONE));
        assert_ne!(mark, of(7, "stage").mark(ONE));
        assert_ne!(mark, Seal::of_name(Some("lab")).mark(ONE));
        assert_ne!(mark, Seal::of_authority(&[7; KEY_SIZE]).mark(ONE));
    }

    #[test]
    fn a_mark_is_the_same_in_every_release() {
        let seal = Seal::of_key(&GroupKey::from_bytes([7; KEY_SIZE]), "lab");
        assert_eq!(seal.mark(ONE).to_string(), "4d3ba866ce54fe9f");
    }

    #[test]
    fn a_seal_shows_nothing_of_itself() {
        assert_eq!(format!("{:?}", Seal::of_name(Some("lab"))), "Seal(..)");
    }
}
