//! When an address at which nobody was reached is tried again. Time comes in; nothing waits here.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use net_proto::Address;

use super::Outcome;

/// How long the first new try waits: who was restarted is there again by then.
const FIRST: Duration = Duration::from_secs(1);

/// How long to wait before each next try: twice as long each time, up to a bound.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    next: Duration,
    most: Duration,
}

/// The tries at each of several addresses.
#[derive(Debug)]
pub(super) struct Retries {
    most: Duration,
    tries: HashMap<Address, Try>,
}

#[derive(Debug)]
struct Try {
    backoff: Backoff,
    due: Instant,
}

impl Backoff {
    pub(super) fn new(most: Duration) -> Self {
        Self { next: FIRST, most }
    }

    pub(super) fn next(&mut self) -> Duration {
        let wait = self.next;
        self.next = (2 * wait).min(self.most);
        jittered(wait)
    }

    pub(super) fn reset(&mut self) {
        self.next = FIRST;
    }
}

impl Retries {
    pub(super) fn new(most: Duration) -> Self {
        Self {
            most,
            tries: HashMap::new(),
        }
    }

    /// Whether it is to be tried now. One that never was is.
    pub(super) fn is_due(&self, at: &Address, now: Instant) -> bool {
        self.tries.get(at).is_none_or(|tried| tried.due <= now)
    }

    /// It was tried, and this came of it; nothing, where another address of the same peer was in time.
    pub(super) fn came_to(&mut self, at: &Address, outcome: Option<&Outcome>, now: Instant) {
        match outcome {
            Some(Outcome::Linked(_) | Outcome::Known(_)) => self.reached(at, now),
            // This host's own address, or an original's, to which others see.
            None | Some(Outcome::Own | Outcome::Original) => self.settled(at, now),
            Some(Outcome::LeftAlone | Outcome::Failed(_)) => self.failed(at, now),
        }
    }

    /// Nobody was reached.
    fn failed(&mut self, at: &Address, now: Instant) {
        let tried = self.tried(at, now);
        tried.due = now + tried.backoff.next();
    }

    /// Somebody was: should that end, it is tried again at once.
    pub(super) fn reached(&mut self, at: &Address, now: Instant) {
        let tried = self.tried(at, now);
        tried.backoff.reset();
        tried.due = now;
    }

    /// There is nothing to be reached, or somebody else sees to it: it is looked at again in a long while.
    fn settled(&mut self, at: &Address, now: Instant) {
        let most = self.most;
        let tried = self.tried(at, now);
        tried.backoff.reset();
        tried.due = now + most;
    }

    /// Forgets those that are not meant any more.
    pub(super) fn keep(&mut self, is_meant: impl Fn(&Address) -> bool) {
        self.tries.retain(|at, _| is_meant(at));
    }

    /// When one of these is to be tried next.
    pub(super) fn next<'a>(&self, of: impl Iterator<Item = &'a Address>) -> Option<Instant> {
        of.filter_map(|at| Some(self.tries.get(at)?.due)).min()
    }

    fn tried(&mut self, at: &Address, now: Instant) -> &mut Try {
        self.tries.entry(at.clone()).or_insert_with(|| Try {
            backoff: Backoff::new(self.most),
            due: now,
        })
    }
}

/// Somewhere in its second half: those that lost the same peer at the same time do not all come back at the same time.
fn jittered(wait: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX);
    wait.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_secs(30);

    #[test]
    fn tries_are_further_apart_each_time_up_to_a_bound() {
        let mut backoff = Backoff::new(MOST);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            let (whole, wait) = (Duration::from_secs(seconds), backoff.next());
            assert!(wait <= whole && wait >= whole / 2, "{wait:?} of {whole:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }

    #[test]
    fn who_was_reached_is_tried_at_once_when_that_ends() {
        let (at, now) = ("192.0.2.7:3010".parse().unwrap(), Instant::now());
        let mut retries = Retries::new(MOST);
        assert!(retries.is_due(&at, now));
        for _ in 0..4 {
            retries.failed(&at, now);
            assert!(!retries.is_due(&at, now));
        }
        let due = retries.next([&at].into_iter()).unwrap();
        assert!(due >= now + Duration::from_secs(4) && retries.is_due(&at, due));
        retries.reached(&at, now);
        assert!(retries.is_due(&at, now));
        retries.failed(&at, now);
        assert!(retries.is_due(&at, now + FIRST));
        retries.settled(&at, now);
        assert!(!retries.is_due(&at, now + FIRST) && retries.is_due(&at, now + MOST));
    }
}
