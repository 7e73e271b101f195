//! What is written inside `#[net::connect(…)]`: a tag, and who may call.

use proc_macro2::TokenStream;
use syn::{Expr, Ident, LitStr, parse::Parser as _};

use super::{Argument, Named, as_text, each_argument, name};
use crate::errors::Errors;

/// What the attribute says of the function.
#[derive(Default)]
pub(crate) struct Connect {
    pub(crate) tag: Option<LitStr>,
    /// The groups that may call it, each a text or a constant of the program; none named is everybody.
    pub(crate) groups: Option<Vec<Expr>>,
}

/// Reads the arguments of `#[net::connect(…)]`.
pub(crate) fn connect(arguments: TokenStream, errors: &mut Errors) -> Connect {
    let parsed = errors.take(each_argument.parse2(arguments));
    let mut groups = None;
    let mut others = Vec::new();
    for argument in parsed.unwrap_or_default() {
        match of_groups(&argument) {
            Some(named) if groups.is_some() => errors.push(named.word, "`groups` is said twice"),
            Some(named) => groups = Some(named.read(errors)),
            None => others.push(argument),
        }
    }
    let takes = Named {
        more: "; `groups(\"a\", \"b\")` says which groups may call",
        ..Named::new("connect", "tag", "Tag")
    };
    Connect {
        tag: name(&takes, others, errors),
        groups,
    }
}

/// A `groups(…)`, or `groups = …` as `#[net::subscribe]` takes it.
struct Groups {
    word: Ident,
    named: Vec<Expr>,
}

fn of_groups(argument: &Argument) -> Option<Groups> {
    let (word, named) = match argument {
        Argument::Named(word, value) if word == "groups" => match value {
            Some(Expr::Array(array)) => (word, array.elems.iter().cloned().collect()),
            value => (word, Vec::from_iter(value.clone())),
        },
        Argument::Value(Expr::Call(call)) => match &*call.func {
            Expr::Path(path) if path.path.is_ident("groups") => (
                &path.path.segments[0].ident,
                call.args.iter().cloned().collect(),
            ),
            _ => return None,
        },
        _ => return None,
    };
    let word = word.clone();
    Some(Groups { word, named })
}

impl Groups {
    fn read(self, errors: &mut Errors) -> Vec<Expr> {
        if self.named.is_empty() {
            let message = "nobody is in none of the groups: name those that may call, `groups(\"a\")`, or leave `groups` out for everybody";
            errors.push(&self.word, message);
        }
        for group in &self.named {
            match as_text(group).map(LitStr::value).as_deref() {
                Some("") => errors.push(group, "the group's name is empty"),
                // As the original writes it.
                Some("None") => {
                    errors.push(group, "who is in no group has none to prove: name a group")
                }
                None if matches!(group, Expr::Lit(_)) => {
                    errors.push(group, "a group is a text: `groups(\"a\")`");
                }
                Some(_) | None => {}
            }
        }
        self.named
    }
}
