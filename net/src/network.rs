//! Where this peer can be dialled, as the network of its host is now: followed while it runs. Neither who is told nor who is looked for.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::interfaces::Interface;
use crate::interfaces::watch::{Change, Watch};
use crate::link::accept;
use crate::listen::{self, Reach};
use crate::peer::Core;

/// The network as it is now, for one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Now {
    /// Where the peer can be dialled, as it tells others: `unix:/path` and `host:port`.
    pub(crate) addresses: Arc<[String]>,
    /// Those that are up.
    pub(crate) interfaces: Arc<[Interface]>,
    /// How often the host has woken from a sleep. What others know of this peer may have run out meanwhile.
    pub(crate) wakes: u64,
}

#[derive(Debug)]
pub(crate) struct Network {
    reach: Mutex<Reach>,
    now: watch::Sender<Now>,
}

impl Network {
    pub(crate) fn new(reach: Reach, interfaces: &[Interface]) -> Self {
        let now = Now {
            addresses: reach.addresses(interfaces).into(),
            interfaces: interfaces.into(),
            wakes: 0,
        };
        Self {
            reach: Mutex::new(reach),
            now: watch::Sender::new(now),
        }
    }

    /// Where the peer can be dialled now.
    pub(crate) fn addresses(&self) -> Arc<[String]> {
        Arc::clone(&self.now.borrow().addresses)
    }

    /// The network now, and each change of it: also one of interfaces that have nothing to do with whoever waits.
    pub(crate) fn watch(&self) -> watch::Receiver<Now> {
        self.now.subscribe()
    }

    /// Whether the peer is served at this address of its host.
    pub(crate) fn is_served_at(&self, ip: &IpAddr) -> bool {
        self.reach().takes(ip)
    }

    /// Whether it is served beyond its host, wherever that comes to be.
    pub(crate) fn leads_beyond(&self) -> bool {
        self.reach().leads_beyond()
    }

    /// Follows the host's interfaces until the peer stops.
    pub(crate) async fn follow(core: Arc<Core>, mut watch: Watch) {
        loop {
            let change = watch.changed().await;
            let network = &core.network;
            network.listen_at_missing(&core).await;
            let interfaces = watch.interfaces();
            let addresses = network.reach().addresses(interfaces);
            if change == Change::Woke || *network.addresses() != addresses[..] {
                tracing::info!(?change, ?addresses, "the network of this host is another");
            }
            network.now.send_modify(|now| {
                now.addresses = addresses.into();
                now.interfaces = interfaces.into();
                now.wakes += u64::from(change == Change::Woke);
            });
        }
    }

    /// Listens where it was to from the start, and the address has come since.
    async fn listen_at_missing(&self, core: &Arc<Core>) {
        let (missing, port) = {
            let reach = self.reach();
            (reach.missing.clone(), reach.port)
        };
        let Some(port) = port else { return };
        for ip in missing {
            let address = SocketAddr::new(ip, port);
            match listen::bind(address) {
                Ok(listener) => {
                    #[cfg(unix)]
                    core.holds(std::os::fd::AsRawFd::as_raw_fd(&listener));
                    self.reach().listens_at(ip);
                    let accepting = accept::tcp(Arc::clone(core), listener);
                    core.add_task(core.runtime.spawn(accepting)).await;
                }
                Err(error) if listen::is_not_there(&error) => {}
                Err(error) => {
                    tracing::warn!(%address, %error, "cannot listen at an address that came")
                }
            }
        }
    }

    fn reach(&self) -> MutexGuard<'_, Reach> {
        self.reach.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
