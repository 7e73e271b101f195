//! Being told in Python that peers come, change and go. As a wish for events it is of one peer of this process, and declared again in a
//! forked child.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use net::{Answer, Handled, Peer, PeerChange, PeerEvent, PeerEvents, Which};
use pyo3::prelude::*;
use tokio::sync::Notify;

use crate::caller;
use crate::handler::Function;
use crate::local::{self, Local, Own, Wish, which};
use crate::remote::Remote;

/// What a program wishes to know of other peers.
struct Wanted {
    of: Weak<Own>,
    /// It is told of one at a time.
    function: Function,
    which: Which,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Ends the task that tells.
    end: Option<Arc<Notify>>,
    is_over: bool,
}

impl Wanted {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self: Arc<Self>, mut events: PeerEvents, peer: Peer, end: Arc<Notify>) {
        loop {
            let event = tokio::select! {
                biased;
                () = end.notified() => return,
                event = events.next() => event,
            };
            let Some(event) = event else { return };
            let (wanted, of) = (Arc::clone(&self), peer.clone());
            // It may take its time.
            let telling = peer.runtime();
            let told = telling.spawn_blocking(move || wanted.tell(&of, event));
            let answer = match told.await {
                Ok(Handled::Ready(answer)) => answer,
                Ok(Handled::Later(later)) => later.await,
                // The runtime is ending.
                Err(_) => return,
            };
            self.report(&answer);
        }
    }

    fn tell(&self, peer: &Peer, event: PeerEvent) -> Handled {
        self.function.attached(|py| {
            let of = self.of.upgrade().filter(|_| !self.state().is_over);
            let Some(of) = of else {
                return Ok(Handled::Ready(Answer::Value(Vec::new().into())));
            };
            let (change, why) = match event.kind {
                PeerChange::Joined => ("joined", None),
                PeerChange::Left { why } => ("left", Some(why.to_string())),
                _ => ("changed", None),
            };
            let remote = Remote::new_of(&of, event.peer);
            local::run_as(py, peer, || {
                caller::run_for_nobody(py, || {
                    let arguments = (remote, change, why);
                    Ok(self
                        .function
                        .begin(py, || Ok((arguments.into_pyobject(py)?, None))))
                })
            })
        })
    }

    /// Tells of a function that has failed, which nobody else is told of.
    fn report(&self, answer: &Answer) {
        if let Answer::Error(error) = answer {
            tracing::warn!(
                target: "net::presence",
                function = self.function.tag,
                "a function that is told of peers failed: {}: {}\n{}",
                error.kind,
                error.message,
                error.traceback.trim_end(),
            );
        }
    }
}

impl Wish for Wanted {
    fn declare(self: Arc<Self>, peer: &Peer) {
        let mut state = self.state();
        if state.is_over {
            return;
        }
        let end = Arc::new(Notify::new());
        state.end = Some(Arc::clone(&end));
        let events = peer.peer_events_where(&self.which);
        let telling = Arc::clone(&self).run(events, peer.clone(), end);
        peer.runtime().spawn(telling);
    }

    fn after_fork(&self) {
        std::mem::forget(self.state().end.take());
    }
}

/// That a function is told of peers, and the end of that.
#[pyclass(frozen, module = "net._net")]
pub(crate) struct Watch {
    wanted: Arc<Wanted>,
}

#[pymethods]
impl Watch {
    /// Ends it.
    fn unsubscribe(&self) {
        let end = {
            let mut state = self.wanted.state();
            state.is_over = true;
            state.end.take()
        };
        if let Some(end) = end {
            end.notify_one();
        }
        if let Some(of) = self.wanted.of.upgrade() {
            of.forget_wish(&*self.wanted);
        }
    }
}

/// Has a function told of the peers that come, change and go: with a handle, what has become of it, and why.
#[pyfunction]
#[expect(
    clippy::too_many_arguments,
    reason = "what a wish can be narrowed by, from one place to one place"
)]
pub(crate) fn on_peer(
    py: Python<'_>,
    of: &Bound<'_, Local>,
    function: Py<PyAny>,
    name: String,
    is_async: bool,
    groups: Option<Vec<String>>,
    hubs_only: bool,
    on_host: bool,
) -> Watch {
    let own = of.get().own();
    let wanted = Arc::new(Wanted {
        of: Arc::downgrade(own),
        function: Function {
            tag: name,
            function,
            is_async,
        },
        which: which(groups, hubs_only, on_host),
        state: Mutex::default(),
    });
    own.wish(py, wanted.clone());
    Watch { wanted }
}
