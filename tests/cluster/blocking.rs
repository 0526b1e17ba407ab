//! Clients that wait on all nodes: each element to one of them, in the order in which they came, whatever dies meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use quorate_resp::Value;
use quorate_testkit::{COMES_UP, Client, Cluster, until};

use crate::load::Line;
use crate::{QUORATE, alone, calm, count};

/// P2: first come first served over the whole cluster, whoever pushes where.
#[test]
fn those_who_wait_on_all_nodes_are_served_in_the_order_in_which_they_came() {
    let _alone = alone();
    let cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let mut waiting: Vec<Client> = (0..9).map(|i| cluster.client(i % 3)).collect();
    for round in 0..3 {
        for (i, client) in waiting.iter_mut().enumerate() {
            client.send(&[&["BLPOP", "none", "queue", "0"]]).expect("an open connection");
            wait_until_blocked(&cluster, i % 3, i / 3 + 1);
        }
        let mut producer = cluster.client(round);
        for i in 0..9 {
            producer.integer(&["RPUSH", "queue", &i.to_string()]);
        }
        for (i, client) in waiting.iter_mut().enumerate() {
            assert_eq!(popped(client.receive()), Some(("queue".into(), i.to_string())), "round {round}");
        }
        assert_eq!(producer.integer(&["EXISTS", "queue"]), 0);
    }
    // What an earlier one is served with feeds a later one.
    let mut waiting: Vec<Client> = (0..3).map(|i| cluster.client(i)).collect();
    for (i, client) in waiting.iter_mut().enumerate() {
        let (from, to) = (format!("hop{i}"), format!("hop{}", i + 1));
        client.send(&[&["BLMOVE", &from, &to, "LEFT", "RIGHT", "0"]]).expect("an open connection");
        wait_until_blocked(&cluster, i, 1);
    }
    cluster.client(1).integer(&["LPUSH", "hop0", "ball"]);
    for client in &mut waiting {
        assert_eq!(client.receive().expect("a reply"), Value::Bulk("ball".into()));
    }
    assert_eq!(cluster.client(2).integer(&["LLEN", "hop3"]), 1);
}

/// Time is agreed time: a wait ends on time on any node, and is over everywhere then.
#[test]
fn a_wait_ends_at_its_deadline_and_takes_nothing_after_it() {
    let _alone = alone();
    let cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    for node in 0..3 {
        let mut client = cluster.client(node);
        for (request, least) in [
            (vec!["BLPOP", "late", "0.05"], 50),
            (vec!["BZPOPMIN", "late", "0.3"], 300),
            (vec!["XREAD", "BLOCK", "100", "STREAMS", "late", "$"], 100),
        ] {
            let started = Instant::now();
            assert_eq!(client.call(&request).expect("a reply"), Value::Null, "{request:?}");
            assert!(started.elapsed() >= Duration::from_millis(least), "{request:?} on {node}");
        }
        assert_eq!(client.integer(&["RPUSH", "late", "x"]), 1);
        assert_eq!(client.integer(&["DEL", "late"]), 1);
    }
}

/// A client that is gone, or whose wait was ended, takes nothing.
#[test]
fn those_who_left_take_nothing() {
    let _alone = alone();
    let mut cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let mut producer = cluster.client(0);
    for node in 0..3 {
        let mut gone = cluster.client(node);
        gone.send(&[&["BLPOP", "left", "0"]]).expect("an open connection");
        wait_until_blocked(&cluster, node, 1);
        drop(gone);
        wait_until_blocked(&cluster, node, 0);
        wait_until_waiters(&mut producer, 0);

        let mut ended = cluster.client(node);
        let id = ended.integer(&["CLIENT", "ID"]).to_string();
        for (how, reply) in [
            (vec!["CLIENT", "UNBLOCK", &id], Value::Null),
            (
                vec!["CLIENT", "UNBLOCK", &id, "ERROR"],
                Value::Error("UNBLOCKED client unblocked via CLIENT UNBLOCK".into()),
            ),
        ] {
            for request in [&["BRPOP", "left", "0"][..], &["XREAD", "BLOCK", "0", "STREAMS", "left", "$"]] {
                ended.send(&[request]).expect("an open connection");
                wait_until_blocked(&cluster, node, 1);
                let mut other = cluster.client(node);
                assert_eq!(other.integer(&how), 1, "{how:?} of {request:?}");
                assert_eq!(other.integer(&how), 0);
                assert_eq!(ended.receive().expect("a reply"), reply);
            }
        }
        assert_eq!(producer.integer(&["RPUSH", "left", "x"]), 1);
        assert_eq!(producer.integer(&["DEL", "left"]), 1);
    }

    // A node that dies takes its waiting clients with it, as soon as the leader notices or it comes back.
    let victim = cluster.follower();
    let asked = (0..3).find(|node| *node != victim).expect("three nodes");
    for comes_back in [false, true] {
        let mut waiting = cluster.client(victim);
        waiting.send(&[&["BLPOP", "left", "0"]]).expect("an open connection");
        wait_until_blocked(&cluster, victim, 1);
        cluster.kill(victim);
        if comes_back {
            cluster.spawn(victim);
            cluster.wait_ready();
        }
        let mut producer = cluster.client(asked);
        wait_until_waiters(&mut producer, 0);
        if !comes_back {
            cluster.spawn(victim);
            cluster.wait_ready();
        }
    }
}

