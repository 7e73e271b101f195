//! Every CBOR tag that values carry: its number, where it comes from, what lies under it. No code that reads or writes.
//!
//! | tag | value | content | source |
//! |---|---|---|---|
//! | 0 | datetime with an offset | text, RFC 3339 | RFC 8949, 3.4.1 |
//! | 2 | integer above 2^64-1 | byte string, big endian | RFC 8949, 3.4.3 |
//! | 3 | integer below -2^64 | byte string of -1-n, big endian | RFC 8949, 3.4.3 |
//! | 4 | Decimal, finite | array of exponent (base ten) and mantissa | RFC 8949, 3.4.4 |
//! | 37 | UUID | byte string of 16 | IANA |
//! | 64–87 | typed arrays | reserved for a later version | RFC 8746 |
//! | 258 | set | array, no element twice | IANA |
//! | 1002 | timedelta | map: 1 to whole seconds (floor), -6 to microseconds (0–999999) | RFC 9581, 4 |
//! | 1004 | date | text, `YYYY-MM-DD` | RFC 8943 |
//! | 43000 | complex | array of two floats: real, imaginary | IANA |
//! | 39810 | tuple | array | ours |
//! | 39811 | frozenset | array, no element twice | ours |
//! | 39812 | datetime without an offset | text, RFC 3339 without the offset | ours |
//! | 39813 | time of day | text, `HH:MM:SS` and an optional fraction | ours |
//! | 39814 | Decimal that tag 4 cannot hold: NaN, infinities, negative zero | text as Python writes it | ours |
//!
//! Ours lie in 39000–39999 of the first-come-first-served range, of which IANA had assigned none when they were chosen.
//! Three bytes a tag: the smallest that may be taken without a published specification.

/// Declares each tag with the name by which a newtype asks our serializer for it (see `ser`).
macro_rules! tags {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        $($(#[$doc])* pub const $name: u64 = $number;)*

        /// All of them: a tag of another number has no meaning here, and is kept with its value.
        pub const ALL: &[u64] = &[$($number),*];

        /// `$net:` and a tag's number: the newtype name that makes our serializer write the tag. Other serializers
        /// (JSON) see a plain newtype and write its content.
        pub(crate) mod marker {
            $(pub(crate) const $name: &str = concat!("$net:", $number);)*
        }
    };
}

tags! {
    /// Datetime with an offset from UTC: RFC 3339 text.
    DATETIME = 0;
    /// Integer above 2^64-1: big-endian bytes.
    POSITIVE_BIGNUM = 2;
    /// Integer n below -2^64: big-endian bytes of -1-n.
    NEGATIVE_BIGNUM = 3;
    /// Finite Decimal: array of exponent and mantissa.
    DECIMAL = 4;
    /// UUID: 16 bytes.
    UUID = 37;
    /// Mutable set: array.
    SET = 258;
    /// Timedelta: map of 1 to whole seconds and -6 to microseconds.
    TIMEDELTA = 1002;
    /// Date: `YYYY-MM-DD`.
    DATE = 1004;
    /// Complex number: array of real and imaginary part.
    COMPLEX = 43000;
    /// Tuple: array.
    TUPLE = 39810;
    /// Immutable set: array.
    FROZENSET = 39811;
    /// Datetime without an offset.
    NAIVE_DATETIME = 39812;
    /// Time of day.
    TIME = 39813;
    /// NaN, infinity or negative zero of the Decimal type, as text.
    SPECIAL_DECIMAL = 39814;
}
