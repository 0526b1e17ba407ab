//! Every released format stays readable: fixtures of version 1, byte for byte.
//!
//! `QUORATE_WRITE_FIXTURES=1` writes the files that do not exist yet; it never replaces one.

mod support;

use std::{fs, path::PathBuf, sync::Arc};

use bytes::Bytes;
use quorate_storage::{
    DataDir, DataDirOptions, Error, Executor, NodeId, SnapshotStore,
    disk::{Disk, sim::SimDisk},
};
use support::*;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1").join(name)
}

/// Compares what this version writes with what version 1 wrote.
fn check_bytes(name: &str, written: &[u8]) -> Vec<u8> {
    let path = fixture(name);
    if !path.exists() && std::env::var_os("QUORATE_WRITE_FIXTURES").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, written).unwrap();
    }
    let golden = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(golden == written, "{name} is written differently: a change of format needs a new version");
    golden
}

#[test]
fn segment() {
    let disk = SimDisk::new(1);
    let (log, _) = open_sim(&disk, small()).unwrap();
    append(&log, entries(1, 0..3)).unwrap();
    save_vote(&log, vote(2)).unwrap();
    truncate_after(&log, Some(id(1, 1))).unwrap();
    log.save_committed(id(1, 1));
    append(&log, entries(3, 2..6)).unwrap();
    purge(&log, id(1, 0)).unwrap();
    truncate_after(&log, Some(id(3, 4))).unwrap();
    drop(log);
    let path = "log/0000000000000001.log";
    let golden = check_bytes("segment.log", &disk.content(path).unwrap());
    let disk = SimDisk::new(2);
    disk.put(path, &golden);
    let (log, recovered) = open_sim(&disk, small()).unwrap();
    let state = recovered.state;
    assert_eq!((state.purged, state.vote, state.committed), (Some(id(1, 0)), Some(vote(2)), Some(id(1, 1))));
    let expected: Vec<_> = entries(1, 1..2).into_iter().chain(entries(3, 2..5)).collect();
    assert_eq!(read_all(&log), expected);
}

#[test]
fn snapshot() {
    let disk = SimDisk::new(1);
    let store = SnapshotStore::open(Arc::new(disk.clone())).unwrap();
    let mut writer = store.create().unwrap();
    writer.write_block(b"first block").unwrap();
    writer.write_block(&[7; 300]).unwrap();
    let info = writer.finish(Some(id(3, 42)), Bytes::from_static(b"n1,n2,n3"), 1_700_000_000_000).unwrap();
    assert_eq!(info.id.as_str(), "00000000000000000042-0000000000000003-8d913e88991759ee");
    let path = format!("snapshots/{}.snap", info.id);
    let golden = check_bytes("snapshot.snap", &disk.content(&path).unwrap());
    let disk = SimDisk::new(2);
    disk.put(&path, &golden);
    let store = SnapshotStore::open(Arc::new(disk)).unwrap();
    assert_eq!(store.list(), [info]);
    let mut reader = store.latest().unwrap().unwrap();
    reader.verify().unwrap();
    assert_eq!(reader.next_block().unwrap().unwrap(), b"first block".as_slice());
}

#[test]
fn identity() {
    let open = |disk: &SimDisk| {
        let options =
            DataDirOptions { executor: Executor::Inline, log: small(), ..DataDirOptions::new(NodeId(3)) };
        DataDir::open(Arc::new(disk.clone()), options).unwrap()
    };
    let disk = SimDisk::new(1);
    open(&disk).set_cluster_id(0x0123_4567_89ab_cdef_0011_2233_4455_6677).unwrap();
    let golden = check_bytes("identity", &disk.content("identity").unwrap());
    let disk = SimDisk::new(2);
    disk.put("identity", &golden);
    let identity = open(&disk).identity;
    assert_eq!((identity.incarnation, identity.node_id), (2, NodeId(3)));
    assert_eq!(identity.cluster_id, Some(0x0123_4567_89ab_cdef_0011_2233_4455_6677));
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let disk = SimDisk::new(1);
    let mut segment = fs::read(fixture("segment.log")).unwrap();
    segment[8] = 9;
    // The checksum of the changed header, so that only the version speaks.
    let crc = crc_fast::crc32_iscsi(&segment[..60]);
    segment[60..64].copy_from_slice(&crc.to_le_bytes());
    disk.put("log/0000000000000001.log", &segment);
    let error = open_sim(&disk, small()).unwrap_err();
    assert!(matches!(error, Error::Version { found: 9, supported: 1, .. }), "{error}");
    assert!(disk.list("log").unwrap().len() == 1, "nothing is touched");
}
