//! The events of all programs: their wishes and what they take, driven as the runtime drives a subscriber. Those who publish are in
//! `publishers`, what came of each event in `ledger`.

use std::collections::{BTreeMap, VecDeque};

use net_proto::audience::Audience;
use net_proto::interests::{Action, Delivery, Filter, Interests, Who, Wish};
use net_proto::links::Target;
use net_proto::{Arrival, CallId, Event, InstanceId, Policy, WhyRefused};

use crate::network::{MS, NEVER, Time};
use crate::node::{Call, Conn, Door, Node};
use crate::publishers::Burst;
use crate::scenario::{From, Step};
use crate::world::{Sabotage, World};

/// The events of one process.
#[derive(Default)]
pub(crate) struct Events {
    pub(crate) interests: Interests<Conn>,
    pub(crate) audience: Audience<Conn>,
    /// Its wishes, by their numbers.
    pub(crate) wishes: BTreeMap<u64, Wished>,
    /// What has come and was not taken, for each wish and publisher.
    pub(crate) inboxes: BTreeMap<(u64, InstanceId), Inbox>,
    /// Events that its program is about to publish, or that wait for room.
    pub(crate) bursts: Vec<Burst>,
    /// Links that had no room for an interest, and until when.
    jams: Vec<(Time, InstanceId, Conn)>,
    /// Bytes that came on each stream and were not taken.
    untaken: BTreeMap<(Conn, CallId), usize>,
}

pub(crate) struct Wished {
    pub(crate) event: &'static str,
    pub(crate) policy: Policy,
    pub(crate) from: From,
    /// Whom `from` means, where that is one process.
    pub(crate) instance: Option<InstanceId>,
    window: u64,
    every: Time,
    sleeps_until: Time,
}

#[derive(Default)]
pub(crate) struct Inbox {
    /// Each of one event.
    pub(crate) queue: VecDeque<Delivery<Conn>>,
    next: Time,
    /// What is in it counts for.
    bytes: u64,
    /// The link on which the next stream is to be opened when there is room.
    next_link: Option<Conn>,
}

/// The window of most wishes; of the others half of it.
const LARGEST_WINDOW: u64 = 1 << 18;
pub(crate) const NAMES: [&str; 2] = ["alarm", "progress"];

impl Events {
    /// When its program does something next.
    pub(crate) fn next(&self) -> Time {
        let inboxes = self.inboxes.values().filter(|i| !i.queue.is_empty());
        let bursts = self.bursts.iter().map(Burst::due);
        let jams = self.jams.iter().map(|(until, ..)| *until);
        let next = inboxes.map(|inbox| inbox.next).chain(bursts).chain(jams);
        let next = next.min();
        next.unwrap_or(NEVER)
    }

    /// From now on its program takes what there is at once.
    pub(crate) fn hurry(&mut self) {
        for wished in self.wishes.values_mut() {
            (wished.every, wished.sleeps_until) = (0, 0);
        }
        for inbox in self.inboxes.values_mut() {
            inbox.next = 0;
        }
    }
}

impl Inbox {
    fn has_room(&mut self, conn: Conn, window: u64) -> bool {
        let has_room = self.bytes < 2 * window;
        self.next_link = (!has_room).then_some(conn);
        has_room
    }
}

impl Wished {
    /// Whether the events of a node are meant.
    pub(crate) fn means(&self, node: &Node) -> bool {
        match self.from {
            From::All => true,
            From::Group(group) => node.group() == group,
            From::Hubs => node.is_hub(),
            From::Process(_) => self.instance == Some(node.id),
            From::Place(index) => node.index == index,
        }
    }
}

