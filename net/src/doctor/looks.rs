//! What can be looked at on the way from this peer to another, each by itself. Which of it is the cause is not decided here.

use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use if_addrs::IfOperStatus;
use net_proto::links::Met;
use net_proto::{Address, InstanceId, ProtocolError};
use serde_json::Value as Json;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Cause;
use crate::builtin;
use crate::find::FinderReport;
use crate::link::LinkError;
use crate::link::dial::{CONNECT_TIME, dial};
use crate::link::lookup::look_up;
use crate::peer::Core;
use crate::secure::access::Access;
use crate::secure::identity::Why;
use crate::{Peer, Remote};

/// What two clocks may differ by, as where nobody keeps them. More spoils times that hosts tell each other.
const CLOCKS_APART: Duration = Duration::from_secs(300);

/// What was seen, and what is wrong with it.
pub(super) type Look = Result<String, (Cause, String)>;

/// The interfaces that are up and lead elsewhere.
pub(super) fn interfaces() -> Look {
    let all = if_addrs::get_if_addrs().map_err(|error| {
        let text = format!("the interfaces of this host cannot be told: {error}");
        (Cause::Unknown, text)
    })?;
    let others = all.iter().filter(|interface| !interface.is_loopback());
    let told = |up: bool| {
        let those = others
            .clone()
            .filter(|interface| (interface.oper_status == IfOperStatus::Up) == up);
        let told = those.map(|interface| format!("{} ({})", interface.name, interface.ip()));
        told.collect::<Vec<_>>().join(", ")
    };
    match (told(true), told(false)) {
        (up, _) if !up.is_empty() => Ok(format!("up: {up}")),
        (_, down) if !down.is_empty() => Err((Cause::InterfaceDown, format!("down: {down}"))),
        _ => Err((
            Cause::InterfaceDown,
            "there is none with an address but loopback".to_owned(),
        )),
    }
}

/// The addresses that a target stands for.
pub(super) async fn resolve(address: &Address) -> Result<Vec<SocketAddr>, (Cause, String)> {
    if let Address::Unix(_) = address {
        return Ok(Vec::new());
    }
    look_up(address)
        .await
        .map_err(|error| (Cause::NameUnknown, format!("{address}: {error}")))
}

/// From which of its addresses this host would send there.
pub(super) fn route(to: SocketAddr) -> Look {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => [0u8; 4].into(),
        SocketAddr::V6(_) => [0u16; 8].into(),
    };
    // Nothing is sent by connecting a socket of UDP: the kernel only chooses.
    let chosen = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect(to)?;
        socket.local_addr()
    });
    match chosen {
        Ok(from) => Ok(format!("from {} to {}", from.ip(), to.ip())),
        Err(error) => Err((Cause::NoRoute, format!("to {}: {error}", to.ip()))),
    }
}

