//! What a serving node is told from outside: plain values, already parsed and checked for shape.
//!
//! The command line fills these from file, environment and flags; a program that embeds the server
//! fills them itself. Secrets are named by file and read in [`crate::serve`], so that a printed or
//! logged [`ServeOptions`] never holds one. Cluster settings (passwords, memory limit, notifications)
//! are not here: they are replicated and changed with `CONFIG SET` or the admin API.
//!
//! Invariants: [`ServeOptions::default`] is fit for production except for what only the operator knows
//! (peers, secret); [`ServeOptions::check`] finds every contradiction before a socket or file is touched.
//!
//! Called once at the start, by the task that calls [`crate::serve`].

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use quorate::admin::Addresses;
use serde::{Deserialize, Serialize};

/// Everything that one node needs to start.
///
/// Addresses are `host:port`; IPv6 hosts stand in brackets. An empty bind address means that the port
/// is not served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct ServeOptions {
    /// This node's number, one of `peers`; a node that joins without one is given the next free one.
    pub node: Option<u32>,
    /// Where the log, snapshots and ledger live; locked by the running node.
    pub data_dir: PathBuf,

    /// Where Redis clients connect.
    pub resp_bind: String,
    /// Where the admin HTTP API listens.
    pub admin_bind: String,
    /// Where clients that look for their Redis through Sentinels connect; empty, the default: nowhere.
    pub sentinel_bind: String,
    /// Where other nodes connect.
    pub peer_bind: String,
    /// The local address of outgoing peer connections; `None` lets the system choose.
    pub bind_outgoing: Option<IpAddr>,

    /// The host under which clients and nodes reach this node; `None` derives it, see [`Self::announced`].
    pub announce_host: Option<String>,
    /// `host:port` told to clients in place of `announce_host` and the RESP port.
    pub announce_resp: Option<String>,
    /// `host:port` told to administrators in place of `announce_host` and the admin port.
    pub announce_admin: Option<String>,
    /// `host:port` told to clients in place of `announce_host` and the Sentinel port.
    pub announce_sentinel: Option<String>,
    /// `host:port` told to other nodes in place of `announce_host` and the peer port.
    pub announce_peer: Option<String>,

    /// Peer address by node number, the same on every node that forms the cluster, this node included.
    pub peers: BTreeMap<u32, String>,
    /// Peer addresses of live nodes to join through, tried in order; excludes `peers`.
    pub join: Vec<String>,

    /// A file with the secret that all nodes share; peers without it are refused.
    pub secret_file: Option<PathBuf>,
    /// A file with the bearer token of the admin API; `None` asks for none.
    pub admin_token_file: Option<PathBuf>,
    /// Whether `/metrics` needs no token.
    pub metrics_open: bool,
    /// Whether clients from other hosts are refused while no password is set, as in Redis.
    pub protected_mode: bool,
    /// The names under which the cluster is found on the Sentinel port.
    pub sentinel_names: Vec<String>,
    /// Whether the Sentinel port asks for the cluster's password, where there is one.
    pub sentinel_auth: bool,
    /// Which nodes call themselves master.
    pub roles: Roles,
    /// Who may use `DEBUG`, as in Redis.
    pub enable_debug_command: DebugAccess,

    /// How the log is kept.
    pub log_engine: LogEngine,
    /// How a connection reads before it asks for another mode.
    pub read_mode: ReadMode,
    /// How old the state may be that a `local` read shows, in milliseconds.
    pub staleness_ms_max: u64,

    /// The leader's heartbeat interval in milliseconds.
    pub heartbeat_ms: u64,
    /// The shortest time without a leader after which a node asks for votes, in milliseconds; the
    /// longest is twice that.
    pub election_ms: u64,
    /// How long requests are held while there is no leader, in milliseconds.
    pub hold_ms_max: u64,
    /// How many bytes of requests are held while there is no leader.
    pub hold_bytes_max: u64,
    /// How long a planned stop waits for open requests, in milliseconds.
    pub drain_ms_max: u64,

    /// Requests in one batch, at most.
    pub batch_requests_max: u64,
    /// Bytes of requests in one batch, at most; a single larger request is a batch of its own.
    pub batch_bytes_max: u64,
    /// Batches of this node on their way at a time.
    pub batches_in_flight_max: u64,

    /// Size of one log segment in bytes.
    pub segment_bytes: u64,
    /// Log bytes since the last snapshot after which the next one is taken.
    pub snapshot_log_bytes: u64,
    /// Log bytes kept behind a snapshot for a slow follower, at most.
    pub log_kept_bytes_max: u64,
    /// Bytes per second of a snapshot sent to one node; 0 is no limit.
    pub snapshot_send_bytes_per_second: u64,

    /// Worker threads for connections; 0 is one per core, less the one that consensus has, and at least one.
    pub threads: u64,
}

