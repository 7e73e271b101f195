//! Frames as bytes, by hand: for what no session would send.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use crate::wire::{Socket, Wire};

pub(crate) const CALL: u8 = 0x02;
pub(crate) const REPLY: u8 = 0x03;
pub(crate) const FLAG: u8 = 0x04;
pub(crate) const ERROR: u8 = 0x05;
pub(crate) const CANCEL: u8 = 0x08;
pub(crate) const CREDIT: u8 = 0x09;
pub(crate) const INTEREST: u8 = 0x0B;
pub(crate) const PING: u8 = 0x0D;
pub(crate) const PONG: u8 = 0x0E;

pub(crate) const HEADER: usize = 16;
/// With a tag that is sent in full.
const TAG: u8 = 0x01;
/// How soon the other side has to be done with something, on a machine that does other things.
pub(crate) const IN_TIME: Duration = Duration::from_secs(20);

pub(crate) fn frame(kind: u8, flags: u8, stream: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_le_bytes().to_vec();
    bytes.extend([kind, flags, 0, 0]);
    bytes.extend(stream.to_le_bytes());
    bytes.extend(payload);
    bytes
}

/// A call with a tag that is not remembered.
pub(crate) fn call(stream: u64, tag: &str, body: &[u8]) -> Vec<u8> {
    let mut payload = vec![0; 4];
    payload.extend((tag.len() as u16).to_le_bytes());
    payload.extend(tag.as_bytes());
    payload.extend(body);
    frame(CALL, TAG, stream, &payload)
}

/// The bytes of whole frames, one by one; what is left over is the last, if anything is.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while let Some(length) = whole(bytes) {
        let (frame, rest) = bytes.split_at(length);
        all.push(frame);
        bytes = rest;
    }
    if !bytes.is_empty() {
        all.push(bytes);
    }
    all
}

/// The length of the frame that the bytes begin with, if it is there whole.
pub(crate) fn whole(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(*bytes.first_chunk::<4>()?) as usize + HEADER;
    (bytes.len() >= length).then_some(length)
}

/// A link on which bytes are sent as they are.
pub(crate) struct Raw {
    pub(crate) socket: Socket,
    input: Vec<u8>,
    pings: u64,
}

impl Raw {
    /// One that has said HELLO as it should, and heard it.
    pub(crate) fn link(address: &str) -> Self {
        Self::of(Wire::link(address))
    }

    pub(crate) fn of(wire: Wire) -> Self {
        Self {
            socket: wire.socket,
            input: wire.input.to_vec(),
            pings: 0,
        }
    }

    /// Sends what there is; the other side may have closed before it has come to the end.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).is_ok()
    }

    /// Asks for a sign of life. None: the other side has closed the link. Else how many of the frames before it were answers.
    pub(crate) fn ping(&mut self) -> Option<usize> {
        self.pings += 1;
        let number = self.pings.to_le_bytes();
        self.send(&frame(PING, 0, 0, &number));
        let mut answers = 0;
        loop {
            let next = self.next()?;
            match next[4] {
                PONG if next[HEADER..] == number => return Some(answers),
                REPLY | FLAG | ERROR => answers += 1,
                _ => {}
            }
        }
    }

    /// Reads until so many calls were answered; gives their frames. None: the other side has closed the link.
    pub(crate) fn answers(&mut self, count: usize) -> Option<Vec<Vec<u8>>> {
        let mut answers = Vec::with_capacity(count);
        while answers.len() < count {
            let next = self.next()?;
            if matches!(next[4], REPLY | FLAG | ERROR) {
                answers.push(next);
            }
        }
        Some(answers)
    }

    /// The next frame. None: the other side has closed the link. It has to do one or the other in time.
    fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(length) = whole(&self.input) {
                return Some(self.input.drain(..length).collect());
            }
            let mut bytes = [0; 16 * 1024];
            match self.socket.read(&mut bytes) {
                Ok(0) => return None,
                Ok(read) => self.input.extend_from_slice(&bytes[..read]),
                Err(error) if is_end(&error) => return None,
                Err(error) => panic!("neither answered nor closed: {error}"),
            }
        }
    }

    /// Says that no more will come, and sees the other side close.
    pub(crate) fn end(mut self) {
        self.socket.shutdown(Shutdown::Write);
        let start = Instant::now();
        let took = self.socket.until_closed();
        assert!(took < IN_TIME, "closed {:?} after the end", start.elapsed());
        self.socket.reset();
    }
}

fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
    matches!(error.kind(), ConnectionReset | BrokenPipe | NotConnected)
}
