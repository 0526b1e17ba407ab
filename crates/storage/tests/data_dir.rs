//! A data directory as a whole: lock, identity, and what the ledger makes of a log that went back.

mod support;

use std::{fs, path::Path, sync::Arc};

use bytes::Bytes;
use quorate_storage::{
    AUDIT_LINES_MAX, DataDir, DataDirOptions, Error, Executor, LedgerVerdict, NodeId, RealDisk,
    disk::sim::SimDisk,
};
use support::*;

fn options() -> DataDirOptions {
    DataDirOptions { log: small(), ..DataDirOptions::new(NodeId(7)) }
}

fn open(folder: &Path) -> Result<DataDir, Error> {
    DataDir::open(Arc::new(RealDisk::new(folder).unwrap()), options())
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A directory with a vote, entries and a checkpoint.
fn used_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let dir = open(folder.path()).unwrap();
    assert_eq!((dir.verdict.clone(), dir.recovered.is_new), (LedgerVerdict::Fine, true));
    append(&dir.log, entries(1, 0..20)).unwrap();
    save_vote(&dir.log, vote(2)).unwrap();
    dir.ledger.record_vote(vote(2)).unwrap();
    dir.ledger.checkpoint(id(1, 10)).unwrap();
    folder
}

#[test]
fn only_one_process_has_it_open() {
    let folder = tempfile::tempdir().unwrap();
    let dir = open(folder.path()).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error, Error::Locked { holder: Some(pid) } if pid == std::process::id()), "{error}");
    assert!(error.to_string().contains(&std::process::id().to_string()));
    drop(dir);
    open(folder.path()).unwrap();
    let disk = SimDisk::new(1);
    let sim =
        || DataDir::open(Arc::new(disk.clone()), DataDirOptions { executor: Executor::Inline, ..options() });
    let dir = sim().unwrap();
    assert!(matches!(sim(), Err(Error::Locked { .. })));
    disk.restart();
    sim().expect("a crash frees the lock");
    drop(dir);
}

#[test]
fn incarnations_only_go_up_and_identities_do_not_mix() {
    let disk = SimDisk::new(3);
    let sim = |node| {
        let options = DataDirOptions { executor: Executor::Inline, node_id: NodeId(node), ..options() };
        DataDir::open(Arc::new(disk.clone()), options)
    };
    let mut last = 0;
    for round in 0..30 {
        disk.cut_power_after(round);
        if let Ok(dir) = sim(7) {
            assert!(dir.identity.incarnation > last, "round {round}");
            last = dir.identity.incarnation;
        }
        disk.restart();
    }
    assert!(last > 3);
    let mut dir = sim(7).unwrap();
    dir.set_cluster_id(5).unwrap();
    dir.set_cluster_id(5).unwrap();
    assert!(matches!(dir.set_cluster_id(6), Err(Error::Identity { .. })));
    drop(dir);
    disk.restart();
    assert!(matches!(sim(8), Err(Error::Identity { .. })));
    assert_eq!(sim(7).unwrap().identity.cluster_id, Some(5));
    let mut content = disk.content("identity").unwrap();
    content[30] ^= 1;
    disk.put("identity", &content);
    disk.restart();
    assert!(matches!(sim(7), Err(Error::Corrupt { .. })));
}

#[test]
fn an_unchanged_directory_is_fine() {
    let folder = used_folder();
    let dir = open(folder.path()).unwrap();
    assert_eq!(dir.verdict, LedgerVerdict::Fine);
    assert_eq!(dir.identity.incarnation, 2);
    assert_eq!(dir.ledger.vote().unwrap(), Some(vote(2)));
    assert_eq!(dir.ledger.identity().unwrap(), Some(dir.identity));
}

#[test]
fn a_log_that_went_back_must_not_vote() {
    let folder = used_folder();
    let older = tempfile::tempdir().unwrap();
    copy_folder(&folder.path().join("log"), older.path());
    let dir = open(folder.path()).unwrap();
    save_vote(&dir.log, vote(3)).unwrap();
    dir.ledger.record_vote(vote(3)).unwrap();
    drop(dir);
    // The log's folder comes from a backup.
    fs::remove_dir_all(folder.path().join("log")).unwrap();
    copy_folder(older.path(), &folder.path().join("log"));
    let dir = open(folder.path()).unwrap();
    let LedgerVerdict::LogRolledBack { ledger, log } = &dir.verdict else { panic!("{:?}", dir.verdict) };
    assert_eq!((ledger.0, log.0), (Some(vote(3)), Some(vote(2))));
    dir.ledger.forget_log().unwrap();
    drop(dir);
    assert_eq!(open(folder.path()).unwrap().verdict, LedgerVerdict::Fine);
    // The log is gone altogether.
    let folder = used_folder();
    fs::remove_dir_all(folder.path().join("log")).unwrap();
    let dir = open(folder.path()).unwrap();
    let log = (None, None);
    assert_eq!(dir.verdict, LedgerVerdict::LogRolledBack { ledger: (Some(vote(2)), Some(id(1, 10))), log });
    assert!(dir.recovered.is_new);
}

