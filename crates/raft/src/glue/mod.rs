//! What openraft asks for, implemented over our log, snapshots, state machine and transport.

pub(crate) mod log;
pub(crate) mod machine;
pub(crate) mod network;
pub(crate) mod pace;
pub(crate) mod service;
pub(crate) mod transfer;

use std::collections::BTreeSet;

use parking_lot::Mutex;
use quorate_storage::{Executor, Log, LogId, NodeId, SnapshotStore, Vote};
use tokio::sync::watch;

use crate::{RaftOptions, SnapshotFigures};

pub(crate) type ORaft = openraft::Raft<crate::types::TypeConfig, machine::MachineStore>;

/// What the adapters of one node know together.
pub(crate) struct Shared {
    pub(crate) node: NodeId,
    pub(crate) options: RaftOptions,
    pub(crate) log: Log,
    pub(crate) snapshots: SnapshotStore,
    pub(crate) executor: Executor,
    pub(crate) votes: Mutex<Votes>,
    pub(crate) sizes: Mutex<log::Sizes>,
    /// Peers whose last answer said that their disk is full.
    pub(crate) full_peers: Mutex<BTreeSet<NodeId>>,
    /// The first fault of the log or the machine, in words.
    pub(crate) fault: Mutex<Option<String>>,
    /// Why the last snapshot could not be written, with a number that grows with each failure.
    pub(crate) snapshot_failed: watch::Sender<(u64, String)>,
    /// The writing of snapshots; the newest one's time is asked of the store.
    pub(crate) figures: Mutex<SnapshotFigures>,
    pub(crate) pace: pace::Pace,
    /// The last committed entry that a peer was told of, or that was applied here.
    pub(crate) committed: Mutex<Option<LogId>>,
}

/// The vote given to the log, and the one known to be durable.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Votes {
    pub(crate) given: Option<Vote>,
    pub(crate) durable: Option<Vote>,
}

impl Shared {
    pub(crate) fn new(
        node: NodeId,
        options: RaftOptions,
        log: Log,
        snapshots: SnapshotStore,
        executor: Executor,
    ) -> Self {
        let state = log.state();
        let (vote, last) = (state.vote, state.last.map_or(0, |last| last.index));
        Self {
            node,
            options,
            log,
            snapshots,
            executor,
            votes: Mutex::new(Votes { given: vote, durable: vote }),
            sizes: Mutex::default(),
            full_peers: Mutex::default(),
            fault: Mutex::default(),
            snapshot_failed: watch::Sender::default(),
            figures: Mutex::default(),
            pace: pace::Pace::new(last),
            committed: Mutex::default(),
        }
    }

    /// Remembers the first fault: later ones follow from it.
    pub(crate) fn fault(&self, reason: String) {
        self.fault.lock().get_or_insert(reason);
    }

    /// What became of this node's snapshots.
    pub(crate) fn snapshot_figures(&self) -> SnapshotFigures {
        let newest_ms = self.snapshots.list().first().map_or(0, |newest| newest.manifest.created_ms);
        SnapshotFigures { newest_ms, ..*self.figures.lock() }
    }

    pub(crate) fn note_peer_disk(&self, peer: NodeId, is_full: bool) {
        let mut full = self.full_peers.lock();
        if is_full {
            full.insert(peer);
        } else if !full.is_empty() {
            full.remove(&peer);
        }
    }

    /// An entry is known to be committed; said before anybody else can learn of it from this node.
    pub(crate) fn note_committed(&self, id: Option<LogId>) {
        let mut committed = self.committed.lock();
        *committed = id.max(*committed);
    }

    /// This node's durable vote, or none while another one is on its way to the disk.
    pub(crate) fn durable_vote(&self) -> Option<Vote> {
        let votes = *self.votes.lock();
        votes.durable.filter(|durable| votes.given == Some(*durable))
    }

    /// Whether this node's durable vote is this one and no other is on its way to the disk.
    pub(crate) fn is_durable_vote(&self, vote: Vote) -> bool {
        self.durable_vote() == Some(vote)
    }

    /// Whether the log has this entry, or had it before it was purged.
    pub(crate) fn has_entry(&self, id: LogId) -> bool {
        self.log.log_id_at(id.index) == Some(id) || self.log.state().purged.is_some_and(|purged| purged >= id)
    }
}

/// Runs blocking work: on a thread for blocking calls, or here in a simulation.
pub(crate) async fn blocking<T: Send + 'static>(
    executor: Executor,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    match executor {
        Executor::Inline => work(),
        Executor::Thread => match tokio::task::spawn_blocking(work).await {
            Ok(value) => value,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // Only a runtime that ends cancels it, and it ends us as well.
            Err(_) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests;
