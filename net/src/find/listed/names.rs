//! From names to addresses: by the system's resolver, which knows `/etc/hosts` too, and for services by [`dns`](super::dns). Nobody is
//! met here.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::dns::{self, Srv};

/// How long a look-up is waited for. The system's resolver gives up after some ten seconds, and meanwhile others than the name's may be met.
const LOOK_UP_TIME: Duration = Duration::from_secs(5);
/// So many look-ups go on at once: each has a thread, and where name servers are silent it stays for the resolver's ten seconds.
const AT_ONCE: usize = 16;

/// The system's resolver, which blocks.
type Resolver = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

pub(super) struct Names {
    resolver: Arc<Resolver>,
    /// Others than the system's, in tests.
    servers: Option<Vec<SocketAddr>>,
    free: Arc<Semaphore>,
}

impl Names {
    pub(super) fn of_system() -> Self {
        Self::of(resolve, None)
    }

    pub(super) fn of(
        resolver: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
        servers: Option<Vec<SocketAddr>>,
    ) -> Self {
        Self {
            resolver: Arc::new(resolver),
            servers,
            free: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// All addresses of a name, each once.
    pub(super) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        let looked_up = timeout(LOOK_UP_TIME, self.look_up(name.to_owned())).await;
        let found = looked_up.map_err(|_| silent())?;
        let mut addresses = found.map_err(|why| format!("name not found: {why}"))?;
        let mut seen = Vec::new();
        addresses.retain(|address| {
            let is_new = !seen.contains(address);
            seen.push(*address);
            is_new
        });
        match addresses.is_empty() {
            true => Err("the name has no address".to_owned()),
            false => Ok(addresses),
        }
    }

    /// Where a service is, those that are to be used first first.
    pub(super) async fn service(&self, name: &str) -> Result<Vec<Srv>, String> {
        let servers = match &self.servers {
            Some(servers) => servers.clone(),
            None => dns::system_servers(),
        };
        let looked_up = timeout(LOOK_UP_TIME, dns::service(&servers, name)).await;
        looked_up.map_err(|_| silent())?
    }

    /// On a thread of its own, and not on one of the runtime's: that would not end before the resolver has.
    async fn look_up(&self, name: String) -> io::Result<Vec<IpAddr>> {
        let leave = Arc::clone(&self.free).acquire_owned().await;
        let resolver = Arc::clone(&self.resolver);
        let (tell, told) = oneshot::channel();
        let thread = thread::Builder::new().name("net-names".into());
        thread.spawn(move || {
            let _leave = leave;
            // Who waited may have given up.
            let _ = tell.send(resolver(&name));
        })?;
        told.await.map_err(io::Error::other)?
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names")
    }
}

fn silent() -> String {
    format!("no name server has answered within {LOOK_UP_TIME:?}")
}

fn resolve(name: &str) -> io::Result<Vec<IpAddr>> {
    let found = (name, 0).to_socket_addrs()?;
    Ok(found.map(|address| address.ip()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_of_the_hosts_file_are_known() {
        let found = Names::of_system().addresses("localhost").await.unwrap();
        assert!(found.iter().all(IpAddr::is_loopback), "{found:?}");
    }
}
