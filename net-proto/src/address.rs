//! Where a peer can be dialled, as text and as data. Nothing is looked up or connected here.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Where a peer can be dialled.
///
/// # Examples
/// ```
/// use net_proto::Address;
///
/// let address: Address = "studio-7.local:3010".parse()?;
/// assert_eq!(address, Address::Name("studio-7.local".into(), 3010));
/// assert_eq!(address.to_string(), "studio-7.local:3010");
/// # Ok::<(), net_proto::BadAddress>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// A Unix socket, on this host and for this user.
    Unix(PathBuf),
    /// A TCP port of a host whose name is not looked up yet; or whose IPv6 address says the interface by its name (`fe80::1%eth0`),
    /// which is a number on each host.
    Name(String, u16),
    /// A TCP address.
    Tcp(SocketAddr),
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address: write \"host:port\", \"[ipv6]:port\" or \"unix:/path\"")]
pub struct BadAddress(String);

impl Address {
    /// Whether it can only be an address of this host.
    ///
    /// # Examples
    /// ```
    /// use net_proto::Address;
    ///
    /// let is_here = |text: &str| text.parse().map(|address: Address| address.is_here());
    /// assert_eq!((is_here("localhost:1"), is_here("[::1]:1")), (Ok(true), Ok(true)));
    /// assert_eq!(is_here("192.0.2.7:1"), Ok(false));
    /// ```
    #[must_use]
    pub fn is_here(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Name(host, _) => host == "localhost",
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Name(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Name(host, port) => write!(f, "{host}:{port}"),
            Self::Tcp(address) => address.fmt(f),
        }
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(path.into()));
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Tcp(address));
        }
        let wrong = || BadAddress(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let host = match bracketed {
            Some(host) if is_on_interface(host) => host,
            None if is_name(host) => host,
            _ => return Err(wrong()),
        };
        Ok(Self::Name(host.to_owned(), port))
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains([':', '/', ' ', '@', '%', '[', ']'])
}

/// Whether it is an IPv6 address with the name of an interface.
fn is_on_interface(host: &str) -> bool {
    host.split_once('%').is_some_and(|(address, interface)| {
        is_name(interface) && address.parse::<Ipv6Addr>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for text in [
            "unix:/run/x.sock",
            "127.0.0.1:3010",
            "[::1]:3010",
            "studio-7.local:3010",
            "[fe80::1%2]:3010",
            "[fe80::1%eth0]:3010",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "3010",
            "host:",
            "host:many",
            "a:b:1",
            ":3010",
            "user@host:1",
            "[host]:1",
            "[fe80::1%]:1",
            "[fe80::1%eth0",
            "fe80::1%eth0:1",
            "host%eth0:1",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
