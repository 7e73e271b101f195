//! From a group's key to certificates: the key is that of an authority, with which each of the group's peers signs a certificate of its own
//! when it starts. So whoever has the key can show that it has it, nobody else can, and nothing needs to be handed out.
//!
//! No clock is asked: a key's certificates are good as long as it is.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ED25519,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ParsedCertificate;
use zeroize::Zeroizing;

use super::key::{GroupKey, KEY_SIZE, derive, hex};
use super::sides::{NAME, Sides, SidesError};

/// How each peer is called in its certificate, before its [mark](group_mark).
const PEER: &str = "app-net peer ";
/// Salt of that mark.
const MARK_SALT: &[u8] = b"app-net group name 1";
/// Enough to tell two names apart, for people.
const MARK_SIZE: usize = 4;
/// Salt of what is derived from a group's key (RFC 5869).
const SALT: &[u8] = b"app-net group authority 1";
/// The head of an Ed25519 key in PKCS #8 (RFC 8410), before its 32 bytes.
const PKCS8_HEAD: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// Why a peer has no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthorityError {
    #[error("a certificate cannot be made: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error(transparent)]
    Tls(#[from] SidesError),
}

/// A group's key as that of an authority.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    params: CertificateParams,
    group: String,
}

impl Authority {
    pub(super) fn new(group: &str, key: &GroupKey) -> Result<Self, AuthorityError> {
        let seed = Zeroizing::new(derive(key.bytes(), SALT, group.as_bytes()));
        let pair = key_pair(&seed)?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        // Two keys' authorities are two, by their names too: who has both must not take one for the other.
        let public = hex(&pair.public_key_raw()[..8]);
        let name = format!("app-net group authority {public}");
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&pair)?.der().clone();
        Ok(Self {
            issuer: Issuer::new(params.clone(), pair),
            certificate,
            params,
            group: group.to_owned(),
        })
    }

    /// A peer's side in the group, with a certificate that is made now, and its other side's. Those of a previous authority are taken too,
    /// and shown that it vouches for this one.
    pub(super) fn sides(&self, previous: Option<&Self>) -> Result<Sides, AuthorityError> {
        let mut roots = RootCertStore::empty();
        roots
            .add(self.certificate.clone())
            .map_err(SidesError::from)?;
        let (leaf, key) = self.leaf()?;
        let mut chain = vec![leaf];
        if let Some(previous) = previous {
            roots
                .add(previous.certificate.clone())
                .map_err(SidesError::from)?;
            chain.push(self.vouched_for_by(previous)?);
        }
        Ok(Sides::new(roots, chain, key, Some(&self.group))?)
    }

    /// This authority, vouched for by another: for those who know only that one.
    fn vouched_for_by(&self, other: &Self) -> Result<CertificateDer<'static>, AuthorityError> {
        let signed = self.params.signed_by(self.issuer.key(), &other.issuer)?;
        Ok(signed.der().clone())
    }

    /// A certificate of a key that is made now and kept nowhere.
    fn leaf(&self) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), AuthorityError> {
        let pair = KeyPair::generate_for(&PKCS_ED25519)?;
        let mark = group_mark(pair.public_key_raw(), &self.group);
        let mut params = CertificateParams::new(vec![NAME.to_owned()])?;
        params
            .distinguished_name
            .push(DnType::CommonName, format!("{PEER}{mark}"));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&pair, &self.issuer)?.der().clone();
        let key = PrivatePkcs8KeyDer::from(pair.serialize_der());
        Ok((certificate, key.into()))
    }
}

/// What a peer's certificate has of its group's name: by it two peers of one name see that it is the key in which they differ. Another with each
/// certificate, so that it shows to nobody else which belong together; it proves nothing.
fn group_mark(public_key: &[u8], group: &str) -> String {
    hex(&derive(public_key, MARK_SALT, group.as_bytes())[..MARK_SIZE])
}

/// Whether a certificate that is not of this group's key says that it is of a group of this name.
pub(super) fn is_of_name(leaf: &CertificateDer<'_>, group: &str) -> bool {
    let Ok(parsed) = ParsedCertificate::try_from(leaf) else {
        return false;
    };
    let key_info = parsed.subject_public_key_info();
    // Of an Ed25519 key (RFC 8410) all that follows is the key.
    let Some((_, key)) = key_info.split_last_chunk::<KEY_SIZE>() else {
        return false;
    };
    let name = format!("{PEER}{}", group_mark(key, group));
    leaf.windows(name.len()).any(|part| part == name.as_bytes())
}

fn key_pair(seed: &[u8; KEY_SIZE]) -> Result<KeyPair, rcgen::Error> {
    let der: Vec<u8> = PKCS8_HEAD.iter().chain(seed).copied().collect();
    KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(der), &PKCS_ED25519)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(group: &str) -> CertificateDer<'static> {
        let authority = Authority::new(group, &GroupKey::from_bytes([7; KEY_SIZE])).unwrap();
        authority.leaf().unwrap().0
    }

    #[test]
    fn a_certificate_says_its_groups_name_to_those_who_know_it() {
        let one = leaf("lab");
        assert!(is_of_name(&one, "lab") && !is_of_name(&one, "test"));
        let contains = |name: &str| one.windows(name.len()).any(|part| part == name.as_bytes());
        assert!(!contains("lab"));
        // And to nobody else that two belong together.
        let other = leaf("lab");
        let mark = |leaf: &CertificateDer<'_>| {
            let at = leaf
                .windows(PEER.len())
                .position(|part| part == PEER.as_bytes());
            let at = at.unwrap() + PEER.len();
            leaf[at..at + 2 * MARK_SIZE].to_vec()
        };
        assert_ne!(mark(&one), mark(&other));
        assert!(!is_of_name(&CertificateDer::from(vec![0x30, 0]), "lab"));
    }
}
