//! The kernel's table of neighbours: the hosts that this one has had to do with on its own networks, by IPv4 and IPv6. One question over netlink
//! tells both; `/proc` would know IPv4 alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// One address of a neighbour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Neighbour {
    pub(super) ip: IpAddr,
    /// The network interface behind which it is: addresses of IPv6 may be good for one of them alone.
    pub(super) interface: u32,
    /// The address of its network card: the same of all addresses of one host.
    pub(super) card: Vec<u8>,
    /// Whether it has answered just now.
    pub(super) is_fresh: bool,
}

impl Neighbour {
    pub(super) fn at(&self, port: u16) -> SocketAddr {
        match self.ip {
            IpAddr::V6(ip) if ip.is_unicast_link_local() => {
                SocketAddrV6::new(ip, port, 0, self.interface).into()
            }
            ip => (ip, port).into(),
        }
    }
}

/// What is in the table now. The error is for people. It blocks for a moment.
#[cfg(target_os = "linux")]
pub(super) fn neighbours() -> Result<Vec<Neighbour>, String> {
    netlink::ask()
        .map_err(|error| format!("the kernel does not tell of this host's neighbours: {error}"))
}

/// Nobody: other systems have ways of their own to ask.
#[cfg(not(target_os = "linux"))]
pub(super) fn neighbours() -> Result<Vec<Neighbour>, String> {
    Err("this host's neighbours are known on Linux alone".to_owned())
}

/// One address for each host: by IPv4, which originals have alone, where it has that. Those that have answered just now come first.
pub(super) fn hosts(mut all: Vec<Neighbour>) -> Vec<Neighbour> {
    let is_other_host = |neighbour: &Neighbour| match neighbour.ip {
        IpAddr::V4(ip) => !ip.is_multicast() && !ip.is_broadcast() && ip != Ipv4Addr::UNSPECIFIED,
        IpAddr::V6(ip) => !ip.is_multicast() && ip != Ipv6Addr::UNSPECIFIED,
    };
    all.retain(is_other_host);
    let by_ipv4: Vec<_> = all
        .iter()
        .filter(|neighbour| neighbour.ip.is_ipv4())
        .map(|neighbour| (neighbour.interface, neighbour.card.clone()))
        .collect();
    let mut by_ipv6 = Vec::new();
    // Those that are good on more than one link first: they mean the same to whoever is told of them.
    let is_narrow = |ip: &IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    all.sort_by_key(|neighbour| (!neighbour.is_fresh, is_narrow(&neighbour.ip), neighbour.ip));
    all.retain(|neighbour| {
        let host = (neighbour.interface, neighbour.card.clone());
        if neighbour.ip.is_ipv4() || neighbour.card.is_empty() {
            return true;
        }
        if by_ipv4.contains(&host) || by_ipv6.contains(&host) {
            return false;
        }
        by_ipv6.push(host);
        true
    });
    all
}

#[cfg(target_os = "linux")]
mod netlink {
    use std::fs::File;
    use std::io::{self, Read as _, Write as _};
    use std::net::IpAddr;
    use std::time::Duration;

    use rustix::net::sockopt::{Timeout, set_socket_timeout};
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

    use super::Neighbour;

    /// The kernel answers at once; a sandbox in its place may not at all.
    const ANSWER_TIME: Duration = Duration::from_secs(1);
    /// What the kernel sends at most at a time.
    const BUFFER: usize = 32 * 1024;
    /// So many are read, however large a table the host keeps.
    const MOST: usize = 8192;

    // From linux/netlink.h, linux/rtnetlink.h and linux/neighbour.h.
    const HEADER: usize = 16;
    const OF_NEIGHBOUR: usize = 12;
    const OF_ATTRIBUTE: usize = 4;
    const ERROR: u16 = 2;
    const DONE: u16 = 3;
    const NEW_NEIGHBOUR: u16 = 28;
    const GET_NEIGHBOURS: u16 = 30;
    const REQUEST_ALL: u16 = 0x001 | 0x300;
    const ADDRESS: u16 = 1;
    const CARD: u16 = 2;
    const REACHABLE: u16 = 0x02;
    const STALE: u16 = 0x04;
    const DELAY: u16 = 0x08;
    const PROBE: u16 = 0x10;
    const PERMANENT: u16 = 0x80;

