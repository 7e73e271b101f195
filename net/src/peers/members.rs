//! Who is in the group, beyond those to whom there are links: what the table's links and finders learn is told to
//! [`net_proto::members`], and what that wants is carried out. Only where the group is proved: whoever is heard of is believed to be a member.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use net_proto::interests::Who;
use net_proto::links::{Carrier, NOT_NEEDED, Target};
use net_proto::members::{About, Action, How, Members, Message, Record, WhyLeft as MemberLeft};
use net_proto::presence::WhyLeft;
use net_proto::{Address, Hello, InstanceId, WhyRefused};
use tokio::sync::Notify;

use super::{State, Table};
use crate::clock;
use crate::link::Link;
use crate::peer::Core;

/// How often it is looked whether links are left that nobody needs.
const SWEEP: Duration = Duration::from_secs(10);
/// How long a link may be unused that nobody needs. To make it anew takes some round trips.
pub(super) const UNUSED: Duration = Duration::from_secs(60);

/// The group, as this peer knows it.
#[derive(Debug)]
pub(super) struct Group {
    members: Members<Arc<Link>>,
    name: Option<String>,
    /// Wakes who waits for the next time.
    waker: Arc<Notify>,
    /// Until when that one waits.
    armed: Option<Instant>,
    /// How the link ended of which the table is told now.
    ending: Option<How>,
    /// What there was on each link that is not needed when it was last looked at, and since when that is all.
    quiet: HashMap<InstanceId, (u64, Instant)>,
}

/// What is to be done for it once the table is free.
#[derive(Default)]
pub(super) struct Todo {
    send: Vec<(InstanceId, Arc<Link>, Message)>,
    /// Members that have come, to whom somebody may want to listen.
    joined: Vec<InstanceId>,
}

impl Group {
    fn new(hello: &Hello, seed: u64) -> Self {
        Self {
            members: Members::new(hello, seed, Instant::now()),
            name: hello.group.clone(),
            waker: Arc::default(),
            armed: None,
            ending: None,
            quiet: HashMap::new(),
        }
    }

    /// Whether the other side of a link has proved to be of the group, or is a program of the same user that says so.
    fn is_of(&self, link: &Link) -> bool {
        link.caller().is_inside() && link.hello.group == self.name
    }
}

impl State {
    /// The link that leads to a peer is another one now, or there is none any more.
    pub(super) fn member_led(&mut self, id: InstanceId, link: Option<&Arc<Link>>) {
        let Some(group) = &mut self.group else { return };
        let now = Instant::now();
        match link {
            Some(link) if group.is_of(link) => {
                group.members.linked(Arc::clone(link), &link.hello, now);
            }
            Some(_) => {}
            None => {
                let how = group.ending.take().unwrap_or(How::Broken);
                if let Some(link) = group.members.link(id).cloned() {
                    group.members.lost(id, &link, how, now);
                }
            }
        }
    }

    /// How the link ended of which the table is told now.
    pub(super) fn member_ending(&mut self, why: &WhyLeft) {
        if let Some(group) = &mut self.group {
            group.ending = Some(match why {
                WhyLeft::TookLeave { .. } => How::Closed,
                WhyLeft::LinkLost { why } if why == NOT_NEEDED => How::Closed,
                WhyLeft::Silent { .. } => How::Silent,
                _ => How::Broken,
            });
        }
    }

    /// Dialling a peer has come to nothing.
    pub(super) fn member_not_reached(&mut self, target: &Target) {
        if let (Some(group), Target::Instance(id)) = (&mut self.group, target) {
            group.members.not_reached(*id, Instant::now());
        }
    }

    /// What a member tells of itself, if it is there.
    pub(super) fn member(&self, id: InstanceId) -> Option<Hello> {
        let group = self.group.as_ref()?;
        group.members.present(id).map(|record| group.hello(record))
    }

