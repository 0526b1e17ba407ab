//! What a node is told at its start: plain values with defaults, and the components that a test replaces.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quorate_commands::Settings;
use quorate_raft::{Net, TcpNet};
use quorate_storage::{Disk, Executor, LogEngineKind};

use crate::admin::Addresses;
use crate::clock::{SystemClock, WallClock};
use crate::pipeline::Limits;
use crate::session::ReadMode;

/// How a node finds its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Membership {
    /// Every node is given the same peer addresses by number; together they form the cluster, once.
    Static {
        /// This node's number.
        number: u32,
        /// Peer address by number, this node's included.
        peers: BTreeMap<u32, String>,
    },
    /// Joins a cluster that exists, as a learner.
    Join {
        /// Peer addresses of live members, tried in order.
        through: Vec<String>,
        /// The number to ask for; `None` takes the next free one.
        number: Option<u32>,
    },
}

/// A node's settings.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// The data directory.
    pub data_dir: PathBuf,
    /// How it finds its cluster.
    pub membership: Membership,
    /// Where to listen for peers.
    pub peer_bind: String,
    /// The local address of outgoing peer connections.
    pub bind_outgoing: Option<IpAddr>,
    /// What others are told.
    pub announce: Addresses,
    /// What all nodes of the cluster share and nobody else knows.
    pub secret: Option<Vec<u8>>,
    /// How connections read unless they ask for another mode.
    pub read_mode: ReadMode,
    /// How old the state may be that a `local` read shows.
    pub staleness_max: Duration,
    /// Bounds of the origin's queues.
    pub limits: Limits,
    /// The leader's heartbeat interval.
    pub heartbeat: Duration,
    /// The shortest election timeout; the longest is twice that.
    pub election: Duration,
    /// The log's format on disk.
    pub log_engine: LogEngineKind,
    /// Size of one log segment.
    pub segment_bytes: u64,
    /// Log bytes since the last snapshot after which the next one is taken.
    pub snapshot_log_bytes: u64,
    /// Log bytes kept behind a snapshot for slow followers, at most.
    pub log_kept_bytes_max: u64,
    /// Bytes per second of a snapshot sent to one node; 0 is no limit.
    pub snapshot_send_bytes_per_second: u64,
    /// How long a planned stop waits for open requests.
    pub drain_max: Duration,
    /// Whether `INFO`, `ROLE` and `HELLO` show followers as replicas of the leader; else every node is a master.
    pub show_roles: bool,
    /// Node settings in Redis' names, as `CONFIG GET` shows them on this node.
    pub settings: Settings,
    /// The configuration file, for `INFO`; empty without one.
    pub config_file: String,
}

impl NodeOptions {
    /// Options fit for production, but for what only the caller knows.
    pub fn new(
        data_dir: impl Into<PathBuf>,
        membership: Membership,
        peer_bind: impl Into<String>,
    ) -> NodeOptions {
        let peer_bind = peer_bind.into();
        NodeOptions {
            data_dir: data_dir.into(),
            membership,
            announce: Addresses { peer: peer_bind.clone(), ..Addresses::default() },
            peer_bind,
            bind_outgoing: None,
            secret: None,
            read_mode: ReadMode::Index,
            staleness_max: Duration::from_secs(5),
            limits: Limits::default(),
            heartbeat: Duration::from_millis(50),
            election: Duration::from_millis(250),
            log_engine: LogEngineKind::Segments,
            segment_bytes: 64 << 20,
            snapshot_log_bytes: 1 << 30,
            log_kept_bytes_max: 4 << 30,
            snapshot_send_bytes_per_second: 0,
            drain_max: Duration::from_secs(10),
            show_roles: false,
            settings: Settings::default(),
            config_file: String::new(),
        }
    }
}

/// The outside world of a node; a test or a simulation hands in its own.
pub struct Components {
    /// The wall clock.
    pub clock: Box<dyn WallClock>,
    /// The network.
    pub net: Arc<dyn Net>,
    /// The disk; `None` is the data directory on the real one.
    pub disk: Option<Arc<dyn Disk>>,
    /// Who writes the log and drops large values: threads, or the caller (simulation).
    pub executor: Executor,
    /// Seeds for stamps and new clusters: unpredictable, or replayed from a seed (simulation).
    pub seeds: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl Components {
    /// The real ones.
    pub fn real() -> Components {
        Components {
            clock: Box::new(SystemClock),
            net: Arc::new(TcpNet),
            disk: None,
            executor: Executor::Thread,
            seeds: Arc::new(random_seed),
        }
    }
}

/// The standard library's hasher keys come from the operating system's randomness, and differ each time.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}
