//! TLS over a socket, as a socket: between the bytes of a link and those of the wire. What certificates say is decided elsewhere
//! ([`crate::secure`]); nothing here knows frames.

use std::future::{Future, poll_fn};
use std::io::{self, BufRead as _, IoSlice, Write as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, BytesMut};
use net_proto::Side;
use rustls::Connection;

use super::LinkError;
use super::socket::{ReadHalf, Socket, WriteHalf};
use crate::secure::identity::Identity;

/// What one read of the wire takes in: some records of the largest size.
const READ_SIZE: usize = 64 * 1024;
/// The same before the other side has shown that it is of the group: a certificate, and little more for those that have shown nothing.
const HANDSHAKE_SIZE: usize = 4 * 1024;
/// How much is encrypted ahead of the wire.
const AHEAD: usize = 64 * 1024;

/// Shakes hands over `socket`, of which `read` was read already. What comes of it is a socket whose other side has proved its group.
pub(super) async fn secure(
    mut socket: Socket,
    side: Side,
    identity: &Arc<Identity>,
    mut read: BytesMut,
) -> Result<Socket, LinkError> {
    let failed = |error| LinkError::Tls(identity.explain(&error));
    let mut connection = identity.connection(side).map_err(failed)?;
    connection.set_buffer_limit(Some(AHEAD));
    let mut out = Vec::new();
    loop {
        let taken = take_in(&mut connection, &mut read);
        while connection.wants_write() {
            connection.write_tls(&mut out)?;
        }
        // An alert too, so that the other side learns why.
        socket.write_all(&out).await?;
        out.clear();
        taken.map_err(failed)?;
        if !connection.is_handshaking() {
            break;
        }
        read.reserve(HANDSHAKE_SIZE);
        if poll_fn(|cx| socket.read.poll_read(cx, &mut read)).await? == 0 {
            return Err(LinkError::Closed);
        }
    }
    let shared = Arc::new(Shared {
        connection: Mutex::new(connection),
        identity: Arc::clone(identity),
    });
    Ok(Socket {
        read: Box::new(Reader {
            wire: socket.read,
            shared: Arc::clone(&shared),
            input: read,
            failed: None,
        }),
        write: Box::new(Writer {
            wire: socket.write,
            shared,
            leaving: Mutex::default(),
        }),
        group: Some(Arc::clone(identity.group())),
        ..socket
    })
}

/// What a peer that takes TLS alone says to who speaks something else: that access is denied (an alert of TLS, RFC 8446).
pub(super) const DENIED: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 49];

/// What a peer that has no room for another connection says to who speaks TLS. TLS has no word for it; peers send this alert for nothing else.
pub(super) const BUSY: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 80];

/// Whether somebody who speaks TLS answers like this to what is not TLS.
pub(super) fn is_alert(answer: &[u8]) -> bool {
    answer.starts_with(&DENIED[..2])
}

/// Whether somebody who begins like this speaks TLS.
pub(super) fn is_hello(first: &[u8]) -> bool {
    first.first() == Some(&0x16)
}

/// Has the connection take what was read of the wire.
fn take_in(connection: &mut Connection, input: &mut BytesMut) -> Result<(), rustls::Error> {
    while !input.is_empty() {
        let mut rest = &input[..];
        // Fails only where plain bytes wait to be taken out first.
        let Ok(taken) = connection.read_tls(&mut rest) else {
            break;
        };
        input.advance(taken);
        connection.process_new_packets()?;
        if taken == 0 {
            break;
        }
    }
    Ok(())
}

struct Shared {
    connection: Mutex<Connection>,
    identity: Arc<Identity>,
}

impl Shared {
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

struct Reader {
    wire: Box<dyn ReadHalf>,
    shared: Arc<Shared>,
    /// Read of the wire, and not yet taken in.
    input: BytesMut,
    /// What went wrong with what was taken in: told when all that came before it has been read.
    failed: Option<rustls::Error>,
}

impl Reader {
    /// Takes in what was read of the wire, and out what that comes to. None where more of the wire is to be read first.
    fn take_out(&mut self, buf: &mut dyn BufMut) -> Option<io::Result<usize>> {
        let mut connection = self.shared.connection();
        if self.failed.is_none() {
            self.failed = take_in(&mut connection, &mut self.input).err();
        }
        match read_plain(&mut connection, buf) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return Some(read),
        }
        let why = self.shared.identity.explain(self.failed.as_ref()?);
        Some(Err(io::Error::new(io::ErrorKind::InvalidData, why)))
    }
}

