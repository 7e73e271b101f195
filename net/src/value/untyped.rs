//! A value of whatever type came: a tree to look into, and the one place that gives tags their meaning when reading.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Unexpected, VariantAccess};
use serde::ser::{Serialize, SerializeMap, SerializeTupleStruct, Serializer};

use super::array::{is_array, read_array};
use super::cbor::Reader;
use super::de::Undecoded;
use super::tags::{self, marker};
use super::{
    BigInt, Bytes, Complex, Date, DateTime, Decimal, NaiveDateTime, Numbers, Time, TimeDelta, Uuid,
};
use super::{ValueError, de as reading, ser as writing, time};

/// Any value. Its text is close to how Python would show it.
///
/// Equality is of the form: a list is no tuple, `Int(1)` is no `Float(1.0)`, sets and maps keep their order and compare
/// by it, and a NaN is unequal to itself, save in an array, which compares by its bytes. An integer that fits `i64` is read as `Int`, never as `BigInt`.
///
/// In fields with serde's `flatten` or in untagged enums tags are lost: serde buffers those in a type of its own.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum Value {
    /// None.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// An integer beyond 64 bits.
    BigInt(BigInt),
    /// A float.
    Float(f64),
    /// A text.
    Text(String),
    /// A byte string.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A set.
    Set(Vec<Value>),
    /// An immutable set.
    FrozenSet(Vec<Value>),
    /// A map, in the order in which it came. Of equal keys the later one counts ([`Value::get`]), as in Python.
    Map(Vec<(Value, Value)>),
    /// A date and time with its offset from UTC.
    DateTime(DateTime),
    /// A date and time without an offset.
    NaiveDateTime(NaiveDateTime),
    /// A date.
    Date(Date),
    /// A time of day.
    Time(Time),
    /// A span of time.
    TimeDelta(TimeDelta),
    /// A decimal fraction.
    Decimal(Decimal),
    /// A UUID.
    Uuid(Uuid),
    /// A complex number.
    Complex(Complex),
    /// An array of numbers of one type, in one row or with dimensions. Boxed, or each value would take twice the room.
    Array(Box<Numbers>),
    /// A value under a tag that has no meaning here.
    Tagged(u64, Box<Value>),
}

