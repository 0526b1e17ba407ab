//! A node: its start, its parts, its end.
//!
//! ```text
//! start ─► peer port ─► identity (formation) ─► data directory ─► raft ─► serving ─► stop
//!          └── the handle is there from here on; until "serving" clients hear -LOADING
//! ```
//!
//! What it leaves to others: ports for clients and administrators (server).
//!
//! Invariants: the data directory stays locked until the log is closed; whatever fails after the start
//! shows in [`Node::phase`] and stops the node; nothing here retries a failed sync.
//!
//! Called by: the server's composition, embedding programs, tests.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use quorate_raft::{NodeId, PeerIdentity, Raft, Transport, TransportOptions};
use quorate_storage::{DataDir, Executor};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{Call, ClusterStatus, Done, NodeReport, Refusal, RefusalKind};
use crate::barrier::{Barriers, Source};
use crate::clock::SharedClock;
use crate::cluster::{Cluster, Local};
use crate::desk::Desk;
use crate::divergence::Divergence;
use crate::leader::Leader;
use crate::life::Life;
use crate::machine::Replica;
use crate::options::{Components, NodeOptions};
use crate::peers::Peers;
use crate::pipeline::{Gauges, Pipeline};
use crate::rules;
use crate::service::{FormRequest, Service};
use crate::session::Front;

/// Threads of the runtime that consensus has for itself. Its tasks hand everything on to one another: with a second thread
/// there were a quarter more context switches for each write, half as many again for each read, and less throughput.
/// What may take long is applied where it keeps none of them waiting ([`crate::brief`]).
const RAFT_THREADS: usize = 1;

/// Why a node did not start or stopped.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The peer port cannot be bound.
    #[error("cannot listen for peers on {address}: {source}")]
    Bind {
        /// The address as given.
        address: String,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// The data directory cannot be used.
    #[error("data directory: {0}")]
    Storage(#[from] Arc<quorate_storage::Error>),
    /// Consensus cannot run.
    #[error("consensus: {0}")]
    Raft(#[from] Arc<quorate_raft::Error>),
    /// This node's state is not what the log says; its data has been set aside, and a restart joins anew.
    #[error("the state of this node differs from the others' at entry {index}")]
    Diverged {
        /// The log index.
        index: u64,
    },
    /// The operating system refused a thread or a folder.
    #[error("{what}: {source}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        source: Arc<std::io::Error>,
    },
}

/// Where a node is in its life.
#[derive(Debug, Clone)]
pub enum Phase {
    /// On its way to serving; the text says what it waits for.
    Starting(String),
    /// It serves.
    Serving,
    /// It was removed from its cluster, and only lives on to say so.
    Removed {
        /// A log index at which it is no member.
        index: u64,
    },
    /// It has been stopped as planned.
    Stopped,
    /// It cannot go on.
    Failed(Error),
}

/// What a node that was removed says of itself.
pub(crate) const REMOVED: &str = "this node has been removed from its cluster and takes part no more; stop it, or \
                                  empty its data directory and start it again to have it join anew";

/// What the log has done since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogFigures {
    /// Syncs to the device.
    pub syncs: u64,
    /// Groups of records written.
    pub groups: u64,
}

/// A handle to a running node.
#[derive(Clone)]
pub struct Node {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) options: NodeOptions,
    pub(crate) clock: Arc<SharedClock>,
    pub(crate) peers: Peers,
    pub(crate) front: Arc<Front>,
    pub(crate) replica: Arc<Replica>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) divergence: Arc<Divergence>,
    /// Forty hexadecimal digits, new with every start, as Redis has them.
    pub(crate) run_id: String,
    pub(crate) running: OnceLock<Running>,
    pub(crate) form: mpsc::Sender<FormRequest>,
    /// Mirrors the phase for sessions, which ask at every request.
    pub(crate) serving: AtomicBool,
    pub(crate) draining: AtomicBool,
    /// Whether a leader has been known since the start. Later elections do not make a node unready.
    pub(crate) has_been_led: AtomicBool,
    pub(crate) started: Instant,
    pub(crate) allocated_bytes: OnceLock<Box<dyn Fn() -> Option<u64> + Send + Sync>>,
    handle: Handle,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    /// Consensus has a runtime of its own, unless the caller lends his.
    runtime: Mutex<Option<Runtime>>,
}

