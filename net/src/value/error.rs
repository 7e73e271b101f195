//! What can be wrong with a value, and where in it. No wording of other layers' failures.

use std::borrow::Cow;
use std::fmt;

use super::Value;

/// A value that could not be encoded or decoded: what is wrong, and the path to it.
///
/// The text is complete: `args[1]["x"]: expected i64, found text "ten"`.
#[derive(Debug)]
pub struct ValueError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ValueErrorKind,
    /// Innermost first: each container adds its step as the error passes through it.
    path: Vec<Step>,
}

/// One step from a container to the value inside it.
#[derive(Debug)]
pub(crate) enum Step {
    Index(usize),
    Key(String),
    /// A key that is not text, as a literal.
    OtherKey(String),
    /// A key itself: it has no index.
    Member,
    /// The parameter that the value is for.
    Argument(Cow<'static, str>),
    /// The positional arguments as a whole.
    Arguments,
    /// What a call gave.
    Result,
}

impl Step {
    /// The step to the value of the key that `bytes` are.
    pub(crate) fn key(bytes: &[u8]) -> Self {
        match super::decode(bytes) {
            Ok(Value::Text(key)) => Self::Key(key),
            Ok(key) => Self::OtherKey(key.to_string()),
            Err(_) => Self::OtherKey("?".to_owned()),
        }
    }
}

/// What is wrong with a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ValueErrorKind {
    /// The bytes end inside a value.
    #[error("the value is cut short: {offset} bytes are there, and more were announced")]
    Truncated {
        /// How many bytes there are.
        offset: usize,
    },
    /// The bytes are not CBOR.
    #[error("not a CBOR value: {what} (byte {offset})")]
    Malformed {
        /// Where, in bytes from the start.
        offset: usize,
        /// Which rule is broken.
        what: &'static str,
    },
    /// Bytes follow after the value.
    #[error("the value ends before its bytes do ({extra} more); exactly one value was expected")]
    TrailingBytes {
        /// How many.
        extra: usize,
    },
    /// Nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    #[error("nested deeper than {limit} levels; flatten it, or send it as text or bytes")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// Another type, or out of the type's range.
    #[error("expected {expected}, found {found}")]
    Mismatch {
        /// What the receiving type asks for.
        expected: String,
        /// What came.
        found: String,
    },
    /// JSON cannot hold it.
    #[error(
        "JSON has no form for {what}; convert it before it leaves (to text, a number or a list)"
    )]
    NoJsonForm {
        /// The kind of value.
        what: String,
    },
    /// Arguments must be a tuple, an array, a slice or `()`.
    #[error("arguments must be a tuple, a slice or (), not a single value; write (value,)")]
    NotArguments,
    /// More positional arguments than parameters.
    #[error("takes {takes} positional argument{} but {given} {} given", if *takes == 1 { "" } else { "s" }, if *given == 1 { "was" } else { "were" })]
    TooManyArguments {
        /// How many parameters there are.
        takes: usize,
        /// How many positional arguments came.
        given: usize,
    },
    /// A keyword that no parameter has.
    #[error("got an unexpected keyword argument '{name}'")]
    UnexpectedKeyword {
        /// The keyword.
        name: String,
    },
    /// A parameter given twice.
    #[error("got multiple values for argument '{name}'")]
    MultipleValues {
        /// The parameter.
        name: String,
    },
    /// A parameter without a default that was not given.
    #[error("missing required argument '{name}'")]
    MissingArgument {
        /// The parameter.
        name: String,
    },
    /// From a type's own `Serialize` or `Deserialize`.
    #[error("{0}")]
    Custom(String),
}

impl ValueError {
    /// What is wrong.
    pub fn kind(&self) -> &ValueErrorKind {
        &self.0.kind
    }

    /// Where in the value, as `args[1]["x"]`; empty when it is the value as a whole.
    pub fn path(&self) -> String {
        Path(&self.0.path).to_string()
    }

    /// The text with the function's name in front, as Python words it: `multiply() missing required argument 'a'`.
    pub fn for_function<'a>(&'a self, function: &'a str) -> ForFunction<'a> {
        ForFunction {
            function,
            error: self,
        }
    }

    /// The error, seen from the container that the value lies in.
    pub(crate) fn inside(mut self, step: Step) -> Self {
        self.0.path.push(step);
        self
    }

    /// An error of a type's own making, in its words.
    pub fn custom(message: impl fmt::Display) -> Self {
        ValueErrorKind::Custom(message.to_string()).into()
    }
}

impl From<ValueErrorKind> for ValueError {
    #[cold]
    fn from(kind: ValueErrorKind) -> Self {
        Self(Box::new(Inner {
            kind,
            path: Vec::new(),
        }))
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.path.is_empty() {
            write!(f, "{}: ", Path(&self.0.path))?;
        }
        self.0.kind.fmt(f)
    }
}

impl std::error::Error for ValueError {}

impl serde::de::Error for ValueError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::custom(message)
    }

    fn invalid_type(found: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        mismatch(found, expected)
    }

    fn invalid_value(found: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        mismatch(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn serde::de::Expected) -> Self {
        let found = format!("{length} of them");
        let expected = expected.to_string();
        ValueErrorKind::Mismatch { expected, found }.into()
    }
}

impl serde::ser::Error for ValueError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::custom(message)
    }
}

fn mismatch(found: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> ValueError {
    use serde::de::Unexpected;
    let found = match found {
        Unexpected::Str(text) => format!("text {}", Excerpt(text)),
        Unexpected::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Unexpected::Unit | Unexpected::Option => "null".to_owned(),
        Unexpected::Seq => "an array".to_owned(),
        Unexpected::Map => "a map".to_owned(),
        Unexpected::Bool(b) => format!("the boolean {b}"),
        Unexpected::Unsigned(n) => format!("the integer {n}"),
        Unexpected::Signed(n) => format!("the integer {n}"),
        Unexpected::Float(x) => format!("the float {x:?}"),
        other => other.to_string(),
    };
    ValueErrorKind::Mismatch {
        expected: expected.to_string(),
        found,
    }
    .into()
}

/// The start of a text, quoted: a whole one may be megabytes.
struct Excerpt<'a>(&'a str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, rest) = start(self.0);
        write!(f, "{start:?}{rest}")
    }
}

/// The start of a literal, which may be as long.
struct Shortened<'a>(&'a str);

impl fmt::Display for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, rest) = start(self.0);
        write!(f, "{start}{rest}")
    }
}

/// As much of a text as an error shows, and what says that there is more.
fn start(text: &str) -> (&str, &'static str) {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => (&text[..end], "…"),
        None => (text, ""),
    }
}

struct Path<'a>(&'a [Step]);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.last().is_some_and(|outermost| {
            !matches!(
                outermost,
                Step::Argument(_) | Step::Arguments | Step::Result
            )
        }) {
            f.write_str("value")?;
        }
        self.0.iter().rev().try_for_each(|step| match step {
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => write!(f, "[{}]", Excerpt(key)),
            Step::OtherKey(key) => write!(f, "[{}]", Shortened(key)),
            Step::Member => f.write_str("{…}"),
            Step::Argument(name) => write!(f, "argument '{name}'"),
            Step::Arguments => f.write_str("args"),
            Step::Result => f.write_str("result"),
        })
    }
}

/// A [`ValueError`] worded for the function whose arguments it is about; from [`ValueError::for_function`].
#[derive(Debug)]
pub struct ForFunction<'a> {
    function: &'a str,
    error: &'a ValueError,
}

impl fmt::Display for ForFunction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}() {}", self.function, self.error)
    }
}
