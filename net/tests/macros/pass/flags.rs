//! A flag's handler stays an ordinary function; its flag is a constant. A function's error is a flag by its type.
#![deny(warnings)]

use std::error::Error;

use net::private::{Failure, FlagRegistration, Plain as _, inventory};
use net::{Flag, Remote};

/// Too much to do.
#[net::flag("BUSY")]
fn busy(connection: &str, peer: &Remote) -> String {
    format!("{peer} is too busy for {connection}")
}

#[net::flag(name = "GONE")]
fn gone(_: &str, _: &Remote) -> Result<(), std::fmt::Error> {
    Err(std::fmt::Error)
}

#[net::flag("TEXT")]
fn text(_: &str, _: &Remote) -> Result<u8, &'static str> {
    Err("no")
}

#[net::flag("QUIET")]
fn quiet(_: &str, _: &Remote) {}

#[net::connect]
fn answers(busy: bool) -> Result<u8, Flag> {
    if busy { Err(busy::FLAG) } else { Ok(1) }
}

#[net::connect]
async fn boxed() -> Result<u8, Box<dyn Error + Send + Sync>> {
    Err(gone::FLAG)?
}

#[net::connect]
fn borrowed(text: &str) -> Result<u8, std::borrow::Cow<'_, str>> {
    Err(text.into())
}

fn main() {
    assert_eq!(busy::FLAG, Flag::new("BUSY"));
    assert_eq!(gone::FLAG.name(), "GONE");
    let _: fn(&str, &Remote) -> String = busy;
    let _ = (quiet::FLAG, text::FLAG);
    assert_eq!(answers(true), Err(Flag::from("BUSY".to_owned())));
    assert!(borrowed("").is_err());
    let error = net::blocking::block_on(boxed()).unwrap_err();
    assert_eq!(Failure(&error).flag(), Some(&gone::FLAG));
    let error: Box<dyn Error> = Box::new(busy::FLAG);
    assert_eq!(Failure(&error).flag(), Some(&busy::FLAG));
    assert_eq!(Failure(&std::fmt::Error).flag(), None);
    assert_eq!(Failure(&"BUSY").flag(), None);

    let mut names: Vec<_> = inventory::iter::<FlagRegistration>()
        .map(|found| (found.name, found.function))
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            ("BUSY", "busy"),
            ("GONE", "gone"),
            ("QUIET", "quiet"),
            ("TEXT", "text")
        ]
    );
}
