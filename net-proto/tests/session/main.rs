//! Scenarios of two sessions joined by a network that is not there, in virtual time.

mod calls;
mod ends;
mod events;
mod extremes;
mod hostile;
mod large;
mod large_events;
mod life;
mod members;
mod pair;
mod random;
mod skew;
