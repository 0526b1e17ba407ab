//! Changes of the membership and of the leader, on the leader.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
};

use openraft::{
    ChangeMembers,
    errors::{ChangeMembershipError, ClientWriteError, RaftError},
};
use quorate_storage::NodeId;
use tokio::time::timeout;

use super::Raft;
use crate::{
    Error, Metrics, NodeInfo, Refused, Role,
    glue::{ORaft, Shared},
    types::{self, TypeConfig},
    watching,
};

type Change = ChangeMembers<u64, NodeInfo>;
type WriteError = RaftError<TypeConfig, ClientWriteError<TypeConfig>>;

/// An election after a transfer takes at most so many times the longest election timeout.
const TRANSFER_TIMEOUT_FACTOR: u32 = 4;

fn ids(nodes: impl IntoIterator<Item = NodeId>) -> BTreeSet<u64> {
    nodes.into_iter().map(|node| node.0).collect()
}

impl Raft {
    /// Adds a node that is replicated to and does not vote; one that is there already gets the new info. Does not wait
    /// for it to catch up.
    ///
    /// # Errors
    /// Operation errors; see [`Error`].
    pub async fn add_learner(&self, id: NodeId, info: NodeInfo) -> Result<(), Error> {
        if self.members.borrow().nodes.contains_key(&id) {
            return self.set_node_info(id, info).await;
        }
        self.transport.set_address(id, &info.peer);
        self.change(ChangeMembers::AddNodes(BTreeMap::from([(id.0, info)])), true).await
    }

    /// Makes exactly these nodes the voters, as one joint change. They must be members. Voters that are left out become
    /// learners or leave. A leader that is left out hands leadership over.
    ///
    /// # Errors
    /// Operation errors; see [`Error`].
    pub async fn change_voters(
        &self,
        voters: BTreeSet<NodeId>,
        retain_old_as_learners: bool,
    ) -> Result<(), Error> {
        if voters.is_empty() {
            return Err(Error::Unsafe("a cluster needs a voter".to_owned()));
        }
        let stays = voters.contains(&self.shared.node);
        self.change(ChangeMembers::ReplaceAllVoters(ids(voters)), retain_old_as_learners).await?;
        if !stays {
            // It goes on leading as a learner otherwise; if nobody can take over now, the policy task tries again.
            hand_over(&self.raft, &self.shared).await;
        }
        Ok(())
    }

    /// Removes learners.
    ///
    /// # Errors
    /// [`Error::Unsafe`] for a voter; operation errors.
    pub async fn remove_nodes(&self, nodes: BTreeSet<NodeId>) -> Result<(), Error> {
        let members = self.members();
        if let Some(voter) = nodes.iter().find(|node| members.is_voter(**node)) {
            return Err(Error::Unsafe(format!("node {voter} votes; change the voters first")));
        }
        if nodes.iter().all(|node| !members.nodes.contains_key(node)) {
            return Ok(());
        }
        self.change(ChangeMembers::RemoveNodes(ids(nodes)), true).await
    }

    /// Replaces what the cluster knows of a node.
    ///
    /// # Errors
    /// [`Error::Unsafe`] if it is no member; operation errors.
    pub async fn set_node_info(&self, id: NodeId, info: NodeInfo) -> Result<(), Error> {
        let known = self.members.borrow().nodes.get(&id).cloned();
        match known {
            None => Err(Error::Unsafe(format!("node {id} is no member"))),
            Some(known) if known == info => Ok(()),
            Some(_) => self.change(ChangeMembers::SetNodes(BTreeMap::from([(id.0, info)])), true).await,
        }
    }

    async fn change(&self, change: Change, retain: bool) -> Result<(), Error> {
        // A new leader refuses changes as well until it is confirmed.
        self.confirmation().await;
        let change = async {
            self.raft.change_membership(change, retain).await.map_err(|error| self.write_error(error))
        };
        self.within(change).await.map(|_| ())
    }

    async fn within<T>(&self, operation: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let limit = self.shared.options.operation_timeout;
        timeout(limit, operation).await.map_err(|_| Error::Timeout(limit))?
    }

