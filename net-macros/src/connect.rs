//! `#[net::connect]`: the function as it was, the type that calls it on another peer, and its registration.
//!
//! What may be connected is judged in `signature`; this file only generates.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, FnArg, Ident, Item, ItemFn, ext::IdentExt as _, spanned::Spanned as _};

use crate::{
    arguments, docs,
    errors::Errors,
    signature::{Connection, Parameter},
    types,
    written::written,
};

/// Expands `#[net::connect(arguments)] item`. Mistakes become `compile_error!`s beside the item, which is kept so that
/// its uses are not reported too.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let tag = arguments::connect(arguments, &mut errors);
    let mut function = match parse_function(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            errors.append(error);
            let errors = errors.finish().err().map(syn::Error::into_compile_error);
            return quote!(#item #errors);
        }
    };
    match Connection::read(tag, &mut function, errors) {
        Ok(connection) => {
            let remote = remote(&connection);
            let registration = registration(&connection);
            quote!(#function #remote #registration)
        }
        Err(errors) => {
            let errors = errors.into_compile_error();
            // Outside of an `impl` the compiler has its own words for a `self`.
            let function = (!has_receiver(&function)).then_some(function);
            quote!(#function #errors)
        }
    }
}

fn parse_function(item: TokenStream) -> syn::Result<ItemFn> {
    match syn::parse2(item)? {
        Item::Fn(function) => Ok(function),
        // What syn gives back unread is, among functions, one without a body.
        Item::Verbatim(_) => Err(misplaced(
            "`#[net::connect]` goes on a function with a body",
        )),
        _ => Err(misplaced("`#[net::connect]` goes on a function")),
    }
}

/// An error shown at the attribute, as it is the attribute that has to go.
fn misplaced(message: &str) -> syn::Error {
    syn::Error::new(Span::call_site(), message)
}

fn has_receiver(function: &ItemFn) -> bool {
    function
        .sig
        .inputs
        .iter()
        .any(|input| matches!(input, FnArg::Receiver(_)))
}

/// The type of the function's name. It is an enum without variants, as that takes no name among the values.
fn remote(connection: &Connection) -> TokenStream {
    let Connection {
        visibility,
        ident,
        parameters,
        returned,
        ..
    } = connection;
    let conditions = named("cfg", &connection.attributes);
    let shown = connection
        .attributes
        .iter()
        .filter(|attribute| is_doc_hidden(attribute));
    let deprecated = named("deprecated", &connection.attributes);
    let link = format!("[`{ident}`](fn@{ident})");
    let type_doc =
        format!(" The remote side of {link}: [`on`](Self::on) calls it on another peer.");
    let tag_doc = format!(" The tag by which peers know {link}.");
    let on_doc = format!(" Calls {link} on `peer`. Dropping the call cancels it there.");
    let tag = tag(connection);

    let peer = local("peer");
    let out = local("out");
    let names: Vec<_> = parameters
        .iter()
        .map(|parameter| &parameter.ident)
        .collect();
    let types = parameters.iter().map(|parameter| &parameter.ty);
    let value = types::owned(&returned.value);
    // Placed at the name, so that the compiler's word on arguments that cannot be sent points there.
    let at_name = Span::mixed_site().located_at(ident.span());
    // The empty tuple would be written as null.
    let arguments = if names.is_empty() {
        quote!(&[(); 0])
    } else {
        quote_spanned!(at_name=> &(#(#names,)*))
    };

    quote! {
        #(#conditions)*
        #(#shown)*
        #[doc = #type_doc]
        #[allow(non_camel_case_types, dead_code, missing_debug_implementations)]
        #visibility enum #ident {}

        #(#conditions)*
        #[allow(dead_code, clippy::all, clippy::pedantic)]
        impl #ident {
            #[doc = #tag_doc]
            #visibility const TAG: &'static str = #tag;

            #[doc = #on_doc]
            #(#deprecated)*
            #visibility fn on(#peer: &::net::Remote #(, #names: #types)*) -> ::net::Call<#value> {
                ::net::private::call::<#value>(#peer, Self::TAG, move |#out| {
                    ::net::private::encode_arguments(#arguments, #out)
                })
            }
        }
    }
}

