//! A cluster of real processes on loopback, each killed with `kill -9` whenever a test wants.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::{Client, until};

/// How long a cluster may take to come up or a node to come back, on a busy machine.
pub const COMES_UP: Duration = Duration::from_secs(60);

/// One node's process, addresses and folder. The process may be dead.
#[derive(Debug)]
pub struct Node {
    /// Its number, from 1.
    pub number: u32,
    /// Where clients connect.
    pub resp: SocketAddr,
    /// The admin API.
    pub admin: SocketAddr,
    /// Where peers connect.
    pub peer: SocketAddr,
    /// Its data directory.
    pub data: PathBuf,
    arguments: Vec<String>,
    child: Option<Child>,
}

/// A cluster of processes.
#[derive(Debug)]
pub struct Cluster {
    binary: PathBuf,
    folder: TempDir,
    /// Arguments of every node, those that join later included.
    extra: Vec<String>,
    /// The nodes, by position; their numbers are one higher.
    pub nodes: Vec<Node>,
}

impl Cluster {
    /// Prepares `count` nodes of the program at `binary`, which form a cluster by static peers, and starts
    /// them. `extra` arguments go to each.
    pub fn start(binary: impl AsRef<Path>, count: u32, extra: &[&str]) -> Cluster {
        let mut cluster = Cluster::prepare(binary, count, extra);
        for i in 0..cluster.nodes.len() {
            cluster.spawn(i);
        }
        cluster.wait_ready();
        cluster
    }

    /// As [`start`](Cluster::start), without starting anything.
    pub fn prepare(binary: impl AsRef<Path>, count: u32, extra: &[&str]) -> Cluster {
        let folder = TempDir::with_prefix("quorate-test").expect("a folder for the test");
        let extra = extra.iter().map(ToString::to_string).collect();
        let mut cluster = Cluster { binary: binary.as_ref().to_owned(), folder, extra, nodes: Vec::new() };
        let ports = free_ports(3 * count as usize);
        for (i, ports) in ports.chunks(3).enumerate() {
            cluster.nodes.push(cluster.node(i as u32 + 1, ports));
        }
        let peers: Vec<_> =
            cluster.nodes.iter().map(|node| format!("{}={}", node.number, node.peer)).collect();
        for node in &mut cluster.nodes {
            let number = node.number.to_string();
            node.arguments.extend(["--node".into(), number, "--peers".into(), peers.join(",")]);
            node.arguments.extend(cluster.extra.iter().cloned());
        }
        cluster
    }

    /// Prepares one more node, which joins through the first, and starts it. Returns its position.
    pub fn join(&mut self) -> usize {
        let number = self.nodes.len() as u32 + 1;
        let mut node = self.node(number, &free_ports(3));
        let through = self.nodes[0].peer.to_string();
        node.arguments.extend(["--node".into(), number.to_string(), "--join".into(), through]);
        node.arguments.extend(self.extra.iter().cloned());
        self.nodes.push(node);
        let i = self.nodes.len() - 1;
        self.spawn(i);
        i
    }

    fn node(&self, number: u32, ports: &[SocketAddr]) -> Node {
        let data = self.folder.path().join(format!("node-{number}"));
        let text = |address: SocketAddr| address.to_string();
        let arguments = [
            ("--data-dir", data.display().to_string()),
            ("--resp-bind", text(ports[0])),
            ("--admin-bind", text(ports[1])),
            ("--peer-bind", text(ports[2])),
        ];
        let arguments = arguments.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect();
        Node { number, resp: ports[0], admin: ports[1], peer: ports[2], data, arguments, child: None }
    }

    /// Starts a node's process.
    pub fn spawn(&mut self, i: usize) {
        let node = &self.nodes[i];
        assert!(node.child.is_none(), "node {} runs already", node.number);
        std::fs::create_dir_all(&node.data).expect("a data directory");
        let log = self.folder.path().join(format!("node-{}.log", node.number));
        let log = File::options().create(true).append(true).open(log).expect("a log file");
        let child = self
            .command(i)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle of the log file"))
            .stderr(log)
            .spawn()
            .expect("the program starts");
        self.nodes[i].child = Some(child);
    }

