//! What handles and links make of each other as peers come and go.

mod dialling;
mod members;

use std::future::Future as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use net_proto::links::{Carrier, Original, Target};
use net_proto::original::Dialect;
use net_proto::{Address, Hello, InstanceId, Limits, Session, Side, Transmit};
use tempfile::TempDir;
use tokio::net::UnixStream;

use crate::link::socket::Socket;
use crate::link::{Link, establish};
use crate::peer::{Builder, Peer};
use crate::peers::Entry;
use crate::presence::{PeerChange, PeerEvent, PeerEvents, WhyLeft};
use crate::remote::Remote;
use crate::which::Which;

const PATIENCE: Duration = Duration::from_secs(20);

fn builder(dir: &TempDir) -> Builder {
    Peer::builder()
        .port(0)
        .runtime_dir(dir.path())
        .discover(false)
}

async fn started(dir: &TempDir) -> Peer {
    builder(dir).start().await.unwrap()
}

async fn call(remote: &Remote) -> Result<i64, crate::CallError> {
    remote
        .call("net.defaults.handlers.pass_through", &(1,))
        .timeout(PATIENCE)
        .await
}

/// A new link from `here` to `there`, both its ends.
async fn link(here: &Peer, there: &Peer) -> (Arc<Link>, Arc<Link>) {
    let (a, b) = UnixStream::pair().unwrap();
    let (a, b) = (
        Socket::unix(a, "a".into()).unwrap(),
        Socket::unix(b, "b".into()).unwrap(),
    );
    let (a, b) = tokio::join!(
        establish(&here.0, a, Side::Dialer, BytesMut::new()),
        establish(&there.0, b, Side::Acceptor, BytesMut::new()),
    );
    (a.unwrap(), b.unwrap())
}

/// A link from `here`, whose far end nobody reads: as after a network that went without a word.
async fn unread_link(here: &Peer, there: InstanceId) -> (Arc<Link>, UnixStream) {
    unread_link_of(here, Hello::new(there)).await
}

/// As [`unread_link`], of somebody who calls itself so.
async fn unread_link_of(here: &Peer, hello: Hello) -> (Arc<Link>, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    let now = Instant::now();
    let mut silent = Session::<()>::new(Side::Acceptor, hello, Limits::default(), now);
    let mut hello = Transmit::default();
    silent.transmit(&mut hello);
    let mut slices = [std::io::IoSlice::new(&[])];
    hello.slices(&mut slices);
    far.writable().await.unwrap();
    far.try_write(&slices[0]).unwrap();
    let near = Socket::unix(near, "near".into()).unwrap();
    let link = establish(&here.0, near, Side::Dialer, BytesMut::new());
    (link.await.unwrap(), far)
}

