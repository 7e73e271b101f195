//! The attribute macros of app-net: the entry points that the compiler calls.
//!
//! Only entry points and their documentation belong here. What a macro does is in the module of its name, over
//! `proc_macro2` streams, so that tests can run it outside the compiler.
//!
//! Generated code names nothing but `::std`, `::net::private` and public items of `::net`.

mod arguments;
mod connect;
mod docs;
mod errors;
mod signature;
mod types;
mod written;

use proc_macro::TokenStream;

/// Lets other peers call a function.
///
/// The function stays as it is. Beside it comes a type of the same name, whose `on` calls the function on another peer:
///
/// ```ignore
/// /// The product of two numbers.
/// #[net::connect]
/// fn multiply(a: i64, #[net(default = 5)] b: i64) -> i64 {
///     a * b
/// }
///
/// multiply(5, 10);                       // here
/// multiply::on(&peer, 5, 10).await?;     // there
/// ```
///
/// Each peer of the program can be asked for the function by its tag, `multiply::TAG`: the module path and the name,
/// joined by dots. `#[net::connect("Tag")]`, or `#[net::connect(tag = "Tag")]`, chooses another.
///
/// - The function may be `async`; it then runs as a task. Its future has to be `Send`.
/// - Parameters are of types that serde can write and read. A reference, such as `&str`, `&[T]` or `&T`, borrows from a
///   value that lives as long as the call.
/// - `#[net(default = EXPR)]` on a parameter is for callers that leave it out, as Python's may. `on` takes every
///   parameter.
/// - A function that returns a `Result` answers with the value inside `Ok`. An `Err` reaches the caller as a remote
///   error with the name of its type and its `Display` text.
///
/// # Errors
///
/// Does not compile on what cannot be called from afar: methods, generic functions, and parameters or results that only
/// mean something in this process, such as `&mut T` or `impl Trait`. All such mistakes are reported at once.
#[proc_macro_attribute]
pub fn connect(arguments: TokenStream, item: TokenStream) -> TokenStream {
    connect::expand(arguments.into(), item.into()).into()
}
