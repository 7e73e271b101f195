//! Multicast DNS between peers, each test in a network namespace of its own.

use std::collections::HashSet;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use mdns_sd::{MDNS_PORT, Receiver, ResolvedService, ServiceDaemon, ServiceEvent};
use net_proto::InstanceId;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::timeout;

use super::MdnsFinder;
use super::announcement::{self, SERVICE};
use super::sockets;
use crate::Peer;
use crate::config::Config;
use crate::find::tests::{PATIENCE, World, sees, suite};
use crate::find::{Finder, Outcome};
use crate::interfaces::tests::{ip, is_in_network_of_its_own};
use crate::peer::Builder;

/// For a test of this file.
macro_rules! in_network_of_its_own {
    ($test:ident) => {
        if !is_in_network_of_its_own(concat!("find::mdns::tests::", stringify!($test))) {
            return;
        }
    };
}

struct Cable;

impl World for Cable {
    fn finder(&self) -> Arc<dyn Finder> {
        Arc::new(MdnsFinder::new(&Config::from_env().unwrap()))
    }

    /// Every peer has the finder. It works where the peer is served to the network.
    fn set_up(&self, builder: Builder) -> Builder {
        builder.open(true).bind([Ipv4Addr::UNSPECIFIED.into()])
    }
}

/// A peer of a group with a key, served to the network.
async fn member(secret: &str) -> (TempDir, Peer) {
    started(Peer::builder().group("laboratory").secret(secret)).await
}

async fn started(builder: Builder) -> (TempDir, Peer) {
    let place = tempfile::tempdir().unwrap();
    let builder = builder.port(0).port_range(0).runtime_dir(place.path());
    (place, builder.start().await.unwrap())
}

/// Whoever listens to the network.
struct Listener {
    events: Receiver<ServiceEvent>,
    _daemon: ServiceDaemon,
}

impl Listener {
    fn new() -> Self {
        let daemon = ServiceDaemon::new().unwrap();
        Self {
            events: daemon.browse(SERVICE).unwrap(),
            _daemon: daemon,
        }
    }

    async fn hears<T>(&self, wanted: impl Fn(ServiceEvent) -> Option<T>) -> T {
        let heard = timeout(PATIENCE, async {
            loop {
                if let Some(heard) = wanted(self.events.recv_async().await.unwrap()) {
                    return heard;
                }
            }
        });
        heard.await.unwrap()
    }

    async fn hears_of(&self, peer: &Peer) -> ResolvedService {
        self.hears(|event| match event {
            ServiceEvent::ServiceResolved(it) => {
                (announcement::id(&it.fullname) == Some(peer.id())).then_some(*it)
            }
            _ => None,
        })
        .await
    }
}

async fn until(what: impl Fn() -> bool, why: impl Fn() -> String) {
    let waiting = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let ended = timeout(PATIENCE, waiting).await;
    ended.unwrap_or_else(|_| panic!("{}", why()));
}

fn trouble(peer: &Peer) -> Option<String> {
    let mut reports = peer.finders().into_iter();
    reports.find(|report| report.finder == "mdns")?.trouble
}

/// The names of this process's threads.
fn threads() -> Vec<String> {
    let all = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    all.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .collect()
}

