//! One suite for whatever carries a link: in memory, over a Unix socket, over TCP. And what two peers make of their links.

use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use net_proto::{Payload, Side};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::socket::Socket;
use super::{Finished, Link, Slot, Started, establish, memory};
use crate::peer::Peer;
use crate::value;

pub(super) const PATIENCE: Duration = Duration::from_secs(20);

async fn tcp() -> (Socket, Socket) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (a, b) = tokio::join!(
        TcpStream::connect(listener.local_addr().unwrap()),
        listener.accept()
    );
    (
        Socket::tcp(a.unwrap()).unwrap(),
        Socket::tcp(b.unwrap().0).unwrap(),
    )
}

fn unix() -> (Socket, Socket) {
    let (a, b) = UnixStream::pair().unwrap();
    (
        Socket::unix(a, "a".into()).unwrap(),
        Socket::unix(b, "b".into()).unwrap(),
    )
}

/// Runs each case over each carrier.
macro_rules! suite {
    ($($case:ident)*) => {
        mod in_memory { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $case() { super::$case(super::memory::pair()).await; })* }
        mod over_unix { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $case() { super::$case(super::unix()).await; })* }
        mod over_tcp { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $case() { super::$case(super::tcp().await).await; })* }
    };
}

suite! {
    bytes_arrive_in_order_through_a_full_pipe
    shutdown_ends_both_readers
    a_link_carries_calls_both_ways
    a_link_that_closes_loses_the_calls_on_it
    an_answer_that_has_arrived_is_not_lost_by_a_write_that_fails
    a_reader_that_is_replaced_while_it_waits_does_not_stay
    a_function_that_is_cancelled_before_it_goes_on_does_not_go_on
    the_time_of_a_call_that_is_served_here_is_kept_here
    who_speaks_something_else_is_refused
}

async fn read_some(socket: &mut Socket) -> BytesMut {
    let mut buf = BytesMut::with_capacity(8 * 1024);
    poll_fn(|cx| socket.read.poll_read(cx, &mut buf))
        .await
        .unwrap();
    buf
}

async fn bytes_arrive_in_order_through_a_full_pipe((a, mut b): (Socket, Socket)) {
    const TOTAL: usize = 4 * 1024 * 1024;
    let data: Vec<u8> = (0..TOTAL).map(|i| (i % 251) as u8).collect();
    let expected = data.clone();
    let mut met_full = false;
    let write = async {
        let mut rest = &data[..];
        while !rest.is_empty() {
            let (first, second) = rest.split_at(rest.len() / 2);
            match a
                .write
                .try_write(&[IoSlice::new(first), IoSlice::new(second)])
            {
                Ok(n) => rest = &rest[n..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    met_full = true;
                    a.write.writable().await.unwrap();
                }
                Err(error) => panic!("{error}"),
            }
        }
    };
    let read = async {
        let mut all = Vec::new();
        while all.len() < TOTAL {
            all.extend_from_slice(&read_some(&mut b).await);
        }
        all
    };
    let ((), all) = tokio::time::timeout(PATIENCE, async { tokio::join!(write, read) })
        .await
        .unwrap();
    assert!(all == expected && met_full);
}

async fn shutdown_ends_both_readers((mut a, mut b): (Socket, Socket)) {
    a.write.shutdown();
    assert!(read_some(&mut b).await.is_empty());
    assert!(read_some(&mut a).await.is_empty());
}

/// A peer that neither listens nor looks.
async fn hermit() -> Peer {
    Peer::builder()
        .listen(false)
        .discover(false)
        .start()
        .await
        .unwrap()
}

async fn linked((a, b): (Socket, Socket)) -> (Arc<Link>, Arc<Link>) {
    let (left, right) = (hermit().await, hermit().await);
    let (left, right) = tokio::join!(
        establish(&left.0, a, Side::Dialer, BytesMut::new()),
        establish(&right.0, b, Side::Acceptor, BytesMut::new()),
    );
    (left.unwrap(), right.unwrap())
}

async fn pass_through(link: &Arc<Link>, x: i64) -> String {
    let mut body = Vec::new();
    value::encode_arguments(&(x,), &mut body).unwrap();
    let slot = Arc::new(Slot::new(Waker::noop()));
    let started = poll_fn(|cx| {
        let payload = Payload::Borrowed(&body);
        let tag = "net.defaults.handlers.pass_through";
        std::task::Poll::Ready(link.start(tag, None, payload, &slot, cx.waker()))
    })
    .await;
    assert!(matches!(started, Started::Sent(_)));
    format!("{:?}", poll_fn(|cx| slot.poll(cx)).await)
}

