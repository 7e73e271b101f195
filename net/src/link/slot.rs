//! Where a caller waits for its answer. The reader puts the answer in and wakes the caller itself, task or thread.

use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use net_proto::Outcome;

/// How a call that was sent has ended.
#[derive(Debug)]
pub(crate) enum Finished {
    /// As the session says.
    Outcome(Outcome),
    /// The link went first.
    Lost,
}

enum State {
    Waiting(Waker),
    Finished(Finished),
    Taken,
}

/// One call's place. The session keeps it as the call's token; the caller polls it.
pub(crate) struct Slot(Mutex<State>);

impl Slot {
    /// A place with its caller's waker in it, where the waker is before the answer can be.
    pub(crate) fn new(waker: &Waker) -> Self {
        Self(Mutex::new(State::Waiting(waker.clone())))
    }

    /// Ends the call. Gives its caller's waker, to be woken without any lock, so that it does not wake into it.
    #[must_use = "the caller waits until it is woken"]
    pub(crate) fn finish(&self, finished: Finished) -> Option<Waker> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Finished(finished)) {
            State::Waiting(waker) => Some(waker),
            State::Finished(_) | State::Taken => None,
        }
    }

    /// Whether there is no more to wait for.
    pub(crate) fn has_ended(&self) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !matches!(*state, State::Waiting(_))
    }

    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Finished> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            State::Waiting(waker) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            State::Finished(_) => match std::mem::replace(&mut *state, State::Taken) {
                State::Finished(finished) => Poll::Ready(finished),
                State::Waiting(_) | State::Taken => Poll::Pending,
            },
            State::Taken => Poll::Pending,
        }
    }
}
