//! What is to be written to the socket next, in the order in which it must go out. Filled by `Session::transmit`, emptied by the driver.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

use crate::frame::HEADER;

/// A buffer larger than this is given back when it is empty, so that one burst does not hold its memory for good.
const KEEP_CAPACITY: usize = 1024 * 1024;

/// Bytes to write, in pieces: the small frames in one reused buffer, then large bodies from where they lie.
#[derive(Debug, Default)]
pub struct Transmit {
    small: Vec<u8>,
    chunks: VecDeque<Piece>,
    /// Bytes of the front piece that are already written.
    written: usize,
    /// Bytes not yet written.
    left: usize,
}

/// A part of a chunk.
#[derive(Debug)]
enum Piece {
    Header([u8; HEADER]),
    Body(Bytes),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Header(header) => header,
            Self::Body(bytes) => bytes,
        }
    }
}

impl Transmit {
    /// Whether everything is written.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Bytes not yet written.
    pub fn len(&self) -> usize {
        self.left
    }

    /// Points `into` at what comes next, for one vectored write, and says how many of its entries are used.
    pub fn slices<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        let mut skip = self.written;
        let pieces = std::iter::once(&self.small[..])
            .chain(self.chunks.iter().map(Piece::bytes))
            .filter_map(|piece| {
                let rest = piece.get(skip..).unwrap_or_default();
                skip = skip.saturating_sub(piece.len());
                (!rest.is_empty()).then_some(rest)
            });
        let mut used = 0;
        for (slot, piece) in into.iter_mut().zip(pieces) {
            *slot = IoSlice::new(piece);
            used += 1;
        }
        used
    }

    /// Marks the next `written` bytes as written.
    pub fn advance(&mut self, written: usize) {
        self.left = self.left.saturating_sub(written);
        self.written += written;
        if self.left == 0 {
            self.written = 0;
            self.chunks.clear();
            self.small.clear();
            self.small.shrink_to(KEEP_CAPACITY);
            return;
        }
        if self.written < self.small.len() {
            return;
        }
        self.written -= self.small.len();
        self.small.clear();
        while let Some(piece) = self.chunks.front()
            && self.written >= piece.bytes().len()
        {
            self.written -= piece.bytes().len();
            self.chunks.pop_front();
        }
    }

    /// Swaps the small frames in; `small` becomes the empty buffer that was in here.
    pub(crate) fn swap_small(&mut self, small: &mut Vec<u8>) {
        debug_assert!(self.is_empty());
        std::mem::swap(&mut self.small, small);
        self.left = self.small.len();
    }

    /// Adds the header of a chunk; its bytes are to follow.
    pub(crate) fn push_header(&mut self, header: [u8; HEADER]) {
        self.left += HEADER;
        self.chunks.push_back(Piece::Header(header));
    }

    pub(crate) fn push(&mut self, bytes: Bytes) {
        self.left += bytes.len();
        self.chunks.push_back(Piece::Body(bytes));
    }
}