/// What a node has once it knows who it is.
pub(crate) struct Running {
    pub(crate) identity: PeerIdentity,
    pub(crate) raft: Raft,
    pub(crate) replica: Arc<Replica>,
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) leader: Arc<Leader>,
    pub(crate) barriers: Arc<Barriers>,
    pub(crate) source: Source,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) directory: Mutex<Option<DataDir>>,
}

impl Node {
    /// Starts a node. It returns once the peer port is bound; the node then finds its cluster and serves.
    ///
    /// # Errors
    /// The peer port cannot be bound, or the data directory cannot be opened.
    pub async fn start(options: NodeOptions, components: Components) -> Result<Node, Error> {
        let own = match components.executor {
            Executor::Thread => Some(own_runtime()?),
            Executor::Inline => None,
        };
        let handle = own.as_ref().map_or_else(Handle::current, |own| own.handle().clone());
        let (listen, net, secret) =
            (options.peer_bind.clone(), components.net.clone(), options.secret.clone());
        let connect_from = options.bind_outgoing;
        let bound = handle.spawn(async move {
            let listen = resolve(&listen).await?;
            let transport = TransportOptions {
                secret: secret.map(Into::into),
                connect_from,
                // The largest request and its batch around it.
                frame_bytes_max: 1 << 30,
                ..TransportOptions::default()
            };
            Transport::bind(net, listen, transport).await
        });
        let bind_failed =
            |source| Error::Bind { address: options.peer_bind.clone(), source: Arc::new(source) };
        let transport = bound.await.map_err(|error| bind_failed(error.into()))?.map_err(bind_failed)?;

        let (form, formed) = mpsc::channel(4);
        let seeds = &components.seeds;
        let run_id = format!("{:016x}{:016x}{:08x}", seeds(), seeds(), seeds() as u32);
        let inner = Arc::new(Inner {
            clock: Arc::new(SharedClock::new(components.clock)),
            peers: Peers::new(transport.clone()),
            front: Arc::new(Front::new(options.settings.clone())),
            replica: Replica::new(),
            desk: Arc::default(),
            divergence: Arc::default(),
            run_id,
            running: OnceLock::new(),
            form,
            serving: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            has_been_led: AtomicBool::new(false),
            allocated_bytes: OnceLock::new(),
            handle: handle.clone(),
            started: Instant::now(),
            phase: watch::Sender::new(Phase::Starting("opening the data directory".into())),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            runtime: Mutex::new(own),
            options,
        });
        transport.set_service(Arc::new(Service { node: Arc::downgrade(&inner) }));
        let life = Life {
            inner: inner.clone(),
            disk: components.disk,
            executor: components.executor,
            seeds: components.seeds,
            formed,
        };
        inner.tasks.spawn_on(life.run(), &handle);
        Ok(Node { inner })
    }

    /// The address that peers connect to, with the real port.
    pub fn peer_addr(&self) -> SocketAddr {
        self.inner.peers.transport().local_addr()
    }

