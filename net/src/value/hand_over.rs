//! How a byte string that is shared gets past serde, which knows slices only: beside it, on the thread that writes or reads.
//!
//! Nothing is taken on trust: what is handed over is asked for by the very slice that serde has shown.

use std::cell::RefCell;

use bytes::Bytes;

use super::body::SHARED;

thread_local! {
    /// What is being written.
    static OFFERED: RefCell<Option<Bytes>> = const { RefCell::new(None) };
    /// The body that is being read.
    static SOURCE: RefCell<Option<Bytes>> = const { RefCell::new(None) };
}

/// Puts a value back when it is left, by a panic too.
struct Restore<'a>(&'a RefCell<Option<Bytes>>, Option<Bytes>);

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        self.0.replace(self.1.take());
    }
}

fn while_there_is<R>(
    place: &'static std::thread::LocalKey<RefCell<Option<Bytes>>>,
    bytes: &Bytes,
    what: impl FnOnce() -> R,
) -> R {
    if bytes.len() < SHARED {
        return what();
    }
    place.with(|place| {
        let _restore = Restore(place, place.replace(Some(bytes.clone())));
        what()
    })
}

/// Lets what `write` writes be `bytes` themselves.
pub(super) fn offer<R>(bytes: &Bytes, write: impl FnOnce() -> R) -> R {
    while_there_is(&OFFERED, bytes, write)
}

/// What was [offered](offer), if it is this.
pub(super) fn offered(slice: &[u8]) -> Option<Bytes> {
    if slice.len() < SHARED {
        return None;
    }
    OFFERED.with_borrow(|offered| offered.as_ref().and_then(|whole| part(whole, slice)))
}

/// Lets what `read` reads out of `body` keep parts of it.
pub(crate) fn keep<R>(body: &Bytes, read: impl FnOnce() -> R) -> R {
    while_there_is(&SOURCE, body, read)
}

/// A slice of the body that is read, to be kept: shared if it can be, else copied.
pub(super) fn kept(slice: &[u8]) -> Bytes {
    let shared = match slice.len() {
        SHARED.. => SOURCE.with_borrow(|body| body.as_ref().and_then(|whole| part(whole, slice))),
        // It would keep the whole of the body.
        _ => None,
    };
    shared.unwrap_or_else(|| Bytes::copy_from_slice(slice))
}

/// The part of `whole` that lies where `slice` does.
fn part(whole: &Bytes, slice: &[u8]) -> Option<Bytes> {
    let (outer, inner) = (whole.as_ptr_range(), slice.as_ptr_range());
    (outer.start <= inner.start && inner.end <= outer.end).then(|| whole.slice_ref(slice))
}
