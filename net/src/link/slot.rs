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
    Waiting(Option<Waker>),
    Finished(Finished),
    Taken,
}

/// One call's place. The session keeps it as the call's token; the caller polls it.
pub(crate) struct Slot(Mutex<State>);

impl Slot {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State::Waiting(None)))
    }

    /// Ends the call. The caller is woken after the lock is let go, so that it does not wake into it.
    pub(crate) fn finish(&self, finished: Finished) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *state, State::Finished(finished));
        drop(state);
        if let State::Waiting(Some(waker)) = old {
            waker.wake();
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
            State::Waiting(Some(waker)) if waker.will_wake(cx.waker()) => Poll::Pending,
            State::Waiting(waker) => {
                *waker = Some(cx.waker().clone());
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
