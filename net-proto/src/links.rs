//! The links of one peer: whom they lead to, which of several is used, who is dialled, who is there. All that is decided as
//! peers dial one another, come and go is decided here, without a socket: told what happened, it says what to do.
//!
//! What goes over a link is the [`Session`](crate::Session)'s.

mod choice;
mod dialling;
mod order;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use crate::address::Address;
use crate::hello::Hello;
use crate::id::InstanceId;
use crate::original::Dialect;

use choice::Choice;
use dialling::Dialling;
use order::Tried;

pub use choice::Carrier;
pub use dialling::{ATTEMPT_DELAY, Attempt};

/// Why one of several links between the same peers is drained, as the other side is told.
pub const ANOTHER_LINK: &str = "there is another link between us";

/// Why a link is drained over which nobody calls, as the other side is told: its peer is there all the same.
pub const NOT_NEEDED: &str = "the link is not needed";

/// How often a call that could not be sent, because its link was just going, may ask for another way to its peer. Each time
/// that is another link, so more than a few means that the peer only ever takes leave.
pub const REDIALS: u32 = 8;

/// So many links to one peer are held. Two that dial each other at all of their addresses at once need no more; the rest is
/// somebody's fault.
const LINKS: usize = 8;

/// So many of the addresses at which an instance was found are kept.
const FOUND: usize = 8;

/// So many addresses are dialled or looked up for a target that is wanted: as many as were found, and as many again that it says or that a name
/// has. What it says is the other side's word, and it is not to have whole networks dialled.
const ADDRESSES: usize = 2 * FOUND;

/// The links of one peer.
///
/// `L` is what the driver knows a link by.
///
/// # Driving it
///
/// - After each call, the [actions](Action) are taken with [`poll`](Links::poll) until there are none, and carried out.
/// - A link is told of by [`linked`](Links::linked) when the other side's HELLO is here, and before anything else is
///   received from it: what the other side may conclude from an answer is then true.
/// - A link that has ended, on which either side has said goodbye, or that cannot be written to, is told of by
///   [`lost`](Links::lost).
/// - Each [`Action::Dial`] is answered by one [`dialled`](Links::dialled), after a `linked` if it made a link; each [`Action::Resolve`] by one
///   [`resolved`](Links::resolved).
/// - Several attempts may be under way for one target. [`Action::GiveUp`] says that one is not needed any more: it is ended if this
///   side's HELLO has not been sent on it. Once it has, the other side may have a link of it, and use it; so it goes on, and the link that
///   comes is drained as one too many.
/// - When the time of [`timeout`](Links::timeout) has come, [`handle_timeout`](Links::handle_timeout) is called. What it is after each call
///   counts, and it is often none. Time is said to the links, and never goes back.
///
/// # One link for each pair
///
/// Peers may dial each other at once, dial each other's several addresses, or dial anew because one side knows of the end of a link and the
/// other does not. So of several links between two peers each side asks all for a sign of life, uses at once the one that
/// came last, for that one lives, and then the best of those that have answered. The peer with the smaller id alone drains the
/// others, and only those that have answered: then the other side has them all, and neither is ever without.
///
/// # Examples
/// ```
/// use std::time::Instant;
///
/// use net_proto::{Address, Hello, InstanceId};
/// use net_proto::links::{Action, Carrier, Links, Met, New, Route, Target};
///
/// let (own, other) = (InstanceId([1; 16]), InstanceId([2; 16]));
/// let there: Address = "127.0.0.1:3010".parse()?;
/// let target = Target::At(there.clone());
/// let mut links = Links::new(own);
///
/// assert_eq!(links.want(Instant::now(), &target), None);
/// let Some(Action::Dial(attempt)) = links.poll() else {
///     panic!("there is one address");
/// };
/// assert_eq!(attempt.address, there);
///
/// let hello = Hello::new(other);
/// links.linked(New { link: "the first", hello: &hello, dialled: true, carrier: Carrier::Tcp });
/// links.dialled(Instant::now(), &attempt, Ok(Met::Peer(other)));
/// assert_eq!(links.want(Instant::now(), &target), Some(Route::Link("the first")));
/// # Ok::<(), net_proto::BadAddress>(())
/// ```
#[derive(Debug)]
pub struct Links<L> {
    own: InstanceId,
    instances: HashMap<InstanceId, Instance<L>>,
    places: HashMap<Address, Place>,
    /// In an order of their own, so that what is done does not hang on that of a hash.
    diallings: BTreeMap<Target, Dialling>,
    /// How many attempts there were.
    attempts: u64,
    actions: VecDeque<Action<L>>,
}

