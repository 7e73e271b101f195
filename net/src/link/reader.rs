//! The reader of a link: takes frames in, wakes the callers whose answers they are, and runs the functions that they call.
//!
//! All it needs is in [`Input`] under a lock that it holds while it reads and parses, never while a function runs. So
//! another reader can take over at any point between two frames, and does when a function keeps this one ([`watch`](super::watch)).

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::{BufMut, BytesMut};
use net_proto::links::{ANOTHER_LINK, NOT_NEEDED};
use net_proto::presence::WhyLeft;
use net_proto::{CallId, Event, Incoming, Lent, Limit, ProtocolError, Session, Tag};

#[cfg(target_os = "linux")]
use super::attend::Hands;
use super::socket::ReadHalf;
use super::spare;
use super::watch::Moment;
use super::{Finished, Link, Slot, State};
use crate::registry::{Answer, Registered, Registry};
use crate::trouble::Said;

/// What one read can take in: a full frame of the largest chunk, or some thousand small calls.
const READ_SIZE: usize = 64 * 1024;
/// What a read takes in between two chunks of a body: the head of the next chunk and whatever small frames there are, and little of
/// the chunk itself, which is copied.
const HEADS: usize = 4 * 1024;
/// With less room than this, a buffer of full size is made ready before the next read.
const READ_LEAST: usize = 8 * 1024;
/// How long answers may lie before they are written while more calls of the same read are run.
const ANSWERS_WAIT: Duration = Duration::from_micros(50);

/// Callers that are woken together: so many that the lock for all of them costs little for each, and that it is not kept
/// for long.
const WOKEN: usize = 8;
/// So many events of one interest are handled in one go, where one read has brought them: enough that what is done once for all of them
/// is not felt, few enough that calls and answers behind them wait for some ten microseconds only.
const RUN: usize = 64;

/// Whether a peer broke the protocol since the process began: the first is logged as a warning, the rest for the curious only,
/// since whoever may say HELLO could fill the log.
static BREACHED: AtomicBool = AtomicBool::new(false);
/// Whether a peer ran into a limit lately. Unlike a breach that may be of use to whoever runs this one, again and again.
static LIMITED: Said = Said::not_yet();

/// What is read and not yet handled.
pub(super) struct Input {
    pub(super) read: Box<dyn ReadHalf>,
    pub(super) buf: BytesMut,
    /// The body that what is read next belongs to.
    lent: Option<Lent>,
    /// What one read takes in where there is none.
    most: usize,
    /// When something was read.
    pub(super) read_at: Instant,
    /// A call that was taken out of the session and not yet run.
    pub(super) next: Option<Incoming>,
    /// The functions behind the tag numbers of this link, as of `version` of the registry.
    connections: Vec<Option<Arc<Registered>>>,
    version: u64,
    #[cfg(target_os = "linux")]
    pub(super) hands: Hands,
    /// Calls in a row, lately, that a thread waited for alone.
    #[cfg(target_os = "linux")]
    pub(super) alone: u32,
}

/// What a reader has under way between its locks: found under one and told without, or the other way round.
#[derive(Default)]
pub(super) struct Untold {
    /// The callers of calls that have ended.
    ended: [Option<Waker>; WOKEN],
    count: usize,
    /// The answer of the call that was run last.
    pub(super) answer: Option<(CallId, Answer)>,
    /// The other side has run into this one.
    reached: Option<Limit>,
    /// Tasks were made ready that may wait on this very thread: they go before a function that may block it.
    pub(super) woke: bool,
}

impl Untold {
    /// Whether the callers are to be woken before there can be more.
    pub(super) fn is_full(&self) -> bool {
        self.count == WOKEN
    }

    /// Wakes the callers. Without any lock: what a waker does is the program's.
    pub(super) fn wake(&mut self) {
        self.woke |= self.count > 0;
        let ended = self.ended[..self.count].iter_mut();
        self.count = 0;
        ended.filter_map(Option::take).for_each(Waker::wake);
    }
}

