//! Connections that have not said who they are yet: so many at once, and a newcomer never waits for one of them.
//! When there is no room, the one that has been a stranger for longest goes: whoever means to speak has spoken long before so
//! many came after it, while those that only hold a place hold it at nobody's cost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

#[derive(Debug)]
pub(super) struct Strangers {
    most: usize,
    waiting: Mutex<Waiting>,
}

/// By the order in which they came. To send one away is to send it this.
#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    places: BTreeMap<u64, oneshot::Sender<()>>,
}

/// A stranger's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    strangers: Arc<Strangers>,
    number: u64,
}

impl Strangers {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            waiting: Mutex::default(),
        })
    }

    /// A place for one more, and what tells it that it has to go.
    pub(super) fn enter(self: &Arc<Self>) -> (Place, oneshot::Receiver<()>) {
        let (send_away, sent_away) = oneshot::channel();
        let mut waiting = self.lock();
        if waiting.places.len() >= self.most
            && let Some((_, oldest)) = waiting.places.pop_first()
        {
            // It may have gone by itself just now.
            let _ = oldest.send(());
        }
        let number = waiting.next;
        waiting.next += 1;
        waiting.places.insert(number, send_away);
        drop(waiting);
        let strangers = Arc::clone(self);
        (Place { strangers, number }, sent_away)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// It is a stranger no longer. False: it was sent away before, and is just about to hear of it.
    pub(super) fn leave(&self) -> bool {
        let mut waiting = self.strangers.lock();
        waiting.places.remove(&self.number).is_some()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_when_there_is_no_room() {
        let strangers = Strangers::new(2);
        let (first, mut first_goes) = strangers.enter();
        let (_second, mut second_goes) = strangers.enter();
        let (_third, mut third_goes) = strangers.enter();
        assert!(first_goes.try_recv().is_ok());
        assert!(!first.leave());
        drop(first);
        assert!(second_goes.try_recv().is_err() && third_goes.try_recv().is_err());
        assert_eq!(strangers.lock().places.len(), 2);
    }

    #[test]
    fn who_has_left_makes_room() {
        let strangers = Strangers::new(1);
        let (first, mut first_goes) = strangers.enter();
        assert!(first.leave());
        let (_second, mut second_goes) = strangers.enter();
        assert_eq!(
            first_goes.try_recv(),
            Err(oneshot::error::TryRecvError::Closed)
        );
        assert_eq!(
            second_goes.try_recv(),
            Err(oneshot::error::TryRecvError::Empty)
        );
    }
}
