//! Every limit and default of the native protocol, each with its reason. Nothing else: no limit of it is written
//! down anywhere but here.
//!
//! The constants are part of the protocol's version 1, the same on both sides. The fields of [`Limits`] are
//! each side's own choice; those that the other side has to know travel in its HELLO.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The protocol versions that this code speaks.
pub const VERSIONS: RangeInclusive<u8> = 1..=1;

/// Most bytes of a body in one frame; a larger body travels as chunks of this size.
///
/// 64 KiB takes half a millisecond on a gigabit link, so a small call never waits longer than that behind one frame, while
/// the 16 bytes of header stay far below one per cent.
pub const MAX_BODY: usize = 64 * 1024;

/// Most bytes of a tag. A tag is `module.function` or a name a person chose; 1 KiB is generous for both.
pub const MAX_TAG: usize = 1024;

/// Most bytes of a call's metadata. W3C `traceparent` and `tracestate` together stay below 1 KiB.
pub const MAX_METADATA: usize = 8 * 1024;

/// Most tags that one side remembers for the other on one link, so that they travel as a number from then on. More functions than
/// this in one program are not known; those beyond are sent in full each time.
pub const MAX_TAGS: usize = 65_536;

/// Most bytes of text of all the tags remembered on one link: what bounds the memory of [`MAX_TAGS`] long ones.
pub const MAX_TAG_TEXT: usize = 4 * 1024 * 1024;

/// Most bytes of a flag's name.
pub const MAX_FLAG: usize = 1024;

/// Most bytes of an event's name: as a tag, a name a person chose.
pub const MAX_EVENT: usize = 1024;

/// Greatest number of an event that an interest may say it had: so there are enough for all that follow, at any rate.
pub const MAX_NUMBER: u64 = i64::MAX as u64;

/// Most bytes of the reason in a GOODBYE.
pub const MAX_REASON: usize = 1024;

/// Most bytes of a HELLO. It is read before anything is known of who sends it.
pub const MAX_HELLO: usize = 32 * 1024;

/// Most bytes of each text in a HELLO. A host name is at most 253.
pub const MAX_HELLO_TEXT: usize = 256;

/// Most entries of each list in a HELLO: addresses, features.
pub const MAX_HELLO_LIST: usize = 32;

/// Most bytes of an error's type name.
pub const MAX_ERROR_KIND: usize = 256;

/// Most bytes of an error's message; with the other parts of an error it fits into one frame.
pub const MAX_ERROR_MESSAGE: usize = 16 * 1024;

/// Most bytes of an error's traceback; of a longer one the end is kept, which names what went wrong.
pub const MAX_ERROR_TRACEBACK: usize = 32 * 1024;

/// Most names listed in an error over a tag that is not there: as many as one looks through.
pub const MAX_ERROR_NAMES: usize = 32;

/// Most bytes of each of those names; a longer one is left out.
pub const MAX_ERROR_NAME: usize = 256;

/// Most bytes of a MEMBERS payload: half a large body, so that calls wait for it no longer than for that.
pub const MAX_MEMBERS: usize = 32 * 1024;

/// Most bytes of what a member tells of itself: a name, a software and some twenty addresses of the usual length.
pub const MAX_ABOUT: usize = 2 * 1024;

/// Most members that are known, gone or not. Each costs some 200 bytes, at most 2 KiB; a group of more is not known, and would hear more of
/// those who come and go than of anything else.
pub const MAX_KNOWN: usize = 65_536;

/// Most members that are known whose ids begin with the same byte. Ids are random, so that of [`MAX_KNOWN`] 256 do; more
/// were made up, and would be slow to look through.
pub const MAX_KNOWN_ALIKE: usize = 1024;

/// Most members that a link is to be asked for and was not yet: more come with the next comparison.
pub const MAX_WANTED: usize = 4096;

/// Most peers that were found by other means and are to be dialled. The first of them that is reached knows the others.
pub const MAX_FOUND: usize = 64;

/// Most links over which what is new is passed on because the other side asked for it. By chance a peer is chosen by some 12 others
/// of 10,000; the rest is somebody's fault, or for those who pass by.
pub const MAX_NEIGHBOURS: usize = 64;

/// Time between two batches of news on one link. A first piece of news goes at once; those that come in the wake of it, together.
pub const MEMBERS_BATCH: Duration = Duration::from_millis(50);