impl World {
    pub(crate) fn subscribe(&mut self, step: Step) {
        let Step::Subscribe {
            peer,
            event,
            block,
            keep,
            from,
            every,
            sleep,
        } = step
        else {
            return;
        };
        let mut filter = Filter::default();
        let mut instance = None;
        match from {
            From::All => {}
            From::Group(group) => filter.groups = Some(vec![Some(group.to_string())]),
            From::Hubs => filter.hubs_only = true,
            From::Process(other) => {
                instance = Some(self.nodes[other].id);
                filter.peers = instance.map(|id| vec![Target::Instance(id)]);
            }
            From::Place(other) => {
                let door = match self.scenario.apart {
                    true => Door::Tcp,
                    false => Door::Unix,
                };
                filter.peers = Some(vec![Target::At(door.of(other))]);
            }
        }
        let policy = match block {
            true => Policy::Block,
            false => Policy::DropOldest,
        };
        let window = LARGEST_WINDOW >> (every % 2);
        let wished = Wished {
            event: NAMES[event],
            policy,
            from,
            instance,
            window,
            every: Time::from(every) * MS,
            sleeps_until: self.now + Time::from(sleep) * MS,
        };
        let events = &mut self.nodes[peer].events;
        let number = events.interests.declare(Wish {
            event: wished.event.to_owned(),
            keep,
            policy,
            window,
            from: filter,
        });
        events.wishes.insert(number, wished);
        self.carry_out(peer);
    }

    pub(crate) fn unsubscribe(&mut self, n: usize, number: u64) {
        let events = &mut self.nodes[n].events;
        events.wishes.remove(&number);
        if self.sabotage != Sabotage::KeepsWithdrawn {
            events.interests.withdraw(number);
            events.inboxes.retain(|(of, _), _| *of != number);
        }
        self.carry_out(n);
    }

    /// A process takes leave: as subscriber and as publisher.
    pub(crate) fn end_events(&mut self, n: usize) {
        let wishes: Vec<_> = self.nodes[n].events.wishes.keys().copied().collect();
        for number in wishes {
            self.unsubscribe(n, number);
        }
        let node = &mut self.nodes[n];
        node.events.bursts.retain(|burst| burst.waiting.is_some());
        for burst in &mut node.events.bursts {
            burst.left = 0;
        }
        for (conn, end) in &mut node.ends {
            for id in node.events.audience.on(conn).collect::<Vec<_>>() {
                match self.sabotage {
                    Sabotage::LeavesAtOnce => drop(end.session.move_interest(id)),
                    _ => end.session.end_interest(id),
                }
            }
        }
    }

    /// The link that leads to a target may be another one now.
    pub(crate) fn used(&mut self, n: usize, target: &Target) {
        let node = &mut self.nodes[n];
        let link = node.links.link(target);
        let id = match (target, link) {
            (Target::Instance(id), _) => *id,
            (Target::At(_), Some(conn)) => node.ends[&conn].peer.expect("a link has a peer"),
            (Target::At(_), None) => return,
        };
        if id == node.id {
            return;
        }
        let known = node.links.known(&Target::Instance(id));
        let hello = known.hello.as_ref();
        let who = Who {
            id: Some(id),
            group: hello.and_then(|hello| hello.group.clone()),
            hub: hello.is_some_and(|hello| hello.hub),
            on_host: true,
            addresses: known.addresses,
        };
        let link = node.links.link(&Target::Instance(id));
        node.events.interests.used(id, &who, link);
        self.carry_out(n);
    }

    /// A link is gone.
    pub(crate) fn events_lost(&mut self, n: usize, conn: Conn, peer: Option<InstanceId>) {
        let sabotage = self.sabotage;
        let events = &mut self.nodes[n].events;
        if sabotage != Sabotage::KeepsMembers {
            events.audience.lost(&conn);
        }
        events.wake(|waker| waker.0 == conn);
        events.untaken.retain(|(on, _), _| *on != conn);
        if let Some(peer) = peer {
            events.interests.lost(peer, &conn);
        }
        self.carry_out(n);
    }

