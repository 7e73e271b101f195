//! The file in which a user's peers of a group are remembered, shared by all programs of that user. Neither the network nor the environment.
//!
//! ```text
//! <state>/app-net/peers/     0700
//!     lab.json               0600; the group's name, percent-encoded: where its peers were, and when a link last led there
//!     lab.lock               held by who writes
//!     lab.broken             what could not be read, set aside
//! ```

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use net_proto::Address;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::secure::percent_encode;

/// So many addresses are remembered, of all that were: those to which a link led last. Some of a group lead to all of it.
pub(super) const KEPT: usize = 256;
/// How long an address is remembered to which no link has led: those of hosts that are gone belong to others by then.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// The longest file that is read. One of ours has some 12 KiB.
const FILE_MAX: u64 = 256 * 1024;
const VERSION: u32 = 1;
/// Writing takes milliseconds, and who finds the file locked comes again later; at the end of a program there is no later.
const LOCK_TRIES: u32 = 10;
const LOCK_AGAIN: Duration = Duration::from_millis(20);

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// Who could change it could send this peer to addresses of theirs.
const OTHERS_WRITE: u32 = 0o022;

#[derive(Debug)]
pub(super) struct File {
    dir: PathBuf,
    /// Without an ending.
    name: String,
}

/// Where peers were, and when a link last led there.
pub(super) type Known = BTreeMap<Address, SystemTime>;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    version: u32,
    /// In seconds since 1970.
    peers: BTreeMap<String, u64>,
}

impl File {
    /// The one of a group. Nothing is made before there is something to remember.
    pub(super) fn of(state_dir: &Path, group: Option<&str>) -> Self {
        Self {
            dir: state_dir.join("app-net").join("peers"),
            // No group's name is encoded to this.
            name: group.map_or_else(|| "%".to_owned(), percent_encode),
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.with_ending("json")
    }

    fn with_ending(&self, ending: &str) -> PathBuf {
        self.dir.join(format!("{}.{ending}", self.name))
    }

    /// What is remembered. The error is for people.
    pub(super) fn read(&self, now: SystemTime) -> Result<Known, String> {
        self.check_directory()?;
        let path = self.path();
        let failed = |error: io::Error| format!("cannot read {}: {error}", path.display());
        let file = match fs::File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Known::new()),
            file => file.map_err(failed)?,
        };
        let mut text = Vec::new();
        file.take(FILE_MAX + 1)
            .read_to_end(&mut text)
            .map_err(failed)?;
        let content = match serde_json::from_slice::<Content>(&text) {
            Ok(content) if text.len() as u64 <= FILE_MAX => content,
            _ => return Err(self.set_aside()),
        };
        if content.version != VERSION {
            return Err(format!(
                "{} was written by another release of app-net",
                path.display()
            ));
        }
        let peers = content.peers.into_iter().filter_map(|(address, seconds)| {
            let at = UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
            // Set by a clock that was ahead, it would stay for ever.
            Some((address.parse().ok()?, at.min(now)))
        });
        let mut known = peers.collect();
        forget(&mut known, now);
        Ok(known)
    }

    /// Remembers that links led to these, and gives all that is remembered then, by other programs too. The error is for people; then nothing has changed.
    pub(super) fn remember(&self, linked: &[Address], now: SystemTime) -> Result<Known, String> {
        let mut dir = DirBuilder::new();
        dir.mode(DIRECTORY_MODE).recursive(true);
        dir.create(&self.dir)
            .map_err(|error| format!("cannot make {}: {error}", self.dir.display()))?;
        let _lock = self.lock()?;
        // What was broken is set aside by now.
        let mut known = self.read(now).or_else(|_| self.read(now))?;
        known.extend(linked.iter().map(|at| (at.clone(), now)));
        forget(&mut known, now);
        let path = self.path();
        self.write(&known, &path)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(known)
    }

    /// Under the lock: so the passing name is this process's alone.
    fn write(&self, known: &Known, path: &Path) -> io::Result<()> {
        let seconds = |at: &SystemTime| {
            at.duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs())
        };
        let peers = known
            .iter()
            .map(|(at, when)| (at.to_string(), seconds(when)));
        let content = Content {
            version: VERSION,
            peers: peers.collect(),
        };
        let passing = self.with_ending("new");
        // Left behind by who was ended while writing.
        let _ = fs::remove_file(&passing);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(FILE_MODE);
        let mut file = options.open(&passing)?;
        let mut text = serde_json::to_vec_pretty(&content)?;
        text.push(b'\n');
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&passing, path)
    }

    /// Held until it is dropped.
    fn lock(&self) -> Result<fs::File, String> {
        let path = self.with_ending("lock");
        let failed = |error: io::Error| format!("cannot lock {}: {error}", path.display());
        let mut options = OpenOptions::new();
        options
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE);
        let file = options.open(&path).map_err(failed)?;
        for _ in 0..LOCK_TRIES {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(file),
                Err(rustix::io::Errno::WOULDBLOCK) => thread::sleep(LOCK_AGAIN),
                Err(error) => return Err(failed(error.into())),
            }
        }
        Err(format!("{} is held by another program", path.display()))
    }

    /// One that is not there is fine.
    fn check_directory(&self) -> Result<(), String> {
        let found = match fs::metadata(&self.dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            found => {
                found.map_err(|error| format!("cannot read {}: {error}", self.dir.display()))?
            }
        };
        let is_ours = found.uid() == rustix::process::geteuid().as_raw();
        if !is_ours || found.mode() & OTHERS_WRITE != 0 {
            let dir = self.dir.display();
            return Err(format!(
                "{dir} can be changed by others: run `chmod 700 '{dir}'`"
            ));
        }
        Ok(())
    }

    /// What cannot be read is kept for whoever wants to know why, and is in nobody's way.
    fn set_aside(&self) -> String {
        let (path, aside) = (self.path(), self.with_ending("broken"));
        match fs::rename(&path, &aside) {
            Ok(()) => format!(
                "{} could not be read, and is {} now",
                path.display(),
                aside.display()
            ),
            Err(error) => format!("{} cannot be read, nor set aside: {error}", path.display()),
        }
    }
}

