//! Elections, proposals, crashes, barriers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use quorate_raft::{Error, RaftOptions, Refused, Role};

use crate::harness::{Cluster, data, quick, refusals, retry};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_proposals_reach_all_nodes_in_one_order() {
    let cluster = Cluster::formed(3, quick()).await;
    let leader = cluster.leader().await;
    let (told, refused) = refusals();
    for number in 0..10_000 {
        leader.raft.propose(data(number), refused()).await.expect("Raft runs");
    }
    cluster.agree(10_000).await;
    assert_eq!(*told.lock(), [], "a stable leader refuses nothing");
    let metrics = leader.until("replication of everything", |now| {
        now.replication.values().all(|matched| matched.map(|id| id.index) == now.last_log)
    });
    assert_eq!(metrics.await.role, Role::Leader);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_refuses_and_names_the_leader() {
    let cluster = Cluster::formed(3, quick()).await;
    let leader = cluster.leader().await.id;
    let follower = cluster.running().find(|node| node.id != leader).expect("three nodes run");
    follower.until("news of the leader", |now| now.leader == Some(leader)).await;
    let (told, refused) = refusals();
    follower.raft.propose(data(0), refused()).await.expect("Raft runs");
    let expected = Refused::NotLeader { leader: Some(leader) };
    retry("the refusal", || async { if told.lock().is_empty() { Err(Error::InProgress) } else { Ok(()) } })
        .await;
    assert_eq!(told.lock().first(), Some(&expected));
    assert!(expected.is_certain());
    assert_eq!(follower.raft.read_index().await, Err(expected));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_leader_loses_nothing_that_was_applied_and_comes_back() {
    let mut cluster = Cluster::formed(3, quick()).await;
    let leader = cluster.leader().await;
    leader.propose(0, 2000).await;
    // Applied anywhere means committed: on the disks of a majority.
    leader.until_count(2000).await;
    let (killed, digest) = (leader.id.0, leader.seen().digest);
    cluster.kill(killed).await;

    let next = cluster.leader().await;
    let barrier = retry("a barrier of the new leader", || async {
        next.raft.read_index().await.map_err(|_| Error::InProgress)
    })
    .await;
    next.until("what the barrier asks for", |now| now.applied.is_some_and(|id| id.index >= barrier)).await;
    assert_eq!(
        (next.seen().count, next.seen().digest),
        (2000, digest),
        "the barrier covers all that was applied"
    );

    next.propose(2000, 1000).await;
    next.until_count(3000).await;
    cluster.boot(killed).await;
    cluster.agree(3000).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_lose_power_at_once_and_come_back_in_another_order() {
    let mut cluster = Cluster::formed(3, quick()).await;
    for round in 0..3_u64 {
        let leader = cluster.leader().await;
        leader.propose(round * 500, 500).await;
        leader.until_count((round + 1) * 500).await;
        for id in 1..=3 {
            cluster.kill(id).await;
        }
        for id in [3, 1, 2] {
            cluster.boot(id).await;
        }
        cluster.agree((round + 1) * 500).await;
    }
    cluster.shutdown().await;
}

/// A leader that took its leadership up again after a restart, in its old term, answered reads with the commit index
/// that it remembered: older than what it had acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_barrier_after_a_restart_is_below_what_was_acknowledged() {
    let mut cluster = Cluster::formed(3, quick()).await;
    for round in 0..3_u64 {
        let leader = cluster.leader().await;
        leader.propose(round * 200, 200).await;
        leader.until_count((round + 1) * 200).await;
        let acknowledged = leader.seen().last.expect("proposals were applied").index;
        for id in 1..=3 {
            cluster.kill(id).await;
        }
        for id in [2, 3, 1] {
            cluster.boot(id).await;
        }
        // The very first barrier counts, whoever gives it.
        let first = retry("a barrier of any node", || async {
            for node in cluster.running() {
                if let Ok(index) = node.raft.read_index().await {
                    return Ok(index);
                }
            }
            Err(quorate_raft::Error::InProgress)
        })
        .await;
        assert!(first >= acknowledged, "a barrier at {first}, when {acknowledged} was acknowledged");
        cluster.agree((round + 1) * 200).await;
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_proposal_to_a_new_leader_is_not_refused() {
    let mut cluster = Cluster::formed(3, quick()).await;
    for round in 0..3 {
        let old = cluster.leader().await.id.0;
        cluster.kill(old).await;
        let (told, refused) = refusals();
        // Not `leader()`, which waits until others follow: the very first moment counts.
        let mut watches: Vec<_> = cluster.running().map(|node| (node, node.raft.leadership())).collect();
        let (a, b) = watches.split_at_mut(1);
        let first = tokio::select! {
            _ = a[0].1.wait_for(|now| now.leader_is_me) => a[0].0,
            _ = b[0].1.wait_for(|now| now.leader_is_me) => b[0].0,
        };
        first.raft.propose(data(round), refused()).await.expect("Raft runs");
        first.until_count(round + 1).await;
        assert_eq!(*told.lock(), []);
        cluster.boot(old).await;
        cluster.agree(round + 1).await;
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_without_a_quorum_neither_commits_nor_confirms_reads() {
    let mut cluster = Cluster::formed(3, quick()).await;
    let leader = cluster.leader().await.id.0;
    for id in (1..=3).filter(|id| *id != leader) {
        cluster.stop(id).await;
    }
    let alone = cluster.node(leader);
    let (told, refused) = refusals();
    alone.raft.propose(data(0), refused()).await.expect("Raft runs");
    let barrier = alone.raft.read_index().await;
    assert!(matches!(barrier, Err(Refused::Retry(_) | Refused::NotLeader { .. })), "{barrier:?}");
    assert_eq!(alone.seen().count, 0);

    // Its entry may commit once it has a quorum again; it must not be lost without a word.
    for id in (1..=3).filter(|id| *id != leader) {
        cluster.boot(id).await;
    }
    let next = cluster.leader().await;
    next.propose(1, 1).await;
    let told = Arc::clone(&told);
    let node = cluster.node(leader);
    node.until("an outcome of both proposals", |_| node.seen().count + told.lock().len() as u64 >= 2).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn barriers_are_shared_and_quick_beside_bulk_replication() {
    let cluster = Cluster::formed(3, quick()).await;
    let leader = cluster.leader().await;
    let (term, raft) = (leader.raft.metrics().term, leader.raft.clone());
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let load = tokio::spawn(async move {
        let large = bytes::Bytes::from(vec![7; 256 << 10]);
        let mut sent = 0_u64;
        while !stopped.load(Ordering::Relaxed) {
            raft.propose(large.clone(), |_| {}).await.expect("Raft runs");
            sent += 1;
            // About 50 MB/s.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        sent
    });
    let mut last = 0;
    for _ in 0..50 {
        let barriers = (0..20).map(|_| leader.raft.read_index());
        for barrier in futures_util::future::join_all(barriers).await {
            let index = barrier.expect("a quorum answers");
            assert!(index >= last, "barriers never go back");
            last = index;
        }
    }
    stop.store(true, Ordering::Relaxed);
    let sent = load.await.expect("no panic");
    cluster.agree(sent).await;
    assert_eq!(cluster.leader().await.raft.metrics().term, term, "no election under load");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_granted_before_a_restart_are_kept() {
    let options = RaftOptions { lease_reads: true, ..quick() };
    let lease = options.election_max;
    let mut cluster = Cluster::formed(3, options).await;
    let leader = cluster.leader().await;
    let old = leader.id.0;
    retry("a lease read", || async {
        leader.raft.read_index_by_lease().await.map_err(|_| Error::InProgress)
    })
    .await;
    let followers: Vec<u64> = (1..=3).filter(|id| *id != old).collect();
    for id in &followers {
        cluster.stop(*id).await;
    }
    cluster.stop(old).await;
    // The old leader might be cut off and still answer by its lease: nobody may lead before it is over.
    let lease_until = tokio::time::Instant::now() + lease;
    for id in &followers {
        cluster.boot(*id).await;
        let early = cluster.node(*id).raft.elect().await;
        assert!(matches!(early, Err(Error::Unavailable(_))), "{early:?}");
    }
    cluster.leader().await;
    assert!(tokio::time::Instant::now() >= lease_until, "a leader was elected under an older lease");

    let off = Cluster::formed(1, quick()).await;
    assert_eq!(
        off.leader().await.raft.read_index_by_lease().await,
        Err(Refused::Retry("lease reads are off"))
    );
    off.shutdown().await;
    cluster.shutdown().await;
}
