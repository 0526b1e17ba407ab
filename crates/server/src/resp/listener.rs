//! Accepting connections: who may connect, and how many.
//!
//! For: binding addresses and the accept loops. Leaves to others: a connection's life (`connection`).
//! Invariants: a refused client is told why, in Redis' words; an accept that fails is tried again, after a
//! pause where the system is out of file descriptors.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use quorate::session::{Admission, Backend, ClientOrigin, Session, Tunables};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{Connection, Stop};

/// How often settings are taken over and rates sampled.
const TICK: Duration = Duration::from_millis(100);

/// Pause after an accept that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const TOO_MANY: &str = "-ERR max number of clients reached\r\n";
const DRAINING: &str = "-ERR this node is being stopped, connect to another one\r\n";
const PROTECTED: &str = "-DENIED Redis is running in protected mode because protected mode is enabled and no \
    password is set for the default user. In this mode connections are only accepted from the loopback interface. \
    If you want to connect from external computers to Redis you may adopt one of the following solutions: 1) Just \
    disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by \
    connecting to Redis from the same host the server is running, however MAKE SURE Redis is not publicly accessible \
    from internet if you do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just \
    disable the protected mode by editing the Redis configuration file, and setting the protected mode option to \
    'no', and then restarting the server. 3) If you started the server manually just for testing, restart it with \
    the '--protected-mode no' option. 4) Setup a an authentication password for the default user. NOTE: You only \
    need to do one of the above things in order for the server to start accepting connections from the outside.\r\n";

/// How a listener behaves, beside the settings that are replicated.
#[derive(Debug, Clone)]
pub struct ListenerOptions {
    /// Whether clients from other hosts are refused while there is no password; the replicated setting
    /// `protected-mode` has to agree.
    pub protected_mode: bool,
    /// Connections that may wait to be accepted.
    pub backlog: i32,
    /// The path of a Unix socket to listen on as well; a socket that is left there is replaced.
    pub unix_socket: Option<PathBuf>,
    /// How long open requests may take once the listener is to stop.
    pub drain_max: Duration,
}

impl Default for ListenerOptions {
    fn default() -> ListenerOptions {
        ListenerOptions {
            protected_mode: true,
            backlog: 511,
            unix_socket: None,
            drain_max: Duration::from_secs(10),
        }
    }
}

/// Bound sockets for clients.
#[derive(Debug)]
pub struct Listener {
    sockets: Vec<TcpListener>,
    unix: Option<(UnixListener, PathBuf)>,
    options: ListenerOptions,
}

impl Listener {
    /// Binds all addresses. Must be called in a runtime.
    ///
    /// # Errors
    /// An address cannot be bound; the error names it.
    pub fn bind(addresses: &[SocketAddr], options: ListenerOptions) -> io::Result<Listener> {
        let named = |address: &SocketAddr, error: io::Error| {
            io::Error::new(error.kind(), format!("cannot listen for clients on {address}: {error}"))
        };
        let sockets = addresses
            .iter()
            .map(|address| bind_tcp(*address, options.backlog).map_err(|error| named(address, error)))
            .collect::<io::Result<Vec<_>>>()?;
        let unix = match &options.unix_socket {
            Some(path) => Some((bind_unix(path)?, path.clone())),
            None => None,
        };
        Ok(Listener { sockets, unix, options })
    }

    /// The addresses that are bound, with the ports that the system chose where 0 was asked for.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }

    /// Serves clients until `shutdown`; then open requests are finished, for a bounded time.
    pub async fn serve<B: Backend>(self, backend: Arc<B>, shutdown: CancellationToken) {
        let Listener { sockets, unix, options } = self;
        let connections = TaskTracker::new();
        let now = CancellationToken::new();
        let shared = Shared {
            backend,
            connections: connections.clone(),
            stop: Stop { drain: shutdown.clone(), now: now.clone() },
            protected_mode: options.protected_mode,
        };
        let loops = TaskTracker::new();
        for socket in sockets {
            loops.spawn(accept_tcp(socket, shared.clone()));
        }
        if let Some((socket, path)) = unix {
            loops.spawn(accept_unix(socket, path, shared.clone()));
        }
        loops.spawn(carry_messages(shared.clone()));
        loops.spawn(tick(shared));
        loops.close();
        connections.close();
        loops.wait().await;
        if tokio::time::timeout(options.drain_max, connections.wait()).await.is_err() {
            tracing::warn!(open = connections.len(), "clients are cut off: their requests took too long");
            now.cancel();
            connections.wait().await;
        }
    }
}

struct Shared<B> {
    backend: Arc<B>,
    connections: TaskTracker,
    stop: Stop,
    protected_mode: bool,
}

impl<B> Clone for Shared<B> {
    fn clone(&self) -> Shared<B> {
        Shared {
            backend: Arc::clone(&self.backend),
            connections: self.connections.clone(),
            stop: self.stop.clone(),
            protected_mode: self.protected_mode,
        }
    }
}

