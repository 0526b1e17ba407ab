//! What an administrator asks of a cluster, and what he is told: plain values.
//!
//! The HTTP API, the command line and the embedding API all speak in these types; the cluster's rules
//! live in `cluster.rs`. Every call may be made on any node, which forwards it to the leader.
//! Every call is idempotent or says what it changed.
//!
//! Invariant: these types are JSON on the outside (`serde_json`, field names are API) and travel
//! between nodes as JSON as well, so that a mixed-version cluster can still be administered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One administrative change or question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "kebab-case")]
pub enum Call {
    /// Adds a node as a learner: it receives the log and does not vote. Idempotent.
    Add {
        /// The node's number, or `None` for the next free one.
        number: Option<u32>,
        /// Where the node listens.
        addresses: Addresses,
    },
    /// Makes learners voters, all at once, when they have caught up.
    Promote {
        /// The nodes.
        nodes: Vec<u64>,
        /// Do it even if an even number of voters results or a learner lags.
        #[serde(default)]
        force: bool,
    },
    /// Makes voters learners, all at once.
    Demote {
        /// The nodes.
        nodes: Vec<u64>,
        /// Do it even if an even number of voters results or the quorum is at risk.
        #[serde(default)]
        force: bool,
    },
    /// Removes nodes from the cluster; a leader among them hands over its leadership first.
    Remove {
        /// The nodes.
        nodes: Vec<u64>,
        /// Do it even if an even number of voters results or the quorum is at risk.
        #[serde(default)]
        force: bool,
    },
    /// Puts one node in the place of another in a single joint change.
    Replace {
        /// The node that goes.
        old: u64,
        /// The learner that takes its place.
        new: u64,
        /// Do it even if the new node lags.
        #[serde(default)]
        force: bool,
    },
    /// Changes a node's announced addresses.
    SetAddresses {
        /// The node.
        node: u64,
        /// Its new addresses; empty strings keep the old ones.
        addresses: Addresses,
    },
    /// Hands the leadership over.
    Transfer {
        /// The node to lead, or `None` for the voter that is furthest ahead.
        to: Option<u64>,
    },
    /// Takes a snapshot on a node, or on all.
    Snapshot {
        /// The node, or `None` for every node.
        node: Option<u64>,
    },
    /// Prepares a node for a planned stop: refuses new connections, finishes open requests, hands over
    /// leadership. `on: false` takes it back.
    Drain {
        /// The node.
        node: u64,
        /// Whether to drain or to take it back.
        on: bool,
    },
}

/// Where a node listens, as `host:port`; empty where it does not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Addresses {
    /// Peer protocol.
    pub peer: String,
    /// RESP, as announced to clients.
    pub resp: String,
    /// The admin HTTP API.
    pub admin: String,
    /// The Sentinel façade.
    pub sentinel: String,
}

/// What a call did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Whether anything changed (`false`: it was so already).
    pub changed: bool,
    /// One line for a person.
    pub message: String,
    /// The nodes that the call was about, for example the id given to an added node.
    #[serde(default)]
    pub nodes: Vec<u64>,
}

/// Why a call was refused or failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// What kind of refusal it is.
    pub kind: RefusalKind,
    /// The reason, for a person.
    pub detail: String,
}

/// The reactions that a refusal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// The request itself is wrong (HTTP 400).
    Invalid,
    /// No such node (HTTP 404).
    NotFound,
    /// It would risk the quorum or leave an even number of voters; `force` does it all the same (HTTP 409).
    Unsafe,
    /// Another change is under way, or the node has not caught up; try again later (HTTP 409).
    Busy,
    /// There is no leader or no quorum; try again later (HTTP 503).
    Unavailable,
    /// It took too long; whether it took effect is seen in the status (HTTP 504).
    Timeout,
    /// A fault of this node (HTTP 500).
    Internal,
}

/// A node's part in consensus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The leader.
    Leader,
    /// A voter that follows.
    Follower,
    /// A voter that asks for votes.
    Candidate,
    /// It receives the log and does not vote.
    Learner,
    /// It is no member (yet, or any more).
    Outsider,
}

/// The cluster as one node sees it, with what it could ask of the others.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// The cluster's id in hexadecimal; empty before it has formed.
    pub cluster: String,
    /// The node that answered.
    pub answered_by: u64,
    /// The current term.
    pub term: u64,
    /// The leader, if one is known.
    pub leader: Option<u64>,
    /// The last committed log index that the answering node knows of.
    pub committed: u64,
    /// Whether a majority of voters answered.
    pub quorum: bool,
    /// Whether a change of membership is half done.
    pub joint: bool,
    /// The members, by id.
    pub nodes: BTreeMap<u64, NodeStatus>,
}

/// One member of the cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its id in the cluster; a node that lost its disk comes back under a new one.
    pub id: u64,
    /// Its number in the configuration; stays.
    pub number: u32,
    /// Its part in consensus.
    pub role: Role,
    /// Whether it votes.
    pub voter: bool,
    /// Whether it answered.
    pub alive: bool,
    /// Where it listens.
    pub addresses: Addresses,
    /// What it told of itself; `None` if it did not answer.
    pub report: Option<NodeReport>,
}

/// What a node tells of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeReport {
    /// The version of the program.
    pub version: String,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// The number of its start, counted on its disk.
    pub incarnation: u64,
    /// Its term.
    pub term: u64,
    /// The leader that it follows.
    pub leader: Option<u64>,
    /// The last entry in its log.
    pub last_log: u64,
    /// The last entry that it applied.
    pub applied: u64,
    /// The last entry in its newest snapshot.
    pub snapshot: u64,
    /// The first entry that its log still has.
    pub first_log: u64,
    /// Bytes of log on disk.
    pub log_bytes: u64,
    /// Keys in all databases.
    pub keys: u64,
    /// Accounted bytes of the data.
    pub memory_bytes: u64,
    /// Open client connections.
    pub clients: u64,
    /// Whether it serves clients.
    pub ready: bool,
    /// Why it does not serve, or what is wrong; empty if all is well.
    pub trouble: String,
    /// Whether it drains for a planned stop.
    pub draining: bool,
    /// The process id.
    pub pid: u32,
}
