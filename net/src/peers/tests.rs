//! What handles and links make of each other as peers come and go.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::BytesMut;
use net_proto::Side;
use tempfile::TempDir;
use tokio::net::UnixStream;

use crate::link::socket::Socket;
use crate::link::{Link, establish};
use crate::peer::{Builder, Peer};
use crate::remote::Remote;

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

/// A new link from `here` to `there`, both its ends, in no table yet.
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
    let links: Vec<_> = a.0.open_links().iter().map(Arc::downgrade).collect();
    let last = |links: &[Weak<Link>]| links.last().unwrap().as_ptr();
    for _ in 0..10 {
        for handle in &handles {
            call(handle).await.unwrap();
        }
    }
    until(|| a.0.open_links().len() == 1).await;
    assert_eq!(Arc::as_ptr(&a.0.open_links()[0]), last(&links));
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
async fn a_link_that_closes_before_it_is_adopted_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (started(&dir).await, started(&dir).await);
    let (left, right) = link(&a, &b).await;
    left.close("for the test");
    until(|| right.is_closed()).await;
    a.0.peers.adopt(&a.0, &left);
    b.0.peers.adopt(&b.0, &right);
    a.remote("127.0.0.1:1").unwrap().entry().set_link(&left);
    let weak = (Arc::downgrade(&left), Arc::downgrade(&right));
    drop((left, right));
    let (left, right) = weak;
    until(|| left.strong_count() == 0 && right.strong_count() == 0).await;
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

#[test]
fn peers_that_are_gone_and_that_nobody_holds_are_forgotten() {
    let table = super::Table::default();
    let id = |n: u32| {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&n.to_le_bytes());
        net_proto::InstanceId(id)
    };
    let held = table.with_id(id(0), None);
    for n in 1..10_000 {
        table.with_id(id(n), None);
        table.at(&crate::link::dial::Address::Name(format!("host-{n}"), 1));
    }
    let entries = table.lock();
    assert!(Arc::ptr_eq(&entries.by_id[&id(0)], &held));
    assert!(
        entries.by_id.len() <= super::KEPT + 1,
        "{}",
        entries.by_id.len()
    );
    assert!(
        entries.by_address.len() <= super::KEPT + 1,
        "{}",
        entries.by_address.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_stays_listed_while_its_link_is_replaced_and_no_longer() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (started(&dir).await, started(&dir).await);
    let table = &a.0.peers;
    let listed = || {
        table
            .present()
            .iter()
            .any(|entry| entry.id() == Some(b.id()))
    };

    // The other link comes after the word of it.
    let (first, _) = link(&a, &b).await;
    table.with_id(b.id(), None).set_link(&first);
    table.replaced(&first);
    assert!(listed());
    let (second, _) = link(&a, &b).await;
    table.with_id(b.id(), None).set_link(&second);
    assert!(listed());
    table.lost(&second);
    assert!(!listed());

    // The other link is here before the word of it: when that goes, nothing is awaited.
    table.with_id(b.id(), None).set_link(&second);
    table.replaced(&first);
    assert!(listed());
    table.lost(&second);
    assert!(!listed());
}
