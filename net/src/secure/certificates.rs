//! Certificates of one's own, where an organisation has an authority already: read from files, looked through before they are used, and
//! read again when the files are others. Nothing here knows groups or sockets.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::RootCertStore;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use zeroize::Zeroizing;

use super::sides::{Sides, SidesError};

/// The settings that name the files.
const CHAIN: &str = "NET_TLS_CERT";
const KEY: &str = "NET_TLS_KEY";
const AUTHORITIES: &str = "NET_TLS_CA";

/// The longest file that is read. A chain has some kilobytes, and a system's bundle of authorities some hundred.
const FILE_MAX: u64 = 4 * 1024 * 1024;
/// What everybody may do with a file.
const EVERYBODY: u32 = 0o007;

/// Where a peer's own certificates are, in PEM form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateFiles {
    /// The peer's certificate, and those between it and the authority.
    pub(crate) chain: PathBuf,
    /// The certificate's private key.
    pub(crate) key: PathBuf,
    /// The certificates of the authorities whose peers are of the group.
    pub(crate) authorities: PathBuf,
}

/// Why certificates are not usable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("{setting}={path:?} cannot be read: {source}")]
    Read {
        setting: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{setting}={path:?} is not usable: {why}")]
    Unusable {
        setting: &'static str,
        path: PathBuf,
        why: String,
    },
    #[error(
        "{KEY}={path:?} is open to every user (its mode is {mode:03o}): run `chmod o-rwx '{}'`, and have the certificate replaced if others may have read its key",
        .path.display()
    )]
    OpenToAll { path: PathBuf, mode: u32 },
    #[error(transparent)]
    Tls(#[from] SidesError),
}

/// A peer's own certificates, as they are in the files.
pub(super) struct Certificates {
    files: CertificateFiles,
    loaded: Mutex<Loaded>,
}

struct Loaded {
    sides: Sides,
    /// What the files were when they were read last, whether or not that could be used.
    state: State,
}

/// By which files are known to be others than they were.
#[derive(Debug, PartialEq, Eq)]
struct State([Option<FileState>; 3]);

#[derive(Debug, PartialEq, Eq)]
struct FileState {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Certificates {
    /// Reads the files, and looks whether others that trust the same authorities will take what is in them.
    pub(super) fn load(files: &CertificateFiles) -> Result<Self, CertificateError> {
        let state = State::of(files);
        let sides = read(files)?;
        Ok(Self {
            files: files.clone(),
            loaded: Mutex::new(Loaded { sides, state }),
        })
    }

    pub(super) fn files(&self) -> &CertificateFiles {
        &self.files
    }

    /// What is in the files now. As long as that is not usable, what was.
    pub(super) fn sides(&self) -> Sides {
        let mut loaded = self.loaded();
        let state = State::of(&self.files);
        if state != loaded.state {
            // Also where it is not usable: said once for each change, not for each connection.
            loaded.state = state;
            match read(&self.files) {
                Ok(sides) => {
                    tracing::info!(certificate = ?self.files.chain, "the peer's certificates were replaced");
                    loaded.sides = sides;
                }
                Err(error) => {
                    tracing::warn!(%error, "new certificates are not used: those from before still are");
                }
            }
        }
        loaded.sides.clone()
    }

    fn loaded(&self) -> MutexGuard<'_, Loaded> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn of(files: &CertificateFiles) -> Self {
        let of = |path: &PathBuf| {
            let found = fs::metadata(path).ok()?;
            Some(FileState {
                inode: found.ino(),
                size: found.len(),
                changed: (found.mtime(), found.mtime_nsec()),
            })
        };
        Self([of(&files.chain), of(&files.key), of(&files.authorities)])
    }
}

