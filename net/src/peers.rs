//! The live table of peers: who is known, where, and which link leads there. It dials nothing and finds nobody;
//! those who do tell it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use net_proto::original::Dialect;
use net_proto::{Hello, InstanceId};

use crate::link::Link;
use crate::link::dial::Address;
use crate::peer::Core;

/// What is known of one peer. Handles share it.
#[derive(Debug)]
pub(crate) struct Entry {
    known: RwLock<Known>,
    link: RwLock<Option<Arc<Link>>>,
    /// Held while dialling, so that many callers make one link.
    pub(crate) dialling: tokio::sync::Mutex<()>,
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
    fn new(known: Known) -> Arc<Self> {
        Arc::new(Self {
            known: RwLock::new(known),
            link: RwLock::default(),
            dialling: tokio::sync::Mutex::default(),
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
        drop(place);
        self.learn(link);
        (stays, old)
    }

    /// Takes a link that was chosen elsewhere.
    pub(crate) fn set_link(&self, link: &Arc<Link>) {
        self.choose_link(link, |_| Arc::clone(link));
    }

    fn learn(&self, link: &Link) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
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

    fn is_present(&self) -> bool {
        let known = self.known();
        match (&known.original, &known.hello) {
            (Some(original), _) => original.present,
            (None, Some(hello)) => !hello.transient && self.link().is_some(),
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
        let known_by_id = entries
            .by_id
            .values()
            .find(|entry| entry.known().addresses.contains(address));
        if let Some(entry) = known_by_id.filter(|entry| entry.link().is_some()) {
            return Arc::clone(entry);
        }
        Arc::clone(
            entries
                .by_address
                .entry(address.clone())
                .or_insert_with(|| {
                    Entry::new(Known {
                        addresses: vec![address.clone()],
                        ..Known::default()
                    })
                }),
        )
    }

    /// The entry for an instance; `address` is one more place to dial it at.
    pub(crate) fn with_id(&self, id: InstanceId, address: Option<Address>) -> Arc<Entry> {
        let mut entries = self.lock();
        let entry = entries.by_id.entry(id).or_insert_with(|| {
            Entry::new(Known {
                id: Some(id),
                ..Known::default()
            })
        });
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
                goes.drain("there is another link between us");
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
