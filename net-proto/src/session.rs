//! One link's protocol state: bytes and time in, bytes and events out. Here is what holds the concerns together: the
//! state, the timers, the way out and the end. The way in and each concern have a file of their own in `session/`.

mod calls;
mod chunks;
mod credit;
mod deadlines;
mod drain;
mod event;
mod ids;
mod liveness;
mod members;
mod publish;
mod reached;
mod receive;
mod serve;
mod subscribe;
mod tags;
mod unsent;

use std::collections::{HashMap, VecDeque};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use crate::error::ProtocolError;
use crate::frame::{Kind, write_frame, write_number};
use crate::hello::{EVENTS, Hello, MEMBERS, preface};
use crate::limits::{Limits, VERSIONS};
use crate::timer::{Timer, TimerTable};
use crate::transmit::Transmit;

use calls::{Blocked, OwnCall};
use chunks::Leaving;
use credit::{ReceiveWindow, SendWindow};
use deadlines::Deadlines;
use drain::Drain;
use ids::IdHash;
use liveness::Liveness;
use publish::Publishing;
use reached::Reached;
use receive::PartialChunk;
use serve::PeerCall;
use subscribe::OwnInterest;
use tags::{KnownTags, SentTags};
use unsent::Unsent;

pub use chunks::Lent;
pub use event::{CallRefused, Event, Incoming, Outcome, Outgoing, Payload, WhyRefused};
pub use publish::{Backlog, Publication, Published};
pub use reached::Limit;
pub use subscribe::Arrival;
pub use tags::Tag;

/// Names one call, or one interest, on one link: the number of its stream.
pub type CallId = u64;

/// Which end of the link this is. Both ends can do the same; it decides whose stream ids are odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The side that made the link.
    Dialer,
    /// The side that was reached.
    Acceptor,
}

/// The protocol on one link, without the link: see the [crate's documentation](crate) for how it is driven.
///
/// `C` is what the driver knows a call by. Each token given to [`call`](Session::call) comes back exactly once.
#[derive(Debug)]
pub struct Session<C> {
    side: Side,
    versions: RangeInclusive<u8>,
    limits: Limits,
    stage: Stage,
    failed: Option<ProtocolError>,
    /// Small frames that wait to be written.
    out: Vec<u8>,
    events: VecDeque<Event<C>>,
    /// Bytes that the last `receive` left in its input: more than that means that something was heard.
    left_over: usize,

    timers: TimerTable,
    deadlines: Deadlines,
    liveness: Liveness,
    /// A ping that is to be answered: the last, so that pings cannot pile up answers.
    ping_to_answer: Option<u64>,

    send_window: SendWindow,
    receive_window: ReceiveWindow,
    /// Arriving bodies for which credit is to be given back.
    credit_due: Vec<CallId>,
    leaving: Leaving,
    /// Declared bytes of all arriving bodies.
    arriving: u64,
    /// The chunk that is being taken in.
    chunk: Option<PartialChunk>,
    /// Interests of ours whose large event is not counted there yet, as there is no room.
    without_place: VecDeque<CallId>,

    sent_tags: SentTags,
    known_tags: KnownTags,
    own_calls: HashMap<CallId, OwnCall<C>, IdHash>,
    next_id: CallId,
    blocked: Option<Blocked>,
    peer_calls: HashMap<CallId, PeerCall, IdHash>,
    last_peer_id: CallId,
    unsent: Unsent,
    own_interests: HashMap<CallId, OwnInterest, IdHash>,
    publishing: Publishing,
    drain: Drain,
    reached: Reached,
}

/// The bytes that a session holds, and the credit there is. What each is bounded by is in [`Limits`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Small frames that wait to be written.
    pub small_frames: usize,
    /// Large bodies that wait to be written, of calls and of answers.
    pub leaving: u64,
    /// Answers that wait for credit, large bodies included.
    pub unsent: u64,
    /// Large bodies that are arriving, by the sizes they declared.
    pub arriving: u64,
    /// Events that wait for the other side to take them.
    pub queued: u64,
    /// Frames that we may still send.
    pub may_send: u64,
    /// Frames that the other side may still send.
    pub may_receive: u64,
}

/// How far the other side has come.
#[derive(Debug)]
enum Stage {
    AwaitingPreface,
    AwaitingHello {
        version: u8,
    },
    Open {
        peer: PeerLimits,
    },
    /// This side has closed.
    Closed,
}

/// What the other side allows us, from its HELLO.
#[derive(Clone, Copy, Debug)]
struct PeerLimits {
    max_calls: usize,
    max_value: u64,
    stream_window: u64,
    /// Whether it knows events.
    events: bool,
    /// Whether it passes on who is in the group.
    members: bool,
}

