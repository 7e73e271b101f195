//! Dialling: from an address to a link, or to the knowledge that an original peer is there.

use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use net_proto::links::{Carrier, Met};
use net_proto::original::{Sniffed, sniff};
use net_proto::{Address, ProtocolError, Side};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::lookup::connect_to_any;
use super::socket::Socket;
use super::{Link, LinkError, establish, tls};
use crate::peer::Core;

/// How long connecting may take. On a host it is instant or refused; across networks a lost SYN costs a second.
pub(crate) const CONNECT_TIME: Duration = Duration::from_secs(3);

/// How long to wait for room in a full queue before looking again: a queue of some hundred is emptied in less.
const QUEUE_FULL: Duration = Duration::from_millis(20);

/// Whether somebody was met who keeps to another group, since the process began: the first is logged as a warning, the rest for the
/// curious only. Whoever accepts says as much in its own log, but who runs this peer may not see that one.
static KEEPS_APART: AtomicBool = AtomicBool::new(false);

/// Dials one address, which needs no looking up, unless that is `given_up` before anything is said there. A link that comes of it is in the
/// table of peers then.
pub(crate) async fn dial(
    core: &Arc<Core>,
    address: &Address,
    given_up: impl Future<Output = ()>,
) -> Result<Met, LinkError> {
    let dialling = link_to(core, address, given_up);
    let dialled = core.ending.unless_begun(dialling).await;
    let error = match dialled.unwrap_or(Err(LinkError::Stopped)) {
        Ok(link) => return Ok(Met::Peer(link.id())),
        // An original takes our preface for a request that it cannot read, and its answer gives it away.
        Err(LinkError::Foreign(answer)) => match sniff(&answer) {
            Some(Sniffed::Original(dialect)) => return Ok(Met::Original(dialect)),
            None if tls::is_alert(&answer) => LinkError::WantsTls,
            _ => LinkError::Foreign(answer),
        },
        Err(error) => error,
    };
    log(core, address, &error);
    Err(error)
}

/// Says what somebody is to mend who may not be the one that calls.
fn log(core: &Core, address: &Address, error: &LinkError) {
    if let LinkError::Protocol(ProtocolError::Incompatible { .. }) = error {
        let finders = core.finders.as_ref();
        if finders.is_none_or(|finders| finders.leave_alone(address)) {
            tracing::warn!(%address, %error, "a peer cannot be linked to");
        }
    } else if error.is_refusal() {
        // On this host other users have groups of their own, and are met by looking around.
        if address.is_here() || KEEPS_APART.swap(true, Ordering::Relaxed) {
            tracing::debug!(%address, %error, "no link: one of the two peers does not take the other for one of its group");
        } else {
            tracing::warn!(
                %address,
                %error,
                "no link: one of the two peers does not take the other for one of its group (further ones are logged at debug level)"
            );
        }
    }
}

async fn link_to(
    core: &Arc<Core>,
    address: &Address,
    given_up: impl Future<Output = ()>,
) -> Result<Arc<Link>, LinkError> {
    let socket = tokio::select! {
        biased;
        () = given_up => return Err(LinkError::GivenUp),
        socket = secured(core, address) => socket?,
    };
    establish(core, socket, Side::Dialer, BytesMut::new()).await
}

/// A socket on which nothing of a session was said.
async fn secured(core: &Arc<Core>, address: &Address) -> Result<Socket, LinkError> {
    let socket = timeout(CONNECT_TIME, connect(address))
        .await
        .map_err(|_| LinkError::Slow(CONNECT_TIME))??;
    match (&core.identity, socket.carrier) {
        // A Unix socket is of the same user, which the kernel says.
        (None, _) | (_, Carrier::Unix) => Ok(socket),
        (Some(identity), Carrier::Tcp) => {
            let time = core.limits.handshake_time;
            let secured = tls::secure(socket, Side::Dialer, identity, BytesMut::new());
            timeout(time, secured)
                .await
                .map_err(|_| LinkError::Silent(time))?
        }
    }
}

async fn connect(address: &Address) -> Result<Socket, LinkError> {
    match address {
        Address::Tcp(_) | Address::Name(..) | Address::Scoped(..) => {
            Ok(Socket::tcp(connect_to_any(address).await?)?)
        }
        Address::Unix(path) => {
            let stream = connect_unix(path).await?;
            same_user(&stream)?;
            Ok(Socket::unix(stream, address.to_string())?)
        }
    }
}

/// Connects, waiting where the queue at the other end is full: of a Unix socket the kernel says so at once, where for TCP it
/// goes on trying.
async fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tokio::time::sleep(QUEUE_FULL).await;
            }
            connected => return connected,
        }
    }
}

/// Asks the kernel whose process is at the other end of a Unix socket; only the same user's (or root's) will do.
pub(super) fn same_user(stream: &UnixStream) -> Result<(), LinkError> {
    let ours = rustix::process::geteuid().as_raw();
    let theirs = stream.peer_cred()?.uid();
    if theirs == ours {
        Ok(())
    } else {
        Err(LinkError::OtherUser { ours, theirs })
    }
}
