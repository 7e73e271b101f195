//! The sockets that a peer listens at: a Unix socket in the runtime directory, and TCP. Nothing here accepts.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
#[cfg(unix)]
use std::os::fd::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};

use net_proto::InstanceId;
use tokio::net::{TcpListener, TcpSocket, UnixListener};

use crate::config::Config;
use crate::error::StartError;
use crate::interfaces::Interface;
use crate::place::Place;
use crate::secure::access::Access;
use crate::trouble::is_exhausted;

/// Connections that the system keeps until they are accepted, as tokio asks for.
const BACKLOG: u32 = 1024;
/// How often a socket is made anew that is removed before it has its name: one time is rare.
const LISTEN_TRIES: u32 = 3;

#[derive(Debug, Default)]
pub(crate) struct Listeners {
    pub(crate) tcp: Vec<TcpListener>,
    pub(crate) reach: Reach,
    pub(crate) unix: Option<UnixListener>,
    pub(crate) socket: Option<PathBuf>,
}

/// At which addresses whatever listens is reached.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reach {
    pub(crate) port: Option<u16>,
    /// What it listens at: each an address of this host, or all of a family.
    bound: Vec<IpAddr>,
    /// Where it is to listen, and this host is not, yet.
    pub(crate) missing: Vec<IpAddr>,
    /// Those of this host's loopback addresses that are told to others on it.
    loopback: Vec<IpAddr>,
    pub(crate) unix: Option<String>,
}

impl Listeners {
    pub(crate) async fn open(
        config: &Config,
        place: &Place,
        id: InstanceId,
        access: Access,
    ) -> Result<Self, StartError> {
        let hosts = to_bind(config, access.admits_network())?;
        let (tcp, port) = listen_tcp(config, &hosts).await?;
        let bound: Vec<IpAddr> = tcp
            .iter()
            .filter_map(|listener| Some(listener.local_addr().ok()?.ip()))
            .collect();
        let is_missing = |host: &IpAddr| !host.is_unspecified() && !bound.contains(host);
        let missing: Vec<IpAddr> = hosts.into_iter().filter(is_missing).collect();
        if !missing.is_empty() {
            tracing::warn!(addresses = ?missing, "this host does not have these addresses (NET_BIND): the peer listens there when it does");
        }
        let path = place.socket(id);
        let name = format!("unix:{}", path.display());
        let unix = listen_unix(&place.starting_socket(id), &path).map_err(|source| {
            if is_exhausted(&source) {
                let address = name.clone();
                StartError::Listen { address, source }
            } else {
                place.unusable(format!("no socket can be made in it: {source}"))
            }
        })?;
        Ok(Self {
            tcp,
            reach: Reach {
                port: Some(port),
                bound,
                missing,
                loopback: loopback_hosts(),
                unix: Some(name),
            },
            unix: Some(unix),
            socket: Some(path),
        })
    }

    /// The descriptors of all that listens.
    #[cfg(unix)]
    pub(crate) fn descriptors(&self) -> Vec<RawFd> {
        let unix = self.unix.iter().map(AsRawFd::as_raw_fd);
        self.tcp
            .iter()
            .map(AsRawFd::as_raw_fd)
            .chain(unix)
            .collect()
    }
}

impl Reach {
    /// The host that an original peer on this machine looks for others at: where this host's name leads, if that is
    /// a loopback address.
    pub(crate) fn host(&self) -> String {
        let all_loopback = self.bound.iter().any(IpAddr::is_unspecified);
        let hosts = if all_loopback {
            &self.loopback
        } else {
            &self.bound
        };
        hosts
            .last()
            .map_or_else(|| Ipv4Addr::LOCALHOST.to_string(), ToString::to_string)
    }

    /// Where others can dial, when this host has these interfaces. Addresses that lead further come first: the last is for originals on this
    /// host.
    pub(crate) fn addresses(&self, interfaces: &[Interface]) -> Vec<String> {
        let lead_here = interfaces.iter().filter(|it| it.leads_here());
        let of_interfaces = lead_here.map(|it| it.ip).filter(|ip| self.takes_all_of(ip));
        let is_there = |ip: &IpAddr| ip.is_loopback() || interfaces.iter().any(|it| it.ip == *ip);
        let by_name = self.bound.iter().filter(|ip| is_there(ip)).copied();
        let loopback = self.loopback.iter().copied();
        let loopback = loopback.filter(|ip| self.takes_all_of(ip));
        let tcp = self.port.into_iter().flat_map(|port| {
            let all = of_interfaces.clone().chain(by_name.clone());
            all.chain(loopback.clone())
                .map(move |ip| SocketAddr::new(ip, port).to_string())
        });
        self.unix.iter().cloned().chain(tcp).collect()
    }

    /// Whether it takes what comes to this address.
    pub(crate) fn takes(&self, ip: &IpAddr) -> bool {
        self.bound.contains(ip) || self.takes_all_of(ip)
    }

    /// Whether it is reached from other hosts, or would be if this one had the addresses.
    pub(crate) fn leads_beyond(&self) -> bool {
        let mut all = self.bound.iter().chain(&self.missing);
        all.any(|ip| !ip.is_loopback())
    }

    /// It does now.
    pub(crate) fn listens_at(&mut self, ip: IpAddr) {
        self.missing.retain(|missing| *missing != ip);
        self.bound.push(ip);
    }

    fn takes_all_of(&self, ip: &IpAddr) -> bool {
        let mut all = self.bound.iter().filter(|bound| bound.is_unspecified());
        all.any(|bound| bound.is_ipv4() == ip.is_ipv4())
    }
}

/// `user@host:pid`.
pub(crate) fn default_name(user: &str) -> String {
    format!("{user}@{}:{}", host_name(), std::process::id())
}

