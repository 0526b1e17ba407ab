//! Transactions: one point of the log for all nodes, and exactly once, while leaders are killed.

use quorate_resp::Value;
use quorate_testkit::{Client, Cluster};

use crate::load::{Line, Load, Step, Worker};
use crate::{QUORATE, alone, calm, count};

/// P2: what a client of one node changes, a watching client of any other sees.
#[test]
fn a_watch_on_one_node_sees_a_change_on_another() {
    let _alone = alone();
    let cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let mut clients: Vec<Client> = (0..3).map(|node| cluster.client(node)).collect();
    for watcher in 0..3 {
        for writer in 0..3 {
            let value = format!("{watcher}.{writer}");
            let mut changes: Vec<(Vec<&str>, bool)> = vec![
                (vec!["SET", "k", &value], true),
                (vec!["DEL", "k"], true),
                (vec!["DEL", "k"], false),
                (vec!["INCR", "other"], false),
                (vec!["PEXPIRE", "k", "100000"], false),
                (vec!["SET", "k", &value, "PX", "100000"], true),
                (vec!["FLUSHALL"], true),
                (vec!["FLUSHALL"], false),
            ];
            for (change, aborts) in changes.drain(..) {
                call(&mut clients[watcher], &["WATCH", "k"]);
                call(&mut clients[writer], &change);
                call(&mut clients[watcher], &["MULTI"]);
                call(&mut clients[watcher], &["GET", "k"]);
                call(&mut clients[watcher], &["INCR", "ran"]);
                let reply = call(&mut clients[watcher], &["EXEC"]);
                assert_eq!(
                    reply == Value::Null,
                    aborts,
                    "{watcher} watches, {writer} does {change:?}: {reply:?}"
                );
            }
        }
    }
}

/// P2 and P3 for optimistic locking: a counter without INCR, and accounts whose sum never changes.
#[test]
fn counting_by_watch_and_exec_on_all_nodes_is_exact_while_leaders_are_killed() {
    let _alone = alone();
    let mut cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let (steps, kills) = (count(600, 20_000), count(2, 10));
    let share = steps / kills;
    let mut counted = 0;
    for round in 0..kills {
        let leader = cluster.leader();
        let others: Vec<_> = (0..3).filter(|node| *node != leader).collect();
        let counters = Load::start((0..4).map(|worker| counter(&cluster, others[worker % 2])));
        let accounts = Load::start((0..4).map(|worker| transfer(&cluster, others[worker % 2], worker)));
        let audits = Load::start(others.iter().map(|node| audit(&cluster, *node)));
        counters.wait(share / 3);
        accounts.wait(10);
        cluster.kill(leader);
        counters.wait(2 * share / 3);
        cluster.spawn(leader);
        cluster.wait_ready();
        counters.wait(share);
        audits.wait_more(10);
        let (counters, accounts, audits) = (counters.stop(), accounts.stop(), audits.stop());
        for tally in [&counters, &accounts, &audits] {
            tally.untroubled();
        }
        counted += counters.acknowledged;
        for node in 0..3 {
            let value = cluster.client(node).text(&["GET", "counter"]);
            assert_eq!(value, Some(counted.to_string()), "node {node} after {} kills", round + 1);
        }
    }
    println!("{counted} increments by WATCH and EXEC over {kills} kills");
}

fn call(client: &mut Client, args: &[&str]) -> Value {
    client.call(args).expect("an undisturbed node answers")
}

/// A step from the replies of requests in turn: the first error or broken connection, else the last reply.
fn in_turn(line: &mut Line, requests: &[&[&str]]) -> Result<Value, Step> {
    let mut last = Value::Null;
    for request in requests {
        last = match line.call(request) {
            Ok(Value::Error(text)) => return Err(Step::Refused(String::from_utf8_lossy(&text).into_owned())),
            Ok(reply) => reply,
            Err(error) => return Err(Step::Unknown(error.to_string())),
        };
    }
    Ok(last)
}

/// Adds one to a counter that others add to as well; tries until nobody was faster.
fn counter(cluster: &Cluster, node: usize) -> Worker {
    let mut line = Line::new(cluster, node);
    let mut step = move || loop {
        let value = match in_turn(&mut line, &[&["WATCH", "counter"], &["GET", "counter"]])? {
            Value::Bulk(bytes) => String::from_utf8_lossy(&bytes).parse::<u64>().expect("a counter"),
            _ => 0,
        };
        let next = (value + 1).to_string();
        if in_turn(&mut line, &[&["MULTI"], &["SET", "counter", &next], &["EXEC"]])? != Value::Null {
            return Ok(Step::Acknowledged);
        }
    };
    Box::new(move || step().unwrap_or_else(|step: Step| step))
}

/// Moves from one account to the other.
fn transfer(cluster: &Cluster, node: usize, worker: usize) -> Worker {
    let mut line = Line::new(cluster, node);
    let amount = (worker + 1).to_string();
    Box::new(move || {
        let requests: [&[&str]; 4] =
            [&["MULTI"], &["DECRBY", "account:a", &amount], &["INCRBY", "account:b", &amount], &["EXEC"]];
        in_turn(&mut line, &requests).map_or_else(|step| step, |_| Step::Acknowledged)
    })
}

/// Sees both accounts at one point, in a transaction that only reads, and in one that writes as well.
fn audit(cluster: &Cluster, node: usize) -> Worker {
    let mut line = Line::new(cluster, node);
    let mut writes = false;
    Box::new(move || {
        writes = !writes;
        let mut requests: Vec<&[&str]> = vec![&["MULTI"], &["GET", "account:a"], &["GET", "account:b"]];
        if writes {
            requests.insert(2, &["INCR", "audits"]);
        }
        requests.push(&["EXEC"]);
        match in_turn(&mut line, &requests) {
            Ok(reply) => {
                let seen: i64 = reply.as_array().expect("nothing is watched").iter().map(balance).sum();
                assert_eq!(seen, 0, "both accounts at one point: {reply:?}");
                Step::Acknowledged
            }
            Err(step) => step,
        }
    })
}

/// What an account holds; the number of audits is none.
fn balance(value: &Value) -> i64 {
    match value {
        Value::Bulk(bytes) => String::from_utf8_lossy(bytes).parse().expect("a balance"),
        _ => 0,
    }
}
