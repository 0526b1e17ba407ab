//! What the log does when the disk fails: damage, refused writes, failed syncs, no room.

mod support;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use quorate_storage::{
    Error, ErrorKind, Executor, LogEngineKind, LogOptions, RealDisk, WhenFull,
    disk::{
        Disk,
        sim::{Operation, SimDisk},
    },
};
use support::*;

const FIRST_SEGMENT: &str = "log/0000000000000001.log";

fn check_poisons(operation: Operation) {
    let disk = SimDisk::new(1);
    let (log, _) = open_sim(&disk, small()).unwrap();
    append(&log, entries(1, 0..3)).unwrap();
    disk.fail(operation, 0, io::ErrorKind::Other);
    let error = append(&log, entries(1, 3..6)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fault, "{error}");
    // The disk works again, but what it holds is unknown: nothing goes on before a restart.
    assert!(matches!(*append(&log, entries(1, 3..4)).unwrap_err(), Error::Poisoned { .. }));
    assert!(matches!(*save_vote(&log, vote(1)).unwrap_err(), Error::Poisoned { .. }));
    assert!(matches!(*purge(&log, id(1, 1)).unwrap_err(), Error::Poisoned { .. }));
    assert!(matches!(log.read(0..3, 1000), Err(Error::Poisoned { .. })));
    // A committed position that cannot be saved any more must not keep the log from closing.
    log.save_committed(id(1, 2));
    assert!(matches!(log.close(), Err(Error::Poisoned { .. })));
    drop(log);
    disk.restart();
    let (log, recovered) = open_sim(&disk, small()).unwrap();
    assert!(recovered.entries >= 3, "what was acknowledged is there");
    assert_eq!(read_all(&log), entries(1, 0..recovered.entries));
    append(&log, entries(1, recovered.entries..10)).unwrap();
}

#[test]
fn a_failed_write_or_sync_poisons_until_restart() {
    check_poisons(Operation::Write);
    check_poisons(Operation::Sync);
}

#[test]
fn queued_operations_behind_a_failure_fail_with_it() {
    let disk = SimDisk::new(1);
    let (log, _) = open(Arc::new(disk.clone()), small(), LogEngineKind::Segments, Executor::Thread).unwrap();
    append(&log, entries(1, 0..1)).unwrap();
    disk.fail(Operation::Sync, 3, io::ErrorKind::Other);
    let mut waits = Vec::new();
    for index in 1..200 {
        let (done, wait) = waiter();
        log.append(entries(1, index..index + 1), done);
        waits.push(wait);
        std::thread::yield_now();
    }
    let outcomes: Vec<bool> = waits.into_iter().map(|wait| wait().is_ok()).collect();
    let acknowledged = outcomes.iter().filter(|ok| **ok).count();
    assert!(outcomes.iter().take(acknowledged).all(|ok| *ok), "a success never follows a failure");
}

/// Fills the disk, and returns how many single entries fitted.
fn fill(log: &quorate_storage::Log, from: u64) -> u64 {
    for index in from..100_000 {
        if let Err(error) = append(log, entries(1, index..index + 1)) {
            assert_eq!(error.kind(), ErrorKind::DiskFull, "{error}");
            return index;
        }
    }
    panic!("the disk never fills");
}

#[test]
fn a_full_disk_refuses_appends_and_heals() {
    let disk = SimDisk::new(1);
    let options = LogOptions { recycled_segments_max: 0, ..small() };
    let (log, _) = open_sim(&disk, options.clone()).unwrap();
    disk.set_capacity(Some(disk.used_bytes() + 14_000));
    let end = fill(&log, 0);
    assert!(log.state().disk_full);
    assert_eq!(log.state().last, Some(id(1, end - 1)), "nothing of the refused append is readable");
    assert!(log.read(end..end + 1, 1000).unwrap().is_empty());
    assert_eq!(read_all(&log), entries(1, 0..end));
    // Votes, truncations and purges have a reserve; without room for a purge nothing could ever be purged.
    for term in 2..6 {
        save_vote(&log, vote(term)).unwrap();
    }
    truncate_after(&log, Some(id(1, end - 2))).unwrap();
    assert!(append(&log, entries(1, end - 1..end + 200)).is_err());
    purge(&log, id(1, end - 10)).unwrap();
    let healed = fill(&log, end - 1);
    assert!(healed > end, "purged segments give room");
    disk.set_capacity(None);
    append(&log, entries(1, healed..healed + 100)).unwrap();
    assert!(!log.state().disk_full);
    drop(log);
    disk.restart();
    let (log, recovered) = open_sim(&disk, options).unwrap();
    assert_eq!(recovered.state.vote, Some(vote(5)));
    assert_eq!(log.state().last, Some(id(1, healed + 99)));
    assert_eq!(read_all(&log), entries(1, end - 9..healed + 100));
}

