//! Disks that fail or fill up.

use std::io;

use quorate_raft::Role;
use quorate_storage::disk::sim::Operation;

use crate::harness::{Cluster, quick};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sync_stops_the_node_with_its_reason_and_the_others_go_on() {
    let mut cluster = Cluster::formed(3, quick()).await;
    let leader = cluster.leader().await.id.0;
    let broken = (1..=3).find(|id| *id != leader).expect("three nodes run");
    cluster.disks[broken as usize - 1].fail(Operation::Sync, 0, io::ErrorKind::Other);
    cluster.node(leader).propose(0, 100).await;
    let node = cluster.node(broken);
    let metrics = node.until("the end of Raft", |now| now.role == Role::Stopped && now.error.is_some()).await;
    let error = metrics.error.expect("just seen");
    assert!(error.contains("sync"), "the reason is the disk's: {error}");
    cluster.node(leader).until_count(100).await;

    // A restart finds out what is on the disk, and goes on.
    cluster.kill(broken).await;
    cluster.boot(broken).await;
    cluster.agree(100).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_full_disks_readers_keep_their_leader_and_room_heals_everything() {
    let cluster = Cluster::formed(3, quick()).await;
    let leader = cluster.leader().await;
    let (id, term) = (leader.id, leader.raft.metrics().term);
    leader.propose(0, 100).await;
    cluster.agree(100).await;
    let full: Vec<_> = (1..=3).filter(|other| *other != id.0).collect();
    for other in &full {
        let disk = &cluster.disks[*other as usize - 1];
        disk.set_capacity(Some(disk.used_bytes()));
    }
    // More than the followers' open segments hold.
    let large = bytes::Bytes::from(vec![7; 64 << 10]);
    for _ in 0..100 {
        leader.raft.propose(large.clone(), |_| {}).await.expect("Raft runs");
    }
    for other in &full {
        cluster.node(*other).until("a full disk", |now| now.disk_full).await;
    }
    let members = leader.raft.members();
    leader.until("the news of full disks", |now| now.full_peers.len() == 2 && now.is_full(&members)).await;

    // For longer than any election timeout.
    let end = tokio::time::Instant::now() + quick().election_max * 4;
    while tokio::time::Instant::now() < end {
        leader.raft.read_index().await.expect("a full disk takes no reads away");
    }
    assert_eq!((leader.raft.metrics().term, leader.raft.metrics().role), (term, Role::Leader));

    for other in &full {
        cluster.disks[*other as usize - 1].set_capacity(None);
    }
    cluster.agree(200).await;
    leader.until("the news of room", |now| now.full_peers.is_empty() && !now.is_full(&members)).await;
    assert!(cluster.metrics().iter().all(|now| now.error.is_none()));
    cluster.shutdown().await;
}
