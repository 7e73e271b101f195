//! Many `Members` in a world that is not there: virtual time, links that delay, break, fall silent and end, hosts that die, stop and are cut
//! off from one another. Who says what, and what must hold, is in `scenes` and `table`.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::ops::Range;
use std::time::{Duration, Instant};

use fastrand::Rng;
use net_proto::members::{About, Action, How, Members, Message, WhyLeft};
use net_proto::{Hello, InstanceId};

/// Microseconds of virtual time.
pub(crate) type Micros = u64;
pub(crate) const SECOND: Micros = 1_000_000;

/// A link's silence is noticed so long after the last byte, which is up to a ping's interval old.
const SILENCE: Micros = 4_500_000;
const PING: Micros = 1_500_000;
/// A dial that nobody answers is given up.
const DIAL: Micros = 5 * SECOND;
/// A link that is not needed is closed.
const IDLE: Micros = 2 * SECOND;
/// Bytes of a frame's header.
const HEADER: usize = 16;

type Link = u64;

pub(crate) struct Peer {
    pub(crate) members: Members<Link>,
    hello: Hello,
    links: HashMap<usize, Link>,
    pub(crate) is_up: bool,
    is_paused: bool,
    /// Whether the host is there when the process is not.
    refuses: bool,
    /// What comes when it goes on.
    kept: Vec<What>,
    /// Which part of the network it is in.
    pub(crate) side: u8,
    timer: Micros,
    /// How many it has been told are there.
    pub(crate) listed: usize,
    pub(crate) most_links: usize,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

/// Something that will happen; of two at once the one that was made first.
struct Event {
    at: Micros,
    turn: u64,
    what: What,
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.turn == other.turn
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.turn).cmp(&(other.at, other.turn))
    }
}

enum What {
    Timer(usize),
    Message(usize, usize, Link, Box<Message>),
    Dialled(usize, usize),
    NotReached(usize, InstanceId),
    Lost(usize, usize, Link, How),
    CloseIdle(usize, usize, Link),
}

/// What was said of one that is watched.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) joined: Vec<(Micros, usize)>,
    pub(crate) left: Vec<(Micros, usize)>,
    pub(crate) changed: Vec<(Micros, usize)>,
}

pub(crate) struct World {
    pub(crate) now: Micros,
    start: Instant,
    pub(crate) rng: Rng,
    pub(crate) peers: Vec<Peer>,
    index: HashMap<InstanceId, usize>,
    events: BinaryHeap<Reverse<Event>>,
    turns: u64,
    next_link: Link,
    /// When the last of what is under way on a link's direction comes.
    order: HashMap<(Link, usize), Micros>,
    pub(crate) delay: Range<Micros>,
    pub(crate) watched: BTreeMap<usize, Seen>,
    /// Pairs between which alone nothing passes.
    pub(crate) cut: HashSet<(usize, usize)>,
    /// Told of as left, while there was nothing wrong with them.
    pub(crate) false_left: usize,
    /// How many are listed by all together.
    pub(crate) listed: usize,
}

/// A LAN.
pub(crate) const NEAR: Range<Micros> = 100..5_000;
/// Several sites.
pub(crate) const WIDE: Range<Micros> = 45_000..55_000;

impl World {
    pub(crate) fn new(seed: u64, delay: Range<Micros>) -> Self {
        Self {
            now: 0,
            start: Instant::now(),
            rng: Rng::with_seed(seed),
            peers: Vec::new(),
            index: HashMap::new(),
            events: BinaryHeap::new(),

            turns: 0,
            next_link: 0,
            order: HashMap::new(),
            delay,
            watched: BTreeMap::new(),
            cut: HashSet::new(),
            false_left: 0,
            listed: 0,
        }
    }

    fn instant(&self) -> Instant {
        self.start + Duration::from_micros(self.now)
    }

    /// One more peer, which knows of nobody.
    pub(crate) fn start(&mut self) -> usize {
        let peer = self.peers.len();
        let id = InstanceId(self.rng.u128(..).to_le_bytes());
        let hello = Hello {
            name: format!("user@host-{peer:05}:4711"),
            addresses: vec![
                format!("10.0.{}.{}:3010", peer / 256, peer % 256),
                format!("[2001:db8::{peer:04x}]:3010"),
            ],
            software: "app-net 0.1.0".to_owned(),
            features: vec!["members".to_owned()],
            ..Hello::new(id)
        };
        self.index.insert(id, peer);
        self.peers.push(Peer {
            members: Members::new(&hello, self.rng.u64(..), self.instant()),
            hello,
            links: HashMap::new(),
            is_up: true,
            is_paused: false,
            refuses: false,
            kept: Vec::new(),
            side: 0,
            timer: Micros::MAX,
            listed: 0,
            most_links: 0,
            messages: 0,
            bytes: 0,
        });
        self.arm(peer);
        peer
    }

