//! The network interfaces of this host: which there are, and which of them are for multicast. Nothing here listens or sends.

mod choice;
mod kind;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod watch;

use std::net::IpAddr;

pub(crate) use choice::Choice;
pub(crate) use kind::Kinds;

use crate::trouble::Said;

/// One address of one interface that is up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Interface {
    pub(crate) index: u32,
    pub(crate) ip: IpAddr,
    pub(crate) name: String,
}

/// That the system does not say which there are.
static UNTOLD: Said = Said::not_yet();

/// All that are up, as they are now, in the system's order: cards are there before what is made on them.
pub(crate) fn interfaces() -> Vec<Interface> {
    let all = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        if UNTOLD.is_due() {
            tracing::warn!(%error, "cannot tell the addresses of this host");
        }
        Vec::new()
    });
    let up = all.into_iter().filter(if_addrs::Interface::is_oper_up);
    let mut up: Vec<Interface> = up
        .map(|found| Interface {
            index: found.index.unwrap_or(0),
            ip: found.ip(),
            // An address may have a label of its own: `eth0:1`.
            name: found.name.split(':').next().unwrap_or("").to_owned(),
        })
        .collect();
    up.sort();
    up.dedup();
    up
}

impl Interface {
    /// Whether others reach this host there without being told over which of their links.
    pub(crate) fn leads_here(&self) -> bool {
        !self.ip.is_loopback() && !is_link_local(&self.ip)
    }
}

/// Whether it is good for one link of the network alone, and so needs to be said of which.
fn is_link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}
