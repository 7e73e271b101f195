//! SRV records from the system's name servers, and the order in which RFC 2782 has them. Addresses of names are the system's resolver's.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, Question, RCODE, TYPE, header_buffer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// How long one server may take. Most answer within a tenth of it; what is lost is asked for again.
const ANSWER_TIME: Duration = Duration::from_millis(1500);
/// How often all servers are asked.
const ROUNDS: usize = 2;
/// So many servers are asked, as by the system's resolver.
const SERVERS: usize = 3;
/// The longest answer in one datagram, where nothing longer was agreed on.
const DATAGRAM: usize = 512;
/// So many records are used of one name. More seeds than that lead to no more peers: those tell of the rest.
const RECORDS: usize = 64;

const DNS_PORT: u16 = 53;

/// Where a service is, by one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Srv {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    pub(super) target: String,
}

/// The name servers that the system has been given.
pub(super) fn system_servers() -> Vec<SocketAddr> {
    servers_in(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
}

/// The records of a name, those to be used first first.
pub(super) async fn service(servers: &[SocketAddr], name: &str) -> Result<Vec<Srv>, String> {
    let asked = Name::new(name).map_err(|error| error.to_string())?;
    let mut last = "no name server is known".to_owned();
    for _ in 0..ROUNDS {
        for server in servers {
            match ask(*server, &asked).await {
                Ok(mut records) => {
                    put_in_order(&mut records, |below| random() % below);
                    records.truncate(RECORDS);
                    return Ok(records);
                }
                Err(Failed::ForAll(why)) => return Err(why),
                Err(Failed::Here(why)) => last = format!("name server {server}: {why}"),
            }
        }
    }
    Err(last)
}

/// Why there are no records.
enum Failed {
    /// There are none, whoever is asked.
    ForAll(String),
    /// This server does not tell.
    Here(String),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Here(error.to_string())
    }
}

async fn ask(server: SocketAddr, name: &Name<'_>) -> Result<Vec<Srv>, Failed> {
    let here = |error: simple_dns::SimpleDnsError| Failed::Here(error.to_string());
    let silent = |_| Failed::Here(format!("no answer within {ANSWER_TIME:?}"));
    // Whoever would answer in the server's place has to guess this, and the port that the system gives.
    let id = random() as u16;
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let question = Question::new(name.clone(), TYPE::SRV.into(), CLASS::IN.into(), false);
    packet.questions.push(question);
    let query = packet.build_bytes_vec().map_err(here)?;

    let answer = timeout(ANSWER_TIME, by_datagram(server, &query, id)).await;
    let mut answer = answer.map_err(silent)??;
    if header_buffer::has_flags(&answer, PacketFlag::TRUNCATION).map_err(here)? {
        let whole = timeout(ANSWER_TIME, by_stream(server, &query)).await;
        answer = whole.map_err(silent)??;
    }
    let answer = Packet::parse(&answer).map_err(here)?;
    let is_asked = |question: &Question<'_>| {
        question.qtype == QTYPE::TYPE(TYPE::SRV) && is_same(&question.qname, name)
    };
    if answer.id() != id || !answer.questions.iter().all(is_asked) {
        return Err(Failed::Here("it answers another question".to_owned()));
    }
    match answer.rcode() {
        RCODE::NoError => {}
        RCODE::NameError => return Err(Failed::ForAll("name not found".to_owned())),
        other => return Err(Failed::Here(format!("it answers {other:?}"))),
    }
    let records = answer
        .answers
        .iter()
        .filter_map(|record| match &record.rdata {
            RData::SRV(srv) => Some(Srv {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: srv.target.to_string(),
            }),
            _ => None,
        });
    // An empty target says that the service is not to be had here.
    let records: Vec<_> = records
        .filter(|srv| !matches!(&*srv.target, "" | "."))
        .collect();
    match records.is_empty() {
        true => Err(Failed::ForAll("the name has no SRV records".to_owned())),
        false => Ok(records),
    }
}

