//! Peers as rows: in JSON, in tables, and by the short name that a person can pass on.

use net::{Remote, Speaks};
use serde::Serialize;

use crate::output::table;

/// Of an id, so much is shown at least.
const SHORT_ID: usize = 8;

/// A peer as it is listed.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) hub: bool,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    /// All that are known, the best first.
    pub(crate) addresses: Vec<String>,
    /// `native`, or the line of the original app-net: `0.6` or `0.3`.
    pub(crate) speaks: Option<&'static str>,
}

impl Row {
    pub(crate) fn of(remote: &Remote) -> Self {
        let (host, port) = remote.host_port().unzip();
        Self {
            id: remote.id().map(|id| id.to_string()),
            name: remote.name(),
            group: remote.group(),
            hub: remote.hub(),
            host,
            port,
            addresses: remote.addresses(),
            speaks: match remote.speaks() {
                Speaks::Native => Some("native"),
                Speaks::V06 => Some("0.6"),
                Speaks::V03 => Some("0.3"),
                _ => None,
            },
        }
    }

    /// The address that says most to a person: host and port, where there are such.
    fn address(&self) -> String {
        match (&self.host, self.port) {
            (Some(host), Some(port)) if host.contains(':') => format!("[{host}]:{port}"),
            (Some(host), Some(port)) => format!("{host}:{port}"),
            _ => self.addresses.first().cloned().unwrap_or_default(),
        }
    }

    /// The peer in a line of its own, which passes on what names it.
    pub(crate) fn text(&self) -> String {
        let address = self.address();
        match (&self.name, &self.id) {
            (Some(name), Some(_)) => format!("{name} ({}) at {address}", self.handle(SHORT_ID)),
            _ => address,
        }
    }

    /// What names this peer on the command line: the beginning of its id, or its address.
    fn handle(&self, id_length: usize) -> String {
        match &self.id {
            Some(id) => id.chars().take(id_length).collect(),
            None => self.address(),
        }
    }
}

/// What names one peer on the command line, as far as that one is meant alone.
pub(crate) fn handle(remote: &Remote) -> String {
    Row::of(remote).handle(SHORT_ID)
}

/// What [`Row::speaks`] is called in text.
pub(crate) fn speaks_text(speaks: Option<&str>) -> String {
    match speaks {
        Some("native") => "native".to_owned(),
        Some(line) => format!("original {line}"),
        None => "-".to_owned(),
    }
}

/// The table that `app-net peers` shows.
pub(crate) fn full_table(rows: &[Row]) -> String {
    let length = short_id_length(rows);
    let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let mut lines = vec![["NAME", "ID", "GROUP", "HUB", "ADDRESS", "SPEAKS"].map(str::to_owned)];
    lines.extend(rows.iter().map(|row| {
        [
            or_dash(row.name.as_deref()),
            or_dash(row.id.as_ref().map(|id| &id[..length.min(id.len())])),
            or_dash(row.group.as_deref()),
            or_dash(row.hub.then_some("yes")),
            row.address(),
            speaks_text(row.speaks),
        ]
    }));
    table(&lines)
}

/// A short table of peers to choose from, for an error.
pub(crate) fn choices(remotes: &[Remote]) -> String {
    let rows: Vec<Row> = remotes.iter().map(Row::of).collect();
    let length = short_id_length(&rows);
    let lines: Vec<_> = rows
        .iter()
        .map(|row| {
            let handle = format!("  {}", row.handle(length));
            [handle, row.name.clone().unwrap_or_default(), row.address()]
        })
        .collect();
    table(&lines)
}

/// So much of each id that all are told apart.
fn short_id_length(rows: &[Row]) -> usize {
    let mut ids: Vec<&str> = rows.iter().filter_map(|row| row.id.as_deref()).collect();
    ids.sort_unstable();
    let shared = |pair: &[&str]| {
        let same = pair[0].bytes().zip(pair[1].bytes());
        same.take_while(|(a, b)| a == b).count()
    };
    let most = ids.windows(2).map(shared).max().unwrap_or(0);
    SHORT_ID.max(most + 1)
}