#[test]
fn a_full_disk_fails_everything_queued_behind_in_order() {
    let disk = SimDisk::new(1);
    let options = LogOptions { recycled_segments_max: 0, group_bytes_max: 1, ..small() };
    let (log, _) = open(Arc::new(disk.clone()), options, LogEngineKind::Segments, Executor::Thread).unwrap();
    append(&log, entries(1, 0..1)).unwrap();
    disk.set_capacity(Some(disk.used_bytes()));
    let mut waits = Vec::new();
    for index in 1..400 {
        let (done, wait) = waiter();
        // Once one is refused, the next index is that of the refused one.
        let next = log.state().last.map_or(0, |last| last.index + 1);
        log.append(entries(1, next..next + 1), done);
        waits.push(wait);
        if index % 50 == 0 {
            let (done, wait) = waiter();
            log.save_vote(vote(index), done);
            waits.push(wait);
        }
    }
    let outcomes: Vec<_> = waits.into_iter().map(|wait| wait()).collect();
    let acknowledged = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(acknowledged > 8 && acknowledged < outcomes.len());
    assert_eq!(log.state().vote, Some(vote(350)), "votes are not among the refused");
    let last = log.state().last.unwrap().index;
    assert_eq!(read_all(&log), entries(1, 0..last + 1));
    disk.set_capacity(None);
    append(&log, entries(1, last + 1..last + 20)).unwrap();
    log.close().unwrap();
    drop(log);
    let (log, _) = open_sim(&disk, small()).unwrap();
    assert_eq!(read_all(&log), entries(1, 0..last + 20));
}

#[test]
fn appends_may_wait_for_room() {
    let disk = SimDisk::new(1);
    let options = LogOptions { when_full: WhenFull::Wait, ..small() };
    let (log, _) = open(Arc::new(disk.clone()), options, LogEngineKind::Segments, Executor::Thread).unwrap();
    append(&log, entries(1, 0..1)).unwrap();
    disk.set_capacity(Some(disk.used_bytes()));
    let (done, wait) = waiter();
    log.append(entries(1, 1..600), done);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !log.state().disk_full {
        assert!(Instant::now() < deadline, "the log notices that the disk is full");
        std::thread::yield_now();
    }
    assert_eq!(log.read(1..600, usize::MAX).unwrap(), entries(1, 1..600), "what waits is readable");
    disk.set_capacity(None);
    wait().expect("there is room now");
    assert!(!log.state().disk_full);
    assert_eq!(log.state().unsynced_bytes, 0);
}

#[test]
fn damage_before_the_last_group_is_reported_and_changes_nothing() {
    let disk = SimDisk::new(1);
    let (log, _) = open_sim(&disk, small()).unwrap();
    for index in 0..100 {
        append(&log, entries(1, index..index + 1)).unwrap();
    }
    log.close().unwrap();
    drop(log);
    let names = disk.list("log").unwrap();
    assert!(names.len() > 2);
    let last_used = format!("log/{}", names.last().unwrap());
    let mut reported = 0;
    for path in names.iter().map(|name| format!("log/{name}")) {
        let length = disk.content(&path).unwrap().len();
        for offset in (0..length).step_by(61) {
            assert!(disk.damage(&path, offset, 0x40));
            let before: Vec<_> =
                disk.list("log").unwrap().iter().map(|name| disk.content(&format!("log/{name}"))).collect();
            match open_sim(&disk, small()) {
                Ok((log, _)) => {
                    let found = read_all(&log);
                    let is_last_group = path == last_used && found == entries(1, 0..99);
                    assert!(
                        found == entries(1, 0..100) || is_last_group,
                        "{path} at {offset}: {} entries",
                        found.len()
                    );
                    if is_last_group {
                        return assert!(reported > 50);
                    }
                }
                Err(Error::Corrupt { file, .. }) => {
                    reported += 1;
                    assert!(file.starts_with("log/"), "{file}");
                    let names = disk.list("log").unwrap();
                    let after: Vec<_> =
                        names.iter().map(|name| disk.content(&format!("log/{name}"))).collect();
                    assert!(before == after, "a damaged log is left as it is");
                }
                Err(Error::Version { .. }) => reported += 1,
                Err(error) => panic!("{path} at {offset}: {error}"),
            }
            disk.restart_process();
            assert!(disk.damage(&path, offset, 0x40));
        }
    }
    assert!(reported > 50, "{reported}");
}