async fn until(mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handles_by_several_addresses_settle_on_one_link() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (started(&dir).await, started(&dir).await);
    // Made before any is dialled, so that none is known to lead to the same peer.
    let handles: Vec<_> = b
        .addresses()
        .iter()
        .map(|at| a.remote(at).unwrap())
        .collect();
    for handle in &handles {
        call(handle).await.unwrap();
    }
    for _ in 0..10 {
        for handle in &handles {
            call(handle).await.unwrap();
        }
    }
    until(|| a.0.open_links().len() == 1).await;
    // Whatever was dialled last: the better one of them is kept.
    assert_eq!(a.0.open_links()[0].carrier, Carrier::Unix);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_leads_to_whoever_is_there_and_an_id_to_that_instance_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (started(&dir).await, started(&dir).await);
    let port = b.port().unwrap();
    let at = format!("127.0.0.1:{port}");
    let by_id = a.remote(&b.id().to_string()).unwrap();
    let by_address = a.remote(&at).unwrap();
    call(&by_address).await.unwrap();
    call(&by_id).await.unwrap();
    let while_linked = a.remote(&at).unwrap();
    call(&while_linked).await.unwrap();
    b.shutdown().await;
    let again = builder(&dir)
        .port(port)
        .port_range(0)
        .start()
        .await
        .unwrap();
    assert_eq!(again.port(), Some(port));
    call(&by_address).await.unwrap();
    call(&while_linked).await.unwrap();
    assert_eq!(by_address.id(), Some(again.id()));
    let error = call(&by_id).await.unwrap_err();
    assert!(error.was_not_run(), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_calls_itself_does_so_over_one_link_and_is_not_listed() {
    let dir = tempfile::tempdir().unwrap();
    let a = started(&dir).await;
    let own: Vec<_> = std::iter::once(a.id().to_string())
        .chain(a.addresses().iter().cloned())
        .map(|target| a.remote(&target).unwrap())
        .collect();
    for _ in 0..10 {
        for handle in &own {
            call(handle).await.unwrap();
        }
    }
    assert!(a.peers().await.is_empty());
    // A link to itself has both its ends here.
    assert!(
        a.0.open_links().len() <= 2 * own.len(),
        "{}",
        a.0.open_links().len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_made_while_its_peer_shuts_down_does_not_outlive_it() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (started(&dir).await, started(&dir).await);
    a.shutdown().await;
    // As where the handshake had begun before.
    let (left, right) = UnixStream::pair().unwrap();
    let (left, right) = tokio::join!(
        establish(
            &a.0,
            Socket::unix(left, "a".into()).unwrap(),
            Side::Dialer,
            BytesMut::new()
        ),
        establish(
            &b.0,
            Socket::unix(right, "b".into()).unwrap(),
            Side::Acceptor,
            BytesMut::new()
        ),
    );
    let right = right.unwrap();
    drop(left);
    until(|| right.is_closed() && a.0.open_links().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_was_shut_down_has_no_sockets_for_a_child_to_close() {
    let dir = tempfile::tempdir().unwrap();
    let a = started(&dir).await;
    assert!(!a.0.descriptors().is_empty());
    a.shutdown().await;
    // Their numbers may be those of other files by now.
    assert!(a.0.descriptors().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_has_closed_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (started(&dir).await, started(&dir).await);
    let (left, right) = link(&a, &b).await;
    left.close("for the test");
    until(|| right.is_closed()).await;
    let weak = (Arc::downgrade(&left), Arc::downgrade(&right));
    drop((left, right));
    let (left, right) = weak;
    until(|| left.strong_count() == 0 && right.strong_count() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_stays_listed_while_its_links_settle_and_no_longer() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (started(&dir).await, started(&dir).await);
    let listed = |here: &Peer, there: &Peer| {
        let is_there = |entry: &Arc<Entry>| entry.of == Target::Instance(there.id());
        here.0.peers.present().iter().any(is_there)
    };
    for _ in 0..50 {
        let (_, from_b) = tokio::join!(link(&a, &b), link(&b, &a));
        while a.0.open_links().len() > 1 || b.0.open_links().len() > 1 {
            assert!(listed(&a, &b) && listed(&b, &a));
            tokio::task::yield_now().await;
        }
        drop(from_b);
    }
    b.0.open_links()[0].close("for the test");
    until(|| !listed(&a, &b) && !listed(&b, &a)).await;
}

async fn next(events: &mut PeerEvents) -> PeerEvent {
    let next = tokio::time::timeout(PATIENCE, events.next()).await;
    next.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_lost_and_made_anew_is_nothing_that_happens_to_a_peer() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (started(&dir).await, started(&dir).await);
    let mut events = a.peer_events();
    call(&a.remote(&b.id().to_string()).unwrap()).await.unwrap();
    assert_eq!(next(&mut events).await.kind, PeerChange::Joined);
    for _ in 0..20 {
        let lost = Arc::clone(&a.0.open_links()[0]);
        lost.close("for the test");
        // Nobody calls: it is dialled since somebody wants to know.
        until(|| a.0.peers.is_linked(&Target::Instance(b.id()))).await;
        assert!(events.try_next().is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_says_something_else_of_itself_has_changed_and_one_that_says_the_same_has_not()
{
    let dir = tempfile::tempdir().unwrap();
    let peer = started(&dir).await;
    let mut events = peer.peer_events();
    let named = |name: &str| Hello {
        name: name.to_owned(),
        ..Hello::new(InstanceId([7; 16]))
    };
    let mut links = Vec::new();
    links.push(unread_link_of(&peer, named("a")).await);
    assert_eq!(next(&mut events).await.kind, PeerChange::Joined);
    links.push(unread_link_of(&peer, named("a")).await);
    assert!(events.try_next().is_none());
    // One of several that goes is no loss.
    links[0].0.close("for the test");
    assert!(events.try_next().is_none());
    links.push(unread_link_of(&peer, named("b")).await);
    let changed = next(&mut events).await;
    assert_eq!(changed.kind, PeerChange::Changed);
    assert_eq!(changed.peer.name().as_deref(), Some("b"));
    // What it is called is known of one that has left, too.
    for (link, _) in &links {
        link.close("for the test");
    }
    let left = next(&mut events).await;
    let why = "its link was lost: for the test; looked for again, it was not found: no address is known for it";
    let PeerChange::Left { why: said } = &left.kind else {
        panic!("{left}");
    };
    assert_eq!(
        (said.to_string().as_str(), left.peer.name().as_deref()),
        (why, Some("b"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_original_is_told_of_as_it_answers_changes_and_does_not_answer_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let peer = started(&dir).await;
    let any = Which::new().any_group();
    let (mut own, mut any) = (peer.peer_events(), peer.peer_events_where(&any));
    let at: Address = "127.0.0.1:1".parse().unwrap();
    let met = |group: Option<&str>, present| {
        let original = Original {
            dialect: Dialect::V06,
            group: group.map(str::to_owned),
            hub: false,
            described: true,
            present,
        };
        peer.0.peers.met_original(&peer.0, &at, original);
    };
    met(None, true);
    assert_eq!(next(&mut own).await.kind, PeerChange::Joined);
    assert_eq!(next(&mut any).await.kind, PeerChange::Joined);
    met(Some("lab"), true);
    let why = WhyLeft::NotMeant;
    assert_eq!(next(&mut own).await.kind, PeerChange::Left { why });
    assert_eq!(next(&mut any).await.kind, PeerChange::Changed);
    met(Some("lab"), false);
    let why = WhyLeft::NoAnswer;
    assert_eq!(next(&mut any).await.kind, PeerChange::Left { why });
    assert!(own.try_next().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_looked_for_and_does_not_answer_has_left_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let peer = started(&dir).await;
    let mut events = peer.peer_events();
    // It takes connections in and says nothing, as a process that stands still.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let hello = Hello {
        addresses: vec![silent.local_addr().unwrap().to_string()],
        ..Hello::new(InstanceId([7; 16]))
    };
    let (link, _far) = unread_link_of(&peer, hello).await;
    assert_eq!(next(&mut events).await.kind, PeerChange::Joined);
    let lost = Instant::now();
    link.close("for the test");
    let left = next(&mut events).await;
    assert!(left.to_string().ends_with("no answer within 2 s"), "{left}");
    assert!(
        lost.elapsed() < Duration::from_secs(5),
        "{:?}",
        lost.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_lost_its_link_is_reached_though_the_other_side_does_not_know_of_it_yet() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (started(&dir).await, started(&dir).await);
    let (small, large) = if a.id() < b.id() { (a, b) } else { (b, a) };
    let (stale, _far) = unread_link(&small, large.id()).await;

    let to_small = large.remote(&small.addresses()[0]).unwrap();
    for _ in 0..20 {
        call(&to_small).await.unwrap();
    }
    assert!(stale.is_open(), "it is not long enough since it was heard");
    let to_large = small.remote(&large.id().to_string()).unwrap();
    call(&to_large).await.unwrap();
    assert_eq!(large.0.open_links().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_hears_that_its_call_is_lost_sees_the_peer_gone() {
    /// Counts the peers that are there when it is woken.
    struct Look(Peer, AtomicUsize);

    impl Wake for Look {
        fn wake(self: Arc<Self>) {
            self.1
                .store(self.0.0.peers.present().len(), Ordering::Relaxed);
        }
    }

    let dir = tempfile::tempdir().unwrap();
    let peer = started(&dir).await;
    let other = InstanceId([7; 16]);
    let (link, _far) = unread_link(&peer, other).await;
    let remote = peer.remote(&other.to_string()).unwrap();
    let look = Arc::new(Look(peer.clone(), AtomicUsize::new(usize::MAX)));
    let mut call = std::pin::pin!(remote.call::<i64>("a.f", &()));
    let waker = Arc::clone(&look).into();
    let polled = call.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending() && peer.0.peers.present().len() == 1);
    link.close("for the test");
    assert_eq!(look.1.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn handles_that_nobody_holds_any_more_are_forgotten() {
    let table = super::Table::new(net_proto::InstanceId([0; 16]));
    let target = |n: u32| Target::At(Address::Name(format!("host-{n}"), 1));
    let held = table.entry(&target(0));
    for n in 1..10_000 {
        table.entry(&target(n));
    }
    let state = table.lock();
    assert!(Arc::ptr_eq(&state.entries[&target(0)], &held));
    assert!(state.entries.len() < 3000, "{}", state.entries.len());
}
