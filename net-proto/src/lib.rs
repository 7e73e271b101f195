//! The app-net protocol without I/O: bytes and time in, bytes and events out.
//!
//! Nothing in this crate opens a socket, reads a clock, starts a task or takes a lock, so that it can be tested, simulated and
//! fuzzed whole. What travels is drawn in the repository's `PROTOCOL.md`. Values are opaque here: a body is bytes.
//!
//! # Driving a session
//!
//! A [`Session`] is one side of one link. Its driver owns the socket and the clock and keeps to this:
//!
//! - **Bytes in.** What is read from the socket is appended to a buffer and given to [`Session::receive`] until that returns
//!   `None`. An error means that the link is over; what is left to write should be written even so, for the other side may have to
//!   read from it that no version is common to both. Most bytes of a large body can be read to where they are to be instead: see [`Session::lend`].
//! - **Bytes out.** While [`Session::wants_write`], a [`Transmit`] is filled by [`Session::transmit`], written to the
//!   socket from its [`slices`](Transmit::slices) and emptied by [`advance`](Transmit::advance), before it is filled again.
//! - **Time.** At [`Session::timeout`], [`Session::handle_timeout`] is called, after what has come in was received.
//! - **Events.** [`Session::receive`] returns them; after anything else [`Session::poll`] may have some. So after each of the
//!   above: poll until `None`, then see whether something is to be written.
//! - **Never stop reading to wait for writing.** Both sides doing so would wait for each other forever. Nothing grows by going on:
//!   what the other side may send, and make this side answer, is bounded by credit.
//! - **The end.** When the link is gone, [`Session::close`] gives back the tokens of all calls that have not ended. So every
//!   token given to [`Session::call`] comes back exactly once: in [`CallRefused`], in [`Event::Ended`], from [`Session::cancel`] or from there.
//!
//! # Examples
//! Two sessions joined in memory:
//! ```
//! use std::io::IoSlice;
//! use std::time::Instant;
//!
//! use bytes::BytesMut;
//! use net_proto::{Event, Hello, InstanceId, Limits, Outcome, Outgoing, Session, Side, Transmit};
//!
//! /// Moves what `from` has to write into the input of the other side.
//! fn carry<C>(from: &mut Session<C>, input: &mut BytesMut) {
//!     let mut transmit = Transmit::default();
//!     while from.wants_write() {
//!         from.transmit(&mut transmit);
//!         while !transmit.is_empty() {
//!             let mut slices = [IoSlice::new(&[]); 8];
//!             let used = transmit.slices(&mut slices);
//!             let before = input.len();
//!             slices[..used].iter().for_each(|slice| input.extend_from_slice(slice));
//!             transmit.advance(input.len() - before);
//!         }
//!     }
//! }
//!
//! let now = Instant::now();
//! let hello = |id| Hello::new(InstanceId([id; 16]));
//! let mut caller = Session::new(Side::Dialer, hello(1), Limits::default(), now);
//! let mut callee = Session::<()>::new(Side::Acceptor, hello(2), Limits::default(), now);
//! let (mut to_caller, mut to_callee) = (BytesMut::new(), BytesMut::new());
//!
//! carry(&mut callee, &mut to_caller);
//! let Some(Event::Connected { hello, .. }) = caller.receive(now, &mut to_caller)? else {
//!     panic!("not connected");
//! };
//! assert_eq!(hello.id, InstanceId([2; 16]));
//!
//! let call = Outgoing { tag: "app.double", time_left: None, metadata: &[], body: vec![21].into() };
//! caller.call(now, call, "my call").expect("there is room");
//!
//! carry(&mut caller, &mut to_callee);
//! while let Some(event) = callee.receive(now, &mut to_callee)? {
//!     if let Event::Call(call) = event {
//!         assert_eq!(&*call.tag.name, "app.double");
//!         callee.reply(call.id, vec![2 * call.body[0]].into());
//!     }
//! }
//!
//! carry(&mut callee, &mut to_caller);
//! let Some(Event::Ended { token, outcome }) = caller.receive(now, &mut to_caller)? else {
//!     panic!("no answer");
//! };
//! assert_eq!((token, outcome), ("my call", Outcome::Reply(vec![42].into())));
//! # Ok::<(), net_proto::ProtocolError>(())
//! ```

#![forbid(unsafe_code)]

mod address;
pub use address::{Address, BadAddress};

mod answer;
pub use answer::{ErrorBody, ErrorCode};

pub mod audience;

mod error;
pub use error::{Misbehaviour, ProtocolError};

mod frame;
pub use frame::Kind;

mod hello;
pub use hello::{Hello, MAGIC, turn_away};

mod id;
pub use id::{BadInstanceId, InstanceId};

mod interest;
pub use interest::{Interest, Policy};

pub mod interests;

pub mod limits;
pub use limits::Limits;

pub mod links;

pub mod members;

pub mod original;

mod pieces;
pub use pieces::Pieces;

pub mod presence;

mod session;
pub use session::{
    Arrival, Backlog, CallId, CallRefused, Event, Incoming, Lent, Limit, Outcome, Outgoing,
    Payload, Publication, Published, Session, Side, Tag, Usage, WhyRefused,
};

mod timer;

mod transmit;
pub use transmit::Transmit;