impl Input {
    pub(super) fn new(read: Box<dyn ReadHalf>, buf: BytesMut) -> Self {
        Self {
            read,
            buf,
            lent: None,
            most: READ_SIZE,
            read_at: Instant::now(),
            next: None,
            connections: Vec::new(),
            version: 0,
            #[cfg(target_os = "linux")]
            hands: Hands::default(),
            #[cfg(target_os = "linux")]
            alone: 0,
        }
    }

    /// Has the body that what is read next belongs to, if there is one.
    fn borrow(&mut self, session: &mut Session<Arc<Slot>>) {
        self.lent = session.lend(&self.buf, spare::room);
    }

    fn give_back(&mut self, session: &mut Session<Arc<Slot>>) -> Result<(), ProtocolError> {
        self.most = READ_SIZE;
        if let Some(lent) = self.lent.take() {
            session.give_back(self.read_at, lent)?;
            self.most = HEADS;
        }
        Ok(())
    }

    /// Reads what is there, to where it belongs.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.read(|socket, buf| socket.poll_read(cx, buf))
    }

    /// As [`poll_read`](Self::poll_read), for a thread that knows that there is something.
    #[cfg(target_os = "linux")]
    pub(super) fn try_read(&mut self) -> io::Result<usize> {
        self.read(|socket, buf| socket.try_read(buf))
    }

    fn read<R>(&mut self, read: impl FnOnce(&mut dyn ReadHalf, &mut dyn BufMut) -> R) -> R {
        if let Some(lent) = &mut self.lent {
            return read(&mut *self.read, &mut lent.buf());
        }
        self.reserve();
        read(&mut *self.read, &mut (&mut self.buf).limit(self.most))
    }

    /// Makes room for what one read can take in. Not each time: while an answer cut from the buffer is still held, that
    /// would be a new buffer.
    fn reserve(&mut self) {
        if self.buf.capacity() - self.buf.len() < READ_LEAST {
            self.buf.reserve(READ_SIZE);
        }
    }

    /// The function under `tag`: by its number, or by name the first time and after each change of the registry.
    fn connection(&mut self, tag: &Tag, registry: &Registry) -> Option<Arc<Registered>> {
        let version = registry.version();
        if version != self.version {
            self.connections.clear();
            self.version = version;
        }
        let number = tag.number as usize;
        if number != 0
            && let Some(Some(connection)) = self.connections.get(number)
        {
            return Some(Arc::clone(connection));
        }
        let found = registry.find(&tag.name)?;
        if number != 0 {
            if self.connections.len() <= number {
                self.connections.resize(number + 1, None);
            }
            self.connections[number] = Some(Arc::clone(&found));
        }
        Some(found)
    }
}

impl Link {
    pub(super) fn spawn_reader(self: &Arc<Self>, number: u64) {
        let link = Arc::clone(self);
        let task = self.core.runtime.spawn(async move {
            // What the last reader had answered and not written when it was kept.
            link.flush();
            poll_fn(|cx| link.poll_read(number, cx)).await;
        });
        let replaced = self
            .reader_task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(task.abort_handle());
        // One that is still in its function goes on to the function's end. But if that came just now, it waits for bytes
        // of which only its successor will be told.
        if let Some(replaced) = replaced {
            replaced.abort();
        }
    }

