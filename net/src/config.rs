//! How a peer is set up: by its builder, and by the environment where the builder is silent. Nothing here acts on it.
//!
//! The environment is read here alone, by the thread that makes the builder. Whatever reads it later, on a thread of ours, could meet a
//! program that changes it, and the system's `getenv` does not survive that.

use std::env;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use net_proto::Limits;

use crate::error::StartError;
use crate::find::Finder;
use crate::find::listed::entry::{FORMS, Listed};
use crate::interfaces::Choice;
use crate::secure::certificates::CertificateFiles;

/// The first port that a peer tries, as in the original (`NET_PORT`).
pub const DEFAULT_PORT: u16 = 3010;
/// How many ports after the first it tries, as in the original (`NET_PORT_RANGE`).
pub const DEFAULT_PORT_RANGE: u16 = 5;
/// How many hosts are asked at once where neighbours are, as in the original (`NET_THREAD_LIMIT`).
pub(crate) const DEFAULT_THREAD_LIMIT: u16 = 5;

/// All that can be set of a peer.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) group: Option<String>,
    /// What the key of the group comes of, where it is not the user's store that has it (`NET_SECRET`).
    pub(crate) secret: Option<String>,
    /// The peer's own certificates, where the group's are not of a key (`NET_TLS_CERT`, `NET_TLS_KEY`, `NET_TLS_CA`).
    pub(crate) certificates: Option<CertificateFiles>,
    /// The addresses to listen at; none: as the group allows.
    pub(crate) bind: Vec<IpAddr>,
    /// The interfaces that are for multicast (`NET_INTERFACES`).
    pub(crate) interfaces: Choice,
    /// Whether a group without a key is served to the network (`NET_OPEN`).
    pub(crate) open: bool,
    pub(crate) hub: bool,
    pub(crate) name: Option<String>,
    /// 0: one that the system gives.
    pub(crate) port: u16,
    pub(crate) port_range: u16,
    pub(crate) runtime_dir: Option<PathBuf>,
    /// The directory of the user's session.
    pub(crate) session_dir: Option<PathBuf>,
    /// The user's directory of configurations.
    pub(crate) config_dir: Option<PathBuf>,
    /// The user's directory of what programs remember.
    pub(crate) state_dir: Option<PathBuf>,
    /// Where passing files go.
    pub(crate) temp_dir: PathBuf,
    /// The user's name, as the session has it.
    pub(crate) user: Option<String>,
    pub(crate) listen: bool,
    pub(crate) discover: bool,
    /// Where peers are, as far as it is told (`NET_PEERS`).
    pub(crate) peers: Vec<Listed>,
    /// How many hosts are asked at once, where neighbours are (`NET_THREAD_LIMIT`).
    pub(crate) thread_limit: u16,
    /// Further ways to find peers.
    pub(crate) finders: Vec<Arc<dyn Finder>>,
    pub(crate) transient: bool,
    pub(crate) limits: Limits,
}

impl Config {
    /// What the environment says, by the names that the original reads.
    pub(crate) fn from_env() -> Result<Self, StartError> {
        Self::from_lookup(lookup)
    }

