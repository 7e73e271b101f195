//! Looking for a way to a target that has no link: its addresses, staggered as in RFC 8305 ("Happy Eyeballs"), for however many ask.
//! The order in which they come is made in [`order`](super::order).

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::order::Tried;
use super::{ADDRESSES, Action, Links, Met, Original, Route, Target};
use crate::address::Address;
use crate::id::InstanceId;

/// How long an attempt is let alone before the next one begins beside it: the Connection Attempt Delay that RFC 8305, section 8,
/// recommends. Longer than most round trips, so that mostly one attempt is made.
pub const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// So many attempts for one target are under way at once: with the delay, enough for an address that takes as long as TCP takes to
/// notice that a first packet was lost, and a small burst for whoever has them all on one host.
const AT_ONCE: usize = 8;

/// So many addresses are named in an error, each with what came of it; of more it is said how many. Nobody reads on.
const SHOWN: usize = 6;

/// Most characters of what came of one address that an error shows. It may be the other side's own words.
const SHOWN_WHY: usize = 200;

/// An address that is dialled or looked up for a target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// For whom.
    pub target: Target,
    /// Where.
    pub address: Address,
    /// Its own: the same address may be dialled again while an attempt that was given up goes on.
    number: u64,
}

/// A target that is being dialled.
#[derive(Debug)]
pub(super) struct Dialling {
    /// In the order in which they are tried.
    left: VecDeque<Address>,
    /// In the order in which they began.
    under_way: Vec<Attempt>,
    /// When the next one begins beside those, if there is one.
    next: Instant,
    /// How many more may be tried.
    may_try: usize,
    /// What came of those that have ended, for people.
    failed: Vec<String>,
    /// Whether anybody still waits for it.
    pub(super) is_wanted: bool,
}

impl Dialling {
    fn has_next(&self) -> bool {
        let has_room = self.may_try > 0 && self.under_way.len() < AT_ONCE;
        self.is_wanted && has_room && !self.left.is_empty()
    }

    /// What was tried, at a length that can be read.
    fn summary(&self) -> String {
        let mut shown: Vec<_> = self.failed.iter().take(SHOWN).cloned().collect();
        let more = self.failed.len() - shown.len() + self.left.len();
        if more > 0 {
            shown.push(format!("and {more} more addresses"));
        }
        shown.join("; ")
    }
}

