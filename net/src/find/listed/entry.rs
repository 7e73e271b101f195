//! An entry of the list of peers (`NET_PEERS`), as it is written. Nothing is looked up here.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use net_proto::Address;

/// What an entry can be, for whoever has written another thing.
pub(crate) const FORMS: &str = "with commas between them, it takes host:port, host (the ports of the range), [ipv6]:port, dns:name or dns:name:port \
     (all addresses of a name), srv:_app-net._tcp.example.org, and unix:/path";

/// The longest name that DNS knows, and the longest part of one between its dots.
const NAME_MAX: usize = 253;
const LABEL_MAX: usize = 63;

/// Where a peer may be, or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listed {
    /// At this address.
    At(Address),
    /// At this IP address, at the ports of the range.
    Ip(IpAddr),
    /// On the host of this name, at this port, or at those of the range.
    Host(String, Option<u16>),
    /// The same at each address of this name: on as many hosts as it has.
    Each(String, Option<u16>),
    /// Where the SRV records of this name say.
    Service(String),
}

impl FromStr for Listed {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            let address = text.parse().map_err(drop)?;
            return path.starts_with('/').then_some(Self::At(address)).ok_or(());
        }
        if let Some(name) = text.strip_prefix("srv:") {
            let is_service = name.starts_with('_') && is_name(name);
            return is_service.then(|| Self::Service(name.to_owned())).ok_or(());
        }
        if let Some(name) = text.strip_prefix("dns:") {
            let (name, port) = host_and_port(name)?;
            return Ok(Self::Each(name, port));
        }
        let in_brackets = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        if let Ok(ip) = in_brackets.unwrap_or(text).parse() {
            return Ok(Self::Ip(ip));
        }
        match text.parse() {
            Ok(Address::Tcp(address)) if address.port() != 0 => Ok(Self::At(Address::Tcp(address))),
            Ok(Address::Tcp(_)) => Err(()),
            _ => host_and_port(text).map(|(name, port)| Self::Host(name, port)),
        }
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = |port: &Option<u16>| port.map_or_else(String::new, |port| format!(":{port}"));
        match self {
            Self::At(address) => address.fmt(f),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(ip) => ip.fmt(f),
            Self::Host(name, at) => write!(f, "{name}{}", port(at)),
            Self::Each(name, at) => write!(f, "dns:{name}{}", port(at)),
            Self::Service(name) => write!(f, "srv:{name}"),
        }
    }
}

fn host_and_port(text: &str) -> Result<(String, Option<u16>), ()> {
    let (name, port) = match text.split_once(':') {
        None => (text, None),
        Some((name, port)) => {
            let port: u16 = port.parse().map_err(drop)?;
            (name, Some(port))
        }
    };
    let ends_in_a_number = || {
        let last = name.trim_end_matches('.').rsplit('.').next();
        last.is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()))
    };
    // What looks like a port, or like a part of an IP address, was not meant for a name.
    let is_usable = is_name(name) && !ends_in_a_number() && port != Some(0);
    is_usable.then(|| (name.to_owned(), port)).ok_or(())
}

/// Whether it is a name as DNS and `/etc/hosts` have them. Those in other alphabets are written as DNS has them too (`xn--…`).
fn is_name(text: &str) -> bool {
    let in_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label =
        |label: &str| (1..=LABEL_MAX).contains(&label.len()) && label.bytes().all(in_alphabet);
    name.len() <= NAME_MAX && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_read_and_written() {
        let host = |name: &str, port| Listed::Host(name.to_owned(), port);
        let each = |name: &str, port| Listed::Each(name.to_owned(), port);
        let at = |text: &str| Listed::At(text.parse().unwrap());
        for (text, expected) in [
            ("desk:3010", host("desk", Some(3010))),
            (
                "desk-7.lab_2.example.org",
                host("desk-7.lab_2.example.org", None),
            ),
            ("192.0.2.7:3010", at("192.0.2.7:3010")),
            ("192.0.2.7", Listed::Ip("192.0.2.7".parse().unwrap())),
            ("[2001:db8::7]:3010", at("[2001:db8::7]:3010")),
            ("[2001:db8::7]", Listed::Ip("2001:db8::7".parse().unwrap())),
            ("dns:peers.example.org", each("peers.example.org", None)),
            (
                "dns:peers.example.org:4000",
                each("peers.example.org", Some(4000)),
            ),
            (
                "srv:_app-net._tcp.example.org",
                Listed::Service("_app-net._tcp.example.org".into()),
            ),
            ("unix:/run/peer.sock", at("unix:/run/peer.sock")),
        ] {
            assert_eq!(text.parse(), Ok(expected.clone()), "{text}");
            assert_eq!(expected.to_string(), text);
        }
        let without_brackets: Result<Listed, _> = "2001:db8::7".parse();
        assert_eq!(without_brackets.unwrap().to_string(), "[2001:db8::7]");
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        let long = "x".repeat(64);
        for text in [
            "",
            "3010",
            ":3010",
            "desk:",
            "desk:many",
            "desk:0",
            "desk:70000",
            "192.0.2.7:0",
            "192.0.2",
            "192.0.2.300",
            "a b",
            "a..b",
            "user@desk",
            "http://desk:3010",
            "dns:",
            "dns:192.0.2.7",
            "dns:a:b",
            "srv:",
            "srv:example.org",
            "srv:_x._tcp.y:3010",
            "unix:",
            "unix:peer.sock",
            "[::1]:x",
            "größe",
            &long,
        ] {
            assert!(text.parse::<Listed>().is_err(), "{text}");
        }
    }
}
