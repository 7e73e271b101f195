//! Who is in the group: known to all of its members, while each has links to few. Told what happens on its links, it says whom to
//! dial and what to tell whom, without a socket.
//!
//! What goes over a link besides, and whether the other side lives, is the [`Session`](crate::Session)'s; which of several links leads to a
//! peer is [`Links`](crate::links::Links)'.

pub(crate) mod about;
mod dice;
pub(crate) mod message;
mod neighbours;
mod news;
mod outlet;
mod reach;
pub(crate) mod record;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use crate::hello::{Hello, MEMBERS};
use crate::id::InstanceId;
use crate::limits::{COMPARE_EVERY, MAX_NEIGHBOURS, MEMBERS_BATCH, MEMBERS_FRAMES};

use about::Said;
use dice::Dice;
use news::Gone;
use outlet::Outlet;
use reach::{RETRYING, Reach};
use record::Version;
use table::Table;

pub use about::About;
pub use message::Message;
pub use record::{Record, Status};

/// The members of one group, as one of them knows them.
///
/// `L` is what the driver knows a link by.
///
/// # Driving it
///
/// - After each call, the [actions](Action) are taken with [`poll`](Members::poll) until there are none, and carried out. At
///   [`timeout`](Members::timeout), [`handle_timeout`](Members::handle_timeout) is called, after what has come in was received.
/// - It is told only of links on which the other side has proved to be of the group: whoever it hears of is believed to be a member.
/// - [`linked`](Members::linked) tells of the link that leads to a peer now, the first one or another in its place, as
///   [`links::Action::Use`](crate::links::Action::Use) does; [`lost`](Members::lost), when none does any more.
/// - What comes as [`Event::Members`](crate::Event::Members) on that link is given to [`received`](Members::received).
/// - [`Action::Send`] is carried out by [`Session::members`](crate::Session::members). What that refuses as
///   [`Blocked`](crate::WhyRefused::Blocked) is given back by [`blocked`](Members::blocked), and tried again after
///   [`room`](Members::room); what it refuses otherwise is dropped, for the link is ending.
/// - Each [`Action::Dial`] ends in a `linked` or in [`not_reached`](Members::not_reached). It may be made with what the driver knows besides of
///   where the peer is.
/// - A link that nobody calls or subscribes over is closed when it [is not needed](Members::is_needed) any more, by GOODBYE; a program
///   that ends calls [`leave`](Members::leave) before it says GOODBYE.
///
/// # How it is known to all
///
/// Links find failures, and carry the news. Each member chooses a few neighbours, by the ids of those who are there: the next two
/// on the ring of ids, so that nobody is without, and two somewhere on it, so that all ways are short. What is new to a member it passes on to its
/// neighbours, who may be chosen or have chosen it. Two that meet compare hashes of what they know and exchange what differs; neighbours do so now and then,
/// by which all that was lost on the way is mended.
///
/// A record counts by its incarnation, which only its member raises, and of one incarnation the worse news count. Who cannot reach a member any more says that
/// it has failed. That is news like any, so it comes to the member too, if it lives: then it says that it is here, in a higher
/// incarnation. Programs are told that it left when it has not done so within a moment. So one peer's bad link is nobody else's trouble.
///
/// # Examples
/// ```
/// use std::time::Instant;
///
/// use net_proto::members::{Action, Members};
/// use net_proto::{Hello, InstanceId};
///
/// let now = Instant::now();
/// let hello = |id, name: &str| Hello {
///     name: name.into(),
///     features: vec!["members".into()],
///     ..Hello::new(InstanceId([id; 16]))
/// };
/// let (ada, bob) = (hello(1, "ada"), hello(2, "bob"));
/// let mut at_ada = Members::new(&ada, 1, now);
/// let mut at_bob = Members::new(&bob, 2, now);
///
/// // A finder has seen bob. The driver dials, and both are told of the link.
/// at_ada.found(bob.id, vec!["192.0.2.7:3010".into()], now);
/// assert!(matches!(at_ada.poll(), Some(Action::Dial { id, .. }) if id == bob.id));
/// at_ada.linked("a to b", &bob, now);
/// at_bob.linked("b to a", &ada, now);
///
/// // What each has to say is carried to the other.
/// let mut joined = Vec::new();
/// for _ in 0..3 {
///     while let Some(action) = at_ada.poll() {
///         match action {
///             Action::Send { message, .. } => at_bob.received(ada.id, &"b to a", message, now),
///             Action::Joined(record) => joined.push(record.about().name),
///             _ => {}
///         }
///     }
///     while let Some(action) = at_bob.poll() {
///         match action {
///             Action::Send { message, .. } => at_ada.received(bob.id, &"a to b", message, now),
///             Action::Joined(record) => joined.push(record.about().name),
///             _ => {}
///         }
///     }
/// }
/// assert_eq!(joined, ["ada", "bob"]);
/// ```
#[derive(Debug)]
pub struct Members<L> {
    own: Record,
    /// Whether this peer only passes by: it hears of the others, and they do not hear of it.
    transient: bool,
    has_left: bool,
    table: Table,
    links: BTreeMap<InstanceId, Outlet<L>>,
    /// Whose links carry news.
    neighbours: BTreeSet<InstanceId>,
    /// Whose links have something to carry.
    busy: BTreeSet<InstanceId>,
    reach: Reach,
    /// Those that failed and that left, the first first, and some that are back.
    failed: VecDeque<Gone>,
    left: VecDeque<Gone>,
    /// Those that failed and that the program is not told of yet, by when it is.
    doubts: BTreeSet<(Instant, InstanceId)>,
    doubted: BTreeMap<InstanceId, Instant>,
    /// When somebody last turned out to be here who was said to have failed.
    contradicted: Option<Instant>,
    /// Whether this peer is cut off, and its program was told so.
    is_alone: bool,
    choosing: Option<Instant>,
    retrying: Instant,
    comparing: Instant,
    dice: Dice,
    actions: VecDeque<Action<L>>,
}