    /// Whether a peer is there, by what others tell.
    pub(super) fn has_member(&self, id: InstanceId) -> bool {
        let group = self.group.as_ref();
        group.is_some_and(|group| group.members.present(id).is_some())
    }

    /// All members that are there.
    pub(super) fn members(&self) -> Vec<InstanceId> {
        let group = self.group.iter();
        group
            .flat_map(|group| group.members.members().map(Record::id))
            .collect()
    }

    /// Where a member says that it listens is where it is dialled, beside where it was found.
    pub(super) fn find_member(&mut self, target: &Target) {
        if let Target::Instance(id) = target
            && let Some(hello) = self.member(*id)
        {
            self.take_addresses(*id, &hello.addresses);
        }
    }

    fn take_addresses(&mut self, id: InstanceId, addresses: &[String]) {
        // The first is the best, and what is found last is tried first.
        for address in usable(addresses).into_iter().rev() {
            self.links.found(id, address);
        }
    }

    /// Takes what is to be done next for the group. Says whether there was anything.
    pub(super) fn settle_members(&mut self, todo: &mut super::Todo) -> bool {
        let Some(group) = &mut self.group else {
            return false;
        };
        let Some(action) = group.members.poll() else {
            return false;
        };
        match action {
            Action::Send { id, link, message } => todo.members.send.push((id, link, message)),
            Action::Dial { id, addresses } => {
                self.take_addresses(id, &addresses);
                let target = Target::Instance(id);
                if self.links.want(Instant::now(), &target).is_some() {
                    // It is linked to, and does not tell of members.
                    self.member_not_reached(&target);
                }
            }
            // Closed by the sweep, when nobody has called over it for a while.
            Action::Release(_) => {}
            Action::Joined(record) => {
                todo.members.joined.push(record.id());
                self.look_at(&Target::Instance(record.id()), WhyLeft::NoAnswer);
            }
            Action::Changed(record) => {
                self.look_at(&Target::Instance(record.id()), WhyLeft::NoAnswer);
            }
            Action::Left { record, why } => {
                let why = match why {
                    MemberLeft::Left => WhyLeft::TookLeave {
                        reason: "as other peers tell".to_owned(),
                    },
                    // Looked for by the group, and given the time to say that it is here: once more would be too late.
                    MemberLeft::Failed => WhyLeft::Unreached {
                        why: "no other peer reaches it".to_owned(),
                    },
                    MemberLeft::Alone => WhyLeft::Unreached {
                        why: "nobody is reached from here".to_owned(),
                    },
                };
                self.look_at(&Target::Instance(record.id()), why);
            }
        }
        true
    }

    /// Sees to it that who waits for the group's next time does not wait too long.
    pub(super) fn arm_members(&mut self) {
        if let Some(group) = &mut self.group {
            let due = group.members.timeout();
            if group.armed.is_some_and(|armed| due < armed) {
                group.armed = Some(due);
                group.waker.notify_one();
            }
        }
    }
}

impl Group {
    fn hello(&self, record: &Record) -> Hello {
        let About {
            name,
            hub,
            addresses,
            software,
        } = record.about();
        let addresses = usable(&addresses);
        Hello {
            name,
            hub,
            addresses: addresses.iter().map(ToString::to_string).collect(),
            software,
            group: self.name.clone(),
            ..Hello::new(record.id())
        }
    }
}

/// Where a member can be dialled from here, of all that it says. What leads to another host's own programs leads here to somebody else; one that has
/// nothing else is on this host, or not to be reached.
fn usable(addresses: &[String]) -> Vec<Address> {
    let parsed = addresses.iter().filter_map(|address| address.parse().ok());
    let (here, elsewhere): (Vec<_>, Vec<_>) = parsed
        .filter(|address| !matches!(address, Address::Unix(_)) && !address.is_link_local())
        .partition(Address::is_here);
    if elsewhere.is_empty() {
        here
    } else {
        elsewhere
    }
}

