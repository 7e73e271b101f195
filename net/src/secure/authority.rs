//! From a group's key to TLS: the key is that of an authority, with which each of the group's peers signs a certificate of its own
//! when it starts. So whoever has the key can show that it has it, nobody else can, and nothing needs to be handed out.
//!
//! TLS 1.3 alone, and both sides show a certificate. No clock is asked: a key's certificates are good as long as it is.

use std::sync::Arc;
use std::time::SystemTime;

use net_proto::Side;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ED25519,
};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
};
use zeroize::Zeroizing;

use super::key::{GroupKey, KEY_SIZE, derive, hex};
use super::store::Keys;

/// What a group's certificates are for, whatever the host: it is the group that they prove.
const NAME: &str = "peer.app-net.internal";
/// What is spoken within, so that another protocol under the same certificates is another.
const PROTOCOL: &[u8] = b"app-net/1";
/// Salts of what is derived from a group's key (RFC 5869).
const SALT: &[u8] = b"app-net group authority 1";
/// The head of an Ed25519 key in PKCS #8 (RFC 8410), before its 32 bytes.
const PKCS8_HEAD: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthorityError {
    #[error("a certificate cannot be made: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error("TLS cannot be set up: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// A peer's side of TLS in its group.
pub(crate) struct Identity {
    group: Arc<str>,
    now: Configs,
    /// While the key before is accepted too, and until when.
    rotating: Option<(Configs, SystemTime)>,
}

#[derive(Clone)]
struct Configs {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Identity {
    /// Makes this peer's certificate. While the key before is accepted, peers that have only that one are met too.
    ///
    /// # Errors
    ///
    /// The system has no randomness.
    pub(crate) fn new(keys: &Keys) -> Result<Self, AuthorityError> {
        let group = keys.group.as_str();
        let authority = Authority::new(group, &keys.current)?;
        let rotating = match &keys.previous {
            Some((key, until)) => {
                let previous = Authority::new(group, key)?;
                Some((Configs::new(&authority, Some(&previous))?, *until))
            }
            None => None,
        };
        Ok(Self {
            group: group.into(),
            now: Configs::new(&authority, None)?,
            rotating,
        })
    }

    /// The group that the other side of a finished handshake is of.
    pub(crate) fn group(&self) -> &Arc<str> {
        &self.group
    }

    fn configs(&self) -> &Configs {
        match &self.rotating {
            Some((configs, until)) if SystemTime::now() < *until => configs,
            _ => &self.now,
        }
    }

    /// One side of a handshake that is to begin.
    pub(crate) fn connection(&self, side: Side) -> Result<rustls::Connection, rustls::Error> {
        let Configs { client, server } = self.configs().clone();
        Ok(match side {
            Side::Dialer => {
                let name = ServerName::try_from(NAME).expect("it is a name");
                ClientConnection::new(client, name)?.into()
            }
            Side::Acceptor => ServerConnection::new(server)?.into(),
        })
    }
}

/// The key shows nothing of itself.
impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({})", self.group)
    }
}

/// A group's key as that of an authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    params: CertificateParams,
}

impl Authority {
    fn new(group: &str, key: &GroupKey) -> Result<Self, AuthorityError> {
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

impl Configs {
    fn new(authority: &Authority, previous: Option<&Authority>) -> Result<Self, AuthorityError> {
        let provider = Arc::new(provider());
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate.clone())?;
        let (leaf, key) = authority.leaf()?;
        let mut chain = vec![leaf];
        if let Some(previous) = previous {
            roots.add(previous.certificate.clone())?;
            chain.push(authority.vouched_for_by(previous)?);
        }
        let roots = Arc::new(roots);
        Ok(Self {
            client: Arc::new(client(&provider, &roots, &chain, &key)?),
            server: Arc::new(server(&provider, &roots, chain, key)?),
        })
    }
}

/// Of the cipher suites AES-128 first: the library begins with AES-256, which takes two fifths more rounds for each byte; 128 bits are
/// what the key exchange and the certificates (X25519, Ed25519) are worth either way.
fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider
        .cipher_suites
        .sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    provider
}

fn client(
    provider: &Arc<CryptoProvider>,
    roots: &Arc<RootCertStore>,
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
) -> Result<ClientConfig, AuthorityError> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(Arc::clone(roots))
        .with_client_auth_cert(chain.to_vec(), key.clone_key())?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(config)
}

fn server(
    provider: &Arc<CryptoProvider>,
    roots: &Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, AuthorityError> {
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider))
            .build()?;
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(config)
}

fn key_pair(seed: &[u8; KEY_SIZE]) -> Result<KeyPair, rcgen::Error> {
    let der: Vec<u8> = PKCS8_HEAD.iter().chain(seed).copied().collect();
    KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(der), &PKCS_ED25519)
}

