//! What a peer says of itself on a network, and what is heard of others: a random id, where that is, and its marks. Nothing else may get in, since
//! everybody hears it.

use std::net::IpAddr;

use mdns_sd::{ResolvedService, ServiceInfo};
use net_proto::InstanceId;

use crate::secure::mark::Seal;

/// What peers are announced as (RFC 6763).
pub(super) const SERVICE: &str = "_app-net._tcp.local.";
/// The version of what is announced, and what there is now.
const VERSION: &str = "v";
const NOW: &str = "1";
/// The marks by which those of its group know it.
const MARKS: &str = "g";
const BETWEEN: &str = ",";
/// So many of them: they fit into one text of 255 bytes. A key has one or two, certificates one for each authority.
const MARKS_MAX: usize = 12;

/// The announcement of a peer.
pub(super) fn of(
    id: InstanceId,
    marks: &str,
    addresses: &[IpAddr],
    port: u16,
) -> Result<ServiceInfo, mdns_sd::Error> {
    let host = format!("{id}.local.");
    let properties = [(VERSION, NOW), (MARKS, marks)];
    let name = id.to_string();
    let mut info = ServiceInfo::new(SERVICE, &name, &host, addresses, port, &properties[..])?;
    // No two have the same 128 random bits: there is nobody to ask first whether it is free.
    info.set_requires_probe(false);
    Ok(info)
}

/// What was heard of a peer, whoever said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) id: InstanceId,
    marks: String,
}

impl Heard {
    /// None if it is not an announcement of this version.
    pub(super) fn of(service: &ResolvedService) -> Option<Self> {
        let is_of_now = service.get_property_val_str(VERSION) == Some(NOW);
        let id = id(&service.fullname).filter(|_| is_of_now)?;
        let marks = service.get_property_val_str(MARKS)?.to_owned();
        Some(Self { id, marks })
    }

    /// Whether it says that it is of a group that has one of these seals.
    pub(super) fn is_of(&self, seals: &[Seal]) -> bool {
        let mut mine = seals.iter().map(|seal| seal.mark(self.id).to_string());
        mine.any(|mine| self.marks.split(BETWEEN).any(|mark| mark == mine))
    }
}

/// Whom a name in the service is of.
pub(super) fn id(name: &str) -> Option<InstanceId> {
    let instance = name.strip_suffix(SERVICE)?.strip_suffix('.')?;
    instance.parse().ok()
}

/// The marks of one that is of a group with these seals.
pub(super) fn marks(id: InstanceId, seals: &[Seal]) -> String {
    let marks = seals.iter().take(MARKS_MAX);
    let marks: Vec<String> = marks.map(|seal| seal.mark(id).to_string()).collect();
    marks.join(BETWEEN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secure::GroupKey;

    const ONE: InstanceId = InstanceId([0xa1; 16]);
    const TWO: InstanceId = InstanceId([0xb2; 16]);
    const GROUP: &str = "laboratory";

    fn seal(key: u8) -> Seal {
        Seal::of_key(&GroupKey::from_bytes([key; 32]), GROUP)
    }

    fn announced(id: InstanceId, seals: &[Seal]) -> ResolvedService {
        let addresses = ["192.0.2.7".parse().unwrap(), "fe80::7".parse().unwrap()];
        of(id, &marks(id, seals), &addresses, 3010)
            .unwrap()
            .as_resolved_service()
    }

    #[test]
    fn nothing_is_said_but_an_id_a_port_a_version_and_marks() {
        let service = announced(ONE, &[seal(7)]);
        let mark = seal(7).mark(ONE);
        assert_eq!(service.fullname, format!("{ONE}._app-net._tcp.local."));
        assert_eq!(service.host, format!("{ONE}.local."));
        assert_eq!(service.port, 3010);
        let said: Vec<String> = service
            .txt_properties
            .iter()
            .map(|property| format!("{}={}", property.key(), property.val_str()))
            .collect();
        assert_eq!(said, ["v=1".to_owned(), format!("g={mark}")]);
        let all = format!("{service:?}").to_lowercase();
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .to_lowercase();
        for name in [GROUP, &host] {
            assert!(!all.contains(name), "{name} in {all}");
        }
    }

    #[test]
    fn those_of_the_group_know_it_and_others_do_not() {
        let heard = Heard::of(&announced(ONE, &[seal(7)])).unwrap();
        assert_eq!(heard.id, ONE);
        assert!(heard.is_of(&[seal(7)]));
        assert!(!heard.is_of(&[seal(8)]));
        assert!(!heard.is_of(&[Seal::of_name(Some(GROUP))]));
        assert!(!heard.is_of(&[]));
        // Two of one group look as two of different ones do.
        let other = Heard::of(&announced(TWO, &[seal(7)])).unwrap();
        assert_ne!(heard.marks, other.marks);
        // What was heard of one says nothing for another.
        let stolen = Heard { id: TWO, ..heard };
        assert!(!stolen.is_of(&[seal(7)]));
    }

    #[test]
    fn during_a_rotation_those_with_either_key_know_each_other() {
        let of = |seals: &[Seal]| Heard::of(&announced(ONE, seals)).unwrap();
        let (old, new) = ([seal(7)], [seal(8)]);
        let both = [seal(8), seal(7)];
        assert!(of(&old).is_of(&both) && of(&both).is_of(&old));
        assert!(of(&new).is_of(&both) && of(&both).is_of(&new));
        assert!(!of(&old).is_of(&new));
    }

    #[test]
    fn many_authorities_fit() {
        let seals: Vec<Seal> = (0..40).map(seal).collect();
        let heard = Heard::of(&announced(ONE, &seals)).unwrap();
        assert!(heard.is_of(&seals) && heard.is_of(&seals[..1]));
    }

    #[test]
    fn what_is_no_announcement_of_a_peer_is_none() {
        for name in ["x._app-net._tcp.local.", "_app-net._tcp.local.", ""] {
            assert_eq!(id(name), None, "{name}");
        }
        assert_eq!(id(&format!("{ONE}._other._tcp.local.")), None);
    }
}