impl Value {
    /// In a map, the value of a text key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Map(entries) => {
                let found = entries
                    .iter()
                    .rev()
                    .find(|(name, _)| matches!(name, Self::Text(name) if name == key));
                found.map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// What it is, in a word, with its article.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::BigInt(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "a list",
            Self::Tuple(_) => "a tuple",
            Self::Set(_) => "a set",
            Self::FrozenSet(_) => "a frozenset",
            Self::Map(_) => "a map",
            Self::DateTime(_) | Self::NaiveDateTime(_) => "a datetime",
            Self::Date(_) => "a date",
            Self::Time(_) => "a time",
            Self::TimeDelta(_) => "a timedelta",
            Self::Decimal(_) => "a decimal number",
            Self::Uuid(_) => "a UUID",
            Self::Complex(_) => "a complex number",
            Self::Array(_) => "an array of numbers",
            Self::Tagged(..) => "a value with an unknown tag",
        }
    }

    pub(crate) fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Self::Null => Unexpected::Unit,
            Self::Bool(value) => Unexpected::Bool(*value),
            Self::Int(n) => Unexpected::Signed(*n),
            Self::Float(value) => Unexpected::Float(*value),
            Self::Text(text) => Unexpected::Str(text),
            Self::Bytes(bytes) => Unexpected::Bytes(bytes),
            other => Unexpected::Other(other.kind()),
        }
    }

    /// The value that `content` under `tag` means.
    pub(super) fn from_tag(tag: u64, content: Value) -> Result<Self, ValueError> {
        let wrong = |content: &Value, expected: &str| {
            ValueError::custom(format_args!(
                "tag {tag} must be on {expected}, not on {}",
                content.kind()
            ))
        };
        Ok(match (tag, content) {
            (tags::TUPLE, Self::List(elements)) => Self::Tuple(elements),
            (tags::SET, Self::List(elements)) => Self::Set(elements),
            (tags::FROZENSET, Self::List(elements)) => Self::FrozenSet(elements),
            (tags::TUPLE | tags::SET | tags::FROZENSET, content) => {
                return Err(wrong(&content, "an array"));
            }
            (tags::DATETIME, Self::Text(text)) => Self::DateTime(text.parse()?),
            (tags::NAIVE_DATETIME, Self::Text(text)) => Self::NaiveDateTime(text.parse()?),
            (tags::DATE, Self::Text(text)) => Self::Date(text.parse()?),
            (tags::TIME, Self::Text(text)) => Self::Time(text.parse()?),
            (tags::SPECIAL_DECIMAL, Self::Text(text)) => Self::Decimal(text.parse()?),
            (
                tags::DATETIME
                | tags::NAIVE_DATETIME
                | tags::DATE
                | tags::TIME
                | tags::SPECIAL_DECIMAL,
                content,
            ) => {
                return Err(wrong(&content, "text"));
            }
            (tags::POSITIVE_BIGNUM, Self::Bytes(bytes)) => integer(BigInt::new(false, &bytes)),
            (tags::NEGATIVE_BIGNUM, Self::Bytes(bytes)) => integer(BigInt::from_below(&bytes)),
            (tags::UUID, Self::Bytes(bytes)) => match bytes.try_into() {
                Ok(uuid) => Self::Uuid(Uuid(uuid)),
                Err(_) => return Err(ValueError::custom("a UUID must be 16 bytes")),
            },
            (tags::POSITIVE_BIGNUM | tags::NEGATIVE_BIGNUM | tags::UUID, content) => {
                return Err(wrong(&content, "bytes"));
            }
            (tags::DECIMAL, content) => match content.pair() {
                Some((Self::Int(exponent), Self::Int(mantissa))) => {
                    Self::Decimal(Decimal::from_parts(&(*mantissa).into(), *exponent)?)
                }
                Some((Self::Int(exponent), Self::BigInt(mantissa))) => {
                    Self::Decimal(Decimal::from_parts(mantissa, *exponent)?)
                }
                _ => return Err(wrong(&content, "an array of two integers")),
            },
            (tags::COMPLEX, content) => {
                match content.pair().map(|(re, im)| (re.as_f64(), im.as_f64())) {
                    Some((Some(re), Some(im))) => Self::Complex(Complex { re, im }),
                    _ => return Err(wrong(&content, "an array of two floats")),
                }
            }
            (tags::TIMEDELTA, content) => match content.timedelta() {
                Some(delta) => Self::TimeDelta(delta),
                None => {
                    return Err(wrong(
                        &content,
                        "a map of 1 to seconds and -6 to microseconds",
                    ));
                }
            },
            (tag, content) => Self::Tagged(tag, Box::new(content)),
        })
    }

    fn pair(&self) -> Option<(&Value, &Value)> {
        match self {
            Self::List(elements) => match elements.as_slice() {
                [first, second] => Some((first, second)),
                _ => None,
            },
            _ => None,
        }
    }

    fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            Self::Int(n) => Some(*n as f64),
            _ => None,
        }
    }

    fn timedelta(&self) -> Option<TimeDelta> {
        let Self::Map(entries) = self else {
            return None;
        };
        let (mut seconds, mut microseconds) = (None, 0);
        for entry in entries {
            match entry {
                (Self::Int(time::SECONDS_KEY), Self::Int(n)) => seconds = Some(*n),
                (Self::Int(time::MICROSECONDS_KEY), Self::Int(n)) => {
                    microseconds = u32::try_from(*n).ok()?
                }
                _ => return None,
            }
        }
        TimeDelta::new(seconds?, microseconds).ok()
    }
}