    /// A finder tells one of some others.
    pub(crate) fn find(&mut self, peer: usize, others: &[usize]) {
        for other in others {
            let id = self.id(*other);
            let now = self.instant();
            self.peers[peer]
                .members
                .found(id, vec!["found".to_owned()], now);
        }
        self.carry_out(peer);
    }

    /// So many at once, each of which finds three of them.
    pub(crate) fn start_all(&mut self, count: usize) {
        let first = self.peers.len();
        let all = first..first + count;
        for peer in all.clone() {
            assert_eq!(self.start(), peer);
        }
        for peer in all.clone() {
            // One of those before, so that there is a way between any two.
            let before = self.rng.usize(first..peer.max(first + 1));
            let others = [
                before,
                self.rng.usize(all.clone()),
                self.rng.usize(all.clone()),
            ];
            self.find(peer, &others);
        }
    }

    /// So many that know each other.
    pub(crate) fn assume_all(&mut self, count: usize) {
        let all: Vec<_> = (0..count).map(|_| self.start()).collect();
        let records = all
            .iter()
            .map(|peer| self.peers[*peer].members.own().clone());
        let records: Vec<_> = records.collect();
        let now = self.instant();
        for peer in all {
            self.peers[peer].members.assume(&records, now);
            self.peers[peer].listed = count - 1;
            self.arm(peer);
        }
        self.listed = count * (count - 1);
    }

    pub(crate) fn id(&self, peer: usize) -> InstanceId {
        self.peers[peer].hello.id
    }

    pub(crate) fn up(&self) -> Vec<usize> {
        (0..self.peers.len())
            .filter(|peer| self.peers[*peer].is_up)
            .collect()
    }

    pub(crate) fn any_up(&mut self) -> usize {
        let up = self.up();
        up[self.rng.usize(..up.len())]
    }

    pub(crate) fn change(&mut self, peer: usize, about: &About) {
        let now = self.instant();
        self.peers[peer].members.change(about, now);
        self.carry_out(peer);
    }

    pub(crate) fn leave(&mut self, peer: usize) {
        let now = self.instant();
        self.peers[peer].members.leave(now);
        self.carry_out(peer);
        self.end(peer, Some(How::Closed));
    }

    /// The process is killed: the system closes its sockets.
    pub(crate) fn kill(&mut self, peer: usize) {
        self.end(peer, Some(How::Broken));
    }

    /// The host dies: nothing is heard of it any more.
    pub(crate) fn crash(&mut self, peer: usize) {
        self.end(peer, None);
    }

    fn end(&mut self, peer: usize, how: Option<How>) {
        self.peers[peer].is_up = false;
        self.peers[peer].refuses = how.is_some();
        self.listed -= std::mem::take(&mut self.peers[peer].listed);
        for (other, link) in self.links_of(peer) {
            let (after, how) = match how {
                Some(how) => (self.in_order(link, other), how),
                None => (self.now + self.silence(), How::Silent),
            };
            self.at(after, What::Lost(other, peer, link, how));
        }
    }

    pub(crate) fn pause(&mut self, peer: usize) {
        self.peers[peer].is_paused = true;
        for (other, link) in self.links_of(peer) {
            let after = self.now + self.silence();
            self.at(after, What::Lost(other, peer, link, How::Silent));
        }
    }

    pub(crate) fn resume(&mut self, peer: usize) {
        self.peers[peer].is_paused = false;
        for what in std::mem::take(&mut self.peers[peer].kept) {
            self.happen(what);
        }
    }

    /// A link breaks off, and all that was under way on it is lost.
    pub(crate) fn break_link(&mut self, peer: usize) {
        let links = self.links_of(peer);
        if let Some((other, link)) = links.get(self.rng.usize(..links.len().max(1))).copied() {
            self.lose(peer, other, link, How::Broken);
            self.lose(other, peer, link, How::Broken);
        }
    }

    /// Two do not hear each other any more, but all others do.
    pub(crate) fn cut(&mut self, one: usize, other: usize) {
        self.cut.insert((one, other));
        if let Some(link) = self.peers[one].links.get(&other).copied() {
            for (peer, other) in [(one, other), (other, one)] {
                let after = self.now + self.silence();
                self.at(after, What::Lost(peer, other, link, How::Silent));
            }
        }
    }

    /// Those on different sides do not hear each other from now on.
    pub(crate) fn part(&mut self, side: impl Fn(usize) -> u8) {
        for peer in 0..self.peers.len() {
            self.peers[peer].side = side(peer);
        }
        for peer in self.up() {
            for (other, link) in self.links_of(peer) {
                if self.peers[other].side != self.peers[peer].side {
                    let after = self.now + self.silence();
                    self.at(after, What::Lost(peer, other, link, How::Silent));
                }
            }
        }
    }