/// The tag as an expression for a constant.
fn tag(connection: &Connection) -> TokenStream {
    match &connection.tag {
        Some(tag) => tag.to_token_stream(),
        None => {
            let name = connection.ident.unraw().to_string();
            quote! {{
                const LENGTH: usize = ::net::private::tag_length(::std::module_path!(), #name);
                const TEXT: [u8; LENGTH] = ::net::private::tag_text(::std::module_path!(), #name);
                ::net::private::tag_str(&TEXT)
            }}
        }
    }
}

/// What makes the function known to the peers of this program.
fn registration(connection: &Connection) -> TokenStream {
    let conditions = named("cfg", &connection.attributes);
    let name = connection.ident.unraw().to_string();
    let tag = match &connection.tag {
        Some(tag) => quote!(::std::option::Option::Some(#tag)),
        None => quote!(::std::option::Option::None),
    };
    let doc = docs::text(&connection.attributes);
    let returns = &connection.returned.written;
    let parameters = connection
        .parameters
        .iter()
        .map(|Parameter { ident, ty, default }| {
            let name = ident.unraw().to_string();
            let ty = written(ty);
            let default = match default.as_ref().map(written) {
                Some(default) => quote!(::std::option::Option::Some(#default)),
                None => quote!(::std::option::Option::None),
            };
            quote!(::net::private::ParamSpec { name: #name, ty: #ty, default: #default })
        });
    let handler = handler(connection);
    quote! {
        #(#conditions)*
        #[allow(deprecated, unused_variables, clippy::all, clippy::pedantic)]
        const _: () = {
            const __NET_REGISTRATION: ::net::private::Registration = ::net::private::Registration {
                tag: #tag,
                module: ::std::module_path!(),
                name: #name,
                doc: #doc,
                params: &[#(#parameters),*],
                returns: #returns,
                handler: || #handler,
            };
            ::net::private::inventory::submit! { __NET_REGISTRATION }
        };
    }
}

/// Decodes the arguments, calls the function, and answers.
fn handler(connection: &Connection) -> TokenStream {
    let Connection {
        ident,
        parameters,
        returned,
        ..
    } = connection;
    let name = ident.unraw().to_string();
    let incoming = local("incoming");
    let arguments = local("arguments");
    let error = local("error");

    let count = parameters.len();
    let names = parameters
        .iter()
        .map(|parameter| parameter.ident.unraw().to_string());
    let locals: Vec<_> = (0..count)
        .map(|index| local(&format!("argument_{index}")))
        .collect();
    let decoded = parameters
        .iter()
        .enumerate()
        .map(|(index, parameter)| decoded(index, parameter, &arguments));
    let given = parameters.iter().zip(&locals).map(|(parameter, local)| {
        match types::referent(&parameter.ty) {
            Some(_) => quote!(&#local),
            None => local.to_token_stream(),
        }
    });

    // Placed at the type, so that the compiler's word on a type that cannot be sent points there.
    let at_value = Span::mixed_site().located_at(returned.value.span());
    let value = Ident::new("value", at_value);
    let answer_value = quote_spanned!(at_value=> ::net::private::answer_value(&#value));
    let awaited = connection.is_async.then(|| quote!(.await));
    let call = quote!(#ident(#(#given),*)#awaited);
    let answer = if returned.fallible {
        let answer_error = quote_spanned! {at_value=>
            ::net::private::answer_error(::std::any::type_name_of_val(&#value), &#value)
        };
        quote! {
            match #call {
                ::std::result::Result::Ok(#value) => #answer_value,
                ::std::result::Result::Err(#value) => #answer_error,
            }
        }
    } else {
        quote! {
            let #value = #call;
            #answer_value
        }
    };

    let body = quote! {
        let #arguments = || -> ::std::result::Result<_, ::net::value::ValueError> {
            let #arguments = ::net::private::Arguments::<'_, #count>::parse(&#incoming.body, &[#(#names),*])?;
            ::std::result::Result::Ok((#(#decoded,)*))
        };
        let (#(#locals,)*) = match #arguments() {
            ::std::result::Result::Ok(#arguments) => #arguments,
            ::std::result::Result::Err(#error) => return ::net::private::answer_bad_arguments(#name, #error),
        };
        #answer
    };
    if connection.is_async {
        // Placed at the name, so that the compiler's word on a future that is not `Send` points there.
        let at_name = Span::mixed_site().located_at(ident.span());
        quote_spanned!(at_name=> ::net::private::async_handler(|#incoming| async move { #body }))
    } else {
        quote!(::net::private::sync_handler(|#incoming| { #body }))
    }
}

fn decoded(index: usize, parameter: &Parameter, arguments: &Ident) -> TokenStream {
    let ty = types::owned(&parameter.ty);
    let at_type = Span::mixed_site().located_at(parameter.ty.span());
    match &parameter.default {
        None => quote_spanned!(at_type=> #arguments.required::<#ty>(#index)?),
        Some(default) => {
            let default = match types::referent(&parameter.ty) {
                Some(referent) => {
                    quote_spanned!(at_type=> <#referent as ::std::borrow::ToOwned>::to_owned(#default))
                }
                None => default.to_token_stream(),
            };
            quote_spanned!(at_type=> #arguments.optional::<#ty>(#index, || #default)?)
        }
    }
}

/// A name that cannot meet one of the user's.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

fn named<'a>(name: &str, attributes: &'a [Attribute]) -> Vec<&'a Attribute> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident(name))
        .collect()
}

fn is_doc_hidden(attribute: &Attribute) -> bool {
    attribute.path().is_ident("doc")
        && matches!(&attribute.meta, syn::Meta::List(list) if list.tokens.to_string() == "hidden")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expansion, laid out as rustfmt would.
    fn expanded(arguments: TokenStream, item: TokenStream) -> String {
        prettyplease::unparse(&syn::parse2(expand(arguments, item)).unwrap())
    }

    fn assert_expansion(name: &str, arguments: TokenStream, item: TokenStream) {
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(name, expanded(arguments, item));
        });
    }

    /// The messages of the `compile_error!`s in an expansion.
    fn mistakes(arguments: TokenStream, item: TokenStream) -> Vec<String> {
        let file: syn::File = syn::parse2(expand(arguments, item)).unwrap();
        file.items
            .into_iter()
            .filter_map(|item| match item {
                Item::Macro(item) => Some(item.mac.parse_body::<syn::LitStr>().unwrap().value()),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_plain_function() {
        assert_expansion(
            "multiply",
            quote!(),
            quote! {
                /// The product of two numbers.
                #[inline]
                pub fn multiply(a: i64, #[net(default = 5)] mut b: i64) -> i64 {
                    b *= a;
                    b
                }
            },
        );
    }

    #[test]
    fn an_async_function_that_borrows_and_may_fail() {
        assert_expansion(
            "find",
            quote!("Tag"),
            quote! {
                #[cfg(unix)]
                #[deprecated]
                #[doc(hidden)]
                async fn find(text: &str, #[net(default = &[])] among: &[String]) -> io::Result<Option<usize>> {
                    Ok(among.iter().position(|other| other == text))
                }
            },
        );
    }

    #[test]
    fn a_function_of_nothing() {
        assert_expansion(
            "nothing",
            quote!(tag = "Tag"),
            quote!(
                fn nothing() {}
            ),
        );
    }

    #[test]
    fn mistakes_are_reported_together_and_leave_the_function() {
        let arguments = quote!(name = "Tag");
        let item = quote!(
            fn wrong<T>(#[net(default)] a: &mut T) -> &str {
                ""
            }
        );
        assert_eq!(mistakes(arguments.clone(), item.clone()).len(), 5);
        assert!(expanded(arguments, item).starts_with("fn wrong<T>(a: &mut T)"));
    }

    #[test]
    fn groups_left_by_macro_rules_are_looked_into() {
        let mut ty: syn::Type = syn::parse_quote!(&str);
        ty = syn::Type::Group(syn::TypeGroup {
            attrs: Vec::new(),
            group_token: syn::token::Group::default(),
            elem: Box::new(ty),
        });
        assert!(mistakes(quote!(), quote!(fn length(text: #ty) {})).is_empty());
    }
}
