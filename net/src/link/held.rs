//! What calls of the other side keep here when the session counts them no more: a function that was begun goes on after its call was
//! cancelled, and so does its place among those that wait for a thread. Else who calls and cancels for ever could have both pile up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// An amount of which so much may be taken at once.
#[derive(Debug, Default)]
pub(super) struct Held(AtomicU64);

/// A part of it, given back on drop.
#[derive(Debug)]
pub(super) struct Hold {
    of: Arc<Held>,
    amount: u64,
}

impl Held {
    /// Takes some, if there is no more than `most` then. Any amount, where nothing is taken.
    pub(super) fn take(self: &Arc<Self>, amount: u64, most: u64) -> Option<Hold> {
        let more = |taken: u64| {
            let sum = taken.saturating_add(amount);
            (taken == 0 || sum <= most).then_some(sum)
        };
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .ok()?;
        let of = Arc::clone(self);
        Some(Hold { of, amount })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.of.0.fetch_sub(self.amount, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_may_be_but_one_of_any_size() {
        let held = Arc::new(Held::default());
        let large = held.take(100, 10).unwrap();
        assert!(held.take(1, 10).is_none());
        drop(large);
        let _six = held.take(6, 10).unwrap();
        let four = held.take(4, 10).unwrap();
        assert!(held.take(1, 10).is_none());
        drop(four);
        assert!(held.take(5, 10).is_none() && held.take(4, 10).is_some());
    }
}
