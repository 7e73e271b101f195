//! Why multicast DNS would find nobody, as far as this host can tell: asked of the system itself, since who speaks it does not say.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

use crate::interfaces::Interface;

/// The groups of multicast DNS (RFC 6762, 3).
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);

/// What keeps it from working on every one of these, for people.
pub(super) fn trouble(port: u16, chosen: &[Interface]) -> Option<String> {
    if chosen.is_empty() {
        return Some(
            "no interface of this host is for multicast: none is up that is neither virtual nor loopback (NET_INTERFACES chooses others)"
                .to_owned(),
        );
    }
    let mut troubles = Vec::new();
    for it in chosen {
        match listens(port, it) {
            Ok(()) => return None,
            Err(trouble) => troubles.push(trouble),
        }
    }
    troubles.dedup();
    Some(troubles.join("; "))
}

fn listens(port: u16, it: &Interface) -> Result<(), String> {
    let socket = socket(port, it.ip.is_ipv4()).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("another program has UDP port {port}, that of multicast DNS, for itself")
        }
        _ => format!("UDP port {port}, that of multicast DNS, cannot be used: {error}"),
    })?;
    let joined = match it.ip.is_ipv4() {
        true => socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(it.index)),
        false => socket.join_multicast_v6(&GROUP_V6, it.index),
    };
    joined.map_err(|error| {
        let name = &it.name;
        format!("the group of multicast DNS cannot be joined on {name}: {error}")
    })
}

fn socket(port: u16, is_v4: bool) -> io::Result<Socket> {
    let (domain, any) = match is_v4 {
        true => (
            Domain::IPV4,
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
        ),
        false => (
            Domain::IPV6,
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
        ),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if !is_v4 {
        socket.set_only_v6(true)?;
    }
    // It is shared by all that speak it.
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.bind(&any.into())?;
    Ok(socket)
}
