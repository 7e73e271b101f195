//! Who reads a link, as threads and tasks take turns with it; and that nobody waits for a reader that is not there.

use std::io::IoSlice;
use std::net::Ipv4Addr;
use std::sync::Barrier;
use std::thread;

use bytes::{BufMut as _, BytesMut};
use tokio::sync::Semaphore;

use super::*;
use crate::link::tests::{PATIENCE, connection, tcp, tls, unix, until};
use crate::private::{answer_value, async_handler, sync_handler};
use crate::{CallError, Limits, Peer, Remote, value};

const TAG: &str = "net.defaults.handlers.pass_through";

/// Two peers with one link, read by threads on the side of the first.
struct Pair {
    here: Peer,
    there: Peer,
    to_there: Remote,
    link: Arc<Link>,
    _dir: tempfile::TempDir,
}

#[derive(Clone, Copy, PartialEq)]
enum Over {
    Unix,
    Tcp,
    Tls,
}

impl Pair {
    async fn over(carrier: Over) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // A ping would bring to light what lies unread.
        let limits = Limits {
            keep_alive: 3 * PATIENCE,
            silence: 9 * PATIENCE,
            ..Limits::default()
        };
        let start = || {
            let builder = Peer::builder().port(0).runtime_dir(dir.path());
            let builder = builder.limits(limits.clone());
            let builder = match carrier {
                Over::Tls => builder
                    .group("lab")
                    .secret("3f9c1b7e5a2d8046c1e97b3f5d80a264")
                    .bind([Ipv4Addr::LOCALHOST.into()]),
                Over::Unix | Over::Tcp => builder,
            };
            builder.discover(false).start()
        };
        let (here, there) = (start().await.unwrap(), start().await.unwrap());
        // What peers tell one another of others takes the reading from threads, at any time.
        here.0.peers.keep_no_members();
        there.0.peers.keep_no_members();
        let is_wanted = |address: &String| address.starts_with("unix:") == (carrier == Over::Unix);
        let address = there.addresses().into_iter().find(is_wanted).unwrap();
        let to_there = here.remote(&address).unwrap();
        to_there.connect().await.unwrap();
        let link = to_there.link().unwrap();
        let pair = Self {
            here,
            there,
            to_there,
            link,
            _dir: dir,
        };
        assert!(!pair.is_read_by_threads());
        pair.call_alone(2 * ALONE).await;
        assert!(pair.is_read_by_threads());
        pair
    }

    fn is_read_by_threads(&self) -> bool {
        matches!(self.link.input().hands, Hands::Threads { .. })
    }

    fn is_attended(&self) -> bool {
        let hands = &self.link.input().hands;
        matches!(hands, Hands::Threads { attended: true, .. })
    }

    async fn call_alone(&self, times: u32) {
        for x in 0..times {
            assert_eq!(self.waits(TAG, x.into()).await.unwrap(), i64::from(x));
        }
    }

    /// The call by a thread that waits for it.
    async fn waits(&self, tag: &'static str, x: i64) -> Result<i64, CallError> {
        let remote = self.to_there.clone();
        on_thread(move || remote.call(tag, &(x,)).wait()).await
    }
}

/// On a thread of its own, not one of the runtime's: those do not attend.
async fn on_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = tokio::sync::oneshot::channel();
    thread::spawn(move || tell.send(f()));
    tokio::time::timeout(PATIENCE, told).await.unwrap().unwrap()
}

fn register(peer: &Peer, tag: &str, handler: Arc<dyn crate::Handler>) {
    peer.registry().register(connection(tag, handler));
}

/// A function that answers 7 when the gate is opened.
fn register_gate(peer: &Peer) -> Arc<Semaphore> {
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let handler = async_handler(move |_| {
        let opened = Arc::clone(&opened);
        async move {
            opened.acquire().await.unwrap().forget();
            answer_value(&7)
        }
    });
    register(peer, "gate", handler);
    gate
}

macro_rules! over_each {
    ($($case:ident)*) => {
        mod over_unix { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $case() { super::$case(super::Pair::over(super::Over::Unix).await).await; })* }
        mod over_tcp { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $case() { super::$case(super::Pair::over(super::Over::Tcp).await).await; })* }
        mod over_tls { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $case() { super::$case(super::Pair::over(super::Over::Tls).await).await; })* }
    };
}

