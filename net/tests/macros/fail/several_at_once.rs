//! All mistakes are reported at once, each where it is.
#![allow(unused)]

#[net::connect(name = "Tag")]
unsafe fn mistakes<T>(
    (a, b): (i64, i64),
    text: &'static str,
    counter: &mut u64,
    #[net(defualt = 5)] limit: u8,
    visit: impl Fn(),
) -> &str {
    ""
}

fn main() {}
