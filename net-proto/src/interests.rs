//! What one peer wants to be told of, and by whom: on which links its interests are opened as peers come, go and change links,
//! and in which order what comes is given to the program. Decided here without a socket, as [`Links`](crate::links::Links) decides about links.
//!
//! What goes over a stream is the [`Session`](crate::Session)'s; the publisher's side is [`Audience`](crate::audience::Audience).

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use crate::address::Address;
use crate::id::InstanceId;
use crate::interest::{Interest, Policy};
use crate::links::Target;
use crate::session::{Arrival, CallId};

/// A wish to be told of an event by all peers that match, now and later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The event's name.
    pub event: String,
    /// How many events each publisher keeps.
    pub keep: u32,
    /// What becomes of one more.
    pub policy: Policy,
    /// Bytes of events of one publisher that may be here and not taken.
    pub window: u64,
    /// Whose events.
    pub from: Filter,
}

/// Which peers are meant. Empty: all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those in one of these groups; `None` is no group.
    pub groups: Option<Vec<Option<String>>>,
    /// Only the hubs.
    pub hubs_only: bool,
    /// Only those on this host.
    pub on_host: bool,
    /// Only these.
    pub peers: Option<Vec<Target>>,
}

/// What a peer is judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// Its instance; an original has none.
    pub id: Option<InstanceId>,
    /// Where it can be dialled.
    pub addresses: Vec<Address>,
    /// Its group.
    pub group: Option<String>,
    /// Whether it is a hub.
    pub hub: bool,
    /// Whether it runs on this host.
    pub on_host: bool,
}

impl Filter {
    /// Whether a peer is meant.
    ///
    /// # Examples
    /// ```
    /// use net_proto::interests::{Filter, Who};
    ///
    /// let hub = Who { id: None, addresses: vec![], group: Some("lab".into()), hub: true, on_host: true };
    /// let other = Filter { groups: Some(vec![Some("office".into())]), ..Filter::default() };
    /// assert!(Filter { hubs_only: true, ..Filter::default() }.matches(&hub) && !other.matches(&hub));
    /// ```
    pub fn matches(&self, who: &Who) -> bool {
        let in_group = |groups: &Vec<Option<String>>| groups.contains(&who.group);
        let is_one_of = |peers: &Vec<Target>| {
            peers.iter().any(|target| match target {
                Target::Instance(id) => who.id == Some(*id),
                Target::At(address) => who.addresses.contains(address),
            })
        };
        self.groups.as_ref().is_none_or(in_group)
            && self.peers.as_ref().is_none_or(is_one_of)
            && (who.hub || !self.hubs_only)
            && (who.on_host || !self.on_host)
    }
}

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<L> {
    /// Open the interest on the link by [`Session::interest`](crate::Session::interest), and say at once with
    /// [`opened`](Interests::opened), [`blocked`](Interests::blocked) or [`not_opened`](Interests::not_opened) what came of it.
    Open {
        /// On which link.
        link: L,
        /// Of whom.
        peer: InstanceId,
        /// What is asked for.
        interest: Interest,
    },
    /// Take the interest back, by [`Session::lose_interest`](crate::Session::lose_interest).
    Lose {
        /// On which link.
        link: L,
        /// Which.
        id: CallId,
    },
    /// Give the events to the program; once it has taken them, tell the link's session by [`Session::taken`](crate::Session::taken).
    Deliver(Delivery<L>),
}

/// Events for the program, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery<L> {
    /// The number of the wish they are for.
    pub wish: u64,
    /// Whose events they are.
    pub peer: InstanceId,
    /// The link they came on.
    pub link: L,
    /// The events in their order, of one stream; one at least.
    pub arrivals: VecDeque<Arrival>,
    /// How many were dropped between the one delivered before and the last of these.
    pub missed: u64,
}

