//! An organisation's authority for tests, and files with what it has signed.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Vec<u8>,
}

/// What is asked for of a certificate.
pub(crate) struct Wanted {
    pub(crate) from: SystemTime,
    pub(crate) until: SystemTime,
    pub(crate) uses: Vec<ExtendedKeyUsagePurpose>,
}

/// A day old, for a day, for whatever use.
impl Default for Wanted {
    fn default() -> Self {
        let now = SystemTime::now();
        Self {
            from: now - DAY,
            until: now + DAY,
            uses: Vec::new(),
        }
    }
}

/// The files that a peer is given.
pub(crate) struct Files {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) authorities: PathBuf,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let params = authority_params(name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().to_vec();
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    /// One that this one has signed, as organisations have for each of their parts.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        let params = authority_params(name);
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        Self {
            certificate: signed.der().to_vec(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Signs a certificate of a new key, and writes both, with the authority's, into `dir` as `name`.
    pub(crate) fn issue(&self, dir: &Path, name: &str, wanted: Wanted) -> Files {
        // As a web server has it: a peer's name is that of its host, which nobody asks for.
        let mut params = CertificateParams::new(vec!["desk.example.org".to_owned()]).unwrap();
        params.not_before = wanted.from.into();
        params.not_after = wanted.until.into();
        params.extended_key_usages = wanted.uses;
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        let files = Files {
            chain: dir.join(format!("{name}.pem")),
            key: dir.join(format!("{name}.key")),
            authorities: dir.join(format!("{name}-ca.pem")),
        };
        // Written elsewhere and then named, as what renews certificates does.
        let write = |path: &Path, text: String| {
            let passing = path.with_extension("new");
            fs::write(&passing, text).unwrap();
            fs::set_permissions(&passing, Permissions::from_mode(0o600)).unwrap();
            fs::rename(passing, path).unwrap();
        };
        write(&files.chain, pem("CERTIFICATE", leaf.der()));
        write(&files.key, pem("PRIVATE KEY", &key.serialize_der()));
        write(&files.authorities, self.pem());
        files
    }

    pub(crate) fn pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn pem(what: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len())
        .step_by(64)
        .map(|at| &text[at..text.len().min(at + 64)])
        .collect();
    let body = lines.join("\n");
    format!("-----BEGIN {what}-----\n{body}\n-----END {what}-----\n")
}
