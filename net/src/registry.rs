//! The functions that a peer offers: what is known of each, and how one is run; and the flags that it knows. Nothing here knows
//! links or sockets.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use net_proto::{ErrorBody, ErrorCode, Pieces};

use crate::caller::Caller;
use crate::peer::Peer;

/// A function that other peers may call.
#[derive(Clone)]
pub struct Connection {
    /// The name that peers call it by: `<module>.<function>`, or a tag of the program's own.
    pub tag: String,
    /// The function's name.
    pub name: String,
    /// The module it stands in, with dots.
    pub module: String,
    /// Its documentation.
    pub doc: String,
    /// Its parameters and result, as written.
    pub signature: Signature,
    /// The groups whose peers alone may call it; none named is whoever reaches this peer.
    pub groups: Option<Vec<String>>,
    /// What runs it.
    pub handler: Arc<dyn Handler>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({}{})", self.tag, self.signature)
    }
}

/// A [`Connection`] in a [`Registry`], and how it has behaved so far.
#[derive(Debug)]
pub struct Registered {
    connection: Connection,
    /// Whether its last run kept its thread for long.
    keeps_thread: AtomicBool,
}

/// From this on a function is one that keeps its thread: some hundred times what handing it to another costs.
const LONG: Duration = Duration::from_millis(1);

impl Registered {
    /// Whether it is to run on a thread of its own: its last run took long, so the next may.
    pub(crate) fn keeps_thread(&self) -> bool {
        self.keeps_thread.load(Ordering::Relaxed)
    }

    /// Learns from a run.
    pub(crate) fn ran_for(&self, time: Duration) {
        let long = time >= LONG;
        if self.keeps_thread() != long {
            self.keeps_thread.store(long, Ordering::Relaxed);
        }
    }

    /// What a caller is answered that may not call it. To be asked where a call comes in, before anything of it is read.
    pub(crate) fn refusal(&self, caller: &Caller) -> Option<Answer> {
        let groups = self.groups.as_ref()?;
        if caller
            .group()
            .is_some_and(|group| groups.iter().any(|may| may == group))
        {
            return None;
        }
        tracing::debug!(tag = self.tag, %caller, "call refused");
        let quoted: Vec<_> = groups.iter().map(|group| format!("{group:?}")).collect();
        let (tag, may) = (&self.tag, quoted.join(", "));
        let is = match caller.group() {
            Some(group) => format!("is of {group:?}"),
            None => "has proved to be of none".to_owned(),
        };
        let why = format!("{tag} is for callers of the groups {may} only, and this one {is}");
        Some(Answer::refused(ErrorCode::Refused, "Refused", why))
    }
}

impl Deref for Registered {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

/// A function's parameters and result, as they are written in its own language.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signature {
    /// The parameters, in order.
    pub params: Vec<Param>,
    /// The result's type, where it is written.
    pub returns: Option<String>,
}

/// One parameter of a [`Signature`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// How it is passed.
    pub kind: ParamKind,
    /// Its type, where it is written.
    pub annotation: Option<String>,
    /// Its default, as written.
    pub default: Option<String>,
}

/// How a parameter is passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamKind {
    /// By place or by name.
    Positional,
    /// By name only.
    KeywordOnly,
    /// All further arguments by place (`*args`).
    VarPositional,
    /// All further arguments by name (`**kwargs`).
    VarKeyword,
}

impl std::fmt::Display for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(")?;
        let mut keyword_only = false;
        for (i, param) in self.params.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            match param.kind {
                ParamKind::VarPositional => {
                    keyword_only = true;
                    f.write_str("*")?;
                }
                ParamKind::VarKeyword => f.write_str("**")?,
                ParamKind::KeywordOnly if !keyword_only => {
                    keyword_only = true;
                    f.write_str("*, ")?;
                }
                ParamKind::KeywordOnly | ParamKind::Positional => {}
            }
            f.write_str(&param.name)?;
            if let Some(annotation) = &param.annotation {
                write!(f, ": {annotation}")?;
            }
            if let Some(default) = &param.default {
                write!(f, " = {default}")?;
            }
        }
        f.write_str(")")?;
        match &self.returns {
            Some(returns) => write!(f, " -> {returns}"),
            None => Ok(()),
        }
    }
}

/// One call of a function, as it reaches the side that runs it.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The arguments: a CBOR array, then, where there are any, a map of those passed by name.
    pub body: Bytes,
    /// The peer on which the function runs.
    pub peer: Peer,
    /// Who calls.
    pub caller: Caller,
    /// The time that the caller still gives, where it set any.
    pub time_left: Option<Duration>,
}

/// What runs a function.
pub trait Handler: Send + Sync {
    /// Runs one call.
    ///
    /// A handler may take its time here: the link's reading is moved to another thread when it does.
    fn call(&self, call: &Incoming) -> Handled;
}

/// What became of a call in [`Handler::call`].
pub enum Handled {
    /// It is done.
    Ready(Answer),
    /// It goes on in this future, which is dropped if the caller cancels.
    Later(Pin<Box<dyn Future<Output = Answer> + Send>>),
}

/// What a function answers.
#[derive(Debug, Clone)]
pub enum Answer {
    /// One CBOR value.
    Value(Pieces),
    /// A flag, a reserved response, by name.
    Flag(String),
    /// A failure.
    Error(Box<ErrorBody>),
}

