//! The Python front of app-net.
