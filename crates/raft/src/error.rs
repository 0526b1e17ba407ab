//! What can go wrong, by the reaction that it asks for.

use quorate_storage::NodeId;

/// Why an operation on the cluster did not happen, or is not known to have happened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Only the leader does this.
    #[error("this node is not the leader{}", hint(.leader))]
    NotLeader {
        /// Whom to ask instead, if known; never the node that answers.
        leader: Option<NodeId>,
    },
    /// A change of membership is under way; one at a time.
    #[error("another change of membership is under way")]
    InProgress,
    /// The change would endanger the cluster, or is impossible as asked.
    #[error("refused: {0}")]
    Unsafe(String),
    /// Not done in time; it may still happen.
    #[error("not done within {0:?}; it may still happen")]
    Timeout(std::time::Duration),
    /// This node's Raft has stopped, with the reason.
    #[error("Raft has stopped on this node: {0}")]
    Stopped(String),
    /// There is no leader or no quorum now.
    #[error("unavailable now: {0}")]
    Unavailable(String),
    /// The node belongs to a formed cluster already.
    #[error("the cluster is formed already")]
    AlreadyFormed,
    /// Options that cannot work.
    #[error("option {name}: {reason}")]
    Option {
        /// Name of the option.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Stored bytes that this version cannot understand.
    #[error("cannot read {what}: {reason}")]
    Format {
        /// What was to be read.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The state machine reported a fault.
    #[error("state machine: {0}")]
    Machine(#[from] crate::Fault),
    /// The disk, or what is on it.
    #[error(transparent)]
    Storage(#[from] quorate_storage::Error),
}

fn hint(leader: &Option<NodeId>) -> String {
    leader.map(|leader| format!("; node {leader} is")).unwrap_or_default()
}

/// How to react to an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Ask the leader.
    Redirect,
    /// Try again later.
    Retry,
    /// The outcome is unknown: look before trying again.
    Unknown,
    /// Change the request or the options.
    Fix,
    /// Stop this node.
    Fault,
}

impl Error {
    /// The reaction that this error asks for.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotLeader { .. } => ErrorKind::Redirect,
            Self::InProgress | Self::Unavailable(_) => ErrorKind::Retry,
            Self::Timeout(_) => ErrorKind::Unknown,
            Self::Unsafe(_) | Self::AlreadyFormed | Self::Option { .. } => ErrorKind::Fix,
            Self::Stopped(_) | Self::Machine(_) | Self::Storage(_) | Self::Format { .. } => ErrorKind::Fault,
        }
    }
}

/// Why a proposal or a read barrier was not accepted.
///
/// Except for [`Refused::Discarded`] and [`Refused::Stopped`] the proposal did not enter any log through this call.
/// An earlier sending of the same bytes may still commit: the node tells repeats apart by its own sequence numbers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// This node does not lead.
    #[error("this node is not the leader{}", hint(.leader))]
    NotLeader {
        /// Whom to ask instead, if known; never the node that answers.
        leader: Option<NodeId>,
    },
    /// This node leads, or did so just now, but cannot prove it to itself at the moment, or hands leadership over.
    #[error("the leader cannot accept it now: {0}")]
    Retry(&'static str),
    /// The entry was in this node's log and lost its place to another leader's; it may commit all the same.
    #[error("the entry was discarded on a change of leader; its outcome is unknown")]
    Discarded {
        /// The leader since, if known.
        leader: Option<NodeId>,
    },
    /// Raft has stopped on this node; the outcome is unknown.
    #[error("Raft has stopped on this node")]
    Stopped,
}

impl Refused {
    /// Whether the call that was refused is certain to have put nothing into any log.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        matches!(self, Self::NotLeader { .. } | Self::Retry(_))
    }
}
