//! The leader goes, for good or for a while, and clients of the other nodes do not notice.

use quorate_resp::Value;
use quorate_testkit::Cluster;

use crate::load::{Load, check_counter, check_written, create_and_read, increments, noted_writes};
use crate::{QUORATE, alone, calm, count};

/// P2 and P3: linearizable over all nodes, and exactly once, while leaders die.
#[test]
fn what_one_node_creates_another_reads_at_once_while_leaders_are_killed() {
    let _alone = alone();
    let mut cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let (pairs, kills) = (count(3_000, 100_000), count(3, 10));
    let share = pairs / kills;
    let (mut read, mut counted) = (0, 0);
    for round in 0..kills {
        let leader = cluster.leader();
        let others: Vec<_> = (0..3).filter(|i| *i != leader).collect();
        let (a, b) = (others[0], others[1]);
        let name = |worker: u64| format!("{round}.{worker}");
        let both_ways = |worker: u64| if worker.is_multiple_of(2) { (a, b) } else { (b, a) };
        let workers = (0..8).map(|worker| {
            let (create_on, read_on) = both_ways(worker);
            create_and_read(&cluster, create_on, read_on, &name(worker))
        });
        let pairs = Load::start(workers);
        let counter = Load::start(increments(&cluster, &others, "counter"));
        pairs.wait(share / 3);
        counter.wait(10);
        cluster.kill(leader);
        pairs.wait(2 * share / 3);
        cluster.spawn(leader);
        cluster.wait_ready();
        pairs.wait(share);
        counter.wait_more(10);
        let (pairs, counter) = (pairs.stop(), counter.stop());
        pairs.untroubled();
        counter.untroubled();
        read += pairs.acknowledged;
        counted += counter.acknowledged;
        let value = cluster.client(leader).text(&["GET", "counter"]);
        assert_eq!(value, Some(counted.to_string()), "after {} kills", round + 1);
    }
    assert!(read >= share * kills);
    println!("{read} pairs and {counted} increments over {kills} kills");
}

/// P1: what was acknowledged is on the disks of a majority.
#[test]
fn every_acknowledged_write_survives_the_death_of_all_nodes_at_once() {
    let _alone = alone();
    let mut cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let written = crate::load::Written::default();
    for (round, order) in [[2, 0, 1], [1, 2, 0]].into_iter().enumerate() {
        let writers = (0..6)
            .map(|w| noted_writes(&cluster, w % 3, &format!("{round}.{w}"), &written))
            .collect::<Vec<_>>();
        let writers = Load::start(writers);
        writers.wait(count(600, 20_000));
        cluster.kill_all();
        let tally = writers.stop();
        assert!(tally.unknown > 0, "the nodes died under load");
        for node in order {
            cluster.spawn(node);
        }
        cluster.wait_ready();
        for node in 0..3 {
            check_written(&cluster, node, &written);
        }
    }
}

/// P3, and P2 for a leader that does not know that it leads no more.
#[test]
fn a_leader_that_pauses_is_replaced_and_shows_nothing_old_when_it_goes_on() {
    let _alone = alone();
    let cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let leader = cluster.leader();
    let others: Vec<_> = (0..3).filter(|i| *i != leader).collect();
    // Both are connected before the pause: the paused node has their requests in its sockets when it goes on.
    let (mut reader, mut writer) = (cluster.client(leader), cluster.client(leader));
    reader.integer(&["INCR", "before"]);
    writer.integer(&["INCR", "on the paused"]);

    let counter = Load::start(increments(&cluster, &others, "counter"));
    counter.wait(20);
    for round in 0..count(2, 10) {
        let leader = if round == 0 { leader } else { cluster.leader() };
        let others: Vec<_> = (0..3).filter(|i| *i != leader).collect();
        cluster.pause(leader, true);
        cluster.leader_among(&others);
        // What was queued at the paused node's clients may wait for it; the others' clients may not.
        if round > 0 {
            cluster.pause(leader, false);
            cluster.leader();
            continue;
        }
        counter.wait_more(count(200, 2_000));
        let known = counter.acknowledged();
        reader.send(&[&["GET", "counter"]]).expect("the paused node's socket takes it");
        writer.send(&[&["INCR", "on the paused"]]).expect("the paused node's socket takes it");
        cluster.pause(leader, false);
        match reader.receive() {
            Ok(Value::Bulk(seen)) => {
                let seen: u64 = String::from_utf8_lossy(&seen).parse().expect("a counter");
                assert!(seen >= known, "a stale read: {seen}, when {known} were acknowledged");
            }
            other => panic!("the node that went on holds reads until it knows the leader: {other:?}"),
        }
        assert_eq!(writer.receive().expect("a reply"), Value::Integer(2));
    }
    let tally = counter.stop();
    tally.untroubled();
    check_counter(&cluster, &[0, 1, 2], "counter", &tally);
}
