//! What the other side of a link has proved of itself. What it only says is in its HELLO, and guards nothing.

use std::net::SocketAddr;

use net_proto::Hello;
use net_proto::links::Carrier;

use super::socket::Socket;

/// Which group the other side is of, as far as that is proved; none is a group too, of those on one host who are in no other.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    /// A program of the same user on this host, which is believed what it says.
    SameUser(Option<String>),
    Proved(Option<String>),
    Unproved,
}

/// The one place that decides which group a link's other side is of.
///
/// A Unix socket's other end is the same user's, by the kernel's word, and at loopback's are programs of this host alone: both are believed
/// what they say, where the group has no key. From another host, a word is no proof: a certificate is.
pub(crate) fn proven_group(socket: &Socket, hello: &Hello) -> Membership {
    decide(socket.carrier, &socket.peer, socket.group.as_deref(), hello)
}

/// `certified` is the group whose key the other side has shown to have.
fn decide(carrier: Carrier, address: &str, certified: Option<&str>, hello: &Hello) -> Membership {
    match (carrier, certified) {
        (Carrier::Unix, _) => Membership::SameUser(hello.group.clone()),
        (Carrier::Tcp, Some(group)) => Membership::Proved(Some(group.to_owned())),
        (Carrier::Tcp, None) if is_on_host(address) => Membership::Proved(hello.group.clone()),
        (Carrier::Tcp, None) => Membership::Unproved,
    }
}

/// Whether a socket's other end is on this host, by its address as the kernel has it.
pub(crate) fn is_on_host(address: &str) -> bool {
    let address = address.parse::<SocketAddr>();
    address.is_ok_and(|address| address.ip().to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::BytesMut;
    use net_proto::{InstanceId, Side};
    use serde_json::Value as Json;

    use super::*;
    use crate::link::tests::connection;
    use crate::link::{establish, memory, tls};
    use crate::private::{answer_value, sync_handler};
    use crate::secure::identity::Identity;
    use crate::secure::{GroupKey, Keys};
    use crate::{Answer, CallError, Peer};

    #[test]
    fn what_is_said_is_believed_on_this_host_alone() {
        let lab = || Some("lab".to_owned());
        let hello = Hello {
            group: lab(),
            ..Hello::new(InstanceId([1; 16]))
        };
        let of = |carrier, address| decide(carrier, address, None, &hello);
        assert_eq!(of(Carrier::Unix, "unix:/x"), Membership::SameUser(lab()));
        for here in [
            "127.0.0.1:1",
            "127.0.1.1:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert_eq!(of(Carrier::Tcp, here), Membership::Proved(lab()), "{here}");
        }
        // Who has shown a certificate has shown the group, wherever it is.
        let certified = decide(Carrier::Tcp, "192.0.2.7:1", Some("lab"), &hello);
        assert_eq!(certified, Membership::Proved(lab()));
        // A name is what somebody has called the place, not what the kernel says.
        for elsewhere in [
            "192.0.2.7:1",
            "[2001:db8::7]:1",
            "localhost:1",
            "unix:/x",
            "memory",
        ] {
            assert_eq!(
                of(Carrier::Tcp, elsewhere),
                Membership::Unproved,
                "{elsewhere}"
            );
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_has_the_key_and_says_that_it_is_of_another_group_is_told_and_let_go() {
        let start = |group| {
            Peer::builder()
                .group(group)
                .listen(false)
                .discover(false)
                .start()
        };
        let (here, liar) = (start("lab").await.unwrap(), start("admins").await.unwrap());
        let key = GroupKey::from_bytes([7; 32]);
        let identity = Arc::new(Identity::of_key(&Keys::new("lab", key)).unwrap());
        let (a, b) = memory::pair();
        let (a, b) = tokio::join!(
            tls::secure(a, Side::Dialer, &identity, BytesMut::new()),
            tls::secure(b, Side::Acceptor, &identity, BytesMut::new()),
        );
        let (theirs, ours) = tokio::join!(
            establish(&liar.0, a.unwrap(), Side::Dialer, BytesMut::new()),
            establish(&here.0, b.unwrap(), Side::Acceptor, BytesMut::new()),
        );
        let why = ours.unwrap_err().to_string();
        assert_eq!(
            why,
            "it says that it is of group \"admins\", and has proved to be of group \"lab\""
        );
        // It has met somebody of the group whose key it has, and is taken leave of.
        let theirs = theirs.unwrap();
        let leave = async {
            while theirs.is_open() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let leave = tokio::time::timeout(Duration::from_secs(20), leave).await;
        leave.expect("it is taken leave of");
        assert!(here.0.open_links().is_empty());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_says_from_elsewhere_that_it_is_of_the_group_is_shown_and_let_do_what_a_stranger_is()
     {
        let lab = || {
            Peer::builder()
                .group("lab")
                .listen(false)
                .discover(false)
                .start()
        };
        let (here, stranger) = (lab().await.unwrap(), lab().await.unwrap());
        // Of no known address.
        let (a, b) = memory::pair();
        let (theirs, ours) = tokio::join!(
            establish(&stranger.0, a, Side::Dialer, BytesMut::new()),
            establish(&here.0, b, Side::Acceptor, BytesMut::new()),
        );
        assert_eq!(ours.unwrap().hello.group.as_deref(), Some("lab"));
        // Nor is it told in passing who runs the peer, or where on its host.
        let told = theirs.unwrap();
        assert!(told.is_open());
        assert_eq!(
            told.hello.name,
            format!("peer {}", &here.id().to_string()[..8])
        );
        here.registry().register(crate::Connection {
            groups: Some(vec!["lab".into()]),
            ..connection("guarded", sync_handler(|_| answer_value(&1)))
        });
        let fails = sync_handler(|_| Answer::failed("Odd", "odd", "File x"));
        here.registry().register(connection("fails", fails));
        let who = sync_handler(|call| answer_value(&call.caller.group().map(str::to_owned)));
        here.registry().register(connection("who", who));

        let to_here = stranger.remote(&here.id().to_string()).unwrap();
        let refused = to_here.call::<i64>("guarded", &()).await.unwrap_err();
        assert!(matches!(refused, CallError::Refused { .. }), "{refused}");
        assert_eq!(
            to_here.call::<Option<String>>("who", &()).await.unwrap(),
            None
        );
        let CallError::Remote(error) = to_here.call::<()>("fails", &()).await.unwrap_err() else {
            panic!()
        };
        assert_eq!((&*error.message, &*error.traceback), ("odd", ""));
        let info: Json = to_here.call(crate::builtin::INFO, &()).await.unwrap();
        assert_eq!(
            (&info["user"], &info["executable"]),
            (&Json::Null, &Json::Null)
        );
        assert_eq!(info["group"], "lab");
    }
}
