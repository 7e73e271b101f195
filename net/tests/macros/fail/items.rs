//! Only functions can be connected.
#![allow(unused)]

#[net::connect]
struct Thing;

#[net::connect]
fn without_body(a: i64);

fn main() {}
