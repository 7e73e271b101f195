//! Flags: reserved answers, told apart from values on the wire, and what a call comes to that is answered with one.
//!
//! Not here: how a flag travels (`net_proto`), and which names a peer knows for flags ([`Registry`](crate::Registry)).

use std::borrow::Cow;
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use net_proto::original;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::builtin;
use crate::error::CallError;
use crate::peer::Peer;
use crate::remote::Remote;
use crate::value;

/// A flag: a reserved response that a function answers with instead of a value.
///
/// A connected function answers with one by returning it as its error, as itself or in a `Box<dyn Error + Send + Sync>`. Here, where it
/// is an ordinary function, its caller gets just that. A caller on another peer gets what the flag's handler there makes of it
/// ([`#[net::flag]`](macro@crate::flag), [`Peer::on_flag`]), or [`CallError::Flag`] where it has none. [`handle`](Flag::handle) makes a call
/// here come to the same.
///
/// Every peer knows two: [`NULL`](Flag::NULL), which comes to the text `"NULL"` where a text is asked for, and
/// [`INVALID_CONNECTION`](Flag::INVALID_CONNECTION), which comes to [`CallError::NoSuchConnection`].
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let start = || net::Peer::builder().port(0).runtime_dir(dir.path()).start();
/// use net::Flag;
///
/// #[net::connect]
/// fn place_in_queue(job: &str) -> Result<i64, Flag> {
///     if job.is_empty() { Err(Flag::new("UNKNOWN")) } else { Ok(3) }
/// }
///
/// # let (here, there) = (start().await?, start().await?);
/// # let there = here.remote(&there.id().to_string())?;
/// assert_eq!(place_in_queue(""), Err(Flag::new("UNKNOWN")));
/// let error = place_in_queue::on(&there, "").await.unwrap_err();
/// assert!(matches!(error, net::CallError::Flag { name } if name == "UNKNOWN"));
///
/// here.on_flag("UNKNOWN", |_connection, _peer| Ok(-1));
/// assert_eq!(place_in_queue::on(&there, "").await?, -1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Flag(Cow<'static, str>);

impl Flag {
    /// There is nothing to answer.
    pub const NULL: Self = Self::new(builtin::NULL);
    /// There is no such function.
    pub const INVALID_CONNECTION: Self = Self::new(original::INVALID_CONNECTION);

    /// The flag of this name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// What a call of `connection` comes to that `peer` answered with this flag: for a function that was called here, to give
    /// its caller what one on another peer would get. The handlers are those of the peer that `peer` is a handle of.
    ///
    /// # Errors
    ///
    /// What the flag's handler gives as an error; [`CallError::Flag`] if there is no handler.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let here = net::Peer::builder().port(0).runtime_dir(dir.path()).start().await?;
    /// #[net::connect]
    /// fn greeting() -> Result<String, net::Flag> {
    ///     Err(net::Flag::NULL)
    /// }
    ///
    /// let itself = here.remote(&here.id().to_string())?;
    /// let text = greeting().or_else(|flag| flag.handle(greeting::TAG, &itself))?;
    /// assert_eq!(text, "NULL");
    /// # Ok(())
    /// # }
    /// ```
    pub fn handle<T: DeserializeOwned>(
        &self,
        connection: &str,
        peer: &Remote,
    ) -> Result<T, CallError> {
        if let Some(handler) = peer.local().0.flags.of(self.name()) {
            return run(&handler, self.name(), connection, peer);
        }
        match self.name() {
            builtin::NULL => null().ok_or_else(|| self.unhandled()),
            original::INVALID_CONNECTION => Err(CallError::NoSuchConnection {
                peer: peer.to_string(),
                tag: connection.to_owned(),
                connections: Vec::new(),
            }),
            _ => Err(self.unhandled()),
        }
    }

    fn unhandled(&self) -> CallError {
        CallError::Flag {
            name: self.name().to_owned(),
        }
    }
}

impl From<String> for Flag {
    fn from(name: String) -> Self {
        Self(Cow::Owned(name))
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the flag {}", self.0)
    }
}

impl Error for Flag {}

/// The text of [`Flag::NULL`], to who asks for a text or for anything.
fn null<T: DeserializeOwned>() -> Option<T> {
    let mut bytes = Vec::new();
    value::encode(builtin::NULL, &mut bytes).ok()?;
    value::decode(&bytes).ok()
}

/// What a handler gives instead of a flag: an encoded value, or the error of the call.
pub type Instead = Result<Vec<u8>, Box<dyn Error + Send + Sync>>;

type Handler = Arc<dyn Fn(&str, &Remote) -> Instead + Send + Sync>;

/// The program's handlers on one peer, by the names of their flags. Those that every peer has are not among them.
#[derive(Default)]
pub(crate) struct Handlers(RwLock<HashMap<String, Handler>>);

impl Handlers {
    fn of(&self, name: &str) -> Option<Handler> {
        let handlers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        handlers.get(name).cloned()
    }
}

/// Runs a handler. It runs in the program's own code, which is where its panics go.
fn run<T: DeserializeOwned>(
    handler: &Handler,
    name: &str,
    connection: &str,
    peer: &Remote,
) -> Result<T, CallError> {
    let error = match handler(connection, peer) {
        Ok(value) => return Ok(value::decode(&value)?),
        Err(error) => error,
    };
    // What is a call's error or a flag already stays that.
    let error = match error.downcast::<CallError>() {
        Ok(error) => return Err(*error),
        Err(error) => error,
    };
    match error.downcast::<Flag>() {
        Ok(flag) => Err(flag.unhandled()),
        Err(source) => Err(CallError::FlagHandler {
            name: name.to_owned(),
            source,
        }),
    }
}

/// What a call comes to that ended with an error: a missing function is a flag to a program that handles it.
pub(crate) fn instead_of<T: DeserializeOwned>(
    error: CallError,
    connection: &str,
    peer: &Remote,
) -> Result<T, CallError> {
    if matches!(error, CallError::NoSuchConnection { .. })
        && let Some(handler) = peer.local().0.flags.of(original::INVALID_CONNECTION)
    {
        return run(&handler, original::INVALID_CONNECTION, connection, peer);
    }
    Err(error)
}

/// A value as what a handler gives.
pub(crate) fn instead<T: Serialize + ?Sized>(value: &T) -> Instead {
    let mut bytes = Vec::new();
    value::encode(value, &mut bytes)?;
    Ok(bytes)
}

impl Peer {
    /// Has a function decide what this peer's calls come to that are answered with the flag `name`. It is given the tag that was called
    /// and the peer that answered; what it returns is the call's result, or its error. A handler that was there is replaced.
    ///
    /// An error that is a [`CallError`] is the caller's as it is, any other inside a [`CallError::FlagHandler`].
    ///
    /// # Examples
    ///
    /// See [`Flag`].
    pub fn on_flag<T, F>(&self, name: impl Into<String>, handler: F)
    where
        T: Serialize,
        F: Fn(&str, &Remote) -> Result<T, Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    {
        self.on_flag_raw(
            name.into(),
            Arc::new(move |connection, peer| instead(&handler(connection, peer)?)),
        );
    }

    /// As [`on_flag`](Self::on_flag), for a handler that encodes by itself. Says whether one was replaced.
    pub(crate) fn on_flag_raw(&self, name: String, handler: Handler) -> bool {
        self.registry().register_flag(name.clone());
        let handlers = &self.0.flags.0;
        let mut handlers = handlers.write().unwrap_or_else(PoisonError::into_inner);
        handlers.insert(name, handler).is_some()
    }
}