/// How the log is kept on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogEngine {
    /// Our segmented write-ahead log.
    #[default]
    Wal,
    /// sled; slower, see the documentation.
    Sled,
}

/// Which nodes call themselves master, in `ROLE`, `INFO`, `HELLO` and on the Sentinel port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Roles {
    /// Every node, for each serves every command.
    #[default]
    Any,
    /// The leader; the others are its replicas, which serve every command all the same.
    Leader,
}

/// Who may use `DEBUG`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DebugAccess {
    /// Nobody.
    #[default]
    No,
    /// Clients of the same machine.
    Local,
    /// Everyone.
    Yes,
}

/// What a read promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadMode {
    /// Linearizable, by a read barrier confirmed with a quorum.
    #[default]
    Index,
    /// Linearizable as long as clock rates are bounded; the leader answers barriers without a round.
    Lease,
    /// What this node has applied, with a bound on staleness.
    Local,
}

/// The addresses that a node really listens on, once its ports are bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Redis clients.
    pub resp: Option<SocketAddr>,
    /// The admin HTTP API.
    pub admin: Option<SocketAddr>,
    /// Clients that look for their Redis through Sentinels.
    pub sentinel: Option<SocketAddr>,
    /// Other nodes.
    pub peer: SocketAddr,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            node: None,
            data_dir: PathBuf::from("/var/lib/quorate"),
            resp_bind: "0.0.0.0:6379".into(),
            // Loopback, because without a token anyone who reaches it governs the cluster.
            admin_bind: "127.0.0.1:8379".into(),
            sentinel_bind: String::new(),
            peer_bind: "0.0.0.0:16379".into(),
            bind_outgoing: None,
            announce_host: None,
            announce_resp: None,
            announce_admin: None,
            announce_sentinel: None,
            announce_peer: None,
            peers: BTreeMap::new(),
            join: Vec::new(),
            secret_file: None,
            admin_token_file: None,
            metrics_open: false,
            protected_mode: true,
            sentinel_names: vec!["mymaster".into(), "myprimary".into()],
            sentinel_auth: false,
            roles: Roles::default(),
            enable_debug_command: DebugAccess::default(),
            log_engine: LogEngine::default(),
            read_mode: ReadMode::default(),
            staleness_ms_max: 5_000,
            heartbeat_ms: 50,
            election_ms: 250,
            hold_ms_max: 10_000,
            hold_bytes_max: 256 << 20,
            drain_ms_max: 10_000,
            batch_requests_max: 4_096,
            batch_bytes_max: 1 << 20,
            batches_in_flight_max: 8,
            segment_bytes: 64 << 20,
            snapshot_log_bytes: 1 << 30,
            log_kept_bytes_max: 4 << 30,
            snapshot_send_bytes_per_second: 0,
            threads: 0,
        }
    }
}

/// Options that contradict each other or cannot work; the text names the settings and the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OptionsError(pub String);

/// A `host:port` that is split and has both parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort<'a> {
    /// The host without brackets.
    pub host: &'a str,
    /// The port; 0 only in a bind address, where the system chooses.
    pub port: u16,
}

