//! The frames: header, kinds, payloads, to bytes and from bytes, and the limits of their lengths. What a frame means is in `session`.
//!
//! Frames are written by one function a kind, straight into the buffer that goes to the socket. They are read into
//! [`Frame`], whose bodies are slices of the bytes that came in. Every layout is drawn in PROTOCOL.md.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::{Buf, Bytes};

use crate::answer::ErrorBody;
use crate::error::Misbehaviour;
use crate::hello::Hello;
use crate::interest::Interest;
use crate::limits::{
    MAX_BODY, MAX_FLAG, MAX_HELLO, MAX_MEMBERS, MAX_METADATA, MAX_PAYLOAD, MAX_REASON, MAX_TAG,
};
use crate::members::Message;

/// Bytes of a frame's header.
pub(crate) const HEADER: usize = 16;

/// Kinds from here on may be skipped by who does not know them.
const FIRST_OPTIONAL_KIND: u8 = 0x80;

/// CALL: the text of the tag follows; it is remembered under the number.
pub(crate) const WITH_TAG: u8 = 0x01;
/// CALL: the time left follows.
pub(crate) const WITH_TIME: u8 = 0x02;
/// CALL, EVENT: metadata follows.
pub(crate) const WITH_METADATA: u8 = 0x04;
/// CALL, REPLY, EVENT: the length of the body follows, and the body is in chunks.
pub(crate) const MORE: u8 = 0x08;
/// CHUNK: the last of its body.
pub(crate) const LAST: u8 = 0x01;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Who each side is, and what it allows.
    Hello = 0x01,
    /// Runs a function there.
    Call = 0x02,
    /// The value a call ends with.
    Reply = 0x03,
    /// The flag a call ends with.
    Flag = 0x04,
    /// The error a call ends with.
    Error = 0x05,
    /// One value of a stream.
    Item = 0x06,
    /// The end of a stream.
    End = 0x07,
    /// The caller does not want the answer any more.
    Cancel = 0x08,
    /// More may be sent.
    Credit = 0x09,
    /// A part of a large body.
    Chunk = 0x0A,
    /// Events are wanted.
    Interest = 0x0B,
    /// An event.
    Event = 0x0C,
    /// Are you there?
    Ping = 0x0D,
    /// I am.
    Pong = 0x0E,
    /// No further calls will be made.
    Goodbye = 0x0F,
    /// Who is in the group.
    Members = 0x10,
}

impl Kind {
    const ALL: [Self; 16] = [
        Self::Hello,
        Self::Call,
        Self::Reply,
        Self::Flag,
        Self::Error,
        Self::Item,
        Self::End,
        Self::Cancel,
        Self::Credit,
        Self::Chunk,
        Self::Interest,
        Self::Event,
        Self::Ping,
        Self::Pong,
        Self::Goodbye,
        Self::Members,
    ];

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// Whether frames of this kind count against the link window: those that make work or take memory over there.
    pub(crate) fn is_charged(self) -> bool {
        match self {
            Self::Call | Self::Reply | Self::Flag | Self::Error | Self::Chunk => true,
            Self::Item | Self::End | Self::Event | Self::Interest | Self::Members => true,
            Self::Hello | Self::Cancel | Self::Credit => false,
            Self::Ping | Self::Pong | Self::Goodbye => false,
        }
    }

    fn known_flags(self) -> u8 {
        match self {
            Self::Call => WITH_TAG | WITH_TIME | WITH_METADATA | MORE,
            Self::Reply => MORE,
            Self::Event => WITH_METADATA | MORE,
            Self::Chunk => LAST,
            _ => 0,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hello => "HELLO",
            Self::Call => "CALL",
            Self::Reply => "REPLY",
            Self::Flag => "FLAG",
            Self::Error => "ERROR",
            Self::Item => "ITEM",
            Self::End => "END",
            Self::Cancel => "CANCEL",
            Self::Credit => "CREDIT",
            Self::Chunk => "CHUNK",
            Self::Interest => "INTEREST",
            Self::Event => "EVENT",
            Self::Ping => "PING",
            Self::Pong => "PONG",
            Self::Goodbye => "GOODBYE",
            Self::Members => "MEMBERS",
        })
    }
}

/// The 16 bytes before each payload, read but not yet judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes of the payload, at most [`MAX_PAYLOAD`].
    pub(crate) length: usize,
    pub(crate) kind: u8,
    flags: u8,
    pub(crate) stream: u64,
}

