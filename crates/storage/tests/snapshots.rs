//! Snapshots: whole or not there, the same bytes on every node, received over interruptions.

use std::{io, sync::Arc};

use bytes::Bytes;
use quorate_storage::{
    BLOCK_BYTES_MAX, Error, ErrorKind, LogId, SnapshotId, SnapshotInfo, SnapshotStore,
    disk::{
        Disk,
        sim::{Operation, SimDisk},
    },
};

fn store(disk: &SimDisk) -> SnapshotStore {
    SnapshotStore::open(Arc::new(disk.clone())).expect("the store opens")
}

fn block(number: u64) -> Vec<u8> {
    (0..100 + number * 37).map(|i| (i * 7 + number) as u8).collect()
}

fn write(store: &SnapshotStore, index: u64, blocks: u64) -> Result<SnapshotInfo, Error> {
    let mut writer = store.create()?;
    for number in 0..blocks {
        writer.write_block(&block(number + index))?;
    }
    writer.finish(Some(LogId::new(2, 1, index)), Bytes::from_static(b"members"), 1000 + index)
}

fn check_content(store: &SnapshotStore, index: u64, blocks: u64) {
    let mut reader = store.latest().unwrap().expect("there is a snapshot");
    let manifest = reader.info().manifest.clone();
    assert_eq!(manifest.last_log_id, Some(LogId::new(2, 1, index)));
    assert_eq!((manifest.blocks, &manifest.membership[..]), (blocks, b"members".as_slice()));
    assert_eq!(manifest.created_ms, 1000 + index);
    for number in 0..blocks {
        assert_eq!(reader.next_block().unwrap().unwrap(), block(number + index));
    }
    assert_eq!(reader.next_block().unwrap(), None);
    reader.verify().unwrap();
}

#[test]
fn snapshots_are_listed_newest_first_and_survive() {
    let disk = SimDisk::new(1);
    let first = write(&store(&disk), 9, 3).unwrap();
    let snapshots = store(&disk);
    let second = write(&snapshots, 10, 0).unwrap();
    let names = |store: &SnapshotStore| store.list().into_iter().map(|info| info.id).collect::<Vec<_>>();
    assert_eq!(names(&snapshots), [second.id.clone(), first.id.clone()]);
    disk.restart();
    let snapshots = store(&disk);
    assert_eq!(snapshots.list(), [second.clone(), first.clone()]);
    check_content(&snapshots, 10, 0);
    let mut open = snapshots.open_snapshot(&first.id).unwrap();
    assert_eq!(snapshots.delete_older(1).unwrap(), std::slice::from_ref(&first.id));
    assert_eq!(open.next_block().unwrap().unwrap(), block(9), "an open snapshot stays readable");
    assert!(matches!(snapshots.open_snapshot(&first.id), Err(Error::NotFound(_))));
    assert_eq!(store(&disk).list(), [second]);
    assert!(snapshots.delete_older(1).unwrap().is_empty());
}

#[test]
fn an_unfinished_writer_leaves_nothing() {
    let disk = SimDisk::new(1);
    let snapshots = store(&disk);
    let mut writer = snapshots.create().unwrap();
    writer.write_block(b"block").unwrap();
    assert_eq!(writer.bytes(), 5);
    writer.write_block(b"").unwrap();
    let too_large = writer.write_block(&vec![0; BLOCK_BYTES_MAX + 1]);
    assert!(matches!(too_large, Err(Error::TooLarge { .. })));
    drop(writer);
    assert!(disk.list("snapshots").unwrap().is_empty());
    disk.set_capacity(Some(300));
    let error = write(&snapshots, 1, 10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DiskFull, "{error}");
    assert!(disk.list("snapshots").unwrap().is_empty(), "the room is given back");
    disk.set_capacity(None);
    disk.fail(Operation::Sync, 0, io::ErrorKind::Other);
    assert!(write(&snapshots, 1, 1).is_err());
    assert!(snapshots.latest().unwrap().is_none());
}

/// A crash at each single step leaves the old snapshot or the new one, and once `finish` returned, the new one.
#[test]
fn a_crash_at_any_step_leaves_a_whole_snapshot() {
    let mut kept_old = 0;
    for step in 0..40 {
        for seed in 0..6 {
            let disk = SimDisk::new(seed);
            let snapshots = store(&disk);
            write(&snapshots, 1, 4).unwrap();
            disk.cut_power_after(step);
            let result = write(&snapshots, 2, 4).and_then(|info| snapshots.delete_older(1).map(|_| info));
            let is_done = snapshots.list().first().is_some_and(|info| info.manifest.created_ms == 1002);
            drop(snapshots);
            disk.restart();
            let snapshots = store(&disk);
            let newest = snapshots.list().first().expect("one is left").manifest.created_ms;
            assert!(newest == 1002 || !is_done, "step {step}, seed {seed}");
            kept_old += u64::from(newest == 1001);
            check_content(&snapshots, newest - 1000, 4);
            assert!(disk.list("snapshots").unwrap().iter().all(|name| name.ends_with(".snap")));
            if result.is_ok() {
                disk.calm();
            }
            write(&snapshots, 3, 2).expect("the next one can be written");
        }
    }
    assert!(kept_old > 10);
}

