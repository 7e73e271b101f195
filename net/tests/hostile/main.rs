//! A peer among those who mean it harm, over real sockets: inputs made by the hundred thousand ([`inputs`], [`suite`]), and attacks of which
//! each is held off by a limit with a name ([`attacks`]).
//!
//! The peer is in a process of its own, and what it holds is measured there. What goes wrong without anybody meaning it is in `faults`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../faults/measured.rs"]
mod measured;
#[path = "../faults/wire.rs"]
mod wire;

mod attacks;
mod bombs;
mod crowds;
mod inputs;
mod raw;
mod suite;

/// Nothing by itself: what another test starts in a process of its own.
#[test]
fn measured_peer() {
    measured::run_if_asked();
}
