//! The live table of peers: who is known, where, and which link leads there. What is decided about them is decided in
//! [`net_proto::links`]; here it meets tasks, threads and sockets. It finds nobody; those who do tell it.

mod dialling;
pub(crate) mod members;
#[cfg(test)]
mod tests;
mod twins;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use net_proto::interests::{Filter, Who};
use net_proto::links::{ANOTHER_LINK, Action, Known, Links, New, Original, Route, Target};
use net_proto::original::Dialect;
use net_proto::presence::{self, Change, Presence, Shown, WhyLeft};
use net_proto::{Address, InstanceId};
use tokio::sync::{Notify, oneshot};

use crate::clock;
use crate::link::Link;
use crate::peer::Core;
use dialling::Attempts;
use members::Group;

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
    /// What those are told who want to know who comes and goes.
    presence: Presence,
    /// What wakes them.
    ears: HashMap<u64, Arc<Notify>>,
    /// A task sees to it that those are given up in time that are looked for.
    gives_up: bool,
    attempts: Attempts,
    /// Who is in the group by what others tell, where that is proved.
    group: Option<Group>,
    /// How many may be known before some are forgotten.
    most: usize,
}

/// What is done once the table is free again.
#[derive(Default)]
struct Todo {
    actions: Vec<Action<Arc<Link>>>,
    dialling: dialling::Todo,
    members: members::Todo,
    told: Vec<(oneshot::Sender<Told>, Told)>,
    /// Those that another link leads to now, or none.
    led: Vec<Target>,
    /// Whether somebody is to see to it that peers which were lost are given up in time.
    gives_up: bool,
}