impl PeerLimits {
    fn of(hello: &Hello) -> Self {
        Self {
            max_calls: hello.max_calls as usize,
            max_value: hello.max_value,
            stream_window: hello.stream_window,
            events: hello.has(EVENTS),
            members: hello.has(MEMBERS),
        }
    }
}

impl<C> Session<C> {
    /// A session on a new link. Its preface and HELLO are ready to be transmitted at once.
    ///
    /// The limits in `hello` are set from `limits`, so that what is announced is what is enforced, and the features that the
    /// session has are named in it.
    pub fn new(side: Side, hello: Hello, limits: Limits, now: Instant) -> Self {
        Self::speaking(VERSIONS, side, hello, limits, now)
    }

    /// A session of another release, for the tests of what old and new ones make of each other: it meets as one that speaks these
    /// versions does. All that it says after HELLO is of today's.
    #[doc(hidden)]
    pub fn speaking(
        versions: RangeInclusive<u8>,
        side: Side,
        hello: Hello,
        limits: Limits,
        now: Instant,
    ) -> Self {
        let limits = limits.workable();
        let mut out = preface(&versions).to_vec();
        let mut map = Vec::new();
        hello.of_session(&limits).encode(&mut map);
        write_frame(&mut out, Kind::Hello, 0, 0, &map);

        let mut timers = TimerTable::default();
        timers.set(Timer::Handshake, now.checked_add(limits.handshake_time));
        Self {
            side,
            versions,
            stage: Stage::AwaitingPreface,
            failed: None,
            out,
            events: VecDeque::new(),
            left_over: 0,
            timers,
            deadlines: Deadlines::default(),
            liveness: Liveness::new(now),
            ping_to_answer: None,
            // Nothing may be sent before the other side's HELLO says how much.
            send_window: SendWindow::new(0),
            receive_window: ReceiveWindow::new(limits.link_window),
            credit_due: Vec::new(),
            leaving: Leaving::default(),
            arriving: 0,
            chunk: None,
            without_place: VecDeque::new(),
            sent_tags: SentTags::default(),
            known_tags: KnownTags::default(),
            own_calls: HashMap::default(),
            next_id: side.first_id(),
            blocked: None,
            peer_calls: HashMap::default(),
            last_peer_id: 0,
            unsent: Unsent::default(),
            own_interests: HashMap::default(),
            publishing: Publishing::default(),
            drain: Drain::default(),
            reached: Reached::default(),
            limits,
        }
    }

    fn peer(&self) -> Option<PeerLimits> {
        match self.stage {
            Stage::Open { peer } if self.failed.is_none() => Some(peer),
            _ => None,
        }
    }

