//! The peer ids of 0.3, which say where a peer listens.
//!
//! What must not be in here: the ids of the native protocol.

use super::v03;

/// What stands between the address and the group.
const ARROW: &str = " -> ";

/// What 0.3 writes for a peer that is in no group.
const NO_GROUP: &str = "None";

/// A peer as 0.3 names it: base64 of `<host>:<port> -> <group>`.
///
/// # Examples
///
/// ```
/// use net_proto::original::PeerId03;
///
/// let id = PeerId03 { host: "127.0.1.1".to_owned(), port: 3010, group: None };
/// assert_eq!(id.encode(), "MTI3LjAuMS4xOjMwMTAgLT4gTm9uZQ==");
/// assert_eq!(PeerId03::decode("MTI3LjAuMS4xOjMwMTAgLT4gTm9uZQ=="), Ok(id));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PeerId03 {
    /// An address or a name.
    pub host: String,
    /// The port that it listens on.
    pub port: u16,
    /// Its group. A group that is called `None` arrives as no group.
    pub group: Option<String>,
}

/// Why a text is not a peer id of 0.3.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerIdError {
    /// It is not base64 of text.
    #[error("the peer id {id:?} is not base64 of text")]
    NotBase64 {
        /// As it was given.
        id: String,
    },
    /// The text does not read `<host>:<port> -> <group>`.
    #[error("the peer id reads {text:?} where \"<host>:<port> -> <group>\" is expected")]
    Form {
        /// What it reads.
        text: String,
    },
    /// The port is none.
    #[error("the peer id names the port {port}, and ports end at 65535")]
    Port {
        /// As it was written.
        port: String,
    },
}

impl PeerId03 {
    /// The id as 0.3 sends it.
    #[must_use]
    pub fn encode(&self) -> String {
        let group = self.group.as_deref().unwrap_or(NO_GROUP);
        let bytes = v03::seal(&format!("{}:{}{ARROW}{group}", self.host, self.port));
        String::from_utf8(bytes).expect("base64 is ASCII")
    }

    /// The peer behind an id. `b'…'` around it is taken off, as 0.3 on Python 3 puts it there when it subscribes.
    ///
    /// # Errors
    ///
    /// [`PeerIdError`] says what of it does not read as an id.
    pub fn decode(id: &str) -> Result<Self, PeerIdError> {
        let text = v03::unseal(v03::without_bytes_repr(id).as_bytes())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| PeerIdError::NotBase64 { id: id.to_owned() })?;
        // As far back as it goes, like the original's expression: a host with an arrow in it is found whole.
        let parts = text.rmatch_indices(ARROW).find_map(|(at, _)| {
            let (host, port) = text[..at].rsplit_once(':')?;
            let group = &text[at + ARROW.len()..];
            let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            (is_port && !host.is_empty() && !group.is_empty()).then_some((host, port, group))
        });
        let Some((host, port, group)) = parts else {
            return Err(PeerIdError::Form { text });
        };
        Ok(Self {
            host: host.to_owned(),
            port: port.parse().map_err(|_| PeerIdError::Port { port: port.to_owned() })?,
            group: (group != NO_GROUP).then(|| group.to_owned()),
        })
    }
}
