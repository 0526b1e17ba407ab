//! A command that takes long costs its own client time, and nobody a leader.

use std::time::Instant;

use quorate_resp::Value;
use quorate_testkit::Cluster;

use crate::{QUORATE, alone};

/// It ends by itself, at the number of steps that a script has; until then it is applied, on every node.
const LONG: &str = "while true do end";
/// As nodes have it by default: the shortest wait before an election.
const ELECTION_MIN_MS: u128 = 250;
const RUNS_MAX: usize = 20;

/// Consensus has one thread: without handing its other tasks over, no heartbeat would go out meanwhile.
#[test]
fn a_long_command_costs_no_election() {
    let _alone = alone();
    let cluster = Cluster::start(QUORATE, 3, &[]);
    let term = || cluster.nodes[cluster.leader()].get("/v1/cluster").ok()?["term"].as_u64();
    let (leader, before) = (cluster.leader(), term().expect("a leader tells its term"));
    let mut client = cluster.client(cluster.follower());
    let (mut longest, mut runs) = (0, 0);
    // On a fast machine a single run may be shorter than an election: then several make a batch.
    while longest < ELECTION_MIN_MS * 2 && runs < RUNS_MAX {
        runs += 1;
        let began = Instant::now();
        let request: &[&str] = &["EVAL", LONG, "0"];
        client.send(&vec![request; runs]).expect("an undisturbed node");
        for _ in 0..runs {
            let reply = client.receive().expect("an undisturbed node");
            assert!(
                matches!(&reply, Value::Error(text) if text.starts_with(b"ERR Script ended")),
                "{reply:?}"
            );
        }
        longest = began.elapsed().as_millis();
    }
    assert!(longest >= ELECTION_MIN_MS * 2, "nothing took long: {longest} ms");
    assert_eq!((cluster.leader(), term()), (leader, Some(before)));
}
