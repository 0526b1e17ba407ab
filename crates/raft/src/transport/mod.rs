//! The peer protocol: how nodes reach each other, and what each kind of message may do to the others.
//!
//! One listening port per node; for each pair of nodes, direction and [`Channel`] one connection, made when it is first
//! needed and made again, with a bounded backoff, when it broke. What messages mean is left to Raft and to the node's
//! [`PeerService`]. The bytes on the wire are in `wire`.
//!
//! Invariants:
//! - channels do not delay each other: heartbeats have their own connection;
//! - on one channel requests are sent, and for [`Channel::Forward`] delivered, in order;
//! - queues are bounded by count; a full one makes its caller wait or fail, never grow;
//! - a connection over which nothing is heard for [`TransportOptions::dead_after`] is closed, and everything that waited
//!   on it fails.
//!
//! A transport works before Raft is started, so that fresh nodes find each other. Any task may call it.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use quorate_storage::NodeId;

mod net;

pub use net::{Connection, Listener, Net, TcpNet};

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Channel {
    /// Log replication in bulk. Raft's own.
    Append = 1,
    /// Small and urgent: heartbeats, votes, read barriers. Kinds from [`USER_KIND_MIN`] on are the node's.
    Control = 2,
    /// Snapshots. Raft's own.
    Snapshot = 3,
    /// The node's batches on their way to the leader, in order.
    Forward = 4,
    /// Joins, forwarded admin calls; the only one that nodes without a name or a cluster may use.
    Admin = 5,
}

/// The node's own message kinds start here; below are Raft's.
pub const USER_KIND_MIN: u8 = 64;

/// Limits and times of the peer protocol.
#[derive(Clone, Debug)]
pub struct TransportOptions {
    /// Proves to peers, and they to us, that we belong together. `None` leaves the peer port open to whoever knows the cluster id.
    pub secret: Option<Bytes>,
    /// Local address of outgoing connections.
    pub connect_from: Option<std::net::IpAddr>,
    /// How long connecting and the handshake may take.
    pub connect_timeout: Duration,
    /// Longest pause between two attempts to connect.
    pub backoff_max: Duration,
    /// A connection over which nothing was heard for this long is closed. Idle ones are pinged at a third of it.
    pub dead_after: Duration,
    /// Requests that wait to be sent on one connection.
    pub queue_frames_max: usize,
    /// Requests that wait for their answer on one connection.
    pub inflight_max: usize,
    /// Bytes of one message.
    pub frame_bytes_max: usize,
    /// Incoming connections, all channels together.
    pub connections_max: usize,
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            secret: None,
            connect_from: None,
            connect_timeout: Duration::from_secs(2),
            backoff_max: Duration::from_millis(500),
            dead_after: Duration::from_secs(3),
            queue_frames_max: 256,
            inflight_max: 4096,
            frame_bytes_max: 64 << 20,
            connections_max: 4096,
        }
    }
}

/// Who we are, as told in every handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerIdentity {
    /// 0 while the cluster is not formed, or not joined.
    pub cluster: u128,
    /// 0 while unnamed.
    pub node: NodeId,
    /// Counts the starts of the node.
    pub incarnation: u64,
}

/// The other end of a connection, as its handshake told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What it says of itself.
    pub identity: PeerIdentity,
    /// Where it comes from.
    pub addr: SocketAddr,
    /// Protocol version spoken with it.
    pub version: u16,
}

/// What the node does for its peers.
pub trait PeerService: Send + Sync + 'static {
    /// A request on [`Channel::Admin`], or on [`Channel::Control`] with a kind from [`USER_KIND_MIN`] on.
    /// Requests run concurrently, at most [`TransportOptions::inflight_max`] a connection.
    fn call(
        &self,
        from: Peer,
        channel: Channel,
        kind: u8,
        body: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, String>>;

    /// A batch from a peer. Called in order of arrival on the connection's task, so it must be quick; the answer may be
    /// given later, from anywhere, in any order.
    fn forward(&self, from: Peer, body: BytesMut, answer: ForwardAnswer);
}

