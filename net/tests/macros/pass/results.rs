//! A `Result` is known by its name; a call has the type of the value in it.
#![deny(warnings)]

use std::io;

#[derive(Debug)]
struct Unfit;

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("unfit")
    }
}

#[net::connect]
fn own(fit: bool) -> Result<u8, Unfit> {
    fit.then_some(1).ok_or(Unfit)
}

#[net::connect]
fn alias(path: &str) -> io::Result<String> {
    std::fs::read_to_string(path)
}

#[net::connect]
async fn boxed(text: String) -> Result<i64, Box<dyn std::error::Error + Send + Sync>> {
    Ok(text.parse()?)
}

#[net::connect]
fn text() -> Result<(), &'static str> {
    Err("no")
}

fn main() {
    assert!(own(true).is_ok());
    assert!(alias("").is_err());
    drop(boxed(String::new()));
    assert!(text().is_err());

    let _: fn(&net::Remote, bool) -> net::Call<u8> = own::on;
    let _: fn(&net::Remote, &str) -> net::Call<String> = alias::on;
    let _: fn(&net::Remote, String) -> net::Call<i64> = boxed::on;
    let _: fn(&net::Remote) -> net::Call<()> = text::on;
}
