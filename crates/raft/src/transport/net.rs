//! The network as a component: plain TCP for production, something else in a simulation.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
};

/// Makes and takes connections.
pub trait Net: Send + Sync + 'static {
    /// Connects to `addr` (`host:port`), from the given local address if there is one.
    fn connect(&self, from: Option<IpAddr>, addr: String) -> BoxFuture<'static, io::Result<Connection>>;
    /// Listens on `addr`.
    fn bind(&self, addr: SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Listener>>>;
}

/// Takes connections.
pub trait Listener: Send + 'static {
    /// The next connection.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Connection>>;
    /// The address that is listened on, with the real port.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// A connection, in halves that different tasks own.
pub struct Connection {
    /// What the peer sends.
    pub reader: Box<dyn AsyncRead + Send + Unpin>,
    /// What the peer is sent. Shutting it down or dropping it closes the connection.
    pub writer: Box<dyn AsyncWrite + Send + Unpin>,
    /// The other end.
    pub peer: SocketAddr,
}

/// TCP without delay and with keepalive.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpNet;

/// Idle time after which TCP asks whether the other end is there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
/// Between two such questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

impl TcpNet {
    fn prepare(stream: TcpStream, peer: SocketAddr) -> io::Result<Connection> {
        stream.set_nodelay(true)?;
        let keepalive =
            socket2::TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
        socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        let (reader, writer) = stream.into_split();
        Ok(Connection { reader: Box::new(reader), writer: Box::new(writer), peer })
    }

    async fn connect_one(from: Option<IpAddr>, addr: SocketAddr) -> io::Result<Connection> {
        let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(from) = from.filter(|from| from.is_ipv4() == addr.is_ipv4()) {
            socket.bind(SocketAddr::new(from, 0))?;
        }
        let stream = socket.connect(addr).await?;
        Self::prepare(stream, addr)
    }
}

impl Net for TcpNet {
    fn connect(&self, from: Option<IpAddr>, addr: String) -> BoxFuture<'static, io::Result<Connection>> {
        Box::pin(async move {
            let mut error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            for addr in tokio::net::lookup_host(addr).await? {
                match Self::connect_one(from, addr).await {
                    Ok(connection) => return Ok(connection),
                    Err(failed) => error = failed,
                }
            }
            Err(error)
        })
    }

    fn bind(&self, addr: SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            // A restarted node must get its port back while old connections linger.
            socket.set_reuseaddr(true)?;
            socket.bind(addr)?;
            Ok(Box::new(TcpPort(socket.listen(BACKLOG)?)) as Box<dyn Listener>)
        })
    }
}

struct TcpPort(TcpListener);

impl Listener for TcpPort {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Connection>> {
        Box::pin(async move {
            let (stream, peer) = self.0.accept().await?;
            TcpNet::prepare(stream, peer)
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}
