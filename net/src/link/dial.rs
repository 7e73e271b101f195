//! Dialling: from an address to a link, or to the knowledge that an original peer is there.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use net_proto::Side;
use net_proto::original::{Dialect, Sniffed, sniff};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::socket::Socket;
use super::{Link, LinkError, establish};
use crate::peer::Core;

/// How long connecting may take. On a host it is instant or refused; across networks a lost SYN costs a second.
pub(crate) const CONNECT_TIME: Duration = Duration::from_secs(3);

/// Where a peer can be dialled.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    /// A Unix socket, on this host and for this user.
    Unix(PathBuf),
    /// A TCP address with a name not looked up yet.
    Name(String, u16),
    /// A TCP address.
    Tcp(SocketAddr),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Name(host, port) => write!(f, "{host}:{port}"),
            Self::Tcp(address) => address.fmt(f),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(path.into()));
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Tcp(address));
        }
        let wrong = || {
            format!(
                "{text:?} is no address: write \"host:port\", \"[ipv6]:port\" or \"unix:/path\""
            )
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        if host.is_empty() || host.contains([':', '/', ' ', '@']) {
            return Err(wrong());
        }
        Ok(Self::Name(host.to_owned(), port))
    }
}

/// What is at an address.
pub(crate) enum Dialled {
    /// A peer of this project.
    Link(Arc<Link>),
    /// An original peer, which answers one request for each connection.
    Original(Dialect),
}

/// Dials one address.
pub(crate) async fn dial(core: &Arc<Core>, address: &Address) -> Result<Dialled, LinkError> {
    let socket = timeout(CONNECT_TIME, connect(address))
        .await
        .map_err(|_| LinkError::Slow(CONNECT_TIME))??;
    match establish(core, socket, Side::Dialer, BytesMut::new()).await {
        Ok(link) => Ok(Dialled::Link(link)),
        // An original takes our preface for a request that it cannot read, and its answer gives it away.
        Err(LinkError::Foreign(answer)) => match sniff(&answer) {
            Some(Sniffed::Original(dialect)) => Ok(Dialled::Original(dialect)),
            _ => Err(LinkError::Foreign(answer)),
        },
        Err(error) => Err(error),
    }
}

async fn connect(address: &Address) -> Result<Socket, LinkError> {
    match address {
        Address::Tcp(address) => Ok(Socket::tcp(TcpStream::connect(address).await?)?),
        Address::Name(host, port) => Ok(Socket::tcp(
            TcpStream::connect((host.as_str(), *port)).await?,
        )?),
        Address::Unix(path) => {
            let stream = tokio::net::UnixStream::connect(path).await?;
            same_user(&stream)?;
            Ok(Socket::unix(stream, address.to_string())?)
        }
    }
}

/// Asks the kernel whose process is at the other end of a Unix socket; only the same user's (or root's) will do.
pub(super) fn same_user(stream: &tokio::net::UnixStream) -> Result<(), LinkError> {
    let ours = rustix::process::geteuid().as_raw();
    let theirs = stream.peer_cred()?.uid();
    if theirs == ours {
        Ok(())
    } else {
        Err(LinkError::OtherUser { ours, theirs })
    }
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
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
