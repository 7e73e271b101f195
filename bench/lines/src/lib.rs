//! What every process of the bench shares, whatever library it measures: the lines that the driver and its workers
//! say to each other, the loops that carry out an order, and the count of what it costs.
//!
//! A library is measured by writing [`Client`] for it. Nothing here knows any of them.

pub mod alloc;
pub mod client;
pub mod report;
pub mod usage;
pub mod worker;

pub use client::{Client, Share, Tally};
pub use report::{Done, Error, Order, Report};

/// What carries the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A Unix socket.
    Unix,
    /// TCP on the loopback.
    Tcp,
}

impl Transport {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Unix, Self::Tcp];

    /// In commands between the processes, and in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unix => "unix",
            Self::Tcp => "tcp",
        }
    }
}

impl std::str::FromStr for Transport {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let transport = Self::ALL
            .into_iter()
            .find(|transport| transport.name() == name);
        transport.ok_or_else(|| format!("{name:?} is no transport").into())
    }
}
