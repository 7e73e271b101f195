//! The live table of peers: who is known, where, and which link leads there. What is decided about them is decided in
//! [`net_proto::links`]; here it meets tasks, threads and sockets. It finds nobody; those who do tell it.

mod dialling;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use net_proto::interests::Who;
use net_proto::links::{ANOTHER_LINK, Action, Known, Links, New, Original, Route, Target};
use net_proto::original::Dialect;
use net_proto::{Address, InstanceId};
use tokio::sync::oneshot;

use crate::link::Link;
use crate::peer::Core;
use dialling::Attempts;

/// So many peers and addresses are known whether or not anybody holds them; of more, those that are gone and held by nobody are
/// forgotten. Each is some hundred bytes, and some 20 KiB at most, where its HELLO is as long as it may be.
const KEPT: usize = 1024;

/// What is told to those who wait for a way to a peer.
type Told = Result<Route<Arc<Link>>, String>;

/// One peer, as handles hold it.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Whose entry it is.
    pub(crate) of: Target,
    /// The link in use, where a call finds it without the table's lock.
    link: RwLock<Option<Arc<Link>>>,
}

impl Entry {
    fn new(of: Target, link: Option<Arc<Link>>) -> Arc<Self> {
        Arc::new(Self {
            of,
            link: RwLock::new(link),
        })
    }

    /// The link that new calls go over, if there is one.
    pub(crate) fn link(&self) -> Option<Arc<Link>> {
        let link = self.link.read().unwrap_or_else(PoisonError::into_inner);
        link.as_ref().filter(|link| link.is_open()).map(Arc::clone)
    }
}

/// All peers that this one knows of.
#[derive(Debug)]
pub(crate) struct Table(Mutex<State>);

#[derive(Debug)]
struct State {
    links: Links<Arc<Link>>,
    entries: HashMap<Target, Arc<Entry>>,
    /// Who waits for a way to a peer.
    waiting: HashMap<Target, Vec<oneshot::Sender<Told>>>,
    attempts: Attempts,
    /// How many may be known before some are forgotten.
    most: usize,
}

/// What is done once the table is free again.
#[derive(Default)]
struct Todo {
    actions: Vec<Action<Arc<Link>>>,
    dialling: dialling::Todo,
    told: Vec<(oneshot::Sender<Told>, Told)>,
    /// Those that another link leads to now, or none.
    led: Vec<Target>,
}