over_each! {
    what_waits_to_be_run_is_not_kept_waiting
    a_task_that_calls_takes_the_reading_back
    what_the_other_side_calls_is_served_when_nobody_attends
    what_the_other_side_calls_while_a_thread_attends_is_served_by_a_task
    the_thread_that_attends_wakes_the_others_that_wait
    a_deadline_ends_a_call_that_is_attended
    a_link_that_closes_ends_a_call_that_is_attended
    a_thread_that_gives_up_leaves_the_link_readable
    large_answers_come_whole
    what_came_with_the_answer_is_not_left_lying
    threads_and_tasks_of_both_sides_at_once
}

async fn what_waits_to_be_run_is_not_kept_waiting(pair: Pair) {
    assert!(pair.link.attend().is_some());
    pair.link.input().next = Some(net_proto::Incoming {
        id: 2,
        tag: net_proto::Tag {
            number: 0,
            name: TAG.into(),
        },
        time_left: None,
        metadata: bytes::Bytes::new(),
        body: bytes::Bytes::new(),
    });
    assert!(pair.link.attend().is_none());
    pair.link.input().next = None;
    pair.link.input().buf.extend_from_slice(&[0]);
    assert!(pair.link.attend().is_none());
    pair.link.input().buf.clear();
    assert!(pair.link.attend().is_some());
}

async fn a_task_that_calls_takes_the_reading_back(pair: Pair) {
    let answer = pair.to_there.call::<i64>(TAG, &(3,)).await;
    assert_eq!(answer.unwrap(), 3);
    assert!(!pair.is_read_by_threads());
    pair.call_alone(2 * ALONE).await;
    assert!(pair.is_read_by_threads());
}

async fn what_the_other_side_calls_is_served_when_nobody_attends(pair: Pair) {
    let to_here = pair.there.remote(&pair.here.id().to_string()).unwrap();
    assert_eq!(to_here.call::<i64>(TAG, &(4,)).await.unwrap(), 4);
    assert!(!pair.is_read_by_threads());
}

async fn what_the_other_side_calls_while_a_thread_attends_is_served_by_a_task(pair: Pair) {
    let main = thread::current().id();
    let (tell, told) = std::sync::mpsc::channel();
    let ran = sync_handler(move |_| {
        tell.send(thread::current().name().map(str::to_owned))
            .unwrap();
        answer_value(&(thread::current().id() != main))
    });
    register(&pair.here, "back", ran);
    let handler = async_handler(|call: crate::Incoming| async move {
        let caller = call.caller.remote().unwrap();
        let is_back: bool = caller.call("back", &()).await.unwrap();
        answer_value(&i64::from(is_back))
    });
    register(&pair.there, "calls back", handler);
    assert_eq!(pair.waits("calls back", 0).await.unwrap(), 1);
    assert_eq!(told.recv().unwrap().as_deref(), Some("tokio-rt-worker"));
}

async fn the_thread_that_attends_wakes_the_others_that_wait(pair: Pair) {
    let gate = register_gate(&pair.there);
    let waits = pair.waits("gate", 0);
    let others = async {
        until(|| pair.is_attended()).await;
        for x in 0..20 {
            assert_eq!(pair.waits(TAG, x).await.unwrap(), x);
            assert_eq!(pair.to_there.call::<i64>(TAG, &(x,)).await.unwrap(), x);
        }
        gate.add_permits(1);
    };
    let (waited, ()) = tokio::join!(waits, others);
    assert_eq!(waited.unwrap(), 7);
}

async fn a_deadline_ends_a_call_that_is_attended(pair: Pair) {
    register_gate(&pair.there);
    let time = Duration::from_millis(50);
    let remote = pair.to_there.clone();
    let begun = Instant::now();
    let ended = on_thread(move || remote.call::<i64>("gate", &()).timeout(time).wait()).await;
    assert!(
        matches!(ended, Err(CallError::TimedOut { .. })),
        "{ended:?}"
    );
    assert!(begun.elapsed() >= time && begun.elapsed() < PATIENCE / 2);
    pair.call_alone(1).await;
}

async fn a_link_that_closes_ends_a_call_that_is_attended(pair: Pair) {
    register_gate(&pair.there);
    let closes = async {
        until(|| pair.is_attended()).await;
        pair.there.0.open_links()[0].close("for the test");
    };
    let (ended, ()) = tokio::join!(pair.waits("gate", 0), closes);
    assert!(matches!(ended, Err(CallError::Lost { .. })), "{ended:?}");
    pair.call_alone(1).await;
}

