//! A Unix stream under a link, watched for what is to be read alone.
//!
//! tokio's own stream is registered for reading and writing, and the kernel reports a Unix socket as writable anew each time the
//! other side has read from it: one wake-up for nothing in each call. Here writing is watched only while the socket is full.
//! (Measured in bench/NOTES.md; TCP reports no such thing, so it stays with tokio's.)

use std::future::Future;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::net::UnixStream as StdStream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;

use super::socket::{ReadHalf, WriteHalf};

/// How long to wait before writing again to a full socket that cannot be watched: a moment, for what then goes by the socketful.
const UNWATCHED: Duration = Duration::from_millis(5);

/// Splits a stream in two halves that share its descriptor.
pub(super) fn split(stream: UnixStream) -> io::Result<(Reader, Writer)> {
    let stream = Arc::new(stream.into_std()?);
    let read = watch(Arc::clone(&stream), Interest::READABLE)?;
    Ok((Reader(read), Writer(stream)))
}

fn watch(stream: Arc<StdStream>, interest: Interest) -> io::Result<AsyncFd<Arc<StdStream>>> {
    // SAFETY: the stream is open and stays so while the `AsyncFd` holds it; its descriptor is always the same.
    Ok(unsafe { AsyncFd::register_with_interest(stream, interest) }?)
}

pub(super) struct Reader(AsyncFd<Arc<StdStream>>);

impl ReadHalf for Reader {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(cx))?;
            let room = buf.spare_capacity_mut();
            let asked = room.len();
            match recv(ready.get_inner(), room, RecvFlags::empty()) {
                Ok(((filled, _), _)) => {
                    let read = filled.len();
                    let length = buf.len() + read;
                    // SAFETY: the kernel has filled `read` bytes of the spare room, from its beginning.
                    unsafe { buf.set_len(length) };
                    if read < asked && read > 0 {
                        // Emptied: the next read would only say so.
                        ready.clear_ready();
                    }
                    return Poll::Ready(Ok(read));
                }
                Err(error) if error == rustix::io::Errno::WOULDBLOCK => ready.clear_ready(),
                Err(error) if error == rustix::io::Errno::INTR => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}

pub(super) struct Writer(Arc<StdStream>);

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
        let _ = self.0.shutdown(std::net::Shutdown::Write);
    }

    fn shutdown(&self) {
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }

    fn descriptor(&self) -> Option<RawFd> {
        Some(self.0.as_raw_fd())
    }
}