/// All wishes of one peer, and the streams that come of them.
///
/// `L` is what the driver knows a link by.
///
/// # Driving it
///
/// - After each call, the [actions](Action) are taken with [`poll`](Interests::poll) until there are none, and carried out.
/// - [`used`](Interests::used) tells of each change of the link that leads to a peer, [`lost`](Interests::lost) of each link
///   that is gone, [`room`](Interests::room) of each that was full and is not any more.
///
/// # One stream for each wish and peer
///
/// The link in use may change while both are there. Then the interest is opened on the new one under its number, by which the
/// publisher knows that it takes the place of the other and ends that. What comes on the newer is held back until the older
/// has ended: so nothing is lost, doubled or out of order. A third is not opened before that.
#[derive(Debug)]
pub struct Interests<L> {
    wishes: BTreeMap<u64, Wish>,
    next_number: u64,
    /// How many were opened.
    turns: u64,
    peers: BTreeMap<InstanceId, Known<L>>,
    actions: VecDeque<Action<L>>,
}

/// A peer that there is a link to, or a stream of.
#[derive(Debug)]
struct Known<L> {
    who: Who,
    in_use: Option<L>,
    flows: BTreeMap<u64, Flow<L>>,
}

/// The events of one peer for one wish.
#[derive(Debug)]
struct Flow<L> {
    /// At most two, the older first.
    streams: VecDeque<Stream<L>>,
    /// The number of the last event that was delivered.
    last: u64,
    /// The link on which it was refused: it is not asked for again there.
    refused: Option<L>,
}

#[derive(Debug)]
struct Stream<L> {
    link: L,
    stage: Stage,
    /// The number of the last event that was delivered of it, or that it was opened with.
    last: u64,
    held: VecDeque<Arrival>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The driver was asked to open it.
    Opening,
    /// The link had no room for it.
    Blocked,
    Open(CallId),
    /// It has ended, and holds what is to come after the end of the older one.
    Over,
}

/// So many peers are remembered for the numbers of their events, whether they are there or not.
const KEPT: usize = 1024;

impl<L> Default for Interests<L> {
    fn default() -> Self {
        Self {
            wishes: BTreeMap::new(),
            next_number: 1,
            turns: 0,
            peers: BTreeMap::new(),
            actions: VecDeque::new(),
        }
    }
}

impl<L: Clone + PartialEq> Interests<L> {
    /// What is to be done next.
    pub fn poll(&mut self) -> Option<Action<L>> {
        self.actions.pop_front()
    }

