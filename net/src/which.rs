//! Which peers are meant, where not all are: by group, as hub, on this host. The same for a list of peers and for a subscription.

use net_proto::interests::Filter;

/// What the original calls the group of those that are in none.
const NO_GROUP: &str = "None";

/// Which peers are meant. Unless it is said otherwise: those of one's own group.
///
/// # Examples
///
/// ```no_run
/// # async fn example(peer: net::Peer) {
/// use net::Which;
///
/// let hubs = peer.peers_where(&Which::new().any_group().hubs_only()).await;
/// let render = peer.peers_where(&Which::new().groups(["render", "spare"]).on_host()).await;
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which {
    groups: Groups,
    hubs_only: bool,
    on_host: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Groups {
    #[default]
    Own,
    Any,
    These(Vec<Option<String>>),
}

impl Which {
    /// Those of one's own group; of a peer in none, those in none.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Those in any group and in none.
    #[must_use]
    pub fn any_group(self) -> Self {
        let groups = Groups::Any;
        Self { groups, ..self }
    }

    /// Those in one of these groups. `None` is no group, as the original writes it.
    #[must_use]
    pub fn groups<G: Into<String>>(self, groups: impl IntoIterator<Item = G>) -> Self {
        let named = groups.into_iter().map(Into::into);
        let groups = named.map(|group: String| Some(group).filter(|group| group != NO_GROUP));
        let groups = Groups::These(groups.collect());
        Self { groups, ..self }
    }

    /// Of these, the hubs.
    #[must_use]
    pub fn hubs_only(self) -> Self {
        Self {
            hubs_only: true,
            ..self
        }
    }

    /// Of these, those on this host.
    #[must_use]
    pub fn on_host(self) -> Self {
        Self {
            on_host: true,
            ..self
        }
    }

    /// For a peer that is in the group `own`.
    pub(crate) fn filter(&self, own: Option<&str>) -> Filter {
        Filter {
            groups: match &self.groups {
                Groups::Own => Some(vec![own.map(str::to_owned)]),
                Groups::Any => None,
                Groups::These(groups) => Some(groups.clone()),
            },
            hubs_only: self.hubs_only,
            on_host: self.on_host,
            peers: None,
        }
    }
}
