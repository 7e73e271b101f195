//! Python objects to CBOR. Exact builtin types first, by their addresses; everything else on the slow way below them.

use net::value::cbor::Writer;
use net::value::{
    Complex, Date, DateTime, Decimal, MAX_DEPTH, NaiveDateTime, Time, TimeDelta, Uuid,
    encode_inside, tags,
};
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyComplex, PyDict, PyFloat, PyFrozenSet, PyInt, PyList,
    PyMemoryView, PySet, PyString, PyTuple, PyType,
};

use serde::Serialize;

use super::arrays;
use super::fault::{Fault, Step};
use super::kept;
use super::types::{Numpy, Types};

type Written = Result<(), Box<Fault>>;

/// Appends `object` to `out`; `root` is what the path in a fault begins with.
pub(crate) fn value<'a>(
    object: &Bound<'_, PyAny>,
    root: &'static str,
    out: impl Into<Writer<'a>>,
) -> Written {
    Encoder::new(out)
        .value(object)
        .map_err(|fault| fault.within(Step::Root(root)))
}

/// Appends the body of a call to `out`: the positional arguments, then the keywords if there are any.
pub(crate) fn arguments<'a>(
    args: &Bound<'_, PyTuple>,
    kwargs: Option<&Bound<'_, PyDict>>,
    out: impl Into<Writer<'a>>,
) -> Written {
    let mut encoder = Encoder::new(out);
    encoder.out.array(args.len());
    for (index, argument) in args.iter_borrowed().enumerate() {
        encoder
            .value(&argument)
            .map_err(|fault| fault.within(Step::Index(index)).within(Step::Root("args")))?;
    }
    if let Some(kwargs) = kwargs.filter(|kwargs| !kwargs.is_empty()) {
        encoder
            .keywords(kwargs)
            .map_err(|fault| fault.within(Step::Root("kwargs")))?;
    }
    Ok(())
}

struct Encoder<'a> {
    out: Writer<'a>,
    /// How many containers and tags are open.
    depth: usize,
}

impl<'a> Encoder<'a> {
    fn new(out: impl Into<Writer<'a>>) -> Self {
        Self {
            out: out.into(),
            depth: 0,
        }
    }

    fn value(&mut self, object: &Bound<'_, PyAny>) -> Written {
        if let Ok(text) = object.cast_exact::<PyString>() {
            return self.text(text);
        }
        if let Ok(number) = object.cast_exact::<PyInt>() {
            return self.int(number);
        }
        if let Ok(number) = object.cast_exact::<PyFloat>() {
            self.out.float(number.value());
            return Ok(());
        }
        if object.is_none() {
            self.out.null();
            return Ok(());
        }
        if let Ok(truth) = object.cast_exact::<PyBool>() {
            self.out.bool(truth.is_true());
            return Ok(());
        }
        if let Ok(list) = object.cast_exact::<PyList>() {
            return self.list(list);
        }
        if let Ok(dict) = object.cast_exact::<PyDict>() {
            return self.dict(dict);
        }
        if let Ok(tuple) = object.cast_exact::<PyTuple>() {
            return self.tuple(tuple);
        }
        if let Ok(bytes) = object.cast_exact::<PyBytes>() {
            return self.bytes(bytes);
        }
        self.uncommon(object)
    }

    fn bytes(&mut self, bytes: &Bound<'_, PyBytes>) -> Written {
        if self.out.shares(bytes.as_bytes().len()) {
            self.out.shared_bytes(kept::keep(bytes)?);
        } else {
            self.out.bytes(bytes.as_bytes());
        }
        Ok(())
    }

