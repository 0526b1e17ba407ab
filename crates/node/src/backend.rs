//! A cluster's node as its sessions see it.
//!
//! What it leaves to others: everything; it passes requests to the pipeline and the barriers, and figures
//! to `INFO`.
//!
//! Invariant: before the node knows its cluster, nothing is served and nothing is queued: `-LOADING`.
//!
//! Called by: connection tasks.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use quorate_commands::settings::SettingId;
use quorate_commands::{State, Ticket};
use quorate_keyspace::{DbIndex, Millis};

use crate::admin::{Call, Role};
use crate::desk::Reader;
use crate::group::{Failure, Group};
use crate::node::{Node, Phase, Running};
use crate::rules;
use crate::session::{self, Admission, Backend, Front, MemberFacts, NodeFacts, ReadMode};

/// The reply while the node does not serve yet.
const LOADING: &str = "LOADING Quorate is loading the dataset in memory or waits for its cluster";
/// The reply to a local read that would be older than the bound on staleness.
const TOO_STALE: &str =
    "CLUSTERDOWN This node has not heard from a living leader lately; the read would be too old";
/// How long `WAIT` gives other nodes to tell how far they are.
const ASK_MAX: Duration = Duration::from_millis(500);
const PORT: SettingId = SettingId::of("port");

impl Node {
    fn serving_parts(&self) -> Result<&Running, Failure> {
        match (self.inner.running.get(), &*self.inner.phase.borrow()) {
            (Some(running), Phase::Serving) => Ok(running),
            (_, Phase::Removed { .. }) => Err(Failure::Refused(session::REMOVED.into())),
            _ => Err(Failure::Refused(LOADING.into())),
        }
    }
}

impl Backend for Node {
    async fn write(&self, group: Group) -> Result<Bytes, Failure> {
        let running = self.serving_parts()?;
        running.pipeline.write(group).await
    }

    async fn barrier(&self, mode: ReadMode) -> Result<Millis, Failure> {
        let running = self.serving_parts()?;
        match mode {
            // A lease relies on more than a barrier does; without one the stronger read is as right.
            ReadMode::Index | ReadMode::Lease => running.barriers.wait().await,
            ReadMode::Local => {
                let leadership = *running.raft.leadership().borrow();
                let bound = self.inner.options.staleness_max;
                let heard = leadership.leader_is_me
                    || leadership.leader.is_some_and(|leader| self.inner.peers.heard_within(leader, bound));
                let shown = running.replica.clock();
                if heard && is_recent(shown, self.inner.clock.now(), bound) {
                    Ok(shown)
                } else {
                    Err(Failure::Refused(TOO_STALE.into()))
                }
            }
        }
    }

    fn abandon(&self, ticket: Ticket) {
        self.inner.desk.abandon(ticket);
    }