    fn write_error(&self, error: WriteError) -> Error {
        let error = match error {
            RaftError::Fatal(fatal) => return self.stopped(&fatal),
            RaftError::APIError(error) => error,
        };
        match error {
            ClientWriteError::ForwardToLeader(forward) => match types::refusal(&forward) {
                Refused::NotLeader { leader } => Error::NotLeader { leader },
                other => Error::Unavailable(other.to_string()),
            },
            ClientWriteError::ChangeMembershipError(ChangeMembershipError::InProgress(_)) => {
                Error::InProgress
            }
            ClientWriteError::ChangeMembershipError(
                error @ ChangeMembershipError::UncommittedLeaderLog(_),
            ) => Error::Unavailable(error.to_string()),
            ClientWriteError::ChangeMembershipError(error) => Error::Unsafe(error.to_string()),
            ClientWriteError::PreconditionFailed(_) => Error::InProgress,
            ClientWriteError::LogEntryDiscarded(_) => {
                Error::Unavailable("the leader changed meanwhile; the outcome is unknown".to_owned())
            }
        }
    }

    /// Hands leadership to a voter that has caught up, and waits until another leader than this node is known.
    ///
    /// While it is handed over the old leader takes no proposals, and it does not take the target back if it is silent:
    /// then an election decides. So the target's lag and last answer are looked at first.
    ///
    /// # Errors
    /// [`Error::Unsafe`] if the target lags, is silent, or is no voter; [`Error::NotLeader`]; [`Error::Timeout`].
    pub async fn transfer_leader(&self, to: NodeId) -> Result<(), Error> {
        let metrics = self.metrics();
        if metrics.role != Role::Leader {
            return Err(Error::NotLeader {
                leader: metrics.leader.filter(|leader| *leader != self.shared.node),
            });
        }
        if to == self.shared.node {
            return Ok(());
        }
        if !self.members.borrow().is_voter(to) {
            return Err(Error::Unsafe(format!("node {to} does not vote")));
        }
        self.check_target(&metrics, to)?;
        let mut leadership = self.leadership();
        self.raft.trigger().transfer_leader(to.0).await.map_err(|fatal| self.stopped(&fatal))?;
        let limit = self.shared.options.election_max * TRANSFER_TIMEOUT_FACTOR;
        let moved = leadership.wait_for(|now| !now.leader_is_me && now.leader.is_some());
        match timeout(limit, moved).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(Error::Stopped("Raft has stopped".to_owned())),
            Err(_) => Err(Error::Timeout(limit)),
        }
    }

    fn check_target(&self, metrics: &Metrics, to: NodeId) -> Result<(), Error> {
        let options = &self.shared.options;
        let matched = metrics.replication.get(&to).copied().flatten().map_or(0, |id| id.index);
        let lag = metrics.last_log.unwrap_or_default().saturating_sub(matched);
        if lag > options.transfer_lag_max {
            return Err(Error::Unsafe(format!("node {to} lags by {lag} entries")));
        }
        match metrics.last_answer.get(&to).copied().flatten() {
            Some(since) if since <= options.election_max => Ok(()),
            Some(since) => Err(Error::Unsafe(format!("node {to} has not answered for {since:?}"))),
            None => Err(Error::Unsafe(format!("node {to} has not answered yet"))),
        }
    }
}

/// Hands leadership to the voter that has most of the log, among those that answer and have room. Nothing happens if this
/// node does not lead or there is nobody.
pub(crate) async fn hand_over(raft: &ORaft, shared: &Shared) -> Option<NodeId> {
    let metrics = watching::gather(raft, shared);
    if metrics.role != Role::Leader {
        return None;
    }
    let voters: BTreeSet<u64> = raft.voter_ids().collect();
    let is_able = |node: &NodeId| {
        let since = metrics.last_answer.get(node).copied().flatten();
        *node != shared.node
            && voters.contains(&node.0)
            && !metrics.full_peers.contains(node)
            && since.is_some_and(|since| since <= shared.options.election_max)
    };
    let able = metrics.replication.iter().filter(|(node, _)| is_able(node));
    let (to, matched) = able.max_by_key(|(_, matched)| **matched)?;
    let lag = metrics.last_log.unwrap_or_default().saturating_sub(matched.map_or(0, |id| id.index));
    if lag > shared.options.transfer_lag_max {
        return None;
    }
    tracing::info!(%to, "this node hands leadership over");
    raft.trigger().transfer_leader(to.0).await.ok()?;
    Some(*to)
}