fn read(files: &CertificateFiles) -> Result<Sides, CertificateError> {
    let chain = certificates(CHAIN, &files.chain)?;
    let key = private_key(&files.key)?;
    let mut roots = RootCertStore::empty();
    for authority in certificates(AUTHORITIES, &files.authorities)? {
        let added = roots.add(authority);
        added.map_err(|error| unusable(AUTHORITIES, &files.authorities, error))?;
    }
    let sides = match Sides::new(roots, chain.clone(), key, None) {
        Err(SidesError::Tls(rustls::Error::InconsistentKeys(_))) => {
            let why = format!("it is not the key of {CHAIN}={:?}", files.chain);
            return Err(unusable(KEY, &files.key, why));
        }
        Err(SidesError::Tls(error)) => return Err(unusable(CHAIN, &files.chain, error)),
        sides => sides?,
    };
    // Nobody would take it, and everybody would say so: better here, and once.
    let taken = sides.would_take(&chain, UnixTime::now());
    taken.map_err(|error| unusable(CHAIN, &files.chain, not_taken(&error, &files.authorities)))?;
    Ok(sides)
}

fn not_taken(error: &rustls::Error, authorities: &Path) -> String {
    use rustls::{CertificateError as Bad, Error};
    match error {
        Error::InvalidCertificate(Bad::UnknownIssuer | Bad::BadSignature) => format!(
            "it is of no authority in {AUTHORITIES}={authorities:?} (certificates between the two belong into {CHAIN}, after its own)"
        ),
        Error::InvalidCertificate(Bad::ExpiredContext { time, not_after }) => {
            let ago = time.as_secs().saturating_sub(not_after.as_secs());
            format!("it has expired, {} ago", duration(ago))
        }
        Error::InvalidCertificate(Bad::NotValidYetContext { time, not_before }) => {
            let left = not_before.as_secs().saturating_sub(time.as_secs());
            let left = duration(left);
            format!("it is not valid for another {left}, by the clock of this host")
        }
        Error::InvalidCertificate(Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. }) => {
            "a peer both dials and is dialled: its certificate takes serverAuth and clientAuth as extended key usage, or none at all".to_owned()
        }
        other => other.to_string(),
    }
}

/// Seconds, for people.
fn duration(seconds: u64) -> String {
    const DAY: u64 = 24 * 3600;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / DAY),
    }
}

fn certificates(
    setting: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let text = contents(setting, path)?;
    let found: Result<Vec<_>, PemError> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if found.is_empty() => Err(unusable(
            setting,
            path,
            "there is no certificate in PEM form in it (-----BEGIN CERTIFICATE-----)",
        )),
        Ok(found) => Ok(found),
        Err(error) => Err(unusable(setting, path, error)),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let text = contents(KEY, path)?;
    let found = fs::metadata(path).map_err(|source| unreadable(KEY, path, source))?;
    let mode = found.mode() & 0o777;
    if mode & EVERYBODY != 0 {
        let path = path.to_owned();
        return Err(CertificateError::OpenToAll { path, mode });
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        let is_encrypted = text.windows(9).any(|window| window == b"ENCRYPTED");
        match error {
            PemError::NoItemsFound if is_encrypted => unusable(
                KEY,
                path,
                "the key is encrypted, and a peer has nobody to ask for its password: give it a file without (`openssl pkey -in … -out …`)",
            ),
            PemError::NoItemsFound => unusable(
                KEY,
                path,
                "there is no private key in PEM form in it (-----BEGIN PRIVATE KEY-----)",
            ),
            error => unusable(KEY, path, error),
        }
    })
}

fn contents(setting: &'static str, path: &Path) -> Result<Zeroizing<Vec<u8>>, CertificateError> {
    let found = fs::metadata(path).map_err(|source| unreadable(setting, path, source))?;
    if !found.is_file() || found.len() > FILE_MAX {
        return Err(unusable(
            setting,
            path,
            "it is not a file, or a very long one",
        ));
    }
    let text = fs::read(path).map_err(|source| unreadable(setting, path, source))?;
    Ok(Zeroizing::new(text))
}

fn unreadable(setting: &'static str, path: &Path, source: io::Error) -> CertificateError {
    let path = path.to_owned();
    CertificateError::Read {
        setting,
        path,
        source,
    }
}

fn unusable(setting: &'static str, path: &Path, why: impl ToString) -> CertificateError {
    CertificateError::Unusable {
        setting,
        path: path.to_owned(),
        why: why.to_string(),
    }
}
