//! CBOR to Python objects. Never an import or an attribute by a name that came over the wire: a tag picks from a fixed set of classes.

use net::value::cbor::{Item, Reader};
use net::value::{
    DateTime, MAX_DEPTH, NaiveDateTime, Value, decode_tagged, is_array, read_array, tags,
};
use pyo3::IntoPyObjectExt as _;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyComplex, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString,
    PyTuple,
};

use super::arrays;
use super::fault::{Fault, Step};
use super::types::Types;

type Read<T> = Result<T, Box<Fault>>;

/// Elements that room is made for ahead, whatever a head claims: nested claims multiply, so each must be small.
const MOST_AHEAD: usize = 1024;

/// Builds the one value that `bytes` are; `root` is what the path in a fault begins with.
pub(crate) fn value<'py>(
    py: Python<'py>,
    bytes: &[u8],
    root: &'static str,
) -> Read<Bound<'py, PyAny>> {
    let mut decoder = Decoder {
        py,
        input: Reader::new(bytes),
        depth: 0,
    };
    let value = decoder
        .value()
        .map_err(|fault| fault.within(Step::Root(root)))?;
    decoder.input.finish()?;
    Ok(value)
}

/// Takes the body of a call apart: positional arguments, and keywords if there are any.
pub(crate) fn arguments<'py>(
    py: Python<'py>,
    body: &[u8],
) -> Read<(Bound<'py, PyTuple>, Option<Bound<'py, PyDict>>)> {
    let mut decoder = Decoder {
        py,
        input: Reader::new(body),
        depth: 0,
    };
    let Item::Array(Some(length)) = decoder.input.next()? else {
        return Err(Fault::unfit(
            "the arguments of a call must be an array of known length",
        ));
    };
    let args = decoder
        .elements(Some(length), Step::Index)
        .map_err(|fault| fault.within(Step::Root("args")))?;
    let kwargs = if decoder.input.is_empty() {
        None
    } else {
        let kwargs = decoder.keywords();
        Some(kwargs.map_err(|fault| fault.within(Step::Root("kwargs")))?)
    };
    decoder.input.finish()?;
    Ok((PyTuple::new(py, args)?, kwargs))
}

struct Decoder<'py, 'a> {
    py: Python<'py>,
    input: Reader<'a>,
    /// How many containers and tags are open.
    depth: usize,
}

impl<'py> Decoder<'py, '_> {
    fn value(&mut self) -> Read<Bound<'py, PyAny>> {
        let item = self.input.next()?;
        self.item(item)
    }

    fn item(&mut self, item: Item<'_>) -> Read<Bound<'py, PyAny>> {
        let py = self.py;
        Ok(match item {
            Item::Uint(number) => number.into_bound_py_any(py)?,
            Item::Nint(number) => (-1 - i128::from(number)).into_bound_py_any(py)?,
            Item::Float(number) => PyFloat::new(py, number).into_any(),
            Item::Bool(truth) => PyBool::new(py, truth).to_owned().into_any(),
            Item::Null => py.None().into_bound(py),
            Item::Text(text) => PyString::new(py, &text).into_any(),
            Item::Bytes(bytes) => PyBytes::new(py, &bytes).into_any(),
            Item::Array(length) => self.nested(|decoder| {
                let elements = decoder.elements(length, Step::Index)?;
                Ok(PyList::new(py, elements)?.into_any())
            })?,
            Item::Map(length) => self.nested(|decoder| Ok(decoder.map(length)?.into_any()))?,
            Item::Tag(tag) => self.nested(|decoder| decoder.tagged(tag))?,
            Item::Break => return Err(Fault::unfit("a break outside of an array or map")),
        })
    }

    /// The next value, or `None` where an array or map of unknown length ends.
    fn value_or_end(&mut self) -> Read<Option<Bound<'py, PyAny>>> {
        match self.input.next()? {
            Item::Break => Ok(None),
            item => self.item(item).map(Some),
        }
    }

    fn elements(
        &mut self,
        length: Option<usize>,
        step: fn(usize) -> Step,
    ) -> Read<Vec<Bound<'py, PyAny>>> {
        let mut elements = Vec::with_capacity(length.unwrap_or(0).min(MOST_AHEAD));
        let inside = |index| move |fault: Box<Fault>| fault.within(step(index));
        match length {
            Some(length) => {
                for index in 0..length {
                    elements.push(self.value().map_err(inside(index))?);
                }
            }
            None => {
                while let Some(element) = self.value_or_end().map_err(inside(elements.len()))? {
                    elements.push(element);
                }
            }
        }
        Ok(elements)
    }

    fn keywords(&mut self) -> Read<Bound<'py, PyDict>> {
        let Item::Map(Some(length)) = self.input.next()? else {
            return Err(Fault::unfit(
                "the keywords of a call must be a map of known length",
            ));
        };
        let kwargs = PyDict::new(self.py);
        for _ in 0..length {
            let Item::Text(name) = self.input.next()? else {
                return Err(Fault::unfit("the name of a keyword argument must be text"));
            };
            let name = PyString::new(self.py, &name);
            if kwargs.contains(&name)? {
                let name = name.to_str()?;
                return Err(Fault::unfit(format!(
                    "got multiple values for keyword argument {name:?}"
                )));
            }
            let value = self
                .value()
                .map_err(|fault| fault.within(Step::key(&name)))?;
            kwargs.set_item(name, value)?;
        }
        Ok(kwargs)
    }

    fn map(&mut self, length: Option<usize>) -> Read<Bound<'py, PyDict>> {
        let dict = PyDict::new(self.py);
        let member = |fault: Box<Fault>| fault.within(Step::Member);
        match length {
            Some(length) => {
                for _ in 0..length {
                    let key = self.value().map_err(member)?;
                    self.entry(&dict, &key)?;
                }
            }
            None => {
                while let Some(key) = self.value_or_end().map_err(member)? {
                    self.entry(&dict, &key)?;
                }
            }
        }
        Ok(dict)
    }

    /// Reads the value of `key` into `dict`.
    fn entry(&mut self, dict: &Bound<'py, PyDict>, key: &Bound<'py, PyAny>) -> Read<()> {
        let value = self.value().map_err(|fault| fault.within(Step::key(key)))?;
        dict.set_item(key, value)
            .map_err(|error| unhashable(self.py, error, "a map", "a key of a dict"))
    }

    fn tagged(&mut self, tag: u64) -> Read<Bound<'py, PyAny>> {
        let py = self.py;
        Ok(match tag {
            tags::TUPLE => PyTuple::new(py, self.array(Step::Index)?)?.into_any(),
            tags::SET => PySet::new(py, self.array(|_| Step::Member)?)
                .map_err(|error| unhashable(py, error, "a set", "an element of a set"))?
                .into_any(),
            tags::FROZENSET => PyFrozenSet::new(py, self.array(|_| Step::Member)?)
                .map_err(|error| unhashable(py, error, "a set", "an element of a set"))?
                .into_any(),
            tags::POSITIVE_BIGNUM => self.big()?,
            tags::NEGATIVE_BIGNUM => self.big()?.call_method0("__invert__")?,
            _ if is_array(tag) => {
                let numbers = read_array(tag, &mut self.input, self.depth)?;
                arrays::object(py, &numbers)?
            }
            _ => {
                let value = decode_tagged(tag, &mut self.input, self.depth)?;
                scalar(py, Types::of(py)?, value)?
            }
        })
    }

    fn array(&mut self, step: fn(usize) -> Step) -> Read<Vec<Bound<'py, PyAny>>> {
        match self.input.next()? {
            Item::Array(length) => self.nested(|decoder| decoder.elements(length, step)),
            _ => Err(Fault::unfit(
                "a tag that stands on an array stands on something else",
            )),
        }
    }

    fn big(&mut self) -> Read<Bound<'py, PyAny>> {
        let Item::Bytes(bytes) = self.input.next()? else {
            return Err(Fault::unfit(
                "a tag that stands on a byte string stands on something else",
            ));
        };
        Ok(self
            .py
            .get_type::<PyInt>()
            .call_method1("from_bytes", (PyBytes::new(self.py, &bytes), "big"))?)
    }

    fn nested<T>(&mut self, content: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        if self.depth == MAX_DEPTH {
            return Err(Fault::unfit(format!(
                "nested deeper than {MAX_DEPTH} levels"
            )));
        }
        self.depth += 1;
        let read = content(self);
        self.depth -= 1;
        read
    }
}