impl Header {
    pub(crate) fn read(bytes: &[u8; HEADER]) -> Result<Self, Misbehaviour> {
        let mut rest = &bytes[..];
        let length = rest.get_u32_le() as usize;
        let kind = rest.get_u8();
        let flags = rest.get_u8();
        let reserved = rest.get_u16_le();
        let stream = rest.get_u64_le();
        if length > MAX_PAYLOAD {
            let limit = MAX_PAYLOAD;
            return Err(Misbehaviour::FrameTooLong { length, limit });
        }
        if reserved != 0 {
            return Err(Misbehaviour::ReservedBytes);
        }
        Ok(Self {
            length,
            kind,
            flags,
            stream,
        })
    }

    /// Of a CHUNK, whether it is its body's last. All that can be judged of it before its payload is here.
    pub(crate) fn is_last_chunk(&self) -> Result<bool, Misbehaviour> {
        let (kind, stream) = (Kind::Chunk, self.stream);
        if stream == 0 {
            return Err(Misbehaviour::WrongStream { kind, stream });
        }
        if self.length > MAX_BODY {
            let field = "body";
            return Err(Misbehaviour::BadField { kind, field });
        }
        Ok(self.flags & LAST != 0)
    }

    /// What the frame is; `None` for one that may be skipped.
    pub(crate) fn known_kind(&self) -> Result<Option<Kind>, Misbehaviour> {
        match Kind::from_number(self.kind) {
            Some(kind) if self.flags & !kind.known_flags() != 0 => {
                let flags = self.flags;
                Err(Misbehaviour::UnknownFlags { kind, flags })
            }
            Some(kind) => Ok(Some(kind)),
            None if self.kind >= FIRST_OPTIONAL_KIND => Ok(None),
            None => Err(Misbehaviour::UnknownKind(self.kind)),
        }
    }
}

/// A body as it stands in its CALL or REPLY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body<B> {
    /// The whole body.
    Whole(B),
    /// Its length; the body follows in chunks.
    More(u64),
}

impl Body<&[u8]> {
    fn length(&self) -> usize {
        match self {
            Self::Whole(body) => body.len(),
            Self::More(_) => 8,
        }
    }

    fn flag(&self) -> u8 {
        match self {
            Self::Whole(_) => 0,
            Self::More(_) => MORE,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Whole(body) => out.extend_from_slice(body),
            Self::More(total) => out.extend_from_slice(&total.to_le_bytes()),
        }
    }
}

/// What stands in a CALL before its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallHead<T, M> {
    pub(crate) tag_number: u32,
    /// The tag's text, where it is sent in full.
    pub(crate) tag: Option<T>,
    /// Milliseconds.
    pub(crate) time_left: Option<NonZeroU32>,
    pub(crate) metadata: M,
}

impl CallHead<&str, &[u8]> {
    fn length(&self) -> usize {
        let tag = self.tag.map_or(0, |tag| 2 + tag.len());
        let time = self.time_left.map_or(0, |_| 4);
        4 + tag + time + metadata_length(self.metadata)
    }
}

/// A frame that came in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Frame {
    Hello(Box<Hello>),
    Call(CallHead<Arc<str>, Bytes>, Body<Bytes>),
    Reply(Body<Bytes>),
    Flag(String),
    Error(Box<ErrorBody>),
    End,
    Cancel,
    Credit(u64),
    Chunk {
        bytes: Bytes,
        last: bool,
    },
    Interest(Interest),
    Event {
        number: u64,
        metadata: Bytes,
        body: Body<Bytes>,
    },
    Ping(u64),
    Pong(u64),
    Goodbye(String),
    Members(Message),
}

/// A header, for a payload that is written on its own.
pub(crate) fn header(kind: Kind, flags: u8, stream: u64, length: usize) -> [u8; HEADER] {
    debug_assert!(length <= MAX_PAYLOAD);
    let mut bytes = [0; HEADER];
    // Lossless: no payload is longer than MAX_PAYLOAD.
    bytes[0..4].copy_from_slice(&(length as u32).to_le_bytes());
    bytes[4] = kind as u8;
    bytes[5] = flags;
    bytes[8..16].copy_from_slice(&stream.to_le_bytes());
    bytes
}

/// Bytes that [`write_call`] will write, header included.
pub(crate) fn call_length(head: &CallHead<&str, &[u8]>, body: &Body<&[u8]>) -> usize {
    HEADER + head.length() + body.length()
}

