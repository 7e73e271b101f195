//! Who gets in: the keys of groups, and where they lie. Nothing here dials, listens or reads the environment.

mod code;
mod key;
mod secret;
pub(crate) mod store;

pub use code::{GROUP_NAME_MAX, GroupNameError, JoinCode, JoinCodeError};
pub use key::GroupKey;
pub use secret::{SECRET_BITS, Secret, SecretError};
pub use store::{ACCEPT_OLD_MAX, KeyError, Keys, Store};
