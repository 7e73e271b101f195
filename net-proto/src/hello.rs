//! How two sides meet: the preface, the version that comes of it, and the HELLO. What follows from a HELLO is in `session`.

use std::ops::RangeInclusive;

use minicbor::{Decoder, Encoder};

use crate::answer::head;
use crate::error::{Misbehaviour, ProtocolError};
use crate::frame::Kind;
use crate::id::InstanceId;
use crate::limits::{
    Limits, MAX_HELLO_LIST, MAX_HELLO_TEXT, MIN_LINK_WINDOW, MIN_STREAM_WINDOW, VERSIONS,
};

/// The first bytes of either side. The first of them begins neither HTTP, TLS nor a request of the original app-net (`{`,
/// `eyJ`), so one port can tell them apart; CR LF shows a link that rewrites line ends.
pub const MAGIC: [u8; 6] = *b"\xABnet\r\n";

/// The feature: events can be subscribed to.
pub(crate) const EVENTS: &str = "events";

/// Bytes of the preface: the magic, the least version spoken, the highest version spoken.
pub(crate) const PREFACE: usize = 8;

/// The preface of this side.
pub(crate) fn preface() -> [u8; PREFACE] {
    let mut bytes = [0; PREFACE];
    bytes[..MAGIC.len()].copy_from_slice(&MAGIC);
    bytes[MAGIC.len()] = *VERSIONS.start();
    bytes[MAGIC.len() + 1] = *VERSIONS.end();
    bytes
}

/// Reads the other side's preface: the version that both will speak.
///
/// # Errors
/// It is no preface, or no version is common to both.
pub(crate) fn agree(theirs: &[u8; PREFACE]) -> Result<u8, ProtocolError> {
    let (magic, versions) = theirs.split_at(MAGIC.len());
    if magic != MAGIC || versions[0] == 0 || versions[0] > versions[1] {
        return Err(Misbehaviour::BadPreface.into());
    }
    highest_common(VERSIONS, versions[0]..=versions[1])
}

fn highest_common(
    ours: RangeInclusive<u8>,
    theirs: RangeInclusive<u8>,
) -> Result<u8, ProtocolError> {
    let chosen = *ours.end().min(theirs.end());
    if ours.contains(&chosen) && theirs.contains(&chosen) {
        Ok(chosen)
    } else {
        Err(ProtocolError::Incompatible { ours, theirs })
    }
}

/// What each side says of itself when a link is made.
///
/// The last fields are what it allows the other; [`Session::new`](crate::Session::new) fills them in from its [`Limits`].
///
/// # Examples
/// ```
/// use net_proto::{Hello, InstanceId};
///
/// let hello = Hello { name: "ada@host:4711".into(), ..Hello::new(InstanceId([7; 16])) };
/// assert!(!hello.hub);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Which run of which peer this is.
    pub id: InstanceId,
    /// The peer's group.
    pub group: Option<String>,
    /// Whether it is a hub.
    pub hub: bool,
    /// Whether it is only passing by and not to be listed, as a command-line tool.
    pub transient: bool,
    /// A name for people, such as `user@host:pid`.
    pub name: String,
    /// Where it listens.
    pub addresses: Vec<String>,
    /// The software and its version.
    pub software: String,
    /// Calls it serves at once on this link.
    pub max_calls: u32,
    /// Bytes of frames that may be under way to it on this link.
    pub link_window: u64,
    /// Bytes of one large body that may be under way to it.
    pub stream_window: u64,
    /// Bytes of the largest body it takes.
    pub max_value: u64,
    /// Features beyond this version of the protocol. What both sides name may be used.
    pub features: Vec<String>,
}

impl Hello {
    /// The HELLO of a peer of which nothing but the id is told.
    pub fn new(id: InstanceId) -> Self {
        let limits = Limits::default();
        Self {
            id,
            group: None,
            hub: false,
            transient: false,
            name: String::new(),
            addresses: Vec::new(),
            software: String::new(),
            max_calls: limits.max_calls,
            link_window: limits.link_window,
            stream_window: limits.stream_window,
            max_value: limits.max_value,
            features: Vec::new(),
        }
    }

    /// This HELLO with what is for the session to say: the limits that the other side has to know, and what it can do.
    pub(crate) fn of_session(mut self, limits: &Limits) -> Self {
        self.max_calls = limits.max_calls;
        self.link_window = limits.link_window;
        self.stream_window = limits.stream_window;
        self.max_value = limits.max_value;
        if !self.has(EVENTS) {
            self.features.push(EVENTS.to_owned());
        }
        self
    }