impl Table {
    pub(crate) fn new(own: InstanceId) -> Self {
        Self(Mutex::new(State {
            links: Links::new(own),
            entries: HashMap::new(),
            waiting: HashMap::new(),
            attempts: Attempts::default(),
            most: KEPT,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entry for a target, known before or not.
    pub(crate) fn entry(&self, target: &Target) -> Arc<Entry> {
        self.lock().entry(target)
    }

    /// The entry for an instance; `address` is one more place to dial it at.
    pub(crate) fn found(&self, id: InstanceId, address: Option<Address>) -> Arc<Entry> {
        let mut state = self.lock();
        if let Some(address) = address {
            state.links.found(id, address);
        }
        state.entry(&Target::Instance(id))
    }

    pub(crate) fn known(&self, target: &Target) -> Known {
        self.lock().links.known(target)
    }

    pub(crate) fn dialect(&self, target: &Target) -> Option<Dialect> {
        self.lock().links.dialect(target)
    }

    /// The link that leads to a target.
    pub(crate) fn link(&self, target: &Target) -> Option<Arc<Link>> {
        self.lock().links.link(target)
    }

    /// What a target is judged by, where not all peers are meant.
    pub(crate) fn who(&self, target: &Target) -> Who {
        let state = self.lock();
        let known = state.links.known(target);
        let mut addresses = known.addresses;
        if let Some(id) = known.id {
            addresses.extend(state.links.places(id).cloned());
        }
        let (group, hub) = match (known.hello, known.original) {
            (Some(hello), _) => (hello.group, hello.hub),
            (None, Some(original)) => (original.group, original.hub),
            (None, None) => (None, false),
        };
        Who {
            id: known.id,
            on_host: addresses.iter().any(Address::is_here),
            addresses,
            group,
            hub,
        }
    }

    pub(crate) fn is_linked(&self, target: &Target) -> bool {
        self.link(target).is_some()
    }

    /// The way to a peer: there already, or once it was dialled. Many who ask make one link.
    pub(crate) async fn route(&self, core: &Arc<Core>, entry: &Entry) -> Told {
        let (tell, told) = oneshot::channel();
        let todo = {
            let mut state = self.lock();
            loop {
                match state.links.want(Instant::now(), &entry.of) {
                    // It has just ended, and whoever tells the table of it is on the way.
                    Some(Route::Link(link)) if !link.is_open() => {
                        state.links.lost(link.id(), &link)
                    }
                    Some(route) => return Ok(route),
                    None => break,
                }
            }
            let waiting = state.waiting.entry(entry.of.clone()).or_default();
            waiting.push(tell);
            state.settle()
        };
        self.carry_out(core, todo);
        told.await
            .unwrap_or_else(|_| Err("this peer has been shut down".to_owned()))
    }

    /// Takes in a link on which both sides have said who they are, and of which nothing was read since.
    pub(crate) fn linked(&self, core: &Arc<Core>, link: &Arc<Link>) {
        tracing::debug!(peer = %link.hello.name, address = %link.address, dialled = link.dialled, "link opened");
        self.change(core, |links| {
            links.linked(New {
                link: Arc::clone(link),
                hello: &link.hello,
                dialled: link.dialled,
                carrier: link.carrier,
            });
        });
    }

    /// The other side of a link has given the sign of life that it was asked for.
    pub(crate) fn answered(&self, core: &Arc<Core>, link: &Arc<Link>) {
        self.change(core, |links| links.answered(link.id(), link));
    }

    /// A link is gone, or going: no new call is to use it.
    pub(crate) fn lost(&self, core: &Arc<Core>, link: &Arc<Link>) {
        self.change(core, |links| links.lost(link.id(), link));
    }

    pub(crate) fn met_original(&self, address: &Address, original: Original) {
        self.lock().links.met_original(address, original);
    }

    /// The peers that are there now, in a steady order.
    pub(crate) fn present(&self) -> Vec<Arc<Entry>> {
        let mut state = self.lock();
        let mut present: Vec<_> = state.links.present().collect();
        present.sort_by_cached_key(|target| {
            let known = state.links.known(target);
            (known.addresses.first().map(ToString::to_string), known.id)
        });
        present.iter().map(|target| state.entry(target)).collect()
    }

    /// The originals known, present or not, with their addresses.
    pub(crate) fn originals(&self) -> Vec<(Address, Original)> {
        let state = self.lock();
        let originals = state.links.originals();
        originals
            .map(|(address, original)| (address.clone(), original.clone()))
            .collect()
    }

    /// Every link in use.
    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        self.lock().links.in_use().cloned().collect()
    }

    fn change(&self, core: &Arc<Core>, change: impl FnOnce(&mut Links<Arc<Link>>)) {
        self.change_state(core, |state| change(&mut state.links));
    }

    fn change_state(&self, core: &Arc<Core>, change: impl FnOnce(&mut State)) {
        let todo = {
            let mut state = self.lock();
            change(&mut state);
            state.settle()
        };
        self.carry_out(core, todo);
    }

    fn carry_out(&self, core: &Arc<Core>, todo: Todo) {
        for (waiting, told) in todo.told {
            // Who gave up meanwhile does not wait any more.
            let _ = waiting.send(told);
        }
        for target in todo.led {
            core.subscriber.update(core, &target);
        }
        for action in todo.actions {
            match action {
                Action::Probe(link) => link.probe(),
                Action::Drain(link) => link.drain(ANOTHER_LINK),
                // Done under the lock, or with the attempts.
                Action::Dial(_) | Action::Resolve(_) | Action::GiveUp(_) => {}
                Action::Use { .. } | Action::Routed { .. } => {}
            }
        }
        self.carry_out_dialling(core, todo.dialling);
    }
}

impl State {
    fn entry(&mut self, target: &Target) -> Arc<Entry> {
        if let Some(entry) = self.entries.get(target) {
            return Arc::clone(entry);
        }
        let entry = Entry::new(target.clone(), self.links.link(target));
        self.entries.insert(target.clone(), Arc::clone(&entry));
        self.forget();
        entry
    }

    /// Does what can be done under the lock, and gives what cannot.
    fn settle(&mut self) -> Todo {
        self.forget();
        let mut todo = Todo::default();
        while let Some(action) = self.links.poll() {
            match action {
                Action::Use { target, link } => {
                    if let Some(entry) = self.entries.get(&target) {
                        let mut place = entry.link.write().unwrap_or_else(PoisonError::into_inner);
                        *place = link;
                    }
                    todo.led.push(target);
                }
                Action::Routed { target, route } => {
                    let waiting = self.waiting.remove(&target).unwrap_or_default();
                    let told = waiting.into_iter().map(|tell| (tell, route.clone()));
                    todo.told.extend(told);
                }
                Action::Dial(attempt) => self.attempts.begin(attempt, &mut todo.dialling),
                Action::GiveUp(attempt) => self.attempts.give_up(&attempt, &mut todo.dialling),
                Action::Resolve(attempt) => todo.dialling.resolve.push(attempt),
                other => todo.actions.push(other),
            }
        }
        self.attempts.arm(self.links.timeout(), &mut todo.dialling);
        todo
    }

    /// Makes room, where there are many: forgets who is gone and of whom nobody holds the entry, which could only be got under
    /// the lock that is held here.
    fn forget(&mut self) {
        if self.entries.len() + self.links.known_count() <= self.most {
            return;
        }
        let entries = &self.entries;
        let is_held = |target: &Target| {
            entries
                .get(target)
                .is_some_and(|entry| Arc::strong_count(entry) > 1)
        };
        self.links.forget(is_held);
        self.entries
            .retain(|target, entry| Arc::strong_count(entry) > 1 || self.links.knows(target));
        self.most = KEPT.max(2 * (self.entries.len() + self.links.known_count()));
    }
}
