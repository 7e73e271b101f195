//! What two members tell each other in one MEMBERS frame, and its encoding. What follows from it is in `members`.

use minicbor::{Decoder, Encoder};

use crate::error::Misbehaviour;
use crate::frame::Kind;
use crate::id::InstanceId;
use crate::limits::{MAX_ABOUT, MAX_MEMBERS};
use crate::members::about::Said;
use crate::members::record::{Status, Telling, Version};
use crate::members::table::BUCKETS;

/// The payload of one MEMBERS frame, of at most [`MAX_MEMBERS`] bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub(crate) tellings: Vec<Telling>,
    /// A hash of each part of what the sender knows.
    pub(crate) digest: Option<Vec<u64>>,
    /// The parts of which the tellings are all that the sender knows.
    pub(crate) whole: Option<Parts>,
    /// Whose records are asked for.
    pub(crate) wanted: Vec<InstanceId>,
    /// Whether the sender keeps this link to hear of the others.
    pub(crate) needed: Option<bool>,
}

/// Some of the parts into which the members are divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    /// How many parts there are, [`BUCKETS`] at most.
    pub(crate) of: u16,
    /// Which of them.
    pub(crate) which: Vec<u8>,
}

/// Bytes that a message has beside its lists, at most.
pub(crate) const FRAMING: usize = 32;
/// Bytes of a telling without its body, at most: its head, the id, two numbers and the status.
pub(crate) const BARE: usize = 1 + 17 + 9 + 1 + 9;
/// Bytes of the body's head, at most.
pub(crate) const BODY_HEAD: usize = 3;
/// Bytes of an id that is asked for.
pub(crate) const WANTED: usize = 16;

// What is put together by these counts has room for any one record.
const _: () = assert!(FRAMING + 8 * BUCKETS + BARE + BODY_HEAD + MAX_ABOUT < MAX_MEMBERS);

impl Message {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Bytes that it has on the wire, without the frame's header.
    pub fn length(&self) -> usize {
        let number = |number: u64| match number {
            0..=23 => 1,
            24..=0xFF => 2,
            0x100..=0xFFFF => 3,
            0x1_0000..=0xFFFF_FFFF => 5,
            _ => 9,
        };
        let bytes = |length: usize| number(length as u64) + length;
        let tellings = self.tellings.iter().map(|telling| {
            let bare = 1 + 17 + number(telling.version.incarnation()) + 1 + number(telling.since);
            let body = telling.body.as_ref();
            bare + body.map_or(0, |body| bytes(body.map().len()))
        });
        let tellings = match self.tellings.len() {
            0 => 0,
            count => 1 + number(count as u64) + tellings.sum::<usize>(),
        };
        let digest = self.digest.as_ref().map_or(0, |d| 1 + bytes(8 * d.len()));
        let whole = self.whole.as_ref().map_or(0, |parts| {
            2 + number(parts.of.into()) + bytes(parts.which.len())
        });
        let wanted = match self.wanted.len() {
            0 => 0,
            count => 1 + bytes(WANTED * count),
        };
        let needed = self.needed.map_or(0, |_| 2);
        1 + tellings + digest + whole + wanted + needed
    }

