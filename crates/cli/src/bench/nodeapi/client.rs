//! One client of the site: batches of requests over its connection, counted, each with its outcome.
//!
//! Left to others: which batches make an operation (`operations`), what was told (`ledger`).

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;

use super::super::connection::{Connection, Replies, Target};
use super::super::encode::request;
use super::super::keys::Chance;
use super::super::pace::Run;
use super::super::tally::{Tally, micros};
use super::ledger::Ledger;
use super::profile::Profile;

/// Kinds of batch, as they are counted.
pub(in super::super) const BATCHES: [&str; 2] = ["read batch", "write batch"];

/// What all clients of a thread have in common.
pub(in super::super) struct Site {
    pub(in super::super) target: Rc<Target>,
    pub(in super::super) run: Arc<Run>,
    pub(in super::super) profile: Profile,
    /// What all keys begin with.
    pub(in super::super) prefix: String,
    /// What tells the transfers of this run from those of others.
    pub(in super::super) label: String,
    /// This thread's number, of so many.
    pub(in super::super) thread: usize,
    pub(in super::super) threads: usize,
    pub(in super::super) filler: Arc<Vec<u8>>,
    pub(in super::super) tally: Rc<RefCell<Tally>>,
    pub(in super::super) state: RefCell<State>,
}

/// What changes while the site works.
#[derive(Debug, Default)]
pub(in super::super) struct State {
    pub(in super::super) ledger: Ledger,
    /// How many transfers have been begun.
    pub(super) made: u64,
    /// Places in the ledger of transfers that have been acknowledged and not ended.
    pub(super) active: Vec<usize>,
    /// Where the pollers of changes and of events have got to.
    pub(super) changes_token: u64,
    pub(super) events_token: u64,
}

impl State {
    /// Nothing has happened yet, but for what the ledger says.
    pub(in super::super) fn new(ledger: Ledger) -> Self {
        Self { ledger, ..Self::default() }
    }
}

/// Requests that go out together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    count: usize,
    writes: bool,
}

impl Batch {
    /// Requests that change nothing.
    pub(super) fn reads() -> Self {
        Self::default()
    }

    /// Requests of which at least one changes something.
    pub(super) fn writes() -> Self {
        Self { writes: true, ..Self::default() }
    }

    /// Appends a request of texts and gives its number.
    pub(super) fn add(&mut self, args: &[&str]) -> usize {
        request(&mut self.bytes, args);
        self.count += 1;
        self.count - 1
    }

    /// Appends a request and gives its number.
    pub(super) fn add_bytes(&mut self, args: &[&[u8]]) -> usize {
        request(&mut self.bytes, args);
        self.count += 1;
        self.count - 1
    }

    /// Appends a line as a person types it.
    pub(super) fn add_inline(&mut self, line: &str) -> usize {
        self.bytes.extend_from_slice(line.as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
        self.count += 1;
        self.count - 1
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }
}

/// A client: the site, its connection, its chance.
pub(super) struct Client {
    pub(super) site: Rc<Site>,
    pub(super) connection: Connection,
    pub(super) chance: Chance,
    /// The address that it is connected to.
    pub(super) address: usize,
    /// Error replies so far, to tell an operation that met one.
    pub(super) errors: u64,
}

impl Client {
    /// Sends a batch and waits for all its replies. An error: the connection is of no use any more, and the
    /// outcome of the batch is unknown.
    pub(super) async fn call(&mut self, batch: Batch) -> io::Result<Replies> {
        let begun = Instant::now();
        let (count, kind) = (batch.count, usize::from(batch.writes));
        self.connection.out.extend_from_slice(&batch.bytes);
        let answer = self.connection.exchange(count, self.site.target.time_max).await;
        let now = Instant::now();
        let counted = self.site.run.counts(now);
        let mut tally = self.site.tally.borrow_mut();
        let tally = &mut *tally;
        let entry = &mut tally.requests[kind];
        let Ok(replies) = answer else {
            entry.unknown += count as u64;
            return answer;
        };
        let mut failed = 0;
        for error in replies.iter().filter_map(|reply| reply.error()) {
            failed += 1;
            if counted {
                tally.error(error);
            }
        }
        self.errors += failed;
        if counted {
            let entry = &mut tally.requests[kind];
            entry.delay(micros(now - begun));
            entry.errors += failed;
            entry.ok += count as u64 - failed;
            self.site.run.pause.note(now - self.site.run.started);
        }
        Ok(replies)
    }
}
