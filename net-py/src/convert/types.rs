//! The Python classes that are looked up once and kept: those which have no address known at link time.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

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
            })
        })
    }
}
