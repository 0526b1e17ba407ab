//! Clients that wait on all nodes: each element to one of them, in the order in which they came, whatever dies meanwhile.

use std::collections::{BTreeMap, BTreeSet};
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
    let (kills, share) = (count(2, 20), count(200, 2_000));
    let (mut sent, mut got) = (Sent::new(), Vec::new());
    for round in 0..kills {
        let leader = cluster.leader();
        let others: Vec<_> = (0..3).filter(|node| *node != leader).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let consumers: Vec<_> = (0..30).map(|i| consume(&cluster, others[i % 2], &stop)).collect();
        let pushed = Arc::new(AtomicU64::new(0));
        let producers: Vec<_> = (0..6)
            .map(|i| produce(&cluster, others[i % 2], format!("{round}.{i}"), share, &stop, &pushed))
            .collect();
        until("a third is pushed", COMES_UP, || (pushed.load(Ordering::Relaxed) > 2 * share).then_some(()));
        cluster.kill(leader);
        for producer in producers {
            let (name, outcome) = producer.join().expect("no error on a living node");
            assert!(
                outcome.unknown.is_empty() && outcome.refused == 0,
                "{name} on a living node: {outcome:?}"
            );
            sent.insert(name, outcome);
        }
        take_all(&mut cluster.client(others[0]));
        stop.store(true, Ordering::Relaxed);
        for consumer in consumers {
            let taken = consumer.join().expect("no error on a living node");
            assert_eq!(taken.broken + taken.refused, 0, "on a living node");
            got.push(taken.elements);
        }
        cluster.spawn(leader);
        cluster.wait_ready();
    }
    let missing = check_delivery(&sent, &got);
    assert_eq!(missing, 0, "every client's node lived");
    println!("{} elements over {kills} kills", got.iter().map(Vec::len).sum::<usize>());
}

