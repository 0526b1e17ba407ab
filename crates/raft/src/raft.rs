//! The handle to consensus on this node.
//!
//! It translates: the node's calls into openraft's, and openraft's refusals into ours. It keeps no state of the protocol.
//! Any task may call it. The operations on the membership are in `membership`,
//! read indexes in `reading`.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use openraft::{
    Config, SnapshotPolicy,
    async_runtime::WatchReceiver as _,
    errors::{Fatal, InitializeError, RaftError},
};
use quorate_storage::{Executor, Log, LogId, NodeId, SnapshotStore};
use tokio::{
    sync::watch,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Error, Leadership, Members, Metrics, NodeInfo, RaftOptions, Refused, StateMachine, Transport,
    glue::{ORaft, Shared, log::LogStore, machine::MachineStore, network::Network, service::Service},
    policy,
    raft::reading::Reading,
    types::{self, Data, RefusalResponder, TypeConfig},
    watching,
};

pub(crate) mod membership;
pub(crate) mod reading;

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
    raft: ORaft,
    shared: Arc<Shared>,
    transport: Transport,
    leadership: watch::Receiver<Leadership>,
    members: watch::Receiver<Arc<Members>>,
    metrics: watch::Receiver<Metrics>,
    /// The highest term in which a quorum is known to have confirmed this node as its leader.
    confirmed: Arc<watch::Sender<u64>>,
    stopped: CancellationToken,
    /// With lease reads: when leases that this node granted before its start are over.
    elect_from: Option<Instant>,
    reading: Arc<Reading>,
}

impl Raft {
    /// Starts consensus: installs the latest snapshot into the machine, applies what the log knows to be committed, and
    /// takes part in the cluster. A node that was never initialized waits to be initialized or added.
    ///
    /// # Errors
    /// Damage, a fault of the machine, or options that cannot work.
    pub async fn start<M: StateMachine>(
        node: NodeId,
        options: RaftOptions,
        components: Components<M>,
    ) -> Result<Self, Error> {
        options.check()?;
        let Components { log, snapshots, machine, transport, executor } = components;
        repair(&log, &snapshots)?;
        let config = config(&options)?;
        let shared = Arc::new(Shared::new(node, options, log, snapshots, executor));
        let network = Network { shared: Arc::clone(&shared), transport: transport.clone() };
        let store = LogStore(Arc::clone(&shared));
        let machine = MachineStore::new(Arc::clone(&shared), machine);
        let raft = ORaft::new(node.0, Arc::new(config), network, store, machine)
            .await
            .map_err(|fatal| stopped(&shared, &fatal))?;

        let elect_from = shared.options.lease_reads.then(|| Instant::now() + shared.options.election_max);
        if elect_from.is_some() {
            hold_elections(raft.clone(), shared.options.election_max);
        }
        let stopped = CancellationToken::new();
        let (leadership, leadership_watch) = watch::channel(Leadership::default());
        let (members, members_watch) = watch::channel(Arc::default());
        let (metrics, metrics_watch) = watch::channel(watching::gather(&raft, &shared));
        let servers =
            watching::follow_servers(raft.clone(), transport.clone(), leadership, members, stopped.clone());
        tokio::spawn(servers);
        tokio::spawn(watching::follow_metrics(raft.clone(), Arc::clone(&shared), metrics, stopped.clone()));
        tokio::spawn(policy::run(raft.clone(), Arc::clone(&shared), stopped.clone()));
        transport.set_raft(Some(Arc::new(Service::new(raft.clone(), Arc::clone(&shared)))));
        Ok(Self {
            raft,
            shared,
            transport,
            leadership: leadership_watch,
            members: members_watch,
            metrics: metrics_watch,
            confirmed: Arc::new(watch::channel(0).0),
            stopped,
            elect_from,
            reading: Arc::default(),
        })
    }

    /// Forms a new cluster of these voters. Call it on one node, or on all with the same members, once in the life of
    /// the cluster.
    ///
    /// # Errors
    /// [`Error::AlreadyFormed`] if this node knows of a cluster.
    pub async fn initialize(&self, members: BTreeMap<NodeId, NodeInfo>) -> Result<(), Error> {
        let members: BTreeMap<u64, NodeInfo> = members.into_iter().map(|(id, info)| (id.0, info)).collect();
        match self.raft.initialize(members).await {
            Ok(()) => Ok(()),
            Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Err(Error::AlreadyFormed),
            Err(RaftError::APIError(InitializeError::NotInMembers(_))) => Err(Error::Unsafe(format!(
                "node {} is not among the members to begin with",
                self.shared.node
            ))),
            Err(RaftError::Fatal(fatal)) => Err(self.stopped(&fatal)),
        }
    }

