//! What cannot be an event, each mistake where it is.
#![allow(unused)]

struct Opaque;

#[net::event("alarm", "twice", nmae = "alarm")]
unsafe extern "C" fn several(#[net(default = 5)] level: u8) -> std::fmt::Result {
    Ok(())
}

#[net::event]
const fn constant() -> u8 {
    1
}

struct Plant;

impl Plant {
    #[net::event("method")]
    fn method(&self) -> u8 {
        1
    }
}

#[net::event]
struct Thing;

#[net::event]
fn many() -> (u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8) {
    todo!()
}

#[net::event]
fn opaque() -> (u8, Opaque) {
    (1, Opaque)
}

#[net::event]
fn alone() -> Opaque {
    Opaque
}

fn main() {}