// The end of the wire without the other side's word that it ends: cut off, by whoever is between.
impl ReadHalf for Reader {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut dyn BufMut) -> Poll<io::Result<usize>> {
        loop {
            if let Some(read) = self.take_out(buf) {
                return Poll::Ready(read);
            }
            self.input.reserve(READ_SIZE);
            if ready!(self.wire.poll_read(cx, &mut self.input))? == 0 {
                return Poll::Ready(Ok(0));
            }
        }
    }

    #[cfg(target_os = "linux")]
    fn try_read(&mut self, buf: &mut dyn BufMut) -> io::Result<usize> {
        loop {
            if let Some(read) = self.take_out(buf) {
                return read;
            }
            self.input.reserve(READ_SIZE);
            if self.wire.try_read(&mut self.input)? == 0 {
                return Ok(0);
            }
        }
    }

    #[cfg(target_os = "linux")]
    fn has_left(&self) -> bool {
        // What is taken in and no whole record yet is none of it: the rest of it is still to come.
        let is_decrypted = || match self.shared.connection().reader().fill_buf() {
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            Ok(_) => true,
        };
        !self.input.is_empty() || self.failed.is_some() || is_decrypted()
    }

    #[cfg(target_os = "linux")]
    fn to_threads(&mut self) -> Option<Arc<std::os::fd::OwnedFd>> {
        self.wire.to_threads()
    }

    #[cfg(target_os = "linux")]
    fn to_tasks(&mut self) -> io::Result<()> {
        self.wire.to_tasks()
    }
}

/// Takes out what was decrypted. `WouldBlock` where there is nothing, 0 where the other side has said that it ends.
fn read_plain(connection: &mut Connection, buf: &mut dyn BufMut) -> io::Result<usize> {
    let mut room = buf.chunk_mut().len();
    let mut read = 0;
    while room > 0 {
        let mut plain = connection.reader();
        let taken = match plain.fill_buf() {
            Ok(bytes) => {
                let taken = bytes.len().min(room);
                buf.put_slice(&bytes[..taken]);
                taken
            }
            Err(error) if read == 0 => return Err(error),
            Err(_) => break,
        };
        plain.consume(taken);
        if taken == 0 {
            break;
        }
        read += taken;
        room -= taken;
    }
    Ok(read)
}

struct Writer {
    wire: Box<dyn WriteHalf>,
    shared: Arc<Shared>,
    /// The plain bytes of what is encrypted and has not left: said to be written when it has, so that whoever writes comes again
    /// until then.
    leaving: Mutex<usize>,
}

impl Writer {
    fn leaving(&self) -> MutexGuard<'_, usize> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what is encrypted, from where it lies.
fn write_out(connection: &mut Connection, wire: &dyn WriteHalf) -> io::Result<()> {
    while connection.wants_write() {
        connection.write_tls(&mut Wire(wire))?;
    }
    Ok(())
}

struct Wire<'a>(&'a dyn WriteHalf);

impl io::Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl WriteHalf for Writer {
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut leaving = self.leaving();
        let mut connection = self.shared.connection();
        if *leaving == 0 {
            *leaving = connection.writer().write_vectored(slices)?;
        }
        write_out(&mut connection, &*self.wire)?;
        Ok(std::mem::take(&mut *leaving))
    }

    fn writable(&self) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + '_>> {
        self.wire.writable()
    }

    fn finish(&self) {
        let mut connection = self.shared.connection();
        connection.send_close_notify();
        // A few bytes; where the wire takes none, its end says as much.
        let _ = write_out(&mut connection, &*self.wire);
        drop(connection);
        self.wire.finish();
    }

    fn shutdown(&self) {
        self.wire.shutdown();
    }

    #[cfg(unix)]
    fn descriptor(&self) -> Option<std::os::fd::RawFd> {
        self.wire.descriptor()
    }
}
