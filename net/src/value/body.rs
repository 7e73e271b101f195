//! What is to be sent: encoded values in one buffer, and between them large byte strings that stay where they lie. What is in it is
//! decided by those who write ([`cbor::Writer`](super::cbor::Writer)), not here.

use bytes::Bytes;
use net_proto::Pieces;

/// Byte strings from here on are shared, not copied, where they can be: sending one in a piece of its own costs less than a copy.
/// Larger than what goes in one frame, so that a body with one of them is a large body.
pub(crate) const SHARED: usize = net_proto::limits::MAX_BODY + 1;

/// Encoded values on their way out.
#[derive(Debug, Clone, Default)]
pub struct Body {
    pub(super) written: Vec<u8>,
    pub(super) shared: Vec<Shared>,
}

/// A byte string that is sent from where it lies.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    /// How much of what was written comes before it.
    pub(super) at: usize,
    pub(super) bytes: Bytes,
}

impl Body {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty one, with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Vec::with_capacity(bytes).into()
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        let shared = self.shared.iter().map(|shared| shared.bytes.len());
        self.written.len() + shared.sum::<usize>()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of it, where it lies in one place.
    pub fn as_slice(&self) -> Option<&[u8]> {
        self.shared.is_empty().then_some(&self.written)
    }

    /// All of it as one buffer; itself, where some of it lies elsewhere.
    pub(crate) fn into_vec(self) -> Result<Vec<u8>, Self> {
        match self.shared.is_empty() {
            true => Ok(self.written),
            false => Err(self),
        }
    }
}

impl From<Vec<u8>> for Body {
    fn from(written: Vec<u8>) -> Self {
        Self {
            written,
            shared: Vec::new(),
        }
    }
}

impl From<Body> for Pieces {
    fn from(body: Body) -> Self {
        if body.shared.is_empty() {
            return body.written.into();
        }
        let mut written = Bytes::from(body.written);
        let mut at = 0;
        let mut pieces = Vec::with_capacity(2 * body.shared.len() + 1);
        for shared in body.shared {
            pieces.push(written.split_to(shared.at - at));
            pieces.push(shared.bytes);
            at = shared.at;
        }
        pieces.push(written);
        pieces.into_iter().collect()
    }
}
