//! What the macros' code names. Not part of the public API: it changes as they do.

mod names;

use std::cell::RefCell;
use std::error::Error;
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
pub use inventory;
use net_proto::ErrorCode;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::Call;
use crate::caller;
use crate::error::{CallError, RemoteError};
use crate::event::{Emit, EmitError, Subscribe};
pub use crate::flag::Instead;
use crate::flag::{self, Flag};
use crate::link::spare;
use crate::peer::Peer;
pub use crate::registry::{Answer, Handled, Handler, Incoming};
use crate::registry::{Connection, Param, ParamKind, Signature};
use crate::remote::Remote;
use crate::value::{self, Body, ValueError};
pub use crate::value::{Arguments, encode_arguments};
pub use names::{tag_length, tag_str, tag_text};

/// A function that carries `#[net::connect]` or `#[net::subscribe]`, as the macro wrote it down.
#[derive(Debug)]
pub struct Registration {
    /// A tag of the program's own; none is `<module>.<name>`.
    pub tag: Option<&'static str>,
    /// The module it stands in, as Rust writes it.
    pub module: &'static str,
    /// The function's name.
    pub name: &'static str,
    /// Its documentation.
    pub doc: &'static str,
    /// Its parameters.
    pub params: &'static [ParamSpec],
    /// Its result's type, as written.
    pub returns: &'static str,
    /// The groups that may call it; none named is everybody.
    pub groups: Option<&'static [&'static str]>,
    /// Makes what runs it.
    pub handler: fn() -> Arc<dyn Handler>,
    /// The events that it is to be told of.
    pub subscriptions: &'static [SubscriptionSpec],
}

/// One parameter of a [`Registration`].
#[derive(Debug)]
pub struct ParamSpec {
    /// Its name.
    pub name: &'static str,
    /// Its type, as written.
    pub ty: &'static str,
    /// Its default, as written.
    pub default: Option<&'static str>,
}

/// One event that the function of a [`Registration`] is to be told of.
#[derive(Debug)]
pub struct SubscriptionSpec {
    /// The event's name.
    pub event: &'static str,
    /// Says whose events.
    pub narrow: fn(Subscribe) -> Subscribe,
}

/// A function that carries `#[net::flag]`, as the macro wrote it down.
#[derive(Debug)]
pub struct FlagRegistration {
    /// The flag's name.
    pub name: &'static str,
    /// The module that the function stands in, as Rust writes it.
    pub module: &'static str,
    /// The function's name.
    pub function: &'static str,
    /// What runs it.
    pub handler: fn(&str, &Remote) -> Instead,
}

inventory::collect!(Registration);
inventory::collect!(FlagRegistration);

/// Makes the program's functions those of a peer.
pub(crate) fn register_all(peer: &Peer) {
    for flag in inventory::iter::<FlagRegistration> {
        if peer.on_flag_raw(flag.name.into(), Arc::new(flag.handler)) {
            let (flag, module, function) = (flag.name, flag.module, flag.function);
            tracing::warn!(
                flag,
                "two functions handle this flag; {module}::{function} does"
            );
        }
    }
    let registry = peer.registry();
    for registration in inventory::iter::<Registration> {
        let param = |spec: &ParamSpec| Param {
            name: spec.name.into(),
            kind: ParamKind::Positional,
            annotation: Some(spec.ty.into()),
            default: spec.default.map(Into::into),
        };
        let module = registration.module.replace("::", ".");
        let tag = registration
            .tag
            .map_or_else(|| format!("{module}.{}", registration.name), Into::into);
        let replaced = registry.register(Connection {
            tag: tag.clone(),
            name: registration.name.into(),
            module,
            doc: registration.doc.into(),
            signature: Signature {
                params: registration.params.iter().map(param).collect(),
                returns: Some(registration.returns.into()),
            },
            groups: registration
                .groups
                .map(|groups| groups.iter().map(|group| (*group).to_owned()).collect()),
            handler: (registration.handler)(),
        });
        if let Some(other) = replaced {
            tracing::warn!(
                tag,
                "two functions have this tag: {}.{} and {}.{}; the second one answers",
                other.module,
                other.name,
                registration.module,
                registration.name,
            );
        }
        if let Some(function) = registry.find(&tag) {
            for spec in registration.subscriptions {
                let wish = (spec.narrow)(peer.subscribe(spec.event));
                wish.begin_registered(Arc::clone(&function));
            }
        }
    }
}

