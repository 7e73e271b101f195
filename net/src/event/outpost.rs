//! Subscribers that asked to be called: peers of the original app-net, and programs that use its `subscription_handler`. To each an
//! event is a call of a function of its own; one that is gone is forgotten.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::Emitted;
use crate::error::CallError;
use crate::registry::Answer;
use crate::remote::Remote;

/// Events that wait for one such subscriber; of more, the oldest is dropped. As many as a native subscriber keeps unless it
/// says otherwise.
const KEEP: usize = super::subscription::KEEP as usize;
/// Such subscribers in all, each of one event; more than some of each of the hosts of a network that an original can scan are
/// somebody's mistake.
const MOST: usize = 4096;

/// All that are called.
#[derive(Default)]
pub(crate) struct Outposts(Mutex<BTreeMap<String, Vec<Arc<Outpost>>>>);

/// One that is called.
struct Outpost {
    remote: Remote,
    /// The function that is called there.
    tag: String,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Bytes>,
    /// A task is at it.
    is_running: bool,
    is_gone: bool,
}

impl Outposts {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Arc<Outpost>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `tag` on `remote` with each event from now on. Said twice it counts once.
    ///
    /// # Errors
    ///
    /// There are too many.
    pub(super) fn add(&self, event: &str, remote: Remote, tag: String) -> Result<(), String> {
        let mut all = self.all();
        let same = |known: &Arc<Outpost>| {
            let is_there = !known.queue().is_gone;
            is_there && known.tag == tag && known.remote.target() == remote.target()
        };
        if all.get(event).is_some_and(|known| known.iter().any(same)) {
            return Ok(());
        }
        if all.values().map(Vec::len).sum::<usize>() >= MOST {
            all.retain(|_, outposts| {
                outposts.retain(|outpost| !outpost.queue().is_gone);
                !outposts.is_empty()
            });
        }
        if all.values().map(Vec::len).sum::<usize>() >= MOST {
            return Err(format!("{MOST} subscribers are called already"));
        }
        all.entry(event.to_owned())
            .or_default()
            .push(Arc::new(Outpost {
                remote,
                tag,
                queue: Mutex::default(),
            }));
        Ok(())
    }

    /// Puts an event in the queue of each.
    pub(super) fn publish(&self, event: &str, body: &Bytes, emitted: &mut Emitted) {
        let mut all = self.all();
        let Some(outposts) = all.get_mut(event) else {
            return;
        };
        outposts.retain(|outpost| !outpost.queue().is_gone);
        for outpost in outposts.iter() {
            emitted.subscribers += 1;
            emitted.dropped += outpost.push(event, body.clone());
        }
        if outposts.is_empty() {
            all.remove(event);
        }
    }

    /// How many are called with an event.
    pub(super) fn count(&self, event: &str) -> usize {
        let all = self.all();
        let outposts = all.get(event).into_iter().flatten();
        outposts.filter(|outpost| !outpost.queue().is_gone).count()
    }

    /// Those that are called with an event: who, and the function there.
    pub(super) fn called(&self, event: &str) -> Vec<(Remote, String)> {
        let all = self.all();
        let outposts = all.get(event).into_iter().flatten();
        outposts
            .filter(|outpost| !outpost.queue().is_gone)
            .map(|outpost| (outpost.remote.clone(), outpost.tag.clone()))
            .collect()
    }

    /// The events that somebody is called with.
    pub(super) fn events(&self) -> Vec<String> {
        let all = self.all();
        let is_there = |outposts: &[Arc<Outpost>]| outposts.iter().any(|o| !o.queue().is_gone);
        let events = all.iter().filter(|(_, outposts)| is_there(outposts));
        events.map(|(event, _)| event.clone()).collect()
    }
}

impl Outpost {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how many were dropped.
    fn push(self: &Arc<Self>, event: &str, body: Bytes) -> u64 {
        let mut queue = self.queue();
        let is_full = queue.events.len() >= KEEP;
        if is_full {
            queue.events.pop_front();
        }
        queue.events.push_back(body);
        if !std::mem::replace(&mut queue.is_running, true) {
            let (outpost, event) = (Arc::clone(self), event.to_owned());
            let runtime = &self.remote.local().0.runtime;
            runtime.spawn(async move { outpost.run(&event).await });
        }
        u64::from(is_full)
    }

    /// Calls with one event after the other: so their order is kept.
    async fn run(&self, event: &str) {
        loop {
            let next = {
                let mut queue = self.queue();
                let next = queue.events.pop_front();
                queue.is_running = next.is_some();
                next
            };
            let Some(body) = next else { return };
            let called = self
                .remote
                .call_raw(self.tag.clone(), Vec::from(body))
                .await;
            let peer = &self.remote;
            let error = match called {
                Ok(Answer::Error(error)) => {
                    let (kind, message) = (&error.kind, &error.message);
                    let traceback = error.traceback.trim_end();
                    tracing::warn!(%peer, event, "a subscriber failed: {kind}: {message}\n{traceback}");
                    continue;
                }
                Ok(_) => continue,
                Err(error) => error,
            };
            match error {
                CallError::Unreachable { .. } | CallError::NoSuchConnection { .. } => {
                    tracing::info!(%peer, event, %error, "a subscriber is gone");
                    let mut queue = self.queue();
                    queue.is_gone = true;
                    queue.events.clear();
                    return;
                }
                error => tracing::warn!(%peer, event, %error, "a subscriber did not take an event"),
            }
        }
    }
}
