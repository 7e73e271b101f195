//! Who is told that peers come, change and go: what each listener was told, what is so, and the difference that it is still to be told. Whoever
//! decides who is there says so here ([`Links::is_present`](crate::links::Links::is_present)); how that is known, by a link or otherwise, does
//! not matter, and without listeners nothing is kept.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use crate::interests::{Filter, Who};
use crate::links::{Known, Target};

/// How long a peer that was lost without a word is looked for before it is said to have left. Where it runs, it is found at once, and where it
/// does not, being refused takes no longer; the rest is for a network that has just come back. With a link whose end was seen at once that is
/// within the 5 s in which a crash is to be known.
pub const GRACE: Duration = Duration::from_secs(2);

/// Who is there, as its listeners are told.
///
/// A listener that is slow holds up nobody and misses nothing that is so: it is owed the difference between what it was told and what is
/// so when it asks, so at most one change of each peer, whatever went on meanwhile. A peer that it was told of and that has gone it is told to
/// have left.
///
/// # Driving it
///
/// - When what is known of a peer may have changed, [`is_there`](Self::is_there) or [`is_gone`](Self::is_gone) says what is so. Said twice it is
///   nothing new.
/// - After each call, the [actions](Action) are taken with [`poll`](Self::poll) until there are none, and carried out.
/// - Each [`Action::LookFor`] is answered by `is_there`, or by [`not_found`](Self::not_found).
/// - At [`timeout`](Self::timeout), [`handle_timeout`](Self::handle_timeout) is called.
///
/// # Examples
/// ```
/// use std::time::Instant;
/// use net_proto::InstanceId;
/// use net_proto::interests::{Filter, Who};
/// use net_proto::links::Target;
/// use net_proto::presence::{Change, Presence, Shown, WhyLeft};
///
/// let peer = Target::Instance(InstanceId([1; 16]));
/// let who = Who { id: None, addresses: vec![], group: None, hub: false, on_host: true };
/// let mut presence = Presence::default();
/// let listener = presence.listen(Filter::default());
///
/// presence.is_there(&peer, Shown::default(), who);
/// assert_eq!(presence.next(listener), Some((peer.clone(), Change::Joined)));
/// let why = WhyLeft::TookLeave { reason: "shutting down".into() };
/// presence.is_gone(&peer, why.clone(), Instant::now());
/// assert_eq!(presence.next(listener), Some((peer, Change::Left(why))));
/// assert_eq!(presence.next(listener), None);
/// ```
#[derive(Debug, Default)]
pub struct Presence {
    there: HashMap<Target, There>,
    listeners: BTreeMap<u64, Listener>,
    /// The number of the last listener.
    last: u64,
    actions: VecDeque<Action>,
}

/// What lists show of a peer: what it says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// What it calls itself.
    pub name: Option<String>,
    /// Its group.
    pub group: Option<String>,
    /// Whether it is the centre of its group.
    pub hub: bool,
    /// Where it says that it can be dialled.
    pub addresses: Vec<String>,
}

impl From<&Known> for Shown {
    fn from(known: &Known) -> Self {
        match (&known.hello, &known.original) {
            (Some(hello), _) => Self {
                name: Some(hello.name.clone()),
                group: hello.group.clone(),
                hub: hello.hub,
                addresses: hello.addresses.clone(),
            },
            (None, Some(original)) => Self {
                group: original.group.clone(),
                hub: original.hub,
                ..Self::default()
            },
            (None, None) => Self::default(),
        }
    }
}

/// What has become of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is there.
    Joined,
    /// It is not there any more.
    Left(WhyLeft),
    /// It shows something else of itself.
    Changed,
}

