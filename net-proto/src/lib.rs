//! The app-net protocol core.