    /// Wishes for an event. By the number that this gives it is known from now on.
    pub fn declare(&mut self, wish: Wish) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.wishes.insert(number, wish);
        let peers: Vec<_> = self.peers.keys().copied().collect();
        for peer in peers {
            self.update(peer, number);
        }
        number
    }

    /// Takes a wish back.
    pub fn withdraw(&mut self, number: u64) -> Option<Wish> {
        let wish = self.wishes.remove(&number)?;
        for known in self.peers.values_mut() {
            let flow = known.flows.remove(&number);
            for stream in flow.into_iter().flat_map(|flow| flow.streams) {
                if let Stage::Open(id) = stream.stage {
                    let link = stream.link;
                    self.actions.push_back(Action::Lose { link, id });
                }
            }
        }
        Some(wish)
    }

    /// The wishes there are, by their numbers.
    pub fn wishes(&self) -> impl Iterator<Item = (u64, &Wish)> {
        self.wishes.iter().map(|(number, wish)| (*number, wish))
    }

    /// The peers whose events come for a wish.
    pub fn publishers(&self, number: u64) -> impl Iterator<Item = InstanceId> {
        let is_open = |stream: &Stream<L>| matches!(stream.stage, Stage::Open(_));
        let of_number = move |known: &Known<L>| {
            let flow = known.flows.get(&number);
            flow.is_some_and(|flow| flow.streams.iter().any(is_open))
        };
        let publishers = self.peers.iter();
        publishers.filter_map(move |(id, known)| of_number(known).then_some(*id))
    }

    /// The link that leads to a peer is this one now, or there is none.
    pub fn used(&mut self, peer: InstanceId, who: &Who, link: Option<L>) {
        let known = self.peers.entry(peer).or_insert_with(|| Known {
            who: who.clone(),
            in_use: None,
            flows: BTreeMap::new(),
        });
        known.who = who.clone();
        known.in_use = link;
        self.update_all(peer);
    }

    /// An interest was opened.
    pub fn opened(&mut self, peer: InstanceId, number: u64, link: &L, id: CallId) {
        match self.stream(peer, number, link) {
            Some(stream) => stream.stage = Stage::Open(id),
            // Withdrawn meanwhile.
            None => {
                let link = link.clone();
                self.actions.push_back(Action::Lose { link, id });
            }
        }
    }

    /// A link has no room for an interest now, or the program none for what would come of it. It is tried again when there is
    /// [room](Self::room), if it is still to be opened there.
    pub fn blocked(&mut self, peer: InstanceId, number: u64, link: &L) {
        if let Some(stream) = self.stream(peer, number, link) {
            stream.stage = Stage::Blocked;
        }
    }

    /// There is room now for what was [blocked](Self::blocked) on a link.
    pub fn room(&mut self, peer: InstanceId, link: &L) {
        let Some(known) = self.peers.get_mut(&peer) else {
            return;
        };
        let is_here = |stream: &Stream<L>| stream.link == *link && stream.stage == Stage::Blocked;
        let mut again = Vec::new();
        for (number, flow) in &mut known.flows {
            if flow.streams.iter().any(is_here) {
                flow.streams.retain(|stream| !is_here(stream));
                again.push(*number);
            }
        }
        for number in again {
            self.update(peer, number);
        }
    }

    /// An interest cannot be opened on a link. It is tried again on another.
    pub fn not_opened(&mut self, peer: InstanceId, number: u64, link: &L) {
        let known = self.peers.get_mut(&peer);
        if let Some(flow) = known.and_then(|known| known.flows.get_mut(&number))
            && let Some(index) = flow.streams.iter().position(|s| s.link == *link)
        {
            flow.refused = Some(link.clone());
            flow.remove(index, number, peer, &mut self.actions);
        }
    }

    /// Events have come on the stream `id`, in this order.
    pub fn arrived(
        &mut self,
        peer: InstanceId,
        link: &L,
        id: CallId,
        mut arrivals: VecDeque<Arrival>,
    ) {
        let known = self.peers.get_mut(&peer);
        let mut flows = known.into_iter().flat_map(|known| &mut known.flows);
        let found = flows.find_map(|(number, flow)| Some((*number, flow.index(link, id)?, flow)));
        // Else it was withdrawn meanwhile.
        if let Some((number, index, flow)) = found {
            flow.streams[index].held.append(&mut arrivals);
            flow.deliver(number, peer, &mut self.actions);
        }
    }

    /// A stream has ended in order: all that was published to it has come. Or it was refused.
    pub fn ended(&mut self, peer: InstanceId, link: &L, id: CallId, was_refused: bool) {
        let Some(known) = self.peers.get_mut(&peer) else {
            return;
        };
        let flows = known.flows.iter_mut();
        let found = flows
            .filter_map(|(number, flow)| Some((*number, flow.index(link, id)?)))
            .next();
        let Some((number, index)) = found else { return };
        if let Some(flow) = known.flows.get_mut(&number) {
            if was_refused {
                flow.refused = Some(link.clone());
            }
            flow.remove(index, number, peer, &mut self.actions);
        }
        self.update(peer, number);
    }

    /// A link is gone, and all streams on it.
    pub fn lost(&mut self, peer: InstanceId, link: &L) {
        let Some(known) = self.peers.get_mut(&peer) else {
            return;
        };
        if known.in_use.as_ref() == Some(link) {
            known.in_use = None;
        }
        for (number, flow) in &mut known.flows {
            if let Some(index) = flow.streams.iter().position(|stream| stream.link == *link) {
                flow.remove(index, *number, peer, &mut self.actions);
            }
        }
        self.update_all(peer);
    }

    fn stream(&mut self, peer: InstanceId, number: u64, link: &L) -> Option<&mut Stream<L>> {
        let flow = self.peers.get_mut(&peer)?.flows.get_mut(&number)?;
        flow.streams.iter_mut().find(|stream| stream.link == *link)
    }

    fn update_all(&mut self, peer: InstanceId) {
        let numbers: Vec<_> = self.wishes.keys().copied().collect();
        for number in numbers {
            self.update(peer, number);
        }
        if self.peers.len() > KEPT {
            let is_idle =
                |known: &Known<L>| known.flows.values().all(|flow| flow.streams.is_empty());
            self.peers
                .retain(|_, known| known.in_use.is_some() || !is_idle(known));
        }
    }

    /// Opens the interest where it should be open and is not.
    fn update(&mut self, peer: InstanceId, number: u64) {
        let (Some(known), Some(wish)) = (self.peers.get_mut(&peer), self.wishes.get(&number))
        else {
            return;
        };
        if let Some(flow) = known.flows.get_mut(&number) {
            // What was not opened on a link that is not used any more, or was refused there, stands for nothing. Were it opened
            // later, it would take the place of the one that is opened now.
            let is_used = |link: &L| known.in_use.as_ref() == Some(link);
            flow.streams
                .retain(|stream| stream.stage != Stage::Blocked || is_used(&stream.link));
            flow.refused.take_if(|link| !is_used(link));
        }
        let Some(link) = &known.in_use else { return };
        if !wish.from.matches(&known.who) {
            return;
        }
        let flow = known.flows.entry(number).or_insert_with(|| Flow {
            streams: VecDeque::new(),
            last: 0,
            refused: None,
        });
        let is_there = flow.streams.iter().any(|stream| stream.link == *link);
        if flow.streams.len() > 1 || is_there || flow.refused.as_ref() == Some(link) {
            return;
        }
        let after = flow.last;
        flow.streams.push_back(Stream {
            link: link.clone(),
            stage: Stage::Opening,
            last: after,
            held: VecDeque::new(),
        });
        self.turns += 1;
        self.actions.push_back(Action::Open {
            link: link.clone(),
            peer,
            interest: Interest {
                event: wish.event.clone(),
                number,
                keep: wish.keep,
                policy: wish.policy,
                window: wish.window,
                after,
                turn: self.turns,
            },
        });
    }
}