/// A node that was only slow enters its clients again.
#[test]
fn a_node_that_was_silent_and_comes_back_still_serves_those_who_wait_there() {
    let _alone = alone();
    let cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let (leader, silent) = (cluster.leader(), cluster.follower());
    let mut waiting = cluster.client(silent);
    waiting.send(&[&["BLPOP", "patient", "0"]]).expect("an open connection");
    wait_until_blocked(&cluster, silent, 1);
    cluster.pause(silent, true);
    let mut producer = cluster.client(leader);
    wait_until_waiters(&mut producer, 0);
    cluster.pause(silent, false);
    wait_until_waiters(&mut producer, 1);
    producer.integer(&["RPUSH", "patient", "x"]);
    assert_eq!(popped(waiting.receive()), Some(("patient".into(), "x".into())));
}

/// P3: no element is lost or given twice while leaders die.
#[test]
fn a_queue_between_all_nodes_gives_each_element_once_while_leaders_are_killed() {
    let _alone = alone();
    let mut cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let (kills, share) = (count(2, 60), count(400, 5_000));
    let mut sent = BTreeMap::<String, u64>::new();
    let mut got = BTreeMap::<String, Vec<u64>>::new();
    for round in 0..kills {
        let leader = cluster.leader();
        let others: Vec<_> = (0..3).filter(|node| *node != leader).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let consumers: Vec<_> = (0..30).map(|i| consume(&cluster, others[i % 2], &stop)).collect();
        let pushed = Arc::new(AtomicU64::new(0));
        let producers: Vec<_> = (0..6)
            .map(|i| {
                let name = format!("{round}.{i}");
                produce(&cluster, others[i % 2], name, share, &pushed)
            })
            .collect();
        until("a third is pushed", COMES_UP, || (pushed.load(Ordering::Relaxed) > 2 * share).then_some(()));
        cluster.kill(leader);
        let producers =
            producers.into_iter().map(|producer| producer.join().expect("no error on a living node"));
        sent.extend(producers);
        let mut client = cluster.client(others[0]);
        until("all is taken", COMES_UP, || (client.integer(&["LLEN", "jobs"]) == 0).then_some(()));
        stop.store(true, Ordering::Relaxed);
        for consumer in consumers {
            for element in consumer.join().expect("no error on a living node") {
                let (name, number) = element.split_once(':').expect("a producer and a number");
                got.entry(name.to_owned()).or_default().push(number.parse().expect("a number"));
            }
        }
        cluster.spawn(leader);
        cluster.wait_ready();
    }
    let total: u64 = sent.values().sum();
    for (name, count) in sent {
        let mut numbers = got.remove(&name).unwrap_or_default();
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(0..count), "{name}: {count} were pushed, {} came", numbers.len());
    }
    assert!(got.is_empty(), "nothing came that was not pushed: {got:?}");
    println!("{total} elements over {kills} kills");
}

/// Takes elements, and whatever it is given until it is told to stop.
fn consume(cluster: &Cluster, node: usize, stop: &Arc<AtomicBool>) -> JoinHandle<Vec<String>> {
    let (mut line, stop) = (Line::new(cluster, node), Arc::clone(stop));
    std::thread::spawn(move || {
        let mut got = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            match line.call(&["BLPOP", "jobs", "0.5"]) {
                Ok(Value::Null) => {}
                reply => got.push(popped(reply).expect("an element").1),
            }
        }
        got
    })
}

/// Pushes numbers, and waits for each; gives its name and how many.
fn produce(
    cluster: &Cluster,
    node: usize,
    name: String,
    count: u64,
    pushed: &Arc<AtomicU64>,
) -> JoinHandle<(String, u64)> {
    let (mut line, pushed) = (Line::new(cluster, node), Arc::clone(pushed));
    std::thread::spawn(move || {
        for number in 0..count {
            let reply = line.call(&["RPUSH", "jobs", &format!("{name}:{number}")]);
            assert!(matches!(reply, Ok(Value::Integer(_))), "{reply:?}");
            pushed.fetch_add(1, Ordering::Relaxed);
        }
        (name, count)
    })
}

/// The key and the element of a reply to `BLPOP`.
fn popped(reply: std::io::Result<Value>) -> Option<(String, String)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match reply {
        Ok(Value::Array(items)) if items.len() == 2 => Some((text(&items[0])?, text(&items[1])?)),
        Ok(Value::Null) => None,
        other => panic!("no reply to BLPOP: {other:?}"),
    }
}

fn wait_until_blocked(cluster: &Cluster, node: usize, wanted: usize) {
    wait_until_info(&mut cluster.client(node), &format!("blocked_clients:{wanted}"));
}

/// Waits for waiters of the whole cluster.
fn wait_until_waiters(client: &mut Client, wanted: usize) {
    wait_until_info(client, &format!("quorate_waiters:{wanted}"));
}

fn wait_until_info(client: &mut Client, line: &str) {
    until(line, COMES_UP, || {
        let info = client.text(&["INFO", "everything"]).expect("a text");
        info.lines().any(|found| found == line).then_some(())
    });
}
