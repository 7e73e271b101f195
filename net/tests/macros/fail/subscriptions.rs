//! What `#[net::subscribe]` takes, each mistake where it is.
#![allow(unused)]

#[net::subscribe]
fn nothing() {}

#[net::subscribe("", groups = [], any_group = 5, keep = 0, when_full = "wait", hubs)]
fn several(level: &mut u8) {}

#[net::subscribe("alarm", groups = ["a"], any_group, on_host, on_host, keep)]
#[net::subscribe(hubs_only, "alarm")]
#[net::connect]
#[net::connect("Twice")]
fn attributes() {}

#[net::subscribe(5)]
fn number() {}

#[net::subscribe("alarm", groups = [5], keep = "100")]
fn types() {}

fn main() {}
