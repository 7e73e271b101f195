//! app-net.
pub mod value;