/// Why a peer is not there any more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhyLeft {
    /// It said that it goes.
    TookLeave {
        /// In its own words.
        reason: String,
    },
    /// Its link ended without that, and it was not found again.
    LinkLost {
        /// How the link ended, and what came of looking for the peer.
        why: String,
    },
    /// It was looked for before this was said, and not found.
    Unreached {
        /// By whom, or from where, it is not reached.
        why: String,
    },
    /// It gave no sign of life when it was asked for one.
    Silent {
        /// Since it last did.
        after: Duration,
    },
    /// An original peer, with which there is no link: nobody answers at its address any more.
    NoAnswer,
    /// It is there, and none of those that are meant any more: it is in another group, or no hub.
    NotMeant,
}

impl fmt::Display for WhyLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TookLeave { reason } => write!(f, "it took leave: {reason}"),
            Self::LinkLost { why } => write!(f, "its link was lost: {why}"),
            Self::Unreached { why } => f.write_str(why),
            Self::Silent { after } => write!(f, "no sign of life for {:.1} s", after.as_secs_f64()),
            Self::NoAnswer => f.write_str("it does not answer any more"),
            Self::NotMeant => f.write_str("it is none of those that are meant any more"),
        }
    }
}

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Dial the peer once more: its link was lost without a word.
    LookFor(Target),
    /// Wake this listener: there is something to be told.
    Wake(u64),
}

#[derive(Debug)]
struct There {
    shown: Shown,
    who: Who,
    /// That it was lost, and is being looked for.
    doubt: Option<Doubt>,
}

#[derive(Debug)]
struct Doubt {
    why: String,
    until: Instant,
}

impl Presence {
    /// Whether nobody listens.
    pub fn is_idle(&self) -> bool {
        self.listeners.is_empty()
    }

    /// One more listener, who is told of the peers that are there first. The very first one's driver says who these are.
    pub fn listen(&mut self, filter: Filter) -> u64 {
        self.last += 1;
        let mut listener = Listener::new(filter);
        for (target, there) in &self.there {
            listener.note(target, Some(there), None);
        }
        self.listeners.insert(self.last, listener);
        self.last
    }

    /// This one listens no more.
    pub fn forget(&mut self, listener: u64) {
        self.listeners.remove(&listener);
        if self.is_idle() {
            self.there.clear();
            self.actions.clear();
        }
    }

    /// Nobody is told anything any more.
    pub fn end(&mut self) {
        *self = Self {
            last: self.last,
            ..Self::default()
        };
    }

    /// The next that a listener is to be told.
    pub fn next(&mut self, listener: u64) -> Option<(Target, Change)> {
        let there = &self.there;
        let listener = self.listeners.get_mut(&listener)?;
        listener.next(|target| there.get(target))
    }

    /// What is to be done next.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// A peer is there, and shows this of itself.
    pub fn is_there(&mut self, target: &Target, shown: Shown, who: Who) {
        if self.is_idle() {
            return;
        }
        let there = There {
            shown,
            who,
            doubt: None,
        };
        let before = self.there.insert(target.clone(), there);
        let is_new = before.is_none_or(|before| {
            let now = &self.there[target];
            before.doubt.is_some() || (&before.shown, &before.who) != (&now.shown, &now.who)
        });
        if is_new {
            self.tell(target, None);
        }
    }

    /// A peer is not there, or not as far as is known. One that has gone without a word is looked for first.
    pub fn is_gone(&mut self, target: &Target, why: WhyLeft, now: Instant) {
        let Some(there) = self.there.get_mut(target) else {
            return;
        };
        let of_interest = |listener: &Listener| listener.filter.matches(&there.who);
        match why {
            // It is looked for already.
            WhyLeft::LinkLost { .. } if there.doubt.is_some() => {}
            WhyLeft::LinkLost { why } if self.listeners.values().any(of_interest) => {
                let until = now + GRACE;
                there.doubt = Some(Doubt { why, until });
                self.actions.push_back(Action::LookFor(target.clone()));
                self.tell(target, None);
            }
            why => self.leave(target, why),
        }
    }

    /// An [`Action::LookFor`] came to nothing.
    pub fn not_found(&mut self, target: &Target, tried: &str) {
        if let Some(there) = self.there.get_mut(target)
            && let Some(Doubt { why, .. }) = there.doubt.take()
        {
            let why = format!("{why}; looked for again, it was not found: {tried}");
            self.leave(target, WhyLeft::LinkLost { why });
        }
    }

