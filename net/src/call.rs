//! A call as its caller holds it: a future that sends on its first poll, and cancels when it is dropped.

use std::borrow::Cow;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::{Duration, Instant};

use net_proto::links::{REDIALS, Route};
use net_proto::original::Dialect;
use net_proto::{CallId, ErrorBody, ErrorCode, Outcome, Payload, Pieces};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;
use tokio::time::Sleep;

use crate::blocking;
use crate::error::{CallError, RemoteError};
use crate::flag::{self, Flag};
#[cfg(target_os = "linux")]
use crate::link::Attendance;
use crate::link::{Finished, Link, Slot, Started, spare};
use crate::original;
use crate::registry::Answer;
use crate::remote::Remote;
#[cfg(target_os = "linux")]
use crate::runtime;
use crate::value::{self, Body, Keywords, Value, ValueError};

/// Bodies from here on are handed to the link as they lie, not copied into its buffer.
const LARGE: usize = 64 * 1024;

/// Calls the function under `tag` on `peer`, untyped: with any arguments that serde can write (a tuple or a slice),
/// for whatever it answers.
///
/// # Examples
///
/// ```no_run
/// # async fn example(peer: net::Remote) -> Result<(), net::CallError> {
/// let product: net::Value = net::call(&peer, "app.multiply", &(5, 10)).await?;
/// # Ok(())
/// # }
/// ```
pub fn call(peer: &Remote, tag: &str, args: &(impl Serialize + ?Sized)) -> Call<Value> {
    peer.call(tag, args)
}

/// A call whose result is a `T`.
///
/// Nothing is sent before it is first polled. Dropping it before it ends cancels the call, there too.
#[must_use = "a call is made when it is awaited"]
pub struct Call<T> {
    raw: RawCall,
    /// Why the arguments could not be encoded; told when the call is awaited, as every other failure is.
    unsendable: Option<ValueError>,
    result: PhantomData<fn() -> T>,
}

impl<T> Call<T> {
    pub(crate) fn encode(
        remote: &Remote,
        tag: Cow<'static, str>,
        write: impl FnOnce(&mut Body) -> Result<(), ValueError>,
    ) -> Self {
        let mut body = Body::with_capacity(64);
        let unsendable = write(&mut body).err();
        Self {
            raw: RawCall::new(remote.clone(), tag, body),
            unsendable,
            result: PhantomData,
        }
    }

    /// Gives the call at most `time`, from its first poll on.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.raw = self.raw.timeout(time);
        self
    }

    /// Passes one more argument, by name.
    pub fn keyword(mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Self {
        if let Err(error) = self.raw.keywords.add(name, value) {
            self.unsendable.get_or_insert(error);
        }
        self
    }
}

impl<T: DeserializeOwned> Call<T> {
    /// Waits for the result on this thread, for programs without async.
    ///
    /// # Errors
    ///
    /// As awaiting it.
    pub fn wait(mut self) -> Result<T, CallError> {
        self.raw.attend();
        blocking::block_on_with(self, |call| call.raw.park(None))
    }
}

impl<T: DeserializeOwned> Future for Call<T> {
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(error) = self.unsendable.take() {
            return Poll::Ready(Err(error.into()));
        }
        let answer = ready!(Pin::new(&mut self.raw).poll(cx));
        let raw = &self.raw;
        Poll::Ready(match answer {
            Ok(Answer::Value(body)) => {
                let body = body.into_bytes();
                let result = value::decode_result(&body);
                spare::give(body);
                result.map_err(CallError::from)
            }
            Ok(Answer::Flag(name)) => Flag::from(name).handle(&raw.tag, &raw.remote),
            Ok(Answer::Error(body)) => flag::instead_of(raw.error(*body), &raw.tag, &raw.remote),
            Err(error) => flag::instead_of(error, &raw.tag, &raw.remote),
        })
    }
}

/// A call of bytes for bytes: what [`Call`] and the other languages' fronts stand on.
#[must_use = "a call is made when it is awaited"]
pub struct RawCall {
    remote: Remote,
    tag: Cow<'static, str>,
    body: Body,
    /// The body, where it is large or lies in pieces.
    large: Option<Pieces>,
    keywords: Keywords,
    timeout: Option<Duration>,
    deadline: Option<Instant>,
    redials: u32,
    /// Ends a call that waits for room: one that was sent is timed by its session.
    blocked: Option<Pin<Box<Sleep>>>,
    state: CallState,
    /// Dropped when the call is over.
    #[cfg(target_os = "linux")]
    attendance: Option<Attendance>,
}

enum CallState {
    New,
    Routing(JoinHandle<Result<Route<Arc<Link>>, CallError>>),
    /// Waiting for room on a link, at most until the call's deadline.
    Blocked,
    Sent {
        link: Arc<Link>,
        id: CallId,
        slot: Arc<Slot>,
    },
    Original(JoinHandle<Result<Answer, CallError>>),
    Ended,
}

