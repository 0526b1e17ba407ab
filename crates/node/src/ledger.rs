//! Keeps the ledger: a second memory of what this node has promised, beside the log.
//!
//! At the next start the log is compared with it ([`quorate_storage::DataDir`]): a log that is older than
//! its ledger was rolled back, as by a restored image, and must not vote.
//!
//! What it leaves to others: the ledger's database and its durability (`quorate_storage`).
//!
//! Invariants: a vote is recorded only once the log has it; a position only once it is committed, so that
//! it can never be truncated. The ledger lags behind the log, never the other way round; a ledger that
//! cannot be written costs a warning, never a request.
//!
//! Called by: its own task.

use std::time::Duration;

use quorate_raft::{LogId, Metrics, Raft, Vote};
use quorate_storage::Ledger;
use tokio_util::sync::CancellationToken;

/// Positions are recorded no more often than this: each record is a sync of its own.
const CHECKPOINT: Duration = Duration::from_secs(10);

/// What the ledger was told last.
#[derive(Default)]
struct Told {
    vote: Option<Vote>,
    snapshot: Option<LogId>,
    position: Option<LogId>,
}

/// Records votes at once and positions now and then, until `stop`; then the last position.
pub(crate) async fn keep(ledger: Ledger, raft: Raft, stop: CancellationToken) {
    let mut metrics = raft.metrics_watch();
    let mut checkpoints = tokio::time::interval(CHECKPOINT);
    checkpoints.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = Told::default();
    loop {
        let due = tokio::select! {
            () = stop.cancelled() => true,
            _ = checkpoints.tick() => true,
            changed = metrics.changed() => match changed {
                Ok(()) => false,
                Err(_) => return,
            },
        };
        let now = metrics.borrow_and_update().clone();
        let due = due || now.snapshot != told.snapshot;
        record(&ledger, &now, &mut told, due).await;
        if stop.is_cancelled() {
            return;
        }
    }
}

async fn record(ledger: &Ledger, now: &Metrics, told: &mut Told, due: bool) {
    let vote = now.durable_vote.filter(|vote| told.vote != Some(*vote));
    let position = now.applied.filter(|position| due && told.position != Some(*position));
    if vote.is_none() && position.is_none() {
        return;
    }
    let ledger = ledger.clone();
    let written = tokio::task::spawn_blocking(move || {
        vote.map_or(Ok(()), |vote| ledger.record_vote(vote))?;
        position.map_or(Ok(()), |position| ledger.checkpoint(position))
    });
    match written.await {
        Ok(Ok(())) => {
            told.vote = vote.or(told.vote);
            told.position = position.or(told.position);
            told.snapshot = now.snapshot;
        }
        Ok(Err(error)) => tracing::warn!(%error, "the ledger cannot be written"),
        Err(_) => tracing::warn!("the ledger's writer was stopped"),
    }
}
