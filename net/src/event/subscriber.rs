//! A peer as subscriber: carries out what [`Interests`] decides, on links and in inboxes.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use net_proto::interests::{Action, Interests, Who, Wish};
use net_proto::links::Target;
use net_proto::{Address, Arrival, CallId, ErrorBody, InstanceId, Interest, WhyRefused};

use super::inbox::{Inbox, Subscribed};
use super::mailbox::Mailbox;
use super::originals::Asked;
use super::subscription::UNNAMED_MODULE;
use crate::link::Link;
use crate::peer::Core;
use crate::registry::Registered;
use crate::remote::Remote;

/// Lock order: this, then the table of peers, then a link's state.
#[derive(Default)]
pub(crate) struct Subscriber(Mutex<State>);

#[derive(Default)]
struct State {
    interests: Interests<Arc<Link>>,
    subscriptions: HashMap<u64, Arc<Subscribed>>,
    inboxes: HashMap<(u64, InstanceId), Arc<Inbox>>,
    /// Original peers that were asked.
    asked: Asked,
}

impl Subscriber {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a function told of an event, by all peers that match.
    pub(super) fn declare(
        &self,
        core: &Arc<Core>,
        wish: Wish,
        function: Arc<Registered>,
    ) -> (u64, Arc<Subscribed>) {
        let subscribed = Arc::new(Subscribed {
            event: wish.event.clone(),
            function,
            received: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            has_warned: AtomicBool::new(false),
        });
        let number = {
            let mut state = self.state();
            let number = state.interests.declare(wish);
            state.subscriptions.insert(number, Arc::clone(&subscribed));
            state.carry_out(core);
            number
        };
        if core.is_stopped() {
            // Whoever takes all wishes back may have been here: this one would keep its links from ending.
            self.withdraw(core, number);
            return (number, subscribed);
        }
        self.dial_wanted(core);
        self.ask_originals(core);
        (number, subscribed)
    }

    /// Takes a wish back.
    pub(super) fn withdraw(&self, core: &Core, number: u64) {
        let mut state = self.state();
        let subscribed = state.subscriptions.remove(&number);
        if let Some(subscribed) = &subscribed {
            subscribed.ended.store(true, Ordering::Release);
        }
        state.interests.withdraw(number);
        state.inboxes.retain(|(of, _), _| *of != number);
        state.asked.forget(number);
        state.carry_out(core);
        // With the function may go the last hold on what the program put into it.
        drop(state);
        if let Some(subscribed) = subscribed
            && subscribed.function.module == UNNAMED_MODULE
        {
            core.registry.unregister(&subscribed.function);
        }
    }

    /// Takes every wish back: this peer takes leave.
    pub(crate) fn withdraw_all(&self, core: &Core) {
        let numbers: Vec<u64> = self.state().subscriptions.keys().copied().collect();
        for number in numbers {
            self.withdraw(core, number);
        }
    }

    /// All that is wished for, by its number.
    pub(super) fn subscriptions(&self) -> Vec<(u64, Arc<Subscribed>)> {
        let state = self.state();
        let all = state.subscriptions.iter();
        let mut all: Vec<_> = all.map(|(number, of)| (*number, Arc::clone(of))).collect();
        all.sort_unstable_by_key(|(number, _)| *number);
        all
    }

    /// The peers whose events come for a wish.
    pub(super) fn publishers(&self, number: u64) -> Vec<InstanceId> {
        self.state().interests.publishers(number).collect()
    }

    /// The link that leads to a target may be another one now.
    pub(crate) fn update(&self, core: &Arc<Core>, target: &Target) {
        let mut state = self.state();
        // Asked under the lock: who comes here last has the last word, whatever it was told.
        let link = core.peers.link(target);
        let id = match (target, &link) {
            (Target::Instance(id), _) => *id,
            (Target::At(_), Some(link)) => link.id(),
            (Target::At(_), None) => return,
        };
        // Its own events a peer knows of.
        if id == core.id {
            return;
        }
        let link = core.peers.link(&Target::Instance(id));
        let who = core.peers.who(&Target::Instance(id));
        state.interests.used(id, &who, link);
        state.carry_out(core);
    }

    /// Dials a peer that is there and to which there is no link, if somebody wants to hear of it.
    pub(crate) fn dial_if_wanted(&self, core: &Arc<Core>, id: InstanceId) {
        let target = Target::Instance(id);
        if !core.peers.is_linked(&target) && self.wants(&core.peers.who(&target)) {
            dial(core, vec![target]);
        }
    }

    /// A link is gone.
    pub(crate) fn lost(&self, link: &Arc<Link>) {
        let mut state = self.state();
        state.interests.lost(link.id(), link);
        // Of all peers: one that had something to do when its publisher went is idle by the time that another goes.
        state.inboxes.retain(|_, inbox| !inbox.is_idle());
        state.carry_out(&link.core);
    }

    /// A link that was full has room.
    pub(crate) fn room(&self, link: &Arc<Link>) {
        let mut state = self.state();
        state.interests.room(link.id(), link);
        state.carry_out(&link.core);
    }

    /// Events have come on a stream of a link. Gives where they wait, if nobody is at what waits there: the caller then sees to
    /// that.
    #[must_use]
    pub(crate) fn arrived(
        &self,
        link: &Arc<Link>,
        id: CallId,
        arrivals: VecDeque<Arrival>,
    ) -> Option<Arc<Inbox>> {
        let mut state = self.state();
        state.interests.arrived(link.id(), link, id, arrivals);
        state.carry_out_but_for_one(&link.core)
    }

