//! Clients that work while a test disturbs the cluster, and count what they were told.
//!
//! Invariant: a client never repeats a command whose outcome it does not know.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use quorate_resp::Value;
use quorate_testkit::{Client, Cluster, until};

/// How long a load may stand still before a test gives up.
const STANDS_STILL: Duration = Duration::from_secs(90);

/// What one step of a worker came to.
#[derive(Debug)]
pub(crate) enum Step {
    /// The write took effect, or the read was right.
    Acknowledged,
    /// An error reply: no effect, now or later.
    Refused(String),
    /// The connection broke.
    Unknown(String),
}

/// A client that does one thing at a time.
pub(crate) type Worker = Box<dyn FnMut() -> Step + Send>;

/// What all workers of a load were told.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) acknowledged: u64,
    pub(crate) unknown: u64,
    /// What went wrong, in words.
    pub(crate) trouble: Vec<String>,
}

/// Workers, each on a thread of its own.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Tally>>,
}

impl Load {
    pub(crate) fn start(workers: impl IntoIterator<Item = Worker>) -> Load {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let threads = workers
            .into_iter()
            .map(|worker| {
                let (stop, acknowledged) = (stop.clone(), acknowledged.clone());
                std::thread::spawn(move || run(worker, &stop, &acknowledged))
            })
            .collect();
        Load { stop, acknowledged, threads }
    }

    /// What was acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Waits until this many steps were acknowledged.
    pub(crate) fn wait(&self, steps: u64) {
        while self.acknowledged() < steps {
            let before = self.acknowledged();
            until("the load goes on", STANDS_STILL, || {
                let ended = self.threads.iter().any(JoinHandle::is_finished);
                (ended || self.acknowledged() > before).then_some(())
            });
            assert!(!self.threads.iter().any(JoinHandle::is_finished), "a worker ended by itself");
        }
    }

    /// Waits for this many further steps.
    pub(crate) fn wait_more(&self, steps: u64) {
        self.wait(self.acknowledged() + steps);
    }

    /// Ends the load; every worker finishes what it does.
    pub(crate) fn stop(self) -> Tally {
        self.stop.store(true, Ordering::SeqCst);
        let mut sum = Tally::default();
        for thread in self.threads {
            let tally = thread.join().expect("a worker saw what must not be");
            sum.acknowledged += tally.acknowledged;
            sum.unknown += tally.unknown;
            sum.trouble.extend(tally.trouble);
        }
        sum
    }
}

impl Tally {
    /// Asserts that no client met an error.
    pub(crate) fn untroubled(&self) {
        assert!(self.trouble.is_empty(), "clients of undisturbed nodes met errors: {:?}", self.trouble);
    }
}

fn run(mut worker: Worker, stop: &AtomicBool, acknowledged: &AtomicU64) -> Tally {
    let mut tally = Tally::default();
    while !stop.load(Ordering::SeqCst) {
        let trouble = match worker() {
            Step::Acknowledged => {
                tally.acknowledged += 1;
                acknowledged.fetch_add(1, Ordering::SeqCst);
                continue;
            }
            Step::Refused(text) => format!("refused: {text}"),
            Step::Unknown(text) => {
                tally.unknown += 1;
                format!("closed: {text}")
            }
        };
        if tally.trouble.len() < 10 {
            tally.trouble.push(trouble);
        }
    }
    tally
}

/// A connection that is made when it is needed, and again after it broke.
#[derive(Debug)]
pub(crate) struct Line {
    address: SocketAddr,
    client: Option<Client>,
}

impl Line {
    pub(crate) fn new(cluster: &Cluster, node: usize) -> Line {
        Line { address: cluster.nodes[node].resp, client: None }
    }

    pub(crate) fn call(&mut self, args: &[&str]) -> io::Result<Value> {
        let client = match &mut self.client {
            Some(client) => client,
            none => none.insert(Client::connect(self.address)?),
        };
        let reply = client.call(args);
        if reply.is_err() {
            self.client = None;
        }
        reply
    }

