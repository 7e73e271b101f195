//! `#[net::event]`: the function publishes what it returned; the type of its name says which event that is, and publishes from a
//! peer that is named.
//!
//! It is called here alone, so what its parameters are is its own affair; only what it returns has to travel.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    Attribute, FnArg, Ident, ItemFn, LitStr, Pat, PatType, ReturnType, Signature, Type,
    parse_quote, spanned::Spanned as _,
};

use crate::{
    arguments,
    errors::Errors,
    item::{self, local, named},
    signature::{self, MAX_PARAMETERS},
    types,
};

/// Expands `#[net::event(arguments)] item`.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let name = arguments::event(arguments, &mut errors);
    let mut function = match item::function("event", item, &mut errors) {
        Ok(function) => function,
        Err(expansion) => return expansion,
    };
    check(&mut function, &mut errors);
    let published = Published::read(&function.sig.output, &mut errors);
    match errors.finish() {
        Ok(()) => publisher(name.as_ref(), &function, &published),
        Err(errors) => item::mistaken(&function, &errors),
    }
}

fn check(function: &mut ItemFn, errors: &mut Errors) {
    signature::check_plain(function, "publishes an event", errors);
    if let Some(variadic) = &function.sig.variadic {
        errors.push(variadic, "the number of arguments has to be known");
    }
    for input in &mut function.sig.inputs {
        let FnArg::Typed(input) = input else { continue };
        let attributes = input
            .attrs
            .extract_if(.., |attribute| !attribute.path().is_ident("doc"));
        for attribute in attributes {
            let message = "a parameter takes no attribute here: an event's function is called by this program alone";
            errors.push(attribute, message);
        }
    }
}

/// What a function gives to be published.
struct Published {
    /// The type of it.
    ty: Type,
    /// What the function that publishes returns: the same with `net::Emit` in its place.
    emitted: Type,
    fallible: bool,
}

