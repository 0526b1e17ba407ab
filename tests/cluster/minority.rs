//! Without a majority there is no answer, and no answer is never an old one.

use std::time::{Duration, Instant};

use quorate_resp::Value;
use quorate_testkit::process::COMES_UP;
use quorate_testkit::{Client, Cluster, until};

use crate::{QUORATE, alone};

/// How long requests are held in these tests.
const HOLD: Duration = Duration::from_secs(2);

#[test]
fn a_node_whose_peers_are_dead_answers_nothing_and_serves_when_they_are_back() {
    let _alone = alone();
    let mut cluster = Cluster::start(QUORATE, 3, &["--hold-max", "2s"]);
    for left in [cluster.leader(), cluster.follower()] {
        let others: Vec<_> = (0..3).filter(|i| *i != left).collect();
        let before = incremented(&cluster, left);
        for other in &others {
            cluster.kill(*other);
        }
        let unknown = answers_nothing(&cluster, left);
        for other in &others {
            cluster.spawn(*other);
        }
        cluster.wait_ready();
        serves(&cluster, left, before, unknown);
    }
}

#[test]
fn a_node_whose_peers_are_silent_answers_nothing_and_serves_when_they_go_on() {
    let _alone = alone();
    let cluster = Cluster::start(QUORATE, 3, &["--hold-max", "2s"]);
    for left in [cluster.leader(), cluster.follower()] {
        let others: Vec<_> = (0..3).filter(|i| *i != left).collect();
        let before = incremented(&cluster, left);
        for other in &others {
            cluster.pause(*other, true);
        }
        let unknown = answers_nothing(&cluster, left);
        for other in &others {
            cluster.pause(*other, false);
        }
        serves(&cluster, left, before, unknown);
    }
}

#[test]
fn a_connection_that_asked_for_local_reads_is_told_when_they_grow_too_old() {
    let _alone = alone();
    let cluster = Cluster::start(QUORATE, 3, &["--staleness-max", "3s"]);
    let left = cluster.follower();
    let before = incremented(&cluster, left);
    let mut client = cluster.client(left);
    assert_eq!(client.call(&["CLIENT", "READMODE", "LOCAL"]).ok(), Some(Value::Simple("OK".into())));
    assert_eq!(client.call(&["GET", "counter"]).ok(), Some(Value::Bulk(before.to_string().into())));
    for other in (0..3).filter(|i| *i != left) {
        cluster.pause(other, true);
    }
    // What it knows may be shown for a while, and is right: nobody could change it.
    until("local reads are refused", COMES_UP, || match client.call(&["GET", "counter"]) {
        Ok(Value::Error(text)) if text.starts_with(b"CLUSTERDOWN ") => Some(()),
        Ok(Value::Bulk(text)) if text == before.to_string().as_bytes() => None,
        other => panic!("a local read gave {other:?}"),
    });
    for other in (0..3).filter(|i| *i != left) {
        cluster.pause(other, false);
    }
    serves(&cluster, left, before, 0);
}

/// Asserts that reads are refused, and writes refused or closed; returns how many of the latter may take effect.
fn answers_nothing(cluster: &Cluster, node: usize) -> i64 {
    let mut unknown = 0;
    for round in 0..2 {
        let address = cluster.nodes[node].resp;
        let mut clients: Vec<_> =
            (0..3).map(|_| Client::connect(address).expect("a lonely node takes connections")).collect();
        let requests: [&[&str]; 3] = [&["GET", "counter"], &["INCR", "counter"], &["DBSIZE"]];
        let started = Instant::now();
        for (client, request) in clients.iter_mut().zip(requests) {
            client.send(&[request]).expect("an open connection");
        }
        for (client, request) in clients.iter_mut().zip(requests) {
            match client.receive() {
                Ok(Value::Error(text)) => {
                    assert!(text.starts_with(b"CLUSTERDOWN "), "{request:?} gave {text:?}");
                }
                Err(error) if request[0] == "INCR" && error.kind() == std::io::ErrorKind::UnexpectedEof => {
                    unknown += 1;
                }
                other => panic!("round {round}: {request:?} gave {other:?} without a quorum"),
            }
        }
        // Bounded: the hold, one try of a barrier that began just before its end, and a slow machine.
        assert!(started.elapsed() < HOLD * 4, "{:?} is not within the hold", started.elapsed());
    }
    unknown
}

/// The counter after one more increment; refusals, which the short hold makes likely on a busy machine, are repeated.
fn incremented(cluster: &Cluster, node: usize) -> i64 {
    let mut client = cluster.client(node);
    until("a node with a quorum takes a write", COMES_UP, || match client.call(&["INCR", "counter"]) {
        Ok(Value::Integer(now)) => Some(now),
        Ok(Value::Error(text)) if text.starts_with(b"CLUSTERDOWN ") => None,
        other => panic!("INCR gave {other:?} with a quorum"),
    })
}

/// What a node reads, refusals repeated.
fn seen(cluster: &Cluster, node: usize) -> i64 {
    let mut client = cluster.client(node);
    until("a node with a quorum reads", COMES_UP, || match client.call(&["GET", "counter"]) {
        Ok(Value::Bulk(text)) => String::from_utf8_lossy(&text).parse().ok(),
        Ok(Value::Error(text)) if text.starts_with(b"CLUSTERDOWN ") => None,
        other => panic!("GET gave {other:?} with a quorum"),
    })
}

/// Asserts that the node is back without help, with all that was acknowledged and nothing that was refused.
fn serves(cluster: &Cluster, node: usize, before: i64, unknown: i64) {
    let now = incremented(cluster, node);
    let right = before + 1..=before + 1 + unknown;
    assert!(right.contains(&now), "the counter shows {now} instead of {right:?}");
    for other in 0..3 {
        let seen = seen(cluster, other);
        assert!(seen >= now, "node {other} shows {seen} after {now} was acknowledged");
    }
}
