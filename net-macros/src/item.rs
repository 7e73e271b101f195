//! What all the macros do with the function they stand on: reading it, and the parts of an expansion that do not depend on
//! what the function is for. What each of them asks of a function is judged elsewhere.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Attribute, FnArg, Ident, Item, ItemFn, LitStr, Visibility, ext::IdentExt as _};

use crate::errors::Errors;

/// Reads the function under the attribute called `attribute`.
///
/// # Errors
///
/// The expansion that says what is there instead, beside all of `errors`. The item is kept, so that its uses are not reported too.
pub(crate) fn function(
    attribute: &str,
    item: TokenStream,
    errors: &mut Errors,
) -> Result<ItemFn, TokenStream> {
    parse_function(attribute, item.clone()).map_err(|error| {
        errors.append(error);
        let errors = errors.compile_errors();
        quote!(#item #errors)
    })
}

fn parse_function(attribute: &str, item: TokenStream) -> syn::Result<ItemFn> {
    // Shown at the attribute, as it is the attribute that has to go.
    let misplaced = |on: &str| {
        let message = format!("`#[net::{attribute}]` goes on a function{on}");
        syn::Error::new(Span::call_site(), message)
    };
    match syn::parse2(item)? {
        Item::Fn(function) => Ok(function),
        // What syn gives back unread is, among functions, one without a body.
        Item::Verbatim(_) => Err(misplaced(" with a body")),
        _ => Err(misplaced("")),
    }
}

/// The expansion of a function that has mistakes: the function, and what is wrong with it.
pub(crate) fn mistaken(function: &ItemFn, errors: &syn::Error) -> TokenStream {
    let errors = errors.to_compile_error();
    // Outside of an `impl` the compiler has its own words for a `self`.
    let function = (!has_receiver(function)).then_some(function);
    quote!(#function #errors)
}

fn has_receiver(function: &ItemFn) -> bool {
    let mut inputs = function.sig.inputs.iter();
    inputs.any(|input| matches!(input, FnArg::Receiver(_)))
}

/// The type of the function's name, to hang constants and functions on. It is an enum without variants, as that takes no name
/// among the values.
pub(crate) fn namesake(
    visibility: &Visibility,
    ident: &Ident,
    attributes: &[Attribute],
    doc: &str,
) -> TokenStream {
    let conditions = named("cfg", attributes);
    let shown = attributes
        .iter()
        .filter(|attribute| is_doc_hidden(attribute));
    quote! {
        #(#conditions)*
        #(#shown)*
        #[doc = #doc]
        #[allow(non_camel_case_types, dead_code, missing_debug_implementations)]
        #visibility enum #ident {}
    }
}

/// The name by which others know the function, as an expression for a constant: the one it was given, or that of its module
/// and its own.
pub(crate) fn known_as(given: Option<&LitStr>, ident: &Ident) -> TokenStream {
    match given {
        Some(name) => name.to_token_stream(),
        None => {
            let name = ident.unraw().to_string();
            quote! {{
                const LENGTH: usize = ::net::private::tag_length(::std::module_path!(), #name);
                const TEXT: [u8; LENGTH] = ::net::private::tag_text(::std::module_path!(), #name);
                ::net::private::tag_str(&TEXT)
            }}
        }
    }
}

/// A link to the function, for the documentation of what is beside it.
pub(crate) fn doc_link(ident: &Ident) -> String {
    format!("[`{ident}`](fn@{ident})")
}

/// A name that cannot meet one of the user's.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// The attributes of one name.
pub(crate) fn named<'a>(name: &str, attributes: &'a [Attribute]) -> Vec<&'a Attribute> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident(name))
        .collect()
}

fn is_doc_hidden(attribute: &Attribute) -> bool {
    attribute.path().is_ident("doc")
        && matches!(&attribute.meta, syn::Meta::List(list) if list.tokens.to_string() == "hidden")
}

/// What tests of expansions share.
#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The expansion, laid out as rustfmt would.
    pub(crate) fn laid_out(expansion: TokenStream) -> String {
        prettyplease::unparse(&syn::parse2(expansion).unwrap())
    }

    pub(crate) fn assert_expansion(name: &str, expansion: TokenStream) {
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(name, laid_out(expansion));
        });
    }

    /// The messages of the `compile_error!`s in an expansion.
    pub(crate) fn mistakes(expansion: TokenStream) -> Vec<String> {
        let file: syn::File = syn::parse2(expansion).unwrap();
        file.items
            .into_iter()
            .filter_map(|item| match item {
                Item::Macro(item) => Some(item.mac.parse_body::<LitStr>().unwrap().value()),
                _ => None,
            })
            .collect()
    }
}
