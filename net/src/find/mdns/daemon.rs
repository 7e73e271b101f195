//! The thread that speaks multicast DNS, held so that it takes leave and ends when it is let go. What is said by it is not known here.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mdns_sd::{Error, IfKind, IfPredicate, Receiver, ServiceDaemon, ServiceEvent, ServiceInfo};

use super::announcement::SERVICE;
use crate::interfaces::Interface;

/// How often it looks by itself which addresses have gone, in seconds. What has come it is told.
const LOOKS_EVERY: u32 = 2;
/// How long it may take to say goodbye. It takes a moment, or the machine is very busy.
const GOODBYE: Duration = Duration::from_millis(500);
/// So often an order is given that finds its queue full, with this long between.
const TRIES: u32 = 50;
const BETWEEN_TRIES: Duration = Duration::from_millis(2);

/// Why it does not do what it is told.
#[derive(Debug, thiserror::Error)]
#[error("multicast DNS: {0}")]
pub(super) struct DaemonError(#[from] Error);

pub(super) struct Daemon {
    daemon: ServiceDaemon,
    /// The names of the interfaces that it uses.
    used: Arc<Mutex<HashSet<(u32, bool)>>>,
}

impl Daemon {
    /// Begins on no interface. When this ends, it has its sockets.
    pub(super) async fn start(port: u16) -> Result<Self, DaemonError> {
        let daemon = ServiceDaemon::new_with_port(port)?;
        let used = Arc::new(Mutex::new(HashSet::new()));
        let chosen = Arc::clone(&used);
        let is_used = IfPredicate::new(move |it| {
            let chosen = chosen.lock().unwrap_or_else(PoisonError::into_inner);
            chosen.contains(&(it.index.unwrap_or(0), it.ip().is_ipv4()))
        });
        daemon.disable_interface(IfKind::All)?;
        daemon.enable_interface(IfKind::Predicate(is_used))?;
        daemon.set_ip_check_interval(LOOKS_EVERY)?;
        let begun = Self { daemon, used };
        // It answers when it has begun, or is at an end.
        let _ = begun.daemon.status()?.recv_async().await;
        Ok(begun)
    }

    /// Uses these from now on, and no others.
    pub(super) fn use_interfaces(&self, chosen: &[Interface]) -> Result<(), DaemonError> {
        let families = chosen.iter().map(|it| (it.index, it.ip.is_ipv4()));
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = families.collect();
        // One more of none: it looks at them anew.
        Ok(self.daemon.enable_interface(Vec::<IfKind>::new())?)
    }

    /// Says this, now and when it is asked. What was said before under the same name is replaced.
    pub(super) fn announce(&self, info: ServiceInfo) -> Result<(), DaemonError> {
        Ok(self.daemon.register(info)?)
    }

    /// Asks who is there, and tells of those who are and who come and go.
    pub(super) fn browse(&self) -> Result<Receiver<ServiceEvent>, DaemonError> {
        Ok(self.daemon.browse(SERVICE)?)
    }
}

/// Takes leave: others know at once that nobody is there any more.
impl Drop for Daemon {
    fn drop(&mut self) {
        for _ in 0..TRIES {
            match self.daemon.shutdown() {
                Ok(is_down) => {
                    let _ = is_down.recv_timeout(GOODBYE);
                    return;
                }
                Err(Error::Again) => std::thread::sleep(BETWEEN_TRIES),
                Err(_) => return,
            }
        }
    }
}
