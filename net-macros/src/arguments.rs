//! What is written inside the attributes: `#[net::connect(…)]` on a function, `#[net(…)]` on a parameter.

use proc_macro2::TokenStream;
use syn::{
    Attribute, Expr, Ident, LitStr, Token,
    ext::IdentExt as _,
    parse::{ParseStream, Parser as _},
    spanned::Spanned as _,
};

use crate::errors::Errors;

const CONNECT_TAKES: &str =
    "`#[net::connect]` takes a tag: `#[net::connect(\"Tag\")]` or `#[net::connect(tag = \"Tag\")]`";
const PARAMETER_TAKES: &str = "`#[net(…)]` takes a default: `#[net(default = 5)]`";

/// Reads the arguments of `#[net::connect(…)]`: a tag, or nothing.
pub(crate) fn connect(arguments: TokenStream, errors: &mut Errors) -> Option<LitStr> {
    let mut tag = None;
    let parsed = each_argument.parse2(arguments).map(|arguments| {
        for argument in arguments {
            let value = match argument {
                Argument::Value(value) => value,
                Argument::Named(name, Some(value)) if name == "tag" => value,
                Argument::Named(name, None) if name == "tag" => {
                    errors.push(name, "the tag is missing: `tag = \"Tag\"`");
                    continue;
                }
                Argument::Named(name, None) => {
                    errors.push(
                        &name,
                        format!("unknown argument `{name}`; {CONNECT_TAKES}, in quotes"),
                    );
                    continue;
                }
                Argument::Named(name, Some(_)) => {
                    errors.push(&name, format!("unknown argument `{name}`; {CONNECT_TAKES}"));
                    continue;
                }
            };
            let Some(literal) = errors.take(tag_literal(&value)) else {
                continue;
            };
            if tag.is_some() {
                errors.push(literal, "the tag is given twice");
            } else {
                tag = Some(literal);
            }
        }
    });
    errors.take(parsed);
    tag
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
    let mut arguments = Vec::new();
    while !input.is_empty() {
        // `name =` first, since `name = value` on its own also reads as an assignment.
        let is_named =
            input.peek(Ident::peek_any) && (input.peek2(Token![=]) || input.peek2(Token![,]));
        let is_last_name = || {
            input.fork().call(Ident::parse_any).is_ok() && {
                let ahead = input.fork();
                ahead.call(Ident::parse_any).is_ok() && ahead.is_empty()
            }
        };
        arguments.push(if is_named || is_last_name() {
            let name = input.call(Ident::parse_any)?;
            let value = match input.parse::<Option<Token![=]>>()? {
                Some(_) => Some(input.parse()?),
                None => None,
            };
            Argument::Named(name, value)
        } else {
            Argument::Value(input.parse()?)
        });
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(arguments)
}

fn tag_literal(value: &Expr) -> syn::Result<LitStr> {
    let Expr::Lit(syn::ExprLit {
        lit: syn::Lit::Str(literal),
        ..
    }) = value
    else {
        return Err(syn::Error::new_spanned(
            value,
            "the tag has to be a string literal: `\"Tag\"`",
        ));
    };
    if literal.value().is_empty() {
        return Err(syn::Error::new(literal.span(), "the tag is empty"));
    }
    Ok(literal.clone())
}
