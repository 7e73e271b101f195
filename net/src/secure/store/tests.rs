//! Keys on a disk: what comes back, who is kept out, and what a failure leaves behind.

use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::*;

/// A store in a directory of the test's own.
struct Kept {
    config: TempDir,
    store: Store,
}

impl Kept {
    fn new() -> Self {
        let config = tempfile::tempdir().unwrap();
        let store = Store::open(config.path()).unwrap();
        Self { config, store }
    }

    /// One in which the group `lab` has the key [`key(1)`](key).
    fn with_lab() -> Self {
        let kept = Self::new();
        kept.store.save(&Keys::new("lab", key(1))).unwrap();
        kept
    }

    fn again(&self) -> Result<Store, KeyError> {
        Store::open(self.config.path())
    }

    /// The names of all files there are.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.store.dir).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    fn write(&self, group: &str, text: &str) {
        fs::write(self.store.path(group), text).unwrap();
    }

    fn text(&self, group: &str) -> String {
        fs::read_to_string(self.store.path(group)).unwrap()
    }
}

fn key(n: u8) -> GroupKey {
    GroupKey::from_bytes([n; 32])
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// 2026-11-26T18:00:00Z, and half a second.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::new(1_795_716_000, 500_000_000)
}

const DAY: Duration = Duration::from_secs(24 * 3600);

#[test]
fn what_is_saved_is_loaded_whatever_the_group_is_called() {
    let kept = Kept::new();
    let names = [
        "lab",
        "..",
        ".",
        "a/b",
        "Größe 2",
        "%41",
        "A",
        "x\0y",
        &"ü".repeat(40),
    ];
    for (n, group) in names.into_iter().enumerate() {
        let keys = Keys::new(group, key(n as u8));
        kept.store.save(&keys).unwrap();
        assert_eq!(
            kept.again().unwrap().load(group).unwrap(),
            Some(keys),
            "{group}"
        );
    }
    let mut expected = names.map(str::to_owned);
    expected.sort_unstable();
    assert_eq!(kept.store.list().unwrap(), expected);
    assert_eq!(kept.files().len(), names.len());
}

#[test]
fn where_nothing_was_saved_there_is_nothing_and_nothing_is_made() {
    let kept = Kept::new();
    assert_eq!(kept.store.load("lab").unwrap(), None);
    assert_eq!(kept.store.list().unwrap(), [""; 0]);
    assert!(!kept.store.remove("lab").unwrap());
    assert_eq!(keys_of("lab", Some(kept.config.path())).unwrap(), None);
    assert_eq!(keys_of("lab", None).unwrap(), None);
    for unnamed in ["", &"x".repeat(81)] {
        assert_eq!(keys_of(unnamed, Some(kept.config.path())).unwrap(), None);
    }
    assert_eq!(fs::read_dir(kept.config.path()).unwrap().count(), 0);
}

#[test]
fn file_and_directory_are_their_users_alone() {
    let kept = Kept::with_lab();
    assert_eq!(mode(&kept.store.path("lab")), 0o600);
    assert_eq!(mode(&kept.store.dir), 0o700);
    kept.store.rotate("lab", key(2), DAY, now()).unwrap();
    assert_eq!(mode(&kept.store.path("lab")), 0o600);
}

#[test]
fn what_others_can_reach_is_refused_with_what_to_run() {
    let kept = Kept::with_lab();
    let path = kept.store.path("lab");
    for open in [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666] {
        set_mode(&path, open);
        let error = kept.store.load("lab").unwrap_err().to_string();
        let run = format!("`chmod 600 '{}'`", path.display());
        assert!(
            error.contains(&run) && error.contains(&format!("{open:o}")),
            "{error}"
        );
        assert!(keys_of("lab", Some(kept.config.path())).is_err());
    }
    set_mode(&path, 0o400);
    assert!(kept.store.load("lab").unwrap().is_some());
    for open in [0o750, 0o705, 0o777] {
        set_mode(&kept.store.dir, open);
        let error = kept.again().unwrap_err().to_string();
        let run = format!("`chmod 700 '{}'`", kept.store.dir.display());
        assert!(error.contains(&run), "{error}");
        assert!(keys_of("lab", Some(kept.config.path())).is_err());
    }
}

