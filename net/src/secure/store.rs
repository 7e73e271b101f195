//! The user's keys: a file for each group, in the user's configuration directory. Neither the network nor the environment.
//!
//! ```text
//! <configuration>/app-net/groups/       0700
//!     lab.json                          0600; the group's name, percent-encoded
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use zeroize::Zeroizing;

use super::code::{GroupNameError, check_name, percent_decode, percent_encode};
use super::key::{GroupKey, random};
use crate::config;

mod content;

/// The longest time for which a key that was replaced is accepted. One that is accepted for ever was not replaced.
pub const ACCEPT_OLD_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// How the name of a group's file ends, and of one that is about to be that.
const ENDING: &str = "json";
const PASSING: &str = "new";
/// Writing takes no longer than this. What has a passing name after it was left behind.
const PASSING_MAX: Duration = Duration::from_secs(60);
/// The longest file that is read. Ours have some 400 bytes.
const FILE_MAX: u64 = 64 * 1024;

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// What others may do.
const OTHERS: u32 = 0o077;

/// A group's keys, as they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// The group's name.
    pub group: String,
    /// The key to show.
    pub current: GroupKey,
    /// The one before it, and until when it is accepted too.
    pub previous: Option<(GroupKey, SystemTime)>,
}

impl Keys {
    /// Keys of a group that has had no other.
    #[must_use]
    pub fn new(group: impl Into<String>, current: GroupKey) -> Self {
        Self {
            group: group.into(),
            current,
            previous: None,
        }
    }

    /// The key before this one, if it is accepted at that time.
    #[must_use]
    pub fn previous_at(&self, now: SystemTime) -> Option<&GroupKey> {
        let (key, until) = self.previous.as_ref()?;
        (now < *until).then_some(key)
    }
}

/// Why a key could not be had, or not be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Nothing says where the user's configuration is.
    #[error(
        "there is no place for keys: neither XDG_CONFIG_HOME nor HOME is set to a path from the root on"
    )]
    NoDirectory,
    /// A group of this name cannot have a key.
    #[error(transparent)]
    Name(#[from] GroupNameError),
    /// Others than its user can reach it.
    #[error(
        "{path} is open to others (its mode is {mode:03o}): run `chmod {closed:o} '{path}'`, and if others may have read a key there, \
         replace it with `app-net group rotate`"
    )]
    OpenToOthers {
        /// The file or directory.
        path: String,
        /// Who may do what with it.
        mode: u32,
        /// What it must be.
        closed: u32,
    },
    /// Another user owns it.
    #[error(
        "{path} belongs to user {owner}, not to user {user}: remove it, or have it given back with `chown`"
    )]
    Owner {
        /// The file or directory.
        path: String,
        /// Whose it is.
        owner: u32,
        /// Who this is.
        user: u32,
    },
    /// It is not what it must be.
    #[error("{path} is not usable: {why}")]
    Broken {
        /// The file or directory.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The key that is replaced would be accepted for longer than [`ACCEPT_OLD_MAX`].
    #[error("a key that is replaced is accepted for {} days at most", ACCEPT_OLD_MAX.as_secs() / (24 * 3600))]
    Period,
    /// The group has a key already.
    #[error("the group {group:?} has a key already")]
    Exists {
        /// The group.
        group: String,
    },
    /// The group has no key here.
    #[error("the group {group:?} has no key here")]
    NoKey {
        /// The group.
        group: String,
    },
    /// The system does not let it be read or written.
    #[error("cannot {what} {path}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
}

/// The keys of `group` that this user has; nothing is made for it. A group whose name can have no key has none, as it always was.
pub(crate) fn keys_of(group: &str, config_dir: Option<&Path>) -> Result<Option<Keys>, KeyError> {
    match config_dir {
        Some(dir) if check_name(group).is_ok() => Store::open(dir)?.load(group),
        _ => Ok(None),
    }
}

/// The keys of one user.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
}

