//! When to take a snapshot, how much log to keep, and when a leader should not lead: looked at now and then by one task.
//!
//! A snapshot is due when the log since the last one is longer than a fixed part and longer than a share of that
//! snapshot, so that writing snapshots never costs more than a bounded multiple of writing the log. Entries that a snapshot
//! covers are kept up to a bound for followers that lag; one that lags further gets the snapshot. With a full disk
//! nothing is kept. A leader that no longer votes, or whose disk is full, hands leadership to a node that can do better.

use std::sync::Arc;

use openraft::async_runtime::WatchReceiver as _;
use quorate_storage::LogState;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    glue::{ORaft, Shared},
    raft::membership::hand_over,
};

pub(crate) async fn run(raft: ORaft, shared: Arc<Shared>, stopped: CancellationToken) {
    let mut ticks = interval(shared.options.policy_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopped.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let (applied, snapshot, purged, votes) = {
            let metrics = raft.metrics();
            let metrics = metrics.borrow_watched();
            let mut voters = metrics.committed_membership_config.voter_ids().peekable();
            // Before the first membership is committed nobody is known to vote.
            let votes = voters.peek().is_none() || voters.any(|id| id == shared.node.0);
            (metrics.last_applied, metrics.snapshot, metrics.purged, votes)
        };
        let log = shared.log.state();
        if !votes || log.disk_full {
            hand_over(&raft, &shared).await;
        }
        let covered = snapshot.map(|id| id.index);
        if applied > snapshot
            && is_snapshot_due(&shared, &log, covered)
            && raft.trigger().snapshot().await.is_err()
        {
            return;
        }
        let keep = if log.disk_full { 0 } else { shared.options.keep_log_bytes };
        if let Some(upto) = purge_upto(&shared, &log, covered, keep)
            && purged.is_none_or(|purged| purged.index < upto)
            && raft.trigger().purge_log(upto).await.is_err()
        {
            return;
        }
    }
}

fn is_snapshot_due(shared: &Shared, log: &LogState, covered: Option<u64>) -> bool {
    let size = shared.snapshots.list().first().map_or(0, |info| info.file_bytes);
    let share = size.saturating_mul(shared.options.snapshot_log_percent) / 100;
    bytes_since(shared, log, covered) > shared.options.snapshot_log_bytes.max(share)
}

/// Bytes of the entries after `index`. Of those that were in the log before the start only the average is known.
fn bytes_since(shared: &Shared, log: &LogState, index: Option<u64>) -> u64 {
    let Some(index) = index else { return log.bytes };
    if let Some(bytes) = shared.sizes.lock().bytes_after(index) {
        return bytes;
    }
    let last = log.last.map_or(0, |id| id.index);
    let per_entry = average(log);
    last.saturating_sub(index).saturating_mul(per_entry).min(log.bytes)
}

fn average(log: &LogState) -> u64 {
    let last = log.last.map_or(0, |id| id.index + 1);
    let first = log.purged.map_or(0, |id| id.index + 1);
    log.bytes / last.saturating_sub(first).max(1)
}

/// The last entry to give up so that about `keep` bytes stay, none that the snapshot does not cover.
fn purge_upto(shared: &Shared, log: &LogState, covered: Option<u64>, keep: u64) -> Option<u64> {
    let covered = covered?;
    if log.bytes <= keep {
        return None;
    }
    let known = shared.sizes.lock().index_before(keep.max(1));
    let upto = match known {
        Some(index) => index,
        None => log.last?.index.saturating_sub(keep / average(log).max(1)),
    };
    Some(if keep == 0 { covered } else { upto.min(covered) })
}
