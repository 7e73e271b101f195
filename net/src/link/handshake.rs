//! From a socket to a link: both sides' preface and HELLO, within a bounded time.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use net_proto::links::Carrier;
use net_proto::{Address, Event, MAGIC, ProtocolError, Session, Side, Transmit};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::proof::{is_on_host, proven_group};
use super::reader::Input;
use super::socket::Socket;
use super::{Link, Slot, State};
use crate::caller::Caller;
use crate::peer::Core;
use crate::secure::identity::Refusal;

/// How long the other side's end is waited for where the two speak no common version. It answers at once; one that does not is not
/// worth more.
const LAST_WORDS_TIME: Duration = Duration::from_secs(1);
/// What is read at a time before a HELLO is here: most have a quarter of it.
const GREETING: usize = 1024;

/// Why a socket did not become a link.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Protocol(#[from] ProtocolError),
    #[error("it closed the connection before it said who it is")]
    Closed,
    #[error("it did not say who it is within {0:?}")]
    Silent(Duration),
    #[error("this peer has been shut down")]
    Stopped,
    #[error("it could not be connected to within {0:?}")]
    Slow(Duration),
    #[error("another way to it was quicker")]
    GivenUp,
    /// The other side speaks something else; these are its first bytes.
    #[error("it does not speak this protocol")]
    Foreign(Bytes),
    /// The two cannot speak TLS, and what that means.
    #[error("{0}")]
    Tls(#[from] Refusal),
    #[error(
        "it takes those alone that have its group's key, and this peer has none (`app-net join` gives it one)"
    )]
    WantsTls,
    #[error("it says that it is of group {said:?}, and has proved to be of group {proved:?}")]
    OtherGroup { said: String, proved: Arc<str> },
    #[error("the socket belongs to user {theirs}, this process to user {ours}")]
    OtherUser { ours: u32, theirs: u32 },
}

impl LinkError {
    /// Whether one of the two does not take the other for one of its group.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::WantsTls | Self::OtherGroup { .. } => true,
            _ => self.refusal().is_some(),
        }
    }

    /// Why TLS failed, if it did: in the handshake, or after it by this side's word, when the other does not take its certificate.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Tls(refusal) => Some(refusal),
            Self::Io(error) => error.get_ref()?.downcast_ref(),
            _ => None,
        }
    }

    /// Whether the other side just left, before it said anything. What was said to it and is unread then makes a reset of it.
    pub(super) fn is_leave(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionReset};
        match self {
            Self::Closed => true,
            Self::Io(error) => matches!(error.kind(), BrokenPipe | ConnectionReset),
            _ => false,
        }
    }
}

/// Exchanges prefaces and HELLOs over `socket`, tells the table of peers, and starts the link. `read` is what was read of it
/// already.
pub(crate) async fn establish(
    core: &Arc<Core>,
    socket: Socket,
    side: Side,
    read: BytesMut,
) -> Result<Arc<Link>, LinkError> {
    let time = core.limits.handshake_time;
    let link = timeout(time, greet(core, socket, side, read))
        .await
        .map_err(|_| LinkError::Silent(time))??;
    // Known before it reads: the other side takes an answer on it for a sign that it is known here.
    core.peers.linked(core, &link);
    link.run();
    Ok(link)
}