/// Copies from one store to another, `chunk` bytes at a time, stopping after `chunks_max`.
fn stream(from: &SnapshotStore, to: &SnapshotStore, chunk: usize, chunks_max: usize) -> Option<SnapshotInfo> {
    let reader = from.latest().unwrap().unwrap();
    let info = reader.info().clone();
    let mut receiver = to.receive(&info.id, info.file_bytes).unwrap();
    for _ in 0..chunks_max {
        let bytes = reader.read_at(receiver.offset(), chunk).unwrap();
        if bytes.is_empty() {
            return Some(receiver.finish().unwrap());
        }
        let offset = receiver.offset();
        receiver.write_at(offset, &bytes).unwrap();
    }
    None
}

#[test]
fn a_received_snapshot_has_the_same_bytes() {
    let (from, to) = (SimDisk::new(1), SimDisk::new(2));
    let info = write(&store(&from), 50, 20).unwrap();
    let path = format!("snapshots/{}.snap", info.id);
    assert_eq!(stream(&store(&from), &store(&to), 333, usize::MAX), Some(info.clone()));
    assert_eq!(from.content(&path), to.content(&path));
    to.restart();
    check_content(&store(&to), 50, 20);
    // Sent once more: it is known, and nothing is asked for.
    let receiver = store(&to).receive(&info.id, info.file_bytes).unwrap();
    assert_eq!(receiver.offset(), info.file_bytes);
    assert_eq!(receiver.finish().unwrap(), info);
}

#[test]
fn receiving_goes_on_after_interruptions_and_power_cuts() {
    for seed in 0..20 {
        let (from, to) = (SimDisk::new(1), SimDisk::new(seed));
        let source = store(&from);
        let info = write(&source, 50, 40).unwrap();
        let target = store(&to);
        assert_eq!(stream(&source, &target, 1000, 5), None);
        let resumed = target.receive(&info.id, info.file_bytes).unwrap();
        assert!(
            resumed.offset() > 3000,
            "a dropped connection loses less than a block: {}",
            resumed.offset()
        );
        drop(resumed);
        to.sync_dir("snapshots").unwrap();
        assert_eq!(stream(&source, &target, 1000, 5), None);
        if seed % 2 == 0 {
            to.restart()
        } else {
            to.restart_process()
        }
        let target = store(&to);
        assert_eq!(stream(&source, &target, 1000, usize::MAX), Some(info));
        check_content(&target, 50, 40);
    }
}

#[test]
fn wrong_bytes_are_refused_and_fetched_anew() {
    let (from, to) = (SimDisk::new(1), SimDisk::new(2));
    let source = store(&from);
    let info = write(&source, 50, 5).unwrap();
    let target = store(&to);
    let good = source.latest().unwrap().unwrap().read_at(0, usize::MAX).unwrap();
    for position in (0..good.len()).step_by(7).chain(good.len() - 30..good.len()) {
        let mut bad = good.to_vec();
        bad[position] ^= 4;
        let mut receiver = target.receive(&info.id, info.file_bytes).unwrap();
        receiver.write_at(0, &bad).unwrap();
        let error = receiver.finish().unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. } | Error::Version { .. }), "byte {position}: {error}");
        assert!(to.list("snapshots").unwrap().is_empty());
    }
    let mut receiver = target.receive(&info.id, info.file_bytes).unwrap();
    assert!(matches!(receiver.write_at(10, b"gap"), Err(Error::NotContiguous { expected: 0, found: 10 })));
    receiver.write_at(0, &good[..100]).unwrap();
    assert_eq!(receiver.write_at(50, &good[50..200]).unwrap(), 200, "a repeat is fine");
    let end = info.file_bytes;
    assert!(matches!(receiver.write_at(200, &vec![0; end as usize]), Err(Error::TooLarge { .. })));
    // Another snapshot under this name.
    let other = SnapshotId::parse("00000000000000000050-other").unwrap();
    let mut receiver = target.receive(&other, end).unwrap();
    receiver.write_at(0, &good).unwrap();
    assert!(matches!(receiver.finish(), Err(Error::Corrupt { .. })));
    let receiver = target.receive(&info.id, end).unwrap();
    assert_eq!(receiver.offset(), 0, "parts of other snapshots go");
    assert!(matches!(receiver.finish(), Err(Error::Corrupt { .. })), "an incomplete one is refused");
}

#[test]
fn a_damaged_snapshot_is_set_aside() {
    let disk = SimDisk::new(1);
    write(&store(&disk), 1, 3).unwrap();
    let info = write(&store(&disk), 2, 3).unwrap();
    let path = format!("snapshots/{}.snap", info.id);
    // Inside a block: noticed when it is read.
    assert!(disk.damage(&path, 100, 1));
    let mut reader = store(&disk).latest().unwrap().unwrap();
    assert!(matches!(reader.next_block(), Err(Error::Corrupt { .. })));
    assert!(matches!(reader.verify(), Err(Error::Corrupt { .. })));
    // In the manifest: noticed at open.
    assert!(disk.damage(&path, info.file_bytes as usize - 30, 1));
    let snapshots = store(&disk);
    check_content(&snapshots, 1, 3);
    assert!(disk.content(&format!("{path}.bad")).is_some());
}

#[test]
fn names_from_peers_are_checked() {
    for name in ["", "..", "a/b", "A", "a.snap", "\0", &"x".repeat(81)] {
        assert!(SnapshotId::parse(name).is_err(), "{name:?}");
    }
    assert_eq!(SnapshotId::parse("0001-00-ff").unwrap().as_str(), "0001-00-ff");
}
