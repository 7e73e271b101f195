//! The paths through `net` of a call: on the thread that makes it, over real sockets, and in the function that is called.
//!
//! The threads that read and write between the two are not counted, for how often they wake differs from run to run. Nor can they
//! be in the way: no answer leaves before the caller waits for it.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use net::blocking::block_on;
use net::{Answer, Builder, Caller, Handled, Incoming, Peer};
use tokio::sync::Semaphore;

use crate::count::{counted, steadily};

const WARM_UP: u32 = 20;
const TIMES: u32 = 100;

/// As many permits as calls may be answered.
static WAITED_FOR: Semaphore = Semaphore::const_new(0);

#[net::connect("waiting")]
async fn waiting(a: i64, b: i64) -> i64 {
    let permit = WAITED_FOR.acquire().await;
    permit.expect("it is never closed").forget();
    a * b
}

#[net::connect("multiply")]
fn multiply(a: i64, b: i64) -> i64 {
    a * b
}

struct Tell(Sender<()>);

impl Wake for Tell {
    fn wake(self: Arc<Self>) {
        // Nobody listens any more at the end.
        let _ = self.0.send(());
    }
}

/// One small call as its caller has it: from the arguments to the socket, and from the answer's bytes to the result.
pub(crate) fn caller() -> u32 {
    call(quiet, |address| address.starts_with("unix:"))
}

/// The same in a group with a key, over TCP: what is sent is encrypted on the caller's thread.
pub(crate) fn caller_in_tls() -> u32 {
    let with_a_key = || {
        let builder = quiet()
            .group("guard")
            .secret("3f9c1b7e5a2d8046c1e97b3f5d80a264");
        builder.bind([Ipv4Addr::LOCALHOST.into()])
    };
    call(with_a_key, |address| !address.starts_with("unix:"))
}

fn call(builder: impl Fn() -> Builder, is_wanted: impl Fn(&str) -> bool) -> u32 {
    let dir = tempfile::tempdir().expect("there is room for a folder");
    let callee = start(builder().port(0).port_range(0).runtime_dir(dir.path()));
    let mut addresses = callee.addresses().into_iter();
    let address = addresses.find(|address| is_wanted(address));
    let remote = start(builder().listen(false)).remote(&address.expect("it listens there"));
    let remote = remote.expect("it is an address");
    block_on(remote.connect()).expect("it listens");

    let (tell, woken) = channel();
    let waker = Waker::from(Arc::new(Tell(tell)));
    let mut cx = Context::from_waker(&waker);
    for round in 0..WARM_UP + TIMES {
        let count = if round < WARM_UP { uncounted } else { counted };
        let mut call = None;
        count(&mut || {
            let call = call.insert(waiting::on(&remote, black_box(5), 10));
            assert!(Pin::new(call).poll(&mut cx).is_pending());
        });
        WAITED_FOR.add_permits(1);
        woken.recv().expect("the waker is here");
        count(&mut || {
            let mut call = call.take().expect("it was made");
            let result = Pin::new(&mut call).poll(&mut cx);
            assert!(matches!(result, Poll::Ready(Ok(50))), "{result:?}");
        });
    }
    TIMES
}

fn uncounted(work: &mut dyn FnMut()) {
    work();
}

/// One small call as the function has it: from the arguments' bytes to those of the result.
pub(crate) fn function() -> u32 {
    let peer = start(quiet().listen(false));
    let function = peer.registry().find("multiply").expect("it is connected");
    let call = incoming(&peer, &[0x82, 5, 10]);
    steadily(1000, || {
        let handled = function.handler.call(&call);
        assert!(
            matches!(handled, Handled::Ready(Answer::Value(value)) if *value.contiguous() == [0x18, 50])
        );
    })
}

/// What a function is called with.
pub(crate) fn incoming(peer: &Peer, body: &'static [u8]) -> Incoming {
    Incoming {
        body: Bytes::from_static(body),
        peer: peer.clone(),
        caller: Caller::own(peer),
        time_left: None,
    }
}

pub(crate) fn quiet() -> Builder {
    Peer::builder().discover(false)
}

pub(crate) fn start(builder: Builder) -> Peer {
    block_on(builder.start()).expect("nothing is in its way")
}
