//! The causes for which a peer is not seen, each with what to do. How they are found is not known here.

use std::fmt;

/// Why a peer is not seen, or that nothing is in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// Nothing is in the way.
    None,
    /// No network interface of this host is up.
    InterfaceDown,
    /// This host knows no way to the address.
    NoRoute,
    /// The name does not lead to any address.
    NameUnknown,
    /// Nobody answers for the address on the local network.
    HostDown,
    /// The port does not answer: neither yes nor no.
    PortBlocked,
    /// Nothing listens at the port, seen from here.
    NothingListens,
    /// The peers of this group are served on their own hosts alone.
    LoopbackOnly,
    /// Some other program is there.
    NotAPeer,
    /// The two have no version of the protocol in common.
    VersionSkew,
    /// The two are of groups of one name, with different keys.
    OtherKey,
    /// The two are of different groups.
    OtherGroup,
    /// This side has no key, the other asks for one.
    KeyMissingHere,
    /// This side has a key, the other has none.
    KeyMissingThere,
    /// The two clocks are far apart.
    Clock,
    /// A certificate has expired.
    CertificateExpired,
    /// It takes no more connections.
    Busy,
    /// The two can be linked, and do not hear each other's announcements.
    MulticastBlocked,
    /// No finder has seen anybody of that name.
    NotSeen,
    /// What is in the way has no name yet; the findings say more.
    Unknown,
}

impl Cause {
    /// Its name, for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::InterfaceDown => "interface-down",
            Self::NoRoute => "no-route",
            Self::NameUnknown => "name-unknown",
            Self::HostDown => "host-down",
            Self::PortBlocked => "port-blocked",
            Self::NothingListens => "nothing-listens",
            Self::LoopbackOnly => "loopback-only",
            Self::NotAPeer => "not-a-peer",
            Self::VersionSkew => "version-skew",
            Self::OtherKey => "other-key",
            Self::OtherGroup => "other-group",
            Self::KeyMissingHere => "key-missing-here",
            Self::KeyMissingThere => "key-missing-there",
            Self::Clock => "clock",
            Self::CertificateExpired => "certificate-expired",
            Self::Busy => "busy",
            Self::MulticastBlocked => "multicast-blocked",
            Self::NotSeen => "not-seen",
            Self::Unknown => "unknown",
        }
    }

    /// What to do.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::None => "nothing is to be done",
            Self::InterfaceDown => {
                "plug the cable in, join the wireless network, or bring the interface up (`ip link set dev NAME up`)"
            }
            Self::NoRoute => {
                "compare the addresses of both hosts: they are in different networks, and no router is known that leads there"
            }
            Self::NameUnknown => "check how the name is written, or give the address in its place",
            Self::HostDown => {
                "check that the host is on, and on the same network (cable, VLAN, wireless network, VPN)"
            }
            Self::PortBlocked => {
                "let the port through in the firewall of that host, or between the two (TCP 3010 to 3015, unless NET_PORT says otherwise)"
            }
            Self::NothingListens => {
                "start the program there, and compare its port with this one (`app-net peers` on that host); a group without a key is served on its own host alone"
            }
            Self::LoopbackOnly => {
                "give the group a key, on both hosts (`app-net group new NAME`, `app-net join CODE`, NET_GROUP=NAME), or open it to everybody (NET_OPEN=1)"
            }
            Self::NotAPeer => "another program has that port: give the peer's own",
            Self::VersionSkew => "update the side that is named as the older one",
            Self::OtherKey => {
                "compare `app-net group show NAME` on both hosts, and give one of them the key of the other (`app-net group show NAME --code`, `app-net join --replace CODE`)"
            }
            Self::OtherGroup => {
                "start both with the same NET_GROUP, and with the same key for it (`app-net group list` on both hosts)"
            }
            Self::KeyMissingHere => {
                "store the group's key here (`app-net join CODE`), and set NET_GROUP to its name"
            }
            Self::KeyMissingThere => {
                "store the group's key there (`app-net join CODE`), and set NET_GROUP to its name; programs of the original app-net cannot have one"
            }
            Self::Clock => "set the clocks of both hosts (`timedatectl set-ntp true`)",
            Self::CertificateExpired => "renew the certificate (NET_TLS_CERT)",
            Self::Busy => {
                "wait, or raise its limit (max_connections), and look who holds so many connections"
            }
            Self::MulticastBlocked => {
                "have the switch or the access point let multicast through (224.0.0.251 and ff02::fb, UDP 5353), or name the peer in NET_PEERS: one is enough, the others are learnt from it"
            }
            Self::NotSeen => {
                "check that it runs, in the same group; and give its address here (`app-net doctor HOST:PORT`), so that the way to it can be looked at"
            }
            Self::Unknown => "the findings above say what was tried",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "nothing is in the way",
            Self::InterfaceDown => "no network interface of this host is up",
            Self::NoRoute => "this host knows no way to that address",
            Self::NameUnknown => "that name leads to no address",
            Self::HostDown => "no host answers at that address",
            Self::PortBlocked => "that port does not answer: something on the way drops what is sent to it",
            Self::NothingListens => "nothing listens at that port",
            Self::LoopbackOnly => "peers of this group are served on their own hosts alone: it has no key",
            Self::NotAPeer => "another program listens there",
            Self::VersionSkew => "the two speak different versions of the protocol",
            Self::OtherKey => "the two have different keys of one group",
            Self::OtherGroup => "the two are of different groups",
            Self::KeyMissingHere => "it asks for its group's key, and there is none here",
            Self::KeyMissingThere => "it has no key, and this side's group has one",
            Self::Clock => "the clocks of the two hosts are far apart",
            Self::CertificateExpired => "a certificate has expired",
            Self::Busy => "it takes no more connections",
            Self::MulticastBlocked => "the two can reach each other, and multicast between them does not get through: neither hears the other's announcements",
            Self::NotSeen => "nobody of that name has been seen",
            Self::Unknown => "it cannot be linked to",
        })
    }
}
