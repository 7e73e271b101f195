//! A process that has no descriptor left: what it has goes on, what it cannot do it says, and it recovers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(unix)]

mod common;

use std::fmt::Debug;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

use common::{PATIENCE, Place, alone, free_ports, pair, until};
use net::value::Bytes;
use net::{CallError, Remote, StartError, Which};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use socket2::{Domain, Socket, Type};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Few, so that they are soon taken; more than are open when a test begins.
const LIMIT: u64 = 200;

/// All descriptors that this process may have, taken until it is dropped.
struct Exhausted {
    before: Rlimit,
    taken: Vec<File>,
}

impl Exhausted {
    fn now() -> Self {
        let before = getrlimit(Resource::Nofile);
        let current = Some(LIMIT);
        setrlimit(Resource::Nofile, Rlimit { current, ..before }).unwrap();
        let taken = Vec::new();
        let mut exhausted = Self { before, taken };
        exhausted.again();
        exhausted
    }

    /// Takes what was freed since: what looks for peers all the while had descriptors of its own.
    fn again(&mut self) {
        while let Ok(file) = File::open("/dev/null") {
            self.taken.push(file);
        }
    }
}

impl Drop for Exhausted {
    fn drop(&mut self) {
        self.taken.clear();
        setrlimit(Resource::Nofile, self.before).unwrap();
    }
}

/// What was logged as a warning or worse since the last time that this was asked.
fn warnings() -> Vec<String> {
    std::mem::take(&mut WARNINGS.lock().unwrap())
}

static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Log;

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN && metadata.target().starts_with("net")
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                self.0 += &format!("{field}={value:?} ");
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        WARNINGS.lock().unwrap().push(text.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn begin() {
    let _ = tracing::subscriber::set_global_default(Log);
    warnings();
}

/// Processor time that this process has had. Not from /proc: that takes a descriptor.
fn processor_time() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        spent.tv_sec.try_into().unwrap(),
        spent.tv_nsec.try_into().unwrap(),
    )
}

async fn passes(remote: &Remote) {
    let call = remote.call::<i64>("net.defaults.handlers.pass_through", &(1,));
    assert_eq!(call.timeout(PATIENCE).await.unwrap(), 1);
}

fn tcp_socket() -> Socket {
    Socket::new(Domain::IPV4, Type::STREAM, None).unwrap()
}

#[test]
fn accepting_waits_for_descriptors_and_says_so_once() {
    alone(async {
        begin();
        let place = Place::new();
        let (a, b, linked) = pair(&place).await;
        passes(&linked).await;
        let at: SocketAddr = format!("127.0.0.1:{}", b.port().unwrap()).parse().unwrap();
        for is_first in [true, false] {
            let waiting: Vec<_> = (0..3).map(|_| tcp_socket()).collect();
            let exhausted = Exhausted::now();
            for socket in &waiting {
                socket.connect(&at.into()).unwrap();
            }
            if is_first {
                until("it is said", async || !WARNINGS.lock().unwrap().is_empty()).await;
                let before = processor_time();
                tokio::time::sleep(Duration::from_millis(1500)).await;
                let spent = processor_time() - before;
                assert!(spent < Duration::from_millis(250), "{spent:?}");
            }
            passes(&linked).await;
            for peer in [&a, &b, &a, &b] {
                peer.refresh().await;
            }
            drop(exhausted);
            // Those who waited are let in.
            for socket in waiting {
                let mut stream = TcpStream::from(socket);
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.write_all(&net_proto::MAGIC).unwrap();
                stream.write_all(&[1, 1]).unwrap();
                let mut preface = [0; 6];
                stream.read_exact(&mut preface).unwrap();
                assert_eq!(preface, net_proto::MAGIC);
            }
            let said = warnings();
            let of = |what: &str| said.iter().filter(|line| line.contains(what)).count();
            // Once for a while, even where it comes and goes.
            assert_eq!(of("cannot accept"), usize::from(is_first), "{said:#?}");
            assert_eq!(said.len(), of("Too many open files"), "{said:#?}");
            // Each of the two peers says once that it cannot look around.
            assert!(said.len() <= if is_first { 3 } else { 2 }, "{said:#?}");
        }
    });
}

