//! Consensus among the nodes: the only door to openraft, and the protocol that peers speak with each other.
//!
//! A node gives [`Raft`] its log, its snapshot store, its [`StateMachine`] and a [`Transport`], proposes opaque bytes,
//! and sees them come back, in the same order on every node, through [`StateMachine::apply`]. What the bytes mean, which
//! client waits for them, and whether they are a repeat is left to the node above; what is durable, and when, to the
//! storage crate below.
//!
//! ```text
//!   node ── propose, read_index, membership ──► Raft ──► openraft ──► log adapter ──► storage::Log
//!     ▲                                                     │   └───► apply adapter ─► StateMachine (the node's)
//!     │                                                     ▼
//!     └── PeerService: call, forward ◄── Transport ◄── peer connections: append, control, snapshot, forward, admin
//! ```
//!
//! Invariants:
//! - no type of openraft appears in a public signature, on a wire or on a disk;
//! - an append is reported as complete only after its fdatasync returned; vote and entries share one writer;
//! - heartbeats, votes and barriers never wait behind bulk data: each [`Channel`] is a connection of its own;
//! - every queue between two nodes has a bound; a slow peer slows its sender down;
//! - bytes from a peer never make this crate panic.
//!
//! All tasks run on the tokio runtime in which [`Transport::bind`] and [`Raft::start`] are called; give them one that
//! client connections do not share, so that a busy client cannot delay a heartbeat.

mod error;
mod glue;
mod machine;
mod members;
mod metrics;
mod options;
mod policy;
mod raft;
mod runtime;
pub mod transport;
mod types;
mod watching;
mod wire;

pub use quorate_storage::{Entry, Executor, LeaderId, Log, LogId, NodeId, SnapshotStore, Vote};

pub use self::{
    error::{Error, ErrorKind, Refused},
    machine::{Capture, Committed, Fault, Payload, StateMachine},
    members::{Members, NodeInfo},
    metrics::{Leadership, Metrics, Role, SnapshotFigures},
    options::RaftOptions,
    raft::{Components, Raft, reading::Support},
    runtime::seed_simulation,
    transport::{
        CallError, Channel, ForwardAnswer, ForwardAnswers, ForwardSender, Net, Peer, PeerIdentity,
        PeerService, TcpNet, Transport, TransportOptions,
    },
    wire::handshake::VERSION_MAX as PROTOCOL_VERSION,
    wire::membership::VERSION as MEMBERSHIP_VERSION,
};