async fn a_link_carries_calls_both_ways(sockets: (Socket, Socket)) {
    let (left, right) = linked(sockets).await;
    for x in 0..10 {
        assert_eq!(
            pass_through(&left, x).await,
            format!("Outcome(Reply(b\"\\x{x:02x}\"))")
                .replace("\\x00", "\\0")
                .replace("\\x09", "\\t")
        );
        assert!(pass_through(&right, 1).await.contains("\\x01"));
    }
}

async fn a_link_that_closes_loses_the_calls_on_it(sockets: (Socket, Socket)) {
    let (left, right) = linked(sockets).await;
    let slot = Arc::new(Slot::new(Waker::noop()));
    right.close("for the test");
    let ended = tokio::time::timeout(PATIENCE, async {
        poll_fn(
            |cx| match left.start("x", None, Payload::Borrowed(&[0x80]), &slot, cx.waker()) {
                Started::Sent(_) => slot.poll(cx).map(|_| ()),
                _ => std::task::Poll::Ready(()),
            },
        )
        .await;
    });
    ended.await.unwrap();
}

fn start(link: &Arc<Link>, tag: &str, time: Option<Duration>, slot: &Arc<Slot>) -> Started {
    let deadline = time.map(|time| Instant::now() + time);
    link.start(
        tag,
        deadline,
        Payload::Borrowed(&[0x80]),
        slot,
        Waker::noop(),
    )
}

pub(super) async fn until(mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}

async fn an_answer_that_has_arrived_is_not_lost_by_a_write_that_fails(sockets: (Socket, Socket)) {
    let (left, right) = linked(sockets).await;
    let answered = Arc::new(AtomicBool::new(false));
    right.core.registry.register(connection("answers", {
        let answered = Arc::clone(&answered);
        crate::private::sync_handler(move |_| {
            answered.store(true, Ordering::SeqCst);
            crate::private::answer_value("here")
        })
    }));
    let first = Arc::new(Slot::new(Waker::noop()));
    // The reader ends when it is woken, and leaves what arrives to the next.
    left.reader.store(1, Ordering::Release);
    start(&left, "answers", None, &first);
    until(|| {
        let state = right.state();
        answered.load(Ordering::SeqCst)
            && state.session.serving() == 0
            && !state.session.wants_write()
            && !state.writing
    })
    .await;
    right.close("for the test");
    until(|| {
        start(&left, "answers", None, &Arc::new(Slot::new(Waker::noop())));
        left.flush();
        !left.is_open()
    })
    .await;
    left.spawn_reader(1);
    let ended = tokio::time::timeout(PATIENCE, poll_fn(|cx| first.poll(cx))).await;
    let ended = format!("{:?}", ended.unwrap());
    assert!(ended.contains("Reply"), "{ended}");
    until(|| left.is_closed()).await;
}

async fn a_reader_that_is_replaced_while_it_waits_does_not_stay(sockets: (Socket, Socket)) {
    let (left, right) = linked(sockets).await;
    pass_through(&left, 1).await;
    right.replace_reader(0);
    pass_through(&left, 2).await;
    left.close("for the test");
    let weak = (Arc::downgrade(&left), Arc::downgrade(&right));
    drop((left, right));
    let (left, right) = weak;
    until(|| left.strong_count() == 0 && right.strong_count() == 0).await;
}

/// Registers a function that blocks, then goes on for ever; gives what it holds while it does.
fn register_endless(link: &Link, block: Duration) -> Weak<()> {
    let held = Arc::new(());
    let weak = Arc::downgrade(&held);
    let held = std::sync::Mutex::new(Some(held));
    let handler = crate::private::async_handler(move |_| {
        let held = held.lock().unwrap().take();
        std::thread::sleep(block);
        async move {
            std::future::pending::<()>().await;
            drop(held);
            crate::private::answer_value(&())
        }
    });
    link.core.registry.register(connection("endless", handler));
    weak
}

pub(super) fn connection(tag: &str, handler: Arc<dyn crate::Handler>) -> crate::Connection {
    crate::Connection {
        tag: tag.into(),
        name: tag.into(),
        module: String::new(),
        doc: String::new(),
        signature: crate::Signature::default(),
        groups: None,
        handler,
    }
}

async fn a_function_that_is_cancelled_before_it_goes_on_does_not_go_on(sockets: (Socket, Socket)) {
    let (left, right) = linked(sockets).await;
    let held = register_endless(&right, Duration::from_millis(200));
    let slot = Arc::new(Slot::new(Waker::noop()));
    let Started::Sent(id) = start(&left, "endless", None, &slot) else {
        panic!()
    };
    until(|| right.state().session.serving() == 1).await;
    left.cancel(id);
    until(|| right.state().session.serving() == 0).await;
    until(|| held.strong_count() == 0).await;
    assert!(right.running.lock().unwrap().is_empty());
}

