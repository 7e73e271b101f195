//! Events: what a peer publishes, to whoever said that it wants to be told.
//!
//! A subscriber's wish is declared once ([`Subscribe`]) and holds for all peers that match, those that come later included. The publisher
//! pushes over the links there are, and waits for nobody but those who asked for it ([`Emit`]). What is decided about streams and
//! their order is in [`net_proto::interests`] and [`net_proto::audience`]; here it meets links, tasks and functions.

mod inbox;
mod mailbox;
mod originals;
mod outpost;
mod publisher;
mod subscriber;
mod subscription;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use net_proto::links::Target;
use net_proto::{InstanceId, Publication};
use serde::Serialize;

use crate::blocking;
use crate::link::events::Ticket;
use crate::peer::{Core, Peer};
use crate::private;
use crate::remote::Remote;
use crate::value::{self, ValueError};

pub(crate) use originals::{TAG as SUBSCRIPTION_HANDLER, subscription_handler};
pub(crate) use publisher::Publisher;
pub(crate) use subscriber::Subscriber;
pub use subscription::{Subscribe, Subscription};

/// Publishes an event from this process's [current](Peer::current) peer, with `args`, a tuple or a slice, as its arguments.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> Result<(), net::EmitError> {
/// net::emit("progress", &(3, 10)).await?;
/// # Ok(())
/// # }
/// ```
pub fn emit(event: &str, args: &(impl Serialize + ?Sized)) -> Emit {
    private::emit(Peer::current().as_ref(), event, args)
}

/// An event on its way to its subscribers.
///
/// It was handed to all who have room when this was made; awaiting it waits for those whose queue is full and who asked
/// that the publisher wait. Dropped before that, those do not get it.
pub struct Emit(Stage);

enum Stage {
    Failed(Option<EmitError>),
    Emitting(Emitting),
}

struct Emitting {
    core: Arc<Core>,
    event: String,
    publication: Publication,
    /// Those that have no room yet: peers, with their numbers for their interests.
    waiting: Vec<(InstanceId, u64)>,
    /// Under which it is woken when they have.
    ticket: Ticket,
    emitted: Emitted,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Emitted {
    /// How many subscribers it was handed to.
    pub subscribers: usize,
    /// How many events were dropped to make room for it, or as they were too large.
    pub dropped: u64,
}

/// Why an event was not published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// An argument cannot be sent.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// No peer runs in this process.
    #[error("no peer runs in this process: start one with net::start()")]
    NoPeer,
}

impl Emit {
    pub(crate) fn failed(error: EmitError) -> Self {
        Self(Stage::Failed(Some(error)))
    }

    /// Hands an event, encoded as the arguments of a call are, to all who have room for it.
    fn begin(core: Arc<Core>, event: &str, body: Vec<u8>) -> Self {
        let publication = Publication {
            metadata: Default::default(),
            body: body.into(),
        };
        let mut emitting = Emitting {
            event: event.to_owned(),
            publication,
            waiting: Vec::new(),
            ticket: Ticket::new(),
            emitted: Emitted::default(),
            core,
        };
        let (event, publication) = (&emitting.event, &emitting.publication);
        let publisher = &emitting.core.publisher;
        emitting.waiting = publisher.publish(event, publication, &mut emitting.emitted);
        Self(Stage::Emitting(emitting))
    }

    /// Whether it waits for subscribers that have no room.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        matches!(&self.0, Stage::Emitting(emitting) if !emitting.waiting.is_empty())
    }

    /// Waits on this thread, for programs without async.
    ///
    /// # Errors
    ///
    /// As awaiting it.
    pub fn wait(self) -> Result<Emitted, EmitError> {
        blocking::block_on(self)
    }
}

impl Future for Emit {
    type Output = Result<Emitted, EmitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Stage::Failed(error) => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                None => Poll::Pending,
            },
            Stage::Emitting(emitting) => emitting.poll(cx),
        }
    }
}

impl fmt::Debug for Emit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Stage::Failed(error) => write!(f, "Emit({error:?})"),
            Stage::Emitting(emitting) => write!(f, "Emit({})", emitting.event),
        }
    }
}

