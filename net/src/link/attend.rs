//! A thread that waits for its call, alone on the link, reads the link itself: nobody has to be woken to wake it.
//!
//! After some such calls in a row no task reads the link any more. While a call is waited for, its thread does; between
//! calls a [`Bell`] rings when something comes, and a task reads again, until threads are alone once more. A thread that
//! attends runs no function: with the first call of the other side, or more calls of this one, it leaves the reading to a task.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use net_proto::Event;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::Interest;
use tokio::task::AbortHandle;

use super::reader::{Input, Untold};
use super::{Link, Slot, stream};

/// Calls in a row that a thread waits for, alone on the link, before threads read it: to change hands costs as much as a few.
const ALONE: u32 = 16;

/// Who reads a link.
#[derive(Default)]
pub(super) enum Hands {
    #[default]
    Tasks,
    Threads {
        bell: Bell,
        /// A thread is at it.
        attended: bool,
    },
}

/// Rings once, when there is something to read and nobody reads.
///
/// An epoll instance within the runtime's, since what is registered there cannot be muted for a moment.
pub(super) struct Bell {
    socket: Arc<OwnedFd>,
    epoll: Arc<OwnedFd>,
    listens: AbortHandle,
}

impl Bell {
    /// A muted bell.
    fn hang(link: &Arc<Link>, socket: Arc<OwnedFd>) -> io::Result<Self> {
        let epoll = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        let data = EventData::new_u64(0);
        epoll::add(&epoll, &socket, data, EventFlags::ONESHOT)?;
        let listening = listen(Arc::downgrade(link), Arc::clone(&epoll));
        let listens = link.core.runtime.spawn(listening).abort_handle();
        Ok(Self {
            socket,
            epoll,
            listens,
        })
    }

    fn mute(&self) -> io::Result<()> {
        self.set(EventFlags::ONESHOT)
    }

    fn unmute(&self) -> io::Result<()> {
        self.set(EventFlags::ONESHOT | EventFlags::IN)
    }

    fn set(&self, flags: EventFlags) -> io::Result<()> {
        let data = EventData::new_u64(0);
        Ok(epoll::modify(&self.epoll, &self.socket, data, flags)?)
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.listens.abort();
    }
}

async fn listen(link: Weak<Link>, epoll: Arc<OwnedFd>) {
    let Ok(rings) = stream::watch(epoll, Interest::READABLE) else {
        return;
    };
    while let Ok(mut ringing) = rings.readable().await {
        ringing.clear_ready();
        let mut heard = [epoll::Event {
            flags: EventFlags::empty(),
            data: EventData::new_u64(0),
        }];
        // Nothing is heard of a bell that was muted in the same moment.
        let heard = epoll::wait(rings.get_ref(), &mut heard, Some(&Timespec::default()));
        match (heard, link.upgrade()) {
            (Ok(0), Some(_)) => {}
            (Ok(_), Some(link)) => link.rung(),
            _ => return,
        }
    }
}

/// A thread's turn to read a link. Nobody else does while it lives, so it is to be kept only by a thread that waits for its call.
pub(crate) struct Attendance {
    link: Arc<Link>,
    socket: Arc<OwnedFd>,
}

impl Link {
    /// The turn to read, for a thread that is about to make a call and to wait for it. Before it is sent: the answer may be
    /// quicker than the thread. None where others call too, or somebody reads.
    pub(crate) fn attend(self: &Arc<Self>) -> Option<Attendance> {
        let mut input = self.input.try_lock().ok()?;
        // What was read and waits for a task to go on with it is not to wait for this call.
        let is_free = input.next.is_none() && input.buf.is_empty() && !input.read.has_left();
        if !is_free || self.state().session.in_flight() > 0 || self.is_closed() {
            input.alone = 0;
            return None;
        }
        if let Hands::Tasks = input.hands {
            input.alone += 1;
            if input.alone < ALONE || !self.to_threads(&mut input) {
                return None;
            }
        }
        match &mut input.hands {
            Hands::Threads { bell, attended } if !*attended && bell.mute().is_ok() => {
                *attended = true;
                Some(Attendance {
                    link: Arc::clone(self),
                    socket: Arc::clone(&bell.socket),
                })
            }
            _ => None,
        }
    }

