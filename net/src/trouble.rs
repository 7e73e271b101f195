//! Troubles of the environment that come again and again while they last: told from others, and said once in a while.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;

/// How long the same trouble is not said again. It shows what is wrong now, and fills no log.
const SAID_FOR: Duration = Duration::from_secs(60);

/// Whether this process or its system has no descriptor left: that says nothing of whom one tried to reach.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE)
    )
}

/// When a trouble was said last.
#[derive(Debug, Default)]
pub(crate) struct Said(Mutex<Option<Instant>>);

impl Said {
    pub(crate) const fn not_yet() -> Self {
        Self(Mutex::new(None))
    }

    /// Whether it is to be said now; then it is taken to have been.
    pub(crate) fn is_due(&self) -> bool {
        let now = Instant::now();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| now.duration_since(last) >= SAID_FOR);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}
