//! One serving node from options to a planned stop: the composition of node, RESP listener and admin API.
//!
//! Invariant: whatever ends [`serve`], its ports are closed and its data directory is unlocked when it
//! returns.
//!
//! Called once by the process's main task.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quorate::admin::{Addresses, Call};
use quorate::session::Backend;
use quorate::{Components, Limits, LogEngineKind, Membership, Node, NodeOptions, Phase, session};
use quorate_commands::Settings;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{self, AdminOptions};
use crate::node_admin::NodeAdmin;
use crate::resp::{Listener, ListenerOptions};
use crate::sentinel::{Facade, FacadeOptions};
use crate::{Bound, DebugAccess, LogEngine, OptionsError, ReadMode, Roles, Secret, ServeOptions};

/// Pause before the cluster is told again where the Sentinel port is.
const TELL_PAUSE: Duration = Duration::from_secs(1);

/// Why a node did not start, or stopped unasked. One variant for each reaction of the operator; the cause
/// is the source, so that who prints the whole chain says nothing twice.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The options contradict each other or lack something: change them.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// A file with a secret or token cannot be used: mend the file.
    #[error("{name}: {detail}")]
    SecretFile {
        /// The setting.
        name: &'static str,
        /// What is wrong, without the file's contents.
        detail: String,
    },
    /// A port cannot be bound: free it or choose another.
    #[error("{name}: cannot listen on {address}")]
    Bind {
        /// The setting.
        name: &'static str,
        /// The address as given.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The data directory is locked, unreadable, or of another cluster or format: look at it.
    #[error("data-dir: cannot be used")]
    DataDirectory(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The node stopped because going on could break a promise: see the log.
    #[error("the node stopped")]
    Fault(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What the surrounding program gives a node besides values.
#[derive(Clone)]
pub struct Hooks {
    /// The allocator's figures, for `INFO memory` and metrics; `None` if the allocator has none.
    pub memory: Arc<dyn Fn() -> Option<ProcessMemory> + Send + Sync>,
    /// Called once, when all ports are bound.
    pub bound: Arc<dyn Fn(Bound) + Send + Sync>,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { memory: Arc::new(|| None), bound: Arc::new(|_| ()) }
    }
}

/// What the allocator says of the whole process, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessMemory {
    /// In live allocations.
    pub allocated_bytes: u64,
    /// In pages that hold at least one allocation.
    pub active_bytes: u64,
    /// In physical memory, as far as the allocator knows.
    pub resident_bytes: u64,
}

/// Runs a node until `shutdown` is cancelled, it is told to stop over the network, or it fails.
///
/// # Errors
/// See [`ServeError`]; a planned stop is no error.
pub async fn serve(
    options: ServeOptions,
    hooks: Hooks,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    options.check()?;
    let ports = Ports::bind(&options).await?;
    let announce = ports.announce(&options)?;
    let admin_options = AdminOptions {
        token: secret("admin-token-file", options.admin_token_file.as_deref())?,
        metrics_open: options.metrics_open,
        ..AdminOptions::default()
    };
    let shared = secret("secret-file", options.secret_file.as_deref())?;
    let announced_sentinel = announce.sentinel.clone();
    let node_options = node_options(&options, announce, shared, ports.resp_port());
    let node = Node::start(node_options, Components::real()).await.map_err(start_error)?;
    let memory = hooks.memory.clone();
    node.measure_memory_by(move || memory().map(|memory| memory.allocated_bytes));
    (hooks.bound)(ports.bound(node.peer_addr()));

    let [clients_stop, sentinel_stop, admin_stop] = std::array::from_fn(|_| CancellationToken::new());
    let tasks = TaskTracker::new();
    if let Some(listener) = ports.resp {
        tasks.spawn(listener.serve(Arc::new(node.clone()), clients_stop.clone()));
    }
    let clients = tasks.clone();
    let facade = ports
        .sentinel
        .map(|listener| tokio::spawn(facade(&node, &options).serve(listener, sentinel_stop.clone())));
    let told = tokio::spawn(tell_address(node.clone(), announced_sentinel));
    let admin = ports.admin.map(|listener| {
        let backend = Arc::new(NodeAdmin::new(node.clone(), hooks));
        let router = admin::router(backend, &admin_options);
        tokio::spawn(admin::run(listener, router, admin_options.limits, admin_stop.clone()))
    });

    let outcome = until_over(&node, &shutdown).await;
    // Leadership moves while this node still answers; then its clients' open requests are finished.
    if outcome.is_ok()
        && let Some(id) = node.id()
    {
        let _no_heir = node.admin(Call::Drain { node: id.0, on: true }).await;
    }
    clients_stop.cancel();
    clients.close();
    clients.wait().await;
    told.abort();
    // Until here it has sent clients to other nodes.
    sentinel_stop.cancel();
    if let Some(facade) = facade {
        // A panic of it has been reported where it happened.
        let _ended = facade.await;
    }
    node.stop().await;
    admin_stop.cancel();
    if let Some(admin) = admin {
        // A panic of the API has been reported where it happened.
        let _ended = admin.await;
    }
    outcome
}

/// The Sentinel port of a node.
fn facade(node: &Node, options: &ServeOptions) -> Arc<Facade<Node>> {
    let facade_options = FacadeOptions {
        names: options.sentinel_names.clone(),
        roles: options.roles,
        asks_password: options.sentinel_auth,
    };
    let leading = node.clone();
    Facade::new(Arc::new(node.clone()), facade_options, move || {
        let node = leading.clone();
        tokio::spawn(async move {
            if let Err(refusal) = node.admin(Call::Transfer { to: None }).await {
                tracing::warn!(%refusal, "SENTINEL FAILOVER: the leadership stays");
            }
        });
    })
}

/// Tells the cluster where this node's Sentinel port is, if it became a member with another one or without.
async fn tell_address(node: Node, sentinel: String) {
    if sentinel.is_empty() {
        return;
    }
    loop {
        if node.serving().await.is_err() {
            return;
        }
        let facts = node.facts();
        let known = facts.members.iter().find(|member| member.id == facts.node);
        if known.is_some_and(|member| member.sentinel == sentinel) {
            return;
        }
        let addresses = Addresses { sentinel: sentinel.clone(), ..Addresses::default() };
        match node.admin(Call::SetAddresses { node: facts.node, addresses }).await {
            Ok(_) => return,
            Err(refusal) => tracing::debug!(%refusal, "the Sentinel port cannot be announced yet"),
        }
        tokio::time::sleep(TELL_PAUSE).await;
    }
}

/// Waits until the node is to stop, or has failed.
async fn until_over(node: &Node, shutdown: &CancellationToken) -> Result<(), ServeError> {
    let mut phase = node.phase();
    let over = phase.wait_for(|phase| matches!(phase, Phase::Stopped | Phase::Failed(_)));
    tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        over = over => match over.as_deref() {
            Ok(Phase::Failed(error)) => Err(start_error(error.clone())),
            _ => Ok(()),
        },
    }
}