    fn from_lookup(get: impl Fn(&'static str) -> Option<String>) -> Result<Self, StartError> {
        let number = |name, default| match get(name) {
            None => Ok(default),
            Some(value) => value
                .trim()
                .parse::<u16>()
                .map_err(|_| StartError::Setting {
                    name,
                    value,
                    why: "it takes a whole number from 0 to 65535",
                }),
        };
        Ok(Self {
            // The original writes a missing group as the text "None", in its environment and on the wire.
            group: get("NET_GROUP").filter(|group| group != "None"),
            secret: get("NET_SECRET"),
            certificates: certificates(&get)?,
            bind: addresses(get("NET_BIND"))?,
            interfaces: Choice::of(get("NET_INTERFACES")),
            open: get("NET_OPEN").is_some_and(|value| value != "0"),
            hub: get("NET_IS_HUB").is_some(),
            name: None,
            port: number("NET_PORT", DEFAULT_PORT)?,
            port_range: number("NET_PORT_RANGE", DEFAULT_PORT_RANGE)?,
            runtime_dir: get("NET_RUNTIME_DIR").map(PathBuf::from),
            session_dir: get("XDG_RUNTIME_DIR").map(PathBuf::from),
            config_dir: config_dir(&get),
            state_dir: user_dir(&get, "XDG_STATE_HOME", ".local/state"),
            temp_dir: env::temp_dir(),
            user: get("USER").or_else(|| get("LOGNAME")),
            listen: true,
            discover: true,
            peers: match get("NET_PEERS") {
                Some(value) => peers(value.split(','))?,
                None => Vec::new(),
            },
            thread_limit: number("NET_THREAD_LIMIT", DEFAULT_THREAD_LIMIT)?,
            finders: Vec::new(),
            transient: false,
            limits: Limits::default(),
        })
    }

    /// The ports to try, in order.
    pub(crate) fn ports(&self) -> impl Iterator<Item = u16> + use<> {
        let first = self.port;
        let last = if first == 0 {
            0
        } else {
            first.saturating_add(self.port_range)
        };
        (first..=last).filter(|port| *port != 0)
    }

    /// The ports at which peers on other hosts are, where it is not said: those that it would take itself, or where its own is one that the
    /// system gives, those that others take unless they are told otherwise.
    pub(crate) fn ports_of_others(&self) -> Vec<u16> {
        match self.port {
            0 => (DEFAULT_PORT..=DEFAULT_PORT + DEFAULT_PORT_RANGE).collect(),
            _ => self.ports().collect(),
        }
    }

    /// Whether it is to be reached on this host alone, and so needs nobody elsewhere but whom it is told of.
    pub(crate) fn stays_on_host(&self) -> bool {
        !self.bind.is_empty() && self.bind.iter().all(IpAddr::is_loopback)
    }
}

/// Three files or none: with one of them missing, a peer would be without what it was meant to show.
fn certificates(
    get: &impl Fn(&'static str) -> Option<String>,
) -> Result<Option<CertificateFiles>, StartError> {
    let settings = ["NET_TLS_CERT", "NET_TLS_KEY", "NET_TLS_CA"].map(|name| (name, get(name)));
    let one = settings
        .iter()
        .find_map(|(name, value)| Some((*name, value.clone()?)));
    match (settings.map(|(_, value)| value.map(PathBuf::from)), one) {
        ([Some(chain), Some(key), Some(authorities)], _) => Ok(Some(CertificateFiles {
            chain,
            key,
            authorities,
        })),
        (_, Some((name, value))) => Err(StartError::Setting {
            name,
            value,
            why: "NET_TLS_CERT, NET_TLS_KEY and NET_TLS_CA go together: the peer's certificate, its private key, and the authorities whose peers are of its group",
        }),
        (_, None) => Ok(None),
    }
}

fn addresses(setting: Option<String>) -> Result<Vec<IpAddr>, StartError> {
    let Some(value) = setting else {
        return Ok(Vec::new());
    };
    let addresses = value.split(',').map(|address| address.trim().parse());
    let addresses: Result<_, _> = addresses.collect();
    addresses.map_err(|_| StartError::Setting {
        name: "NET_BIND",
        value,
        why: "it takes IP addresses of this host, with commas between them",
    })
}

/// A list of peers, each entry once. Empty ones, as after a last comma, are none.
pub(crate) fn peers(
    entries: impl IntoIterator<Item = impl AsRef<str>>,
) -> Result<Vec<Listed>, StartError> {
    let mut peers = Vec::new();
    for entry in entries {
        let entry = entry.as_ref().trim();
        if entry.is_empty() {
            continue;
        }
        let listed = entry.parse().map_err(|()| StartError::Setting {
            name: "NET_PEERS",
            value: entry.to_owned(),
            why: FORMS,
        })?;
        if !peers.contains(&listed) {
            peers.push(listed);
        }
    }
    Ok(peers)
}

/// The user's directory of configurations, as the environment says it.
pub(crate) fn user_config_dir() -> Option<PathBuf> {
    config_dir(lookup)
}

fn config_dir(get: impl Fn(&'static str) -> Option<String>) -> Option<PathBuf> {
    user_dir(get, "XDG_CONFIG_HOME", ".config")
}

/// A path that is not from the root on counts for nothing, as the XDG specification says.
fn user_dir(
    get: impl Fn(&'static str) -> Option<String>,
    name: &'static str,
    in_home: &str,
) -> Option<PathBuf> {
    let path = |name| {
        get(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    path(name).or_else(|| Some(path("HOME")?.join(in_home)))
}

fn lookup(name: &'static str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(settings: &'static [(&'static str, &'static str)]) -> Result<Config, StartError> {
        Config::from_lookup(|name| {
            settings
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        })
    }

    #[test]
    fn defaults_are_the_originals() {
        let config = with(&[]).unwrap();
        assert_eq!(
            config.ports().collect::<Vec<_>>(),
            [3010, 3011, 3012, 3013, 3014, 3015]
        );
        assert_eq!((config.group, config.hub), (None, false));
    }

    #[test]
    fn a_bad_number_names_the_setting() {
        let error = with(&[("NET_PORT", "many")]).unwrap_err().to_string();
        assert!(
            error.contains("NET_PORT=\"many\"") && error.contains("0 to 65535"),
            "{error}"
        );
    }

    #[test]
    fn certificates_are_three_files_or_none() {
        let all = [
            ("NET_TLS_CERT", "peer.pem"),
            ("NET_TLS_KEY", "peer.key"),
            ("NET_TLS_CA", "ca.pem"),
        ];
        for one in &all {
            let get = |name| (name == one.0).then(|| one.1.to_owned());
            let error = Config::from_lookup(get).unwrap_err().to_string();
            assert!(error.starts_with(one.0), "{error}");
        }
        let get = |name| {
            all.iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| (*v).to_owned())
        };
        let files = Config::from_lookup(get).unwrap().certificates.unwrap();
        assert_eq!(files.authorities, PathBuf::from("ca.pem"));
        assert_eq!(with(&[]).unwrap().certificates, None);
    }

    #[test]
    fn a_list_of_peers_is_read_and_a_bad_entry_is_named() {
        let peers = |value: &'static str| {
            Config::from_lookup(move |name| (name == "NET_PEERS").then(|| value.to_owned()))
        };
        let listed = peers("desk, dns:lab.example.org:4000,,desk,")
            .unwrap()
            .peers;
        assert_eq!(
            listed.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["desk", "dns:lab.example.org:4000"]
        );
        let error = peers("desk,desk:many").unwrap_err().to_string();
        assert!(
            error.starts_with("NET_PEERS=\"desk:many\"") && error.contains("host:port"),
            "{error}"
        );
    }

    #[test]
    fn the_group_none_is_no_group() {
        assert_eq!(with(&[("NET_GROUP", "None")]).unwrap().group, None);
        assert_eq!(
            with(&[("NET_GROUP", "app")]).unwrap().group.as_deref(),
            Some("app")
        );
    }

    #[test]
    fn the_configuration_is_where_xdg_has_it() {
        let dir = |settings| with(settings).unwrap().config_dir;
        assert_eq!(
            dir(&[("XDG_CONFIG_HOME", "/c"), ("HOME", "/home/me")]),
            Some("/c".into())
        );
        assert_eq!(
            dir(&[("XDG_CONFIG_HOME", "c"), ("HOME", "/home/me")]),
            Some("/home/me/.config".into())
        );
        assert_eq!(dir(&[("HOME", "me")]), None);
    }

    #[test]
    fn what_is_remembered_is_where_xdg_has_it() {
        let dir = |settings| with(settings).unwrap().state_dir;
        let both = &[("XDG_STATE_HOME", "/s"), ("HOME", "/home/me")];
        assert_eq!(dir(both), Some("/s".into()));
        let home = &[("HOME", "/home/me")];
        assert_eq!(dir(home), Some("/home/me/.local/state".into()));
        assert_eq!(dir(&[]), None);
    }

    #[test]
    fn port_zero_is_one_that_the_system_gives() {
        let config = with(&[("NET_PORT", "0")]).unwrap();
        assert_eq!(config.ports().count(), 0);
        assert_eq!(
            config.ports_of_others(),
            with(&[]).unwrap().ports_of_others()
        );
    }
    #[test]
    fn the_last_port_ends_the_range() {
        let config = with(&[("NET_PORT", "65534"), ("NET_PORT_RANGE", "65535")]).unwrap();
        assert_eq!(config.ports().collect::<Vec<_>>(), [65534, 65535]);
    }
}
