//! Lists that lead to peers, in the finders' suite and in what only lists have: names, and a server of names that is as wrong as servers are.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use simple_dns::rdata::{A, RData, SRV};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, Question, RCODE, ResourceRecord, TYPE};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::entry::Listed;
use super::names::Names;
use super::{Finder, ListedFinder};
use crate::find::Outcome;
use crate::find::tests::{World, apart, black_hole, sees, suite, until};
use crate::secure::{GroupKey, JoinCode};
use crate::{Builder, Peer};

/// What the name server answers, and how.
#[derive(Default)]
struct Zone {
    addresses: HashMap<String, Vec<Ipv4Addr>>,
    services: HashMap<String, Vec<(u16, u16, String)>>,
    is_silent: bool,
    /// By datagram it says only that there is more.
    truncates: bool,
    streams: u32,
}

/// A name server on this host.
struct Server {
    zone: Arc<Mutex<Zone>>,
    at: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Server {
    async fn start() -> Self {
        let (datagrams, streams) = loop {
            let datagrams = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
            // The same port may be taken for the other kind.
            if let Ok(streams) = TcpListener::bind(datagrams.local_addr().unwrap()).await {
                break (datagrams, streams);
            }
        };
        let at = datagrams.local_addr().unwrap();
        let zone = Arc::new(Mutex::new(Zone::default()));
        let of_datagrams = Arc::clone(&zone);
        let of_streams = Arc::clone(&zone);
        let tasks = [
            tokio::spawn(async move {
                let mut query = [0; 512];
                while let Ok((length, from)) = datagrams.recv_from(&mut query).await {
                    let answer = of_datagrams.lock().unwrap().answer(&query[..length], false);
                    if let Some(answer) = answer {
                        // Somebody else's answer before it is not to matter.
                        let mut foreign = answer.clone();
                        foreign[0] ^= 0xff;
                        datagrams.send_to(&foreign, from).await.unwrap();
                        datagrams.send_to(&answer, from).await.unwrap();
                    }
                }
            }),
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = streams.accept().await {
                    let length = stream.read_u16().await.unwrap();
                    let mut query = vec![0; usize::from(length)];
                    stream.read_exact(&mut query).await.unwrap();
                    let answer = of_streams.lock().unwrap().answer(&query, true);
                    if let Some(answer) = answer {
                        stream.write_u16(answer.len() as u16).await.unwrap();
                        stream.write_all(&answer).await.unwrap();
                    }
                }
            }),
        ];
        Self { zone, at, tasks }
    }

    fn set(&self, change: impl FnOnce(&mut Zone)) {
        change(&mut self.zone.lock().unwrap());
    }

    fn names(&self) -> Names {
        let at = self.at;
        Names::of(move |name| addresses(at, name), Some(vec![at]))
    }

    fn finder(&self, peers: &[&str], ports: &[u16]) -> Arc<dyn Finder> {
        let listed: Vec<Listed> = peers.iter().map(|peer| peer.parse().unwrap()).collect();
        Arc::new(ListedFinder::of(&listed, ports.to_vec(), self.names()))
    }
}

impl Zone {
    fn answer(&mut self, query: &[u8], is_stream: bool) -> Option<Vec<u8>> {
        self.streams += u32::from(is_stream);
        if self.is_silent {
            return None;
        }
        let query = Packet::parse(query).unwrap();
        let question = query.questions[0].clone();
        let mut answer = Packet::new_reply(query.id());
        answer.questions.push(question.clone());
        let name = question.qname.to_string();
        if self.truncates && !is_stream {
            answer.set_flags(PacketFlag::TRUNCATION);
            return Some(answer.build_bytes_vec().unwrap());
        }
        let records: Vec<RData<'_>> = match question.qtype {
            QTYPE::TYPE(TYPE::A) => {
                let all = self.addresses.get(&name).into_iter().flatten();
                all.map(|address| {
                    RData::A(A {
                        address: (*address).into(),
                    })
                })
                .collect()
            }
            QTYPE::TYPE(TYPE::SRV) => {
                let all = self.services.get(&name).into_iter().flatten();
                let record = |(priority, port, target): &(u16, u16, String)| {
                    let target = Name::new(target).unwrap().into_owned();
                    RData::SRV(SRV {
                        priority: *priority,
                        weight: 0,
                        port: *port,
                        target,
                    })
                };
                all.map(record).collect()
            }
            _ => Vec::new(),
        };
        if records.is_empty() {
            *answer.rcode_mut() = RCODE::NameError;
        }
        let record = |rdata| ResourceRecord::new(question.qname.clone(), CLASS::IN, 1, rdata);
        answer.answers = records.into_iter().map(record).collect();
        Some(answer.build_bytes_vec().unwrap())
    }
}