impl<L: Clone + PartialEq> Flow<L> {
    fn index(&self, link: &L, id: CallId) -> Option<usize> {
        self.streams
            .iter()
            .position(|stream| stream.link == *link && stream.stage == Stage::Open(id))
    }

    /// Hands out what the oldest stream has.
    fn deliver(&mut self, wish: u64, peer: InstanceId, actions: &mut VecDeque<Action<L>>) {
        let Some(oldest) = self.streams.front_mut() else {
            return;
        };
        let arrivals = std::mem::take(&mut oldest.held);
        if arrivals.is_empty() {
            return;
        }
        let mut missed = 0_u64;
        for arrival in &arrivals {
            // A publisher that knew of the older stream goes on from its last number; one that did not, from that which this
            // one was opened with.
            let last = match arrival.number > self.last {
                true => oldest.last.max(self.last),
                false => oldest.last,
            };
            let between = arrival.number.saturating_sub(last).saturating_sub(1);
            missed = missed.saturating_add(between);
            (oldest.last, self.last) = (arrival.number, arrival.number);
        }
        actions.push_back(Action::Deliver(Delivery {
            wish,
            peer,
            link: oldest.link.clone(),
            arrivals,
            missed,
        }));
    }

    /// A stream has ended. What it holds back waits for the end of the one before it.
    fn remove(
        &mut self,
        index: usize,
        wish: u64,
        peer: InstanceId,
        actions: &mut VecDeque<Action<L>>,
    ) {
        if index > 0 && !self.streams[index].held.is_empty() {
            self.streams[index].stage = Stage::Over;
            return;
        }
        self.streams.remove(index);
        self.deliver(wish, peer, actions);
        if self
            .streams
            .front()
            .is_some_and(|next| next.stage == Stage::Over)
        {
            self.streams.pop_front();
        }
    }
}