/// What a failed handshake means, for people. `group` is this side's.
pub(crate) fn explain(error: &rustls::Error, group: &str) -> String {
    use rustls::{AlertDescription as Alert, CertificateError as Bad, Error};
    match error {
        Error::InvalidCertificate(
            Bad::UnknownIssuer | Bad::BadSignature | Bad::UnhandledCriticalExtension,
        ) => format!(
            "its certificate is not of the key of group {group:?}: it is of another group, or has another key (compare `app-net group show {group}` on both)"
        ),
        Error::AlertReceived(Alert::UnknownCA | Alert::DecryptError) => format!(
            "it does not take this peer's certificate: it is of another group than {group:?}, or has another key (compare `app-net group show {group}` on both)"
        ),
        Error::NoCertificatesPresented => {
            "it shows no certificate: it has no key of this group".to_owned()
        }
        Error::AlertReceived(Alert::CertificateRequired) => {
            "it asks for a certificate, and this peer has none".to_owned()
        }
        Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            "its certificate has expired".to_owned()
        }
        Error::AlertReceived(Alert::CertificateExpired) => {
            "this peer's own certificate has expired".to_owned()
        }
        Error::InvalidMessage(_) | Error::AlertReceived(Alert::AccessDenied) => format!(
            "it speaks no TLS: it has no key of group {group:?} (`app-net join` gives it one)"
        ),
        other => format!("TLS failed: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const KEY: [u8; KEY_SIZE] = [7; KEY_SIZE];
    const OTHER: [u8; KEY_SIZE] = [8; KEY_SIZE];

    fn identity(group: &str, key: &[u8; KEY_SIZE]) -> Identity {
        Identity::new(&Keys::new(group, GroupKey::from_bytes(*key))).unwrap()
    }

    fn rotated(current: &[u8; KEY_SIZE], previous: &[u8; KEY_SIZE], left: i64) -> Identity {
        let now = SystemTime::now();
        let until = match u64::try_from(left) {
            Ok(left) => now + Duration::from_secs(left),
            Err(_) => now - Duration::from_secs(left.unsigned_abs()),
        };
        let mut keys = Keys::new("lab", GroupKey::from_bytes(*current));
        keys.previous = Some((GroupKey::from_bytes(*previous), until));
        Identity::new(&keys).unwrap()
    }

    /// Shakes hands in memory; what each side makes of it.
    fn meet(dials: &Identity, is_reached: &Identity) -> (Result<(), String>, Result<(), String>) {
        let mut a = dials.connection(Side::Dialer).unwrap();
        let mut b = is_reached.connection(Side::Acceptor).unwrap();
        let (mut of_a, mut of_b) = (Ok(()), Ok(()));
        for _ in 0..6 {
            let a_is_well = of_a.is_ok();
            let b_is_well = of_b.is_ok();
            carry(&mut a, &mut b, &mut of_b, b_is_well, is_reached);
            carry(&mut b, &mut a, &mut of_a, a_is_well, dials);
        }
        if of_a.is_ok() && of_b.is_ok() {
            assert!(!a.is_handshaking() && !b.is_handshaking());
            let suite = a.negotiated_cipher_suite().unwrap().suite();
            assert_eq!(suite, CipherSuite::TLS13_AES_128_GCM_SHA256);
        }
        (of_a, of_b)
    }

    fn carry(
        from: &mut rustls::Connection,
        to: &mut rustls::Connection,
        outcome: &mut Result<(), String>,
        is_well: bool,
        reader: &Identity,
    ) {
        let mut wire = Vec::new();
        while from.wants_write() {
            from.write_tls(&mut wire).unwrap();
        }
        let mut wire = &wire[..];
        while is_well && outcome.is_ok() && !wire.is_empty() {
            to.read_tls(&mut wire).unwrap();
            if let Err(error) = to.process_new_packets() {
                *outcome = Err(explain(&error, reader.group()));
            }
        }
    }

    #[test]
    fn those_of_one_key_meet() {
        assert_eq!(
            meet(&identity("lab", &KEY), &identity("lab", &KEY)),
            (Ok(()), Ok(()))
        );
    }

    #[test]
    fn another_key_or_another_name_is_another_group() {
        for other in [identity("lab", &OTHER), identity("test", &KEY)] {
            let (dialled, _) = meet(&identity("lab", &KEY), &other);
            let error = dialled.unwrap_err();
            assert!(error.contains("another group"), "{error}");
            let (dialled, _) = meet(&other, &identity("lab", &KEY));
            assert!(dialled.unwrap_err().contains("another group"));
        }
    }

    #[test]
    fn during_a_rotation_both_keys_are_taken_whoever_dials() {
        let old = identity("lab", &KEY);
        let new = identity("lab", &OTHER);
        let both = rotated(&OTHER, &KEY, 60);
        for other in [&old, &new, &both] {
            assert_eq!(meet(&both, other), (Ok(()), Ok(())));
            assert_eq!(meet(other, &both), (Ok(()), Ok(())));
        }
        assert!(meet(&old, &new).0.is_err());
    }

    #[test]
    fn after_it_the_old_one_is_not() {
        let old = identity("lab", &KEY);
        let over = rotated(&OTHER, &KEY, -1);
        assert!(meet(&over, &old).0.is_err());
        assert!(meet(&old, &over).0.is_err());
        assert_eq!(meet(&over, &identity("lab", &OTHER)), (Ok(()), Ok(())));
    }

    #[test]
    fn a_key_shows_nothing_of_itself() {
        assert_eq!(format!("{:?}", identity("lab", &KEY)), "Identity(lab)");
    }
}
