//! `app-net info`: what a peer is, and what it offers.

use net::Speaks;
use serde::Serialize;
use serde_json::Value as Json;

use crate::failure::Failure;
use crate::function::{self, BUILT_IN, Functions};
use crate::listing::{self, Row};
use crate::output;
use crate::start_peer;
use crate::target::{self, Target};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The peer: id, name, host:port or unix:/path [default: the only peer there is]
    ///
    /// Of an id the beginning is enough. Ids and names are those that `app-net peers` shows.
    peer: Option<Target>,
}

/// What is told of a peer.
#[derive(Debug, Serialize)]
struct Told {
    #[serde(flatten)]
    row: Row,
    /// As the peer answered.
    info: Json,
    connections: Functions,
}

pub(crate) async fn run(args: Args, json: bool) -> Result<(), Failure> {
    let me = start_peer(args.peer.as_ref().is_none_or(Target::is_listed)).await?;
    let remote = match &args.peer {
        Some(target) => target.find(&me).await?,
        None => target::only(&me).await?,
    };
    let failed = |error| Failure::of_call(error, &listing::handle(&remote));
    let info = function::info(&remote).await.map_err(failed)?;
    let connections = match remote.speaks() {
        Speaks::Native => function::functions(&remote).await.map_err(failed)?,
        _ => function::tags_in(&info),
    };
    let mut row = Row::of(&remote);
    // An original met by its address has said nothing of itself before.
    if row.group.is_none() {
        row.group = text_of(&info, "group").filter(|group| group != "None");
    }
    row.hub |= info.get("hub").and_then(Json::as_bool).unwrap_or(false);
    let told = Told {
        row,
        info,
        connections,
    };
    match json {
        true => output::print_json(&told),
        false => output::print(&told.text()),
    }
}

fn text_of(info: &Json, name: &str) -> Option<String> {
    info.get(name).and_then(Json::as_str).map(str::to_owned)
}

/// What somebody should know of a value who has not read the manual.
fn explained(name: &str, value: String) -> String {
    match (name, value.as_str()) {
        ("access", "open") => {
            "open: whoever reaches it over the network can call its functions (NET_OPEN)".to_owned()
        }
        ("access", "host") => "host: this host alone".to_owned(),
        ("access", "key") => "key: those on the network that have the group's key".to_owned(),
        ("access", "certificates") => {
            "certificates: those on the network that have one of the group's authorities".to_owned()
        }
        _ => value,
    }
}

impl Told {
    fn text(&self) -> String {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let mut facts = Vec::new();
        let mut fact = |name: &str, value: String| facts.push([name.to_owned(), value]);
        fact("name", or_dash(self.row.name.clone()));
        fact("id", or_dash(self.row.id.clone()));
        fact("group", or_dash(self.row.group.clone()));
        fact("hub", if self.row.hub { "yes" } else { "no" }.to_owned());
        for (place, address) in self.row.addresses.iter().enumerate() {
            fact(if place == 0 { "addresses" } else { "" }, address.clone());
        }
        fact("speaks", listing::speaks_text(self.row.speaks));
        for name in ["access", "software", "user", "executable"] {
            if let Some(value) = text_of(&self.info, name) {
                fact(name, explained(name, value));
            }
        }
        let mut text = output::table(&facts);
        let (built_in, own): (Vec<_>, Vec<_>) = self
            .connections
            .iter()
            .partition(|(tag, _)| tag.starts_with(BUILT_IN));
        for (title, functions) in [("functions", own), ("built-in functions", built_in)] {
            if functions.is_empty() {
                continue;
            }
            text.push_str(&format!("\n{title}\n"));
            for (tag, function) in functions {
                let signature = function.signature.as_deref().unwrap_or_default();
                let callers = function.groups.as_ref().map(|groups| groups.join(", "));
                let callers = callers.map(|groups| format!("  [callers of {groups}]"));
                let callers = callers.unwrap_or_default();
                text.push_str(&output::printable(&format!(
                    "  {tag}{signature}{callers}\n"
                )));
                let doc = function
                    .doc
                    .as_deref()
                    .and_then(|doc| doc.trim().lines().next());
                if let Some(line) = doc.filter(|line| !line.is_empty()) {
                    text.push_str(&output::printable(&format!("      {line}\n")));
                }
            }
        }
        text
    }
}