async fn a_thread_that_gives_up_leaves_the_link_readable(pair: Pair) {
    let gate = register_gate(&pair.there);
    let remote = pair.to_there.clone();
    // As a front does between two looks at the signals that came, and in the end at one that did.
    on_thread(move || {
        let mut body = Vec::new();
        value::encode_arguments(&(), &mut body).unwrap();
        let mut call = remote.call_raw("gate".to_owned(), body);
        call.attend();
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        for _ in 0..3 {
            assert!(std::pin::Pin::new(&mut call).poll(&mut cx).is_pending());
            call.park(Some(Duration::from_millis(1)));
        }
    })
    .await;
    until(|| pair.link.state().session.in_flight() == 0).await;
    pair.call_alone(2 * ALONE).await;
    gate.add_permits(1);
    assert_eq!(pair.to_there.call::<i64>("gate", &()).await.unwrap(), 7);
}

async fn large_answers_come_whole(pair: Pair) {
    let remote = pair.to_there.clone();
    let text = "x".repeat(8 << 20);
    let sent = text.clone();
    let back = on_thread(move || remote.call::<String>(TAG, &(sent,)).wait()).await;
    assert!(back.unwrap() == text);
    pair.call_alone(1).await;
}

async fn what_came_with_the_answer_is_not_left_lying(pair: Pair) {
    const ROOM: usize = 9 * 1024;
    let gate = register_gate(&pair.there);
    let there = pair.there.0.open_links().pop().unwrap();
    // The thread's next read takes in the answer, and of what comes with it only as much as there is room for.
    pair.link.input().buf = BytesMut::with_capacity(ROOM);
    let waits = pair.waits("gate", 0);
    let calls = async {
        until(|| pair.is_attended() && there.state().session.serving() == 1).await;
        there.state().writing = true;
        gate.add_permits(1);
        until(|| there.state().session.serving() == 0).await;
        let to_here = pair.there.remote(&pair.here.id().to_string()).unwrap();
        let text = "x".repeat(4 * ROOM);
        let call = tokio::spawn(to_here.call::<String>(TAG, &(text,)));
        until(|| there.state().session.in_flight() == 1).await;
        there.state().writing = false;
        there.flush();
        call.await.unwrap().unwrap()
    };
    let both = async { tokio::join!(waits, calls) };
    let (waited, called) = tokio::time::timeout(PATIENCE, both).await.unwrap();
    assert_eq!((waited.unwrap(), called.len()), (7, 4 * ROOM));
}

/// At the seam below the link: who reads a little at a time waits only for what is still to come.
#[tokio::test]
async fn the_descriptor_or_the_reader_tells_of_all_that_is_there() {
    const ROOM: usize = 100;
    for (a, mut b) in [unix(), tcp().await, tls().await] {
        let descriptor = b.read.to_threads().unwrap();
        let sent = vec![7; 40 * 1024];
        let written = a.write.try_write(&[IoSlice::new(&sent)]).unwrap();
        let all = on_thread(move || {
            let mut all = Vec::new();
            while all.len() < written {
                assert!(b.read.has_left() || super::wait(&descriptor, Some(PATIENCE)).unwrap());
                let mut some = BytesMut::with_capacity(ROOM);
                match b.read.try_read(&mut (&mut some).limit(ROOM)) {
                    Ok(_) => all.extend_from_slice(&some),
                    Err(error) => assert!(is_nothing(&error)),
                }
            }
            all
        });
        assert!(all.await == sent[..written]);
    }
}

async fn threads_and_tasks_of_both_sides_at_once(pair: Pair) {
    const THREADS: usize = 4;
    let to_here = pair.there.remote(&pair.here.id().to_string()).unwrap();
    let barrier = Arc::new(Barrier::new(THREADS));
    let threads = (0..THREADS as i64).map(|thread| {
        let (remote, barrier) = (pair.to_there.clone(), Arc::clone(&barrier));
        on_thread(move || {
            barrier.wait();
            for x in 0..500 {
                // Each goes on alone for a while when the others have ended.
                let x = 1000 * thread + x * (thread + 1);
                assert_eq!(remote.call::<i64>(TAG, &(x,)).wait().unwrap(), x);
            }
        })
    });
    let threads: Vec<_> = threads.map(tokio::spawn).collect();
    for x in 0..200 {
        assert_eq!(to_here.call::<i64>(TAG, &(x,)).await.unwrap(), x);
        assert_eq!(pair.to_there.call::<i64>(TAG, &(x,)).await.unwrap(), x);
        tokio::task::yield_now().await;
    }
    for thread in threads {
        thread.await.unwrap();
    }
}
