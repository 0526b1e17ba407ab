//! SCAN, HSCAN, SSCAN and ZSCAN: what is there from beginning to end is shown, whatever else happens
//! meanwhile.

use std::collections::BTreeSet;

use quorate_resp::Value;

use crate::node::{Node, texts};

/// Walks to the end; the elements of all calls. `between` runs after each call.
fn walk(node: &mut Node, line: &str, mut between: impl FnMut(&mut Node)) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = "0".to_owned();
    for _ in 0..100_000 {
        let (next, elements) = step(node, &line.replace("CURSOR", &cursor));
        found.extend(elements);
        if next == "0" {
            return found;
        }
        cursor = next;
        between(node);
    }
    panic!("the walk does not end: {line}");
}

/// One call; the next cursor and the elements.
fn step(node: &mut Node, line: &str) -> (String, Vec<String>) {
    let reply = node.run(line);
    let [cursor, elements] = reply.as_array().expect("an array") else { panic!("two elements: {reply:?}") };
    (cursor.as_str().expect("a cursor").to_owned(), texts(elements))
}

fn populate(node: &mut Node, keys: usize) {
    for i in 0..keys {
        node.run(&format!("SET key:{i} value"));
    }
}

fn sorted(found: Vec<String>) -> BTreeSet<String> {
    found.into_iter().collect()
}

#[test]
fn a_walk_shows_every_key_once() {
    let mut node = Node::new();
    populate(&mut node, 1000);
    for line in ["SCAN CURSOR", "SCAN CURSOR COUNT 5", "SCAN CURSOR COUNT 1", "SCAN CURSOR COUNT 100000"] {
        let found = walk(&mut node, line, |_| ());
        assert_eq!((found.len(), sorted(found).len()), (1000, 1000), "{line}");
    }
    assert_eq!(sorted(texts(&node.run("KEYS *"))).len(), 1000);
}

#[test]
fn options_filter_and_count_bounds_the_work() {
    let mut node = Node::new();
    populate(&mut node, 1000);
    node.run("HSET hash f v");
    assert_eq!(sorted(walk(&mut node, "SCAN CURSOR MATCH key:1??", |_| ())).len(), 100);
    assert_eq!(walk(&mut node, "SCAN CURSOR TYPE list", |_| ()), Vec::<String>::new());
    assert_eq!(walk(&mut node, "SCAN CURSOR TYPE hash", |_| ()), ["hash"]);
    assert_eq!(walk(&mut node, "SCAN CURSOR TYPE string MATCH key:* COUNT 10", |_| ()).len(), 1000);
    // A call that finds nothing still stops after its share of the keys.
    let mut calls = 0;
    walk(&mut node, "SCAN CURSOR MATCH nothing COUNT 100", |_| calls += 1);
    assert!((5..=11).contains(&calls), "{calls}");
}

#[test]
fn keys_that_stay_are_shown_while_others_come_and_go() {
    let mut node = Node::new();
    populate(&mut node, 100);
    let mut added = 0;
    let found = walk(&mut node, "SCAN CURSOR", |node| {
        for _ in 0..10 {
            node.run(&format!("SET added:{added} foo"));
            node.run(&format!("DEL added:{}", added / 2));
            added += 1;
        }
    });
    let stayed = sorted(found).into_iter().filter(|key| key.starts_with("key:")).count();
    assert_eq!(stayed, 100);
}

#[test]
fn expired_keys_are_not_shown() {
    let mut node = Node::new();
    populate(&mut node, 50);
    for i in 0..25 {
        node.run(&format!("PEXPIRE key:{i} 10"));
    }
    node.wait(10);
    assert_eq!(walk(&mut node, "SCAN CURSOR", |_| ()).len(), 25);
    assert_eq!(texts(&node.run("KEYS *")).len(), 25);
}