/// The sockets of clients and administrators, bound before anything else is touched.
struct Ports {
    resp: Option<Listener>,
    admin: Option<TcpListener>,
    sentinel: Option<TcpListener>,
}

impl Ports {
    async fn bind(options: &ServeOptions) -> Result<Ports, ServeError> {
        let failed = |name, address: &str| {
            let address = address.to_owned();
            move |source| ServeError::Bind { name, address, source }
        };
        let listener_options = ListenerOptions {
            protected_mode: options.protected_mode,
            drain_max: Duration::from_millis(options.drain_ms_max),
            ..ListenerOptions::default()
        };
        let resp = match options.resp_bind.as_str() {
            "" => None,
            bind => {
                let addresses: Vec<_> =
                    tokio::net::lookup_host(bind).await.map_err(failed("resp-bind", bind))?.take(1).collect();
                Some(Listener::bind(&addresses, listener_options).map_err(failed("resp-bind", bind))?)
            }
        };
        let admin = match options.admin_bind.as_str() {
            "" => None,
            bind => Some(TcpListener::bind(bind).await.map_err(failed("admin-bind", bind))?),
        };
        let sentinel = match options.sentinel_bind.as_str() {
            "" => None,
            bind => Some(TcpListener::bind(bind).await.map_err(failed("sentinel-bind", bind))?),
        };
        Ok(Ports { resp, admin, sentinel })
    }

    fn resp_port(&self) -> u16 {
        self.resp
            .as_ref()
            .and_then(|listener| listener.addresses().first().map(SocketAddr::port))
            .unwrap_or(0)
    }

