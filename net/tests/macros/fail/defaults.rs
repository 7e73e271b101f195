//! What `#[net(…)]` on a parameter takes.
#![allow(unused)]

#[net::connect]
fn unknown(#[net(defualt = 5)] a: i64) {}

#[net::connect]
fn no_value(#[net(default)] a: i64) {}

#[net::connect]
fn bare(#[net] a: i64, #[net = 5] b: i64, #[net(5)] c: i64) {}

#[net::connect]
fn twice(#[net(default = 5, default = 6)] a: i64) {}

#[net::connect]
fn before_required(#[net(default = 5)] a: i64, b: i64) {}

#[net::connect]
fn another_type(#[net(default = "5")] a: i64) {}

fn main() {}
