//! The documentation of a function as one text, as rustdoc would read it. Nothing of how it is shown.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// An expression for the text of all `#[doc]` attributes: a literal, unless one of them is a macro such as
/// `include_str!`.
pub(crate) fn text(attributes: &[Attribute]) -> TokenStream {
    let values: Vec<&Expr> = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(doc) if doc.path.is_ident("doc") => Some(&doc.value),
            _ => None,
        })
        .collect();
    let literals: Option<Vec<String>> = values.iter().map(|value| literal(value)).collect();
    match literals {
        Some(parts) => {
            let parts: Vec<String> = parts.iter().map(|part| unindent(part)).collect();
            let text = parts.join("\n").trim().to_owned();
            quote!(#text)
        }
        None => quote!(::std::concat!(#(#values, "\n"),*)),
    }
}

fn literal(value: &Expr) -> Option<String> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.value()),
        _ => None,
    }
}

/// Takes the margin away: the space after `///`, or what all lines of a block comment are indented by.
fn unindent(part: &str) -> String {
    let Some((first, rest)) = part.split_once('\n') else {
        return part.strip_prefix(' ').unwrap_or(part).trim_end().to_owned();
    };
    let indent = |line: &str| line.len() - line.trim_start().len();
    let margin = rest
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(indent)
        .min()
        .unwrap_or(0);
    let mut text = first.trim().to_owned();
    for line in rest.lines() {
        text.push('\n');
        text.push_str(line[margin.min(indent(line))..].trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn of(function: syn::ItemFn) -> String {
        syn::parse2::<syn::LitStr>(text(&function.attrs))
            .unwrap()
            .value()
    }

    #[test]
    fn lines_lose_their_margin_and_keep_their_indentation() {
        let function = parse_quote! {
            /// The product.
            ///
            ///     multiply(5, 10)
            #[inline]
            #[doc = "Of two numbers."]
            fn multiply() {}
        };
        assert_eq!(
            of(function),
            "The product.\n\n    multiply(5, 10)\nOf two numbers."
        );
    }

    #[test]
    fn a_block_comment_reads_as_lines_do() {
        let function = parse_quote! {
            #[doc = " The product.\n\n    Of two\n      numbers.\n"]
            fn multiply() {}
        };
        assert_eq!(of(function), "The product.\n\nOf two\n  numbers.");
    }

    #[test]
    fn no_documentation_is_the_empty_text() {
        assert_eq!(
            of(parse_quote!(
                #[doc(hidden)]
                fn multiply() {}
            )),
            ""
        );
    }

    #[test]
    fn a_macro_is_left_to_the_compiler() {
        let function: syn::ItemFn = parse_quote! {
            #[doc = include_str!("multiply.md")]
            fn multiply() {}
        };
        assert_eq!(
            text(&function.attrs).to_string(),
            quote!(::std::concat!(include_str!("multiply.md"), "\n")).to_string()
        );
    }
}
