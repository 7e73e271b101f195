//! A link: one session over one socket, shared by everyone here who calls the peer at its other end.
//!
//! Three kinds of code run on it, each in a file of its own. Callers start calls and write them themselves (here);
//! the *reader* takes frames in, wakes callers and runs functions ([`reader`]); the *keeper* does what must wait for a
//! clock or for room to write ([`keeper`]). Which peer has which link is not known here ([`crate::peers`]).

pub(crate) mod accept;
#[cfg(target_os = "linux")]
mod attend;
pub(crate) mod connections;
pub(crate) mod dial;
pub(crate) mod events;
mod handshake;
mod held;
mod keeper;
pub(crate) mod lookup;
#[cfg(test)]
mod memory;
#[cfg(target_os = "linux")]
mod pages;
pub(crate) mod proof;
mod reader;
pub(crate) mod serve;
mod slot;
pub(crate) mod socket;
pub(crate) mod spare;
mod strangers;
#[cfg(unix)]
mod stream;
#[cfg(test)]
mod tests;
mod tls;
mod turned_away;
pub(crate) mod watch;

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant;

use net_proto::limits::MAX_BODY;
use net_proto::links::Carrier;
use net_proto::members::Message;
use net_proto::presence::WhyLeft;
use net_proto::{
    CallId, Hello, InstanceId, Outgoing, Payload, ProtocolError, Session, Transmit, WhyRefused,
};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

#[cfg(target_os = "linux")]
pub(crate) use attend::Attendance;
pub(crate) use handshake::{LinkError, establish};
pub(crate) use slot::{Finished, Slot};

use crate::caller::Caller;
use crate::peer::Core;
use crate::runtime;
use connections::Counted;
use events::Waits;
use held::Held;
use reader::Input;
use socket::WriteHalf;

/// Slices given to one vectored write: enough for the frames and chunks of one transmit.
const SLICES: usize = 64;
/// How many rounds a thread writes what others add meanwhile before it leaves the rest to the keeper.
const WRITE_ROUNDS: u32 = 8;

/// A session over a socket, with the peer at its other end known.
pub(crate) struct Link {
    pub(crate) core: Arc<Core>,
    /// What the other side said of itself.
    pub(crate) hello: Hello,
    /// Whether this side dialled.
    pub(crate) dialled: bool,
    /// Where the other side is, for messages.
    pub(crate) address: String,
    pub(crate) carrier: Carrier,
    /// What it counts for, if it came to this peer. Not before its descriptor is closed is there room for another.
    _counted: Option<Counted>,
    /// The other side, as the functions that it calls see it.
    caller: Caller,
    write: Box<dyn WriteHalf>,
    state: Mutex<State>,
    input: Mutex<Input>,
    /// The reader whose turn it is; a reader with another number ends.
    reader: AtomicU64,
    /// The task of that reader.
    reader_task: Mutex<Option<AbortHandle>>,
    /// The functions that go on in tasks of their own, so that they can be cancelled.
    running: Mutex<HashMap<CallId, AbortHandle>>,
    /// Bytes of large arguments that functions of the other side have, or wait for a thread with.
    arguments: Arc<Held>,
    /// Calls of the other side that wait for a thread of the pool or have one.
    on_pool: Arc<Held>,
    /// Wakes the keeper: there is something to write, or an earlier timer.
    keeper: Notify,
    /// Whether new calls may go over it: what the state says, where each call can see it without the lock. A call that
    /// comes too early to see it is refused by the session.
    open: AtomicBool,
    closed: AtomicBool,
}

/// What is under the lock that callers, reader and keeper share. No user code runs under it, and no system call.
struct State {
    session: Session<Arc<Slot>>,
    /// What the session gave to be written and the socket has not taken yet.
    out: Transmit,
    /// Some thread is writing `out`, which is not here meanwhile; it will take along what is added.
    writing: bool,
    /// Several calls were in flight when one of them ended last: whoever waited for them may go on together.
    crowd: bool,
    /// The keeper was told to write and has not begun; it will take along what is added. (Telling it of each of many events was a
    /// third of what it cost to publish them.)
    told: bool,
    /// The socket took no more; the keeper goes on when it does.
    full: bool,
    /// A write has failed. Answers that arrived before may still be unread, so it is the reader that ends the link.
    broken: bool,
    /// Nothing more will be said on either side: what is left is to write, then to close.
    drained: bool,
    /// Until when the keeper sleeps.
    armed: Option<Instant>,
    /// Callers that wait for room on the link.
    waiting: Vec<Waker>,
    /// Publishers that wait for room in the queue of an interest.
    waiting_for_queue: Vec<Waits>,
}

