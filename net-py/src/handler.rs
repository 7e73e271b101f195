//! A Python function as other peers call it: on the thread that read the call, or, if it is `async def`, on the loop of `net._loop`.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use net::value::Body;
use net::{Answer, Connection, ErrorCode, Handled, Handler, Incoming, Param, ParamKind, Signature};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};
use tokio::sync::oneshot;

use crate::answers::{self, Notice};
use crate::attach::{self, attach};
use crate::local::{self, Generation, Local};
use crate::{caller, convert, error};

/// Room for a usual result.
const USUAL_RESULT: usize = 128;

/// A function of the program.
pub(crate) struct Function {
    /// What it is called in messages.
    pub(crate) tag: String,
    pub(crate) function: Py<PyAny>,
    pub(crate) is_async: bool,
}

/// What a function is called with.
type Arguments<'py> = (Bound<'py, PyTuple>, Option<Bound<'py, PyDict>>);

impl Handler for Function {
    fn call(&self, call: &Incoming) -> Handled {
        self.attached(|py| {
            // What it begins, as its coroutine, begins as the same peer and for the same caller.
            local::run_as(py, &call.peer, || {
                caller::run_for(py, &call.caller, || {
                    Ok(self.begin(py, || {
                        convert::decode_arguments(py, &call.body)
                            .map_err(|fault| error::bad_value(py, *fault))
                    }))
                })
            })
        })
    }
}

impl Function {
    /// Does what comes to calling it, with the interpreter.
    pub(crate) fn attached(&self, call: impl FnOnce(Python<'_>) -> PyResult<Handled>) -> Handled {
        let handled = attach(|py| {
            let handled = call(py);
            handled.unwrap_or_else(|error| Handled::Ready(answer(py, &self.tag, Err(error))))
        });
        handled.unwrap_or_else(|| {
            // The interpreter is ending. The link goes down with it, so nobody may ever read this.
            Handled::Ready(Answer::refused(
                ErrorCode::Cancelled,
                "net.Cancelled",
                "the peer's program is ending",
            ))
        })
    }

    /// Calls it on this thread; if it is `async def`, it goes on on the loop.
    pub(crate) fn begin<'py>(
        &self,
        py: Python<'py>,
        arguments: impl FnOnce() -> PyResult<Arguments<'py>>,
    ) -> Handled {
        let called_in = Generation::now();
        let returned = arguments().and_then(|(args, kwargs)| {
            attach::call(self.function.bind(py), &args, kwargs.as_ref())
        });
        if called_in.is_over() {
            // Forked inside the function: the call, and all that this thread would go back to, is the parent's.
            local::end_child(py, returned);
        }
        let begun = match returned {
            Ok(coroutine) if self.is_async => Running::begin(&self.tag, &coroutine),
            returned => return Handled::Ready(answer(py, &self.tag, returned)),
        };
        match begun {
            Ok(running) => Handled::Later(Box::pin(running)),
            Err(error) => Handled::Ready(answer(py, &self.tag, Err(error))),
        }
    }
}

/// What the caller is sent for what the function returned or raised.
fn answer(py: Python<'_>, tag: &str, returned: PyResult<Bound<'_, PyAny>>) -> Answer {
    let written = returned.and_then(|result| {
        if let Some(flag) = flag(&result)? {
            return Ok(Answer::Flag(flag));
        }
        let mut out = Body::with_capacity(USUAL_RESULT);
        convert::encode(&result, "result", &mut out)
            .map_err(|fault| error::bad_value(py, *fault))?;
        Ok(Answer::Value(out.into()))
    });
    written.unwrap_or_else(|error| {
        // Raised before the first line of the function: the arguments do not fit it.
        let is_unfit = error.is_instance_of::<PyTypeError>(py) && error.traceback(py).is_none();
        match error::describe(py, tag, error) {
            Ok((kind, message, _)) if is_unfit => {
                Answer::refused(ErrorCode::BadArguments, &kind, message)
            }
            Ok((kind, message, traceback)) => Answer::failed(kind, message, traceback),
            Err(error) => Answer::failed("Exception", error.to_string(), ""),
        }
    })
}

