//! How a link fails. That the peer broke the protocol and that the two are of different versions are different
//! errors, because the reader does different things next. Errors of one call are in `answer.rs`.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::frame::Kind;

/// Why a link cannot go on. The session is of no further use but for [`close`](crate::Session::close).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The other side sent what the protocol does not allow.
    #[error("the peer broke the protocol: {0}")]
    Misbehaved(#[from] Misbehaviour),

    /// The two sides have no protocol version in common.
    #[error(
        "this side speaks protocol version {}, the peer{} {}: update app-net on {}",
        versions(ours),
        named(software),
        versions(theirs),
        if theirs.end() < ours.start() { "the peer's side" } else { "this side" }
    )]
    Incompatible {
        /// The versions spoken here.
        ours: RangeInclusive<u8>,
        /// The versions spoken there.
        theirs: RangeInclusive<u8>,
        /// The software there and its version, as it says itself; empty if it has not said.
        software: String,
    },

    /// The other side took leave in place of its HELLO: it takes no more connections, or none of ours.
    #[error("the peer turned this side away: {}", reason.escape_debug())]
    TurnedAway {
        /// What it says of it.
        reason: String,
    },

    /// The link was made, but no HELLO came.
    #[error("the peer did not say HELLO within {after:?}")]
    NoHello {
        /// How long it was waited for.
        after: Duration,
    },

    /// Nothing was heard from the other side, pings or not.
    #[error("nothing was heard from the peer for {after:?}")]
    Silent {
        /// How long nothing was heard.
        after: Duration,
    },
}

fn versions(range: &RangeInclusive<u8>) -> String {
    match (range.start(), range.end()) {
        (one, same) if one == same => format!("{one}"),
        (first, last) => format!("{first} to {last}"),
    }
}

/// Escaped: it comes from a stranger and goes to a terminal or a log.
fn named(software: &str) -> String {
    match software {
        "" => String::new(),
        name => format!(" ({})", name.escape_debug()),
    }
}

/// What exactly the other side did that the protocol does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misbehaviour {
    /// The first bytes are not those of the protocol.
    #[error("its first bytes are not an app-net preface")]
    BadPreface,
    /// The preface names versions that cannot be: from 0, or in the wrong order.
    #[error("its preface names the protocol versions {lowest} to {highest}, which cannot be")]
    BadVersions {
        /// The lowest it names.
        lowest: u8,
        /// The highest it names.
        highest: u8,
    },
    /// Something other than a HELLO came first.
    #[error("it sent {0} before HELLO")]
    NotHello(Kind),
    /// A second HELLO came.
    #[error("it said HELLO twice")]
    SecondHello,
    /// A frame of a kind that is neither known nor optional.
    #[error("it sent a frame of the unknown kind {0:#04x}")]
    UnknownKind(u8),
    /// A frame of a kind that needs a feature which was not agreed on.
    #[error("it sent {0}, which was not agreed on")]
    NotAgreed(Kind),
    /// A flag that the kind does not have.
    #[error("it sent {kind} with the unknown flags {flags:#04x}")]
    UnknownFlags {
        /// The frame's kind.
        kind: Kind,
        /// All its flags.
        flags: u8,
    },
    /// The reserved bytes of a header are not zero.
    #[error("the reserved bytes of a header are not zero")]
    ReservedBytes,
    /// A frame is longer than any may be.
    #[error("it sent a frame of {length} bytes, over the {limit} allowed")]
    FrameTooLong {
        /// Bytes of its payload.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A field of a frame is missing, cut short, too long or not what it has to be.
    #[error("its {kind} has a bad {field}")]
    BadField {
        /// The frame's kind.
        kind: Kind,
        /// Which field.
        field: &'static str,
    },
    /// A frame on a stream on which the other side may not send it.
    #[error("it sent {kind} on stream {stream}, where it may not")]
    WrongStream {
        /// The frame's kind.
        kind: Kind,
        /// The stream.
        stream: u64,
    },
    /// A call's tag number was not given out, or out of order.
    #[error("it used the tag number {0} without or against its order")]
    BadTagNumber(u32),
    /// It had more tags remembered than a link may have.
    #[error("it had more tags remembered than a link may have (MAX_TAGS)")]
    TooManyTags,
    /// More was sent than the credit given.
    #[error("it sent more than it had credit for (link_window, stream_window)")]
    CreditExceeded,
    /// More credit was given back than was used.
    #[error("it gave back more credit than was used")]
    CreditOverflow,
    /// A chunk that belongs to no body, or does not fit its body's length.
    #[error("a chunk on stream {0} does not fit its body")]
    BadChunk(u64),
    /// Calls, or interests that are refused, went on coming far above the number allowed.
    #[error("it went on calling far above the {0} calls it may have in flight (max_calls)")]
    TooManyCalls(u32),
    /// A call or an interest came after GOODBYE.
    #[error("it opened a stream after it had said GOODBYE")]
    OpenedAfterGoodbye,
}