/// `Int` where it fits.
fn integer(n: BigInt) -> Value {
    match n.to_i128().and_then(|n| i64::try_from(n).ok()) {
        Some(n) => Value::Int(n),
        None => Value::BigInt(n),
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(n) => serializer.serialize_i64(*n),
            Self::BigInt(n) => n.serialize(serializer),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::List(elements) => elements.serialize(serializer),
            Self::Tuple(elements) => serializer.serialize_newtype_struct(marker::TUPLE, elements),
            Self::Set(elements) => serializer.serialize_newtype_struct(marker::SET, elements),
            Self::FrozenSet(elements) => {
                serializer.serialize_newtype_struct(marker::FROZENSET, elements)
            }
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Self::DateTime(datetime) => datetime.serialize(serializer),
            Self::NaiveDateTime(datetime) => datetime.serialize(serializer),
            Self::Date(date) => date.serialize(serializer),
            Self::Time(time) => time.serialize(serializer),
            Self::TimeDelta(delta) => delta.serialize(serializer),
            Self::Decimal(decimal) => decimal.serialize(serializer),
            Self::Uuid(uuid) => uuid.serialize(serializer),
            Self::Complex(complex) => complex.serialize(serializer),
            Self::Array(numbers) => numbers.serialize(serializer),
            Self::Tagged(tag, content) => {
                let mut tagged = serializer.serialize_tuple_struct(writing::TAGGED, 2)?;
                tagged.serialize_field(tag)?;
                tagged.serialize_field(content)?;
                tagged.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(reading::WITH_TAGS, Visitor)
    }
}

struct Visitor;

impl<'de> de::Visitor<'de> for Visitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(Value::Int(n))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
        Ok(n.into())
    }

    fn visit_i128<E>(self, n: i128) -> Result<Value, E> {
        Ok(n.into())
    }

    fn visit_u128<E>(self, n: u128) -> Result<Value, E> {
        Ok(n.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(bytes.to_vec()))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Bytes(bytes))
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    /// A deserializer that knows no tags.
    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::with_capacity(elements.size_hint().unwrap_or(0));
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::with_capacity(entries.size_hint().unwrap_or(0));
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Value::Map(map))
    }

    /// A tag and what is under it, from our own deserializer.
    fn visit_enum<A: de::EnumAccess<'de>>(self, tagged: A) -> Result<Value, A::Error> {
        let (tag, content) = tagged.variant::<u64>()?;
        if is_array(tag) {
            let Undecoded(content) = content.newtype_variant()?;
            let numbers = read_array(tag, &mut Reader::new(content), 0);
            return numbers
                .map(|numbers| numbers.into_owned().into())
                .map_err(de::Error::custom);
        }
        Value::from_tag(tag, content.newtype_variant()?).map_err(de::Error::custom)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("None"),
            Self::Bool(true) => f.write_str("True"),
            Self::Bool(false) => f.write_str("False"),
            Self::Int(n) => n.fmt(f),
            Self::BigInt(n) => n.fmt(f),
            Self::Float(value) if value.is_nan() => f.write_str("nan"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(text) => quoted(f, text),
            Self::Bytes(bytes) => write!(f, "b'{}'", bytes.escape_ascii()),
            Self::List(elements) => listed(f, "[", elements, "]"),
            Self::Tuple(elements) if elements.len() == 1 => listed(f, "(", elements, ",)"),
            Self::Tuple(elements) => listed(f, "(", elements, ")"),
            Self::Set(elements) if elements.is_empty() => f.write_str("set()"),
            Self::Set(elements) => listed(f, "{", elements, "}"),
            Self::FrozenSet(elements) if elements.is_empty() => f.write_str("frozenset()"),
            Self::FrozenSet(elements) => listed(f, "frozenset({", elements, "})"),
            Self::Map(entries) => {
                f.write_str("{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{key}: {value}")?;
                }
                f.write_str("}")
            }
            Self::DateTime(datetime) => write!(f, "datetime('{datetime}')"),
            Self::NaiveDateTime(datetime) => write!(f, "datetime('{datetime}')"),
            Self::Date(date) => write!(f, "date('{date}')"),
            Self::Time(time) => write!(f, "time('{time}')"),
            Self::TimeDelta(delta) => write!(f, "timedelta('{delta}')"),
            Self::Decimal(decimal) => write!(f, "Decimal('{decimal}')"),
            Self::Uuid(uuid) => write!(f, "UUID('{uuid}')"),
            Self::Complex(complex) => complex.fmt(f),
            Self::Array(numbers) => numbers.fmt(f),
            Self::Tagged(tag, content) => write!(f, "tag({tag}, {content})"),
        }
    }
}

fn listed(f: &mut fmt::Formatter<'_>, open: &str, elements: &[Value], close: &str) -> fmt::Result {
    f.write_str(open)?;
    for (index, element) in elements.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(f, "{comma}{element}")?;
    }
    f.write_str(close)
}

/// Quoted as in Python: in single quotes, unless it has some and no double ones.
fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    use fmt::Write as _;
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    f.write_char(quote)?;
    for c in text.chars() {
        match c {
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c == quote => write!(f, "\\{c}")?,
            // No control characters: the text goes to terminals.
            c if c.is_control() && u32::from(c) < 0x100 => write!(f, "\\x{:02x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char(quote)
}

macro_rules! from {
    ($($type:ty: $name:ident => $value:expr,)*) => {$(
        impl From<$type> for Value {
            fn from($name: $type) -> Self {
                $value
            }
        }
    )*};
}

from! {
    (): _null => Self::Null,
    bool: value => Self::Bool(value),
    i8: n => Self::Int(n.into()),
    i16: n => Self::Int(n.into()),
    i32: n => Self::Int(n.into()),
    i64: n => Self::Int(n),
    u8: n => Self::Int(n.into()),
    u16: n => Self::Int(n.into()),
    u32: n => Self::Int(n.into()),
    u64: n => i64::try_from(n).map_or_else(|_| Self::BigInt(n.into()), Self::Int),
    i128: n => i64::try_from(n).map_or_else(|_| Self::BigInt(n.into()), Self::Int),
    u128: n => i64::try_from(n).map_or_else(|_| Self::BigInt(n.into()), Self::Int),
    BigInt: n => integer(n),
    f32: value => Self::Float(value.into()),
    f64: value => Self::Float(value),
    char: c => Self::Text(c.into()),
    &str: text => Self::Text(text.to_owned()),
    String: text => Self::Text(text),
    Bytes: bytes => Self::Bytes(bytes.0),
    DateTime: datetime => Self::DateTime(datetime),
    NaiveDateTime: datetime => Self::NaiveDateTime(datetime),
    Date: date => Self::Date(date),
    Time: time => Self::Time(time),
    TimeDelta: delta => Self::TimeDelta(delta),
    Decimal: decimal => Self::Decimal(decimal),
    Uuid: uuid => Self::Uuid(uuid),
    Complex: complex => Self::Complex(complex),
    Numbers: numbers => Self::Array(Box::new(numbers)),
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(elements: Vec<T>) -> Self {
        Self::List(elements.into_iter().map(Into::into).collect())
    }
}
