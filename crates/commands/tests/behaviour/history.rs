//! Replies, events and state follow from the log alone: a node that was restored from a snapshot in the middle goes
//! on exactly as one that was there from the beginning.

use std::fmt;

use proptest::prelude::*;
use quorate_commands::State;

use crate::node::Node;

/// One request and how much later than the one before it comes.
#[derive(Clone)]
struct Step {
    request: Vec<Vec<u8>>,
    later_millis: i64,
}

/// As in a golden script, so that a failure can be replayed as one.
impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let args = self.request.iter().map(|arg| format!("\"{}\"", arg.escape_ascii()));
        write!(f, "time +{} > {}", self.later_millis, args.collect::<Vec<_>>().join(" "))
    }
}

impl Step {
    /// Applies the step; what its client and the subscribers see.
    fn apply(&self, node: &mut Node) -> (Vec<u8>, Vec<String>) {
        node.wait(self.later_millis);
        let request: Vec<&[u8]> = self.request.iter().map(Vec::as_slice).collect();
        let (reply, events) = node.apply(&request);
        (reply.to_vec(), events)
    }
}

impl Node {
    /// The same node after its state went through a snapshot.
    fn restored(&self) -> Node {
        let state = State::decode(self.state.capture().encode()).expect("a whole snapshot");
        Node { state, index: self.index, clock: self.clock, protocol: self.protocol }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_restored_node_goes_on_alike(
        before in prop::collection::vec(step(), 0..120),
        after in prop::collection::vec(step(), 1..120),
    ) {
        let mut witness = Node::new();
        for step in &before {
            step.apply(&mut witness);
        }
        let mut restored = witness.restored();
        prop_assert_eq!(witness.state.digest(), restored.state.digest());
        for step in &after {
            prop_assert_eq!(step.apply(&mut witness), step.apply(&mut restored), "{:?}", step);
        }
        prop_assert_eq!(witness.state.digest(), restored.state.digest());
    }

    #[test]
    fn a_failed_command_changes_nothing(steps in prop::collection::vec(step(), 1..120)) {
        let mut node = Node::new();
        for step in &steps {
            let digest = node.state.digest();
            let (reply, events) = step.apply(&mut node);
            if reply.starts_with(b"-") {
                prop_assert_eq!(node.state.digest(), digest, "{:?}", step);
                prop_assert_eq!(events, Vec::<String>::new(), "{:?}", step);
            }
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    (request(), prop_oneof![4 => Just(0), 1 => 1..2_000_i64])
        .prop_map(|(request, later_millis)| Step { request, later_millis })
}

/// Requests over few keys and fields, so that commands meet; `K`, `F`, `V`, `N`, `L` and `T` stand for a key, a field,
/// a value, a number, a limit and a time, and so on.
const TEMPLATES: &[&str] = &[
    "SET K V",
    "SET K V PX T",
    "SET K V KEEPTTL GET",
    "GET K",
    "GETSET K V",
    "GETDEL K",
    "GETEX K PX T",
    "APPEND K V",
    "SETRANGE K 3 V",
    "INCR K",
    "INCRBY K N",
    "INCRBYFLOAT K N",
    "STRLEN K",
    "MSET K V K V",
    "MSETNX K V K V",
    "MGET K K K",
    "DEL K K",
    "UNLINK K",
    "EXISTS K K",
    "TOUCH K",
    "TYPE K",
    "RENAME K K",
    "RENAMENX K K",
    "COPY K K",
    "COPY K K REPLACE",
    "COPY K K DB 1 REPLACE",
    "MOVE K 1",
    "SWAPDB 0 1",
    "EXPIRE K N",
    "PEXPIRE K T",
    "PEXPIRE K T NX",
    "PEXPIRE K T XX",
    "PEXPIRE K T GT",
    "PEXPIRE K T LT",
    "PERSIST K",
    "PTTL K",
    "PEXPIRETIME K",
    "OBJECT ENCODING K",
    "OBJECT REFCOUNT K",
    "RANDOMKEY",
    "KEYS *",
    "SCAN 0 COUNT 3",
    "SCAN N COUNT 2 TYPE hash",
    "DBSIZE",
    "HSET K F V",
    "HSET K F V F V F V",
    "HSETNX K F V",
    "HGET K F",
    "HMGET K F F",
    "HGETALL K",
    "HKEYS K",
    "HVALS K",
    "HLEN K",
    "HSTRLEN K F",
    "HEXISTS K F",
    "HDEL K F F",
    "HINCRBY K F N",
    "HINCRBYFLOAT K F N",
    "HRANDFIELD K",
    "HRANDFIELD K 2 WITHVALUES",
    "HRANDFIELD K -3",
    "HSCAN K 0 COUNT 2",
    "HSCAN K N",
    "SADD K V",
    "SADD K F F V",
    "SADD K N F",
    "SREM K F F",
    "SMOVE K K F",
    "SCARD K",
    "SISMEMBER K F",
    "SMISMEMBER K F V",
    "SMEMBERS K",
    "SRANDMEMBER K",
    "SRANDMEMBER K -3",
    "SPOP K",
    "SPOP K 2",
    "SINTER K K",
    "SINTERCARD 2 K K LIMIT 1",
    "SUNION K K",
    "SDIFF K K K",
    "SINTERSTORE K K K",
    "SUNIONSTORE K K K",
    "SDIFFSTORE K K K",
    "SSCAN K 0 COUNT 2",
    "LPUSH K V",
    "LPUSH K F F V",
    "RPUSH K V",
    "RPUSH K N F V",
    "LPUSHX K V",
    "RPUSHX K F F",
    "LPOP K",
    "RPOP K",
    "LPOP K 3",
    "RPOP K N",
    "LLEN K",
    "LINDEX K N",
    "LINSERT K BEFORE F V",
    "LINSERT K AFTER V F",
    "LRANGE K 0 -1",
    "LRANGE K N N",
    "LREM K N F",
    "LREM K 0 V",
    "LSET K 0 V",
    "LSET K N V",
    "LTRIM K 1 -2",
    "LTRIM K N N",
    "LPOS K F COUNT 0",
    "LPOS K V RANK N",
    "LMOVE K K LEFT RIGHT",
    "LMOVE K K RIGHT LEFT",
    "RPOPLPUSH K K",
    "LMPOP 2 K K LEFT",
    "BLPOP K K 0",
    "BRPOP K K 0",
    "BLMPOP 0 2 K K LEFT COUNT 2",
    "BLMOVE K K LEFT RIGHT 0",
    "BRPOPLPUSH K K 0",
    "LMPOP 2 K K RIGHT COUNT 3",
    "CONFIG SET list-max-listpack-size L",
    "CONFIG SET set-max-intset-entries L",
    "SORT K",
    "SORT K ALPHA DESC",
    "SORT K BY K* GET # GET K* STORE K",
    "SORT_RO K BY nosort LIMIT 1 2",
    "ZADD K S F",
    "ZADD K S F S F S F",
    "ZADD K NX CH S F S F",
    "ZADD K XX GT INCR S F",
    "ZINCRBY K S F",
    "ZREM K F F",
    "ZRANGE K 0 -1 WITHSCORES",
    "ZRANGE K S S BYSCORE REV LIMIT 0 2",
    "ZRANGEBYLEX K [F (F",
    "ZRANGESTORE K K 0 N",
    "ZRANGESTORE K K S S BYSCORE",
    "ZRANK K F",
    "ZMSCORE K F F",
    "ZCOUNT K S (S",
    "ZPOPMIN K",
    "ZPOPMAX K 3",
    "ZMPOP 2 K K MIN COUNT 2",
    "BZPOPMIN K K 0",
    "BZPOPMAX K K 0",
    "BZMPOP 0 2 K K MAX COUNT 2",
    "ZREMRANGEBYRANK K 1 N",
    "ZREMRANGEBYSCORE K S S",
    "ZREMRANGEBYLEX K - [F",
    "ZUNIONSTORE K 2 K K WEIGHTS S S",
    "ZINTERSTORE K 2 K K AGGREGATE MIN",
    "ZDIFFSTORE K 2 K K",
    "ZUNION 2 K K WITHSCORES",
    "ZINTERCARD 2 K K LIMIT 3",
    "ZRANDMEMBER K -2 WITHSCORES",
    "ZRANDMEMBER K 3",
    "ZSCAN K N COUNT 2",
    "GEOADD K 13.36 38.11 F 15.08 37.50 F",
    "GEOSEARCH K FROMMEMBER F BYRADIUS 500 km ASC WITHDIST",
    "GEOSEARCHSTORE K K FROMLONLAT 15 37 BYBOX 400 400 km STOREDIST",
    "GEORADIUS K 15 37 200 km STORE K",
    "PFADD K F F",
    "PFADD K F F F F F F",
    "PFCOUNT K K",
    "PFMERGE K K K",
    "PFDEBUG TODENSE K",
    "SETBIT K N 1",
    "GETBIT K N",
    "BITCOUNT K",
    "BITOP XOR K K K",
    "BITFIELD K INCRBY i5 N N OVERFLOW FAIL SET u8 #1 N",
    "XADD Q * F V F V",
    "XADD Q * F V",
    "XADD Q I F V",
    "XADD Q MAXLEN 5 * F V",
    "XADD Q MINID ~ I * F V",
    "XADD K * F V",
    "XLEN Q",
    "XRANGE Q I + COUNT 3",
    "XREVRANGE Q + I",
    "XDEL Q I I",
    "XTRIM Q MAXLEN 3",
    "XTRIM Q MINID I",
    "XSETID Q I ENTRIESADDED N MAXDELETEDID I",
    "XREAD COUNT 2 STREAMS Q Q I I",
    "XGROUP CREATE Q G I MKSTREAM",
    "XGROUP CREATE Q G $ ENTRIESREAD N",
    "XGROUP SETID Q G I",
    "XGROUP DESTROY Q G",
    "XGROUP CREATECONSUMER Q G C",
    "XGROUP DELCONSUMER Q G C",
    "XREADGROUP GROUP G C COUNT 2 STREAMS Q >",
    "XREADGROUP GROUP G C NOACK STREAMS Q >",
    "XREADGROUP GROUP G C BLOCK 0 STREAMS Q >",
    "XREADGROUP GROUP G C STREAMS Q Q > I",
    "XACK Q G I I",
    "XPENDING Q G",
    "XPENDING Q G IDLE T - + 5 C",
    "XCLAIM Q G C 0 I I FORCE",
    "XCLAIM Q G C T I JUSTID LASTID I",
    "XAUTOCLAIM Q G C 0 I COUNT 2",
    "XINFO STREAM Q FULL",
    "XINFO GROUPS Q",
    "XINFO CONSUMERS Q G",
    "ACL SETUSER K on >V ~K +@read (+set)",
    "ACL DELUSER K",
    "CONFIG SET stream-node-max-entries 3",
    "COPY Q Q REPLACE",
    "DUMP K",
    "DUMP Q",
    "RESTORE K 0 V REPLACE",
    "RESTORE-ASKING K 0 V REPLACE",
    "PUBLISH K V",
    "SPUBLISH K V",
    "BITFIELD_RO K GET u8 N",
    "BITPOS K 1",
    "MEMORY USAGE K",
    "GEODIST K F F km",
    "GEOHASH K F F",
    "GEOPOS K F F",
    "GEORADIUS_RO K 15 37 200 km WITHHASH",
    "GEORADIUSBYMEMBER K F 100 km STOREDIST K",
    "GEORADIUSBYMEMBER_RO K F 100 km DESC",
    "HMSET K F V F V",
    "EXPIREAT K 1700000001",
    "PEXPIREAT K 1700000000500 NX",
    "EXPIRETIME K",
    "TTL K",
    "OBJECT FREQ K",
    "OBJECT IDLETIME K",
    "FUNCTION FLUSH",
    "ZCARD K",
    "ZDIFF 2 K K WITHSCORES",
    "ZINTER 2 K K WEIGHTS S S",
    "ZLEXCOUNT K [F (F",
    "ZRANGEBYSCORE K S (S WITHSCORES",
    "ZREVRANGE K 0 N WITHSCORES",
    "ZREVRANGEBYLEX K [F (F LIMIT 0 2",
    "ZREVRANGEBYSCORE K S S",
    "ZREVRANK K F",
    "ZSCORE K F",
    "DECR K",
    "DECRBY K N",
    "GETRANGE K 0 N",
    "SUBSTR K 1 -2",
    "LCS K K IDX",
    "PSETEX K T V",
    "SETEX K 1 V",
    "SETNX K V",
    "NOSUCH K",
    "GET",
];

/// A request of one of the templates.
fn request() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let templates = prop_oneof![
        300 => prop::sample::select(TEMPLATES),
        1 => Just("FLUSHDB"),
        1 => Just("FLUSHALL"),
    ];
    templates.prop_flat_map(|template| template.split(' ').map(word).collect::<Vec<_>>())
}

fn word(word: &'static str) -> BoxedStrategy<Vec<u8>> {
    let one_of = |words: &'static [&'static str]| {
        prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec()).boxed()
    };
    match word {
        "K" => one_of(&["a", "b", "c", "d", "h", ""]),
        "F" => prop_oneof![
            4 => one_of(&["f", "g", "", "1"]),
            // Enough fields, and long ones, for the second encoding.
            2 => (0..400_u32).prop_map(|n| n.to_string().into_bytes()),
            1 => Just(vec![b'f'; 70]),
        ]
        .boxed(),
        "V" => prop_oneof![
            3 => one_of(&["v", "", "1", "-7", "2.5", "9223372036854775807", "00"]),
            1 => prop::collection::vec(any::<u8>(), 0..100),
        ]
        .boxed(),
        "N" => one_of(&["0", "1", "-1", "17", "9223372036854775807", "0.5", "x"]),
        "L" => one_of(&["3", "100", "-1"]),
        "K*" => one_of(&["*", "f*", "h->*", "*->f", "x"]),
        "S" => one_of(&["0", "1", "-1.5", "2", "3", "inf", "-inf", "-0", "0.1", "x"]),
        "[F" => one_of(&["[", "[f", "(g", "[1", "-", "+", "f"]),
        "(F" => one_of(&["(", "(f", "[g", "[300", "+", "-"]),
        "(S" => one_of(&["(0", "(3", "2", "inf", "(-inf"]),
        "Q" => one_of(&["s", "t"]),
        "G" => one_of(&["g", "h"]),
        "C" => one_of(&["alice", "bob", "somebody with a longer name"]),
        // Where the agreed time begins, a bit later, and long before.
        "I" => prop_oneof![
            one_of(&["0", "1-1", "2", "7-3", "-", "18446744073709551615-18446744073709551614"]),
            (0..40_u32, 0..4_u32).prop_map(|(ms, seq)| format!("{ms}-{seq}").into_bytes()),
        ]
        .boxed(),
        "T" => one_of(&["1", "10", "500", "1000", "100000"]),
        _ => Just(word.as_bytes().to_vec()).boxed(),
    }
}

/// What the property is true of: a command of the table that works on data is among the templates.
#[test]
fn every_command_on_data_is_among_the_templates() {
    let mut asked = std::collections::BTreeSet::new();
    for template in TEMPLATES.iter().chain(&["FLUSHDB", "FLUSHALL"]) {
        let request: Vec<&[u8]> = template.split(' ').map(str::as_bytes).collect();
        if let Ok(command) = quorate_commands::resolve(quorate_commands::Args::new(&request)) {
            asked.insert(command.full_name());
        }
    }
    let all = quorate_commands::commands();
    let all = all.flat_map(|command| std::iter::once(command).chain(command.subcommands));
    // What scripts do follows from the commands that they run; they have properties of their own.
    let all = all.filter(|command| command.group != quorate_commands::Group::Scripting);
    let on_data = all.filter(|command| match command.route {
        quorate_commands::Route::Write(_) => true,
        quorate_commands::Route::Read(_) => !command.stateless && !command.keys.is_empty(),
        _ => false,
    });
    let missing: Vec<String> =
        on_data.map(quorate_commands::Command::full_name).filter(|name| !asked.contains(name)).collect();
    assert!(missing.is_empty(), "no template of {missing:?}");
}
