//! The app-net command line.
fn main() {}
