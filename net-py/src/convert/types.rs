//! The Python classes that are looked up once and kept: those which have no address known at link time, and numpy's.

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

/// Classes of the standard library that travel as what they are.
pub(super) struct Types {
    pub(super) datetime: Py<PyType>,
    pub(super) date: Py<PyType>,
    pub(super) time: Py<PyType>,
    pub(super) timedelta: Py<PyType>,
    pub(super) timezone: Py<PyType>,
    /// `datetime.timezone.utc`.
    pub(super) utc: Py<PyAny>,
    pub(super) decimal: Py<PyType>,
    pub(super) uuid: Py<PyType>,
    pub(super) enumeration: Py<PyType>,
    /// `array.array`.
    pub(super) array: Py<PyType>,
}

impl Types {
    /// The classes, imported at the first value that needs one: most programs send none, and `import net` should stay quick.
    pub(super) fn of(py: Python<'_>) -> PyResult<&'static Self> {
        static TYPES: PyOnceLock<Types> = PyOnceLock::new();
        TYPES.get_or_try_init(py, || {
            let class = |module: &str, name: &str| -> PyResult<Py<PyType>> {
                Ok(py
                    .import(module)?
                    .getattr(name)?
                    .cast_into::<PyType>()?
                    .unbind())
            };
            Ok(Self {
                datetime: class("datetime", "datetime")?,
                date: class("datetime", "date")?,
                time: class("datetime", "time")?,
                timedelta: class("datetime", "timedelta")?,
                timezone: class("datetime", "timezone")?,
                utc: py
                    .import("datetime")?
                    .getattr("timezone")?
                    .getattr("utc")?
                    .unbind(),
                decimal: class("decimal", "Decimal")?,
                uuid: class("uuid", "UUID")?,
                enumeration: class("enum", "Enum")?,
                array: class("array", "array")?,
            })
        })
    }
}

/// What arrays of numpy are made with and taken apart, where numpy is installed: nothing here needs it.
pub(super) struct Numpy {
    pub(super) ndarray: Py<PyType>,
    /// The base of its scalars.
    pub(super) generic: Py<PyType>,
    pub(super) asarray: Py<PyAny>,
    pub(super) empty: Py<PyAny>,
    pub(super) frombuffer: Py<PyAny>,
}

static NUMPY: PyOnceLock<Numpy> = PyOnceLock::new();

impl Numpy {
    /// Numpy, if the program has imported it: else no object is of it.
    pub(super) fn if_imported(py: Python<'_>) -> PyResult<Option<&'static Self>> {
        if let Some(numpy) = NUMPY.get(py) {
            return Ok(Some(numpy));
        }
        let modules = py.import("sys")?.getattr("modules")?;
        match modules
            .cast::<PyDict>()
            .map_err(PyErr::from)?
            .get_item("numpy")?
        {
            Some(numpy) if !numpy.is_none() => Self::of(&numpy).map(Some),
            _ => Ok(None),
        }
    }

    /// Numpy, if it can be imported. The name is fixed, and what came over the wire has no part in it.
    pub(super) fn if_there(py: Python<'_>) -> PyResult<Option<&'static Self>> {
        /// That it could not: looking for it each time would take longer than most arrays.
        static MISSING: PyOnceLock<()> = PyOnceLock::new();
        if MISSING.get(py).is_some() {
            return Self::if_imported(py);
        }
        match py.import("numpy") {
            Ok(numpy) => Self::of(numpy.as_any()).map(Some),
            Err(error) if error.is_instance_of::<PyException>(py) => {
                MISSING.get_or_init(py, || ());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn of(module: &Bound<'_, PyAny>) -> PyResult<&'static Self> {
        NUMPY.get_or_try_init(module.py(), || {
            let class = |name| -> PyResult<Py<PyType>> {
                Ok(module.getattr(name)?.cast_into::<PyType>()?.unbind())
            };
            Ok(Self {
                ndarray: class("ndarray")?,
                generic: class("generic")?,
                asarray: module.getattr("asarray")?.unbind(),
                empty: module.getattr("empty")?.unbind(),
                frombuffer: module.getattr("frombuffer")?.unbind(),
            })
        })
    }
}
