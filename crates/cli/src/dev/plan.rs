//! What runs where: ports, folders and command lines of a local cluster.
//!
//! Invariant: a plan follows from the folder's own record (`dev.json`) and the flags alone, and the two
//! never disagree, for a node's addresses are part of the cluster's membership.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde::{Deserialize, Serialize};

use crate::exit::Failure;
use crate::usage;

const NODES: u16 = 3;
const BASE_PORT: u16 = 7001;
/// Above the RESP port of the same node.
const ADMIN_ABOVE: u16 = 1000;
const SENTINEL_ABOVE: u16 = 2000;
const PEER_ABOVE: u16 = 3000;
/// A log longer than this is set aside when its node starts, in bytes.
const LOG_BYTES_MAX: u64 = 16 << 20;

/// A local cluster.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) dir: PathBuf,
    pub(super) base_port: u16,
    pub(super) nodes: Vec<NodePlan>,
    program: OsString,
    serve_flags: Vec<OsString>,
}

/// One node of it.
#[derive(Debug, Clone)]
pub(super) struct NodePlan {
    /// From 1 on.
    pub(super) number: u32,
    pub(super) resp: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) sentinel: SocketAddr,
    pub(super) peer: SocketAddr,
    pub(super) dir: PathBuf,
    pub(super) log: PathBuf,
    /// The program and its arguments.
    pub(super) command: Vec<OsString>,
}

/// What a folder was made with.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    nodes: u16,
    base_port: u16,
}

impl Plan {
    /// Lays the cluster out; refuses to lay out a folder other than it was made.
    pub(super) fn make(
        dir: &Path,
        nodes: Option<u16>,
        base_port: Option<u16>,
        program: OsString,
        serve_flags: &[OsString],
    ) -> Result<Self, Failure> {
        let record = read_record(dir)?;
        let made = record.as_ref();
        let wanted = Record {
            nodes: nodes.or(made.map(|r| r.nodes)).unwrap_or(NODES),
            base_port: base_port.or(made.map(|r| r.base_port)).unwrap_or(BASE_PORT),
        };
        if let Some(made) = made.filter(|made| **made != wanted) {
            return Err(usage(format!(
                "{} holds a cluster of {} nodes from port {}: start it as such, or choose another --dir",
                dir.display(),
                made.nodes,
                made.base_port
            )));
        }
        let Record { nodes, base_port } = wanted;
        if base_port == 0 || base_port.checked_add(PEER_ABOVE).and_then(|p| p.checked_add(nodes)).is_none() {
            return Err(usage(format!(
                "--base-port {base_port}: there are no {nodes} ports {PEER_ABOVE} above it"
            )));
        }
        let mut plan = Self {
            dir: dir.to_owned(),
            base_port,
            nodes: Vec::new(),
            program,
            serve_flags: serve_flags.to_vec(),
        };
        let at = |i: u16, above: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, base_port + above + i));
        let peers: Vec<String> = (0..nodes).map(|i| format!("{}={}", i + 1, at(i, PEER_ABOVE))).collect();
        plan.nodes = (0..nodes)
            .map(|i| {
                let number = u32::from(i) + 1;
                let dir = dir.join(format!("node-{number}"));
                let mut node = NodePlan {
                    number,
                    resp: at(i, 0),
                    admin: at(i, ADMIN_ABOVE),
                    sentinel: at(i, SENTINEL_ABOVE),
                    peer: at(i, PEER_ABOVE),
                    log: dir.join("log.txt"),
                    dir,
                    command: Vec::new(),
                };
                node.command = plan.command(&node, &peers.join(","));
                node
            })
            .collect();
        Ok(plan)
    }

    fn command(&self, node: &NodePlan, peers: &str) -> Vec<OsString> {
        let mut command = vec![self.program.clone(), "serve".into(), "--stop-with-stdin".into()];
        let mut flag = |name: &str, value: OsString| command.extend([name.into(), value]);
        flag("--node", node.number.to_string().into());
        flag("--data-dir", node.dir.clone().into());
        flag("--resp-bind", node.resp.to_string().into());
        flag("--admin-bind", node.admin.to_string().into());
        flag("--sentinel-bind", node.sentinel.to_string().into());
        flag("--peer-bind", node.peer.to_string().into());
        flag("--peers", peers.into());
        flag("--secret-file", self.secret_file().into());
        // A cluster to try things with, on loopback only.
        flag("--enable-debug-command", "local".into());
        // All nodes stop together, so that nobody is left to take over what a long drain waits for.
        flag("--drain-max", "2s".into());
        command.extend(self.serve_flags.iter().cloned());
        command
    }

    fn secret_file(&self) -> PathBuf {
        self.dir.join("secret")
    }

    /// Tells at once, and by name, if something listens on one of the ports.
    pub(super) fn check_ports(&self) -> Result<(), Failure> {
        for node in &self.nodes {
            let ports = [
                ("Redis clients", node.resp),
                ("the admin API", node.admin),
                ("Sentinel clients", node.sentinel),
                ("other nodes", node.peer),
            ];
            for (purpose, address) in ports {
                if let Err(error) = TcpListener::bind(address) {
                    let why = match error.kind() {
                        io::ErrorKind::AddrInUse => "is in use".to_owned(),
                        _ => format!("cannot be used: {error}"),
                    };
                    return Err(Failure::from(anyhow!(
                        "port {} of node {} for {purpose} {why}; end what listens there, or choose another --base-port",
                        address.port(),
                        node.number
                    )));
                }
            }
        }
        Ok(())
    }

    /// Makes the folders, the nodes' shared secret and the record, where they are missing.
    pub(super) fn prepare_dir(&self) -> anyhow::Result<()> {
        for node in &self.nodes {
            fs::create_dir_all(&node.dir).with_context(|| format!("cannot make {}", node.dir.display()))?;
        }
        let secret = self.secret_file();
        if !secret.exists() {
            write_secret(&secret).with_context(|| format!("cannot write {}", secret.display()))?;
        }
        let nodes = u16::try_from(self.nodes.len()).context("more nodes than the flag allows")?;
        let record = serde_json::to_string(&Record { nodes, base_port: self.base_port })?;
        let path = record_path(&self.dir);
        fs::write(&path, record + "\n").with_context(|| format!("cannot write {}", path.display()))
    }
}