    /// Where the node is in its life, and changes of it.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.inner.phase.subscribe()
    }

    /// Waits until the node serves.
    ///
    /// # Errors
    /// It failed, or was stopped (then as [`Error::System`] with the kind `Interrupted`).
    pub async fn serving(&self) -> Result<(), Error> {
        let mut phase = self.phase();
        let settled = phase.wait_for(|phase| !matches!(phase, Phase::Starting(_))).await;
        match settled.as_deref() {
            Ok(Phase::Serving) => Ok(()),
            Ok(Phase::Failed(error)) => Err(error.clone()),
            _ => Err(Error::System {
                what: "the node was stopped",
                source: Arc::new(std::io::ErrorKind::Interrupted.into()),
            }),
        }
    }

    /// This node's id in the cluster, once it has one.
    pub fn id(&self) -> Option<NodeId> {
        self.inner.running.get().map(|running| running.identity.node)
    }

    /// Tells the node how to learn what the allocator has handed out, for `INFO memory`.
    pub fn measure_memory_by(&self, ask: impl Fn() -> Option<u64> + Send + Sync + 'static) {
        // The first one stays: a process has one allocator.
        let _second = self.inner.allocated_bytes.set(Box::new(ask));
    }

    /// Whether the node drains for a planned stop.
    pub fn draining(&self) -> bool {
        self.inner.draining.load(Ordering::Acquire)
    }

    /// What this node tells of itself.
    pub fn report(&self) -> NodeReport {
        self.inner.report()
    }

    /// The cluster as this node sees it.
    pub async fn status(&self) -> ClusterStatus {
        match self.inner.running.get() {
            Some(running) if self.inner.is_removed() => running.cluster.status_outside(),
            Some(running) => running.cluster.status().await,
            None => ClusterStatus {
                cluster: String::new(),
                answered_by: 0,
                term: 0,
                leader: None,
                committed: 0,
                quorum: false,
                joint: false,
                nodes: std::collections::BTreeMap::new(),
            },
        }
    }

    /// Carries out an administrator's call, here or on the node that can.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn admin(&self, call: Call) -> Result<Done, Refusal> {
        match self.inner.running.get() {
            Some(_) if self.inner.is_removed() => {
                Err(Refusal { kind: RefusalKind::Unavailable, detail: REMOVED.into() })
            }
            Some(running) => running.cluster.call(call).await,
            None => Err(Refusal { kind: RefusalKind::Unavailable, detail: "the node is starting".into() }),
        }
    }

    /// As [`admin`](Node::admin), but carried out to its end even if the caller goes away.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn admin_detached(&self, call: Call) -> Result<Done, Refusal> {
        let node = self.clone();
        let task = self.inner.handle.spawn(async move { node.admin(call).await });
        let stopped = |_| Refusal { kind: RefusalKind::Unavailable, detail: "the node is stopping".into() };
        task.await.map_err(stopped)?
    }

    /// What waits and what is in flight on this node.
    pub fn pipeline_gauges(&self) -> Gauges {
        self.inner.running.get().map(|running| running.pipeline.gauges()).unwrap_or_default()
    }

    /// What the log has done since the start.
    pub fn log_figures(&self) -> LogFigures {
        let running = self.inner.running.get();
        let directory = running.map(|running| running.directory.lock());
        let metrics =
            directory.as_ref().and_then(|directory| directory.as_ref()).map(|open| open.log.metrics());
        metrics.map_or_else(LogFigures::default, |metrics| LogFigures {
            syncs: metrics.syncs.load(Ordering::Relaxed),
            groups: metrics.groups.load(Ordering::Relaxed),
        })
    }

    /// Write commands applied from the log since the start, of all nodes' clients.
    pub fn applied_writes(&self) -> u64 {
        self.inner.replica.writes()
    }

    /// The last applied log index, and a digest of the state there: equal on all nodes that applied the same
    /// log. It walks the whole state. While entries are being applied the state may be ahead of the index;
    /// between two steps of a simulation it never is. `None` before there is a state.
    pub fn digest(&self) -> Option<(u64, u64)> {
        let running = self.inner.running.get()?;
        Some(running.replica.read(|replicated| (running.replica.applied(), replicated.state.digest())))
    }

    /// Stops the node: leadership moves, open requests finish within the bound, the log is closed.
    pub async fn stop(&self) {
        let inner = &self.inner;
        inner.draining.store(true, Ordering::Release);
        if let Some(running) = inner.running.get() {
            // Without an heir the others elect one; that only takes longer.
            let _no_heir =
                running.cluster.call(Call::Drain { node: running.identity.node.0, on: true }).await;
            let deadline = Instant::now() + inner.options.drain_max;
            // Whoever still waits is let go, so that nothing is taken for them any more.
            inner.desk.dismiss();
            while !(inner.desk.is_empty() && running.pipeline.idle()) && Instant::now() < deadline {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            running.pipeline.close();
        }
        inner.desk.close();
        self.end().await;
        inner.enter(Phase::Stopped);
    }

    /// Stops the node at once, as a crash would, but for the closed files. For tests.
    pub async fn kill(&self) {
        if let Some(running) = self.inner.running.get() {
            running.pipeline.close();
        }
        self.inner.desk.close();
        self.end().await;
        self.inner.enter(Phase::Stopped);
    }

    async fn end(&self) {
        let inner = self.inner.clone();
        inner.stop.cancel();
        if let Some(running) = inner.running.get() {
            // An error here repeats what the phase or the log has said.
            let _already_stopped = running.raft.shutdown().await;
        }
        inner.peers.transport().shutdown().await;
        inner.tasks.close();
        inner.tasks.wait().await;
        let directory = inner.running.get().and_then(|running| running.directory.lock().take());
        if let Some(directory) = directory
            && let Err(error) = directory.log.close()
        {
            tracing::warn!(%error, "the log was not closed cleanly");
        }
    }
}

