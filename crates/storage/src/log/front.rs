//! The order of operations, the memory tail, and the writer: see the head of [`super`].
//!
//! Locking: `state` is held for a few instructions at a time, never over a disk operation or a callback.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{
    Done, Executor, LogEngine, LogMetrics, LogOptions, LogReader, LogState, Record, Recovered, WhenFull,
    engine::Recovery, view::View,
};
use crate::{
    error::Error,
    id::{Entry, LogId, Vote},
};

/// Between two attempts to find room, when appends wait for it.
const FULL_RETRY: Duration = Duration::from_millis(200);

/// Entries above this are refused, so that every length on disk fits 32 bits with room to spare.
const ENTRY_BYTES_MAX: u64 = 2 << 30;

/// A queued operation: its records, and whom to tell.
struct Operation {
    records: Vec<Record>,
    bytes: usize,
    is_append: bool,
    done: Option<Done>,
}

struct State {
    queue: VecDeque<Operation>,
    /// Bytes of queued operations and of the group being written.
    unsynced_bytes: u64,
    view: View,
    vote: Option<Vote>,
    committed: Option<LogId>,
    /// The committed position changed since it was last written.
    committed_unsaved: bool,
    /// The last entries, without gap up to the end of the view.
    tail: VecDeque<Entry>,
    tail_bytes: usize,
    /// Entries below this index are durable.
    durable_end: u64,
    disk_full: bool,
    poisoned: Option<String>,
    closing: bool,
    /// The writer waits and wants to be woken.
    sleeping: bool,
    /// Here while nobody writes; the writer takes it out for each group.
    engine: Option<Box<dyn LogEngine>>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    reader: Arc<dyn LogReader>,
    metrics: Arc<LogMetrics>,
    options: LogOptions,
    executor: Executor,
}

/// Owns the log; the writer thread ends with it.
pub(super) struct Handle {
    shared: Arc<Shared>,
    writer: Mutex<Option<thread::JoinHandle<()>>>,
}

impl Handle {
    pub(super) fn start(
        engine: Box<dyn LogEngine>,
        recovery: Recovery,
        options: LogOptions,
        executor: Executor,
    ) -> Result<(Self, Recovered), Error> {
        let state = State {
            queue: VecDeque::new(),
            unsynced_bytes: 0,
            durable_end: recovery.view.indexes().end,
            view: recovery.view,
            vote: recovery.vote,
            committed: recovery.committed,
            committed_unsaved: false,
            tail: VecDeque::new(),
            tail_bytes: 0,
            disk_full: false,
            poisoned: None,
            closing: false,
            sleeping: false,
            engine: None,
        };
        let recovered = Recovered {
            state: state.log_state(),
            entries: state.view.len(),
            torn_bytes: recovery.torn_bytes,
            segments: recovery.segments,
            is_new: recovery.is_new,
        };
        let reader = engine.reader();
        let metrics = Arc::new(LogMetrics::default());
        let shared =
            Shared { state: Mutex::new(state), wake: Condvar::new(), reader, metrics, options, executor };
        shared.state.lock().engine = Some(engine);
        let shared = Arc::new(shared);
        let writer = match executor {
            Executor::Inline => None,
            Executor::Thread => {
                let shared = Arc::clone(&shared);
                let body = move || shared.write_until_closed();
                let thread = thread::Builder::new().name("quorate-log".into()).spawn(body);
                Some(thread.map_err(|error| Error::io("start", "the log's writer thread", error))?)
            }
        };
        Ok((Self { shared, writer: Mutex::new(writer) }, recovered))
    }

    pub(super) fn append(&self, entries: Vec<Entry>, done: Done) {
        let mut state = self.shared.state.lock();
        let check = state.check_open().and_then(|()| state.check_contiguous(&entries));
        if let Err(error) = check {
            drop(state);
            return done(Err(Arc::new(error)));
        }
        let mut bytes = 0;
        for entry in &entries {
            bytes += entry.bytes();
            state.view.push(entry);
            state.tail.push_back(entry.clone());
        }
        state.tail_bytes += bytes;
        let records = entries.into_iter().map(Record::Entry).collect();
        self.shared.submit(state, Operation { records, bytes, is_append: true, done: Some(done) });
    }