/// What the kernel knows of who has this address on the local network.
#[cfg(target_os = "linux")]
pub(super) fn neighbour(of: IpAddr) -> Option<String> {
    let table = std::fs::read_to_string("/proc/net/arp").ok()?;
    let line = table
        .lines()
        .skip(1)
        .find(|line| line.split_whitespace().next() == Some(&of.to_string()))?;
    let mut words = line.split_whitespace().skip(2);
    let (flags, hardware) = (words.next()?, words.next()?);
    Some(match flags {
        "0x0" => "nobody on the local network answers for the address".to_owned(),
        _ => format!("on the local network, {hardware}"),
    })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn neighbour(_of: IpAddr) -> Option<String> {
    None
}

/// Whether the port takes connections.
pub(super) async fn port(at: SocketAddr) -> Look {
    let begun = Instant::now();
    match timeout(CONNECT_TIME, TcpStream::connect(at)).await {
        Ok(Ok(_)) => Ok(format!(
            "{at} takes connections, after {:.1?}",
            begun.elapsed()
        )),
        Err(_) => Err((
            Cause::PortBlocked,
            format!("{at}: no answer within {CONNECT_TIME:?}"),
        )),
        Ok(Err(error)) => {
            let cause = match error.kind() {
                io::ErrorKind::ConnectionRefused => Cause::NothingListens,
                io::ErrorKind::NetworkUnreachable => Cause::NoRoute,
                io::ErrorKind::HostUnreachable => Cause::HostDown,
                io::ErrorKind::PermissionDenied | io::ErrorKind::TimedOut => Cause::PortBlocked,
                _ => Cause::Unknown,
            };
            Err((cause, format!("{at}: {error}")))
        }
    }
}

/// Whether a link can be made, by both sides' words.
pub(super) async fn link(core: &Arc<Core>, address: &Address) -> Result<Met, (Cause, String)> {
    dial(core, address, pending())
        .await
        .map_err(|error| (cause_of(core, &error), error.to_string()))
}

fn cause_of(core: &Core, error: &LinkError) -> Cause {
    if let Some(refusal) = error.refusal() {
        return match refusal.why {
            Why::OtherKey => Cause::OtherKey,
            Why::OtherGroup | Why::Distrusted => Cause::OtherGroup,
            Why::NoCertificate | Why::NoTls => Cause::KeyMissingThere,
            // Its own clock takes this side's for bad, or this side's the other's: certificates are renewed in time, clocks are not.
            Why::NotValidYet | Why::OwnExpired => Cause::Clock,
            Why::Expired => Cause::CertificateExpired,
            Why::Busy => Cause::Busy,
            Why::Purpose | Why::Other => Cause::Unknown,
        };
    }
    match error {
        LinkError::Protocol(ProtocolError::Incompatible { .. }) => Cause::VersionSkew,
        LinkError::OtherGroup { .. } => Cause::OtherGroup,
        LinkError::WantsTls => Cause::KeyMissingHere,
        LinkError::Foreign(_) | LinkError::Protocol(_) => Cause::NotAPeer,
        LinkError::Silent(_) if core.identity.is_some() => Cause::KeyMissingThere,
        LinkError::Silent(_) => Cause::NotAPeer,
        LinkError::Slow(_) => Cause::PortBlocked,
        LinkError::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Cause::NothingListens
        }
        _ => Cause::Unknown,
    }
}

/// How far the other host's clock is from this one's.
pub(super) async fn clock(there: &Remote) -> Look {
    let info: Json = match there.call(builtin::INFO, &()).await {
        Ok(info) => info,
        Err(error) => return Err((Cause::Unknown, format!("it does not answer: {error}"))),
    };
    let Some(theirs) = info.get("time").and_then(Json::as_f64) else {
        return Ok("it does not tell its time".to_owned());
    };
    let ours = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let apart = ours.map_or(0.0, |ours| theirs - ours.as_secs_f64());
    let told = match apart.abs() {
        apart if apart >= 2.0 * 86_400.0 => format!("{:.0} days", apart / 86_400.0),
        apart if apart >= 120.0 => format!("{:.0} minutes", apart / 60.0),
        apart => format!("{apart:.1} s"),
    };
    let way = if apart < 0.0 { "behind" } else { "ahead" };
    let text = format!("its clock is {told} {way}");
    match apart.abs() > CLOCKS_APART.as_secs_f64() {
        true => Err((Cause::Clock, text)),
        false => Ok(text),
    }
}

/// Whether what the other announces is heard here.
pub(super) fn announcements(reports: &[FinderReport], of: InstanceId) -> Option<Look> {
    let mdns = reports.iter().find(|report| report.finder == "mdns")?;
    if let Some(trouble) = &mdns.trouble {
        return Some(Err((Cause::MulticastBlocked, trouble.clone())));
    }
    let is_heard = mdns.seen.iter().any(|seen| seen.id == Some(of));
    Some(match is_heard {
        true => Ok("its announcements are heard here".to_owned()),
        false => Err((
            Cause::MulticastBlocked,
            "its announcements are not heard here".to_owned(),
        )),
    })
}

/// How this peer is set up.
pub(super) fn setup(peer: &Peer) -> String {
    let access = match peer.0.access {
        Access::Host => "served on its own host alone",
        Access::Open => "open to the network",
        Access::Key => "with a key",
        Access::Certificates => "with certificates",
    };
    match peer.group() {
        Some(group) => format!("the group {group:?}, {access}"),
        None => format!("no group, {access}"),
    }
}