impl Inner {
    /// What this node tells of itself.
    pub(crate) fn report(&self) -> NodeReport {
        let phase = self.phase.borrow().clone();
        let (ready, mut trouble) = match phase {
            Phase::Serving if self.has_been_led.load(Ordering::Relaxed) => (true, String::new()),
            Phase::Serving => (false, "waiting for a leader".into()),
            Phase::Starting(why) => (false, why),
            Phase::Removed { .. } => (false, REMOVED.into()),
            Phase::Stopped => (false, "stopped".into()),
            Phase::Failed(error) => (false, error.to_string()),
        };
        let running = self.running.get();
        let metrics = running.map(|running| running.raft.metrics()).unwrap_or_default();
        if let Some(error) = &metrics.error
            && trouble.is_empty()
        {
            trouble.clone_from(error);
        } else if metrics.disk_full {
            trouble = "the disk is full".into();
        } else if ready && running.is_some_and(|running| !self.is_in_touch(running)) {
            // A balancer must not send clients here: they would wait, and then be refused.
            trouble = "no leader with a quorum has been heard of lately".into();
        }
        let (keys, memory_bytes) = running.map_or((0, 0), |running| {
            running.replica.read(|replicated| {
                let keyspace = &replicated.state.keyspace;
                let keys: usize = quorate_keyspace::DbIndex::all().map(|db| keyspace.db(db).len()).sum();
                (keys as u64, keyspace.memory_bytes() as u64)
            })
        });
        let index = |id: Option<quorate_raft::LogId>| id.map_or(0, |id| id.index);
        NodeReport {
            version: env!("CARGO_PKG_VERSION").into(),
            uptime_seconds: self.started.elapsed().as_secs(),
            incarnation: running.map_or(0, |running| running.identity.incarnation),
            term: metrics.term,
            leader: metrics.leader.map(|leader| leader.0),
            last_log: metrics.last_log.unwrap_or(0),
            applied: running.map_or(0, |running| running.replica.applied()),
            snapshot: index(metrics.snapshot),
            first_log: metrics.purged.map_or(0, |id| id.index + 1),
            log_bytes: metrics.log_bytes,
            keys,
            memory_bytes,
            clients: self.front.clients.len() as u64,
            ready: ready && trouble.is_empty(),
            trouble,
            draining: self.draining.load(Ordering::Acquire),
            pid: std::process::id(),
        }
    }

    /// Whether this node has lately heard from a leader, or as the leader from a quorum; lately is the
    /// bound on staleness. A leader that is cut off goes on believing that it leads.
    pub(crate) fn is_in_touch(&self, running: &Running) -> bool {
        let lately = self.options.staleness_max;
        let leadership = *running.raft.leadership().borrow();
        if leadership.leader_is_me {
            // A cluster of one has nobody to hear from.
            let is_alone = rules::voters(&running.raft.members()).len() == 1;
            return is_alone || running.raft.metrics().since_quorum_ack.is_some_and(|since| since <= lately);
        }
        leadership.leader.is_some_and(|leader| self.peers.heard_within(leader, lately))
    }

    /// Whether this node is known to be no member of its cluster any more.
    pub(crate) fn is_removed(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Removed { .. })
    }

    /// Moves on in the node's life. What has ended does not begin again.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let is_over = !matches!(now, Phase::Starting(_) | Phase::Serving);
            if is_over && matches!(phase, Phase::Starting(_) | Phase::Serving) {
                return false;
            }
            self.serving.store(matches!(phase, Phase::Serving), Ordering::Release);
            *now = phase;
            true
        });
    }

    /// Runs something on the node's own runtime.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(task);
    }

    /// Says what the start waits for.
    pub(crate) fn starting(&self, why: String) {
        tracing::info!("{why}");
        self.enter(Phase::Starting(why));
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A runtime must not be waited for where it may be its own thread that waits.
        if let Some(runtime) = self.runtime.lock().take() {
            runtime.shutdown_background();
        }
    }
}

impl Local for Inner {
    fn report(&self) -> NodeReport {
        Inner::report(self)
    }

    fn drain(&self, on: bool) -> bool {
        self.draining.swap(on, Ordering::AcqRel) != on
    }
}

fn own_runtime() -> Result<Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(RAFT_THREADS)
        .thread_name("quorate-raft")
        .enable_all()
        .build()
        .map_err(|source| Error::System { what: "threads for consensus", source: Arc::new(source) })
}

async fn resolve(address: &str) -> std::io::Result<SocketAddr> {
    if let Ok(address) = address.parse() {
        return Ok(address);
    }
    let not_found = || std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    tokio::net::lookup_host(address).await?.next().ok_or_else(not_found)
}