    fn carry_out(&mut self, n: usize) {
        while let Some(action) = self.nodes[n].events.interests.poll() {
            let node = &mut self.nodes[n];
            match action {
                Action::Open {
                    link,
                    peer,
                    interest,
                } => {
                    let number = interest.number;
                    let is_jammed = self.scenario.jams && self.rng.u32(0..8) == 0;
                    if is_jammed {
                        let until = self.now + self.rng.u64(0..200) * MS;
                        node.events.jams.push((until, peer, link));
                    }
                    let Events {
                        interests, inboxes, ..
                    } = &mut node.events;
                    let inbox = inboxes.get_mut(&(number, peer));
                    let is_full = inbox.is_some_and(|inbox| !inbox.has_room(link, interest.window));
                    let asked = match node.ends.get_mut(&link) {
                        Some(_) if is_jammed => Err(WhyRefused::Blocked),
                        Some(_) if is_full => Err(WhyRefused::Blocked),
                        Some(end) => end.session.interest(&interest),
                        None => Err(WhyRefused::NotConnected),
                    };
                    match asked {
                        Ok(id) => interests.opened(peer, number, &link, id),
                        Err(WhyRefused::Blocked) => interests.blocked(peer, number, &link),
                        Err(_) => interests.not_opened(peer, number, &link),
                    }
                    self.say(|| format!("{n}: asks for {number} on {link:?}: {asked:?}"));
                }
                Action::Lose { link, id } => {
                    node.events.untaken.remove(&(link, id));
                    if let Some(end) = node.ends.get_mut(&link) {
                        end.session.lose_interest(id);
                    }
                }
                Action::Deliver(delivery) => {
                    for delivery in one_by_one(delivery) {
                        self.deliver(n, delivery);
                    }
                }
            }
        }
    }

    fn deliver(&mut self, n: usize, mut delivery: Delivery<Conn>) {
        if self.sabotage == Sabotage::CountsNoGaps {
            delivery.missed = 0;
        }
        let now = self.now;
        let events = &mut self.nodes[n].events;
        let inbox = events.inboxes.entry((delivery.wish, delivery.peer));
        let inbox = inbox.or_default();
        if inbox.queue.is_empty()
            && let Some(wished) = events.wishes.get(&delivery.wish)
        {
            inbox.next = inbox.next.max(now).max(wished.sleeps_until);
        }
        inbox.bytes += delivery.arrivals[0].charge;
        // Of those before, of the one in use, and of one that it takes the place of.
        let most = 4 * LARGEST_WINDOW + 3 * self.largest_event as u64;
        assert!(inbox.bytes <= most, "{n} holds {} bytes", inbox.bytes);
        match self.sabotage {
            Sabotage::LatestFirst => inbox.queue.push_front(delivery),
            Sabotage::DeliversTwice => inbox.queue.extend([delivery.clone(), delivery]),
            _ => inbox.queue.push_back(delivery),
        }
    }

    /// What its program takes and publishes.
    pub(crate) fn programs(&mut self, n: usize) -> bool {
        let now = self.now;
        let mut is_busy = false;
        let is_over = |jam: &mut (Time, InstanceId, Conn)| jam.0 <= now;
        let jams = &mut self.nodes[n].events.jams;
        for (_, peer, conn) in jams.extract_if(.., is_over).collect::<Vec<_>>() {
            is_busy = true;
            self.nodes[n].events.interests.room(peer, &conn);
            self.carry_out(n);
        }
        let inboxes = &self.nodes[n].events.inboxes;
        let is_due = |inbox: &Inbox| !inbox.queue.is_empty() && inbox.next <= now;
        let due = inboxes.iter().filter(|(_, inbox)| is_due(inbox));
        for key in due.map(|(key, _)| *key).collect::<Vec<_>>() {
            is_busy = true;
            while let Some(inbox) = self.nodes[n].events.inboxes.get_mut(&key)
                && inbox.next <= now
                && let Some(delivery) = inbox.queue.pop_front()
            {
                self.take(n, &delivery);
            }
        }
        for index in 0..self.nodes[n].events.bursts.len() {
            if self.nodes[n].events.bursts[index].due() <= now {
                is_busy = true;
                self.go_on(n, index);
            }
        }
        let bursts = &mut self.nodes[n].events.bursts;
        bursts.retain(|burst| burst.left > 0 || burst.waiting.is_some());
        is_busy
    }

