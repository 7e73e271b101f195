//! What becomes of what a peer is told of another: which of it is news, who is told of it in turn, and what this peer's program is.

use std::time::{Duration, Instant};

use crate::id::InstanceId;
use crate::limits::{MAX_KNOWN, SUSPICION, SUSPICION_OF_MANY};
use crate::members::record::{Record, Status, Telling, Version};
use crate::members::{Action, Members, Message, WhyLeft};

/// How long after comparing of its own accord a peer leaves it to the other side to go on, where both did.
const COMPARING: Duration = Duration::from_secs(1);

/// One that is gone, and is remembered so that late news of it do not bring it back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone {
    pub(crate) id: InstanceId,
    pub(crate) version: Version,
    pub(crate) at: Instant,
}

impl<L: Clone + PartialEq> Members<L> {
    /// Takes what a link has brought.
    pub(super) fn take_message(&mut self, from: InstanceId, message: Message, now: Instant) {
        let mut listed = Vec::new();
        if message.whole.is_some() {
            listed.extend(message.tellings.iter().map(|telling| telling.id));
            listed.sort_unstable();
        }
        for telling in message.tellings {
            self.take(telling, from, now);
        }
        let Some(outlet) = self.links.get_mut(&from) else {
            return;
        };
        if let Some(parts) = message.whole {
            let of = usize::from(parts.of);
            for part in parts.which {
                let known = self.table.part(part.into(), of);
                let missing = known.filter(|record| {
                    record.version.is_here() && listed.binary_search(&record.id).is_err()
                });
                missing.for_each(|record| outlet.add_news(record.id, true));
            }
        }
        for id in message.wanted {
            outlet.add_news(id, true);
        }
        if let Some(digest) = message.digest {
            self.compare(from, &digest, now);
        }
        self.busy.insert(from);
    }

    /// Says where the other side's digest differs: by one of more parts, or by what is in those parts.
    fn compare(&mut self, from: InstanceId, theirs: &[u64], now: Instant) {
        let Some(outlet) = self.links.get_mut(&from) else {
            return;
        };
        let has_begun = |at: Instant| now.saturating_duration_since(at) < COMPARING;
        let begun = outlet.compared.is_some_and(has_begun);
        // Both began: one of the two exchanges is enough.
        if theirs.len() == 1 && begun && self.own.id < from {
            return;
        }
        let ours = self.table.digest(theirs.len());
        if ours == theirs {
            return;
        }
        let parts = self.table.parts();
        if theirs.len() < parts {
            outlet.digest = Some(parts);
            return;
        }
        let pairs = ours.iter().zip(theirs).enumerate();
        // Lossless: there are no more parts than 256.
        let differing = pairs.filter(|(_, (ours, theirs))| ours != theirs);
        outlet.differing = differing.map(|(part, _)| part as u8).collect();
        outlet.parts = theirs.len();
    }

    /// Takes what is told of one member.
    fn take(&mut self, telling: Telling, from: InstanceId, now: Instant) {
        let id = telling.id;
        if id == self.own.id {
            return self.take_of_own(telling.version, from, now);
        }
        let known = self.table.find(id);
        let Some(outlet) = self.links.get_mut(&from) else {
            return;
        };
        let body = match (known, telling.body) {
            (Some(record), _) if telling.version < record.version => {
                outlet.add_news(id, telling.since != record.body.since);
                return;
            }
            (Some(record), _) if telling.version == record.version => {
                outlet.news.remove(&id);
                return;
            }
            // It was never heard of, or is forgotten.
            (None, _) if !telling.version.is_here() => return,
            (_, Some(body)) => body,
            (Some(record), None)
                if record.body.since == telling.since || !telling.version.is_here() =>
            {
                record.body.clone()
            }
            (_, None) => return outlet.ask_for(id),
        };
        outlet.news.remove(&id);
        let version = telling.version;
        self.learn(Record { id, version, body }, Some(from), now);
    }

    /// Whoever hears that it is gone, and is not, says that it is here.
    fn take_of_own(&mut self, version: Version, from: InstanceId, now: Instant) {
        if self.transient {
            return;
        }
        if version > self.own.version && !self.has_left {
            let incarnation = version.incarnation() + 1;
            self.own.version = Version::new(incarnation, Status::Here);
            self.table.put(self.own.clone());
            self.spread(self.own.id, true, false, None);
            self.is_contradicted(now);
        } else if version < self.own.version
            && let Some(outlet) = self.links.get_mut(&from)
        {
            outlet.add_news(self.own.id, true);
        }
    }

    /// Nobody could reach it from here.
    pub(super) fn fail(&mut self, id: InstanceId, now: Instant) {
        if let Some(record) = self.table.find(id)
            && record.version.is_here()
        {
            let version = Version::new(record.incarnation(), Status::Failed);
            let body = record.body.clone();
            self.learn(Record { id, version, body }, None, now);
        }
    }

