//! The handle to consensus on this node.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use quorate_storage::{Executor, Log, LogId, NodeId, SnapshotStore};
use tokio::sync::watch;

use crate::{Error, Leadership, Members, Metrics, NodeInfo, RaftOptions, Refused, StateMachine, Transport};

/// What Raft works with on this node.
pub struct Components<M> {
    /// The log; open it with [`quorate_storage::WhenFull::Wait`].
    pub log: Log,
    /// Where snapshots are kept.
    pub snapshots: SnapshotStore,
    /// The replicated state.
    pub machine: M,
    /// The peer port, with its identity set.
    pub transport: Transport,
    /// Who writes snapshots: a thread, or the calling task in a simulation.
    pub executor: Executor,
}

/// Cheap handle to consensus on this node. It goes on until [`Raft::shutdown`].
#[derive(Clone)]
pub struct Raft {
    _inner: Arc<()>,
}

impl Raft {
    /// Starts consensus: installs the latest snapshot into the machine, applies what the log knows to be committed, and
    /// takes part in the cluster. A node that was never initialized waits to be initialized or added.
    ///
    /// # Errors
    /// Damage, a fault of the machine, or options that cannot work.
    pub async fn start<M: StateMachine>(
        _node: NodeId,
        _options: RaftOptions,
        _components: Components<M>,
    ) -> Result<Self, Error> {
        Err(Error::Unavailable("not built yet".into()))
    }

    /// Forms a new cluster of these voters. Call it on one node, or on all with the same members, once in the life of
    /// the cluster.
    ///
    /// # Errors
    /// [`Error::AlreadyFormed`] if this node knows of a cluster.
    pub async fn initialize(&self, _members: BTreeMap<NodeId, NodeInfo>) -> Result<(), Error> {
        Err(Error::Unavailable("not built yet".into()))
    }

    /// Whether this node knows of a cluster: it has a log or a vote.
    pub async fn is_initialized(&self) -> bool {
        false
    }

    /// Proposes bytes on the leader. Proposals enter the log in the order of the calls. Returns once the core has taken
    /// the proposal, not when it is committed; success shows in [`StateMachine::apply`].
    ///
    /// `refused` is called at most once, from any task, if the leader did not take it, or lost it; see [`Refused`] for
    /// what each case says about the outcome.
    ///
    /// # Errors
    /// [`Error::Stopped`] if Raft has stopped; `refused` is called as well.
    pub async fn propose(
        &self,
        _data: Bytes,
        _refused: impl FnOnce(Refused) + Send + 'static,
    ) -> Result<(), Error> {
        Err(Error::Unavailable("not built yet".into()))
    }

    /// On the leader: the index that must be applied before a read, after a quorum has confirmed the leader (§6.4 of
    /// the Raft thesis). Callers at the same time share rounds.
    ///
    /// # Errors
    /// If this node does not lead, or no quorum answers.
    pub async fn read_index(&self) -> Result<u64, Refused> {
        Err(Refused::Stopped)
    }

    /// Who leads, and changes of it.
    #[must_use]
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        watch::channel(Leadership::default()).1
    }

    /// The membership in effect on this node, committed or not.
    #[must_use]
    pub fn members(&self) -> Members {
        Members::default()
    }

    /// Changes of the membership.
    #[must_use]
    pub fn members_watch(&self) -> watch::Receiver<Arc<Members>> {
        watch::channel(Arc::default()).1
    }

    /// Where Raft stands on this node.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics::default()
    }

    /// Changes whenever [`Self::metrics`] may have changed; for waiting on conditions.
    #[must_use]
    pub fn metrics_watch(&self) -> watch::Receiver<Metrics> {
        watch::channel(Metrics::default()).1
    }

    /// Adds a node that is replicated to and does not vote; one that is there already gets the new info.
    ///
    /// # Errors
    /// Operation errors; see [`Error`].
    pub async fn add_learner(&self, _id: NodeId, _info: NodeInfo) -> Result<(), Error> {
        Err(Error::Unavailable("not built yet".into()))
    }

    /// Makes exactly these nodes the voters, as one joint change. They must be members. Voters that are left out become
    /// learners or leave.
    ///
    /// # Errors
    /// Operation errors; see [`Error`].
    pub async fn change_voters(
        &self,
        _voters: BTreeSet<NodeId>,
        _retain_old_as_learners: bool,
    ) -> Result<(), Error> {
        Err(Error::Unavailable("not built yet".into()))
    }

    /// Removes learners.
    ///
    /// # Errors
    /// Operation errors; see [`Error`].
    pub async fn remove_nodes(&self, _ids: BTreeSet<NodeId>) -> Result<(), Error> {
        Err(Error::Unavailable("not built yet".into()))
    }

    /// Replaces what the cluster knows of a node.
    ///
    /// # Errors
    /// Operation errors; see [`Error`].
    pub async fn set_node_info(&self, _id: NodeId, _info: NodeInfo) -> Result<(), Error> {
        Err(Error::Unavailable("not built yet".into()))
    }

    /// Hands leadership to a voter that has caught up, and waits until a new leader is known.
    ///
    /// # Errors
    /// [`Error::Unsafe`] if the target lags or is no voter; operation errors.
    pub async fn transfer_leader(&self, _to: NodeId) -> Result<(), Error> {
        Err(Error::Unavailable("not built yet".into()))
    }

    /// Stands for election now.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn elect(&self) -> Result<(), Error> {
        Err(Error::Unavailable("not built yet".into()))
    }

    /// Takes a snapshot and waits until it is durable; returns the last entry that it includes.
    ///
    /// # Errors
    /// Operation errors; see [`Error`].
    pub async fn snapshot(&self) -> Result<LogId, Error> {
        Err(Error::Unavailable("not built yet".into()))
    }

    /// Stops consensus on this node. The log stays open: closing it is its owner's.
    pub async fn shutdown(&self) {}
}