    /// The publisher has ended or refused an interest.
    pub(crate) fn ended(&self, link: &Arc<Link>, id: CallId, error: Option<ErrorBody>) {
        if let Some(error) = &error {
            let (peer, why) = (&link.hello.name, &error.message);
            tracing::warn!(%peer, why, "a subscription was refused");
        }
        let mut state = self.state();
        state.interests.ended(link.id(), link, id, error.is_some());
        state.carry_out(&link.core);
    }

    /// Dials those that are to be heard and to whom there is no link: by name, or of those that are there all whom somebody wants to hear of.
    pub(crate) fn dial_wanted(&self, core: &Arc<Core>) {
        let mut wanted: Vec<Target> = {
            let state = self.state();
            let mut wishes = state.interests.wishes().peekable();
            if wishes.peek().is_none() {
                return;
            }
            wishes
                .flat_map(|(_, wish)| wish.from.peers.iter().flatten())
                .cloned()
                .collect()
        };
        let members = core.peers.unlinked_members();
        let is_wanted = |(_, who): &(InstanceId, Who)| self.wants(who);
        wanted.extend(
            members
                .into_iter()
                .filter(is_wanted)
                .map(|(id, _)| Target::Instance(id)),
        );
        dial(core, wanted);
    }

    /// Whether somebody wants to hear of a peer.
    fn wants(&self, who: &Who) -> bool {
        let state = self.state();
        state
            .interests
            .wishes()
            .any(|(_, wish)| wish.from.matches(who))
    }

    /// Asks the original peers that are there for what is wished for.
    pub(crate) fn ask_originals(&self, core: &Arc<Core>) {
        for (address, original) in core.peers.originals() {
            let who = core.peers.who(&Target::At(address.clone()));
            let mut state = self.state();
            let State {
                interests,
                subscriptions,
                asked,
                ..
            } = &mut *state;
            if !original.present {
                asked.is_gone(&address);
                continue;
            }
            for (number, wish) in interests.wishes() {
                // One that has not said what group it is in may be asked by name alone; it is looked at soon.
                let is_named = wish.from.peers.is_some();
                if (original.described || is_named)
                    && wish.from.matches(&who)
                    && let Some(subscribed) = subscriptions.get(&number)
                {
                    asked.ask(core, number, wish, &address, original.dialect, subscribed);
                }
            }
        }
    }

    /// An original peer says for which events it has subscribers, since it was `looked` at. If this one should be among them and there
    /// are none, it is to be asked again: it was restarted.
    pub(crate) fn heard_of_original(&self, address: &Address, events: &[&str], looked: Instant) {
        let state = self.state();
        let subscriptions = &state.subscriptions;
        state.asked.check(address, looked, |number| {
            subscriptions
                .get(&number)
                .is_some_and(|subscribed| events.contains(&subscribed.event.as_str()))
        });
    }

    /// Where an event goes with which an original peer calls `tag`.
    pub(crate) fn mailbox(&self, tag: &str) -> Option<Arc<Mailbox>> {
        self.state().asked.mailbox(tag)
    }
}

impl State {
    /// Does what is to be done. No user code runs here, and no system call is made.
    fn carry_out(&mut self, core: &Core) {
        if let Some(inbox) = self.carry_out_but_for_one(core) {
            inbox.run_soon(&core.runtime);
        }
    }

    /// As [`carry_out`](Self::carry_out), but gives an inbox that somebody is to run.
    fn carry_out_but_for_one(&mut self, core: &Core) -> Option<Arc<Inbox>> {
        let mut one = None;
        while let Some(action) = self.interests.poll() {
            match action {
                Action::Open { link, interest, .. } => self.open(&link, &interest),
                Action::Lose { link, id } => link.lose_interest(id),
                Action::Deliver(delivery) => {
                    let Some(subscribed) = self.subscriptions.get(&delivery.wish) else {
                        continue;
                    };
                    let inbox = self
                        .inboxes
                        .entry((delivery.wish, delivery.peer))
                        .or_insert_with(|| Inbox::new(Arc::clone(subscribed)));
                    if inbox.push(delivery)
                        && let Some(other) = one.replace(Arc::clone(inbox))
                    {
                        other.run_soon(&core.runtime);
                    }
                }
            }
        }
        one
    }

    fn open(&mut self, link: &Arc<Link>, interest: &Interest) {
        let number = interest.number;
        let inbox = self.inboxes.get(&(number, link.id()));
        if inbox.is_some_and(|inbox| !inbox.has_room(link, interest.window)) {
            self.interests.blocked(link.id(), number, link);
            return;
        }
        match link.ask_for(interest) {
            // Noted under the same lock as every arrival: what comes at once is known to be for it.
            Ok(id) => self.interests.opened(link.id(), number, link, id),
            Err(WhyRefused::Blocked) => self.interests.blocked(link.id(), number, link),
            Err(error) => {
                let peer = &link.hello.name;
                tracing::debug!(%peer, event = interest.event, %error, "cannot subscribe");
                self.interests.not_opened(link.id(), number, link);
            }
        }
    }
}

/// Dials those to whom there is no link, beside what else goes on. Who does not answer is dialled again at the next look around.
fn dial(core: &Arc<Core>, wanted: Vec<Target>) {
    for target in wanted {
        if !core.peers.is_linked(&target) {
            let remote = Remote::new(core.peer(), core.peers.entry(&target));
            core.runtime.spawn(async move {
                if let Err(error) = remote.route().await {
                    tracing::debug!(%error, "a peer to subscribe to does not answer");
                }
            });
        }
    }
}
