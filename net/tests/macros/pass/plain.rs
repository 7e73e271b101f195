//! A function stays as it was, and a type of its name calls it elsewhere.
#![deny(warnings, missing_docs, unreachable_pub)]
#![forbid(unsafe_code)]

/// The product of two numbers.
#[net::connect]
pub fn multiply(a: i64, mut b: i64) -> i64 {
    b *= a;
    b
}

#[net::connect]
fn nothing() {}

#[net::connect]
const fn one(value: u8) -> u8 {
    value
}

#[net::connect]
async fn later(values: Vec<f64>) -> Option<f64> {
    values.first().copied()
}

fn main() {
    assert_eq!(multiply(5, 10), 50);
    assert_eq!(const { one(1) }, 1);
    nothing();
    drop(later(Vec::new()));

    let _: fn(&net::Remote, i64, i64) -> net::Call<i64> = multiply::on;
    let _: fn(&net::Remote) -> net::Call<()> = nothing::on;
    let _: fn(&net::Remote, u8) -> net::Call<u8> = one::on;
    let _: fn(&net::Remote, Vec<f64>) -> net::Call<Option<f64>> = later::on;
}
