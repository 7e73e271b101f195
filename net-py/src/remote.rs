//! A handle to another peer, and all the ways in which a program can say which peer it means.

use std::sync::Arc;

use net::{PeerId03, Tag03};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple, PyType};

use crate::error;
use crate::local::{self, Generation, Own};

/// A handle to another peer. Two are equal if they stand for the same instance, or for the same address.
#[pyclass(frozen, subclass, eq, hash, module = "net._net")]
pub(crate) struct Remote {
    /// The peer of this process that calls from it go out from.
    of: Arc<Own>,
    remote: net::Remote,
    /// Where `remote` is of use: a forked child has a peer of its own, and needs a handle of that.
    made_in: Generation,
    /// What such a handle is made from.
    target: String,
    /// What it is equal by.
    key: String,
}

impl PartialEq for Remote {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl std::hash::Hash for Remote {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl Remote {
    pub(crate) fn new_of(of: &Arc<Own>, remote: net::Remote) -> Self {
        let target = first_address(&remote);
        let key = remote.target();
        Self {
            of: Arc::clone(of),
            remote,
            made_in: Generation::now(),
            // An id is found in the runtime directory alone, and is the safer of the two there.
            target: if target.starts_with("unix:") {
                key.clone()
            } else {
                target
            },
            key,
        }
    }
}

impl Remote {
    /// What such a handle is made from, now and in a forked child.
    pub(crate) fn named(&self) -> String {
        self.target.clone()
    }

    /// The core's handle, of this process's peer.
    pub(crate) fn here(&self, py: Python<'_>) -> PyResult<net::Remote> {
        if self.made_in.is_over() {
            return of_target(py, &self.of, &self.target);
        }
        Ok(self.remote.clone())
    }
}

fn of_target(py: Python<'_>, of: &Own, target: &str) -> PyResult<net::Remote> {
    of.peer(py)?
        .remote(target)
        .map_err(|error| error::call_error(py, error))
}

#[pymethods]
impl Remote {
    #[new]
    #[pyo3(signature = (target, /))]
    fn new(target: &Bound<'_, PyAny>) -> PyResult<Self> {
        let of = match target.cast::<Self>() {
            Ok(handle) => Arc::clone(&handle.get().of),
            Err(_) => local::current(target.py())?,
        };
        handle(&of, target)
    }

    /// How a copy is made, in another process too.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyType>, (String,)) {
        (slf.get_type(), (slf.get().target.clone(),))
    }

    /// The instance's id, 32 hex digits, once known.
    #[getter]
    fn instance_id(&self, py: Python<'_>) -> PyResult<Option<String>> {
        Ok(self.here(py)?.id().map(|id| id.to_string()))
    }

    /// Where it is dialled first.
    #[getter]
    fn address(&self, py: Python<'_>) -> PyResult<String> {
        Ok(first_address(&self.here(py)?))
    }

    /// Its host, as far as known: empty where it has none.
    #[getter]
    fn host(&self, py: Python<'_>) -> PyResult<String> {
        let known = self.here(py)?.host_port();
        Ok(known.map(|(host, _)| host).unwrap_or_default())
    }

    #[getter]
    fn port(&self, py: Python<'_>) -> PyResult<Option<u16>> {
        Ok(self.here(py)?.host_port().map(|(_, port)| port))
    }

    #[getter]
    fn group(&self, py: Python<'_>) -> PyResult<Option<String>> {
        Ok(self.here(py)?.group())
    }

    #[getter]
    fn hub(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.here(py)?.hub())
    }

    /// What it calls itself, once known.
    #[getter]
    fn name(&self, py: Python<'_>) -> PyResult<Option<String>> {
        Ok(self.here(py)?.name())
    }

    /// Whether it is a program of the original app-net, as far as is known before it is called.
    #[getter]
    fn is_original(&self, py: Python<'_>) -> PyResult<bool> {
        let speaks = self.here(py)?.speaks();
        Ok(matches!(speaks, net::Speaks::V06 | net::Speaks::V03))
    }

    /// Whether it runs on this host, as far as its addresses tell.
    #[getter]
    fn on_host(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.here(py)?.on_host())
    }
}

fn first_address(remote: &net::Remote) -> String {
    remote
        .addresses()
        .into_iter()
        .next()
        .unwrap_or_else(|| remote.to_string())
}

