//! app-net.
