//! The Sentinel façade: a port on which a node looks like the Sentinel of its cluster.
//!
//! ```text
//!  facts of the node ──► view ──┬──► lookup, info ──► replies of SENTINEL, INFO, ROLE
//!     (every 100 ms)            └──► events ────────► subscribers of +switch-master and the like
//! ```
//!
//! For: clients that find their Redis through Sentinels. Leaves to others: the Redis port, membership and leadership
//! (`quorate`), passwords (the cluster's settings). Invariants:
//! - All sets are the one cluster, by any of the configured names; another name is unknown.
//! - With [`Roles::Any`] the master is the node asked, as long as it serves; with [`Roles::Leader`] it is the leader,
//!   and `ROLE`, `INFO` and `HELLO` on the Redis port agree.
//! - Clients, their requests and what waits for them are bounded; none can hold up the node.
//!
//! Called by: `serve`, once.

mod client;
mod connection;
mod events;
mod info;
mod lookup;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeMap;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use quorate::session::{Backend, Names};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::events::Event;
use self::view::View;
use crate::Roles;

/// Most clients at a time.
const CLIENTS_MAX: usize = 4096;
/// Messages that a subscriber may be behind.
const EVENTS_MAX: usize = 1024;
/// How often the facts are looked at.
const TICK: Duration = Duration::from_millis(100);
/// Pause after an accept that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";

/// How the façade behaves.
#[derive(Debug, Clone)]
pub(crate) struct FacadeOptions {
    /// The names of the sets.
    pub(crate) names: Vec<String>,
    /// Which node is the master.
    pub(crate) roles: Roles,
    /// Whether clients have to give the cluster's password, where there is one.
    pub(crate) asks_password: bool,
}

/// The façade of one node.
pub(crate) struct Facade<B> {
    backend: Arc<B>,
    shared: Arc<Shared>,
    roles: Roles,
    /// Hands the leadership over, soon.
    failover: Box<dyn Fn() + Send + Sync>,
}

/// What all clients share.
struct Shared {
    names: Vec<String>,
    asks_password: bool,
    view: RwLock<Arc<View>>,
    events: broadcast::Sender<Event>,
    peers: Mutex<BTreeMap<u64, Arc<Peer>>>,
    connections: AtomicU64,
    started: Instant,
}

/// A client as others see it.
struct Peer {
    id: u64,
    addr: String,
    laddr: String,
    fd: i32,
    resp: AtomicU8,
    created: Instant,
    last: Mutex<(&'static str, Instant)>,
    names: Mutex<Names>,
}

impl<B: Backend> Facade<B> {
    pub(crate) fn new(
        backend: Arc<B>,
        options: FacadeOptions,
        failover: impl Fn() + Send + Sync + 'static,
    ) -> Arc<Facade<B>> {
        let shared = Shared {
            names: options.names,
            asks_password: options.asks_password,
            view: RwLock::default(),
            events: broadcast::Sender::new(EVENTS_MAX),
            peers: Mutex::default(),
            connections: AtomicU64::new(0),
            started: Instant::now(),
        };
        let facade =
            Facade { backend, shared: Arc::new(shared), roles: options.roles, failover: Box::new(failover) };
        facade.look(&mut None);
        Arc::new(facade)
    }

    /// Serves clients until `stop`; then their connections are closed.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener, stop: CancellationToken) {
        let (connections, end) = (TaskTracker::new(), CancellationToken::new());
        let (mut tick, mut leaderless) = (tokio::time::interval(TICK), None);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = tick.tick() => self.look(&mut leaderless),
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => self.take(stream, &connections, &end),
                    Err(error) => {
                        tracing::warn!(%error, "a client of the Sentinel port cannot be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        // Who listens still learns of the drain that led here.
        self.look(&mut leaderless);
        end.cancel();
        connections.close();
        connections.wait().await;
    }

    /// Takes a new view, and tells subscribers what has changed.
    fn look(&self, leaderless: &mut Option<Instant>) {
        self.backend.with_state(|state| self.backend.front().refresh(state));
        let facts = self.backend.facts();
        if facts.in_touch {
            *leaderless = None;
        }
        let since = if facts.in_touch {
            Duration::ZERO
        } else {
            leaderless.get_or_insert_with(Instant::now).elapsed()
        };
        let old = self.shared.view();
        let new = View::of(&facts, self.backend.admission(), self.roles, since, old.master);
        if new == *old {
            return;
        }
        let new = Arc::new(new);
        *self.shared.view.write() = new.clone();
        for event in events::between(&old, &new, &self.shared.names) {
            // Nobody may be listening.
            let _heard = self.shared.events.send(event);
        }
    }

    fn take(self: &Arc<Self>, stream: TcpStream, connections: &TaskTracker, stop: &CancellationToken) {
        if self.shared.peers.lock().len() >= CLIENTS_MAX {
            // The client may be gone already; it is refused all the same.
            let _written = stream.try_write(TOO_MANY);
            return;
        }
        let _smaller_delay = stream.set_nodelay(true);
        let peer = self.shared.enter(&stream);
        let (facade, stop) = (self.clone(), stop.clone());
        connections.spawn(async move {
            let id = peer.id;
            let shared = facade.shared.clone();
            connection::serve(facade, stream, peer, stop).await;
            shared.peers.lock().remove(&id);
        });
    }
}

impl Shared {
    fn view(&self) -> Arc<View> {
        self.view.read().clone()
    }

    fn names(&self) -> &[String] {
        &self.names
    }

    /// The set of this name.
    fn set_named(&self, name: &[u8]) -> Option<&String> {
        self.names.iter().find(|known| known.as_bytes() == name)
    }

    fn connections(&self) -> u64 {
        self.connections.load(Relaxed)
    }

    fn peers(&self) -> Vec<Arc<Peer>> {
        self.peers.lock().values().cloned().collect()
    }

    fn enter(&self, stream: &TcpStream) -> Arc<Peer> {
        let id = self.connections.fetch_add(1, Relaxed) + 1;
        let shown = |address: std::io::Result<std::net::SocketAddr>| {
            address.map(|address| address.to_string()).unwrap_or_default()
        };
        let now = Instant::now();
        let peer = Arc::new(Peer {
            id,
            addr: shown(stream.peer_addr()),
            laddr: shown(stream.local_addr()),
            fd: stream.as_raw_fd(),
            resp: AtomicU8::new(2),
            created: now,
            last: Mutex::new(("NULL", now)),
            names: Mutex::default(),
        });
        self.peers.lock().insert(id, peer.clone());
        peer
    }
}

impl Peer {
    fn note(&self, command: &'static str) {
        *self.last.lock() = (command, Instant::now());
    }

    fn id_shown(&self) -> i64 {
        i64::try_from(self.id).unwrap_or(i64::MAX)
    }

    fn name(&self) -> String {
        self.names.lock().name.clone()
    }

    fn set_names(&self, change: impl FnOnce(&mut Names)) {
        change(&mut self.names.lock());
    }

    /// Its line in `CLIENT LIST`.
    fn line(&self) -> String {
        let names = self.names.lock().clone();
        let (command, used) = *self.last.lock();
        format!(
            "id={} addr={} laddr={} fd={} name={} age={} idle={} flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 events=r \
             cmd={command} user=default redir=-1 resp={} lib-name={} lib-ver={}",
            self.id,
            self.addr,
            self.laddr,
            self.fd,
            names.name,
            self.created.elapsed().as_secs(),
            used.elapsed().as_secs(),
            self.resp.load(Relaxed),
            names.lib_name,
            names.lib_ver
        )
    }
}
