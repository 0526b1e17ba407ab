//! Which commands count as a change of a key, for WATCH: exactly those that change it.

use crate::node::Node;

const SETUP: &[&str] = &[
    "SET s 1",
    "SET volatile 1 EX 100",
    "HSET h a 1 b x",
    "SET other 1",
    "XADD x 1 a 1",
    "XGROUP CREATE x g 0",
    "ZADD z 1 a 2 b",
    "PFADD p a",
];

fn check(key: &str, line: &str, changes: bool) {
    let mut node = Node::new();
    for line in SETUP {
        node.run(line);
    }
    let before = node.version(key);
    node.run(line);
    assert_eq!(node.version(key) != before, changes, "{line}: {key}");
}

#[test]
fn changes_count() {
    for (key, line) in [
        ("s", "DEL s"),
        ("s", "EXPIRE s 10"),
        ("s", "EXPIRE s -1"),
        ("volatile", "PERSIST volatile"),
        ("s", "RENAME s t"),
        ("t", "RENAME s t"),
        ("other", "RENAME s other"),
        ("t", "COPY s t"),
        ("other", "COPY s other REPLACE"),
        ("s", "MOVE s 1"),
        ("s", "FLUSHDB"),
        ("s", "FLUSHALL"),
        ("s", "SWAPDB 0 1"),
        ("h", "HSET h a 1"),
        ("h", "HMSET h c 1"),
        ("h", "HSETNX h c 1"),
        ("h", "HDEL h a"),
        ("h", "HDEL h a b"),
        ("h", "HINCRBY h a 0"),
        ("h", "HINCRBYFLOAT h a 1"),
        ("new", "HSET new a 1"),
        ("z", "ZADD z 3 c"),
        ("z", "ZADD z 3 a"),
        ("z", "ZINCRBY z 1 a"),
        ("z", "ZREM z a"),
        ("z", "ZPOPMIN z"),
        ("z", "ZREMRANGEBYRANK z 0 0"),
        ("z", "ZUNIONSTORE z 1 z"),
        ("other", "ZRANGESTORE other z 5 6"),
        ("p", "PFADD p b"),
        ("p", "PFMERGE p"),
        ("new", "PFADD new"),
        ("s", "SETBIT s 2 0"),
        ("s", "BITFIELD s INCRBY u8 0 1"),
        ("new", "BITOP NOT new s"),
        ("x", "XADD x * a 1"),
        ("x", "XDEL x 1"),
        ("x", "XTRIM x MAXLEN 0"),
        ("x", "XSETID x 5"),
        ("new", "XGROUP CREATE new g $ MKSTREAM"),
    ] {
        check(key, line, true);
    }
}

#[test]
fn what_changes_nothing_does_not_count() {
    for (key, line) in [
        ("s", "TOUCH s"),
        ("s", "EXPIRE s 10 XX"),
        ("volatile", "EXPIRE volatile 10 GT"),
        ("s", "EXPIRE s x"),
        ("s", "PERSIST s"),
        ("s", "RENAME s s"),
        ("s", "RENAMENX s other"),
        ("other", "RENAMENX s other"),
        ("s", "COPY s t"),
        ("other", "COPY s other"),
        ("s", "MOVE s 0"),
        ("s", "SWAPDB 1 2"),
        ("s", "HSET s a 1"),
        ("h", "HSETNX h a 1"),
        ("h", "HDEL h x"),
        ("h", "HINCRBY h b 1"),
        ("h", "HINCRBYFLOAT h b 1"),
        ("h", "HSET h a 1 b"),
        ("h", "HGETALL h"),
        ("h", "HSCAN h 0"),
        ("h", "HRANDFIELD h"),
        ("z", "ZADD z 1 a"),
        ("z", "ZADD z XX 1 c"),
        ("z", "ZADD z NX 5 a"),
        ("z", "ZADD z GT INCR -1 a"),
        ("z", "ZINCRBY z 0 a"),
        ("z", "ZINCRBY z nan a"),
        ("z", "ZREM z x"),
        ("z", "ZPOPMIN z 0"),
        ("z", "ZREMRANGEBYSCORE z 5 6"),
        ("z", "ZRANDMEMBER z"),
        ("missing", "ZRANGESTORE missing z 5 6"),
        ("p", "PFADD p a"),
        ("p", "PFCOUNT p"),
        ("p", "PFDEBUG ENCODING p"),
        ("s", "SETBIT s 0 0"),
        ("s", "BITFIELD s SET u8 0 49 GET u8 0"),
        ("x", "XDEL x 2"),
        ("x", "XTRIM x MAXLEN 1"),
        ("x", "XTRIM x MINID 1"),
        ("x", "XREADGROUP GROUP g c STREAMS x >"),
        ("x", "XACK x g 1"),
        ("x", "XGROUP CREATECONSUMER x g c"),
    ] {
        check(key, line, false);
    }
}
