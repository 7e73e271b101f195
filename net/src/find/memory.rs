//! Finding within one process: a board on which peers write where they are, as a network would carry it. For tests and simulations.

use std::sync::Arc;

use net_proto::InstanceId;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Finder, Looking, Seen, Sighting};

/// What the peers of one process have in common.
#[derive(Debug, Default)]
pub(crate) struct Board(watch::Sender<Vec<(InstanceId, Vec<String>)>>);

/// One peer's look at the board.
#[derive(Debug)]
pub(crate) struct MemoryFinder {
    board: Arc<Board>,
}

/// What stands on the board as long as its peer finds.
#[derive(Debug)]
struct Posted {
    board: Arc<Board>,
    id: InstanceId,
}

impl MemoryFinder {
    pub(crate) fn new(board: &Arc<Board>) -> Self {
        Self {
            board: Arc::clone(board),
        }
    }

    async fn meet_all(&self, seen: &Arc<Seen>) {
        let posted = self.board.0.borrow().clone();
        let sightings = posted.into_iter().flat_map(|(id, addresses)| {
            let address = addresses.into_iter().filter_map(|at| at.parse().ok());
            address.map(move |address| Sighting {
                address,
                id: Some(id),
            })
        });
        let mut meetings = JoinSet::new();
        for sighting in sightings {
            let seen = Arc::clone(seen);
            meetings.spawn(async move { seen.meet(sighting).await });
        }
        meetings.join_all().await;
    }
}

impl Finder for MemoryFinder {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn watch(self: Arc<Self>, seen: Arc<Seen>) -> Looking {
        Box::pin(async move {
            let mut changes = self.board.0.subscribe();
            let core = seen.core();
            let mine = (core.id, core.hello().addresses);
            self.board.0.send_modify(|posted| posted.push(mine));
            let _mine = Posted {
                board: Arc::clone(&self.board),
                id: core.id,
            };
            loop {
                self.meet_all(&seen).await;
                seen.has_looked();
                if changes.changed().await.is_err() {
                    return;
                }
            }
        })
    }

    fn look(self: Arc<Self>, seen: Arc<Seen>) -> Looking {
        Box::pin(async move { self.meet_all(&seen).await })
    }
}

impl Drop for Posted {
    fn drop(&mut self) {
        let id = self.id;
        self.board
            .0
            .send_modify(|posted| posted.retain(|(of, _)| *of != id));
    }
}
