//! Choices that need not be good, only different for each peer: numbers made from a seed. No secret may hang on them.

use std::time::Duration;

use crate::members::table::mix;

#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mix(self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15)) % end.max(1)
    }

    /// Half as long to half as long again, so that peers that began together do not go on together.
    pub(crate) fn about(&mut self, time: Duration) -> Duration {
        let micros = time.as_micros() as u64;
        Duration::from_micros(micros / 2 + self.below(micros))
    }
}
