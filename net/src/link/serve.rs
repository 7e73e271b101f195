//! Running a function for the peer at a link's other end: on the reader's thread where it may, and answering.

use std::any::Any;
use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use net_proto::limits::{MAX_BODY, MAX_ERROR_NAMES};
use net_proto::{Arrival, CallId, ErrorBody, ErrorCode};

use super::held::Hold;
use super::reader::Untold;
use super::watch::{Moment, Watched};
use super::{Link, State, spare};
use crate::caller::Caller;
use crate::registry::{Answer, Handled, Incoming, Registered};
use crate::runtime::Permit;

type Later = Pin<Box<dyn Future<Output = Answer> + Send>>;

impl Link {
    /// Runs one call, which began at `now`; sets it to when it ended. An answer that is there by then is left with the reader,
    /// which puts it in with the next lock that it takes.
    pub(super) fn serve(
        self: &Arc<Self>,
        call: net_proto::Incoming,
        connection: Option<Arc<Registered>>,
        reader: u64,
        untold: &mut Untold,
        now: &mut Moment,
    ) {
        let id = call.id;
        let Some(connection) = connection else {
            let registry = &self.core.registry;
            let there = registry.instead_of(&call.tag.name, MAX_ERROR_NAMES);
            untold.answer = Some((id, missing(there, &call.tag.name)));
            return;
        };
        if let Some(refusal) = connection.refusal(&self.caller) {
            untold.answer = Some((id, refusal));
            return;
        }
        tracing::debug!(tag = %call.tag.name, peer = %self.hello.name, "call received");
        let Ok(arguments) = self.hold_arguments(call.body.len()) else {
            untold.answer = Some((id, self.busy("max_held")));
            return;
        };
        let incoming = Incoming {
            body: call.body,
            peer: self.core.peer(),
            caller: self.caller.clone(),
            time_left: call.time_left,
        };
        let Some(permit) = self.permit(&connection) else {
            untold.answer = self.run_on_pool(id, connection, incoming, arguments);
            return;
        };
        let handled = {
            let _watched = Watched::enter(self, reader, *now);
            caught_here(|| connection.handler.call(&incoming))
        };
        drop(permit);
        spare::give(incoming.body);
        let ended = Moment::now();
        connection.ran_for(ended.since(*now));
        *now = ended;
        match handled {
            Handled::Ready(answer) => untold.answer = Some((id, answer)),
            Handled::Later(later) => {
                self.run_later(id, later, arguments);
                untold.woke = true;
            }
        }
    }

