//! Python objects to and from the CBOR of the wire, with no tree in between: one walk writes, one walk builds.
//!
//! Not here: what a call's body is for (see `call` and `handler`), how a fault becomes an exception (see `error`). Which tag stands for
//! which type is decided in `net::value`, for both languages at once.

mod arrays;
mod decode;
mod encode;
mod fault;
mod kept;
mod types;

pub(crate) use decode::{arguments as decode_arguments, value as decode};
pub(crate) use encode::{arguments as encode_arguments, value as encode};
pub(crate) use fault::Fault;
