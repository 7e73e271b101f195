//! Who may reach a peer, as it is set up. Who then gets in is decided with each connection.

use serde::Serialize;

use super::identity::Identity;

/// Who may reach a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Access {
    /// Programs on its own host.
    Host,
    /// Everybody on the network.
    Open,
    /// Those on the network that show that they have the group's key.
    Key,
    /// Those on the network that show a certificate of an authority of the group's.
    Certificates,
}

impl Access {
    /// A group that has a key, or certificates, needs not be opened, and is not.
    pub(crate) fn new(open: bool, identity: Option<&Identity>) -> Self {
        match identity {
            Some(identity) if identity.is_of_key() => Self::Key,
            Some(_) => Self::Certificates,
            None if open => Self::Open,
            None => Self::Host,
        }
    }

    /// Whether it is served beyond its own host.
    pub(crate) fn admits_network(self) -> bool {
        self != Self::Host
    }
}