    /// Appends the CBOR map of PROTOCOL.md.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let entries = [
            !self.tellings.is_empty(),
            self.digest.is_some(),
            self.whole.is_some(),
            !self.wanted.is_empty(),
            self.needed.is_some(),
        ];
        let mut cbor = Encoder::new(out);
        let written: Result<(), minicbor::encode::Error<_>> = (|| {
            cbor.map(entries.into_iter().filter(|entry| *entry).count() as u64)?;
            if !self.tellings.is_empty() {
                cbor.u8(0)?.array(self.tellings.len() as u64)?;
            }
            for telling in &self.tellings {
                cbor.array(4 + u64::from(telling.body.is_some()))?;
                cbor.bytes(&telling.id.0)?;
                cbor.u64(telling.version.incarnation())?;
                cbor.u8(telling.version.status() as u8)?
                    .u64(telling.since)?;
                if let Some(body) = &telling.body {
                    cbor.bytes(body.map())?;
                }
            }
            if let Some(digest) = &self.digest {
                let hashes: Vec<u8> = digest.iter().flat_map(|hash| hash.to_le_bytes()).collect();
                cbor.u8(1)?.bytes(&hashes)?;
            }
            if let Some(parts) = &self.whole {
                cbor.u8(2)?.array(2)?.u16(parts.of)?.bytes(&parts.which)?;
            }
            if !self.wanted.is_empty() {
                let ids: Vec<u8> = self.wanted.iter().flat_map(|id| id.0).collect();
                cbor.u8(3)?.bytes(&ids)?;
            }
            if let Some(needed) = self.needed {
                cbor.u8(4)?.bool(needed)?;
            }
            Ok(())
        })();
        written.expect("a Vec takes every byte");
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Misbehaviour> {
        let kind = Kind::Members;
        let bad = |field| Misbehaviour::BadField { kind, field };
        let mut cbor = Decoder::new(bytes);
        let message = read(&mut cbor).map_err(|_| bad("map"))?;
        if cbor.position() != bytes.len() {
            return Err(bad("length"));
        }
        Ok(message)
    }
}

fn read(cbor: &mut Decoder<'_>) -> Result<Message, minicbor::decode::Error> {
    let bad = minicbor::decode::Error::message;
    let mut message = Message::default();
    for _ in 0..cbor.map()?.ok_or_else(|| bad("no length"))? {
        match u64::try_from(cbor.int()?).unwrap_or(u64::MAX) {
            0 => {
                message.tellings.clear();
                // The list grows as its entries come: its length is only what the other side says.
                for _ in 0..cbor.array()?.ok_or_else(|| bad("no length"))? {
                    message.tellings.push(read_telling(cbor)?);
                }
            }
            1 => {
                let (hashes, rest) = cbor.bytes()?.as_chunks::<8>();
                if !rest.is_empty() || !is_division(hashes.len()) {
                    return Err(bad("digest"));
                }
                message.digest = Some(
                    hashes
                        .iter()
                        .map(|hash| u64::from_le_bytes(*hash))
                        .collect(),
                );
            }
            2 => {
                if cbor.array()? != Some(2) {
                    return Err(bad("parts"));
                }
                let (of, which) = (cbor.u16()?, cbor.bytes()?.to_vec());
                if !is_division(of.into()) || which.iter().any(|part| u16::from(*part) >= of) {
                    return Err(bad("parts"));
                }
                message.whole = Some(Parts { of, which });
            }
            3 => {
                let (ids, rest) = cbor.bytes()?.as_chunks::<WANTED>();
                if !rest.is_empty() {
                    return Err(bad("ids"));
                }
                message.wanted = ids.iter().map(|id| InstanceId(*id)).collect();
            }
            4 => message.needed = Some(cbor.bool()?),
            _ => cbor.skip()?,
        }
    }
    Ok(message)
}

fn read_telling(cbor: &mut Decoder<'_>) -> Result<Telling, minicbor::decode::Error> {
    let bad = minicbor::decode::Error::message;
    let length = cbor.array()?.filter(|length| *length >= 4);
    let length = length.ok_or_else(|| bad("record"))?;
    let id = InstanceId(cbor.bytes()?.try_into().map_err(|_| bad("id"))?);
    let incarnation = cbor.u64()?;
    let status = Status::from_number(cbor.u8()?).ok_or_else(|| bad("status"))?;
    let since = cbor.u64()?;
    if since > incarnation || incarnation > Version::MAX_INCARNATION {
        return Err(bad("incarnation"));
    }
    let body = match length {
        4 => None,
        _ => Some(Said::read(cbor.bytes()?, since)?),
    };
    for _ in 5..length {
        cbor.skip()?;
    }
    Ok(Telling {
        id,
        version: Version::new(incarnation, status),
        since,
        body,
    })
}

/// Whether the members can be divided into so many parts.
fn is_division(parts: usize) -> bool {
    parts.is_power_of_two() && parts <= BUCKETS
}
