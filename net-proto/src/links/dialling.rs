//! Looking for a way to a target that has no link: its addresses, one after the other, for however many ask.

use std::collections::VecDeque;

use crate::address::Address;
use crate::links::{Action, Links, Met, Original, Route, Target};

/// A target that is being dialled.
#[derive(Debug)]
pub(super) struct Dialling {
    /// The address that is dialled now.
    at: Address,
    left: VecDeque<Address>,
    /// What came of those before, for people.
    tried: Vec<String>,
    /// Whether anybody still waits for it.
    pub(super) is_wanted: bool,
}

impl<L: Clone + PartialEq> Links<L> {
    pub(super) fn dialling(&mut self, target: &Target) -> Option<&mut Dialling> {
        self.place_of_dialling(target)?.as_mut()
    }

    fn place_of_dialling(&mut self, target: &Target) -> Option<&mut Option<Dialling>> {
        match target {
            Target::Instance(id) => Some(&mut self.instances.get_mut(id)?.dialling),
            Target::At(address) => Some(&mut self.places.get_mut(address)?.dialling),
        }
    }

    /// Begins to dial. Nothing is under way to this target.
    pub(super) fn begin(&mut self, target: &Target, addresses: Vec<Address>) {
        let mut left = VecDeque::from(addresses);
        let Some(at) = left.pop_front() else {
            let route = Err("no address is known for it".to_owned());
            let target = target.clone();
            self.actions.push_back(Action::Routed { target, route });
            return;
        };
        self.dial(target, at.clone());
        let dialling = Dialling {
            at,
            left,
            tried: Vec::new(),
            is_wanted: true,
        };
        match target {
            Target::Instance(id) => {
                self.instances.entry(*id).or_default().dialling = Some(dialling)
            }
            Target::At(address) => {
                let place = self.places.entry(address.clone()).or_default();
                place.dialling = Some(dialling);
            }
        }
    }

    fn dial(&mut self, target: &Target, address: Address) {
        let target = target.clone();
        self.actions.push_back(Action::Dial { target, address });
    }

    /// An [`Action::Dial`] has ended: whom it met, or why it met nobody.
    pub fn dialled(&mut self, target: &Target, met: Result<Met, String>) {
        let Some(dialling) = self.dialling(target) else {
            return;
        };
        let at = dialling.at.clone();
        let failed = match met.and_then(|met| self.met(target, met)) {
            Ok(route) => return self.ended(target, Ok(route)),
            Err(why) => format!("{at}: {why}"),
        };
        let link = self.link(target);
        let Some(dialling) = self.dialling(target) else {
            return;
        };
        dialling.tried.push(failed);
        if let Some(link) = link {
            // The other side has dialled us meanwhile.
            self.ended(target, Ok(Route::Link(link)));
        } else if let Some(next) = dialling.left.pop_front() {
            dialling.at = next.clone();
            self.dial(target, next);
        } else {
            let why = dialling.tried.join("; ");
            self.ended(target, Err(why));
        }
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
        let place = self.place_of_dialling(target);
        let dialling = place.and_then(Option::take);
        if dialling.is_some_and(|dialling| dialling.is_wanted) {
            let target = target.clone();
            self.actions.push_back(Action::Routed { target, route });
        }
    }

    /// A link has come while the target was dialled: who waits need not wait longer.
    pub(super) fn arrived(&mut self, target: &Target, route: Route<L>) {
        if let Some(dialling) = self.dialling(target)
            && std::mem::take(&mut dialling.is_wanted)
        {
            let (target, route) = (target.clone(), Ok(route));
            self.actions.push_back(Action::Routed { target, route });
        }
    }
}

fn gone() -> String {
    "the link ended as soon as it was made".to_owned()
}
