//! Elections, proposals, crashes, barriers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use quorate_raft::{Error, NodeId, RaftOptions, Refused, Role, Support};

use crate::harness::{Cluster, data, propose_surely, quick, refusals, retry};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_proposals_reach_all_nodes_in_one_order() {
    let cluster = Cluster::formed(3, quick()).await;
    let leader = cluster.leader().await;
    let (told, refused) = refusals();
    for number in 0..10_000 {
        leader.raft.propose(data(number), refused()).await.expect("Raft runs");
    }
    leader.until("outcomes", |_| leader.seen().count + told.lock().len() as u64 == 10_000).await;
    // A leader that keeps its quorum refuses nothing; one on a busy machine may lose it for a moment.
    assert!(told.lock().iter().all(Refused::is_certain));
    cluster.agree(leader.seen().count).await;
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
    propose_surely(&cluster, 1).await;
    let node = cluster.node(leader);
    node.until("an outcome of both proposals", |_| node.seen().count + told.lock().len() as u64 >= 2).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_gives_its_support_is_the_quorum_of_its_own_read() {
    let mut cluster = Cluster::formed(3, quick()).await;
    let leader = cluster.leader().await.id;
    cluster.node(leader.0).propose(0, 10).await;
    cluster.agree(10).await;
    let [one, other] = [1, 2, 3].into_iter().filter(|id| *id != leader.0).collect::<Vec<_>>()[..] else {
        panic!("two followers");
    };
    let support = cluster.node(one).raft.support().expect("it follows the leader");
    assert_eq!(Support::decode(support.encode()), Some(support));
    let acknowledged = cluster.node(leader.0).seen().last.expect("proposals were applied").index;
    // With nobody left to be asked, only what was said unasked can confirm it.
    cluster.stop(one).await;
    cluster.stop(other).await;
    let raft = &cluster.node(leader.0).raft;
    let index = raft.read_index_with(Some((NodeId(one), support))).await;
    assert!(index.is_ok_and(|index| index >= acknowledged));
    // Nodes that are no voters, and the leader's own word, do not add to a quorum.
    for stranger in [NodeId(9), leader] {
        let alone = raft.read_index_with(Some((stranger, support))).await;
        assert!(matches!(alone, Err(Refused::Retry(_) | Refused::NotLeader { .. })), "{stranger}: {alone:?}");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn support_for_another_leader_confirms_nothing() {
    let mut cluster = Cluster::formed(3, quick()).await;
    let old = cluster.leader().await.id.0;
    let before = cluster.node(old).raft.support().expect("a leader's vote is its own");
    cluster.stop(old).await;
    let next = cluster.leader().await.id.0;
    let follower = (1..=3).find(|id| *id != old && *id != next).expect("three nodes");
    cluster.node(follower).until("the new leader", |now| now.leader == Some(NodeId(next))).await;
    assert_ne!(cluster.node(follower).raft.support(), Some(before), "its vote is with the new leader");
    cluster.stop(follower).await;
    let stale = cluster.node(next).raft.read_index_with(Some((NodeId(follower), before))).await;
    assert!(matches!(stale, Err(Refused::Retry(_) | Refused::NotLeader { .. })), "{stale:?}");
    cluster.boot(old).await;
    cluster.boot(follower).await;
    // A node that led before it was started again leads no more, though its durable vote is its own.
    let started = cluster.node(old).raft.read_index().await;
    if !cluster.node(old).raft.leadership().borrow().leader_is_me {
        assert!(started.is_err(), "{started:?}");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_go_on_without_the_follower_that_was_asked_first() {
    let mut cluster = Cluster::formed(3, quick()).await;
    let leader = cluster.leader().await.id.0;
    cluster.node(leader).propose(0, 10).await;
    cluster.agree(10).await;
    for away in (1..=3).filter(|id| *id != leader) {
        cluster.stop(away).await;
        for _ in 0..5 {
            let index = cluster.node(leader).raft.read_index().await;
            assert!(index.is_ok(), "without node {away}: {index:?}");
        }
        cluster.boot(away).await;
        cluster.agree(10).await;
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn barriers_are_shared_and_quick_beside_bulk_replication() {
    let cluster = Cluster::formed(3, quick()).await;
    let leader = cluster.leader().await;
    let (term, raft) = (leader.raft.metrics().term, leader.raft.clone());
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let (told, refused) = refusals();
    let load = tokio::spawn(async move {
        let large = bytes::Bytes::from(vec![7; 32 << 10]);
        let mut sent = 0_u64;
        while !stopped.load(Ordering::Relaxed) {
            raft.propose(large.clone(), refused()).await.expect("Raft runs");
            sent += 1;
            // About 6 MB/s: more than unoptimised nodes on a busy machine can hide.
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
    leader.until("outcomes", |_| leader.seen().count + told.lock().len() as u64 == sent).await;
    cluster.agree(leader.seen().count).await;
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
