//! Waiting for a time that is far off, and most often moved before it comes: pings, deadlines, the next look around.
//!
//! A timer of the runtime that is armed costs each call: the runtime then reads the clock, looks through its timers and has the
//! kernel set one of its own each time that it waits for a socket. So these wait here, on one thread of the process that
//! sleeps until the first of them. (Measured in bench/NOTES.md.)

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// The process's clock, made when it is first needed.
///
/// No lock: a fork may come while a thread, which the child does not have, holds it.
static CLOCK: AtomicPtr<Clock> = AtomicPtr::new(ptr::null_mut());

#[derive(Default)]
struct Clock {
    sleepers: Mutex<Sleepers>,
    /// None where the system refused one.
    thread: OnceLock<Option<Thread>>,
}

/// Each with the time that it waits for, and a number of its own.
type Key = (Instant, u64);

#[derive(Default)]
struct Sleepers {
    wakers: BTreeMap<Key, Waker>,
    last: u64,
}

/// Ends at that time, or a moment after.
pub(crate) async fn sleep_until(at: Instant) {
    let clock = clock();
    if clock.has_thread() {
        Sleep {
            clock,
            at,
            key: None,
        }
        .await;
    } else {
        tokio::time::sleep_until(at.into()).await;
    }
}

/// Ends after so long, or a moment later.
pub(crate) async fn sleep(time: Duration) {
    sleep_until(Instant::now() + time).await;
}

/// Forgets the clock in a child process: its thread stayed with the parent.
pub(crate) fn after_fork() {
    CLOCK.store(ptr::null_mut(), Ordering::Release);
}

fn clock() -> &'static Clock {
    // SAFETY: null, or made below and never freed.
    if let Some(clock) = unsafe { CLOCK.load(Ordering::Acquire).as_ref() } {
        return clock;
    }
    let made = Box::into_raw(Box::<Clock>::default());
    match CLOCK.compare_exchange(ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: made above, and from now on never freed.
        Ok(_) => unsafe { &*made },
        // SAFETY: nobody else has been given what was made here; what another thread made is never freed.
        Err(quicker) => unsafe {
            drop(Box::from_raw(made));
            &*quicker
        },
    }
}

impl Clock {
    fn has_thread(&'static self) -> bool {
        let begun = self.thread.get_or_init(|| {
            let thread = thread::Builder::new().name("net-clock".into());
            let begun = thread.spawn(move || self.run());
            begun.ok().map(|handle| handle.thread().clone())
        });
        begun.is_some()
    }

    fn sleepers(&self) -> MutexGuard<'_, Sleepers> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        loop {
            let (due, next) = self.sleepers().take_due(Instant::now());
            due.into_iter().for_each(Waker::wake);
            match next {
                Some(next) => thread::park_timeout(next.saturating_duration_since(Instant::now())),
                None => thread::park(),
            }
        }
    }
}

impl Sleepers {
    /// Those whose time has come, and the next time.
    fn take_due(&mut self, now: Instant) -> (Vec<Waker>, Option<Instant>) {
        let mut due = Vec::new();
        while let Some(first) = self.wakers.first_entry() {
            let (at, _) = *first.key();
            if at > now {
                return (due, Some(at));
            }
            due.push(first.remove());
        }
        (due, None)
    }

    /// Says whether it is the first now.
    fn add(&mut self, at: Instant, waker: Waker) -> (Key, bool) {
        self.last += 1;
        let key = (at, self.last);
        self.wakers.insert(key, waker);
        let is_first = self
            .wakers
            .first_key_value()
            .is_some_and(|(first, _)| *first == key);
        (key, is_first)
    }
}

struct Sleep {
    clock: &'static Clock,
    at: Instant,
    /// Where it is among the sleepers, once it is.
    key: Option<Key>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut sleepers = self.clock.sleepers();
        let Some(key) = self.key else {
            let (key, is_first) = sleepers.add(self.at, cx.waker().clone());
            drop(sleepers);
            self.key = Some(key);
            if is_first && let Some(Some(thread)) = self.clock.thread.get() {
                thread.unpark();
            }
            return Poll::Pending;
        };
        // Else it was taken out, as its time has come.
        let Some(waker) = sleepers.wakers.get_mut(&key) else {
            return Poll::Ready(());
        };
        if !waker.will_wake(cx.waker()) {
            let replaced = std::mem::replace(waker, cx.waker().clone());
            drop(sleepers);
            // With it may go the last hold on a task: not under the lock.
            drop(replaced);
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let waker = self.clock.sleepers().wakers.remove(&key);
            drop(waker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn they_end_in_the_order_of_their_times_and_not_before() {
        let start = Instant::now();
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        for millis in [60, 20, 40] {
            let tell = tell.clone();
            tokio::spawn(async move {
                sleep_until(start + Duration::from_millis(millis)).await;
                tell.send((millis, start.elapsed())).unwrap();
            });
        }
        for expected in [20, 40, 60] {
            let (millis, after) = told.recv().await.unwrap();
            assert_eq!(millis, expected);
            assert!(after >= Duration::from_millis(millis), "{after:?}");
        }
    }

    #[tokio::test]
    async fn a_time_that_is_over_ends_at_once() {
        sleep_until(Instant::now()).await;
    }

    #[tokio::test]
    async fn who_does_not_wait_any_more_is_forgotten() {
        let far = Duration::from_secs(3600);
        let mut sleeping = Box::pin(sleep(far));
        let polled = std::future::poll_fn(|cx| Poll::Ready(sleeping.as_mut().poll(cx))).await;
        assert!(polled.is_pending());
        let is_known = |at| {
            let sleepers = clock().sleepers();
            sleepers.wakers.keys().any(|(key, _)| *key > at)
        };
        let nearly = Instant::now() + far - Duration::from_secs(60);
        assert!(is_known(nearly));
        drop(sleeping);
        assert!(!is_known(nearly));
    }
}
