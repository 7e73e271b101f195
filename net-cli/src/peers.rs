//! `app-net peers`: who is there, and with `--watch` who comes and goes from then on.

use std::time::{Duration, SystemTime};

use net::value::DateTime;
use net::{Peer, PeerChange, PeerEvent, PeerEvents, Which};
use serde::Serialize;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::listing::{self, Row};
use crate::{looking, output, start_peer};

/// How often it is looked whether somebody still reads what is written when a peer comes or goes.
const READER_LOOK: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the peers of this group
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Look around once more, and wait until all has been looked at
    #[arg(long)]
    refresh: bool,
    /// Go on with a line for each peer that comes, changes or goes, until interrupted (with --json, one line of JSON each)
    #[arg(long)]
    watch: bool,
}

pub(crate) async fn run(args: Args, json: bool) -> Result<(), Failure> {
    let me = start_peer(true).await?;
    if args.watch {
        return watch(&me, &args, json).await;
    }
    let mut found = me.peers_where(&Which::new().any_group()).await;
    if args.refresh || found.is_empty() {
        found = looking::refreshed(&me).await;
    }
    let all = found.len();
    let mut rows: Vec<Row> = found.iter().map(Row::of).collect();
    if let Some(group) = &args.group {
        rows.retain(|row| row.group.as_ref() == Some(group));
    }
    if rows.is_empty() {
        say_none(args.group.as_deref(), all);
    }
    match (json, rows.is_empty()) {
        (true, _) => output::print_json(&rows),
        (false, true) => Ok(()),
        (false, false) => output::print(&listing::full_table(&rows)),
    }
}

/// A line of what is written with `--watch --json`.
#[derive(Serialize)]
struct Line {
    /// In UTC, as RFC 3339 has it.
    time: Option<String>,
    /// `present` of those that are there at the beginning, then `joined`, `changed` or `left`.
    change: &'static str,
    /// Why it has left.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    peer: Row,
}

impl Line {
    fn new(event: &PeerEvent) -> Self {
        let (change, why) = match &event.kind {
            PeerChange::Joined => ("joined", None),
            PeerChange::Left { why } => ("left", Some(why.to_string())),
            _ => ("changed", None),
        };
        Self {
            time: now(),
            change,
            why,
            peer: Row::of(&event.peer),
        }
    }

    fn text(&self) -> String {
        let time = self.time.as_deref().unwrap_or("-");
        let (change, peer) = (self.change, self.peer.text());
        let why = self.why.as_ref().map(|why| format!(": {why}"));
        let why = why.unwrap_or_default();
        output::one_line(&format!("{time}  {change:7}  {peer}{why}"))
    }

    /// Says whether there is a reader.
    fn print(&self, json: bool) -> Result<bool, Failure> {
        match json {
            true => output::print_json_line(self),
            false => output::print_to_reader(&self.text()),
        }
    }
}

/// To the second, which is what a person reads. None of a clock that is set to before 1970.
fn now() -> Option<String> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let whole = SystemTime::UNIX_EPOCH + Duration::from_secs(since.ok()?.as_secs());
    let time = DateTime::try_from(whole).ok()?;
    Some(time.to_string())
}

async fn watch(me: &Peer, args: &Args, json: bool) -> Result<(), Failure> {
    let which = match &args.group {
        Some(group) => Which::new().groups([group]),
        None => Which::new().any_group(),
    };
    let mut events = me.peer_events_where(&which);
    let found = me.peers_where(&which).await;
    if args.refresh || found.is_empty() {
        me.refresh_where(&which).await;
    }
    if !list(&mut events, args.group.as_deref(), json)? {
        return Ok(());
    }
    loop {
        let goes_on = match timeout(READER_LOOK, events.next()).await {
            Ok(Some(event)) => Line::new(&event).print(json)?,
            Ok(None) => false,
            Err(_) => output::has_reader(),
        };
        if !goes_on {
            return Ok(());
        }
    }
}

/// Writes who is there, as the events tell it up to now: so none is missed after it. Says whether there is a reader.
fn list(events: &mut PeerEvents, group: Option<&str>, json: bool) -> Result<bool, Failure> {
    let mut there: Vec<Line> = Vec::new();
    while let Some(event) = events.try_next() {
        let line = Line::new(&event);
        there.retain(|before| {
            (&before.peer.id, &before.peer.addresses) != (&line.peer.id, &line.peer.addresses)
        });
        if line.change != "left" {
            there.push(Line {
                change: "present",
                ..line
            });
        }
    }
    there.sort_by(|a, b| a.peer.addresses.cmp(&b.peer.addresses));
    if json {
        let mut lines = there.iter().map(|line| line.print(json));
        return lines.try_fold(true, |_, line| line);
    }
    let rows: Vec<Row> = there.into_iter().map(|line| line.peer).collect();
    match rows.is_empty() {
        true => {
            say_none(group, 0);
            Ok(true)
        }
        false => output::print_to_reader(&listing::full_table(&rows)),
    }
}

/// Not an error: nobody may be there. `all` is how many there are outside of the group.
fn say_none(group: Option<&str>, all: usize) {
    let text = match (group, all) {
        (Some(group), 1..) => format!(
            "No peers found in the group {group}.\n\
             hint: `app-net peers` lists those of all groups; there are {all}\n"
        ),
        _ => "No peers found.\n\
              hint: a peer is a running program of yours that uses app-net; on this host those are found that run as \
              the same user with the same NET_RUNTIME_DIR, or listen at NET_PORT and the NET_PORT_RANGE after it\n"
            .to_owned(),
    };
    output::say(&text);
}
