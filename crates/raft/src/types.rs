//! The types that openraft works with, and their conversions to ours. Nothing of this leaves the crate.

use std::{any::Any, collections::BTreeSet, fmt};

use bytes::Bytes;
use openraft::{
    EntryPayload, OptionalSend, RaftTypeConfig,
    errors::{ClientWriteError, ForwardReason, ForwardToLeader},
    raft::{ClientWriteResult, responder::Responder},
    vote::RaftVote,
};
use quorate_storage::{Entry, EntryKind, LeaderId, LogId, NodeId, Vote};

use crate::{Error, Members, NodeInfo, Refused, runtime::Runtime, wire::membership};

/// openraft's configuration by types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TypeConfig;

pub(crate) type OLeaderId = openraft::vote::leader_id_adv::LeaderId<u64, u64>;
pub(crate) type OLogId = openraft::LogId<OLeaderId>;
pub(crate) type OVote = openraft::Vote<OLeaderId>;
pub(crate) type OPayload = EntryPayload<Data, u64, NodeInfo>;
pub(crate) type OEntry = openraft::Entry<OLeaderId, OPayload>;
pub(crate) type OMembership = openraft::Membership<u64, NodeInfo>;
pub(crate) type OStoredMembership = openraft::StoredMembership<OLeaderId, u64, NodeInfo>;
pub(crate) type OSnapshotMeta = openraft::SnapshotMeta<OLeaderId, u64, NodeInfo>;

impl RaftTypeConfig for TypeConfig {
    type D = Data;
    type R = ();
    type NodeId = u64;
    type Node = NodeInfo;
    type Term = u64;
    type LeaderId = OLeaderId;
    type Vote = OVote;
    type Payload = OPayload;
    type Entry = OEntry;
    type AsyncRuntime = Runtime;
    type Responder<T>
        = RefusalResponder
    where
        T: OptionalSend + 'static;
    type Batch<T>
        = openraft::impls::InlineBatch<T>
    where
        T: OptionalSend + 'static;
    type ErrorSource = openraft::impls::BoxedErrorSource;
}

/// Proposed bytes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Data(pub(crate) Bytes);

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Calls back when a proposal is refused or lost. Dropped without a word, it reports that Raft has stopped.
pub(crate) struct RefusalResponder(Option<Box<dyn FnOnce(Refused) + Send>>);

impl RefusalResponder {
    pub(crate) fn new(refused: impl FnOnce(Refused) + Send + 'static) -> Self {
        Self(Some(Box::new(refused)))
    }
}

impl Drop for RefusalResponder {
    fn drop(&mut self) {
        if let Some(refused) = self.0.take() {
            refused(Refused::Stopped);
        }
    }
}

// openraft's responders are generic over what they are told; it only ever tells this one the outcome of a write.
impl<T: OptionalSend + 'static> Responder<TypeConfig, T> for RefusalResponder {
    fn on_complete(mut self, result: T) {
        let Some(refused) = self.0.take() else { return };
        let outcome = (&result as &dyn Any).downcast_ref::<ClientWriteResult<TypeConfig>>();
        match outcome.expect("only outcomes of writes are reported") {
            Ok(_) => {}
            Err(ClientWriteError::ForwardToLeader(forward)) => refused(refusal(forward)),
            Err(ClientWriteError::LogEntryDiscarded(forward)) => {
                refused(Refused::Discarded { leader: forward.leader_id.map(NodeId) });
            }
            Err(_) => refused(Refused::Retry("the leader does not take proposals now")),
        }
    }
}

/// What openraft's refusal means for the caller. A leader that cannot act names nobody, so that nobody loops to it.
pub(crate) fn refusal(forward: &ForwardToLeader<TypeConfig>) -> Refused {
    match forward.reason {
        ForwardReason::NotLeader => Refused::NotLeader { leader: forward.leader_id.map(NodeId) },
        ForwardReason::LeadershipTransfer => Refused::Retry("leadership is being handed over"),
        ForwardReason::LeaseExpired => Refused::Retry("no quorum has confirmed it yet"),
    }
}

pub(crate) fn log_id(id: &OLogId) -> LogId {
    LogId::new(id.leader_id.term, id.leader_id.node_id, id.index)
}

pub(crate) fn o_log_id(id: LogId) -> OLogId {
    OLogId { leader_id: o_leader_id(id.leader), index: id.index }
}

fn o_leader_id(id: LeaderId) -> OLeaderId {
    OLeaderId { term: id.term, node_id: id.node }
}

pub(crate) fn vote(vote: &OVote) -> Vote {
    let leader = RaftVote::leader_id(vote);
    Vote {
        leader: LeaderId { term: leader.term, node: leader.node_id },
        committed: RaftVote::is_committed(vote),
    }
}

pub(crate) fn o_vote(vote: Vote) -> OVote {
    OVote::from_leader_id(o_leader_id(vote.leader), vote.committed)
}

pub(crate) fn members(membership: &OMembership) -> Members {
    let set = |ids: &BTreeSet<u64>| ids.iter().copied().map(NodeId).collect();
    Members {
        voters: membership.get_joint_config().iter().map(set).collect(),
        learners: membership.learner_ids().map(NodeId).collect(),
        nodes: membership.nodes().map(|(id, info)| (NodeId(*id), info.clone())).collect(),
    }
}

pub(crate) fn o_membership(members: &Members) -> Result<OMembership, Error> {
    let voters = members.voters.iter().map(|set| set.iter().map(|id| id.0).collect()).collect();
    let nodes: std::collections::BTreeMap<u64, NodeInfo> =
        members.nodes.iter().map(|(id, info)| (id.0, info.clone())).collect();
    OMembership::new(voters, nodes)
        .map_err(|error| Error::Format { what: "the membership", reason: error.to_string() })
}

/// An entry as the log keeps it. The payload is shared, not copied.
pub(crate) fn stored_entry(entry: OEntry) -> Entry {
    let (kind, payload) = match entry.payload {
        EntryPayload::Blank => (EntryKind::Blank, Bytes::new()),
        EntryPayload::Normal(Data(bytes)) => (EntryKind::Batch, bytes),
        EntryPayload::Membership(membership) => {
            (EntryKind::Membership, membership::encode(&members(&membership)).into())
        }
    };
    Entry { id: log_id(&entry.log_id), kind: kind.into(), payload }
}

/// An entry as openraft knows it.
pub(crate) fn o_entry(entry: Entry) -> Result<OEntry, Error> {
    let payload = match EntryKind::from_byte(entry.kind) {
        Some(EntryKind::Blank) => EntryPayload::Blank,
        Some(EntryKind::Batch) => EntryPayload::Normal(Data(entry.payload)),
        Some(EntryKind::Membership) => {
            EntryPayload::Membership(o_membership(&membership::decode(&entry.payload)?)?)
        }
        None => {
            // Skipping it would make this node's state another than its peers'.
            let reason = format!("kind {} of entry {} is unknown to this program", entry.kind, entry.id);
            return Err(Error::Format { what: "a log entry", reason });
        }
    };
    Ok(OEntry { log_id: o_log_id(entry.id), payload })
}