    /// Whether it names a feature.
    pub(crate) fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|named| named == feature)
    }

    /// Appends the CBOR map of PROTOCOL.md. Texts and lists that are too long are cut.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let text = |text| head(text, MAX_HELLO_TEXT);
        let mut cbor = Encoder::new(out);
        let written: Result<(), minicbor::encode::Error<_>> = (|| {
            cbor.map(11 + u64::from(self.group.is_some()))?;
            cbor.u8(0)?.bytes(&self.id.0)?;
            if let Some(group) = &self.group {
                cbor.u8(1)?.str(text(group))?;
            }
            cbor.u8(2)?.bool(self.hub)?;
            cbor.u8(3)?.bool(self.transient)?;
            cbor.u8(4)?.str(text(&self.name))?;
            cbor.u8(5)?;
            write_list(&mut cbor, &self.addresses)?;
            cbor.u8(6)?.str(text(&self.software))?;
            cbor.u8(7)?.u32(self.max_calls)?;
            cbor.u8(8)?.u64(self.link_window)?;
            cbor.u8(9)?.u64(self.stream_window)?;
            cbor.u8(10)?.u64(self.max_value)?;
            cbor.u8(11)?;
            write_list(&mut cbor, &self.features)
        })();
        written.expect("a Vec takes every byte");
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Misbehaviour> {
        let kind = Kind::Hello;
        let bad = |field| Misbehaviour::BadField { kind, field };
        let mut cbor = Decoder::new(bytes);
        let hello = read_map(&mut cbor).map_err(|_| bad("map"))?;
        if cbor.position() != bytes.len() {
            return Err(bad("length"));
        }
        if hello.link_window < MIN_LINK_WINDOW {
            return Err(bad("link window"));
        }
        if hello.stream_window < MIN_STREAM_WINDOW {
            return Err(bad("stream window"));
        }
        Ok(hello)
    }
}

fn write_list<W: minicbor::encode::Write>(
    cbor: &mut Encoder<W>,
    list: &[String],
) -> Result<(), minicbor::encode::Error<W::Error>> {
    let list = &list[..list.len().min(MAX_HELLO_LIST)];
    cbor.array(list.len() as u64)?;
    for text in list {
        cbor.str(head(text, MAX_HELLO_TEXT))?;
    }
    Ok(())
}

fn read_map(cbor: &mut Decoder<'_>) -> Result<Hello, minicbor::decode::Error> {
    let bad = minicbor::decode::Error::message;
    let mut id = None;
    let mut limits = [None; 4];
    let mut hello = Hello::new(InstanceId([0; 16]));
    for _ in 0..cbor.map()?.ok_or_else(|| bad("no length"))? {
        match cbor.u64()? {
            0 => id = Some(cbor.bytes()?.try_into().map_err(|_| bad("id"))?),
            1 => hello.group = Some(read_text(cbor)?),
            2 => hello.hub = cbor.bool()?,
            3 => hello.transient = cbor.bool()?,
            4 => hello.name = read_text(cbor)?,
            5 => hello.addresses = read_list(cbor)?,
            6 => hello.software = read_text(cbor)?,
            key @ 7..=10 => limits[key as usize - 7] = Some(cbor.u64()?),
            11 => hello.features = read_list(cbor)?,
            _ => cbor.skip()?,
        }
    }
    let (Some(id), [Some(calls), Some(link), Some(stream), Some(value)]) = (id, limits) else {
        return Err(bad("a key is missing"));
    };
    hello.id = InstanceId(id);
    hello.max_calls = u32::try_from(calls).map_err(|_| bad("calls"))?;
    hello.link_window = link;
    hello.stream_window = stream;
    hello.max_value = value;
    Ok(hello)
}

fn read_text(cbor: &mut Decoder<'_>) -> Result<String, minicbor::decode::Error> {
    let text = cbor.str()?;
    if text.len() > MAX_HELLO_TEXT {
        return Err(minicbor::decode::Error::message("a text is too long"));
    }
    Ok(text.to_owned())
}

fn read_list(cbor: &mut Decoder<'_>) -> Result<Vec<String>, minicbor::decode::Error> {
    let length = cbor.array()?;
    match length {
        Some(length) if length <= MAX_HELLO_LIST as u64 => {
            (0..length).map(|_| read_text(cbor)).collect()
        }
        _ => Err(minicbor::decode::Error::message("a list is too long")),
    }
}
