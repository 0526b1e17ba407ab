//! Clients inside the nodes: each asks one thing after the other, and writes down what it saw.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use quorate::{Client, ClientError, Node};
use quorate_resp::Value;
use quorate_testkit::linear::{Action, Answer};

use crate::history::SharedHistory;
use crate::world::Seeds;

/// Keys that are set and read.
pub(crate) const REGISTERS: [&str; 3] = ["register-1", "register-2", "register-3"];
/// A key that is counted up.
pub(crate) const COUNTER: &str = "counter";
/// A key that is appended to.
pub(crate) const LETTERS: &str = "letters";

/// What the clients of all nodes share.
#[derive(Clone)]
pub(crate) struct Workload {
    pub(crate) history: SharedHistory,
    pub(crate) seeds: Arc<Seeds>,
    /// Makes written values unique.
    pub(crate) next_value: Arc<AtomicU64>,
    pub(crate) next_client: Arc<AtomicU64>,
    /// Ends the clients.
    pub(crate) enough: Arc<AtomicBool>,
    /// The longest pause between two requests of a client, in milliseconds.
    pub(crate) pause_max: u64,
    /// Clients that run.
    pub(crate) running: Arc<AtomicU64>,
}

/// Counts a client for as long as it lives, also if its host dies.
struct Counted(Arc<AtomicU64>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workload {
    /// Runs one client until it is enough or its host dies.
    pub(crate) async fn client(self, node: Node) {
        let number = self.next_client.fetch_add(1, Ordering::Relaxed) as u32;
        let client = node.client();
        self.running.fetch_add(1, Ordering::Relaxed);
        let _counted = Counted(self.running.clone());
        loop {
            tokio::time::sleep(Duration::from_millis(self.seeds.below(self.pause_max))).await;
            if self.enough.load(Ordering::Relaxed) {
                return;
            }
            let (key, action) = self.choose();
            // What went wrong is in the history; the next request tries again.
            let _seen = self.ask(&client, number, key, action).await;
        }
    }

    /// Reads all keys once, until all have answered.
    pub(crate) async fn read_all(&self, node: &Node) {
        let number = self.next_client.fetch_add(1, Ordering::Relaxed) as u32;
        let client = node.client();
        for key in REGISTERS.into_iter().chain([COUNTER, LETTERS]) {
            while self.ask(&client, number, key, Action::Get).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    fn choose(&self) -> (&'static str, Action) {
        let unique = || self.next_value.fetch_add(1, Ordering::Relaxed);
        match self.seeds.below(20) {
            0..=4 => (self.register(), Action::Set(format!("v{}", unique()).into_bytes())),
            5..=9 => (self.register(), Action::Get),
            10..=13 => (COUNTER, Action::Increment),
            14 => (COUNTER, Action::Get),
            15..=18 => (LETTERS, Action::Append(format!("{},", unique()).into_bytes())),
            _ => (LETTERS, Action::Get),
        }
    }

    fn register(&self) -> &'static str {
        REGISTERS[self.seeds.below(REGISTERS.len() as u64) as usize]
    }

    async fn ask(
        &self,
        client: &Client,
        number: u32,
        key: &'static str,
        action: Action,
    ) -> Result<(), ClientError> {
        let request: Vec<&[u8]> = match &action {
            Action::Set(value) => vec![b"SET", key.as_bytes(), value],
            Action::Get => vec![b"GET", key.as_bytes()],
            Action::Increment => vec![b"INCR", key.as_bytes()],
            Action::Append(tail) => vec![b"APPEND", key.as_bytes(), tail],
        };
        let operation = self.history.lock().called(number, key, action.clone());
        // Half of them as a transaction, which promises the same.
        let answer = if self.seeds.below(2) == 0 {
            client.execute(&request).await
        } else {
            let replies = client.transaction([request]).await;
            replies.map(|mut replies| replies.pop().expect("a transaction of one has one reply"))
        };
        let answer = answer.map(answer_of);
        let outcome = answer.as_ref().map(drop).map_err(Clone::clone);
        self.history.lock().returned(operation, answer);
        outcome
    }
}

fn answer_of(value: Value) -> Answer {
    match value {
        Value::Simple(_) => Answer::Done,
        Value::Integer(number) => Answer::Integer(number),
        Value::Bulk(bytes) => Answer::Value(Some(bytes.to_vec())),
        Value::Null => Answer::Value(None),
        other => panic!("no command of the workload is answered with {other:?}"),
    }
}