    pub(super) fn save_vote(&self, vote: Vote, done: Done) {
        self.control(Record::Vote(vote), done, |state| {
            state.vote = Some(vote);
            true
        });
    }

    pub(super) fn truncate_after(&self, last: Option<LogId>, done: Done) {
        let next = last.map_or(0, |last| last.index.saturating_add(1));
        self.control(Record::Truncate(last), done, |state| {
            state.truncate(next);
            true
        });
    }

    pub(super) fn purge(&self, upto: LogId, done: Done) {
        self.control(Record::Purge(upto), done, |state| {
            let changes = state.view.purge(upto);
            state.trim_tail_front();
            changes
        });
    }

    /// Submits an operation of one record, or of none if `change` says that nothing changes.
    fn control(&self, record: Record, done: Done, change: impl FnOnce(&mut State) -> bool) {
        let mut state = self.shared.state.lock();
        if let Err(error) = state.check_open() {
            drop(state);
            return done(Err(Arc::new(error)));
        }
        let records = if change(&mut state) { vec![record] } else { Vec::new() };
        let bytes = crate::id::ENTRY_OVERHEAD_BYTES;
        self.shared.submit(state, Operation { records, bytes, is_append: false, done: Some(done) });
    }

    pub(super) fn save_committed(&self, committed: LogId) {
        let mut state = self.shared.state.lock();
        if state.committed != Some(committed) {
            state.committed = Some(committed);
            state.committed_unsaved = true;
        }
    }

    pub(super) fn read(&self, mut range: Range<u64>, bytes_max: usize) -> Result<Vec<Entry>, Error> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut bytes = 0;
        loop {
            let state = self.shared.state.lock();
            if let Some(reason) = &state.poisoned {
                return Err(Error::Poisoned { reason: reason.clone() });
            }
            let held = state.view.indexes();
            range = range.start.max(held.start)..range.end.min(held.end);
            let tail_start = state.tail_start();
            let follows = entries.last().is_none_or(|last| last.id.index.saturating_add(1) == range.start);
            if range.is_empty() || !follows || (!entries.is_empty() && bytes >= bytes_max) {
                return Ok(entries);
            }
            if range.start >= tail_start {
                state.read_tail(&range, bytes_max, bytes, &mut entries);
                return Ok(entries);
            }
            drop(state);
            let stop = range.end.min(tail_start);
            let read = self.shared.reader.read(range.start..stop, bytes_max - bytes.min(bytes_max))?;
            self.shared.metrics.disk_reads.fetch_add(read.len() as u64, Relaxed);
            let read_bytes: usize = read.iter().map(Entry::bytes).sum();
            bytes += read_bytes;
            if read.is_empty() || (!entries.is_empty() && bytes > bytes_max) {
                return Ok(entries);
            }
            range.start = read.last().map_or(stop, |last| last.id.index.saturating_add(1));
            entries.extend(read);
            if range.start < stop {
                return Ok(entries);
            }
        }
    }

    pub(super) fn state(&self) -> LogState {
        self.shared.state.lock().log_state()
    }

    pub(super) fn log_id_at(&self, index: u64) -> Option<LogId> {
        self.shared.state.lock().view.log_id_at(index)
    }

    pub(super) fn metrics(&self) -> Arc<LogMetrics> {
        Arc::clone(&self.shared.metrics)
    }

    pub(super) fn close(&self) -> Result<(), Error> {
        let mut state = self.shared.state.lock();
        state.closing = true;
        if self.shared.executor == Executor::Inline {
            self.shared.drain(&mut state);
            state.engine = None;
        }
        self.shared.wake.notify_one();
        drop(state);
        let writer = self.writer.lock().take();
        // A callback may drop the last handle: the writer cannot wait for itself, and ends anyway.
        if let Some(writer) = writer
            && writer.thread().id() != thread::current().id()
            && writer.join().is_err()
        {
            return Err(Error::Poisoned { reason: "the writer thread panicked".into() });
        }
        match &self.shared.state.lock().poisoned {
            Some(reason) => Err(Error::Poisoned { reason: reason.clone() }),
            None => Ok(()),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Whoever waited for the outcome has been told through its callback.
        let _ = self.close();
    }
}

