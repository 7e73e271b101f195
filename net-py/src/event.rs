//! Events in Python: handing one out, and wishes to be told of some. A wish is of one peer of this process; it is declared as soon as that
//! runs, and again in a forked child.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use net::{Emit, Peer, Policy, Registered, Which};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::local::{self, Local, Wish, which};
use crate::remote::Remote;
use crate::wait::wait;
use crate::{convert, error};

/// Room for the arguments of a usual event.
const USUAL_BODY: usize = 128;

/// What a program wishes to be told of.
pub(crate) struct Wanted {
    event: String,
    /// The function that is told, by the tag under which it is registered.
    tag: String,
    /// None: those in `peers`.
    which: Option<Which>,
    /// As [`Peer::remote`] takes them.
    peers: Option<Vec<String>>,
    keep: u32,
    when_full: Policy,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    declared: Option<net::Subscription>,
    is_over: bool,
}

impl Wanted {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, peer: &Peer, function: Arc<Registered>) -> net::Subscription {
        let mut wish = peer
            .subscribe(self.event.as_str())
            .keep(self.keep)
            .when_full(self.when_full);
        if let Some(peers) = &self.peers {
            // They were handles when the wish was made, so each is well-formed.
            let remotes = peers.iter().filter_map(|target| peer.remote(target).ok());
            wish = wish.peers(&remotes.collect::<Vec<_>>());
        }
        if let Some(which) = &self.which {
            wish = wish.from(which.clone());
        }
        wish.begin_registered(function)
    }
}

impl Wish for Wanted {
    /// Its function is registered by then.
    fn declare(self: Arc<Self>, peer: &Peer) {
        let Some(function) = peer.registry().find(&self.tag) else {
            return;
        };
        let mut state = self.state();
        if !state.is_over {
            state.declared = Some(self.begin(peer, function));
        }
    }

    fn after_fork(&self) {
        std::mem::forget(self.state().declared.take());
    }
}

/// A wish that was declared: what has come of it, and its end.
#[pyclass(frozen, module = "net._net")]
pub(crate) struct Subscription {
    wanted: Arc<Wanted>,
    of: Arc<local::Own>,
}

impl Subscription {
    fn declared(&self) -> Option<net::Subscription> {
        self.wanted.state().declared.clone()
    }
}

#[pymethods]
impl Subscription {
    /// The event's name.
    #[getter]
    fn event(&self) -> &str {
        &self.wanted.event
    }

    /// Events that have come.
    #[getter]
    fn received(&self) -> u64 {
        self.declared().map_or(0, |declared| declared.received())
    }

    /// Events that were published and did not come, as they were not taken in time, or went with a link.
    #[getter]
    fn dropped(&self) -> u64 {
        self.declared().map_or(0, |declared| declared.dropped())
    }

    /// The peers that were asked for the event.
    fn publishers(&self, py: Python<'_>) -> Vec<Remote> {
        let found = py.detach(|| {
            self.declared()
                .map_or_else(Vec::new, |declared| declared.publishers())
        });
        found
            .into_iter()
            .map(|remote| Remote::new_of(&self.of, remote))
            .collect()
    }

    /// Ends it, everywhere.
    fn unsubscribe(&self, py: Python<'_>) {
        py.detach(|| {
            let declared = {
                let mut state = self.wanted.state();
                state.is_over = true;
                state.declared.take()
            };
            if let Some(declared) = declared {
                declared.unsubscribe();
            }
        });
        self.of.forget_wish(&*self.wanted);
    }
}

/// Has the function that is registered under `tag` told of an event, by the peers that match.
#[pyfunction]
#[expect(
    clippy::too_many_arguments,
    reason = "what a wish can be narrowed by, from one place to one place"
)]
pub(crate) fn subscribe(
    py: Python<'_>,
    of: &Bound<'_, Local>,
    tag: String,
    event: String,
    groups: Option<Vec<String>>,
    hubs_only: bool,
    on_host: bool,
    peers: Option<Vec<PyRef<'_, Remote>>>,
    keep: u32,
    when_full: &str,
) -> PyResult<Subscription> {
    let when_full = match when_full {
        "drop_oldest" => Policy::DropOldest,
        "block" => Policy::Block,
        other => {
            return Err(PyValueError::new_err(format!(
                "when_full is \"drop_oldest\" or \"block\", not {other:?}"
            )));
        }
    };
    let wanted = Arc::new(Wanted {
        event,
        tag,
        which: peers.is_none().then(|| which(groups, hubs_only, on_host)),
        peers: peers.map(|all| all.iter().map(|remote| remote.named()).collect()),
        keep,
        when_full,
        state: Mutex::default(),
    });
    let own = of.get().own();
    own.wish(py, wanted.clone());
    Ok(Subscription {
        wanted,
        of: Arc::clone(own),
    })
}

/// An event that waits for subscribers which asked for that.
#[pyclass(frozen, module = "net._net")]
pub(crate) struct Emission(Mutex<Option<Emit>>);

#[pymethods]
impl Emission {
    /// Waits for them.
    fn wait(&self, py: Python<'_>) -> PyResult<()> {
        let emit = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(emit) = emit else { return Ok(()) };
        // That its arguments can be sent is known by now.
        let _ = wait(py, emit)?;
        Ok(())
    }
}

/// Hands an event to all who subscribe to it on a peer of this process. What it gives is to be waited for.
#[pyfunction]
pub(crate) fn emit(
    of: &Bound<'_, Local>,
    event: &str,
    args: &Bound<'_, PyTuple>,
    kwargs: Option<&Bound<'_, PyDict>>,
) -> PyResult<Option<Emission>> {
    let py = of.py();
    let mut body = Vec::with_capacity(USUAL_BODY);
    convert::encode_arguments(args, kwargs, &mut body)
        .map_err(|fault| error::bad_value(py, *fault))?;
    let peer = of.get().own().peer(py)?;
    let emit = py.detach(|| peer.emit_raw(event, body));
    Ok(emit.is_waiting().then(|| Emission(Mutex::new(Some(emit)))))
}

/// An event, the host and port of who subscribes to it and, if it is called, the tag of its function.
type Subscriber = (String, Option<String>, Option<u16>, Option<String>);

/// Who subscribes to what on a peer of this process.
#[pyfunction]
pub(crate) fn subscribers(py: Python<'_>, of: &Bound<'_, Local>) -> PyResult<Vec<Subscriber>> {
    let peer = of.get().own().peer(py)?;
    let list = |event: String| {
        let of_event = peer.subscribers_of(&event).into_iter();
        of_event.map(move |(remote, tag)| {
            let (host, port) = remote.host_port().unzip();
            (event.clone(), host, port, tag)
        })
    };
    Ok(py.detach(|| {
        peer.subscribed_events()
            .into_iter()
            .flat_map(list)
            .collect()
    }))
}

/// Has a function of another peer called with each event.
#[pyfunction]
pub(crate) fn register_subscriber(
    of: &Bound<'_, Local>,
    event: &str,
    subscriber: &Bound<'_, Remote>,
    tag: String,
) -> PyResult<()> {
    let py = of.py();
    let peer = of.get().own().peer(py)?;
    let remote = subscriber.get().here(py)?;
    py.detach(|| peer.register_subscriber(event, remote, tag))
        .map_err(|why| error::plain(py, why))
}
