//! From a name to addresses: of hosts, and of the interfaces that link-local addresses are on. Nothing here speaks a protocol.

use std::io;
use std::net::SocketAddr;

use net_proto::Address;
use net_proto::links::ATTEMPT_DELAY;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::dial::CONNECT_TIME;

/// The TCP addresses that an address stands for, the preferred first as the system has it.
pub(crate) async fn look_up(address: &Address) -> io::Result<Vec<SocketAddr>> {
    if let Address::Tcp(address) = address {
        return Ok(vec![*address]);
    }
    let host_port = address.host_port().ok_or(io::ErrorKind::Unsupported)?;
    // The resolver looks up interfaces too, on every system.
    let found = timeout(CONNECT_TIME, lookup_host(host_port)).await;
    match (found, address) {
        (Ok(Ok(found)), _) => Ok(found.collect()),
        (Ok(Err(_)), Address::Scoped(_, scope, _)) => {
            let why = format!("this host has no interface {scope}");
            Err(io::Error::new(io::ErrorKind::NotFound, why))
        }
        (Ok(Err(error)), _) => Err(error),
        (Err(_), _) => {
            let why = format!("its name could not be looked up within {CONNECT_TIME:?}");
            Err(io::Error::new(io::ErrorKind::TimedOut, why))
        }
    }
}

/// Connects to whichever of the addresses that an address stands for answers first, staggered as links dial them: for
/// who makes one connection for each request, and no link.
pub(crate) async fn connect_to_any(address: &Address) -> io::Result<TcpStream> {
    let mut left = look_up(address).await?.into_iter();
    if let [only] = left.as_slice() {
        return TcpStream::connect(only).await;
    }
    let mut error = io::ErrorKind::NotFound.into();
    let mut connecting = JoinSet::new();
    loop {
        if let Some(next) = left.next() {
            connecting.spawn(TcpStream::connect(next));
        }
        let ended = match left.len() {
            0 => Ok(connecting.join_next().await),
            _ => timeout(ATTEMPT_DELAY, connecting.join_next()).await,
        };
        match ended {
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(Ok(Err(failed)))) => error = failed,
            Ok(Some(Err(failed))) => error = io::Error::other(failed),
            Ok(None) => return Err(error),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn found(text: &str) -> io::Result<Vec<SocketAddr>> {
        look_up(&text.parse().unwrap()).await
    }

    #[tokio::test]
    async fn an_interface_is_looked_up_by_its_name() {
        let lo = if_addrs::get_if_addrs().unwrap();
        let lo = lo.into_iter().find(|interface| interface.is_loopback());
        let lo = lo.unwrap();
        let named = format!("[fe80::1%{}]:7", lo.name);
        let numbered = format!("[fe80::1%{}]:7", lo.index.unwrap());
        let numbered: SocketAddr = numbered.parse().unwrap();
        assert_eq!(found(&named).await.unwrap(), [numbered]);
        let error = found("[fe80::1%nosuch0]:7").await.unwrap_err();
        assert_eq!(error.to_string(), "this host has no interface nosuch0");
    }

    #[tokio::test]
    async fn an_address_is_what_it_is() {
        let address = "127.0.0.7:7".parse().unwrap();
        assert_eq!(found("127.0.0.7:7").await.unwrap(), [address]);
        let unix = found("unix:/x").await.unwrap_err();
        assert_eq!(unix.kind(), io::ErrorKind::Unsupported);
    }

    #[tokio::test]
    async fn a_name_is_connected_to_at_whichever_of_its_addresses_answers() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // `localhost` is ::1 too on most hosts, where nobody listens.
        let address = Address::Name("localhost".into(), port);
        let stream = connect_to_any(&address).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap().port(), port);
        drop(listener);
        connect_to_any(&address).await.unwrap_err();
    }
}