/// As the system's resolver does: it blocks, and is patient where nobody answers.
fn addresses(server: SocketAddr, name: &str) -> io::Result<Vec<IpAddr>> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut query = Packet::new_query(7);
    let name = Name::new(name).map_err(io::Error::other)?;
    query
        .questions
        .push(Question::new(name, TYPE::A.into(), CLASS::IN.into(), false));
    socket.send(&query.build_bytes_vec().map_err(io::Error::other)?)?;
    let mut read = [0; 512];
    loop {
        let length = socket.recv(&mut read)?;
        let answer = Packet::parse(&read[..length]).map_err(io::Error::other)?;
        if answer.id() != 7 {
            continue;
        }
        if answer.rcode() != RCODE::NoError {
            return Err(io::Error::other("Name or service not known"));
        }
        let addresses = answer
            .answers
            .iter()
            .filter_map(|record| match &record.rdata {
                RData::A(a) => Some(IpAddr::V4(a.address.into())),
                _ => None,
            });
        return Ok(addresses.collect());
    }
}

fn at(peer: &Peer) -> SocketAddr {
    let tcp = peer
        .addresses()
        .iter()
        .find_map(|address| address.parse().ok());
    tcp.unwrap()
}

fn trouble(peer: &Peer) -> String {
    let listed = peer
        .finders()
        .into_iter()
        .find(|report| report.finder == "listed");
    listed.unwrap().trouble.unwrap_or_default()
}

/// What gives a key, to whoever has the same.
fn code(byte: u8) -> String {
    let key = GroupKey::from_bytes([byte; 32]);
    JoinCode::new("lab", key).unwrap().to_string()
}

async fn start(builder: Builder) -> Peer {
    builder.start().await.unwrap()
}

/// Each peer is told of those that started before it.
#[derive(Default)]
struct Told(Mutex<Vec<Listed>>);

impl World for Told {
    fn finder(&self) -> Arc<dyn Finder> {
        let listed = self.0.lock().unwrap().clone();
        Arc::new(ListedFinder::of(&listed, Vec::new(), Names::of_system()))
    }

    fn started(&self, peer: &Peer) {
        let listed = at(peer).to_string().parse().unwrap();
        self.0.lock().unwrap().push(listed);
    }
}

/// All are told of a service, and its records are of those that have started.
struct Serving(Server);

impl World for Serving {
    fn finder(&self) -> Arc<dyn Finder> {
        self.0.finder(&["srv:_app-net._tcp.lab.test"], &[])
    }

