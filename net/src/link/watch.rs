//! Moves a link's reading to another thread when a function keeps the one it is on.
//!
//! Functions run on the thread that read their call: no hop, no wake-up. The price would be that a function which
//! blocks keeps its link from reading, and the peer from answering pings. So each thread that runs functions has a post on
//! which it notes since when and for which link; one thread of the process looks at the posts while there is
//! something to see, and starts another reader where one has been away too long. Nothing here knows what a function is.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::Link;

/// How often the posts are looked at while functions run.
const ROUND: Duration = Duration::from_millis(5);
/// How long a function may keep its link's reader. Long beside a quick function, short beside a ping's 1.5 s.
const PATIENCE: Duration = Duration::from_millis(10);
/// Rounds without any function before the watch sleeps until it is woken: an idle peer must cost nothing.
const IDLE_ROUNDS: u32 = 100;

/// What one thread runs at the moment.
struct Post {
    /// Microseconds since [`Watch::epoch`] at which the function was entered; 0 while none runs.
    since: AtomicU64,
    /// Which of the link's readers this thread is, so that each is replaced once.
    reader: AtomicU64,
    link: Mutex<Weak<Link>>,
}

struct Watch {
    epoch: Instant,
    posts: Mutex<Vec<Weak<Post>>>,
    asleep: AtomicBool,
    /// The thread that looks. None where the system refused one: a function that blocks then delays its link.
    thread: Mutex<Option<Thread>>,
}

/// The process's watch, made with the first function that runs.
///
/// No lock: a fork may come while a thread, which the child does not have, holds it.
static WATCH: AtomicPtr<Watch> = AtomicPtr::new(ptr::null_mut());

/// This thread's post, and the watch that looks at it: kept, so that a call costs no shared lock.
struct Kept {
    watch: &'static Watch,
    post: Arc<Post>,
    /// Which link is noted on the post. Its address is no other's as long as the post refers to it.
    link: *const Link,
}

thread_local! {
    static KEPT: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

/// Says, while it lives, that this thread runs a function of `link`.
pub(super) struct Watched {
    /// It is this thread's, and ends on it.
    not_send: PhantomData<*const ()>,
}

impl Watched {
    pub(super) fn enter(link: &Arc<Link>, reader: u64, now: Moment) -> Self {
        KEPT.with_borrow_mut(|kept| {
            let Kept {
                watch,
                post,
                link: on,
            } = kept.get_or_insert_with(|| {
                let watch = process_watch();
                Kept {
                    watch,
                    post: watch.new_post(),
                    link: ptr::null(),
                }
            });
            if *on != Arc::as_ptr(link) {
                *on = Arc::as_ptr(link);
                *lock(&post.link) = Arc::downgrade(link);
            }
            post.reader.store(reader, Ordering::Relaxed);
            post.since.store(now.0, Ordering::SeqCst);
            // In this order on this side, and the reverse on the other: one of the two sees what the other wrote.
            if watch.asleep.load(Ordering::SeqCst)
                && let Some(thread) = &*lock(&watch.thread)
            {
                thread.unpark();
            }
        });
        let not_send = PhantomData;
        Self { not_send }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // None in a child process that was forked meanwhile.
        KEPT.with_borrow(|kept| {
            if let Some(Kept { post, .. }) = kept {
                post.since.store(0, Ordering::Release);
            }
        });
    }
}

/// A time as the watch counts it, in microseconds. That of an [`Instant`] is computed once: its differences, several for a
/// call, cost more than all else that a small function needs of the time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64);

impl Moment {
    pub(super) fn now() -> Self {
        Self::from(Instant::now())
    }

    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl From<Instant> for Moment {
    fn from(at: Instant) -> Self {
        let time = at.saturating_duration_since(process_watch().epoch);
        // Never 0, which says that nothing runs.
        Self((time.as_secs() * 1_000_000 + u64::from(time.subsec_micros())).max(1))
    }
}

/// Forgets the watch in a child process: its thread stayed with the parent.
pub(crate) fn after_fork() {
    WATCH.store(ptr::null_mut(), Ordering::Release);
    KEPT.with_borrow_mut(|kept| *kept = None);
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn process_watch() -> &'static Watch {
    // SAFETY: null, or made below and never freed.
    if let Some(watch) = unsafe { WATCH.load(Ordering::Acquire).as_ref() } {
        return watch;
    }
    let made = Box::into_raw(Box::new(Watch {
        epoch: Instant::now(),
        posts: Mutex::default(),
        asleep: AtomicBool::new(false),
        thread: Mutex::default(),
    }));
    if let Err(quicker) =
        WATCH.compare_exchange(ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire)
    {
        // SAFETY: nobody else has been given what was made here; what another thread made is never freed.
        return unsafe {
            drop(Box::from_raw(made));
            &*quicker
        };
    }
    // SAFETY: made above, and from now on never freed.
    let watch: &'static Watch = unsafe { &*made };
    if let Ok(handle) = thread::Builder::new()
        .name("net-watch".into())
        .spawn(move || watch.run())
    {
        *lock(&watch.thread) = Some(handle.thread().clone());
    }
    watch
}

impl Watch {
    fn run(&self) {
        let mut idle = 0;
        loop {
            if idle >= IDLE_ROUNDS {
                self.asleep.store(true, Ordering::SeqCst);
                if !self.any_active() {
                    thread::park();
                }
                self.asleep.store(false, Ordering::SeqCst);
                idle = 0;
            }
            thread::sleep(ROUND);
            idle = if self.round() { 0 } else { idle + 1 };
        }
    }

    fn new_post(&self) -> Arc<Post> {
        let post = Arc::new(Post {
            since: AtomicU64::new(0),
            reader: AtomicU64::new(0),
            link: Mutex::default(),
        });
        lock(&self.posts).push(Arc::downgrade(&post));
        post
    }

    fn any_active(&self) -> bool {
        lock(&self.posts)
            .iter()
            .filter_map(Weak::upgrade)
            .any(|post| post.since.load(Ordering::SeqCst) != 0)
    }

    /// Looks at each post once; says whether any function runs.
    fn round(&self) -> bool {
        let now = Moment::now();
        let mut active = false;
        let mut late = Vec::new();
        lock(&self.posts).retain(|post| {
            let Some(post) = post.upgrade() else {
                return false;
            };
            let since = post.since.load(Ordering::Acquire);
            if since != 0 {
                active = true;
                if now.since(Moment(since)) > PATIENCE
                    && let Some(link) = lock(&post.link).upgrade()
                {
                    late.push((link, post.reader.load(Ordering::Relaxed)));
                }
            }
            true
        });
        for (link, reader) in late {
            link.replace_reader(reader);
        }
        active
    }
}
