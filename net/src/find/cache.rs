//! Finds the peers of one's own group on other hosts where they were before: for networks that let nobody look around. Written as long as the peer
//! runs, and read when it starts.

mod file;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use net_proto::Address;
use net_proto::links::Target;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::task::{JoinSet, spawn_blocking};

use super::retry::Retries;
use super::{Finder, Looking, Seen, Sighting};
use crate::clock;
use crate::config::Config;
use crate::link::Link;
use crate::peer::Core;

use file::{File, Known};

/// How often it looks at which links there are, and who is to be tried again. It costs a look at the table of peers.
const LOOK: Duration = Duration::from_secs(1);
/// The shortest time between two writes: many peers come at once where a network comes back.
const WRITE: Duration = Duration::from_secs(5);
/// How long what was written of an address is good for. An hour matters nothing to what is kept for weeks.
const WRITE_AGAIN: Duration = Duration::from_secs(3600);
/// The longest time between two tries at an address. Most of those that do not answer for long never will.
const RETRY_MOST: Duration = Duration::from_secs(120);
/// So many addresses are dialled at once.
const AT_ONCE: usize = 64;

#[derive(Debug)]
pub(crate) struct CacheFinder {
    /// None where nothing says where the user's state is.
    file: Option<File>,
    /// Whether an address leads beyond this host. On it peers are found as it is.
    leads_beyond: fn(&Core, &Address) -> bool,
    state: AsyncMutex<State>,
    /// When each address was written last.
    written: Mutex<HashMap<Address, Instant>>,
    trouble: Mutex<Option<String>>,
    free: Semaphore,
}

#[derive(Debug)]
struct State {
    known: Vec<Address>,
    retries: Retries,
}

impl CacheFinder {
    pub(super) fn new(config: &Config) -> Self {
        let dir = config.state_dir.as_deref();
        let file = dir.map(|dir| File::of(dir, config.group.as_deref()));
        Self::of(file, leads_beyond)
    }

    fn of(file: Option<File>, leads_beyond: fn(&Core, &Address) -> bool) -> Self {
        let nowhere = || "nothing is remembered: neither XDG_STATE_HOME nor HOME is set to a path from the root on";
        Self {
            trouble: Mutex::new(file.is_none().then(nowhere).map(str::to_owned)),
            file,
            leads_beyond,
            state: AsyncMutex::new(State {
                known: Vec::new(),
                retries: Retries::new(RETRY_MOST),
            }),
            written: Mutex::default(),
            free: Semaphore::new(AT_ONCE),
        }
    }

    async fn run(self: Arc<Self>, seen: Arc<Seen>) {
        let finder = Arc::clone(&self);
        if let Ok(Some(known)) = spawn_blocking(move || finder.read()).await {
            self.know(known).await;
        }
        let _last = AtEnd {
            finder: &self,
            core: seen.core(),
        };
        let mut written = Instant::now();
        loop {
            self.meet_known(&seen, false).await;
            seen.has_looked();
            if written.elapsed() >= WRITE && !self.to_write(seen.core()).is_empty() {
                written = Instant::now();
                let finder = Arc::clone(&self);
                let core = Arc::clone(seen.core());
                let writing = spawn_blocking(move || finder.write(&core));
                if let Ok(Some(known)) = writing.await {
                    self.know(known).await;
                }
            }
            clock::sleep(LOOK).await;
        }
    }

    /// What is remembered. It blocks.
    fn read(&self) -> Option<Result<Known, String>> {
        Some(self.file.as_ref()?.read(SystemTime::now()))
    }

