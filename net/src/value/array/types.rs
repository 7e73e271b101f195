//! The types of numbers that arrays are made of: which tag each has, and how it lies in bytes.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::value::cbor::half;
use crate::value::tags::{self, marker};

/// A type of number that arrays are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "their names say it")]
pub enum NumberType {
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    /// A 16-bit float, for which Rust has no type.
    F16,
    F32,
    F64,
}

/// One of [`Numbers`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum One {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

impl NumberType {
    /// How many bytes one takes.
    pub fn width(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// The marker of the tag that is written.
    pub(super) fn marker(self) -> &'static str {
        match self {
            Self::U8 => marker::U8_ARRAY,
            Self::U16 => marker::U16_ARRAY,
            Self::U32 => marker::U32_ARRAY,
            Self::U64 => marker::U64_ARRAY,
            Self::I8 => marker::I8_ARRAY,
            Self::I16 => marker::I16_ARRAY,
            Self::I32 => marker::I32_ARRAY,
            Self::I64 => marker::I64_ARRAY,
            Self::F16 => marker::F16_ARRAY,
            Self::F32 => marker::F32_ARRAY,
            Self::F64 => marker::F64_ARRAY,
        }
    }

    /// What the bytes under a tag are, and whether in big endian; `None`: of no type here.
    pub(super) fn of_tag(tag: u64) -> Option<(Self, bool)> {
        Some(match tag {
            tags::U8_ARRAY | tags::U8_CLAMPED_ARRAY => (Self::U8, false),
            tags::U16_ARRAY => (Self::U16, false),
            tags::U32_ARRAY => (Self::U32, false),
            tags::U64_ARRAY => (Self::U64, false),
            tags::I8_ARRAY => (Self::I8, false),
            tags::I16_ARRAY => (Self::I16, false),
            tags::I32_ARRAY => (Self::I32, false),
            tags::I64_ARRAY => (Self::I64, false),
            tags::F16_ARRAY => (Self::F16, false),
            tags::F32_ARRAY => (Self::F32, false),
            tags::F64_ARRAY => (Self::F64, false),
            tags::U16_BE_ARRAY => (Self::U16, true),
            tags::U32_BE_ARRAY => (Self::U32, true),
            tags::U64_BE_ARRAY => (Self::U64, true),
            tags::I16_BE_ARRAY => (Self::I16, true),
            tags::I32_BE_ARRAY => (Self::I32, true),
            tags::I64_BE_ARRAY => (Self::I64, true),
            tags::F16_BE_ARRAY => (Self::F16, true),
            tags::F32_BE_ARRAY => (Self::F32, true),
            tags::F64_BE_ARRAY => (Self::F64, true),
            _ => return None,
        })
    }

    /// The number that `bytes` are, which must be [`NumberType::width`].
    pub(super) fn one(self, bytes: &[u8]) -> One {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let wide = u64::from_le_bytes(wide);
        // The narrowing is exact: no more bytes were read.
        match self {
            Self::U8 | Self::U16 | Self::U32 | Self::U64 => One::Unsigned(wide),
            Self::I8 => One::Signed((wide as i8).into()),
            Self::I16 => One::Signed((wide as i16).into()),
            Self::I32 => One::Signed((wide as i32).into()),
            Self::I64 => One::Signed(wide as i64),
            Self::F16 => One::Float(half(wide as u16)),
            Self::F32 => One::Float(f32::from_bits(wide as u32).into()),
            Self::F64 => One::Float(f64::from_bits(wide)),
        }
    }
}

/// As Rust writes it: `f64`.
impl fmt::Display for NumberType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F16 => "f16",
            Self::F32 => "f32",
            Self::F64 => "f64",
        })
    }
}

impl fmt::Display for One {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(n) => n.fmt(f),
            Self::Signed(n) => n.fmt(f),
            Self::Float(value) if value.is_nan() => f.write_str("nan"),
            Self::Float(value) => write!(f, "{value:?}"),
        }
    }
}

/// A type of Rust that arrays are made of: `u8` to `u64`, `i8` to `i64`, `f32` and `f64`.
pub trait Number: sealed::Bytes + Serialize + DeserializeOwned {
    /// Which it is.
    const TYPE: NumberType;
}

mod sealed {
    use std::borrow::Cow;

    pub trait Bytes: Copy {
        /// All in little endian; a copy only where the machine's order is another.
        fn to_bytes(all: &[Self]) -> Cow<'_, [u8]>;

        /// As many as there are whole ones in `bytes`.
        fn from_bytes(bytes: &[u8]) -> Vec<Self>;
    }
}

macro_rules! numbers {
    ($($type:ident $name:ident)*) => {$(
        impl Number for $type {
            const TYPE: NumberType = NumberType::$name;
        }

        impl sealed::Bytes for $type {
            fn to_bytes(all: &[Self]) -> Cow<'_, [u8]> {
                if cfg!(target_endian = "little") {
                    Cow::Borrowed(bytemuck::cast_slice(all))
                } else {
                    Cow::Owned(all.iter().flat_map(|one| one.to_le_bytes()).collect())
                }
            }

            fn from_bytes(bytes: &[u8]) -> Vec<Self> {
                let (all, _) = bytes.as_chunks();
                all.iter().map(|one| Self::from_le_bytes(*one)).collect()
            }
        }
    )*};
}

numbers! { u8 U8 u16 U16 u32 U32 u64 U64 i8 I8 i16 I16 i32 I32 i64 I64 f32 F32 f64 F64 }
