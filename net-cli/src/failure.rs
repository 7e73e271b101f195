//! What goes wrong, as it is told to a person: what, and what to do next. All exit statuses are decided here.

use std::io::Write as _;
use std::process::ExitCode;

use net::secure::{GroupNameError, KeyError};
use net::{CallError, StartError};

use crate::output::printable;
use crate::target::NEAR;

/// Part of `--help`.
pub(crate) const EXIT_STATUS: &str = "\
Exit status:
  0  done
  1  the function failed, or its result could not be had; a key could not be had or stored
  2  wrong usage
  3  nothing was run: no such peer or function, or the peer cannot be reached, is busy or refused
  4  no answer: whether the function ran to its end is not known";

/// How the process ends when it did not do what it was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// The function failed, or its result could not be had; or a key could not.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// No function was run.
    NotCalled = 3,
    /// Whether the function ran is not known.
    Unknown = 4,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Failure {
    status: Status,
    message: String,
    /// More lines, such as a traceback or the peers to choose from.
    detail: Option<String>,
    hints: Vec<String>,
}

impl Failure {
    pub(crate) fn new(status: Status, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            detail: None,
            hints: Vec::new(),
        }
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// What to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    pub(crate) fn status(&self) -> Status {
        self.status
    }

    /// Tells it on standard error. The texts of other peers in it cannot steer the terminal.
    pub(crate) fn print(&self) {
        let mut text = format!("error: {}\n", printable(&self.message));
        if let Some(detail) = &self.detail {
            text.push('\n');
            text.push_str(&printable(detail.trim_end()));
            text.push_str("\n\n");
        }
        for hint in &self.hints {
            text.push_str(&format!("hint: {}\n", printable(hint)));
        }
        // With standard error closed there is nobody to tell.
        let _ = std::io::stderr().write_all(text.trim_end().as_bytes());
        let _ = std::io::stderr().write_all(b"\n");
    }

    /// What became of a call on the peer that `handle` names on the command line.
    pub(crate) fn of_call(error: CallError, handle: &str) -> Self {
        let lists_functions = format!("`app-net info {handle}` lists the functions it offers");
        match error {
            CallError::Unreachable { .. } => Self::new(Status::NotCalled, error.to_string())
                .hint("`app-net peers` lists the peers that are there"),
            CallError::Busy { .. } => Self::new(Status::NotCalled, error.to_string())
                .hint("the function was not run: try again in a moment"),
            CallError::Refused { .. } => Self::new(Status::NotCalled, error.to_string()),
            CallError::NoSuchConnection {
                peer,
                tag,
                connections,
            } => {
                let near = net::nearest_tags(&tag, connections.iter().map(String::as_str), NEAR);
                Self::no_function(format!("peer {peer} has no function {tag}"), &near)
                    .hint(lists_functions)
            }
            CallError::Lost { .. } => Self::new(Status::Unknown, error.to_string())
                .hint("`app-net peers` shows whether the peer is there again; find out what the function did before calling it once more"),
            CallError::TimedOut { .. } => Self::new(Status::Unknown, error.to_string())
                .hint("give it more time with --timeout SECONDS, or none to wait until it answers"),
            CallError::Cancelled => Self::new(Status::Unknown, error.to_string())
                .hint("the peer ended it; the function may have run in part"),
            CallError::TooLarge { what: "arguments", .. } => {
                Self::new(Status::NotCalled, error.to_string())
            }
            CallError::Remote(remote) => {
                let failure = Self::new(
                    Status::Failed,
                    format!("{}: {} (on peer {})", remote.kind, remote.message, remote.peer),
                );
                match remote.traceback.as_str() {
                    "" => failure,
                    traceback => failure.detail(format!("Remote traceback:\n{traceback}")),
                }
            }
            other => Self::new(Status::Failed, other.to_string()),
        }
    }

    /// A tag that is nowhere, with those that come nearest.
    pub(crate) fn no_function(message: String, near: &[String]) -> Self {
        let failure = Self::new(Status::NotCalled, message);
        match near {
            [] => failure,
            [only] => failure.hint(format!("the nearest name there is {only}")),
            near => failure.hint(format!("the nearest names there are {}", near.join(", "))),
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let failure = Self::new(Status::NotCalled, error.to_string());
        match error {
            StartError::Setting { name, .. } => {
                failure.hint(format!("correct or unset {name} in the environment"))
            }
            StartError::NoInterface { .. } => {
                failure.hint("correct or unset NET_INTERFACES in the environment")
            }
            _ => failure,
        }
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        let status = match error {
            KeyError::Name(_) | KeyError::Period => Status::Usage,
            _ => Status::Failed,
        };
        let failure = Self::new(status, error.to_string());
        match error {
            KeyError::NoKey { .. } => failure
                .hint("`app-net group list` lists the groups that you have keys of, `app-net join CODE` adds one, `app-net group new NAME` makes one"),
            KeyError::Broken { .. } => failure
                .hint("`app-net group leave NAME` removes it, `app-net join CODE` stores the key anew"),
            _ => failure,
        }
    }
}

impl From<GroupNameError> for Failure {
    fn from(error: GroupNameError) -> Self {
        KeyError::from(error).into()
    }
}
