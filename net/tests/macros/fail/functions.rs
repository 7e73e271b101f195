//! Functions that cannot be called from afar.
#![allow(unused)]

#[net::connect]
unsafe fn not_safe() {}

#[net::connect]
extern "C" fn foreign() {}

#[net::connect]
fn generic<'a, T, const N: usize>(value: u8) {}

#[net::connect]
fn str() {}

struct Counter;

impl Counter {
    #[net::connect]
    fn method(&self, by: i64) {}
}

fn main() {}
