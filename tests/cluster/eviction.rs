//! The memory limit of a cluster: all nodes give up the same keys, and a key that is read through any node stays.

use quorate_resp::Value;
use quorate_testkit::process::COMES_UP;
use quorate_testkit::{Cluster, until};

use crate::{QUORATE, alone, calm};

/// What an empty state counts as.
const BASE_BYTES: i64 = 1 << 20;
const LIMIT_BYTES: i64 = BASE_BYTES + 100_000;

fn info(cluster: &Cluster, node: usize, name: &str) -> i64 {
    let text = cluster.client(node).text(&["INFO"]).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("INFO tells {name}"))
}

#[test]
fn keys_that_are_read_through_a_follower_stay_at_the_memory_limit() {
    let _alone = alone();
    let cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let (leader, follower) = (cluster.leader(), cluster.follower());
    let mut writer = cluster.client(leader);
    let mut reader = cluster.client(follower);
    let limit = LIMIT_BYTES.to_string();
    let settings = ["CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "maxmemory", &limit];
    assert_eq!(writer.text(&settings).as_deref(), Some("OK"));
    assert_eq!(writer.text(&["CONFIG", "SET", "maxmemory-samples", "10"]).as_deref(), Some("OK"));
    let value = "x".repeat(4000);
    assert_eq!(writer.text(&["SET", "hot", &value]).as_deref(), Some("OK"));
    // Two dozen fit: without the reads "hot" would be among the first to go.
    let mut n = 0;
    for _round in 0..12 {
        for _ in 0..4 {
            assert_eq!(writer.text(&["SET", &format!("cold:{n}"), &value]).as_deref(), Some("OK"));
            n += 1;
        }
        assert_eq!(reader.text(&["GET", "hot"]).as_deref(), Some(&*value), "after {n} keys");
        // Times of use are kept in seconds.
        let newest = format!("cold:{}", n - 1);
        let mut idle = || writer.call(&["OBJECT", "IDLETIME", &newest]).ok();
        until("a second has passed", COMES_UP, || {
            idle().filter(|idle| matches!(idle, Value::Integer(1..))).map(drop)
        });
    }
    for node in 0..3 {
        let used = info(&cluster, node, "used_memory");
        assert!(used <= LIMIT_BYTES, "node {node} uses {used} B");
        assert_eq!(used, info(&cluster, leader, "used_memory"));
    }
    let keys = |node: usize| match cluster.client(node).call(&["KEYS", "*"]) {
        Ok(Value::Array(keys)) => keys,
        other => panic!("{other:?}"),
    };
    assert_eq!(keys(follower), keys(leader));
    assert!(info(&cluster, follower, "evicted_keys") as usize + keys(leader).len() > n);
}

#[test]
fn writes_are_refused_on_every_node_where_nothing_can_go() {
    let _alone = alone();
    let cluster = Cluster::start(QUORATE, 3, &calm(&[]));
    let mut writer = cluster.client(cluster.follower());
    let limit = (BASE_BYTES + 20_000).to_string();
    assert_eq!(writer.text(&["CONFIG", "SET", "maxmemory", &limit]).as_deref(), Some("OK"));
    let value = "x".repeat(1000);
    let mut n = 0;
    let refusal = until("the limit is reached", COMES_UP, || {
        n += 1;
        match writer.call(&["SET", &format!("key:{n}"), &value]) {
            Ok(Value::Error(text)) => Some(String::from_utf8_lossy(&text).into_owned()),
            _ => None,
        }
    });
    assert_eq!(refusal, "OOM command not allowed when used memory > 'maxmemory'.");
    assert!((15..25).contains(&n), "{n} values of 1000 B came to 20000 B");
    for node in 0..3 {
        let refused = || match cluster.client(node).call(&["SADD", "set", "member"]) {
            Ok(Value::Error(text)) => text.starts_with(b"OOM ").then_some(()),
            _ => None,
        };
        until("every node refuses", COMES_UP, refused);
        assert_eq!(cluster.client(node).text(&["GET", "key:1"]).as_deref(), Some(&*value), "reads go on");
    }
    // A policy, and there is room again.
    assert_eq!(writer.text(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]).as_deref(), Some("OK"));
    let taken = || writer.text(&["SET", "one more", &value]).filter(|reply| reply == "OK");
    until("there is room", COMES_UP, taken);
}
