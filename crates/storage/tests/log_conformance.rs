//! What every log engine must do, on every kind of disk and with either executor: one function, run for each.

mod support;

use std::sync::Arc;

use quorate_storage::{
    Error, Executor, Log, LogEngineKind, LogOptions, RealDisk, Recovered,
    disk::{Disk, sim::SimDisk},
};
use support::*;

/// One engine on one disk, to be opened again and again.
struct Subject {
    disk: Arc<dyn Disk>,
    engine: LogEngineKind,
    executor: Executor,
    options: LogOptions,
}

impl Subject {
    fn open(&self) -> (Log, Recovered) {
        open(Arc::clone(&self.disk), self.options.clone(), self.engine, self.executor).expect("the log opens")
    }

    fn reopen(&self, log: Log) -> (Log, Recovered) {
        log.close().expect("the log closes");
        drop(log);
        self.open()
    }
}

fn check_conformance(subject: &Subject) {
    let (log, recovered) = subject.open();
    assert!(recovered.is_new);
    assert_eq!(recovered.state, Default::default());
    drop(log);
    check_appends_are_readable_at_once_and_after_reopening(subject);
    check_votes_and_committed_survive(subject);
    check_truncated_entries_stay_away(subject);
    check_purge_keeps_the_rest(subject);
    check_reads_are_bounded(subject);
    check_purge_beyond_the_end(subject);
    check_misuse_changes_nothing(subject);
    check_large_entries(subject);
}

fn check_appends_are_readable_at_once_and_after_reopening(subject: &Subject) {
    let (log, _) = subject.open();
    let mut waits = Vec::new();
    for start in (0..100).step_by(10) {
        let (done, wait) = waiter();
        log.append(entries(1, start..start + 10), done);
        assert_eq!(log.state().last, Some(id(1, start + 9)));
        assert_eq!(log.read(start..start + 10, usize::MAX).unwrap(), entries(1, start..start + 10));
        waits.push(wait);
    }
    for wait in waits {
        wait().expect("the append is durable");
    }
    assert_eq!(log.log_id_at(55), Some(id(1, 55)));
    let (log, recovered) = subject.reopen(log);
    assert_eq!((recovered.entries, recovered.torn_bytes, recovered.is_new), (100, 0, false));
    assert_eq!(log.state().last, Some(id(1, 99)));
    assert_eq!(read_all(&log), entries(1, 0..100));
    assert_eq!(log.log_id_at(55), Some(id(1, 55)));
    assert_eq!(log.log_id_at(100), None);
}

fn check_votes_and_committed_survive(subject: &Subject) {
    let (log, _) = subject.open();
    save_vote(&log, vote(3)).unwrap();
    save_vote(&log, vote(4)).unwrap();
    log.save_committed(id(1, 50));
    assert_eq!(log.state().committed, Some(id(1, 50)));
    let (log, recovered) = subject.reopen(log);
    assert_eq!(recovered.state.vote, Some(vote(4)));
    assert_eq!(recovered.state.committed, Some(id(1, 50)));
    assert_eq!(log.state().vote, Some(vote(4)));
}

fn check_truncated_entries_stay_away(subject: &Subject) {
    let (log, _) = subject.open();
    truncate_after(&log, Some(id(1, 69))).unwrap();
    assert_eq!(log.state().last, Some(id(1, 69)));
    append(&log, entries(2, 70..75)).unwrap();
    truncate_after(&log, Some(id(2, 72))).unwrap();
    let (log, _) = subject.reopen(log);
    let mut expected = entries(1, 0..70);
    expected.extend(entries(2, 70..73));
    assert_eq!(read_all(&log), expected);
    assert_eq!(log.state().last, Some(id(2, 72)));
    append(&log, entries(3, 73..80)).unwrap();
    expected.extend(entries(3, 73..80));
    let (log, _) = subject.reopen(log);
    assert_eq!(read_all(&log), expected);
    assert_eq!((log.log_id_at(72), log.log_id_at(73)), (Some(id(2, 72)), Some(id(3, 73))));
}

fn check_purge_keeps_the_rest(subject: &Subject) {
    let (log, _) = subject.open();
    let bytes_before = log.state().bytes;
    purge(&log, id(1, 64)).unwrap();
    assert!(log.state().bytes < bytes_before);
    let mut expected = entries(1, 65..70);
    expected.extend(entries(2, 70..73));
    expected.extend(entries(3, 73..80));
    assert_eq!(read_all(&log), expected);
    let (log, recovered) = subject.reopen(log);
    assert_eq!(recovered.state.purged, Some(id(1, 64)));
    assert_eq!(recovered.state.vote, Some(vote(4)), "the vote outlives the segment that it was written to");
    assert_eq!(recovered.state.committed, Some(id(1, 50)));
    assert_eq!(read_all(&log), expected);
    assert_eq!(log.log_id_at(64), Some(id(1, 64)));
    assert_eq!(log.log_id_at(63), None);
    assert!(log.read(0..65, usize::MAX).unwrap().is_empty());
    purge(&log, id(1, 10)).unwrap();
    assert_eq!(log.state().purged, Some(id(1, 64)), "a purge never goes back");
    append(&log, Vec::new()).unwrap();
    save_vote(&log, vote(4)).unwrap();
    let (log, _) = subject.reopen(log);
    assert_eq!(log.state().purged, Some(id(1, 64)));
}

