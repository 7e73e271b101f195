//! What the attribute macros make of functions, and what the compiler says of those it cannot take.
//!
//! After a change of a message, `TRYBUILD=overwrite cargo test -p app-net --test macros` writes the `.stderr` files anew.

#[test]
fn macros() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/macros/pass/*.rs");
    cases.compile_fail("tests/macros/fail/*.rs");
}
