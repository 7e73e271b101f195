//! Who gets in over a network: a group's key, the certificates that come of it, and TLS set up with them. Nothing here knows links
//! or sockets.

pub(crate) mod authority;
