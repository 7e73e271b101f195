//! Stream ids: whose they are, in which order they come, and a hash for tables keyed by them.

use std::hash::{BuildHasherDefault, Hasher};

use crate::session::{CallId, Side};

impl Side {
    /// The first stream id of this side. The dialer's are odd, the acceptor's even; 0 is the link itself.
    pub(super) fn first_id(self) -> CallId {
        match self {
            Self::Dialer => 1,
            Self::Acceptor => 2,
        }
    }

    pub(super) fn owns(self, id: CallId) -> bool {
        id != 0 && id % 2 == self.first_id() % 2
    }
}

/// Hashes a stream id by one multiplication.
///
/// The other side chooses its ids and so could make them collide. It gains little: a table never has more entries
/// than the calls that it may have in flight.
#[derive(Default)]
pub(super) struct IdHasher(u64);

pub(super) type IdHash = BuildHasherDefault<IdHasher>;

impl Hasher for IdHasher {
    fn write(&mut self, _: &[u8]) {
        unreachable!("the keys are stream ids, which are hashed by `write_u64`");
    }

    fn write_u64(&mut self, id: u64) {
        // 2^64 / golden ratio; the fold brings the well-mixed high bits down to where the table looks first.
        let mixed = id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
