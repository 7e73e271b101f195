//! What cannot handle a flag, each mistake where it is.
#![allow(unused)]

use net::Remote;

#[net::flag]
fn unnamed(connection: &str, peer: &Remote) {}

#[net::flag("")]
async fn several<T>(connection: &str, peer: &Remote, more: T) {}

#[net::flag("FEW")]
fn few(connection: &str) {}

#[net::flag("OTHER")]
fn other(connection: u8, peer: &Remote) {}

struct Opaque;

#[net::flag("OPAQUE")]
fn opaque(connection: &str, peer: &Remote) -> Opaque {
    Opaque
}

#[net::flag("FAILS")]
fn fails(connection: &str, peer: &Remote) -> Result<(), Opaque> {
    Err(Opaque)
}

fn main() {}