impl RawCall {
    pub(crate) fn new(remote: Remote, tag: Cow<'static, str>, body: Body) -> Self {
        Self {
            remote,
            tag,
            body,
            large: None,
            keywords: Keywords::new(),
            timeout: None,
            deadline: None,
            redials: 0,
            blocked: None,
            state: CallState::New,
            #[cfg(target_os = "linux")]
            attendance: None,
        }
    }

    /// Gives the call at most `time`, from its first poll on.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = Some(time);
        self
    }

    /// The peer that is called.
    #[must_use]
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// The error that an error frame is to its caller.
    #[must_use]
    pub fn error(&self, body: ErrorBody) -> CallError {
        let peer = self.remote.to_string();
        match body.code {
            ErrorCode::NoSuchConnection => CallError::NoSuchConnection {
                peer,
                tag: self.tag.clone().into_owned(),
                connections: body.names,
            },
            ErrorCode::Busy => CallError::Busy {
                peer,
                why: body.message,
            },
            ErrorCode::Refused => CallError::Refused {
                peer,
                why: body.message,
            },
            ErrorCode::Cancelled => CallError::Cancelled,
            ErrorCode::TimedOut => CallError::TimedOut {
                peer,
                after: self.timeout.unwrap_or_default(),
            },
            code => CallError::Remote(RemoteError {
                // What the link itself answers has no exception's type.
                kind: match body.kind.is_empty() {
                    true => format!("{code:?}"),
                    false => body.kind,
                },
                message: body.message,
                traceback: body.traceback,
                peer,
            }),
        }
    }

    /// Says that this thread makes the call, and then does nothing but wait for it by [`park`](Self::park). To be said before it is
    /// polled.
    #[doc(hidden)]
    pub fn attend(&mut self) {
        #[cfg(target_os = "linux")]
        if runtime::current().is_none() {
            self.attendance = self.remote.link().and_then(|link| link.attend());
        }
    }

    /// Blocks this thread while there is nothing to do for the call, at most for so long. May end early, as parking does.
    #[doc(hidden)]
    pub fn park(&mut self, time: Option<Duration>) {
        #[cfg(target_os = "linux")]
        if let Some(attendance) = self.attendance.take() {
            // What ends a call at its deadline wakes a thread that is parked, not one that waits at a socket.
            let time = time.into_iter().chain(self.time_left()).min();
            if let CallState::Sent { link, slot, .. } = &self.state
                && attendance.is_of(link)
                && attendance.wait(slot, time)
            {
                self.attendance = Some(attendance);
            }
            return;
        }
        match time {
            Some(time) => thread::park_timeout(time),
            None => thread::park(),
        }
    }

    fn timed_out(&self) -> CallError {
        CallError::TimedOut {
            peer: self.remote.to_string(),
            after: self.timeout.unwrap_or_default(),
        }
    }

    fn time_left(&self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// The next state of a call that is not on its way: on the link there is, or on the way to one.
    fn route(&self) -> CallState {
        let remote = self.remote.clone();
        let (deadline, timed_out) = (self.deadline, self.timed_out());
        CallState::Routing(
            self.remote
                .local()
                .0
                .runtime
                .spawn(async move { until(deadline, timed_out, remote.route()).await }),
        )
    }

    fn ask_original(&mut self, dialect: Dialect) -> CallState {
        let (remote, tag) = (self.remote.clone(), self.tag.clone().into_owned());
        let (deadline, timed_out) = (self.deadline, self.timed_out());
        let body = match self.large.take() {
            Some(pieces) => pieces.into_bytes(),
            None => Pieces::from(std::mem::take(&mut self.body)).into_bytes(),
        };
        CallState::Original(self.remote.local().0.runtime.spawn(async move {
            let asked = original::ask(&remote, dialect, &tag, &body);
            until(deadline, timed_out, asked).await
        }))
    }

    /// Sends the call on `link`. An error is the call's end.
    fn send(&mut self, link: Arc<Link>, cx: &Context<'_>) -> Result<CallState, CallError> {
        if self.time_left().is_some_and(|left| left.is_zero()) {
            return Err(self.timed_out());
        }
        let slot = Arc::new(Slot::new(cx.waker()));
        let payload = match (&self.large, self.body.as_slice()) {
            (None, Some(small)) => Payload::Borrowed(small),
            (large, _) => large.clone().unwrap_or_default().into(),
        };
        match link.start(&self.tag, self.deadline, payload, &slot, cx.waker()) {
            Started::Sent(id) => {
                self.large = None;
                tracing::debug!(tag = %self.tag, peer = %self.remote, "call sent");
                Ok(CallState::Sent { link, id, slot })
            }
            Started::Blocked => Ok(CallState::Blocked),
            Started::Gone if self.redials < REDIALS => {
                self.redials += 1;
                Ok(self.route())
            }
            Started::Gone => Err(CallError::Unreachable {
                peer: self.remote.to_string(),
                why: "each link to it was gone before the call could be sent".into(),
            }),
            Started::ServesNone => Err(CallError::Refused {
                peer: self.remote.to_string(),
                why: "it serves no calls".into(),
            }),
            Started::TooLarge { size, limit } => Err(CallError::TooLarge {
                what: "arguments",
                size,
                limit,
            }),
            Started::BadTag => Err(CallError::Refused {
                peer: self.remote.to_string(),
                why: format!(
                    "a tag of {} bytes is longer than a call can carry",
                    self.tag.len()
                ),
            }),
        }
    }

    /// What is next for a call that is not on its way.
    fn next(&mut self, cx: &Context<'_>) -> Result<CallState, CallError> {
        if let Some(link) = self.remote.link() {
            return self.send(link, cx);
        }
        if let Some(dialect) = self.remote.dialect() {
            return Ok(self.ask_original(dialect));
        }
        Ok(self.route())
    }

    fn blocked_timer_ended(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = self.deadline else {
            return false;
        };
        let runtime = &self.remote.local().0.runtime;
        let timer = self.blocked.get_or_insert_with(|| {
            let _entered = runtime.enter();
            Box::pin(tokio::time::sleep_until(deadline.into()))
        });
        timer.as_mut().poll(cx).is_ready()
    }

    fn finished(&self, finished: Finished) -> Result<Answer, CallError> {
        match finished {
            Finished::Outcome(Outcome::Reply(bytes)) => Ok(Answer::Value(bytes.into())),
            Finished::Outcome(Outcome::Flag(name)) => Ok(Answer::Flag(name)),
            Finished::Outcome(Outcome::Error(body)) => Ok(Answer::Error(body)),
            Finished::Outcome(Outcome::TimedOut) => Err(self.timed_out()),
            Finished::Outcome(Outcome::TooLarge { size, limit }) => Err(CallError::TooLarge {
                what: "result",
                size,
                limit,
            }),
            // The other side keeps the time too: it may end a link that is drained before this side has looked at the clock.
            Finished::Lost if self.time_left().is_some_and(|left| left.is_zero()) => {
                Err(self.timed_out())
            }
            Finished::Lost => Err(CallError::Lost {
                peer: self.remote.to_string(),
            }),
        }
    }
}