/// What the driver is to do, and what its program may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<L> {
    /// Send the message on the link.
    Send {
        /// To whom it leads.
        id: InstanceId,
        /// Which.
        link: L,
        /// What.
        message: Message,
    },
    /// Make a link to a peer.
    Dial {
        /// Who.
        id: InstanceId,
        /// Where it says that it listens, and where it was found; may be empty.
        addresses: Vec<String>,
    },
    /// The link to this peer is not needed any more to hear of the others.
    Release(InstanceId),
    /// A member is there.
    Joined(Record),
    /// A member is not there any more.
    Left {
        /// What it was.
        record: Record,
        /// Why.
        why: WhyLeft,
    },
    /// A member has told something new of itself.
    Changed(Record),
}

/// Why a member is not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WhyLeft {
    /// It has taken leave.
    Left,
    /// It is not to be reached by its neighbours.
    Failed,
    /// Nobody is to be reached from here.
    Alone,
}

/// How a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum How {
    /// In order, by GOODBYE. That says nothing of the peer.
    Closed,
    /// The connection broke off. The peer may be gone or not.
    Broken,
    /// Nothing was heard for as long as a link may be silent: the peer is gone, or cut off.
    Silent,
}

impl<L: Clone + PartialEq> Members<L> {
    /// The group as one knows it who has just come, and says this of itself. Peers should be given different seeds.
    pub fn new(hello: &Hello, seed: u64, now: Instant) -> Self {
        let own = Record {
            id: hello.id,
            version: Version::new(1, Status::Here),
            body: Said::write(&About::from(hello), 1),
        };
        let mut table = Table::new();
        if !hello.transient {
            table.put(own.clone());
        }
        let mut dice = Dice::new(seed);
        Self {
            own,
            transient: hello.transient,
            has_left: false,
            table,
            links: BTreeMap::new(),
            neighbours: BTreeSet::new(),
            busy: BTreeSet::new(),
            reach: Reach::default(),
            failed: VecDeque::new(),
            left: VecDeque::new(),
            doubts: BTreeSet::new(),
            doubted: BTreeMap::new(),
            contradicted: None,
            is_alone: false,
            choosing: None,
            retrying: now + dice.about(RETRYING),
            comparing: now + dice.about(COMPARE_EVERY),
            dice,
            actions: VecDeque::new(),
        }
    }

    /// Knows these from the beginning, as one that was told of them long ago: where thousands begin, they need not all tell one another.
    #[doc(hidden)]
    pub fn assume(&mut self, records: &[Record], now: Instant) {
        for record in records {
            self.table.put(record.clone());
        }
        self.choose_soon(now);
    }

    /// What this peer says of itself.
    pub fn own(&self) -> &Record {
        &self.own
    }

    /// What is to be done next.
    pub fn poll(&mut self) -> Option<Action<L>> {
        self.actions.pop_front()
    }

