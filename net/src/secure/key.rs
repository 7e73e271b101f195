//! A group's key, and what is derived from it. Neither its text form nor where it lies.

use std::fmt;
use std::io;

use ring::hkdf;
use zeroize::Zeroizing;

/// The size of a key, in bytes.
pub(crate) const KEY_SIZE: usize = 32;

/// What a key made of a text is salted with. The number is that of the rule: another rule, other keys.
const TEXT_SALT: &[u8] = b"app-net group key 1";
const FINGERPRINT_SALT: &[u8] = b"app-net group fingerprint 1";
/// So much of it that two keys of one user are told apart, and a person can read it out.
const FINGERPRINT_SIZE: usize = 8;

/// The key of a group: 256 bits. Whoever has it is a member. It is never shown, and wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct GroupKey(Zeroizing<[u8; KEY_SIZE]>);

impl GroupKey {
    /// A new key, of the system's randomness.
    ///
    /// # Errors
    ///
    /// When the system gives none.
    pub fn generate() -> io::Result<Self> {
        let mut key = Self::from_bytes([0; KEY_SIZE]);
        random(key.bytes_mut())?;
        Ok(key)
    }

    pub(crate) fn from_bytes(bytes: [u8; KEY_SIZE]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key that a text stands for in a group: another one in each.
    pub(crate) fn from_text(text: &str, group: &str) -> Self {
        Self::from_bytes(derive(text.as_bytes(), TEXT_SALT, group.as_bytes()))
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8; KEY_SIZE] {
        &mut self.0
    }

    /// The key itself: for deriving from, and for nothing that is shown or sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8; KEY_SIZE] {
        &self.0
    }

    /// What tells this key from others, in 16 hexadecimal digits; it may be shown, and says nothing of the key.
    #[must_use]
    pub fn fingerprint(&self, group: &str) -> String {
        let whole = derive(self.bytes(), FINGERPRINT_SALT, group.as_bytes());
        hex(&whole[..FINGERPRINT_SIZE])
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Debug for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupKey(..)")
    }
}

/// Fills it with what the system has of randomness.
pub(crate) fn random(bytes: &mut [u8]) -> io::Result<()> {
    getrandom::fill(bytes).map_err(|error| io::Error::other(error.to_string()))
}

/// HKDF-SHA256 (RFC 5869), for 32 bytes.
pub(crate) fn derive(secret: &[u8], salt: &[u8], info: &[u8]) -> [u8; KEY_SIZE] {
    let mut derived = [0; KEY_SIZE];
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret)
        .expand(&[info], hkdf::HKDF_SHA256)
        .and_then(|output| output.fill(&mut derived))
        .expect("one block, as long as the hash, is within what HKDF gives");
    derived
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_as_in_the_rfc() {
        // RFC 5869, A.1: the first 32 of its 42 bytes.
        let salt: Vec<u8> = (0..=0x0c).collect();
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        let derived = derive(&[0x0b; 22], &salt, &info);
        assert_eq!(
            hex(&derived),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
        );
    }

    #[test]
    fn two_keys_are_two() {
        let (one, two) = (GroupKey::generate().unwrap(), GroupKey::generate().unwrap());
        assert_ne!(one, two);
        assert_ne!(one.fingerprint("lab"), two.fingerprint("lab"));
        assert_ne!(one.fingerprint("lab"), one.fingerprint("stage"));
    }

    #[test]
    fn a_text_is_another_key_in_each_group() {
        let key = |group| GroupKey::from_text("the same text", group);
        assert_eq!(key("lab"), key("lab"));
        assert_ne!(key("lab"), key("stage"));
    }

    #[test]
    fn nothing_of_it_is_shown() {
        assert_eq!(
            format!("{:?}", GroupKey::from_bytes([7; 32])),
            "GroupKey(..)"
        );
    }
}
