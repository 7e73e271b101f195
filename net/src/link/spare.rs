//! The memory of a large body that was done with, kept a moment for the next one. What is given back to the system has to be had from
//! it again, page by page, which takes longer than to fill it: most of the time of a large value, where values are freed as they come.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;

#[cfg(target_os = "linux")]
use super::pages;

/// What is kept: no less, as the allocator keeps that itself, and no more, as it is kept for nothing if no other comes.
const SIZES: std::ops::RangeInclusive<usize> = 1024 * 1024..=64 * 1024 * 1024;
/// How many times too large it may be for the next.
const TOO_LARGE: usize = 4;
/// How long it is kept, at least.
const KEPT: Duration = Duration::from_secs(1);

struct Spare {
    buffer: Vec<u8>,
    since: Instant,
}

/// One for the whole process. Never waited for: a thread that a forked child does not have may have held it.
static SPARE: Mutex<Option<Spare>> = Mutex::new(None);

fn spare() -> Option<MutexGuard<'static, Option<Spare>>> {
    SPARE.try_lock().ok()
}

/// An empty buffer with room for a large body.
pub(super) fn room(bytes: usize) -> Vec<u8> {
    let fits = |spare: &mut Spare| {
        let capacity = spare.buffer.capacity();
        capacity >= bytes && capacity / TOO_LARGE <= bytes
    };
    if let Some(mut spare) = spare()
        && let Some(kept) = spare.take_if(fits)
    {
        return kept.buffer;
    }
    let mut buffer = Vec::new();
    if buffer.try_reserve_exact(bytes).is_err() {
        // What is only claimed does not end the process: it is asked for as it is needed.
        return buffer;
    }
    #[cfg(target_os = "linux")]
    if bytes >= pages::LARGE {
        pages::advise(buffer.spare_capacity_mut());
    }
    buffer
}

/// Takes the memory of a body that is done with, if nobody else holds it.
pub(crate) fn give(body: Bytes) {
    if !SIZES.contains(&body.len()) {
        return;
    }
    let Ok(mut body) = body.try_into_mut() else {
        return;
    };
    body.clear();
    let buffer = Vec::from(body);
    if let Some(mut spare) = spare() {
        let since = Instant::now();
        *spare = Some(Spare { buffer, since });
    }
}

/// Lets it go if it was not wanted for a while.
pub(super) fn expire() {
    if let Some(mut spare) = spare() {
        spare.take_if(|spare| spare.since.elapsed() >= KEPT);
    }
}

/// Lets it go: who sent such bodies has gone.
pub(super) fn clear() {
    if let Some(mut spare) = spare() {
        *spare = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 2 * 1024 * 1024;

    /// One test, as there is one spare.
    #[test]
    fn what_is_given_is_used_for_what_it_fits() {
        clear();
        let body = Bytes::from(vec![7; SIZE]);
        let address = body.as_ptr();
        // Somebody holds it.
        let held = body.clone();
        give(body);
        assert!(spare().unwrap().is_none());
        give(held);
        // Too large, too small, and as it is.
        let others = [room(SIZE / TOO_LARGE - 1), room(SIZE + 1)];
        assert!(others.iter().all(|other| other.as_ptr() != address));
        let again = room(SIZE - 1);
        assert_eq!((again.as_ptr(), again.len()), (address, 0));
        assert_eq!(again.capacity(), SIZE);
        assert!(spare().unwrap().is_none());

        give(Bytes::from(vec![7; SIZE]));
        expire();
        assert!(spare().unwrap().is_some(), "it is kept for a while");
        spare().unwrap().as_mut().unwrap().since -= KEPT;
        expire();
        assert!(spare().unwrap().is_none());

        give(Bytes::from(vec![7; SIZES.start() - 1]));
        assert!(spare().unwrap().is_none(), "the allocator keeps that");
        give(Bytes::from(vec![7; SIZE]).slice(1..));
        clear();
        assert!(spare().unwrap().is_none());
    }
}
