//! What is written inside `#[net::subscribe(…)]`: an event, and which peers' it is to be.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Expr, Ident, Lit, parse::Parser as _};

use super::{Argument, as_text, each_argument};
use crate::errors::Errors;

const TAKES: &str = "`#[net::subscribe]` takes an event, then `groups = [\"a\"]` or `any_group`, `hubs_only`, `on_host`, \
                     `keep = 100`, `when_full = \"block\"` or `\"drop_oldest\"`";

/// An event that a function is to be told of.
pub(crate) struct Interest {
    /// The event's name: a literal, or what is a constant of the program.
    pub(crate) event: Expr,
    /// In the order in which it was written.
    pub(crate) narrowed: Vec<Narrowing>,
}

/// A method of `net::Subscribe`, and what it is given.
pub(crate) struct Narrowing {
    pub(crate) method: Ident,
    pub(crate) argument: Option<TokenStream>,
}

/// Reads the arguments of the `#[net::subscribe(…)]` that stands at `attribute`.
pub(crate) fn subscribe(
    attribute: Span,
    arguments: TokenStream,
    errors: &mut Errors,
) -> Option<Interest> {
    let arguments = errors.take(each_argument.parse2(arguments))?;
    let mut event = None;
    let mut narrowed: Vec<Narrowing> = Vec::new();
    for (index, argument) in arguments.into_iter().enumerate() {
        let (name, value) = match argument {
            Argument::Named(name, value) if KNOWN.iter().any(|known| name == known) => {
                (name, value)
            }
            // A constant.
            Argument::Named(name, None) if index == 0 => {
                event = Some(Expr::Verbatim(name.into_token_stream()));
                continue;
            }
            Argument::Value(value) if index == 0 => {
                if as_text(&value).is_some_and(|text| text.value().is_empty()) {
                    errors.push(&value, "the event's name is empty");
                }
                event = Some(value);
                continue;
            }
            Argument::Named(name, _) => {
                errors.push(&name, format!("unknown argument `{name}`; {TAKES}"));
                continue;
            }
            Argument::Value(value) => {
                errors.push(value, TAKES);
                continue;
            }
        };
        let said = |other: &str| narrowed.iter().any(|narrowing| narrowing.method == other);
        if said(&name.to_string()) {
            errors.push(&name, format!("`{name}` is said twice"));
        } else if name == "groups" && said("any_group") || name == "any_group" && said("groups") {
            errors.push(&name, "either `groups` or `any_group`");
        }
        if let Some(narrowing) = errors.take(narrowing(&name, value)) {
            narrowed.extend(narrowing);
        }
    }
    if event.is_none() {
        let message = "the event's name is missing: `#[net::subscribe(\"alarm\")]`, or `(alarm::EVENT)` of a `#[net::event]`";
        errors.append(syn::Error::new(attribute, message));
    }
    Some(Interest {
        event: event?,
        narrowed,
    })
}

const KNOWN: [&str; 6] = [
    "groups",
    "any_group",
    "hubs_only",
    "on_host",
    "keep",
    "when_full",
];

/// What one argument comes to; nothing, for a `hubs_only = false`.
fn narrowing(name: &Ident, value: Option<Expr>) -> syn::Result<Option<Narrowing>> {
    let argument = match (name.to_string().as_str(), value) {
        ("groups", Some(value)) => Some(groups(value)?),
        ("keep", Some(value)) => Some(keep(value)?),
        ("when_full", Some(value)) => Some(policy(&value)?),
        ("groups", None) => return missing(name, "[\"a\"]"),
        ("keep", None) => return missing(name, "100"),
        ("when_full", None) => return missing(name, "\"block\""),
        (_, value) => {
            if !is_true(value)? {
                return Ok(None);
            }
            None
        }
    };
    Ok(Some(Narrowing {
        method: name.clone(),
        argument,
    }))
}

fn missing<T>(name: &Ident, example: &str) -> syn::Result<T> {
    let message = format!("the value is missing: `{name} = {example}`");
    Err(syn::Error::new_spanned(name, message))
}

fn groups(value: Expr) -> syn::Result<TokenStream> {
    match &value {
        Expr::Array(array) if array.elems.is_empty() => Err(syn::Error::new_spanned(
            &value,
            "no peer is in none of the groups: name one, or leave `groups` out for this peer's own",
        )),
        // One group.
        value if as_text(value).is_some() => Ok(quote!([#value])),
        value => Ok(value.to_token_stream()),
    }
}

fn keep(value: Expr) -> syn::Result<TokenStream> {
    if let Expr::Lit(literal) = &value
        && let Lit::Int(number) = &literal.lit
        && number.base10_digits() == "0"
    {
        return Err(syn::Error::new_spanned(
            &value,
            "one event has to be kept at least",
        ));
    }
    Ok(value.into_token_stream())
}

fn policy(value: &Expr) -> syn::Result<TokenStream> {
    match as_text(value).map(|text| text.value()).as_deref() {
        Some("block") => Ok(quote!(::net::Policy::Block)),
        Some("drop_oldest") => Ok(quote!(::net::Policy::DropOldest)),
        _ => Err(syn::Error::new_spanned(
            value,
            "`when_full` is \"block\" or \"drop_oldest\"",
        )),
    }
}

fn is_true(value: Option<Expr>) -> syn::Result<bool> {
    match value {
        None => Ok(true),
        Some(Expr::Lit(syn::ExprLit {
            lit: Lit::Bool(literal),
            ..
        })) => Ok(literal.value),
        Some(value) => Err(syn::Error::new_spanned(value, "it is `true` or `false`")),
    }
}