impl State {
    fn log_state(&self) -> LogState {
        LogState {
            last: self.view.last(),
            purged: self.view.purged(),
            vote: self.vote,
            committed: self.committed,
            bytes: self.view.bytes(),
            unsynced_bytes: self.unsynced_bytes,
            disk_full: self.disk_full,
        }
    }

    fn check_open(&self) -> Result<(), Error> {
        match &self.poisoned {
            Some(reason) => Err(Error::Poisoned { reason: reason.clone() }),
            None if self.closing => Err(Error::Closed),
            None => Ok(()),
        }
    }

    fn check_contiguous(&self, entries: &[Entry]) -> Result<(), Error> {
        let mut expected = self.view.next_index();
        for entry in entries {
            let (found, bytes) = (entry.id.index, entry.bytes() as u64);
            if bytes > ENTRY_BYTES_MAX {
                return Err(Error::TooLarge { what: "entry", bytes, bytes_max: ENTRY_BYTES_MAX });
            }
            if let Some(expected) = expected.filter(|expected| *expected != found) {
                return Err(Error::NotContiguous { expected, found });
            }
            expected = Some(found.saturating_add(1));
        }
        Ok(())
    }

    /// Index of the first entry in memory, or that of the next entry to come.
    fn tail_start(&self) -> u64 {
        self.tail.front().map_or_else(|| self.view.indexes().end, |entry| entry.id.index)
    }

    /// Adds entries of the tail, which covers `range`, until `bytes_max` are reached.
    fn read_tail(&self, range: &Range<u64>, bytes_max: usize, mut bytes: usize, entries: &mut Vec<Entry>) {
        let skip = usize::try_from(range.start.saturating_sub(self.tail_start())).unwrap_or(usize::MAX);
        let count = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        for entry in self.tail.iter().skip(skip).take(count) {
            bytes += entry.bytes();
            if !entries.is_empty() && bytes > bytes_max {
                break;
            }
            entries.push(entry.clone());
        }
    }

    fn truncate(&mut self, next: u64) {
        self.view.truncate(next);
        while self.tail.back().is_some_and(|entry| entry.id.index >= next) {
            let entry = self.tail.pop_back();
            self.tail_bytes -= entry.map_or(0, |entry| entry.bytes());
        }
    }

    /// Drops what was purged from the front of the tail.
    fn trim_tail_front(&mut self) {
        let first = self.view.indexes().start;
        while self.tail.front().is_some_and(|entry| entry.id.index < first) {
            let entry = self.tail.pop_front();
            self.tail_bytes -= entry.map_or(0, |entry| entry.bytes());
        }
    }

    /// Drops durable entries until the tail is within its limit.
    fn evict(&mut self, recent_bytes_max: usize) {
        while self.tail_bytes > recent_bytes_max
            && self.tail.front().is_some_and(|entry| entry.id.index < self.durable_end)
        {
            let entry = self.tail.pop_front();
            self.tail_bytes -= entry.map_or(0, |entry| entry.bytes());
        }
    }

