//! Who belongs to the cluster, and where each is found.

use std::collections::{BTreeMap, BTreeSet};

use quorate_storage::NodeId;
use serde::{Deserialize, Serialize};

/// What the cluster knows of a node: replicated with the membership, so that every node announces the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// A small number for people, unique in the cluster.
    pub number: u32,
    /// Where peers connect, `host:port`.
    pub peer: String,
    /// Where Redis clients connect, as announced to them.
    pub resp: String,
    /// Where the admin API listens.
    pub admin: String,
    /// Where the Sentinel façade listens; empty without one.
    pub sentinel: String,
    /// Lowest and highest feature level that the node supports.
    pub version: (u32, u32),
    /// Free labels: zone, rack, …
    pub labels: Vec<(String, String)>,
}

/// The membership.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// The voters: one set, or two while a change is under way (joint consensus, §6), each of which must have a majority.
    pub voters: Vec<BTreeSet<NodeId>>,
    /// Nodes that are replicated to and do not vote.
    pub learners: BTreeSet<NodeId>,
    /// All of them, with their addresses.
    pub nodes: BTreeMap<NodeId, NodeInfo>,
}

impl Members {
    /// Whether a change of voters is under way.
    #[must_use]
    pub fn is_joint(&self) -> bool {
        self.voters.len() > 1
    }

    /// Whether the node votes, in any of the sets.
    #[must_use]
    pub fn is_voter(&self, node: NodeId) -> bool {
        self.voters.iter().any(|set| set.contains(&node))
    }

    /// All voters, of both sets while a change is under way.
    #[must_use]
    pub fn voter_ids(&self) -> BTreeSet<NodeId> {
        self.voters.iter().flatten().copied().collect()
    }
}