    /// Types of the standard library, then subclasses of the builtins as what they are made from.
    #[cold]
    fn uncommon(&mut self, object: &Bound<'_, PyAny>) -> Written {
        let types = Types::of(object.py())?;
        let is = |class: &Py<PyType>| object.is_instance(class.bind(object.py()));
        if let Ok(bytes) = object.cast::<PyByteArray>() {
            // SAFETY: the bytes are copied at once; nothing between here and there runs Python or lets another thread do so.
            self.out.bytes(unsafe { bytes.as_bytes() });
            return Ok(());
        }
        if let Ok(view) = object.cast::<PyMemoryView>() {
            let bytes = view.call_method0("tobytes")?;
            let bytes = bytes.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes();
            return match arrays::of_view(view, bytes)? {
                Some(numbers) => self.typed(&numbers),
                None => {
                    self.out.bytes(bytes);
                    Ok(())
                }
            };
        }
        if is(&types.array)? {
            return arrays::with_array(object, types, |numbers| self.typed(&numbers));
        }
        if let Ok(set) = object.cast::<PySet>() {
            return self.tagged(tags::SET, |encoder| encoder.members(set.as_any()));
        }
        if let Ok(set) = object.cast::<PyFrozenSet>() {
            return self.tagged(tags::FROZENSET, |encoder| encoder.members(set.as_any()));
        }
        if let Ok(number) = object.cast::<PyComplex>() {
            let (re, im) = (number.real(), number.imag());
            return self.typed(&Complex { re, im });
        }
        // A datetime is a date too: the order matters.
        if is(&types.datetime)? {
            return self.datetime(object, types);
        }
        if is(&types.date)? {
            let text = iso(object)?;
            return match text.parse::<Date>() {
                Ok(date) => self.typed(&date),
                Err(_) => Err(no_such_moment(object, &text)),
            };
        }
        if is(&types.time)? {
            let text = iso(object)?;
            return match text.parse::<Time>() {
                Ok(time) => self.typed(&time),
                Err(_) if !object.getattr("tzinfo")?.is_none() => Err(Fault::unfit(
                    "a time with a time zone cannot be sent; send a datetime, or the time and the zone apart",
                )),
                Err(_) => Err(no_such_moment(object, &text)),
            };
        }
        if is(&types.timedelta)? {
            return self.timedelta(object);
        }
        if is(&types.decimal)? {
            // Its text is exact, whatever the context says. By the class, since a subclass may write itself otherwise.
            let text = types
                .decimal
                .bind(object.py())
                .call_method1("__str__", (object,))?;
            let decimal: Decimal = text.extract::<String>()?.parse()?;
            return self.typed(&decimal);
        }
        if is(&types.uuid)? {
            let bytes = object.getattr("bytes")?;
            let bytes = bytes.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes();
            let uuid = bytes
                .try_into()
                .map_err(|_| Fault::unfit("a UUID must be 16 bytes"))?;
            return self.typed(&Uuid(uuid));
        }
        self.subclass(object, types)
    }

    fn subclass(&mut self, object: &Bound<'_, PyAny>, types: &Types) -> Written {
        if let Ok(text) = object.cast::<PyString>() {
            return self.text(text);
        }
        if let Ok(number) = object.cast::<PyInt>() {
            // As a plain int: what a subclass makes of the methods used below is its own affair.
            let class = number.py().get_type::<PyInt>();
            let number = class.call_method1("__pos__", (number,))?;
            return self.int(number.cast::<PyInt>().map_err(PyErr::from)?);
        }
        if let Ok(number) = object.cast::<PyFloat>() {
            self.out.float(number.value());
            return Ok(());
        }
        if let Ok(list) = object.cast::<PyList>() {
            return self.list(list);
        }
        if let Ok(dict) = object.cast::<PyDict>() {
            return self.mapping(dict);
        }
        if let Ok(tuple) = object.cast::<PyTuple>() {
            return self.tuple(tuple);
        }
        if let Ok(bytes) = object.cast::<PyBytes>() {
            self.out.bytes(bytes.as_bytes());
            return Ok(());
        }
        if let Some(numpy) = Numpy::if_imported(object.py())? {
            if object.is_instance(numpy.ndarray.bind(object.py()))? {
                return arrays::with_ndarray(object, numpy, |numbers| self.typed(&numbers));
            }
            if object.is_instance(numpy.generic.bind(object.py()))? {
                let scalar = arrays::scalar(object)?;
                return self.value(&scalar);
            }
        }
        Err(Fault::unfit(format!(
            "{} cannot be sent; {}",
            article(object)?,
            remedy(object, types)?
        )))
    }