    /// Moves the durable end over a group that was written.
    fn advance_durable(&mut self, group: &[&Record]) {
        for record in group {
            let next = |id: &LogId| id.index.saturating_add(1);
            match record {
                Record::Entry(entry) => self.durable_end = next(&entry.id),
                Record::Truncate(last) => {
                    self.durable_end = self.durable_end.min(last.as_ref().map_or(0, next));
                }
                Record::Purge(upto) => self.durable_end = self.durable_end.max(next(upto)),
                Record::Vote(_) | Record::Committed(_) => {}
            }
        }
    }

    /// Takes queued operations for one group, in order.
    fn take_group(&mut self, bytes_max: usize) -> Vec<Operation> {
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(operation) = self.queue.front() {
            if !group.is_empty() && bytes + operation.bytes > bytes_max {
                break;
            }
            bytes += operation.bytes;
            group.extend(self.queue.pop_front());
        }
        group
    }

    /// Takes everything that can no longer succeed once an append failed for lack of room: it and all later appends.
    /// What remains readable is what is durable, less what queued truncations remove.
    fn take_failed_appends(&mut self, group: &mut Vec<Operation>) -> Vec<Operation> {
        let mut end = self.durable_end;
        for operation in group.iter().chain(&self.queue) {
            for record in &operation.records {
                if let Record::Truncate(last) = record {
                    end = end.min(last.map_or(0, |last| last.index.saturating_add(1)));
                }
            }
        }
        let mut failed: Vec<Operation> = group.extract_if(.., |operation| operation.is_append).collect();
        let queued = std::mem::take(&mut self.queue);
        for operation in queued {
            if operation.is_append {
                failed.push(operation);
            } else {
                self.queue.push_back(operation);
            }
        }
        self.truncate(end);
        for operation in &failed {
            self.unsynced_bytes = self.unsynced_bytes.saturating_sub(operation.bytes as u64);
        }
        failed
    }
}

impl Shared {
    fn submit(&self, mut state: MutexGuard<'_, State>, operation: Operation) {
        state.unsynced_bytes += operation.bytes as u64;
        state.queue.push_back(operation);
        match self.executor {
            Executor::Inline => self.drain(&mut state),
            Executor::Thread => {
                let wake = std::mem::take(&mut state.sleeping);
                drop(state);
                if wake {
                    self.wake.notify_one();
                }
            }
        }
    }

    /// The writer thread.
    fn write_until_closed(&self) {
        let mut state = self.state.lock();
        loop {
            self.drain(&mut state);
            if state.closing && (state.queue.is_empty() || state.poisoned.is_some()) {
                break;
            }
            if state.queue.is_empty() {
                state.sleeping = true;
                self.wake.wait(&mut state);
            } else {
                // Appends wait for room on the disk.
                self.wake.wait_for(&mut state, FULL_RETRY);
            }
        }
        // The engine's files close here, before whoever waits in `close` gives the directory's lock back.
        state.engine = None;
    }

    /// Writes queued operations until none is left, or until those left must wait for room.
    /// Does nothing if it is called from a callback of itself: the outer call takes what the callback queued.
    fn drain(&self, state: &mut MutexGuard<'_, State>) {
        let Some(mut engine) = state.engine.take() else { return };
        loop {
            let group = state.take_group(self.options.group_bytes_max);
            let saves_committed = state.committed_unsaved && (!group.is_empty() || state.closing);
            if group.is_empty() && !saves_committed {
                break;
            }
            if !self.write_group(state, engine.as_mut(), group) {
                break;
            }
        }
        state.engine = Some(engine);
    }

