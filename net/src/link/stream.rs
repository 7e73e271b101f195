//! A stream socket under a link, Unix or TCP, watched for what is to be read alone, and by a task or by a thread that waits for it.
//!
//! tokio's own streams are registered for reading and writing, and the kernel reports a Unix socket as writable anew each time the
//! other side has read from it: one wake-up for nothing in each call. Here writing is watched only while the socket is full.
//! (Measured in bench/NOTES.md.)

use std::future::Future;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BufMut;
use rustix::net::{
    RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, recv, send, sendmsg, shutdown,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::socket::{ReadHalf, WriteHalf};

/// How long to wait before writing again to a full socket that cannot be watched: a moment, for what then goes by the socketful.
const UNWATCHED: Duration = Duration::from_millis(5);

/// Splits a stream, which does not block, in two halves that share its descriptor.
pub(super) fn split(stream: OwnedFd) -> io::Result<(Reader, Writer)> {
    let stream = Arc::new(stream);
    let reader = Reader {
        watched: Some(watch(Arc::clone(&stream), Interest::READABLE)?),
        stream: Arc::clone(&stream),
    };
    Ok((reader, Writer(stream)))
}

/// Registers a descriptor with the runtime that this thread stands in.
pub(super) fn watch(stream: Arc<OwnedFd>, interest: Interest) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: the descriptor is open and stays so while the `AsyncFd` holds it; it is always the same.
    Ok(unsafe { AsyncFd::register_with_interest(stream, interest) }?)
}

pub(super) struct Reader {
    stream: Arc<OwnedFd>,
    /// None while threads wait for it.
    watched: Option<AsyncFd<Arc<OwnedFd>>>,
}

impl ReadHalf for Reader {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut dyn BufMut) -> Poll<io::Result<usize>> {
        let Some(watched) = &self.watched else {
            return Poll::Pending;
        };
        loop {
            let mut ready = ready!(watched.poll_read_ready(cx))?;
            let asked = buf.chunk_mut().len();
            match read(&self.stream, buf) {
                Ok(length) => {
                    if length < asked && length > 0 {
                        // Emptied: the next read would only say so.
                        ready.clear_ready();
                    }
                    return Poll::Ready(Ok(length));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    #[cfg(target_os = "linux")]
    fn try_read(&mut self, buf: &mut dyn BufMut) -> io::Result<usize> {
        read(&self.stream, buf)
    }

    #[cfg(target_os = "linux")]
    fn to_threads(&mut self) -> Option<Arc<OwnedFd>> {
        self.watched = None;
        Some(Arc::clone(&self.stream))
    }

    #[cfg(target_os = "linux")]
    fn to_tasks(&mut self) -> io::Result<()> {
        self.watched = Some(watch(Arc::clone(&self.stream), Interest::READABLE)?);
        Ok(())
    }
}

fn read(stream: &OwnedFd, buf: &mut dyn BufMut) -> io::Result<usize> {
    // SAFETY: the kernel only writes to it.
    let room = unsafe { buf.chunk_mut().as_uninit_slice_mut() };
    let ((filled, _), _) = recv(stream, room, RecvFlags::empty())?;
    let read = filled.len();
    // SAFETY: the kernel has filled `read` bytes of the room, from its beginning.
    unsafe { buf.advance_mut(read) };
    Ok(read)
}

pub(super) struct Writer(Arc<OwnedFd>);

impl WriteHalf for Writer {
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        // A signal for a broken pipe is for programs that do not look at errors.
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
        let flags = SendFlags::NOSIGNAL;
        #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
        let flags = SendFlags::empty();
        Ok(match slices {
            [one] => send(&*self.0, one, flags)?,
            many => sendmsg(&*self.0, many, &mut SendAncillaryBuffer::default(), flags)?,
        })
    }

    fn writable(&self) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + '_>> {
        Box::pin(async {
            // A descriptor of its own: one can be registered once. Registered anew for each wait, it tells how things stand now.
            let own = self.0.try_clone().map(Arc::new);
            match own.and_then(|own| watch(own, Interest::WRITABLE)) {
                Ok(watched) => watched.writable().await?.retain_ready(),
                // None is left, which is no fault of this link's: whether there is room is tried instead.
                Err(_) => tokio::time::sleep(UNWATCHED).await,
            }
            Ok(())
        })
    }

    fn finish(&self) {
        // An error of either says that the other side was quicker.
        let _ = shutdown(&*self.0, Shutdown::Write);
    }

    fn shutdown(&self) {
        let _ = shutdown(&*self.0, Shutdown::Both);
    }

    fn descriptor(&self) -> Option<RawFd> {
        Some(self.0.as_raw_fd())
    }
}
