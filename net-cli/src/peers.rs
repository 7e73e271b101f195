//! `app-net peers`: who is there.

use net::Which;

use crate::failure::Failure;
use crate::listing::{self, Row};
use crate::{output, start_peer};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the peers of this group
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Look around once more, and wait until all has been looked at
    #[arg(long)]
    refresh: bool,
}

pub(crate) async fn run(args: Args, json: bool) -> Result<(), Failure> {
    let me = start_peer(true).await?;
    let mut found = me.peers_where(&Which::new().any_group()).await;
    if args.refresh || found.is_empty() {
        found = me.refresh_where(&Which::new().any_group()).await;
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