async fn the_time_of_a_call_that_is_served_here_is_kept_here(sockets: (Socket, Socket)) {
    let (left, right) = linked(sockets).await;
    let held = register_endless(&right, Duration::ZERO);
    pass_through(&left, 1).await;
    until(|| right.state().armed.is_some()).await;
    let begun = Instant::now();
    start(
        &left,
        "endless",
        Some(Duration::from_millis(100)),
        &Arc::new(Slot::new(Waker::noop())),
    );
    // The caller has no say in it: what it would send is kept back.
    until(|| right.state().session.serving() == 1).await;
    left.state().full = true;
    left.state().writing = true;
    until(|| held.strong_count() == 0).await;
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
}

async fn who_speaks_something_else_is_refused((a, b): (Socket, Socket)) {
    let peer = hermit().await;
    let said = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    b.write.try_write(&[IoSlice::new(said)]).unwrap();
    let error = establish(&peer.0, a, Side::Dialer, BytesMut::new())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("does not speak"), "{error}");
}

mod between_peers {
    use super::*;

    async fn started(dir: &tempfile::TempDir) -> Peer {
        Peer::builder()
            .port(0)
            .runtime_dir(dir.path())
            .discover(false)
            .start()
            .await
            .unwrap()
    }

    fn open_links(peer: &Peer) -> usize {
        peer.0
            .open_links()
            .iter()
            .filter(|link| link.is_open())
            .count()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn dialling_each_other_at_once_ends_with_one_link_and_no_lost_call() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..50 {
            let (a, b) = (started(&dir).await, started(&dir).await);
            let to_b = a.remote(&b.id().to_string()).unwrap();
            let to_a = b.remote(&a.id().to_string()).unwrap();
            let calls = (0..20).map(|i| {
                let remote = if i % 2 == 0 {
                    to_b.clone()
                } else {
                    to_a.clone()
                };
                tokio::spawn(async move {
                    remote
                        .call::<i64>("net.defaults.handlers.pass_through", &(i,))
                        .await
                })
            });
            for (i, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
                assert_eq!(call.await.unwrap().unwrap(), i as i64);
            }
            until(|| open_links(&a) == 1 && open_links(&b) == 1).await;
            a.shutdown().await;
            b.shutdown().await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn two_addresses_of_one_peer_share_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (started(&dir).await, started(&dir).await);
        for address in b.addresses() {
            let remote = a.remote(&address).unwrap();
            remote
                .call::<i64>("net.defaults.handlers.pass_through", &(1,))
                .await
                .unwrap();
        }
        until(|| open_links(&a) == 1 && open_links(&b) == 1).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_link_that_went_is_dialled_again() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (started(&dir).await, started(&dir).await);
        let to_b = a.remote(&b.id().to_string()).unwrap();
        for _ in 0..5 {
            to_b.call::<i64>("net.defaults.handlers.pass_through", &(1,))
                .await
                .unwrap();
            // Another may come at any time: both look for each other.
            let before = a.0.open_links();
            for link in b.0.open_links() {
                link.close("for the test");
            }
            until(|| before.iter().all(|link| link.is_closed())).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn shutting_down_lets_calls_in_flight_end() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (started(&dir).await, started(&dir).await);
        b.registry().register(slow_connection());
        let to_b = a.remote(&b.id().to_string()).unwrap();
        let call = tokio::spawn(to_b.call::<String>("slow", &()));
        until(|| {
            b.0.open_links()
                .iter()
                .any(|link| !link.running.lock().unwrap().is_empty())
        })
        .await;
        b.shutdown().await;
        assert_eq!(call.await.unwrap().unwrap(), "done");
        assert!(b.0.open_links().is_empty());
        let error = to_b.call::<String>("slow", &()).await.unwrap_err();
        assert!(error.was_not_run(), "{error}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_call_whose_time_is_over_when_its_link_goes_is_out_of_time() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (started(&dir).await, started(&dir).await);
        b.registry().register(slow_connection());
        let to_b = a.remote(&b.id().to_string()).unwrap();
        to_b.connect().await.unwrap();
        let link = to_b.link().unwrap();
        let time = Duration::from_millis(50);
        let call = tokio::spawn(to_b.call::<String>("slow", &()).timeout(time));
        until(|| link.state().session.in_flight() == 1).await;
        {
            // Keeps the keeper from its timer, as a busy machine does.
            let mut state = link.state();
            std::thread::sleep(2 * time);
            for slot in state.session.close() {
                if let Some(waker) = slot.finish(Finished::Lost) {
                    waker.wake();
                }
            }
        }
        let error = call.await.unwrap().unwrap_err();
        assert!(
            matches!(error, crate::CallError::TimedOut { .. }),
            "{error}"
        );
    }

    fn slow_connection() -> crate::Connection {
        let handler = crate::private::async_handler(|_| async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            crate::private::answer_value("done")
        });
        connection("slow", handler)
    }
}
