//! Where a peer can be dialled, as text and as data. Nothing is looked up or connected here.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Most bytes of the name of an interface: four times what Linux takes, and above what other systems use for one.
const MAX_SCOPE: usize = 64;

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
    /// A TCP port of a host whose name is not looked up yet.
    Name(String, u16),
    /// A TCP port of a link-local address on the interface of that name, which is not looked up yet: `[fe80::1%eth0]:3010`.
    Scoped(Ipv6Addr, String, u16),
    /// A TCP address. A link-local one has the number of its interface: `[fe80::1%2]:3010`.
    Tcp(SocketAddr),
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no address: {why}")]
pub struct BadAddress {
    text: String,
    why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Why {
    #[error("write \"host:port\", \"[ipv6]:port\" or \"unix:/path\"")]
    Form,
    #[error(
        "a link-local address is one of an interface, which is to be named: \"[fe80::1%eth0]:port\""
    )]
    NoScope,
    #[error("only a link-local address (fe80::/10) has an interface")]
    ScopeForNothing,
    #[error("what follows the % is no name of an interface")]
    BadScope,
}

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
            Self::Scoped(..) => false,
        }
    }

    /// Whether it is good for those on one link of the network alone, and by the names that this host has for its interfaces.
    ///
    /// # Examples
    /// ```
    /// use net_proto::Address;
    ///
    /// let is_link_local = |text: &str| text.parse().map(|address: Address| address.is_link_local());
    /// assert_eq!((is_link_local("[fe80::1%eth0]:1"), is_link_local("[fe80::1%2]:1")), (Ok(true), Ok(true)));
    /// assert_eq!(is_link_local("[2001:db8::1]:1"), Ok(false));
    /// ```
    #[must_use]
    pub fn is_link_local(&self) -> bool {
        match self {
            Self::Scoped(..) => true,
            Self::Tcp(SocketAddr::V6(address)) => address.ip().is_unicast_link_local(),
            Self::Tcp(SocketAddr::V4(address)) => address.ip().is_link_local(),
            Self::Unix(_) | Self::Name(..) => false,
        }
    }

    /// Whether it is looked up before it can be dialled.
    pub(crate) fn is_looked_up(&self) -> bool {
        matches!(self, Self::Name(..) | Self::Scoped(..))
    }

    /// Its host as the resolver of the system takes it, and its port; none for a Unix socket.
    #[must_use]
    pub fn host_port(&self) -> Option<(String, u16)> {
        match self {
            Self::Unix(_) => None,
            Self::Name(host, port) => Some((host.clone(), *port)),
            Self::Scoped(ip, scope, port) => Some((format!("{ip}%{scope}"), *port)),
            Self::Tcp(SocketAddr::V6(address)) if address.scope_id() != 0 => {
                let host = format!("{}%{}", address.ip(), address.scope_id());
                Some((host, address.port()))
            }
            Self::Tcp(address) => Some((address.ip().to_string(), address.port())),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Name(host, port) => write!(f, "{host}:{port}"),
            Self::Scoped(ip, scope, port) => write!(f, "[{ip}%{scope}]:{port}"),
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
        parse_tcp(text).map_err(|why| BadAddress {
            text: text.to_owned(),
            why,
        })
    }
}

fn parse_tcp(text: &str) -> Result<Address, Why> {
    if let Ok(address) = text.parse() {
        check_scope(address)?;
        return Ok(Address::Tcp(address));
    }
    let (host, port) = text.rsplit_once(':').ok_or(Why::Form)?;
    let port = port.parse().map_err(|_| Why::Form)?;
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    if let Some((ip, scope)) = bracketed.and_then(|host| host.split_once('%')) {
        return parse_scoped(ip, scope, port);
    }
    if host.is_empty() || host.contains([':', '/', ' ', '@', '%', '[', ']']) {
        return Err(Why::Form);
    }
    Ok(Address::Name(host.to_owned(), port))
}

fn check_scope(address: SocketAddr) -> Result<(), Why> {
    let SocketAddr::V6(address) = address else {
        return Ok(());
    };
    match (address.ip().is_unicast_link_local(), address.scope_id()) {
        (true, 0) => Err(Why::NoScope),
        (false, 1..) => Err(Why::ScopeForNothing),
        _ => Ok(()),
    }
}

/// The name of an interface is the system's own matter: all that cannot be one is refused, and all else left to be looked up.
fn parse_scoped(ip: &str, scope: &str, port: u16) -> Result<Address, Why> {
    let ip: Ipv6Addr = ip.parse().map_err(|_| Why::Form)?;
    if !ip.is_unicast_link_local() {
        return Err(Why::ScopeForNothing);
    }
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || "/%[]".contains(c);
    let is_number = scope.bytes().all(|byte| byte.is_ascii_digit());
    // A number is one already, unless it is out of range.
    if scope.is_empty() || scope.len() > MAX_SCOPE || scope.contains(is_odd) || is_number {
        return Err(Why::BadScope);
    }
    Ok(Address::Scoped(ip, scope.to_owned(), port))
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
            "[fe80::1%2]:3010",
            "[fe80::1%eth0]:3010",
            "[fe80::1%br-0.7:1]:3010",
            "studio-7.local:3010",
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
            "::1:3010",
            "[host%eth0]:1",
            "fe80::1%eth0:1",
            "host%eth0:1",
            "[::1:1",
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains("write \"host:port\""), "{error}");
        }
    }

    #[test]
    fn a_link_local_address_has_an_interface_by_number_or_by_name_and_no_other_has() {
        let ip: Ipv6Addr = "fe80::1".parse().unwrap();
        let by_number: Address = "[fe80::1%2]:7".parse().unwrap();
        let by_name: Address = "[fe80::1%eth0]:7".parse().unwrap();
        let socket = std::net::SocketAddrV6::new(ip, 7, 0, 2);
        assert_eq!(by_number, Address::Tcp(socket.into()));
        assert_eq!(by_name, Address::Scoped(ip, "eth0".into(), 7));
        assert_eq!(by_number.host_port(), Some(("fe80::1%2".into(), 7)));
        assert_eq!(by_name.host_port(), Some(("fe80::1%eth0".into(), 7)));
        assert!(!by_name.is_here() && !by_number.is_here());
        for (text, why) in [
            ("[fe80::1]:7", Why::NoScope),
            ("[2001:db8::1%eth0]:7", Why::ScopeForNothing),
            ("[2001:db8::1%2]:7", Why::ScopeForNothing),
            ("[::1%lo]:7", Why::ScopeForNothing),
            ("[fe80::1%]:7", Why::BadScope),
            ("[fe80::1%a b]:7", Why::BadScope),
            ("[fe80::1%a%b]:7", Why::BadScope),
            ("[fe80::1%4294967296]:7", Why::BadScope),
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert_eq!(error.why, why, "{text}");
        }
        let long = format!("[fe80::1%{}]:7", "e".repeat(MAX_SCOPE + 1));
        assert_eq!(long.parse::<Address>().unwrap_err().why, Why::BadScope);
        let error = "[fe80::1]:7".parse::<Address>().unwrap_err().to_string();
        assert_eq!(
            error,
            "\"[fe80::1]:7\" is no address: a link-local address is one of an interface, which is to be named: \"[fe80::1%eth0]:port\""
        );
    }
}
