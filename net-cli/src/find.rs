//! `app-net find`: what each way to find peers sees, and what comes of it.

use std::time::SystemTime;

use net::FinderReport;
use serde_json::json;

use crate::failure::Failure;
use crate::looking;
use crate::output;
use crate::start_peer;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_args: Args, json: bool) -> Result<(), Failure> {
    let me = start_peer(true).await?;
    looking::refreshed(&me).await;
    let reports = me.finders();
    match json {
        true => output::print_json(&to_json(&reports)),
        false => output::print(&text(&reports)),
    }
}

fn text(reports: &[FinderReport]) -> String {
    let mut text = String::new();
    for report in reports {
        text.push_str(report.finder);
        match (&report.trouble, report.seen.is_empty()) {
            (Some(trouble), _) => text.push_str(&format!(": {}", output::printable(trouble))),
            (None, true) => text.push_str(": nobody"),
            (None, false) => {}
        }
        text.push('\n');
        let rows: Vec<[String; 3]> = report
            .seen
            .iter()
            .map(|seen| {
                let address = format!("  {}", seen.address);
                [address, ago(seen.last), seen.outcome.to_string()]
            })
            .collect();
        text.push_str(&output::table(&rows));
    }
    text
}

fn ago(time: SystemTime) -> String {
    let elapsed = time.elapsed().unwrap_or_default();
    format!("{:.1} s ago", elapsed.as_secs_f64())
}

fn to_json(reports: &[FinderReport]) -> serde_json::Value {
    let seconds = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0.0, |since| since.as_secs_f64())
    };
    reports
        .iter()
        .map(|report| {
            let seen = report.seen.iter().map(|seen| {
                json!({
                    "address": seen.address,
                    "id": seen.id.map(|id| id.to_string()),
                    "first": seconds(seen.first),
                    "last": seconds(seen.last),
                    "outcome": seen.outcome.to_string(),
                })
            });
            json!({
                "finder": report.finder,
                "has_looked": report.has_looked,
                "trouble": report.trouble,
                "seen": seen.collect::<Vec<_>>(),
            })
        })
        .collect()
}