/// What a handle on a peer stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// One instance, wherever it is.
    Instance(InstanceId),
    /// Whoever is at this address.
    At(Address),
}

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action<L> {
    /// Dial the address, which is never one to be looked up, then say with [`Links::dialled`] what came of it.
    Dial(Attempt),
    /// Look up what addresses the name has, then say it with [`Links::resolved`].
    Resolve(Attempt),
    /// Leave the attempt, if this side's HELLO has not been sent on it. What comes of it may be told all the same.
    GiveUp(Attempt),
    /// Ask the link for a sign of life, by [`Session::probe`](crate::Session::probe), and tell
    /// [`Links::answered`] when it comes.
    Probe(L),
    /// Take leave on the link with [`ANOTHER_LINK`]. It is not used any more.
    Drain(L),
    /// From now on, this link leads to the target, or none.
    Use {
        /// Whose link.
        target: Target,
        /// Which.
        link: Option<L>,
    },
    /// What was asked for by [`Links::want`] and was not there has come, or will not: why.
    Routed {
        /// Who was wanted.
        target: Target,
        /// The way there; or what was tried.
        route: Result<Route<L>, String>,
    },
}

/// The way to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route<L> {
    /// Over this link.
    Link(L),
    /// It is an original peer: one connection for each request.
    Original(Dialect),
}

/// Whom dialling met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    /// A peer, with which there is a link now.
    Peer(InstanceId),
    /// An original peer.
    Original(Dialect),
}

/// A link that has just been made.
#[derive(Debug, Clone, Copy)]
pub struct New<'a, L> {
    /// The link.
    pub link: L,
    /// What the other side says of itself.
    pub hello: &'a Hello,
    /// Whether this side dialled.
    pub dialled: bool,
    /// What it goes over.
    pub carrier: Carrier,
}

/// What is known of a target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Who is there, or was last met there.
    pub id: Option<InstanceId>,
    /// Where it may be dialled, the best first.
    pub addresses: Vec<Address>,
    /// What it said of itself, once there was a link.
    pub hello: Option<Hello>,
    /// What it is, if it is an original.
    pub original: Option<Original>,
}

/// An original peer, and what it answered about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// What it speaks.
    pub dialect: Dialect,
    /// Its group, if it is in one.
    pub group: Option<String>,
    /// Whether it is its group's hub.
    pub hub: bool,
    /// Whether it has said so. If not, it was met and asked nothing yet, and its group may be any.
    pub described: bool,
    /// Whether it answered when it was last asked.
    pub present: bool,
}

/// One instance, met or heard of.
#[derive(Debug)]
struct Instance<L> {
    links: Choice<L>,
    /// Where it was found, the last first.
    found: Vec<Address>,
    /// What it said of itself last.
    hello: Option<Hello>,
    tried: Tried,
}

/// An address that somebody asked for.
#[derive(Debug, Default)]
struct Place {
    /// Who was met there last. It is there as long as it runs.
    leads_to: Option<InstanceId>,
    original: Option<Original>,
    tried: Tried,
}

impl<L> Default for Instance<L> {
    fn default() -> Self {
        Self {
            links: Choice::default(),
            found: Vec::new(),
            hello: None,
            tried: Tried::default(),
        }
    }
}

impl<L: Clone + PartialEq> Links<L> {
    /// No links yet, for the peer with this id.
    pub fn new(own: InstanceId) -> Self {
        Self {
            own,
            instances: HashMap::new(),
            places: HashMap::new(),
            diallings: BTreeMap::new(),
            attempts: 0,
            actions: VecDeque::new(),
        }
    }

