//! Whom a peer dials to hear of the others: its neighbours, whoever was found, and now and then one that is gone. What is concluded
//! from one that cannot be reached is in `news`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::id::InstanceId;
use crate::limits::{
    DIAL_PATIENCE, FAILED_KEPT, LEFT_KEPT, MAX_FOUND, RETRY_AFTER, RETRY_AT_LAST, SUSPICION_OF_MANY,
};
use crate::members::neighbours::{NEIGHBOURS, choose};
use crate::members::news::Gone;
use crate::members::record::Status;
use crate::members::{Action, Members, WhyLeft};

/// How long a change is waited for others that come with it, before neighbours are chosen anew.
const CHOOSING: Duration = Duration::from_millis(250);
/// How long a neighbour is dialled before another is, beside it.
const SLOW: Duration = Duration::from_millis(500);
/// How often one that is gone, or was found, is dialled.
pub(crate) const RETRYING: Duration = Duration::from_secs(2);
/// How many of all those who are there dial one that has just failed each time, about: so that a network that is whole again is
/// noticed at once.
const RETRIES: u64 = 8;
/// After so long, one does.
const RETRIES_END: Duration = Duration::from_secs(60);
/// How long one that cannot be reached from here is believed that it is here all the same; each time twice as long. It may be cut off from
/// more than this peer by then, and nobody else might notice.
const BELIEVED: Duration = Duration::from_secs(10);
/// The longest such time.
const BELIEVED_AT_LAST: Duration = Duration::from_secs(3600);
/// How often one that was found is dialled in vain, before whoever found it has to find it again.
const TRIES: u32 = 8;

/// What is known of whom this peer can reach.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    dials: BTreeMap<InstanceId, Dial>,
    troubles: BTreeMap<InstanceId, Trouble>,
    /// Who was found by other means and is not a member that is here.
    found: BTreeMap<InstanceId, Vec<String>>,
    /// Dials that came to nothing since there was a link.
    fruitless: usize,
}

/// One that is being dialled.
#[derive(Clone, Copy, Debug)]
struct Dial {
    /// How long that is waited for.
    due: Instant,
    /// Whether it says something of the other if nothing comes of it. Without any link it says more of this peer; unless the other's was
    /// the link that has just broken.
    counts: bool,
}

/// One that could not be reached.
#[derive(Debug)]
struct Trouble {
    failures: u32,
    /// It is not dialled before.
    until: Instant,
    /// Whether this peer has missed it since it last said that it is here.
    missed: bool,
    /// How often it has said that it is here all the same: it is only not to be reached from here.
    claims: u32,
    /// Until when that is believed.
    believed: Instant,
}

impl Reach {
    pub(crate) fn next(&self) -> Option<Instant> {
        self.dials.values().map(|dial| dial.due).min()
    }

    /// A member has said that it is here. One that was gone by then was not cut off from here alone: it is dialled soon, and missed if it is not
    /// there.
    pub(crate) fn is_alive(&mut self, id: InstanceId, was_gone: bool, now: Instant) {
        self.found.remove(&id);
        if let Some(trouble) = self.troubles.get_mut(&id) {
            let times = 2_u32.saturating_pow(trouble.claims.min(16));
            let is_answer = std::mem::take(&mut trouble.missed);
            if was_gone {
                trouble.until = trouble.until.min(now + RETRY_AFTER * times);
                trouble.believed = now;
                trouble.claims += 1;
            } else if is_answer {
                trouble.believed = now + (BELIEVED * times).min(BELIEVED_AT_LAST);
                trouble.claims += 1;
            }
        }
    }

    /// Says whether it was dialled for this.
    pub(crate) fn reached(&mut self, id: InstanceId) -> bool {
        self.troubles.remove(&id);
        self.found.remove(&id);
        self.fruitless = 0;
        self.dials.remove(&id).is_some()
    }

    /// Whether a link to it may be there soon.
    fn is_worth_waiting_for(&self, id: InstanceId, now: Instant) -> bool {
        let is_slow = |dial: &Dial| dial.due + SLOW <= now + DIAL_PATIENCE;
        let is_over = |trouble: &Trouble| trouble.until <= now;
        !self.dials.get(&id).is_some_and(is_slow) && self.troubles.get(&id).is_none_or(is_over)
    }

