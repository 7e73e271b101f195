//! What each finder saw, when, and what came of it: for who asks why somebody is not found.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use net_proto::InstanceId;

use super::{Outcome, Sighting};

/// So many are kept. Of more, those that were seen the longest ago are forgotten.
const KEPT: usize = 4096;

/// What one finder saw at one address.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeenAt {
    /// Where.
    pub address: String,
    /// Who is there, where the finder was told.
    pub id: Option<InstanceId>,
    /// When it was seen first.
    pub first: SystemTime,
    /// When it was seen last.
    pub last: SystemTime,
    /// What came of it the last time.
    pub outcome: Outcome,
}

/// By finder and address.
#[derive(Debug, Default)]
pub(super) struct Sightings(Mutex<BTreeMap<(&'static str, String), SeenAt>>);

impl Sightings {
    pub(super) fn note(&self, finder: &'static str, sighting: Sighting, outcome: Outcome) {
        let now = SystemTime::now();
        let address = sighting.address.to_string();
        let mut noted = self.noted();
        let entry = noted
            .entry((finder, address.clone()))
            .or_insert_with(|| SeenAt {
                address,
                id: None,
                first: now,
                last: now,
                outcome: Outcome::LeftAlone,
            });
        entry.id = sighting.id.or(entry.id);
        entry.last = now;
        // Why it is left alone is what there is to know.
        if outcome != Outcome::LeftAlone {
            entry.outcome = outcome;
        }
        if noted.len() > KEPT
            && let Some(oldest) = noted.iter().min_by_key(|(_, noted)| noted.last)
        {
            let oldest = oldest.0.clone();
            noted.remove(&oldest);
        }
    }

    /// Those of one finder, by address.
    pub(super) fn by(&self, finder: &str) -> Vec<SeenAt> {
        let noted = self.noted();
        let by_it = noted.iter().filter(|((by, _), _)| *by == finder);
        by_it.map(|(_, seen)| seen.clone()).collect()
    }

    fn noted(&self) -> MutexGuard<'_, BTreeMap<(&'static str, String), SeenAt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_the_longest_ago_is_forgotten_first() {
        let sightings = Sightings::default();
        for port in 0..=KEPT {
            let address = format!("127.0.0.1:{}", port + 1).parse().unwrap();
            let sighting = Sighting { address, id: None };
            sightings.note("host", sighting, Outcome::Original);
        }
        let all = sightings.by("host");
        assert_eq!(all.len(), KEPT);
        assert!(all.iter().all(|noted| noted.address != "127.0.0.1:1"));
    }
}
