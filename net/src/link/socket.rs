//! The seam under a link: two halves of a byte stream, whatever carries it. Nothing here knows frames.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
#[cfg(not(unix))]
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BufMut;
use net_proto::links::Carrier;
#[cfg(not(unix))]
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
#[cfg(not(unix))]
use tokio::net::tcp;

use super::connections::Counted;

/// The half that reads. One reader at a time, by `&mut`.
pub(crate) trait ReadHalf: Send + Sync {
    /// Reads what is there into the free space of `buf` (which the caller reserves). 0 is the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut dyn BufMut) -> Poll<io::Result<usize>>;

    /// As [`poll_read`](Self::poll_read), for a thread: [`io::ErrorKind::WouldBlock`] where nothing is there.
    #[cfg(target_os = "linux")]
    fn try_read(&mut self, _buf: &mut dyn BufMut) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// No task is told any more of what arrives: threads wait for it, at this descriptor. None, and nothing changes, where they cannot.
    #[cfg(target_os = "linux")]
    fn to_threads(&mut self) -> Option<std::sync::Arc<std::os::fd::OwnedFd>> {
        None
    }

    /// Whether something was taken off the descriptor and not handed out yet, be it the end: who waits at the descriptor is not told of it.
    #[cfg(target_os = "linux")]
    fn has_left(&self) -> bool {
        false
    }

    /// Tasks are told again. To be called within the runtime.
    #[cfg(target_os = "linux")]
    fn to_tasks(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The half that writes, from whichever thread has something to say.
pub(crate) trait WriteHalf: Send + Sync {
    /// Writes what fits now; [`io::ErrorKind::WouldBlock`] where nothing does.
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Ends when there is room to write again.
    fn writable(&self) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + '_>>;

    /// Says that nothing more will be written; what was written still arrives, and reading goes on.
    fn finish(&self);

    /// Ends both directions, so that a reader that waits sees the end.
    fn shutdown(&self);

    /// The descriptor under it, where there is one.
    #[cfg(unix)]
    fn descriptor(&self) -> Option<std::os::fd::RawFd> {
        None
    }
}

/// Both halves, and what to call the other side.
pub(crate) struct Socket {
    pub(crate) read: Box<dyn ReadHalf>,
    pub(crate) write: Box<dyn WriteHalf>,
    pub(crate) peer: String,
    pub(crate) carrier: Carrier,
    /// The group that the other side has proved to be of.
    pub(crate) group: Option<Arc<str>>,
    /// What it counts for, where it came to this peer.
    pub(super) counted: Option<Counted>,
}

impl Socket {
    /// Writes all of `bytes`, waiting for room.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write.try_write(&[IoSlice::new(bytes)]) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.write.writable().await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A TCP stream, without Nagle's delay: a small call must not wait for the answer to the one before.
    pub(crate) fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let peer = stream.peer_addr()?.to_string();
        #[cfg(unix)]
        let (read, write) = super::stream::split(stream.into_std()?.into())?;
        #[cfg(not(unix))]
        let (read, write) = stream.into_split();
        Ok(Self {
            read: Box::new(read),
            write: Box::new(write),
            peer,
            carrier: Carrier::Tcp,
            group: None,
            counted: None,
        })
    }

    /// A Unix stream, known by the path that it was dialled at or accepted on.
    #[cfg(unix)]
    pub(crate) fn unix(stream: tokio::net::UnixStream, peer: String) -> io::Result<Self> {
        let (read, write) = super::stream::split(stream.into_std()?.into())?;
        Ok(Self {
            read: Box::new(read),
            write: Box::new(write),
            peer,
            carrier: Carrier::Unix,
            group: None,
            counted: None,
        })
    }
}

// tokio's own `poll_read` (under `read_buf`) is used and not `try_read`: it knows that a read which did not fill its
// buffer has emptied the socket, and so saves the second system call that would only say "would block".
#[cfg(not(unix))]
impl ReadHalf for tcp::OwnedReadHalf {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        mut buf: &mut dyn BufMut,
    ) -> Poll<io::Result<usize>> {
        pin!(self.read_buf(&mut buf)).poll(cx)
    }
}

#[cfg(not(unix))]
impl WriteHalf for tcp::OwnedWriteHalf {
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [one] => Self::try_write(self, one),
            many => self.try_write_vectored(many),
        }
    }

    fn writable(&self) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + '_>> {
        Box::pin(Self::writable(self))
    }

    // An error of either says that the other side was quicker.
    fn finish(&self) {
        let _ = socket2::SockRef::from(self.as_ref()).shutdown(std::net::Shutdown::Write);
    }

    fn shutdown(&self) {
        let _ = socket2::SockRef::from(self.as_ref()).shutdown(std::net::Shutdown::Both);
    }
}
