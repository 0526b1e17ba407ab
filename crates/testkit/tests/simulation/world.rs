//! The outside world of a simulated node: a network, a clock, a disk, and seeds.
//!
//! Invariants: nothing here reads a real clock, a real network or a real disk; everything that is drawn
//! follows from the run's seed.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use quorate::clock::WallClock;
use quorate::{Components, Membership, NodeOptions};
use quorate_keyspace::Millis;
use quorate_raft::Net;
use quorate_raft::transport::{Connection, Listener};
use quorate_storage::Executor;
use quorate_storage::disk::sim::SimDisk;

/// The port that every node listens on, each on its own host.
const PEER_PORT: u16 = 7000;
/// What the simulation's clocks show at its beginning, but for their errors. Milliseconds since 1970.
const EPOCH: i64 = 1_700_000_000_000;

/// The name of a node's host.
pub(crate) fn host(number: u32) -> String {
    format!("node-{number}")
}

/// Options that make much happen in little time: small segments, early snapshots, a short log.
pub(crate) fn options(number: u32, nodes: u32) -> NodeOptions {
    let address = |number| format!("{}:{PEER_PORT}", host(number));
    let peers = (1..=nodes).map(|number| (number, address(number))).collect();
    let mut options =
        NodeOptions::new("", Membership::Static { number, peers }, format!("0.0.0.0:{PEER_PORT}"));
    options.announce.peer = address(number);
    options.segment_bytes = 64 << 10;
    options.snapshot_log_bytes = 48 << 10;
    options.log_kept_bytes_max = 32 << 10;
    options
}

/// The components of one life of a node.
pub(crate) fn components(
    disk: &SimDisk,
    clock: SkewedClock,
    seeds: &Arc<Seeds>,
    attempts: &Arc<AtomicU64>,
) -> Components {
    let seeds = seeds.clone();
    Components {
        clock: Box::new(clock),
        net: Arc::new(SimNet { attempts: attempts.clone() }),
        disk: Some(Arc::new(disk.clone())),
        executor: Executor::Inline,
        seeds: Arc::new(move || seeds.draw()),
    }
}

/// An endless row of numbers that follows from one (SplitMix64).
#[derive(Debug)]
pub(crate) struct Seeds(AtomicU64);

impl Seeds {
    pub(crate) fn new(seed: u64) -> Arc<Seeds> {
        Arc::new(Seeds(AtomicU64::new(seed)))
    }

    pub(crate) fn draw(&self) -> u64 {
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        let mut z = self.0.fetch_add(step, Ordering::Relaxed).wrapping_add(step);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        self.draw() % bound.max(1)
    }
}

/// A wall clock that is wrong by a constant and runs a little too fast or too slow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SkewedClock {
    pub(crate) error_ms: i64,
    pub(crate) drift_per_million: i64,
}

impl WallClock for SkewedClock {
    fn now(&self) -> Millis {
        let since = turmoil::sim_elapsed().unwrap_or_default().as_millis() as i64;
        Millis(EPOCH + since + self.error_ms + since * self.drift_per_million / 1_000_000)
    }
}

/// The simulation's network, as one node uses it.
struct SimNet {
    /// Counts attempts to connect.
    attempts: Arc<AtomicU64>,
}

impl Net for SimNet {
    fn connect(&self, _from: Option<IpAddr>, addr: String) -> BoxFuture<'static, io::Result<Connection>> {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let stream = turmoil::net::TcpStream::connect(addr).await?;
            let peer = stream.peer_addr()?;
            Ok(connection(stream, peer))
        })
    }

    fn bind(&self, addr: SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = turmoil::net::TcpListener::bind(addr).await?;
            Ok(Box::new(SimPort(listener)) as Box<dyn Listener>)
        })
    }
}

fn connection(stream: turmoil::net::TcpStream, peer: SocketAddr) -> Connection {
    let (reader, writer) = stream.into_split();
    Connection { reader: Box::new(reader), writer: Box::new(writer), peer }
}

struct SimPort(turmoil::net::TcpListener);

impl Listener for SimPort {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Connection>> {
        Box::pin(async move {
            let (stream, peer) = self.0.accept().await?;
            Ok(connection(stream, peer))
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A time between two bounds, in milliseconds.
pub(crate) fn between(seeds: &Seeds, from: u64, to: u64) -> Duration {
    Duration::from_millis(from + seeds.below(to - from))
}