#[test]
fn an_identity_that_went_back_gives_no_incarnation_twice() {
    let folder = used_folder();
    let identity = fs::read(folder.path().join("identity")).unwrap();
    for _ in 0..3 {
        drop(open(folder.path()).unwrap());
    }
    fs::write(folder.path().join("identity"), identity).unwrap();
    assert_eq!(open(folder.path()).unwrap().identity.incarnation, 5);
}

#[test]
fn a_lost_or_damaged_ledger_is_made_anew() {
    let folder = used_folder();
    fs::remove_dir_all(folder.path().join("ledger")).unwrap();
    let dir = open(folder.path()).unwrap();
    assert!(matches!(dir.verdict, LedgerVerdict::Rebuilt(_)), "{:?}", dir.verdict);
    drop(dir);
    assert_eq!(open(folder.path()).unwrap().verdict, LedgerVerdict::Fine);
    for damage in [0, 1, 2] {
        let db = folder.path().join("ledger").join("db");
        match damage {
            0 => fs::write(&db, b"").unwrap(),
            1 => fs::write(&db, vec![0xaa; 1 << 20]).unwrap(),
            _ => {
                let mut bytes = fs::read(&db).unwrap();
                bytes.iter_mut().step_by(3).for_each(|byte| *byte = byte.wrapping_add(77));
                fs::write(&db, bytes).unwrap();
            }
        }
        let dir = open(folder.path()).unwrap();
        assert!(matches!(dir.verdict, LedgerVerdict::Rebuilt(_)), "damage {damage}: {:?}", dir.verdict);
        dir.ledger.record_vote(vote(2)).unwrap();
        drop(dir);
        let dir = open(folder.path()).unwrap();
        assert_eq!(dir.ledger.vote().unwrap(), Some(vote(2)), "damage {damage}");
    }
}

#[test]
fn a_purged_log_without_its_snapshot_is_noticed() {
    let folder = used_folder();
    let dir = open(folder.path()).unwrap();
    let writer = dir.snapshots.create().unwrap();
    let info = writer.finish(Some(id(1, 12)), Bytes::new(), 1).unwrap();
    purge(&dir.log, id(1, 12)).unwrap();
    drop(dir);
    assert_eq!(open(folder.path()).unwrap().verdict, LedgerVerdict::Fine);
    fs::remove_file(folder.path().join(format!("snapshots/{}.snap", info.id))).unwrap();
    let verdict = open(folder.path()).unwrap().verdict;
    assert_eq!(verdict, LedgerVerdict::SnapshotLost { purged: id(1, 12), snapshot: None });
}

#[test]
fn the_ledger_keeps_history() {
    let folder = used_folder();
    let dir = open(folder.path()).unwrap();
    let large = vec![9; 10_000];
    dir.ledger.record_membership(id(1, 3), b"one").unwrap();
    dir.ledger.record_membership(id(1, 300), &large).unwrap();
    let info = dir.snapshots.create().unwrap().finish(Some(id(1, 5)), Bytes::new(), 4).unwrap();
    dir.ledger.record_snapshot(&info).unwrap();
    for line in 0..30 {
        dir.ledger.audit(line, &format!("line {line}")).unwrap();
    }
    dir.ledger.audit(30, &"é".repeat(5000)).unwrap();
    drop(dir);
    let dir = open(folder.path()).unwrap();
    dir.ledger.audit(31, "after").unwrap();
    assert_eq!(dir.ledger.memberships().unwrap(), [(id(1, 3), b"one".to_vec()), (id(1, 300), large)]);
    let trail = dir.ledger.audit_trail().unwrap();
    assert_eq!((trail.len(), trail[7].clone()), (32, (7, "line 7".to_owned())));
    assert_eq!((trail[30].1.len(), trail[31].1.as_str()), (2000, "after"));
    assert!(trail.len() < AUDIT_LINES_MAX);
    assert_eq!(dir.ledger.snapshots().unwrap(), std::slice::from_ref(&info.id));
    dir.ledger.forget_snapshot(&info.id).unwrap();
    assert!(dir.ledger.snapshots().unwrap().is_empty());
}
