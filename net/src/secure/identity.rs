//! A peer's side of TLS in its group: what it shows, whom it takes, and what a handshake that failed means. Where the certificates come
//! from is not known here: of the group's key ([`authority`](super::authority)), or of files ([`certificates`](super::certificates)).

use std::sync::Arc;
use std::time::SystemTime;

use net_proto::Side;

use super::authority::{Authority, AuthorityError};
use super::certificates::{CertificateError, CertificateFiles, Certificates};
use super::mark::Seal;
use super::sides::{OtherKey, Sides};
use super::store::Keys;

/// A peer's side of TLS in its group.
pub(crate) struct Identity {
    group: Arc<str>,
    proof: Proof,
}

/// Why a handshake failed, in words for people.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Refusal {
    pub(crate) why: Why,
    text: String,
}

/// Why a handshake failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The other side is of another group, as far as can be told.
    OtherGroup,
    /// It is of a group of the same name, with another key.
    OtherKey,
    /// It does not take this side's certificate.
    Distrusted,
    NoCertificate,
    NoTls,
    /// The other side's certificate has expired, by the clock of this host.
    Expired,
    NotValidYet,
    /// This side's has, by the clock of the other.
    OwnExpired,
    Purpose,
    Busy,
    Other,
}

impl Why {
    fn of(error: &rustls::Error) -> Self {
        use rustls::{AlertDescription as Alert, CertificateError as Bad, Error};
        match error {
            Error::InvalidCertificate(bad) => match bad {
                Bad::UnknownIssuer | Bad::BadSignature | Bad::UnhandledCriticalExtension => {
                    Self::OtherGroup
                }
                Bad::Other(other) if other.0.is::<OtherKey>() => Self::OtherKey,
                Bad::Expired | Bad::ExpiredContext { .. } => Self::Expired,
                Bad::NotValidYet | Bad::NotValidYetContext { .. } => Self::NotValidYet,
                Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. } => Self::Purpose,
                _ => Self::Other,
            },
            Error::AlertReceived(alert) => match alert {
                Alert::UnknownCA | Alert::DecryptError | Alert::CertificateUnknown => {
                    Self::Distrusted
                }
                Alert::CertificateExpired => Self::OwnExpired,
                Alert::InternalError => Self::Busy,
                Alert::AccessDenied => Self::NoTls,
                _ => Self::Other,
            },
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::InvalidMessage(_) => Self::NoTls,
            _ => Self::Other,
        }
    }
}

/// What the peer shows that it is of its group.
enum Proof {
    /// That it has the group's key.
    Key {
        now: Sides,
        seal: Seal,
        /// While the key before is accepted too, and until when.
        rotating: Option<Rotating>,
    },
    /// A certificate of its own. Whoever has one of the same authorities is of the group.
    Own(Certificates),
}

/// As long as two keys are accepted.
struct Rotating {
    sides: Sides,
    /// That of the key before.
    seal: Seal,
    until: SystemTime,
}

impl Identity {
    /// Makes this peer's certificate of the group's key. While the key before is accepted, peers that have only that one are met too.
    ///
    /// # Errors
    ///
    /// The system has no randomness.
    pub(crate) fn of_key(keys: &Keys) -> Result<Self, AuthorityError> {
        let group = keys.group.as_str();
        let authority = Authority::new(group, &keys.current)?;
        let rotating = match &keys.previous {
            Some((key, until)) => {
                let previous = Authority::new(group, key)?;
                Some(Rotating {
                    sides: authority.sides(Some(&previous))?,
                    seal: Seal::of_key(key, group),
                    until: *until,
                })
            }
            None => None,
        };
        let now = authority.sides(None)?;
        Ok(Self {
            group: group.into(),
            proof: Proof::Key {
                now,
                seal: Seal::of_key(&keys.current, group),
                rotating,
            },
        })
    }

    /// Takes the certificate that the peer was given.
    ///
    /// # Errors
    ///
    /// Says which file is not usable, and why.
    pub(crate) fn of_files(
        group: &str,
        files: &CertificateFiles,
    ) -> Result<Self, CertificateError> {
        Ok(Self {
            group: group.into(),
            proof: Proof::Own(Certificates::load(files)?),
        })
    }

    /// The group that the other side of a finished handshake is of.
    pub(crate) fn group(&self) -> &Arc<str> {
        &self.group
    }

    /// Whether it is the group's key that is shown, and not a certificate of the peer's own.
    pub(crate) fn is_of_key(&self) -> bool {
        matches!(self.proof, Proof::Key { .. })
    }

