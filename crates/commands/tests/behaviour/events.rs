//! Keyspace notifications: which, and in which order, as Redis emits them.

use crate::node::Node;

fn check(setup: &[&str], line: &str, expected: &[&str]) {
    let mut node = Node::new();
    for line in setup {
        node.run(line);
    }
    assert_eq!(node.events(line), expected, "{line}");
}

#[test]
fn keys() {
    check(&["SET a 1", "SET b 1"], "DEL a missing b a", &["del a", "del b"]);
    check(&["SET a 1"], "UNLINK a", &["del a"]);
    check(&[], "DEL a", &[]);
    check(&["SET a 1"], "EXPIRE a 10", &["expire a"]);
    check(&["SET a 1"], "PEXPIREAT a 1", &["del a"]);
    check(&["SET a 1"], "EXPIRE a 10 XX", &[]);
    check(&[], "EXPIRE a 10", &[]);
    check(&["SET a 1 EX 10"], "PERSIST a", &["persist a"]);
    check(&["SET a 1"], "PERSIST a", &[]);
    check(&["SET a 1"], "RENAME a b", &["new b", "rename_from a", "rename_to b"]);
    check(&["SET a 1", "SET b 1"], "RENAME a b", &["new b", "rename_from a", "rename_to b"]);
    check(&["SET a 1"], "RENAME a a", &[]);
    check(&["SET a 1", "SET b 1"], "RENAMENX a b", &[]);
    check(&["SET a 1"], "COPY a b", &["new b", "copy_to b"]);
    check(&["SET a 1", "SET b 1"], "COPY a b REPLACE", &["new b", "copy_to b"]);
    check(&["SET a 1"], "COPY a a DB 3", &["new a@3", "copy_to a@3"]);
    check(&["SET a 1"], "MOVE a 3", &["new a@3", "move_from a", "move_to a@3"]);
    check(&["SET a 1"], "FLUSHALL", &[]);
    check(&["SET a 1"], "SWAPDB 0 1", &[]);
}

#[test]
fn hashes() {
    check(&[], "HSET h a 1 b 2", &["new h", "hset h"]);
    check(&["HSET h a 1"], "HSET h a 1", &["hset h"]);
    check(&["HSET h a 1"], "HMSET h b 1", &["hset h"]);
    check(&["HSET h a 1"], "HSETNX h b 1", &["hset h"]);
    check(&["HSET h a 1"], "HSETNX h a 1", &[]);
    check(&["HSET h a 1 b 2"], "HDEL h a x", &["hdel h"]);
    check(&["HSET h a 1 b 2"], "HDEL h a b", &["hdel h", "del h"]);
    check(&["HSET h a 1"], "HDEL h x", &[]);
    check(&[], "HINCRBY h a 1", &["new h", "hincrby h"]);
    check(&["HSET h a x"], "HINCRBY h a 1", &[]);
    check(&["HSET h a 1"], "HINCRBYFLOAT h a 1", &["hincrbyfloat h"]);
}

#[test]
fn an_expired_key_goes_with_its_event_when_it_is_touched() {
    for (line, expected) in [
        ("DEL a", &["expired a"][..]),
        ("SET a 2", &["expired a", "new a", "set a"]),
        ("HSET a f v", &["expired a", "new a", "hset a"]),
        ("RENAME b a", &["expired a", "new a", "rename_from b", "rename_to a"]),
        ("COPY b a", &["expired a", "new a", "copy_to a"]),
    ] {
        let mut node = Node::new();
        node.run("SET b 1");
        node.run("SET a 1 PX 10");
        node.wait(10);
        assert_eq!(node.events(line), expected, "{line}");
    }
}