    pub(crate) fn heal(&mut self) {
        self.peers.iter_mut().for_each(|peer| peer.side = 0);
    }

    pub(crate) fn run(&mut self, time: Micros) {
        let end = self.now + time;
        self.run_until(end, |_| false);
        self.now = end;
    }

    /// Runs until something holds, or a time is over; says whether it held.
    pub(crate) fn run_until(&mut self, end: Micros, holds: impl Fn(&Self) -> bool) -> bool {
        while !holds(self) {
            let next = self.events.peek();
            if next.is_none_or(|Reverse(event)| event.at > end) {
                return false;
            }
            if let Some(Reverse(event)) = self.events.pop() {
                self.now = event.at;
                self.happen(event.what);
            }
        }
        true
    }

    fn links_of(&self, peer: usize) -> Vec<(usize, Link)> {
        let links = self.peers[peer].links.iter();
        let mut links: Vec<_> = links.map(|(other, link)| (*other, *link)).collect();
        links.sort_unstable();
        links
    }

    fn silence(&mut self) -> Micros {
        SILENCE - self.rng.u64(..PING)
    }

    fn at(&mut self, at: Micros, what: What) {
        self.turns += 1;
        let turn = self.turns;
        self.events.push(Reverse(Event { at, turn, what }));
    }

    pub(crate) fn hear_each_other(&self, one: usize, other: usize) -> bool {
        let is_cut = self.cut.contains(&(one, other)) || self.cut.contains(&(other, one));
        let (one, other) = (&self.peers[one], &self.peers[other]);
        one.is_up && other.is_up && one.side == other.side && !is_cut
    }

    fn is_well(&self, peer: usize) -> bool {
        self.peers[peer].is_up && !self.peers[peer].is_paused
    }

    /// When what is sent now to one side of a link comes there.
    fn in_order(&mut self, link: Link, to: usize) -> Micros {
        let at = self.now + self.rng.u64(self.delay.clone());
        let last = self.order.entry((link, to)).or_default();
        *last = at.max(*last + 1);
        *last
    }

    fn happen(&mut self, what: What) {
        let (What::Timer(peer)
        | What::Message(peer, ..)
        | What::Dialled(peer, _)
        | What::NotReached(peer, _)
        | What::Lost(peer, ..)
        | What::CloseIdle(peer, ..)) = what;
        if !self.peers[peer].is_up {
            return;
        }
        if self.peers[peer].is_paused {
            return self.peers[peer].kept.push(what);
        }
        let now = self.instant();
        match what {
            What::Timer(peer) => {
                if self.peers[peer].timer > self.now {
                    return;
                }
                self.peers[peer].timer = Micros::MAX;
                self.peers[peer].members.handle_timeout(now);
                self.carry_out(peer);
            }
            What::Message(peer, from, link, message) => {
                let is_open = self.peers[peer].links.get(&from) == Some(&link);
                // What was on its way when its sender ended comes all the same.
                let comes = !self.peers[from].is_up || self.hear_each_other(peer, from);
                if is_open && comes {
                    let id = self.id(from);
                    self.peers[peer].members.received(id, &link, *message, now);
                    self.carry_out(peer);
                }
            }
            What::Dialled(peer, other) => self.dialled(peer, other),
            What::NotReached(peer, id) => {
                self.peers[peer].members.not_reached(id, now);
                self.carry_out(peer);
            }
            What::Lost(peer, other, link, how) => {
                // Whole again before it was noticed.
                let stands = self.hear_each_other(peer, other) && self.is_well(other);
                let is_open = self.peers[other].links.get(&peer) == Some(&link);
                if how != How::Silent || !(stands && is_open) {
                    self.lose(peer, other, link, how);
                    if how == How::Silent && is_open && self.hear_each_other(peer, other) {
                        let after = self.now + self.rng.u64(self.delay.clone());
                        self.at(after, What::Lost(other, peer, link, How::Broken));
                    }
                }
            }
            What::CloseIdle(peer, other, link) => {
                let id = self.id(other);
                let is_open = self.peers[peer].links.get(&other) == Some(&link);
                if is_open && !self.peers[peer].members.is_needed(id) {
                    let after = self.in_order(link, other);
                    self.at(after, What::Lost(other, peer, link, How::Closed));
                    self.lose(peer, other, link, How::Closed);
                }
            }
        }
    }

    fn dialled(&mut self, peer: usize, other: usize) {
        if !self.hear_each_other(peer, other) || !self.is_well(other) {
            let is_refused = !self.peers[other].is_up && self.peers[other].refuses;
            let after = self.now + if is_refused { 0 } else { DIAL };
            let id = self.id(other);
            return self.at(after, What::NotReached(peer, id));
        }
        if self.peers[peer].links.contains_key(&other) {
            return;
        }
        self.next_link += 1;
        let link = self.next_link;
        for (one, two) in [(peer, other), (other, peer)] {
            let hello = self.peers[two].hello.clone();
            let now = self.instant();
            let one = &mut self.peers[one];
            one.links.insert(two, link);
            one.most_links = one.most_links.max(one.links.len());
            one.members.linked(link, &hello, now);
        }
        self.carry_out(peer);
        self.carry_out(other);
    }

