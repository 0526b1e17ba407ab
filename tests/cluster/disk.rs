//! A disk without room: errors to writers, answers to readers, and no restart when there is room again.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use quorate_resp::Value;
use quorate_testkit::process::COMES_UP;
use quorate_testkit::{Cluster, until};
use tempfile::TempDir;

use crate::load::{Load, check_counter, increments, ok};
use crate::{QUORATE, alone, calm};

/// File systems of a few megabytes, unmounted at the end.
struct SmallDisks {
    folder: TempDir,
    mounted: Vec<PathBuf>,
}

impl SmallDisks {
    /// `None` where the test may not mount.
    fn mount(count: usize, bytes: u64) -> Option<SmallDisks> {
        let folder = TempDir::with_prefix("quorate-small-disks").expect("a folder for the test");
        let mut disks = SmallDisks { folder, mounted: Vec::new() };
        for i in 0..count {
            let path = disks.folder.path().join(i.to_string());
            fs::create_dir(&path).expect("a mount point");
            let size = format!("size={bytes}");
            let mounted =
                Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&path).output();
            if !mounted.is_ok_and(|output| output.status.success()) {
                return None;
            }
            disks.mounted.push(path);
        }
        Some(disks)
    }

    /// Takes all room of a disk.
    fn fill(&self, i: usize) {
        let mut ballast = File::create(self.mounted[i].join("ballast")).expect("a file");
        for len in [1 << 20, 4096, 1] {
            let zeros = vec![0; len];
            while ballast.write_all(&zeros).is_ok() {}
        }
    }

    fn make_room(&self, i: usize) {
        fs::remove_file(self.mounted[i].join("ballast")).expect("the ballast is there");
    }
}

impl Drop for SmallDisks {
    fn drop(&mut self) {
        for path in &self.mounted {
            let _shown_by_the_remaining_mount = Command::new("umount").arg("-l").arg(path).status();
        }
    }
}

/// A cluster on small disks; the disks outlive it.
fn cluster_on(disks: &SmallDisks) -> Cluster {
    let small = ["--segment-bytes", "1mb", "--snapshot-log-bytes", "1mb", "--log-kept-bytes-max", "1mb"];
    let mut cluster = Cluster::prepare(QUORATE, 3, &calm(&small));
    for (node, disk) in cluster.nodes.iter().zip(&disks.mounted) {
        link(&disk.join("data"), &node.data);
    }
    for i in 0..3 {
        cluster.spawn(i);
    }
    cluster.wait_ready();
    cluster
}

fn link(target: &Path, link: &Path) {
    fs::create_dir(target).expect("a folder on the small disk");
    std::os::unix::fs::symlink(target, link).expect("a link to the small disk");
}

/// Writes until it is refused; what was acknowledged.
fn write_until_refused(cluster: &Cluster, node: usize) -> u64 {
    let mut client = cluster.client(node);
    let value = "x".repeat(20_000);
    let mut acknowledged = 0;
    loop {
        match client.call(&["SET", &format!("filler:{}", acknowledged % 50), &value]) {
            Ok(reply) if reply == ok() => acknowledged += 1,
            Ok(Value::Error(text)) => {
                let text = String::from_utf8_lossy(&text).into_owned();
                assert!(text.starts_with("MISCONF ") || text.starts_with("CLUSTERDOWN "), "{text}");
                return acknowledged;
            }
            // Proposed before the disk was found full, and not committed within the hold (P4).
            Err(_) => client = cluster.client(node),
            other => panic!("SET gave {other:?}"),
        }
        assert!(acknowledged < 10_000, "a full disk takes 200 MB");
    }
}

#[test]
fn full_disks_refuse_writers_keep_readers_and_heal_when_there_is_room() {
    let _alone = alone();
    let Some(disks) = SmallDisks::mount(3, 24 << 20) else {
        return println!("skipped: small disks can be mounted by root only");
    };
    let cluster = cluster_on(&disks);
    assert_eq!(cluster.client(0).integer(&["INCR", "kept"]), 1);
    for i in 0..3 {
        disks.fill(i);
    }
    write_until_refused(&cluster, cluster.leader());
    for node in 0..3 {
        assert_eq!(cluster.client(node).text(&["GET", "kept"]), Some("1".into()), "node {node} reads");
    }
    for i in 0..3 {
        disks.make_room(i);
    }
    for node in 0..3 {
        until(&format!("node {node} takes writes again"), COMES_UP, || {
            let reply = cluster.client(node).call(&["SET", &format!("healed:{node}"), "1"]);
            reply.is_ok_and(|reply| reply == ok()).then_some(())
        });
    }
    let load = Load::start(increments(&cluster, &[0, 1, 2], "counter"));
    load.wait(60);
    let tally = load.stop();
    tally.untroubled();
    check_counter(&cluster, &[0, 1, 2], "counter", &tally);
}

#[test]
fn a_leader_whose_disk_is_full_hands_over_and_the_others_clients_write_on() {
    let _alone = alone();
    let Some(disks) = SmallDisks::mount(3, 24 << 20) else {
        return println!("skipped: small disks can be mounted by root only");
    };
    let cluster = cluster_on(&disks);
    let full = cluster.leader();
    let others: Vec<_> = (0..3).filter(|i| *i != full).collect();
    let load = Load::start(increments(&cluster, &others, "counter"));
    load.wait(20);
    disks.fill(full);
    write_until_refused(&cluster, full);
    assert_ne!(cluster.leader_among(&others), full);
    load.wait_more(100);
    // Where its last room was gone before it could note the new leader's term, it follows nobody: then it refuses.
    let known = load.acknowledged();
    match cluster.client(full).call(&["GET", "counter"]).expect("a reply") {
        Value::Bulk(seen) => {
            let seen: u64 = String::from_utf8_lossy(&seen).parse().expect("a counter");
            assert!(seen >= known, "the full node shows {seen}, when {known} were acknowledged");
        }
        Value::Error(text) => assert!(text.starts_with(b"CLUSTERDOWN "), "{text:?}"),
        other => panic!("GET gave {other:?}"),
    }
    disks.make_room(full);
    until("the node takes writes again", COMES_UP, || {
        let reply = cluster.client(full).call(&["SET", "healed", "1"]);
        reply.is_ok_and(|reply| reply == ok()).then_some(())
    });
    let tally = load.stop();
    tally.untroubled();
    check_counter(&cluster, &[0, 1, 2], "counter", &tally);
}
