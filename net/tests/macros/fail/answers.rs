//! Answers that could not reach the caller.
#![allow(unused)]

use std::{borrow::Cow, fmt};

#[net::connect]
fn borrowed(text: &str) -> &str {
    text
}

#[net::connect]
fn partly_borrowed(text: &str) -> Option<&[u8]> {
    Some(text.as_bytes())
}

#[net::connect]
fn in_a_result(text: &str) -> Result<Cow<'_, str>, String> {
    Ok(text.into())
}

#[net::connect]
fn unnamed() -> impl Iterator<Item = u8> {
    [1, 2].into_iter()
}

#[net::connect]
fn boxed() -> Box<dyn Send> {
    Box::new(1)
}

#[net::connect]
fn never() -> ! {
    panic!()
}

#[net::connect]
fn hidden() -> fmt::Result {
    Ok(())
}

fn main() {}