pub(crate) fn write_call(
    out: &mut Vec<u8>,
    stream: u64,
    head: &CallHead<&str, &[u8]>,
    body: &Body<&[u8]>,
) {
    let mut flags = body.flag();
    if head.tag.is_some() {
        flags |= WITH_TAG;
    }
    if head.time_left.is_some() {
        flags |= WITH_TIME;
    }
    if !head.metadata.is_empty() {
        flags |= WITH_METADATA;
    }
    out.reserve(call_length(head, body));
    let length = head.length() + body.length();
    out.extend_from_slice(&header(Kind::Call, flags, stream, length));
    out.extend_from_slice(&head.tag_number.to_le_bytes());
    if let Some(tag) = head.tag {
        // Lossless: no tag is longer than MAX_TAG.
        out.extend_from_slice(&(tag.len() as u16).to_le_bytes());
        out.extend_from_slice(tag.as_bytes());
    }
    if let Some(time_left) = head.time_left {
        out.extend_from_slice(&time_left.get().to_le_bytes());
    }
    write_metadata(out, head.metadata);
    body.write(out);
}

/// Bytes of the payload that [`write_event`] will write.
pub(crate) fn event_length(metadata: &[u8], body: &Body<&[u8]>) -> usize {
    8 + metadata_length(metadata) + body.length()
}

pub(crate) fn write_event(
    out: &mut Vec<u8>,
    stream: u64,
    number: u64,
    metadata: &[u8],
    body: &Body<&[u8]>,
) {
    let length = event_length(metadata, body);
    let mut flags = body.flag();
    if !metadata.is_empty() {
        flags |= WITH_METADATA;
    }
    out.reserve(HEADER + length);
    out.extend_from_slice(&header(Kind::Event, flags, stream, length));
    out.extend_from_slice(&number.to_le_bytes());
    write_metadata(out, metadata);
    body.write(out);
}

fn metadata_length(metadata: &[u8]) -> usize {
    match metadata.len() {
        0 => 0,
        length => 4 + length,
    }
}

fn write_metadata(out: &mut Vec<u8>, metadata: &[u8]) {
    if !metadata.is_empty() {
        // Lossless: no metadata is longer than MAX_METADATA.
        out.extend_from_slice(&(metadata.len() as u32).to_le_bytes());
        out.extend_from_slice(metadata);
    }
}

/// Writes a frame whose payload is at hand: every kind but CALL and EVENT.
pub(crate) fn write_frame(out: &mut Vec<u8>, kind: Kind, flags: u8, stream: u64, payload: &[u8]) {
    out.reserve(HEADER + payload.len());
    out.extend_from_slice(&header(kind, flags, stream, payload.len()));
    out.extend_from_slice(payload);
}

/// Writes a frame whose payload is one number: CREDIT, PING, PONG.
pub(crate) fn write_number(out: &mut Vec<u8>, kind: Kind, stream: u64, number: u64) {
    write_frame(out, kind, 0, stream, &number.to_le_bytes());
}

impl Frame {
    /// Reads the payload of a frame of `kind`. The header has been judged; its length is that of `payload`.
    ///
    /// # Errors
    /// The payload is not one of that kind, or a part of it is longer than allowed.
    pub(crate) fn read(kind: Kind, header: &Header, payload: Bytes) -> Result<Self, Misbehaviour> {
        let is_of_link = match kind {
            Kind::Hello | Kind::Ping | Kind::Pong | Kind::Goodbye | Kind::Members => {
                header.stream == 0
            }
            Kind::Credit => true,
            _ => header.stream != 0,
        };
        if !is_of_link {
            let stream = header.stream;
            return Err(Misbehaviour::WrongStream { kind, stream });
        }
        let mut fields = Fields { kind, payload };
        let frame = match kind {
            Kind::Hello => Self::Hello(Box::new(Hello::decode(&fields.rest("map", MAX_HELLO)?)?)),
            Kind::Call => {
                let head = fields.call_head(header.flags)?;
                Self::Call(head, fields.body(header.flags)?)
            }
            Kind::Reply => Self::Reply(fields.body(header.flags)?),
            Kind::Flag => Self::Flag(fields.rest_text("name", MAX_FLAG)?),
            Kind::Error => {
                let map = fields.rest("map", MAX_BODY)?;
                let error = ErrorBody::decode(&map).map_err(|_| fields.bad("map"))?;
                Self::Error(Box::new(error))
            }
            Kind::Cancel => Self::Cancel,
            Kind::Credit => Self::Credit(fields.u64("amount")?),
            Kind::Chunk => Self::Chunk {
                bytes: fields.rest("body", MAX_BODY)?,
                last: header.is_last_chunk()?,
            },
            Kind::Interest => Self::Interest(Interest::decode(&fields.rest("map", MAX_BODY)?)?),
            Kind::Event => {
                let (number, metadata, body) = fields.event(header.flags)?;
                Self::Event {
                    number,
                    metadata,
                    body,
                }
            }
            Kind::End => Self::End,
            Kind::Ping => Self::Ping(fields.u64("number")?),
            Kind::Pong => Self::Pong(fields.u64("number")?),
            Kind::Goodbye => Self::Goodbye(fields.rest_text("reason", MAX_REASON)?),
            Kind::Members => Self::Members(Message::decode(&fields.rest("map", MAX_MEMBERS)?)?),
            Kind::Item => return Err(Misbehaviour::NotAgreed(kind)),
        };
        fields.end()?;
        Ok(frame)
    }

