//! The life of a cluster of fake nodes: real processes and ports, no data.
//!
//! A fake node is this test program run again with one test selected, [`fake_node`], which acts as a node
//! when the environment says which.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::*;

/// `number resp-port admin-port value-file` of the fake node to be.
const FAKE: &str = "FAKE_NODE";
const NODES: u16 = 3;

#[test]
fn fake_node() {
    let Ok(spec) = std::env::var(FAKE) else { return };
    let parts: Vec<&str> = spec.splitn(3, ' ').collect();
    let [resp, admin, file] = parts[..] else { panic!("{FAKE} is {spec:?}") };
    let file = PathBuf::from(file);
    let listen = |port: &str| TcpListener::bind(format!("127.0.0.1:{port}")).expect("a free port");
    let (resp, admin) = (listen(resp), listen(admin));
    std::thread::spawn(move || each(&admin, answer_http));
    std::thread::spawn(move || each(&resp, move |stream| answer_resp(stream, &file)));
    // The end of the parent is the end of this.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn each(listener: &TcpListener, serve: impl Fn(TcpStream) + Clone + Send + 'static) {
    for stream in listener.incoming().flatten() {
        let serve = serve.clone();
        std::thread::spawn(move || serve(stream));
    }
}

fn answer_http(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    let count = stream.read(&mut buffer).unwrap_or(0);
    let body =
        if buffer[..count].starts_with(b"GET /v1/cluster ") { status().to_string() } else { "ok".into() };
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all((head + &body).as_bytes());
}

fn answer_resp(mut stream: TcpStream, file: &Path) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
        let parts: Vec<&str> = text.split("\r\n").collect();
        let reply = match parts[2] {
            "SET" => {
                std::fs::write(file, parts[6]).expect("writes");
                "+OK\r\n".to_owned()
            }
            "GET" => {
                let value = std::fs::read_to_string(file).expect("written before");
                format!("${}\r\n{value}\r\n", value.len())
            }
            _ => ":1\r\n".to_owned(),
        };
        let _ = stream.write_all(reply.as_bytes());
    }
}

/// All are ready, and the first leads.
fn status() -> Value {
    let node = |number: u16| {
        json!({
            "id": number + 10, "number": number, "role": "follower", "voter": true, "alive": true,
            "addresses": {}, "report": {
                "version": "0", "uptime_seconds": 1, "incarnation": 1, "term": 1, "leader": 11, "last_log": 1,
                "applied": 1, "snapshot": 0, "first_log": 1, "log_bytes": 1, "keys": 1, "memory_bytes": 1,
                "clients": 0, "ready": true, "trouble": "", "draining": false, "pid": 1
            }
        })
    };
    let nodes: serde_json::Map<String, Value> =
        (1..=NODES).map(|n| ((n + 10).to_string(), node(n))).collect();
    json!({ "cluster": "abcd", "answered_by": 11, "term": 1, "leader": 11, "committed": 1, "quorum": true,
            "joint": false, "nodes": nodes })
}

/// What was told, as JSON.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic holds it").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Told {
    fn events(&self) -> Vec<Value> {
        let bytes = self.0.lock().expect("no panic holds it").clone();
        String::from_utf8(bytes)
            .expect("text")
            .lines()
            .map(|l| serde_json::from_str(l).expect("JSON"))
            .collect()
    }
    fn count(&self, name: &str) -> usize {
        self.events().iter().filter(|event| event["event"] == name).count()
    }
    async fn wait(&self, name: &str, count: usize) {
        let start = Instant::now();
        while self.count(name) < count {
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "no {count} of {name} in {:#?}",
                self.events()
            );
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// A plan on free ports whose nodes run `command`.
fn plan(dir: &Path, command: impl Fn(u16, u16, u16) -> Vec<OsString>) -> Plan {
    // Three rows of ports that are free together: found by trying.
    for base_port in (20_000..30_000).step_by(16) {
        let mut plan = Plan::make(dir, Some(NODES), Some(base_port), "none".into(), &[]).expect("a plan");
        if plan.check_ports().is_ok() {
            for node in &mut plan.nodes {
                let number = u16::try_from(node.number).expect("few nodes");
                node.command = command(number, node.resp.port(), node.admin.port());
            }
            plan.prepare_dir().expect("prepared");
            return plan;
        }
    }
    panic!("no free ports");
}

fn shell(script: &str) -> Vec<OsString> {
    ["/bin/sh", "-c", script].map(Into::into).to_vec()
}

fn rules(kill_leader_every: Option<Duration>, start_max: Duration) -> Rules {
    Rules { kill_leader_every, start_max }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_comes_up_survives_kills_and_stops() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (program, value) = (std::env::current_exe().expect("this program"), dir.path().join("value"));
    let plan = plan(dir.path(), |_, resp, admin| {
        shell(&format!(
            "{FAKE}='{resp} {admin} {}' exec '{}' --exact dev::cluster::tests::fake_node --nocapture",
            value.display(),
            program.display()
        ))
    });
    let told = Told::default();
    let mut screen = Screen::to(Box::new(told.clone()), true, false);
    let (stop, stops) = mpsc::channel(2);
    let witness = told.clone();
    let end = tokio::spawn(async move {
        witness.wait("leader-killed", 2).await;
        // The three of the start, and the leader again.
        witness.wait("node-started", 4).await;
        stop.send(()).await.expect("the cluster runs");
        stop
    });
    let rules = rules(Some(Duration::from_millis(1500)), Duration::from_secs(30));
    let result = run(&plan, &rules, &mut screen, stops).await;
    drop(end.await.expect("no panic"));
    assert!(result.is_ok(), "{result:?}");

    let events = told.events();
    let first = |name: &str| events.iter().position(|event| event["event"] == name).expect(name);
    assert!(first("starting") < first("node-started") && first("node-ready") < first("checked"));
    assert!(first("checked") < first("up") && first("up") < first("leader-killed"));
    assert_eq!(events[first("checked")]["read"], json!([2, 3]));
    assert_eq!(events[first("leader-killed")]["node"], 1);
    assert_eq!(events[first("node-died")]["reason"], "was killed by signal 9");
    assert_eq!(events[first("status")]["ready"], 3);
    assert_eq!(events.last().expect("events")["event"], "stopped");
    plan.check_ports().expect("nothing listens any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_does_not_come_up_says_why() {
    let cases = [
        // Nodes that fail at once are not waited for.
        (
            "echo the disk is full; exit 3",
            Duration::from_secs(30),
            ["ended with status 3", "| the disk is full"],
        ),
        (
            "exec cat",
            Duration::from_millis(600),
            ["did not come up within 0.6 s", "node 1 is not ready, see "],
        ),
    ];
    for (script, start_max, expected) in cases {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let plan = plan(dir.path(), |_, _, _| shell(script));
        let told = Told::default();
        let mut screen = Screen::to(Box::new(told.clone()), true, false);
        let (_stop, stops) = mpsc::channel(2);
        let failure =
            run(&plan, &rules(None, start_max), &mut screen, stops).await.expect_err("fails").to_string();
        for part in expected {
            assert!(failure.contains(part), "{failure} should contain {part}");
        }
        assert_eq!(told.count("stopped"), 1, "its processes are gone");
    }
}
