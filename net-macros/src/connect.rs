//! `#[net::connect]` and `#[net::subscribe]`: the function as it was, the type that calls it on another peer, and its
//! registration, with the events that it is to be told of.
//!
//! What may be connected is judged in `signature`, what the attributes say in `arguments`; this file only generates.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, Ident, ItemFn, ext::IdentExt as _, spanned::Spanned as _};

use crate::{
    arguments::{self, Connect, Interest, Narrowing},
    docs,
    errors::Errors,
    item::{self, local, named},
    signature::{Connection, Parameter},
    types,
    written::written,
};

/// Expands `#[net::connect(arguments)] item`.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let mut said = Said {
        connect: arguments::connect(arguments, &mut errors),
        is_connected: true,
        interests: Vec::new(),
    };
    match item::function("connect", item, &mut errors) {
        Ok(function) => said.expand(function, errors),
        Err(expansion) => expansion,
    }
}

/// Expands `#[net::subscribe(arguments)] item`.
pub(crate) fn expand_subscribe(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let mut said = Said {
        connect: Connect::default(),
        is_connected: false,
        interests: Vec::from_iter(arguments::subscribe(
            Span::call_site(),
            arguments,
            &mut errors,
        )),
    };
    match item::function("subscribe", item, &mut errors) {
        Ok(function) => said.expand(function, errors),
        Err(expansion) => expansion,
    }
}

/// What the attributes say. The first one takes the others off the function, as each of them would make the same type.
struct Said {
    connect: Connect,
    is_connected: bool,
    interests: Vec<Interest>,
}

