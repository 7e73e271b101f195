//! A call on another peer: what goes into it, what comes out, and waiting for it. Not here: calls that go on beside (see `pending`).

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use net::value::Body;
use net::{Answer, CallError, Caller, Handled, Incoming, RawCall};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::wait::{stay_if_ending, wait_with};
use crate::{convert, error, local, remote};

/// Room for the arguments of a usual call.
const USUAL_BODY: usize = 128;

/// A call as it is to be made: nothing is sent yet.
pub(crate) fn prepare(
    target: &Bound<'_, PyAny>,
    tag: &str,
    args: &Bound<'_, PyTuple>,
    kwargs: Option<&Bound<'_, PyDict>>,
    time_out: Option<f64>,
) -> PyResult<RawCall> {
    let py = target.py();
    let remote = remote::resolve(target)?;
    let mut body = Body::with_capacity(USUAL_BODY);
    convert::encode_arguments(args, kwargs, &mut body)
        .map_err(|fault| error::bad_value(py, *fault))?;
    let call = remote.call_raw(tag.to_owned(), body);
    let Some(seconds) = time_out.filter(|seconds| *seconds != f64::INFINITY) else {
        return Ok(call);
    };
    let time = Duration::try_from_secs_f64(seconds).map_err(|_| {
        PyValueError::new_err(format!("time_out is a number of seconds, not {seconds}"))
    })?;
    Ok(call.timeout(time))
}

/// What came of a call: the bytes of a value, or the error that it is for its caller.
pub(crate) type Outcome = Result<Bytes, CallError>;

/// A call, as the future of its outcome.
pub(crate) struct Made(pub(crate) RawCall);

impl Future for Made {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        Poll::Ready(match ready!(Pin::new(&mut self.0).poll(cx))? {
            Answer::Value(body) => Ok(body.into_bytes()),
            Answer::Flag(name) => Err(CallError::Flag { name }),
            Answer::Error(body) => Err(self.0.error(*body)),
        })
    }
}

/// Whether this may have come of nothing but the end of the interpreter.
pub(crate) fn is_of_the_end(outcome: &Outcome) -> bool {
    let is_loss = matches!(outcome, Err(CallError::Lost { .. } | CallError::ShutDown));
    is_loss && local::is_ending()
}

/// What the call returns or raises in Python.
pub(crate) fn result(py: Python<'_>, outcome: Outcome) -> PyResult<Bound<'_, PyAny>> {
    match outcome {
        Ok(bytes) => {
            let result = convert::decode(py, &bytes, "result");
            net::private::done_with(bytes);
            result.map_err(|fault| error::bad_value(py, *fault))
        }
        Err(failure) => Err(error::call_error(py, failure)),
    }
}

/// Calls the function under `tag` on `target` and waits for its result.
#[pyfunction]
pub(crate) fn call<'py>(
    target: &Bound<'py, PyAny>,
    tag: &str,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
    time_out: Option<f64>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = target.py();
    let mut call = prepare(target, tag, args, kwargs, time_out)?;
    call.attend();
    let call = Made(call);
    let outcome = wait_with(py, call, |call, time| call.0.park(time))?;
    if outcome.is_err() {
        stay_if_ending(py);
    }
    result(py, outcome)
}

/// Runs one of the connections that every peer answers, on the current one of this process, as it would run for another peer.
#[pyfunction]
pub(crate) fn call_here<'py>(py: Python<'py>, tag: &str) -> PyResult<Bound<'py, PyAny>> {
    /// CBOR of an array without elements: no arguments.
    const NO_ARGUMENTS: &[u8] = &[0x80];
    let peer = local::current(py)?.peer(py)?;
    let connection = peer.registry().find(tag).ok_or_else(|| {
        error::call_error(
            py,
            CallError::NoSuchConnection {
                peer: peer.name().to_owned(),
                tag: tag.to_owned(),
                connections: Vec::new(),
            },
        )
    })?;
    let incoming = Incoming {
        body: Bytes::from_static(NO_ARGUMENTS),
        caller: Caller::own(&peer),
        peer,
        time_left: None,
    };
    let answer = py.detach(|| match connection.handler.call(&incoming) {
        Handled::Ready(answer) => answer,
        Handled::Later(later) => net::blocking::block_on(later),
    });
    result(
        py,
        match answer {
            Answer::Value(body) => Ok(body.into_bytes()),
            Answer::Flag(name) => Err(CallError::Flag { name }),
            Answer::Error(body) => Err(CallError::Remote(net::RemoteError {
                kind: body.kind,
                message: body.message,
                traceback: body.traceback,
                peer: "here".into(),
            })),
        },
    )
}
