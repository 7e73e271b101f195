//! Well-formedness before anything is built: one pass, no allocation. Says nothing about types or tags.

use super::cbor::Reader;
use super::error::ValueError;

/// Says that `bytes` are exactly one well-formed value within [`MAX_DEPTH`](super::MAX_DEPTH).
///
/// Every length lies within the input, so what is built afterwards is bounded by the input's size. That texts are UTF-8
/// is left to who builds them.
///
/// # Errors
///
/// When they are not.
pub fn check(bytes: &[u8]) -> Result<(), ValueError> {
    let mut reader = Reader::new(bytes);
    reader.skip()?;
    reader.finish()
}

/// Says that `bytes` are well-formed values, one after the other (as a call's body is), and returns how many.
///
/// # Errors
///
/// When one of them is not well-formed or nests deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
pub fn check_sequence(bytes: &[u8]) -> Result<usize, ValueError> {
    let mut reader = Reader::new(bytes);
    let mut values = 0;
    while !reader.is_empty() {
        reader.skip()?;
        values += 1;
    }
    Ok(values)
}