    /// Takes over what is remembered, by other programs too.
    async fn know(&self, read: Result<Known, String>) {
        let trouble = match read {
            Ok(known) => {
                let mut state = self.state.lock().await;
                state.known = known.into_keys().collect();
                let State { known, retries } = &mut *state;
                retries.keep(|at| known.contains(at));
                None
            }
            Err(why) => {
                tracing::warn!(%why, "what is remembered of peers cannot be used");
                Some(why)
            }
        };
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Meets those that are remembered and to which there is no link: those that are due, or all.
    async fn meet_known(self: &Arc<Self>, seen: &Arc<Seen>, all: bool) {
        let mut state = self.state.lock().await;
        let mut meetings = JoinSet::new();
        let now = Instant::now();
        for at in state.known.clone() {
            if seen.leads_to(&at).is_some() {
                state.retries.reached(&at, now);
            } else if all || state.retries.is_due(&at, now) {
                let (finder, seen) = (Arc::clone(self), Arc::clone(seen));
                meetings.spawn(async move {
                    let _one = finder.free.acquire().await;
                    let sighting = Sighting {
                        address: at.clone(),
                        id: None,
                    };
                    (at, seen.meet(sighting).await)
                });
            }
        }
        while let Some(met) = meetings.join_next().await {
            // One that panicked is tried again.
            let Ok((at, outcome)) = met else { continue };
            state.retries.came_to(&at, Some(&outcome), Instant::now());
        }
    }

    /// Where the peers of its group are that are linked now, if that was not written lately.
    fn to_write(&self, core: &Core) -> Vec<Address> {
        // Who stays for the time of one command has not seen who stays.
        if core.transient {
            return Vec::new();
        }
        let links = core.peers.links();
        let of_group = links.iter().filter(|link| {
            let target = Target::Instance(link.id());
            !link.hello.transient && core.peers.who(&target).group == core.group
        });
        let mut addresses: Vec<_> = of_group.flat_map(|link| places(link)).collect();
        let written = self.written();
        let is_new = |at: &Address| {
            let last = written.get(at);
            last.is_none_or(|last| last.elapsed() >= WRITE_AGAIN)
        };
        addresses.retain(|at| (self.leads_beyond)(core, at) && is_new(at));
        addresses
    }

    /// Writes what is to be written, and gives what is remembered then; nothing where there is nothing. It blocks.
    fn write(&self, core: &Core) -> Option<Result<Known, String>> {
        let addresses = self.to_write(core);
        let file = self.file.as_ref().filter(|_| !addresses.is_empty())?;
        let known = file.remember(&addresses, SystemTime::now());
        if known.is_ok() {
            let mut written = self.written();
            written.retain(|_, at| at.elapsed() < WRITE_AGAIN);
            written.extend(addresses.into_iter().map(|at| (at, Instant::now())));
        }
        Some(known)
    }

    fn written(&self) -> MutexGuard<'_, HashMap<Address, Instant>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Finder for CacheFinder {
    fn name(&self) -> &'static str {
        "cache"
    }

    fn watch(self: Arc<Self>, seen: Arc<Seen>) -> Looking {
        Box::pin(async move {
            // A group that stays on its host has nobody elsewhere.
            if !seen.core().access.admits_network() {
                seen.has_looked();
                return;
            }
            match self.file {
                Some(_) => self.run(seen).await,
                None => seen.has_looked(),
            }
        })
    }

    fn look(self: Arc<Self>, seen: Arc<Seen>) -> Looking {
        Box::pin(async move { self.meet_known(&seen, true).await })
    }

    fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.clone()
    }
}

/// Writes what is not written yet when the finder is stopped. The links are still there then.
struct AtEnd<'a> {
    finder: &'a CacheFinder,
    core: &'a Core,
}

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        if let Some(Err(why)) = self.finder.write(self.core) {
            tracing::warn!(%why, "what is known of peers could not be written");
        }
    }
}

/// Whether it is neither a loopback address nor one that this host has on its networks.
fn leads_beyond(core: &Core, address: &Address) -> bool {
    let ip = |address: &Address| match address {
        Address::Tcp(at) => Some(at.ip()),
        Address::Scoped(ip, ..) => Some((*ip).into()),
        Address::Unix(_) | Address::Name(..) => None,
    };
    let own = core.hello().addresses;
    let mut own = own.iter().filter_map(|at| ip(&at.parse().ok()?));
    !address.is_here() && !own.any(|own| ip(address) == Some(own))
}

/// Where the other side of a link can be dialled: where it was, or where it says that it is on the host from which it came. Where it says
/// so of none, it came through something that changes addresses, and any may be right.
fn places(link: &Link) -> Vec<Address> {
    let there = link.address.parse().ok();
    let Some(Address::Tcp(there)) = there else {
        return Vec::new();
    };
    if link.dialled {
        return vec![Address::Tcp(there)];
    }
    let said = link.hello.addresses.iter().filter_map(|at| at.parse().ok());
    let said: Vec<Address> = said.filter(|at| matches!(at, Address::Tcp(_))).collect();
    let is_there = |at: &Address| matches!(at, Address::Tcp(at) if at.ip() == there.ip());
    match said.iter().any(is_there) {
        true => said.into_iter().filter(is_there).collect(),
        false => said,
    }
}
