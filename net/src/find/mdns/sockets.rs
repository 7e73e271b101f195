//! The sockets of the thread that speaks multicast DNS, which it does not give away: for a forked child to close, with what else it has copies of.
//! Where the system does not tell of them (elsewhere than on Linux) there are none here, and a child keeps its copies unused.

use std::collections::HashSet;
use std::fs;
use std::os::fd::RawFd;
use std::sync::Arc;

use crate::peer::Core;

/// What the peer holds open as long as this lives.
pub(super) struct Held {
    core: Arc<Core>,
    descriptors: Vec<RawFd>,
}

impl Held {
    /// Those at that port that there are now and were not among `before`.
    pub(super) fn new(core: &Arc<Core>, port: u16, before: &[RawFd]) -> Self {
        let mut descriptors = at(port);
        descriptors.retain(|descriptor| !before.contains(descriptor));
        for descriptor in &descriptors {
            core.holds(*descriptor);
        }
        Self {
            core: Arc::clone(core),
            descriptors,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for descriptor in &self.descriptors {
            self.core.lets_go(*descriptor);
        }
    }
}

/// The descriptors of this process's UDP sockets at a port.
pub(super) fn at(port: u16) -> Vec<RawFd> {
    let sockets: HashSet<String> = ["udp", "udp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(format!("/proc/thread-self/net/{table}")).ok())
        .flat_map(|table| inodes(&table, port))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let open = fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    open.filter_map(|entry| {
        let leads_to = fs::read_link(entry.path()).ok()?;
        let is_one = leads_to.to_str().is_some_and(|it| sockets.contains(it));
        is_one.then_some(entry.file_name().to_str()?.parse().ok()?)
    })
    .collect()
}

/// The numbers of the sockets at a port in the kernel's table of them.
fn inodes(table: &str, port: u16) -> Vec<String> {
    let at_port = format!(":{port:04X}");
    let rows = table.lines().map(|row| row.split_whitespace());
    rows.filter_map(|mut words| {
        words.nth(1).filter(|local| local.ends_with(&at_port))?;
        words.nth(7).map(str::to_owned)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn a_socket_is_found_by_its_port() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        assert_eq!(at(port), [socket.as_raw_fd()]);
        drop(socket);
        assert!(at(port).is_empty());
    }
}
