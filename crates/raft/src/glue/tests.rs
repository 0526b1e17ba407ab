//! The adapters by themselves: openraft's own suite for stores, and what it does not ask for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use openraft::{
    EntryPayload, OptionalSend, RaftLogReader, RaftSnapshotBuilder, StorageError,
    storage::{IOFlushed, RaftLogStorage, RaftStateMachine},
    testing::log::{StoreBuilder, Suite},
    type_config::TypeConfigExt,
};
use quorate_storage::{
    Executor, Log, LogEngineKind, LogId, LogOptions, NodeId, SnapshotStore, Vote, WhenFull,
    disk::sim::{Operation, SimDisk},
};
use tokio::sync::oneshot;

use super::{Shared, log::LogStore, machine::MachineStore};
use crate::{
    Capture, Committed, Fault, Members, RaftOptions, StateMachine,
    types::{self, Data, OEntry, TypeConfig},
};

/// Keeps nothing but the number of entries.
#[derive(Clone, Default)]
struct Tally(Arc<AtomicUsize>);

struct Empty;

impl Capture for Empty {
    fn next_block(&mut self) -> Option<Bytes> {
        None
    }
}

impl StateMachine for Tally {
    fn apply(&mut self, entries: Vec<Committed>) -> Result<(), Fault> {
        self.0.fetch_add(entries.len(), Ordering::SeqCst);
        Ok(())
    }

    fn capture(&mut self) -> Box<dyn Capture> {
        Box::new(Empty)
    }

    fn install(
        &mut self,
        _last: LogId,
        _members: &Members,
        blocks: &mut dyn Iterator<Item = Result<Bytes, Fault>>,
    ) -> Result<(), Fault> {
        for block in blocks {
            block?;
        }
        Ok(())
    }
}

fn open(disk: &SimDisk, executor: Executor) -> Arc<Shared> {
    let disk = Arc::new(disk.clone());
    let options = LogOptions { segment_bytes: 64 << 10, when_full: WhenFull::Wait, ..LogOptions::default() };
    let (log, _) =
        Log::open(disk.clone(), options, LogEngineKind::Segments, executor).expect("a simulated disk opens");
    let snapshots = SnapshotStore::open(disk).expect("a simulated disk opens");
    Arc::new(Shared::new(NodeId(1), RaftOptions::default(), log, snapshots, executor))
}

fn stores(disk: &SimDisk, executor: Executor) -> (LogStore, MachineStore, Tally) {
    let shared = open(disk, executor);
    let tally = Tally::default();
    (LogStore(Arc::clone(&shared)), MachineStore::new(shared, tally.clone()), tally)
}

struct Builder(Executor);

impl StoreBuilder<TypeConfig, LogStore, MachineStore> for Builder {
    async fn build(&self) -> Result<((), LogStore, MachineStore), StorageError<TypeConfig>> {
        let (log, mut machine, _) = stores(&SimDisk::new(1), self.0);
        machine.refuses_gaps = false;
        Ok(((), log, machine))
    }
}

#[tokio::test]
async fn openrafts_suite_passes_with_a_writer_thread() {
    Suite::test_all(Builder(Executor::Thread)).await.expect("all of it");
}

#[tokio::test]
async fn openrafts_suite_passes_inline() {
    Suite::test_all(Builder(Executor::Inline)).await.expect("all of it");
}

fn entry(index: u64, bytes: usize) -> OEntry {
    let log_id = types::o_log_id(LogId::new(1, 1, index));
    OEntry { log_id, payload: EntryPayload::Normal(Data(vec![index as u8; bytes].into())) }
}

async fn append(log: &mut LogStore, entries: Vec<OEntry>) -> oneshot::Receiver<Result<(), std::io::Error>> {
    let (sender, done) = TypeConfig::oneshot();
    log.append(entries, IOFlushed::signal(sender)).await.expect("append gives to the log");
    done
}