/// Does `what` until the call's deadline, if it has one.
async fn until<T>(
    deadline: Option<Instant>,
    timed_out: CallError,
    what: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    match deadline {
        None => what.await,
        Some(at) => tokio::time::timeout_at(at.into(), what)
            .await
            .unwrap_or(Err(timed_out)),
    }
}

impl Future for RawCall {
    /// An [`Answer::Error`] is what the other side said; [`RawCall::error`] makes it the caller's error.
    type Output = Result<Answer, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match &mut self.state {
                CallState::New => {
                    self.deadline = self
                        .timeout
                        .and_then(|time| Instant::now().checked_add(time));
                    let keywords = std::mem::take(&mut self.keywords);
                    keywords.append_to(&mut self.body);
                    if self.body.as_slice().is_none_or(|body| body.len() > LARGE) {
                        self.large = Some(std::mem::take(&mut self.body).into());
                    }
                    self.next(cx)
                }
                CallState::Routing(routing) => match ready!(Pin::new(routing).poll(cx)) {
                    Ok(Ok(Route::Link(link))) => self.send(link, cx),
                    Ok(Ok(Route::Original(dialect))) => Ok(self.ask_original(dialect)),
                    Ok(Err(error)) => Err(error),
                    Err(_) => Err(CallError::ShutDown),
                },
                CallState::Blocked => {
                    if self.blocked_timer_ended(cx) {
                        Err(self.timed_out())
                    } else {
                        match self.next(cx) {
                            Ok(CallState::Blocked) => return Poll::Pending,
                            next => next,
                        }
                    }
                }
                CallState::Sent { slot, .. } => {
                    let finished = ready!(slot.poll(cx));
                    self.state = CallState::Ended;
                    return Poll::Ready(self.finished(finished));
                }
                CallState::Original(asking) => {
                    let answer =
                        ready!(Pin::new(asking).poll(cx)).unwrap_or(Err(CallError::ShutDown));
                    self.state = CallState::Ended;
                    return Poll::Ready(answer);
                }
                CallState::Ended => return Poll::Pending,
            };
            match next {
                // Its waker is in the slot, where it was before the answer could be.
                Ok(sent @ CallState::Sent { .. }) => {
                    self.state = sent;
                    return Poll::Pending;
                }
                Ok(state) => self.state = state,
                Err(error) => {
                    self.state = CallState::Ended;
                    return Poll::Ready(Err(error));
                }
            }
        }
    }
}

impl Drop for RawCall {
    fn drop(&mut self) {
        match &self.state {
            CallState::Sent { link, id, .. } => link.cancel(*id),
            CallState::Routing(task) => task.abort(),
            CallState::Original(task) => task.abort(),
            CallState::New | CallState::Blocked | CallState::Ended => {}
        }
    }
}
