//! Three or more nodes in one process: real peers over loopback, simulated disks, and a machine that counts.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use quorate_raft::{
    Capture, Committed, Components, Error, Executor, Fault, Leadership, Log, LogId, Members, Metrics, NodeId,
    NodeInfo, Payload, PeerIdentity, Raft, RaftOptions, Refused, SnapshotStore, StateMachine, TcpNet,
    Transport, TransportOptions,
};
use quorate_storage::{LogEngineKind, LogOptions, WhenFull, disk::sim::SimDisk};

/// Longest wait for a condition before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What the machine has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) count: u64,
    /// Depends on the content and the order of all data.
    pub(crate) digest: u64,
    pub(crate) last: Option<LogId>,
    pub(crate) installs: u64,
    pub(crate) members: Members,
}

#[derive(Clone, Default)]
pub(crate) struct Counter {
    pub(crate) seen: Arc<Mutex<Seen>>,
    /// Bytes that each snapshot is made larger by.
    pub(crate) ballast_bytes: Arc<AtomicU64>,
}

const BLOCK_BYTES: u64 = 1 << 20;

struct Blocks(VecDeque<Bytes>);

impl Capture for Blocks {
    fn next_block(&mut self) -> Option<Bytes> {
        self.0.pop_front()
    }
}

impl StateMachine for Counter {
    fn apply(&mut self, entries: Vec<Committed>) -> Result<(), Fault> {
        let mut seen = self.seen.lock();
        for entry in entries {
            if seen.last.is_some_and(|last| last.index + 1 != entry.id.index) {
                return Err(Fault::new(format!("{} follows {:?}", entry.id, seen.last)));
            }
            seen.last = Some(entry.id);
            match entry.payload {
                Payload::Blank => {}
                Payload::Members(members) => seen.members = members,
                Payload::Data(bytes) => {
                    seen.count += 1;
                    for byte in bytes {
                        seen.digest = (seen.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
                    }
                }
            }
        }
        Ok(())
    }

    fn capture(&mut self) -> Box<dyn Capture> {
        let seen = self.seen.lock();
        let mut head = seen.count.to_le_bytes().to_vec();
        head.extend_from_slice(&seen.digest.to_le_bytes());
        let ballast = self.ballast_bytes.load(Ordering::Relaxed) / BLOCK_BYTES;
        let block = Bytes::from(vec![0x5a; BLOCK_BYTES as usize]);
        let blocks = std::iter::once(head.into()).chain((0..ballast).map(|_| block.clone()));
        Box::new(Blocks(blocks.collect()))
    }

    fn install(
        &mut self,
        last: LogId,
        members: &Members,
        blocks: &mut dyn Iterator<Item = Result<Bytes, Fault>>,
    ) -> Result<(), Fault> {
        let head = blocks.next().ok_or_else(|| Fault::new("no block"))??;
        for block in blocks {
            block?;
        }
        let mut seen = self.seen.lock();
        seen.count = u64::from_le_bytes(head[..8].try_into().map_err(Fault::new)?);
        seen.digest = u64::from_le_bytes(head[8..16].try_into().map_err(Fault::new)?);
        seen.last = Some(last);
        seen.installs += 1;
        seen.members = members.clone();
        Ok(())
    }
}

/// A running node.
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) raft: Raft,
    pub(crate) transport: Transport,
    pub(crate) log: Log,
    pub(crate) counter: Counter,
}

impl Node {
    pub(crate) fn seen(&self) -> Seen {
        self.counter.seen.lock().clone()
    }

    /// Waits until the metrics fulfil the condition.
    pub(crate) async fn until(&self, what: &str, mut condition: impl FnMut(&Metrics) -> bool) -> Metrics {
        let mut watch = self.raft.metrics_watch();
        let met = tokio::time::timeout(PATIENCE, watch.wait_for(|now| condition(now))).await;
        match met {
            Ok(Ok(metrics)) => return metrics.clone(),
            Ok(Err(_)) => {}
            Err(_) => {}
        }
        panic!("node {}: {what} did not come about: {:?}", self.id, self.raft.metrics())
    }

    /// Waits until so many proposals are applied.
    pub(crate) async fn until_count(&self, count: u64) {
        let counter = self.counter.clone();
        self.until(&format!("count {count}"), |_| counter.seen.lock().count >= count).await;
        assert_eq!(self.seen().count, count);
    }

    /// Proposes numbered data on a leader that is expected to stay.
    pub(crate) async fn propose(&self, from: u64, count: u64) {
        for number in from..from + count {
            self.raft.propose(data(number), |_| {}).await.expect("Raft runs");
        }
    }
}

pub(crate) fn data(number: u64) -> Bytes {
    format!("proposal {number} {}", "x".repeat(100)).into()
}

/// Nodes with their disks and addresses, running or not. Index 0 is node 1.
pub(crate) struct Cluster {
    pub(crate) options: RaftOptions,
    pub(crate) disks: Vec<SimDisk>,
    pub(crate) addrs: Vec<Option<SocketAddr>>,
    pub(crate) nodes: Vec<Option<Node>>,
    pub(crate) ballast_bytes: u64,
}

pub(crate) fn quick() -> RaftOptions {
    RaftOptions {
        // Slower than in production: the tests share two cores with others.
        heartbeat: Duration::from_millis(150),
        election_min: Duration::from_millis(1000),
        election_max: Duration::from_millis(2000),
        policy_interval: Duration::from_millis(50),
        ..RaftOptions::default()
    }
}

impl Cluster {
    /// So many nodes, started, not formed.
    pub(crate) async fn start(count: usize, options: RaftOptions) -> Self {
        let mut cluster =
            Self { options, disks: Vec::new(), addrs: Vec::new(), nodes: Vec::new(), ballast_bytes: 0 };
        for _ in 0..count {
            cluster.add().await;
        }
        cluster
    }