/// The name of the flag that a result is. The same text as an ordinary string is none.
fn flag(result: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
    static FLAG: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    if result.is_exact_instance_of::<PyString>() || !result.is_instance_of::<PyString>() {
        return Ok(None);
    }
    if !result.is_instance(FLAG.import(result.py(), "net._flags", "Flag")?)? {
        return Ok(None);
    }
    result.extract().map(Some)
}

/// A coroutine that runs on the loop. Dropped before its end, it is cancelled.
struct Running {
    answer: oneshot::Receiver<Answer>,
    /// What cancels it, and the thread that may call it.
    cancel: Option<(Sender<Notice>, Py<PyAny>)>,
}

impl Running {
    fn begin(tag: &str, coroutine: &Bound<'_, PyAny>) -> PyResult<Self> {
        static BEGIN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = coroutine.py();
        let begin = BEGIN.import(py, "net._loop", "begin")?;
        let (sender, answer) = oneshot::channel();
        let done = Done {
            tag: tag.to_owned(),
            answer: Mutex::new(Some(sender)),
        };
        let args = (coroutine, Py::new(py, done)?).into_pyobject(py)?;
        let cancel = attach::call(begin, &args, None)?.unbind();
        Ok(Self {
            answer,
            cancel: Some((answers::queue(py)?, cancel)),
        })
    }
}

impl Future for Running {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let answer = ready!(Pin::new(&mut self.answer).poll(cx));
        self.cancel = None;
        Poll::Ready(answer.unwrap_or_else(|_| {
            Answer::refused(
                ErrorCode::Cancelled,
                "net.Cancelled",
                "the loop on which the function ran has ended",
            )
        }))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some((queue, callback)) = self.cancel.take() {
            // First, so that the coroutine's end is known to be of no interest, and not told of in the log.
            self.answer.close();
            // Fails only when the interpreter has ended.
            let _ = queue.send(Notice::Call(callback));
        }
    }
}

/// What the loop calls with a coroutine's result or with what it raised.
#[pyclass(frozen)]
struct Done {
    tag: String,
    answer: Mutex<Option<oneshot::Sender<Answer>>>,
}

#[pymethods]
impl Done {
    fn __call__(&self, py: Python<'_>, result: Bound<'_, PyAny>, raised: Option<Bound<'_, PyAny>>) {
        let Some(sender) = self
            .answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        else {
            return;
        };
        if sender.is_closed() {
            return;
        }
        let returned = raised.map_or(Ok(result), |raised| Err(PyErr::from_value(raised)));
        // Fails only if the caller gave up meanwhile.
        let _ = sender.send(answer(py, &self.tag, returned));
    }
}

/// Name, kind, annotation and default of a parameter, as `_connect.py` writes them.
type Parameter = (String, String, Option<String>, Option<String>);

/// Offers `function` to other peers under `tag`: on one peer of this process, or on all of them.
#[pyfunction]
#[expect(
    clippy::too_many_arguments,
    reason = "what other peers are told of a function, from one place to one place"
)]
pub(crate) fn register(
    py: Python<'_>,
    of: Option<&Bound<'_, Local>>,
    function: Py<PyAny>,
    tag: String,
    name: String,
    module: String,
    doc: String,
    parameters: Vec<Parameter>,
    returns: Option<String>,
    is_async: bool,
    groups: Option<Vec<String>>,
) -> PyResult<()> {
    let params = parameters.into_iter().map(param).collect::<PyResult<_>>()?;
    let handler = Arc::new(Function {
        tag: tag.clone(),
        function,
        is_async,
    });
    local::offer(
        py,
        of.map(Bound::get),
        Connection {
            tag,
            name,
            module,
            doc,
            signature: Signature { params, returns },
            groups,
            handler,
        },
    );
    Ok(())
}

fn param((name, kind, annotation, default): Parameter) -> PyResult<Param> {
    let kind = match kind.as_str() {
        "positional" => ParamKind::Positional,
        "keyword_only" => ParamKind::KeywordOnly,
        "var_positional" => ParamKind::VarPositional,
        "var_keyword" => ParamKind::VarKeyword,
        other => {
            return Err(PyValueError::new_err(format!(
                "no kind of parameter is called {other:?}"
            )));
        }
    };
    Ok(Param {
        name,
        kind,
        annotation,
        default,
    })
}
