//! Finding peers. Each way of finding is a file; what they find goes into the live table ([`crate::peers`]).

pub(crate) mod host;