#[test]
fn damage_under_a_running_log_is_reported_to_the_reader() {
    let disk = SimDisk::new(1);
    let (log, _) = open_sim(&disk, LogOptions { recent_bytes_max: 0, ..small() }).unwrap();
    append(&log, entries(1, 0..10)).unwrap();
    assert_eq!(log.read(0..10, 10_000).unwrap(), entries(1, 0..10));
    assert!(disk.damage(FIRST_SEGMENT, 600, 1));
    assert!(matches!(log.read(0..10, 10_000), Err(Error::Corrupt { .. })));
}

#[test]
fn a_missing_segment_is_reported() {
    let disk = SimDisk::new(1);
    let (log, _) = open_sim(&disk, small()).unwrap();
    append(&log, entries(1, 0..200)).unwrap();
    append(&log, entries(1, 200..400)).unwrap();
    append(&log, entries(1, 400..600)).unwrap();
    drop(log);
    let names = disk.list("log").unwrap();
    let middle = format!("log/{}", names[names.len() - 2]);
    let content = disk.content(&middle).unwrap();
    disk.remove(&middle).unwrap();
    assert!(matches!(open_sim(&disk, small()), Err(Error::Corrupt { .. })));
    disk.put(&middle, &content);
    disk.restart_process();
    open_sim(&disk, small()).unwrap();
}

#[test]
fn random_bytes_never_panic() {
    let mut state = 1_u64;
    for _ in 0..300 {
        let disk = SimDisk::new(1);
        let (log, _) = open_sim(&disk, small()).unwrap();
        append(&log, entries(1, 0..20)).unwrap();
        drop(log);
        for _ in 0..8 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (offset, mask) = ((state >> 20) as usize % 2600, (state >> 50) as u8 | 1);
            disk.damage(FIRST_SEGMENT, offset, mask);
        }
        disk.restart_process();
        if let Ok((log, _)) = open_sim(&disk, small()) {
            let found = read_all(&log);
            assert_eq!(found, entries(1, 0..found.len() as u64));
        }
    }
}

/// Readers run while segments are purged and recycled under them: they get what is there, or nothing, never junk.
#[test]
fn reading_while_segments_are_recycled() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(RealDisk::new(folder.path()).unwrap());
    let options = LogOptions { recent_bytes_max: 0, ..small() };
    let (log, _) = open(disk, options, LogEngineKind::Segments, Executor::Thread).unwrap();
    let reader = {
        let log = log.clone();
        std::thread::spawn(move || {
            let mut read = 0;
            while log.state().last.is_none_or(|last| last.index < 1999) {
                let start = log.state().purged.map_or(0, |purged| purged.index + 1);
                for entry in log.read(start..start + 50, 10_000).expect("reading goes on") {
                    assert_eq!(entry, support::entry(1, entry.id.index));
                    read += 1;
                }
            }
            read
        })
    };
    for start in (0..2000).step_by(20) {
        append(&log, entries(1, start..start + 20)).unwrap();
        if start >= 100 {
            purge(&log, id(1, start - 90)).unwrap();
        }
    }
    assert!(reader.join().unwrap() > 0);
    let used = std::fs::read_dir(folder.path().join("log")).unwrap().count();
    assert!(used < 12, "{used} files are left of a log that was purged");
}

#[test]
fn one_write_and_one_sync_per_group() {
    let disk = SimDisk::new(1);
    let options = LogOptions { segment_bytes: 1 << 20, ..small() };
    let (log, _) = open_sim(&disk, options).unwrap();
    let before = disk.counters();
    for index in 0..10 {
        append(&log, entries(1, index * 10..index * 10 + 10)).unwrap();
        log.save_committed(id(1, index * 10));
    }
    let after = disk.counters();
    assert_eq!(after.file_syncs - before.file_syncs, 10);
    assert_eq!(after.changes - before.changes, 20, "a write and a sync each; committed positions ride along");
    let metrics = log.metrics();
    assert_eq!(metrics.syncs.load(std::sync::atomic::Ordering::Relaxed), 10);
    assert_eq!(metrics.sync_time.count(), 10);
}