#[test]
fn dialling_without_a_descriptor_is_unreachable_with_the_cause_and_recovers() {
    alone(async {
        begin();
        let place = Place::new();
        let (a, b, linked) = pair(&place).await;
        let elsewhere = place.builder().discover(false).start().await.unwrap();
        passes(&linked).await;
        let new = a.remote(&elsewhere.id().to_string()).unwrap();
        let by_port = a.remote(&format!("127.0.0.1:{}", elsewhere.port().unwrap()));
        let by_port = by_port.unwrap();
        {
            let mut exhausted = Exhausted::now();
            let fresh = a.remote("127.0.0.1:9").unwrap();
            for remote in [&new, &by_port, &fresh] {
                // What the finder lets go of in between may be had for a moment.
                until("the want of a descriptor is named", async || {
                    exhausted.again();
                    match remote.call::<i64>("x", &()).await.unwrap_err() {
                        // The finder may have linked them just before.
                        CallError::NoSuchConnection { .. } => true,
                        error @ CallError::Unreachable { .. } => {
                            error.to_string().contains("Too many open files")
                        }
                        error => panic!("{error}"),
                    }
                })
                .await;
            }
            passes(&linked).await;
        }
        for remote in [&new, &by_port] {
            passes(remote).await;
        }
        b.shutdown().await;
    });
}

#[net::connect]
fn echo(data: Bytes) -> Bytes {
    data
}

#[test]
fn a_link_that_is_full_goes_on_without_a_descriptor_to_spare() {
    alone(async {
        begin();
        let place = Place::new();
        let quiet = || place.builder().discover(false).start();
        let (a, b) = (quiet().await.unwrap(), quiet().await.unwrap());
        for address in b.addresses() {
            let remote = a.remote(&address).unwrap();
            passes(&remote).await;
            let _exhausted = Exhausted::now();
            let calls = (0..4).map(|_| echo::on(&remote, Bytes(vec![7; 8 << 20])));
            let calls: Vec<_> = calls.map(|call| tokio::spawn(call.into_future())).collect();
            for call in calls {
                let answer = tokio::time::timeout(PATIENCE, call).await;
                assert_eq!(answer.unwrap().unwrap().unwrap().0.len(), 8 << 20);
            }
        }
    });
}

#[test]
fn peers_that_cannot_be_looked_for_are_not_taken_to_be_gone() {
    alone(async {
        begin();
        let place = Place::new();
        let first = free_ports(2);
        // An original, in a few lines.
        let listener = TcpListener::bind(("127.0.0.1", first)).unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                if stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {
                    let info =
                        format!(r#"{{"host": "127.0.0.1", "port": {first}, "group": "old"}}"#);
                    let _ = stream.write_all(info.as_bytes());
                }
            }
        });
        let a = place
            .builder()
            .port(first)
            .port_range(1)
            .start()
            .await
            .unwrap();
        let b = place.peer().await;
        let any = Which::new().any_group();
        until("both are found", async || {
            a.refresh_where(&any).await.len() == 2
        })
        .await;
        let exhausted = Exhausted::now();
        assert_eq!(a.refresh_where(&any).await.len(), 2);
        assert_eq!(a.peers_where(&any).await.len(), 2);
        drop(exhausted);
        assert_eq!(a.refresh_where(&any).await.len(), 2);
        drop(b);
    });
}

#[test]
fn a_peer_that_starts_without_a_descriptor_says_so_and_can_start_later() {
    alone(async {
        begin();
        let place = Place::new();
        let exhausted = Exhausted::now();
        let error = place.builder().start().await.unwrap_err();
        assert!(matches!(error, StartError::Listen { .. }), "{error}");
        assert!(error.to_string().contains("Too many open files"), "{error}");
        // As in a program without a runtime, which has to be made first.
        let started = std::thread::scope(|scope| {
            let builder = place.builder();
            let start = move || net::blocking::block_on(builder.start()).map(drop);
            scope.spawn(start).join().unwrap()
        });
        let error = started.unwrap_err();
        assert!(matches!(error, StartError::Runtime(_)), "{error}");
        assert!(error.to_string().contains("Too many open files"), "{error}");
        drop(exhausted);
        let peer = place.peer().await;
        passes(&peer.remote(&peer.id().to_string()).unwrap()).await;
    });
}