    /// What starts a node's process, without settings from the environment of the test.
    pub fn command(&self, i: usize) -> Command {
        let mut command = Command::new(&self.binary);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("QUORATE_") {
                command.env_remove(name);
            }
        }
        command.arg("serve").args(&self.nodes[i].arguments);
        command
    }

    /// `kill -9` of all nodes at once.
    pub fn kill_all(&mut self) {
        for child in self.nodes.iter_mut().filter_map(|node| node.child.as_mut()) {
            child.kill().expect("our own child can be killed");
        }
        for i in 0..self.nodes.len() {
            self.kill(i);
        }
    }

    /// A planned stop, as a supervisor asks for it (SIGTERM); waits for the end.
    pub fn stop(&mut self, i: usize) {
        let Some(mut child) = self.nodes[i].child.take() else { return };
        signal(&child, "-TERM");
        let number = self.nodes[i].number;
        until(&format!("node {number} ends when told to"), COMES_UP, || child.try_wait().ok().flatten());
    }

    /// Takes a dead node's disk away.
    pub fn lose_disk(&mut self, i: usize) {
        let node = &self.nodes[i];
        assert!(node.child.is_none(), "node {} runs", node.number);
        std::fs::remove_dir_all(&node.data).expect("our own folder can be removed");
    }

    /// `kill -9`.
    pub fn kill(&mut self, i: usize) {
        if let Some(mut child) = self.nodes[i].child.take() {
            child.kill().expect("our own child can be killed");
            child.wait().expect("our own child ends");
        }
    }

    /// Whether a node was started, and not killed or stopped since.
    pub fn is_running(&self, i: usize) -> bool {
        self.nodes[i].child.is_some()
    }

    /// Whether a node's process has ended by itself.
    pub fn has_ended(&mut self, i: usize) -> bool {
        self.nodes[i].child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(Some(_))))
    }

    /// Stops a node's process for a while, as a long pause of its machine would (SIGSTOP), or lets it go on.
    pub fn pause(&self, i: usize, paused: bool) {
        let Some(child) = &self.nodes[i].child else { return };
        signal(child, if paused { "-STOP" } else { "-CONT" });
    }

    /// Waits until every running node serves.
    pub fn wait_ready(&self) {
        for node in self.nodes.iter().filter(|node| node.child.is_some()) {
            until(&format!("node {} serves\n{}", node.number, self.log_tail(node.number)), COMES_UP, || {
                node.get("/readyz").ok()
            });
        }
    }

    /// The end of a node's log, for messages.
    pub fn log_tail(&self, number: u32) -> String {
        let path = self.folder.path().join(format!("node-{number}.log"));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<_> = text.lines().rev().take(15).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// A connection to a node.
    pub fn client(&self, i: usize) -> Client {
        let address = self.nodes[i].resp;
        until("a node takes a connection", COMES_UP, || Client::connect(address).ok())
    }

    /// The position of the leader, as the running nodes agree on it.
    pub fn leader(&self) -> usize {
        let running: Vec<_> = (0..self.nodes.len()).filter(|i| self.nodes[*i].child.is_some()).collect();
        self.leader_among(&running)
    }

    /// The position of the leader, as the nodes at these positions agree on it; it is one of them.
    pub fn leader_among(&self, asked: &[usize]) -> usize {
        until("the nodes agree on a leader", COMES_UP, || {
            let said: Vec<_> = asked
                .iter()
                .filter_map(|i| self.nodes[*i].get("/v1/node").ok()?["leader"].as_u64())
                .collect();
            let first = *said.first()?;
            let agreed = said.len() == asked.len() && said.iter().all(|leader| *leader == first);
            // A node that lost its disk has its number and a thousand for each life.
            let position = usize::try_from(first % 1000).ok()?.checked_sub(1)?;
            (agreed && asked.contains(&position)).then_some(position)
        })
    }

    /// The position of a running node that does not lead.
    pub fn follower(&self) -> usize {
        let leader = self.leader();
        (0..self.nodes.len())
            .find(|i| *i != leader && self.nodes[*i].child.is_some())
            .expect("a running follower")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for node in &self.nodes {
                eprintln!("--- node {} ---\n{}", node.number, self.log_tail(node.number));
            }
        }
        for i in 0..self.nodes.len() {
            self.kill(i);
        }
    }
}

impl Node {
    /// Asks the admin API.
    ///
    /// # Errors
    /// The text of what went wrong, the body of an error answer included.
    pub fn get(&self, path: &str) -> Result<Json, String> {
        self.request("GET", path, None)
    }

    /// Tells the admin API something.
    ///
    /// # Errors
    /// As for [`get`](Node::get).
    pub fn request(&self, method: &str, path: &str, body: Option<Json>) -> Result<Json, String> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .into();
        let url = format!("http://{}{path}", self.admin);
        let text = |error: ureq::Error| error.to_string();
        let response = match (method, body) {
            ("GET", _) => agent.get(url).call(),
            ("DELETE", _) => agent.delete(url).call(),
            ("PUT", Some(body)) => agent.put(url).send_json(body),
            ("PUT", None) => agent.put(url).send_empty(),
            (_, Some(body)) => agent.post(url).send_json(body),
            (_, None) => agent.post(url).send_empty(),
        };
        let mut response = response.map_err(text)?;
        let body = response.body_mut().read_to_string().map_err(text)?;
        if !response.status().is_success() {
            return Err(format!("{}: {body}", response.status()));
        }
        Ok(serde_json::from_str(&body).unwrap_or(Json::String(body)))
    }
}

fn signal(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "a signal to our own child");
}

/// The ports of tests: below those that the system gives to outgoing connections, so that none of these takes
/// the port of a node that is dead for a while.
const PORT_MIN: u16 = 20_000;
const PORT_MAX: u16 = 30_000;

/// Free ports of loopback. Another process may take one before the test does, which then fails to bind
/// and says so; processes begin at different places, so that is rare.
fn free_ports(count: usize) -> Vec<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let span = PORT_MAX - PORT_MIN;
    let begin = u16::try_from(std::process::id() * 97 % u32::from(span)).expect("below the span");
    let next = || PORT_MIN + (begin + NEXT.fetch_add(1, Ordering::Relaxed) % span) % span;
    let mut held = Vec::new();
    for _ in 0..span {
        held.extend(TcpListener::bind(("127.0.0.1", next())));
        if held.len() == count {
            break;
        }
    }
    assert_eq!(held.len(), count, "free ports of loopback");
    held.iter().map(|listener| listener.local_addr().expect("a bound port has an address")).collect()
}
