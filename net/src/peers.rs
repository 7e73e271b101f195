//! The live table of peers: who is known, where, and which link leads there. It dials nothing and finds nobody;
//! those who do tell it.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use net_proto::original::Dialect;
use net_proto::{Hello, InstanceId};

use crate::link::Link;
use crate::link::dial::Address;
use crate::peer::Core;

/// From so many entries on, those of peers that are gone and of which nobody holds a handle are forgotten. What they
/// know is where a peer was; it is kept as long as it is little.
const KEPT: usize = 1024;
/// Why one of two links between the same peers is drained, as the other side is told.
pub(crate) const ANOTHER_LINK: &str = "there is another link between us";
/// How long a peer counts as there on the word that another link is on its way: its handshake has begun.
const AWAITED: Duration = Duration::from_secs(2);

/// What is known of one peer. Handles share it.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Whose entry it is.
    pub(crate) of: Whose,
    known: RwLock<Known>,
    link: RwLock<Option<Arc<Link>>>,
    /// Held while dialling, so that many callers make one link.
    pub(crate) dialling: tokio::sync::Mutex<()>,
    /// Since when another link is awaited in place of one that went.
    awaited: Mutex<Option<Instant>>,
}

/// What an entry stands for.
#[derive(Debug, Clone)]
pub(crate) enum Whose {
    /// One instance, wherever it is.
    Instance(InstanceId),
    /// Whoever is at this address.
    At(Address),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub(crate) id: Option<InstanceId>,
    /// Where it may be dialled, the best first.
    pub(crate) addresses: Vec<Address>,
    /// What it said of itself, once there was a link.
    pub(crate) hello: Option<Hello>,
    /// What it is, if it is an original.
    pub(crate) original: Option<Original>,
}

/// An original peer, and what it answered about itself.
#[derive(Debug, Clone)]
pub(crate) struct Original {
    pub(crate) dialect: Dialect,
    pub(crate) group: Option<String>,
    pub(crate) hub: bool,
    /// Whether it answered when it was last asked.
    pub(crate) present: bool,
}

impl Entry {
    fn new(of: Whose) -> Arc<Self> {
        let known = match &of {
            Whose::Instance(id) => Known {
                id: Some(*id),
                ..Known::default()
            },
            Whose::At(address) => Known {
                addresses: vec![address.clone()],
                ..Known::default()
            },
        };
        Arc::new(Self {
            of,
            known: RwLock::new(known),
            link: RwLock::default(),
            dialling: tokio::sync::Mutex::default(),
            awaited: Mutex::default(),
        })
    }

    pub(crate) fn known(&self) -> Known {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn id(&self) -> Option<InstanceId> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).id
    }

    pub(crate) fn dialect(&self) -> Option<Dialect> {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .original
            .as_ref()
            .map(|o| o.dialect)
    }

    /// The link that new calls go over, if there is one.
    pub(crate) fn link(&self) -> Option<Arc<Link>> {
        let link = self.link.read().unwrap_or_else(PoisonError::into_inner);
        link.as_ref().filter(|link| link.is_open()).map(Arc::clone)
    }

    /// Takes a link for this entry's peer: `choose` is given the open one there is, if any, and says which is to stay.
    /// One step, so that two links made at once meet each other here.
    fn choose_link(
        &self,
        link: &Arc<Link>,
        choose: impl FnOnce(&Arc<Link>) -> Arc<Link>,
    ) -> (Arc<Link>, Option<Arc<Link>>) {
        let mut place = self.link.write().unwrap_or_else(PoisonError::into_inner);
        let old = place
            .take()
            .filter(|old| old.is_open() && !Arc::ptr_eq(old, link));
        let stays = old.as_ref().map_or_else(|| Arc::clone(link), choose);
        *place = Some(Arc::clone(&stays));
        *self.awaited.lock().unwrap_or_else(PoisonError::into_inner) = None;
        drop(place);
        self.learn(link);
        // It may have closed before it came here: then nobody else takes it out again.
        if stays.is_closed() {
            self.drop_link(&stays);
        }
        (stays, old)
    }

    /// Takes a link that was chosen elsewhere.
    pub(crate) fn set_link(&self, link: &Arc<Link>) {
        self.choose_link(link, |_| Arc::clone(link));
    }

    fn learn(&self, link: &Link) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Whose::At(address) = &self.of
            && known.id != Some(link.id())
        {
            // Another one is there now; where the last one was besides is not where this one is.
            known.addresses = vec![address.clone()];
        }
        known.id = Some(link.id());
        known.hello = Some(link.hello.clone());
        known.original = None;
        for address in link
            .hello
            .addresses
            .iter()
            .filter_map(|text| text.parse().ok())
        {
            if !known.addresses.contains(&address) {
                known.addresses.push(address);
            }
        }
    }

    fn is_at(&self, address: &Address) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.addresses.contains(address)
    }

    pub(crate) fn set_original(&self, original: Original) {
        self.known
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .original = Some(original);
    }

    fn drop_link(&self, gone: &Link) {
        let mut link = self.link.write().unwrap_or_else(PoisonError::into_inner);
        if link
            .as_ref()
            .is_some_and(|link| std::ptr::eq(Arc::as_ptr(link), gone))
        {
            *link = None;
        }
    }

    /// Awaits another link in place of `going`, unless it is here already.
    fn await_other(&self, going: &Link) {
        let link = self.link.read().unwrap_or_else(PoisonError::into_inner);
        let is_here = link
            .as_ref()
            .is_some_and(|link| !std::ptr::eq(Arc::as_ptr(link), going) && link.is_open());
        if !is_here {
            // Under the lock: the other one, when it comes, ends the wait.
            *self.awaited.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }

    /// Whether its peer has said that another link is on its way, just now.
    fn awaits_link(&self) -> bool {
        let awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.is_some_and(|since| since.elapsed() < AWAITED)
    }

    fn is_present(&self) -> bool {
        let known = self.known();
        let is_linked = || self.link().is_some() || self.awaits_link();
        match (&known.original, &known.hello) {
            (Some(original), _) => original.present,
            (None, Some(hello)) => !hello.transient && is_linked(),
            (None, None) => false,
        }
    }
}