    fn lose(&mut self, peer: usize, other: usize, link: Link, how: How) {
        if self.peers[peer].links.get(&other) == Some(&link) {
            self.peers[peer].links.remove(&other);
            self.order.remove(&(link, peer));
            let (id, now) = (self.id(other), self.instant());
            self.peers[peer].members.lost(id, &link, how, now);
            self.carry_out(peer);
        }
    }

    fn carry_out(&mut self, peer: usize) {
        while let Some(action) = self.peers[peer].members.poll() {
            match action {
                Action::Send { id, link, message } => {
                    let to = self.index[&id];
                    self.peers[peer].messages += 1;
                    self.peers[peer].bytes += (HEADER + message.length()) as u64;
                    let at = self.in_order(link, to);
                    self.at(at, What::Message(to, peer, link, message.into()));
                }
                Action::Dial { id, .. } => {
                    let after = self.now + 3 * self.rng.u64(self.delay.clone());
                    self.at(after, What::Dialled(peer, self.index[&id]));
                }
                Action::Release(id) => {
                    let other = self.index[&id];
                    if let Some(link) = self.peers[peer].links.get(&other).copied() {
                        self.at(self.now + IDLE, What::CloseIdle(peer, other, link));
                    }
                }
                Action::Joined(record) => {
                    self.listed += 1;
                    self.peers[peer].listed += 1;
                    let now = self.now;
                    if !self.watched.is_empty()
                        && let Some(seen) = self.watched.get_mut(&self.index[&record.id()])
                    {
                        seen.joined.push((now, peer));
                    }
                }
                Action::Left { record, why } => {
                    self.listed -= 1;
                    self.peers[peer].listed -= 1;
                    let other = self.index[&record.id()];
                    let is_well =
                        self.is_well(other) && self.peers[other].side == self.peers[peer].side;
                    if why != WhyLeft::Left && is_well {
                        self.false_left += 1;
                    }
                    let now = self.now;
                    if let Some(seen) = self.watched.get_mut(&other) {
                        seen.left.push((now, peer));
                    }
                }
                Action::Changed(record) => {
                    let now = self.now;
                    if let Some(seen) = self.watched.get_mut(&self.index[&record.id()]) {
                        seen.changed.push((now, peer));
                    }
                }
            }
        }
        self.arm(peer);
    }

    fn arm(&mut self, peer: usize) {
        let due = self.peers[peer].members.timeout();
        // Rounded up: what is due is then past.
        let due = due
            .saturating_duration_since(self.start)
            .as_nanos()
            .div_ceil(1000) as Micros;
        let due = due.max(self.now);
        if due < self.peers[peer].timer {
            self.peers[peer].timer = due;
            self.at(due, What::Timer(peer));
        }
    }

    /// How many of the pairs that can hear each other do not have each other listed, or list one that they cannot hear.
    pub(crate) fn wrong(&self) -> usize {
        let up = self.up();
        let mut sums: HashMap<u8, (usize, u128)> = HashMap::new();
        for peer in &up {
            let sum = sums.entry(self.peers[*peer].side).or_default();
            *sum = (sum.0 + 1, sum.1 ^ u128::from_le_bytes(self.id(*peer).0));
        }
        let is_wrong = |peer: &&usize| {
            let members = self.peers[**peer].members.members();
            let own = (1, u128::from_le_bytes(self.id(**peer).0));
            let sum = members.fold(own, |sum, record| {
                (sum.0 + 1, sum.1 ^ u128::from_le_bytes(record.id().0))
            });
            sums[&self.peers[**peer].side] != sum
        };
        up.iter().filter(is_wrong).count()
    }

    /// Who has links to whom, and lists how many.
    pub(crate) fn describe(&self) -> String {
        let describe = |peer: usize| {
            let links: Vec<_> = self
                .links_of(peer)
                .iter()
                .map(|(other, _)| *other)
                .collect();
            let status = |other: &usize| {
                let record = self.peers[peer].members.member(self.id(*other))?;
                Some((*other, record.status()))
            };
            let known: Vec<_> = (0..self.peers.len())
                .filter_map(|other| status(&other))
                .collect();
            format!("{peer} has links to {links:?} and knows {known:?}\n")
        };
        self.up().into_iter().map(describe).collect()
    }

    pub(crate) fn links(&self) -> impl Iterator<Item = usize> {
        self.peers
            .iter()
            .filter(|peer| peer.is_up)
            .map(|peer| peer.links.len())
    }
}
