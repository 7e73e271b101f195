//! The yardstick for async calls: the same bytes over a bare tokio socket, as few system calls as that can do.
//!
//! The first byte on a connection says which of three things it is for; nothing here knows calls.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::runtime::Runtime;

use lines::Transport;
use lines::{Done, Error, Order};

use crate::MESSAGE;

/// Larger than any message read into it: tokio then knows from a short read that the socket is empty, and saves the
/// second system call that would only say so.
const ROOM: usize = 64 * 1024;

const PING: u8 = b'p';
const BATCH: u8 = b'b';
const LARGE: u8 = b'l';

trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// Listens in a task of `runtime`; says where.
pub(crate) fn serve(runtime: &Runtime, transport: Transport, dir: &Path) -> Result<String, Error> {
    let _entered = runtime.enter();
    match transport {
        Transport::Unix => {
            let path = dir.join("tokio.sock");
            let listener = UnixListener::bind(&path)?;
            runtime.spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(answer(stream));
                }
            });
            Ok(format!("unix:{}", path.display()))
        }
        Transport::Tcp => {
            let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            let address = listener.local_addr()?;
            runtime.spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    if stream.set_nodelay(true).is_ok() {
                        tokio::spawn(answer(stream));
                    }
                }
            });
            Ok(address.to_string())
        }
    }
}

/// Serves one connection until the client has gone, which it sees as an error or the end.
async fn answer(mut stream: impl Stream) {
    let _ = match stream.read_u8().await {
        Ok(PING) => answer_pings(stream).await,
        Ok(BATCH) => answer_batches(stream).await,
        Ok(LARGE) => answer_large(stream).await,
        _ => Ok(()),
    };
}

async fn answer_pings(mut stream: impl Stream) -> io::Result<()> {
    let mut room = vec![0; ROOM];
    loop {
        read_message(&mut stream, &mut room).await?;
        stream.write_all(&room[..MESSAGE]).await?;
    }
}

async fn read_message(stream: &mut impl Stream, room: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < MESSAGE {
        match stream.read(&mut room[filled..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => filled += read,
        }
    }
    Ok(())
}

async fn answer_batches(mut stream: impl Stream) -> io::Result<()> {
    let (mut input, mut output) = (BytesMut::with_capacity(ROOM), BytesMut::with_capacity(ROOM));
    loop {
        read_more(&mut stream, &mut input).await?;
        while let Some(body) = next_message(&mut input) {
            put_message(&mut output, &body);
        }
        stream.write_all(&output).await?;
        output.clear();
    }
}

async fn read_more(stream: &mut impl Stream, input: &mut BytesMut) -> io::Result<()> {
    input.reserve(ROOM);
    match stream.read_buf(input).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// Takes a message of its length and that many bytes off the front, once it is all there.
fn next_message(input: &mut BytesMut) -> Option<BytesMut> {
    let (length, rest) = input.split_first_chunk::<4>()?;
    let length = u32::from_be_bytes(*length) as usize;
    if rest.len() < length {
        return None;
    }
    input.advance(4);
    Some(input.split_to(length))
}

fn put_message(output: &mut BytesMut, body: &[u8]) {
    output.put_u32(body.len() as u32); // messages of this bench: far below 4 GiB
    output.put_slice(body);
}

async fn answer_large(mut stream: impl Stream) -> io::Result<()> {
    let mut value = Vec::new();
    loop {
        let length = stream.read_u64().await?;
        value.resize(length as usize, 0); // this bench's own client sent it
        stream.read_exact(&mut value).await?;
        stream.write_u64(length).await?;
        stream.write_all(&value).await?;
    }
}

/// Carries out an order.
pub(crate) async fn ask(address: String, order: Order) -> Result<Done, Error> {
    match address.strip_prefix("unix:") {
        Some(path) => carry_out(UnixStream::connect(path).await?, order).await,
        None => {
            let stream = TcpStream::connect(&address).await?;
            stream.set_nodelay(true)?;
            carry_out(stream, order).await
        }
    }
}

async fn carry_out(mut stream: impl Stream, order: Order) -> Result<Done, Error> {
    match order {
        Order::Latency { calls } => {
            stream.write_u8(PING).await?;
            ping(stream, calls).await
        }
        Order::Flight { window, calls } => {
            stream.write_u8(BATCH).await?;
            batches(stream, window, calls).await
        }
        Order::Echo { size, calls } => {
            stream.write_u8(LARGE).await?;
            large(stream, size, calls).await
        }
        _ => Err("a bare socket knows no functions, no events".into()),
    }
}

async fn ping(mut stream: impl Stream, calls: usize) -> Result<Done, Error> {
    let mut room = vec![7; ROOM];
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let start = Instant::now();
        stream.write_all(&[7; MESSAGE]).await?;
        read_message(&mut stream, &mut room).await?;
        times.push(start.elapsed());
    }
    Ok(Done::of_each(times))
}

/// Keeps `window` messages under way: for each that comes back another goes, all of one read in one write.
async fn batches(mut stream: impl Stream, window: usize, calls: usize) -> Result<Done, Error> {
    let body = [7; MESSAGE - 4];
    let (mut input, mut output) = (BytesMut::with_capacity(ROOM), BytesMut::with_capacity(ROOM));
    let (mut sent, mut received) = (0, 0);
    let start = Instant::now();
    while received < calls {
        while sent < calls && sent - received < window {
            put_message(&mut output, &body);
            sent += 1;
        }
        stream.write_all(&output).await?;
        output.clear();
        read_more(&mut stream, &mut input).await?;
        while next_message(&mut input).is_some() {
            received += 1;
        }
    }
    Ok(Done::of(start.elapsed(), Vec::new()))
}

async fn large(mut stream: impl Stream, size: usize, calls: usize) -> Result<Done, Error> {
    let sent = vec![7; size];
    let mut received = vec![0; size];
    let mut times: Vec<Duration> = Vec::with_capacity(calls);
    for _ in 0..calls {
        let start = Instant::now();
        stream.write_u64(size as u64).await?;
        stream.write_all(&sent).await?;
        if stream.read_u64().await? != size as u64 {
            return Err("the echo has another size".into());
        }
        stream.read_exact(&mut received).await?;
        times.push(start.elapsed());
    }
    Ok(Done::of_each(times))
}
