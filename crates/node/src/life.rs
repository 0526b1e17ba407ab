//! How a node comes to life: identity, data directory, consensus, and the tasks that live on it.
//!
//! What it leaves to others: how an identity is found ([`crate::formation`]), what each task does, what ends
//! the node's life ([`crate::watch`]).
//!
//! Invariants: nothing is sent under an identity before the data directory has made it durable; a log that
//! was rolled back is set aside, and its node joins anew instead of voting.
//!
//! Called once, by the node's start.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_raft::{Components as RaftComponents, NodeId, PeerIdentity, Raft, RaftOptions};
use quorate_storage::{DataDir, DataDirOptions, Disk, Executor, Identity, LogOptions, RealDisk, WhenFull};
use tokio::sync::{mpsc, oneshot};

use crate::barrier::{Barriers, Source};
use crate::batch::Origin;
use crate::cluster::Cluster;
use crate::driver::Driver;
use crate::formation::{self, Found};
use crate::leader::Leader;
use crate::ledger;
use crate::machine::Machine;
use crate::node::{Error, Inner, Phase, Running};
use crate::options::{Membership, NodeOptions};
use crate::pipeline::Pipeline;
use crate::reclaim::Reclaimer;
use crate::rules;
use crate::service::FormRequest;
use crate::session::ReadMode;
use crate::watch;

/// The task that brings a node to life.
pub(crate) struct Life {
    pub(crate) inner: Arc<Inner>,
    pub(crate) disk: Option<Arc<dyn Disk>>,
    pub(crate) executor: Executor,
    pub(crate) seeds: Arc<dyn Fn() -> u64 + Send + Sync>,
    pub(crate) formed: mpsc::Receiver<FormRequest>,
}

