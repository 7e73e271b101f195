//! Both sides of TLS 1.3 with certificates, whosever they are. Both sides show one, and each takes whom an authority has signed.
//!
//! By whatever name: a certificate is to show of which group a peer is, not at which host.

use std::sync::Arc;

use net_proto::Side;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor as verify_chain;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{
    CipherSuite, ClientConfig, ClientConnection, DigitallySignedStruct, DistinguishedName, Error,
    OtherError, RootCertStore, ServerConfig, ServerConnection, SignatureScheme,
};

use super::authority;

/// What is asked for, whatever the host: it is the group that certificates prove.
pub(super) const NAME: &str = "peer.app-net.internal";
/// What is spoken within, so that another protocol under the same certificates is another.
const PROTOCOL: &[u8] = b"app-net/1";

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SidesError {
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] Error),
    #[error("TLS cannot be set up: {0}")]
    Verifier(#[from] VerifierBuilderError),
}

/// What either side of a connection is set up with.
#[derive(Clone)]
pub(super) struct Sides {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    verifies: Arc<Signed>,
}

impl Sides {
    /// Shows the first of `chain`, whose key is `key`, and takes those whom `roots` have signed. Of others it tells apart those whose group has
    /// this name and another key.
    pub(super) fn new(
        roots: RootCertStore,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        group: Option<&str>,
    ) -> Result<Self, SidesError> {
        let provider = Arc::new(provider());
        let roots = Arc::new(roots);
        let of_clients =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        let verifies = Arc::new(Signed {
            algorithms: provider.signature_verification_algorithms,
            roots,
            of_clients: of_clients.build()?,
            group: group.map(str::to_owned),
        });
        let client = client(&provider, &verifies, chain.clone(), key.clone_key())?;
        let server = server(&provider, &verifies, chain, key)?;
        Ok(Self {
            client: Arc::new(client),
            server: Arc::new(server),
            verifies,
        })
    }

    pub(super) fn connection(&self, side: Side) -> Result<rustls::Connection, Error> {
        Ok(match side {
            Side::Dialer => {
                let name = ServerName::try_from(NAME).expect("it is a name");
                ClientConnection::new(Arc::clone(&self.client), name)?.into()
            }
            Side::Acceptor => ServerConnection::new(Arc::clone(&self.server))?.into(),
        })
    }

    /// The public keys of the authorities that are trusted, in an order that is the same wherever these are.
    pub(super) fn authority_keys(&self) -> Vec<&[u8]> {
        let roots = self.verifies.roots.roots.iter();
        let mut keys: Vec<&[u8]> = roots
            .map(|root| root.subject_public_key_info.as_ref())
            .collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Whether others that trust the same authorities take this certificate at that time, whichever side it is on.
    pub(super) fn would_take(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let (leaf, rest) = chain.split_first().ok_or(Error::NoCertificatesPresented)?;
        self.verifies.verify(leaf, rest, now)?;
        let as_client = self.verifies.of_clients.verify_client_cert(leaf, rest, now);
        as_client.map(|_| ())
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
    verifies: &Arc<Signed>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        // Dangerous where a host's name is what is to be proved.
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(verifies) as _)
        .with_client_auth_cert(chain, key)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(config)
}

fn server(
    provider: &Arc<CryptoProvider>,
    verifies: &Arc<Signed>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::clone(verifies) as _)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(config)
}

/// A certificate is of a group of the right name, and of another key.
#[derive(Debug, thiserror::Error)]
#[error("the certificate is of another key of the same group's name")]
pub(super) struct OtherKey;

/// Takes whom an authority has signed. For clients rustls has the same itself ([`WebPkiClientVerifier`]).
#[derive(Debug)]
struct Signed {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
    of_clients: Arc<dyn ClientCertVerifier>,
    group: Option<String>,
}

impl Signed {
    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let leaf = ParsedCertificate::try_from(leaf)?;
        verify_chain(&leaf, &self.roots, rest, now, self.algorithms.all)
    }

    /// The error over a certificate that nobody here has signed, with what it says of itself.
    fn judged(&self, error: Error, leaf: &CertificateDer<'_>) -> Error {
        use rustls::CertificateError::{BadSignature, Other, UnknownIssuer};
        let is_of_name = |group: &String| authority::is_of_name(leaf, group);
        match error {
            Error::InvalidCertificate(UnknownIssuer | BadSignature)
                if self.group.as_ref().is_some_and(is_of_name) =>
            {
                Error::InvalidCertificate(Other(OtherError(Arc::new(OtherKey))))
            }
            error => error,
        }
    }
}

impl ServerCertVerifier for Signed {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify(leaf, rest, now)
            .map_err(|error| self.judged(error, leaf))?;
        Ok(ServerCertVerified::assertion())
    }

    // Asked for by the trait, and never called: TLS 1.2 is not spoken.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Signed {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.of_clients.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.of_clients.verify_client_cert(leaf, rest, now);
        verified.map_err(|error| self.judged(error, leaf))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