/// Whether what a peer said of itself over a link is what its group tells of it, as far as that goes.
pub(super) fn is_same(said: &Hello, told: &Hello) -> bool {
    let addresses = usable(&said.addresses);
    let addresses = addresses.iter().map(ToString::to_string);
    said.name == told.name && said.hub == told.hub && addresses.eq(told.addresses.iter().cloned())
}

impl Table {
    /// From now on, who is in the group is known from others too.
    pub(crate) fn keep_members(&self, hello: &Hello, seed: u64) {
        self.lock().group = Some(Group::new(hello, seed));
    }

    /// Knows those alone to whom there are links, as where a test counts what comes on them.
    #[cfg(test)]
    pub(crate) fn keep_no_members(&self) {
        self.lock().group = None;
    }

    /// Something came on a link about who is in the group.
    pub(crate) fn heard_of_members(&self, core: &Arc<Core>, link: &Arc<Link>, message: Message) {
        self.with(core, |state| {
            if let Some(group) = &mut state.group
                && group.is_of(link)
            {
                let now = Instant::now();
                group.members.received(link.id(), link, message, now);
            }
        });
    }

    /// A link that was full has room.
    pub(crate) fn member_has_room(&self, core: &Arc<Core>, link: &Arc<Link>) {
        if self.lock().group.is_none() {
            return;
        }
        self.with(core, |state| {
            if let Some(group) = &mut state.group {
                group.members.room(link.id(), link, Instant::now());
            }
        });
    }

    /// A finder has seen somebody of the group. Says whether the group sees to the rest: it is known, or will be.
    pub(crate) fn found_member(&self, core: &Arc<Core>, id: InstanceId, address: &Address) -> bool {
        let mut is_seen_to = false;
        self.with(core, |state| {
            state.links.found(id, address.clone());
            let Some(group) = &mut state.group else {
                return;
            };
            // Few are all linked to, and at once.
            is_seen_to = group.members.is_large();
            if is_seen_to {
                let addresses = vec![address.to_string()];
                group.members.found(id, addresses, Instant::now());
            }
        });
        is_seen_to
    }

    /// The members that are there and to whom there is no link.
    pub(crate) fn unlinked_members(&self) -> Vec<(InstanceId, Who)> {
        let state = self.lock();
        let members = state.members().into_iter().map(Target::Instance);
        let unlinked = members.filter(|member| state.links.link(member).is_none());
        let who = unlinked.map(|member| state.who(&member));
        who.filter_map(|who| Some((who.id?, who))).collect()
    }

    /// Whether a peer is there, by what others tell.
    pub(crate) fn is_member(&self, id: InstanceId) -> bool {
        self.lock().has_member(id)
    }

    /// This peer has something new to say of itself.
    pub(crate) fn tell_members(&self, core: &Arc<Core>) {
        let about = About::from(&core.hello());
        self.with(core, |state| {
            if let Some(group) = &mut state.group {
                group.members.change(&about, Instant::now());
            }
        });
    }

    /// This peer ends: the group is told before its links are.
    pub(crate) fn leave_group(&self, core: &Arc<Core>) {
        self.with(core, |state| {
            if let Some(group) = &mut state.group {
                group.members.leave(Instant::now());
            }
        });
    }

    pub(super) fn carry_out_members(&self, core: &Arc<Core>, todo: Todo) {
        for (id, link, message) in todo.send {
            if let Err(WhyRefused::Blocked) = link.send_members(&message) {
                let mut state = self.lock();
                if let Some(group) = &mut state.group {
                    group.members.blocked(id, &link, message);
                }
            }
        }
        for id in todo.joined {
            core.subscriber.dial_if_wanted(core, id);
        }
    }

    fn next_time(&self) -> Option<(Instant, Arc<Notify>)> {
        let mut state = self.lock();
        let group = state.group.as_mut()?;
        let due = group.members.timeout();
        group.armed = Some(due);
        Some((due, Arc::clone(&group.waker)))
    }