/// A value of the types that are tags on something simple, as its class in Python.
fn scalar<'py>(py: Python<'py>, types: &Types, value: Value) -> Read<Bound<'py, PyAny>> {
    Ok(match value {
        Value::DateTime(datetime) => aware(py, types, datetime)?,
        Value::NaiveDateTime(datetime) => {
            let none = py.None().into_bound(py);
            at(py, types, datetime, &none)?
        }
        Value::Date(date) => {
            let parts = (date.year(), date.month(), date.day());
            types.date.bind(py).call1(parts)?
        }
        Value::Time(time) => types.time.bind(py).call1((
            time.hour(),
            time.minute(),
            time.second(),
            time.microsecond(),
        ))?,
        Value::TimeDelta(delta) => {
            let parts = (0, delta.seconds(), delta.microseconds());
            types.timedelta.bind(py).call1(parts)?
        }
        Value::Decimal(decimal) => types.decimal.bind(py).call1((decimal.as_str(),))?,
        Value::Uuid(uuid) => {
            let parts = (py.None(), PyBytes::new(py, &uuid.0));
            types.uuid.bind(py).call1(parts)?
        }
        Value::Complex(number) => PyComplex::from_doubles(py, number.re, number.im).into_any(),
        Value::Tagged(tag, _) => {
            return Err(Fault::unfit(format!(
                "tag {tag} is not known here; the other side may be newer"
            )));
        }
        // What is no scalar is read by `tagged` itself.
        other => return Err(Fault::unfit(format!("{other:.40} has no class in Python"))),
    })
}

fn aware<'py>(py: Python<'py>, types: &Types, datetime: DateTime) -> PyResult<Bound<'py, PyAny>> {
    let zone = match i32::from(datetime.offset_minutes()) {
        0 => types.utc.bind(py).clone(),
        minutes => {
            let offset = types.timedelta.bind(py).call1((0, minutes * 60))?;
            types.timezone.bind(py).call1((offset,))?
        }
    };
    at(py, types, datetime.local(), &zone)
}

fn at<'py>(
    py: Python<'py>,
    types: &Types,
    NaiveDateTime { date, time }: NaiveDateTime,
    zone: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    types.datetime.bind(py).call1((
        date.year(),
        date.month(),
        date.day(),
        time.hour(),
        time.minute(),
        time.second(),
        // What is finer is cut off: Python holds no more.
        time.microsecond(),
        zone,
    ))
}

/// What is said of a key or an element that Python cannot hash.
fn unhashable(py: Python<'_>, error: PyErr, what: &str, place: &str) -> Box<Fault> {
    if error.is_instance_of::<PyTypeError>(py) {
        Fault::unfit(format!(
            "{what} has a list, a map or a set in it that cannot be {place}; the other side should send a tuple or a frozenset"
        ))
        .within(Step::Member)
    } else {
        error.into()
    }
}