    /// What others are told, with the ports that the system chose where 0 was asked for.
    fn announce(&self, options: &ServeOptions) -> Result<Addresses, ServeError> {
        let mut announce = options.announced()?;
        let real_port = |address: &mut String, port: Option<u16>| {
            if let (Some(host), Some(port)) = (address.strip_suffix(":0").map(str::to_owned), port) {
                *address = format!("{host}:{port}");
            }
        };
        real_port(&mut announce.resp, Some(self.resp_port()));
        let admin = self.admin.as_ref().and_then(|listener| listener.local_addr().ok());
        real_port(&mut announce.admin, admin.map(|address| address.port()));
        let sentinel = self.sentinel.as_ref().and_then(|listener| listener.local_addr().ok());
        real_port(&mut announce.sentinel, sentinel.map(|address| address.port()));
        Ok(announce)
    }

    fn bound(&self, peer: SocketAddr) -> Bound {
        Bound {
            resp: self.resp.as_ref().and_then(|listener| listener.addresses().first().copied()),
            admin: self.admin.as_ref().and_then(|listener| listener.local_addr().ok()),
            sentinel: self.sentinel.as_ref().and_then(|listener| listener.local_addr().ok()),
            peer,
        }
    }
}

fn secret(name: &'static str, path: Option<&Path>) -> Result<Option<Secret>, ServeError> {
    path.map(|path| Secret::read(name, path)).transpose()
}

fn node_options(
    options: &ServeOptions,
    announce: Addresses,
    shared: Option<Secret>,
    resp_port: u16,
) -> NodeOptions {
    let membership = match options.node {
        Some(number) if options.join.is_empty() => {
            Membership::Static { number, peers: options.peers.clone() }
        }
        number => Membership::Join { through: options.join.clone(), number },
    };
    let millis = Duration::from_millis;
    let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let mut settings = Settings::default();
    let (port, dir) = (resp_port.to_string(), options.data_dir.display().to_string());
    let debug: &[u8] = match options.enable_debug_command {
        DebugAccess::No => b"no",
        DebugAccess::Local => b"local",
        DebugAccess::Yes => b"yes",
    };
    let own = [
        (&b"port"[..], port.as_bytes()),
        (b"bind", host(&options.resp_bind)),
        (b"dir", dir.as_bytes()),
        (b"enable-debug-command", debug),
    ];
    if let Err(error) = settings.set_node(&own) {
        tracing::warn!(%error, "CONFIG GET will not show this node's own settings");
    }
    NodeOptions {
        bind_outgoing: options.bind_outgoing,
        announce,
        secret: shared.map(|secret| secret.expose().as_bytes().to_vec()),
        staleness_max: millis(options.staleness_ms_max),
        limits: Limits {
            batches_in_flight_max: size(options.batches_in_flight_max),
            batch_bytes_max: size(options.batch_bytes_max),
            batch_groups_max: size(options.batch_requests_max),
            waiting_bytes_max: size(options.hold_bytes_max),
            hold: millis(options.hold_ms_max),
            ..Limits::default()
        },
        heartbeat: millis(options.heartbeat_ms),
        election: millis(options.election_ms),
        log_engine: match options.log_engine {
            LogEngine::Wal => LogEngineKind::Segments,
            LogEngine::Sled => LogEngineKind::Sled,
        },
        segment_bytes: options.segment_bytes,
        snapshot_log_bytes: options.snapshot_log_bytes,
        log_kept_bytes_max: options.log_kept_bytes_max,
        snapshot_send_bytes_per_second: options.snapshot_send_bytes_per_second,
        drain_max: millis(options.drain_ms_max),
        read_mode: match options.read_mode {
            ReadMode::Index => session::ReadMode::Index,
            ReadMode::Lease => session::ReadMode::Lease,
            ReadMode::Local => session::ReadMode::Local,
        },
        show_roles: options.roles == Roles::Leader,
        settings,
        ..NodeOptions::new(&options.data_dir, membership, &options.peer_bind)
    }
}

/// The host part of a bind address.
fn host(bind: &str) -> &[u8] {
    bind.rsplit_once(':').map_or(bind, |(host, _)| host).as_bytes()
}

fn start_error(error: quorate::Error) -> ServeError {
    match error {
        quorate::Error::Bind { address, source } => ServeError::Bind {
            name: "peer-bind",
            address,
            source: std::io::Error::new(source.kind(), source.to_string()),
        },
        quorate::Error::Storage(source) => ServeError::DataDirectory(Box::new(source)),
        other => ServeError::Fault(Box::new(other)),
    }
}
