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
use zeroize::Zeroizing;

use super::key::{GroupKey, KEY_SIZE, derive, hex};
use super::sides::{NAME, Sides, SidesError};

/// Salts of what is derived from a group's key (RFC 5869).
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
        Ok(Sides::new(roots, chain, key)?)
    }

    /// This authority, vouched for by another: for those who know only that one.
    fn vouched_for_by(&self, other: &Self) -> Result<CertificateDer<'static>, AuthorityError> {
        let signed = self.params.signed_by(self.issuer.key(), &other.issuer)?;
        Ok(signed.der().clone())
    }

    /// A certificate of a key that is made now and kept nowhere.
    fn leaf(&self) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), AuthorityError> {
        let pair = KeyPair::generate_for(&PKCS_ED25519)?;
        let mut params = CertificateParams::new(vec![NAME.to_owned()])?;
        params
            .distinguished_name
            .push(DnType::CommonName, "app-net peer");
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

fn key_pair(seed: &[u8; KEY_SIZE]) -> Result<KeyPair, rcgen::Error> {
    let der: Vec<u8> = PKCS8_HEAD.iter().chain(seed).copied().collect();
    KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(der), &PKCS_ED25519)
}
