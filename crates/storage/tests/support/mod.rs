//! What the tests of the log share: opening one, appending and waiting, comparing.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

use std::{
    ops::Range,
    sync::{Arc, mpsc},
};

use bytes::Bytes;
use quorate_storage::{
    Entry, EntryKind, Error, Executor, LeaderId, Log, LogEngineKind, LogId, LogOptions, Recovered, Vote,
    disk::{Disk, sim::SimDisk},
};

pub fn id(term: u64, index: u64) -> LogId {
    LogId::new(term, 1, index)
}

pub fn vote(term: u64) -> Vote {
    Vote { leader: LeaderId { term, node: 2 }, committed: term.is_multiple_of(2) }
}

pub fn entry(term: u64, index: u64) -> Entry {
    entry_of(term, index, 20 + (index % 7) as usize)
}

pub fn entry_of(term: u64, index: u64, payload_bytes: usize) -> Entry {
    let payload: Vec<u8> = (0..payload_bytes).map(|i| (i as u64 * 31 + index * 7 + term) as u8).collect();
    Entry { id: id(term, index), kind: EntryKind::Batch.into(), payload: Bytes::from(payload) }
}

pub fn entries(term: u64, range: Range<u64>) -> Vec<Entry> {
    range.map(|index| entry(term, index)).collect()
}

/// Small segments, so that a few entries cross them.
pub fn small() -> LogOptions {
    LogOptions { segment_bytes: 4096, salt_seed: Some(7), ..LogOptions::default() }
}

pub fn open_sim(disk: &SimDisk, options: LogOptions) -> Result<(Log, Recovered), Error> {
    open(Arc::new(disk.clone()), options, LogEngineKind::Segments, Executor::Inline)
}

pub fn open(
    disk: Arc<dyn Disk>,
    options: LogOptions,
    engine: LogEngineKind,
    executor: Executor,
) -> Result<(Log, Recovered), Error> {
    Log::open(disk, options, engine, executor)
}

/// What an operation reports.
pub type Outcome = Result<(), Arc<Error>>;

/// A callback, and what waits for its outcome.
pub fn waiter() -> (impl FnOnce(Outcome) + Send + 'static, impl FnOnce() -> Outcome) {
    let (sender, receiver) = mpsc::channel();
    let done = move |result| sender.send(result).expect("the test waits");
    (done, move || receiver.recv().expect("every operation reports its outcome"))
}

pub fn append(log: &Log, entries: Vec<Entry>) -> Result<(), Arc<Error>> {
    let (done, wait) = waiter();
    log.append(entries, done);
    wait()
}

pub fn save_vote(log: &Log, vote: Vote) -> Result<(), Arc<Error>> {
    let (done, wait) = waiter();
    log.save_vote(vote, done);
    wait()
}

pub fn truncate_after(log: &Log, last: Option<LogId>) -> Result<(), Arc<Error>> {
    let (done, wait) = waiter();
    log.truncate_after(last, done);
    wait()
}

pub fn purge(log: &Log, upto: LogId) -> Result<(), Arc<Error>> {
    let (done, wait) = waiter();
    log.purge(upto, done);
    wait()
}

pub fn read_all(log: &Log) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut next = 0;
    loop {
        let read = log.read(next..u64::MAX, 1000).expect("the log is readable");
        let Some(last) = read.last() else { return entries };
        next = last.id.index + 1;
        entries.extend(read);
    }
}