async fn by_datagram(server: SocketAddr, query: &[u8], id: u16) -> io::Result<Vec<u8>> {
    let any = match server {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut answer = vec![0; DATAGRAM];
    loop {
        let length = socket.recv(&mut answer).await?;
        let read = &answer[..length];
        // A late answer, or none of the server's.
        let is_answer = header_buffer::id(read) == Ok(id)
            && header_buffer::has_flags(read, PacketFlag::RESPONSE) == Ok(true);
        if is_answer {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

async fn by_stream(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    stream
        .write_all(&[&length.to_be_bytes(), query].concat())
        .await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

fn is_same(a: &Name<'_>, b: &Name<'_>) -> bool {
    a.to_string().eq_ignore_ascii_case(&b.to_string())
}

/// By priority, and within one so that each comes first as often as its weight says. `pick` gives a number below the one given.
fn put_in_order(records: &mut [Srv], pick: impl Fn(u32) -> u32) {
    records.sort_by_key(|srv| srv.priority);
    for group in records.chunk_by_mut(|a, b| a.priority == b.priority) {
        // Those without a weight are to have a small chance: they come first among those that are counted through.
        group.sort_by_key(|srv| srv.weight);
        for next in 0..group.len() {
            let left = &group[next..];
            let total: u32 = left.iter().map(|srv| u32::from(srv.weight)).sum();
            let mut upto = pick(total + 1);
            let chosen = left.iter().position(|srv| {
                let is_it = upto <= u32::from(srv.weight);
                upto = upto.saturating_sub(u32::from(srv.weight));
                is_it
            });
            group[next..=next + chosen.unwrap_or(0)].rotate_right(1);
        }
    }
}

/// Where the system has no random number to give, the order is no longer fair, and an answer easier to forge.
fn random() -> u32 {
    getrandom::u32().unwrap_or_default()
}

/// The name servers in a `resolv.conf`; this host, where it names none.
fn servers_in(text: &str) -> Vec<SocketAddr> {
    let mut servers: Vec<_> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let is_server = words.next() == Some("nameserver");
            let server: IpAddr = words.next().filter(|_| is_server)?.parse().ok()?;
            Some(SocketAddr::new(server, DNS_PORT))
        })
        .take(SERVERS)
        .collect();
    if servers.is_empty() {
        servers.push((Ipv4Addr::LOCALHOST, DNS_PORT).into());
    }
    servers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(target: &str, priority: u16, weight: u16) -> Srv {
        let target = target.to_owned();
        Srv {
            priority,
            weight,
            port: 3010,
            target,
        }
    }

    #[test]
    fn a_lower_priority_comes_first_and_a_greater_weight_first_more_often() {
        let records = [
            record("c", 2, 9),
            record("a", 1, 1),
            record("b", 1, 3),
            record("z", 1, 0),
        ];
        let mut first = std::collections::HashMap::<_, u32>::new();
        for n in 0..5 {
            let mut records = records.clone();
            put_in_order(&mut records, |below| n % below);
            assert_eq!(records[3].target, "c");
            *first.entry(records[0].target.clone()).or_default() += 1;
        }
        let of = |target: &str| first.get(target).copied();
        assert_eq!((of("z"), of("a"), of("b")), (Some(1), Some(1), Some(3)));
    }

    #[test]
    fn name_servers_are_read_as_the_resolver_reads_them() {
        let text = "# one\nsearch example.org\nnameserver 192.0.2.1\nnameserver\t2001:db8::1 \nnameserver x\n\
                    nameserver 192.0.2.2\nnameserver 192.0.2.3\n";
        let expected = ["192.0.2.1:53", "[2001:db8::1]:53", "192.0.2.2:53"];
        assert_eq!(
            servers_in(text),
            expected.map(|server| server.parse().unwrap())
        );
        assert_eq!(servers_in(""), ["127.0.0.1:53".parse().unwrap()]);
    }
}