impl Store {
    /// The store in a user's directory of configurations. What is missing is made when the first key is stored.
    ///
    /// # Errors
    ///
    /// When it is there, and open to others.
    pub fn open(config_dir: &Path) -> Result<Self, KeyError> {
        let dir = config_dir.join("app-net").join("groups");
        match fs::metadata(&dir) {
            Ok(found) if found.is_dir() => closed_to_others(&dir, &found, DIRECTORY_MODE)?,
            Ok(_) => return Err(broken(&dir, "it is not a directory")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(system("look at", &dir, source)),
        }
        Ok(Self { dir })
    }

    /// The store of the user who runs this: in `$XDG_CONFIG_HOME`, else in `~/.config`.
    ///
    /// This reads the environment: as with [`Peer::builder`](crate::Peer::builder), no other thread may be changing it.
    ///
    /// # Errors
    ///
    /// When neither is set, and as with [`open`](Store::open).
    pub fn of_user() -> Result<Self, KeyError> {
        Self::open(&config::user_config_dir().ok_or(KeyError::NoDirectory)?)
    }

    /// Where the keys of a group lie, or would.
    #[must_use]
    pub fn path(&self, group: &str) -> PathBuf {
        self.dir.join(format!("{}.{ENDING}", percent_encode(group)))
    }

    /// The groups that there are keys of, by name.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read.
    pub fn list(&self) -> Result<Vec<String>, KeyError> {
        let unreadable = |source| system("read", &self.dir, source);
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(unreadable)?,
        };
        let mut groups = Vec::new();
        for entry in entries {
            let path = entry.map_err(unreadable)?.path();
            let encoded = path.file_stem().and_then(|name| name.to_str());
            let group = encoded.and_then(percent_decode);
            // What is none of ours is nobody's business.
            let is_ours = |group: &String| check_name(group).is_ok() && self.path(group) == path;
            groups.extend(group.filter(is_ours));
        }
        groups.sort_unstable();
        Ok(groups)
    }

