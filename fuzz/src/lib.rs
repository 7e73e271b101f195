//! Fuzz targets: for each thing that reads what others send, one function that takes any bytes and panics on a defect.
//!
//! The same functions are run by libFuzzer (`fuzz_targets/`, `make fuzz`) and, over every file of `corpus/` and
//! `found/`, by `tests/corpus.rs` in `make test`. So nothing in here may know who runs it, and nothing may depend on the clock,
//! on chance or on an earlier run.
//!
//! Where a target takes steps and not bytes, it reads them through [`source`], whose encoding is ours. A derived one would
//! change with its crate and with every variant that is added, and the corpora with it; and no seed could be written for it.

mod allocation;
mod end;
pub mod source;

mod events;
pub use events::events;

mod frames;
pub use frames::frames;

mod handshake;
pub use handshake::handshake;

mod operations;
pub use operations::operations;

mod original;
pub use original::original;

mod session;
pub use session::session;

mod values;
pub use values::values;

/// What takes any bytes.
pub type Target = fn(&[u8]);

/// Every target, by the name of its corpus.
pub const TARGETS: [(&str, Target); 7] = [
    ("events", events),
    ("frames", frames),
    ("handshake", handshake),
    ("operations", operations),
    ("original", original),
    ("session", session),
    ("values", values),
];