    /// Takes in what is news.
    fn learn(&mut self, record: Record, from: Option<InstanceId>, now: Instant) {
        let (id, since) = (record.id, record.body.since);
        let before = self.table.find(id).map(|r| (r.status(), r.body.since));
        if before.is_none() && !self.make_room(id) {
            return;
        }
        let was_here = before.is_some_and(|(status, _)| status == Status::Here);
        let was_listed = was_here || self.doubted.contains_key(&id);
        let is_here = record.version.is_here();
        let was_gone = before.is_some_and(|(status, _)| status == Status::Failed);
        if is_here && was_gone {
            self.is_contradicted(now);
        }
        self.table.put(record.clone());
        match record.status() {
            Status::Here => {
                self.trust(id);
                self.reach.is_alive(id, !was_listed, now);
                if !was_listed {
                    self.tell(Action::Joined(record));
                } else if before.is_some_and(|(_, before)| before != since) {
                    self.tell(Action::Changed(record));
                }
            }
            Status::Failed => {
                if was_listed {
                    self.doubt(id, now);
                }
                self.bury(id, record.version, now);
            }
            Status::Left => {
                self.trust(id);
                self.bury(id, record.version, now);
                if was_listed {
                    let why = WhyLeft::Left;
                    self.tell(Action::Left { record, why });
                }
            }
        }
        let is_new_body = before.is_none_or(|(_, before)| before != since);
        self.spread(id, is_here, is_new_body, from);
        self.choose_soon(now);
    }

    /// Tells all neighbours, but not the one who said it.
    pub(super) fn spread(
        &mut self,
        id: InstanceId,
        is_here: bool,
        with_body: bool,
        from: Option<InstanceId>,
    ) {
        for peer in &self.neighbours {
            // Of itself it need only know when it is thought to be gone.
            let knows = Some(*peer) == from || (*peer == id && is_here);
            if let Some(outlet) = self.links.get_mut(peer).filter(|_| !knows) {
                outlet.add_news(id, with_body);
                self.busy.insert(*peer);
            }
        }
    }

    fn make_room(&mut self, id: InstanceId) -> bool {
        if self.table.count() >= MAX_KNOWN {
            let oldest = self.failed.pop_front().or_else(|| self.left.pop_front());
            oldest.into_iter().for_each(|gone| self.forget(gone));
        }
        self.table.has_room(id)
    }

    fn bury(&mut self, id: InstanceId, version: Version, at: Instant) {
        let gone = Gone { id, version, at };
        let graves = match version.status() {
            Status::Left => &mut self.left,
            _ => &mut self.failed,
        };
        graves.push_back(gone);
        // Who comes and goes is buried many times.
        if graves.len() > 64 + 2 * self.table.count() {
            let table = &self.table;
            graves.retain(|gone| {
                table
                    .find(gone.id)
                    .is_some_and(|r| r.version == gone.version)
            });
        }
    }

    pub(super) fn forget(&mut self, gone: Gone) {
        if self
            .table
            .find(gone.id)
            .is_some_and(|r| r.version == gone.version)
        {
            self.table.remove(gone.id);
            self.trust(gone.id);
        }
    }

    /// It may be gone. The program is told if it has not said within a moment that it is here.
    fn doubt(&mut self, id: InstanceId, now: Instant) {
        let was_lately = |at: Instant| now.saturating_duration_since(at) < SUSPICION_OF_MANY;
        let patience = match self.contradicted.is_some_and(was_lately) {
            true => SUSPICION_OF_MANY,
            false => SUSPICION,
        };
        self.doubt_until(id, now + patience);
    }

    /// One that was said to have failed is here. What is said of others at the same time may be as wrong: where a network that was parted is whole
    /// again, each side says it of all of the other, and all of them answer.
    fn is_contradicted(&mut self, now: Instant) {
        self.contradicted = Some(now);
        let doubted: Vec<_> = self.doubted.keys().copied().collect();
        for id in doubted {
            self.doubt_until(id, now + SUSPICION_OF_MANY);
        }
    }

    pub(super) fn doubt_until(&mut self, id: InstanceId, due: Instant) {
        self.trust(id);
        self.doubted.insert(id, due);
        self.doubts.insert((due, id));
    }

    /// There is no link to it any more. If it was listed for that alone, it has as long as any.
    pub(super) fn lose_trust(&mut self, id: InstanceId, now: Instant) {
        if self.doubted.contains_key(&id) {
            self.doubt(id, now);
        }
    }

    fn trust(&mut self, id: InstanceId) {
        if let Some(due) = self.doubted.remove(&id) {
            self.doubts.remove(&(due, id));
        }
    }

    /// Tells the program of those whose time is over.
    pub(super) fn end_doubts(&mut self, now: Instant) {
        while let Some((due, id)) = self.doubts.first().copied().filter(|(due, _)| *due <= now) {
            self.doubts.remove(&(due, id));
            self.doubted.remove(&id);
            if self.links.contains_key(&id) {
                // Whatever others say: there is a link to it.
                self.doubt_until(id, now + SUSPICION_OF_MANY);
            } else if let Some(record) = self.table.find(id).cloned() {
                let why = WhyLeft::Failed;
                self.tell(Action::Left { record, why });
            }
        }
    }

    pub(super) fn tell(&mut self, action: Action<L>) {
        if !self.is_alone {
            self.actions.push_back(action);
        }
    }

    /// Whether a member is there, as far as the program is told.
    pub(super) fn is_listed(&self, id: InstanceId) -> bool {
        let known = self.table.find(id);
        known.is_some_and(|r| r.version.is_here()) || self.doubted.contains_key(&id)
    }
}