/// P3, and what a client of the dead node may lose: the one element that was on its way to it.
#[test]
fn a_queue_with_clients_on_the_nodes_that_die_loses_no_more_than_what_was_on_its_way_to_them() {
    let _alone = alone();
    let mut cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let kills = count(2, 60);
    let (stop_pushing, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let pushed = Arc::new(AtomicU64::new(0));
    let consumers: Vec<_> = (0..18).map(|i| (i % 3, consume(&cluster, i % 3, &stop))).collect();
    let producers: Vec<_> = (0..6)
        .map(|i| (i % 3, produce(&cluster, i % 3, i.to_string(), u64::MAX, &stop_pushing, &pushed)))
        .collect();
    let mut deaths = [0; 3];
    for _ in 0..kills {
        let begun = Instant::now();
        let more = |than: u64| {
            until("producers go on", COMES_UP, || (pushed.load(Ordering::Relaxed) >= than).then_some(()));
        };
        more(pushed.load(Ordering::Relaxed) + 100);
        let leader = cluster.leader();
        cluster.kill(leader);
        deaths[leader] += 1;
        more(pushed.load(Ordering::Relaxed) + 100);
        cluster.spawn(leader);
        cluster.wait_ready();
        if count(0, 1) == 1 {
            std::thread::sleep(Duration::from_secs(5).saturating_sub(begun.elapsed()));
        }
    }
    stop_pushing.store(true, Ordering::Relaxed);
    let mut sent = Sent::new();
    for (node, producer) in producers {
        let (name, outcome) = producer.join().expect("no error reply");
        // The second: a new connection that a process took while it was dying.
        let unknown_max = 2 * deaths[node];
        assert!(
            outcome.unknown.len() <= unknown_max,
            "{name} on node {node}: {outcome:?}, {deaths:?} deaths"
        );
        sent.insert(name, outcome);
    }
    take_all(&mut cluster.client(0));
    stop.store(true, Ordering::Relaxed);
    let (mut got, mut lost_max) = (Vec::new(), 0);
    for (node, consumer) in consumers {
        let taken = consumer.join().expect("no error reply");
        assert!(taken.broken <= 2 * deaths[node], "a living node {node} closed a connection: {taken:?}");
        lost_max += deaths[node];
        got.push(taken.elements);
    }
    let missing = check_delivery(&sent, &got);
    assert!(missing <= lost_max, "{missing} elements are missing, {lost_max} waits were broken off");
    let total: usize = got.iter().map(Vec::len).sum();
    println!("{total} elements over {deaths:?} deaths, {missing} lost on {lost_max} dead connections");
}

/// What producers did, by name.
type Sent = BTreeMap<String, Outcome>;

/// What became of a producer's numbers, which go from 0 up.
#[derive(Debug, Default)]
struct Outcome {
    count: u64,
    /// Those whose push was not answered: they may be there or not.
    unknown: BTreeSet<u64>,
    /// Error replies: that push had no effect, and was repeated.
    refused: usize,
}

/// What a consumer got.
#[derive(Debug, Default)]
struct Taken {
    /// Producer and number, in the order in which they came.
    elements: Vec<(String, u64)>,
    /// Calls that ended with the connection.
    broken: usize,
    /// Error replies.
    refused: usize,
}

/// Asserts that nothing came twice, out of order or from nowhere; gives how many elements did not come.
fn check_delivery(sent: &Sent, got: &[Vec<(String, u64)>]) -> usize {
    let mut all = BTreeMap::<&str, BTreeSet<u64>>::new();
    for elements in got {
        let mut last = BTreeMap::<&str, u64>::new();
        for (name, number) in elements {
            if let Some(before) = last.insert(name, *number) {
                assert!(before < *number, "{name}: {number} came to the same consumer after {before}");
            }
            assert!(all.entry(name).or_default().insert(*number), "{name}:{number} came twice");
        }
    }
    assert!(all.keys().all(|name| sent.contains_key(*name)), "nothing came that was not pushed");
    let none = BTreeSet::new();
    let missing = sent.iter().map(|(name, outcome)| {
        let came = all.get(name.as_str()).unwrap_or(&none);
        assert!(came.iter().all(|number| *number < outcome.count), "{name}: more came than was pushed");
        let missing = (0..outcome.count).filter(|number| !came.contains(number));
        missing.filter(|number| !outcome.unknown.contains(number)).count()
    });
    missing.sum()
}

fn take_all(client: &mut Client) {
    until("all is taken", COMES_UP, || (client.integer(&["LLEN", "jobs"]) == 0).then_some(()));
}

/// Takes elements, and whatever it is given until it is told to stop.
fn consume(cluster: &Cluster, node: usize, stop: &Arc<AtomicBool>) -> JoinHandle<Taken> {
    let (mut line, stop) = (Line::new(cluster, node), Arc::clone(stop));
    std::thread::spawn(move || {
        let mut taken = Taken::default();
        while !stop.load(Ordering::Relaxed) {
            match line.call(&["BLPOP", "jobs", "0.5"]) {
                Ok(Value::Null) => {}
                reply if is_refused(&reply) => taken.refused += usize::from(reply.is_ok()),
                Err(_) => taken.broken += 1,
                reply => {
                    let element = popped(reply).expect("an element").1;
                    let (name, number) = element.split_once(':').expect("a producer and a number");
                    taken.elements.push((name.to_owned(), number.parse().expect("a number")));
                }
            }
        }
        taken
    })
}

/// Pushes so many numbers, and waits for each; ends sooner if it is told to. Gives its name and what it did.
fn produce(
    cluster: &Cluster,
    node: usize,
    name: String,
    most: u64,
    stop: &Arc<AtomicBool>,
    pushed: &Arc<AtomicU64>,
) -> JoinHandle<(String, Outcome)> {
    let (mut line, stop, pushed) = (Line::new(cluster, node), Arc::clone(stop), Arc::clone(pushed));
    std::thread::spawn(move || {
        let mut outcome = Outcome::default();
        while outcome.count < most && !stop.load(Ordering::Relaxed) {
            match line.call(&["RPUSH", "jobs", &format!("{name}:{}", outcome.count)]) {
                Ok(Value::Integer(_)) => {
                    pushed.fetch_add(1, Ordering::Relaxed);
                }
                reply if is_refused(&reply) => {
                    outcome.refused += usize::from(reply.is_ok());
                    continue;
                }
                Err(_) => {
                    outcome.unknown.insert(outcome.count);
                }
                reply => panic!("{reply:?}"),
            }
            outcome.count += 1;
        }
        (name, outcome)
    })
}

/// Whether nobody was there, or a node that starts or is cut off: nothing was done (P4: had it been, an element would
/// come twice). Such a node must not be asked in a tight loop.
fn is_refused(reply: &std::io::Result<Value>) -> bool {
    let refused = match reply {
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        Ok(Value::Error(text)) => text.starts_with(b"LOADING ") || text.starts_with(b"CLUSTERDOWN "),
        Ok(_) => false,
    };
    if refused {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    refused
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