    /// Whether this node knows of a cluster: it has a log or a vote.
    pub async fn is_initialized(&self) -> bool {
        self.raft.is_initialized().await.unwrap_or(false)
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
        data: Bytes,
        refused: impl FnOnce(Refused) + Send + 'static,
    ) -> Result<(), Error> {
        self.confirmation().await;
        let (leadership, node) = (self.leadership.clone(), self.shared.node);
        let responder = RefusalResponder::new(move |why| refused(with_hint(why, &leadership, node)));
        self.raft.client_write_ff(Data(data), Some(responder)).await.map_err(|fatal| self.stopped(&fatal))
    }

    /// A new leader refuses everything until a quorum has answered it for the first time, some milliseconds after it won.
    /// Waits for that, so that the first proposals after an election are not refused.
    async fn confirmation(&self) {
        let Leadership { term, leader_is_me, .. } = *self.leadership.borrow();
        if !leader_is_me || *self.confirmed.borrow() >= term {
            return;
        }
        let mut reports = self.raft.data_metrics();
        let deadline = Instant::now() + self.shared.options.election_max;
        loop {
            // Alone, it needs nobody's answer.
            let is_alone = self.members.borrow().voters.iter().all(|set| set.iter().eq([&self.shared.node]));
            if is_alone || reports.borrow_and_update().last_quorum_acked.is_some() {
                self.confirmed.send_if_modified(|known| {
                    let is_new = *known < term;
                    *known = term.max(*known);
                    is_new
                });
                return;
            }
            let changed = timeout_at(deadline, reports.changed()).await;
            let still = *self.leadership.borrow();
            if !matches!(changed, Ok(Ok(()))) || still.term != term || !still.leader_is_me {
                return;
            }
        }
    }

    /// On the leader: somebody waits for what this follower has applied, so it is to hear of each commit at once and not
    /// with the next entries. Holds for some time; cheap enough for every message that a follower sends.
    pub fn hurry(&self, follower: NodeId) {
        self.shared.pace.hurry(follower);
    }

    /// Who leads, and changes of it.
    #[must_use]
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.clone()
    }

    /// The membership in effect on this node, committed or not.
    #[must_use]
    pub fn members(&self) -> Members {
        Members::clone(&self.members.borrow())
    }

    /// Changes of the membership.
    #[must_use]
    pub fn members_watch(&self) -> watch::Receiver<Arc<Members>> {
        self.members.clone()
    }

    /// Where Raft stands on this node.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        watching::gather(&self.raft, &self.shared)
    }

    /// Follows [`Self::metrics`] some milliseconds behind; for waiting on conditions.
    #[must_use]
    pub fn metrics_watch(&self) -> watch::Receiver<Metrics> {
        self.metrics.clone()
    }

    /// Stands for election now, if the others would vote for this node.
    ///
    /// # Errors
    /// [`Error::Stopped`]; [`Error::Unavailable`] right after a start with lease reads.
    pub async fn elect(&self) -> Result<(), Error> {
        if self.elect_from.is_some_and(|from| Instant::now() < from) {
            return Err(Error::Unavailable("a lease that this node granted may still be running".to_owned()));
        }
        self.raft.trigger().elect(true).await.map_err(|fatal| self.stopped(&fatal))
    }

    /// Takes a snapshot and waits until it is durable; returns the last entry that it includes, which is none before
    /// what was applied when it was called.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if nothing is applied yet or there is no room for it; [`Error::Timeout`].
    pub async fn snapshot(&self) -> Result<LogId, Error> {
        let Some(applied) = self.metrics().applied else {
            return Err(Error::Unavailable("nothing is applied yet".to_owned()));
        };
        let limit = self.shared.options.snapshot_install_timeout;
        let mut failures = self.shared.snapshot_failed.subscribe();
        failures.mark_unchanged();
        let mut reports = self.raft.data_metrics();
        let written = async {
            loop {
                // One that is being written already may not include everything that is applied: ask again after it.
                self.raft.trigger().snapshot().await.map_err(|fatal| self.stopped(&fatal))?;
                let covered = reports.borrow_and_update().snapshot;
                if let Some(covered) = covered.filter(|covered| covered.index >= applied.index) {
                    return Ok(types::log_id(&covered));
                }
                tokio::select! {
                    changed = reports.changed() => if changed.is_err() {
                        return Err(self.stopped(&Fatal::Stopped));
                    },
                    _ = failures.changed() => {
                        return Err(Error::Unavailable(failures.borrow().1.clone()));
                    }
                }
            }
        };
        timeout(limit, written).await.map_err(|_| Error::Timeout(limit))?
    }

    /// Stops consensus on this node. The log stays open: closing it is its owner's.
    pub async fn shutdown(&self) {
        self.transport.set_raft(None);
        self.stopped.cancel();
        // Only a panic of the core is an error here, and the metrics tell of it.
        if let Err(error) = self.raft.shutdown().await {
            tracing::error!(%error, "Raft did not stop cleanly");
        }
    }

    fn stopped(&self, fatal: &Fatal<TypeConfig>) -> Error {
        stopped(&self.shared, fatal)
    }
}

