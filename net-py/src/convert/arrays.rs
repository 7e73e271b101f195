//! Arrays of numbers, both ways: `array.array`, `numpy.ndarray` and `memoryview`. How they lie on the wire is `net::value`'s affair.
//!
//! An `array.array` is sent in one row and arrives as one; an `ndarray` is sent with its dimensions, though it be one, and arrives as
//! an `ndarray`, or, where numpy is not installed, as a `memoryview` of the same shape. Sending copies numbers once, into what is
//! sent, from where they lie, if they lie in one piece and in the order that is sent; receiving copies them once, into memory
//! of their own, which may be written to.

use std::borrow::Cow;
use std::ffi::c_int;

use net::value::{NumberType, Numbers};
use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyComplex, PyDict, PyFloat, PyInt, PyMemoryView, PyTuple, PyType,
};

use super::encode::article;
use super::fault::Fault;
use super::types::{Numpy, Types};

type Written = Result<(), Box<Fault>>;

/// Numbers where they lie, or turned round.
type There<'a> = Numbers<Cow<'a, [u8]>>;

// --- sending ------------------------------------------------------------------------------------------

/// Hands the numbers of an `array.array` to `write`.
pub(super) fn with_array(
    array: &Bound<'_, PyAny>,
    types: &Types,
    write: impl FnOnce(There<'_>) -> Written,
) -> Written {
    let class = types.array.bind(array.py());
    let code: char = field(class, "typecode", array)?.extract()?;
    let width: usize = field(class, "itemsize", array)?.extract()?;
    let Some(of) = number_type(code, width) else {
        return Err(Fault::unfit(
            "an array.array of characters cannot be sent; send its tounicode()",
        ));
    };
    // While there is a view of it, its length cannot be changed, by another thread either.
    let _view = PyMemoryView::from(array)?;
    let info = class.getattr("buffer_info")?.call1((array,))?;
    let (address, length): (usize, usize) = info.extract()?;
    // SAFETY: the class itself, and not a subclass, has said where its numbers are, and how many of which width. They stay there while
    // they are read: `array` is held with a view of it, and `write` runs no Python code.
    let bytes = unsafe { memory(address, length * width) };
    write(native(of, None, bytes)?)
}

/// Hands the numbers of an `ndarray` to `write`.
pub(super) fn with_ndarray(
    array: &Bound<'_, PyAny>,
    numpy: &Numpy,
    write: impl FnOnce(There<'_>) -> Written,
) -> Written {
    let py = array.py();
    if array.hasattr("mask")? {
        return Err(Fault::unfit(format!(
            "{} cannot be sent; send its filled(), and its mask as uint8 if it is needed",
            article(array)?
        )));
    }
    let asarray = numpy.asarray.bind(py);
    // Not a subclass, whose methods may say what they like.
    let plain = asarray.call1((array,))?;
    let dtype = plain.getattr("dtype")?;
    let Some(of) = dtype_number(&dtype)? else {
        return Err(Fault::unfit(format!(
            "an ndarray of {} cannot be sent; {}",
            dtype.getattr("name")?.extract::<String>()?,
            dtype_remedy(&dtype)?
        )));
    };
    let options = PyDict::new(py);
    options.set_item("dtype", dtype.call_method1("newbyteorder", ("<",))?)?;
    options.set_item("order", "C")?;
    // The same array, if it lies row by row in little endian.
    let plain = asarray.call((plain,), Some(&options))?;
    let shape: Vec<usize> = plain.getattr("shape")?.extract()?;
    if !plain.get_type().is(numpy.ndarray.bind(py)) {
        return Err(Fault::unfit("numpy.asarray() gave no ndarray"));
    }
    let interface = plain.getattr("__array_interface__")?;
    let (address, _): (usize, bool) = interface.get_item("data")?.extract()?;
    let size: usize = plain.getattr("nbytes")?.extract()?;
    // SAFETY: numpy itself has said where they are, of an array that is not of a subclass, and that it lies in one piece is what "C"
    // asks for. They stay there while they are read: numpy gives no other memory to an array that is held elsewhere, as `plain` is here,
    // and `write` runs no Python code. What a thread of numpy's writes meanwhile without the interpreter may arrive in part, as by
    // `tobytes()`.
    let bytes = unsafe { memory(address, size) };
    write(Numbers::new(of, Some(shape), Cow::Borrowed(bytes))?)
}

/// The numbers of a `memoryview`, whose `bytes` these are; nothing if it is one of bytes, or of what is no number.
pub(super) fn of_view<'a>(
    view: &Bound<'_, PyMemoryView>,
    bytes: &'a [u8],
) -> Result<Option<There<'a>>, Box<Fault>> {
    let format: String = view.getattr("format")?.extract()?;
    let shape: Vec<usize> = view.getattr("shape")?.extract()?;
    let (order, code) = match format.strip_prefix(['@', '=', '<', '>', '!']) {
        Some(code) => (format.chars().next(), code),
        None => (None, format.as_str()),
    };
    let mut codes = code.chars();
    let (Some(code), None) = (codes.next(), codes.next()) else {
        return Ok(None);
    };
    let width = view.getattr("itemsize")?.extract()?;
    match number_type(code, width) {
        Some(NumberType::U8) if shape.len() == 1 => Ok(None),
        None => Ok(None),
        Some(of) => Ok(Some(match order {
            Some('<') => Numbers::new(of, Some(shape), Cow::Borrowed(bytes))?,
            Some('>' | '!') => Numbers::from_big_endian(of, Some(shape), Cow::Borrowed(bytes))?,
            _ => native(of, Some(shape), bytes)?,
        })),
    }
}