    /// Closes the links that are there for the group alone and are not needed any more, when nobody has called over them for a while.
    pub(super) fn sweep(&self, core: &Arc<Core>, now: Instant) {
        let idle: Vec<_> = {
            let mut state = self.lock();
            let State { links, group, .. } = &mut *state;
            let Some(group) = group else { return };
            let quiet = std::mem::take(&mut group.quiet);
            let spare = links.in_use().filter(|link| {
                link.carrier == Carrier::Tcp
                    && group.is_of(link)
                    && !group.members.is_needed(link.id())
            });
            let looked = spare.filter_map(|link| {
                let activity = link.idle_since()?;
                let since = quiet
                    .get(&link.id())
                    .filter(|(before, _)| *before == activity);
                Some((link, activity, since.map_or(now, |(_, since)| *since)))
            });
            let looked: Vec<_> = looked.collect();
            group.quiet = looked
                .iter()
                .map(|(link, activity, since)| (link.id(), (*activity, *since)))
                .collect();
            looked
                .into_iter()
                .filter(|(_, _, since)| now.duration_since(*since) >= UNUSED)
                .map(|(link, ..)| Arc::clone(link))
                .collect()
        };
        for link in idle {
            let why = NOT_NEEDED.to_owned();
            self.lost(core, &link, WhyLeft::LinkLost { why });
            link.drain(NOT_NEEDED);
        }
    }
}

/// Does what comes due for the group, until the peer stops.
pub(crate) async fn keep(core: Arc<Core>) {
    let mut sweep = Instant::now() + SWEEP;
    let mut network = core.network.watch();
    while let Some((due, waker)) = core.peers.next_time() {
        tokio::select! {
            () = clock::sleep_until(due.min(sweep)) => {}
            () = waker.notified() => continue,
            Ok(()) = network.changed() => {
                core.peers.tell_members(&core);
                continue;
            }
        }
        let now = Instant::now();
        if sweep <= now {
            sweep = now + SWEEP;
            core.peers.sweep(&core, now);
        }
        core.peers.with(&core, |state| {
            if let Some(group) = &mut state.group {
                group.members.handle_timeout(now);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_a_peer_is_what_it_said_without_what_leads_nowhere_from_here() {
        let hello = |addresses: &[&str]| Hello {
            name: "ada@desk:7".to_owned(),
            addresses: addresses.iter().map(|&text| text.to_owned()).collect(),
            ..Hello::new(InstanceId([1; 16]))
        };
        let said = hello(&["unix:/run/x", "192.0.2.7:3010", "127.0.0.1:3010"]);
        assert!(is_same(&said, &hello(&["192.0.2.7:3010"])));
        assert!(!is_same(&said, &hello(&["192.0.2.8:3010"])));
        let hub = Hello {
            hub: true,
            ..hello(&["192.0.2.7:3010"])
        };
        assert!(!is_same(&said, &hub));
    }

    #[test]
    fn what_leads_to_another_hosts_own_programs_is_left_out() {
        let texts = |addresses: Vec<Address>| -> Vec<String> {
            addresses.iter().map(ToString::to_string).collect()
        };
        let said = |addresses: &[&str]| -> Vec<String> {
            addresses.iter().map(|&text| text.to_owned()).collect()
        };
        let all = [
            "unix:/run/x",
            "192.0.2.7:3010",
            "127.0.0.1:3010",
            "[2001:db8::7]:3010",
            "[fe80::7%2]:3010",
            "[fe80::7%eth0]:3010",
        ];
        let beyond = ["192.0.2.7:3010", "[2001:db8::7]:3010"];
        assert_eq!(texts(usable(&said(&all))), beyond);
        let here = ["unix:/run/x", "127.0.0.1:3010"];
        assert_eq!(texts(usable(&said(&here))), ["127.0.0.1:3010"]);
        assert_eq!(texts(usable(&said(&["not an address"]))), [""; 0]);
    }
}
