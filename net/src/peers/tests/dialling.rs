//! A peer at several addresses, over real sockets: those that hang hold nobody up, and the one that worked is remembered.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;

use socket2::{Domain, Type};

use super::*;

/// Below the 3 s in which connecting, and the 5 s in which a HELLO is given up, and above what a machine that does other things adds to the
/// quarter of a second after which the next address is dialled.
const SOON: Duration = Duration::from_secs(2);

/// A peer that another does not find by itself, and nothing but its id known there.
struct Hidden {
    here: Peer,
    there: Peer,
    _dirs: [TempDir; 2],
}

impl Hidden {
    async fn new() -> Self {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let (here, there) = (started(&dirs[0]).await, started(&dirs[1]).await);
        Self {
            here,
            there,
            _dirs: dirs,
        }
    }

    fn good(&self) -> Address {
        Address::Tcp(SocketAddr::from((
            [127, 0, 0, 1],
            self.there.port().unwrap(),
        )))
    }

    /// A handle on the peer, which is known at these addresses, the first one the best.
    fn known_at(&self, addresses: &[Address]) -> Remote {
        let mut entry = None;
        for address in addresses.iter().rev() {
            let found = self
                .here
                .0
                .peers
                .found(self.there.id(), Some(address.clone()));
            entry = Some(found);
        }
        Remote::new(self.here.clone(), entry.unwrap())
    }

    async fn is_reached_soon(&self, remote: &Remote) {
        let start = Instant::now();
        call(remote).await.unwrap();
        let took = start.elapsed();
        assert!(took < SOON, "{took:?}");
    }

    /// Ends the link there is.
    async fn part(&self) {
        for link in self.here.0.open_links() {
            link.close("for the test");
        }
        until(|| self.here.0.open_links().is_empty() && self.there.0.open_links().is_empty()).await;
    }

    fn is_dialling(&self) -> bool {
        self.here.0.peers.lock().attempts.are_under_way()
    }
}

/// How many have connected to it so far.
fn connected(listener: &TcpListener) -> usize {
    listener.set_nonblocking(true).unwrap();
    std::iter::from_fn(|| listener.accept().ok()).count()
}

/// A socket that has an address, and does not listen.
fn bound() -> socket2::Socket {
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 2], 0));
    socket.bind(&address.into()).unwrap();
    socket
}

fn mute() -> (TcpListener, Address) {
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let address = Address::Tcp(listener.local_addr().unwrap());
    (listener, address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_says_nothing_holds_nobody_up_and_is_not_asked_first_again() {
    let hidden = Hidden::new().await;
    let (listener, mute) = mute();
    let remote = hidden.known_at(&[mute, hidden.good()]);
    hidden.is_reached_soon(&remote).await;
    assert_eq!(connected(&listener), 1, "it was the first");
    for _ in 0..3 {
        hidden.part().await;
        hidden.is_reached_soon(&remote).await;
    }
    assert_eq!(connected(&listener), 0, "it is the last now");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unix_socket_that_says_nothing_holds_nobody_up_and_is_not_asked_first_again() {
    let hidden = Hidden::new().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mute.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let remote = hidden.known_at(&[Address::Unix(path), hidden.good()]);
    hidden.is_reached_soon(&remote).await;
    hidden.part().await;
    hidden.is_reached_soon(&remote).await;
    listener.set_nonblocking(true).unwrap();
    assert_eq!(std::iter::from_fn(|| listener.accept().ok()).count(), 1);
}

/// Nothing is answered there: the kernel drops who wants to connect when the queue is full.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_where_nothing_is_answered_holds_nobody_up_and_is_given_up() {
    let hidden = Hidden::new().await;
    let full = bound();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        queued.push(stream);
        assert!(queued.len() < 100, "the queue is never full");
    }
    let remote = hidden.known_at(&[Address::Tcp(address), hidden.good()]);
    hidden.is_reached_soon(&remote).await;
    let start = Instant::now();
    until(|| !hidden.is_dialling()).await;
    let took = start.elapsed();
    assert!(took < SOON, "{took:?}");
    hidden.part().await;
    hidden.is_reached_soon(&remote).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_of_each_address_is_said_when_none_leads_there() {
    let hidden = Hidden::new().await;
    // Held, so that nobody else listens there meanwhile.
    let nobody = bound();
    let refuses = Address::Tcp(nobody.local_addr().unwrap().as_socket().unwrap());
    let other = started(&hidden._dirs[1]).await;
    let other: Address = other.addresses()[0].parse().unwrap();
    let scoped: Address = "[fe80::1%nosuch0]:7".parse().unwrap();
    let remote = hidden.known_at(&[refuses.clone(), other.clone(), scoped]);
    let error = call(&remote).await.unwrap_err().to_string();
    assert!(
        error.contains(&format!("{refuses}: Connection refused")),
        "{error}"
    );
    assert!(error.contains(&format!("{other}: instance ")), "{error}");
    let why = "[fe80::1%nosuch0]:7: this host has no interface nosuch0";
    assert!(error.contains(why), "{error}");
}
