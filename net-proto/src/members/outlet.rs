//! What one link is still to be told, and how it is put into messages. What is worth telling is in `news`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use crate::id::InstanceId;
use crate::limits::{MAX_MEMBERS, MAX_WANTED};
use crate::members::message::{BARE, BODY_HEAD, FRAMING, Message, Parts, WANTED};
use crate::members::record::Telling;
use crate::members::table::Table;

/// The link that leads to a peer, and what is to go over it.
#[derive(Debug)]
pub(crate) struct Outlet<L> {
    pub(crate) link: L,
    /// Whether this side keeps it to hear of the others.
    pub(crate) mine: bool,
    /// Whether the other side does.
    pub(crate) theirs: bool,
    /// Whether `mine` is to be said.
    pub(crate) tell: bool,
    /// Whose records are to be told, and whether with their bodies. Each once, however often there was news of it.
    pub(crate) news: BTreeMap<InstanceId, bool>,
    /// A digest of so many parts is to be sent.
    pub(crate) digest: Option<usize>,
    /// When this side sent one of its own accord.
    pub(crate) compared: Option<Instant>,
    /// Parts that are to be listed, and of how many.
    pub(crate) differing: VecDeque<u8>,
    pub(crate) parts: usize,
    wanted: BTreeSet<InstanceId>,
    /// When something was sent last.
    pub(crate) sent: Option<Instant>,
    /// What the link had no room for.
    pub(crate) stuck: VecDeque<Message>,
}

impl<L> Outlet<L> {
    pub(crate) fn new(link: L, mine: bool) -> Self {
        Self {
            link,
            mine,
            theirs: false,
            tell: true,
            news: BTreeMap::new(),
            digest: None,
            compared: None,
            differing: VecDeque::new(),
            parts: 1,
            wanted: BTreeSet::new(),
            sent: None,
            stuck: VecDeque::new(),
        }
    }

    /// Whether what is new goes over it.
    pub(crate) fn is_neighbour(&self) -> bool {
        self.mine || self.theirs
    }

    pub(crate) fn add_news(&mut self, id: InstanceId, with_body: bool) {
        *self.news.entry(id).or_default() |= with_body;
    }

    pub(crate) fn ask_for(&mut self, id: InstanceId) {
        if self.wanted.len() < MAX_WANTED {
            self.wanted.insert(id);
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        let is_quiet = !self.tell && self.digest.is_none();
        is_quiet && self.news.is_empty() && self.differing.is_empty() && self.wanted.is_empty()
    }

    /// The next message, as long as one may be.
    pub(crate) fn next(&mut self, table: &Table) -> Option<Message> {
        let mut message = Message::default();
        let mut room = MAX_MEMBERS - FRAMING;
        if std::mem::take(&mut self.tell) {
            message.needed = Some(self.mine);
        }
        if let Some(parts) = self.digest.take() {
            room -= 8 * parts;
            message.digest = Some(table.digest(parts));
        }
        // Half of what there is, so that what is asked for does not keep back what is new.
        while message.wanted.len() < room / 2 / WANTED
            && let Some(id) = self.wanted.pop_first()
        {
            message.wanted.push(id);
        }
        room -= WANTED * message.wanted.len();
        self.list_parts(table, &mut message, &mut room);
        while let Some(entry) = self.news.first_entry() {
            let Some(record) = table.find(*entry.key()) else {
                entry.remove();
                continue;
            };
            let with_body = *entry.get();
            let body = BODY_HEAD + record.body.map().len();
            let length = BARE + if with_body { body } else { 0 };
            let Some(left) = room.checked_sub(length) else {
                break;
            };
            room = left;
            message.tellings.push(Telling::of(record, with_body));
            entry.remove();
        }
        (!message.is_empty()).then_some(message)
    }

    /// Lists what differs, a whole part at a time: what is missing in one says something.
    fn list_parts(&mut self, table: &Table, message: &mut Message, room: &mut usize) {
        while let Some(part) = self.differing.front().copied() {
            let part_of = || table.part(part.into(), self.parts);
            let length = 1 + BARE * part_of().count();
            if length > MAX_MEMBERS - FRAMING - 8 * self.parts {
                // No message holds it. What is in it is told all the same.
                let ids: Vec<_> = part_of().map(|record| record.id).collect();
                ids.into_iter().for_each(|id| self.add_news(id, false));
            } else {
                let Some(left) = room.checked_sub(length) else {
                    break;
                };
                *room = left;
                message
                    .tellings
                    .extend(part_of().map(|record| Telling::of(record, false)));
                // Lossless: there are no more parts than 256.
                let of = self.parts as u16;
                let which = Vec::new();
                let parts = message.whole.get_or_insert(Parts { of, which });
                parts.which.push(part);
            }
            self.differing.pop_front();
        }
    }
}