#[test]
fn what_another_user_owns_is_refused() {
    let error = check_access(Path::new("/c/lab.json"), 1000, 0, 0o600, FILE_MODE).unwrap_err();
    assert!(
        matches!(
            error,
            KeyError::Owner {
                owner: 1000,
                user: 0,
                ..
            }
        ),
        "{error}"
    );
    assert!(check_access(Path::new("/c/lab.json"), 1000, 1000, 0o600, FILE_MODE).is_ok());
    // Really done where the tests may.
    if rustix::process::geteuid().is_root() {
        let kept = Kept::with_lab();
        std::os::unix::fs::chown(kept.store.path("lab"), Some(12345), None).unwrap();
        let error = kept.store.load("lab").unwrap_err();
        assert!(
            matches!(error, KeyError::Owner { owner: 12345, .. }),
            "{error}"
        );
    }
}

#[test]
fn a_group_that_has_a_key_keeps_it() {
    let kept = Kept::with_lab();
    let before = kept.text("lab");
    let error = kept.store.save(&Keys::new("lab", key(2))).unwrap_err();
    assert!(
        matches!(&error, KeyError::Exists { group } if group == "lab"),
        "{error}"
    );
    assert_eq!(
        (kept.text("lab"), kept.files()),
        (before, vec!["lab.json".to_owned()])
    );
}

#[test]
fn of_several_at_once_one_is_saved() {
    let kept = Kept::new();
    let saved: Vec<u8> = std::thread::scope(|scope| {
        let save = |n| {
            let store = &kept.store;
            scope.spawn(move || (n, store.save(&Keys::new("lab", key(n))).is_ok()))
        };
        let saving: Vec<_> = (0..8).map(save).collect();
        let saving = saving.into_iter().map(|saving| saving.join().unwrap());
        saving.filter(|(_, saved)| *saved).map(|(n, _)| n).collect()
    });
    let [n] = saved[..] else { panic!("{saved:?}") };
    let keys = kept.store.load("lab").unwrap();
    assert_eq!(keys, Some(Keys::new("lab", key(n))));
    assert_eq!(kept.files(), ["lab.json"]);
}

#[test]
fn a_file_that_cannot_be_put_in_its_place_leaves_all_as_it_was() {
    let kept = Kept::with_lab();
    // Loaded while it is a file, written when it is a directory: neither a link nor a name can be put there.
    let path = kept.store.path("stage");
    fs::create_dir(&path).unwrap();
    assert!(kept.store.save(&Keys::new("stage", key(2))).is_err());
    let passing = kept
        .store
        .write_passing(&Keys::new("stage", key(2)))
        .unwrap();
    assert_eq!(kept.files().len(), 3);
    assert!(fs::rename(&passing.0, &path).is_err());
    drop(passing);
    let mut files = kept.files();
    files.sort_unstable();
    assert_eq!(files, ["lab.json", "stage.json"]);
    assert!(matches!(
        kept.store.load("stage"),
        Err(KeyError::Broken { .. })
    ));
    assert_eq!(
        kept.store.load("lab").unwrap(),
        Some(Keys::new("lab", key(1)))
    );
}

#[test]
fn a_reader_sees_the_old_key_or_the_new_one_while_it_is_replaced() {
    let kept = Kept::with_lab();
    let store = kept.store.clone();
    let writer = std::thread::spawn(move || {
        for n in 2..60 {
            store.rotate("lab", key(n), DAY, now()).unwrap();
        }
    });
    let mut last = 1;
    while !writer.is_finished() {
        let [n, ..] = *kept.store.load("lab").unwrap().unwrap().current.bytes();
        assert!(n >= last, "{n} after {last}");
        last = n;
    }
    writer.join().unwrap();
}

