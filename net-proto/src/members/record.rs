//! What is known of one member, and which of two tellings counts: the later incarnation, and of one incarnation the worse news.

use std::fmt;
use std::sync::Arc;

use crate::id::InstanceId;
use crate::members::about::{About, Said};

/// How a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// It is there.
    Here = 0,
    /// Somebody could not reach it. It says that it is here, with a higher incarnation, if it is.
    Failed = 1,
    /// It has taken leave.
    Left = 2,
}

impl Status {
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        [Self::Here, Self::Failed, Self::Left]
            .into_iter()
            .find(|status| *status as u8 == number)
    }
}

/// An incarnation and a status, in the order in which they count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(u64);

impl Version {
    /// The greatest incarnation: two bits less than a number has, which are the status'.
    pub(crate) const MAX_INCARNATION: u64 = u64::MAX >> 2;

    pub(crate) fn new(incarnation: u64, status: Status) -> Self {
        Self(incarnation.min(Self::MAX_INCARNATION) << 2 | status as u64)
    }

    pub(crate) fn incarnation(self) -> u64 {
        self.0 >> 2
    }

    pub(crate) fn status(self) -> Status {
        // Any that is there was made of a status.
        Status::from_number((self.0 & 3) as u8).unwrap_or(Status::Left)
    }

    pub(crate) fn is_here(self) -> bool {
        self.status() == Status::Here
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.status(), self.incarnation())
    }
}

/// What is known of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub(crate) id: InstanceId,
    pub(crate) version: Version,
    pub(crate) body: Arc<Said>,
}

impl Record {
    /// Who it is.
    pub fn id(&self) -> InstanceId {
        self.id
    }

    /// How it is.
    pub fn status(&self) -> Status {
        self.version.status()
    }

    /// How often it has had something new to say of itself.
    pub fn incarnation(&self) -> u64 {
        self.version.incarnation()
    }

    /// What it told of itself. It is read anew each time.
    pub fn about(&self) -> About {
        self.body.about()
    }
}

/// What one peer tells another of a member: a record, or only its version, which is enough for who has the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Telling {
    pub(crate) id: InstanceId,
    pub(crate) version: Version,
    /// The incarnation from which on the body holds.
    pub(crate) since: u64,
    pub(crate) body: Option<Arc<Said>>,
}

impl Telling {
    pub(crate) fn of(record: &Record, with_body: bool) -> Self {
        Self {
            id: record.id,
            version: record.version,
            since: record.body.since,
            body: with_body.then(|| record.body.clone()),
        }
    }
}