impl Emitting {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Emitted, EmitError>> {
        if !self.waiting.is_empty() {
            let publisher = &self.core.publisher;
            let (event, publication) = (&self.event, &self.publication);
            let waiting = std::mem::take(&mut self.waiting);
            let waits = (self.ticket, cx.waker());
            self.waiting = publisher.retry(event, publication, waiting, waits, &mut self.emitted);
        }
        match self.waiting.is_empty() {
            true => Poll::Ready(Ok(self.emitted)),
            false => Poll::Pending,
        }
    }
}

impl Drop for Emitting {
    fn drop(&mut self) {
        if !self.waiting.is_empty() {
            let publisher = &self.core.publisher;
            publisher.forget(&self.event, &self.waiting, self.ticket);
        }
    }
}

impl Peer {
    /// Publishes an event with `args`, a tuple (`(5, 10)`, `(x,)`, `()`) or a slice, as its arguments.
    pub fn emit(&self, event: &str, args: &(impl Serialize + ?Sized)) -> Emit {
        let mut body = Vec::with_capacity(64);
        match value::encode_arguments(args, &mut body) {
            Ok(()) => self.emit_raw(event, body),
            Err(error) => Emit::failed(error.into()),
        }
    }

    /// Publishes an event whose arguments are encoded already, as [`Remote::call_raw`](crate::Remote::call_raw) takes them.
    pub fn emit_raw(&self, event: &str, body: Vec<u8>) -> Emit {
        Emit::begin(Arc::clone(&self.0), event, body)
    }

    /// The events that somebody wants to be told of by this peer, in order.
    #[must_use]
    pub fn subscribed_events(&self) -> Vec<String> {
        self.0.publisher.events()
    }

    /// How many interests there are in an event of this peer.
    #[must_use]
    pub fn subscribers(&self, event: &str) -> usize {
        self.0.publisher.subscribers(event)
    }

    /// Those who want to be told of an event: each peer and, where a function of it is called with the event, that
    /// function's tag.
    #[must_use]
    pub fn subscribers_of(&self, event: &str) -> Vec<(Remote, Option<String>)> {
        let core = &self.0;
        let native = core.publisher.peers(event).into_iter().map(|id| {
            let entry = core.peers.entry(&Target::Instance(id));
            (Remote::new(self.clone(), entry), None)
        });
        let called = core.publisher.outposts.called(event).into_iter();
        let called = called.map(|(remote, tag)| (remote, Some(tag)));
        native.chain(called).collect()
    }

    /// Has the function under `tag` of another peer called with each event from now on, as a subscriber of the original
    /// app-net is. Said twice it counts once; who cannot be reached is forgotten.
    ///
    /// # Errors
    ///
    /// Too many are called with this event already.
    pub fn register_subscriber(
        &self,
        event: &str,
        subscriber: Remote,
        tag: impl Into<String>,
    ) -> Result<(), String> {
        let outposts = &self.0.publisher.outposts;
        outposts.add(event, subscriber, tag.into())
    }

    /// What this peer subscribes to, in the order in which it was declared: by [`subscribe`](Self::subscribe) and by
    /// [`#[net::subscribe]`](macro@crate::subscribe).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let here = net::Peer::builder().port(0).runtime_dir(dir.path()).start().await?;
    /// #[net::subscribe("alarm")]
    /// fn on_alarm(level: u8) {}
    ///
    /// for subscription in here.subscriptions() {
    ///     if subscription.function() == on_alarm::TAG {
    ///         assert_eq!(subscription.event(), "alarm");
    ///         subscription.unsubscribe();
    ///     }
    /// }
    /// assert!(here.subscriptions().iter().all(|left| left.function() != on_alarm::TAG));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn subscriptions(&self) -> Vec<Subscription> {
        let all = self.0.subscriber.subscriptions().into_iter();
        all.map(|(number, subscribed)| Subscription::new(self.clone(), number, subscribed))
            .collect()
    }

    /// A wish to be told of an event, yet to be narrowed and given a function.
    ///
    /// As it is, it means the peers of this one's own group.
    pub fn subscribe(&self, event: impl Into<String>) -> Subscribe {
        Subscribe::new(self.clone(), event.into())
    }
}
