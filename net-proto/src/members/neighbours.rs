//! With whom a peer keeps links to hear of the others. Only the choice; whether they can be reached is in `reach`.

use crate::id::InstanceId;
use crate::members::table::{Table, mix};

/// Neighbours next on the ring of ids. They hold it together: whoever is gone, the ring closes over it, and whoever is there is
/// somebody's next. Two, so that one of them may fail.
const NEXT: usize = 2;
/// Neighbours somewhere on the ring, which make all ways short.
const FAR: usize = 2;
/// Places on the ring from which one of those is taken.
const PLACES: u64 = 3;

/// How many neighbours a peer chooses; about as many choose it.
pub(crate) const NEIGHBOURS: usize = NEXT + FAR;

/// The neighbours of a peer, by who is there and will do: the same for the same, and nearly the same for nearly the same.
///
/// In a group of up to one more than these, that is everybody.
pub(crate) fn choose(
    table: &Table,
    own: InstanceId,
    will_do: impl Fn(InstanceId) -> bool,
) -> Vec<InstanceId> {
    let mut chosen = Vec::with_capacity(NEIGHBOURS);
    let mut place = own;
    let new = |chosen: &[InstanceId], id| id != own && !chosen.contains(&id) && will_do(id);
    // Where there are so few, the last is far and next at once.
    let next = if table.here() <= NEIGHBOURS + 2 {
        NEIGHBOURS + 1
    } else {
        NEXT
    };
    while chosen.len() < next
        && let Some(record) = table.after(place, |record| new(&chosen, record.id))
    {
        place = record.id;
        chosen.push(record.id);
    }
    if next > NEXT {
        return chosen;
    }
    for far in 0..FAR as u64 {
        let places = (0..PLACES).map(|place| distant(own, far * PLACES + place));
        let records = places.filter_map(|place| table.after(place, |r| new(&chosen, r.id)));
        // What lies behind a wide gap is found from many places. The one behind the narrowest of a few is not, so that nobody is chosen by
        // many more than others.
        let narrowest = records.min_by_key(|record| gap(table, record.id));
        chosen.extend(narrowest.map(|record| record.id));
    }
    chosen
}

/// A place on the ring, another for each peer and number.
fn distant(own: InstanceId, number: u64) -> InstanceId {
    let mut place = own.0;
    for half in place.chunks_exact_mut(8) {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(half);
        half.copy_from_slice(&mix(u64::from_le_bytes(bytes) ^ mix(number)).to_le_bytes());
    }
    InstanceId(place)
}

/// How far the one before is away.
fn gap(table: &Table, id: InstanceId) -> u64 {
    let height = |id: InstanceId| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&id.0[..8]);
        u64::from_be_bytes(bytes)
    };
    let before = table.before(id).map_or(id, |record| record.id);
    height(id).wrapping_sub(height(before))
}