impl Published {
    fn read(output: &ReturnType, errors: &mut Errors) -> Self {
        let written: Type = match output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, ty) => Type::clone(ty),
        };
        let mut emitted = written.clone();
        let (ty, fallible) = match types::value_in_result(&mut emitted) {
            Some(Some(value)) => (std::mem::replace(value, parse_quote!(::net::Emit)), true),
            Some(None) => {
                errors.push(
                    &written,
                    "the arguments of the event cannot be seen here: write them out, as in `Result<(u8, String), E>`",
                );
                (written, true)
            }
            None => {
                emitted = parse_quote!(::net::Emit);
                (written, false)
            }
        };
        if let Type::Tuple(tuple) = types::peel(&ty)
            && let Some(extra) = tuple.elems.iter().nth(MAX_PARAMETERS)
        {
            errors.push(
                extra,
                format!("at most {MAX_PARAMETERS} arguments: put some of them into a struct"),
            );
        }
        Self {
            ty,
            emitted,
            fallible,
        }
    }

    /// Hands `value` to the subscribers of the peer that `from` is.
    fn emit(&self, from: &TokenStream, ident: &Ident, value: &Ident) -> TokenStream {
        // Placed at the type, so that the compiler's word on one that cannot be sent points there.
        let at_type = Span::mixed_site().located_at(self.ty.span());
        let arguments = match types::peel(&self.ty) {
            Type::Tuple(_) => quote_spanned!(at_type=> &#value),
            // One argument.
            _ => quote_spanned!(at_type=> &(#value,)),
        };
        quote_spanned!(at_type=> ::net::private::emit(#from, #ident::EVENT, #arguments))
    }
}

/// The function that publishes, and the type beside it.
fn publisher(name: Option<&LitStr>, function: &ItemFn, published: &Published) -> TokenStream {
    let ItemFn {
        attrs: attributes,
        vis: visibility,
        sig: signature,
        block,
        ..
    } = function;
    let ident = &signature.ident;
    let conditions = named("cfg", attributes);
    let deprecated = named("deprecated", attributes);
    let link = item::doc_link(ident);
    let type_doc = format!(
        " The event of {link}: its [name](Self::EVENT), and publishing it [from](Self::on) a peer of one's own."
    );
    let event_doc = format!(" The name of the event that {link} publishes.");
    let on_doc = format!(" Publishes as {link} does, from `peer`.");
    let arguments_doc = format!(" What {link} publishes; nobody is told.");
    let namesake = item::namesake(visibility, ident, attributes, &type_doc);
    let event = item::known_as(name, ident);

    // What is said of the function is said of the one that is called by its name; the rest is about its body.
    let (of_caller, of_body): (Vec<_>, Vec<_>) = attributes.iter().partition(|a| is_for_callers(a));
    let of_body = of_body.into_iter().filter(|a| !a.path().is_ident("doc"));
    let parameters = Parameters::of(signature);
    let given = &parameters.names;
    let peer = local("peer");
    let from_current = quote!(::net::Peer::current().as_ref());
    let from_peer = quote!(::std::option::Option::Some(#peer));
    let publishes = parameters.signature(signature, ident, &published.emitted);
    let mut on = parameters.signature(signature, &local_name("on"), &published.emitted);
    on.inputs.insert(0, parse_quote!(#peer: &::net::Peer));
    let arguments = Signature {
        ident: local_name("arguments"),
        ..signature.clone()
    };
    let publish = |from| {
        let value = local("value");
        let error = local("error");
        let awaited = signature.asyncness.is_some().then(|| quote!(.await));
        let run = quote!(#ident::arguments(#(#given),*)#awaited);
        let emit = published.emit(from, ident, &value);
        match published.fallible {
            true => quote! {
                match #run {
                    ::std::result::Result::Ok(#value) => ::std::result::Result::Ok(#emit),
                    ::std::result::Result::Err(#error) => ::std::result::Result::Err(#error),
                }
            },
            false => quote! {
                let #value = #run;
                #emit
            },
        }
    };
    let (publish_from_current, publish_from_peer) = (publish(&from_current), publish(&from_peer));

    quote! {
        #(#of_caller)*
        #[allow(clippy::let_unit_value)]
        #visibility #publishes {
            #publish_from_current
        }

        #namesake

        #(#conditions)*
        #[allow(dead_code, clippy::all, clippy::pedantic)]
        impl #ident {
            #[doc = #event_doc]
            #visibility const EVENT: &'static str = #event;

            #[doc = #on_doc]
            #(#deprecated)*
            #visibility #on {
                #publish_from_peer
            }
        }

        #(#conditions)*
        #[allow(dead_code)]
        impl #ident {
            #[doc = #arguments_doc]
            #(#of_body)*
            #visibility #arguments #block
        }
    }
}

fn is_for_callers(attribute: &Attribute) -> bool {
    let path = attribute.path();
    ["cfg", "deprecated", "doc", "must_use"]
        .iter()
        .any(|name| path.is_ident(name))
}

/// A name in the type's own `impl`, where it meets no other.
fn local_name(name: &str) -> Ident {
    Ident::new(name, Span::call_site())
}

/// The parameters of a function as those of another that passes them on.
struct Parameters {
    names: Vec<Ident>,
}

impl Parameters {
    fn of(signature: &Signature) -> Self {
        let typed = signature.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(input) => Some(input),
            FnArg::Receiver(_) => None,
        });
        let name = |(index, input): (usize, &PatType)| match &*input.pat {
            Pat::Ident(pattern) => pattern.ident.clone(),
            _ => local(&format!("argument_{index}")),
        };
        Self {
            names: typed.enumerate().map(name).collect(),
        }
    }

    /// The signature of a function that takes the same and returns something else.
    fn signature(&self, of: &Signature, ident: &Ident, returns: &Type) -> Signature {
        let mut signature = of.clone();
        signature.ident = ident.clone();
        signature.output = parse_quote!(-> #returns);
        for (input, name) in signature.inputs.iter_mut().zip(&self.names) {
            if let FnArg::Typed(input) = input {
                input.attrs.clear();
                *input.pat = Pat::Verbatim(name.to_token_stream());
            }
        }
        signature
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::tests::{assert_expansion, laid_out, mistakes};

    #[test]
    fn an_event_of_several_arguments() {
        let item = quote! {
            /// Something is wrong.
            #[inline]
            pub fn alarm(mut level: u8, text: &str) -> (u8, String) {
                level += 1;
                (level, text.to_owned())
            }
        };
        assert_expansion("alarm", expand(quote!("alarm"), item));
    }

    #[test]
    fn an_event_of_one_argument_that_is_waited_for_and_may_fail() {
        let item = quote! {
            #[cfg(unix)]
            #[must_use]
            async fn read(Station { id, .. }: Station) -> io::Result<f64> {
                sensor(id).await
            }
        };
        assert_expansion("read", expand(quote!(), item));
    }

    #[test]
    fn an_event_of_nothing() {
        let item = quote!(
            fn tick() {}
        );
        assert_expansion("tick", expand(quote!(name = "tick"), item));
    }

    #[test]
    fn mistakes_are_reported_together_and_leave_the_function() {
        let item = quote!(
            unsafe extern "C" fn wrong(#[net(default = 5)] a: u8) -> fmt::Result {
                Ok(())
            }
        );
        let expansion = expand(quote!(""), item);
        assert_eq!(mistakes(expansion.clone()).len(), 5);
        assert!(laid_out(expansion).starts_with("unsafe extern \"C\" fn wrong(a: u8)"));
    }
}