/// What came of starting a call.
pub(crate) enum Started {
    /// It is on its way.
    Sent(CallId),
    /// There is no room; the waker is woken when there may be.
    Blocked,
    /// The link takes no more calls; nothing was sent.
    Gone,
    /// The other side serves no calls.
    ServesNone,
    /// The arguments are larger than the other side takes.
    TooLarge { size: u64, limit: u64 },
    /// The tag is longer than a frame can carry.
    BadTag,
}

impl Link {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The instance at the other end.
    pub(crate) fn id(&self) -> InstanceId {
        self.hello.id
    }

    /// The other side, as functions see it.
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Whether new calls may go over it.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// The descriptor of its socket.
    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> Option<std::os::fd::RawFd> {
        self.write.descriptor()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Starts a call and, where the socket is free, writes it from this thread.
    pub(crate) fn start(
        self: &Arc<Self>,
        tag: &str,
        deadline: Option<Instant>,
        body: Payload<'_>,
        slot: &Arc<Slot>,
        waker: &Waker,
    ) -> Started {
        let time_left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let id = {
            let mut state = self.state();
            if self.is_closed() || state.broken {
                return Started::Gone;
            }
            let call = Outgoing {
                tag,
                time_left,
                metadata: &[],
                body,
            };
            match state.session.call_until(deadline, call, Arc::clone(slot)) {
                Ok(id) => {
                    if time_left.is_some() {
                        self.arm(&state);
                    }
                    // A call on its own is written at once. Where others are in flight and this is a task among tasks,
                    // the keeper writes for all that are ready to run now: one system call for many calls.
                    if !state.crowd && state.session.in_flight() <= 1 {
                        self.flush_from(state);
                    } else if !state.told {
                        if runtime::current().is_none() {
                            self.flush_from(state);
                        } else {
                            state.told = true;
                            drop(state);
                            self.keeper.notify_one();
                        }
                    }
                    id
                }
                Err(refused) => {
                    return match refused.why {
                        WhyRefused::Blocked => {
                            // A call that is polled meanwhile without need comes here again.
                            if !state
                                .waiting
                                .last()
                                .is_some_and(|last| last.will_wake(waker))
                            {
                                state.waiting.push(waker.clone());
                            }
                            self.flush_from(state);
                            Started::Blocked
                        }
                        WhyRefused::ServesNone => Started::ServesNone,
                        WhyRefused::TooLarge { size, limit } => Started::TooLarge { size, limit },
                        WhyRefused::TagTooLong { .. } => Started::BadTag,
                        _ => {
                            self.takes_no_more();
                            Started::Gone
                        }
                    };
                }
            }
        };
        Started::Sent(id)
    }

    fn takes_no_more(&self) {
        self.open.store(false, Ordering::Release);
    }

    /// Sees to it that the keeper wakes in time for a timer that is new.
    fn arm(&self, state: &State) {
        let is_in_time = match (state.session.timeout(), state.armed) {
            (Some(next), Some(armed)) => armed <= next,
            (next, None) => next.is_none(),
            (None, Some(_)) => true,
        };
        if !is_in_time {
            self.keeper.notify_one();
        }
    }

    /// Gives up a call that this side made.
    pub(crate) fn cancel(&self, id: CallId) {
        let cancelled = self.state().session.cancel(id).is_some();
        if cancelled {
            self.keeper.notify_one();
        }
    }

    /// Tells the other side who is in the group.
    pub(crate) fn send_members(self: &Arc<Self>, message: &Message) -> Result<(), WhyRefused> {
        self.state().session.members(message)?;
        self.flush();
        Ok(())
    }

    /// How much there was on it, if nothing is under way on it now.
    pub(crate) fn idle_since(&self) -> Option<u64> {
        let state = self.state();
        let session = &state.session;
        let is_idle =
            session.in_flight() == 0 && session.serving() == 0 && session.interests() == (0, 0);
        is_idle.then(|| session.activity())
    }

    /// Asks the other side for a sign that it has this link.
    pub(crate) fn probe(self: &Arc<Self>) {
        self.state().session.probe(Instant::now());
        self.flush();
    }

    /// Takes no more calls, lets those in flight end, then closes. The other side is told why.
    pub(crate) fn drain(self: &Arc<Self>, reason: &str) {
        self.takes_no_more();
        self.state().session.goodbye(reason);
        self.flush();
    }

    /// Closes as the session ends with an error.
    fn fail(self: &Arc<Self>, error: &ProtocolError) {
        let why = match *error {
            ProtocolError::Silent { after } => WhyLeft::Silent { after },
            _ => WhyLeft::LinkLost {
                why: error.to_string(),
            },
        };
        self.end(&error.to_string(), why);
    }

    /// Closes at once: every call that waits is lost, every function that runs for the other side is cancelled.
    pub(crate) fn close(self: &Arc<Self>, why: &str) {
        self.end(
            why,
            WhyLeft::LinkLost {
                why: why.to_owned(),
            },
        );
    }

    fn end(self: &Arc<Self>, why: &str, means: WhyLeft) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.takes_no_more();
        tracing::debug!(peer = %self.hello.name, address = %self.address, why, "link closed");
        let (slots, waiting, publishing) = {
            let mut state = self.state();
            let waiting = std::mem::take(&mut state.waiting);
            let publishing = std::mem::take(&mut state.waiting_for_queue);
            (state.session.close(), waiting, publishing)
        };
        self.write.shutdown();
        spare::clear();
        // First of all: whoever hears that its call is lost is not to find the peer among those that are there.
        self.core.peers.lost(&self.core, self, means);
        self.core.publisher.lost(self);
        self.core.subscriber.lost(self);
        for slot in slots {
            if let Some(waker) = slot.finish(Finished::Lost) {
                waker.wake();
            }
        }
        waiting.into_iter().for_each(Waker::wake);
        publishing.into_iter().for_each(Waits::wake);
        let running =
            std::mem::take(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner));
        for (_, task) in running {
            task.abort();
        }
        self.keeper.notify_one();
        self.core.ending.one_has_ended();
    }

    /// Writes what is there to be written, unless another thread is at it or the socket is full. Says
    /// whether the keeper was woken for the rest.
    fn flush(self: &Arc<Self>) -> bool {
        self.flush_from(self.state())
    }

    /// As [`flush`](Self::flush), by who has the lock already.
    fn flush_from<'a>(self: &'a Arc<Self>, mut state: MutexGuard<'a, State>) -> bool {
        if state.writing || state.full || state.broken {
            return false;
        }
        state.writing = true;
        for _ in 0..WRITE_ROUNDS {
            if state.out.is_empty() {
                if !state.session.wants_write() {
                    state.writing = false;
                    if state.drained {
                        // The other side does the same; the reader closes the link when it sees the end.
                        self.write.finish();
                    }
                    return false;
                }
                let State { session, out, .. } = &mut *state;
                session.transmit(out);
            }
            let mut out = std::mem::take(&mut state.out);
            let event = state.session.poll();
            // Without the lock: others go on adding calls while this thread is in the kernel.
            drop(state);
            if let Some(event) = event {
                self.on_event(event);
                self.handle_events();
            }
            let written = self.write_out(&mut out);
            state = self.state();
            state.out = out;
            match written {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    state.writing = false;
                    state.full = true;
                    self.keeper.notify_one();
                    return true;
                }
                Err(error) => {
                    state.writing = false;
                    drop(state);
                    self.break_off(&error);
                    return true;
                }
            }
        }
        state.writing = false;
        self.keeper.notify_one();
        true
    }

    /// Nothing can be written any more: lets the reader take in what has arrived and then end the link.
    fn break_off(&self, error: &io::Error) {
        tracing::debug!(peer = %self.hello.name, address = %self.address, %error, "cannot write");
        self.takes_no_more();
        self.state().broken = true;
        self.write.shutdown();
    }

    /// Handles what the session made known by itself: room for calls that waited, the end of a drained link.
    fn handle_events(self: &Arc<Self>) {
        loop {
            let event = self.state().session.poll();
            match event {
                Some(event) => self.on_event(event),
                None => return,
            }
        }
    }

    fn write_out(&self, out: &mut Transmit) -> io::Result<()> {
        while !out.is_empty() {
            // Small frames lie in one piece; room for the slices of chunks is made only when there are chunks.
            let mut one = [IoSlice::new(&[])];
            let mut many;
            let slices: &mut [IoSlice<'_>] = if out.len() <= MAX_BODY {
                &mut one
            } else {
                many = [IoSlice::new(&[]); SLICES];
                &mut many
            };
            let filled = out.slices(slices);
            let written = match self.write.try_write(&slices[..filled]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            out.advance(written);
        }
        Ok(())
    }
}

/// The same link, not one that is like it.
impl PartialEq for Link {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({} at {})", self.hello.name, self.address)
    }
}
