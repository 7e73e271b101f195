//! Whether an interface leads to a network that people have, or to one that a program has made on this host. Which are used is not decided here.

use std::fs;
use std::path::{Path, PathBuf};

/// How the names of interfaces begin that programs make: containers, virtual machines, tunnels, and what a system keeps for itself.
const MADE: [&str; 30] = [
    "anpi",
    "awdl",
    "bridge",
    "cali",
    "cilium",
    "cni",
    "docker",
    "dummy",
    "flannel",
    "gif",
    "ifb",
    "kube-",
    "llw",
    "lxc",
    "lxd",
    "podman",
    "ppp",
    "sit",
    "stf",
    "tailscale",
    "tap",
    "tun",
    "utun",
    "vboxnet",
    "veth",
    "virbr",
    "vmnet",
    "vnet",
    "weave",
    "wg",
];
/// ZeroTier's have its letters and a code.
const ZEROTIER: &str = "zt";
/// Docker's networks have twelve hexadecimal digits after this; a bridge that somebody made has another name.
const DOCKER_NETWORK: &str = "br-";
/// An interface stands on others, and those on others again: a bridge on a bond on two cards. No deeper than this.
const DEEPEST: usize = 4;

/// What the system says of interfaces, as it is now.
pub(crate) struct Kinds {
    directory: PathBuf,
    /// Whether all interfaces but loopback are made by programs, as in a container: then they are the network that there is.
    all_are_made: bool,
}

impl Kinds {
    pub(crate) fn now() -> Self {
        Self::of("/sys/class/net".into())
    }

    fn of(directory: PathBuf) -> Self {
        let has_card = |name: &String| is_on_card(&directory, name, 0);
        let all_are_made = !names(&directory).iter().any(has_card);
        Self {
            directory,
            all_are_made,
        }
    }

    /// The names of all interfaces, also of those that have no address. Empty where the system does not say.
    pub(crate) fn names(&self) -> Vec<String> {
        names(&self.directory)
    }

    /// Whether a program has made it, for itself or for others on this host.
    pub(crate) fn is_virtual(&self, name: &str) -> bool {
        if is_named_as_made(name) {
            return true;
        }
        let is_told_of = self.directory.join(name).exists();
        is_told_of && !self.all_are_made && !is_on_card(&self.directory, name, 0)
    }
}

fn is_named_as_made(name: &str) -> bool {
    let is_hex = |code: &str| code.len() == 12 && code.bytes().all(|b| b.is_ascii_hexdigit());
    MADE.iter().any(|made| name.starts_with(made))
        || (name.starts_with(ZEROTIER) && name.len() > ZEROTIER.len())
        || name.strip_prefix(DOCKER_NETWORK).is_some_and(is_hex)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        // A file among the links: which bonds there are.
        .filter(|name| name != "bonding_masters")
        .collect();
    names.sort();
    names
}

/// Whether it is a device, or stands on one: a bridge, a bond or a VLAN with a card below.
fn is_on_card(directory: &Path, name: &str, depth: usize) -> bool {
    let of_it = directory.join(name);
    if of_it.join("device").exists() {
        return true;
    }
    let below = names(&of_it);
    let mut below = below
        .iter()
        .filter_map(|entry| entry.strip_prefix("lower_"));
    depth < DEEPEST && below.any(|lower| is_on_card(directory, lower, depth + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory as the system has it, of names and what lies in each.
    fn system(interfaces: &[(&str, &[&str])]) -> (tempfile::TempDir, Kinds) {
        let place = tempfile::tempdir().unwrap();
        for (name, entries) in interfaces {
            fs::create_dir(place.path().join(name)).unwrap();
            for entry in *entries {
                fs::create_dir(place.path().join(name).join(entry)).unwrap();
            }
        }
        let kinds = Kinds::of(place.path().to_owned());
        (place, kinds)
    }

    #[test]
    fn what_programs_make_is_virtual_and_what_stands_on_a_card_is_not() {
        let (_place, kinds) = system(&[
            ("lo", &[]),
            ("eth0", &["device"]),
            ("wlp3s0", &["device"]),
            ("eth0.20", &["lower_eth0"]),
            ("bond0", &["lower_eth0"]),
            ("br0", &["lower_bond0", "lower_vnet3"]),
            ("br-lan", &["lower_eth0"]),
            ("br-0123456789ab", &["lower_veth12"]),
            ("isolated0", &["lower_vnet3"]),
            ("vnet3", &[]),
            ("docker0", &["lower_veth12"]),
            ("veth12", &[]),
            ("flannel.1", &["lower_eth0"]),
            ("proton0", &[]),
        ]);
        let real = ["eth0", "wlp3s0", "eth0.20", "bond0", "br0", "br-lan"];
        for name in kinds.names() {
            let expected = !real.contains(&name.as_str());
            assert_eq!(kinds.is_virtual(&name), expected, "{name}");
        }
    }

    #[test]
    fn in_a_container_its_interface_is_the_network() {
        let (_place, kinds) = system(&[("lo", &[]), ("eth0", &[]), ("docker0", &[])]);
        assert!(!kinds.is_virtual("eth0"));
        assert!(kinds.is_virtual("docker0"));
    }

    #[test]
    fn where_the_system_does_not_say_the_name_does() {
        let kinds = Kinds::of("/nowhere".into());
        for made in [
            "docker0",
            "br-0123456789ab",
            "veth1a2b3c",
            "virbr0",
            "tun0",
            "tap1",
            "wg0",
            "ztabcdef",
            "lxcbr0",
            "cni0",
            "flannel.1",
            "cali1234",
            "vmnet8",
            "utun3",
            "awdl0",
        ] {
            assert!(kinds.is_virtual(made), "{made}");
        }
        for real in ["eth0", "en0", "enp0s31f6", "wlan0", "br0", "zt"] {
            assert!(!kinds.is_virtual(real), "{real}");
        }
    }
}