struct SyncHandler<F>(F);

impl<F: Fn(&Incoming) -> Answer + Send + Sync> Handler for SyncHandler<F> {
    fn call(&self, call: &Incoming) -> Handled {
        let run = || value::hand_over::keep(&call.body, || (self.0)(call));
        Handled::Ready(caller::run_for(&call.caller, run))
    }
}

struct AsyncHandler<F>(F);

impl<F, Fut> Handler for AsyncHandler<F>
where
    F: Fn(Incoming) -> Fut + Send + Sync,
    Fut: Future<Output = Answer> + Send + 'static,
{
    fn call(&self, call: &Incoming) -> Handled {
        let begin = || value::hand_over::keep(&call.body, || (self.0)(call.clone()));
        let later = caller::run_for(&call.caller, begin);
        Handled::Later(Box::pin(caller::go_on_for(call.caller.clone(), later)))
    }
}

/// What runs a function that answers on the thread it is called on.
pub fn sync_handler(f: impl Fn(&Incoming) -> Answer + Send + Sync + 'static) -> Arc<dyn Handler> {
    Arc::new(SyncHandler(f))
}

/// What runs a function that answers in a future.
pub fn async_handler<Fut>(f: impl Fn(Incoming) -> Fut + Send + Sync + 'static) -> Arc<dyn Handler>
where
    Fut: Future<Output = Answer> + Send + 'static,
{
    Arc::new(AsyncHandler(f))
}

/// What runs a function with the arguments of an event, taken as one tuple.
pub fn event_handler<A: DeserializeOwned>(
    f: impl Fn(A) + Send + Sync + 'static,
) -> Arc<dyn Handler> {
    sync_handler(move |call| match value::decode_arguments(&call.body) {
        Ok(arguments) => answer_value(&f(arguments)),
        Err(error) => answer_bad_arguments("the subscriber", error),
    })
}

/// The same for a function that goes on in a future.
pub fn async_event_handler<A: DeserializeOwned, Fut>(
    f: impl Fn(A) -> Fut + Send + Sync + 'static,
) -> Arc<dyn Handler>
where
    Fut: Future<Output = ()> + Send + 'static,
{
    let f = Arc::new(f);
    async_handler(move |call| {
        let begun = value::decode_arguments(&call.body).map(|arguments| f(arguments));
        async move {
            match begun {
                Ok(running) => answer_value(&running.await),
                Err(error) => answer_bad_arguments("the subscriber", error),
            }
        }
    })
}

/// Results up to this size are encoded in a buffer that the thread keeps, so that each costs one allocation of its size.
const SCRATCH: usize = 64 * 1024;

thread_local! {
    static RESULT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// All results of one byte: nothing, the truth values, small numbers.
static ONE_BYTE: [u8; 256] = {
    let mut bytes = [0; 256];
    let mut byte = 0;
    while byte < bytes.len() {
        bytes[byte] = byte as u8;
        byte += 1;
    }
    bytes
};

/// A function's result as its answer.
pub fn answer_value<T: Serialize + ?Sized>(result: &T) -> Answer {
    // Taken out while it is filled: serialising runs the program's code, which may come back here.
    let mut scratch = RESULT.take();
    scratch.clear();
    let mut body = Body::from(scratch);
    match value::encode_result(result, &mut body) {
        Ok(()) => match body.into_vec() {
            Ok(small) if small.len() <= SCRATCH => {
                let answer = match small[..] {
                    [byte] => Bytes::from_static(&ONE_BYTE[usize::from(byte)..][..1]),
                    _ => Bytes::copy_from_slice(&small),
                };
                RESULT.replace(small);
                Answer::Value(answer.into())
            }
            Ok(large) => Answer::Value(large.into()),
            Err(shares) => Answer::Value(shares.into()),
        },
        Err(error) => Answer::refused(ErrorCode::BadValue, "ValueError", error.to_string()),
    }
}

/// Takes back the bytes of an answer that were read.
pub fn done_with(answer: Bytes) {
    spare::give(answer);
}

/// A function's error as its answer, of the type that [`std::any::type_name`] calls `type_name`. One that was `passed_on` keeps its traceback
/// apart, since not everybody is shown that.
pub fn answer_error<E: Display + ?Sized>(
    type_name: &str,
    error: &E,
    passed_on: Option<&RemoteError>,
) -> Answer {
    let (message, traceback) = match passed_on {
        Some(remote) => (remote.head(), &*remote.traceback),
        None => (error.to_string(), ""),
    };
    Answer::failed(names::kind(type_name), message, traceback)
}

/// An error that may be a flag, or one that another peer answered with: by its type, or by what is in its box.
///
/// `flag` and `remote` are methods of the type itself for the errors that can be one, and of [`Plain`] for all others; the compiler prefers
/// the former.
#[derive(Debug)]
pub struct Failure<'e, E: ?Sized>(pub &'e E);

/// The errors that are neither.
pub trait Plain {
    /// None.
    fn flag(&self) -> Option<&Flag> {
        None
    }

    /// None.
    fn remote(&self) -> Option<&RemoteError> {
        None
    }
}

impl<E: ?Sized> Plain for Failure<'_, E> {}

impl Failure<'_, RemoteError> {
    /// The error itself.
    #[must_use]
    pub fn remote(&self) -> Option<&RemoteError> {
        Some(self.0)
    }
}

