//! What a member tells of itself, and the form in which it is kept and passed on: the bytes that it was written in, so that it is one piece of
//! memory and is never written anew. Which of two tellings counts is in `record`.

use std::sync::Arc;

use minicbor::{Decoder, Encoder};

use crate::answer::head;
use crate::hello::Hello;
use crate::limits::{MAX_ABOUT, MAX_HELLO_LIST, MAX_HELLO_TEXT};

/// What a member tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// A name for people, such as `user@host:pid`.
    pub name: String,
    /// Whether it is a hub.
    pub hub: bool,
    /// Where it listens.
    pub addresses: Vec<String>,
    /// The software and its version.
    pub software: String,
}

impl From<&Hello> for About {
    fn from(hello: &Hello) -> Self {
        Self {
            name: hello.name.clone(),
            hub: hello.hub,
            addresses: hello.addresses.clone(),
            software: hello.software.clone(),
        }
    }
}

/// The CBOR map of an [`About`], which was looked through when it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// The incarnation from which on it holds.
    pub(crate) since: u64,
    map: Box<[u8]>,
}

impl Said {
    /// Texts that are too long are cut, and addresses that do not fit any more left out.
    pub(crate) fn write(about: &About, since: u64) -> Arc<Self> {
        let text = |text| head(text, MAX_HELLO_TEXT);
        let (name, software) = (text(&about.name), text(&about.software));
        // The heads of the map, its keys and its other values take less than 32.
        let mut left = MAX_ABOUT - 32 - name.len() - software.len();
        let addresses = about.addresses.iter().take(MAX_HELLO_LIST);
        let addresses: Vec<&str> = addresses
            .map(|address| text(address))
            .take_while(|address| {
                let is_room = address.len() + 3 <= left;
                left = left.saturating_sub(address.len() + 3);
                is_room
            })
            .collect();
        let mut map = Vec::new();
        let mut cbor = Encoder::new(&mut map);
        let written: Result<(), minicbor::encode::Error<_>> = (|| {
            cbor.map(4)?.u8(0)?.str(name)?.u8(1)?.bool(about.hub)?;
            cbor.u8(2)?.array(addresses.len() as u64)?;
            for address in addresses {
                cbor.str(address)?;
            }
            cbor.u8(3)?.str(software)?;
            Ok(())
        })();
        written.expect("a Vec takes every byte");
        let map = map.into();
        Arc::new(Self { since, map })
    }

    /// # Errors
    /// It is longer than it may be, or not what it has to be.
    pub(crate) fn read(map: &[u8], since: u64) -> Result<Arc<Self>, minicbor::decode::Error> {
        let bad = minicbor::decode::Error::message;
        if map.len() > MAX_ABOUT {
            return Err(bad("too long"));
        }
        let mut cbor = Decoder::new(map);
        read(&mut cbor)?;
        if cbor.position() != map.len() {
            return Err(bad("it goes on after its end"));
        }
        let map = map.into();
        Ok(Arc::new(Self { since, map }))
    }

    pub(crate) fn map(&self) -> &[u8] {
        &self.map
    }

    pub(crate) fn about(&self) -> About {
        read(&mut Decoder::new(&self.map)).unwrap_or_default()
    }
}

fn read(cbor: &mut Decoder<'_>) -> Result<About, minicbor::decode::Error> {
    let bad = minicbor::decode::Error::message;
    let text = |cbor: &mut Decoder<'_>| match cbor.str()? {
        text if text.len() <= MAX_HELLO_TEXT => Ok(text.to_owned()),
        _ => Err(bad("a text is too long")),
    };
    let mut about = About::default();
    for _ in 0..cbor.map()?.ok_or_else(|| bad("no length"))? {
        match u64::try_from(cbor.int()?).unwrap_or(u64::MAX) {
            0 => about.name = text(cbor)?,
            1 => about.hub = cbor.bool()?,
            2 => {
                about.addresses = match cbor.array()? {
                    Some(length) if length <= MAX_HELLO_LIST as u64 => (0..length)
                        .map(|_| text(cbor))
                        .collect::<Result<_, minicbor::decode::Error>>()?,
                    _ => return Err(bad("a list is too long")),
                }
            }
            3 => about.software = text(cbor)?,
            _ => cbor.skip()?,
        }
    }
    Ok(about)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_when_written_and_refused_when_read() {
        let about = About {
            name: "n".repeat(1000),
            software: "s".repeat(1000),
            addresses: vec!["a".repeat(1000); 1000],
            hub: true,
        };
        let body = Said::write(&about, 3);
        assert!(body.map().len() <= MAX_ABOUT);
        assert_eq!(Said::read(body.map(), 3).unwrap(), body);
        let read = body.about();
        assert_eq!((read.name.len(), read.addresses.len()), (256, 5));
        assert!(read.hub);

        let long = [b"\xA1\x00\x79\x01\x01", &[b'n'; 257][..]].concat();
        let many = [b"\xA1\x02\x98\x21", &[0x60; 33][..]].concat();
        let huge = [b"\xA1\x09\x59\x08\x01", &[0; 2049][..]].concat();
        for wrong in [
            &long[..],
            &many,
            &huge,
            b"\xBF\xFF",
            b"\xA0\x00",
            b"\x80",
            b"",
        ] {
            assert!(Said::read(wrong, 0).is_err(), "{wrong:02x?}");
        }
    }

    #[test]
    fn what_a_later_release_adds_is_passed_on_and_not_looked_at() {
        let map = b"\xA3\x20\x01\x00\x61n\x18\x63\x81\xA0";
        let body = Said::read(map, 1).unwrap();
        assert_eq!((body.map(), body.about().name.as_str()), (&map[..], "n"));
    }
}
