//! Python objects to CBOR. Exact builtin types first, by their addresses; everything else on the slow way below them.

use net::value::cbor::Writer;
use net::value::{MAX_DEPTH, tags};
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyComplex, PyDict, PyFloat, PyFrozenSet, PyInt, PyList,
    PyMemoryView, PySet, PyString, PyTuple, PyType,
};

use super::fault::{Fault, Step};
use super::moment;
use super::types::Types;

type Written = Result<(), Box<Fault>>;

/// Appends `object` to `out`; `root` is what the path in a fault begins with.
pub(crate) fn value(object: &Bound<'_, PyAny>, root: &str, out: &mut Vec<u8>) -> Written {
    Encoder::new(out)
        .value(object)
        .map_err(|fault| fault.within(Step::Root(root.to_owned())))
}

/// Appends the body of a call to `out`: the positional arguments, then the keywords if there are any.
pub(crate) fn arguments(
    args: &Bound<'_, PyTuple>,
    kwargs: Option<&Bound<'_, PyDict>>,
    out: &mut Vec<u8>,
) -> Written {
    let mut encoder = Encoder::new(out);
    encoder.out.array(args.len());
    for (index, argument) in args.iter_borrowed().enumerate() {
        encoder.value(&argument).map_err(|fault| {
            fault
                .within(Step::Index(index))
                .within(Step::Root("args".to_owned()))
        })?;
    }
    if let Some(kwargs) = kwargs.filter(|kwargs| !kwargs.is_empty()) {
        encoder.out.map(kwargs.len());
        encoder.entries(kwargs, Encoder::value, |key| Step::Root(key.to_string()))?;
    }
    Ok(())
}

struct Encoder<'a> {
    out: Writer<'a>,
    /// How many containers and tags are open.
    depth: usize,
}

