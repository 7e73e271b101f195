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
            port: port.parse().map_err(|_| PeerIdError::Port {
                port: port.to_owned(),
            })?,
            group: (group != NO_GROUP).then(|| group.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(host: &str, port: u16, group: Option<&str>) -> PeerId03 {
        PeerId03 {
            host: host.to_owned(),
            port,
            group: group.map(str::to_owned),
        }
    }

    #[test]
    fn as_python_writes_them() {
        for (peer, text) in [
            (
                id("192.168.1.20", 3011, Some("render")),
                "MTkyLjE2OC4xLjIwOjMwMTEgLT4gcmVuZGVy",
            ),
            (
                id("127.0.1.1", 3010, None),
                "MTI3LjAuMS4xOjMwMTAgLT4gTm9uZQ==",
            ),
            (id("::1", 3010, Some("a -> b")), "OjoxOjMwMTAgLT4gYSAtPiBi"),
        ] {
            assert_eq!(peer.encode(), text);
            assert_eq!(PeerId03::decode(text).as_ref(), Ok(&peer));
            assert_eq!(
                PeerId03::decode(&format!("b'{text}'")),
                Ok(peer),
                "str() of the bytes"
            );
        }
    }

    #[test]
    fn others_are_refused() {
        let decode = |text: &str| {
            PeerId03::decode(&String::from_utf8(v03::seal(text)).expect("base64 is ASCII"))
        };
        for text in [
            "",
            "host",
            "host:3010",
            "host -> group",
            ":3010 -> a",
            "host: -> a",
            "host:3010 -> ",
            "h:+1 -> a",
        ] {
            assert_eq!(
                decode(text),
                Err(PeerIdError::Form {
                    text: text.to_owned()
                })
            );
        }
        assert_eq!(
            decode("host:65536 -> a"),
            Err(PeerIdError::Port {
                port: "65536".to_owned()
            })
        );
        for text in ["127.0.0.1:3010", "MTI3", "//79"] {
            assert!(PeerId03::decode(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_survives(host in "[a-z0-9.:-]{1,20}", port in any::<u16>(), group in proptest::option::of("[ -~é]{1,12}")) {
            prop_assume!(group.as_deref() != Some(NO_GROUP));
            let peer = PeerId03 { host, port, group };
            prop_assert_eq!(PeerId03::decode(&peer.encode()), Ok(peer));
        }

        #[test]
        fn decoding_never_panics(text in any::<String>(), inner in r"[0-9:a -->]{0,20}") {
            let _ = PeerId03::decode(&text);
            let _ = PeerId03::decode(&String::from_utf8_lossy(&v03::seal(&inner)));
        }
    }
}