impl Answer {
    /// A failure of the function itself.
    #[must_use]
    pub fn failed(
        kind: impl Into<String>,
        message: impl Into<String>,
        traceback: impl Into<String>,
    ) -> Self {
        Self::Error(Box::new(ErrorBody {
            code: ErrorCode::Remote,
            kind: kind.into(),
            message: message.into(),
            traceback: traceback.into(),
            names: Vec::new(),
        }))
    }

    /// A failure of the call, not of the function.
    #[must_use]
    pub fn refused(code: ErrorCode, kind: &str, message: impl Into<String>) -> Self {
        Self::Error(Box::new(ErrorBody {
            code,
            kind: kind.into(),
            message: message.into(),
            traceback: String::new(),
            names: Vec::new(),
        }))
    }
}

/// The functions of one peer, by tag, and the flags it knows.
#[derive(Default)]
pub struct Registry {
    connections: RwLock<HashMap<Arc<str>, Arc<Registered>>>,
    flags: RwLock<BTreeSet<String>>,
    /// Counts changes, so that a link can keep what it looked up until there is one.
    version: AtomicU64,
}

impl Registry {
    /// Registers a function under its tag. One that was there under this tag is replaced and given back.
    pub fn register(&self, connection: Connection) -> Option<Arc<Registered>> {
        let tag: Arc<str> = connection.tag.as_str().into();
        self.register_as(
            &tag,
            Arc::new(Registered {
                connection,
                keeps_thread: AtomicBool::new(false),
            }),
        )
    }

    /// Registers a function under one more tag.
    pub fn register_as(&self, tag: &str, connection: Arc<Registered>) -> Option<Arc<Registered>> {
        let mut connections = self
            .connections
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let old = connections.insert(tag.into(), connection);
        self.version.fetch_add(1, Ordering::Release);
        old
    }

    /// Takes a function out, if it is the one under its tag.
    pub(crate) fn unregister(&self, function: &Arc<Registered>) {
        let mut connections = self
            .connections
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let tag = function.tag.as_str();
        if connections
            .get(tag)
            .is_some_and(|known| Arc::ptr_eq(known, function))
        {
            connections.remove(tag);
            self.version.fetch_add(1, Ordering::Release);
        }
    }

    /// The function under `tag`.
    #[must_use]
    pub fn find(&self, tag: &str) -> Option<Arc<Registered>> {
        self.connections
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(tag)
            .cloned()
    }

    /// All tags with their functions, sorted by tag.
    #[must_use]
    pub fn all(&self) -> Vec<(Arc<str>, Arc<Registered>)> {
        let connections = self
            .connections
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = connections
            .iter()
            .map(|(tag, c)| (Arc::clone(tag), Arc::clone(c)))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Makes a flag known by its name. An original peer answers with a flag as with any text: only a name that is known is taken
    /// for one. Says whether it was new.
    pub fn register_flag(&self, name: impl Into<String>) -> bool {
        let mut flags = self.flags.write().unwrap_or_else(PoisonError::into_inner);
        flags.insert(name.into())
    }

    /// Whether a flag of this name is known.
    #[must_use]
    pub fn has_flag(&self, name: &str) -> bool {
        let flags = self.flags.read().unwrap_or_else(PoisonError::into_inner);
        flags.contains(name)
    }

    /// The names of all flags, sorted.
    #[must_use]
    pub fn flags(&self) -> Vec<String> {
        let flags = self.flags.read().unwrap_or_else(PoisonError::into_inner);
        flags.iter().cloned().collect()
    }

    /// Grows with each change.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// What whoever asked for `tag` in vain is told: the tags that come [near](nearest_tags) to it, then the others, those that every
    /// peer has last; at most `most`.
    pub(crate) fn instead_of(&self, tag: &str, most: usize) -> Vec<String> {
        let all = self.all();
        let mut told = nearest_tags(tag, all.iter().map(|(other, _)| &**other), most);
        let (built_in, own): (Vec<_>, Vec<_>) = all
            .iter()
            .map(|(other, _)| other)
            .partition(|other| is_built_in(other));
        for other in own.into_iter().chain(built_in) {
            if told.len() < most && !told.iter().any(|near| **near == **other) {
                told.push(other.to_string());
            }
        }
        told
    }
}

/// Which of `tags` come near to one that is not among them: the best first, at most `most`, the built-in ones left out.
/// Near is what takes fewer edits than half of the name has characters.
///
/// # Examples
///
/// ```
/// let there = ["app.divide", "app.multiply"];
/// assert_eq!(net::nearest_tags("multipy", there, 1), ["app.multiply"]);
/// ```
#[must_use]
pub fn nearest_tags<'a>(
    tag: &str,
    tags: impl IntoIterator<Item = &'a str>,
    most: usize,
) -> Vec<String> {
    let own_name = last_part(tag);
    let mut scored: Vec<(usize, &str)> = tags
        .into_iter()
        .filter(|other| !is_built_in(other))
        .map(|other| {
            let by_name = distance(own_name, last_part(other));
            (by_name.min(distance(tag, other)), other)
        })
        .filter(|(edits, _)| edits * 2 <= own_name.chars().count().max(2))
        .collect();
    scored.sort_unstable();
    scored.dedup();
    scored
        .into_iter()
        .take(most)
        .map(|(_, tag)| tag.to_owned())
        .collect()
}

fn is_built_in(tag: &str) -> bool {
    tag.starts_with("net.defaults.")
}

fn last_part(tag: &str) -> &str {
    tag.rsplit('.').next().unwrap_or(tag)
}

/// The edit distance (Levenshtein) of two tags, each taken to at most 64 characters: a hint needs no more.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("multiply", "multipy"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
