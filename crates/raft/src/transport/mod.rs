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

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use parking_lot::{Mutex, RwLock};
use quorate_storage::NodeId;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use self::link::Target;
use crate::wire::frame::Received;

mod forward;
mod link;
mod net;
mod port;
mod told;

pub use self::{
    forward::{ForwardAnswers, ForwardSender},
    net::{Connection, Listener, Net, TcpNet},
    port::ForwardAnswer,
};
pub(crate) use self::{link::Link, port::RaftService};

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
    inner: Arc<Inner>,
}

struct Inner {
    net: Arc<dyn Net>,
    options: TransportOptions,
    local_addr: SocketAddr,
    state: RwLock<State>,
    /// Ordered, so that a simulation closes connections in the same order each time.
    links: Mutex<BTreeMap<(NodeId, Channel), Arc<Slot>>>,
    closed: CancellationToken,
    refusals: told::Told,
}

#[derive(Default)]
struct State {
    identity: PeerIdentity,
    /// Ends with the identity: child of `closed`.
    epoch: CancellationToken,
    addresses: BTreeMap<NodeId, String>,
    service: Option<Arc<dyn PeerService>>,
    raft: Option<Arc<dyn RaftService>>,
}

impl Inner {
    fn identity(&self) -> PeerIdentity {
        self.state.read().identity
    }

    fn epoch(&self) -> CancellationToken {
        self.state.read().epoch.clone()
    }

    fn service(&self) -> Option<Arc<dyn PeerService>> {
        self.state.read().service.clone()
    }

    fn raft(&self) -> Option<Arc<dyn RaftService>> {
        self.state.read().raft.clone()
    }
}

/// A connection for calls that is made when it is first used, and made again when it broke.
#[derive(Default)]
struct Slot {
    state: Mutex<SlotState>,
}

type Connecting = Shared<BoxFuture<'static, Result<Link, CallError>>>;

#[derive(Default)]
struct SlotState {
    link: Option<Link>,
    connecting: Option<Connecting>,
    failures: u32,
    /// No attempt before this.
    not_before: Option<Instant>,
    last_error: Option<CallError>,
}

impl Transport {
    /// Listens on `listen` and serves peers from now on. Until [`Self::set_service`] every request is answered with an
    /// error that the node is starting.
    ///
    /// # Errors
    /// What the operating system says, such as an address in use.
    pub async fn bind(net: Arc<dyn Net>, listen: SocketAddr, options: TransportOptions) -> io::Result<Self> {
        let listener = net.bind(listen).await?;
        let closed = CancellationToken::new();
        let state = State { epoch: closed.child_token(), ..State::default() };
        let inner = Arc::new(Inner {
            net,
            options,
            local_addr: listener.local_addr()?,
            state: RwLock::new(state),
            links: Mutex::default(),
            closed,
            refusals: told::Told::default(),
        });
        tokio::spawn(port::listen(Arc::clone(&inner), listener));
        Ok(Self { inner })
    }

