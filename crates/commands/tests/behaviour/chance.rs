//! Commands that answer at random: every answer is possible, none is preferred, and all have an end.

use std::collections::{BTreeMap, BTreeSet};

use quorate_resp::{Protocol, Value};

use crate::node::{Node, texts};

/// Ten fields, in the encoding asked for.
fn ten_fields(node: &mut Node, encoding: &str) {
    for field in "abcdefghij".chars() {
        node.run(&format!("HSET h {field} value-of-{field}"));
    }
    if encoding == "hashtable" {
        node.run(&format!("HSET h a {}", "x".repeat(65)));
        node.run("HSET h a value-of-a");
    }
    assert_eq!(node.run("OBJECT ENCODING h").as_str(), Some(encoding));
}

/// Fails where picks differ from an even spread over ten with a probability of 0.99999 (chi square, 9 degrees).
fn check_even(picks: &[String], what: &str) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for pick in picks {
        *counts.entry(pick).or_default() += 1;
    }
    let expected = picks.len() as f64 / 10.0;
    let chi_square: f64 = counts.values().map(|count| (*count as f64 - expected).powi(2) / expected).sum();
    assert_eq!(counts.len(), 10, "{what}");
    assert!(chi_square < 40.0, "{what}: {chi_square} {counts:?}");
}

#[test]
fn fields_are_picked_evenly() {
    for encoding in ["listpack", "hashtable"] {
        let mut node = Node::new();
        ten_fields(&mut node, encoding);
        check_even(&texts(&node.run("HRANDFIELD h -1000")), encoding);
        let single: Vec<String> =
            (0..1000).map(|_| node.run("HRANDFIELD h").as_str().expect("a field").to_owned()).collect();
        check_even(&single, encoding);
        for count in [1, 2, 5, 8] {
            let mut all = Vec::new();
            for _ in 0..1000 / count {
                let picks = texts(&node.run(&format!("HRANDFIELD h {count}")));
                let different: BTreeSet<&String> = picks.iter().collect();
                assert_eq!((picks.len(), different.len()), (count, count));
                all.extend(picks);
            }
            check_even(&all, &format!("{encoding}, {count} at a time"));
        }
    }
}

#[test]
fn a_few_fields_of_a_large_hash_are_all_possible() {
    let mut node = Node::new();
    for i in 0..1000 {
        node.run(&format!("HSET h {i} v"));
    }
    let mut buckets = Vec::new();
    for _ in 0..200 {
        let picks = texts(&node.run("HRANDFIELD h 20"));
        assert_eq!(picks.len(), 20);
        buckets.extend(picks.iter().map(|pick| (pick.parse::<u32>().expect("a number") / 100).to_string()));
    }
    check_even(&buckets, "twenty of a thousand");
}

#[test]
fn members_are_picked_evenly() {
    for encoding in ["listpack", "skiplist"] {
        let mut node = Node::new();
        for (score, member) in "abcdefghij".chars().enumerate() {
            node.run(&format!("ZADD z {score} {member}"));
        }
        if encoding == "skiplist" {
            node.run(&format!("ZADD z 1 {0}", "x".repeat(65)));
            node.run(&format!("ZREM z {0}", "x".repeat(65)));
        }
        assert_eq!(node.run("OBJECT ENCODING z").as_str(), Some(encoding));
        check_even(&texts(&node.run("ZRANDMEMBER z -1000")), encoding);
        for count in [1, 2, 5, 8] {
            let mut all = Vec::new();
            for _ in 0..1000 / count {
                let picks = texts(&node.run(&format!("ZRANDMEMBER z {count}")));
                let different: std::collections::BTreeSet<&String> = picks.iter().collect();
                assert_eq!((picks.len(), different.len()), (count, count));
                all.extend(picks);
            }
            check_even(&all, &format!("{encoding}, {count} at a time"));
        }
    }
}

#[test]
fn values_belong_to_their_fields() {
    let mut node = Node::new();
    ten_fields(&mut node, "hashtable");
    for count in ["-20", "3", "8", "10", "11"] {
        let line = format!("HRANDFIELD h {count} WITHVALUES");
        node.protocol = Protocol::Resp3;
        let reply = node.run(&line);
        for pair in reply.as_array().expect("an array") {
            let pair = texts(pair);
            assert_eq!(pair[1], format!("value-of-{}", pair[0]), "{line}");
        }
        node.protocol = Protocol::Resp2;
        let flat = texts(&node.run(&line));
        assert_eq!(flat.len(), 2 * reply.as_array().expect("an array").len(), "{line}");
        for pair in flat.chunks(2) {
            assert_eq!(pair[1], format!("value-of-{}", pair[0]), "{line}");
        }
    }
}

