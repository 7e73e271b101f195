//! Why a value cannot travel, and where in it the trouble lies. Not here: the exception it becomes (see `crate::error`).

use std::fmt::Write as _;

use net::value::ValueError;
use pyo3::exceptions::{PyException, PyMemoryError};
use pyo3::prelude::*;

/// What went wrong while writing or reading a value. Boxed where it is returned, so that the way without faults stays small.
pub(crate) struct Fault {
    /// The way down to the value, innermost step first: each level adds its own as the fault passes it.
    steps: Vec<Step>,
    why: Why,
}

/// Why a value did not travel.
enum Why {
    /// It has no form on the wire, or the bytes no form here; the text says what to do.
    Unfit(String),
    /// Python raised while the value was looked at.
    Raised(PyErr),
}

/// One step from a container into what it holds.
pub(crate) enum Step {
    /// A named root: `args`, `kwargs`, `result`.
    Root(&'static str),
    /// An element of a list or tuple.
    Index(usize),
    /// The value of a key, written as Python writes it; from [`Step::key`].
    Key(String),
    /// A key itself, or an element of a set: neither has an index.
    Member,
}

impl Step {
    /// The step to the value of `key`.
    pub(crate) fn key(key: &Bound<'_, PyAny>) -> Self {
        /// A key may be megabytes long.
        const SHOWN: usize = 40;
        let mut text = match key.repr() {
            Ok(text) => text.to_string(),
            Err(_) => return Self::Key("…".to_owned()),
        };
        if let Some((end, _)) = text.char_indices().nth(SHOWN) {
            text.truncate(end);
            text.push('…');
        }
        Self::Key(text)
    }
}

impl Fault {
    pub(crate) fn unfit(why: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            steps: Vec::new(),
            why: Why::Unfit(why.into()),
        })
    }

    /// The same fault, seen from one level further out.
    pub(crate) fn within(mut self: Box<Self>, step: Step) -> Box<Self> {
        self.steps.push(step);
        self
    }

    /// The text of the fault with its path in front, and what Python raised if that is behind it.
    ///
    /// # Errors
    ///
    /// What Python raised, where it says nothing about the value: memory ran out, the user pressed Ctrl-C.
    pub(crate) fn explain(self, py: Python<'_>) -> PyResult<(String, Option<PyErr>)> {
        let (why, cause) = match self.why {
            Why::Unfit(why) => (why, None),
            Why::Raised(error)
                if !error.is_instance_of::<PyException>(py)
                    || error.is_instance_of::<PyMemoryError>(py) =>
            {
                return Err(error);
            }
            Why::Raised(error) => (error.to_string(), Some(error)),
        };
        let text = if self.steps.is_empty() {
            why
        } else {
            format!("{}: {why}", path(&self.steps))
        };
        Ok((text, cause))
    }
}

impl From<PyErr> for Box<Fault> {
    fn from(error: PyErr) -> Self {
        Box::new(Fault {
            steps: Vec::new(),
            why: Why::Raised(error),
        })
    }
}

impl From<ValueError> for Box<Fault> {
    fn from(error: ValueError) -> Self {
        Fault::unfit(error.to_string())
    }
}

/// The longest path that is written out; a value nested to the limit would fill the screen.
const SHOWN_STEPS: usize = 12;

fn path(steps: &[Step]) -> String {
    let mut text = String::new();
    for (shown, step) in steps.iter().rev().enumerate() {
        if shown == SHOWN_STEPS {
            text.push('…');
            break;
        }
        let written = match step {
            Step::Root(name) => write!(text, "{name}"),
            Step::Index(index) => write!(text, "[{index}]"),
            Step::Key(key) => write!(text, "[{key}]"),
            Step::Member => write!(text, "{{…}}"),
        };
        written.expect("a String takes every write");
    }
    text
}