    /// The address that is listened on, with the real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.inner.local_addr
    }

    /// Tells who we are; connections made from now on say so. Existing ones are closed if it differs from before.
    pub fn set_identity(&self, identity: PeerIdentity) {
        let ended = {
            let mut state = self.inner.state.write();
            if state.identity == identity {
                return;
            }
            state.identity = identity;
            std::mem::replace(&mut state.epoch, self.inner.closed.child_token())
        };
        ended.cancel();
        self.inner.links.lock().clear();
    }

    /// Who we are.
    #[must_use]
    pub fn identity(&self) -> PeerIdentity {
        self.inner.identity()
    }

    /// Gives the requests of peers to `service` from now on.
    pub fn set_service(&self, service: Arc<dyn PeerService>) {
        self.inner.state.write().service = Some(service);
    }

    pub(crate) fn set_raft(&self, raft: Option<Arc<dyn RaftService>>) {
        self.inner.state.write().raft = raft;
    }

    /// Where to find a node, `host:port`. Raft keeps this up from the membership once it is started.
    pub fn set_address(&self, node: NodeId, addr: &str) {
        {
            let mut state = self.inner.state.write();
            if state.addresses.get(&node).is_some_and(|known| known == addr) {
                return;
            }
            state.addresses.insert(node, addr.to_owned());
        }
        self.inner.links.lock().retain(|(to, _), _| *to != node);
    }

    /// Asks a node, on [`Channel::Control`] or [`Channel::Admin`].
    ///
    /// # Errors
    /// See [`CallError`] for what each says about the request.
    pub async fn call(
        &self,
        to: NodeId,
        channel: Channel,
        kind: u8,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, CallError> {
        let deadline = Instant::now() + timeout;
        let late = |_| CallError::Timeout { peer: format!("node {to}"), timeout };
        let link = timeout_at(deadline, self.link(to, channel)).await.map_err(late)??;
        link.call(kind, vec![body], deadline.saturating_duration_since(Instant::now())).await
    }

    /// Asks whoever listens at `addr`, on [`Channel::Admin`], over a connection of its own.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call_addr(
        &self,
        addr: &str,
        kind: u8,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, CallError> {
        let target = Target {
            addr: addr.to_owned(),
            node: NodeId(0),
            channel: Channel::Admin,
            from: self.inner.identity(),
        };
        let exchange = async {
            let link = Link::calls(&*self.inner.net, target, &self.inner.options).await?;
            link.call(kind, vec![body], timeout).await
        };
        let late = |_| CallError::Timeout { peer: addr.to_owned(), timeout };
        tokio::time::timeout(timeout, exchange).await.map_err(late)?
    }

    /// Opens an ordered stream of batches to a node. One at a time per node is meant; each is a new connection.
    ///
    /// # Errors
    /// If no connection comes about.
    pub async fn forward(&self, to: NodeId) -> Result<(ForwardSender, ForwardAnswers), CallError> {
        let (link, answers) = self.stream(to, Channel::Forward).await?;
        Ok(forward::stream(link, answers))
    }

    /// Closes the port and all connections.
    pub async fn shutdown(&self) {
        self.inner.closed.cancel();
        self.inner.links.lock().clear();
        let mut state = self.inner.state.write();
        state.service = None;
        state.raft = None;
    }

    fn target(&self, to: NodeId, channel: Channel) -> Result<Target, CallError> {
        if self.inner.closed.is_cancelled() {
            return Err(CallError::Closed);
        }
        let state = self.inner.state.read();
        let addr = state.addresses.get(&to).cloned().ok_or(CallError::NoAddress(to))?;
        Ok(Target { addr, node: to, channel, from: state.identity })
    }

    /// A connection of the caller's own, with its answers in order.
    pub(crate) async fn stream(
        &self,
        to: NodeId,
        channel: Channel,
    ) -> Result<(Link, mpsc::Receiver<Received>), CallError> {
        let target = self.target(to, channel)?;
        Link::stream(&*self.inner.net, target, &self.inner.options).await
    }

    /// The shared connection for calls. Waits for it to be made; an attempt goes on if the caller gives up, so that
    /// callers with little time get there in the end.
    pub(crate) async fn link(&self, to: NodeId, channel: Channel) -> Result<Link, CallError> {
        let slot = Arc::clone(self.inner.links.lock().entry((to, channel)).or_default());
        let connecting = {
            let mut state = slot.state.lock();
            if let Some(link) = state.link.as_ref().filter(|link| !link.is_broken()) {
                return Ok(link.clone());
            }
            match &state.connecting {
                Some(connecting) => connecting.clone(),
                None => {
                    if let Some(error) = state.too_early() {
                        return Err(error);
                    }
                    let target = self.target(to, channel)?;
                    let connecting = self.connect(target, Arc::clone(&slot));
                    state.connecting = Some(connecting.clone());
                    tokio::spawn(connecting.clone());
                    connecting
                }
            }
        };
        connecting.await
    }

    fn connect(&self, target: Target, slot: Arc<Slot>) -> Connecting {
        let (net, options) = (Arc::clone(&self.inner.net), self.inner.options.clone());
        async move {
            let result = Link::calls(&*net, target, &options).await;
            let mut state = slot.state.lock();
            state.connecting = None;
            match &result {
                Ok(link) => {
                    state.link = Some(link.clone());
                    state.failures = 0;
                    state.not_before = None;
                }
                Err(error) => {
                    let pause = BACKOFF_MIN * 2_u32.pow(state.failures.min(10));
                    state.failures += 1;
                    state.not_before = Some(Instant::now() + pause.min(options.backoff_max));
                    state.last_error = Some(error.clone());
                }
            }
            result
        }
        .boxed()
        .shared()
    }
}

impl SlotState {
    fn too_early(&self) -> Option<CallError> {
        let not_before = self.not_before?;
        (Instant::now() < not_before).then(|| self.last_error.clone()).flatten()
    }
}

/// Pause after the first failed attempt to connect; doubled with each further one.
const BACKOFF_MIN: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests;
