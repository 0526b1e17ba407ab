//! Read indexes: what has to be applied before a read (section 6.4 of the Raft thesis), for as few messages as it takes.
//!
//! openraft confirms a leadership by heartbeats to all followers, which pass through its core on every node. Here the
//! leader asks no more followers than it needs for a quorum whether their vote is still with it, and a follower that
//! wants a read index tells its own unasked: of three nodes, none has to be asked for it. Where that does not do
//! (during a change of the voters, right after an election, without a quorum), openraft decides as before.
//!
//! Why it is right, for a read that began before the call:
//! - A quorum, this node included, had its durable vote with this leader at some moment after the read began, and none
//!   for another on its way to the disk. A vote is durable before it is granted, so until then nobody else had won, and
//!   whatever was acknowledged before the read was committed by this leader, or by one before it.
//! - What this leader committed reaches others only through messages that this node sends, and clients only when it is
//!   applied; the index is that of the last committed entry that was sent or applied here. What earlier leaders
//!   committed lies below the first entry that this one commits, and until there is one this is not used.
//! - The voters are those in effect, read before anybody is asked. A leader that other voters elect alone needs an entry
//!   that openraft appends only after the joint one, during which this is not used.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use openraft::{
    ReadPolicy,
    async_runtime::WatchReceiver as _,
    errors::{LinearizableReadError, RaftError},
};
use parking_lot::Mutex;
use quorate_storage::{NodeId, Vote};
use tokio::time::sleep;

use super::{Raft, with_hint};
use crate::{
    Channel, Refused, Transport,
    glue::{ORaft, Shared},
    types,
    wire::message,
};

/// A follower that has not answered by then is no longer waited for alone: all others are asked as well.
const HEDGE: Duration = Duration::from_millis(5);

/// A follower's word that its vote was with this leader when it was given, and with nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Support {
    vote: Vote,
}

impl Support {
    /// 17 bytes: the vote, as in Raft's own messages.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        message::encode_plain_vote(&types::o_vote(self.vote))
    }

    /// Reads what [`encode`](Support::encode) wrote. From other bytes there is no support, which is never wrong.
    #[must_use]
    pub fn decode(bytes: Bytes) -> Option<Support> {
        let vote = types::vote(&message::decode_plain_vote(bytes).ok()?);
        vote.committed.then_some(Support { vote })
    }
}

/// Whom the leader asks.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The follower that completed the last quorum: it is asked first.
    quickest: Mutex<NodeId>,
}

impl Raft {
    /// On the leader: the index that must be applied before a read that began before this call, after a quorum has
    /// confirmed the leader.
    ///
    /// # Errors
    /// If this node does not lead, or no quorum answers.
    pub async fn read_index(&self) -> Result<u64, Refused> {
        self.read_index_with(None).await
    }

    /// The same for a read on a follower, which gave its [`support`](Raft::support) after the read had begun.
    ///
    /// # Errors
    /// If this node does not lead, or no quorum answers.
    pub async fn read_index_with(&self, supporter: Option<(NodeId, Support)>) -> Result<u64, Refused> {
        let supporter = supporter.map(|(node, support)| (node, support.vote));
        match self.reading.index(&self.raft, &self.shared, &self.transport, supporter).await {
            Some(index) => Ok(index),
            None => self.barrier(ReadPolicy::ReadIndex).await,
        }
    }

    /// This node's word for the leader that its vote is with, or none while it is with nobody for certain.
    #[must_use]
    pub fn support(&self) -> Option<Support> {
        let vote = self.shared.durable_vote().filter(|vote| vote.committed)?;
        Some(Support { vote })
    }

    /// The same without asking anybody, as long as the leader's last confirmation is younger than the lease that followers
    /// grant with each. Right only as long as no clock runs more than a little faster than another, and only with
    /// [`crate::RaftOptions::lease_reads`] on all members: followers that restart would forget their lease (TiKV had that bug).
    ///
    /// # Errors
    /// If this node does not lead, its lease is over, or lease reads are off.
    pub async fn read_index_by_lease(&self) -> Result<u64, Refused> {
        if !self.shared.options.lease_reads {
            return Err(Refused::Retry("lease reads are off"));
        }
        self.barrier(ReadPolicy::LeaseRead).await
    }

    async fn barrier(&self, policy: ReadPolicy) -> Result<u64, Refused> {
        match self.raft.get_read_linearizer(policy).await {
            Ok(barrier) => Ok(barrier.read_log_id().index()),
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
                Err(with_hint(types::refusal(&forward), &self.leadership, self.shared.node))
            }
            Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => {
                Err(Refused::Retry("no quorum confirms it"))
            }
            Err(RaftError::Fatal(_)) => Err(Refused::Stopped),
        }
    }
}

impl Reading {
    /// The index, or nothing where openraft has to be asked.
    async fn index(
        &self,
        raft: &ORaft,
        shared: &Arc<Shared>,
        transport: &Transport,
        supporter: Option<(NodeId, Vote)>,
    ) -> Option<u64> {
        let (vote, mut others) = leading(raft, shared)?;
        let committed = (*shared.committed.lock()).filter(|id| id.leader == vote.leader)?;
        let mut missing = others.len() / 2 + 1;
        others.retain(|voter| {
            let supports = *voter == shared.node || supporter == Some((*voter, vote));
            missing = missing.saturating_sub(usize::from(supports));
            !supports
        });
        if missing == 0 {
            return Some(committed.index);
        }
        let quickest = *self.quickest.lock();
        others.sort_by_key(|voter| *voter != quickest);
        let mut unasked =
            others.into_iter().map(|voter| ask(transport, voter, vote, shared.options.election_min));
        let mut asked: FuturesUnordered<_> = unasked.by_ref().take(missing).collect();
        let mut hedge = std::pin::pin!(sleep(HEDGE));
        loop {
            tokio::select! {
                biased;
                answer = asked.next() => match answer? {
                    (voter, true) => {
                        missing -= 1;
                        if missing == 0 {
                            *self.quickest.lock() = voter;
                            return Some(committed.index);
                        }
                    }
                    (_, false) => asked.extend(unasked.next()),
                },
                () = &mut hedge, if unasked.len() > 0 => asked.extend(unasked.by_ref()),
            }
        }
    }
}

/// The vote by which this node leads, and the voters, if it certainly led a moment ago and they are of one kind.
fn leading(raft: &ORaft, shared: &Shared) -> Option<(Vote, Vec<NodeId>)> {
    let report = raft.server_metrics();
    let report = report.borrow_watched();
    let vote = types::vote(&report.vote);
    let [voters] = report.membership_config.membership().get_joint_config().as_slice() else { return None };
    // In a term of before its start this node leads no more, though its vote on the disk says so.
    let leads = report.state.is_leader() && vote.committed && shared.is_durable_vote(vote);
    leads.then(|| (vote, voters.iter().copied().map(NodeId).collect()))
}

async fn ask(transport: &Transport, voter: NodeId, vote: Vote, within: Duration) -> (NodeId, bool) {
    let body = Support { vote }.encode();
    let answer = transport.call(voter, Channel::Control, message::SUPPORT, body, within).await;
    (voter, answer.is_ok_and(|answer| answer.first() == Some(&1)))
}