/// Why a call to a peer has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No address is known for the node.
    #[error("no address is known for node {0}")]
    NoAddress(NodeId),
    /// The connection could not be made. The request was not sent.
    #[error("cannot reach {peer}: {reason}")]
    Unreachable {
        /// Node or address.
        peer: String,
        /// What stopped it.
        reason: String,
    },
    /// The peer does not want this connection. The request was not sent.
    #[error("{peer} refuses the connection: {reason}")]
    Rejected {
        /// Node or address.
        peer: String,
        /// Its reason.
        reason: String,
    },
    /// The connection broke, or too many requests wait. Whether the peer acted on the request is unknown.
    #[error("the connection to {0} broke")]
    Broken(String),
    /// No answer in time. Whether the peer acted on the request is unknown.
    #[error("no answer from {peer} within {timeout:?}")]
    Timeout {
        /// Node or address.
        peer: String,
        /// The time given.
        timeout: Duration,
    },
    /// The peer's service answered with an error.
    #[error("{0}")]
    Remote(String),
    /// The message is larger than the protocol allows.
    #[error("a message of {bytes} bytes is larger than {bytes_max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The transport was shut down.
    #[error("the transport is closed")]
    Closed,
}

/// Cheap handle to the node's peer port and its connections to others.
#[derive(Clone)]
pub struct Transport {
    _inner: Arc<()>,
}

impl Transport {
    /// Listens on `listen` and serves peers from now on. Until [`Self::set_service`] every request is answered with an
    /// error that the node is starting.
    ///
    /// # Errors
    /// What the operating system says, such as an address in use.
    pub async fn bind(
        _net: Arc<dyn Net>,
        _listen: SocketAddr,
        _options: TransportOptions,
    ) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The address that is listened on, with the real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        SocketAddr::from(([0, 0, 0, 0], 0))
    }

    /// Tells who we are; connections made from now on say so. Existing ones are closed if it differs from before.
    pub fn set_identity(&self, _identity: PeerIdentity) {}

    /// Who we are.
    #[must_use]
    pub fn identity(&self) -> PeerIdentity {
        PeerIdentity::default()
    }

    /// Gives the requests of peers to `service` from now on.
    pub fn set_service(&self, _service: Arc<dyn PeerService>) {}

    /// Where to find a node, `host:port`. Raft keeps this up from the membership once it is started.
    pub fn set_address(&self, _node: NodeId, _addr: &str) {}

    /// Asks a node, on [`Channel::Control`] or [`Channel::Admin`].
    ///
    /// # Errors
    /// See [`CallError`] for what each says about the request.
    pub async fn call(
        &self,
        _to: NodeId,
        _channel: Channel,
        _kind: u8,
        _body: Bytes,
        _timeout: Duration,
    ) -> Result<Bytes, CallError> {
        Err(CallError::Closed)
    }

    /// Asks whoever listens at `addr`, on [`Channel::Admin`], over a connection of its own.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call_addr(
        &self,
        _addr: &str,
        _kind: u8,
        _body: Bytes,
        _timeout: Duration,
    ) -> Result<Bytes, CallError> {
        Err(CallError::Closed)
    }

    /// Opens an ordered stream of batches to a node. One at a time per node is meant; each is a new connection.
    ///
    /// # Errors
    /// If no connection comes about.
    pub async fn forward(&self, _to: NodeId) -> Result<(ForwardSender, ForwardAnswers), CallError> {
        Err(CallError::Closed)
    }

    /// Closes the port and all connections.
    pub async fn shutdown(&self) {}
}

/// The sending side of a forward stream. Clones share the order of the stream.
#[derive(Clone, Debug)]
pub struct ForwardSender {
    _inner: Arc<()>,
}

impl ForwardSender {
    /// Queues a message of two parts, sent one after the other without copying; waits while the queue is full.
    /// Returns the number of the message on this stream, from 1, which its answer carries.
    ///
    /// # Errors
    /// [`CallError::Broken`] once the connection broke: the node resends everything open on a new stream.
    pub async fn send(&self, _head: Bytes, _tail: Bytes) -> Result<u64, CallError> {
        Err(CallError::Closed)
    }

    /// Returns when the connection broke.
    pub async fn broken(&self) {}
}

/// The answers of a forward stream.
#[derive(Debug)]
pub struct ForwardAnswers {
    _inner: (),
}

impl ForwardAnswers {
    /// The next answer, as the peer gave them: the number of the message, and the answer's bytes.
    /// `None` once the connection broke.
    pub async fn next(&mut self) -> Option<(u64, Bytes)> {
        None
    }
}

/// How a forwarded batch is answered. Dropped without an answer, the connection is closed, so that the origin resends.
#[derive(Debug)]
pub struct ForwardAnswer {
    _inner: (),
}

impl ForwardAnswer {
    /// Answers. Does not block.
    pub fn send(self, _body: Bytes) {}
}
