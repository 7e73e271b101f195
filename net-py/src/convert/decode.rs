//! CBOR to Python objects. Never an import or an attribute by a name that came over the wire: a tag picks from a fixed set of classes.

use std::borrow::Cow;

use net::value::cbor::{Item, Reader};
use net::value::{MAX_DEPTH, ValueError, tags};
use pyo3::IntoPyObjectExt as _;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyComplex, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString,
    PyTuple,
};

use super::fault::Fault;
use super::moment;
use super::types::Types;

type Read<T> = Result<T, Box<Fault>>;

/// Builds the one value that `bytes` are.
pub(crate) fn value<'py>(py: Python<'py>, bytes: &[u8]) -> Read<Bound<'py, PyAny>> {
    let mut decoder = Decoder {
        py,
        input: Reader::new(bytes),
        depth: 0,
    };
    let value = decoder.value()?;
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
    let Item::Array(length) = decoder.input.next()? else {
        return Err(Fault::unfit("the arguments of a call must be an array"));
    };
    let args = PyTuple::new(py, decoder.elements(length)?)?;
    let kwargs = if decoder.input.is_empty() {
        None
    } else {
        let Item::Map(length) = decoder.input.next()? else {
            return Err(Fault::unfit("the keywords of a call must be a map"));
        };
        let kwargs = decoder.map(length)?;
        if kwargs
            .keys()
            .iter()
            .any(|key| !key.is_exact_instance_of::<PyString>())
        {
            return Err(Fault::unfit("the keywords of a call must be text"));
        }
        Some(kwargs)
    };
    decoder.input.finish()?;
    Ok((args, kwargs))
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
            Item::Array(length) => {
                self.nested(|decoder| Ok(PyList::new(py, decoder.elements(length)?)?.into_any()))?
            }
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

    fn elements(&mut self, length: Option<usize>) -> Read<Vec<Bound<'py, PyAny>>> {
        match length {
            // The reader vouches that the input can hold so many.
            Some(length) => {
                let mut elements = Vec::with_capacity(length);
                for _ in 0..length {
                    elements.push(self.value()?);
                }
                Ok(elements)
            }
            None => std::iter::from_fn(|| self.value_or_end().transpose()).collect(),
        }
    }

    fn map(&mut self, length: Option<usize>) -> Read<Bound<'py, PyDict>> {
        let dict = PyDict::new(self.py);
        match length {
            Some(length) => {
                for _ in 0..length {
                    let key = self.value()?;
                    let value = self.value()?;
                    insert(&dict, &key, &value)?;
                }
            }
            None => {
                while let Some(key) = self.value_or_end()? {
                    let value = self.value()?;
                    insert(&dict, &key, &value)?;
                }
            }
        }
        Ok(dict)
    }

    fn tagged(&mut self, tag: u64) -> Read<Bound<'py, PyAny>> {
        let py = self.py;
        Ok(match tag {
            tags::TUPLE => PyTuple::new(py, self.array()?)?.into_any(),
            tags::SET => PySet::new(py, self.array()?)?.into_any(),
            tags::FROZENSET => PyFrozenSet::new(py, self.array()?)?.into_any(),
            tags::POSITIVE_BIGNUM => self.big()?,
            tags::NEGATIVE_BIGNUM => self.big()?.call_method0("__invert__")?,
            tags::COMPLEX => {
                let [real, imaginary] = self.pair("a complex number")?;
                PyComplex::from_doubles(py, real.extract()?, imaginary.extract()?).into_any()
            }
            tags::DECIMAL => {
                let [exponent, mantissa] = self.pair("a decimal")?;
                let text = format!(
                    "{}E{}",
                    mantissa.str()?.to_str()?,
                    exponent.extract::<i64>()?
                );
                Types::of(py)?.decimal.bind(py).call1((text,))?
            }
            tags::SPECIAL_DECIMAL => Types::of(py)?.decimal.bind(py).call1((&*self.text()?,))?,
            tags::UUID => {
                let bytes = self.bytes()?;
                Types::of(py)?
                    .uuid
                    .bind(py)
                    .call1((py.None(), PyBytes::new(py, &bytes)))?
            }
            tags::DATETIME | tags::NAIVE_DATETIME => {
                let text = self.text()?;
                datetime(py, &text)?
            }
            tags::DATE => {
                let text = self.text()?;
                let day = moment::day(&text).ok_or_else(|| no_moment(&text))?;
                Types::of(py)?
                    .date
                    .bind(py)
                    .call1((day.year, day.month, day.day))?
            }
            tags::TIME => {
                let text = self.text()?;
                let clock = moment::clock(&text)
                    .filter(|clock| clock.offset.is_none())
                    .ok_or_else(|| no_moment(&text))?;
                Types::of(py)?.time.bind(py).call1((
                    clock.hour,
                    clock.minute,
                    clock.second,
                    clock.microsecond,
                ))?
            }
            tags::TIMEDELTA => self.timedelta()?,
            _ => {
                return Err(Fault::unfit(format!(
                    "tag {tag} is not known here; the other side may be newer"
                )));
            }
        })
    }

    fn array(&mut self) -> Read<Vec<Bound<'py, PyAny>>> {
        match self.input.next()? {
            Item::Array(length) => self.nested(|decoder| decoder.elements(length)),
            _ => Err(Fault::unfit(
                "a tag that stands on an array stands on something else",
            )),
        }
    }

    fn pair(&mut self, what: &str) -> Read<[Bound<'py, PyAny>; 2]> {
        <[_; 2]>::try_from(self.array()?)
            .map_err(|_| Fault::unfit(format!("{what} is an array of two")))
    }

    fn text(&mut self) -> Read<String> {
        match self.input.next()? {
            Item::Text(text) => Ok(text.into_owned()),
            _ => Err(Fault::unfit(
                "a tag that stands on a text stands on something else",
            )),
        }
    }

    fn bytes(&mut self) -> Read<Vec<u8>> {
        match self.input.next()? {
            Item::Bytes(bytes) => Ok(Cow::into_owned(bytes)),
            _ => Err(Fault::unfit(
                "a tag that stands on a byte string stands on something else",
            )),
        }
    }

    fn big(&mut self) -> Read<Bound<'py, PyAny>> {
        let bytes = self.bytes()?;
        Ok(self
            .py
            .get_type::<PyInt>()
            .call_method1("from_bytes", (PyBytes::new(self.py, &bytes), "big"))?)
    }

    fn timedelta(&mut self) -> Read<Bound<'py, PyAny>> {
        let Item::Map(length) = self.input.next()? else {
            return Err(Fault::unfit("a timedelta is a map"));
        };
        let map = self.nested(|decoder| decoder.map(length))?;
        let mut seconds = 0i64;
        let mut microseconds = 0i64;
        for (unit, count) in map.iter() {
            // RFC 9581: 1 is whole seconds, -3, -6 and -9 their fractions.
            match unit.extract::<i64>()? {
                1 => seconds = count.extract()?,
                -3 => microseconds = count.extract::<i64>()?.saturating_mul(1000),
                -6 => microseconds = count.extract()?,
                -9 => microseconds = count.extract::<i64>()? / 1000,
                other => {
                    return Err(Fault::unfit(format!(
                        "a timedelta in units of 10^{other} s is not known here"
                    )));
                }
            }
        }
        Ok(Types::of(self.py)?
            .timedelta
            .bind(self.py)
            .call1((0, seconds, microseconds))?)
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