    /// Leave to run a function on this reader's thread. The last thread of the runtime is kept for heartbeats: beyond the permits,
    /// functions run on the pool, and so do those that took long.
    fn permit(&self, function: &Registered) -> Option<Permit<'_>> {
        match function.keeps_thread() {
            true => None,
            false => self.core.inline.permit(),
        }
    }

    /// Hands the events of a stream over, and runs the function that wants them as one that is [called](Self::serve): on this
    /// thread where it may, but not where a task was made ready that may wait for the thread. Says whether one was now.
    pub(super) fn deliver(
        self: &Arc<Self>,
        id: CallId,
        arrivals: VecDeque<Arrival>,
        woke: bool,
        reader: u64,
        now: &mut Moment,
    ) -> bool {
        let Some(inbox) = self.core.subscriber.arrived(self, id, arrivals) else {
            return false;
        };
        let (runtime, function) = (&self.core.runtime, inbox.function());
        let permit = (!woke).then(|| self.permit(function)).flatten();
        if permit.is_none() {
            inbox.run_soon(runtime);
            return false;
        }
        let goes_on = {
            let _watched = Watched::enter(self, reader, *now);
            inbox.run_here(runtime, || self.reader.load(Ordering::Acquire) == reader)
        };
        drop(permit);
        let ended = Moment::now();
        function.ran_for(ended.since(*now));
        *now = ended;
        goes_on
    }

    /// What large arguments count for while they are here. Those of small calls are bounded by the number of calls.
    fn hold_arguments(&self, size: usize) -> Result<Option<Hold>, TooMuch> {
        if size <= MAX_BODY {
            return Ok(None);
        }
        let hold = self.arguments.take(size as u64, self.core.limits.max_held);
        hold.map(Some).ok_or(TooMuch)
    }

    /// The answer to a call for which there is no room, by the limit that is reached.
    fn busy(&self, limit: &str) -> Answer {
        self.log_limit(limit);
        let text = format!("too much of your earlier calls is still under way here ({limit})");
        Answer::Error(Box::new(ErrorBody::new(ErrorCode::Busy, text)))
    }

    /// Has a thread of the pool run a call. Gives its answer where too many wait for one.
    fn run_on_pool(
        self: &Arc<Self>,
        id: CallId,
        connection: Arc<Registered>,
        incoming: Incoming,
        arguments: Option<Hold>,
    ) -> Option<(CallId, Answer)> {
        // As many as the session may have refused or cancelled and the other side not know of yet.
        let most = 2 * u64::from(self.core.limits.max_calls) + 16;
        let Some(place) = self.on_pool.take(1, most) else {
            return Some((id, self.busy("max_calls")));
        };
        let link = Arc::clone(self);
        self.core.runtime.spawn_blocking(move || {
            let _place = place;
            // It may have waited for its thread for longer than its caller did for it, or while answers piled up.
            let start = Instant::now();
            let may_run = link.state().session.may_run(id);
            if !may_run {
                link.flush();
                return;
            }
            let handled = caught(|| connection.handler.call(&incoming));
            spare::give(incoming.body);
            connection.ran_for(start.elapsed());
            match handled {
                Handled::Ready(answer) => {
                    link.answer(id, answer);
                    link.flush();
                }
                Handled::Later(later) => link.run_later(id, later, arguments),
            }
        });
        None
    }

    fn run_later(self: &Arc<Self>, id: CallId, later: Later, arguments: Option<Hold>) {
        let link = Arc::clone(self);
        // Under the lock, so that the task cannot end before it is entered.
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // Cancelled while the function was entered: nothing will come any more that ends what is begun now.
        if !self.state().session.is_wanted(id) {
            return;
        }
        let task = self.core.runtime.spawn(async move {
            let answer = Caught(later).await;
            drop(arguments);
            link.running
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&id);
            link.answer(id, answer);
            link.keeper.notify_one();
        });
        running.insert(id, task.abort_handle());
    }

    fn answer(&self, id: CallId, answer: Answer) {
        self.state().answer(&self.caller, id, answer);
    }

    /// Puts in the answer that was left with the reader.
    pub(super) fn put_answer(&self, untold: &mut Untold) {
        if let Some((id, answer)) = untold.answer.take() {
            self.answer(id, answer);
        }
    }
}

impl State {
    /// Puts an answer among what is to be written. An answer to a call that is gone is dropped.
    pub(super) fn answer(&mut self, to: &Caller, id: CallId, answer: Answer) {
        match answer {
            Answer::Value(bytes) => self.session.reply(id, bytes.into()),
            Answer::Flag(name) => self.session.flag(id, &name),
            Answer::Error(body) => self.session.error(id, &to.shown(body)),
        }
    }
}

/// There is no room.
struct TooMuch;

/// The answer to a call of what is not registered.
pub(crate) fn missing(there: Vec<String>, tag: &str) -> Answer {
    Answer::Error(Box::new(ErrorBody {
        code: ErrorCode::NoSuchConnection,
        kind: "NoSuchConnection".into(),
        message: format!("no function is registered here as {tag:?}"),
        traceback: String::new(),
        names: there,
    }))
}

/// A panic in a function is its failure, not its peer's.
pub(crate) fn caught(f: impl FnOnce() -> Handled) -> Handled {
    catch_unwind(AssertUnwindSafe(f))
        .unwrap_or_else(|panic| Handled::Ready(panicked(panic.as_ref())))
}

/// As [`caught`], for a function that runs where its call was read: one that goes on in a future is polled once. Its waker comes
/// with the task's own first poll; many functions never need one.
pub(crate) fn caught_here(f: impl FnOnce() -> Handled) -> Handled {
    caught(|| match f() {
        Handled::Ready(answer) => Handled::Ready(answer),
        Handled::Later(mut later) => {
            match later.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(answer) => Handled::Ready(answer),
                Poll::Pending => Handled::Later(later),
            }
        }
    })
}

fn panicked(panic: &(dyn Any + Send)) -> Answer {
    let message = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "the function panicked".into());
    Answer::failed("panic", message, "")
}

/// A future whose panic is an answer.
pub(crate) struct Caught(pub(crate) Later);

impl Future for Caught {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx)))
            .unwrap_or_else(|panic| Poll::Ready(panicked(panic.as_ref())))
    }
}