impl NodePlan {
    /// Opens the log to append to; a long one is set aside first.
    pub(super) fn open_log(&self) -> io::Result<fs::File> {
        if fs::metadata(&self.log).is_ok_and(|m| m.len() > LOG_BYTES_MAX) {
            fs::rename(&self.log, self.dir.join("log.1.txt"))?;
        }
        // The folder may be gone: losing a node's disk is one of the things to try.
        fs::create_dir_all(&self.dir)?;
        fs::OpenOptions::new().create(true).append(true).open(&self.log)
    }

    /// The URL of its admin API.
    pub(super) fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }
}

fn record_path(dir: &Path) -> PathBuf {
    dir.join("dev.json")
}

fn read_record(dir: &Path) -> anyhow::Result<Option<Record>> {
    let path = record_path(dir);
    match fs::read_to_string(&path) {
        Ok(text) => {
            serde_json::from_str(&text).map(Some).with_context(|| format!("{} is damaged", path.display()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(anyhow!(error).context(format!("cannot read {}", path.display()))),
    }
}

fn write_secret(path: &Path) -> io::Result<()> {
    let mut random = [0; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    let text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(dir: &Path, nodes: Option<u16>, base_port: Option<u16>) -> Result<Plan, Failure> {
        Plan::make(dir, nodes, base_port, "quorate".into(), &["--log-engine".into(), "sled".into()])
    }

    #[test]
    fn ports_follow_from_the_base() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let plan = plan(dir.path(), None, None).expect("a plan");
        let ports = |n: &NodePlan| [n.resp, n.admin, n.sentinel, n.peer].map(|address| address.port());
        let ports: Vec<_> = plan.nodes.iter().map(ports).collect();
        assert_eq!(ports[0], [7001, 8001, 9001, 10001]);
        assert_eq!(ports[2], [7003, 8003, 9003, 10003]);
        let command: Vec<_> = plan.nodes[1].command.iter().map(|arg| arg.to_string_lossy()).collect();
        let command = command.join(" ");
        assert!(command.starts_with("quorate serve --stop-with-stdin --node 2 --data-dir "), "{command}");
        assert!(
            command.contains("--peers 1=127.0.0.1:10001,2=127.0.0.1:10002,3=127.0.0.1:10003"),
            "{command}"
        );
        assert!(command.ends_with("--log-engine sled"), "{command}");
    }

    #[test]
    fn a_folder_stays_the_cluster_that_it_is() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        plan(dir.path(), Some(5), Some(7101)).expect("a plan").prepare_dir().expect("prepared");
        let secret = fs::read_to_string(dir.path().join("secret")).expect("a secret");
        assert_eq!(secret.trim().len(), 64);

        let again = plan(dir.path(), None, None).expect("the same again");
        assert_eq!((again.nodes.len(), again.base_port), (5, 7101));
        again.prepare_dir().expect("prepared again");
        assert_eq!(fs::read_to_string(dir.path().join("secret")).expect("a secret"), secret);

        for (nodes, base_port) in [(Some(3), None), (None, Some(7001))] {
            let failure = plan(dir.path(), nodes, base_port).expect_err("refused");
            assert!(failure.to_string().contains("a cluster of 5 nodes from port 7101"), "{failure}");
        }
    }

    #[test]
    fn a_port_in_use_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = taken.local_addr().expect("bound").port();
        let dir = tempfile::tempdir().expect("a temporary directory");
        // The admin port of the second node is the one that is taken.
        let Ok(plan) = plan(dir.path(), None, port.checked_sub(ADMIN_ABOVE + 1)) else { return };
        let failure = plan.check_ports().expect_err("in use").to_string();
        assert!(failure.contains(&format!("port {port} of node 2 for the admin API is in use")), "{failure}");
    }

    #[test]
    fn ports_end_at_65535() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for base_port in [0, 62_533, 65_535] {
            assert!(plan(dir.path(), None, Some(base_port)).is_err(), "{base_port}");
        }
        assert!(plan(dir.path(), None, Some(62_530)).is_ok());
    }
}