    fn take(&mut self, n: usize, delivery: &Delivery<Conn>) {
        self.check_taken(n, delivery);
        let now = self.now;
        let node = &mut self.nodes[n];
        let Arrival {
            id, charge, body, ..
        } = &delivery.arrivals[0];
        let (id, charge) = (*id, *charge);
        let inbox = node.events.inboxes.get_mut(&(delivery.wish, delivery.peer));
        let inbox = inbox.expect("it came out of it");
        inbox.bytes = inbox.bytes.saturating_sub(charge);
        let next_link = inbox.next_link.take();
        if let Some(wished) = node.events.wishes.get(&delivery.wish) {
            inbox.next = now + wished.every;
        }
        if let Some(bytes) = node.events.untaken.get_mut(&(delivery.link, id)) {
            *bytes = bytes.saturating_sub(body.len());
        }
        if self.sabotage != Sabotage::NeverTakes
            && let Some(end) = node.ends.get_mut(&delivery.link)
        {
            end.session.taken(id, charge);
        }
        if let Some(conn) = next_link {
            node.events.interests.room(delivery.peer, &conn);
            self.carry_out(n);
        }
    }

    /// What a session says of events.
    pub(crate) fn event_of_events(&mut self, n: usize, conn: Conn, event: Event<Call>) {
        let sabotage = self.sabotage;
        let node = &mut self.nodes[n];
        let peer = node.ends[&conn].peer.expect("a link has a peer");
        match event {
            Event::Interest { id, interest } => self.joined(n, conn, id, &interest),
            Event::NotInterested(id) if sabotage != Sabotage::KeepsMembers => {
                node.events.audience.left(&conn, id);
            }
            Event::QueueRoom(id) if sabotage != Sabotage::ForgetsQueueRoom => {
                node.events.wake(|waker| *waker == (conn, id));
            }
            Event::InterestEnded { id, error } if sabotage != Sabotage::IgnoresEnds => {
                assert!(error.is_none(), "{n}: an interest was refused: {error:?}");
                node.events.untaken.remove(&(conn, id));
                node.events.interests.ended(peer, &conn, id, false);
                self.carry_out(n);
            }
            Event::Room => {
                node.events.interests.room(peer, &conn);
                self.carry_out(n);
            }
            _ => {}
        }
    }

    /// Events have come on a stream.
    pub(crate) fn arrived(&mut self, n: usize, conn: Conn, id: CallId, mut run: VecDeque<Arrival>) {
        if self.sabotage == Sabotage::LosesEvents {
            run.retain(|arrival| arrival.number % 7 != 3);
        }
        let node = &mut self.nodes[n];
        let peer = node.ends[&conn].peer.expect("a link has a peer");
        let held = node.events.untaken.entry((conn, id)).or_default();
        *held += run.iter().map(|arrival| arrival.body.len()).sum::<usize>();
        let held = *held;
        node.events.interests.arrived(peer, &conn, id, run);
        self.carry_out(n);
        self.check_held(n, (conn, id), held);
    }

    /// What a subscriber holds and has not taken is bounded by the window that it gave.
    fn check_held(&self, n: usize, stream: (Conn, CallId), held: usize) {
        let windows = self.nodes[n].events.wishes.values().map(|w| w.window);
        let largest = windows.max().unwrap_or(0) as usize;
        let bound = largest + self.largest_event;
        assert!(held <= bound, "{n} holds {held} bytes of {stream:?}");
    }
}

/// A delivery for each event, as its program takes them.
fn one_by_one(delivery: Delivery<Conn>) -> Vec<Delivery<Conn>> {
    let mut before = None;
    let mut all: Vec<_> = (delivery.arrivals.iter())
        .map(|arrival| Delivery {
            arrivals: [arrival.clone()].into(),
            missed: match before.replace(arrival.number) {
                Some(before) => arrival.number - before - 1,
                None => 0,
            },
            ..delivery
        })
        .collect();
    // What the others have not missed was missed before the first.
    let others: u64 = all.iter().map(|one| one.missed).sum();
    all[0].missed = delivery.missed - others;
    all
}