    /// When the next of those that are looked for is given up.
    pub fn timeout(&self) -> Option<Instant> {
        let doubts = self.there.values().filter_map(|there| there.doubt.as_ref());
        doubts.map(|doubt| doubt.until).min()
    }

    /// Gives up those that were looked for long enough.
    pub fn handle_timeout(&mut self, now: Instant) {
        let is_over = |there: &There| there.doubt.as_ref().is_some_and(|doubt| doubt.until <= now);
        let over = self.there.iter().filter(|(_, there)| is_over(there));
        let over: Vec<Target> = over.map(|(target, _)| target.clone()).collect();
        for target in over {
            self.not_found(&target, &format!("no answer within {} s", GRACE.as_secs()));
        }
    }

    fn leave(&mut self, target: &Target, why: WhyLeft) {
        self.there.remove(target);
        self.tell(target, Some(&why));
    }

    /// Takes note for each listener of what it is to be told of a peer.
    fn tell(&mut self, target: &Target, why: Option<&WhyLeft>) {
        let there = self.there.get(target);
        for (number, listener) in &mut self.listeners {
            if listener.note(target, there, why) {
                self.actions.push_back(Action::Wake(*number));
            }
        }
    }
}

/// One who is told. Bounded by the peers that are there and those that it was told of.
#[derive(Debug)]
struct Listener {
    filter: Filter,
    /// The peers that are there as far as it knows, as it was told of them.
    told: HashMap<Target, Shown>,
    /// Why those of them have gone that have.
    left: HashMap<Target, WhyLeft>,
    /// The peers of which it is to be told something, in the order in which that came up.
    owed: BTreeMap<u64, Target>,
    /// Their places there.
    places: HashMap<Target, u64>,
    last: u64,
}

impl Listener {
    fn new(filter: Filter) -> Self {
        Self {
            filter,
            told: HashMap::new(),
            left: HashMap::new(),
            owed: BTreeMap::new(),
            places: HashMap::new(),
            last: 0,
        }
    }

    /// A peer is there, or not, and why. Says whether it is to be told of that.
    fn note(&mut self, target: &Target, there: Option<&There>, why: Option<&WhyLeft>) -> bool {
        let now = self.shown(target, there);
        let is_owed = now != self.told.get(target);
        self.left.remove(target);
        if now.is_none() && is_owed {
            let why = why.unwrap_or(&WhyLeft::NotMeant);
            self.left.insert(target.clone(), why.clone());
        }
        match (is_owed, self.places.get(target)) {
            (true, None) => {
                self.last += 1;
                self.places.insert(target.clone(), self.last);
                self.owed.insert(self.last, target.clone());
            }
            (false, Some(place)) => {
                self.owed.remove(place);
                self.places.remove(target);
            }
            (true, Some(_)) | (false, None) => {}
        }
        is_owed
    }

    fn next<'a>(
        &mut self,
        there: impl Fn(&Target) -> Option<&'a There>,
    ) -> Option<(Target, Change)> {
        let (_, target) = self.owed.pop_first()?;
        self.places.remove(&target);
        let change = match self.shown(&target, there(&target)).cloned() {
            Some(shown) => match self.told.insert(target.clone(), shown) {
                Some(_) => Change::Changed,
                None => Change::Joined,
            },
            None => {
                self.told.remove(&target);
                Change::Left(self.left.remove(&target).unwrap_or(WhyLeft::NotMeant))
            }
        };
        Some((target, change))
    }

    /// What it is to know of a peer, if it is there and meant. One that is looked for is there for those alone who know of it.
    fn shown<'a>(&self, target: &Target, there: Option<&'a There>) -> Option<&'a Shown> {
        let is_there = |there: &&There| there.doubt.is_none() || self.told.contains_key(target);
        let there = there.filter(|there| self.filter.matches(&there.who));
        there.filter(is_there).map(|there| &there.shown)
    }
}