impl<L: Clone + PartialEq> Links<L> {
    /// Begins to dial. Nothing is under way to this target.
    pub(super) fn begin(&mut self, now: Instant, target: &Target, addresses: Vec<Address>) {
        if addresses.is_empty() {
            let route = Err("no address is known for it".to_owned());
            let target = target.clone();
            self.actions.push_back(Action::Routed { target, route });
            return;
        }
        if let Target::At(address) = target {
            self.places.entry(address.clone()).or_default();
        }
        let dialling = Dialling {
            left: self.in_order(target, addresses),
            under_way: Vec::new(),
            next: now,
            may_try: ADDRESSES,
            failed: Vec::new(),
            is_wanted: true,
        };
        self.diallings.insert(target.clone(), dialling);
        self.go_on(now, target);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    pub fn timeout(&self) -> Option<Instant> {
        let diallings = self.diallings.values();
        let waiting = diallings.filter(|dialling| dialling.has_next());
        waiting.map(|dialling| dialling.next).min()
    }

    /// Begins the attempts whose time has come. Nothing happens before [`timeout`](Self::timeout).
    pub fn handle_timeout(&mut self, now: Instant) {
        let diallings = self.diallings.iter();
        let due = diallings.filter(|(_, dialling)| dialling.has_next() && dialling.next <= now);
        let due: Vec<_> = due.map(|(target, _)| target.clone()).collect();
        for target in due {
            self.go_on(now, &target);
        }
    }

    /// An [`Action::Dial`] has ended: whom it met, or why it met nobody.
    pub fn dialled(&mut self, now: Instant, attempt: &Attempt, met: Result<Met, String>) {
        let Attempt {
            target, address, ..
        } = attempt;
        if let Ok(Met::Peer(id)) = &met
            && let Some(instance) = self.instances.get_mut(id)
        {
            // Also where it comes late, and another was quicker.
            instance.tried.worked(address);
        }
        let Some(earlier) = self.end_attempt(attempt) else {
            return;
        };
        match met.and_then(|met| self.met(target, met)) {
            Ok(route) => {
                if let Some(tried) = self.tried_mut(target) {
                    // Those that began before had more time, and did not use it.
                    earlier.iter().for_each(|slower| tried.failed(slower));
                    tried.worked(address);
                }
                self.ended(target, Ok(route));
            }
            Err(why) => {
                if let Some(tried) = self.tried_mut(target) {
                    tried.failed(address);
                }
                self.failed(now, attempt, &why);
            }
        }
    }

    /// An [`Action::Resolve`] has ended: the addresses that the name has, the preferred first, or why none was found.
    pub fn resolved(
        &mut self,
        now: Instant,
        attempt: &Attempt,
        found: Result<Vec<SocketAddr>, String>,
    ) {
        if self.end_attempt(attempt).is_none() {
            return;
        }
        let target = &attempt.target;
        let found = match found {
            Ok(found) if !found.is_empty() => found,
            Ok(_) => return self.failed(now, attempt, "it has no address"),
            Err(why) => return self.failed(now, attempt, &why),
        };
        let Some(dialling) = self.diallings.get_mut(target) else {
            return;
        };
        let mut left: Vec<_> = found.into_iter().map(Address::Tcp).collect();
        left.extend(dialling.left.drain(..));
        let mut seen = HashSet::new();
        left.retain(|address| seen.insert(address.clone()));
        let left = self.in_order(target, left);
        if let Some(dialling) = self.diallings.get_mut(target) {
            dialling.left = left;
        }
        self.go_on(now, target);
    }

    fn tried_mut(&mut self, target: &Target) -> Option<&mut Tried> {
        match target {
            Target::Instance(id) => Some(&mut self.instances.get_mut(id)?.tried),
            Target::At(address) => Some(&mut self.places.get_mut(address)?.tried),
        }
    }

    fn in_order(&mut self, target: &Target, addresses: Vec<Address>) -> VecDeque<Address> {
        match self.tried_mut(target) {
            Some(tried) => tried.in_order(addresses).into(),
            None => addresses.into(),
        }
    }

    /// Takes note that an attempt is no longer under way, if it is one that still counts; those that began before it, and are.
    fn end_attempt(&mut self, attempt: &Attempt) -> Option<Vec<Address>> {
        let under_way = &mut self.diallings.get_mut(&attempt.target)?.under_way;
        let at = under_way.iter().position(|other| other == attempt)?;
        under_way.remove(at);
        let earlier = under_way[..at].iter().map(|attempt| &attempt.address);
        Some(earlier.filter(|at| !at.is_looked_up()).cloned().collect())
    }

    fn failed(&mut self, now: Instant, attempt: &Attempt, why: &str) {
        let target = &attempt.target;
        if let Some(dialling) = self.diallings.get_mut(target) {
            let why: String = why.chars().take(SHOWN_WHY).collect();
            dialling.failed.push(format!("{}: {why}", attempt.address));
        }
        match self.link(target) {
            // The other side has dialled us meanwhile.
            Some(link) => self.ended(target, Ok(Route::Link(link))),
            None => self.go_on(now, target),
        }
    }

    /// Begins the next attempt, if there is one; else, when none is under way any more, gives up.
    fn go_on(&mut self, now: Instant, target: &Target) {
        let Some(dialling) = self.diallings.get_mut(target) else {
            return;
        };
        if !dialling.has_next() {
            if dialling.under_way.is_empty() {
                let why = dialling.summary();
                self.ended(target, Err(why));
            }
            return;
        }
        let Some(address) = dialling.left.pop_front() else {
            return;
        };
        self.attempts += 1;
        let attempt = Attempt {
            target: target.clone(),
            address,
            number: self.attempts,
        };
        dialling.may_try -= 1;
        dialling.next = now + ATTEMPT_DELAY;
        dialling.under_way.push(attempt.clone());
        self.actions
            .push_back(match attempt.address.is_looked_up() {
                true => Action::Resolve(attempt),
                false => Action::Dial(attempt),
            });
    }

    /// The way that meeting somebody gives, if it is who was wanted.
    fn met(&mut self, target: &Target, met: Met) -> Result<Route<L>, String> {
        match (target, met) {
            (Target::Instance(wanted), Met::Peer(id)) if *wanted != id => {
                // It may be called, but not in the other one's name.
                Err(format!("instance {id} is there now, not {wanted}"))
            }
            (Target::Instance(wanted), Met::Original(_)) => Err(format!(
                "an original app-net peer is there now, not {wanted}"
            )),
            (Target::At(address), Met::Original(dialect)) => {
                let known = self
                    .places
                    .get(address)
                    .and_then(|place| place.original.clone());
                let unknown = Original {
                    dialect,
                    group: None,
                    hub: false,
                    described: false,
                    present: true,
                };
                let original = Original {
                    dialect,
                    present: true,
                    ..known.unwrap_or(unknown)
                };
                self.met_original(address, original);
                Ok(Route::Original(dialect))
            }
            (Target::At(address), Met::Peer(id)) => {
                let place = self.places.entry(address.clone()).or_default();
                place.original = None;
                place.leads_to = Some(id);
                let link = self.link(target);
                if let Some(link) = link.clone() {
                    // It may be dialled by its id as well.
                    self.ended(&Target::Instance(id), Ok(Route::Link(link)));
                }
                let use_it = Action::Use {
                    target: target.clone(),
                    link: link.clone(),
                };
                self.actions.push_back(use_it);
                link.map(Route::Link).ok_or_else(gone)
            }
            (Target::Instance(_), Met::Peer(_)) => {
                self.link(target).map(Route::Link).ok_or_else(gone)
            }
        }
    }

    fn ended(&mut self, target: &Target, route: Result<Route<L>, String>) {
        let Some(dialling) = self.diallings.remove(target) else {
            return;
        };
        let lost = dialling.under_way.into_iter().map(Action::GiveUp);
        self.actions.extend(lost);
        if dialling.is_wanted {
            let target = target.clone();
            self.actions.push_back(Action::Routed { target, route });
        }
    }

    /// A link to an instance has come: who waits for one need not wait longer, nor begin anything more for it.
    pub(super) fn arrived(&mut self, id: InstanceId, link: L, dialled: bool) {
        let target = Target::Instance(id);
        if !dialled {
            // The other side was quicker.
            return self.ended(&target, Ok(Route::Link(link)));
        }
        // What came of which attempt is told next.
        if let Some(dialling) = self.diallings.get_mut(&target)
            && std::mem::take(&mut dialling.is_wanted)
        {
            let route = Ok(Route::Link(link));
            self.actions.push_back(Action::Routed { target, route });
        }
    }
}

fn gone() -> String {
    "the link ended as soon as it was made".to_owned()
}
