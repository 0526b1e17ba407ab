//! A node that missed more than the log keeps.

use quorate_resp::Value;
use quorate_testkit::process::COMES_UP;
use quorate_testkit::{Cluster, until};

use crate::load::{Load, Worker, check_counter, increments, ok};
use crate::{QUORATE, alone, calm, count};

#[test]
fn a_follower_that_missed_more_than_the_log_keeps_catches_up_by_a_snapshot_and_serves() {
    let _alone = alone();
    let small = ["--segment-bytes", "1mb", "--snapshot-log-bytes", "1mb", "--log-kept-bytes-max", "1mb"];
    let mut cluster = Cluster::start(QUORATE, 3, &calm(&small));
    let late = cluster.follower();
    let others: Vec<_> = (0..3).filter(|i| *i != late).collect();
    cluster.client(late).text(&["SET", "before", "1"]);
    let missed_from =
        cluster.nodes[late].get("/v1/node").expect("a report")["last_log"].as_u64().expect("an index");
    cluster.kill(late);

    let counter = Load::start(increments(&cluster, &others, "counter"));
    let large = "x".repeat(10_000);
    let keys = count(600, 20_000);
    let mut client = cluster.client(others[0]);
    for i in 0..keys {
        let key = format!("large:{i}");
        assert_eq!(client.call(&["SET", &key, &large]).expect("an undisturbed node"), ok());
    }
    until("the others' logs begin after what the late node has", COMES_UP, || {
        let begins = |i: &usize| cluster.nodes[*i].get("/v1/node").ok()?["first_log"].as_u64();
        others.iter().all(|i| begins(i).is_some_and(|first| first > missed_from + 1)).then_some(())
    });
    cluster.spawn(late);
    cluster.wait_ready();
    let mut client = cluster.client(late);
    // Linearizable from its first answer on.
    let known = counter.acknowledged();
    let seen: u64 = client.text(&["GET", "counter"]).expect("there").parse().expect("a counter");
    assert!(seen >= known, "the late node shows {seen}, when {known} were acknowledged");
    for i in (0..keys).step_by(97) {
        assert_eq!(client.text(&["GET", &format!("large:{i}")]), Some(large.clone()), "key {i}");
    }
    assert_eq!(client.integer(&["DBSIZE"]), i64::try_from(keys).expect("few") + 2);
    counter.wait_more(10);
    let tally = counter.stop();
    tally.untroubled();
    check_counter(&cluster, &[0, 1, 2], "counter", &tally);

    // It writes as well, and what it has is on its own disk.
    let writer: Worker = Box::new(move || match client.call(&["INCR", "late"]) {
        Ok(Value::Integer(_)) => crate::load::Step::Acknowledged,
        other => crate::load::Step::Unknown(format!("{other:?}")),
    });
    let writer = Load::start([writer]);
    writer.wait(10);
    let tally = writer.stop();
    tally.untroubled();
    cluster.kill_all();
    for node in [late, others[1]] {
        cluster.spawn(node);
    }
    cluster.wait_ready();
    check_counter(&cluster, &[late, others[1]], "late", &tally);
}
