//! What a session needs of the node behind it.
//!
//! For: the one seam between connections and the replicated node, so that sessions run the same on a node
//! of a cluster, on [`Solo`](super::Solo) and on a test's fake.
//! Leaves to others: how a group is replicated, how a barrier is agreed, where figures come from (the node).
//!
//! Invariants that an implementation keeps:
//! - `write` answers after all writes of the group are durable on a majority and applied here; one buffer
//!   holds the replies of all slots in order, nothing for those that are silent, and the bytes of those
//!   that were ready as they are.
//! - After `barrier` returned `now`, `with_state` sees everything that was acknowledged before the call,
//!   on any node.
//! - Every future may be dropped at any point: writes that were handed over may still take effect then.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use quorate_commands::{State, Ticket};
use quorate_keyspace::{DbIndex, Millis};

use super::front::Front;
use crate::admin::Role;
use crate::desk::Reader;
use crate::group::{Failure, Group};

/// How strong a read is; see `docs/consistency.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReadMode {
    /// A quorum has confirmed the leader during the read.
    #[default]
    Index,
    /// The leader answers for as long as its lease lasts, which relies on bounded clock rates.
    Lease,
    /// Whatever this node has applied, within its bound on staleness.
    Local,
}

/// A node as its sessions see it.
pub trait Backend: Send + Sync + 'static {
    /// Replicates and applies a group that holds at least one write, and gives all its replies.
    fn write(&self, group: Group) -> impl Future<Output = Result<Bytes, Failure>> + Send;

    /// Waits until reads on this node are as strong as `mode` says; gives the agreed time of the read.
    ///
    /// A failure is [`Failure::Refused`]: a read has no effect that could be unknown.
    fn barrier(&self, mode: ReadMode) -> impl Future<Output = Result<Millis, Failure>> + Send;

    /// Ends the wait of a connection that is gone; returns at once.
    fn abandon(&self, ticket: Ticket);

    /// Watches keys for changes that this node applies from now on.
    fn wait_for<'a>(&self, db: DbIndex, keys: impl Iterator<Item = &'a [u8]>) -> Reader;

    /// Whether the node stops, so that nobody may wait any longer. Readers are woken when it does.
    fn is_stopping(&self) -> bool;

    /// How strong reads of new connections are, unless they ask for another mode.
    fn read_mode(&self) -> ReadMode {
        ReadMode::Index
    }

    /// Looks at the state under the read lock, which holds up apply: keep it short.
    fn with_state<R>(&self, look: impl FnOnce(&State) -> R) -> R;

    /// What all sessions of the node share.
    fn front(&self) -> &Front;

    /// Whether requests are taken now. Asked for every request, so it must be as cheap as an atomic load.
    fn admission(&self) -> Admission;

    /// Takes a snapshot of the state on this node; returns when it is durable.
    ///
    /// An error's text goes to the client, without a code.
    fn snapshot(&self) -> impl Future<Output = Result<(), String>> + Send;

    /// The number of other nodes that have on disk what this node has acknowledged so far. Never less than
    /// a majority without this node, once a write has been acknowledged.
    fn replicas_durable(&self) -> impl Future<Output = usize> + Send;

    /// Stops this node in an orderly way; returns at once.
    fn shutdown(&self);

    /// The node's identity and figures, for `INFO`, `ROLE` and the like.
    fn facts(&self) -> NodeFacts;
}

/// Whether a node takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Admission {
    /// It does.
    #[default]
    Open,
    /// It has not caught up to its own commit point since it started: `-LOADING`.
    Loading,
    /// It was removed from its cluster and will not serve again: `-CLUSTERDOWN`.
    Removed,
    /// It takes no command that adds data: `-OOM`.
    OutOfMemory,
    /// It is being drained for a planned stop: no new connections.
    Draining,
}

/// What a node tells of itself and of its cluster.
#[derive(Debug, Clone, Default)]
pub struct NodeFacts {
    /// The cluster's id in hexadecimal.
    pub cluster: String,
    /// The node's id in the cluster.
    pub node: u64,
    /// Forty hexadecimal digits, new with every start.
    pub run_id: String,
    /// The node's part in consensus.
    pub role: Option<Role>,
    /// Whether `INFO`, `ROLE` and `HELLO` show followers as replicas of the leader (mode `leader`).
    pub show_roles: bool,
    /// The leader, if one is known.
    pub leader: Option<u64>,
    /// Whether a leader with a quorum was heard of lately.
    pub in_touch: bool,
    /// The current term.
    pub term: u64,
    /// All members, this node included.
    pub members: Vec<MemberFacts>,
    /// The last entry in the log of this node.
    pub last_log: u64,
    /// The first entry that the log still has.
    pub first_log: u64,
    /// Bytes of log on disk.
    pub log_bytes: u64,
    /// The last entry known to be committed.
    pub committed: u64,
    /// The last entry that was applied.
    pub applied: u64,
    /// The last entry in the newest snapshot.
    pub snapshot: u64,
    /// When the newest snapshot was finished, in seconds since the Unix epoch; 0 without one.
    pub snapshot_unix_seconds: u64,
    /// Whether a snapshot is being written.
    pub snapshot_running: bool,
    /// Whether the last attempt at a snapshot failed.
    pub snapshot_failed: bool,
    /// Snapshots taken since the start.
    pub snapshots: u64,
    /// The port that clients connect to; 0 without one.
    pub resp_port: u16,
    /// Time since the start.
    pub uptime: Duration,
    /// The configuration file, or nothing.
    pub config_file: String,
    /// Bytes that the allocator has handed out, where it can tell.
    pub allocated_bytes: Option<u64>,
    /// Expired keys removed since the start.
    pub expired_keys: u64,
    /// Keys evicted since the start.
    pub evicted_keys: u64,
}

/// One member of the cluster as a node sees it.
#[derive(Debug, Clone, Default)]
pub struct MemberFacts {
    /// Its id.
    pub id: u64,
    /// Where clients reach it, `host:port`.
    pub resp: String,
    /// Where its Sentinel façade listens, `host:port`; empty without one.
    pub sentinel: String,
    /// Whether it votes.
    pub voter: bool,
    /// Whether this node has heard of it lately.
    pub alive: bool,
    /// The last entry that it is known to have on disk; `None` where this node cannot tell.
    pub durable: Option<u64>,
}

impl NodeFacts {
    /// The members but for this node.
    pub fn others(&self) -> impl Iterator<Item = &MemberFacts> {
        self.members.iter().filter(|member| member.id != self.node)
    }

    /// The leader's entry, if clients are to see this node as a replica of it.
    pub fn shown_master(&self) -> Option<&MemberFacts> {
        let leader = self.leader.filter(|&leader| self.show_roles && leader != self.node)?;
        self.members.iter().find(|member| member.id == leader)
    }
}