impl Said {
    fn expand(&mut self, mut function: ItemFn, mut errors: Errors) -> TokenStream {
        self.take_others(&mut function.attrs, &mut errors);
        let connect = std::mem::take(&mut self.connect);
        let interests = std::mem::take(&mut self.interests);
        match Connection::read(connect, interests, &mut function, errors) {
            Ok(connection) => {
                let remote = remote(&connection);
                let registration = registration(&connection);
                quote!(#function #remote #registration)
            }
            Err(errors) => item::mistaken(&function, &errors),
        }
    }

    fn take_others(&mut self, attributes: &mut Vec<Attribute>, errors: &mut Errors) {
        let others: Vec<_> = attributes
            .extract_if(.., |other| {
                is_net(other, "connect") || is_net(other, "subscribe")
            })
            .collect();
        for other in others {
            let arguments = match &other.meta {
                syn::Meta::List(list) => list.tokens.clone(),
                _ => TokenStream::new(),
            };
            if is_net(&other, "subscribe") {
                let interest =
                    arguments::subscribe(other.path().segments[1].span(), arguments, errors);
                self.interests.extend(interest);
            } else if std::mem::replace(&mut self.is_connected, true) {
                errors.push(other, "the function is connected twice");
            } else {
                self.connect = arguments::connect(arguments, errors);
            }
        }
    }
}

fn is_net(attribute: &Attribute, name: &str) -> bool {
    let segments = &attribute.path().segments;
    segments.len() == 2 && segments[0].ident == "net" && segments[1].ident == name
}

/// The type of the function's name, which calls it on other peers.
fn remote(connection: &Connection) -> TokenStream {
    let Connection {
        visibility,
        ident,
        parameters,
        returned,
        attributes,
        ..
    } = connection;
    let conditions = named("cfg", attributes);
    let deprecated = named("deprecated", attributes);
    let link = item::doc_link(ident);
    let type_doc =
        format!(" The remote side of {link}: [`on`](Self::on) calls it on another peer.");
    let tag_doc = format!(" The tag by which peers know {link}.");
    let on_doc = format!(" Calls {link} on `peer`. Dropping the call cancels it there.");
    let namesake = item::namesake(visibility, ident, attributes, &type_doc);
    let tag = item::known_as(connection.tag.as_ref(), ident);

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
        #namesake

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

/// What makes the function known to the peers of this program.
fn registration(connection: &Connection) -> TokenStream {
    let conditions = named("cfg", &connection.attributes);
    let name = connection.ident.unraw().to_string();
    let tag = match &connection.tag {
        Some(tag) => quote!(::std::option::Option::Some(#tag)),
        None => quote!(::std::option::Option::None),
    };
    let groups = match &connection.groups {
        Some(groups) => quote!(::std::option::Option::Some(&[#(#groups),*])),
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
    let subscriptions = connection.interests.iter().map(subscription);
    quote! {
        #(#conditions)*
        #[allow(deprecated, unused_variables, unused_imports, clippy::all, clippy::pedantic)]
        const _: () = {
            const __NET_REGISTRATION: ::net::private::Registration = ::net::private::Registration {
                tag: #tag,
                module: ::std::module_path!(),
                name: #name,
                doc: #doc,
                params: &[#(#parameters),*],
                returns: #returns,
                groups: #groups,
                handler: || #handler,
                subscriptions: &[#(#subscriptions),*],
            };
            ::net::private::inventory::submit! { __NET_REGISTRATION }
        };
    }
}

/// An event that the function is to be told of, and how that is narrowed.
fn subscription(interest: &Interest) -> TokenStream {
    let Interest { event, narrowed } = interest;
    let wish = local("wish");
    let narrowed = narrowed.iter().map(|Narrowing { method, argument }| {
        // Placed at the argument, so that the compiler's word on one that does not fit points there.
        let span = Span::mixed_site().located_at(argument.span());
        let argument = argument.iter();
        quote_spanned!(span=> let #wish = ::net::Subscribe::#method(#wish #(, #argument)*);)
    });
    quote! {
        ::net::private::SubscriptionSpec {
            event: #event,
            narrow: |#wish| {
                #(#narrowed)*
                #wish
            },
        }
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
            ::net::private::answer_error(
                ::std::any::type_name_of_val(&#value),
                &#value,
                ::net::private::Failure(&#value).remote(),
            )
        };
        let flag = local("flag");
        quote! {
            match #call {
                ::std::result::Result::Ok(#value) => #answer_value,
                ::std::result::Result::Err(#value) => {
                    use ::net::private::Plain as _;
                    match ::net::private::Failure(&#value).flag() {
                        ::std::option::Option::Some(#flag) => ::net::private::answer_flag(#flag),
                        ::std::option::Option::None => #answer_error,
                    }
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::tests::{assert_expansion, laid_out, mistakes};

    #[test]
    fn a_plain_function() {
        let item = quote! {
            /// The product of two numbers.
            #[inline]
            pub fn multiply(a: i64, #[net(default = 5)] mut b: i64) -> i64 {
                b *= a;
                b
            }
        };
        assert_expansion("multiply", expand(quote!(), item));
    }

    #[test]
    fn an_async_function_that_borrows_and_may_fail() {
        let item = quote! {
            #[cfg(unix)]
            #[deprecated]
            #[doc(hidden)]
            async fn find(text: &str, #[net(default = &[])] among: &[String]) -> io::Result<Option<usize>> {
                Ok(among.iter().position(|other| other == text))
            }
        };
        assert_expansion("find", expand(quote!("Tag", groups("lab", ADMINS)), item));
    }

    #[test]
    fn a_function_of_nothing() {
        let item = quote!(
            fn nothing() {}
        );
        assert_expansion("nothing", expand(quote!(tag = "Tag"), item));
    }

    #[test]
    fn a_function_that_is_told_of_events() {
        let arguments = quote!(
            "alarm",
            groups = ["lab"],
            hubs_only,
            keep = 100,
            when_full = "block"
        );
        let item = quote!(
            #[net::subscribe(door::EVENT, any_group)]
            #[net::connect("Heard")]
            fn heard(level: u8, #[net(default = "")] text: &str) {}
        );
        assert_expansion("heard", expand_subscribe(arguments, item));
    }

    #[test]
    fn mistakes_are_reported_together_and_leave_the_function() {
        let arguments = quote!(name = "Tag");
        let item = quote!(
            fn wrong<T>(#[net(default)] a: &mut T) -> &str {
                ""
            }
        );
        let expansion = expand(arguments, item);
        assert_eq!(mistakes(expansion.clone()).len(), 5);
        assert!(laid_out(expansion).starts_with("fn wrong<T>(a: &mut T)"));
    }

    #[test]
    fn mistakes_of_all_attributes_are_reported_together() {
        let arguments = quote!(groups = [], any_group, keep = 0, when_full = "wait", hub);
        let item = quote!(
            #[net::subscribe]
            #[net::connect("")]
            #[net::connect]
            fn wrong(&self) {}
        );
        let mistakes = mistakes(expand_subscribe(arguments, item));
        assert_eq!(mistakes.len(), 9, "{mistakes:#?}");
    }

    #[test]
    fn groups_that_leave_nobody_or_anybody_in_doubt_are_mistakes() {
        for (arguments, count) in [
            (quote!(groups("a"), groups = ["b"]), 1),
            (quote!("Tag", groups()), 1),
            (quote!(groups = []), 1),
            (quote!(groups), 1),
            (quote!(groups("", "None", 5)), 3),
            (quote!(groups("a", "b"), tag = "Tag"), 0),
            (quote!(groups = "a"), 0),
        ] {
            let mistakes = mistakes(expand(
                arguments.clone(),
                quote!(
                    fn guarded() {}
                ),
            ));
            assert_eq!(mistakes.len(), count, "{arguments}: {mistakes:#?}");
        }
    }

    #[test]
    fn groups_left_by_macro_rules_are_looked_into() {
        let mut ty: syn::Type = syn::parse_quote!(&str);
        ty = syn::Type::Group(syn::TypeGroup {
            attrs: Vec::new(),
            group_token: syn::token::Group::default(),
            elem: Box::new(ty),
        });
        assert!(mistakes(expand(quote!(), quote!(fn length(text: #ty) {}))).is_empty());
    }
}