/// The user's name, as the session has it or as `/etc/passwd` does; else the user's number.
pub(crate) fn user_name(config: &Config) -> String {
    let uid = rustix::process::getuid().as_raw().to_string();
    let in_file = || {
        let file = std::fs::read_to_string("/etc/passwd").ok()?;
        let line = file
            .lines()
            .find(|line| line.split(':').nth(2) == Some(&uid))?;
        line.split(':').next().map(str::to_owned)
    };
    let in_session = config.user.clone();
    in_session.or_else(in_file).unwrap_or(uid)
}

fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// 127.0.0.1, then the loopback address that this host's name has, where it has one of its own (127.0.1.1 on Debian).
///
/// By the file, and not by the resolver: that may take its time, and reads the environment while the program may be changing it.
pub(crate) fn loopback_hosts() -> Vec<IpAddr> {
    let file = fs::read_to_string("/etc/hosts").unwrap_or_default();
    let first = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let named = address_of(&host_name(), &file).map(IpAddr::V4);
    let named = named.filter(|named| named.is_loopback() && *named != first);
    std::iter::once(first).chain(named).collect()
}

/// The addresses that the group allows, or those that are asked for: a group without a key stays on its host, unless it is opened.
fn to_bind(config: &Config, admits: bool) -> Result<Vec<IpAddr>, StartError> {
    let beyond = config.bind.iter().find(|address| !address.is_loopback());
    if let Some(address) = beyond
        && !admits
    {
        return Err(StartError::Setting {
            name: "NET_BIND",
            value: address.to_string(),
            why: "a group without a key is served on its own host alone: give it one (`app-net group new`), or open it (NET_OPEN=1)",
        });
    }
    Ok(match (config.bind.is_empty(), admits) {
        (false, _) => config.bind.clone(),
        (true, false) => loopback_hosts(),
        (true, true) => vec![
            IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        ],
    })
}

/// The first IPv4 address of a name in the text of a hosts file.
fn address_of(name: &str, hosts: &str) -> Option<Ipv4Addr> {
    hosts.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words
            .any(|word| word.eq_ignore_ascii_case(name))
            .then_some(address)
    })
}

/// The first port of the range that is free on every loopback address, else one that the system gives.
async fn listen_tcp(
    config: &Config,
    hosts: &[IpAddr],
) -> Result<(Vec<TcpListener>, u16), StartError> {
    for port in config.ports() {
        match bind_all(hosts, port).await {
            Ok(listeners) => return Ok((listeners, port)),
            Err((_, error)) if error.kind() == io::ErrorKind::AddrInUse => {}
            // Ports below 1024, or a range the system keeps for itself: the next one may do.
            Err((address, error)) => tracing::debug!(%address, %error, "cannot listen here"),
        }
    }
    // The system's port is free on the first host; on the others it may be taken, then another is asked for.
    let mut last = None;
    for _ in 0..16 {
        match bind_all(hosts, 0).await {
            Ok(listeners) => {
                let port = listeners
                    .first()
                    .and_then(|l| l.local_addr().ok())
                    .map_or(0, |a| a.port());
                return Ok((listeners, port));
            }
            Err(error) => last = Some(error),
        }
    }
    let (address, source) = last.unwrap_or_else(|| {
        (
            SocketAddr::new(hosts[0], 0),
            io::ErrorKind::AddrNotAvailable.into(),
        )
    });
    Err(StartError::Listen {
        address: address.to_string(),
        source,
    })
}

async fn bind_all(
    hosts: &[IpAddr],
    port: u16,
) -> Result<Vec<TcpListener>, (SocketAddr, io::Error)> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut port = port;
    let mut not_there = None;
    for host in hosts {
        let address = SocketAddr::new(*host, port);
        let listener = match bind(address) {
            Ok(listener) => listener,
            // A host without IPv6, or one that does not have the address yet.
            Err(error) if is_not_there(&error) => {
                not_there = Some((address, error));
                continue;
            }
            Err(error) => return Err((address, error)),
        };
        port = listener
            .local_addr()
            .map_err(|error| (address, error))?
            .port();
        listeners.push(listener);
    }
    match not_there {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => {
            let socket = TcpSocket::new_v6()?;
            // IPv4 has a socket of its own.
            rustix::net::sockopt::set_ipv6_v6only(&socket, true)?;
            socket
        }
    };
    // As tokio's own: a port whose last connections are ending is free.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Whether this host does not have the address, or its whole family.
pub(crate) fn is_not_there(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, Unsupported};
    matches!(error.kind(), AddrNotAvailable | Unsupported)
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

/// Listens under a passing name first: between `bind` and `listen` a socket refuses, and who looks for peers in that
/// moment would take it for stale and remove it.
fn listen_unix(passing: &Path, path: &Path) -> io::Result<UnixListener> {
    for _ in 0..LISTEN_TRIES {
        let listener = UnixListener::bind(passing)?;
        match fs::rename(passing, path) {
            Ok(()) => return Ok(listener),
            // Removed, as of a peer that was killed: this process stood still for so long.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let _ = fs::remove_file(passing);
                return Err(error);
            }
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTS: &str = "\
127.0.0.1 localhost
# 127.0.9.9 desk
::1 desk localhost
127.0.1.1\tDESK.example.org Desk # this one
192.168.0.7 desk
";

    #[test]
    fn a_hosts_file_is_read_as_the_resolver_reads_it() {
        assert_eq!(address_of("desk", HOSTS), Some(Ipv4Addr::new(127, 0, 1, 1)));
        assert_eq!(address_of("localhost", HOSTS), Some(Ipv4Addr::LOCALHOST));
        assert_eq!(address_of("this", HOSTS), None);
        assert_eq!(address_of("desk", ""), None);
    }
}
