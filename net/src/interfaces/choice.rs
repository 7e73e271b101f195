//! Which interfaces are for multicast (`NET_INTERFACES`): all but virtual ones and loopback, or those that were chosen. What there is, is
//! asked elsewhere.

use std::net::IpAddr;

use super::{Interface, Kinds};

/// A choice among interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Choice {
    text: String,
    wanted: Vec<Pattern>,
    unwanted: Vec<Pattern>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    /// A name, in which `*` stands for any characters.
    Name(String),
    Address(IpAddr),
}

impl Choice {
    /// As it is written: names or addresses, each with a `!` before it where it is not wanted; several in one text have commas between them.
    pub(crate) fn of<I>(texts: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let texts: Vec<String> = texts
            .into_iter()
            .map(|text| text.as_ref().to_owned())
            .collect();
        let mut choice = Self {
            text: texts.join(","),
            ..Self::default()
        };
        let text = choice.text.clone();
        for word in text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            match word.strip_prefix('!') {
                Some(word) => choice.unwanted.push(Pattern::of(word.trim())),
                None => choice.wanted.push(Pattern::of(word)),
            }
        }
        choice
    }

    /// What was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Those of `all` that are for multicast, as they are now.
    pub(crate) fn among(&self, all: &[Interface]) -> Vec<Interface> {
        let kinds = Kinds::now();
        let chosen = all.iter().filter(|it| self.takes(it, &kinds));
        chosen.cloned().collect()
    }

    fn takes(&self, it: &Interface, kinds: &Kinds) -> bool {
        let is_in = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.takes(it));
        if is_in(&self.unwanted) {
            return false;
        }
        match self.wanted.is_empty() {
            true => !it.ip.is_loopback() && !kinds.is_virtual(&it.name),
            false => is_in(&self.wanted),
        }
    }

    /// The first of what was written that this host does not have, and the names that it has.
    ///
    /// What has a `*` in it may come later.
    pub(crate) fn missing(&self, all: &[Interface]) -> Option<(String, Vec<String>)> {
        let mut names = Kinds::now().names();
        names.extend(all.iter().map(|it| it.name.clone()));
        names.sort();
        names.dedup();
        let is_there = |pattern: &Pattern| match pattern {
            Pattern::Name(name) => name.contains('*') || names.contains(name),
            Pattern::Address(ip) => all.iter().any(|it| it.ip == *ip),
        };
        let mut patterns = self.wanted.iter().chain(&self.unwanted);
        let missing = patterns.find(|pattern| !is_there(pattern))?;
        let missing = match missing {
            Pattern::Name(name) => name.clone(),
            Pattern::Address(ip) => ip.to_string(),
        };
        Some((missing, names))
    }

    /// Whether no interface can ever be for multicast.
    pub(crate) fn is_none(&self) -> bool {
        let is_all = |pattern: &Pattern| *pattern == Pattern::Name("*".to_owned());
        self.unwanted.iter().any(is_all)
    }
}

impl Pattern {
    fn of(text: &str) -> Self {
        match text.parse() {
            Ok(ip) => Self::Address(ip),
            Err(_) => Self::Name(text.to_owned()),
        }
    }

    fn takes(&self, it: &Interface) -> bool {
        match self {
            Self::Name(pattern) => is_like(&it.name, pattern),
            Self::Address(ip) => it.ip == *ip,
        }
    }
}

/// Whether a name is as a pattern says, in which `*` stands for any characters.
fn is_like(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => name == pattern,
        Some((head, rest)) => name.strip_prefix(head).is_some_and(|left| {
            let mut starts = left.char_indices().map(|(at, _)| at).chain([left.len()]);
            starts.any(|at| is_like(&left[at..], rest))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Vec<Interface> {
        let all = [
            ("lo", "127.0.0.1"),
            ("eth0", "192.0.2.7"),
            ("eth0", "fe80::7"),
            ("wlan0", "198.51.100.7"),
            ("docker0", "172.17.0.1"),
        ];
        let interface = |(index, (name, ip)): (usize, (&str, &str))| Interface {
            name: name.to_owned(),
            index: u32::try_from(index).unwrap() + 1,
            ip: ip.parse().unwrap(),
        };
        all.into_iter().enumerate().map(interface).collect()
    }

    fn chosen(text: &str) -> Vec<String> {
        let choice = Choice::of([text]);
        let mut names: Vec<String> = choice.among(&host()).into_iter().map(|i| i.name).collect();
        names.dedup();
        names
    }

    #[test]
    fn names_globs_and_addresses_choose_and_exclude() {
        assert_eq!(chosen("eth0"), ["eth0"]);
        assert_eq!(chosen("eth0, wlan*"), ["eth0", "wlan0"]);
        assert_eq!(chosen("192.0.2.7"), ["eth0"]);
        assert_eq!(chosen("docker0,lo"), ["lo", "docker0"]);
        assert_eq!(chosen("*,!docker*,!lo"), ["eth0", "wlan0"]);
        assert!(chosen("!*").is_empty());
    }

    #[test]
    fn virtual_ones_and_loopback_are_left_out_unless_they_are_chosen() {
        let by_default = chosen("");
        assert!(!by_default.contains(&"docker0".to_owned()) && !by_default.contains(&"lo".into()));
        assert!(!chosen("!wlan0").contains(&"docker0".to_owned()));
    }

    #[test]
    fn a_name_that_is_not_there_is_told_with_those_that_are() {
        let missing = |text: &str| Choice::of([text]).missing(&host());
        for text in ["eth9", "eth0,eth9", "!eth9"] {
            let (name, there) = missing(text).unwrap();
            assert_eq!(name, "eth9");
            assert!(there.contains(&"eth0".to_owned()) && there.contains(&"docker0".to_owned()));
        }
        assert_eq!(missing("203.0.113.1").unwrap().0, "203.0.113.1");
        for text in ["", "eth0", "eth9*", "!tun*", "192.0.2.7"] {
            assert_eq!(missing(text), None, "{text}");
        }
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        assert!(
            is_like("wlan0", "wlan*") && is_like("wlan", "wlan*") && is_like("enp0s3", "en*s*")
        );
        assert!(
            !is_like("eth0", "wlan*") && !is_like("enp0", "en*s*") && !is_like("eth01", "eth0")
        );
    }
}
