//! What an event's function returns is published, and an `Emit` is returned in its place.
#![deny(warnings)]
#![allow(dead_code)]

use net::Emit;

/// Two arguments.
#[net::event("alarm")]
fn alarm(level: u8, mut text: String) -> (u8, String) {
    text.push('!');
    (level, text)
}

/// One, borrowed, of whatever type.
#[net::event]
#[allow(clippy::needless_lifetimes)]
#[inline]
fn note<'a>((_, text): (u8, &'a str), _: impl Copy) -> &'a str {
    text
}

/// None, by the name of the module.
mod inner {
    #[net::event(name = "tick")]
    pub(crate) fn tick() {}

    #[net::event]
    #[must_use]
    pub(crate) async fn r#type<T: AsRef<str> + Send>(texts: Vec<T>) -> Vec<String>
    where
        T: Clone,
    {
        std::future::ready(()).await;
        texts.iter().map(|text| text.as_ref().to_owned()).collect()
    }
}

#[net::event("read")]
fn read(path: &str) -> std::io::Result<Vec<u8>> {
    std::fs::read(path)
}

#[net::event("parsed")]
async fn parsed(text: &str) -> Result<(i64, i64), std::num::ParseIntError> {
    let number = text.parse()?;
    Ok((number, -number))
}

#[net::event]
#[cfg(any())]
fn absent(missing: Missing) -> Missing {
    missing
}

#[net::event]
#[deprecated = "an example"]
fn old(peer: i64, value: i64) -> i64 {
    peer + value
}

struct Plant;

macro_rules! event {
    ($name:ident, $ty:ty) => {
        #[net::event]
        fn $name(given: $ty) -> $ty {
            given
        }
    };
}
event!(made, (u8, u8));

fn main() {
    #[net::event("inside")]
    fn inside(_: Plant) -> bool {
        true
    }

    assert_eq!(alarm::EVENT, "alarm");
    assert_eq!(note::EVENT, format!("{}.note", module_path!()));
    assert_eq!(inner::tick::EVENT, "tick");
    assert_eq!(
        inner::r#type::EVENT,
        format!("{}.inner.type", module_path!())
    );
    assert_eq!(alarm::arguments(1, "a".into()), (1, "a!".into()));

    let failed = |emit: Emit| matches!(emit.wait(), Err(net::EmitError::NoPeer));
    assert!(failed(alarm(3, "water".into())));
    assert!(failed(note((1, "text"), ())));
    assert!(failed(inner::tick()));
    assert!(failed(inside(Plant)));
    assert!(failed(made((1, 2))));
    assert!(read("").is_err());
    // The event is handed over where it is called; what is returned may be dropped.
    alarm(3, "water".into());

    let _: fn(&net::Peer, u8, String) -> Emit = alarm::on;
    let _: fn(&str) -> std::io::Result<Emit> = read;
    let _: fn(&net::Peer, Plant) -> Emit = inside::on;
    assert!(failed(net::blocking::block_on(inner::r#type(vec!["a"]))));
    assert!(net::blocking::block_on(parsed("x")).is_err());
    assert!(failed(net::blocking::block_on(parsed("5")).unwrap()));
}