    pub(crate) fn find(&mut self, id: InstanceId, addresses: Vec<String>) {
        if self.found.len() < MAX_FOUND || self.found.contains_key(&id) {
            self.found.insert(id, addresses);
        }
    }

    /// Notes that it could not be reached, and says whether it may be alive for all that is known.
    fn failed(&mut self, id: InstanceId, now: Instant) -> bool {
        self.fruitless += 1;
        let trouble = self.troubles.entry(id).or_insert(Trouble {
            failures: 0,
            until: now,
            missed: false,
            claims: 0,
            believed: now,
        });
        let after = RETRY_AFTER * 2_u32.saturating_pow(trouble.failures.min(16));
        trouble.until = now + after.min(RETRY_AT_LAST);
        trouble.failures += 1;
        if trouble.failures >= TRIES {
            self.found.remove(&id);
        }
        let is_believed = now < trouble.believed;
        trouble.missed |= !is_believed;
        is_believed
    }
}

impl<L: Clone + PartialEq> Members<L> {
    pub(super) fn choose_soon(&mut self, now: Instant) {
        self.choosing.get_or_insert(now + CHOOSING);
    }

    /// Chooses neighbours anew, and dials those to whom there is no link.
    pub(super) fn choose(&mut self, now: Instant) {
        self.choosing = None;
        if self.transient || self.has_left {
            return;
        }
        let (links, reach) = (&self.links, &self.reach);
        let will_do = |id| links.contains_key(&id) || reach.is_worth_waiting_for(id, now);
        let chosen = choose(&self.table, self.own.id, will_do);
        let mut are_linked = true;
        for id in &chosen {
            if self.links.contains_key(id) {
                self.need(*id, true, now);
            } else {
                are_linked = false;
                self.dial(*id, now);
            }
        }
        if !are_linked {
            self.choosing = Some(now + SLOW);
        }
        // Nobody is let go before those who take their places are there; the last one never.
        if are_linked && !chosen.is_empty() {
            let is_over = |id: &InstanceId| !chosen.contains(id);
            let over: Vec<_> = self.neighbours.iter().copied().filter(is_over).collect();
            for id in over {
                self.need(id, false, now);
            }
        }
    }

    /// Keeps a link to hear of others, or does so no longer.
    pub(super) fn need(&mut self, id: InstanceId, mine: bool, now: Instant) {
        let Some(outlet) = self.links.get_mut(&id) else {
            return;
        };
        if outlet.mine == mine {
            return;
        }
        outlet.mine = mine;
        outlet.tell = true;
        if mine {
            outlet.digest = Some(1);
            outlet.compared = Some(now);
        }
        self.busy.insert(id);
        self.sort(id);
    }

    /// Counts a link among those to neighbours, or lets go of it.
    pub(super) fn sort(&mut self, id: InstanceId) {
        if self
            .links
            .get(&id)
            .is_some_and(|outlet| outlet.is_neighbour())
        {
            self.neighbours.insert(id);
        } else {
            self.neighbours.remove(&id);
            self.actions.push_back(Action::Release(id));
        }
    }

    pub(super) fn dial(&mut self, id: InstanceId, now: Instant) {
        self.dial_for(id, !self.links.is_empty(), now);
    }