    /// What is to be done next.
    pub fn poll(&mut self) -> Option<Action<L>> {
        self.actions.pop_front()
    }

    /// Takes note of where an instance may be: one more address to dial it at, the best.
    pub fn found(&mut self, id: InstanceId, address: Address) {
        let instance = self.instances.entry(id).or_default();
        if !instance.found.contains(&address) {
            instance.found.insert(0, address);
            instance.found.truncate(FOUND);
        }
    }

    /// The way to a target; none: it is dialled, and [`Action::Routed`] will come.
    pub fn want(&mut self, now: Instant, target: &Target) -> Option<Route<L>> {
        if let Some(link) = self.link(target) {
            return Some(Route::Link(link));
        }
        if let Some(dialling) = self.diallings.get_mut(target) {
            dialling.is_wanted = true;
            return None;
        }
        let addresses = match target {
            Target::Instance(id) => {
                let instance = self.instances.entry(*id).or_default();
                let mut addresses = instance.addresses();
                let latest = instance.tried.latest();
                addresses.extend(latest.filter(|at| !addresses.contains(at)).cloned());
                addresses
            }
            Target::At(address) => vec![address.clone()],
        };
        self.begin(now, target, addresses);
        None
    }

    /// The link that leads to a target, if there is one.
    pub fn link(&self, target: &Target) -> Option<L> {
        let id = match target {
            Target::Instance(id) => *id,
            Target::At(address) => self.places.get(address)?.leads_to?,
        };
        self.instances.get(&id)?.links.in_use().cloned()
    }

    /// A link was made, by dialling or by accepting.
    pub fn linked(&mut self, new: New<'_, L>) {
        let id = new.hello.id;
        if id == self.own && !new.dialled {
            // The far end of a link from this peer to itself: only the near one is used.
            return;
        }
        let instance = self.instances.entry(id).or_default();
        instance.hello = Some(new.hello.clone());
        let by_smaller = new.dialled == (self.own < id);
        instance.links.add(new.link, new.carrier, by_smaller);
        let too_many = instance.links.drop_oldest(LINKS);
        self.actions.extend(too_many.map(Action::Drain));
        if instance.links.len() > 1 {
            let probes = instance.links.iter().cloned().map(Action::Probe);
            self.actions.extend(probes);
        }
        self.update(id);
        if let Some(link) = self.link(&Target::Instance(id)) {
            self.arrived(id, link, new.dialled);
        }
    }

    /// A link has answered an [`Action::Probe`].
    pub fn answered(&mut self, id: InstanceId, link: &L) {
        let decides = self.own <= id;
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        instance.links.confirm(link);
        if decides {
            let drained = instance.links.settle().into_iter().map(Action::Drain);
            self.actions.extend(drained);
        }
        self.update(id);
    }

    /// A link is gone, or going: nothing new is to go over it.
    pub fn lost(&mut self, id: InstanceId, link: &L) {
        if let Some(instance) = self.instances.get_mut(&id) {
            instance.links.remove(link);
            self.update(id);
        }
    }

    /// Who met an original at an address, or found it gone, says so here.
    pub fn met_original(&mut self, address: &Address, original: Original) {
        let place = self.places.entry(address.clone()).or_default();
        place.original = Some(original);
    }

    /// The link in use may be another one now: says so to all that lead there.
    fn update(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else {
            return;
        };
        if !instance.links.choose() {
            return;
        }
        let link = instance.links.in_use().cloned();
        let places = self.places.iter();
        let here = places.filter(|(_, place)| place.leads_to == Some(id));
        let targets = here.map(|(address, _)| Target::At(address.clone()));
        for target in targets.chain([Target::Instance(id)]) {
            let link = link.clone();
            self.actions.push_back(Action::Use { target, link });
        }
    }

    /// What is known of a target.
    pub fn known(&self, target: &Target) -> Known {
        match target {
            Target::Instance(id) => self.known_instance(*id),
            Target::At(address) => {
                let place = self.places.get(address);
                let met = place.and_then(|place| place.leads_to);
                let mut known = met.map(|id| self.known_instance(id)).unwrap_or_default();
                known.addresses.retain(|other| other != address);
                known.addresses.insert(0, address.clone());
                known.original = place.and_then(|place| place.original.clone());
                known
            }
        }
    }

