//! What can go wrong, named for what the caller can do next. Nothing here knows how it came about.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::value::ValueError;

/// Why a call did not give a result.
///
/// Only [`Unreachable`](CallError::Unreachable) and [`Busy`](CallError::Busy) say that the function did not run:
/// such a call is safe to try again ([`was_not_run`](CallError::was_not_run)).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No link to the peer could be made; the call was never sent.
    #[error("peer {peer} cannot be reached: {why}")]
    Unreachable {
        /// The peer that was called.
        peer: String,
        /// What was tried, and what came of it.
        why: String,
    },
    /// The peer has as much to do as it takes on; the function did not run.
    #[error("peer {peer} is busy: {why}")]
    Busy {
        /// The peer that was called.
        peer: String,
        /// The limit it is at.
        why: String,
    },
    /// The link broke after the call was sent: whether the function ran is not known.
    #[error(
        "the link to peer {peer} was lost before it answered; whether the function ran is not known"
    )]
    Lost {
        /// The peer that was called.
        peer: String,
    },
    /// No answer came within the call's time.
    #[error("no answer from peer {peer} within {after:?}")]
    TimedOut {
        /// The peer that was called.
        peer: String,
        /// The time that the call was given.
        after: Duration,
    },
    /// The call was cancelled on the peer's side.
    #[error("the call was cancelled")]
    Cancelled,
    /// The peer has no function under this tag.
    #[error(
        "Peer does not have the connection you are requesting.\n\tPeer: {peer}\n\tConnection Requested: {tag}{}",
        registered(.connections)
    )]
    NoSuchConnection {
        /// The peer that was called.
        peer: String,
        /// The tag that was asked for.
        tag: String,
        /// Tags registered there, as far as it told: those that come near the one asked for first.
        connections: Vec<String>,
    },
    /// The peer does not let this caller call this function.
    #[error("peer {peer} refused the call: {why}")]
    Refused {
        /// The peer that was called.
        peer: String,
        /// Its reason.
        why: String,
    },
    /// The function ran and failed.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The function answered with a [`Flag`](crate::Flag), a reserved response, instead of a value, and nothing handles it here.
    #[error("the function answered with the flag {name}")]
    Flag {
        /// The flag's name.
        name: String,
    },
    /// The function answered with a flag, and the handler of that flag here failed.
    #[error("the handler of the flag {name} failed: {source}")]
    FlagHandler {
        /// The flag's name.
        name: String,
        /// What the handler gave as its error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An argument or a result cannot be sent, or is not what was asked for.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// An argument or a result is larger than the side that would take it allows.
    #[error(
        "{what} of {size} bytes is over the limit of {limit} bytes: send it in parts, or raise the limit"
    )]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size in bytes.
        size: u64,
        /// The most that is taken, in bytes.
        limit: u64,
    },
    /// The peer that makes the call was shut down.
    #[error("this peer has been shut down")]
    ShutDown,
}

impl CallError {
    /// Whether the function certainly did not run, so that the call may be made again.
    #[must_use]
    pub fn was_not_run(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Busy { .. })
    }
}

fn registered(connections: &[String]) -> String {
    if connections.is_empty() {
        String::new()
    } else {
        format!(
            "\n\tRegistered Connections:\n\t\t{}",
            connections.join("\n\t\t")
        )
    }
}

/// A failure of the function itself, on the peer on which it ran.
#[derive(Debug, Clone)]
pub struct RemoteError {
    /// The exception's type: `ValueError`, `app.Missing`, or a Rust error's name.
    pub kind: String,
    /// The exception's own text.
    pub message: String,
    /// The traceback from there; may be empty.
    pub traceback: String,
    /// The peer on which it happened.
    pub peer: String,
}

impl RemoteError {
    /// Its text without the traceback.
    pub(crate) fn head(&self) -> String {
        format!(
            "RemoteError: {}: {} (on peer {})",
            self.kind, self.message, self.peer
        )
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.head())?;
        if !self.traceback.is_empty() {
            write!(f, "\n\nRemote traceback:\n{}", self.traceback.trim_end())?;
        }
        Ok(())
    }
}

impl std::error::Error for RemoteError {}

/// Why a peer could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Its certificate cannot be made.
    #[error("the peer cannot show that it is of its group: {0}")]
    Secure(String),
    /// A setting does not have the form it must have.
    #[error("{name}={value:?} is not usable: {why}")]
    Setting {
        /// The setting, as the environment calls it.
        name: &'static str,
        /// What it was set to.
        value: String,
        /// What it should be.
        why: &'static str,
    },
    /// This host does not have an interface that was chosen.
    #[error("NET_INTERFACES={value:?} is not usable: this host has no {missing:?}; it has {there}")]
    NoInterface {
        /// What it was set to.
        value: String,
        /// What is not there.
        missing: String,
        /// The interfaces that are.
        there: String,
    },
    /// The runtime directory cannot be used.
    #[error(
        "the runtime directory {path} cannot be used: {why}; set NET_RUNTIME_DIR to a directory of your own"
    )]
    RuntimeDirectory {
        /// The directory.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A socket could not be made to listen.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// The system's reason.
        source: io::Error,
    },
    /// There is no tokio runtime to run in.
    #[error(
        "a peer needs a tokio runtime with I/O and time enabled: start it inside one, or use net::blocking"
    )]
    NoRuntime,
    /// The system gave no random bytes for the peer's identity.
    #[error("the system gave no random bytes: {0}")]
    Random(String),
    /// A runtime of its own could not be made.
    #[error("cannot start the runtime: {0}")]
    Runtime(#[source] io::Error),
}