impl Failure<'_, CallError> {
    /// The other peer's error, if it is one.
    #[must_use]
    pub fn remote(&self) -> Option<&RemoteError> {
        remote_of(self.0)
    }
}

fn remote_of(error: &CallError) -> Option<&RemoteError> {
    match error {
        CallError::Remote(error) => Some(error),
        _ => None,
    }
}

impl Failure<'_, Flag> {
    /// The flag.
    #[must_use]
    pub fn flag(&self) -> Option<&Flag> {
        Some(self.0)
    }
}

/// The boxes in which both are known.
macro_rules! boxed {
    ($($error:ty),*) => {$(
        impl Failure<'_, Box<$error>> {
            /// The flag, if it is one.
            #[must_use]
            pub fn flag(&self) -> Option<&Flag> {
                self.0.downcast_ref()
            }

            /// The other peer's error, if it is one.
            #[must_use]
            pub fn remote(&self) -> Option<&RemoteError> {
                match self.0.downcast_ref() {
                    Some(error) => remote_of(error),
                    None => self.0.downcast_ref(),
                }
            }
        }
    )*};
}
boxed!(dyn Error, dyn Error + Send, dyn Error + Send + Sync);

/// A flag as the answer.
#[must_use]
pub fn answer_flag(flag: &Flag) -> Answer {
    Answer::Flag(flag.name().to_owned())
}

/// A value as what a flag's handler gives.
///
/// # Errors
///
/// The value cannot be sent.
pub fn instead<T: Serialize + ?Sized>(value: &T) -> Instead {
    flag::instead(value)
}

/// Publishes an event from a peer, if there is one.
pub fn emit(peer: Option<&Peer>, event: &str, arguments: &(impl Serialize + ?Sized)) -> Emit {
    match peer {
        Some(peer) => peer.emit(event, arguments),
        None => Emit::failed(EmitError::NoPeer),
    }
}

/// The answer to a call whose arguments do not fit the function.
pub fn answer_bad_arguments(function: &str, error: ValueError) -> Answer {
    Answer::refused(
        ErrorCode::BadArguments,
        "TypeError",
        error.for_function(function).to_string(),
    )
}

/// A call of a function known at compile time.
pub fn call<T>(
    remote: &Remote,
    tag: &'static str,
    encode: impl FnOnce(&mut Body) -> Result<(), ValueError>,
) -> Call<T> {
    Call::encode(remote, tag.into(), encode)
}