    /// Dials one, and says whether it is of meaning if nothing comes of it.
    pub(super) fn dial_for(&mut self, id: InstanceId, counts: bool, now: Instant) {
        let is_there = self.links.contains_key(&id) || id == self.own.id;
        if is_there || self.has_left || self.reach.dials.contains_key(&id) {
            return;
        }
        let mut addresses = self.reach.found.get(&id).cloned().unwrap_or_default();
        let known = self.table.find(id).map(|record| record.about().addresses);
        for address in known.into_iter().flatten() {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let due = now + DIAL_PATIENCE;
        self.reach.dials.insert(id, Dial { due, counts });
        self.actions.push_back(Action::Dial { id, addresses });
    }

    /// A dial has come to nothing, or not to anything in time.
    pub(super) fn give_up(&mut self, id: InstanceId, now: Instant) {
        let Some(dial) = self.reach.dials.remove(&id) else {
            return;
        };
        let is_alive = self.reach.failed(id, now);
        let was_here = self.table.find(id).is_some_and(|r| r.version.is_here());
        // Ever more seldom of one that says that it is here: it would have to say so again and again, if only this peer cannot reach it.
        if was_here && dial.counts && !is_alive {
            self.fail(id, now);
        }
        self.choose_soon(now);
        if self.links.is_empty() {
            self.dial_found(now);
        }
        let others = self.table.here().saturating_sub(1);
        let is_enough = others > 0 && self.reach.fruitless >= others.min(NEIGHBOURS);
        if self.links.is_empty() && is_enough && !self.is_alone {
            self.be_alone();
        }
    }

    /// Nobody can be reached: it is this peer that is cut off. It says nothing of the others, but its program is told.
    fn be_alone(&mut self) {
        let others = self.table.iter().filter(|r| r.id != self.own.id);
        let listed = others.filter(|r| self.is_listed(r.id)).cloned();
        let why = WhyLeft::Alone;
        let left: Vec<_> = listed.map(|record| Action::Left { record, why }).collect();
        left.into_iter().for_each(|action| self.tell(action));
        self.is_alone = true;
    }

    /// There is a link, after there was none.
    pub(super) fn end_alone(&mut self, now: Instant) {
        if std::mem::take(&mut self.is_alone) {
            let others = self.table.iter().filter(|r| r.id != self.own.id);
            let listed: Vec<_> = others.filter(|r| self.is_listed(r.id)).cloned().collect();
            listed
                .into_iter()
                .for_each(|record| self.tell(Action::Joined(record)));
        }
        // What was concluded without a link has yet to be contradicted.
        let doubted: Vec<_> = self.doubted.keys().copied().collect();
        doubted
            .into_iter()
            .for_each(|id| self.doubt_until(id, now + SUSPICION_OF_MANY));
    }

    pub(super) fn end_dials(&mut self, now: Instant) {
        let overdue = self.reach.dials.iter().filter(|(_, dial)| dial.due <= now);
        let overdue: Vec<_> = overdue.map(|(id, _)| *id).collect();
        overdue.into_iter().for_each(|id| self.give_up(id, now));
    }

    /// What is done now and then: old things are forgotten, one that was found and one that is gone are dialled.
    pub(super) fn retry(&mut self, now: Instant) {
        self.forget_old(now);
        if self.has_left {
            return;
        }
        let troubles = &mut self.reach.troubles;
        if self.links.is_empty() {
            // Cut off: nothing is known of the others but that.
            troubles
                .values_mut()
                .for_each(|trouble| trouble.until = now);
        }
        troubles.retain(|_, trouble| now < trouble.until + RETRY_AT_LAST);
        self.dial_found(now);
        if let Some(gone) = self.any_failed() {
            let is_new = now.saturating_duration_since(gone.at) < RETRIES_END;
            let retries = if is_new { RETRIES } else { 1 };
            // All those who are there make together so many for each that failed.
            let wish = retries * self.table.failed() as u64;
            if self.dice.below(self.table.here().max(1) as u64) < wish {
                self.dial(gone.id, now);
            }
        }
        self.choose(now);
    }

    /// Dials one that was found, if few are dialled.
    pub(super) fn dial_found(&mut self, now: Instant) {
        let reach = &self.reach;
        let ids = reach.found.keys().copied();
        let ids: Vec<_> = ids
            .filter(|id| reach.is_worth_waiting_for(*id, now))
            .collect();
        let index = self.dice.below(ids.len() as u64) as usize;
        if self.reach.dials.len() < NEIGHBOURS
            && let Some(id) = ids.get(index)
        {
            self.dial(*id, now);
        }
    }

    fn any_failed(&mut self) -> Option<Gone> {
        let graves = self.failed.len().max(1) as u64;
        // Some are of those who have come back.
        (0..4).find_map(|_| {
            let gone = self.failed.get(self.dice.below(graves) as usize)?;
            let record = self.table.find(gone.id)?;
            (record.status() == Status::Failed).then_some(*gone)
        })
    }

    fn forget_old(&mut self, now: Instant) {
        let is_old = |gone: &Gone, kept| now.saturating_duration_since(gone.at) >= kept;
        while let Some(gone) = self.failed.front().copied()
            && is_old(&gone, FAILED_KEPT)
        {
            self.failed.pop_front();
            self.forget(gone);
        }
        while let Some(gone) = self.left.front().copied()
            && is_old(&gone, LEFT_KEPT)
        {
            self.left.pop_front();
            self.forget(gone);
        }
    }
}