    /// The others that are there.
    pub fn members(&self) -> impl Iterator<Item = &Record> {
        let records = self.table.iter().filter(|_| !self.is_alone);
        records.filter(|record| record.id != self.own.id && self.is_listed(record.id))
    }

    /// What is known of one of the others, if it is there.
    pub fn present(&self, id: InstanceId) -> Option<&Record> {
        let is_there = !self.is_alone && id != self.own.id && self.is_listed(id);
        self.table.find(id).filter(|_| is_there)
    }

    /// The link over which a peer is told of the others.
    pub fn link(&self, id: InstanceId) -> Option<&L> {
        self.links.get(&id).map(|outlet| &outlet.link)
    }

    /// Whether there are more members than each has links to.
    pub fn is_large(&self) -> bool {
        self.table.here() > neighbours::NEIGHBOURS
    }

    /// What is known of a member, there or gone.
    pub fn member(&self, id: InstanceId) -> Option<&Record> {
        self.table.find(id)
    }

    /// Whether the link to a peer is needed by either side to hear of the others.
    pub fn is_needed(&self, id: InstanceId) -> bool {
        self.neighbours.contains(&id)
    }

    /// To whom there are links that either side needs to hear of the others.
    pub fn neighbours(&self) -> impl Iterator<Item = InstanceId> {
        self.neighbours.iter().copied()
    }

    /// A peer was found by other means.
    pub fn found(&mut self, id: InstanceId, addresses: Vec<String>, now: Instant) {
        let is_known = self.table.find(id).is_some_and(|r| r.version.is_here());
        if id == self.own.id || is_known || self.links.contains_key(&id) {
            return;
        }
        self.reach.find(id, addresses);
        // The first that is reached knows all others. Of those who found one another at the same time each has to dial some more.
        if self.table.here() <= neighbours::NEIGHBOURS {
            self.dial_found(now);
        }
    }

    /// A link leads to a peer now, the only one that is used.
    pub fn linked(&mut self, link: L, hello: &Hello, now: Instant) {
        let id = hello.id;
        let was_dialled = self.reach.reached(id);
        if !hello.has(MEMBERS) || id == self.own.id {
            return;
        }
        // One that was not known to be here may be the only way to others that are not: what is new goes there until neighbours are chosen anew.
        let is_new = self
            .table
            .find(id)
            .is_none_or(|record| !record.version.is_here());
        let has_room = self.neighbours.len() < MAX_NEIGHBOURS;
        let mine = self.transient || (has_room && (is_new || was_dialled));
        let is_first = self.links.is_empty();
        let before = self.links.insert(id, Outlet::new(link, false));
        let mine = mine || before.is_some_and(|outlet| outlet.mine);
        if !self.transient
            && let Some(outlet) = self.links.get_mut(&id)
        {
            outlet.add_news(self.own.id, true);
        }
        self.busy.insert(id);
        self.need(id, mine, now);
        if is_first {
            self.end_alone(now);
        }
        self.choose_soon(now);
        self.flush(now);
    }

    /// No link leads to a peer any more, since this one has ended.
    pub fn lost(&mut self, id: InstanceId, link: &L, how: How, now: Instant) {
        if self
            .links
            .get(&id)
            .is_none_or(|outlet| outlet.link != *link)
        {
            return;
        }
        self.links.remove(&id);
        self.neighbours.remove(&id);
        self.busy.remove(&id);
        match how {
            How::Closed => {}
            How::Broken if self.table.find(id).is_some_and(|r| r.version.is_here()) => {
                self.dial_for(id, true, now);
            }
            How::Broken | How::Silent => self.fail(id, now),
        }
        self.lose_trust(id, now);
        self.choose_soon(now);
        self.flush(now);
    }

    /// A message has come. One that came on another link than the one that is used is not looked at.
    pub fn received(&mut self, id: InstanceId, link: &L, message: Message, now: Instant) {
        let are_many = self.neighbours.len() >= MAX_NEIGHBOURS;
        let outlet = self.links.get_mut(&id);
        let Some(outlet) = outlet.filter(|outlet| outlet.link == *link) else {
            return;
        };
        if let Some(needed) = message.needed {
            outlet.theirs = needed && (outlet.is_neighbour() || !are_many);
            self.sort(id);
        }
        self.take_message(id, message, now);
        self.flush(now);
    }