impl Table {
    pub(crate) fn new(own: InstanceId) -> Self {
        Self(Mutex::new(State {
            links: Links::new(own),
            entries: HashMap::new(),
            waiting: HashMap::new(),
            presence: Presence::default(),
            ears: HashMap::new(),
            gives_up: false,
            attempts: Attempts::default(),
            group: None,
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
        self.lock().known(target)
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
        self.lock().who(target)
    }

    pub(crate) fn is_linked(&self, target: &Target) -> bool {
        self.link(target).is_some()
    }

    /// The way to a peer: there already, or once it was dialled. Many who ask make one link.
    pub(crate) async fn route(&self, core: &Arc<Core>, entry: &Entry) -> Told {
        let (tell, told) = oneshot::channel();
        let todo = {
            let mut state = self.lock();
            state.find_member(&entry.of);
            loop {
                match state.links.want(Instant::now(), &entry.of) {
                    // It has just ended, and whoever tells the table of it, and why, is on the way.
                    Some(Route::Link(link)) if !link.is_open() => {
                        state.member_ending(&WhyLeft::NoAnswer);
                        state.links.lost(link.id(), &link);
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
        let known = self.link(&Target::Instance(link.id()));
        twins::look_for(core, link, known.as_deref());
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

    /// A link is gone, or going: no new call is to use it. If it was the last to its peer, this is why that has left.
    pub(crate) fn lost(&self, core: &Arc<Core>, link: &Arc<Link>, why: WhyLeft) {
        self.with(core, |state| {
            state.member_ending(&why);
            state.links.lost(link.id(), link);
            // Also where a call has found the link gone before, and did not know why.
            state.look_at(&Target::Instance(link.id()), why);
        });
    }

    pub(crate) fn met_original(&self, core: &Arc<Core>, address: &Address, original: Original) {
        self.with(core, |state| {
            state.links.met_original(address, original);
            state.look_at(&Target::At(address.clone()), WhyLeft::NoAnswer);
        });
    }

    /// One more who wants to know who comes and goes: its number, and what wakes it.
    pub(crate) fn listen(&self, filter: Filter) -> (u64, Arc<Notify>) {
        let mut state = self.lock();
        let is_first = state.presence.is_idle();
        let number = state.presence.listen(filter);
        let ear = Arc::new(Notify::new());
        state.ears.insert(number, Arc::clone(&ear));
        if is_first {
            for target in state.present() {
                state.look_at(&target, WhyLeft::NoAnswer);
            }
        }
        (number, ear)
    }

    pub(crate) fn listen_no_more(&self, number: u64) {
        let mut state = self.lock();
        state.presence.forget(number);
        state.ears.remove(&number);
    }

    /// What is told next to who has this number.
    pub(crate) fn next_change(&self, number: u64) -> Option<(Target, Change)> {
        self.lock().presence.next(number)
    }

    /// This peer ends: what becomes of others is not told any more.
    pub(crate) fn tell_no_more(&self) {
        let ears = {
            let mut state = self.lock();
            state.presence.end();
            std::mem::take(&mut state.ears)
        };
        ears.values().for_each(|ear| ear.notify_one());
    }

    /// The peers that are there now, in a steady order.
    pub(crate) fn present(&self) -> Vec<Arc<Entry>> {
        let mut state = self.lock();
        let mut present = state.present();
        present.sort_by_cached_key(|target| {
            let known = state.known(target);
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
        self.with(core, |state| change(&mut state.links));
    }

    fn with(&self, core: &Arc<Core>, change: impl FnOnce(&mut State)) {
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
        if todo.gives_up {
            core.runtime.spawn(give_up(Arc::clone(core)));
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
        self.carry_out_members(core, todo.members);
    }
}

/// Gives up the peers that are looked for, each in its time.
async fn give_up(core: Arc<Core>) {
    let next = || {
        let mut state = core.peers.lock();
        let next = state.presence.timeout();
        state.gives_up = next.is_some();
        next
    };
    while let Some(at) = next() {
        clock::sleep_until(at).await;
        let now = Instant::now();
        core.peers
            .with(&core, |state| state.presence.handle_timeout(now));
    }
}

impl State {
    /// What is known of a target: over its link, else by what others tell.
    fn known(&self, target: &Target) -> Known {
        let mut known = self.links.known(target);
        if let Some(id) = known.id
            && self.links.link(target).is_none()
            && let Some(hello) = self.member(id)
        {
            for address in hello.addresses.iter().filter_map(|text| text.parse().ok()) {
                if !known.addresses.contains(&address) {
                    known.addresses.push(address);
                }
            }
            // What it said over a link is more of the same, unless it has something new to say.
            if !known
                .hello
                .as_ref()
                .is_some_and(|said| members::is_same(said, &hello))
            {
                known.hello = Some(hello);
            }
        }
        known
    }

    /// Whether a peer is there: lists and events ask this.
    fn is_present(&self, target: &Target) -> bool {
        let is_member = |target: &Target| match target {
            Target::Instance(id) => self.has_member(*id),
            Target::At(_) => false,
        };
        self.links.is_present(target) || is_member(target)
    }

    fn present(&self) -> Vec<Target> {
        let mut present: Vec<_> = self.links.present().collect();
        let linked: HashSet<_> = present.iter().cloned().collect();
        let members = self.members().into_iter().map(Target::Instance);
        present.extend(members.filter(|member| !linked.contains(member)));
        present
    }

    fn who(&self, target: &Target) -> Who {
        let known = self.known(target);
        let mut addresses = known.addresses;
        if let Some(id) = known.id {
            addresses.extend(self.links.places(id).cloned());
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

    fn entry(&mut self, target: &Target) -> Arc<Entry> {
        if let Some(entry) = self.entries.get(target) {
            return Arc::clone(entry);
        }
        let entry = Entry::new(target.clone(), self.links.link(target));
        self.entries.insert(target.clone(), Arc::clone(&entry));
        self.forget();
        entry
    }

    /// What is so of a peer may be something else now; if it is not there any more, why.
    fn look_at(&mut self, target: &Target, why: WhyLeft) {
        if self.presence.is_idle() {
            return;
        }
        if self.is_present(target) {
            let shown = Shown::from(&self.known(target));
            let who = self.who(target);
            self.presence.is_there(target, shown, who);
        } else {
            self.presence.is_gone(target, why, Instant::now());
        }
    }

    /// Does what can be done under the lock, and gives what cannot.
    fn settle(&mut self) -> Todo {
        self.forget();
        let mut todo = Todo::default();
        loop {
            if let Some(action) = self.links.poll() {
                self.carry_out(action, &mut todo);
            } else if let Some(action) = self.presence.poll() {
                self.tell(action, &mut todo);
            } else if !self.settle_members(&mut todo) {
                break;
            }
        }
        self.attempts.arm(self.links.timeout(), &mut todo.dialling);
        self.arm_members();
        todo
    }

    fn carry_out(&mut self, action: Action<Arc<Link>>, todo: &mut Todo) {
        match action {
            Action::Use { target, link } => {
                let why = match target {
                    // Whoever knows why says so by itself.
                    Target::Instance(_) => WhyLeft::LinkLost {
                        why: "it has just ended".to_owned(),
                    },
                    Target::At(_) => WhyLeft::NoAnswer,
                };
                if let Target::Instance(id) = target {
                    self.member_led(id, link.as_ref());
                }
                self.look_at(&target, why);
                if let Some(entry) = self.entries.get(&target) {
                    let mut place = entry.link.write().unwrap_or_else(PoisonError::into_inner);
                    *place = link;
                }
                todo.led.push(target);
            }
            Action::Routed { target, route } => {
                match &route {
                    Ok(Route::Original(_)) => self.look_at(&target, WhyLeft::NoAnswer),
                    Ok(Route::Link(_)) => {}
                    Err(why) => {
                        self.presence.not_found(&target, why);
                        self.member_not_reached(&target);
                    }
                }
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

    fn tell(&mut self, action: presence::Action, todo: &mut Todo) {
        match action {
            presence::Action::LookFor(target) => {
                todo.gives_up |= !std::mem::replace(&mut self.gives_up, true);
                if let Some(Route::Link(_)) = self.links.want(Instant::now(), &target) {
                    self.look_at(&target, WhyLeft::NoAnswer);
                }
            }
            presence::Action::Wake(number) => {
                if let Some(ear) = self.ears.get(&number) {
                    ear.notify_one();
                }
            }
        }
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
