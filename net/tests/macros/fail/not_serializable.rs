//! The compiler's words on a type that serde does not know stand at the type.
#![allow(unused)]

struct Opaque;

#[net::connect]
fn give() -> Opaque {
    Opaque
}

#[net::connect]
fn take(opaque: Opaque) {}

#[net::connect]
fn fail() -> Result<(), Opaque> {
    Err(Opaque)
}

fn main() {}