/// The peer that `target` names: a handle, this process's own `net.Peer()`, an instance id, `host:port`, `(host, port)`, or an id of 0.3.
///
/// # Errors
///
/// `TypeError` if it names none, `net.Unreachable` if it is text that is no address.
pub(crate) fn resolve(target: &Bound<'_, PyAny>) -> PyResult<net::Remote> {
    let py = target.py();
    match target.cast::<Remote>() {
        Ok(handle) => handle.get().here(py),
        Err(_) => named(&*local::current(py)?, target),
    }
}

/// A handle on the peer that `target` names, from which calls go out from `of`.
///
/// # Errors
///
/// As for [`resolve`].
pub(crate) fn handle(of: &Arc<Own>, target: &Bound<'_, PyAny>) -> PyResult<Remote> {
    let py = target.py();
    let remote = match target.cast::<Remote>() {
        Ok(handle) if Arc::ptr_eq(&handle.get().of, of) => handle.get().here(py)?,
        Ok(handle) => of_target(py, of, &handle.get().target)?,
        Err(_) => named(of, target)?,
    };
    Ok(Remote::new_of(of, remote))
}

fn named(of: &Own, target: &Bound<'_, PyAny>) -> PyResult<net::Remote> {
    let py = target.py();
    let text = if let Ok(text) = target.cast::<PyString>() {
        of_text(text.to_str()?)
    } else if let Ok(bytes) = target.cast::<PyBytes>() {
        of_text(std::str::from_utf8(bytes.as_bytes()).map_err(|_| no_peer(target))?)
    } else if target.is_instance_of::<PyTuple>() || target.is_instance_of::<PyList>() {
        let (host, port) = pair(target)?;
        address(&host, port)
    } else if let (Some(host), Some(port)) =
        (target.getattr_opt("host")?, target.getattr_opt("port")?)
    {
        address(&host.extract::<String>()?, port.extract()?)
    } else {
        return Err(no_peer(target));
    };
    of_target(py, of, &text)
}

fn pair(target: &Bound<'_, PyAny>) -> PyResult<(String, u16)> {
    if target.len()? != 2 {
        return Err(no_peer(target));
    }
    let host = target.get_item(0)?;
    let host = match host.cast::<PyBytes>() {
        Ok(bytes) => std::str::from_utf8(bytes.as_bytes())
            .map_err(|_| no_peer(target))?
            .to_owned(),
        Err(_) => host.extract::<String>().map_err(|_| no_peer(target))?,
    };
    let port = target
        .get_item(1)?
        .extract::<i64>()
        .map_err(|_| no_peer(target))?;
    let port = u16::try_from(port).map_err(|_| {
        PyValueError::new_err(format!("a port is a number from 0 to 65535, not {port}"))
    })?;
    Ok((host, port))
}

fn no_peer(target: &Bound<'_, PyAny>) -> PyErr {
    let shown = target
        .repr()
        .map_or_else(|_| "this".to_owned(), |text| text.to_string());
    PyTypeError::new_err(format!(
        "{shown} names no peer: pass a handle, an instance id, \"host:port\" or (host, port)"
    ))
}

fn address(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// Text as the core takes it. An id of 0.3 is base64 of `host:port -> group`, which has no colon and so is no address.
fn of_text(text: &str) -> String {
    match PeerId03::decode(text) {
        Ok(id) => address(&id.host, id.port),
        Err(_) => text.to_owned(),
    }
}

/// The id that 0.3 gives a peer at this address.
#[pyfunction]
pub(crate) fn peer_id(host: String, port: u16, group: Option<String>) -> String {
    PeerId03 { host, port, group }.encode()
}

/// Host, port and group of an id of 0.3.
///
/// # Errors
///
/// `ValueError` if it is none.
#[pyfunction]
pub(crate) fn decode_peer_id(id: &str) -> PyResult<(String, u16, Option<String>)> {
    let id = PeerId03::decode(id).map_err(|why| PyValueError::new_err(why.to_string()))?;
    Ok((id.host, id.port, id.group))
}

/// The name of a tag as 0.3 writes it, or as it is.
#[pyfunction]
pub(crate) fn decode_tag(tag: &str) -> String {
    Tag03::decode(tag).name
}
