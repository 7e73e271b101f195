//! Accepting: what comes in at a listening socket is told apart by its first bytes and handed to whoever speaks it.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use net_proto::original::{Dialect, Sniffed, sniff};
use net_proto::{MAGIC, ProtocolError, Side};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::connections::Origin;
use super::dial::same_user;
use super::socket::Socket;
use super::strangers::{Place, Strangers};
use super::turned_away::TurnedAway;
use super::{LinkError, establish, tls};
use crate::original;
use crate::peer::Core;
use crate::secure::identity::Identity;
use crate::trouble::Said;

/// What is read at a time to tell who speaks.
pub(super) const FIRST_BYTES: usize = 1024;
/// How long to wait before accepting again when the system has no descriptors left.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Whether a connection was refused since the process began: the first is logged as a warning, the rest for the curious only.
static REFUSED: AtomicBool = AtomicBool::new(false);
/// The same of those that came when a limit was reached: whoever runs the peer may want to change it.
static AT_A_LIMIT: AtomicBool = AtomicBool::new(false);
/// The same of peers with which no version is common: somebody is to update something, and learns it only here.
static INCOMPATIBLE: AtomicBool = AtomicBool::new(false);
/// Connections that could not be accepted.
static NOT_ACCEPTED: Said = Said::not_yet();

/// Accepts Unix connections of the same user until the peer stops.
pub(crate) async fn unix(core: Arc<Core>, listener: UnixListener, name: String) {
    let door = Door::new(core, None, false);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let socket = same_user(&stream).and_then(|()| {
                    let socket = Socket::unix(stream, name.clone());
                    socket.map_err(LinkError::from)
                });
                door.let_in(&name, Origin::SameUser, socket);
            }
            Err(error) => pause(&error).await,
        }
    }
}

/// Accepts TCP connections until the peer stops.
pub(crate) async fn tcp(core: Arc<Core>, listener: TcpListener) {
    let identity = core.identity.clone();
    // Who is an original has no key.
    let takes_originals = identity.is_none();
    let door = Door::new(core, identity, takes_originals);
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                let socket = Socket::tcp(stream).map_err(LinkError::from);
                door.let_in(&from, Origin::of(from.ip()), socket);
            }
            Err(error) => pause(&error).await,
        }
    }
}

/// What a listener leads to.
struct Door {
    core: Arc<Core>,
    /// With which those who come have to show their group, where nobody else may come in.
    identity: Option<Arc<Identity>>,
    strangers: Arc<Strangers>,
    turned_away: TurnedAway,
    /// Leave to serve originals, where they may come in.
    originals: Option<Arc<Semaphore>>,
}

impl Door {
    fn new(core: Arc<Core>, identity: Option<Arc<Identity>>, takes_originals: bool) -> Self {
        let limits = &core.limits;
        let most = Semaphore::MAX_PERMITS.min(limits.max_originals as usize);
        let originals = || Arc::new(Semaphore::new(most));
        Self {
            strangers: Strangers::new(limits.max_strangers as usize),
            turned_away: TurnedAway::new(),
            originals: takes_originals.then(originals),
            core,
            identity,
        }
    }

    /// Sees to a connection in a task of its own: nobody who comes waits for those who came before.
    fn let_in(&self, from: &impl ToString, origin: Origin, socket: Result<Socket, LinkError>) {
        let from = from.to_string();
        let mut socket = match socket {
            Ok(socket) => socket,
            Err(error) => return refused(&from, &error.to_string()),
        };
        match self.core.connections.enter(origin) {
            Ok(counted) => socket.counted = Some(counted),
            Err(full) => {
                refused_at(&from, &full.to_string());
                return self.turned_away.add(&self.core.runtime, socket, full);
            }
        }
        let core = Arc::clone(&self.core);
        let (identity, originals) = (self.identity.clone(), self.originals.clone());
        let (place, sent_away) = self.strangers.enter();
        self.core.runtime.spawn(async move {
            tokio::select! {
                () = meet(&core, socket, &from, place, identity, originals) => {}
                // Not where the place was given up by who had it.
                Ok(()) = sent_away => {
                    refused_at(&from, "many others came before it said who it is (max_strangers)");
                }
            }
        });
    }
}