/// All peers that this one knows of.
#[derive(Debug, Default)]
pub(crate) struct Table(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    by_id: HashMap<InstanceId, Arc<Entry>>,
    by_address: HashMap<Address, Arc<Entry>>,
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entry for an address, known before or not.
    pub(crate) fn at(&self, address: &Address) -> Arc<Entry> {
        let mut entries = self.lock();
        let entry = match entries.by_address.get(address) {
            Some(entry) => Arc::clone(entry),
            None => {
                forget(&mut entries.by_address);
                let entry = Entry::new(Whose::At(address.clone()));
                entries
                    .by_address
                    .insert(address.clone(), Arc::clone(&entry));
                entry
            }
        };
        if entry.link().is_none()
            && let Some(link) = entries
                .by_id
                .values()
                .filter(|known| known.is_at(address))
                .find_map(|known| known.link())
        {
            entry.set_link(&link);
        }
        entry
    }

    /// The link that there is to the instance last met where `entry` is.
    pub(crate) fn link_of(&self, entry: &Entry) -> Option<Arc<Link>> {
        let link = self.find(entry.id()?)?.link()?;
        entry.set_link(&link);
        Some(link)
    }

    /// The entry for an instance; `address` is one more place to dial it at.
    pub(crate) fn with_id(&self, id: InstanceId, address: Option<Address>) -> Arc<Entry> {
        let mut entries = self.lock();
        if !entries.by_id.contains_key(&id) {
            forget(&mut entries.by_id);
        }
        let entry = entries
            .by_id
            .entry(id)
            .or_insert_with(|| Entry::new(Whose::Instance(id)));
        if let Some(address) = address {
            let mut known = entry.known.write().unwrap_or_else(PoisonError::into_inner);
            if !known.addresses.contains(&address) {
                known.addresses.insert(0, address);
            }
        }
        Arc::clone(entry)
    }

    pub(crate) fn find(&self, id: InstanceId) -> Option<Arc<Entry>> {
        self.lock().by_id.get(&id).cloned()
    }

    /// Takes in a new link and gives back the one to use for its peer: there is to be one for each pair.
    ///
    /// Where both sides dialled at once, the link dialled by the smaller id stays, and the peer with the smaller id
    /// alone drains the other: one decides, so that both cannot drain both. Calls already on it still end. Where one
    /// side dialled twice, that side drains its older link.
    pub(crate) fn adopt(&self, core: &Core, link: &Arc<Link>) -> Arc<Link> {
        if link.id() == core.id {
            return Arc::clone(link);
        }
        let we_are_smaller = core.id < link.id();
        let (stays, old) = self.with_id(link.id(), None).choose_link(link, |old| {
            let new_stays = old.dialled == link.dialled || link.dialled == we_are_smaller;
            Arc::clone(if new_stays { link } else { old })
        });
        if let Some(old) = old {
            let we_decide = if old.dialled == link.dialled {
                link.dialled
            } else {
                we_are_smaller
            };
            if we_decide {
                let goes = if Arc::ptr_eq(&stays, link) {
                    &old
                } else {
                    link
                };
                goes.drain(ANOTHER_LINK);
            }
        }
        stays
    }

    /// A link is gone, or going: no new call is to use it.
    pub(crate) fn lost(&self, link: &Link) {
        let entries = self.lock();
        for entry in entries
            .by_id
            .get(&link.id())
            .into_iter()
            .chain(entries.by_address.values())
        {
            entry.drop_link(link);
        }
    }

    /// A link is going because there is another, which this side may not have seen yet: its peer is there all the same.
    pub(crate) fn replaced(&self, link: &Link) {
        if let Some(entry) = self.find(link.id()) {
            entry.await_other(link);
        }
        self.lost(link);
    }

    /// The peers that are there now, in a steady order.
    pub(crate) fn present(&self) -> Vec<Arc<Entry>> {
        let entries = self.lock();
        let natives = entries.by_id.values();
        // A native known by its address stands under its id already.
        let originals = entries
            .by_address
            .values()
            .filter(|entry| entry.dialect().is_some());
        let mut present: Vec<_> = natives
            .chain(originals)
            .filter(|entry| entry.is_present())
            .cloned()
            .collect();
        drop(entries);
        present.sort_by_cached_key(|entry| {
            let known = entry.known();
            (known.addresses.first().map(ToString::to_string), known.id)
        });
        present
    }

    /// The originals known, present or not, with their addresses.
    pub(crate) fn originals(&self) -> Vec<(Address, Arc<Entry>)> {
        let entries = self.lock();
        let originals = entries
            .by_address
            .iter()
            .filter(|(_, entry)| entry.dialect().is_some());
        originals
            .map(|(address, entry)| (address.clone(), Arc::clone(entry)))
            .collect()
    }

    /// Every link there is.
    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        self.lock()
            .by_id
            .values()
            .filter_map(|entry| entry.link())
            .collect()
    }
}

/// Makes room for one more, where there are many: forgets who is gone and of whom nobody else holds the entry. Under the
/// table's lock, where alone it could be got.
fn forget<K>(entries: &mut HashMap<K, Arc<Entry>>) {
    if entries.len() >= KEPT {
        entries.retain(|_, entry| {
            Arc::strong_count(entry) > 1 || entry.link().is_some() || entry.is_present()
        });
    }
}