/// What a scalar of numpy is in Python.
pub(super) fn scalar<'py>(scalar: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>, Box<Fault>> {
    let item = scalar.call_method0("item")?;
    // Those that Python has no type for stay what they are, or become something else (a datetime64 of years a date).
    let kind: char = scalar.getattr("dtype")?.getattr("kind")?.extract()?;
    let is_plain = item.is_exact_instance_of::<PyBool>()
        || item.is_exact_instance_of::<PyInt>()
        || item.is_exact_instance_of::<PyFloat>()
        || item.is_exact_instance_of::<PyComplex>();
    if is_plain && matches!(kind, 'b' | 'i' | 'u' | 'f' | 'c') {
        return Ok(item);
    }
    Err(Fault::unfit(format!(
        "{} cannot be sent; {}",
        article(scalar)?,
        dtype_remedy(&scalar.getattr("dtype")?)?
    )))
}

/// `of` as the class itself has it, whatever a subclass makes of it.
fn field<'py>(
    class: &Bound<'py, PyType>,
    name: &str,
    of: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    class.getattr(name)?.call_method1("__get__", (of,))
}

/// The bytes at an address.
///
/// # Safety
///
/// They are there, and stay for as long as they are used.
unsafe fn memory<'a>(address: usize, length: usize) -> &'a [u8] {
    if length == 0 {
        // Of nothing, the address may be anything.
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance(address), length) }
}

/// Numbers in the order of this machine.
fn native(
    of: NumberType,
    shape: Option<Vec<usize>>,
    bytes: &[u8],
) -> Result<There<'_>, Box<Fault>> {
    let bytes = Cow::Borrowed(bytes);
    Ok(if cfg!(target_endian = "big") {
        Numbers::from_big_endian(of, shape, bytes)?
    } else {
        Numbers::new(of, shape, bytes)?
    })
}

/// What a code of the modules `array` and `struct` stands for, with that many bytes.
fn number_type(code: char, width: usize) -> Option<NumberType> {
    let kind = match code {
        'b' | 'h' | 'i' | 'l' | 'q' | 'n' => 'i',
        'B' | 'H' | 'I' | 'L' | 'Q' | 'N' => 'u',
        'e' | 'f' | 'd' => 'f',
        _ => return None,
    };
    of_kind(kind, width)
}

fn dtype_number(dtype: &Bound<'_, PyAny>) -> PyResult<Option<NumberType>> {
    let kind = dtype.getattr("kind")?.extract()?;
    let width = dtype.getattr("itemsize")?.extract()?;
    Ok(of_kind(kind, width))
}

/// By the kind of numbers, as numpy has them: `i`, `u` or `f`.
fn of_kind(kind: char, width: usize) -> Option<NumberType> {
    use NumberType::{F16, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64};
    [U8, U16, U32, U64, I8, I16, I32, I64, F16, F32, F64]
        .into_iter()
        .find(|of| of.width() == width && of.to_string().starts_with(kind))
}