    /// A link had no room for a message.
    pub fn blocked(&mut self, id: InstanceId, link: &L, message: Message) {
        if let Some(outlet) = self.links.get_mut(&id)
            && outlet.link == *link
        {
            outlet.stuck.push_back(message);
        }
    }

    /// A link on which something was [blocked](Members::blocked) has room.
    pub fn room(&mut self, id: InstanceId, link: &L, now: Instant) {
        if let Some(outlet) = self.links.get_mut(&id)
            && outlet.link == *link
        {
            for message in outlet.stuck.drain(..) {
                let link = link.clone();
                self.actions.push_back(Action::Send { id, link, message });
            }
            self.busy.insert(id);
            self.flush(now);
        }
    }

    /// An [`Action::Dial`] has come to nothing.
    pub fn not_reached(&mut self, id: InstanceId, now: Instant) {
        self.give_up(id, now);
        self.flush(now);
    }

    /// This peer has something new to say of itself: its addresses, mostly.
    pub fn change(&mut self, about: &About, now: Instant) {
        let incarnation = self.own.incarnation() + 1;
        self.own.body = Said::write(about, incarnation);
        if !self.transient && !self.has_left {
            self.own.version = Version::new(incarnation, Status::Here);
            self.table.put(self.own.clone());
            self.spread(self.own.id, true, true, None);
            self.flush(now);
        }
    }

    /// This peer is going to end: all are told, before it says GOODBYE on its links.
    pub fn leave(&mut self, now: Instant) {
        self.has_left = true;
        if self.transient {
            return;
        }
        self.own.version = Version::new(self.own.incarnation(), Status::Left);
        self.table.put(self.own.clone());
        self.spread(self.own.id, false, false, None);
        for id in std::mem::take(&mut self.busy) {
            self.write(id, now);
        }
    }

    /// When [`handle_timeout`](Members::handle_timeout) is to be called next.
    pub fn timeout(&self) -> Instant {
        let links = self.busy.iter().filter_map(|id| self.links.get(id));
        let due = links.filter_map(|outlet| Some(outlet.sent? + MEMBERS_BATCH));
        let doubt = self.doubts.first().map(|(due, _)| *due);
        let others = [self.reach.next(), self.choosing, doubt];
        let now_and_then = self.retrying.min(self.comparing);
        due.chain(others.into_iter().flatten())
            .fold(now_and_then, Instant::min)
    }

    /// Does what is due by `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.end_dials(now);
        self.end_doubts(now);
        if self.retrying <= now {
            self.retrying = now + self.dice.about(RETRYING);
            self.retry(now);
        }
        if self.choosing.is_some_and(|due| due <= now) {
            self.choose(now);
        }
        if self.comparing <= now {
            self.comparing = now + self.dice.about(COMPARE_EVERY);
            self.compare_with_one(now);
        }
        self.flush(now);
    }

    /// Compares what is known with a neighbour: what was lost on the way is found so.
    fn compare_with_one(&mut self, now: Instant) {
        let count = self.neighbours.len() as u64;
        let index = self.dice.below(count) as usize;
        if let Some(id) = self.neighbours.iter().nth(index).copied()
            && let Some(outlet) = self.links.get_mut(&id)
        {
            outlet.digest.get_or_insert(1);
            outlet.compared = Some(now);
            self.busy.insert(id);
        }
    }

    /// Writes to each link that has something to carry, unless something was written just before: then more is waited for.
    fn flush(&mut self, now: Instant) {
        let links = self
            .busy
            .iter()
            .filter_map(|id| Some((*id, self.links.get(id)?)));
        let is_due =
            |outlet: &Outlet<L>| outlet.sent.is_none_or(|sent| sent + MEMBERS_BATCH <= now);
        let due: Vec<_> = links
            .filter(|(_, outlet)| is_due(outlet))
            .map(|(id, _)| id)
            .collect();
        for id in due {
            self.write(id, now);
        }
    }

    fn write(&mut self, id: InstanceId, now: Instant) {
        let Some(outlet) = self.links.get_mut(&id) else {
            return;
        };
        for _ in 0..MEMBERS_FRAMES {
            if !outlet.stuck.is_empty() {
                // Room will come.
                self.busy.remove(&id);
                return;
            }
            let Some(message) = outlet.next(&self.table) else {
                break;
            };
            outlet.sent = Some(now);
            let link = outlet.link.clone();
            self.actions.push_back(Action::Send { id, link, message });
        }
        if outlet.is_idle() {
            self.busy.remove(&id);
        }
    }
}
