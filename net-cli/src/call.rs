//! `app-net call`: one call of one function.

use std::collections::HashSet;
use std::time::Duration;

use net::value::{self, Keywords};
use net::{Answer, ErrorCode, Value};

use crate::argument::Argument;
use crate::failure::{Failure, Status};
use crate::listing;
use crate::output;
use crate::start_peer;
use crate::target::{self, Target};

/// The original's flag for "no answer", which its callers get as a text.
const NULL: &str = "NULL";

const ARGUMENTS: &str = "\
Arguments:
  Each is JSON:                          5   2.5   true   null   '\"5\"'   '[1, 2]'   '{\"a\": 1}'
  What is not JSON is text:              you   'hello world'   10.0.0.7   2024-02-03
  A name and = pass it by name:          b=3   unit=mm   points='[[0, 1]]'
  A text that would be something else
  is written as JSON text:               '\"b=3\"'   '\"true\"'   b='\"5\"'
  Broken JSON (what begins with [, { or \") and Python's True, False and None are refused.
  After -- nothing is an option:         app-net call greet -- --loud

Result:
  Text much as Python would show it, which tells a tuple from a list and a text from a number; with --json one line of JSON,
  in which what JSON has no form for becomes text (bytes as base64) or a list.

Examples:
  app-net call app.multiply 5 10
  app-net call app.multiply 5 b=10 --peer localhost:3010 --timeout 2.5
  app-net call app.points --json | jq '.[0]'
";

#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("{ARGUMENTS}\n{}", crate::failure::EXIT_STATUS))]
pub(crate) struct Args {
    /// The function: module.name, or a tag of its own; `app-net info PEER` lists them
    tag: String,
    /// Its arguments: JSON or plain words, name=value to pass by name (--help tells more)
    #[arg(allow_negative_numbers = true)]
    args: Vec<String>,
    /// Its peer: id, name, host:port or unix:/path [default: the only peer that has the function]
    ///
    /// Of an id the beginning is enough. Ids and names are those that `app-net peers` shows.
    #[arg(long)]
    peer: Option<Target>,
    /// End the call when no answer has come after so long [default: wait for it]
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    timeout: Option<Duration>,
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "it takes a number of seconds above 0, such as 2.5".to_owned())
}

pub(crate) async fn run(args: Args, json: bool) -> Result<(), Failure> {
    let body = encode(&args.args)?;
    let me = start_peer(args.peer.as_ref().is_none_or(Target::is_listed)).await?;
    let remote = match &args.peer {
        Some(target) => target.find(&me).await?,
        None => target::with_function(&me, &args.tag).await?,
    };
    let handle = || listing::handle(&remote);
    let mut call = remote.call_raw(args.tag, body);
    if let Some(time) = args.timeout {
        call = call.timeout(time);
    }
    match (&mut call).await {
        Ok(Answer::Value(body)) => show(&body.into_bytes(), json),
        Ok(Answer::Flag(name)) if name == NULL => match json {
            true => output::print_json_line(&name).map(drop),
            false => output::print(&Value::Text(name).to_string()),
        },
        Ok(Answer::Flag(name)) => Err(Failure::new(
            Status::Failed,
            format!("the function answered with the flag {name} instead of a value"),
        )),
        Ok(Answer::Error(error)) => {
            let bad_arguments = error.code == ErrorCode::BadArguments;
            let failure = Failure::of_call(call.error(*error), &handle());
            Err(match bad_arguments {
                true => failure.hint(format!("`app-net info {}` shows what it takes", handle())),
                false => failure,
            })
        }
        Err(error) => Err(Failure::of_call(error, &handle())),
    }
}

/// The call's body.
fn encode(words: &[String]) -> Result<Vec<u8>, Failure> {
    let unsendable = |error| {
        Failure::new(
            Status::Usage,
            format!("the arguments cannot be sent: {error}"),
        )
    };
    let mut positional = Vec::new();
    let mut keywords = Keywords::new();
    let mut names = HashSet::new();
    for word in words {
        match Argument::parse(word)? {
            Argument::Positional(value) => positional.push(value),
            Argument::Keyword(name, value) => {
                keywords.add(&name, &value).map_err(unsendable)?;
                if let Some(name) = names.replace(name) {
                    let twice = format!("the argument {name} is given twice");
                    return Err(Failure::new(Status::Usage, twice).hint(format!(
                        "a text with = in it is written as JSON: '\"{word}\"'"
                    )));
                }
            }
        }
    }
    let mut body = Vec::new();
    value::encode_arguments(positional.as_slice(), &mut body).map_err(unsendable)?;
    keywords.append_to(&mut body);
    Ok(body)
}

fn show(bytes: &[u8], json: bool) -> Result<(), Failure> {
    let unreadable = |error| {
        Failure::new(
            Status::Failed,
            format!("the result cannot be read: {error}"),
        )
    };
    match json {
        true => {
            output::print_json_line(&value::to_json_lossy(bytes).map_err(unreadable)?).map(drop)
        }
        false => output::print(
            &value::decode::<Value>(bytes)
                .map_err(unreadable)?
                .to_string(),
        ),
    }
}