    /// Reads the payload of an EVENT, as [`read`](Self::read) does, on a stream that is there: its number, metadata and body.
    pub(crate) fn read_event(
        header: &Header,
        payload: Bytes,
    ) -> Result<(u64, Bytes, Body<Bytes>), Misbehaviour> {
        let kind = Kind::Event;
        let mut fields = Fields { kind, payload };
        let event = fields.event(header.flags)?;
        fields.end()?;
        Ok(event)
    }
}

/// Takes a payload apart from its front.
struct Fields {
    kind: Kind,
    payload: Bytes,
}

impl Fields {
    fn bad(&self, field: &'static str) -> Misbehaviour {
        let kind = self.kind;
        Misbehaviour::BadField { kind, field }
    }

    fn u16(&mut self, field: &'static str) -> Result<u16, Misbehaviour> {
        self.payload.try_get_u16_le().map_err(|_| self.bad(field))
    }

    fn u32(&mut self, field: &'static str) -> Result<u32, Misbehaviour> {
        self.payload.try_get_u32_le().map_err(|_| self.bad(field))
    }

    fn u64(&mut self, field: &'static str) -> Result<u64, Misbehaviour> {
        self.payload.try_get_u64_le().map_err(|_| self.bad(field))
    }

    fn bytes(
        &mut self,
        field: &'static str,
        length: usize,
        limit: usize,
    ) -> Result<Bytes, Misbehaviour> {
        if length > limit || length > self.payload.len() {
            return Err(self.bad(field));
        }
        Ok(self.payload.split_to(length))
    }

    fn rest(&mut self, field: &'static str, limit: usize) -> Result<Bytes, Misbehaviour> {
        self.bytes(field, self.payload.len(), limit)
    }

    fn rest_text(&mut self, field: &'static str, limit: usize) -> Result<String, Misbehaviour> {
        let bytes = self.rest(field, limit)?;
        self.text(field, &bytes).map(str::to_owned)
    }

    fn text<'a>(&self, field: &'static str, bytes: &'a [u8]) -> Result<&'a str, Misbehaviour> {
        std::str::from_utf8(bytes).map_err(|_| self.bad(field))
    }

    fn call_head(&mut self, flags: u8) -> Result<CallHead<Arc<str>, Bytes>, Misbehaviour> {
        let tag_number = self.u32("tag number")?;
        let mut tag = None;
        if flags & WITH_TAG != 0 {
            let length = usize::from(self.u16("tag")?);
            let bytes = self.bytes("tag", length, MAX_TAG)?;
            tag = Some(Arc::from(self.text("tag", &bytes)?));
        }
        let mut time_left = None;
        if flags & WITH_TIME != 0 {
            let millis = NonZeroU32::new(self.u32("time left")?);
            time_left = Some(millis.ok_or_else(|| self.bad("time left"))?);
        }
        Ok(CallHead {
            tag_number,
            tag,
            time_left,
            metadata: self.metadata(flags)?,
        })
    }

    fn metadata(&mut self, flags: u8) -> Result<Bytes, Misbehaviour> {
        if flags & WITH_METADATA == 0 {
            return Ok(Bytes::new());
        }
        match self.u32("metadata")? as usize {
            0 => Err(self.bad("metadata")),
            length => self.bytes("metadata", length, MAX_METADATA),
        }
    }

    fn body(&mut self, flags: u8) -> Result<Body<Bytes>, Misbehaviour> {
        if flags & MORE == 0 {
            return Ok(Body::Whole(self.rest("body", MAX_BODY)?));
        }
        match self.u64("body length")? {
            0 => Err(self.bad("body length")),
            total => Ok(Body::More(total)),
        }
    }

    fn event(&mut self, flags: u8) -> Result<(u64, Bytes, Body<Bytes>), Misbehaviour> {
        Ok((
            self.u64("number")?,
            self.metadata(flags)?,
            self.body(flags)?,
        ))
    }

    fn end(&self) -> Result<(), Misbehaviour> {
        if self.payload.is_empty() {
            Ok(())
        } else {
            Err(self.bad("length"))
        }
    }
}

#[cfg(test)]
mod tests;