#[tokio::test]
async fn an_append_is_readable_at_once_and_complete_only_after_the_sync() {
    let disk = SimDisk::new(1);
    let (mut log, _, _) = stores(&disk, Executor::Inline);
    for index in 0..20 {
        let syncs = disk.counters().file_syncs;
        let mut done = append(&mut log, vec![entry(index, 100)]).await;
        // Inline, the write and its sync come before the callback, which has been called by now.
        assert!(disk.counters().file_syncs > syncs);
        assert!(matches!(done.try_recv(), Ok(Ok(()))));
        assert_eq!(log.try_get_log_entries(index..).await.expect("readable"), [entry(index, 100)]);
    }
    // What was reported survives a power cut.
    disk.cut_power();
    disk.restart();
    let (mut log, _, _) = stores(&disk, Executor::Inline);
    let entries = log.try_get_log_entries(..).await.expect("readable");
    assert_eq!(entries, (0..20).map(|index| entry(index, 100)).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_failed_sync_is_reported_and_never_retried() {
    let disk = SimDisk::new(1);
    let (mut log, _, _) = stores(&disk, Executor::Thread);
    assert!(append(&mut log, vec![entry(0, 10)]).await.await.expect("called").is_ok());
    disk.fail(Operation::Sync, 0, std::io::ErrorKind::Other);
    assert!(append(&mut log, vec![entry(1, 10)]).await.await.expect("called").is_err());
    assert!(append(&mut log, vec![entry(2, 10)]).await.await.expect("called").is_err());
    let vote = types::o_vote(Vote::default());
    assert!(log.save_vote(&vote).await.is_err());
    let reason = log.0.fault.lock().clone().expect("it is kept for the metrics");
    assert!(reason.contains("sync"), "the first reason: {reason}");
}

#[tokio::test]
async fn a_saved_vote_implies_that_earlier_appends_are_durable() {
    let disk = SimDisk::new(1);
    let (mut log, _, _) = stores(&disk, Executor::Thread);
    let vote = Vote { leader: quorate_storage::LeaderId { term: 7, node: 1 }, committed: true };
    let mut done = append(&mut log, (0..100).map(|index| entry(index, 1000)).collect()).await;
    log.save_vote(&types::o_vote(vote)).await.expect("saved");
    assert!(matches!(done.try_recv(), Ok(Ok(()))));
    assert!(log.0.is_durable_vote(vote));
    disk.cut_power();
    disk.restart();
    let state = open(&disk, Executor::Inline).log.state();
    assert_eq!((state.vote, state.last.map(|id| id.index)), (Some(vote), Some(99)));
}

/// Read barriers rest on both: on a vote that is certain, and on an index that never goes back.
#[tokio::test]
async fn a_vote_on_its_way_supports_nobody_and_what_is_committed_stays_so() {
    let (mut log, _, _) = stores(&SimDisk::new(1), Executor::Thread);
    let vote = |node| Vote { leader: quorate_storage::LeaderId { term: 7, node }, committed: true };
    log.save_vote(&types::o_vote(vote(1))).await.expect("saved");
    assert_eq!(log.0.durable_vote(), Some(vote(1)));
    // The same term, another leader: whole votes are compared.
    assert!(!log.0.is_durable_vote(vote(2)));
    log.0.votes.lock().given = Some(vote(2));
    assert_eq!(log.0.durable_vote(), None);
    assert!(!log.0.is_durable_vote(vote(1)) && !log.0.is_durable_vote(vote(2)));

    let id = |index| Some(quorate_storage::LogId::new(7, 1, index));
    for told in [id(5), id(3), None] {
        log.0.note_committed(told);
        assert_eq!(*log.0.committed.lock(), id(5), "after {told:?}");
    }
}

#[tokio::test]
async fn reads_are_bounded_by_bytes() {
    let (mut log, _, _) = stores(&SimDisk::new(1), Executor::Inline);
    let entries: Vec<_> = (0..20).map(|index| entry(index, 1 << 20)).collect();
    append(&mut log, entries.clone()).await.await.expect("called").expect("written");
    let some = log.limited_get_log_entries(0, 20).await.expect("readable");
    assert!((3..=5).contains(&some.len()), "{} entries of 1 MiB in 4 MiB", some.len());
    // What apply reads comes in steps, and completely.
    let all: Vec<_> = log.entries_stream(0..20).await.map(|entry| entry.expect("readable")).collect().await;
    assert_eq!(all, entries);
}

#[tokio::test]
async fn a_gap_is_never_applied() {
    let (_log, mut machine, tally) = stores(&SimDisk::new(1), Executor::Inline);
    machine.apply(applied(vec![entry(0, 10), entry(1, 10)])).await.expect("applied");
    assert!(machine.apply(applied(vec![entry(3, 10)])).await.is_err());
    assert_eq!(tally.0.load(Ordering::SeqCst), 2);
    assert!(machine.shared().fault.lock().is_some());
}

fn applied(entries: Vec<OEntry>) -> impl futures_util::Stream<Item = Item> + Unpin + OptionalSend {
    stream::iter(entries.into_iter().map(|entry| Ok((entry, None))))
}

type Item = Result<openraft::storage::EntryResponder<TypeConfig>, std::io::Error>;

#[tokio::test]
async fn a_snapshot_without_room_is_no_fault_and_one_with_room_is_durable_when_reported() {
    let disk = SimDisk::new(1);
    let (_log, mut machine, tally) = stores(&disk, Executor::Inline);
    let shared = machine.shared();
    machine.apply(applied(vec![entry(0, 10), entry(1, 10)])).await.expect("applied");
    assert_eq!(tally.0.load(Ordering::SeqCst), 2);

    disk.set_capacity(Some(disk.used_bytes()));
    let mut failures = shared.snapshot_failed.subscribe();
    let mut builder = machine.try_create_snapshot_builder(true).await.expect("a builder");
    let nothing = builder.build_snapshot().await.expect("no fault");
    assert_eq!(nothing.meta.last_log_id, None);
    assert!(failures.has_changed().expect("still there"));
    assert!(failures.borrow_and_update().1.contains("room"));
    assert_eq!(*shared.fault.lock(), None);

    disk.set_capacity(None);
    let mut builder = machine.try_create_snapshot_builder(true).await.expect("a builder");
    let snapshot = builder.build_snapshot().await.expect("there is room");
    assert_eq!(snapshot.meta.last_log_id.map(|id| id.index), Some(1));
    disk.cut_power();
    disk.restart();
    let (_log, mut machine, _) = stores(&disk, Executor::Inline);
    let found = machine.get_current_snapshot().await.expect("readable").expect("it was reported");
    assert_eq!(found.meta, snapshot.meta);
}

#[tokio::test]
async fn a_machine_that_faults_stops_and_tells_why() {
    struct Faulty;
    impl StateMachine for Faulty {
        fn apply(&mut self, _: Vec<Committed>) -> Result<(), Fault> {
            Err(Fault::new("the machine is broken"))
        }
        fn capture(&mut self) -> Box<dyn Capture> {
            Box::new(Empty)
        }
        fn install(
            &mut self,
            _: LogId,
            _: &Members,
            _: &mut dyn Iterator<Item = Result<Bytes, Fault>>,
        ) -> Result<(), Fault> {
            Ok(())
        }
    }
    let shared = open(&SimDisk::new(1), Executor::Inline);
    let mut machine = MachineStore::new(Arc::clone(&shared), Faulty);
    assert!(machine.apply(applied(vec![entry(0, 10)])).await.is_err());
    assert_eq!(shared.fault.lock().as_deref(), Some("the machine is broken"));
}

#[tokio::test]
async fn a_full_disk_holds_an_append_until_there_is_room() {
    let disk = SimDisk::new(1);
    let (mut log, _, _) = stores(&disk, Executor::Thread);
    append(&mut log, vec![entry(0, 10)]).await.await.expect("called").expect("written");
    disk.set_capacity(Some(disk.used_bytes()));
    let mut held = Vec::new();
    for index in 1..50 {
        held.push(append(&mut log, vec![entry(index, 32 << 10)]).await);
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !log.0.log.state().disk_full {
        assert!(tokio::time::Instant::now() < deadline, "the log does not notice");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(
        log.try_get_log_entries(..).await.expect("readable").len(),
        50,
        "all of it can be read meanwhile"
    );
    disk.set_capacity(None);
    for done in held {
        done.await.expect("called").expect("written in the end");
    }
    assert!(!log.0.log.state().disk_full);
    assert_eq!(*log.0.fault.lock(), None);
}