#[test]
fn a_hash_table_is_walked_like_the_keys() {
    let mut node = Node::new();
    for i in 0..1000 {
        node.run(&format!("HSET h key:{i} {i}"));
    }
    assert_eq!(node.run("OBJECT ENCODING h").as_str(), Some("hashtable"));
    let mut added = 0;
    let found = walk(&mut node, "HSCAN h CURSOR", |node| {
        node.run(&format!("HSET h added:{added} {added}"));
        node.run(&format!("HDEL h added:{}", added / 2));
        added += 1;
    });
    let fields: BTreeSet<&String> = found
        .chunks(2)
        .inspect(|pair| assert_eq!(pair[0].rsplit(':').next(), Some(pair[1].as_str())))
        .map(|pair| &pair[0])
        .filter(|field| field.starts_with("key:"))
        .collect();
    assert_eq!(fields.len(), 1000);
    assert_eq!(walk(&mut node, "HSCAN h CURSOR MATCH key:1?? COUNT 7", |_| ()).len(), 200);
}

#[test]
fn a_large_sorted_set_is_walked_like_the_keys() {
    let mut node = Node::new();
    for i in 0..1000 {
        node.run(&format!("ZADD z {i} key:{i}"));
    }
    assert_eq!(node.run("OBJECT ENCODING z").as_str(), Some("skiplist"));
    let mut added = 0;
    let found = walk(&mut node, "ZSCAN z CURSOR", |node| {
        node.run(&format!("ZADD z {added} added:{added}"));
        node.run(&format!("ZREM z added:{}", added / 2));
        added += 1;
    });
    let members: BTreeSet<&String> = found
        .chunks(2)
        .inspect(|pair| assert_eq!(pair[0].rsplit(':').next(), Some(pair[1].as_str())))
        .map(|pair| &pair[0])
        .filter(|member| member.starts_with("key:"))
        .collect();
    assert_eq!(members.len(), 1000);
    assert_eq!(walk(&mut node, "ZSCAN z CURSOR MATCH key:1?? COUNT 7", |_| ()).len(), 200);
}

#[test]
fn fields_that_stay_are_shown_while_a_hash_shrinks() {
    let mut node = Node::new();
    for i in 0..600 {
        node.run(&format!("HSET h {i} v"));
    }
    let mut removed = 100;
    let found = walk(&mut node, "HSCAN h CURSOR COUNT 10", |node| {
        for _ in 0..50 {
            node.run(&format!("HDEL h {removed}"));
            removed += 1;
        }
    });
    let found = sorted(found.chunks(2).map(|pair| pair[0].clone()).collect());
    for i in 0..100 {
        assert!(found.contains(&i.to_string()), "field {i}");
    }
}

#[test]
fn a_set_table_is_walked_like_the_keys() {
    let mut node = Node::new();
    for i in 0..1000 {
        node.run(&format!("SADD s key:{i}"));
    }
    assert_eq!(node.run("OBJECT ENCODING s").as_str(), Some("hashtable"));
    let mut added = 0;
    let found = walk(&mut node, "SSCAN s CURSOR", |node| {
        node.run(&format!("SADD s added:{added}"));
        node.run(&format!("SREM s added:{}", added / 2));
        added += 1;
    });
    assert_eq!(sorted(found).iter().filter(|member| member.starts_with("key:")).count(), 1000);
    assert_eq!(walk(&mut node, "SSCAN s CURSOR MATCH key:1?? COUNT 7", |_| ()).len(), 100);
}

#[test]
fn any_cursor_is_answered() {
    let mut node = Node::new();
    populate(&mut node, 300);
    for i in 0..300 {
        node.run(&format!("HSET h {i} v"));
    }
    for cursor in ["1", "281474976710655", "281474976710656", "18446744073709551615", "-1"] {
        for line in [format!("SCAN {cursor}"), format!("HSCAN h {cursor}")] {
            let reply = node.run(&line);
            assert!(matches!(reply, Value::Array(_)), "{line}: {reply:?}");
        }
    }
}