    fn known_instance(&self, id: InstanceId) -> Known {
        let instance = self.instances.get(&id);
        Known {
            id: Some(id),
            addresses: instance.map_or_else(Vec::new, Instance::addresses),
            hello: instance.and_then(|instance| instance.hello.clone()),
            original: None,
        }
    }

    /// The addresses that were asked for and lead to an instance.
    pub fn places(&self, id: InstanceId) -> impl Iterator<Item = &Address> {
        let places = self.places.iter();
        places.filter_map(move |(address, place)| (place.leads_to == Some(id)).then_some(address))
    }

    /// The dialect of an original peer that was met at the target.
    pub fn dialect(&self, target: &Target) -> Option<Dialect> {
        match target {
            Target::Instance(_) => None,
            Target::At(address) => {
                let original = self.places.get(address)?.original.as_ref()?;
                Some(original.dialect)
            }
        }
    }

    /// The peers that are there now, in no order: those with a link, passing ones and this one itself left out, and the originals
    /// that answered.
    pub fn present(&self) -> impl Iterator<Item = Target> {
        let instances = self.instances.keys().map(|id| Target::Instance(*id));
        let originals = self.originals().map(|(address, _)| address.clone());
        let all = instances.chain(originals.map(Target::At));
        all.filter(|target| self.is_present(target))
    }

    /// Whether a target is one of those that are [there now](Self::present).
    pub fn is_present(&self, target: &Target) -> bool {
        match target {
            Target::Instance(id) => self.instances.get(id).is_some_and(|instance| {
                let hello = instance.hello.as_ref();
                let is_listed = hello.is_some_and(|hello| !hello.transient);
                *id != self.own && is_listed && instance.links.in_use().is_some()
            }),
            Target::At(address) => {
                let place = self.places.get(address);
                let original = place.and_then(|place| place.original.as_ref());
                original.is_some_and(|original| original.present)
            }
        }
    }

    /// The originals that were met, present or not.
    pub fn originals(&self) -> impl Iterator<Item = (&Address, &Original)> {
        self.places
            .iter()
            .filter_map(|(address, place)| Some((address, place.original.as_ref()?)))
    }

    /// The links in use, one for each peer.
    pub fn in_use(&self) -> impl Iterator<Item = &L> {
        let instances = self.instances.values();
        instances.filter_map(|instance| instance.links.in_use())
    }

    /// Whether anything is known of a target.
    pub fn knows(&self, target: &Target) -> bool {
        match target {
            Target::Instance(id) => self.instances.contains_key(id),
            Target::At(address) => self.places.contains_key(address),
        }
    }

    /// How many peers and addresses are known.
    pub fn known_count(&self) -> usize {
        self.instances.len() + self.places.len()
    }

    /// Forgets who is gone, and where, but not those who are `held`.
    pub fn forget(&mut self, held: impl Fn(&Target) -> bool) {
        let diallings = &self.diallings;
        let is_needed = |target: &Target| diallings.contains_key(target) || held(target);
        self.instances
            .retain(|id, instance| instance.links.len() > 0 || is_needed(&Target::Instance(*id)));
        let instances = &self.instances;
        self.places.retain(|address, place| {
            let is_there = place
                .original
                .as_ref()
                .is_some_and(|original| original.present);
            place.leads_to = place.leads_to.filter(|id| instances.contains_key(id));
            is_there || is_needed(&Target::At(address.clone()))
        });
    }
}

impl<L> Instance<L> {
    /// Where it may be dialled, the best first: where it was found, then where it says that it is.
    fn addresses(&self) -> Vec<Address> {
        let mut all = self.found.clone();
        let said = self.hello.iter().flat_map(|hello| &hello.addresses);
        for address in said.filter_map(|text| text.parse().ok()) {
            if !all.contains(&address) {
                all.push(address);
            }
        }
        all
    }
}
