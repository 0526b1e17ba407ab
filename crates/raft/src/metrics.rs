//! What Raft says of itself, as plain values.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use quorate_storage::{LogId, NodeId, Vote};

/// Who leads, as this node sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// Raft term.
    pub term: u64,
    /// The leader of the term, if one is known to have won.
    pub leader: Option<NodeId>,
    /// Whether it is this node. Only a barrier proves that it still is.
    pub leader_is_me: bool,
}

/// What a node does at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Is replicated to, does not vote.
    #[default]
    Learner,
    /// Votes, and follows a leader or waits for one.
    Follower,
    /// Asks for votes.
    Candidate,
    /// Leads.
    Leader,
    /// Raft has stopped.
    Stopped,
}

/// A snapshot of the state of Raft on this node. Positions are `None` while there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// This node.
    pub node: NodeId,
    /// Current term.
    pub term: u64,
    /// The current vote; it may still be on its way to the disk.
    pub vote: Vote,
    /// The last vote that this process has made durable.
    pub durable_vote: Option<Vote>,
    /// What the node does.
    pub role: Role,
    /// The leader, if known.
    pub leader: Option<NodeId>,
    /// Index of the last entry in this node's log.
    pub last_log: Option<u64>,
    /// The last entry that this node knows to be committed and has itself.
    pub committed: Option<LogId>,
    /// The last entry that this node has heard to be committed anywhere.
    pub cluster_committed: Option<LogId>,
    /// The last applied entry.
    pub applied: Option<LogId>,
    /// The last entry that the latest snapshot includes.
    pub snapshot: Option<LogId>,
    /// The writing of snapshots on this node.
    pub snapshots: SnapshotFigures,
    /// The last entry removed from the log.
    pub purged: Option<LogId>,
    /// On the leader: the last entry each node is known to have.
    pub replication: BTreeMap<NodeId, Option<LogId>>,
    /// On the leader: the time since each other node last answered.
    pub last_answer: BTreeMap<NodeId, Option<Duration>>,
    /// On the leader: the time since a quorum last confirmed it; `None` before the first time.
    pub since_quorum_ack: Option<Duration>,
    /// Bytes of the entries in the log.
    pub log_bytes: u64,
    /// There is no room for new entries on this node's disk: refuse proposals until it clears.
    pub disk_full: bool,
    /// On the leader: nodes that said the same of themselves when they last answered.
    pub full_peers: BTreeSet<NodeId>,
    /// Why Raft has stopped on this node, if it has.
    pub error: Option<String>,
}

/// What became of the snapshots that this node wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotFigures {
    /// One is being written.
    pub is_running: bool,
    /// The last attempt failed.
    pub has_failed: bool,
    /// Finished since the start.
    pub written: u64,
    /// Agreed time of the newest one, also of one from before the start or from a peer, in milliseconds since
    /// the Unix epoch; 0 without one.
    pub newest_ms: u64,
}

impl Metrics {
    /// Whether new proposals should be refused for want of room: on this node, or on so many that no majority of voters
    /// could write them.
    #[must_use]
    pub fn is_full(&self, members: &crate::Members) -> bool {
        let has_room = |node: &&NodeId| !self.full_peers.contains(node);
        let can_write = |set: &BTreeSet<NodeId>| set.iter().filter(has_room).count() > set.len() / 2;
        self.disk_full || !members.voters.iter().all(can_write)
    }
}
