//! The Python front of app-net: the extension module `net._net`, a thin layer over the crate `net`.
//!
//! A binding function converts, releases the interpreter, calls, and wraps. What Python programs see of it is in the Python modules
//! beside it (`python/net`); `_net.pyi` is this module's contract with them. Nothing here opens a socket or knows a frame.

mod answers;
mod attach;
mod call;
mod caller;
mod convert;
mod error;
mod event;
mod handler;
mod inbox;
mod local;
mod log;
mod node;
mod pending;
mod presence;
mod remote;
mod signals;
mod wait;

use pyo3::prelude::*;

/// What `python/net` stands on; see `_net.pyi`.
#[pymodule(gil_used = true)]
mod _net {
    use pyo3::exceptions::PyImportError;
    use pyo3::ffi;
    use pyo3::prelude::*;
    use pyo3::types::PyBytes;

    use crate::{convert, error, log};

    #[pymodule_export]
    use crate::call::{call, call_here};
    #[pymodule_export]
    use crate::caller::{Caller, caller};
    #[pymodule_export]
    use crate::event::{Emission, Subscription, emit, register_subscriber, subscribe, subscribers};
    #[pymodule_export]
    use crate::handler::register;
    #[pymodule_export]
    use crate::inbox::Inbox;
    #[pymodule_export]
    use crate::local::{
        Local, before_fork, current_local, register_flag, start, start_in_child, stop,
    };
    #[pymodule_export]
    use crate::log::heed;
    #[pymodule_export]
    use crate::pending::{Pending, begin};
    #[pymodule_export]
    use crate::presence::{Watch, on_peer};
    #[pymodule_export]
    use crate::remote::{Remote, decode_peer_id, decode_tag, peer_id};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        // SAFETY: the interpreter is held, so there is a current one, which lives on for the call.
        let interpreter = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
        // What is kept for the process would be shared with the main one. From 3.12 on Python itself refuses.
        if interpreter != 0 {
            return Err(PyImportError::new_err(
                "net cannot be used in a subinterpreter",
            ));
        }
        log::begin();
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }

    /// The bytes that stand for a value on the wire.
    #[pyfunction]
    fn encode<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let py = value.py();
        let mut out = Vec::new();
        convert::encode(value, "value", &mut out).map_err(|fault| error::bad_value(py, *fault))?;
        Ok(PyBytes::new(py, &out))
    }

    /// The value that bytes of the wire stand for.
    #[pyfunction]
    fn decode<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        convert::decode(py, data, "value").map_err(|fault| error::bad_value(py, *fault))
    }
}
