//! The attribute macros of app-net.
