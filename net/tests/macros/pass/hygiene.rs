//! No name of the user's meets one of the macro's.
#![deny(warnings)]
#![allow(dead_code, non_camel_case_types)]

mod std {}
mod core {}
struct Result;
struct Option;
struct Some;
struct Vec;
struct String;
struct Ok;
struct Err;

#[net::connect]
fn incoming(peer: i64, out: i64, arguments: i64, error: i64, value: i64, argument_0: i64) -> i64 {
    peer + out + arguments + error + value + argument_0
}

#[net::connect]
async fn echo(echo: i64, #[net(default = 1)] body: i64) -> i64 {
    echo + body
}

#[net::connect]
fn decode() {}

#[net::connect]
#[must_use]
#[deprecated = "an example"]
fn old() -> i64 {
    1
}

#[net::connect]
#[cfg(any())]
fn absent(missing: Missing) {}

macro_rules! connected {
    ($name:ident, $ty:ty, $default:expr) => {
        #[net::connect]
        fn $name(peer: $ty, #[net(default = $default)] given: &$ty) -> $ty {
            peer + given
        }
    };
}
connected!(made, i64, &5);

fn main() {
    #[net::connect]
    fn inside(a: i64) -> i64 {
        a
    }

    assert_eq!(incoming(1, 1, 1, 1, 1, 1), 6);
    drop(echo(1, 2));
    decode();
    assert_eq!(made(1, &2), 3);
    assert_eq!(inside(1), 1);
    let _: fn(&net::Remote, i64) -> net::Call<i64> = inside::on;
}
