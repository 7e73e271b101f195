//! Peers of other versions of the protocol, over real sockets: both sides learn which is to be updated, and neither pesters the other.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::io::IoSlice;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::BytesMut;
use common::log::log;
use common::{PATIENCE, Place, until};
use net::{CallError, InstanceId, Peer, Remote};
use net_proto::{Event, Hello, Limits, ProtocolError, Session, Side, Transmit};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// The release that the other side says it is, and who.
const SOFTWARE: &str = "app-net/9.1";
const OTHER: InstanceId = InstanceId([0xEE; 16]);
/// What today's side says of one that speaks 2 and 3.
const AT_OLD: &str = "this side speaks protocol version 1, the peer (app-net/9.1) 2 to 3: update app-net on this side";
/// What that one says of today's.
const AT_NEW: &str = concat!(
    "this side speaks protocol version 2 to 3, the peer (app-net/",
    env!("CARGO_PKG_VERSION"),
    ") 1: update app-net on the peer's side"
);

/// What a side of a release that speaks these versions makes of who is at the other end: the version that both speak, or the
/// error. None: who is there left without a word.
async fn meet(
    versions: RangeInclusive<u8>,
    side: Side,
    socket: impl AsyncRead + AsyncWrite,
) -> Option<Result<u8, String>> {
    let hello = Hello {
        software: SOFTWARE.to_owned(),
        ..Hello::new(OTHER)
    };
    let now = Instant::now();
    let mut session = Session::<()>::speaking(versions, side, hello, Limits::default(), now);
    let (mut read, mut write) = tokio::io::split(Box::pin(socket));
    let _ = write.write_all(&written(&mut session)).await;
    // Room for what is written at once.
    let mut input = BytesMut::with_capacity(64 * 1024);
    loop {
        match session.receive(Instant::now(), &mut input) {
            Ok(Some(Event::Connected { version, .. })) => {
                serve(session, input, read, write).await;
                return Some(Ok(version));
            }
            Ok(other) => assert!(other.is_none(), "{other:?}"),
            Err(error @ ProtocolError::Incompatible { .. }) => return Some(Err(error.to_string())),
            Err(error) => panic!("{error}"),
        }
        if read.read_buf(&mut input).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

/// Answers every call with its first argument, until the other side ends.
async fn serve(
    mut session: Session<()>,
    mut input: BytesMut,
    mut read: impl AsyncRead + Unpin,
    mut write: impl AsyncWrite + Unpin,
) {
    loop {
        while let Ok(Some(event)) = session.receive(Instant::now(), &mut input) {
            if let Event::Call(call) = event {
                // After the head of an array of one.
                let first = call.body.slice(1..);
                session.reply(call.id, first.into());
            }
        }
        let bytes = written(&mut session);
        if write.write_all(&bytes).await.is_err()
            || read.read_buf(&mut input).await.unwrap_or(0) == 0
        {
            return;
        }
    }
}

fn written(session: &mut Session<()>) -> Vec<u8> {
    let (mut out, mut bytes) = (Transmit::default(), Vec::new());
    while session.wants_write() {
        session.transmit(&mut out);
        while !out.is_empty() {
            let mut slices = [IoSlice::new(&[])];
            out.slices(&mut slices);
            bytes.extend_from_slice(&slices[0]);
            let length = slices[0].len();
            out.advance(length);
        }
    }
    bytes
}

/// What a peer of another release that listens made of those who came and said something.
type Told = Arc<Mutex<Vec<Result<u8, String>>>>;

async fn note(told: Told, versions: RangeInclusive<u8>, socket: impl AsyncRead + AsyncWrite) {
    if let Some(met) = meet(versions, Side::Acceptor, socket).await {
        told.lock().unwrap().push(met);
    }
}

/// Its address and what it made of them.
async fn listening(versions: RangeInclusive<u8>) -> (String, Told) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, told) = (listener.local_addr().unwrap().to_string(), Told::default());
    let seen = Arc::clone(&told);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(note(Arc::clone(&seen), versions.clone(), socket));
        }
    });
    (address, told)
}

/// One in the runtime directory, where peers look for others.
fn beside(peer: &Peer, versions: RangeInclusive<u8>) -> Told {
    let addresses = peer.addresses();
    let own = addresses.iter().find_map(|at| at.strip_prefix("unix:"));
    let path = std::path::Path::new(own.unwrap()).with_file_name(format!("{OTHER}.sock"));
    let (listener, told) = (UnixListener::bind(path).unwrap(), Told::default());
    let seen = Arc::clone(&told);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(note(Arc::clone(&seen), versions.clone(), socket));
        }
    });
    told
}