    /// One side of a handshake that is to begin.
    pub(crate) fn connection(&self, side: Side) -> Result<rustls::Connection, rustls::Error> {
        match &self.proof {
            Proof::Key {
                rotating: Some(rotating),
                ..
            } if rotating.is_on() => rotating.sides.connection(side),
            Proof::Key { now, .. } => now.connection(side),
            Proof::Own(certificates) => certificates.sides().connection(side),
        }
    }

    /// Those by which it is known to be of the group, and knows others, as they are now: of its key, and of the one before while that is
    /// accepted; or of the authorities that it trusts.
    pub(crate) fn seals(&self) -> Vec<Seal> {
        match &self.proof {
            Proof::Key { seal, rotating, .. } => {
                let rotating = rotating.iter().filter(|rotating| rotating.is_on());
                let previous = rotating.map(|rotating| rotating.seal.clone());
                std::iter::once(seal.clone()).chain(previous).collect()
            }
            Proof::Own(certificates) => {
                let sides = certificates.sides();
                let keys = sides.authority_keys().into_iter();
                keys.map(Seal::of_authority).collect()
            }
        }
    }

    /// What a failed handshake means.
    pub(crate) fn explain(&self, error: &rustls::Error) -> Refusal {
        let why = Why::of(error);
        let group = &self.group;
        let text = match why {
            Why::OtherGroup => self.untrusted(),
            Why::Distrusted => self.distrusted(),
            Why::OtherKey => format!(
                "it is of a group {group:?} too, and has another key: compare `app-net group show {group}` on both, and give one of them the other's (`app-net join --replace`)"
            ),
            Why::NoCertificate => format!("it shows no certificate: it has no {}", self.needed()),
            Why::NoTls => format!("it speaks no TLS: it has no {}", self.needed()),
            Why::Expired => "its certificate has expired".to_owned(),
            Why::NotValidYet => {
                "its certificate is not valid yet: compare the clocks of both hosts".to_owned()
            }
            Why::OwnExpired => {
                "this peer's own certificate has expired, or by the other's clock is not valid yet: renew it, or compare the clocks of both hosts"
                    .to_owned()
            }
            Why::Purpose => {
                "its certificate is not for this use: it takes serverAuth and clientAuth, or no extended key usage at all"
                    .to_owned()
            }
            Why::Busy => {
                "it is busy: as many connections are open as it takes (max_connections), or it has failed"
                    .to_owned()
            }
            Why::Other => format!("TLS failed: {error}"),
        };
        Refusal { why, text }
    }

    /// What the other side should have to be of the group.
    fn needed(&self) -> String {
        let group = &self.group;
        match self.proof {
            Proof::Key { .. } => format!("key of group {group:?} (`app-net join` gives it one)"),
            Proof::Own(_) => {
                format!("certificate for group {group:?} (NET_TLS_CERT gives it one)")
            }
        }
    }

    /// The other side's certificate is none of the group's.
    fn untrusted(&self) -> String {
        let group = &self.group;
        match &self.proof {
            Proof::Key { .. } => format!(
                "its certificate is not of the key of group {group:?}: it is of another group (`app-net group list` there tells of which)"
            ),
            Proof::Own(certificates) => format!(
                "its certificate is of no authority that is trusted here (NET_TLS_CA={:?})",
                certificates.files().authorities
            ),
        }
    }

    /// This side's certificate is none of the other's group.
    fn distrusted(&self) -> String {
        let group = &self.group;
        match &self.proof {
            Proof::Key { .. } => format!(
                "it does not take this peer's certificate: it is of another group than {group:?}, or has another key (compare `app-net group show {group}` on both)"
            ),
            Proof::Own(certificates) => format!(
                "it does not trust the authority of this peer's certificate (NET_TLS_CERT={:?})",
                certificates.files().chain
            ),
        }
    }
}

impl Rotating {
    fn is_on(&self) -> bool {
        SystemTime::now() < self.until
    }
}

