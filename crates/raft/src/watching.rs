//! Turns what openraft reports into our plain values, and keeps the transport's addresses as the membership has them.

use std::{sync::Arc, time::Duration};

use openraft::{ServerState, async_runtime::WatchReceiver as _, vote::RaftVote};
use quorate_storage::NodeId;
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    Leadership, Members, Metrics, Role, Transport,
    glue::{ORaft, Shared},
    types::{self, TypeConfig},
};

/// Two reports of all metrics are at least this far apart: openraft has a new one for each group of entries.
const REPORT_PAUSE: Duration = Duration::from_millis(5);

/// Follows leadership and membership without delay.
pub(crate) async fn follow_servers(
    raft: ORaft,
    transport: Transport,
    leadership: watch::Sender<Leadership>,
    members: watch::Sender<Arc<Members>>,
    stopped: CancellationToken,
) {
    let mut reports = raft.server_metrics();
    loop {
        let (now, seen) = {
            let report = reports.borrow_and_update();
            let term = RaftVote::leader_id(&report.vote).term;
            let leader_is_me = report.state.is_leader();
            let leader = report.current_leader.map(NodeId);
            (Leadership { term, leader, leader_is_me }, types::members(report.membership_config.membership()))
        };
        members.send_if_modified(|known| {
            let is_new = **known != seen;
            if is_new {
                for (node, info) in seen.nodes.iter().filter(|(_, info)| !info.peer.is_empty()) {
                    transport.set_address(*node, &info.peer);
                }
                *known = Arc::new(seen);
            }
            is_new
        });
        leadership.send_if_modified(|known| std::mem::replace(known, now) != now);
        tokio::select! {
            () = stopped.cancelled() => return,
            changed = reports.changed() => if changed.is_err() { return },
        }
    }
}

/// Follows everything else, at a bounded rate.
pub(crate) async fn follow_metrics(
    raft: ORaft,
    shared: Arc<Shared>,
    metrics: watch::Sender<Metrics>,
    stopped: CancellationToken,
) {
    let mut reports = raft.metrics();
    loop {
        let now = {
            let _seen = reports.borrow_and_update();
            drop(_seen);
            gather(&raft, &shared)
        };
        metrics.send_replace(now);
        let next = async {
            let changed = reports.changed().await;
            sleep(REPORT_PAUSE).await;
            changed
        };
        tokio::select! {
            () = stopped.cancelled() => return,
            changed = next => if changed.is_err() {
                // The last report says why Raft stopped.
                metrics.send_replace(gather(&raft, &shared));
                return;
            },
        }
    }
}

/// Everything as it is now.
pub(crate) fn gather(raft: &ORaft, shared: &Shared) -> Metrics {
    let report = raft.metrics();
    let report = report.borrow_watched();
    let log = shared.log.state();
    let role = match (&report.running_state, report.state) {
        (Err(_), _) | (_, ServerState::Shutdown) => Role::Stopped,
        (_, ServerState::Learner) => Role::Learner,
        (_, ServerState::Follower) => Role::Follower,
        (_, ServerState::Candidate) => Role::Candidate,
        (_, ServerState::Leader) => Role::Leader,
    };
    let error = match &report.running_state {
        Ok(()) => None,
        Err(fatal) => Some(shared.fault.lock().clone().unwrap_or_else(|| fatal.to_string())),
    };
    let position = |id: &Option<types::OLogId>| id.as_ref().map(types::log_id);
    let replication = report.replication.iter().flatten();
    let answers = report.heartbeat.iter().flatten();
    Metrics {
        node: shared.node,
        term: report.current_term,
        vote: types::vote(&report.vote),
        durable_vote: shared.votes.lock().durable,
        role,
        leader: report.current_leader.map(NodeId),
        last_log: report.last_log_index,
        committed: position(&report.local_committed),
        cluster_committed: position(&report.cluster_committed),
        applied: position(&report.last_applied),
        snapshot: position(&report.snapshot),
        snapshots: shared.snapshot_figures(),
        purged: position(&report.purged),
        replication: replication.map(|(node, id)| (NodeId(*node), position(id))).collect(),
        last_answer: answers.map(|(node, at)| (NodeId(*node), at.as_ref().map(|at| elapsed(at)))).collect(),
        since_quorum_ack: report.last_quorum_acked.as_ref().map(|at| elapsed(at)),
        log_bytes: log.bytes,
        disk_full: log.disk_full,
        full_peers: shared.full_peers.lock().clone(),
        error,
    }
}

type Instant = <<TypeConfig as openraft::RaftTypeConfig>::AsyncRuntime as openraft::AsyncRuntime>::Instant;

fn elapsed(at: &Instant) -> Duration {
    openraft::Instant::elapsed(at)
}
