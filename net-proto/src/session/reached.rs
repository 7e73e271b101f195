//! Which limits the other side has run into on this link, for a log. What is refused at them is decided where it comes in.

use crate::session::Session;

/// A limit at which calls or interests of the other side are refused while the link goes on, by its field in [`Limits`](crate::Limits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// [`max_calls`](crate::Limits::max_calls).
    MaxCalls,
    /// [`max_value`](crate::Limits::max_value).
    MaxValue,
    /// [`max_arriving`](crate::Limits::max_arriving).
    MaxArriving,
    /// [`max_unsent`](crate::Limits::max_unsent).
    MaxUnsent,
    /// [`max_interests`](crate::Limits::max_interests).
    MaxInterests,
}

impl Limit {
    const ALL: [Self; 5] = [
        Self::MaxCalls,
        Self::MaxValue,
        Self::MaxArriving,
        Self::MaxUnsent,
        Self::MaxInterests,
    ];

    /// The name of its field.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MaxCalls => "max_calls",
            Self::MaxValue => "max_value",
            Self::MaxArriving => "max_arriving",
            Self::MaxUnsent => "max_unsent",
            Self::MaxInterests => "max_interests",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A bit for each limit: each is told once for a link, so that who runs into it again and again fills no log.
#[derive(Debug, Default)]
pub(super) struct Reached {
    ever: u8,
    untold: u8,
}

impl<C> Session<C> {
    /// A limit at which something of the other side was refused, each once for the link; to be asked now and then until there is
    /// none.
    pub fn limit_reached(&mut self) -> Option<Limit> {
        if self.reached.untold == 0 {
            return None;
        }
        let is_untold = |limit: &Limit| self.reached.untold & limit.bit() != 0;
        let limit = Limit::ALL.into_iter().find(is_untold)?;
        self.reached.untold &= !limit.bit();
        Some(limit)
    }

    pub(super) fn refused_at(&mut self, limit: Limit) {
        self.reached.untold |= limit.bit() & !self.reached.ever;
        self.reached.ever |= limit.bit();
    }
}