    /// The same, formed of all nodes, with a leader.
    pub(crate) async fn formed(count: usize, options: RaftOptions) -> Self {
        let cluster = Self::start(count, options).await;
        cluster.node(1).raft.initialize(cluster.infos()).await.expect("a fresh node can be initialized");
        cluster.leader().await;
        cluster
    }

    /// One more node, not a member.
    pub(crate) async fn add(&mut self) -> u64 {
        let id = self.disks.len() as u64 + 1;
        self.disks.push(SimDisk::new(id));
        self.addrs.push(None);
        self.nodes.push(None);
        self.boot(id).await;
        id
    }

    pub(crate) fn node(&self, id: u64) -> &Node {
        self.nodes[id as usize - 1].as_ref().expect("the node runs")
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().flatten()
    }

    pub(crate) fn info(&self, id: u64) -> NodeInfo {
        let peer = self.addrs[id as usize - 1].expect("the node was started").to_string();
        NodeInfo { number: id as u32, peer, ..NodeInfo::default() }
    }

    pub(crate) fn infos(&self) -> BTreeMap<NodeId, NodeInfo> {
        (1..=self.disks.len() as u64).map(|id| (NodeId(id), self.info(id))).collect()
    }

    /// Starts a node on its disk, at its old address.
    pub(crate) async fn boot(&mut self, id: u64) {
        let at = id as usize - 1;
        assert!(self.nodes[at].is_none());
        let disk: Arc<SimDisk> = Arc::new(self.disks[at].clone());
        let options =
            LogOptions { segment_bytes: 1 << 20, when_full: WhenFull::Wait, ..LogOptions::default() };
        let (log, _) = Log::open(disk.clone(), options, LogEngineKind::Segments, Executor::Thread)
            .expect("the log opens");
        let snapshots = SnapshotStore::open(disk).expect("the snapshots open");
        let listen = self.addrs[at].unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
        let transport = Transport::bind(Arc::new(TcpNet), listen, TransportOptions::default())
            .await
            .expect("the port is free");
        self.addrs[at] = Some(transport.local_addr());
        transport.set_identity(PeerIdentity { cluster: 1, node: NodeId(id), incarnation: 1 });
        let counter = Counter::default();
        counter.ballast_bytes.store(self.ballast_bytes, Ordering::Relaxed);
        let components = Components {
            log: log.clone(),
            snapshots,
            machine: counter.clone(),
            transport: transport.clone(),
            executor: Executor::Thread,
        };
        let raft = Raft::start(NodeId(id), self.options.clone(), components).await.expect("Raft starts");
        self.nodes[at] = Some(Node { id: NodeId(id), raft, transport, log, counter });
    }

    /// Cuts the power of a node: what was not synced may be gone.
    pub(crate) async fn kill(&mut self, id: u64) {
        let at = id as usize - 1;
        self.disks[at].cut_power();
        self.end(at).await;
        self.disks[at].restart();
    }

    /// Stops a node in order.
    pub(crate) async fn stop(&mut self, id: u64) {
        self.end(id as usize - 1).await;
    }

    async fn end(&mut self, at: usize) {
        let node = self.nodes[at].take().expect("the node runs");
        node.transport.shutdown().await;
        node.raft.shutdown().await;
        // Fails where the power is off.
        let _ = node.log.close();
        self.disks[at].restart_process();
    }

    /// Waits until a running node leads that a majority of the running nodes follows in its term.
    pub(crate) async fn leader(&self) -> &Node {
        self.leader_but(None).await
    }

    pub(crate) async fn leader_but(&self, not: Option<u64>) -> &Node {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            for node in self.running().filter(|node| Some(node.id.0) != not) {
                let Leadership { term, leader_is_me, .. } = *node.raft.leadership().borrow();
                let follows = |other: &&Node| {
                    let theirs = *other.raft.leadership().borrow();
                    theirs.term == term && theirs.leader == Some(node.id)
                };
                if leader_is_me && self.running().filter(follows).count() > self.running().count() / 2 {
                    return node;
                }
            }
            assert!(tokio::time::Instant::now() < deadline, "no leader: {:?}", self.metrics());
            // One condition over many watches: looked at again soon.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn metrics(&self) -> Vec<Metrics> {
        self.running().map(|node| node.raft.metrics()).collect()
    }

    /// Waits until all running nodes have applied so many proposals, and checks that they are the same ones.
    pub(crate) async fn agree(&self, count: u64) {
        let mut digests = BTreeSet::new();
        for node in self.running() {
            node.until_count(count).await;
            digests.insert(node.seen().digest);
        }
        assert_eq!(digests.len(), 1, "the nodes applied different things");
    }

    pub(crate) async fn shutdown(mut self) {
        for at in 0..self.nodes.len() {
            if self.nodes[at].is_some() {
                self.end(at).await;
            }
        }
    }
}

/// Tries an operation on whoever leads until it succeeds; errors that ask for a retry are not a failure.
pub(crate) async fn retry<T, F: Future<Output = Result<T, Error>>>(
    what: &str,
    mut operation: impl FnMut() -> F,
) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match operation().await {
            Ok(value) => return value,
            Err(error) => assert!(tokio::time::Instant::now() < deadline, "{what}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a proposal is given.
pub(crate) type Callback = Box<dyn FnOnce(Refused) + Send>;

/// A callback that keeps what it is told.
pub(crate) fn refusals() -> (Arc<Mutex<Vec<Refused>>>, impl Fn() -> Callback) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let keeper = Arc::clone(&told);
    let callback = move || {
        let told = Arc::clone(&keeper);
        Box::new(move |why| told.lock().push(why)) as Callback
    };
    (told, callback)
}
