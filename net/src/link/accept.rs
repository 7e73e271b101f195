//! Accepting: what comes in at a listening socket is told apart by its first bytes and handed to whoever speaks it.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use net_proto::original::{Dialect, Sniffed, sniff};
use net_proto::{MAGIC, Side};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::dial::same_user;
use super::establish;
use super::socket::Socket;
use crate::original;
use crate::peer::Core;
use crate::trouble::Said;

/// Connections that have not said who they are, at once: more wait in the kernel's queue.
const HANDSHAKES: usize = 256;
/// How long a connection may take to send its first bytes.
const FIRST_BYTES_TIME: Duration = Duration::from_secs(5);
/// What is read to tell who speaks.
const FIRST_BYTES: usize = 4096;
/// How long to wait before accepting again when the system has no descriptors left.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Refused connections since the process began: the first is logged as a warning, the rest for the curious only.
static REFUSED: AtomicU64 = AtomicU64::new(0);
/// Connections that could not be accepted.
static NOT_ACCEPTED: Said = Said::not_yet();

/// Accepts Unix connections of the same user until the peer stops.
pub(crate) async fn unix(core: Arc<Core>, listener: UnixListener, name: String) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                pause(&error).await;
                continue;
            }
        };
        let (core, name) = (Arc::clone(&core), name.clone());
        let runtime = core.runtime.clone();
        runtime.spawn(async move {
            let _permit = permit;
            match same_user(&stream) {
                Ok(()) => match Socket::unix(stream, name) {
                    Ok(socket) => native(&core, socket, BytesMut::new()).await,
                    Err(error) => refused("unix", &error.to_string()),
                },
                Err(error) => refused("unix", &error.to_string()),
            }
        });
    }
}

/// Accepts TCP connections until the peer stops.
pub(crate) async fn tcp(core: Arc<Core>, listener: TcpListener) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await else {
            return;
        };
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                pause(&error).await;
                continue;
            }
        };
        let core = Arc::clone(&core);
        let runtime = core.runtime.clone();
        runtime.spawn(async move {
            // Held for an original's whole request too: it has one thread for each on its own side.
            let _permit = permit;
            match Socket::tcp(stream) {
                Ok(socket) => tell_apart(&core, socket, from).await,
                Err(error) => refused(&from, &error.to_string()),
            }
        });
    }
}

async fn tell_apart(core: &Arc<Core>, mut socket: Socket, from: SocketAddr) {
    let mut read = BytesMut::with_capacity(FIRST_BYTES);
    // One time for all of them: a byte now and then must not keep a place for ever.
    let speaker = timeout(FIRST_BYTES_TIME, first_bytes(&mut socket, &mut read));
    let Some(speaker) = core.ending.unless_begun(speaker).await else {
        return;
    };
    match speaker {
        Err(_) => refused(&from, "it sent nothing that says what it speaks"),
        Ok(Err(error)) => refused(&from, &error.to_string()),
        // Connected and left: this is how an original looks whether a port is free.
        Ok(Ok(Speaker::Left)) => {}
        Ok(Ok(Speaker::Native)) => native(core, socket, read).await,
        Ok(Ok(Speaker::Original(dialect))) => original::serve(core, socket, read, dialect).await,
        Ok(Ok(Speaker::Unknown)) => refused(&from, "it speaks nothing that this port speaks"),
    }
}

/// Who is at the other end, by its first bytes.
enum Speaker {
    Left,
    Native,
    Original(Dialect),
    Unknown,
}

async fn first_bytes(socket: &mut Socket, read: &mut BytesMut) -> io::Result<Speaker> {
    loop {
        if poll_fn(|cx| socket.read.poll_read(cx, read)).await? == 0 {
            return Ok(Speaker::Left);
        }
        if read[0] == MAGIC[0] {
            return Ok(Speaker::Native);
        }
        match sniff(read) {
            Some(Sniffed::Original(dialect)) => return Ok(Speaker::Original(dialect)),
            Some(Sniffed::NeedMore) => read.reserve(FIRST_BYTES),
            None => return Ok(Speaker::Unknown),
        }
    }
}

async fn native(core: &Arc<Core>, socket: Socket, read: BytesMut) {
    let from = socket.peer.clone();
    let established = establish(core, socket, Side::Acceptor, read);
    match core.ending.unless_begun(established).await {
        None | Some(Ok(_)) => {}
        // Connected and left: this is how a peer looks whether a socket was left behind.
        Some(Err(error)) if error.is_leave() => tracing::debug!(from, "connected and left"),
        Some(Err(error)) => refused(&from, &error.to_string()),
    }
}

fn refused(from: &(impl std::fmt::Display + ?Sized), why: &str) {
    if REFUSED.fetch_add(1, Ordering::Relaxed) == 0 {
        tracing::warn!(%from, why, "connection refused (further ones are logged at debug level)");
    } else {
        tracing::debug!(%from, why, "connection refused");
    }
}

async fn pause(error: &io::Error) {
    if NOT_ACCEPTED.is_due() {
        tracing::warn!(%error, "cannot accept connections; they wait while this is so");
    }
    tokio::time::sleep(EXHAUSTED_PAUSE).await;
}
