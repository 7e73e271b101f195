//! The keeper of a link: what must wait for a clock (pings, deadlines) or for room to write. It runs no function and
//! reads nothing, so that nothing can keep it from its pings.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use super::{Link, spare};
use crate::clock;

impl Link {
    /// Starts the link's reader and keeper on the peer's runtime.
    pub(super) fn run(self: &Arc<Self>) {
        let too_late = self.core.link_opened(self);
        self.spawn_reader(0);
        let link = Arc::clone(self);
        self.core.runtime.spawn(async move { link.keep().await });
        if too_late {
            self.drain("shutting down");
        }
    }

    async fn keep(self: &Arc<Self>) {
        let mut timer = None;
        loop {
            let full = {
                let mut state = self.state();
                let next = state.session.timeout();
                // Most timers are moved on before they are due. One that is early finds nothing to do, and costs less than
                // to move it along each time.
                let is_in_time = match (&timer, next) {
                    (Some((at, _)), Some(next)) => *at <= next,
                    (None, Some(_)) => false,
                    (_, None) => true,
                };
                if !is_in_time {
                    timer = next.map(|at| (at, Box::pin(clock::sleep_until(at))));
                }
                state.armed = timer.as_ref().map(|(at, _)| *at);
                state.full
            };
            if self.is_closed() {
                return;
            }
            let due = async {
                match &mut timer {
                    Some((_, sleeping)) => sleeping.await,
                    None => pending().await,
                }
            };
            tokio::select! {
                // The timer first: there may be something to write all the time.
                biased;
                () = due => {
                    timer = None;
                    self.on_timer();
                }
                () = self.keeper.notified() => {
                    // After all that is ready to run now, so that what it has to send goes out in the same write.
                    step_back().await;
                    let mut state = self.state();
                    state.told = false;
                    self.flush_from(state);
                }
                result = self.write.writable(), if full => {
                    self.state().full = false;
                    match result {
                        Ok(()) => _ = self.flush(),
                        Err(error) => self.break_off(&error),
                    }
                }
            }
        }
    }

    fn on_timer(self: &Arc<Self>) {
        spare::expire();
        let result = self.state().session.handle_timeout(Instant::now());
        if let Err(error) = result {
            self.fail(&error);
            return;
        }
        self.handle_events();
        self.flush();
    }
}

/// Goes to the end of the queue of tasks that are ready.
///
/// Not [`tokio::task::yield_now`]: that puts the task aside on its thread until the thread has nothing else to do, where no
/// other thread can take it, and a function that blocks this thread would keep the link from writing.
async fn step_back() {
    let mut stepped = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut stepped, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
