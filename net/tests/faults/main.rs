//! Links under fault, over real sockets: what goes wrong between peers and what comes to a port that is no peer.
//!
//! What is measured of a peer is measured in a process of its own ([`measured`]). How links decide is simulated in
//! `net-proto`; what fails around a peer (ports, directories, descriptors) is not here.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../common/mod.rs"]
mod common;

mod churn;
mod dialling;
mod garbage;
mod half_cut;
mod kernel;
mod large;
mod measured;
mod silent;
mod stopped;
mod wire;

/// Nothing by itself: what another test starts in a process of its own.
#[test]
fn measured_peer() {
    measured::run_if_asked();
}

/// Nothing by itself: what another test starts in a process of its own, to kill it.
#[test]
fn wire_process() {
    wire::run_if_asked();
}