#[test]
fn the_old_key_is_accepted_until_its_time_is_over() {
    let kept = Kept::with_lab();
    let rotated = kept.store.rotate("lab", key(2), 7 * DAY, now()).unwrap();
    assert_eq!(kept.store.load("lab").unwrap().as_ref(), Some(&rotated));
    assert_eq!(rotated.current, key(2));
    let end = UNIX_EPOCH + Duration::from_secs(1_795_716_000) + 7 * DAY;
    assert_eq!(rotated.previous_at(now()), Some(&key(1)));
    assert_eq!(
        rotated.previous_at(end - Duration::from_nanos(1)),
        Some(&key(1))
    );
    assert_eq!(rotated.previous_at(end), None);
    assert!(
        kept.text("lab")
            .contains(r#""until": "2026-12-03T18:00:00Z""#),
        "{}",
        kept.text("lab")
    );
    // One at a time: the next rotation ends it.
    let again = kept.store.rotate("lab", key(3), 7 * DAY, now()).unwrap();
    assert_eq!(again.previous_at(now()), Some(&key(2)));
    assert!(
        !kept
            .text("lab")
            .contains(&*crate::secure::JoinCode::body_of("lab", &key(1)))
    );
}

#[test]
fn a_key_that_is_not_to_be_accepted_any_more_is_gone() {
    let kept = Kept::with_lab();
    let rotated = kept
        .store
        .rotate("lab", key(2), Duration::ZERO, now())
        .unwrap();
    assert_eq!(rotated.previous, None);
    assert_eq!(
        kept.store.load("lab").unwrap(),
        Some(Keys::new("lab", key(2)))
    );
}

#[test]
fn what_cannot_be_rotated_stays() {
    let kept = Kept::with_lab();
    let rotate = |group, n, time| kept.store.rotate(group, key(n), time, now());
    assert!(matches!(
        rotate("stage", 2, DAY),
        Err(KeyError::NoKey { .. })
    ));
    assert!(matches!(
        rotate("lab", 1, DAY),
        Err(KeyError::Exists { .. })
    ));
    assert!(matches!(
        rotate("lab", 2, ACCEPT_OLD_MAX + DAY),
        Err(KeyError::Period)
    ));
    assert!(rotate("lab", 2, Duration::MAX).is_err());
    assert_eq!(
        kept.store.load("lab").unwrap(),
        Some(Keys::new("lab", key(1)))
    );
    assert_eq!(kept.files(), ["lab.json"]);
}

#[test]
fn a_group_that_is_left_is_forgotten_even_if_its_file_is_broken() {
    let kept = Kept::with_lab();
    kept.write("lab", "{");
    assert!(kept.store.remove("lab").unwrap());
    assert!(!kept.store.remove("lab").unwrap());
    assert_eq!(kept.store.load("lab").unwrap(), None);
    assert_eq!(kept.files(), [""; 0]);
}

#[test]
fn a_file_that_is_not_as_it_was_written_is_refused_and_nothing_of_it_shown() {
    let kept = Kept::with_lab();
    let good = kept.text("lab");
    let body = crate::secure::JoinCode::body_of("lab", &key(1));
    let wrong_body = body.replacen('0', "z", 1);
    for (text, why) in [
        (String::new(), "line 1"),
        ("[]".to_owned(), "line 1"),
        (good[..good.len() / 2].to_owned(), "not JSON"),
        (
            good.replace("\"version\": 1", "\"version\": 2"),
            "update app-net",
        ),
        (good.replace(&*body, &wrong_body), "not as it was written"),
        (good.replace(&*body, ""), "characters"),
        (good.replace("\"lab\"", "\"lob\""), "not as it was written"),
        (
            good.replace(
                "}",
                &format!(
                    r#", "previous": {{"key": "{}", "until": "soon"}} }}"#,
                    *body
                ),
            ),
            "time",
        ),
        ("x".repeat(100_000), "too long"),
    ] {
        kept.write("lab", &text);
        let error = kept.store.load("lab").unwrap_err();
        assert!(matches!(error, KeyError::Broken { .. }), "{error:?}");
        let error = error.to_string();
        assert!(
            error.contains(why) && error.contains("lab.json"),
            "{why}: {error}"
        );
        assert!(!error.contains(&body[..9]), "{error}");
    }
    // That of another group, put in its place.
    kept.store.save(&Keys::new("stage", key(2))).unwrap();
    kept.write("lab", &kept.text("stage"));
    let error = kept.store.load("lab").unwrap_err().to_string();
    assert!(error.contains("of the group \"stage\""), "{error}");
}

#[test]
fn what_was_left_behind_half_written_is_removed() {
    let kept = Kept::with_lab();
    let leave_behind = |name: &str, age| {
        let path = kept.store.dir.join(name);
        let file = File::create(path).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    };
    for round in 0..2 {
        leave_behind(".0123.new", 2 * PASSING_MAX);
        leave_behind(".4567.new", PASSING_MAX / 2);
        leave_behind("notes.txt", 2 * PASSING_MAX);
        match round {
            0 => kept.store.save(&Keys::new("stage", key(2))).unwrap(),
            _ => assert!(kept.store.remove("stage").unwrap()),
        }
        let files = kept.files();
        let is_there = |name: &str| files.iter().any(|file| file == name);
        assert!(!is_there(".0123.new") && is_there(".4567.new"), "{files:?}");
        assert!(is_there("notes.txt") && is_there("lab.json"), "{files:?}");
    }
}

#[test]
fn other_files_in_the_directory_are_nobodys_business() {
    let kept = Kept::with_lab();
    for name in [
        "notes.txt",
        ".0123.new",
        "%zz.json",
        "%6Cab.json",
        ".json",
        "None.json",
        "lab.json~",
    ] {
        fs::write(kept.store.dir.join(name), "x").unwrap();
    }
    assert_eq!(kept.store.list().unwrap(), ["lab"]);
}
