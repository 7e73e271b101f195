//! The yardstick for calls that block their thread: 64 bytes there and back over a bare socket, with nothing but `std`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::Instant;

use lines::Transport;
use lines::{Done, Error, Order};

use crate::MESSAGE;

/// Listens on a thread of its own; says where.
pub(crate) fn serve(transport: Transport, dir: &Path) -> Result<String, Error> {
    match transport {
        Transport::Unix => {
            let path = dir.join("std.sock");
            let listener = UnixListener::bind(&path)?;
            thread::spawn(move || {
                listener
                    .incoming()
                    .flatten()
                    .for_each(|stream| answer(stream, Ok(())))
            });
            Ok(format!("unix:{}", path.display()))
        }
        Transport::Tcp => {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let address = listener.local_addr()?;
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let nodelay = stream.set_nodelay(true);
                    answer(stream, nodelay);
                }
            });
            Ok(address.to_string())
        }
    }
}

fn answer(mut stream: impl Read + Write + Send + 'static, ready: std::io::Result<()>) {
    thread::spawn(move || {
        let mut message = [0; MESSAGE];
        while ready.is_ok()
            && stream.read_exact(&mut message).is_ok()
            && stream.write_all(&message).is_ok()
        {}
    });
}

/// Carries out an order.
pub(crate) fn ask(address: &str, order: Order) -> Result<Done, Error> {
    let Order::Latency { calls } = order else {
        return Err("bare std only does one call at a time".into());
    };
    match address.strip_prefix("unix:") {
        Some(path) => ping(UnixStream::connect(path)?, calls),
        None => {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            ping(stream, calls)
        }
    }
}

pub(crate) fn ping(mut stream: impl Read + Write, calls: usize) -> Result<Done, Error> {
    let mut message = [7; MESSAGE];
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let start = Instant::now();
        stream.write_all(&message)?;
        stream.read_exact(&mut message)?;
        times.push(start.elapsed());
    }
    Ok(Done::of_each(times))
}