async fn call(remote: &Remote) -> Result<i64, CallError> {
    remote
        .call("net.defaults.handlers.pass_through", &(7,))
        .timeout(PATIENCE)
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_peer_that_is_called_and_its_caller_both_learn_which_is_to_be_updated() {
    let peer = Place::new().peer().await;
    let (address, told) = listening(2..=3).await;
    let remote = peer.remote(&address).unwrap();
    for calls in 1..=2 {
        let error = call(&remote).await.unwrap_err();
        let CallError::Unreachable { why, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!(why, &format!("{address}: {AT_OLD}"));
        // Once for each call: nothing is tried again that cannot succeed.
        until("it is told", async || told.lock().unwrap().len() == calls).await;
        assert!(
            told.lock()
                .unwrap()
                .iter()
                .all(|met| *met == Err(AT_NEW.into()))
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_peer_that_dials_learns_which_is_to_be_updated() {
    let (logged, place) = (log(), Place::new());
    let peer = place.peer().await;
    let tcp = format!("127.0.0.1:{}", peer.port().unwrap());
    let unix = peer
        .addresses()
        .iter()
        .find_map(|at| at.strip_prefix("unix:").map(str::to_owned));
    let over_tcp = TcpStream::connect(&tcp).await.unwrap();
    let over_unix = UnixStream::connect(unix.unwrap()).await.unwrap();
    let told = tokio::time::timeout(PATIENCE, async {
        let over_tcp = meet(2..=3, Side::Dialer, over_tcp).await;
        (over_tcp, meet(2..=3, Side::Dialer, over_unix).await)
    });
    let at_new = Some(Err(AT_NEW.to_owned()));
    assert_eq!(told.await.unwrap(), (at_new.clone(), at_new));
    until("it is logged here", async || {
        logged.lock().unwrap().contains(AT_OLD)
    })
    .await;
    // Nobody else is harmed.
    let other = place.peer().await;
    call(&other.remote(&tcp).unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_peer_that_has_much_to_say_is_heard_out_before_the_end() {
    let peer = Place::new().peer().await;
    let mut socket = TcpStream::connect(("127.0.0.1", peer.port().unwrap()))
        .await
        .unwrap();
    let talking = async {
        socket.write_all(b"\xABnet\r\n\x02\x03").await.unwrap();
        for _ in 0..100 {
            socket.write_all(&[7; 10_000]).await.unwrap();
        }
        socket.shutdown().await.unwrap();
        let mut heard = Vec::new();
        socket.read_to_end(&mut heard).await.unwrap();
        heard
    };
    let heard = tokio::time::timeout(PATIENCE, talking).await.unwrap();
    assert!(heard.starts_with(b"\xABnet\r\n\x01\x01"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_peer_that_does_not_end_is_not_waited_for() {
    let peer = Place::new().peer().await;
    let mut socket = TcpStream::connect(("127.0.0.1", peer.port().unwrap()))
        .await
        .unwrap();
    socket.write_all(b"\xABnet\r\n\x02\x03").await.unwrap();
    let mut heard = Vec::new();
    let ended = socket.read_to_end(&mut heard);
    tokio::time::timeout(PATIENCE, ended)
        .await
        .unwrap()
        .unwrap();
    // It has ended its half; the other half goes within a moment, whatever is sent.
    until("it is closed", async || {
        socket.write_all(&[7]).await.is_err()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_peer_that_still_speaks_todays_version_is_called() {
    let peer = Place::new().peer().await;
    let (address, told) = listening(1..=9).await;
    let remote = peer.remote(&address).unwrap();
    assert_eq!(call(&remote).await.unwrap(), 7);
    assert_eq!(remote.id(), Some(OTHER));
    peer.shutdown().await;
    until("it ends", async || !told.lock().unwrap().is_empty()).await;
    assert_eq!(*told.lock().unwrap(), [Ok(1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_peer_beside_this_one_is_not_dialled_over_and_over() {
    let (logged, place) = (log(), Place::new());
    let peer = place.peer().await;
    let told = beside(&peer, 2..=3);
    until("it is found", async || {
        assert!(peer.refresh().await.is_empty());
        !told.lock().unwrap().is_empty()
    })
    .await;
    for _ in 0..20 {
        assert!(peer.refresh().await.is_empty());
    }
    assert_eq!(*told.lock().unwrap(), [Err(AT_NEW.to_owned())]);
    let lines = logged.lock().unwrap().clone();
    let lines = lines
        .lines()
        .filter(|line| line.contains(&format!("{OTHER}.sock")));
    let warnings: Vec<_> = lines.filter(|line| line.starts_with("WARN")).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains(AT_OLD), "{warnings:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_serves_no_calls_says_so() {
    let place = Place::new();
    let limits = Limits {
        max_calls: 0,
        ..Limits::default()
    };
    let mute = place.builder().limits(limits).start().await.unwrap();
    let peer = place.peer().await;
    let error = call(&peer.remote(&mute.id().to_string()).unwrap())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, CallError::Refused { why, .. } if why == "it serves no calls"),
        "{error}"
    );
    // It may call, all the same.
    call(&mute.remote(&peer.id().to_string()).unwrap())
        .await
        .unwrap();
}
