//! Very large bodies in large pages: most of the time to receive one would go into the faults of its small ones.

use std::mem::MaybeUninit;

use rustix::mm::{Advice, madvise};

/// Bodies from here on. The allocator maps so much anew each time and gives it back to the system when it is freed (glibc's
/// `M_MMAP_THRESHOLD` goes no further); what is smaller it uses again, and then there are no faults to save.
pub(super) const LARGE: usize = 32 * 1024 * 1024;

/// A large page, on most machines. Another size there costs nothing but the advice.
const PAGE: usize = 2 * 1024 * 1024;

/// Asks for large pages under memory that is not used yet, as far as they fit in it. A system that has none does without.
pub(super) fn advise(room: &mut [MaybeUninit<u8>]) {
    let start = room.as_mut_ptr();
    let before = start.align_offset(PAGE);
    let Some(length) = room
        .len()
        .checked_sub(before)
        .map(|rest| rest / PAGE * PAGE)
    else {
        return;
    };
    if length > 0 {
        let pages = start.wrapping_add(before).cast();
        // SAFETY: whole pages within the room, which this has alone; the advice changes nothing of what they hold.
        let _ = unsafe { madvise(pages, length, Advice::LinuxHugepage) };
    }
}
