//! The members that are known, in the order of their ids: found by id, by place on the ring, and by part; with a hash of each part. What a
//! record means is in `members`.
//!
//! They lie in 256 sorted vectors, by the first byte of their ids. So one is found by looking at a few cache lines, the next on the ring lies
//! beside it, a part of a digest is a few of the vectors, and a member costs 32 bytes and its body.

use crate::id::InstanceId;
use crate::limits::{MAX_KNOWN, MAX_KNOWN_ALIKE};
use crate::members::record::{Record, Status};

/// Parts into which the members are divided, at most: one for each first byte of an id.
pub(crate) const BUCKETS: usize = 256;

/// Members in a part, about, above which more parts are compared: what it costs to list them is then as much as the hashes of
/// some more parts.
const PART: usize = 16;

#[derive(Debug)]
pub(crate) struct Table {
    buckets: Box<[Vec<Record>]>,
    /// For each bucket, the hashes of those that are here, one XORed with the other.
    hashes: Box<[u64]>,
    count: usize,
    here: usize,
    failed: usize,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self {
            buckets: vec![Vec::new(); BUCKETS].into(),
            hashes: vec![0; BUCKETS].into(),
            count: 0,
            here: 0,
            failed: 0,
        }
    }

    /// How many are known, gone or not.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn here(&self) -> usize {
        self.here
    }

    pub(crate) fn failed(&self) -> usize {
        self.failed
    }

    pub(crate) fn find(&self, id: InstanceId) -> Option<&Record> {
        let bucket = &self.buckets[bucket_of(id)];
        let index = position(bucket, id).ok()?;
        Some(&bucket[index])
    }

    /// Whether there is room for one that is not known.
    pub(crate) fn has_room(&self, id: InstanceId) -> bool {
        self.count < MAX_KNOWN && self.buckets[bucket_of(id)].len() < MAX_KNOWN_ALIKE
    }

    /// Takes a record in, in place of what was known.
    pub(crate) fn put(&mut self, record: Record) {
        self.count_in(&record, true);
        let bucket = &mut self.buckets[bucket_of(record.id)];
        match position(bucket, record.id) {
            Ok(index) => {
                let before = std::mem::replace(&mut bucket[index], record);
                self.count_in(&before, false);
            }
            Err(index) => bucket.insert(index, record),
        }
    }

    pub(crate) fn remove(&mut self, id: InstanceId) {
        let bucket = &mut self.buckets[bucket_of(id)];
        if let Ok(index) = position(bucket, id) {
            let before = bucket.remove(index);
            self.count_in(&before, false);
        }
    }

    fn count_in(&mut self, record: &Record, is_new: bool) {
        let add = |count: &mut usize| *count = if is_new { *count + 1 } else { *count - 1 };
        add(&mut self.count);
        match record.status() {
            Status::Here => {
                add(&mut self.here);
                self.hashes[bucket_of(record.id)] ^= hash(record);
            }
            Status::Failed => add(&mut self.failed),
            Status::Left => {}
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.buckets.iter().flatten()
    }

    /// How many parts are to be compared, so that one that differs has few members.
    pub(crate) fn parts(&self) -> usize {
        (self.here / PART).next_power_of_two().min(BUCKETS)
    }

    /// The members of one part of so many.
    pub(crate) fn part(&self, part: usize, of: usize) -> impl Iterator<Item = &Record> {
        let size = BUCKETS / of;
        self.buckets[part * size..(part + 1) * size]
            .iter()
            .flatten()
    }

    /// The hashes of so many parts.
    pub(crate) fn digest(&self, of: usize) -> Vec<u64> {
        let parts = self.hashes.chunks(BUCKETS / of);
        parts
            .map(|part| part.iter().fold(0, |sum, hash| sum ^ hash))
            .collect()
    }

    /// The first that is here and will do, from a place on the ring on.
    pub(crate) fn after(
        &self,
        place: InstanceId,
        will_do: impl Fn(&Record) -> bool,
    ) -> Option<&Record> {
        let start = bucket_of(place);
        let (Ok(index) | Err(index)) = position(&self.buckets[start], place);
        let (before, after) = self.buckets[start].split_at(index);
        let others = (1..BUCKETS).flat_map(|step| &self.buckets[(start + step) % BUCKETS]);
        let mut ring = after.iter().chain(others).chain(before);
        ring.find(|record| record.version.is_here() && will_do(record))
    }

    /// The last that is here before a place on the ring.
    pub(crate) fn before(&self, place: InstanceId) -> Option<&Record> {
        let start = bucket_of(place);
        let (Ok(index) | Err(index)) = position(&self.buckets[start], place);
        let (before, after) = self.buckets[start].split_at(index);
        let others = (1..BUCKETS).map(|step| &self.buckets[(start + BUCKETS - step) % BUCKETS]);
        let others = others.flat_map(|bucket| bucket.iter().rev());
        let mut ring = before.iter().rev().chain(others).chain(after.iter().rev());
        ring.find(|record| record.version.is_here())
    }
}

fn bucket_of(id: InstanceId) -> usize {
    usize::from(id.0[0])
}

fn position(bucket: &[Record], id: InstanceId) -> Result<usize, usize> {
    // As numbers, which are compared faster.
    let place = |id: InstanceId| u128::from_be_bytes(id.0);
    bucket.binary_search_by_key(&place(id), |record| place(record.id))
}

/// One that is here, as PROTOCOL.md says it.
fn hash(record: &Record) -> u64 {
    let half = |from: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&record.id.0[from..from + 8]);
        u64::from_le_bytes(bytes)
    };
    mix(mix(mix(half(0)) ^ half(8)) ^ record.incarnation())
}

/// Spreads each bit over all of them, as the last step of splitmix64.
pub(crate) fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ number >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ number >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ number >> 31
}
