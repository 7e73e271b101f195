//! Parameters that callers could not give.
#![allow(unused)]

#[net::connect]
fn no_name(_: i64) {}

#[net::connect]
fn pattern((a, b): (i64, i64), ref c: i64) {}

#[net::connect]
fn changed(values: &mut Vec<i64>) {}

#[net::connect]
fn lifetime(text: &'static str) {}

#[net::connect]
fn partly_borrowed(names: Vec<&str>, lists: Option<&[u8]>) {}

#[net::connect]
fn not_data(a: impl Into<String>, b: &dyn Send, c: Box<dyn Send>, d: *const u8, e: fn() -> u8) {}

#[net::connect]
fn conditional(#[cfg(unix)] a: i64) {}

#[net::connect]
fn too_many(
    a: u8,
    b: u8,
    c: u8,
    d: u8,
    e: u8,
    f: u8,
    g: u8,
    h: u8,
    i: u8,
    j: u8,
    k: u8,
    l: u8,
    m: u8,
    n: u8,
    o: u8,
    p: u8,
    q: u8,
) {
}

fn main() {}