impl<B: Backend> Shared<B> {
    /// Whether a client may connect; the reason if not.
    fn admit(&self, tunables: &Tunables, local: bool) -> Result<(), &'static str> {
        let front = self.backend.front();
        let refusal = if front.clients.len() >= tunables.clients_max {
            Some(TOO_MANY)
        } else if self.backend.admission() == Admission::Draining {
            Some(DRAINING)
        } else if self.protected_mode && tunables.protected_mode && !tunables.has_password && !local {
            Some(PROTECTED)
        } else {
            None
        };
        match refusal {
            Some(reason) => {
                front.stats.connections_rejected.fetch_add(1, Relaxed);
                Err(reason)
            }
            None => {
                front.stats.connections.fetch_add(1, Relaxed);
                Ok(())
            }
        }
    }

    fn take_tcp(&self, mut stream: TcpStream, peer: SocketAddr) {
        let tunables = self.backend.front().tunables();
        let local = is_local(peer.ip());
        if let Err(reason) = self.admit(&tunables, local) {
            // The client may be gone already; it is refused all the same.
            let _written = stream.try_write(reason.as_bytes());
            return;
        }
        if let Err(error) = prepare(&stream, &tunables) {
            tracing::debug!(%peer, %error, "a client's socket cannot be set up");
            return;
        }
        let laddr = stream.local_addr().map(shown).unwrap_or_default();
        let origin = ClientOrigin { addr: shown(peer), laddr, fd: stream.as_raw_fd(), unix: false, local };
        let session = Session::new(Arc::clone(&self.backend), origin);
        let stop = self.stop.clone();
        self.connections.spawn(async move {
            let (reader, writer) = stream.split();
            Connection::new(session, reader, writer).run(stop).await;
        });
    }

    fn take_unix(&self, mut stream: UnixStream, path: &Path) {
        let tunables = self.backend.front().tunables();
        if let Err(reason) = self.admit(&tunables, true) {
            let _written = stream.try_write(reason.as_bytes());
            return;
        }
        let addr = format!("{}:0", path.display());
        let origin =
            ClientOrigin { laddr: addr.clone(), addr, fd: stream.as_raw_fd(), unix: true, local: true };
        let session = Session::new(Arc::clone(&self.backend), origin);
        let stop = self.stop.clone();
        self.connections.spawn(async move {
            let (reader, writer) = stream.split();
            Connection::new(session, reader, writer).run(stop).await;
        });
    }
}

async fn accept_tcp<B: Backend>(socket: TcpListener, shared: Shared<B>) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.stop.drain.cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => shared.take_tcp(stream, peer),
            Err(error) => pause_after(&error).await,
        }
    }
}

async fn accept_unix<B: Backend>(socket: UnixListener, path: PathBuf, shared: Shared<B>) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.stop.drain.cancelled() => break,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => shared.take_unix(stream, &path),
            Err(error) => pause_after(&error).await,
        }
    }
    if let Err(error) = std::fs::remove_file(&path) {
        tracing::debug!(path = %path.display(), %error, "the Unix socket cannot be removed");
    }
}

/// An accept fails because the client has gone already, or because the system is short of something, which
/// trying at once would only make worse.
async fn pause_after(error: &io::Error) {
    if error.kind() != io::ErrorKind::ConnectionAborted {
        tracing::warn!(%error, "a client cannot be accepted");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// Brings messages to clients. Not on the runtime of consensus, which has better to do.
async fn carry_messages<B: Backend>(shared: Shared<B>) {
    tokio::select! {
        () = shared.stop.drain.cancelled() => {}
        () = shared.backend.front().carry_messages() => {}
    }
}

/// Takes over changed settings and samples rates.
async fn tick<B: Backend>(shared: Shared<B>) {
    let front = shared.backend.front();
    loop {
        tokio::select! {
            () = shared.stop.drain.cancelled() => return,
            () = tokio::time::sleep(TICK) => {}
        }
        shared.backend.with_state(|state| front.refresh(state));
        front.tick(Instant::now());
    }
}

fn bind_tcp(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // So that 0.0.0.0 and :: can be bound side by side.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    TcpListener::from_std(socket.into())
}

fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::FileTypeExt;
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    UnixListener::bind(path).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen for clients on {}: {error}", path.display()))
    })
}

fn prepare(stream: &TcpStream, tunables: &Tunables) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if let Some(every) = tunables.keepalive {
        // As Redis: a dead peer is found after twice the time, with three probes in the second half.
        let between = (every / 3).max(Duration::from_secs(1));
        let keepalive = TcpKeepalive::new().with_time(every).with_interval(between).with_retries(3);
        SockRef::from(stream).set_tcp_keepalive(&keepalive)?;
    }
    Ok(())
}

fn is_local(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// An address as Redis shows it: IPv6 without brackets would be ambiguous, so with them.
fn shown(address: SocketAddr) -> String {
    SocketAddr::new(address.ip().to_canonical(), address.port()).to_string()
}
