//! In which order the addresses of a target are dialled (RFC 8305, section 4), and what is remembered for it. Nothing is dialled here.

use std::collections::HashMap;
use std::net::IpAddr;

use super::ADDRESSES;
use crate::address::Address;

/// How addresses did when they were dialled last.
#[derive(Debug, Default)]
pub(super) struct Tried {
    worked: Option<Address>,
    /// The last one last.
    failed: Vec<Address>,
}

impl Tried {
    pub(super) fn worked(&mut self, address: &Address) {
        self.failed.retain(|failed| failed != address);
        self.worked = Some(address.clone());
    }

    pub(super) fn failed(&mut self, address: &Address) {
        self.failed.retain(|failed| failed != address);
        self.failed.push(address.clone());
        if self.failed.len() > ADDRESSES {
            self.failed.remove(0);
        }
        if self.worked.as_ref() == Some(address) {
            self.worked = None;
        }
    }

    /// The one that led there last, if it was none of those that failed since.
    pub(super) fn latest(&self) -> Option<&Address> {
        self.worked.as_ref()
    }

    /// The addresses in the order in which they are to be dialled; among equals, the order in which they come stays.
    ///
    /// Those that failed last time come last. A Unix socket comes before the one that worked: it answers at once or not at all, and makes
    /// the better link.
    pub(super) fn in_order(&self, addresses: Vec<Address>) -> Vec<Address> {
        let mut before = HashMap::new();
        let mut placed: Vec<_> = addresses
            .into_iter()
            .map(|address| {
                let class = (self.failed.contains(&address), self.class(&address));
                let family = Family::of(&address);
                let nth = before.entry((class, family)).or_insert(0_usize);
                *nth += 1;
                // Families take turns: the first of each, then the second of each.
                ((class, *nth, family), address)
            })
            .collect();
        placed.sort_by_key(|(place, _)| *place);
        placed.into_iter().map(|(_, address)| address).collect()
    }

    fn class(&self, address: &Address) -> Class {
        match address {
            Address::Unix(_) => Class::Unix,
            _ if self.worked.as_ref() == Some(address) => Class::Worked,
            _ if address.is_here() => Class::Loopback,
            _ => Class::Network,
        }
    }
}

/// The better first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Class {
    Unix,
    Worked,
    /// On this host, and so without a network that could lose anything.
    Loopback,
    Network,
}

/// In the order in which they take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Family {
    V6,
    V4,
    /// Not known before it is looked up.
    Named,
    Local,
}

impl Family {
    fn of(address: &Address) -> Self {
        match address {
            Address::Unix(_) => Self::Local,
            Address::Name(..) => Self::Named,
            Address::Scoped(..) => Self::V6,
            Address::Tcp(address) => match address.ip().to_canonical() {
                IpAddr::V6(_) => Self::V6,
                IpAddr::V4(_) => Self::V4,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(texts: &[&str]) -> Vec<Address> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn unix_then_loopback_then_families_in_turn_with_ipv6_first() {
        let given = all(&[
            "10.0.0.1:1",
            "10.0.0.2:1",
            "10.0.0.3:1",
            "studio:1",
            "[2001:db8::1]:1",
            "[fe80::1%eth0]:1",
            "127.0.0.1:1",
            "[::1]:1",
            "unix:/run/x",
        ]);
        let ordered = all(&[
            "unix:/run/x",
            "[::1]:1",
            "127.0.0.1:1",
            "[2001:db8::1]:1",
            "10.0.0.1:1",
            "studio:1",
            "[fe80::1%eth0]:1",
            "10.0.0.2:1",
            "10.0.0.3:1",
        ]);
        assert_eq!(Tried::default().in_order(given), ordered);
    }

    #[test]
    fn an_ipv4_address_in_the_form_of_ipv6_takes_the_turn_of_ipv4() {
        let given = all(&["[::ffff:10.0.0.1]:1", "[2001:db8::1]:1", "[2001:db8::2]:1"]);
        let ordered = all(&["[2001:db8::1]:1", "[::ffff:10.0.0.1]:1", "[2001:db8::2]:1"]);
        assert_eq!(Tried::default().in_order(given), ordered);
    }

    #[test]
    fn what_worked_comes_first_and_what_failed_comes_last() {
        let [unix, six, four, other] =
            ["unix:/run/x", "[2001:db8::1]:1", "10.0.0.1:1", "10.0.0.2:1"]
                .map(|text| text.parse::<Address>().unwrap());
        let given = || [&unix, &six, &four, &other].map(Clone::clone).to_vec();
        let mut tried = Tried::default();
        tried.worked(&other);
        let ordered = [&unix, &other, &six, &four].map(Clone::clone);
        assert_eq!(tried.in_order(given()), ordered);
        tried.failed(&unix);
        tried.failed(&six);
        let ordered = [&other, &four, &unix, &six].map(Clone::clone);
        assert_eq!(tried.in_order(given()), ordered);
        tried.failed(&other);
        assert_eq!(tried.latest(), None);
        let ordered = [&four, &unix, &six, &other].map(Clone::clone);
        assert_eq!(tried.in_order(given()), ordered);
        tried.worked(&unix);
        let ordered = [&unix, &four, &six, &other].map(Clone::clone);
        assert_eq!(tried.in_order(given()), ordered);
    }

    #[test]
    fn of_those_that_failed_a_bounded_number_is_kept() {
        let mut tried = Tried::default();
        for port in 1..=100 {
            tried.failed(&Address::Name("studio".into(), port));
        }
        assert_eq!(tried.failed.len(), ADDRESSES);
    }
}