    fn text(&mut self, text: &Bound<'_, PyString>) -> Written {
        match text.to_str() {
            Ok(text) => {
                self.out.text(text);
                Ok(())
            }
            // The only way for a str to have no UTF-8, short of memory running out.
            Err(error)
                if error.is_instance_of::<pyo3::exceptions::PyUnicodeEncodeError>(text.py()) =>
            {
                Err(Fault::unfit(
                    "a str with a lone surrogate cannot be sent, since it has no UTF-8; send bytes, as of os.fsencode()",
                ))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn int(&mut self, number: &Bound<'_, PyInt>) -> Written {
        match number.extract::<i64>() {
            Ok(number) => {
                self.out.int(number);
                Ok(())
            }
            Err(_) => self.big(number),
        }
    }

    /// Integers beyond 64 bits with a sign: as a plain item up to 64 bits of magnitude, then as a bignum.
    #[cold]
    fn big(&mut self, number: &Bound<'_, PyInt>) -> Written {
        let negative = number.lt(0)?;
        // What is written of a negative n is -1-n, which is ~n.
        let magnitude = if negative {
            number.call_method0("__invert__")?
        } else {
            number.clone().into_any()
        };
        if let Ok(magnitude) = magnitude.extract::<u64>() {
            if negative {
                self.out.nint(magnitude);
            } else {
                self.out.uint(magnitude);
            }
            return Ok(());
        }
        let bits = magnitude.call_method0("bit_length")?.extract::<usize>()?;
        let bytes = magnitude.call_method1("to_bytes", (bits.div_ceil(8), "big"))?;
        let bytes = bytes.cast::<PyBytes>().map_err(PyErr::from)?;
        let tag = if negative {
            tags::NEGATIVE_BIGNUM
        } else {
            tags::POSITIVE_BIGNUM
        };
        self.tagged(tag, |encoder| {
            encoder.out.bytes(bytes.as_bytes());
            Ok(())
        })
    }

    fn list(&mut self, list: &Bound<'_, PyList>) -> Written {
        self.nested(|encoder| {
            let length = list.len();
            encoder.out.array(length);
            for index in 0..length {
                // Another thread, or a property of an element, may shorten the list on the way.
                let element = list.get_item(index).map_err(|_| changed("list"))?;
                encoder
                    .value(&element)
                    .map_err(|fault| fault.within(Step::Index(index)))?;
            }
            if list.len() == length {
                Ok(())
            } else {
                Err(changed("list"))
            }
        })
    }

    fn tuple(&mut self, tuple: &Bound<'_, PyTuple>) -> Written {
        self.tagged(tags::TUPLE, |encoder| {
            encoder.nested(|encoder| {
                encoder.out.array(tuple.len());
                for (index, element) in tuple.iter_borrowed().enumerate() {
                    encoder
                        .value(&element)
                        .map_err(|fault| fault.within(Step::Index(index)))?;
                }
                Ok(())
            })
        })
    }

    fn keywords(&mut self, kwargs: &Bound<'_, PyDict>) -> Written {
        self.out.map(kwargs.len());
        self.entries(kwargs, |encoder, name| match name.cast::<PyString>() {
            Ok(name) => encoder.text(name),
            Err(_) => Err(Fault::unfit("the name of a keyword argument must be a str")),
        })
    }

    fn dict(&mut self, dict: &Bound<'_, PyDict>) -> Written {
        self.nested(|encoder| {
            encoder.out.map(dict.len());
            encoder.entries(dict, Self::value)
        })
    }

    /// The entries of a dict, as many as it had when it was met.
    fn entries(
        &mut self,
        dict: &Bound<'_, PyDict>,
        write_key: impl Fn(&mut Self, &Bound<'_, PyAny>) -> Written,
    ) -> Written {
        let length = dict.len();
        let mut entries = dict.iter();
        for _ in 0..length {
            // PyO3's iterator panics when the dict changed under it, as by another thread; asked first, it is an error.
            if dict.len() != length {
                return Err(changed("dict"));
            }
            let (key, value) = entries.next().ok_or_else(|| changed("dict"))?;
            write_key(self, &key).map_err(|fault| fault.within(Step::Member))?;
            self.value(&value)
                .map_err(|fault| fault.within(Step::key(&key)))?;
        }
        Ok(())
    }

    /// A subclass of dict, by its `items()`: it may have an order of its own, as an OrderedDict has.
    fn mapping(&mut self, dict: &Bound<'_, PyDict>) -> Written {
        let items = dict.call_method0("items")?.try_iter()?;
        let entries: Vec<(Bound<'_, PyAny>, Bound<'_, PyAny>)> = items
            .map(|entry| entry?.extract())
            .collect::<PyResult<_>>()?;
        self.nested(|encoder| {
            encoder.out.map(entries.len());
            for (key, value) in &entries {
                encoder
                    .value(key)
                    .map_err(|fault| fault.within(Step::Member))?;
                encoder
                    .value(value)
                    .map_err(|fault| fault.within(Step::key(key)))?;
            }
            Ok(())
        })
    }

    fn members(&mut self, set: &Bound<'_, PyAny>) -> Written {
        // All at once: by the time that the last one is written, the set may be another.
        let members: Vec<_> = set.try_iter()?.collect::<PyResult<_>>()?;
        self.nested(|encoder| {
            encoder.out.array(members.len());
            for member in &members {
                encoder
                    .value(member)
                    .map_err(|fault| fault.within(Step::Member))?;
            }
            Ok(())
        })
    }

    fn datetime(&mut self, object: &Bound<'_, PyAny>, types: &Types) -> Written {
        let text = iso(object)?;
        if let Ok(datetime) = text.parse::<DateTime>() {
            return self.typed(&datetime);
        }
        if let Ok(datetime) = text.parse::<NaiveDateTime>() {
            return self.typed(&datetime);
        }
        // Offsets with seconds, as of local mean times of old, have no form in RFC 3339: the same moment in UTC has.
        if !object.getattr("tzinfo")?.is_none() {
            let text = iso(&object.call_method1("astimezone", (types.utc.bind(object.py()),))?)?;
            if let Ok(datetime) = text.parse::<DateTime>() {
                return self.typed(&datetime);
            }
        }
        Err(no_such_moment(object, &text))
    }

    fn timedelta(&mut self, object: &Bound<'_, PyAny>) -> Written {
        let days = object.getattr("days")?.extract::<i64>()?;
        let seconds = object.getattr("seconds")?.extract::<i64>()?;
        let microseconds = object.getattr("microseconds")?.extract()?;
        self.typed(&TimeDelta::new(days * 86_400 + seconds, microseconds)?)
    }

    /// A value of a type that `net::value` has: it knows the form, for both languages.
    fn typed(&mut self, value: &impl Serialize) -> Written {
        Ok(encode_inside(value, &mut self.out, self.depth)?)
    }

    fn tagged(&mut self, tag: u64, content: impl FnOnce(&mut Self) -> Written) -> Written {
        self.nested(|encoder| {
            encoder.out.tag(tag);
            content(encoder)
        })
    }

    fn nested(&mut self, content: impl FnOnce(&mut Self) -> Written) -> Written {
        if self.depth == MAX_DEPTH {
            return Err(Fault::unfit(format!(
                "nested deeper than {MAX_DEPTH} levels, or holds itself; flatten it, or send it as text or bytes"
            )));
        }
        self.depth += 1;
        let written = content(self);
        self.depth -= 1;
        written
    }
}

fn iso(object: &Bound<'_, PyAny>) -> PyResult<String> {
    object.call_method0("isoformat")?.extract()
}

fn changed(what: &str) -> Box<Fault> {
    Fault::unfit(format!(
        "the {what} changed while it was being sent; send a copy"
    ))
}

fn no_such_moment(object: &Bound<'_, PyAny>, text: &str) -> Box<Fault> {
    match article(object) {
        Ok(class) => Fault::unfit(format!(
            "{class} that reads {text:?} cannot be sent; it is no date or time of RFC 3339"
        )),
        Err(error) => error.into(),
    }
}

/// The object's class with its module, as `a shop.Basket`.
pub(super) fn article(object: &Bound<'_, PyAny>) -> PyResult<String> {
    let class = object.get_type();
    let name = class.fully_qualified_name()?.to_string();
    let an = if name.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']) {
        "an"
    } else {
        "a"
    };
    Ok(format!("{an} {name}"))
}

/// What to send in place of `object`.
fn remedy(object: &Bound<'_, PyAny>, types: &Types) -> PyResult<&'static str> {
    Ok(
        if object.is_instance(types.enumeration.bind(object.py()))? {
            "send its .value"
        } else if object.hasattr("__dataclass_fields__")? {
            "send dataclasses.asdict() of it"
        } else if object.hasattr("__next__")? || object.hasattr("__await__")? {
            "send what it yields, as list() of it"
        } else if object.hasattr("__index__")? {
            "send int() of it"
        } else if object.hasattr("__float__")? {
            "send float() of it"
        } else if object.is_callable() {
            "connect the function and send its tag"
        } else if object.hasattr("__iter__")? {
            "send list() or dict() of it"
        } else {
            "send its fields as a dict"
        },
    )
}
