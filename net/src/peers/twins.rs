//! Two programs that claim to be one instance: a machine, or a running program, was copied with the identity that it had drawn. What one of
//! them is called for the other may answer, so it is said at once which two they are.

use std::net::{IpAddr, SocketAddr};

use net_proto::Hello;
use net_proto::links::Carrier;

use crate::link::Link;
use crate::peer::Core;

/// Says so, if the other side of a new link is not the one of the link that there is to the same instance, nor this peer itself.
pub(super) fn look_for(core: &Core, new: &Link, known: Option<&Link>) {
    let twin = match known {
        Some(known) if are_two(&side(known), &side(new)) => {
            format!("{} at {}", known.hello.name, known.address)
        }
        _ if new.hello.id == core.id && is_named(&new.hello) && new.hello.name != core.name => {
            format!("this peer, {}", core.name)
        }
        _ => return,
    };
    tracing::warn!(
        id = %new.hello.id,
        "two programs claim one identity: {twin}, and {:?} at {}; a machine or a running program was copied: start one of them again",
        new.hello.name,
        new.address,
    );
}

/// What tells the other side of a link from another.
struct Side<'a> {
    hello: &'a Hello,
    /// Where it dials from, or was dialled, on another host.
    ip: Option<IpAddr>,
}

fn side(link: &Link) -> Side<'_> {
    let address = link.address.parse::<SocketAddr>().ok();
    let ip = address.map(|address| address.ip().to_canonical());
    Side {
        hello: &link.hello,
        ip: ip.filter(|ip| link.carrier == Carrier::Tcp && !ip.is_loopback()),
    }
}

/// By their names, of which an instance has one as long as it runs; or by their hosts, where neither says that it is on the other's too.
fn are_two(one: &Side<'_>, other: &Side<'_>) -> bool {
    if is_named(one.hello) && is_named(other.hello) && one.hello.name != other.hello.name {
        return true;
    }
    let (Some(here), Some(there)) = (one.ip, other.ip) else {
        return false;
    };
    here != there
        && says_where(one)
        && says_where(other)
        && !is_at(one, there)
        && !is_at(other, here)
}

/// Whether it says where it listens on networks: one that does not may have come by any way.
fn says_where(side: &Side<'_>) -> bool {
    side.ip.is_some_and(|ip| is_at(side, ip))
}

fn is_at(side: &Side<'_>, ip: IpAddr) -> bool {
    let mut said = side.hello.addresses.iter();
    said.any(|text| {
        text.parse::<SocketAddr>()
            .is_ok_and(|said| said.ip().to_canonical() == ip)
    })
}

/// Strangers are told no name.
fn is_named(hello: &Hello) -> bool {
    hello.name != Core::name_for_strangers(hello.id)
}

#[cfg(test)]
mod tests {
    use net_proto::InstanceId;

    use super::*;

    fn hello(name: &str, addresses: &[&str]) -> Hello {
        Hello {
            name: name.to_owned(),
            addresses: addresses.iter().map(|&text| text.to_owned()).collect(),
            ..Hello::new(InstanceId([1; 16]))
        }
    }

    fn at<'a>(hello: &'a Hello, ip: &str) -> Side<'a> {
        Side {
            hello,
            ip: ip.parse().ok(),
        }
    }

    #[test]
    fn one_that_is_met_twice_is_one() {
        let desk = hello("ada@desk:7", &["192.0.2.7:3010", "198.51.100.7:3010"]);
        assert!(!are_two(
            &at(&desk, "192.0.2.7"),
            &at(&desk, "198.51.100.7")
        ));
        assert!(!are_two(&at(&desk, "192.0.2.7"), &at(&desk, "")));
        // Another address since.
        let moved = hello("ada@desk:7", &["192.0.2.9:3010", "198.51.100.7:3010"]);
        assert!(!are_two(
            &at(&desk, "198.51.100.7"),
            &at(&moved, "198.51.100.7")
        ));
        // From behind a router that has an address of its own.
        assert!(!are_two(&at(&desk, "192.0.2.7"), &at(&desk, "203.0.113.1")));
        let stranger = hello(&Core::name_for_strangers(desk.id), &[]);
        assert!(!are_two(&at(&desk, ""), &at(&stranger, "192.0.2.7")));
    }

    #[test]
    fn two_programs_or_two_machines_are_two() {
        let one = hello("ada@desk:7", &["192.0.2.7:3010"]);
        let other = hello("ada@desk:8", &["192.0.2.7:3011"]);
        assert!(are_two(&at(&one, "192.0.2.7"), &at(&other, "192.0.2.7")));
        // A copy of a machine has the same name.
        let copy = hello("ada@desk:7", &["192.0.2.8:3010"]);
        assert!(are_two(&at(&one, "192.0.2.7"), &at(&copy, "192.0.2.8")));
    }
}
