//! What the core has to say, as records of Python's logging: under `net.link`, `net.find` and so on.
//!
//! It is written down where it is said, without the interpreter, and handed over by a thread of its own: a program's log handler
//! may take its time, and whoever holds the interpreter may too, and neither is to keep the runtime from answering pings.

use std::fmt::{self, Write as _};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use pyo3::prelude::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

use crate::attach::{self, attach};
use crate::signals;

/// Messages that wait for Python. A burst is some dozens; what comes while more than this wait is dropped and counted.
const ROOM: usize = 1024;

/// How old what is known of the program's levels may be: a level set later is heeded within this, at the price of one message that
/// is written down for nothing.
const RECHECK: Duration = Duration::from_millis(500);

/// Python's numbers for levels; it has none below debug.
const TRACE: u64 = 5;
const DEBUG: u64 = 10;
const INFO: u64 = 20;
const WARNING: u64 = 30;
const ERROR: u64 = 40;

/// The least level that the program wants of any logger of ours, as far as known.
static WANTED: AtomicU64 = AtomicU64::new(WARNING);

/// When that was asked for, in milliseconds since [`since`]'s first call.
static ASKED: AtomicU64 = AtomicU64::new(0);

/// The way to the thread. Never freed, so that it can be replaced in a forked child, where its locks may be held by nobody.
static QUEUE: AtomicPtr<Queue> = AtomicPtr::new(ptr::null_mut());

struct Queue {
    entries: SyncSender<Entry>,
    /// For the thread, which is started when there is first something for it.
    taken: Mutex<Option<Receiver<Entry>>>,
    has_thread: AtomicBool,
    dropped: AtomicU64,
}

enum Entry {
    Message(Message),
    /// Whom to tell that all before this has been handed over.
    Flush(Sender<()>),
}

/// One record to be.
struct Message {
    logger: String,
    level: u64,
    at: SystemTime,
    thread: String,
    text: String,
}

impl Queue {
    fn install() {
        let (entries, receiver) = sync_channel(ROOM);
        let queue = Box::new(Self {
            entries,
            taken: Mutex::new(Some(receiver)),
            has_thread: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
        });
        QUEUE.store(Box::into_raw(queue), Ordering::Release);
    }

    fn get() -> Option<&'static Self> {
        // SAFETY: null, or a box that is never freed and only shared.
        unsafe { QUEUE.load(Ordering::Acquire).as_ref() }
    }

    fn put(&'static self, message: Message) {
        if let Err(TrySendError::Full(_)) = self.entries.try_send(Entry::Message(message)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        if !self.has_thread.swap(true, Ordering::AcqRel) {
            let receiver = self
                .taken
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            if let Some(receiver) = receiver {
                // Without a thread nothing is handed over, which is all that can be done then.
                let _ = signals::spawn("net-log", move || self.run(&receiver));
            }
        }
    }

    fn run(&self, entries: &Receiver<Entry>) {
        let mut due = Vec::new();
        while let Ok(first) = entries.recv() {
            due.extend(std::iter::once(first).chain(entries.try_iter().take(ROOM)));
            // There was no room behind what was just taken out, so that is where they are missing.
            let dropped = self.dropped.swap(0, Ordering::Relaxed);
            let handed_over = attach(|py| {
                for entry in due.drain(..) {
                    match entry {
                        Entry::Message(message) => hand_over(py, &message),
                        Entry::Flush(done) => {
                            // Fails if it was not waited for any longer.
                            let _ = done.send(());
                        }
                    }
                }
                if dropped > 0 {
                    let text =
                        format!("{dropped} messages were dropped: there were too many at once");
                    hand_over(py, &Message::now("net", WARNING, text));
                }
                ask(py);
            });
            if handed_over.is_none() {
                // The interpreter is gone, and with it whoever could read this.
                return;
            }
        }
    }
}

impl Message {
    fn now(logger: impl Into<String>, level: u64, text: String) -> Self {
        Self {
            logger: logger.into(),
            level,
            at: SystemTime::now(),
            thread: thread::current().name().unwrap_or_default().to_owned(),
            text,
        }
    }
}