/// Forgets what is too old, and of more than are kept the oldest.
fn forget(known: &mut Known, now: SystemTime) {
    known.retain(|_, at| now.duration_since(*at).is_ok_and(|age| age <= KEPT_FOR));
    if known.len() > KEPT {
        let mut times: Vec<_> = known
            .iter()
            .map(|(address, at)| (*at, address.clone()))
            .collect();
        times.sort_unstable();
        for (_, address) in &times[..known.len() - KEPT] {
            known.remove(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn file() -> (TempDir, File) {
        let dir = tempfile::tempdir().unwrap();
        let file = File::of(dir.path(), Some("lab"));
        (dir, file)
    }

    fn at(port: u16) -> Address {
        format!("192.0.2.7:{port}").parse().unwrap()
    }

    #[test]
    fn what_is_remembered_is_for_its_user_alone() {
        let (dir, file) = file();
        let now = SystemTime::now();
        assert!(file.read(now).unwrap().is_empty());
        assert!(!dir.path().join("app-net").exists());
        file.remember(&[at(1)], now).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&file.dir), mode(&file.path())), (0o700, 0o600));
        assert_eq!(
            file.read(now).unwrap().into_keys().collect::<Vec<_>>(),
            [at(1)]
        );
        let without = File::of(dir.path(), None);
        assert!(without.read(now).unwrap().is_empty());
    }

    #[test]
    fn several_programs_write_and_nothing_is_lost() {
        let (_dir, file) = file();
        let now = SystemTime::now();
        thread::scope(|scope| {
            for n in 1..=8 {
                let file = &file;
                scope.spawn(move || {
                    for m in 0..8 {
                        // Others may be writing for as long as one is willing to wait.
                        while file.remember(&[at(n * 8 + m)], now).is_err() {}
                    }
                });
            }
        });
        assert_eq!(file.read(now).unwrap().len(), 64);
        let names = fs::read_dir(&file.dir).unwrap();
        assert_eq!(names.count(), 2, "the file and the lock");
    }

    #[test]
    fn what_is_old_is_forgotten_and_of_many_the_oldest() {
        let (_dir, file) = file();
        // It is written in whole seconds.
        let then = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let ports: Vec<_> = (1..=KEPT as u16).collect();
        for (seconds, ports) in (0..).zip(ports.chunks(64)) {
            let some: Vec<_> = ports.iter().map(|port| at(*port)).collect();
            file.remember(&some, then + Duration::from_secs(seconds))
                .unwrap();
        }
        let now = then + Duration::from_secs(1000);
        let known = file.remember(&[at(5000)], now).unwrap();
        assert_eq!(known.len(), KEPT);
        assert!(known.contains_key(&at(5000)) && !known.contains_key(&at(1)));
        let known = file.read(now + KEPT_FOR).unwrap();
        assert_eq!(known.into_keys().collect::<Vec<_>>(), [at(5000)]);
        assert!(file.read(now + 2 * KEPT_FOR).unwrap().is_empty());
    }

    #[test]
    fn a_broken_file_is_set_aside_and_written_anew() {
        let (_dir, file) = file();
        let now = SystemTime::now();
        file.remember(&[at(1)], now).unwrap();
        for broken in [
            "",
            "{",
            "[]",
            r#"{"version":1,"peers":{"192.0.2.7:1":"x"}}"#,
        ] {
            fs::write(file.path(), broken).unwrap();
            let known = file.remember(&[at(2)], now).unwrap();
            assert_eq!(known.into_keys().collect::<Vec<_>>(), [at(2)]);
            assert_eq!(
                fs::read_to_string(file.with_ending("broken")).unwrap(),
                broken
            );
        }
        // What a later release has written is its own business, and an address that is none is nobody's.
        fs::write(file.path(), r#"{"version":2,"peers":{}}"#).unwrap();
        assert!(
            file.remember(&[at(2)], now)
                .unwrap_err()
                .contains("another release")
        );
        let later = r#"{"version":1,"peers":{"nowhere":1,"192.0.2.7:3":99999999999}}"#;
        fs::write(file.path(), later).unwrap();
        assert_eq!(
            file.read(now).unwrap().into_iter().collect::<Vec<_>>(),
            [(at(3), now)]
        );
    }

    #[test]
    fn what_others_can_change_is_not_used() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_dir, file) = file();
        let now = SystemTime::now();
        file.remember(&[at(1)], now).unwrap();
        fs::set_permissions(&file.dir, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(file.read(now).unwrap_err().contains("chmod 700"));
        assert!(file.remember(&[at(1)], now).is_err());
    }

    #[test]
    fn who_keeps_the_lock_holds_up_nobody() {
        let (_dir, file) = file();
        file.remember(&[at(1)], SystemTime::now()).unwrap();
        let _held = file.lock().unwrap();
        let error = file.remember(&[at(2)], SystemTime::now()).unwrap_err();
        assert!(error.contains("held by another program"), "{error}");
    }
}