async fn meet(
    core: &Arc<Core>,
    mut socket: Socket,
    from: &str,
    place: Place,
    identity: Option<Arc<Identity>>,
    originals: Option<Arc<Semaphore>>,
) {
    // One time for all that it has to say: a byte now and then must not keep a place for ever.
    let time = core.limits.handshake_time;
    let until = Instant::now() + time;
    let mut read = BytesMut::with_capacity(FIRST_BYTES);
    let speaker = timeout_at(until, first_bytes(&mut socket, &mut read));
    let Some(speaker) = core.ending.unless_begun(speaker).await else {
        return;
    };
    let speaker = match speaker.map_err(|_| LinkError::Silent(time)) {
        Ok(Ok(speaker)) => speaker,
        Ok(Err(error)) => return not_met(from, &error.into()),
        Err(error) => return not_met(from, &error),
    };
    let (socket, read, speaker) = match (speaker, &identity) {
        (Speaker::Tls, Some(identity)) => {
            let secured = timeout_at(until, tls::secure(socket, Side::Acceptor, identity, read));
            match core.ending.unless_begun(secured).await {
                None => return,
                Some(Ok(Ok(socket))) => (socket, BytesMut::new(), Speaker::Native),
                Some(Ok(Err(error))) => return not_met(from, &error),
                Some(Err(_)) => return not_met(from, &LinkError::Silent(time)),
            }
        }
        (Speaker::Native | Speaker::Original(_), Some(_)) => {
            let _ = socket.write.try_write(&[IoSlice::new(&tls::DENIED)]);
            return refused(from, "it does not show that it has the group's key");
        }
        (Speaker::Tls, None) => {
            let _ = socket.write.try_write(&[IoSlice::new(&tls::DENIED)]);
            return refused(
                from,
                "it shows a group's key, and this peer's group has none",
            );
        }
        (speaker, _) => (socket, read, speaker),
    };
    match (speaker, originals) {
        // Connected and left: this is how an original looks whether a port is free, and a peer whether a socket was left behind.
        (Speaker::Left, _) => tracing::debug!(from, "connected and left"),
        (Speaker::Native, _) => {
            let link = timeout_at(until, establish(core, socket, Side::Acceptor, read));
            match core.ending.unless_begun(link).await {
                None | Some(Ok(Ok(_))) => {}
                Some(Ok(Err(error))) => not_met(from, &error),
                Some(Err(_)) => not_met(from, &LinkError::Silent(time)),
            }
        }
        (Speaker::Original(dialect), Some(originals)) => {
            // With its whole request it is no stranger any more; one that has to go all the same is not to have it run.
            let admit = || {
                if !place.leave() {
                    return None;
                }
                let leave = originals.try_acquire().ok();
                if leave.is_none() {
                    refused_at(
                        from,
                        "as many requests are served as are taken (max_originals)",
                    );
                }
                leave
            };
            original::serve(core, socket, read, dialect, admit).await;
        }
        (Speaker::Original(_) | Speaker::Tls | Speaker::Unknown, _) => {
            refused(from, "it speaks nothing that is spoken here")
        }
    }
}

/// Who is at the other end, by its first bytes.
pub(super) enum Speaker {
    Left,
    Native,
    Tls,
    Original(Dialect),
    Unknown,
}

pub(super) async fn first_bytes(socket: &mut Socket, read: &mut BytesMut) -> io::Result<Speaker> {
    loop {
        if poll_fn(|cx| socket.read.poll_read(cx, read)).await? == 0 {
            return Ok(Speaker::Left);
        }
        if read[0] == MAGIC[0] {
            return Ok(Speaker::Native);
        }
        if tls::is_hello(read) {
            return Ok(Speaker::Tls);
        }
        match sniff(read) {
            Some(Sniffed::Original(dialect)) => return Ok(Speaker::Original(dialect)),
            Some(Sniffed::NeedMore) => read.reserve(FIRST_BYTES),
            None => return Ok(Speaker::Unknown),
        }
    }
}

/// A connection of which no link came.
fn not_met(from: &str, error: &LinkError) {
    match error {
        error if error.is_leave() => tracing::debug!(from, "left before it said who it is"),
        LinkError::Protocol(ProtocolError::Incompatible { .. }) => {
            log_refused(&INCOMPATIBLE, from, &error.to_string());
        }
        error => refused(from, &error.to_string()),
    }
}

fn refused(from: &str, why: &str) {
    log_refused(&REFUSED, from, why);
}

fn refused_at(from: &str, which: &str) {
    log_refused(&AT_A_LIMIT, from, which);
}

fn log_refused(was_said: &AtomicBool, from: &str, why: &str) {
    if was_said.swap(true, Ordering::Relaxed) {
        tracing::debug!(from, why, "connection refused");
    } else {
        tracing::warn!(
            from,
            why,
            "connection refused (further ones are logged at debug level)"
        );
    }
}

async fn pause(error: &io::Error) {
    if NOT_ACCEPTED.is_due() {
        tracing::warn!(%error, "cannot accept connections; they wait while this is so");
    }
    tokio::time::sleep(EXHAUSTED_PAUSE).await;
}
