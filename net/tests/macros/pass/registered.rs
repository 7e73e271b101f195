//! What a peer tells others of a function is what was written.
#![deny(warnings)]

use net::private::{Registration, inventory};

/// The product of two numbers.
///
///     multiply(5, 10)
#[net::connect("Multiply")]
#[doc = "Never overflows."]
fn multiply(a: i64, #[net(default = -5 * (2 + 3))] mut b: i64) -> i64 {
    b = b.saturating_mul(a);
    b
}

#[net::connect]
async fn longest(
    texts: &[String],
    #[net(default = Vec::<u8>::new())] r#in: Vec<u8>,
) -> Result<Option<String>, String> {
    texts
        .iter()
        .max_by_key(|text| text.len() + r#in.len())
        .cloned()
        .map(Some)
        .ok_or_else(String::new)
}

#[net::connect]
fn nothing() {}

fn find(name: &str) -> &'static Registration {
    inventory::iter::<Registration>()
        .find(|found| found.name == name)
        .expect("it is registered")
}

fn parameters(found: &Registration) -> Vec<(&str, &str, Option<&str>)> {
    found
        .params
        .iter()
        .map(|param| (param.name, param.ty, param.default))
        .collect()
}

fn main() {
    let found = find("multiply");
    assert_eq!(found.tag, Some("Multiply"));
    assert_eq!(found.module, module_path!());
    assert_eq!(
        found.doc,
        "The product of two numbers.\n\n    multiply(5, 10)\nNever overflows."
    );
    assert_eq!(
        parameters(found),
        [("a", "i64", None), ("b", "i64", Some("-5 * (2 + 3)"))]
    );
    assert_eq!(found.returns, "i64");

    let found = find("longest");
    assert_eq!(found.tag, None);
    assert_eq!(found.doc, "");
    assert_eq!(
        parameters(found),
        [
            ("texts", "&[String]", None),
            ("in", "Vec<u8>", Some("Vec::<u8>::new()"))
        ]
    );
    assert_eq!(found.returns, "Result<Option<String>, String>");

    assert!(find("nothing").params.is_empty());
    assert_eq!(find("nothing").returns, "()");
}