fn check_reads_are_bounded(subject: &Subject) {
    let (log, _) = subject.open();
    append(&log, entries(3, 80..120)).unwrap();
    let (log, _) = subject.reopen(log);
    for where_from in ["disk", "memory"] {
        let one = log.read(80..120, 0).unwrap();
        assert_eq!(one, entries(3, 80..81), "at least one entry from {where_from}");
        let some = log.read(80..120, 400).unwrap();
        let bytes: usize = some.iter().map(quorate_storage::Entry::bytes).sum();
        assert!(some.len() > 1 && bytes <= 400, "{} entries of {bytes} bytes from {where_from}", some.len());
        assert_eq!(log.read(118..500, usize::MAX).unwrap().len(), 2, "from {where_from}");
        assert!(log.read(500..600, usize::MAX).unwrap().is_empty());
        #[expect(clippy::reversed_empty_ranges, reason = "a caller may ask for it")]
        let backwards = log.read(100..90, usize::MAX).unwrap();
        assert!(backwards.is_empty());
        // The second time the same entries come from memory.
        truncate_after(&log, Some(id(3, 79))).unwrap();
        append(&log, entries(3, 80..120)).unwrap();
    }
}

fn check_purge_beyond_the_end(subject: &Subject) {
    let (log, _) = subject.open();
    purge(&log, id(5, 1000)).unwrap();
    assert_eq!(log.state().last, Some(id(5, 1000)));
    assert!(read_all(&log).is_empty());
    let (log, _) = subject.reopen(log);
    assert_eq!((log.state().last, log.state().bytes), (Some(id(5, 1000)), 0));
    append(&log, entries(5, 1001..1010)).unwrap();
    let (log, _) = subject.reopen(log);
    assert_eq!(read_all(&log), entries(5, 1001..1010));
}

fn check_misuse_changes_nothing(subject: &Subject) {
    let (log, _) = subject.open();
    let error = append(&log, entries(5, 1011..1012)).unwrap_err();
    assert!(matches!(*error, Error::NotContiguous { expected: 1010, found: 1011 }), "{error}");
    let mut gap = entries(5, 1010..1011);
    gap.extend(entries(5, 1012..1013));
    assert!(append(&log, gap).is_err());
    assert_eq!(log.state().last, Some(id(5, 1009)));
    append(&log, Vec::new()).expect("appending nothing is fine");
    let (log, _) = subject.reopen(log);
    log.close().unwrap();
    log.close().expect("closing twice is fine");
    assert!(matches!(*append(&log, entries(5, 1010..1011)).unwrap_err(), Error::Closed));
}

fn check_large_entries(subject: &Subject) {
    let (log, _) = subject.open();
    let large: Vec<_> =
        [5_000, 100_000, 3, 0, 20_000].into_iter().zip(1010..).map(|(n, i)| entry_of(6, i, n)).collect();
    append(&log, large.clone()).unwrap();
    append(&log, entries(6, 1015..1020)).unwrap();
    let (log, _) = subject.reopen(log);
    assert_eq!(log.read(1010..1015, usize::MAX).unwrap(), large);
    assert_eq!(log.read(1015..1020, usize::MAX).unwrap(), entries(6, 1015..1020));
    truncate_after(&log, None).unwrap();
    let (log, _) = subject.reopen(log);
    assert_eq!(log.state().last, Some(id(5, 1000)), "only the purged position is left");
}

#[test]
fn segments_on_a_simulated_disk() {
    for recent_bytes_max in [0, 500, 1 << 20] {
        check_conformance(&Subject {
            disk: Arc::new(SimDisk::new(1)),
            engine: LogEngineKind::Segments,
            executor: Executor::Inline,
            options: LogOptions { recent_bytes_max, ..small() },
        });
    }
}

#[test]
fn segments_on_a_real_disk() {
    for (executor, recent_bytes_max) in
        [(Executor::Thread, 0), (Executor::Thread, 1 << 20), (Executor::Inline, 0)]
    {
        let folder = tempfile::tempdir().unwrap();
        check_conformance(&Subject {
            disk: Arc::new(RealDisk::new(folder.path().join("node")).unwrap()),
            engine: LogEngineKind::Segments,
            executor,
            options: LogOptions { recent_bytes_max, ..small() },
        });
    }
}

#[test]
fn sled_on_a_real_disk() {
    for (executor, recent_bytes_max) in [(Executor::Thread, 0), (Executor::Inline, 1 << 20)] {
        let folder = tempfile::tempdir().unwrap();
        check_conformance(&Subject {
            disk: Arc::new(RealDisk::new(folder.path().join("node")).unwrap()),
            engine: LogEngineKind::Sled,
            executor,
            options: LogOptions { recent_bytes_max, ..small() },
        });
    }
    let disk = Arc::new(SimDisk::new(1));
    let result = open(disk, small(), LogEngineKind::Sled, Executor::Inline);
    assert!(matches!(result, Err(Error::Unsupported(_))));
}