fn insert<'py>(
    dict: &Bound<'py, PyDict>,
    key: &Bound<'py, PyAny>,
    value: &Bound<'py, PyAny>,
) -> Read<()> {
    dict.set_item(key, value).map_err(|error| {
        if error.is_instance_of::<pyo3::exceptions::PyTypeError>(dict.py()) {
            Fault::unfit("a map has a list, a map or a set as a key, which a dict cannot have; use a tuple or a frozenset")
        } else {
            error.into()
        }
    })
}

fn datetime<'py>(py: Python<'py>, text: &str) -> Read<Bound<'py, PyAny>> {
    let types = Types::of(py)?;
    let (day, clock) = moment::day_and_clock(text).ok_or_else(|| no_moment(text))?;
    let zone = match clock.offset {
        None => py.None().into_bound(py),
        Some(0) => types.utc.bind(py).clone(),
        Some(offset) => types
            .timezone
            .bind(py)
            .call1((types.timedelta.bind(py).call1((0, offset))?,))?,
    };
    let datetime = types.datetime.bind(py);
    Ok(datetime.call1((
        day.year,
        day.month,
        day.day,
        clock.hour,
        clock.minute,
        clock.second,
        clock.microsecond,
        zone,
    ))?)
}

fn no_moment(text: &str) -> Box<Fault> {
    Fault::unfit(format!("{text:?} is no date or time"))
}

impl From<ValueError> for Box<Fault> {
    fn from(error: ValueError) -> Self {
        Fault::unfit(error.to_string())
    }
}
