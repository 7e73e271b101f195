//! Call any function of yours on any machine of yours: no broker, no interface file, no generated code.
//!
//! Mark a function with [`connect`] and it stays an ordinary function; a type of the same name carries its remote side:
//!
//! ```no_run
//! #[net::connect]
//! fn multiply(a: i64, #[net(default = 5)] b: i64) -> i64 {
//!     a * b
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let peer = net::start().await?;
//!     assert_eq!(multiply(5, 10), 50);                                // here
//!     for other in peer.peers().await {
//!         println!("{}", multiply::on(&other, 5, 10).await?);         // there
//!     }
//!     Ok(())
//! }
//! ```
//!
//! An [`event`] is a function whose result goes to whoever [subscribes](subscribe):
//!
//! ```no_run
//! #[net::event("alarm")]
//! fn alarm(level: u8) -> (u8, String) {
//!     (level, format!("level {level}"))
//! }
//!
//! #[net::subscribe("alarm")]
//! fn on_alarm(level: u8, text: &str) {
//!     println!("{level}: {text}");
//! }
//! ```
//!
//! The rooms: [`Peer`] is this process's side, [`Remote`] a handle to another, [`Call`] a call on its way,
//! [`value`] how values travel, [`Registry`] what a peer offers, [`secure`] who gets in. The protocol itself is in `net_proto`, which does no
//! I/O; this crate is where sockets, tasks and clocks are.

mod builtin;
mod call;
mod caller;
mod clock;
mod config;
mod doctor;
mod ending;
mod error;
mod event;
mod find;
mod flag;
#[cfg(unix)]
mod fork;
mod interfaces;
mod link;
mod listen;
mod network;
mod original;
mod peer;
mod peers;
mod place;
mod presence;
mod registry;
mod remote;
mod runtime;
mod trouble;
mod which;

pub mod blocking;
#[doc(hidden)]
pub mod private;
pub mod secure;
pub mod value;

pub use call::{Call, RawCall, call};
pub use caller::{Caller, caller};
pub use config::{DEFAULT_PORT, DEFAULT_PORT_RANGE};
pub use doctor::{Cause, Diagnosis, Finding};
pub use error::{CallError, RemoteError, StartError};
pub use event::{Emit, EmitError, Emitted, Subscribe, Subscription, emit};
pub use find::{FinderReport, Outcome, SeenAt};
pub use flag::Flag;
#[cfg(unix)]
pub use fork::after_fork;
pub use net_macros::{connect, event, flag, subscribe};
pub use net_proto::original::{PeerId03, PeerIdError, Tag03};
pub use net_proto::{ErrorBody, ErrorCode, InstanceId, Limits, Pieces, Policy};
pub use peer::{Builder, Peer, SHUTDOWN_GRACE, start};
pub use presence::{PeerChange, PeerEvent, PeerEvents, WhyLeft, peer_events};
pub use registry::{
    Answer, Connection, Handled, Handler, Incoming, Param, ParamKind, Registered, Registry,
    Signature, nearest_tags,
};
pub use remote::{Remote, Speaks};
pub use value::Value;
pub use which::Which;

/// Compiles the code in the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
