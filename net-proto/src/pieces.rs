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
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    first: Bytes,
    /// Those after it, the next one last.
    rest: Vec<Bytes>,
    length: usize,
}

impl Pieces {
    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Takes the next bytes off the front: those of one piece, at most so many.
    pub(crate) fn take(&mut self, at_most: usize) -> Bytes {
        while self.first.is_empty()
            && let Some(next) = self.rest.pop()
        {
            self.first = next;
        }
        let taken = self.first.split_to(at_most.min(self.first.len()));
        self.length -= taken.len();
        taken
    }

    /// All of it in one place; copied only where it is not.
    pub fn contiguous(&self) -> Cow<'_, [u8]> {
        if self.rest.is_empty() {
            return Cow::Borrowed(&self.first);
        }
        let mut whole = Vec::with_capacity(self.length);
        whole.extend_from_slice(&self.first);
        for piece in self.rest.iter().rev() {
            whole.extend_from_slice(piece);
        }
        Cow::Owned(whole)
    }

    /// As [`contiguous`](Self::contiguous), for who keeps it.
    pub fn into_bytes(self) -> Bytes {
        match self.contiguous() {
            Cow::Owned(whole) => whole.into(),
            Cow::Borrowed(_) => self.first,
        }
    }
}

impl From<Bytes> for Pieces {
    fn from(first: Bytes) -> Self {
        Self {
            length: first.len(),
            first,
            rest: Vec::new(),
        }
    }
}

impl From<Vec<u8>> for Pieces {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl FromIterator<Bytes> for Pieces {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Self {
        let mut pieces = pieces.into_iter();
        let first = pieces.next().unwrap_or_default();
        let mut rest: Vec<Bytes> = pieces.collect();
        let length = first.len() + rest.iter().map(Bytes::len).sum::<usize>();
        rest.reverse();
        Self {
            first,
            rest,
            length,
        }
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