/// Neither a key nor a certificate shows anything of itself.
impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({})", self.group)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::secure::key::{GroupKey, KEY_SIZE};

    const KEY: [u8; KEY_SIZE] = [7; KEY_SIZE];
    const OTHER: [u8; KEY_SIZE] = [8; KEY_SIZE];

    fn identity(group: &str, key: &[u8; KEY_SIZE]) -> Identity {
        Identity::of_key(&Keys::new(group, GroupKey::from_bytes(*key))).unwrap()
    }

    fn rotated(current: &[u8; KEY_SIZE], previous: &[u8; KEY_SIZE], left: i64) -> Identity {
        let now = SystemTime::now();
        let until = match u64::try_from(left) {
            Ok(left) => now + Duration::from_secs(left),
            Err(_) => now - Duration::from_secs(left.unsigned_abs()),
        };
        let mut keys = Keys::new("lab", GroupKey::from_bytes(*current));
        keys.previous = Some((GroupKey::from_bytes(*previous), until));
        Identity::of_key(&keys).unwrap()
    }

    /// Shakes hands in memory; what each side makes of it.
    fn meet(dials: &Identity, is_reached: &Identity) -> (Result<(), String>, Result<(), String>) {
        let mut a = dials.connection(Side::Dialer).unwrap();
        let mut b = is_reached.connection(Side::Acceptor).unwrap();
        let (mut of_a, mut of_b) = (Ok(()), Ok(()));
        for _ in 0..6 {
            let a_is_well = of_a.is_ok();
            let b_is_well = of_b.is_ok();
            carry(&mut a, &mut b, &mut of_b, b_is_well, is_reached);
            carry(&mut b, &mut a, &mut of_a, a_is_well, dials);
        }
        if of_a.is_ok() && of_b.is_ok() {
            assert!(!a.is_handshaking() && !b.is_handshaking());
        }
        (of_a, of_b)
    }

    fn carry(
        from: &mut rustls::Connection,
        to: &mut rustls::Connection,
        outcome: &mut Result<(), String>,
        is_well: bool,
        reader: &Identity,
    ) {
        let mut wire = Vec::new();
        while from.wants_write() {
            from.write_tls(&mut wire).unwrap();
        }
        let mut wire = &wire[..];
        while is_well && outcome.is_ok() && !wire.is_empty() {
            to.read_tls(&mut wire).unwrap();
            if let Err(error) = to.process_new_packets() {
                *outcome = Err(reader.explain(&error).to_string());
            }
        }
    }

    #[test]
    fn those_of_one_key_meet() {
        assert_eq!(
            meet(&identity("lab", &KEY), &identity("lab", &KEY)),
            (Ok(()), Ok(()))
        );
    }

    #[test]
    fn another_key_or_another_name_is_another_group() {
        let lab = identity("lab", &KEY);
        for (other, why) in [
            (identity("lab", &OTHER), "has another key"),
            (identity("test", &KEY), "it is of another group"),
            (identity("test", &OTHER), "it is of another group"),
        ] {
            for (dials, is_reached) in [(&lab, &other), (&other, &lab)] {
                let (dialled, accepted) = meet(dials, is_reached);
                let error = dialled.unwrap_err();
                assert!(error.contains(why), "{error}");
                let error = accepted.unwrap_err();
                assert!(error.contains("does not take this peer's"), "{error}");
            }
        }
    }

    #[test]
    fn during_a_rotation_both_keys_are_taken_whoever_dials() {
        let old = identity("lab", &KEY);
        let new = identity("lab", &OTHER);
        let both = rotated(&OTHER, &KEY, 60);
        for other in [&old, &new, &both] {
            assert_eq!(meet(&both, other), (Ok(()), Ok(())));
            assert_eq!(meet(other, &both), (Ok(()), Ok(())));
        }
        assert!(meet(&old, &new).0.is_err());
    }

    #[test]
    fn after_it_the_old_one_is_not() {
        let old = identity("lab", &KEY);
        let over = rotated(&OTHER, &KEY, -1);
        assert!(meet(&over, &old).0.is_err());
        assert!(meet(&old, &over).0.is_err());
        assert_eq!(meet(&over, &identity("lab", &OTHER)), (Ok(()), Ok(())));
    }

    #[test]
    fn a_key_shows_nothing_of_itself() {
        assert_eq!(format!("{:?}", identity("lab", &KEY)), "Identity(lab)");
    }

    #[test]
    fn while_two_keys_are_accepted_it_is_known_by_both() {
        let id = net_proto::InstanceId([1; 16]);
        let marks = |identity: &Identity| -> Vec<String> {
            let seals = identity.seals().into_iter();
            seals.map(|seal| seal.mark(id).to_string()).collect()
        };
        let (old, new) = (identity("lab", &KEY), identity("lab", &OTHER));
        let both = [marks(&new), marks(&old)].concat();
        assert_eq!(marks(&rotated(&OTHER, &KEY, 60)), both);
        assert_eq!(marks(&rotated(&OTHER, &KEY, -1)), marks(&new));
    }

    #[test]
    fn authorities_are_in_one_order_wherever_they_are_read() {
        let authority = |key| Authority::new("lab", &GroupKey::from_bytes(key)).unwrap();
        let (one, two) = (authority(KEY), authority(OTHER));
        let (here, there) = (
            one.sides(Some(&two)).unwrap(),
            two.sides(Some(&one)).unwrap(),
        );
        assert_eq!(here.authority_keys(), there.authority_keys());
        assert_eq!(here.authority_keys().len(), 2);
    }
}
