//! Who wants to be told of what: the interests of all other peers in one peer's events, whichever link each is on. The subscriber's
//! side is [`Interests`](crate::interests::Interests).

use std::collections::BTreeMap;

use crate::id::InstanceId;
use crate::session::CallId;

/// The subscribers of one peer.
///
/// `L` is what the driver knows a link by.
///
/// # Examples
/// ```
/// use net_proto::InstanceId;
/// use net_proto::audience::{Audience, Joined, Member};
///
/// let peer = InstanceId([1; 16]);
/// let mut audience = Audience::default();
/// let member = |link, id, turn| Member { link, id, peer, number: 7, turn };
/// let first = member("first link", 2, 1);
/// assert_eq!(audience.joined("alarm", first), Joined::New);
/// // The same interest on another link: it takes the other's place, which is to be moved.
/// assert_eq!(audience.joined("alarm", member("third link", 5, 3)), Joined::Instead(first));
/// // One that was asked for in between and is late.
/// assert_eq!(audience.joined("alarm", member("second link", 9, 2)), Joined::Late);
/// assert_eq!(audience.of("alarm"), [member("third link", 5, 3)]);
/// ```
#[derive(Debug)]
pub struct Audience<L> {
    events: BTreeMap<String, Vec<Member<L>>>,
}

/// One interest of one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<L> {
    /// The link that it is on.
    pub link: L,
    /// Its stream there.
    pub id: CallId,
    /// Whose it is.
    pub peer: InstanceId,
    /// The peer's own number for it.
    pub number: u64,
    /// What came of its number later counts.
    pub turn: u64,
}

/// What an interest that has come is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Joined<L> {
    /// One that was not there.
    New,
    /// It takes the place of this one: its backlog is to be moved from there, by
    /// [`Session::move_interest`](crate::Session::move_interest) and
    /// [`resume_interest`](crate::Session::resume_interest), before anything is published to the new one.
    Instead(Member<L>),
    /// A later one has come before it, over another link. It is to be ended by
    /// [`Session::end_interest`](crate::Session::end_interest).
    Late,
}

impl<L> Default for Audience<L> {
    fn default() -> Self {
        Self {
            events: BTreeMap::new(),
        }
    }
}

impl<L: PartialEq> Audience<L> {
    /// An interest has come.
    pub fn joined(&mut self, event: &str, new: Member<L>) -> Joined<L> {
        let members = self.events.entry(event.to_owned()).or_default();
        let same = |old: &&mut Member<L>| (old.peer, old.number) == (new.peer, new.number);
        match members.iter_mut().find(same) {
            Some(old) if old.turn > new.turn => Joined::Late,
            Some(old) => Joined::Instead(std::mem::replace(old, new)),
            None => {
                members.push(new);
                Joined::New
            }
        }
    }

    /// An interest was taken back.
    pub fn left(&mut self, link: &L, id: CallId) {
        self.retain(|member| (&member.link, member.id) != (link, id));
    }

    /// A link is gone, and all interests on it. Says how many.
    pub fn lost(&mut self, link: &L) -> usize {
        let count = |audience: &Self| audience.events.values().map(Vec::len).sum::<usize>();
        let before = count(self);
        self.retain(|member| member.link != *link);
        before - count(self)
    }

    fn retain(&mut self, is_kept: impl Fn(&Member<L>) -> bool) {
        self.events.retain(|_, members| {
            members.retain(&is_kept);
            !members.is_empty()
        });
    }

    /// Those who want to be told of an event.
    pub fn of(&self, event: &str) -> &[Member<L>] {
        self.events.get(event).map_or(&[], Vec::as_slice)
    }

    /// The interests on one link.
    pub fn on(&self, link: &L) -> impl Iterator<Item = CallId> {
        let members = self.events.values().flatten();
        members.filter_map(move |member| (member.link == *link).then_some(member.id))
    }

    /// The events that somebody wants to be told of.
    pub fn events(&self) -> impl Iterator<Item = &str> {
        self.events.keys().map(String::as_str)
    }
}
