//! A tag is the module path and the name, or what the attribute says.
#![deny(warnings)]

mod outer {
    pub(crate) mod inner {
        #[net::connect]
        pub(crate) fn function() {}
    }
}

#[net::connect("Custom tag")]
fn custom() {}

#[net::connect(tag = "Named")]
fn named() {}

#[net::connect()]
fn r#type(r#in: u8) -> u8 {
    r#in
}

fn main() {
    outer::inner::function();
    custom();
    named();
    r#type(1);

    let crate_name = module_path!();
    assert_eq!(
        outer::inner::function::TAG,
        format!("{crate_name}.outer.inner.function")
    );
    assert_eq!(custom::TAG, "Custom tag");
    assert_eq!(named::TAG, "Named");
    assert_eq!(r#type::TAG, format!("{crate_name}.type"));
}
