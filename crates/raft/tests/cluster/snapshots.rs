//! Snapshots, purges, and nodes that lag.

use std::time::Duration;

use quorate_raft::RaftOptions;

use crate::harness::{Cluster, quick};

fn small_logs() -> RaftOptions {
    RaftOptions {
        snapshot_log_bytes: 256 << 10,
        keep_log_bytes: 128 << 10,
        snapshot_log_percent: 0,
        ..quick()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_durable_before_it_is_reported_and_a_restart_starts_from_it() {
    let mut cluster = Cluster::formed(3, quick()).await;
    let leader = cluster.leader().await;
    leader.propose(0, 300).await;
    cluster.agree(300).await;
    let follower = (1..=3).find(|id| *id != leader.id.0).expect("three nodes run");
    let node = cluster.node(follower);
    let applied = node.raft.metrics().applied.expect("something is applied");
    assert_eq!(node.raft.metrics().snapshots.written, 0);
    let covered = node.raft.snapshot().await.expect("there is room");
    assert!(covered >= applied);
    let figures = node.raft.metrics().snapshots;
    assert_eq!((figures.written, figures.is_running, figures.has_failed), (1, false, false));
    cluster.leader().await.propose(300, 50).await;
    cluster.agree(350).await;
    cluster.kill(follower).await;
    cluster.boot(follower).await;
    cluster.agree(350).await;
    assert_eq!(cluster.node(follower).seen().installs, 1);
    assert_eq!(cluster.node(follower).raft.metrics().snapshots.newest_ms, figures.newest_ms);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_stays_short_and_a_node_that_lags_beyond_it_gets_the_snapshot() {
    let mut cluster = Cluster::formed(3, small_logs()).await;
    let leader = cluster.leader().await.id.0;
    let lagging = (1..=3).find(|id| *id != leader).expect("three nodes run");
    cluster.stop(lagging).await;
    let leader = cluster.node(leader);
    for round in 0..10 {
        leader.propose(round * 1000, 1000).await;
        leader.until_count((round + 1) * 1000).await;
    }
    let metrics =
        leader.until("a purged log", |now| now.purged.is_some() && now.log_bytes <= 700 << 10).await;
    assert!(metrics.purged <= metrics.snapshot, "nothing is purged that no snapshot covers");

    cluster.boot(lagging).await;
    cluster.agree(10_000).await;
    let late = cluster.node(lagging);
    assert_eq!(late.seen().installs, 1);
    // And from there on by the log.
    cluster.leader().await.propose(10_000, 100).await;
    cluster.agree(10_100).await;
    assert_eq!(cluster.node(lagging).seen().installs, 1);

    // The received snapshot is durable: a power cut right after does not bring the old state back.
    cluster.kill(lagging).await;
    cluster.boot(lagging).await;
    cluster.agree(10_100).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_flow_while_a_big_snapshot_streams_and_a_broken_transfer_goes_on() {
    let options = RaftOptions {
        snapshot_chunk_bytes: 256 << 10,
        snapshot_bytes_per_second: 16 << 20,
        keep_log_bytes: 0,
        snapshot_log_bytes: 1 << 40,
        ..quick()
    };
    let mut cluster = Cluster::formed(3, options).await;
    let leader = cluster.leader().await.id.0;
    let lagging = (1..=3).find(|id| *id != leader).expect("three nodes run");
    cluster.stop(lagging).await;
    let node = cluster.node(leader);
    let ballast = 24 << 20;
    node.counter.ballast_bytes.store(ballast, std::sync::atomic::Ordering::Relaxed);
    node.propose(0, 500).await;
    node.until_count(500).await;
    node.raft.snapshot().await.expect("there is room");
    node.until("a purged log", |now| now.purged.is_some()).await;
    let term = node.raft.metrics().term;

    cluster.boot(lagging).await;
    // Some of it has arrived: the part file grows. Then the receiver loses its power.
    let part = |cluster: &Cluster| {
        let disk = &cluster.disks[lagging as usize - 1];
        disk.used_bytes()
    };
    let before = part(&cluster);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while part(&cluster) < before + (8 << 20) {
        assert!(tokio::time::Instant::now() < deadline, "the snapshot does not arrive");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    cluster.kill(lagging).await;
    cluster.boot(lagging).await;

    let mut slowest = Duration::ZERO;
    let late = cluster.node(lagging);
    while late.seen().installs == 0 {
        let metrics = cluster.node(leader).raft.metrics();
        assert_eq!(metrics.term, term, "an election while a snapshot streams");
        slowest = slowest.max(metrics.since_quorum_ack.unwrap_or_default());
        cluster.node(leader).raft.read_index().await.expect("barriers are answered meanwhile");
        assert!(
            tokio::time::Instant::now() < deadline + Duration::from_secs(30),
            "the snapshot does not get there"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(slowest < quick().election_max, "the quorum answered only after {slowest:?}");
    cluster.agree(500).await;
    cluster.shutdown().await;
}
