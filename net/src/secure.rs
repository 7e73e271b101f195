//! Who gets in over a network: the keys of groups, where they lie, and TLS with the certificates that come of them, or of an
//! organisation's own authority. Nothing here dials,
//! listens or reads the environment.
//!
//! Whoever has a group's key is a member. It is passed on as a [`JoinCode`], and kept in the user's [`Store`]:
//!
//! ```
//! use net::secure::{GroupKey, JoinCode, Keys, Store};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let code = JoinCode::new("lab", GroupKey::generate()?)?.to_string();   // lab:5xj4-…
//!
//! let code: JoinCode = code.parse()?;                                    // on another machine
//! let store = Store::open(dir.path())?;
//! store.save(&Keys::new(code.group(), code.key().clone()))?;
//! assert_eq!(store.list()?, ["lab"]);
//! # Ok(())
//! # }
//! ```

pub(crate) mod access;
mod authority;
pub(crate) mod certificates;
mod code;
pub(crate) mod identity;
mod key;
pub(crate) mod mark;
mod secret;
mod sides;
pub(crate) mod store;

pub(crate) use code::percent_encode;
pub use code::{GROUP_NAME_MAX, GroupNameError, JoinCode, JoinCodeError};
pub use key::GroupKey;
pub use secret::{SECRET_BITS, Secret, SecretError};
pub use store::{ACCEPT_OLD_MAX, KeyError, Keys, Store};
