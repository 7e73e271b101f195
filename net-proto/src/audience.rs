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
/// use net_proto::audience::{Audience, Member};
///
/// let peer = InstanceId([1; 16]);
/// let mut audience = Audience::default();
/// let member = |link, id| Member { link, id, peer, number: 7 };
/// assert_eq!(audience.joined("alarm", member("first link", 2)), None);
/// // The same interest on another link: it takes the other's place, which is to be moved.
/// assert_eq!(audience.joined("alarm", member("second link", 5)), Some(member("first link", 2)));
/// assert_eq!(audience.of("alarm"), [member("second link", 5)]);
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
}

impl<L> Default for Audience<L> {
    fn default() -> Self {
        Self {
            events: BTreeMap::new(),
        }
    }
}

impl<L: PartialEq> Audience<L> {
    /// An interest has come. Gives the one that it takes the place of: its backlog is to be moved from there, by
    /// [`Session::move_interest`](crate::Session::move_interest) and
    /// [`resume_interest`](crate::Session::resume_interest), before anything is published to the new one.
    pub fn joined(&mut self, event: &str, new: Member<L>) -> Option<Member<L>> {
        if !self.events.contains_key(event) {
            self.events.insert(event.to_owned(), Vec::new());
        }
        let members = self.events.get_mut(event)?;
        let same = |old: &&mut Member<L>| (old.peer, old.number) == (new.peer, new.number);
        match members.iter_mut().find(same) {
            Some(old) => Some(std::mem::replace(old, new)),
            None => {
                members.push(new);
                None
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