    fn to_threads(self: &Arc<Self>, input: &mut Input) -> bool {
        input.alone = 0;
        let Some(socket) = input.read.to_threads() else {
            return false;
        };
        // The reader that was ends, whatever it is at.
        self.reader.fetch_add(1, Ordering::AcqRel);
        let mut task = self
            .reader_task
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.abort();
        }
        drop(task);
        match Bell::hang(self, socket) {
            Ok(bell) => {
                let attended = false;
                input.hands = Hands::Threads { bell, attended };
                true
            }
            Err(_) => {
                self.to_tasks(input);
                false
            }
        }
    }

    fn to_tasks(self: &Arc<Self>, input: &mut Input) {
        input.hands = Hands::Tasks;
        let _entered = self.core.runtime.enter();
        if let Err(error) = input.read.to_tasks() {
            // Not here: what is told of it has locks of its own, which come before that of the input.
            let link = Arc::clone(self);
            let closes = async move { link.close(&error.to_string()) };
            self.core.runtime.spawn(closes);
        }
        let number = self.reader.fetch_add(1, Ordering::AcqRel) + 1;
        self.spawn_reader(number);
    }

    /// Something is to be read. Whether somebody does meanwhile is known only now.
    fn rung(self: &Arc<Self>) {
        let mut input = self.input();
        if let Hands::Threads {
            attended: false, ..
        } = input.hands
        {
            self.to_tasks(&mut input);
        }
    }
}

impl Attendance {
    pub(crate) fn is_of(&self, link: &Arc<Link>) -> bool {
        Arc::ptr_eq(&self.link, link)
    }

    /// Reads and handles what comes until the call of `slot` has ended. False where the rest is to be left to a task: there
    /// is something to run, or the time is over, or a signal came, whose handler may want the link.
    pub(crate) fn wait(&self, slot: &Slot, time: Option<Duration>) -> bool {
        let link = &self.link;
        let mut untold = Untold::default();
        loop {
            let mut input = link.input();
            let taken = link.take_in(&mut input, &mut untold);
            let is_full = untold.is_full();
            let (event, is_call) = match taken {
                Ok(Some(Event::Call(call))) => {
                    input.next = Some(call);
                    (Ok(None), true)
                }
                other => (other, false),
            };
            let has_left = input.read.has_left();
            drop(input);
            untold.wake();
            link.log_reached(&mut untold);
            match event {
                Ok(None) if is_call => return false,
                Ok(None) if is_full => {}
                Ok(None) if slot.has_ended() => return true,
                Ok(None) => {
                    let is_there = has_left || matches!(wait(&self.socket, time), Ok(true));
                    if !is_there || !self.read() {
                        return false;
                    }
                }
                Ok(Some(event)) => link.on_event(event),
                Err(error) => {
                    link.end_badly(&error);
                    return false;
                }
            }
        }
    }

    /// Reads what is there. False where that was the link's last read.
    fn read(&self) -> bool {
        let mut input = self.link.input();
        match input.try_read() {
            Err(error) if is_nothing(&error) => true,
            read => {
                input.read_at = Instant::now();
                drop(input);
                self.link.goes_on(read)
            }
        }
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        let link = &self.link;
        let mut input = link.input();
        let is_idle = link.state().session.in_flight() == 0 && input.next.is_none();
        // The bell does not ring for what is left.
        let goes_on = is_idle && !input.read.has_left() && !link.is_closed();
        if let Hands::Threads { bell, attended } = &mut input.hands {
            *attended = false;
            if !goes_on || bell.unmute().is_err() {
                link.to_tasks(&mut input);
            }
        }
    }
}

fn is_nothing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// Whether there is something to read within so long.
fn wait(socket: &OwnedFd, time: Option<Duration>) -> io::Result<bool> {
    let mut polled = [PollFd::new(socket, PollFlags::IN)];
    // One that is too long for the system to count is for ever.
    let time = time.and_then(|time| Timespec::try_from(time).ok());
    Ok(poll(&mut polled, time.as_ref())? > 0)
}

#[cfg(test)]
mod tests;