async fn greet(
    core: &Arc<Core>,
    mut socket: Socket,
    side: Side,
    mut read: BytesMut,
) -> Result<Arc<Link>, LinkError> {
    let is_from_elsewhere = socket.carrier == Carrier::Tcp && !is_on_host(&socket.peer);
    let hello = match is_from_elsewhere && socket.group.is_none() {
        true => core.hello_to_stranger(),
        false => core.hello(),
    };
    let mut session = Session::new(side, hello, core.limits.clone(), Instant::now());
    let mut out = Transmit::default();
    let mut hello = loop {
        if out.is_empty() && session.wants_write() {
            session.transmit(&mut out);
        }
        write_all(&socket, &mut out).await?;
        if side == Side::Dialer && !read.is_empty() && read[0] != MAGIC[0] {
            return Err(LinkError::Foreign(read.freeze()));
        }
        match session.receive(Instant::now(), &mut read) {
            Ok(Some(Event::Connected { hello, .. })) => break *hello,
            Ok(Some(_)) => continue,
            Ok(None) => {}
            Err(error) => {
                match error {
                    // Which versions it speaks is for the other side's log.
                    ProtocolError::Incompatible { .. } => {
                        last_words(&mut socket, &mut session, &mut out).await;
                    }
                    _ => {
                        session.transmit(&mut out);
                        let _ = write_all(&socket, &mut out).await;
                    }
                }
                return Err(error.into());
            }
        }
        // No larger than what it has to say: a link's buffers are for those that have said it.
        if read.len() == read.capacity() {
            read.reserve(GREETING);
        }
        if poll_fn(|cx| socket.read.poll_read(cx, &mut read)).await? == 0 {
            return Err(LinkError::Closed);
        }
    };
    if is_from_elsewhere {
        // What leads to it there leads here to somebody else.
        hello.addresses.retain(|address| !leads_here(address));
    }
    let shown = proven_group(&socket, &hello);
    if let Some(proved) = &socket.group
        && hello.group.as_deref() != Some(&**proved)
    {
        let error = LinkError::OtherGroup {
            said: hello.group.unwrap_or_default(),
            proved: Arc::clone(proved),
        };
        session.goodbye(&error.to_string());
        last_words(&mut socket, &mut session, &mut out).await;
        return Err(error);
    }
    Ok(Arc::new(Link {
        caller: Caller::linked(core, &hello, shown),
        core: Arc::clone(core),
        hello,
        dialled: side == Side::Dialer,
        address: socket.peer,
        carrier: socket.carrier,
        _counted: socket.counted,
        write: socket.write,
        state: Mutex::new(State {
            session,
            out,
            writing: false,
            crowd: false,
            full: false,
            told: false,
            broken: false,
            drained: false,
            armed: None,
            waiting: Vec::new(),
            waiting_for_queue: Vec::new(),
        }),
        input: Mutex::new(Input::new(socket.read, read)),
        reader: AtomicU64::new(0),
        reader_task: Mutex::default(),
        running: Mutex::new(HashMap::new()),
        arguments: Arc::default(),
        on_pool: Arc::default(),
        keeper: Notify::new(),
        open: AtomicBool::new(true),
        closed: AtomicBool::new(false),
    }))
}

/// Has the other side read what the session still has to say, where the two part.
async fn last_words(socket: &mut Socket, session: &mut Session<Arc<Slot>>, out: &mut Transmit) {
    session.transmit(out);
    if write_all(socket, out).await.is_ok() {
        let _ = timeout(LAST_WORDS_TIME, let_it_read(socket)).await;
    }
}

fn leads_here(address: &str) -> bool {
    let address = address.parse::<Address>();
    address.is_ok_and(|address| address.is_here() || address.is_link_local())
}

/// Ends when the other side has ended too. Closing at once, with what it still sends unread, could take from it what it has not read
/// yet: which versions this side speaks.
pub(super) async fn let_it_read(socket: &mut Socket) {
    socket.write.finish();
    let mut ignored = BytesMut::new();
    loop {
        ignored.clear();
        ignored.reserve(GREETING);
        match poll_fn(|cx| socket.read.poll_read(cx, &mut ignored)).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

pub(super) async fn write_all(socket: &Socket, out: &mut Transmit) -> io::Result<()> {
    while !out.is_empty() {
        let mut slices = [io::IoSlice::new(&[]); 4];
        let filled = out.slices(&mut slices);
        match socket.write.try_write(&slices[..filled]) {
            Ok(written) => out.advance(written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                socket.write.writable().await?
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