impl Life {
    /// Runs until the node serves, has failed, or is stopped.
    pub(crate) async fn run(mut self) {
        let inner = self.inner.clone();
        let stop = inner.stop.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            started = self.start() => match started {
                Ok(()) => {
                    tracing::info!("serving");
                    inner.enter(Phase::Serving);
                }
                Err(error) => {
                    tracing::error!(%error, "the node cannot go on");
                    inner.enter(Phase::Failed(error));
                }
            }
        }
    }

    async fn start(&mut self) -> Result<(), Error> {
        let system = |what| move |source: std::io::Error| Error::System { what, source: Arc::new(source) };
        let disk = match &self.disk {
            Some(disk) => disk.clone(),
            None => Arc::new(
                RealDisk::new(&self.inner.options.data_dir)
                    .map_err(system("the data directory cannot be made"))?,
            ),
        };
        let directory = self.directory(&disk).await?;
        let reclaimer = match self.executor {
            Executor::Thread => Reclaimer::threaded().map_err(system("a thread"))?,
            Executor::Inline => Reclaimer::inline(),
        };
        self.consensus(directory, disk, reclaimer).await
    }

    /// Opens the data directory, after finding out who this node is if it does not say.
    async fn directory(&mut self, disk: &Arc<dyn Disk>) -> Result<DataDir, Error> {
        let storage = |error| Error::Storage(Arc::new(error));
        let known = Identity::load(disk.as_ref()).map_err(storage)?;
        if let Some(identity) = known.filter(|identity| identity.cluster_id.is_some()) {
            let directory = self.open(disk, identity.node_id)?;
            match directory.lost() {
                None => return Ok(directory),
                Some(why) => {
                    // The log is older than what this node has promised: it must not vote on its strength.
                    tracing::error!(%why, "the log was rolled back; it is set aside and the node joins anew");
                    drop(directory);
                    DataDir::set_aside(disk.as_ref(), &why).map_err(storage)?;
                }
            }
        }
        let (found, durable) = self.find().await;
        let mut directory = self.open(disk, found.node_id)?;
        directory.set_cluster_id(found.cluster_id).map_err(storage)?;
        self.set_identity(&directory);
        if let Some(durable) = durable {
            // A former that does not wait any more asks again.
            let _gone = durable.send(());
        }
        Ok(directory)
    }

    fn open(&self, disk: &Arc<dyn Disk>, node_id: NodeId) -> Result<DataDir, Error> {
        let options = DataDirOptions {
            node_id,
            log: LogOptions {
                segment_bytes: self.inner.options.segment_bytes,
                when_full: WhenFull::Wait,
                // On a disk that was handed in, nothing may be random but by the seeds that came with it.
                salt_seed: self.disk.is_some().then(|| (self.seeds)()),
                ..LogOptions::default()
            },
            engine: self.inner.options.log_engine,
            executor: self.executor,
            ledger: self.disk.is_none(),
        };
        let directory =
            DataDir::open(disk.clone(), options).map_err(|error| Error::Storage(Arc::new(error)))?;
        self.set_identity(&directory);
        Ok(directory)
    }

    fn set_identity(&self, directory: &DataDir) {
        self.inner.peers.transport().set_identity(PeerIdentity {
            cluster: directory.identity.cluster_id.unwrap_or(0),
            node: directory.identity.node_id,
            incarnation: directory.identity.incarnation,
        });
    }

    /// Finds this node's cluster; the sender is to be told when the identity is durable.
    async fn find(&mut self) -> (Found, Option<oneshot::Sender<()>>) {
        let inner = self.inner.clone();
        let new_cluster_id = (u128::from((self.seeds)()) << 64 | u128::from((self.seeds)())).max(1);
        let mut last = String::new();
        let found = formation::find(&inner.options, &inner.peers, new_cluster_id, &mut self.formed, |why| {
            if why != last {
                last.clone_from(&why);
                inner.starting(why);
            }
        });
        found.await
    }

    /// Starts consensus and everything that lives on it.
    async fn consensus(
        &mut self,
        directory: DataDir,
        disk: Arc<dyn Disk>,
        reclaimer: Reclaimer,
    ) -> Result<(), Error> {
        let inner = self.inner.clone();
        let raft_error = |error| Error::Raft(Arc::new(error));
        inner.starting("recovering the data".into());
        let identity = inner.peers.transport().identity();
        let me = identity.node;
        let origin = Origin { node: me, incarnation: identity.incarnation };
        let replica = inner.replica.clone();
        let pipeline = Pipeline::new(origin, inner.options.limits.clone());
        let machine = Machine::new(
            replica.clone(),
            pipeline.clone(),
            inner.front.clone(),
            inner.desk.clone(),
            reclaimer,
            inner.divergence.clone(),
        );
        let components = RaftComponents {
            log: directory.log.clone(),
            snapshots: directory.snapshots.clone(),
            machine,
            transport: inner.peers.transport().clone(),
            executor: self.executor,
        };
        let raft = Raft::start(me, raft_options(&inner.options), components).await.map_err(raft_error)?;
        let (leader, proposals) = Leader::new(inner.clock.clone());
        let barriers = Barriers::new(inner.options.limits.hold);
        let source = Source {
            raft: raft.clone(),
            leader: leader.clone(),
            replica: replica.clone(),
            peers: inner.peers.clone(),
            by_lease: inner.options.read_mode == ReadMode::Lease,
        };
        let cluster = Arc::new(Cluster {
            me,
            cluster_id: identity.cluster,
            raft: raft.clone(),
            replica: replica.clone(),
            peers: inner.peers.clone(),
            local: inner.clone(),
            changing: tokio::sync::Mutex::new(()),
        });
        let (seeds, stop, tasks) = (self.seeds.clone(), inner.stop.clone(), &inner.tasks);
        let driver = Driver {
            node: inner.clone(),
            pipeline: pipeline.clone(),
            raft: raft.clone(),
            leader: leader.clone(),
        };
        tasks.spawn(leader.clone().run(
            raft.clone(),
            replica.clone(),
            move || seeds(),
            proposals,
            stop.clone(),
        ));
        tasks.spawn(driver.run(stop.clone()));
        tasks.spawn(cluster.clone().run(stop.clone()));
        if self.disk.is_none() {
            tasks.spawn(ledger::keep(directory.ledger.clone(), raft.clone(), stop.clone()));
        }
        tasks.spawn(watch::members(inner.clone(), raft.clone(), disk));
        tasks.spawn(watch::leadership(raft.clone(), stop.clone()));
        tasks.spawn(watch::uses(inner.clone(), pipeline.clone()));
        tasks.spawn(watch::subscriptions(inner.clone(), pipeline.clone()));
        tasks.spawn(watch::absent(inner.clone(), raft.clone(), pipeline.clone()));
        tasks.spawn(watch::silent_waiters(inner.clone(), raft.clone(), leader.clone()));
        let (desk, waiting, desk_stop) = (inner.desk.clone(), pipeline.clone(), stop.clone());
        tasks.spawn(
            async move { desk_stop.run_until_cancelled(desk.run(&waiting)).await.unwrap_or_default() },
        );
        let (running_barriers, running_source, barrier_stop) =
            (barriers.clone(), source.clone(), stop.clone());
        tasks.spawn(async move { running_barriers.run(running_source, barrier_stop).await });
        let running = Running {
            identity,
            raft: raft.clone(),
            replica,
            pipeline,
            leader,
            barriers,
            source,
            cluster,
            directory: Mutex::new(Some(directory)),
        };
        assert!(inner.running.set(running).is_ok(), "consensus is started once");
        self.form_or_wait(&raft).await?;
        inner.tasks.spawn(watch::consensus(inner.clone(), raft));
        Ok(())
    }

    /// The node with the lowest number writes the first membership; every node waits until it is a member.
    async fn form_or_wait(&mut self, raft: &Raft) -> Result<(), Error> {
        let inner = self.inner.clone();
        let cluster = inner.peers.transport().identity().cluster;
        let mut members = raft.members_watch();
        while raft.members().nodes.is_empty() {
            if let Membership::Static { number, peers } = &inner.options.membership
                && formation::forms(*number, peers)
                && inner.peers.transport().identity().node == rules::first_id(*number)
                && let Some(first) =
                    formation::first_members(*number, peers, &inner.peers, cluster, &inner.options).await
            {
                match raft.initialize(first).await {
                    Ok(()) | Err(quorate_raft::Error::AlreadyFormed) => {}
                    Err(error) => return Err(Error::Raft(Arc::new(error))),
                }
            }
            inner.starting("waiting to hear from the cluster".into());
            tokio::select! {
                Ok(()) = members.changed() => {}
                () = tokio::time::sleep(Duration::from_millis(200)) => {}
            }
        }
        Ok(())
    }
}

fn raft_options(options: &NodeOptions) -> RaftOptions {
    RaftOptions {
        heartbeat: options.heartbeat,
        lease_reads: options.read_mode == ReadMode::Lease,
        election_min: options.election,
        election_max: options.election * 2,
        snapshot_log_bytes: options.snapshot_log_bytes,
        keep_log_bytes: options.log_kept_bytes_max,
        snapshot_bytes_per_second: options.snapshot_send_bytes_per_second,
        ..RaftOptions::default()
    }
}
