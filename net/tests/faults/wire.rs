//! The far end of a link without a peer behind it: a bare socket and a session, for whatever a peer would never do.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use net_proto::{Event, Hello, InstanceId, Limits, Outgoing, Session, Side, Transmit};

use crate::common::PATIENCE;

/// A connection, blocking; nothing on it takes longer than [`PATIENCE`].
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Connects to an address as peers write it.
    pub(crate) fn connect(address: &str) -> Self {
        match address.strip_prefix("unix:") {
            Some(path) => {
                let stream = UnixStream::connect(path).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
                Self::Unix(stream)
            }
            None => {
                let stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
                Self::Tcp(stream)
            }
        }
    }

    pub(crate) fn shutdown(&self, how: std::net::Shutdown) {
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Unix(stream) => stream.shutdown(how),
        };
    }

    /// Closes it so that the other side is told of an error, not of an end.
    pub(crate) fn reset(self) {
        match self {
            Self::Tcp(stream) => {
                let socket = socket2::SockRef::from(&stream);
                socket.set_linger(Some(Duration::ZERO)).unwrap();
            }
            // With what the other side has sent unread, which is how this one resets.
            Self::Unix(stream) => drop(stream),
        }
    }

    /// Waits until the other side closes, and says how long that took. What it still sends is dropped.
    pub(crate) fn until_closed(&mut self) -> Duration {
        let start = Instant::now();
        let mut bytes = [0; 4096];
        loop {
            match self.read(&mut bytes) {
                Ok(0) => return start.elapsed(),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return start.elapsed();
                }
                Err(error) => panic!("not closed after {:?}: {error}", start.elapsed()),
            }
        }
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(into),
            Self::Unix(stream) => stream.read(into),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write_vectored(slices),
            Self::Unix(stream) => stream.write_vectored(slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A link's far end, with an identity that nobody had before.
pub(crate) struct Wire {
    pub(crate) socket: Socket,
    pub(crate) session: Session<u64>,
    pub(crate) input: BytesMut,
}

impl Wire {
    /// Connects and says HELLO.
    pub(crate) fn connect(address: &str) -> Self {
        let mut wire = Self {
            socket: Socket::connect(address),
            session: session(),
            input: BytesMut::new(),
        };
        wire.send();
        wire
    }

    /// As [`connect`](Self::connect), and hears the other side's HELLO.
    pub(crate) fn link(address: &str) -> Self {
        let mut wire = Self::connect(address);
        wire.until_connected();
        wire
    }

    /// Writes all that the session has to say.
    pub(crate) fn send(&mut self) {
        let mut out = Transmit::default();
        while self.session.wants_write() {
            self.session.transmit(&mut out);
            while !out.is_empty() {
                let mut slices = [IoSlice::new(&[]); 8];
                let used = out.slices(&mut slices);
                let written = self.socket.write_vectored(&slices[..used]).unwrap();
                out.advance(written);
            }
        }
    }

    /// Starts a call; its answer, if it is ever looked at, has this number.
    pub(crate) fn call(&mut self, number: u64, tag: &str, body: Vec<u8>) -> bool {
        let call = Outgoing {
            tag,
            time_left: None,
            metadata: &[],
            body: body.into(),
        };
        let sent = self.session.call(Instant::now(), call, number).is_ok();
        self.send();
        sent
    }

    /// Starts a call with so large a body that it goes in parts, and sends no more than the first.
    pub(crate) fn call_in_part(&mut self, number: u64, tag: &str, size: usize) {
        let call = Outgoing {
            tag,
            time_left: None,
            metadata: &[],
            body: vec![0; size].into(),
        };
        assert!(self.session.call(Instant::now(), call, number).is_ok());
        let mut out = Transmit::default();
        self.session.transmit(&mut out);
        let mut slices = [IoSlice::new(&[]); 2];
        let used = out.slices(&mut slices);
        // The other side may have ended it by now.
        let _ = self.socket.write_vectored(&slices[..used]);
    }

    /// Hears the other side's HELLO.
    pub(crate) fn until_connected(&mut self) {
        self.until(|event| matches!(event, Event::Connected { .. }));
    }

    /// Hears the end of a call.
    pub(crate) fn until_answered(&mut self, number: u64) {
        self.until(|event| matches!(event, Event::Ended { token, .. } if *token == number));
    }

    /// Reads until such an event comes.
    fn until(&mut self, is_it: impl Fn(&Event<u64>) -> bool) {
        loop {
            let now = Instant::now();
            while let Some(event) = self.session.receive(now, &mut self.input).unwrap() {
                if is_it(&event) {
                    return;
                }
            }
            self.send();
            self.read_some();
        }
    }

    /// Sends and hears until the session is so.
    pub(crate) fn drive(&mut self, is_so: impl Fn(&Session<u64>) -> bool) {
        loop {
            let now = Instant::now();
            while self
                .session
                .receive(now, &mut self.input)
                .unwrap()
                .is_some()
            {}
            self.send();
            if is_so(&self.session) {
                return;
            }
            self.read_some();
        }
    }

    fn read_some(&mut self) {
        let mut bytes = [0; 4096];
        let read = self.socket.read(&mut bytes).unwrap();
        assert_ne!(read, 0, "the peer closed it");
        self.input.extend_from_slice(&bytes[..read]);
    }

    /// Takes leave, and waits for the other side to close.
    pub(crate) fn goodbye(mut self) {
        self.session.goodbye("that was all");
        self.send();
        self.until(|event| matches!(event, Event::Drained));
        self.send();
        self.socket.shutdown(std::net::Shutdown::Write);
        self.socket.until_closed();
    }
}

/// A session of a peer that there is not, ready to say HELLO.
pub(crate) fn session() -> Session<u64> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).unwrap();
    let hello = Hello {
        name: "a bare socket".to_owned(),
        addresses: vec!["127.0.0.1:1".to_owned(); 4],
        ..Hello::new(InstanceId(id))
    };
    Session::new(Side::Dialer, hello, Limits::default(), Instant::now())
}

/// What the session has to say, as bytes.
pub(crate) fn bytes_of(session: &mut Session<u64>) -> Vec<u8> {
    let mut all = Vec::new();
    let mut out = Transmit::default();
    while session.wants_write() {
        session.transmit(&mut out);
        while !out.is_empty() {
            let mut slices = [IoSlice::new(&[]); 8];
            let used = out.slices(&mut slices);
            let before = all.len();
            slices[..used]
                .iter()
                .for_each(|slice| all.extend_from_slice(slice));
            out.advance(all.len() - before);
        }
    }
    all
}

/// Tells the test to make so many links to the addresses that follow.
const ROLE: &str = "APP_NET_TEST_WIRES";

/// Links from a process that is yet to be killed.
pub(crate) fn in_a_process(count: usize, addresses: &[String]) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "wire_process", "--nocapture"])
        .env(ROLE, format!("{count} {}", addresses.join(" ")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = io::BufReader::new(child.stdout.take().unwrap());
    let mut lines = io::BufRead::lines(output).map(Result::unwrap);
    assert!(lines.any(|line| line == "linked"));
    child
}

pub(crate) fn run_if_asked() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let mut words = role.split(' ');
    let count = words.next().unwrap().parse().unwrap();
    let wires: Vec<_> = words.cycle().take(count).map(Wire::link).collect();
    println!("\nlinked");
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
    drop(wires);
}