/// What to send in place of an array or a scalar of that type.
fn dtype_remedy(dtype: &Bound<'_, PyAny>) -> PyResult<&'static str> {
    let kind: char = dtype.getattr("kind")?.extract()?;
    Ok(match kind {
        'b' => "send astype('uint8') of it",
        'f' => "send astype('float64') of it",
        'c' => "send its real and imag",
        'M' | 'm' => "send astype('int64') of it, and the unit apart",
        'V' if dtype.getattr("names")?.is_none() => "send tolist() of it",
        'V' => "send its fields, each as an array",
        _ => "send tolist() of it",
    })
}

// --- receiving ----------------------------------------------------------------------------------------

/// What an array is in Python.
pub(super) fn object<'py>(
    py: Python<'py>,
    numbers: &There<'_>,
) -> Result<Bound<'py, PyAny>, Box<Fault>> {
    match (numbers.shape(), code(numbers.of())) {
        (None, Some(code)) => Ok(array(py, code, numbers.as_bytes())?),
        // `array.array` has no 16-bit floats.
        (None, None) => shaped(py, numbers, &[numbers.len()]),
        (Some(shape), _) => shaped(py, numbers, shape),
    }
}

/// The code of the module `array`, of which each is as wide everywhere.
fn code(of: NumberType) -> Option<char> {
    Some(match of {
        NumberType::U8 => 'B',
        NumberType::U16 => 'H',
        NumberType::U32 => 'I',
        NumberType::U64 => 'Q',
        NumberType::I8 => 'b',
        NumberType::I16 => 'h',
        NumberType::I32 => 'i',
        NumberType::I64 => 'q',
        NumberType::F16 => return None,
        NumberType::F32 => 'f',
        NumberType::F64 => 'd',
    })
}

fn array<'py>(py: Python<'py>, code: char, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let array = Types::of(py)?.array.bind(py).call1((code,))?;
    // SAFETY: the view is only read from (PyBUF_READ), by a function that keeps nothing of it, and is released before `bytes` end.
    // A copy to have Python own them would cost as much again as all of this.
    let view = unsafe {
        let start = bytes.as_ptr().cast_mut().cast();
        // No slice is longer than isize::MAX.
        let length = bytes.len() as ffi::Py_ssize_t;
        Bound::from_owned_ptr_or_err(py, ffi::PyMemoryView_FromMemory(start, length, PYBUF_READ))?
    };
    let taken = array.call_method1("frombytes", (&view,));
    view.call_method0("release")?;
    taken?;
    if cfg!(target_endian = "big") {
        array.call_method0("byteswap")?;
    }
    Ok(array)
}

/// `PyBUF_READ`, which is part of the stable interface, but not of PyO3's for it.
const PYBUF_READ: c_int = 0x100;

/// An `ndarray`, or where there is no numpy a `memoryview`.
fn shaped<'py>(
    py: Python<'py>,
    numbers: &There<'_>,
    shape: &[usize],
) -> Result<Bound<'py, PyAny>, Box<Fault>> {
    let shape = PyTuple::new(py, shape)?;
    let Some(numpy) = Numpy::if_there(py)? else {
        return viewed(py, numbers, &shape);
    };
    // Such as `<f8`, and as `f64` begins.
    let dtype = format!("<{:.1}{}", numbers.of().to_string(), numbers.of().width());
    if numbers.is_empty() {
        return Ok(numpy.empty.bind(py).call1((shape, dtype))?);
    }
    let memory = PyByteArray::new(py, numbers.as_bytes());
    let row = numpy.frombuffer.bind(py).call1((memory, dtype))?;
    Ok(row.call_method1("reshape", (shape,))?)
}

fn viewed<'py>(
    py: Python<'py>,
    numbers: &There<'_>,
    shape: &Bound<'py, PyTuple>,
) -> Result<Bound<'py, PyAny>, Box<Fault>> {
    let cannot = || {
        Fault::unfit(format!(
            "an array of {} of the shape {shape} needs numpy, which cannot be imported here",
            numbers.of()
        ))
    };
    let code = code(numbers.of()).unwrap_or('e');
    let is_one_row = shape.len() == 1;
    // What has no elements cannot be cast.
    if cfg!(target_endian = "big") || (numbers.is_empty() && !is_one_row) {
        return Err(cannot());
    }
    if numbers.is_empty() && code != 'e' {
        return Ok(PyMemoryView::from(&array(py, code, &[])?)?.into_any());
    }
    let memory = PyByteArray::new(py, numbers.as_bytes());
    let view = PyMemoryView::from(memory.as_any())?;
    let cast = view.call_method1("cast", (code.to_string(), shape));
    cast.map_err(|error| {
        // Python before 3.12 has no views of 16-bit floats.
        if code == 'e' && error.is_instance_of::<PyValueError>(py) {
            cannot()
        } else {
            error.into()
        }
    })
}