/// openraft names a leader only once the membership tells where it is; who leads is known earlier.
fn with_hint(why: Refused, leadership: &watch::Receiver<Leadership>, node: NodeId) -> Refused {
    match why {
        Refused::NotLeader { leader: None } => {
            Refused::NotLeader { leader: leadership.borrow().leader.filter(|leader| *leader != node) }
        }
        other => other,
    }
}

/// Keeps a node that has just started from standing for election until any lease that it granted before is over. That it
/// does not vote either is in `Service`.
fn hold_elections(raft: ORaft, lease: std::time::Duration) {
    raft.runtime_config().elect(false);
    tokio::spawn(async move {
        tokio::time::sleep(lease).await;
        raft.runtime_config().elect(true);
    });
}

fn stopped(shared: &Shared, fatal: &Fatal<TypeConfig>) -> Error {
    Error::Stopped(shared.fault.lock().clone().unwrap_or_else(|| fatal.to_string()))
}

/// Ends what a crash may have left between an installed snapshot and the log: entries from the snapshot's position on
/// that another leader proposed. The snapshot holds only what was committed, so they never were.
fn repair(log: &Log, snapshots: &SnapshotStore) -> Result<(), Error> {
    let newest = snapshots.list().first().and_then(|info| info.manifest.last_log_id);
    let (Some(snapshot), Some(last)) = (newest, log.state().last) else { return Ok(()) };
    if last < snapshot && last.index >= snapshot.index {
        tracing::warn!(%snapshot, %last, "the log conflicts with the installed snapshot and is cut");
        let (sender, done) = std::sync::mpsc::channel();
        log.truncate_after(log.state().purged, |_| {});
        log.purge(snapshot, move |result| {
            let _ = sender.send(result.map_err(|error| error.to_string()));
        });
        match done.recv() {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => return Err(Error::Stopped(reason)),
            Err(_) => return Err(Error::Stopped("the log is closed".to_owned())),
        }
    }
    Ok(())
}

/// Far more entries than a log ever holds: openraft's own policies never act, ours does.
const NEVER: u64 = 1 << 48;
/// Proposals and messages that wait for the core; beyond it callers wait.
const CORE_QUEUE_MAX: u64 = 4096;
/// Entries of one append to the log.
const LOG_APPEND_ENTRIES_MAX: u64 = 4096;
/// Entries that are purged together.
const PURGE_ENTRIES_MIN: u64 = 10_000;

fn config(options: &RaftOptions) -> Result<Config, Error> {
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let config = Config {
        cluster_name: "quorate".to_owned(),
        heartbeat_interval: millis(options.heartbeat),
        election_timeout_min: millis(options.election_min),
        election_timeout_max: millis(options.election_max),
        enable_pre_vote: Some(true),
        install_snapshot_timeout: millis(options.snapshot_install_timeout),
        max_payload_entries: options.append_entries_max,
        max_append_entries: Some(LOG_APPEND_ENTRIES_MAX),
        replication_lag_threshold: NEVER,
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: NEVER,
        purge_batch_size: PURGE_ENTRIES_MIN,
        api_channel_size: Some(CORE_QUEUE_MAX),
        // A leader that took its leadership up again in its old term would answer barriers with the commit index that
        // its disk remembers, which may be older than what it has acknowledged: only an entry of a new term, once
        // committed, tells how far the log is committed (section 6.4 of the Raft thesis).
        enable_leader_restore: Some(false),
        ..Config::default()
    };
    config.validate().map_err(|error| Error::Option { name: "times", reason: error.to_string() })
}