impl<'a> HostPort<'a> {
    /// Splits `host:port` or `[v6]:port`.
    ///
    /// # Errors
    /// With a sentence that says what is wrong, for a person.
    pub fn parse(text: &'a str) -> Result<Self, OptionsError> {
        let wrong = |why: &str| OptionsError(format!("{text:?} is no address host:port: {why}"));
        let (host, port) = text.rsplit_once(':').ok_or_else(|| wrong("the port is missing"))?;
        let port = port.parse().map_err(|_| wrong("the port is not a number from 0 to 65535"))?;
        let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let host = match bracketed {
            Some(inner) => inner,
            None if host.contains(':') => return Err(wrong("an IPv6 host stands in brackets, [::1]:6379")),
            None => host,
        };
        if host.is_empty() {
            return Err(wrong("the host is missing"));
        }
        if host.chars().any(|c| c.is_whitespace() || c == '/') {
            return Err(wrong("the host holds a character that no host has"));
        }
        Ok(Self { host, port })
    }

    /// Whether the host is the unspecified address, which nobody can connect to.
    #[must_use]
    pub fn is_unspecified(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified())
    }

    /// Whether only this machine can connect to it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for HostPort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl ServeOptions {
    /// Finds what cannot work, before a socket or a file is touched.
    ///
    /// # Errors
    /// The first contradiction, with the settings' names and the way out.
    pub fn check(&self) -> Result<(), OptionsError> {
        self.check_addresses()?;
        self.check_membership()?;
        self.check_security()?;
        self.check_bounds()?;
        self.announced().map(drop)
    }

    /// The addresses that this node tells others, from `announce-*`, else `announce-host`, else this
    /// node's entry in `peers`, else the bind address where it names one host.
    ///
    /// # Errors
    /// If nothing of these says under which host the node is reached.
    pub fn announced(&self) -> Result<Addresses, OptionsError> {
        let own_peer = self.node.and_then(|number| self.peers.get(&number));
        let peer = match (&self.announce_peer, own_peer) {
            (Some(announced), _) => announced.clone(),
            (None, Some(own)) if self.announce_host.is_none() => own.clone(),
            (None, _) => self.announced_at("peer", &self.peer_bind, None)?,
        };
        let peer_host = HostPort::parse(&peer).ok().map(|p| p.host.to_owned());
        let one = |name, announced: &Option<String>, bind: &str| match announced {
            Some(announced) => Ok(announced.clone()),
            None if bind.is_empty() => Ok(String::new()),
            None => self.announced_at(name, bind, peer_host.as_deref()),
        };
        Ok(Addresses {
            resp: one("resp", &self.announce_resp, &self.resp_bind)?,
            admin: one("admin", &self.announce_admin, &self.admin_bind)?,
            sentinel: one("sentinel", &self.announce_sentinel, &self.sentinel_bind)?,
            peer,
        })
    }

    fn announced_at(&self, name: &str, bind: &str, fallback: Option<&str>) -> Result<String, OptionsError> {
        let bound = HostPort::parse(bind)?;
        let host = match (&self.announce_host, fallback) {
            // A port that is bound to loopback is reached there only, whatever the host is called.
            (Some(host), _) if !bound.is_loopback() => host.trim_matches(['[', ']']),
            (None, Some(host)) if bound.is_unspecified() => host,
            _ if !bound.is_unspecified() => bound.host,
            _ => {
                return Err(OptionsError(format!(
                    "{name}-bind {bind} names no host that others can reach: set announce-host (or announce-{name})"
                )));
            }
        };
        Ok(HostPort { host, port: bound.port }.to_string())
    }

    fn check_addresses(&self) -> Result<(), OptionsError> {
        let binds = [
            ("resp-bind", &self.resp_bind),
            ("admin-bind", &self.admin_bind),
            ("sentinel-bind", &self.sentinel_bind),
            ("peer-bind", &self.peer_bind),
        ];
        for (name, bind) in binds.iter().filter(|(_, bind)| !bind.is_empty()) {
            HostPort::parse(bind).map_err(|e| OptionsError(format!("{name}: {e}")))?;
        }
        if self.peer_bind.is_empty() {
            return Err(OptionsError("peer-bind: a node cannot do without its peer port".into()));
        }
        for (i, (name, bind)) in binds.iter().enumerate() {
            let same =
                binds[..i].iter().find(|(_, b)| b == bind && !bind.is_empty() && !bind.ends_with(":0"));
            if let Some((other, _)) = same {
                return Err(OptionsError(format!("{other} and {name} are the same address {bind}")));
            }
        }
        let announced = [
            ("announce-resp", &self.announce_resp),
            ("announce-admin", &self.announce_admin),
            ("announce-sentinel", &self.announce_sentinel),
            ("announce-peer", &self.announce_peer),
        ];
        for (name, address) in announced {
            if let Some(address) = address {
                check_reachable(name, address)?;
            }
        }
        // A name stands in messages whose parts are set apart by spaces.
        let wrong =
            |name: &&String| name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control());
        if let Some(name) = self.sentinel_names.iter().find(wrong) {
            return Err(OptionsError(format!("sentinel-names: {name:?} is no name of a set")));
        }
        if self.sentinel_names.is_empty() && !self.sentinel_bind.is_empty() {
            return Err(OptionsError("sentinel-names: name at least one set, such as mymaster".into()));
        }
        Ok(())
    }

    fn check_membership(&self) -> Result<(), OptionsError> {
        if !self.peers.is_empty() && !self.join.is_empty() {
            return Err(OptionsError(
                "peers and join exclude each other: peers forms a cluster, join enters one that exists"
                    .into(),
            ));
        }
        if self.node == Some(0) || self.peers.contains_key(&0) {
            return Err(OptionsError("node: numbers start at 1".into()));
        }
        if !self.peers.is_empty() {
            let Some(node) = self.node else {
                return Err(OptionsError("node: say which of the peers this node is".into()));
            };
            if !self.peers.contains_key(&node) {
                return Err(OptionsError(format!(
                    "peers: node {node} itself is missing; every node is given the same full list"
                )));
            }
        }
        for (number, address) in &self.peers {
            check_reachable(&format!("peers: node {number}"), address)?;
            let twin = self.peers.iter().find(|(n, a)| *n < number && *a == address);
            if let Some((other, _)) = twin {
                return Err(OptionsError(format!("peers: nodes {other} and {number} share {address}")));
            }
        }
        for address in &self.join {
            check_reachable("join", address)?;
        }
        Ok(())
    }

    fn check_security(&self) -> Result<(), OptionsError> {
        let public = |bind: &str| HostPort::parse(bind).is_ok_and(|b| !b.is_loopback());
        if public(&self.peer_bind) && self.secret_file.is_none() {
            return Err(OptionsError(format!(
                "secret-file: the peer port {} is open to other hosts, so the nodes need a shared secret",
                self.peer_bind
            )));
        }
        if public(&self.admin_bind) && self.admin_token_file.is_none() {
            return Err(OptionsError(format!(
                "admin-token-file: the admin port {} is open to other hosts, so it needs a token",
                self.admin_bind
            )));
        }
        Ok(())
    }

    fn check_bounds(&self) -> Result<(), OptionsError> {
        let at_least = [
            ("heartbeat", self.heartbeat_ms, 5),
            ("election", self.election_ms, 20),
            ("staleness-max", self.staleness_ms_max, 1),
            ("batch-requests-max", self.batch_requests_max, 1),
            ("batch-bytes-max", self.batch_bytes_max, 1 << 10),
            ("batches-in-flight-max", self.batches_in_flight_max, 1),
            ("segment-bytes", self.segment_bytes, 1 << 20),
            ("snapshot-log-bytes", self.snapshot_log_bytes, 1 << 20),
        ];
        for (name, value, least) in at_least {
            if value < least {
                return Err(OptionsError(format!("{name}: {value} is below the least value {least}")));
            }
        }
        // Fewer than three heartbeats in an election timeout turn one lost packet into an election.
        if self.election_ms < self.heartbeat_ms.saturating_mul(3) {
            return Err(OptionsError(format!(
                "election: {} ms is less than three heartbeats of {} ms",
                self.election_ms, self.heartbeat_ms
            )));
        }
        Ok(())
    }
}

/// An address that others are told: a host that can be connected to, and a port.
fn check_reachable(name: &str, address: &str) -> Result<(), OptionsError> {
    let parsed = HostPort::parse(address).map_err(|e| OptionsError(format!("{name}: {e}")))?;
    if parsed.is_unspecified() || parsed.port == 0 {
        return Err(OptionsError(format!("{name}: nobody can connect to {address}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
