//! `app-net group`: the keys of groups, on this machine.

use std::time::{Duration, SystemTime};

use net::secure::{KeyError, Keys, Store};

use crate::failure::{Failure, Status};
use crate::keys::{self, ACCEPT_OLD, Told, parse_span, shell_word, span_text};
use crate::output;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make a key for a group, store it, and print the join code for other machines
    New {
        /// The group, as in NET_GROUP
        name: String,
    },
    /// List the groups that you have keys of
    List,
    /// Show which key a group has, and where it is stored
    Show {
        /// The group
        name: String,
        /// Print the join code: whoever reads it is a member of the group
        #[arg(long)]
        code: bool,
    },
    /// Forget the key of a group
    Leave {
        /// The group
        name: String,
    },
    /// Give a group a new key, and print the join code for other machines
    Rotate {
        /// The group
        name: String,
        /// For so long (7d, 12h, 30m) the old key is accepted too; 0: no longer
        #[arg(long, value_name = "TIME", value_parser = parse_span, default_value = ACCEPT_OLD)]
        accept_old: Duration,
    },
}

pub(crate) fn run(command: Command, json: bool) -> Result<(), Failure> {
    let store = Store::of_user()?;
    match command {
        Command::New { name } => new(&store, &name, json),
        Command::List => list(&store, json),
        Command::Show { name, code } => show(&store, &name, code, json),
        Command::Leave { name } => leave(&store, &name, json),
        Command::Rotate { name, accept_old } => rotate(&store, &name, accept_old, json),
    }
}

fn new(store: &Store, name: &str, json: bool) -> Result<(), Failure> {
    let keys = Keys::new(name, keys::generate()?);
    store.save(&keys).map_err(|error| match error {
        KeyError::Exists { .. } => Failure::from(error).hint(format!(
            "`app-net group show --code {name}` prints its join code, `app-net group rotate {name}` gives it a new key",
            name = shell_word(name)
        )),
        error => error.into(),
    })?;
    let told = Told::of(store, &keys).with_code(&keys)?;
    output::say(&format!(
        "The group {name} has a key, with the fingerprint {}, in {}.\n\
         hint: on each other machine run `app-net join -` and paste the join code; whoever reads it is a member of the group\n\
         hint: start your programs with NET_GROUP={}\n",
        told.fingerprint,
        told.file,
        shell_word(name),
    ));
    print_code(&told, json)
}

fn rotate(store: &Store, name: &str, accept_old: Duration, json: bool) -> Result<(), Failure> {
    let before = Told::of(store, &keys::load(store, name)?);
    let keys = store.rotate(name, keys::generate()?, accept_old, SystemTime::now())?;
    let told = Told::of(store, &keys).with_code(&keys)?;
    let mut text = format!(
        "The group {name} has a new key, with the fingerprint {}.\n",
        told.fingerprint
    );
    text.push_str(&match &told.previous {
        Some(old) => format!(
            "The old one, {}, is accepted here until {}.\n",
            old.fingerprint, old.accepted_until
        ),
        None => format!(
            "The old one, {}, is not accepted here any more.\n",
            before.fingerprint
        ),
    });
    if let Some(older) = before.previous {
        let fingerprint = older.fingerprint;
        text.push_str(&format!(
            "The one before that, {fingerprint}, is not accepted here any more.\n"
        ));
    }
    text.push_str(&format!(
        "hint: on each other machine of the group run `app-net join --replace --accept-old {} -` and paste the join code\n",
        span_text(accept_old)
    ));
    output::say(&text);
    print_code(&told, json)
}

fn print_code(told: &Told, json: bool) -> Result<(), Failure> {
    match (json, &told.code) {
        (false, Some(code)) => output::print(code),
        _ => output::print_json(told),
    }
}

/// What can be read is listed, whatever else there is.
fn list(store: &Store, json: bool) -> Result<(), Failure> {
    let mut listed = Vec::new();
    let mut unreadable = Vec::new();
    for group in store.list()? {
        match store.load(&group) {
            Ok(keys) => listed.extend(keys.map(|keys| Told::of(store, &keys))),
            Err(error) => unreadable.push(format!("  {group}: {error}")),
        }
    }
    match (json, listed.is_empty()) {
        (true, _) => output::print_json(&listed)?,
        (false, false) => output::print(&table(&listed))?,
        (false, true) if unreadable.is_empty() => output::say(
            "You have no keys of groups.\n\
             hint: `app-net group new NAME` makes one, `app-net join CODE` stores that of a group on another machine\n",
        ),
        (false, true) => {}
    }
    match unreadable.is_empty() {
        true => Ok(()),
        false => Err(
            Failure::new(Status::Failed, "the keys of some groups cannot be used")
                .detail(unreadable.join("\n")),
        ),
    }
}

fn table(listed: &[Told]) -> String {
    let mut rows = vec![["GROUP", "FINGERPRINT", "OLD KEY UNTIL"].map(str::to_owned)];
    rows.extend(listed.iter().map(|told| {
        let until = told.previous.as_ref().map(|old| old.accepted_until.clone());
        let until = until.unwrap_or_else(|| "-".to_owned());
        [told.group.clone(), told.fingerprint.clone(), until]
    }));
    output::table(&rows)
}

fn show(store: &Store, name: &str, code: bool, json: bool) -> Result<(), Failure> {
    let keys = keys::load(store, name)?;
    let told = Told::of(store, &keys);
    match (code, json) {
        (true, _) => print_code(&told.with_code(&keys)?, json),
        (false, true) => output::print_json(&told),
        (false, false) => {
            let mut facts = vec![
                ["group", &told.group],
                ["fingerprint", &told.fingerprint],
                ["file", &told.file],
            ];
            if let Some(old) = &told.previous {
                facts.push(["old fingerprint", &old.fingerprint]);
                facts.push(["accepted until", &old.accepted_until]);
            }
            let rows: Vec<_> = facts
                .into_iter()
                .map(|row| row.map(str::to_owned))
                .collect();
            output::print(&output::table(&rows))
        }
    }
}

fn leave(store: &Store, name: &str, json: bool) -> Result<(), Failure> {
    if !store.remove(name)? {
        let group = name.to_owned();
        return Err(KeyError::NoKey { group }.into());
    }
    output::say(&format!(
        "The key of the group {name} is forgotten on this machine.\n\
         hint: whoever else has it is still a member; `app-net group rotate` on another machine of the group shuts this one out\n"
    ));
    match json {
        true => output::print_json(&serde_json::json!({ "group": name })),
        false => Ok(()),
    }
}
