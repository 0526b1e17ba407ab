//! Changes of the membership and of the leader.

use std::collections::{BTreeMap, BTreeSet};

use quorate_raft::{Error, NodeId, NodeInfo};

use crate::harness::{Cluster, quick, retry};

fn set(ids: impl IntoIterator<Item = u64>) -> BTreeSet<NodeId> {
    ids.into_iter().map(NodeId).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_join_as_learners_become_voters_and_leave_the_leader_too() {
    let mut cluster = Cluster::formed(3, quick()).await;
    cluster.leader().await.propose(0, 200).await;
    cluster.agree(200).await;

    let new = cluster.add().await;
    let info = cluster.info(new);
    let leader = cluster.leader().await;
    leader.raft.add_learner(NodeId(new), info.clone()).await.expect("a learner may join");
    leader.raft.add_learner(NodeId(new), info).await.expect("joining again changes nothing");
    cluster.agree(200).await;
    let leader = cluster.leader().await;
    assert_eq!(leader.raft.members().learners, set([new]));

    let missing = leader.raft.change_voters(set([1, 2, 3, 9]), true).await;
    assert!(matches!(missing, Err(Error::Unsafe(_))), "{missing:?}");

    // The leader leaves as the new node becomes a voter: one joint change.
    let old = leader.id.0;
    let voters = set((1..=4).filter(|id| *id != old));
    retry("the joint change", || leader.raft.change_voters(voters.clone(), true)).await;
    let next = cluster.leader_but(Some(old)).await;
    next.until("the new voters", |_| next.raft.members().voters == [voters.clone()]).await;
    assert_eq!(next.raft.members().learners, set([old]));
    next.propose(200, 100).await;
    cluster.agree(300).await;

    retry("removal of the former leader", || next.raft.remove_nodes(set([old]))).await;
    let members = next.raft.members();
    assert_eq!(members.nodes.keys().copied().collect::<BTreeSet<_>>(), voters);
    let voter = next.raft.remove_nodes(set([next.id.0])).await;
    assert!(matches!(voter, Err(Error::Unsafe(_))), "{voter:?}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_formed_only_once() {
    let cluster = Cluster::start(3, quick()).await;
    let infos = cluster.infos();
    assert!(!cluster.node(1).raft.is_initialized().await);
    let outsider = BTreeMap::from([(NodeId(2), cluster.info(2))]);
    assert!(matches!(cluster.node(1).raft.initialize(outsider).await, Err(Error::Unsafe(_))));
    cluster.node(1).raft.initialize(infos.clone()).await.expect("a fresh node can be initialized");
    cluster.leader().await;
    for id in 1..=3 {
        let node = cluster.node(id);
        node.until("a leader", |now| now.leader.is_some()).await;
        assert!(node.raft.is_initialized().await);
        assert!(matches!(node.raft.initialize(infos.clone()).await, Err(Error::AlreadyFormed)));
        assert_eq!(node.raft.members().voter_ids(), set([1, 2, 3]));
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_moves_to_the_chosen_node_and_not_to_a_silent_one() {
    let mut cluster = Cluster::formed(3, quick()).await;
    cluster.leader().await.propose(0, 100).await;
    cluster.agree(100).await;
    for to in [2, 3, 1] {
        retry("the transfer", || async { cluster.leader().await.raft.transfer_leader(NodeId(to)).await })
            .await;
        let node = cluster.node(to);
        node.until("leadership", |now| now.leader == Some(NodeId(to))).await;
    }
    let leader = cluster.leader().await.id.0;
    let follower = (1..=3).find(|id| *id != leader).expect("three nodes run");
    cluster.node(follower).until("news of the leader", |now| now.leader == Some(NodeId(leader))).await;
    let answer = cluster.node(follower).raft.transfer_leader(NodeId(follower)).await;
    assert!(matches!(answer, Err(Error::NotLeader { leader: Some(id) }) if id.0 == leader), "{answer:?}");

    cluster.stop(follower).await;
    let node = cluster.node(leader);
    let limit = quick().election_max;
    node.until("silence", |now| {
        now.last_answer.get(&NodeId(follower)).copied().flatten().is_none_or(|since| since > limit)
    })
    .await;
    let answer = node.raft.transfer_leader(NodeId(follower)).await;
    assert!(matches!(answer, Err(Error::Unsafe(_))), "{answer:?}");
    node.propose(100, 10).await;
    cluster.agree(110).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_address_reaches_every_node() {
    let cluster = Cluster::formed(3, quick()).await;
    let leader = cluster.leader().await;
    let info = NodeInfo { resp: "elsewhere:6379".into(), ..cluster.info(2) };
    // The first membership may not be committed yet.
    retry("the new info", || leader.raft.set_node_info(NodeId(2), info.clone())).await;
    for node in cluster.running() {
        node.until("the new info", |_| node.raft.members().nodes.get(&NodeId(2)) == Some(&info)).await;
    }
    let unknown = leader.raft.set_node_info(NodeId(7), info).await;
    assert!(matches!(unknown, Err(Error::Unsafe(_))), "{unknown:?}");
    cluster.shutdown().await;
}