    fn started(&self, peer: &Peer) {
        let port = at(peer).port();
        self.0.set(|zone| {
            zone.addresses
                .insert("desk.lab.test".into(), vec![Ipv4Addr::LOCALHOST]);
            let records = zone
                .services
                .entry("_app-net._tcp.lab.test".into())
                .or_default();
            records.push((1, port, "desk.lab.test".into()));
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_addresses() {
    suite(&Told::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_a_service() {
    suite(&Serving(Server::start().await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_do_not_fit_into_a_datagram_are_had_in_a_stream() {
    let world = Serving(Server::start().await);
    world.0.set(|zone| zone.truncates = true);
    let (_a, there) = apart();
    let there = start(there).await;
    world.started(&there);
    let resolver = |_: &str| Ok(vec![Ipv4Addr::LOCALHOST.into()]);
    let names = Names::of(resolver, Some(vec![world.0.at]));
    let listed = ["srv:_app-net._tcp.lab.test".parse().unwrap()];
    let finder = Arc::new(ListedFinder::of(&listed, Vec::new(), names));
    let (_b, here) = apart();
    let here = start(here.finder(finder)).await;
    sees(&here, &there).await;
    assert!(world.0.zone.lock().unwrap().streams > 0);
    here.shutdown().await;
    there.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_followed_to_another_address() {
    let server = Server::start().await;
    let (before, after) = (Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3));
    let (_a, first) = apart();
    let first = start(first.bind([before.into()])).await;
    let port = at(&first).port();
    server.set(|zone| drop(zone.addresses.insert("desk.test".into(), vec![before])));
    let (_b, here) = apart();
    let here = start(here.finder(server.finder(&[&format!("dns:desk.test:{port}")], &[]))).await;
    sees(&here, &first).await;

    let (_c, second) = apart();
    let second = start(second.bind([after.into()]).port(port)).await;
    assert_eq!(at(&second).port(), port);
    server.set(|zone| drop(zone.addresses.insert("desk.test".into(), vec![after])));
    first.shutdown().await;
    sees(&here, &second).await;
    here.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_not_there_is_told_of_and_met_once_it_is() {
    let server = Server::start().await;
    let (_a, there) = apart();
    let there = start(there).await;
    let port = at(&there).port();
    let (_b, here) = apart();
    let here = start(here.finder(server.finder(&["desk.test", "srv:_x._tcp.test"], &[port]))).await;
    until(&here, || async {
        trouble(&here).matches("name not found").count() == 2
    })
    .await;
    server.set(|zone| {
        drop(
            zone.addresses
                .insert("desk.test".into(), vec![Ipv4Addr::LOCALHOST]),
        )
    });
    sees(&here, &there).await;
    here.shutdown().await;
    there.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_server_that_is_silent_holds_up_nobody_else() {
    let server = Server::start().await;
    server.set(|zone| zone.is_silent = true);
    let (_a, there) = apart();
    let there = start(there).await;
    let listed = ["dns:desk.test", "srv:_x._tcp.test", &at(&there).to_string()];
    let (_b, here) = apart();
    let here = start(here.finder(server.finder(&listed, &[]))).await;
    let asked = Instant::now();
    here.peers().await;
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "{:?}",
        asked.elapsed()
    );
    sees(&here, &there).await;
    until(&here, || async {
        trouble(&here).matches("answer").count() == 2
    })
    .await;
    let ending = Instant::now();
    here.shutdown().await;
    assert!(
        ending.elapsed() < Duration::from_secs(3),
        "{:?}",
        ending.elapsed()
    );
    there.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_started_again_at_its_address_is_met_again() {
    let (_a, first) = apart();
    let first = start(first).await;
    let there = at(&first);
    let (_b, here) = apart();
    let here = start(here.peers([there.to_string()])).await;
    sees(&here, &first).await;
    first.shutdown().await;
    until(&here, || async { trouble(&here).contains("refused") }).await;
    let (_c, second) = apart();
    let second = start(second.port(there.port())).await;
    assert_eq!(at(&second), there);
    sees(&here, &second).await;
    assert_eq!(trouble(&here), "");
    here.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_swallows_all_holds_up_the_first_question_for_a_moment_only() {
    let (hole, _listener, _queue) = black_hole().await;
    let (_a, here) = apart();
    let here = start(here.peers([hole.to_string()])).await;
    let asked = Instant::now();
    assert!(here.peers().await.is_empty());
    // 300 ms, and what the machine takes. Connecting is given up after three seconds.
    assert!(
        asked.elapsed() < Duration::from_millis(1500),
        "{:?}",
        asked.elapsed()
    );
    until(&here, || async { trouble(&here).contains("timed out") }).await;
    here.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_service_the_next_priority_is_for_when_none_of_the_first_is_there() {
    let server = Server::start().await;
    let (_a, first) = apart();
    let (_b, second) = apart();
    let (first, second) = (start(first).await, start(second).await);
    let records = vec![
        (1, at(&first).port(), "desk.test".to_owned()),
        (2, at(&second).port(), "desk.test".to_owned()),
    ];
    server.set(|zone| {
        zone.addresses
            .insert("desk.test".into(), vec![Ipv4Addr::LOCALHOST]);
        zone.services.insert("_x._tcp.test".into(), records);
    });
    let (_c, here) = apart();
    let here = start(here.finder(server.finder(&["srv:_x._tcp.test"], &[]))).await;
    sees(&here, &first).await;
    assert_eq!(here.refresh().await.len(), 1);
    first.shutdown().await;
    sees(&here, &second).await;
    here.shutdown().await;
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_another_group_is_told_of() {
    let (_a, there) = apart();
    let there = start(there.group("other")).await;
    let (_b, here) = apart();
    let here = start(here.group("lab").peers([at(&there).to_string()])).await;
    until(&here, || async { trouble(&here).contains("another group") }).await;
    let (_c, there) = apart();
    let there = start(there.group("lab").secret(code(5))).await;
    let (_d, here) = apart();
    let listed = [at(&there).to_string()];
    let here = start(here.group("lab").secret(code(7)).peers(listed)).await;
    until(&here, || async { trouble(&here).contains("another key") }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_entry_is_refused_at_the_start() {
    let (_a, here) = apart();
    let error = here
        .peers(["desk:many"])
        .start()
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("NET_PEERS") && error.contains("srv:"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_stays_on_its_host_meets_nobody_elsewhere() {
    let (_a, here) = apart();
    let here = start(here.peers(["192.0.2.7:3010"])).await;
    until(&here, || async { trouble(&here).contains("NET_OPEN") }).await;
    here.shutdown().await;
}

/// An address that leads to another, as a published port of a container does.
async fn published(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let mut to = tokio::net::TcpStream::connect(to).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut from, &mut to).await });
        }
    });
    at
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_listed_by_another_address_of_its_own_is_no_peer_of_itself() {
    for secret in [false, true] {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let outside = published(([127, 0, 0, 1], port).into()).await;
        let (_a, here) = apart();
        let here = here.group("lab").port(port).peers([outside.to_string()]);
        let here = match secret {
            true => start(here.secret(code(5))).await,
            false => start(here).await,
        };
        assert_eq!(here.port(), Some(port));
        until(&here, || async {
            let mut reports = here.finders().into_iter();
            let listed = reports.find(|report| report.finder == "listed").unwrap();
            listed.seen.first().map(|seen| &seen.outcome) == Some(&Outcome::Own)
        })
        .await;
        assert!(here.refresh().await.is_empty());
        assert_eq!(trouble(&here), "");
        until(&here, || async { here.0.open_links().is_empty() }).await;
        here.shutdown().await;
    }
}
