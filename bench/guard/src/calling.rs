//! The path of a call on the thread that makes it, over a real Unix socket: from its arguments to the socket, and from the answer's
//! bytes to the result.
//!
//! The threads that read and answer are not counted, for how often they wake differs from run to run. Nor can they be in the way: no
//! answer leaves before the caller waits for it.

use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll, Wake, Waker};

use net::Peer;
use net::blocking::block_on;
use tokio::sync::Semaphore;

use crate::count::counted;

const WARM_UP: u32 = 20;
const TIMES: u32 = 100;

/// As many permits as calls may be answered.
static WAITED_FOR: Semaphore = Semaphore::const_new(0);

#[net::connect]
async fn multiply(a: i64, b: i64) -> i64 {
    let permit = WAITED_FOR.acquire().await;
    permit.expect("it is never closed").forget();
    a * b
}

struct Tell(Sender<()>);

impl Wake for Tell {
    fn wake(self: Arc<Self>) {
        // Nobody listens any more at the end.
        let _ = self.0.send(());
    }
}

/// One small call, from beginning to end.
pub(crate) fn caller() -> u32 {
    let dir = tempfile::tempdir().expect("there is room for a folder");
    let quiet = || Peer::builder().runtime_dir(dir.path()).discover(false);
    let callee = block_on(quiet().port(0).port_range(0).start()).expect("it can listen");
    let caller = block_on(quiet().listen(false).start()).expect("it needs nothing");
    let mut addresses = callee.addresses().iter();
    let unix = addresses.find(|address| address.starts_with("unix:"));
    let remote = caller
        .remote(unix.expect("it listens there"))
        .expect("it is an address");
    block_on(remote.connect()).expect("it listens");

    let (tell, woken) = channel();
    let waker = Waker::from(Arc::new(Tell(tell)));
    let mut cx = Context::from_waker(&waker);
    for round in 0..WARM_UP + TIMES {
        let count = if round < WARM_UP { uncounted } else { counted };
        let mut call = None;
        count(&mut || {
            let call = call.insert(multiply::on(&remote, black_box(5), 10));
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