/// Most frames of one batch: with [`MAX_MEMBERS`] and [`MEMBERS_BATCH`], 5 MB a second on one link, at which a newcomer hears of 10,000 members
/// in a quarter of a second.
pub const MEMBERS_FRAMES: usize = 8;

/// Time between two comparisons with a neighbour, about. Nothing is lost but by a link that breaks, and whoever links compares; this mends the rest.
pub const COMPARE_EVERY: Duration = Duration::from_secs(10);

/// Time that a member has to say that it is here, before programs are told that it has failed: twice the way through a group of
/// 10,000 in one building. With `silence`, a crash is known within 5 s.
pub const SUSPICION: Duration = Duration::from_millis(400);

/// The same where one that was said to have failed turns out to be here: then others may be too, and all of them answer.
pub const SUSPICION_OF_MANY: Duration = Duration::from_secs(2);

/// Time after which a dial is counted as having failed, though it goes on: three round trips and a lost packet.
pub const DIAL_PATIENCE: Duration = Duration::from_secs(3);

/// Time after which a neighbour that could not be reached is dialled again; each time twice as long.
pub const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The longest such time.
pub const RETRY_AT_LAST: Duration = Duration::from_secs(60);

/// How long one that has failed is remembered, and dialled now and then: a network that was parted for longer is joined again by whoever
/// finds the others by other means.
pub const FAILED_KEPT: Duration = Duration::from_secs(3600);

/// How long one that has taken leave is remembered: no news of it are under way longer.
pub const LEFT_KEPT: Duration = Duration::from_secs(600);

/// Most bytes of the payload of any frame: a body with everything that can stand before it in a CALL.
pub const MAX_PAYLOAD: usize = MAX_BODY + MAX_METADATA + MAX_TAG + 64;

/// Least link window a side may announce. A window is given back a quarter at a time, and a quarter is kept for small
/// frames; so a quarter has to hold the largest frame.
pub const MIN_LINK_WINDOW: u64 = 512 * 1024;

/// Least stream window a side may announce: three quarters of it hold a whole chunk.
pub const MIN_STREAM_WINDOW: u64 = 128 * 1024;

