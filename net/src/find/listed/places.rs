//! Where an entry of the list leads, now that its names are looked up. Nobody is met here.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use net_proto::Address;
use tokio::task::JoinSet;

use super::dns::Srv;
use super::entry::Listed;
use super::names::Names;

/// An address to dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: Address,
    /// Which of an entry's hosts it leads to.
    pub(super) host: usize,
    /// After how many others of that host it comes.
    pub(super) rank: u32,
}

/// Places of which the first are meant first, and the next where none of them leads to a peer.
pub(super) type Tiers = Vec<Vec<Place>>;

impl Place {
    /// Whether it leads to the same peer as another that comes before it, where each leads to one.
    pub(super) fn stands_in_for(&self, other: &Self) -> bool {
        let port = |place: &Self| match &place.at {
            Address::Tcp(at) => Some(at.port()),
            Address::Name(_, port) | Address::Scoped(_, _, port) => Some(*port),
            Address::Unix(_) => None,
        };
        self.host == other.host && self.rank > other.rank && port(self) == port(other)
    }
}

/// Where it leads. `range` are the ports of a host of which none is said.
pub(super) async fn tiers(
    listed: &Listed,
    range: &[u16],
    names: &Arc<Names>,
) -> Result<Tiers, String> {
    let ports = |port: &Option<u16>| port.map_or_else(|| range.to_vec(), |port| vec![port]);
    let one_tier = match listed {
        Listed::At(at) => vec![Place {
            at: at.clone(),
            host: 0,
            rank: 0,
        }],
        Listed::Ip(ip) => on_host(0, &[*ip], range),
        Listed::Host(name, port) => on_host(0, &names.addresses(name).await?, &ports(port)),
        Listed::Each(name, port) => {
            let addresses = names.addresses(name).await?;
            let hosts = addresses.iter().enumerate();
            hosts
                .flat_map(|(host, ip)| on_host(host, &[*ip], &ports(port)))
                .collect()
        }
        Listed::Service(name) => return of_service(names.service(name).await?, names).await,
    };
    Ok(vec![one_tier])
}

/// A tier for each priority.
async fn of_service(records: Vec<Srv>, names: &Arc<Names>) -> Result<Tiers, String> {
    let mut looks = JoinSet::new();
    for (host, srv) in records.into_iter().enumerate() {
        let names = Arc::clone(names);
        looks.spawn(async move {
            let addresses = names.addresses(&srv.target).await;
            (host, srv, addresses)
        });
    }
    let mut found = looks.join_all().await;
    found.sort_by_key(|(host, ..)| *host);
    let mut failed = None;
    let mut tiers: Vec<(u16, Vec<Place>)> = Vec::new();
    for (host, srv, addresses) in found {
        if tiers
            .last()
            .is_none_or(|(priority, _)| *priority != srv.priority)
        {
            tiers.push((srv.priority, Vec::new()));
        }
        match (addresses, tiers.last_mut()) {
            (Ok(addresses), Some((_, tier))) => tier.extend(on_host(host, &addresses, &[srv.port])),
            (Ok(_), None) => {}
            (Err(why), _) => failed = Some(format!("{}: {why}", srv.target)),
        }
    }
    match failed {
        Some(why) if tiers.iter().all(|(_, tier)| tier.is_empty()) => Err(why),
        _ => Ok(tiers.into_iter().map(|(_, tier)| tier).collect()),
    }
}

fn on_host(host: usize, ips: &[IpAddr], ports: &[u16]) -> Vec<Place> {
    let ranked = ips.iter().zip(0..);
    let places = ranked.flat_map(|(ip, rank)| {
        ports.iter().map(move |port| Place {
            at: Address::Tcp(SocketAddr::new(*ip, *port)),
            host,
            rank,
        })
    });
    places.collect()
}
