//! Which types can travel, and what is decoded for a parameter that borrows. Only types; where they stand in a function
//! is `signature`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    GenericArgument, Lifetime, Path, PathArguments, ReturnType, Type, TypeReference,
    spanned::Spanned as _,
    visit::{self, Visit},
};

use crate::{errors::Errors, written::written};

/// Reports what keeps `ty` from being the type of a parameter.
pub(crate) fn check_parameter(ty: &Type, errors: &mut Errors) {
    let mut check = Check {
        place: Place::Parameter,
        errors,
    };
    let Type::Reference(reference) = peel(ty) else {
        return check.visit_type(ty);
    };
    if let Some(mutability) = &reference.mutability {
        check.errors.push(
            mutability,
            "a change made through `&mut` would not reach the caller: take the value, and return the changed one",
        );
    }
    if let Some(lifetime) = &reference.lifetime
        && lifetime.ident != "_"
    {
        check.errors.push(
            lifetime,
            "an argument lives as long as the call: leave the lifetime out",
        );
    }
    check.visit_type(&reference.elem);
}

/// Reports what keeps `ty` from being the type of an answer.
pub(crate) fn check_answer(ty: &Type, errors: &mut Errors) {
    let mut check = Check {
        place: Place::Answer,
        errors,
    };
    match peel(ty) {
        Type::Reference(reference) if is_static(reference) => check.visit_type(&reference.elem),
        _ => check.visit_type(ty),
    }
}

/// The type of the value that is decoded where `ty` is asked for: itself, or for a reference what it can borrow from.
pub(crate) fn owned(ty: &Type) -> TokenStream {
    let Type::Reference(TypeReference { elem, .. }) = peel(ty) else {
        return ty.to_token_stream();
    };
    let span = ty.span();
    match peel(elem) {
        Type::Slice(slice) => {
            let item = &slice.elem;
            quote_spanned!(span=> ::std::vec::Vec<#item>)
        }
        Type::Path(path) if path.path.is_ident("str") => {
            quote_spanned!(span=> ::std::string::String)
        }
        // The one other unsized type that serde can write and read.
        Type::Path(path) if last_name_is(&path.path, "Path") => {
            quote_spanned!(span=> <#path as ::std::borrow::ToOwned>::Owned)
        }
        other => other.to_token_stream(),
    }
}

/// What a reference points to; `None` for an owned type.
pub(crate) fn referent(ty: &Type) -> Option<&Type> {
    match peel(ty) {
        Type::Reference(reference) => Some(&reference.elem),
        _ => None,
    }
}

/// What a function gives its callers.
pub(crate) struct Returned {
    /// The type of the answer's value.
    pub(crate) value: Type,
    /// Whether it comes inside a `Result`.
    pub(crate) fallible: bool,
    /// The whole type as written; `()` where nothing is.
    pub(crate) written: String,
}

/// Reads a return type.
pub(crate) fn returned(output: &ReturnType, errors: &mut Errors) -> Returned {
    let ReturnType::Type(_, ty) = output else {
        return Returned {
            value: syn::parse_quote!(()),
            fallible: false,
            written: "()".to_owned(),
        };
    };
    let written = written(ty);
    let mut ty = Type::clone(ty);
    let (value, fallible) = match value_in_result(&mut ty) {
        None => (ty, false),
        Some(Some(value)) => (value.clone(), true),
        Some(None) => {
            errors.push(
                &ty,
                "the type of the value cannot be seen here: write it out, as in `Result<T, E>`",
            );
            return Returned {
                value: ty,
                fallible: true,
                written,
            };
        }
    };
    check_answer(&value, errors);
    Returned {
        value,
        fallible,
        written,
    }
}

/// The `T` of a `Result<T, …>`; `None` inside where it is not written out. A `Result` is known by its name, since a macro cannot
/// see through an alias.
pub(crate) fn value_in_result(ty: &mut Type) -> Option<Option<&mut Type>> {
    let ty = match ty {
        Type::Paren(paren) => return value_in_result(&mut paren.elem),
        Type::Group(group) => return value_in_result(&mut group.elem),
        Type::Path(path) => path,
        _ => return None,
    };
    let last = ty.path.segments.last_mut()?;
    if last.ident != "Result" {
        return None;
    }
    let PathArguments::AngleBracketed(list) = &mut last.arguments else {
        return Some(None);
    };
    Some(list.args.iter_mut().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    }))
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Parameter,
    Answer,
}

struct Check<'e> {
    place: Place,
    errors: &'e mut Errors,
}

impl Check<'_> {
    fn owned_instead(&self, reference: &TypeReference) -> String {
        let owned = written(match peel(&reference.elem) {
            Type::Slice(slice) => {
                let item = &slice.elem;
                quote!(Vec<#item>)
            }
            Type::Path(path) if path.path.is_ident("str") => quote!(String),
            Type::Path(path) if last_name_is(&path.path, "Path") => quote!(PathBuf),
            other => other.to_token_stream(),
        });
        match self.place {
            Place::Parameter => {
                format!(
                    "only a whole parameter can be a reference, not a part of it: use `{owned}` here"
                )
            }
            Place::Answer => {
                format!("an answer cannot borrow, as it leaves this process: return `{owned}`")
            }
        }
    }
}

impl<'ast> Visit<'ast> for Check<'_> {
    fn visit_type(&mut self, ty: &'ast Type) {
        match ty {
            Type::Reference(reference) => {
                self.errors.push(reference, self.owned_instead(reference))
            }
            Type::ImplTrait(_) => self.errors.push(
                ty,
                "callers have to know the type: name it in place of `impl Trait`",
            ),
            Type::TraitObject(_) => self
                .errors
                .push(ty, "a trait object cannot be sent: name a type that can"),
            Type::Ptr(_) => self.errors.push(
                ty,
                "a pointer means nothing to another process: send the value",
            ),
            Type::FnPtr(_) => self.errors.push(ty, "a function cannot be sent"),
            Type::Never(_) => self.errors.push(
                ty,
                "a function that never returns cannot be called from afar",
            ),
            _ => visit::visit_type(self, ty),
        }
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if self.place == Place::Answer && lifetime.ident != "static" {
            self.errors.push(lifetime, "an answer cannot borrow, as it leaves this process: use `'static`, or an owned type");
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if let Some(first) = path.segments.first()
            && first.ident == "Self"
        {
            self.errors.push(
                first,
                "`Self` is not known outside of an `impl`: name the type",
            );
        }
        visit::visit_path(self, path);
    }
}

/// The type inside parentheses and inside the invisible groups that `macro_rules!` leaves.
pub(crate) fn peel(ty: &Type) -> &Type {
    match ty {
        Type::Paren(paren) => peel(&paren.elem),
        Type::Group(group) => peel(&group.elem),
        _ => ty,
    }
}

fn is_static(reference: &TypeReference) -> bool {
    reference.mutability.is_none()
        && reference
            .lifetime
            .as_ref()
            .is_some_and(|lifetime| lifetime.ident == "static")
}

fn last_name_is(path: &Path, name: &str) -> bool {
    path.segments
        .last()
        .is_some_and(|segment| segment.ident == name && segment.arguments.is_empty())
}
