//! The reader of a link: takes frames in, wakes the callers whose answers they are, and runs the functions that they call.
//!
//! All it needs is in [`Input`] under a lock that it holds while it reads and parses, never while a function runs. So
//! another reader can take over at any point between two frames, and does when a function keeps this one ([`watch`](super::watch)).

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use net_proto::{Event, Incoming, ProtocolError, Tag};

#[cfg(target_os = "linux")]
use super::attend::Hands;
use super::socket::ReadHalf;
use super::{Finished, Link, Slot};
use crate::registry::{Registered, Registry};

/// What one read can take in: a full frame of the largest chunk, or some thousand small calls.
const READ_SIZE: usize = 64 * 1024;
/// With less room than this, a buffer of full size is made ready before the next read.
const READ_LEAST: usize = 8 * 1024;
/// How long answers may lie before they are written while more calls of the same read are run.
const ANSWERS_WAIT: Duration = Duration::from_micros(50);

/// So many events of one interest are handled in one go, where one read has brought them: enough that what is done once for all of them
/// is not felt, few enough that calls and answers behind them wait for some ten microseconds only.
const RUN: usize = 64;

/// Whether a peer broke the protocol since the process began: the first is logged as a warning, the rest for the curious only,
/// since whoever may say HELLO could fill the log.
static BREACHED: AtomicBool = AtomicBool::new(false);

/// What is read and not yet handled.
pub(super) struct Input {
    pub(super) read: Box<dyn ReadHalf>,
    pub(super) buf: BytesMut,
    /// When that was read.
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

impl Input {
    pub(super) fn new(read: Box<dyn ReadHalf>, buf: BytesMut) -> Self {
        Self {
            read,
            buf,
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

    /// Makes room for what one read can take in. Not each time: while an answer cut from the buffer is still held, that
    /// would be a new buffer.
    pub(super) fn reserve(&mut self) {
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

    /// Reads and handles until there is nothing more to read. Ready when this reader's work is over.
    fn poll_read(self: &Arc<Self>, number: u64, cx: &mut Context<'_>) -> Poll<()> {
        // Read off the clock when it is first needed, and after what takes time: that is a good part of a small call.
        let mut now = None;
        let mut flushed = None;
        // Tasks that this poll has made ready may wait on this very thread: they go before a function that may block it.
        let mut woke = false;
        loop {
            let mut input = self.input();
            if self.is_closed() {
                return Poll::Ready(());
            }
            if self.reader.load(Ordering::Acquire) != number {
                drop(input);
                self.flush();
                return Poll::Ready(());
            }
            let event = match input.next.take() {
                Some(call) => Ok(Some(Event::Call(call))),
                None => {
                    let Input { buf, read_at, .. } = &mut *input;
                    self.state().session.receive(*read_at, buf)
                }
            };
            match event {
                Ok(Some(Event::Call(call))) => {
                    if woke {
                        input.next = Some(call);
                        drop(input);
                        self.flush();
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    let connection = input.connection(&call.tag, &self.core.registry);
                    drop(input);
                    if call.time_left.is_some() {
                        self.arm(&self.state());
                    }
                    let now = now.get_or_insert_with(Instant::now);
                    let last = *flushed.get_or_insert(*now);
                    woke = self.serve(call, connection, number, now);
                    if now.duration_since(last) > ANSWERS_WAIT {
                        woke |= self.flush();
                        flushed = Some(*now);
                    }
                }
                Ok(Some(Event::Arrived(first))) => {
                    let id = first.id;
                    let buf = &mut input.buf;
                    let run = self.state().session.receive_run(buf, first, RUN);
                    drop(input);
                    let now = now.get_or_insert_with(Instant::now);
                    woke |= self.deliver(id, run, woke, number, now);
                }
                Ok(Some(event)) => {
                    drop(input);
                    woke |= matches!(
                        event,
                        Event::Ended { .. }
                            | Event::Room
                            | Event::QueueRoom(_)
                            | Event::Cancelled(_)
                    );
                    self.on_event(event);
                }
                Ok(None) => {
                    woke |= self.flush();
                    input.reserve();
                    let Input { read, buf, .. } = &mut *input;
                    let read = match read.poll_read(cx, buf) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(read) => read,
                    };
                    input.read_at = Instant::now();
                    now = Some(input.read_at);
                    drop(input);
                    if !self.goes_on(read) {
                        return Poll::Ready(());
                    }
                }
                Err(error) => {
                    drop(input);
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
        self.close(&error.to_string());
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
            Event::Ended { token, outcome } => token.finish(Finished::Outcome(outcome)),
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
                self.core.peers.lost(&self.core, self);
                self.keeper.notify_one();
            }
            Event::Answered => self.core.peers.answered(&self.core, self),
            Event::Drained => {
                self.state().drained = true;
                self.flush();
            }
            // Connected came in the handshake; calls are the reader's.
            Event::Connected { .. } | Event::Call(_) => {}
        }
    }
}
