//! What the attribute takes.
#![allow(unused)]

#[net::connect(name = "Tag")]
fn unknown() {}

#[net::connect(Tag)]
fn unquoted() {}

#[net::connect(5)]
fn number() {}

#[net::connect("")]
fn empty() {}

#[net::connect(tag)]
fn missing() {}

#[net::connect("One", tag = "Two")]
fn twice() {}

#[net::connect("Tag" "Tag")]
fn malformed() {}

fn main() {}