/// What one side of a link allows the other, and itself; and what whoever listens allows all of them together.
///
/// # Examples
/// ```
/// use net_proto::Limits;
///
/// let limits = Limits { max_value: 1 << 20, ..Limits::default() };
/// assert_eq!(limits.max_calls, 16_384);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls of the other side that are served at once; one more is answered Busy. Announced. 0: it is not to call.
    ///
    /// 16,384: ten thousand in flight is ordinary use, and each costs some hundred bytes here.
    pub max_calls: u32,

    /// Bytes of frames that the other side may have under way to us. Announced.
    ///
    /// 16 MiB fills a 10 Gbit/s link with a round trip of 13 ms.
    pub link_window: u64,

    /// Bytes of one large body that the other side may have under way to us. Announced.
    ///
    /// 4 MiB: four large bodies share the link window before one waits for another.
    pub stream_window: u64,

    /// Bytes of the largest body that we take. Announced.
    ///
    /// 1 GiB: larger data belongs in a file or a stream, and one value must not take the memory of a small machine.
    pub max_value: u64,

    /// Bytes of all the large bodies that may be arriving at once, counted by the sizes they declare.
    ///
    /// 2 GiB: twice `max_value`, so that one of the largest does not keep every other out.
    pub max_arriving: u64,

    /// Bytes of answers that wait here for the other side to take them, above which its new calls are answered Busy, and those
    /// that have not begun to run.
    ///
    /// 1.25 GiB: one value of the largest size, and room for ordinary answers beside it.
    pub max_unsent: u64,

    /// Bytes of large bodies that wait here to be sent, above which a further large call is refused as Blocked, and a further large
    /// event waits in its queue.
    ///
    /// 64 MiB: enough to keep any link busy; the rest waits where it was made. One body of any size may always go.
    pub max_leaving: u64,

    /// Bytes of small frames that wait to be written, above which calls are refused as Blocked.
    ///
    /// 1 MiB: ten milliseconds of a gigabit link; more in here would only be delay.
    pub high_water: usize,

    /// Interests of the other side that are served at once; one more is answered Busy.
    ///
    /// 4,096: a program with more subscriptions to one peer is not known; each may keep a queue here.
    pub max_interests: u32,

    /// Events that are kept for one interest of the other side, whatever it asks for.
    ///
    /// 65,536: a burst of a busy second; with the bytes bounded below, more would only be more delay.
    pub max_queue: u32,

    /// Bytes of events that wait here for the other side to take them. An event beyond that finds its queue full. One of any
    /// size may always wait.
    ///
    /// 64 MiB: what [`max_leaving`](Self::max_leaving) is for calls.
    pub max_queued: u64,

    /// Bytes of large bodies that one [`transmit`](crate::Session::transmit) hands out.
    ///
    /// 256 KiB: one write's worth; small frames made meanwhile wait for no more than this.
    pub chunk_budget: usize,

    /// Bytes of large arguments that are here for calls that wait for a thread or run; a further large call is answered Busy. One of
    /// any size may always run. What a cancelled call leaves behind counts until its function has let go of it.
    ///
    /// 2 GiB: what [`max_arriving`](Self::max_arriving) is for those that are on their way.
    pub max_held: u64,

    /// Connections that came to this peer and are open, over all that it listens at, whoever they are from. Of more, the newcomer
    /// is turned away.
    ///
    /// 8,192: each costs a descriptor, and some 70 KiB once it has said who it is; together about 600 MiB. More peers than that on
    /// one are not known.
    pub max_connections: u32,

    /// The same from one address. Over TCP that is an IP address, whichever the port; all Unix sockets together are one.
    ///
    /// 2,048: a quarter of all, so that no one machine keeps all others out; and more than one machine's peers, or those behind one
    /// router, are seen to need.
    pub max_connections_from_one: u32,

    /// Connections that have not said who they are, at once and at each listener. Of more, the oldest goes.
    ///
    /// 256: more peers than that do not come within the moment that it takes; a place costs a descriptor and some KiB, at most the 1 MiB of an
    /// original's request.
    pub max_strangers: u32,

    /// Requests of original peers that are served at once; one more is answered with an error.
    ///
    /// 1,024: twice the threads that there are for them, so that the next is at hand.
    pub max_originals: u32,

    /// Time that the other side has for its HELLO.
    ///
    /// 5 s: a few round trips of the worst link; an idle socket is not worth more.
    pub handshake_time: Duration,

    /// Time without a byte from the other side after which it is pinged.
    ///
    /// 1.5 s: two pings are sent before `silence` is over, so one lost packet does not end a link.
    pub keep_alive: Duration,

    /// Time without a byte from the other side after which the link is dead.
    ///
    /// 4.5 s: a dead peer is to be known within 5 s.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_calls: 16_384,
            link_window: 16 * 1024 * 1024,
            stream_window: 4 * 1024 * 1024,
            max_value: 1 << 30,
            max_arriving: 2 << 30,
            max_unsent: (1 << 30) + (1 << 28),
            max_leaving: 64 * 1024 * 1024,
            max_interests: 4096,
            max_queue: 65_536,
            max_queued: 64 * 1024 * 1024,
            max_held: 2 << 30,
            max_connections: 8192,
            max_connections_from_one: 2048,
            max_strangers: 256,
            max_originals: 1024,
            high_water: 1024 * 1024,
            chunk_budget: 256 * 1024,
            handshake_time: Duration::from_secs(5),
            keep_alive: Duration::from_millis(1500),
            silence: Duration::from_millis(4500),
        }
    }
}

/// Less between two pings would be nothing but pings.
const SHORTEST: Duration = Duration::from_millis(10);

/// A year: never, but can be added to any time.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

impl Limits {
    /// These limits with each that would stop the protocol from working raised to the least that works.
    pub(crate) fn workable(mut self) -> Self {
        self.link_window = self.link_window.max(MIN_LINK_WINDOW);
        self.stream_window = self.stream_window.max(MIN_STREAM_WINDOW);
        self.chunk_budget = self.chunk_budget.max(1);
        self.max_queue = self.max_queue.max(1);
        self.high_water = self.high_water.max(1);
        // A body lies in one piece of memory.
        self.max_value = self.max_value.min(isize::MAX as u64);
        self.keep_alive = self.keep_alive.clamp(SHORTEST, LONGEST);
        self.silence = self.silence.clamp(2 * self.keep_alive, 2 * LONGEST);
        self
    }
}
