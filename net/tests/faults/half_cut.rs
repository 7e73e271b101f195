//! A link on which data goes one way only, or none: both sides know, and find each other again when it is mended.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use net::{CallError, Limits, Peer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::common::{Place, until};
use crate::measured;

/// A dead peer is known within this.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);
/// What a machine that does other things may add to any time.
const SLACK: Duration = Duration::from_secs(2);

/// What goes through, by who dialled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Through {
    Both,
    /// To the one that was dialled.
    There,
    /// To the one that dialled.
    Back,
    Neither,
}

impl Through {
    fn there(self) -> bool {
        matches!(self, Self::Both | Self::There)
    }

    fn back(self) -> bool {
        matches!(self, Self::Both | Self::Back)
    }
}

/// A cable between two peers.
struct Cable {
    at: SocketAddr,
    through: watch::Sender<Through>,
}

impl Cable {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (through, cut) = watch::channel(Through::Both);
        tokio::spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let ((near_read, near_write), (far_read, far_write)) =
                    (near.into_split(), far.into_split());
                tokio::spawn(carry(near_read, far_write, cut.clone(), Through::there));
                tokio::spawn(carry(far_read, near_write, cut.clone(), Through::back));
            }
        });
        Self { at, through }
    }
}

/// Carries one direction. What goes into a cable that is cut is gone, the end of the stream too.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut cable: watch::Receiver<Through>,
    is_open: fn(Through) -> bool,
) {
    let mut bytes = vec![0; 64 * 1024];
    let mut was_cut = false;
    loop {
        let read = from.read(&mut bytes).await.unwrap_or(0);
        let open = is_open(*cable.borrow());
        was_cut |= !open;
        if read == 0 {
            // Whoever is at the other end hears of it when it can; nothing of this stream comes after what was lost.
            let _ = cable.wait_for(|through| is_open(*through)).await;
            let _ = to.shutdown().await;
            return;
        }
        if !was_cut && to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

async fn cut_and_mend(cut: Through) {
    let place = Place::new();
    let there = place.builder().discover(false).start().await.unwrap();
    // Reached on the link that it has made, and on no other.
    let limits = Limits {
        // What it finds while the link is cut need not take long to be found.
        handshake_time: Duration::from_secs(1),
        ..Limits::default()
    };
    let here = place
        .builder()
        .limits(limits)
        .discover(false)
        .listen(false)
        .start()
        .await
        .unwrap();
    let cable = Cable::to(there.port().unwrap()).await;
    let to_there = here.remote(&cable.at.to_string()).unwrap();
    measured::multiply::on(&to_there, 1, 1).await.unwrap();
    let to_here = there.remote(&here.id().to_string()).unwrap();
    measured::multiply::on(&to_here, 1, 1).await.unwrap();

    let waiting = [&to_there, &to_here].map(|remote| {
        let call = measured::wait::on(remote, 60_000);
        tokio::spawn(async move { (call.await, Instant::now()) })
    });
    // They are under way when these have been answered.
    for remote in [&to_there, &to_here] {
        measured::multiply::on(remote, 1, 1).await.unwrap();
    }
    let start = Instant::now();
    cable.through.send(cut).unwrap();
    for call in waiting {
        let (ended, at) = call.await.unwrap();
        let error = ended.unwrap_err();
        assert!(matches!(error, CallError::Lost { .. }), "{error}");
        let took = at.duration_since(start);
        assert!(took < KNOWN_WITHIN + SLACK, "{took:?}");
    }
    let nobody = async |peer: &Peer| peer.peers().await.is_empty();
    assert!(nobody(&here).await && nobody(&there).await);
    let error = measured::multiply::on(&to_there, 6, 7).await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable { .. }), "{error}");

    cable.through.send(Through::Both).unwrap();
    assert_eq!(measured::multiply::on(&to_there, 6, 7).await.unwrap(), 42);
    assert_eq!(measured::multiply::on(&to_here, 6, 7).await.unwrap(), 42);
    until("each sees the other", async || {
        here.peers().await.len() == 1 && there.peers().await.len() == 1
    })
    .await;
    tokio::join!(here.shutdown(), there.shutdown());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_goes_one_way_or_none_is_known_on_both_sides_and_made_anew() {
    tokio::join!(
        cut_and_mend(Through::There),
        cut_and_mend(Through::Back),
        cut_and_mend(Through::Neither),
    );
}
