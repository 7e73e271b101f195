//! Every file of the corpora, and every input that once found something, through its target.
//!
//! A file of `found/` is named for the defect that it found: `found/values/bignum-at-the-last-level`.

use std::fs;
use std::path::{Path, PathBuf};

use net_fuzz::{TARGETS, Target};

/// Tells, when its input is what panicked, which it was.
struct Running<'a>(&'a Path);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input is {}", self.0.display());
        }
    }
}

fn folder(kind: &str, target: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), kind, target].iter().collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("the folder is read").path())
        .collect();
    files.sort();
    files
}

fn replay(name: &str, target: Target) {
    let corpus = files(&folder("corpus", name));
    assert!(!corpus.is_empty(), "there is no corpus of {name}");
    for file in corpus.iter().chain(&files(&folder("found", name))) {
        let running = Running(file);
        target(&fs::read(running.0).expect("the file is read"));
    }
}

macro_rules! replayed {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                replay(stringify!($name), net_fuzz::$name);
            }
        )*

        #[test]
        fn every_target_is_replayed() {
            let names = TARGETS.map(|(name, _)| name);
            assert_eq!(names, [$(stringify!($name)),*]);
            for kind in ["corpus", "found"] {
                for of in files(&folder(kind, "")) {
                    let name = of.file_name().and_then(|name| name.to_str());
                    assert!(name.is_some_and(|name| names.contains(&name)), "{} is of no target", of.display());
                }
            }
        }
    };
}

replayed! { events frames handshake operations original session values }
