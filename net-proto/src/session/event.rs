//! What goes into a session and what comes out of it: calls, events, outcomes, refusals.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;

use crate::answer::ErrorBody;
use crate::hello::Hello;
use crate::interest::Interest;
use crate::members::Message;
use crate::pieces::Pieces;
use crate::session::{Arrival, CallId, Tag};

/// A body to be sent. A small one is copied into the buffer that goes to the socket; a large one is sent from where it
/// lies if it is owned.
#[derive(Clone, Debug)]
pub enum Payload<'a> {
    /// Bytes that someone else has; a large body is copied once.
    Borrowed(&'a [u8]),
    /// Bytes that are handed over.
    Owned(Pieces),
}

impl Payload<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Borrowed(bytes) => bytes.len(),
            Self::Owned(pieces) => pieces.len(),
        }
    }

    /// In one piece: for a small one, which mostly is.
    pub(super) fn contiguous(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Borrowed(bytes) => Cow::Borrowed(bytes),
            Self::Owned(pieces) => pieces.contiguous(),
        }
    }

    pub(super) fn into_pieces(self) -> Pieces {
        match self {
            Self::Borrowed(bytes) => Bytes::copy_from_slice(bytes).into(),
            Self::Owned(pieces) => pieces,
        }
    }
}

impl<'a> From<&'a [u8]> for Payload<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Borrowed(bytes)
    }
}

impl From<Vec<u8>> for Payload<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Owned(bytes.into())
    }
}

impl From<Bytes> for Payload<'_> {
    fn from(bytes: Bytes) -> Self {
        Self::Owned(bytes.into())
    }
}

impl From<Pieces> for Payload<'_> {
    fn from(pieces: Pieces) -> Self {
        Self::Owned(pieces)
    }
}

/// A call to be made.
#[derive(Clone, Debug)]
pub struct Outgoing<'a> {
    /// The function's tag.
    pub tag: &'a str,
    /// Time until the call's deadline. It is sent in whole milliseconds, rounded up, and capped at 49 days.
    pub time_left: Option<Duration>,
    /// What goes along with the call; empty for none.
    pub metadata: &'a [u8],
    /// The arguments.
    pub body: Payload<'a>,
}

/// A call of the other side.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// By which it is answered.
    pub id: CallId,
    /// The function's tag.
    pub tag: Tag,
    /// Time until the caller's deadline.
    pub time_left: Option<Duration>,
    /// What came along with the call; empty for none.
    pub metadata: Bytes,
    /// The arguments.
    pub body: Bytes,
}

/// What has happened on a link.
#[derive(Debug)]
pub enum Event<C> {
    /// The other side has introduced itself. Calls can be made.
    Connected {
        /// What it says of itself.
        hello: Box<Hello>,
        /// The protocol version both speak.
        version: u8,
    },
    /// The other side calls. To be answered by `reply`, `flag` or `error`.
    Call(Incoming),
    /// An answer to this call of the other side is not wanted any more: it gave up, or its time ran out.
    Cancelled(CallId),
    /// A call of ours has ended.
    Ended {
        /// What it was given to `call` with.
        token: C,
        /// How it ended.
        outcome: Outcome,
    },
    /// The other side has answered a [`probe`](crate::Session::probe).
    Answered,
    /// Calls and interests refused as [`WhyRefused::Blocked`] may be tried again.
    Room,
    /// The other side wants to be told of an event: by [`publish`](crate::Session::publish), until it does not want it any more.
    Interest {
        /// By which it is published to.
        id: CallId,
        /// What it wants.
        interest: Interest,
    },
    /// The other side has taken this interest back.
    NotInterested(CallId),
    /// There is room for an event of this interest, for which its publisher waited; or it has ended, and is not to be waited for.
    QueueRoom(CallId),
    /// An event of the other side, for an interest of ours.
    Arrived(Arrival),
    /// No more events will come for this interest of ours.
    InterestEnded {
        /// Which.
        id: CallId,
        /// Why, if it was refused.
        error: Option<ErrorBody>,
    },
    /// What the other side says of who is in the group: for [`Members`](crate::members::Members), if it is of the group.
    Members(Message),
    /// The other side means to end the link. Calls under way finish; no new ones can be made.
    Goodbye {
        /// Why.
        reason: String,
    },
    /// Both sides have said goodbye and nothing is under way. What `transmit` still has is to be written, then the link can be closed.
    Drained,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a value.
    Reply(Bytes),
    /// With a flag.
    Flag(String),
    /// With an error from the other side.
    Error(Box<ErrorBody>),
    /// Its time ran out.
    TimedOut,
    /// The value is larger than this side takes.
    TooLarge {
        /// Bytes of the value.
        size: u64,
        /// Bytes that would have been taken.
        limit: u64,
    },
}

/// A call that was not made, with its token. Nothing of it was sent.
#[derive(Debug)]
pub struct CallRefused<C> {
    /// What was given to `call`.
    pub token: C,
    /// Why it was not made.
    pub why: WhyRefused,
}

/// Why a call was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WhyRefused {
    /// Too much is under way already. [`Event::Room`] tells when to try again.
    #[error("too much is under way on this link")]
    Blocked,
    /// One side has said goodbye.
    #[error("this link is being closed")]
    Draining,
    /// The other side does not know of events, or of members.
    #[error("the peer does not know of this: it runs an older version")]
    NotSupported,
    /// The other side has not introduced itself yet, or the session is closed.
    #[error("this link is not open")]
    NotConnected,
    /// The other side serves no calls at all, so that none will ever have room.
    #[error("the peer serves no calls")]
    ServesNone,
    /// The arguments are larger than the other side takes.
    #[error("the arguments have {size} bytes, the peer takes {limit}")]
    TooLarge {
        /// Bytes of the arguments.
        size: u64,
        /// Bytes that the other side takes.
        limit: u64,
    },
    /// The tag, or the event's name, is longer than it may be.
    #[error("the name has {length} bytes, over the {limit} allowed")]
    TagTooLong {
        /// Bytes of the tag.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The metadata is longer than it may be.
    #[error("the metadata has {length} bytes, over the {limit} allowed")]
    MetadataTooLong {
        /// Bytes of the metadata.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
}
