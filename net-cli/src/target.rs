//! Which peer is meant: by what was written on the command line, or by the function that it has.

use std::str::FromStr;

use net::{CallError, Peer, Remote, Which};
use tokio::task::JoinSet;

use crate::failure::{Failure, Status};
use crate::function::{Functions, functions};
use crate::{listing, looking};

/// How many near names an error shows.
pub(crate) const NEAR: usize = 3;

/// A peer as written on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// `host:port` or `unix:/path`: is dialled as it stands.
    Address(String),
    /// A name, an id or the beginning of one: is looked up among the peers that are there.
    Listed(String),
}

impl FromStr for Target {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_address = text.starts_with("unix:")
            || text.rsplit_once(':').is_some_and(|(host, port)| {
                // A peer calls itself `user@host:pid`, which is no address.
                !host.is_empty() && !host.contains('@') && port.parse::<u16>().is_ok()
            });
        Ok(match is_address {
            true => Self::Address(text.to_owned()),
            false => Self::Listed(text.to_owned()),
        })
    }
}

impl Target {
    /// Whether one has to look around to find it.
    pub(crate) fn is_listed(&self) -> bool {
        matches!(self, Self::Listed(_))
    }

    /// The peer that is meant.
    pub(crate) async fn find(&self, me: &Peer) -> Result<Remote, Failure> {
        let text = match self {
            Self::Address(address) => {
                return me
                    .remote(address)
                    .map_err(|error| Failure::of_call(error, address));
            }
            Self::Listed(text) => text,
        };
        let mut found = matching(me.peers_where(&Which::new().any_group()).await, text);
        if found.is_empty() {
            found = matching(looking::refreshed(me).await, text);
        }
        match found.as_slice() {
            [only] => Ok(only.clone()),
            [] => {
                let failure = Failure::new(Status::NotCalled, format!("there is no peer {text}"));
                Err(failure
                    .hint("`app-net peers` lists the peers that are there; a peer elsewhere is named by its host:port"))
            }
            several => Err(Failure::new(
                Status::NotCalled,
                format!("{text} can be any of several peers"),
            )
            .detail(listing::choices(several))
            .hint("name one by its id")),
        }
    }
}

/// The peers of this name; if none has it, those whose id begins so.
fn matching(peers: Vec<Remote>, text: &str) -> Vec<Remote> {
    let (named, others): (Vec<_>, Vec<_>) = peers
        .into_iter()
        .partition(|peer| peer.name().as_deref() == Some(text));
    if !named.is_empty() {
        return named;
    }
    let prefix = text.to_ascii_lowercase();
    let has_prefix = |peer: &Remote| {
        !prefix.is_empty()
            && peer
                .id()
                .is_some_and(|id| id.to_string().starts_with(&prefix))
    };
    others.into_iter().filter(has_prefix).collect()
}

/// The peer that is meant when none was written: the only one there is.
pub(crate) async fn only(me: &Peer) -> Result<Remote, Failure> {
    let peers = some_peers(me).await?;
    match peers.as_slice() {
        [only] => Ok(only.clone()),
        several => Err(Failure::new(Status::NotCalled, "there are several peers")
            .detail(listing::choices(several))
            .hint("name one by its id")),
    }
}

/// The peer that is meant when only a function was written: the only one that has it.
pub(crate) async fn with_function(me: &Peer, tag: &str) -> Result<Remote, Failure> {
    let mut offers = offers_of(some_peers(me).await?).await;
    if !offers.iter().any(|offer| offer.has(tag)) {
        offers = offers_of(looking::refreshed(me).await).await;
    }
    let having: Vec<Remote> = offers
        .iter()
        .filter(|offer| offer.has(tag))
        .map(|offer| offer.remote.clone())
        .collect();
    match having.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(nobody_has(tag, &offers)),
        several => Err(Failure::new(
            Status::NotCalled,
            format!("several peers have the function {tag}"),
        )
        .detail(listing::choices(several))
        .hint("name one with --peer")),
    }
}

async fn some_peers(me: &Peer) -> Result<Vec<Remote>, Failure> {
    let mut peers = me.peers_where(&Which::new().any_group()).await;
    if peers.is_empty() {
        peers = looking::refreshed(me).await;
    }
    if peers.is_empty() {
        return Err(Failure::new(Status::NotCalled, "no peers found").hint(
            "start a program of yours that uses app-net, or name a peer elsewhere by its host:port",
        ));
    }
    Ok(peers)
}

/// What one peer offers, if it said so.
struct Offer {
    remote: Remote,
    functions: Result<Functions, CallError>,
}

impl Offer {
    fn has(&self, tag: &str) -> bool {
        self.functions
            .as_ref()
            .is_ok_and(|functions| functions.contains_key(tag))
    }
}

/// Asks all at once; the answers come in the order of `peers`.
async fn offers_of(peers: Vec<Remote>) -> Vec<Offer> {
    let mut asking = JoinSet::new();
    for (place, remote) in peers.into_iter().enumerate() {
        asking.spawn(async move {
            let functions = functions(&remote).await;
            (place, Offer { remote, functions })
        });
    }
    let mut answers = asking.join_all().await;
    answers.sort_by_key(|(place, _)| *place);
    answers.into_iter().map(|(_, offer)| offer).collect()
}

fn nobody_has(tag: &str, offers: &[Offer]) -> Failure {
    let tags = offers
        .iter()
        .filter_map(|offer| offer.functions.as_ref().ok())
        .flat_map(Functions::keys);
    let near = net::nearest_tags(tag, tags.map(String::as_str), NEAR);
    let failure = Failure::no_function(format!("no peer has a function {tag}"), &near);
    let silent: Vec<String> = offers
        .iter()
        .filter_map(|offer| {
            Some(format!(
                "  {}: {}",
                listing::handle(&offer.remote),
                offer.functions.as_ref().err()?
            ))
        })
        .collect();
    let failure = match silent.is_empty() {
        true => failure,
        false => failure.detail(format!(
            "These did not say what they have:\n{}",
            silent.join("\n")
        )),
    };
    failure.hint("`app-net info PEER` lists the functions of a peer, `app-net peers` the peers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_names() {
        for text in [
            "localhost:3010",
            "10.0.0.7:3010",
            "[::1]:3010",
            "[fe80::1%eth0]:3010",
            "unix:/run/x.sock",
        ] {
            assert_eq!(text.parse(), Ok(Target::Address(text.to_owned())));
        }
        for text in [
            "me@studio:3010",
            "studio",
            "0f3a",
            ":3010",
            "studio:99999",
            "studio:x",
            "",
        ] {
            assert_eq!(text.parse(), Ok(Target::Listed(text.to_owned())));
        }
    }
}
