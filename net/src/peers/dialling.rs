//! What the links say of dialling, carried out: each attempt a task of its own, and one that waits for the next. Which address is
//! dialled when is decided in [`net_proto::links`].

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Instant;

use net_proto::links::Attempt;
use tokio::sync::oneshot;

use super::{State, Table};
use crate::clock;
use crate::link::dial::dial;
use crate::link::lookup::look_up;
use crate::peer::Core;

/// The attempts that are under way.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    /// With what each is told by that it is given up.
    dialled: HashMap<Attempt, oneshot::Sender<()>>,
    /// For when something waits to have the next ones begin.
    armed: Option<Instant>,
}

/// What is to be done for them once the table is free.
#[derive(Default)]
pub(super) struct Todo {
    pub(super) dial: Vec<(Attempt, oneshot::Receiver<()>)>,
    pub(super) resolve: Vec<Attempt>,
    pub(super) give_up: Vec<oneshot::Sender<()>>,
    due: Option<Instant>,
}

impl Attempts {
    pub(super) fn begin(&mut self, attempt: Attempt, todo: &mut Todo) {
        let (give_up, given_up) = oneshot::channel();
        self.dialled.insert(attempt.clone(), give_up);
        todo.dial.push((attempt, given_up));
    }

    #[cfg(test)]
    pub(super) fn are_under_way(&self) -> bool {
        !self.dialled.is_empty()
    }

    pub(super) fn give_up(&mut self, attempt: &Attempt, todo: &mut Todo) {
        todo.give_up.extend(self.dialled.remove(attempt));
    }

    /// Sees to it that somebody waits until `due`. One who waits in vain is no matter, and is not many.
    pub(super) fn arm(&mut self, due: Option<Instant>, todo: &mut Todo) {
        let is_earlier = |due: &Instant| self.armed.is_none_or(|armed| *due < armed);
        if let Some(due) = due.filter(is_earlier) {
            self.armed = Some(due);
            todo.due = Some(due);
        }
    }
}

impl Table {
    pub(super) fn carry_out_dialling(&self, core: &Arc<Core>, todo: Todo) {
        for give_up in todo.give_up {
            // It may have ended just now.
            let _ = give_up.send(());
        }
        for (attempt, given_up) in todo.dial {
            let core = Arc::clone(core);
            let runtime = core.runtime.clone();
            runtime.spawn(async move {
                let given_up = async move {
                    if given_up.await.is_err() {
                        pending().await
                    }
                };
                let met = dial(&core, &attempt.address, given_up).await;
                let met = met.map_err(|error| error.to_string());
                core.peers.with(&core, |state| {
                    state.attempts.dialled.remove(&attempt);
                    state.links.dialled(Instant::now(), &attempt, met);
                });
            });
        }
        for attempt in todo.resolve {
            let core = Arc::clone(core);
            let runtime = core.runtime.clone();
            runtime.spawn(async move {
                let found = look_up(&attempt.address).await;
                let found = found.map_err(|error| error.to_string());
                core.peers.with(&core, |state| {
                    state.links.resolved(Instant::now(), &attempt, found);
                });
            });
        }
        if let Some(due) = todo.due {
            let core = Arc::clone(core);
            let runtime = core.runtime.clone();
            runtime.spawn(async move {
                // Not by a timer of the runtime, which would cost each call beside it.
                clock::sleep_until(due).await;
                core.peers.with(&core, |state| state.go_on(due));
            });
        }
    }
}

impl State {
    fn go_on(&mut self, due: Instant) {
        if self.attempts.armed == Some(due) {
            self.attempts.armed = None;
        }
        self.links.handle_timeout(Instant::now());
    }
}
