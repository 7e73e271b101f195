//! Who gets in over a network: the keys of groups, where they lie, and TLS with the certificates that come of them. Nothing here dials,
//! listens or reads the environment.

pub(crate) mod authority;
mod code;
mod key;
mod secret;
pub(crate) mod store;

pub use code::{GROUP_NAME_MAX, GroupNameError, JoinCode, JoinCodeError};
pub use key::GroupKey;
pub use secret::{SECRET_BITS, Secret, SecretError};
pub use store::{ACCEPT_OLD_MAX, KeyError, Keys, Store};
