//! The shapes of the API's bodies: what requests hold, and what responses look like in the OpenAPI document.
//!
//! Requests are types of this module. Responses are the values of [`quorate::admin`], which know nothing
//! of OpenAPI; [`doc`] mirrors them, and a test holds the mirror against what is really sent.

use std::collections::BTreeMap;

use quorate::admin::Addresses;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A node to add as a learner.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddNode {
    /// The node's number, or nothing for the next free one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// Where the node listens; `peer` is needed.
    #[schema(value_type = doc::Addresses)]
    pub addresses: Addresses,
}

/// Several nodes at once.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nodes {
    /// The nodes' ids.
    pub nodes: Vec<u64>,
    /// Do it even if it is unsafe.
    #[serde(default)]
    pub force: bool,
}

/// The node that takes another's place.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// The id of the learner that comes.
    pub new: u64,
    /// Do it even if it lags.
    #[serde(default)]
    pub force: bool,
}

/// The node that is to lead.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// Its id, or nothing for the voter that is furthest ahead.
    #[serde(default)]
    pub to: Option<u64>,
}

/// Where to take a snapshot.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeSnapshot {
    /// The node's id, or nothing for every node.
    #[serde(default)]
    pub node: Option<u64>,
}

/// Whether to do what is unsafe.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Force {
    /// Do it even if an even number of voters results, the quorum is at risk, or a node lags.
    #[serde(default)]
    #[param(required = false)]
    pub(super) force: bool,
}

/// Nodes to remove together.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveMany {
    /// The nodes' ids, separated by commas.
    #[param(example = "4,5")]
    pub(super) nodes: String,
    /// Do it even if an even number of voters results or the quorum is at risk.
    #[serde(default)]
    #[param(required = false)]
    pub(super) force: bool,
}

/// A setting's new value; a number or boolean is taken as its text.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum SettingValue {
    /// As `CONFIG SET` takes it.
    Text(String),
    /// A number.
    Number(i64),
    /// `yes` or `no`.
    Flag(bool),
}

impl SettingValue {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => if flag { "yes" } else { "no" }.to_owned(),
        }
    }
}

/// New values of replicated settings by name.
pub(super) type SettingChanges = BTreeMap<String, SettingValue>;

/// The changes as `CONFIG SET` takes them.
pub(super) fn change_texts(changes: SettingChanges) -> BTreeMap<String, String> {
    changes.into_iter().map(|(name, value)| (name, value.into_text())).collect()
}

/// Mirrors of the values that the node answers with, for the OpenAPI document alone.
#[expect(dead_code, reason = "only their schemas are used, and in tests that they can be read")]
pub(super) mod doc {
    use super::*;

    /// Where a node listens, as `host:port`; empty where it does not.
    #[derive(Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    pub(crate) struct Addresses {
        /// Peer protocol.
        pub(crate) peer: String,
        /// RESP, as announced to clients.
        pub(crate) resp: String,
        /// The admin HTTP API.
        pub(crate) admin: String,
        /// The Sentinel façade.
        pub(crate) sentinel: String,
    }

    /// What a call did.
    #[derive(Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    pub(crate) struct Done {
        /// Whether anything changed (`false`: it was so already).
        pub(crate) changed: bool,
        /// One line for a person.
        pub(crate) message: String,
        /// The nodes that the call was about, for example the id given to an added node.
        pub(crate) nodes: Vec<u64>,
    }

    /// A node's part in consensus.
    #[derive(Deserialize, ToSchema)]
    #[serde(rename_all = "kebab-case")]
    pub(crate) enum Role {
        Leader,
        Follower,
        Candidate,
        Learner,
        Outsider,
    }

    /// The cluster as one node sees it.
    #[derive(Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    pub(crate) struct ClusterStatus {
        /// The cluster's id in hexadecimal; empty before it has formed.
        pub(crate) cluster: String,
        /// The node that answered.
        pub(crate) answered_by: u64,
        /// The current term.
        pub(crate) term: u64,
        /// The leader, if one is known.
        pub(crate) leader: Option<u64>,
        /// The last committed log index that the answering node knows of.
        pub(crate) committed: u64,
        /// Whether a majority of voters answered.
        pub(crate) quorum: bool,
        /// Whether a change of membership is half done.
        pub(crate) joint: bool,
        /// The members, by id.
        pub(crate) nodes: BTreeMap<u64, NodeStatus>,
    }

    /// One member of the cluster.
    #[derive(Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    pub(crate) struct NodeStatus {
        /// Its id in the cluster; a node that lost its disk comes back under a new one.
        pub(crate) id: u64,
        /// Its number in the configuration; stays.
        pub(crate) number: u32,
        /// Its part in consensus.
        pub(crate) role: Role,
        /// Whether it votes.
        pub(crate) voter: bool,
        /// Whether it answered.
        pub(crate) alive: bool,
        /// Where it listens.
        pub(crate) addresses: Addresses,
        /// What it told of itself; null if it did not answer.
        pub(crate) report: Option<NodeReport>,
    }

    /// What a node tells of itself.
    #[derive(Deserialize, ToSchema)]
    #[serde(deny_unknown_fields)]
    pub(crate) struct NodeReport {
        /// The version of the program.
        pub(crate) version: String,
        /// Seconds since it started.
        pub(crate) uptime_seconds: u64,
        /// The number of its start, counted on its disk.
        pub(crate) incarnation: u64,
        /// Its term.
        pub(crate) term: u64,
        /// The leader that it follows.
        pub(crate) leader: Option<u64>,
        /// The last entry in its log.
        pub(crate) last_log: u64,
        /// The last entry that it applied.
        pub(crate) applied: u64,
        /// The last entry in its newest snapshot.
        pub(crate) snapshot: u64,
        /// The first entry that its log still has.
        pub(crate) first_log: u64,
        /// Bytes of log on disk.
        pub(crate) log_bytes: u64,
        /// Keys in all databases.
        pub(crate) keys: u64,
        /// Accounted bytes of the data.
        pub(crate) memory_bytes: u64,
        /// Open client connections.
        pub(crate) clients: u64,
        /// Whether it serves clients.
        pub(crate) ready: bool,
        /// Why it does not serve, or what is wrong; empty if all is well.
        pub(crate) trouble: String,
        /// Whether it drains for a planned stop.
        pub(crate) draining: bool,
        /// The process id.
        pub(crate) pid: u32,
    }
}
