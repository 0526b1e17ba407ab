//! Starts: in any order, over what a `kill -9` left, without a disk, and never twice on one disk.

use std::time::Duration;

use quorate_testkit::process::COMES_UP;
use quorate_testkit::{Cluster, until};
use serde_json::Value as Json;

use crate::load::{Load, Written, check_counter, check_written, increments, noted_writes};
use crate::{QUORATE, alone, calm, count};

/// P8: no operator is needed.
#[test]
fn nodes_stopped_or_killed_start_again_in_any_order() {
    let _alone = alone();
    let mut cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let written = Written::default();
    let rounds = count(2, 6);
    for (round, order) in (0..rounds).zip([[1, 0, 2], [2, 1, 0], [0, 2, 1]].into_iter().cycle()) {
        let name = format!("{round}");
        let load =
            Load::start((0..3).map(|node| noted_writes(&cluster, node, &format!("{name}.{node}"), &written)));
        load.wait(60);
        load.stop().untroubled();
        for node in order {
            if round % 2 == 0 { cluster.stop(node) } else { cluster.kill(node) }
        }
        // Two are enough, whichever they are.
        for node in order.iter().rev().take(2) {
            cluster.spawn(*node);
        }
        cluster.wait_ready();
        check_written(&cluster, order[2], &written);
        cluster.spawn(order[0]);
        cluster.wait_ready();
        check_written(&cluster, order[0], &written);
    }
}

/// Section 7 of the design: a node that lost its disk never votes with a forgotten vote.
#[test]
fn a_node_that_lost_its_disk_comes_back_under_a_new_id_and_votes_again() {
    let _alone = alone();
    let mut cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let lost = cluster.follower();
    let others: Vec<_> = (0..3).filter(|i| *i != lost).collect();
    let old = id_of(&cluster, others[0], lost).expect("it is a member");
    let load = Load::start(increments(&cluster, &others, "counter"));
    load.wait(50);
    cluster.kill(lost);
    cluster.lose_disk(lost);
    load.wait_more(50);
    cluster.spawn(lost);
    let new = until("the node is a voter under a new id", COMES_UP, || {
        let status = cluster.nodes[others[0]].get("/v1/cluster").ok()?;
        let mut of_number = members(&status).filter(|node| node["number"] == cluster.nodes[lost].number);
        let node = of_number.next()?;
        let alone_and_new = of_number.next().is_none() && node["id"] != old;
        (alone_and_new && node["voter"] == true).then(|| node["id"].as_u64())?
    });
    assert_ne!(new, old);
    cluster.wait_ready();
    load.wait_more(50);
    let tally = load.stop();
    tally.untroubled();
    check_counter(&cluster, &[0, 1, 2], "counter", &tally);

    // Its vote counts: with one of the others dead, the majority is it and the one left.
    cluster.kill(cluster.leader());
    let left: Vec<_> = others.iter().copied().filter(|i| cluster.is_running(*i)).chain([lost]).collect();
    cluster.leader_among(&left);
    let more = Load::start(increments(&cluster, &left, "second"));
    more.wait(20);
    let tally = more.stop();
    tally.untroubled();
    check_counter(&cluster, &left, "second", &tally);
}

#[test]
fn a_second_process_on_a_data_directory_ends_with_the_reason_and_an_unclean_stop_blocks_no_start() {
    let _alone = alone();
    let mut cluster = Cluster::start(QUORATE, 1, &calm(&[]));
    let mut second = cluster.command(0);
    // Its own ports: it must be the directory that stops it.
    second.args(["--resp-bind", "127.0.0.1:0", "--admin-bind", "127.0.0.1:0", "--peer-bind", "127.0.0.1:0"]);
    let second = second.stdin(std::process::Stdio::null()).output().expect("the program starts");
    assert!(!second.status.success(), "two processes share a data directory");
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains("in use by process"), "no clear message: {said}");
    assert_eq!(cluster.client(0).integer(&["INCR", "counter"]), 1, "the first is not disturbed");

    for expected in 2..=count(4, 20) {
        cluster.kill(0);
        cluster.spawn(0);
        cluster.wait_ready();
        let mut client = cluster.client(0);
        assert_eq!(client.integer(&["INCR", "counter"]), i64::try_from(expected).expect("few"));
    }
    // Killed while it starts, again and again.
    for pause in 0..count(4, 20) {
        cluster.kill(0);
        cluster.spawn(0);
        // No condition to wait for: any point of the start will do.
        std::thread::sleep(Duration::from_millis(pause * 15));
    }
    cluster.wait_ready();
    let counter = cluster.client(0).text(&["GET", "counter"]);
    assert_eq!(counter, Some(count(4, 20).to_string()));
}

fn members(status: &Json) -> impl Iterator<Item = &Json> {
    status["nodes"].as_object().into_iter().flat_map(|nodes| nodes.values())
}

/// The id of a node, as another tells.
fn id_of(cluster: &Cluster, asked: usize, node: usize) -> Option<u64> {
    let status = cluster.nodes[asked].get("/v1/cluster").ok()?;
    members(&status).find(|member| member["number"] == cluster.nodes[node].number)?["id"].as_u64()
}
