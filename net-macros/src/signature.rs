//! The function under `#[net::connect]`: what of it callers see, and what keeps it from being called from afar.
//!
//! Types are judged in `types`; nothing is generated here.

use syn::{
    Attribute, Expr, FnArg, GenericParam, Ident, ItemFn, LitStr, Pat, PatType, Safety, Type,
    Visibility, ext::IdentExt as _,
};

use crate::{
    arguments::{self, Connect, Interest},
    errors::Errors,
    types::{self, Returned},
};

/// Serde can write tuples of this many members, and the arguments of a call or of an event are one.
pub(crate) const MAX_PARAMETERS: usize = 16;

/// A type of one of these names would hide the primitive type in the function's module.
const PRIMITIVE_TYPES: [&str; 19] = [
    "bool", "char", "f16", "f32", "f64", "f128", "i8", "i16", "i32", "i64", "i128", "isize", "str",
    "u8", "u16", "u32", "u64", "u128", "usize",
];

/// A function that other peers can call.
pub(crate) struct Connection {
    pub(crate) tag: Option<LitStr>,
    pub(crate) groups: Option<Vec<Expr>>,
    /// The events that it is to be told of.
    pub(crate) interests: Vec<Interest>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) ident: Ident,
    pub(crate) is_async: bool,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) returned: Returned,
}

/// A parameter of such a function.
pub(crate) struct Parameter {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) default: Option<Expr>,
}

impl Connection {
    /// Reads a function, and takes off it the attributes that only this macro understands.
    ///
    /// # Errors
    ///
    /// All mistakes in the function, and those in `errors`.
    pub(crate) fn read(
        Connect { tag, groups }: Connect,
        interests: Vec<Interest>,
        function: &mut ItemFn,
        mut errors: Errors,
    ) -> syn::Result<Self> {
        check_qualifiers(function, &mut errors);
        let mut parameters = Vec::new();
        for input in &mut function.sig.inputs {
            match input {
                FnArg::Receiver(receiver) => errors.push(
                    receiver,
                    "a method cannot be called from afar, as its `self` is not there: use a function outside of the `impl`",
                ),
                FnArg::Typed(input) => parameters.extend(read_parameter(input, &mut errors)),
            }
        }
        check_order(&parameters, &mut errors);
        if let Some(extra) = parameters.get(MAX_PARAMETERS) {
            errors.push(
                &extra.ident,
                format!("at most {MAX_PARAMETERS} parameters: put some of them into a struct"),
            );
        }
        let returned = types::returned(&function.sig.output, &mut errors);
        errors.finish()?;
        Ok(Self {
            tag,
            groups,
            interests,
            attributes: function.attrs.clone(),
            visibility: function.vis.clone(),
            ident: function.sig.ident.clone(),
            is_async: function.sig.asyncness.is_some(),
            parameters,
            returned,
        })
    }
}

fn check_qualifiers(function: &ItemFn, errors: &mut Errors) {
    let signature = &function.sig;
    errors.take(function.modifiers.require_empty());
    check_name(&signature.ident, errors);
    if let Safety::Unsafe(token) = &signature.safety {
        errors.push(token, "an unsafe function cannot be called from afar: its callers could not keep its conditions");
    }
    if let Some(abi) = &signature.abi {
        errors.push(
            abi,
            "an `extern` function cannot be called from afar: wrap it in a plain one",
        );
    }
    if let Some(variadic) = &signature.variadic {
        errors.push(
            variadic,
            "the number of arguments has to be known: take a `Vec`",
        );
    }
    for parameter in &signature.generics.params {
        match parameter {
            GenericParam::Type(parameter) => errors.push(
                &parameter.ident,
                "callers have to know the types: name one in place of the type parameter",
            ),
            GenericParam::Const(parameter) => errors.push(
                &parameter.ident,
                "callers cannot give a const parameter: make it an ordinary one",
            ),
            GenericParam::Lifetime(parameter) => {
                errors.push(
                    &parameter.lifetime,
                    "an argument lives as long as the call: leave the lifetime out",
                );
            }
        }
    }
}

/// A type of the function's name is made, whatever the function is for.
pub(crate) fn check_name(ident: &Ident, errors: &mut Errors) {
    if PRIMITIVE_TYPES.iter().any(|name| ident == name) {
        errors.push(
            ident,
            format!("a type of the function's name is made, which would hide the type `{ident}`: choose another name"),
        );
    }
}

/// Reports what keeps a function from being called by the code that a macro makes around it, for which it `does` something.
pub(crate) fn check_plain(function: &ItemFn, does: &str, errors: &mut Errors) {
    let signature = &function.sig;
    errors.take(function.modifiers.require_empty());
    check_name(&signature.ident, errors);
    if let Some(token) = &signature.constness {
        errors.push(token, format!("a function that {does} cannot be `const`"));
    }
    if let Safety::Unsafe(token) = &signature.safety {
        let message = format!("a function that {does} cannot be unsafe: wrap it in a safe one");
        errors.push(token, message);
    }
    if let Some(abi) = &signature.abi {
        let message = format!("a function that {does} cannot be `extern`: wrap it in a plain one");
        errors.push(abi, message);
    }
    for input in &signature.inputs {
        if let FnArg::Receiver(receiver) = input {
            let message = format!(
                "a function that {does} cannot be a method: use a function outside of the `impl`"
            );
            errors.push(receiver, message);
        }
    }
}

fn read_parameter(input: &mut PatType, errors: &mut Errors) -> Option<Parameter> {
    let default = arguments::parameter(&mut input.attrs, errors);
    for attribute in &input.attrs {
        if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
            errors.push(
                attribute,
                "a parameter cannot be conditional here: put the condition on the function",
            );
        }
    }
    types::check_parameter(&input.ty, errors);
    match &*input.pat {
        Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => {
            Some(Parameter {
                ident: pattern.ident.clone(),
                ty: Type::clone(&input.ty),
                default,
            })
        }
        Pat::Wild(pattern) => {
            errors.push(
                pattern,
                "a parameter needs a name, as callers may give it by name",
            );
            None
        }
        pattern => {
            errors.push(pattern, "a parameter needs a name, as callers may give it by name: take it apart in the body");
            None
        }
    }
}

/// Arguments come in order, so one that may be left out cannot be followed by one that may not.
fn check_order(parameters: &[Parameter], errors: &mut Errors) {
    let mut optional = None;
    for parameter in parameters {
        match (&parameter.default, optional) {
            (Some(_), _) => optional = Some(&parameter.ident),
            (None, Some(before)) => errors.push(
                &parameter.ident,
                format!(
                    "`{}` needs a default too, as it comes after `{}`, which has one",
                    parameter.ident.unraw(),
                    before.unraw()
                ),
            ),
            (None, None) => {}
        }
    }
}