    /// Puts another reader in the place of reader `number`, which is kept by a function. Nothing if that was done.
    pub(super) fn replace_reader(self: &Arc<Self>, number: u64) {
        let next = number + 1;
        if self
            .reader
            .compare_exchange(number, next, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
        {
            tracing::debug!(peer = %self.hello.name, "a function takes long: another reader takes over");
            self.spawn_reader(next);
        }
    }

    pub(super) fn input(&self) -> MutexGuard<'_, Input> {
        self.input.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what was read, up to the next event that is not the end of a call of ours. None: either all of it, and what
    /// there is to be written was written, or callers are [to be woken](Untold::is_full) first.
    pub(super) fn take_in(
        self: &Arc<Self>,
        input: &mut Input,
        untold: &mut Untold,
    ) -> Result<Option<Event<Arc<Slot>>>, ProtocolError> {
        let mut state = self.state();
        if let Some((id, answer)) = untold.answer.take() {
            state.answer(&self.caller, id, answer);
        }
        let in_flight = state.session.in_flight();
        let event = state.receive(input, untold);
        untold.reached = untold.reached.or_else(|| state.session.limit_reached());
        if untold.count > 0 {
            state.crowd = in_flight > 1;
        }
        match event {
            Ok(None) if !untold.is_full() => untold.woke |= self.flush_from(state),
            Ok(Some(Event::Goodbye { .. })) => self.takes_no_more(),
            _ => {}
        }
        event
    }

    /// Reads and handles until there is nothing more to read. Ready when this reader's work is over.
    fn poll_read(self: &Arc<Self>, number: u64, cx: &mut Context<'_>) -> Poll<()> {
        let mut untold = Untold::default();
        // Read off the clock when it is first needed, and after what takes time: that is a good part of a small call.
        let (mut read_at, mut now) = (None, None);
        let moment = |read_at: Option<Instant>| read_at.map_or_else(Moment::now, Moment::from);
        let mut flushed = None;
        loop {
            let mut input = self.input();
            if self.is_closed() {
                input.lent = None;
                return Poll::Ready(());
            }
            if self.reader.load(Ordering::Acquire) != number {
                drop(input);
                self.put_answer(&mut untold);
                self.flush();
                return Poll::Ready(());
            }
            let event = match input.next.take() {
                Some(call) => {
                    self.put_answer(&mut untold);
                    Ok(Some(Event::Call(call)))
                }
                None => self.take_in(&mut input, &mut untold),
            };
            match event {
                Ok(Some(Event::Call(call))) => {
                    if untold.woke || untold.count > 0 {
                        input.next = Some(call);
                        drop(input);
                        untold.wake();
                        self.flush();
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    let connection = input.connection(&call.tag, &self.core.registry);
                    drop(input);
                    if call.time_left.is_some() {
                        self.arm(&self.state());
                    }
                    let now = now.get_or_insert_with(|| moment(read_at));
                    let last = *flushed.get_or_insert(*now);
                    self.serve(call, connection, number, &mut untold, now);
                    if now.since(last) > ANSWERS_WAIT {
                        self.put_answer(&mut untold);
                        untold.woke |= self.flush();
                        flushed = Some(*now);
                    }
                }
                Ok(Some(Event::Arrived(first))) => {
                    let id = first.id;
                    let buf = &mut input.buf;
                    let run = self.state().session.receive_run(buf, first, RUN);
                    drop(input);
                    untold.wake();
                    let now = now.get_or_insert_with(|| moment(read_at));
                    untold.woke |= self.deliver(id, run, untold.woke, number, now);
                }
                Ok(Some(event)) => {
                    drop(input);
                    untold.wake();
                    untold.woke |= matches!(
                        event,
                        Event::Room | Event::QueueRoom(_) | Event::Cancelled(_)
                    );
                    self.on_event(event);
                }
                Ok(None) if untold.is_full() => {
                    drop(input);
                    untold.wake();
                }
                Ok(None) => {
                    let read = input.poll_read(cx);
                    if read.is_ready() {
                        input.read_at = Instant::now();
                        (read_at, now) = (Some(input.read_at), None);
                    }
                    drop(input);
                    untold.wake();
                    self.log_reached(&mut untold);
                    let read = ready!(read);
                    if !self.goes_on(read) {
                        return Poll::Ready(());
                    }
                }
                Err(error) => {
                    drop(input);
                    untold.wake();
                    self.log_reached(&mut untold);
                    self.end_badly(&error);
                    return Poll::Ready(());
                }
            }
        }
    }

    /// Closes the link if this was its last read.
    pub(super) fn goes_on(self: &Arc<Self>, read: io::Result<usize>) -> bool {
        match read {
            Ok(0) => self.close("the other side closed it"),
            Ok(_) => return true,
            Err(error) => self.close(&error.to_string()),
        }
        false
    }

    /// Closes the link as the other side does not keep to the protocol.
    pub(super) fn end_badly(self: &Arc<Self>, error: &ProtocolError) {
        self.flush();
        self.log_breach(error);
        self.fail(error);
    }

    /// Logs at which limit of this side the other is refused.
    pub(super) fn log_reached(&self, untold: &mut Untold) {
        if let Some(limit) = untold.reached.take() {
            self.log_limit(limit.name());
        }
    }

    pub(super) fn log_limit(&self, limit: &str) {
        let (peer, address) = (&self.hello.name, &self.address);
        if LIMITED.is_due() {
            tracing::warn!(
                peer,
                address,
                limit,
                "a peer is refused at a limit (others are logged at debug level)"
            );
        } else {
            tracing::debug!(peer, address, limit, "a peer is refused at a limit");
        }
    }

    fn log_breach(&self, error: &ProtocolError) {
        let (peer, address) = (&self.hello.name, &self.address);
        if BREACHED.swap(true, Ordering::Relaxed) {
            tracing::debug!(peer, address, %error, "link ended");
        } else {
            tracing::warn!(peer, address, %error, "link ended (further ones are logged at debug level)");
        }
    }

    /// Handles what is no call.
    pub(super) fn on_event(self: &Arc<Self>, event: Event<Arc<Slot>>) {
        match event {
            Event::Ended { token, outcome } => {
                if let Some(waker) = token.finish(Finished::Outcome(outcome)) {
                    waker.wake();
                }
            }
            Event::Cancelled(id) => {
                let task = self
                    .running
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(&id);
                if let Some(task) = task {
                    task.abort();
                }
            }
            Event::Room => {
                let waiting = std::mem::take(&mut self.state().waiting);
                for waker in waiting {
                    waker.wake();
                }
                self.core.subscriber.room(self);
                self.core.peers.member_has_room(&self.core, self);
            }
            Event::Interest { id, interest } => self.core.publisher.joined(self, id, &interest),
            Event::NotInterested(id) => self.core.publisher.left(self, id),
            Event::QueueRoom(id) => self.queue_has_room(id),
            Event::Arrived(arrival) => {
                let id = arrival.id;
                if let Some(inbox) = self.core.subscriber.arrived(self, id, [arrival].into()) {
                    inbox.run_soon(&self.core.runtime);
                }
            }
            Event::InterestEnded { id, error } => self.core.subscriber.ended(self, id, error),
            Event::Goodbye { reason } => {
                tracing::debug!(peer = %self.hello.name, reason, "the other side takes leave");
                let why = match reason == ANOTHER_LINK || reason == NOT_NEEDED {
                    true => WhyLeft::LinkLost { why: reason },
                    false => WhyLeft::TookLeave { reason },
                };
                self.core.peers.lost(&self.core, self, why);
                self.keeper.notify_one();
            }
            Event::Answered => self.core.peers.answered(&self.core, self),
            Event::Drained => {
                self.state().drained = true;
                self.flush();
            }
            Event::Members(message) => {
                self.core.peers.heard_of_members(&self.core, self, message);
            }
            // Connected came in the handshake; calls are the reader's.
            Event::Connected { .. } | Event::Call(_) => {}
        }
    }
}

impl State {
    /// What [`Link::take_in`] does with the session.
    fn receive(
        &mut self,
        input: &mut Input,
        untold: &mut Untold,
    ) -> Result<Option<Event<Arc<Slot>>>, ProtocolError> {
        input.give_back(&mut self.session)?;
        while !untold.is_full() {
            match self.session.receive(input.read_at, &mut input.buf)? {
                None => {
                    input.borrow(&mut self.session);
                    break;
                }
                Some(Event::Ended { token, outcome }) => {
                    if let Some(waker) = token.finish(Finished::Outcome(outcome)) {
                        untold.ended[untold.count] = Some(waker);
                        untold.count += 1;
                    }
                }
                other => return Ok(other),
            }
        }
        Ok(None)
    }
}
