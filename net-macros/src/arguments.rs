//! What is written inside the attributes: `#[net::connect(…)]` on a function, `#[net(…)]` on a parameter.

use proc_macro2::TokenStream;
use syn::{
    Attribute, Expr, Ident, LitStr, Token,
    ext::IdentExt as _,
    parse::{Parse, ParseStream, Parser as _, discouraged::Speculative as _},
    punctuated::Punctuated,
};

use crate::errors::Errors;

const CONNECT_TAKES: &str =
    "`#[net::connect]` takes a tag: `#[net::connect(\"Tag\")]` or `#[net::connect(tag = \"Tag\")]`";
const PARAMETER_TAKES: &str = "`#[net(…)]` takes a default: `#[net(default = 5)]`";

/// Reads the arguments of `#[net::connect(…)]`: a tag, or nothing.
pub(crate) fn connect(arguments: TokenStream, errors: &mut Errors) -> Option<LitStr> {
    let mut tag = None;
    let parsed = errors.take(each_argument.parse2(arguments));
    for argument in parsed.unwrap_or_default() {
        let value = match argument {
            Argument::Value(value) => value,
            Argument::Named(name, Some(value)) if name == "tag" => value,
            Argument::Named(name, None) if name == "tag" => {
                errors.push(name, "the tag is missing: `tag = \"Tag\"`");
                continue;
            }
            Argument::Named(name, value) => {
                let hint = if value.is_none() { ", in quotes" } else { "" };
                errors.push(
                    &name,
                    format!("unknown argument `{name}`; {CONNECT_TAKES}{hint}"),
                );
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
