//! Finds peers by asking the hosts on one's own networks at the ports of the range: originals, which tell nobody that they are there, and peers on
//! networks that carry no multicast. It asks strangers, so it does so only when it is asked to.

mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use net_proto::Address;
use tokio::net::TcpStream;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;

use super::{Finder, Looking, Seen, Sighting};
use crate::clock;
use crate::config::Config;

use table::Neighbour;

/// So many hosts are asked, of all neighbours: those that have answered something just now before others.
const HOSTS: usize = 256;
/// The shortest time between one host and the next. All of them take three seconds, and nobody's network takes it for an attack.
const PACE: Duration = Duration::from_millis(10);
/// How long connecting may take. A neighbour answers within milliseconds.
const CONNECT_TIME: Duration = Duration::from_millis(300);

/// Whoever tells of this host's neighbours. It may block for a moment.
type Table = dyn Fn() -> Result<Vec<Neighbour>, String> + Send + Sync;

pub(crate) struct NeighbourFinder {
    table: Arc<Table>,
    ports: Vec<u16>,
    /// How many hosts are asked at once.
    width: usize,
    /// One look at a time. Who comes meanwhile waits for its end, and has its answers.
    looking: AsyncMutex<()>,
    /// How many hosts it has asked, of how many, in the look that goes on or was the last.
    progress: Mutex<Option<(usize, usize)>>,
    trouble: Mutex<Option<String>>,
}

impl NeighbourFinder {
    pub(super) fn new(config: &Config) -> Self {
        let width = usize::from(config.thread_limit);
        Self::of(table::neighbours, config.ports_of_others(), width)
    }

    fn of(
        table: impl Fn() -> Result<Vec<Neighbour>, String> + Send + Sync + 'static,
        ports: Vec<u16>,
        width: usize,
    ) -> Self {
        Self {
            table: Arc::new(table),
            ports,
            // Programs of the original set it to 0, for one after the other.
            width: width.max(1),
            looking: AsyncMutex::new(()),
            progress: Mutex::default(),
            trouble: Mutex::default(),
        }
    }

    async fn ask_all(self: &Arc<Self>, seen: &Arc<Seen>) {
        let Ok(_one) = self.looking.try_lock() else {
            drop(self.looking.lock().await);
            return;
        };
        let hosts = self.hosts().await;
        self.set_progress(Some((0, hosts.len())));
        let free = Arc::new(Semaphore::new(self.width));
        let mut asked = JoinSet::new();
        for host in hosts {
            let leave = Arc::clone(&free).acquire_owned().await;
            let (finder, seen) = (Arc::clone(self), Arc::clone(seen));
            asked.spawn(async move {
                let _leave = leave;
                finder.ask(&host, &seen).await;
                finder.has_asked_one();
            });
            clock::sleep(PACE).await;
        }
        while asked.join_next().await.is_some() {}
    }

    async fn hosts(&self) -> Vec<Neighbour> {
        let table = Arc::clone(&self.table);
        let told = spawn_blocking(move || table()).await;
        let told = told.unwrap_or_else(|error| Err(error.to_string()));
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = told.clone().err();
        let mut hosts = table::hosts(told.unwrap_or_default());
        hosts.truncate(HOSTS);
        hosts
    }

    /// Asks one host at all ports. Those at which nobody listens are not worth a word.
    async fn ask(&self, host: &Neighbour, seen: &Arc<Seen>) {
        let mut tries = JoinSet::new();
        for port in &self.ports {
            let at = host.at(*port);
            let seen = Arc::clone(seen);
            tries.spawn(async move {
                let address = Address::Tcp(at);
                let is_there = seen.leads_to(&address).is_some()
                    || matches!(
                        timeout(CONNECT_TIME, TcpStream::connect(at)).await,
                        Ok(Ok(_))
                    );
                if is_there {
                    seen.meet(Sighting { address, id: None }).await;
                }
            });
        }
        while tries.join_next().await.is_some() {}
    }

    fn has_asked_one(&self) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((asked, _)) = &mut *progress {
            *asked += 1;
        }
    }

    fn set_progress(&self, to: Option<(usize, usize)>) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }
}

impl Finder for NeighbourFinder {
    fn name(&self) -> &'static str {
        "neighbour"
    }

    fn watch(self: Arc<Self>, seen: Arc<Seen>) -> Looking {
        Box::pin(async move { seen.has_looked() })
    }

    fn look(self: Arc<Self>, seen: Arc<Seen>) -> Looking {
        Box::pin(async move {
            // A group that stays on its host asks nobody elsewhere.
            if seen.core().access.admits_network() {
                self.ask_all(&seen).await;
            }
        })
    }

    fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.clone()
    }

    fn progress(&self) -> Option<(usize, usize)> {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for NeighbourFinder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "NeighbourFinder({:?}, {} at once)",
            self.ports, self.width
        )
    }
}
