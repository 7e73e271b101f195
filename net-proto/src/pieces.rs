//! Bytes that lie in several places and follow one another: a large body as it is handed over to be sent. Nothing is copied, unless it
//! is asked to be in one piece.

use std::borrow::Cow;

use bytes::Bytes;

/// Bytes in pieces, in their order.
///
/// # Examples
/// ```
/// use net_proto::Pieces;
///
/// let pieces: Pieces = ["one ", "two"].map(bytes::Bytes::from).into_iter().collect();
/// assert_eq!(pieces.len(), 7);
/// assert_eq!(pieces.into_bytes(), "one two");
/// ```
#[derive(Clone, Debug)]
pub struct Pieces(Kind);

/// As small as one piece, which nearly all are.
#[derive(Clone, Debug)]
enum Kind {
    One(Bytes),
    Several(Box<Several>),
}

#[derive(Clone, Debug)]
struct Several {
    /// The next one last.
    pieces: Vec<Bytes>,
    length: usize,
}

impl Pieces {
    /// How many bytes there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Kind::One(bytes) => bytes.len(),
            Kind::Several(several) => several.length,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the next bytes off the front: those of one piece, at most so many.
    pub(crate) fn take(&mut self, at_most: usize) -> Bytes {
        match &mut self.0 {
            Kind::One(bytes) => bytes.split_to(at_most.min(bytes.len())),
            Kind::Several(several) => several.take(at_most),
        }
    }

    /// All of it in one place; copied only where it is not.
    pub fn contiguous(&self) -> Cow<'_, [u8]> {
        match &self.0 {
            Kind::One(bytes) => Cow::Borrowed(bytes),
            Kind::Several(several) => Cow::Owned(several.joined()),
        }
    }

    /// As [`contiguous`](Self::contiguous), for who keeps it.
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Kind::One(bytes) => bytes,
            Kind::Several(several) => several.joined().into(),
        }
    }
}

impl Several {
    fn take(&mut self, at_most: usize) -> Bytes {
        while let Some(next) = self.pieces.last_mut() {
            if next.is_empty() {
                self.pieces.pop();
                continue;
            }
            let taken = next.split_to(at_most.min(next.len()));
            self.length -= taken.len();
            return taken;
        }
        Bytes::new()
    }

    fn joined(&self) -> Vec<u8> {
        let mut whole = Vec::with_capacity(self.length);
        for piece in self.pieces.iter().rev() {
            whole.extend_from_slice(piece);
        }
        whole
    }
}

impl Default for Pieces {
    fn default() -> Self {
        Bytes::new().into()
    }
}

impl From<Bytes> for Pieces {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::One(bytes))
    }
}

impl From<Vec<u8>> for Pieces {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl FromIterator<Bytes> for Pieces {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Self {
        let mut pieces: Vec<Bytes> = pieces.into_iter().collect();
        if pieces.len() <= 1 {
            return pieces.pop().unwrap_or_default().into();
        }
        let length = pieces.iter().map(Bytes::len).sum();
        pieces.reverse();
        Self(Kind::Several(Box::new(Several { pieces, length })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(of: &[&'static str]) -> Pieces {
        of.iter().map(|piece| Bytes::from(*piece)).collect()
    }

    #[test]
    fn what_is_taken_follows_the_pieces() {
        let mut pieces = pieces(&["", "abc", "", "defg", ""]);
        assert_eq!(pieces.len(), 7);
        let mut taken = Vec::new();
        while !pieces.is_empty() {
            taken.push(pieces.take(2));
        }
        assert_eq!(taken, ["ab", "c", "de", "fg"]);
        assert_eq!(pieces.take(2), "");
    }

    #[test]
    fn what_lies_in_one_place_is_not_copied() {
        let one = Bytes::from_static(b"one");
        let pieces = Pieces::from(one.clone());
        assert!(matches!(pieces.contiguous(), Cow::Borrowed(b"one")));
        assert_eq!(pieces.into_bytes().as_ptr(), one.as_ptr());
    }

    #[test]
    fn what_lies_in_several_is_put_together() {
        let pieces = pieces(&["a", "bc", "d"]);
        assert_eq!(&*pieces.contiguous(), b"abcd");
        assert_eq!(pieces.into_bytes(), "abcd");
    }
}
