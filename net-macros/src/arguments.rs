//! What is written inside the attributes: `#[net::connect(…)]` and its like on a function, `#[net(…)]` on a parameter. What
//! is inside `#[net::subscribe(…)]` has a file of its own.

mod connect;
mod subscribe;

use proc_macro2::{Span, TokenStream};
use syn::{
    Attribute, Expr, Ident, LitStr, Token,
    ext::IdentExt as _,
    parse::{Parse, ParseStream, Parser as _, discouraged::Speculative as _},
    punctuated::Punctuated,
};

use crate::errors::Errors;
pub(crate) use connect::{Connect, connect};
pub(crate) use subscribe::{Interest, Narrowing, subscribe};

const PARAMETER_TAKES: &str = "`#[net(…)]` takes a default: `#[net(default = 5)]`";

/// Reads the arguments of `#[net::event(…)]`: a name, or nothing.
pub(crate) fn event(arguments: TokenStream, errors: &mut Errors) -> Option<LitStr> {
    let arguments = errors.take(each_argument.parse2(arguments))?;
    name(&Named::new("event", "name", "alarm"), arguments, errors)
}

/// Reads the arguments of `#[net::flag(…)]`: a name.
pub(crate) fn flag(arguments: TokenStream, errors: &mut Errors) -> Option<LitStr> {
    let is_missing = arguments.is_empty();
    let arguments = errors.take(each_argument.parse2(arguments));
    let named = Named::new("flag", "name", "BUSY");
    let name = name(&named, arguments.unwrap_or_default(), errors);
    if is_missing {
        let message = "the flag's name is missing: `#[net::flag(\"BUSY\")]`";
        errors.append(syn::Error::new(Span::call_site(), message));
    }
    name
}

/// An attribute that takes one name.
struct Named {
    attribute: &'static str,
    argument: &'static str,
    example: &'static str,
    /// What else it takes.
    more: &'static str,
}

impl Named {
    fn new(attribute: &'static str, argument: &'static str, example: &'static str) -> Self {
        Self {
            attribute,
            argument,
            example,
            more: "",
        }
    }
}

fn name(of: &Named, arguments: Vec<Argument>, errors: &mut Errors) -> Option<LitStr> {
    let Named {
        attribute,
        argument: what,
        example,
        more,
    } = of;
    let mut given = None;
    for argument in arguments {
        let value = match argument {
            Argument::Value(value) => value,
            Argument::Named(name, Some(value)) if name == what => value,
            Argument::Named(name, None) if name == what => {
                errors.push(
                    name,
                    format!("the {what} is missing: `{what} = \"{example}\"`"),
                );
                continue;
            }
            Argument::Named(name, value) => {
                let hint = if value.is_none() { ", in quotes" } else { "" };
                errors.push(
                    &name,
                    format!(
                        "unknown argument `{name}`; `#[net::{attribute}]` takes a {what}: \
                         `#[net::{attribute}(\"{example}\")]` or `#[net::{attribute}({what} = \"{example}\")]`{hint}{more}"
                    ),
                );
                continue;
            }
        };
        let Some(literal) = errors.take(text(&value, what, example)) else {
            continue;
        };
        if given.is_some() {
            errors.push(literal, format!("the {what} is given twice"));
        } else {
            given = Some(literal);
        }
    }
    given
}

/// Takes the `#[net(…)]` attributes off a parameter and reads its default from them.
pub(crate) fn parameter(attributes: &mut Vec<Attribute>, errors: &mut Errors) -> Option<Expr> {
    let mut default = None;
    for attribute in attributes.extract_if(.., |attribute| attribute.path().is_ident("net")) {
        let parsed =
            attribute
                .parse_args_with(each_argument)
                .map_err(|error| match &attribute.meta {
                    syn::Meta::List(_) => error,
                    _ => syn::Error::new_spanned(&attribute, PARAMETER_TAKES),
                });
        for argument in errors.take(parsed).unwrap_or_default() {
            match argument {
                Argument::Named(name, Some(value)) if name == "default" => {
                    if default.is_some() {
                        errors.push(name, "the default is given twice");
                    } else {
                        default = Some(value);
                    }
                }
                Argument::Named(name, None) if name == "default" => {
                    errors.push(
                        name,
                        "the default's value is missing: `#[net(default = 5)]`",
                    );
                }
                Argument::Named(name, _) => {
                    errors.push(
                        &name,
                        format!("unknown argument `{name}`; {PARAMETER_TAKES}"),
                    );
                }
                Argument::Value(value) => errors.push(value, PARAMETER_TAKES),
            }
        }
    }
    default
}

/// One of the arguments between the parentheses of an attribute.
enum Argument {
    /// `name` or `name = value`.
    Named(Ident, Option<Expr>),
    /// `value`.
    Value(Expr),
}

fn each_argument(input: ParseStream<'_>) -> syn::Result<Vec<Argument>> {
    let parsed = Punctuated::<Argument, Token![,]>::parse_terminated(input)?;
    Ok(parsed.into_iter().collect())
}

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        // Not left to `Expr`, which would read `name = value` as an assignment and refuse keywords.
        let ahead = input.fork();
        if let Ok(name) = ahead.call(Ident::parse_any)
            && (ahead.is_empty() || ahead.peek(Token![,]) || ahead.peek(Token![=]))
        {
            input.advance_to(&ahead);
            let value = match input.parse::<Option<Token![=]>>()? {
                Some(_) => Some(input.parse()?),
                None => None,
            };
            return Ok(Self::Named(name, value));
        }
        input.parse().map(Self::Value)
    }
}

/// A text that is not empty.
fn text(value: &Expr, what: &str, example: &str) -> syn::Result<LitStr> {
    let Some(literal) = as_text(value) else {
        return Err(syn::Error::new_spanned(
            value,
            format!("the {what} has to be a string literal: `\"{example}\"`"),
        ));
    };
    if literal.value().is_empty() {
        return Err(syn::Error::new(
            literal.span(),
            format!("the {what} is empty"),
        ));
    }
    Ok(literal.clone())
}

fn as_text(value: &Expr) -> Option<&LitStr> {
    match value {
        Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Str(literal),
            ..
        }) => Some(literal),
        _ => None,
    }
}
