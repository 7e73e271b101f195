//! The links that there really are, as the kernel sees them: not what the peers believe.

use net::Peer;

/// Who listens where.
pub(crate) struct Ends {
    id: String,
    port: u16,
}

impl Ends {
    pub(crate) fn new(id: impl ToString, address: &str) -> Self {
        let port = address.rsplit(':').next().unwrap().parse().unwrap();
        let id = id.to_string();
        Self { id, port }
    }

    pub(crate) fn of(peer: &Peer) -> Self {
        let (id, port) = (peer.id().to_string(), peer.port().unwrap());
        Self { id, port }
    }

    /// The kernel's numbers of the connections that were accepted here and are not closed.
    pub(crate) fn accepted(&self) -> Vec<u64> {
        accepted(&[self])
    }
}

/// All links between two peers that know nobody else.
pub(crate) fn links(a: &Ends, b: &Ends) -> Vec<u64> {
    accepted(&[a, b])
}

fn accepted(ends: &[&Ends]) -> Vec<u64> {
    let mut all = over_unix(ends);
    all.extend(over_tcp(ends));
    all
}

/// Num, RefCount, Protocol, Flags, Type, St, Inode, Path. An accepted socket has its listener's path, which holds the id.
fn over_unix(ends: &[&Ends]) -> Vec<u64> {
    const CONNECTED: &str = "03";
    let is_here = |line: &&str| ends.iter().any(|end| line.contains(&end.id));
    let table = std::fs::read_to_string("/proc/net/unix").unwrap();
    let lines = table.lines().filter(is_here);
    let columns = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    let connected = columns.filter(|columns| columns[5] == CONNECTED);
    connected
        .map(|columns| columns[6].parse().unwrap())
        .collect()
}

/// sl, local, remote, st, queues, timer, retransmits, uid, timeout, inode. One that is owned by no process (in its time of
/// waiting after the end) has no inode.
fn over_tcp(ends: &[&Ends]) -> Vec<u64> {
    const LISTENING: &str = "0A";
    let ports: Vec<_> = ends
        .iter()
        .map(|end| format!(":{:04X} ", end.port))
        .collect();
    let is_near = |line: &&str| ports.iter().any(|port| line.contains(port));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let lines = table.lines().skip(1).filter(is_near);
    let columns = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    let is_local = |local: &str| ports.iter().any(|port| local.ends_with(port.trim_end()));
    let here = columns.filter(|c| is_local(c[1]) && c[3] != LISTENING && c[9] != "0");
    here.map(|columns| columns[9].parse().unwrap()).collect()
}