    pub(super) fn ask() -> io::Result<Vec<Neighbour>> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            // NETLINK_ROUTE, which is 0.
            None,
        )?;
        set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_TIME))?;
        let mut socket = File::from(socket);
        socket.write_all(&request())?;
        let mut all = Vec::new();
        let mut read = vec![0; BUFFER];
        loop {
            let length = socket.read(&mut read)?;
            if length == 0 || take(&read[..length], &mut all)? || all.len() >= MOST {
                return Ok(all);
            }
        }
    }

    fn request() -> Vec<u8> {
        let length = (HEADER + OF_NEIGHBOUR) as u32;
        let mut request = Vec::with_capacity(HEADER + OF_NEIGHBOUR);
        request.extend(length.to_ne_bytes());
        request.extend(GET_NEIGHBOURS.to_ne_bytes());
        request.extend(REQUEST_ALL.to_ne_bytes());
        // The number of the question, whose it is, and of which family: of any.
        request.resize(HEADER + OF_NEIGHBOUR, 0);
        request
    }

    /// Takes the neighbours out of what was read at once. Says whether those were the last.
    pub(super) fn take(mut read: &[u8], all: &mut Vec<Neighbour>) -> io::Result<bool> {
        while let Some((length, kind)) = u32_at(read, 0).zip(u16_at(read, 4)) {
            let length = length as usize;
            let Some(body) = read.get(HEADER..length) else {
                break;
            };
            match kind {
                DONE => return Ok(true),
                ERROR => {
                    let code = u32_at(body, 0).unwrap_or_default().cast_signed();
                    return Err(io::Error::from_raw_os_error(code.wrapping_neg()));
                }
                NEW_NEIGHBOUR => all.extend(neighbour(body)),
                _ => {}
            }
            read = read.get(aligned(length)..).unwrap_or_default();
        }
        Ok(false)
    }

    fn neighbour(body: &[u8]) -> Option<Neighbour> {
        let interface = u32_at(body, 4)?;
        let state = u16_at(body, 8)?;
        if state & (REACHABLE | STALE | DELAY | PROBE | PERMANENT) == 0 {
            return None;
        }
        let mut attributes = body.get(OF_NEIGHBOUR..)?;
        let (mut ip, mut card) = (None, Vec::new());
        while let Some((length, kind)) = u16_at(attributes, 0).zip(u16_at(attributes, 2)) {
            let length = usize::from(length);
            let Some(value) = attributes.get(OF_ATTRIBUTE..length) else {
                break;
            };
            match kind {
                ADDRESS => ip = address(value),
                CARD => card = value.to_vec(),
                _ => {}
            }
            attributes = attributes.get(aligned(length)..).unwrap_or_default();
        }
        Some(Neighbour {
            ip: ip?,
            interface,
            card,
            is_fresh: state & (REACHABLE | DELAY | PROBE) != 0,
        })
    }

    fn address(value: &[u8]) -> Option<IpAddr> {
        let ipv4 = || <[u8; 4]>::try_from(value).ok().map(IpAddr::from);
        let ipv6 = || <[u8; 16]>::try_from(value).ok().map(IpAddr::from);
        ipv4().or_else(ipv6)
    }

    fn aligned(length: usize) -> usize {
        length.next_multiple_of(4)
    }

    fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
        Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
    }

    fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
        Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn message(kind: u16, body: &[u8]) -> Vec<u8> {
            let mut message = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
            message.extend(kind.to_ne_bytes());
            message.resize(HEADER, 0);
            message.extend(body);
            message.resize(aligned(message.len()), 0);
            message
        }

        fn entry(state: u16, address: &[u8]) -> Vec<u8> {
            let mut body = vec![0; 4];
            body.extend(2u32.to_ne_bytes());
            body.extend(state.to_ne_bytes());
            body.resize(OF_NEIGHBOUR, 0);
            for (kind, value) in [(CARD, &[1, 2, 3, 4, 5, 6][..]), (ADDRESS, address)] {
                body.extend(((OF_ATTRIBUTE + value.len()) as u16).to_ne_bytes());
                body.extend(kind.to_ne_bytes());
                body.extend(value);
                body.resize(aligned(body.len()), 0);
            }
            message(NEW_NEIGHBOUR, &body)
        }

        #[test]
        fn those_that_have_answered_are_taken() {
            let read = [
                entry(REACHABLE, &[192, 0, 2, 7]),
                // Asked for in vain.
                entry(0x20, &[192, 0, 2, 8]),
                entry(
                    STALE,
                    &[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7],
                ),
            ]
            .concat();
            let mut all = Vec::new();
            assert!(!take(&read, &mut all).unwrap());
            assert!(take(&message(DONE, &[0; 4]), &mut all).unwrap());
            let found: Vec<_> = all
                .iter()
                .map(|of| (of.at(3010).to_string(), of.is_fresh))
                .collect();
            let expected = [("192.0.2.7:3010", true), ("[fe80::7%2]:3010", false)];
            assert_eq!(
                found,
                expected.map(|(at, is_fresh)| (at.to_owned(), is_fresh))
            );
            assert_eq!(all[0].card, [1, 2, 3, 4, 5, 6]);
            let refused = message(ERROR, &(-1i32).to_ne_bytes());
            assert_eq!(
                take(&refused, &mut all).unwrap_err().raw_os_error(),
                Some(1)
            );
        }

        #[test]
        fn whatever_is_read_it_ends() {
            let whole = entry(REACHABLE, &[192, 0, 2, 7]);
            for length in 0..whole.len() {
                let _ = take(&whole[..length], &mut Vec::new());
            }
            for at in 0..whole.len() {
                for value in [0, 1, 3, 255] {
                    let mut changed = whole.clone();
                    changed[at] = value;
                    let _ = take(&changed, &mut Vec::new());
                }
            }
        }

        #[test]
        fn the_kernel_tells() {
            ask().unwrap();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_probed_at_one_address_of_its_own() {
        let of = |ip: &str, card: u8, is_fresh| Neighbour {
            ip: ip.parse().unwrap(),
            interface: 2,
            card: vec![card; 6],
            is_fresh,
        };
        let all = vec![
            of("fe80::1", 1, true),
            of("192.0.2.1", 1, false),
            of("fe80::2", 2, true),
            of("2001:db8::2", 2, true),
            of("192.0.2.3", 3, true),
            of("224.0.0.251", 4, true),
            of("ff02::fb", 5, true),
        ];
        let hosts: Vec<_> = hosts(all).iter().map(|host| host.ip.to_string()).collect();
        assert_eq!(hosts, ["192.0.2.3", "2001:db8::2", "192.0.2.1"]);
    }
}
