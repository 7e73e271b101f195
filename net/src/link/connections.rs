//! The connections that came to this peer and are open: so many in all, and so many from one address. Who they are is not known here,
//! nor whether they have said it ([`strangers`](super::strangers)).

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use net_proto::Limits;

/// Where a connection is from, as far as that can be told without believing anyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// Over a Unix socket: a process of the same user, whichever.
    SameUser,
    Address(IpAddr),
}

impl Origin {
    pub(super) fn of(address: IpAddr) -> Self {
        // One that listens at IPv6 meets IPv4 in this form.
        Self::Address(address.to_canonical())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameUser => f.write_str("Unix sockets"),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

/// Why a newcomer is turned away. Its text is for both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    #[error("busy: {0} connections are open, which is all that are taken (max_connections)")]
    InAll(u32),
    #[error(
        "busy: {most} connections from {origin} are open, which is all that are taken from one address (max_connections_from_one)"
    )]
    FromOne { origin: Origin, most: u32 },
}

#[derive(Debug)]
pub(crate) struct Connections {
    most: u32,
    most_from_one: u32,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    in_all: u32,
    /// Only of origins of which there are any.
    from: HashMap<Origin, u32>,
}

/// What a connection counts for, until it is dropped with the connection's descriptor.
#[derive(Debug)]
pub(crate) struct Counted {
    connections: Arc<Connections>,
    origin: Origin,
}

impl Connections {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            most: limits.max_connections,
            most_from_one: limits.max_connections_from_one,
            open: Mutex::default(),
        })
    }

    /// Counts one more.
    pub(super) fn enter(self: &Arc<Self>, origin: Origin) -> Result<Counted, Full> {
        let mut open = self.open();
        if open.in_all >= self.most {
            return Err(Full::InAll(self.most));
        }
        let from_here = open.from.get(&origin).copied().unwrap_or(0);
        if from_here >= self.most_from_one {
            let most = self.most_from_one;
            return Err(Full::FromOne { origin, most });
        }
        open.in_all += 1;
        open.from.insert(origin, from_here + 1);
        drop(open);
        Ok(Counted {
            connections: Arc::clone(self),
            origin,
        })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        open.in_all -= 1;
        if let Some(count) = open.from.get_mut(&self.origin) {
            *count -= 1;
            if *count == 0 {
                open.from.remove(&self.origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(most: u32, most_from_one: u32) -> Arc<Connections> {
        Connections::new(&Limits {
            max_connections: most,
            max_connections_from_one: most_from_one,
            ..Limits::default()
        })
    }

    fn at(last: u8) -> Origin {
        Origin::of(IpAddr::from([127, 0, 0, last]))
    }

    #[test]
    fn no_more_from_one_address_than_are_taken_from_one() {
        let all = connections(10, 2);
        let first = all.enter(at(1)).unwrap();
        let _second = all.enter(at(1)).unwrap();
        let full = all.enter(at(1)).unwrap_err();
        assert!(full.to_string().contains("max_connections_from_one"));
        let _other = all.enter(at(2)).unwrap();
        let _unix = all.enter(Origin::SameUser).unwrap();
        drop(first);
        all.enter(at(1)).unwrap();
    }

    #[test]
    fn no_more_in_all_than_are_taken() {
        let all = connections(3, 2);
        let held: Vec<_> = (1..=3).map(|last| all.enter(at(last)).unwrap()).collect();
        assert_eq!(all.enter(at(4)).unwrap_err(), Full::InAll(3));
        drop(held);
        all.enter(at(4)).unwrap();
        assert!(all.open().from.is_empty());
    }

    #[test]
    fn an_address_of_ipv4_is_the_same_in_the_form_of_ipv6() {
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        assert_eq!(Origin::of(mapped), at(1));
    }
}