fn hand_over(py: Python<'_>, message: &Message) {
    let at = message
        .at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64();
    let handed_over = py.import("net._log").and_then(|module| {
        let args = (
            &message.logger,
            message.level,
            at,
            &message.thread,
            &message.text,
        );
        attach::call(
            &module.getattr("hand_over")?,
            &args.into_pyobject(py)?,
            None,
        )
    });
    if let Err(error) = handed_over {
        error.write_unraisable(py, None);
    }
}

/// Asks which levels the program wants now.
fn ask(py: Python<'_>) {
    let wanted = py
        .import("net._log")
        .and_then(|module| module.call_method0("wanted")?.extract());
    match wanted {
        Ok(level) => heed(level),
        Err(error) => error.write_unraisable(py, None),
    }
}

/// Heeds the least level that the program wants of any logger of ours.
#[pyfunction]
pub(crate) fn heed(level: u64) {
    WANTED.store(level, Ordering::Relaxed);
    ASKED.store(since(), Ordering::Relaxed);
}

/// Milliseconds since this was first called.
fn since() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let passed = START.get_or_init(Instant::now).elapsed();
    u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
}

fn is_wanted(level: u64) -> bool {
    if level >= WANTED.load(Ordering::Relaxed) {
        return true;
    }
    // Nobody did, the last time they were asked. If that is long ago, one message goes to find out.
    let asked = ASKED.load(Ordering::Relaxed);
    let now = since();
    u128::from(now.saturating_sub(asked)) >= RECHECK.as_millis()
        && ASKED
            .compare_exchange(asked, now, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
}

/// Begins to write down what the core says.
pub(crate) fn begin() {
    since();
    Queue::install();
    // Fails only if that was done before.
    let _ = tracing::subscriber::set_global_default(Bridge);
}

/// Forgets, in a forked child, the thread that hands over: it is not here.
pub(crate) fn after_fork() {
    Queue::install();
}

/// Waits until what was said so far is handed over, for `patience` at most. The interpreter must not be held.
pub(crate) fn flush(patience: Duration) {
    let Some(queue) = Queue::get() else { return };
    if !queue.has_thread.load(Ordering::Acquire) {
        return;
    }
    let (done, flushed) = channel();
    if queue.entries.try_send(Entry::Flush(done)).is_ok() {
        // Too late is as good as never: the program is ending.
        let _ = flushed.recv_timeout(patience);
    }
}

/// Takes what is said with `tracing` in the crates of this project. Spans are not used in them.
struct Bridge;

impl Subscriber for Bridge {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match logger(metadata.target()) {
            Some(_) if metadata.is_event() => Interest::sometimes(),
            _ => Interest::never(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && is_wanted(number(*metadata.level()))
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let (Some(logger), Some(queue)) = (logger(metadata.target()), Queue::get()) else {
            return;
        };
        let mut text = Text::default();
        event.record(&mut text);
        queue.put(Message::now(
            logger,
            number(*metadata.level()),
            text.finish(),
        ));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn number(level: Level) -> u64 {
    match level {
        Level::ERROR => ERROR,
        Level::WARN => WARNING,
        Level::INFO => INFO,
        Level::DEBUG => DEBUG,
        Level::TRACE => TRACE,
    }
}

/// The logger for a module: by its room, as `net.link` for `net::link::reader`. None for other crates' modules.
fn logger(target: &str) -> Option<String> {
    let mut path = target.split("::");
    match (path.next()?, path.next()) {
        ("net", Some(room)) => Some(format!("net.{room}")),
        ("net", None) => Some("net".to_owned()),
        ("net_proto", _) => Some("net.proto".to_owned()),
        _ => None,
    }
}

/// A message and what is known with it: `link ended (peer=ada@desk:4242, error=…)`.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn finish(mut self) -> String {
        if !self.fields.is_empty() {
            // Writing to a string does not fail.
            let _ = write!(self.message, " ({})", self.fields);
        }
        self.message
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
            return;
        }
        let separator = if self.fields.is_empty() { "" } else { ", " };
        let _ = write!(self.fields, "{separator}{}={value:?}", field.name());
    }
}
