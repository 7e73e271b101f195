//! Values on the wire: their bytes, their way there and back, what is refused and in which words.

#![expect(
    clippy::unwrap_used,
    reason = "an unwrap that fails is a test that fails"
)]

mod arguments;
mod arrays;
mod bytes;
mod errors;
mod hostile;
mod json;
mod limits;
mod round_trip;
mod shared;
mod strategies;
mod structures;
mod typed;

use net::value::{Value, decode, encode};
use serde::Serialize;

fn encoded<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, &mut out).unwrap();
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn untyped(digits: &str) -> Value {
    decode(&unhex(digits)).unwrap()
}
