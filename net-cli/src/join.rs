//! `app-net join`: the key of a group from another machine.

use std::io::{self, IsTerminal as _, Read as _};
use std::time::{Duration, SystemTime};

use net::secure::{GroupKey, JoinCode, Keys, Store};

use crate::failure::{Failure, Status};
use crate::keys::{ACCEPT_OLD, Told, parse_span};
use crate::output;

/// The longest input that is read for a code. Codes have some 300 bytes at most.
const INPUT_MAX: u64 = 4096;

#[derive(Debug, clap::Args)]
#[command(after_long_help = crate::failure::EXIT_STATUS)]
pub(crate) struct Args {
    /// The join code that `app-net group new` printed; - to read it from standard input
    ///
    /// Whoever reads the code is a member of the group: on the command line it is in the shell's history, and others on this machine may see it
    /// while the command runs.
    // A text, and read later: an error of the command line's would show it.
    code: String,
    /// Take it in place of another key that the group has here
    #[arg(long)]
    replace: bool,
    /// For so long (7d, 12h, 30m) the replaced key is accepted too; 0: no longer
    #[arg(long, value_name = "TIME", value_parser = parse_span, default_value = ACCEPT_OLD, requires = "replace")]
    accept_old: Duration,
}

pub(crate) fn run(args: &Args, json: bool) -> Result<(), Failure> {
    let code = match args.code.as_str() {
        "-" => read_code()?,
        code => code.to_owned(),
    };
    let code: JoinCode = code.parse().map_err(|error| {
        Failure::new(Status::Usage, format!("this is not a join code: {error}"))
            .hint("`app-net group show --code NAME` prints it on a machine of the group; copy all of it, from the name to the end")
    })?;
    let store = Store::of_user()?;
    let (keys, done) = store_key(&store, code.group(), code.key(), args)?;
    let told = Told::of(&store, &keys);
    let (group, fingerprint) = (&told.group, &told.fingerprint);
    let mut text = match done {
        Done::Nothing => {
            format!("The group {group} has this key already, with the fingerprint {fingerprint}.\n")
        }
        Done::Added => {
            format!("Joined the group {group}; its key has the fingerprint {fingerprint}.\n")
        }
        Done::Replaced => {
            format!("The group {group} has a new key, with the fingerprint {fingerprint}.\n")
        }
    };
    if let Some(old) = &told.previous {
        let (fingerprint, until) = (&old.fingerprint, &old.accepted_until);
        text.push_str(&format!(
            "The old one, {fingerprint}, is accepted here until {until}.\n"
        ));
    }
    output::say(&text);
    match json {
        true => output::print_json(&told),
        false => Ok(()),
    }
}

enum Done {
    Nothing,
    Added,
    Replaced,
}

fn store_key(
    store: &Store,
    group: &str,
    key: &GroupKey,
    args: &Args,
) -> Result<(Keys, Done), Failure> {
    match store.load(group)? {
        None => {
            let keys = Keys::new(group, key.clone());
            store.save(&keys)?;
            Ok((keys, Done::Added))
        }
        Some(keys) if keys.current == *key => Ok((keys, Done::Nothing)),
        Some(_) if args.replace => {
            let keys = store.rotate(group, key.clone(), args.accept_old, SystemTime::now())?;
            Ok((keys, Done::Replaced))
        }
        Some(keys) => {
            let (here, code) = (keys.current.fingerprint(group), key.fingerprint(group));
            let why = format!(
                "the group {group} has another key here, {here}; that in the code is {code}"
            );
            Err(Failure::new(Status::Failed, why).hint(
                "if the group was given a new key, use --replace, and --accept-old to say for how long the old one is accepted",
            ))
        }
    }
}

fn read_code() -> Result<String, Failure> {
    let input = io::stdin();
    let mut code = String::new();
    let read = match input.is_terminal() {
        true => {
            output::say("Join code: ");
            input.read_line(&mut code)
        }
        false => input.lock().take(INPUT_MAX).read_to_string(&mut code),
    };
    match read {
        Ok(_) => Ok(code),
        Err(error) => Err(Failure::new(
            Status::Failed,
            format!("cannot read the join code from standard input: {error}"),
        )),
    }
}