impl<'a> Encoder<'a> {
    fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            out: Writer::new(out),
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
            self.out.bytes(bytes.as_bytes());
            return Ok(());
        }
        self.uncommon(object)
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
            self.out.bytes(
                view.call_method0("tobytes")?
                    .cast::<PyBytes>()
                    .map_err(PyErr::from)?
                    .as_bytes(),
            );
            return Ok(());
        }
        if let Ok(set) = object.cast::<PySet>() {
            return self.tagged(tags::SET, |encoder| {
                encoder.members(set.as_any(), set.len())
            });
        }
        if let Ok(set) = object.cast::<PyFrozenSet>() {
            return self.tagged(tags::FROZENSET, |encoder| {
                encoder.members(set.as_any(), set.len())
            });
        }
        if let Ok(number) = object.cast::<PyComplex>() {
            return self.tagged(tags::COMPLEX, |encoder| {
                encoder.out.array(2);
                encoder.out.float(number.real());
                encoder.out.float(number.imag());
                Ok(())
            });
        }
        // A datetime is a date too: the order matters.
        if is(&types.datetime)? {
            return self.datetime(object, types);
        }
        if is(&types.date)? {
            let text = iso(object)?;
            return match moment::day(&text) {
                Some(_) => self.tagged_text(tags::DATE, &text),
                None => Err(no_such_moment(object, &text)),
            };
        }
        if is(&types.time)? {
            let text = iso(object)?;
            return match moment::clock(&text) {
                Some(clock) if clock.offset.is_none() => self.tagged_text(tags::TIME, &text),
                Some(_) => Err(Fault::unfit(
                    "a time with a time zone cannot be sent; send a datetime, or the time and the zone apart",
                )),
                None => Err(no_such_moment(object, &text)),
            };
        }
        if is(&types.timedelta)? {
            return self.timedelta(object);
        }
        if is(&types.decimal)? {
            return self.decimal(object);
        }
        if is(&types.uuid)? {
            let bytes = object.getattr("bytes")?;
            let bytes = bytes.cast::<PyBytes>().map_err(PyErr::from)?;
            return self.tagged(tags::UUID, |encoder| {
                encoder.out.bytes(bytes.as_bytes());
                Ok(())
            });
        }
        self.subclass(object, types)
    }

    fn subclass(&mut self, object: &Bound<'_, PyAny>, types: &Types) -> Written {
        if let Ok(text) = object.cast::<PyString>() {
            return self.text(text);
        }
        if let Ok(number) = object.cast::<PyInt>() {
            return self.int(number);
        }
        if let Ok(number) = object.cast::<PyFloat>() {
            self.out.float(number.value());
            return Ok(());
        }
        if let Ok(list) = object.cast::<PyList>() {
            return self.list(list);
        }
        if let Ok(dict) = object.cast::<PyDict>() {
            return self.dict(dict);
        }
        if let Ok(tuple) = object.cast::<PyTuple>() {
            return self.tuple(tuple);
        }
        if let Ok(bytes) = object.cast::<PyBytes>() {
            self.out.bytes(bytes.as_bytes());
            return Ok(());
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

    fn dict(&mut self, dict: &Bound<'_, PyDict>) -> Written {
        self.nested(|encoder| {
            encoder.out.map(dict.len());
            encoder.entries(
                dict,
                |encoder, key| {
                    encoder
                        .value(key)
                        .map_err(|fault| fault.within(Step::Member))
                },
                |key| {
                    Step::Key(
                        key.repr()
                            .map_or_else(|_| "…".to_owned(), |text| text.to_string()),
                    )
                },
            )
        })
    }

    /// The entries of a dict, as many as it had when it was met.
    fn entries(
        &mut self,
        dict: &Bound<'_, PyDict>,
        write_key: impl Fn(&mut Self, &Bound<'_, PyAny>) -> Written,
        step: impl Fn(&Bound<'_, PyAny>) -> Step,
    ) -> Written {
        let length = dict.len();
        let mut entries = dict.iter();
        for _ in 0..length {
            // PyO3's iterator panics when the dict changed under it, as by another thread; asked first, it is an error.
            if dict.len() != length {
                return Err(changed("dict"));
            }
            let (key, value) = entries.next().ok_or_else(|| changed("dict"))?;
            write_key(self, &key)?;
            self.value(&value)
                .map_err(|fault| fault.within(step(&key)))?;
        }
        Ok(())
    }

    fn members(&mut self, set: &Bound<'_, PyAny>, length: usize) -> Written {
        self.nested(|encoder| {
            encoder.out.array(length);
            for member in set.try_iter()? {
                encoder
                    .value(&member?)
                    .map_err(|fault| fault.within(Step::Member))?;
            }
            Ok(())
        })
    }

    fn datetime(&mut self, object: &Bound<'_, PyAny>, types: &Types) -> Written {
        let text = iso(object)?;
        match moment::day_and_clock(&text) {
            Some((_, clock)) if clock.offset.is_some() => self.tagged_text(tags::DATETIME, &text),
            Some(_) => self.tagged_text(tags::NAIVE_DATETIME, &text),
            // Offsets with seconds, as of local mean times of old, have no form in RFC 3339: the same moment in UTC has.
            None if !object.getattr("tzinfo")?.is_none() => {
                let text =
                    iso(&object.call_method1("astimezone", (types.utc.bind(object.py()),))?)?;
                match moment::day_and_clock(&text) {
                    Some(_) => self.tagged_text(tags::DATETIME, &text),
                    None => Err(no_such_moment(object, &text)),
                }
            }
            None => Err(no_such_moment(object, &text)),
        }
    }

    fn timedelta(&mut self, object: &Bound<'_, PyAny>) -> Written {
        let days = object.getattr("days")?.extract::<i64>()?;
        let seconds = object.getattr("seconds")?.extract::<i64>()?;
        let microseconds = object.getattr("microseconds")?.extract::<i64>()?;
        self.tagged(tags::TIMEDELTA, |encoder| {
            encoder.out.map(2);
            encoder.out.int(1);
            encoder.out.int(days * 86_400 + seconds);
            encoder.out.int(-6);
            encoder.out.int(microseconds);
            Ok(())
        })
    }

    fn decimal(&mut self, object: &Bound<'_, PyAny>) -> Written {
        let parts = object.call_method0("as_tuple")?;
        let negative = parts.getattr("sign")?.is_truthy()?;
        let is_zero = !object.is_truthy()?;
        let exponent = match parts.getattr("exponent")?.extract::<i64>() {
            Ok(exponent) if !(negative && is_zero) => exponent,
            // NaN and infinity have a letter for an exponent, and an integer has no negative zero.
            _ => return self.tagged_text(tags::SPECIAL_DECIMAL, &object.str()?.to_string()),
        };
        // Scaled by its own exponent a decimal is a whole number; through text, since arithmetic rounds to the context.
        let digits: String = parts
            .getattr("digits")?
            .try_iter()?
            .map(|digit| digit?.extract::<u8>().map(|digit| char::from(b'0' + digit)))
            .collect::<PyResult<_>>()?;
        let mantissa = object
            .py()
            .get_type::<PyInt>()
            .call1((format!("{}{digits}", if negative { "-" } else { "" }),))?;
        self.tagged(tags::DECIMAL, |encoder| {
            encoder.out.array(2);
            encoder.out.int(exponent);
            encoder.int(mantissa.cast::<PyInt>().map_err(PyErr::from)?)
        })
    }

    fn tagged_text(&mut self, tag: u64, text: &str) -> Written {
        self.tagged(tag, |encoder| {
            encoder.out.text(text);
            Ok(())
        })
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
fn article(object: &Bound<'_, PyAny>) -> PyResult<String> {
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