    /// Writes one group and tells its callers. False if the rest of the queue must wait.
    fn write_group(
        &self,
        state: &mut MutexGuard<'_, State>,
        engine: &mut dyn LogEngine,
        group: Vec<Operation>,
    ) -> bool {
        if let Some(reason) = state.poisoned.clone() {
            // Otherwise a log that closes would try to save it for ever.
            state.committed_unsaved = false;
            self.finish(state, group, Err(Arc::new(Error::Poisoned { reason })));
            return true;
        }
        let committed = std::mem::take(&mut state.committed_unsaved).then_some(state.committed).flatten();
        let committed = committed.map(Record::Committed);
        let records: Vec<&Record> =
            group.iter().flat_map(|operation| &operation.records).chain(&committed).collect();
        if records.is_empty() {
            // Everything before is durable, and there is nothing to write.
            self.finish(state, group, Ok(()));
            return true;
        }
        let started = Instant::now();
        let result = MutexGuard::unlocked(state, || engine.write(&records));
        self.metrics.sync_time.record(started.elapsed());
        match result {
            Ok(()) => {
                self.count(&group, &records);
                state.advance_durable(&records);
                state.evict(self.options.recent_bytes_max);
                if group.iter().any(|operation| operation.is_append) {
                    state.disk_full = false;
                }
                self.finish(state, group, Ok(()));
                true
            }
            Err(error @ Error::DiskFull { .. }) => {
                state.committed_unsaved |= committed.is_some();
                self.no_room(state, group, error)
            }
            Err(error) => {
                self.poison(state, group, error);
                true
            }
        }
    }

    /// Nothing of the group was written for lack of room. False if it waits in the queue.
    fn no_room(&self, state: &mut MutexGuard<'_, State>, mut group: Vec<Operation>, error: Error) -> bool {
        let waits =
            self.options.when_full == WhenFull::Wait && self.executor == Executor::Thread && !state.closing;
        self.metrics.disk_full.fetch_add(1, Relaxed);
        if !std::mem::replace(&mut state.disk_full, true) {
            tracing::warn!(%error, waits, "no room for the log");
        }
        if waits {
            for operation in group.into_iter().rev() {
                state.queue.push_front(operation);
            }
            return false;
        }
        if !group.iter().any(|operation| operation.is_append) {
            // Even the reserve for votes and purges is used up. The view may have moved already: start again from disk.
            self.poison(state, group, error);
            return true;
        }
        let failed = state.take_failed_appends(&mut group);
        self.finish_failed(state, failed, &Arc::new(error));
        for operation in group.into_iter().rev() {
            state.queue.push_front(operation);
        }
        true
    }

    fn poison(&self, state: &mut MutexGuard<'_, State>, group: Vec<Operation>, error: Error) {
        tracing::error!(%error, "the log cannot be written, it is poisoned until a restart");
        state.poisoned = Some(error.to_string());
        let queued = state.queue.drain(..);
        let group = group.into_iter().chain(queued).collect();
        self.finish(state, group, Err(Arc::new(error)));
    }

    fn finish_failed(&self, state: &mut MutexGuard<'_, State>, failed: Vec<Operation>, error: &Arc<Error>) {
        let dones: Vec<Done> = failed.into_iter().filter_map(|operation| operation.done).collect();
        MutexGuard::unlocked(state, || dones.into_iter().for_each(|done| done(Err(Arc::clone(error)))));
    }

    fn finish(
        &self,
        state: &mut MutexGuard<'_, State>,
        group: Vec<Operation>,
        result: Result<(), Arc<Error>>,
    ) {
        let bytes: usize = group.iter().map(|operation| operation.bytes).sum();
        state.unsynced_bytes = state.unsynced_bytes.saturating_sub(bytes as u64);
        MutexGuard::unlocked(state, || {
            for operation in group {
                if let Some(done) = operation.done {
                    done(result.clone());
                }
            }
        });
    }

    fn count(&self, group: &[Operation], records: &[&Record]) {
        let entries = records.iter().filter(|record| matches!(record, Record::Entry(_))).count();
        let bytes: usize = group.iter().map(|operation| operation.bytes).sum();
        self.metrics.syncs.fetch_add(1, Relaxed);
        self.metrics.groups.fetch_add(1, Relaxed);
        self.metrics.operations.fetch_add(group.len() as u64, Relaxed);
        self.metrics.entries.fetch_add(entries as u64, Relaxed);
        self.metrics.bytes.fetch_add(bytes as u64, Relaxed);
    }
}
