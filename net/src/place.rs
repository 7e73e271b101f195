//! The user's runtime directory: where the Unix sockets of this user's peers on this host lie. Nothing here dials or listens.

use std::fs;
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use net_proto::InstanceId;

use crate::config::Config;
use crate::error::StartError;

/// The longest path a Unix socket can have on Linux is 107 bytes and a zero; elsewhere 103.
const SOCKET_PATH_MAX: usize = 103;

/// How the name of a socket ends at which a peer listens, and of one that is about to be that.
const LISTENING: &str = "sock";
const STARTING: &str = "new";

/// The sockets in the directory.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    /// Those to dial, with the instance that each belongs to.
    pub(crate) listening: Vec<(InstanceId, PathBuf)>,
    /// Those of peers that are about to listen, or were killed in that moment.
    pub(crate) starting: Vec<PathBuf>,
}

/// A directory that only its user can enter, checked.
#[derive(Debug, Clone)]
pub(crate) struct Place(PathBuf);

impl Place {
    /// Opens the directory, making it where it is missing: `app-net` in the one given, else in `$XDG_RUNTIME_DIR` where that
    /// is this user's, else `app-net-<uid>` in the system's directory for temporary files. None but this one is ever
    /// changed: the one given may be anything.
    pub(crate) fn open(config: &Config) -> Result<Self, StartError> {
        let uid = rustix::process::getuid().as_raw();
        let path = located(config, uid);
        let unusable = |why| unusable(&path, why);
        match fs::DirBuilder::new()
            .mode(0o700)
            .recursive(config.runtime_dir.is_some())
            .create(&path)
        {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(unusable(error.to_string()));
            }
            _ => {}
        }
        // Not followed: a link that another user put there must not lead us elsewhere.
        let found = fs::symlink_metadata(&path).map_err(|error| unusable(error.to_string()))?;
        if !found.is_dir() {
            return Err(unusable("it is not a directory".into()));
        }
        if found.uid() != uid {
            return Err(unusable(format!(
                "it belongs to user {}, not to user {uid}",
                found.uid()
            )));
        }
        if found.mode() & 0o777 != 0o700 {
            // Made under another umask, or changed since: by its user, as nobody else could.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700))
                .map_err(|error| unusable(error.to_string()))?;
        }
        let place = Self(path.clone());
        let longest = place.socket(InstanceId([0; 16])).as_os_str().len();
        if longest > SOCKET_PATH_MAX {
            return Err(unusable(format!(
                "its sockets' paths would have {longest} bytes, {SOCKET_PATH_MAX} at most"
            )));
        }
        Ok(place)
    }

    /// Where the socket of instance `id` lies.
    pub(crate) fn socket(&self, id: InstanceId) -> PathBuf {
        self.0.join(format!("{id}.{LISTENING}"))
    }

    /// Where it lies before it has that name.
    pub(crate) fn starting_socket(&self, id: InstanceId) -> PathBuf {
        self.0.join(format!("{id}.{STARTING}"))
    }

    /// The sockets that lie here. What is none is nobody's business.
    pub(crate) fn sockets(&self) -> io::Result<Sockets> {
        let mut found = Sockets::default();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let path = entry.path();
            let id = || path.file_stem()?.to_str()?.parse().ok();
            if let Some(id) = id()
                && let Some(extension) = path.extension()
                && entry.file_type().is_ok_and(|kind| kind.is_socket())
            {
                if extension == LISTENING {
                    found.listening.push((id, path));
                } else if extension == STARTING {
                    found.starting.push(path);
                }
            }
        }
        Ok(found)
    }

    /// Why a peer cannot start here.
    pub(crate) fn unusable(&self, why: String) -> StartError {
        unusable(&self.0, why)
    }

    /// When a socket last came or went.
    pub(crate) fn changed(&self) -> io::Result<SystemTime> {
        fs::metadata(&self.0)?.modified()
    }
}

/// Removes a socket at which nobody listens any more.
pub(crate) fn remove_stale(path: &Path) {
    tracing::debug!(path = %path.display(), "removing a socket that nobody listens at");
    // Another peer may have been quicker.
    let _ = fs::remove_file(path);
}

fn unusable(path: &Path, why: String) -> StartError {
    StartError::RuntimeDirectory {
        path: path.display().to_string(),
        why,
    }
}

/// Where the directory lies, from the root on: others are told, and stand in other directories.
fn located(config: &Config, uid: u32) -> PathBuf {
    let in_session = || {
        let dir = config.session_dir.as_deref();
        dir.filter(|dir| is_of_session(dir, uid))
    };
    let path = match config.runtime_dir.as_deref().or_else(in_session) {
        Some(dir) => dir.join("app-net"),
        None => config.temp_dir.join(format!("app-net-{uid}")),
    };
    std::path::absolute(&path).unwrap_or(path)
}

/// Whether it is the directory of the user's session. Who became this user by `su` or `sudo` may still have that of the one before,
/// and a path that is not from the root on counts for nothing, as the XDG specification says.
fn is_of_session(dir: &Path, uid: u32) -> bool {
    let is_theirs = |found: fs::Metadata| found.is_dir() && found.uid() == uid;
    dir.is_absolute() && fs::metadata(dir).is_ok_and(is_theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(dir: &Path) -> Config {
        Config {
            runtime_dir: Some(dir.to_owned()),
            ..Config::from_env().unwrap()
        }
    }

    #[test]
    fn made_for_its_user_alone_in_the_directory_given_which_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let ours = dir.path().join("app-net");
        for _ in 0..2 {
            Place::open(&within(dir.path())).unwrap();
            assert_eq!((mode(dir.path()), mode(&ours)), (0o755, 0o700));
            // Opened to others, it is closed again.
            fs::set_permissions(&ours, fs::Permissions::from_mode(0o777)).unwrap();
        }
    }

    #[test]
    fn a_directory_that_is_missing_is_made() {
        let dir = tempfile::tempdir().unwrap();
        Place::open(&within(&dir.path().join("a/b"))).unwrap();
        assert!(dir.path().join("a/b/app-net").is_dir());
    }

    #[test]
    fn a_path_from_here_is_told_from_the_root_on() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(
            located(&within(Path::new("peers")), 0),
            here.join("peers/app-net")
        );
    }

    #[test]
    fn a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/", dir.path().join("app-net")).unwrap();
        let error = Place::open(&within(dir.path())).unwrap_err().to_string();
        assert!(error.contains("not a directory"), "{error}");
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let error = Place::open(&within(&dir.path().join("x".repeat(100))))
            .unwrap_err()
            .to_string();
        assert!(error.contains("NET_RUNTIME_DIR"), "{error}");
    }

    #[test]
    fn lists_sockets_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::open(&within(dir.path())).unwrap();
        let id = InstanceId([7; 16]);
        let _listener = std::os::unix::net::UnixListener::bind(place.socket(id)).unwrap();
        fs::write(dir.path().join("app-net/notes.txt"), "x").unwrap();
        fs::write(place.socket(InstanceId([8; 16])), "not a socket").unwrap();
        let _starting = std::os::unix::net::UnixListener::bind(place.starting_socket(id)).unwrap();
        let found = place.sockets().unwrap();
        assert_eq!(found.listening, [(id, place.socket(id))]);
        assert_eq!(found.starting, [place.starting_socket(id)]);
    }
}
