//! What clients asked and were answered, and the trace of a run.
//!
//! Invariant: positions follow the order in which things happened in the simulation, over all nodes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate::ClientError;
use quorate_testkit::linear::{Action, Answer, Operation};

/// The trace of a run: every event with its simulated time, as one number, and in full if asked for.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) digest: u64,
    pub(crate) events: u64,
    keep: Option<String>,
    /// Prints every event at once, for runs that do not end.
    print: bool,
}

impl Trace {
    pub(crate) fn new(keep: bool) -> Trace {
        Trace {
            digest: 0xcbf2_9ce4_8422_2325,
            events: 0,
            keep: keep.then(String::new),
            print: std::env::var_os("QUORATE_PRINT").is_some(),
        }
    }

    /// Adds an event (FNV-1a).
    pub(crate) fn note(&mut self, millis: u128, what: std::fmt::Arguments<'_>) {
        let line = format!("{millis} {what}\n");
        for byte in line.bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.events += 1;
        if self.print {
            eprint!("{line}");
        }
        if let Some(keep) = &mut self.keep {
            keep.push_str(&line);
        }
    }

    /// The whole trace, if it was kept.
    pub(crate) fn text(&self) -> Option<&str> {
        self.keep.as_deref()
    }
}

/// All operations of all clients.
#[derive(Debug)]
pub(crate) struct History {
    position: u64,
    records: Vec<Record>,
    pub(crate) trace: Trace,
}

#[derive(Debug)]
struct Record {
    key: &'static str,
    operation: Operation,
    refused: bool,
}

/// Counts of operations by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) answered: usize,
    pub(crate) refused: usize,
    pub(crate) unknown: usize,
}

pub(crate) type SharedHistory = Arc<Mutex<History>>;

impl History {
    pub(crate) fn new(keep_trace: bool) -> SharedHistory {
        Arc::new(Mutex::new(History { position: 0, records: Vec::new(), trace: Trace::new(keep_trace) }))
    }

    /// An operation begins; gives its number.
    pub(crate) fn called(&mut self, client: u32, key: &'static str, action: Action) -> usize {
        self.position += 1;
        let number = self.records.len();
        self.trace.note(now(), format_args!("client {client} asks {key} {action:?}"));
        let operation = Operation { client, action, called: self.position, returned: None };
        self.records.push(Record { key, operation, refused: false });
        number
    }

    /// It ends. Without this its outcome is unknown.
    pub(crate) fn returned(&mut self, number: usize, answer: Result<Answer, ClientError>) {
        self.position += 1;
        self.trace.note(now(), format_args!("request {number} gives {answer:?}"));
        let record = &mut self.records[number];
        match answer {
            Ok(answer) => record.operation.returned = Some((self.position, answer)),
            Err(error) => record.refused = error.had_no_effect(),
        }
    }

    /// The operations by key. A refused operation is left out, as it never takes effect; so is a read
    /// without an answer.
    pub(crate) fn by_key(&self) -> BTreeMap<&'static str, Vec<Operation>> {
        let mut keys: BTreeMap<&'static str, Vec<Operation>> = BTreeMap::new();
        for record in &self.records {
            let says_nothing = record.operation.action == Action::Get && record.operation.returned.is_none();
            if !record.refused && !says_nothing {
                keys.entry(record.key).or_default().push(record.operation.clone());
            }
        }
        keys
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for record in &self.records {
            match (&record.operation.returned, record.refused) {
                (Some(_), _) => counts.answered += 1,
                (None, true) => counts.refused += 1,
                (None, false) => counts.unknown += 1,
            }
        }
        counts
    }

    /// The last events, for people.
    pub(crate) fn summary(&self) -> String {
        let mut text = String::new();
        let counts = self.counts();
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "{} answered, {} refused, {} unknown, {} events",
            counts.answered, counts.refused, counts.unknown, self.trace.events
        );
        text
    }
}

/// Simulated milliseconds; only known on a host.
fn now() -> u128 {
    turmoil::sim_elapsed().unwrap_or_default().as_millis()
}