    /// A write; `good` says whether its reply is right.
    pub(crate) fn step(&mut self, args: &[&str], good: impl FnOnce(&Value) -> bool) -> Step {
        match self.call(args) {
            Ok(Value::Error(text)) => Step::Refused(String::from_utf8_lossy(&text).into_owned()),
            Ok(reply) => {
                assert!(good(&reply), "{args:?} at {} gave {reply:?}", self.address);
                Step::Acknowledged
            }
            Err(error) => {
                // A dead node refuses connections at once; it must not be asked in a tight loop.
                std::thread::park_timeout(Duration::from_millis(2));
                Step::Unknown(format!("{}: {error}", self.address))
            }
        }
    }
}

/// One client for each of these nodes, which increments `key`; no client may ever see the counter go back.
pub(crate) fn increments(cluster: &Cluster, nodes: &[usize], key: &'static str) -> Vec<Worker> {
    let worker = |node: &usize| -> Worker {
        let mut line = Line::new(cluster, *node);
        let mut last = 0;
        Box::new(move || {
            line.step(&["INCR", key], |reply| {
                let Value::Integer(now) = reply else { return false };
                let forward = *now > last;
                last = *now;
                forward
            })
        })
    };
    nodes.iter().map(worker).collect()
}

/// A client that creates keys of its own on one node and reads each on another at once, and counts a key that is
/// not there as a failure of the test.
pub(crate) fn create_and_read(cluster: &Cluster, create_on: usize, read_on: usize, name: &str) -> Worker {
    let (mut writer, mut reader) = (Line::new(cluster, create_on), Line::new(cluster, read_on));
    let name = name.to_owned();
    let mut i = 0_u64;
    Box::new(move || {
        i += 1;
        let (key, value) = (format!("pair:{name}:{i}"), format!("{name} {i}"));
        match writer.step(&["SET", &key, &value, "NX"], |reply| *reply == ok()) {
            Step::Acknowledged => {}
            trouble => return trouble,
        }
        reader.step(&["GET", &key], |reply| *reply == Value::Bulk(value.clone().into()))
    })
}

/// The keys and values that were acknowledged.
pub(crate) type Written = Arc<Mutex<HashMap<String, String>>>;

/// A client that writes keys of its own to one node and notes those that were acknowledged.
pub(crate) fn noted_writes(cluster: &Cluster, node: usize, name: &str, written: &Written) -> Worker {
    let mut line = Line::new(cluster, node);
    let (name, written) = (name.to_owned(), written.clone());
    let mut i = 0_u64;
    Box::new(move || {
        i += 1;
        let (key, value) = (format!("noted:{name}:{i}"), format!("{name} {i}"));
        let step = line.step(&["SET", &key, &value], |reply| *reply == ok());
        if let Step::Acknowledged = step {
            written.lock().expect("no worker panics here").insert(key, value);
        }
        step
    })
}

/// Asserts that a node has every noted write.
pub(crate) fn check_written(cluster: &Cluster, node: usize, written: &Written) {
    let written = written.lock().expect("no worker panics here");
    let written: Vec<_> = written.iter().collect();
    let mut client = cluster.client(node);
    for some in written.chunks(500) {
        let args: Vec<_> = std::iter::once("MGET").chain(some.iter().map(|(key, _)| key.as_str())).collect();
        let Ok(Value::Array(values)) = client.call(&args) else { panic!("node {node} does not answer MGET") };
        assert_eq!(values.len(), some.len());
        for ((key, value), found) in some.iter().zip(values) {
            assert_eq!(found, Value::Bulk((*value).clone().into()), "{key}, acknowledged, on node {node}");
        }
    }
}

/// Asserts that every one of these nodes shows what an exact counter must.
pub(crate) fn check_counter(cluster: &Cluster, nodes: &[usize], key: &str, tally: &Tally) {
    for node in nodes {
        let value = cluster.client(*node).text(&["GET", key]).expect("the counter is there");
        let value: u64 = value.parse().expect("a counter");
        let right = tally.acknowledged..=tally.acknowledged + tally.unknown;
        assert!(right.contains(&value), "node {node} shows {value} instead of {right:?}");
    }
}

pub(crate) fn ok() -> Value {
    Value::Simple("OK".into())
}
