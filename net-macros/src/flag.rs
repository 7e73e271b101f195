//! `#[net::flag]`: the function as it was, the flag as a constant of the type of its name, and its registration.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{FnArg, Ident, ItemFn, LitStr, ReturnType, ext::IdentExt as _, spanned::Spanned as _};

use crate::{
    arguments,
    errors::Errors,
    item::{self, local, named},
    signature, types,
};

const HANDLER: &str = "a flag's handler takes the tag that was called and the peer that answered: `fn handler(connection: &str, peer: &net::Remote)`";

/// Expands `#[net::flag(arguments)] item`.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let name = arguments::flag(arguments, &mut errors);
    let function = match item::function("flag", item, &mut errors) {
        Ok(function) => function,
        Err(expansion) => return expansion,
    };
    check(&function, &mut errors);
    let returned = match &function.sig.output {
        ReturnType::Default => false,
        ReturnType::Type(_, ty) => types::value_in_result(&mut ty.clone()).is_some(),
    };
    match errors.finish() {
        Ok(()) => handler(name.as_ref(), &function, returned),
        Err(errors) => item::mistaken(&function, &errors),
    }
}

fn check(function: &ItemFn, errors: &mut Errors) {
    let signature = &function.sig;
    signature::check_plain(function, "handles a flag", errors);
    if let Some(token) = &signature.asyncness {
        errors.push(
            token,
            "a flag's handler cannot be async: it gives what the call that waits for it comes to",
        );
    }
    if !signature.generics.params.is_empty() {
        errors.push(
            &signature.generics,
            "a flag's handler cannot be generic: nobody would choose its types",
        );
    }
    let typed = |input: &&FnArg| matches!(input, FnArg::Typed(_));
    let parameters = signature.inputs.iter().filter(typed);
    match parameters.clone().nth(2) {
        Some(extra) => errors.push(extra, HANDLER),
        None if parameters.count() < 2 => errors.push(&signature.ident, HANDLER),
        None => {}
    }
}

/// The function, and what makes it known to the peers of this program.
fn handler(name: Option<&LitStr>, function: &ItemFn, fallible: bool) -> TokenStream {
    let ItemFn {
        attrs: attributes,
        vis: visibility,
        sig: signature,
        ..
    } = function;
    let ident = &signature.ident;
    let function_name = ident.unraw().to_string();
    let conditions = named("cfg", attributes);
    let link = item::doc_link(ident);
    let type_doc = format!(" The [flag](Self::FLAG) that {link} handles.");
    let flag_doc = format!(" What a function answers with, for {link} to handle.");
    let namesake = item::namesake(visibility, ident, attributes, &type_doc);

    // Placed at their types, as the names are the macro's own.
    let given = signature.inputs.iter().zip(["connection", "peer"]);
    let given = given.map(|(input, name)| {
        let span = match input {
            FnArg::Typed(input) => input.ty.span(),
            FnArg::Receiver(receiver) => receiver.span(),
        };
        Ident::new(name, Span::mixed_site().located_at(span))
    });
    let given: Vec<_> = given.collect();
    let value = local("value");
    // Placed at the type, so that the compiler's word on one that does not fit points there.
    let at_value = Span::mixed_site().located_at(match &signature.output {
        ReturnType::Default => ident.span(),
        ReturnType::Type(_, ty) => ty.span(),
    });
    let instead = quote_spanned!(at_value=> ::net::private::instead(&#value));
    let call = quote!(#ident(#(#given),*));
    let body = match fallible {
        true => {
            let failed = quote_spanned!(at_value=> ::std::convert::Into::into(#value));
            quote! {
                match #call {
                    ::std::result::Result::Ok(#value) => #instead,
                    ::std::result::Result::Err(#value) => ::std::result::Result::Err(#failed),
                }
            }
        }
        false => quote! {
            let #value = #call;
            #instead
        },
    };
    quote! {
        #function

        #namesake

        #(#conditions)*
        #[allow(dead_code)]
        impl #ident {
            #[doc = #flag_doc]
            #visibility const FLAG: ::net::Flag = ::net::Flag::new(#name);
        }

        #(#conditions)*
        #[allow(deprecated, clippy::all, clippy::pedantic)]
        const _: () = {
            const __NET_REGISTRATION: ::net::private::FlagRegistration = ::net::private::FlagRegistration {
                name: #name,
                module: ::std::module_path!(),
                function: #function_name,
                handler: |#(#given),*| { #body },
            };
            ::net::private::inventory::submit! { __NET_REGISTRATION }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::tests::{assert_expansion, mistakes};

    #[test]
    fn a_handler() {
        let item = quote! {
            /// What a call comes to when the other side has too much to do.
            pub fn busy(connection: &str, peer: &net::Remote) -> String {
                format!("{peer} is busy")
            }
        };
        assert_expansion("busy", expand(quote!("BUSY"), item));
    }

    #[test]
    fn a_handler_that_raises() {
        let item = quote! {
            fn gone(_: &str, _: &net::Remote) -> Result<(), Gone> {
                Err(Gone)
            }
        };
        assert_expansion("gone", expand(quote!(name = "GONE"), item));
    }

    #[test]
    fn mistakes_are_reported_together() {
        let item = quote!(
            async fn str<T>(&self, a: &str, b: T, c: T) {}
        );
        assert_eq!(mistakes(expand(quote!(), item)).len(), 6);
    }
}
