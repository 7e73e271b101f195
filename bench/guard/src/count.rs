//! What is counted, and what is not.

use std::cell::Cell;

use crate::allocation;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Carries an operation out `times` times to warm up, then as often to be counted.
pub(crate) fn steadily(times: u32, mut operation: impl FnMut()) -> u32 {
    (0..times).for_each(|_| operation());
    counted(&mut || (0..times).for_each(|_| operation()));
    times
}

/// Callgrind counts while this runs. It knows it by its name, so it has to stay a function, and the only one of that name.
#[inline(never)]
pub(crate) fn counted(work: &mut dyn FnMut()) {
    let before = allocation::so_far();
    work();
    ALLOCATIONS.set(ALLOCATIONS.get() + allocation::so_far() - before);
}

/// Allocations of what was counted.
pub(crate) fn allocations() -> u64 {
    ALLOCATIONS.get()
}