    /// The keys of a group.
    ///
    /// # Errors
    ///
    /// When their file is open to others, is another user's, or is not as it was written.
    pub fn load(&self, group: &str) -> Result<Option<Keys>, KeyError> {
        check_name(group)?;
        let path = self.path(group);
        let unreadable = |source| system("read", &path, source);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(unreadable)?,
        };
        // Of the file that is open, so that it is the one that is read.
        let found = file.metadata().map_err(unreadable)?;
        if !found.is_file() {
            return Err(broken(&path, "it is not a file"));
        }
        closed_to_others(&path, &found, FILE_MODE)?;
        if found.len() > FILE_MAX {
            return Err(broken(&path, "it is too long to be a group's keys"));
        }
        let mut text = Zeroizing::new(Vec::with_capacity(found.len() as usize + 1));
        file.take(FILE_MAX)
            .read_to_end(&mut text)
            .map_err(unreadable)?;
        let keys = content::read(&text).map_err(|why| broken(&path, why))?;
        if keys.group != group {
            return Err(broken(
                &path,
                format!("it is of the group {:?}", keys.group),
            ));
        }
        Ok(Some(keys))
    }

    /// Stores the keys of a group that has none here.
    ///
    /// # Errors
    ///
    /// When it has some already, or they cannot be written; then nothing has changed.
    pub fn save(&self, keys: &Keys) -> Result<(), KeyError> {
        let path = self.path(&keys.group);
        let passing = self.write_passing(keys)?;
        // A link, unlike a new name, does not replace what is there.
        fs::hard_link(&passing.0, &path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => KeyError::Exists {
                group: keys.group.clone(),
            },
            _ => system("write", &path, source),
        })?;
        self.sync();
        Ok(())
    }

    /// Gives a group another key; the one it has is accepted for so long from `now` on.
    ///
    /// # Errors
    ///
    /// When it has no key here, or this one, the time is over [`ACCEPT_OLD_MAX`], or it cannot be written; then nothing has changed.
    pub fn rotate(
        &self,
        group: &str,
        key: GroupKey,
        accept_old: Duration,
        now: SystemTime,
    ) -> Result<Keys, KeyError> {
        let group = group.to_owned();
        let Some(old) = self.load(&group)? else {
            return Err(KeyError::NoKey { group });
        };
        if old.current == key {
            return Err(KeyError::Exists { group });
        }
        if accept_old > ACCEPT_OLD_MAX {
            return Err(KeyError::Period);
        }
        let until = whole_second(now + accept_old).filter(|until| *until > now);
        let keys = Keys {
            group,
            current: key,
            previous: until.map(|until| (old.current, until)),
        };
        let path = self.path(&keys.group);
        let passing = self.write_passing(&keys)?;
        fs::rename(&passing.0, &path).map_err(|source| system("write", &path, source))?;
        self.sync();
        Ok(keys)
    }

    /// Forgets the keys of a group. Says whether there were any; what is in their file does not matter.
    ///
    /// # Errors
    ///
    /// When the file cannot be removed.
    pub fn remove(&self, group: &str) -> Result<bool, KeyError> {
        check_name(group)?;
        self.sweep();
        let path = self.path(group);
        match fs::remove_file(&path) {
            Ok(()) => {
                self.sync();
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(system("remove", &path, source)),
        }
    }

    /// Writes the keys to a file of a passing name, all of it to the disk.
    fn write_passing(&self, keys: &Keys) -> Result<Passing, KeyError> {
        check_name(&keys.group)?;
        let text = content::write(keys).map_err(|_| KeyError::Period)?;
        let mut dir = DirBuilder::new();
        dir.mode(DIRECTORY_MODE).recursive(true);
        dir.create(&self.dir)
            .map_err(|source| system("make", &self.dir, source))?;
        self.sweep();
        let path = self.dir.join(format!(".{}.{PASSING}", passing_name()?));
        let unwritable = |source| system("write", &path, source);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(FILE_MODE);
        let mut file = options.open(&path).map_err(unwritable)?;
        let passing = Passing(path.clone());
        file.write_all(&text)
            .and_then(|()| file.sync_all())
            .map_err(unwritable)?;
        Ok(passing)
    }

    /// Removes what was left behind by who was ended while writing: there may be a key in it. What cannot be removed now may be the next time.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let written = entry.metadata().and_then(|found| found.modified());
            let is_old = || written.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > PASSING_MAX));
            if path.extension().is_some_and(|ending| ending == PASSING) && is_old() {
                let _ = fs::remove_file(&path);
            }
        }
    }

    /// Has the system write down which files there are. Not every file system can, and what was done is done.
    fn sync(&self) {
        let _ = File::open(&self.dir).and_then(|dir| dir.sync_all());
    }
}

/// The second that it is in, which is what a person wants to read in the file.
fn whole_second(time: SystemTime) -> Option<SystemTime> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(since.as_secs()))
}

/// A file of a passing name, removed in the end if it still has it.
struct Passing(PathBuf);

impl Drop for Passing {
    fn drop(&mut self) {
        // Renamed, it is not there.
        let _ = fs::remove_file(&self.0);
    }
}

fn passing_name() -> Result<String, KeyError> {
    let mut bytes = [0; 8];
    random(&mut bytes).map_err(|source| system("name", Path::new("a new file"), source))?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}

/// Refuses what others can read or change, and what another user could.
fn closed_to_others(path: &Path, found: &fs::Metadata, closed: u32) -> Result<(), KeyError> {
    let user = rustix::process::geteuid().as_raw();
    check_access(path, found.uid(), user, found.mode() & 0o777, closed)
}

fn check_access(
    path: &Path,
    owner: u32,
    user: u32,
    mode: u32,
    closed: u32,
) -> Result<(), KeyError> {
    let path = || path.display().to_string();
    if owner != user {
        return Err(KeyError::Owner {
            path: path(),
            owner,
            user,
        });
    }
    if mode & OTHERS != 0 {
        return Err(KeyError::OpenToOthers {
            path: path(),
            mode,
            closed,
        });
    }
    Ok(())
}

fn broken(path: &Path, why: impl Into<String>) -> KeyError {
    KeyError::Broken {
        path: path.display().to_string(),
        why: why.into(),
    }
}

fn system(what: &'static str, path: &Path, source: io::Error) -> KeyError {
    KeyError::System {
        what,
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests;