/// Of the tests alone.
const SECRET: &str = "8f1c4e07b3a95d62f0c78e1ab4d35960e27f81c09b6d3a45";
const OTHER: &str = "3b7d90e5a1c64f28d9e05b73c8f1a2640d5e97b16c3f8a42";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_peers_of_one_network() {
    in_network_of_its_own!(between_peers_of_one_network);
    suite(&Cable).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_with_the_key_find_each_other_and_leave_others_alone() {
    in_network_of_its_own!(those_with_the_key_find_each_other_and_leave_others_alone);
    let (_a, one) = member(SECRET).await;
    let (_b, other) = member(OTHER).await;
    let (_c, two) = member(SECRET).await;
    sees(&one, &two).await;
    sees(&two, &one).await;
    let listener = Listener::new();
    listener.hears_of(&other).await;
    let ids = |peer: &Peer| -> HashSet<_> {
        let reports = peer.finders().into_iter();
        let by_it = reports.filter(|report| report.finder == "mdns");
        by_it
            .flat_map(|it| it.seen)
            .filter_map(|it| it.id)
            .collect()
    };
    assert!(!ids(&one).contains(&other.id()) && !ids(&two).contains(&other.id()));
    assert!(!ids(&other).contains(&one.id()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_announced_names_nobody_and_is_withdrawn_at_once() {
    in_network_of_its_own!(what_is_announced_names_nobody_and_is_withdrawn_at_once);
    let (_place, peer) = member(SECRET).await;
    // What a forked child closes: two sockets, and a copy of each.
    let held = || {
        let held = peer.0.descriptors();
        let mut at_port = sockets::at(MDNS_PORT);
        at_port.retain(|it| held.contains(it));
        at_port
    };
    until(|| held().len() == 4, || format!("{:?}", held())).await;
    let listener = Listener::new();
    let heard = listener.hears_of(&peer).await;
    assert_eq!(Some(heard.port), peer.port());
    let properties: Vec<&str> = heard.txt_properties.iter().map(|it| it.key()).collect();
    assert_eq!(properties, ["v", "g"]);
    let all = format!("{heard:?}");
    for name in ["laboratory", &peer.0.user, peer.name()] {
        assert!(!all.contains(name), "{name:?} in {all}");
    }
    let on_cable = heard
        .addresses
        .iter()
        .any(|it| it.to_string() == "192.0.2.7");
    assert!(on_cable && heard.addresses.iter().all(|it| !it.is_loopback()));

    let has_thread = || threads().iter().filter(|it| *it == "mDNS_daemon").count() > 1;
    assert!(has_thread());
    peer.shutdown().await;
    let removed = |event| match event {
        ServiceEvent::ServiceRemoved(_, name) => announcement::id(&name),
        _ => None,
    };
    assert_eq!(listener.hears(removed).await, peer.id());
    // The listener's own stays, with its sockets.
    until(|| !has_thread(), || format!("{:?}", threads())).await;
    let left = || sockets::at(MDNS_PORT);
    until(|| left().len() == 4, || format!("{:?}", left())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_comes_is_announced_and_told() {
    in_network_of_its_own!(an_address_that_comes_is_announced_and_told);
    let builder = Peer::builder().group("laboratory").secret(SECRET).bind([
        "192.0.2.7".parse().unwrap(),
        "192.0.2.8".parse().unwrap(),
        "127.0.0.1".parse().unwrap(),
    ]);
    let (_place, peer) = started(builder).await;
    let at = format!("192.0.2.8:{}", peer.port().unwrap());
    assert!(!peer.addresses().contains(&at), "{:?}", peer.addresses());
    let listener = Listener::new();
    listener.hears_of(&peer).await;

    ip("address add 192.0.2.8/24 dev eth0");
    let is_announced = |event| match event {
        ServiceEvent::ServiceResolved(it) => {
            let mut addresses = it.addresses.iter();
            addresses
                .any(|it| it.to_string() == "192.0.2.8")
                .then_some(())
        }
        _ => None,
    };
    listener.hears(is_announced).await;
    let told = || peer.addresses().contains(&at) && peer.0.hello().addresses.contains(&at);
    until(told, || format!("{:?}", peer.addresses())).await;
    // And it listens there, though it could not when it started.
    let reached = timeout(PATIENCE, tokio::net::TcpStream::connect(&at)).await;
    reached.unwrap().unwrap();

    ip("address del 192.0.2.8/24 dev eth0");
    let is_gone = || !peer.addresses().contains(&at);
    until(is_gone, || format!("{:?}", peer.addresses())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_nobody_is_found_is_said() {
    in_network_of_its_own!(why_nobody_is_found_is_said);
    let (_a, peer) = member(SECRET).await;
    let said = || format!("{:?}", trouble(&peer));
    until(|| trouble(&peer).is_none(), said).await;
    ip("link set eth0 down");
    let is_said = || trouble(&peer).is_some_and(|it| it.contains("no interface"));
    until(is_said, said).await;
    ip("link set eth0 up");
    until(|| trouble(&peer).is_none(), said).await;
    peer.shutdown().await;

    // Its thread closes its own as it ends.
    until(|| sockets::at(MDNS_PORT).is_empty(), String::new).await;
    let taken = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, MDNS_PORT)).unwrap();
    let (_b, peer) = started(
        Peer::builder()
            .open(true)
            .interfaces(["192.0.2.7", "!vethfar"]),
    )
    .await;
    let is_said = || trouble(&peer).is_some_and(|it| it.contains("another program has UDP port"));
    until(is_said, || format!("{:?}", trouble(&peer))).await;
    drop(taken);
    Listener::new().hears_of(&peer).await;
    assert_eq!(trouble(&peer), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_served_to_the_network_is_not_announced() {
    in_network_of_its_own!(who_is_not_served_to_the_network_is_not_announced);
    let loopback = [Ipv4Addr::LOCALHOST.into()];
    let builders = [
        Peer::builder(),
        Peer::builder().open(true).bind(loopback),
        Peer::builder().open(true).interfaces(["!*"]),
    ];
    for builder in builders {
        let (_place, peer) = started(builder).await;
        // The first question has waited for the finder.
        assert!(peer.peers().await.is_empty());
        assert!(!threads().contains(&"mDNS_daemon".to_owned()), "{peer:?}");
        peer.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_listen_hears_and_is_not_heard() {
    in_network_of_its_own!(who_does_not_listen_hears_and_is_not_heard);
    let (_a, there) = member(SECRET).await;
    let looks = Peer::builder().group("laboratory").secret(SECRET);
    let (_b, looks) = started(looks.listen(false)).await;
    sees(&looks, &there).await;
    // It is linked to by now, and has announced nothing.
    let reports = there.finders().into_iter();
    let seen = reports
        .filter(|report| report.finder == "mdns")
        .flat_map(|report| report.seen);
    let ids: Vec<_> = seen.filter_map(|seen| seen.id).collect();
    assert!(!ids.contains(&looks.id()), "{ids:?}");
}

/// Moves the far end of the cable to a network of its own, and starts a peer there: in this program, by the test after this.
const ELSEWHERE: &str = "echo here; read moved \
    && ip link set vethfar name eth0 && ip link set eth0 up && ip address add 192.0.2.9/24 dev eth0 \
    && exec \"$@\"";
const IS_ELSEWHERE: &str = "NET_TEST_ELSEWHERE";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hosts_find_each_other_also_when_the_cable_was_pulled() {
    in_network_of_its_own!(two_hosts_find_each_other_also_when_the_cable_was_pulled);
    let mut other = tokio::process::Command::new("unshare")
        .args(["--net", "sh", "-c", ELSEWHERE, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "find::mdns::tests::elsewhere", "--nocapture"])
        .env(IS_ELSEWHERE, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut tell = other.stdin.take().unwrap();
    let mut said = BufReader::new(other.stdout.take().unwrap()).lines();
    assert_eq!(said.next_line().await.unwrap().unwrap(), "here");
    ip(&format!("link set vethfar netns {}", other.id().unwrap()));
    tell.write_all(b"moved\n").await.unwrap();
    let id: InstanceId = loop {
        let line = timeout(PATIENCE, said.next_line()).await.unwrap().unwrap();
        if let Some((_, id)) = line.unwrap().split_once("peer ") {
            break id.parse().unwrap();
        }
    };
    let (_place, peer) = member(SECRET).await;
    let is_there = async |expected: bool| {
        let waiting = async {
            while peer.peers().await.iter().any(|it| it.id() == Some(id)) != expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let came = timeout(PATIENCE, waiting).await;
        came.unwrap_or_else(|_| panic!("{expected}: {:?}", peer.finders()));
    };
    is_there(true).await;
    // Also at an address that is good for this cable alone, as soon as the system has made it.
    let over_this_cable = || {
        let seen = peer.finders().into_iter().flat_map(|report| report.seen);
        let mut linked = seen.filter(|it| it.outcome == Outcome::Linked(id));
        linked.any(|it| it.address.starts_with("[fe80:") && it.address.contains('%'))
    };
    until(over_this_cable, || format!("{:?}", peer.finders())).await;
    ip("link set eth0 down");
    is_there(false).await;
    ip("link set eth0 up");
    is_there(true).await;
    drop(tell);
    is_there(false).await;
    assert!(other.wait().await.unwrap().success());
}

/// The peer on the other host. It stays until its standard input ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn elsewhere() {
    if std::env::var_os(IS_ELSEWHERE).is_none() {
        return;
    }
    let (_place, peer) = member(SECRET).await;
    println!("\npeer {}", peer.id());
    let told = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    told.await.unwrap().unwrap();
    peer.shutdown().await;
}