    /// The next event that has come of anything but [`receive`](Session::receive), which gives these first.
    pub fn poll(&mut self) -> Option<Event<C>> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Session::handle_timeout) is to be called next. A time that has passed: now.
    pub fn timeout(&self) -> Option<Instant> {
        self.liveness.catching_up().or_else(|| self.timers.next())
    }

    /// Does what is due by `now`: pings, ends calls whose time has run out, finds the other side silent.
    ///
    /// Where it is called late, since the process stood still, it first waits a moment for what has come in meanwhile, so
    /// that a process that was asleep does not blame its peer.
    ///
    /// # Errors
    /// The link cannot go on.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), ProtocolError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let due = self.timers.next();
        if due.is_some_and(|due| self.liveness.must_catch_up(now, due)) {
            return Ok(());
        }
        while let Some((timer, due)) = self.timers.pop_due(now) {
            let result = match timer {
                Timer::Handshake => Err(ProtocolError::NoHello {
                    after: self.limits.handshake_time,
                }),
                Timer::KeepAlive => {
                    self.keep_alive(now);
                    Ok(())
                }
                Timer::Silence => self.silence(now, due),
                Timer::Deadline => {
                    self.end_overdue(now);
                    Ok(())
                }
            };
            if let Err(error) = result {
                self.failed = Some(error.clone());
                return Err(error);
            }
        }
        Ok(())
    }

    fn end_overdue(&mut self, now: Instant) {
        while let Some(id) = self.deadlines.pop_due(now) {
            if self.side.owns(id) {
                self.own_call_overdue(id);
            } else {
                self.peer_call_overdue(id);
            }
        }
        self.timers.set(Timer::Deadline, self.deadlines.next());
    }

    fn add_deadline(&mut self, due: Instant, id: CallId) {
        self.deadlines.insert(due, id);
        self.timers.set(Timer::Deadline, self.deadlines.next());
    }

    fn end_deadline(&mut self) {
        self.deadlines.ended(|id| {
            if self.side.owns(id) {
                self.own_calls.get(&id).is_some_and(OwnCall::is_timed)
            } else {
                self.peer_calls.get(&id).is_some_and(PeerCall::is_timed)
            }
        });
    }

    /// Whether [`transmit`](Session::transmit) has something to give.
    pub fn wants_write(&self) -> bool {
        !self.out.is_empty()
            || self.ping_to_answer.is_some()
            || !self.credit_due.is_empty()
            || self.receive_window.is_due()
            || self.leaving.is_ready(&self.send_window)
    }

    /// Moves what is to be written next to `out`: every small frame, and large bodies up to a budget.
    ///
    /// `out` must be empty; otherwise nothing happens. It can be empty after. [`poll`](Session::poll) then: room may have
    /// come of it.
    pub fn transmit(&mut self, out: &mut Transmit) {
        if !out.is_empty() {
            return;
        }
        self.write_credit();
        if let Some(number) = self.ping_to_answer.take() {
            write_number(&mut self.out, Kind::Pong, 0, number);
        }
        out.swap_small(&mut self.out);

        let (peer_calls, publishing) = (&mut self.peer_calls, &mut self.publishing);
        let side = self.side;
        let budget = self.limits.chunk_budget;
        self.leaving
            .transmit(&mut self.send_window, budget, out, |id, window| {
                if !side.owns(id) && peer_calls.remove(&id).is_none() {
                    publishing.large_is_out(id, window);
                }
            });
        self.send_window.handed_out();
        self.publishing.handed_out();
        if !self.unsent.is_empty() {
            self.send_unsent();
        }
        self.send_events();
        self.offer_room();
        self.check_drained();
    }

    /// Writes the credit that is due. Not before a transmit: who does not read us gets none, and so cannot make
    /// the frames of it pile up.
    fn write_credit(&mut self) {
        if self.receive_window.is_due() {
            let amount = self.receive_window.give();
            write_number(&mut self.out, Kind::Credit, 0, amount);
        }
        while let Some(id) = self.credit_due.pop() {
            if let Some(interest) = self.own_interests.get_mut(&id) {
                if let Some(amount) = interest.give_credit() {
                    write_number(&mut self.out, Kind::Credit, id, amount);
                }
                continue;
            }
            let arriving = if self.side.owns(id) {
                self.own_calls.get_mut(&id).and_then(OwnCall::arriving)
            } else {
                self.peer_calls.get_mut(&id).and_then(PeerCall::arriving)
            };
            if let Some(arriving) = arriving {
                let amount = arriving.give_credit();
                write_number(&mut self.out, Kind::Credit, id, amount);
            }
        }
    }

    /// The link is gone: the tokens of all calls that have not ended, or whose end was not polled. What waited to be written is
    /// dropped, what comes in is not looked at any more.
    pub fn close(&mut self) -> Vec<C> {
        let unpolled = self.events.drain(..).filter_map(|event| match event {
            Event::Ended { token, .. } => Some(token),
            _ => None,
        });
        let open = self.own_calls.drain().map(|(_, call)| call.into_token());
        let tokens = unpolled.chain(open).collect();
        self.stage = Stage::Closed;
        self.timers = TimerTable::default();
        self.liveness.stop();
        self.peer_calls.clear();
        self.own_interests.clear();
        self.publishing.clear();
        // The session may be held for long after, by whoever holds its link; what it held need not be.
        self.out = Vec::new();
        self.ping_to_answer = None;
        self.leaving = Leaving::default();
        self.unsent = Unsent::default();
        self.credit_due = Vec::new();
        self.arriving = 0;
        self.chunk = None;
        self.receive_window = ReceiveWindow::new(self.limits.link_window);
        self.send_window = SendWindow::new(0);
        self.blocked = None;
        tokens
    }

    /// How much there was between the two: the calls and interests that either side has opened so far. What is said of members does not count.
    pub fn activity(&self) -> u64 {
        self.next_id + self.last_peer_id
    }

    /// Our calls that have not ended.
    pub fn in_flight(&self) -> usize {
        self.own_calls.len()
    }

    /// The other side's calls that are not answered, or whose answer has not left.
    pub fn serving(&self) -> usize {
        self.peer_calls.len()
    }

    /// Our interests, and those of the other side, that have not ended.
    pub fn interests(&self) -> (usize, usize) {
        (self.own_interests.len(), self.publishing.len())
    }

    /// What is held at the moment.
    pub fn usage(&self) -> Usage {
        Usage {
            small_frames: self.out.len(),
            leaving: self.leaving.bytes(),
            unsent: self.unsent.bytes(),
            arriving: self.arriving,
            queued: self.publishing.bytes(),
            may_send: self.send_window.available(),
            may_receive: self.receive_window.available(),
        }
    }

    /// Whether the other side's HELLO has come and the link has not failed, so that calls can be made.
    pub fn is_connected(&self) -> bool {
        self.peer().is_some()
    }

    /// How long the last ping took to be answered.
    pub fn rtt(&self) -> Option<Duration> {
        self.liveness.rtt()
    }
}
