//! Being told that peers come, change and go. What is told, and when, is decided in [`net_proto::presence`], from the live table
//! ([`crate::peers`]); here it meets the program.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use net_proto::links::Target;
use net_proto::presence::Change;
use tokio::sync::Notify;

pub use net_proto::presence::WhyLeft;

use crate::peer::Peer;
use crate::peers::Entry;
use crate::remote::Remote;
use crate::which::Which;

/// What has become of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerChange {
    /// It is there: it has come, or it was there before anybody listened.
    Joined,
    /// It is not there any more.
    Left {
        /// Why, as far as known; as text it is for people.
        why: WhyLeft,
    },
    /// It shows something else of itself: its name, group, addresses, or whether it is a hub.
    Changed,
}

/// A peer, and what has become of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PeerEvent {
    /// What has become of it.
    pub kind: PeerChange,
    /// Which peer. The handle has what was last known of it, also when it has left.
    pub peer: Remote,
}

impl fmt::Display for PeerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peer = &self.peer;
        match &self.kind {
            PeerChange::Joined => write!(f, "{peer} joined"),
            PeerChange::Left { why } => write!(f, "{peer} left: {why}"),
            PeerChange::Changed => write!(f, "{peer} changed"),
        }
    }
}

/// The peers that come, change and go, from [`Peer::peer_events`].
///
/// First come those that are there, as joined, in no order. After that what is told adds up to [`Peer::peers`]: nobody leaves who has not joined, and
/// joins twice without leaving. However slow one listens, nothing waits for it, and it is not told less: what it is told next is the
/// difference between what it was told and what is so then. A peer that came and went meanwhile is no difference.
///
/// - Who ends in order is told to have left at once.
/// - Who crashes, too, where its system says so by closing its links. Whoever loses a link without a goodbye dials once more first, for at
///   most [`GRACE`](net_proto::presence::GRACE): a link that is lost and made anew is nothing that happens to a peer.
/// - A machine that says nothing any more is told to have left after 4.5 s ([`Limits::silence`](net_proto::Limits)), and to have joined when it goes on.
/// - An original peer, to which there is no link, is looked at every 2 s.
///
/// Dropped, it listens no more.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let start = || net::Peer::builder().port(0).runtime_dir(dir.path()).start();
/// use net::PeerChange;
///
/// # let (here, there) = (start().await?, start().await?);
/// let mut events = here.peer_events();
/// while let Some(event) = events.next().await {
///     println!("{event}");
///     match event.kind {
///         PeerChange::Joined => {
///             let answer: String = event.peer.call("net.defaults.handlers.pass_through", &("hello",)).await?;
///             assert_eq!(answer, "hello");
/// #           there.shutdown().await;
///         }
///         PeerChange::Left { why } => {
///             println!("{} left: {why}", event.peer);
/// #           break;
///         }
///         _ => {}
///     }
/// }
/// # here.shutdown().await;
/// # Ok(())
/// # }
/// ```
pub struct PeerEvents {
    peer: Peer,
    number: u64,
    /// Told when there is something to be told, and at the end.
    ear: Arc<Notify>,
    /// Those that are there as far as was told: what is known of them is kept until it is told that they have left.
    there: HashMap<Target, Arc<Entry>>,
}

impl PeerEvents {
    /// Waits for the next one. None when this process's peer has been shut down. Dropped before its end, it has taken nothing.
    pub async fn next(&mut self) -> Option<PeerEvent> {
        loop {
            if let Some(event) = self.try_next() {
                return Some(event);
            }
            if self.peer.0.is_stopped() {
                return None;
            }
            self.ear.notified().await;
        }
    }

    /// The next one, if there is one now.
    pub fn try_next(&mut self) -> Option<PeerEvent> {
        let peers = &self.peer.0.peers;
        let (target, change) = peers.next_change(self.number)?;
        let entry = match &change {
            Change::Left(_) => self.there.remove(&target),
            Change::Joined | Change::Changed => self.there.get(&target).cloned(),
        };
        let entry = entry.unwrap_or_else(|| peers.entry(&target));
        let kind = match change {
            Change::Joined => {
                self.there.insert(target, Arc::clone(&entry));
                PeerChange::Joined
            }
            Change::Changed => PeerChange::Changed,
            Change::Left(why) => PeerChange::Left { why },
        };
        let peer = Remote::new(self.peer.clone(), entry);
        Some(PeerEvent { kind, peer })
    }
}

impl Drop for PeerEvents {
    fn drop(&mut self) {
        self.peer.0.peers.listen_no_more(self.number);
    }
}

impl fmt::Debug for PeerEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerEvents({} there)", self.there.len())
    }
}

/// What becomes of the peers of the own group of this process's [current](Peer::current) peer. None: no peer runs in this process.
#[must_use]
pub fn peer_events() -> Option<PeerEvents> {
    Peer::current().map(|peer| peer.peer_events())
}

impl Peer {
    /// What becomes of the peers of its own group, itself and transient ones left out as in [`peers`](Self::peers). First come those that are
    /// there.
    #[must_use]
    pub fn peer_events(&self) -> PeerEvents {
        self.peer_events_where(&Which::new())
    }

    /// As [`peer_events`](Self::peer_events), of others than its own group. Who goes over to a group that is not meant has left.
    #[must_use]
    pub fn peer_events_where(&self, which: &Which) -> PeerEvents {
        let filter = which.filter(self.group());
        let (number, ear) = self.0.peers.listen(filter);
        PeerEvents {
            peer: self.clone(),
            number,
            ear,
            there: HashMap::new(),
        }
    }
}
