//! What a node's log tells while another node is away: that it is, and that it is back. Nothing else.

use quorate_testkit::process::COMES_UP;
use quorate_testkit::{Cluster, until};

use crate::{QUORATE, alone, calm};

/// Entries that an idle cluster commits in some seconds, at four a second.
const ENTRIES: u64 = 16;

#[test]
fn a_node_that_is_away_costs_its_peers_two_lines() {
    let _alone = alone();
    let mut cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let (leader, follower) = (cluster.leader(), cluster.follower());
    let number = cluster.nodes[leader].number;
    let told = |cluster: &Cluster, what: &str| {
        let lines = cluster.log_tail(number);
        lines.lines().filter(|line| line.contains(what)).count()
    };
    let about = format!("node={}", follower + 1);

    cluster.kill(follower);
    until("the leader misses the node", COMES_UP, || (told(&cluster, "not heard of") > 0).then_some(()));
    let committed = || cluster.nodes[leader].get("/v1/cluster").ok()?["committed"].as_u64();
    let goal = until("a position", COMES_UP, committed) + ENTRIES;
    until("the cluster goes on", COMES_UP, || committed().filter(|now| *now >= goal));
    assert_eq!(told(&cluster, " WARN "), 1, "{}", cluster.log_tail(number));
    assert_eq!(told(&cluster, &about), 1, "{}", cluster.log_tail(number));

    cluster.spawn(follower);
    until("the leader hears of it", COMES_UP, || (told(&cluster, "heard of again") > 0).then_some(()));
    assert_eq!(told(&cluster, &about), 2, "{}", cluster.log_tail(number));
}
