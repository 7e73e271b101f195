//! A byte stream within the process, bounded as a socket's buffers are: for tests of what stands on a link.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::BufMut;
use net_proto::links::Carrier;

use super::socket::{ReadHalf, Socket, WriteHalf};

/// What one direction holds before a writer must wait: small, so that tests meet a full pipe.
const CAPACITY: usize = 16 * 1024;

#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn wake_all(&mut self) {
        for waker in [self.reader.take(), self.writer.take()]
            .into_iter()
            .flatten()
        {
            waker.wake();
        }
    }
}

#[derive(Clone, Default)]
struct SharedPipe(Arc<Mutex<Pipe>>);

impl SharedPipe {
    fn lock(&self) -> MutexGuard<'_, Pipe> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let mut pipe = self.lock();
        pipe.closed = true;
        pipe.wake_all();
    }
}

struct Reader(SharedPipe);

impl ReadHalf for Reader {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut dyn BufMut) -> Poll<io::Result<usize>> {
        let mut pipe = self.0.lock();
        if pipe.bytes.is_empty() {
            if pipe.closed {
                return Poll::Ready(Ok(0));
            }
            pipe.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let n = pipe.bytes.len().min(buf.chunk_mut().len());
        pipe.bytes.drain(..n).for_each(|byte| buf.put_u8(byte));
        if let Some(writer) = pipe.writer.take() {
            writer.wake();
        }
        Poll::Ready(Ok(n))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.close();
    }
}

struct Writer {
    ours: SharedPipe,
    theirs: SharedPipe,
}

impl WriteHalf for Writer {
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut pipe = self.ours.lock();
        if pipe.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut room = CAPACITY.saturating_sub(pipe.bytes.len());
        if room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut written = 0;
        for slice in slices {
            let n = slice.len().min(room);
            pipe.bytes.extend(&slice[..n]);
            written += n;
            room -= n;
        }
        if let Some(reader) = pipe.reader.take() {
            reader.wake();
        }
        Ok(written)
    }

    fn writable(&self) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + '_>> {
        Box::pin(poll_fn(|cx| {
            let mut pipe = self.ours.lock();
            if pipe.closed || pipe.bytes.len() < CAPACITY {
                return Poll::Ready(Ok(()));
            }
            pipe.writer = Some(cx.waker().clone());
            Poll::Pending
        }))
    }

    fn finish(&self) {
        self.ours.close();
    }

    fn shutdown(&self) {
        self.ours.close();
        self.theirs.close();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.ours.close();
    }
}

/// Two sockets, each the other's far end.
pub(super) fn pair() -> (Socket, Socket) {
    let (a, b) = (SharedPipe::default(), SharedPipe::default());
    let end = |ours: &SharedPipe, theirs: &SharedPipe| Socket {
        counted: None,
        carrier: Carrier::Tcp,
        read: Box::new(Reader(theirs.clone())),
        write: Box::new(Writer {
            ours: ours.clone(),
            theirs: theirs.clone(),
        }),
        peer: "memory".into(),
        group: None,
    };
    (end(&a, &b), end(&b, &a))
}
