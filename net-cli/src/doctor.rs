//! `app-net doctor`: why a peer is not seen.

use net::{Cause, Diagnosis};
use serde_json::json;

use crate::failure::{Failure, Status};
use crate::output;
use crate::start_peer;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The peer: host:port, or the id or name it should be listed by [default: what keeps this host from seeing any]
    peer: Option<String>,
}

pub(crate) async fn run(args: Args, json: bool) -> Result<(), Failure> {
    let me = start_peer(true).await?;
    let diagnosis = me.diagnose(args.peer.as_deref()).await;
    match json {
        true => output::print_json(&to_json(&diagnosis))?,
        false => output::print(&text(&diagnosis))?,
    }
    match diagnosis.cause {
        Cause::None => Ok(()),
        cause => Err(Failure::new(Status::NotCalled, cause.to_string()).hint(cause.advice())),
    }
}

fn text(diagnosis: &Diagnosis) -> String {
    let rows: Vec<[String; 3]> = diagnosis
        .findings
        .iter()
        .map(|finding| {
            let mark = if finding.is_fault { "FAULT" } else { "ok" };
            [
                mark.to_owned(),
                finding.what.to_owned(),
                finding.text.clone(),
            ]
        })
        .collect();
    let mut text = output::table(&rows);
    if diagnosis.cause == Cause::None {
        text.push_str(&format!("\n{}\n", diagnosis.cause));
    }
    text
}

fn to_json(diagnosis: &Diagnosis) -> serde_json::Value {
    let findings = diagnosis.findings.iter().map(
        |finding| json!({"what": finding.what, "is_fault": finding.is_fault, "text": finding.text}),
    );
    json!({
        "cause": diagnosis.cause.name(),
        "text": diagnosis.cause.to_string(),
        "advice": diagnosis.cause.advice(),
        "findings": findings.collect::<Vec<_>>(),
    })
}