    fn wait_for<'a>(&self, db: DbIndex, keys: impl Iterator<Item = &'a [u8]>) -> Reader {
        self.inner.desk.readers().wait(db, keys)
    }

    fn is_stopping(&self) -> bool {
        self.inner.desk.is_closing()
    }

    fn read_mode(&self) -> ReadMode {
        self.inner.options.read_mode
    }

    fn with_state<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        self.inner.replica.read(|replicated| look(&replicated.state))
    }

    fn front(&self) -> &Front {
        &self.inner.front
    }

    fn admission(&self) -> Admission {
        if !self.inner.serving.load(Ordering::Acquire) {
            return if self.inner.is_removed() { Admission::Removed } else { Admission::Loading };
        }
        if self.inner.draining.load(Ordering::Acquire) {
            return Admission::Draining;
        }
        if self.inner.replica.out_of_memory() { Admission::OutOfMemory } else { Admission::Open }
    }

    async fn snapshot(&self) -> Result<(), String> {
        let running = self.serving_parts().map_err(|failure| failure.to_string())?;
        let node = Some(running.identity.node.0);
        running.cluster.call(Call::Snapshot { node }).await.map(drop).map_err(|refusal| refusal.to_string())
    }

    async fn replicas_durable(&self) -> usize {
        let Ok(running) = self.serving_parts() else { return 0 };
        let members = running.raft.members();
        // What this node has acknowledged is on a majority, which may or may not include this node.
        let certain = rules::voters(&members).len() / 2;
        let index = running.replica.applied();
        let me = running.identity.node;
        let others = members.nodes.keys().filter(|node| **node != me);
        let asked = join_all(others.map(|node| self.inner.peers.ping(*node, ASK_MAX))).await;
        // Who has applied an entry has it on disk, or in a snapshot that is.
        let seen =
            asked.into_iter().filter(|answer| matches!(answer, Ok(pong) if pong.applied >= index)).count();
        seen.max(certain)
    }

    fn shutdown(&self) {
        let node = self.clone();
        // Apart from the client's runtime, which may end before the node has.
        self.inner.spawn(async move { node.stop().await });
    }

    fn facts(&self) -> NodeFacts {
        let uptime = self.inner.started.elapsed();
        let run_id = self.inner.run_id.clone();
        let port = self.inner.front.node_settings.number(PORT);
        let resp_port = u16::try_from(port).unwrap_or(0);
        let Some(running) = self.inner.running.get() else {
            return NodeFacts { run_id, uptime, resp_port, ..NodeFacts::default() };
        };
        let metrics = running.raft.metrics();
        let members = running.raft.members();
        let index = |id: Option<quorate_raft::LogId>| id.map_or(0, |id| id.index);
        let role = match metrics.role {
            quorate_raft::Role::Leader => Role::Leader,
            quorate_raft::Role::Follower => Role::Follower,
            quorate_raft::Role::Candidate => Role::Candidate,
            quorate_raft::Role::Learner if members.nodes.contains_key(&running.identity.node) => {
                Role::Learner
            }
            _ => Role::Outsider,
        };
        let members = members.nodes.iter().map(|(id, info)| MemberFacts {
            id: id.0,
            resp: info.resp.clone(),
            sentinel: info.sentinel.clone(),
            voter: members.is_voter(*id),
            alive: *id == running.identity.node || self.inner.peers.heard_of(*id),
            durable: metrics.replication.get(id).map(|matched| index(*matched)),
        });
        NodeFacts {
            cluster: format!("{:032x}", running.identity.cluster),
            node: running.identity.node.0,
            run_id,
            role: Some(role),
            show_roles: self.inner.options.show_roles,
            leader: metrics.leader.map(|leader| leader.0),
            in_touch: self.inner.is_in_touch(running),
            term: metrics.term,
            members: members.collect(),
            last_log: metrics.last_log.unwrap_or(0),
            first_log: metrics.purged.map_or(0, |id| id.index + 1),
            log_bytes: metrics.log_bytes,
            committed: index(metrics.committed),
            applied: running.replica.applied(),
            snapshot: index(metrics.snapshot),
            snapshot_unix_seconds: metrics.snapshots.newest_ms / 1000,
            snapshot_running: metrics.snapshots.is_running,
            snapshot_failed: metrics.snapshots.has_failed,
            snapshots: metrics.snapshots.written,
            resp_port,
            uptime,
            config_file: self.inner.options.config_file.clone(),
            allocated_bytes: self.inner.allocated_bytes.get().and_then(|ask| ask()),
            expired_keys: running.replica.expired(),
            evicted_keys: running.replica.evicted(),
        }
    }
}

/// Whether a state whose clock shows this is no older than the bound.
///
/// A leader that was cut off goes on believing that it leads, and so do the nodes that hear no other. But it commits
/// no ticks, so the clock of the state stands still there.
fn is_recent(shown: Millis, now: Millis, bound: Duration) -> bool {
    i128::from(now.0) - i128::from(shown.0) <= i128::try_from(bound.as_millis()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_whose_clock_stands_still_is_too_old_for_local_reads() {
        let bound = Duration::from_secs(5);
        assert!(is_recent(Millis(1_000), Millis(6_000), bound));
        assert!(!is_recent(Millis(1_000), Millis(6_001), bound));
        // A new leader's clock may be ahead of ours.
        assert!(is_recent(Millis(6_450), Millis(6_000), bound));
        assert!(!is_recent(Millis(0), Millis(i64::MAX), bound));
        assert!(is_recent(Millis(i64::MAX), Millis(i64::MIN), Duration::MAX));
    }
}
