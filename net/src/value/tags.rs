//! Every CBOR tag that values carry: its number, where it comes from, what lies under it. No code that reads or writes.
//!
//! | tag | value | content | source |
//! |---|---|---|---|
//! | 0 | datetime with an offset | text, RFC 3339 | RFC 8949, 3.4.1 |
//! | 2 | integer above 2^64-1 | byte string, big endian | RFC 8949, 3.4.3 |
//! | 3 | integer below -2^64 | byte string of -1-n, big endian | RFC 8949, 3.4.3 |
//! | 4 | Decimal, finite | array of exponent (base ten) and mantissa | RFC 8949, 3.4.4 |
//! | 37 | UUID | byte string of 16 | IANA |
//! | 40 | array of several dimensions, row by row | array of an array of the dimensions and a typed array | RFC 8746, 3.1.1 |
//! | 64–87 | typed array: numbers of one type | byte string | RFC 8746, 2 |
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
        #[allow(dead_code, reason = "some tags are only read")]
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
    /// Array of several dimensions: array of the dimensions and a typed array.
    SHAPED_ARRAY = 40;
    /// Typed array, as those that follow: bytes of `u8`.
    U8_ARRAY = 64;
    /// `u16`, big endian.
    U16_BE_ARRAY = 65;
    /// `u32`, big endian.
    U32_BE_ARRAY = 66;
    /// `u64`, big endian.
    U64_BE_ARRAY = 67;
    /// `u8` that are cut off at 0 and 255 when they are reckoned with. Read as `u8`, never written.
    U8_CLAMPED_ARRAY = 68;
    /// `u16`, little endian.
    U16_ARRAY = 69;
    /// `u32`, little endian.
    U32_ARRAY = 70;
    /// `u64`, little endian.
    U64_ARRAY = 71;
    /// `i8`.
    I8_ARRAY = 72;
    /// `i16`, big endian.
    I16_BE_ARRAY = 73;
    /// `i32`, big endian.
    I32_BE_ARRAY = 74;
    /// `i64`, big endian.
    I64_BE_ARRAY = 75;
    /// Of no meaning, in the RFC too. Refused.
    RESERVED_ARRAY = 76;
    /// `i16`, little endian.
    I16_ARRAY = 77;
    /// `i32`, little endian.
    I32_ARRAY = 78;
    /// `i64`, little endian.
    I64_ARRAY = 79;
    /// 16-bit floats, big endian.
    F16_BE_ARRAY = 80;
    /// `f32`, big endian.
    F32_BE_ARRAY = 81;
    /// `f64`, big endian.
    F64_BE_ARRAY = 82;
    /// 128-bit floats, big endian. Refused: neither language has them.
    F128_BE_ARRAY = 83;
    /// 16-bit floats, little endian.
    F16_ARRAY = 84;
    /// `f32`, little endian.
    F32_ARRAY = 85;
    /// `f64`, little endian.
    F64_ARRAY = 86;
    /// 128-bit floats, little endian. Refused: neither language has them.
    F128_ARRAY = 87;
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
