//! How two sides meet: the preface, the version that comes of it, and the HELLO. What follows from a HELLO is in `session`.

use std::ops::RangeInclusive;

use minicbor::{Decoder, Encoder};

use crate::answer::head;
use crate::error::{Misbehaviour, ProtocolError};
use crate::frame::{HEADER, Header, Kind, write_frame};
use crate::id::InstanceId;
use crate::limits::{
    Limits, MAX_HELLO, MAX_HELLO_LIST, MAX_HELLO_TEXT, MAX_REASON, MIN_LINK_WINDOW,
    MIN_STREAM_WINDOW, VERSIONS,
};

/// The first bytes of either side. The first of them begins neither HTTP, TLS nor a request of the original app-net (`{`,
/// `eyJ`), so one port can tell them apart; CR LF shows a link that rewrites line ends.
pub const MAGIC: [u8; 6] = *b"\xABnet\r\n";

/// The feature: events can be subscribed to.
pub(crate) const EVENTS: &str = "events";

/// The feature: who is in the group is passed on.
pub(crate) const MEMBERS: &str = "members";

/// Bytes of the preface: the magic, the least version spoken, the highest version spoken.
pub(crate) const PREFACE: usize = 8;

/// The preface of a side that speaks these versions.
pub(crate) fn preface(versions: &RangeInclusive<u8>) -> [u8; PREFACE] {
    let mut bytes = [0; PREFACE];
    bytes[..MAGIC.len()].copy_from_slice(&MAGIC);
    bytes[MAGIC.len()] = *versions.start();
    bytes[MAGIC.len() + 1] = *versions.end();
    bytes
}

/// All that a side says to one that it has no room for: its preface, and leave in place of a HELLO. The other side's session fails with
/// [`ProtocolError::TurnedAway`].
#[must_use]
pub fn turn_away(reason: &str) -> Vec<u8> {
    let mut bytes = preface(&VERSIONS).to_vec();
    let reason = head(reason, MAX_REASON);
    write_frame(&mut bytes, Kind::Goodbye, 0, 0, reason.as_bytes());
    bytes
}

/// The version that both will speak, by the other side's preface, whose magic has been looked at. `rest` is what has come after it.
///
/// # Errors
/// It names versions that cannot be, or none that is common to both.
pub(crate) fn agree(
    ours: &RangeInclusive<u8>,
    theirs: &[u8; PREFACE],
    rest: &[u8],
) -> Result<u8, ProtocolError> {
    let [.., lowest, highest] = *theirs;
    if lowest == 0 || lowest > highest {
        return Err(Misbehaviour::BadVersions { lowest, highest }.into());
    }
    let chosen = highest.min(*ours.end());
    if chosen >= lowest && ours.contains(&chosen) {
        return Ok(chosen);
    }
    Err(ProtocolError::Incompatible {
        ours: ours.clone(),
        theirs: lowest..=highest,
        software: software(rest).unwrap_or_default(),
    })
}

/// What the other side says that it is. A HELLO is read alike in every version, and nearly always comes with the preface; where
/// it has not, it is not worth waiting for.
fn software(rest: &[u8]) -> Option<String> {
    let header = Header::read(rest.first_chunk::<HEADER>()?).ok()?;
    let map = rest[HEADER..].get(..header.length.min(MAX_HELLO))?;
    if header.kind != Kind::Hello as u8 {
        return None;
    }
    Some(Hello::decode(map).ok()?.software)
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
        // First, as a list that is too long is cut.
        let known = [EVENTS, MEMBERS];
        self.features
            .retain(|named| !known.contains(&named.as_str()));
        self.features.splice(0..0, known.map(str::to_owned));
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
        // A key below 0 is one that is not known.
        match u64::try_from(cbor.int()?).unwrap_or(u64::MAX) {
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
    // More than this side could ever have in flight is no other number to it.
    hello.max_calls = u32::try_from(calls).unwrap_or(u32::MAX);
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