#[test]
fn repeated_picks_are_bounded() {
    let mut node = Node::new();
    node.run("HSET h f v");
    for line in ["HRANDFIELD h -1048577", "HRANDFIELD h -4611686018427387903 WITHVALUES"] {
        assert_eq!(node.run(line), Value::Error("ERR value is out of range".into()), "{line}");
    }
    assert_eq!(node.run("HRANDFIELD h -1048576").as_array().map(<[Value]>::len), Some(1_048_576));
    // So are the bytes.
    node.run("CONFIG SET proto-max-bulk-len 1mb");
    node.run(&format!("HSET h f {}", "x".repeat(2048)));
    let reply = node.run("HRANDFIELD h -1000 WITHVALUES");
    assert_eq!(reply, Value::Error("ERR value is out of range".into()));
    assert_eq!(node.run("HRANDFIELD h -500 WITHVALUES").as_array().map(<[Value]>::len), Some(500));
    node.run("SADD s a");
    assert_eq!(node.run("SRANDMEMBER s -1048577"), Value::Error("ERR value is out of range".into()));
    assert_eq!(node.run("SRANDMEMBER s -1000").as_array().map(<[Value]>::len), Some(1000));
}

/// Ten members, in the encoding asked for.
fn ten_members(node: &mut Node, encoding: &str) {
    let members = match encoding {
        "intset" => "0 1 2 3 4 5 6 7 8 9".to_owned(),
        "listpack" => "a b c d e f g h i 9".to_owned(),
        _ => format!("{} a b c d e f g h i 9", "x".repeat(65)),
    };
    node.run(&format!("SADD s {members}"));
    node.run(&format!("SREM s {}", "x".repeat(65)));
    assert_eq!(node.run("OBJECT ENCODING s").as_str(), Some(encoding));
    assert_eq!(node.run("SCARD s"), Value::Integer(10));
}

#[test]
fn set_members_are_picked_evenly() {
    for encoding in ["intset", "listpack", "hashtable"] {
        let mut node = Node::new();
        ten_members(&mut node, encoding);
        check_even(&texts(&node.run("SRANDMEMBER s -1000")), encoding);
        let single: Vec<String> =
            (0..1000).map(|_| node.run("SRANDMEMBER s").as_str().expect("a member").to_owned()).collect();
        check_even(&single, encoding);
        for count in [1, 2, 5, 8] {
            let all: Vec<String> =
                (0..1000 / count).flat_map(|_| texts(&node.run(&format!("SRANDMEMBER s {count}")))).collect();
            check_even(&all, &format!("{encoding}, {count} at a time"));
        }
    }
}

#[test]
fn members_are_taken_away_evenly_and_once() {
    for (encoding, request, times) in
        [("intset", "SPOP s", 1000), ("listpack", "SPOP s 3", 330), ("hashtable", "SPOP s 7", 140)]
    {
        let mut node = Node::new();
        let mut all = Vec::new();
        for _ in 0..times {
            node.run("DEL s");
            ten_members(&mut node, encoding);
            let before: BTreeSet<String> = members(&node.run("SMEMBERS s"));
            let reply = node.run(request);
            let taken = match reply.as_str() {
                Some(member) => BTreeSet::from([member.to_owned()]),
                None => members(&reply),
            };
            let after = members(&node.run("SMEMBERS s"));
            assert_eq!(after.len() + taken.len(), 10);
            assert!(after.is_disjoint(&taken) && after.union(&taken).eq(before.iter()));
            all.extend(taken);
        }
        check_even(&all, &format!("{encoding} {request}"));
    }
}

fn members(set: &Value) -> BTreeSet<String> {
    let Value::Set(members) = set else { panic!("a set: {set:?}") };
    members.iter().map(|member| member.as_str().expect("a text").to_owned()).collect()
}

#[test]
fn every_key_may_come_up() {
    let mut node = Node::new();
    for key in "abcdefghij".chars() {
        node.run(&format!("SET {key} 1"));
    }
    let picks: Vec<String> =
        (0..1000).map(|_| node.run("RANDOMKEY").as_str().expect("a key").to_owned()).collect();
    check_even(&picks, "RANDOMKEY");
    // An expired key does not.
    node.run("SET k 1");
    for key in "abcdefghij".chars() {
        node.run(&format!("PEXPIRE {key} 10"));
    }
    node.wait(10);
    for _ in 0..20 {
        assert_eq!(node.run("RANDOMKEY").as_str(), Some("k"));
    }
}
