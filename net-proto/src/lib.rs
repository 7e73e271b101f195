//! The app-net protocol core.

pub mod original;
