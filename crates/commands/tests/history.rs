//! Replies, events and state follow from the log alone: a node that was restored from a snapshot in the middle goes
//! on exactly as one that was there from the beginning.

use proptest::prelude::*;
use quorate_commands::{Args, EventClasses, Events, State, WriteContext, resolve, write};
use quorate_keyspace::{DbIndex, Millis, Rng, Seed, Version};
use quorate_resp::{Protocol, Reply};

/// One request and how much later than the one before it comes.
#[derive(Debug, Clone)]
struct Step {
    request: Vec<Vec<u8>>,
    later_millis: i64,
}

/// A node: its state, and how far it has applied the log.
struct Node {
    state: State,
    index: u64,
    clock: Millis,
}

impl Node {
    fn new() -> Node {
        Node { state: State::new(Seed([7; 16])), index: 0, clock: Millis(1_700_000_000_000) }
    }

    /// The same node after its state went through a snapshot.
    fn restored(&self) -> Node {
        Node { state: through_snapshot(&self.state), index: self.index, clock: self.clock }
    }

    /// Applies a step; what its client and the subscribers see.
    fn apply(&mut self, step: &Step) -> (Vec<u8>, String) {
        self.index += 1;
        self.clock.0 += step.later_millis;
        let args: Vec<&[u8]> = step.request.iter().map(Vec::as_slice).collect();
        let args = Args::new(&args);
        let mut reply = Reply::new(Protocol::Resp3);
        let mut events = Events::new(EventClasses::parse(b"KEAnm").expect("known letters"));
        match resolve(args) {
            Err(error) => reply.error(&error.to_string()),
            Ok(command) => {
                let context = WriteContext {
                    db: DbIndex::ZERO,
                    now: self.clock,
                    version: Version(self.index),
                    rng: &mut Rng::from_u64(self.index),
                    events: &mut events,
                };
                write(&mut self.state, context, command, args, &mut reply);
            }
        }
        (reply.take().to_vec(), format!("{:?}", events.take()))
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
            witness.apply(step);
        }
        let mut restored = witness.restored();
        prop_assert_eq!(witness.state.digest(), restored.state.digest());
        for step in &after {
            prop_assert_eq!(witness.apply(step), restored.apply(step), "{:?}", step);
        }
        prop_assert_eq!(witness.state.digest(), restored.state.digest());
    }

    #[test]
    fn a_failed_command_changes_nothing(steps in prop::collection::vec(step(), 1..120)) {
        let mut node = Node::new();
        for step in &steps {
            let digest = node.state.digest();
            let (reply, events) = node.apply(step);
            if reply.starts_with(b"-") {
                prop_assert_eq!(node.state.digest(), digest, "{:?}", step);
                prop_assert_eq!(events, "[]", "{:?}", step);
            }
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    (request(), prop_oneof![4 => Just(0), 1 => 1..2_000_i64])
        .prop_map(|(request, later_millis)| Step { request, later_millis })
}

/// A request over few keys and fields, so that commands meet; `K`, `F`, `V`, `N` and `T` in the templates stand for
/// a key, a field, a value, a number and a time.
fn request() -> impl Strategy<Value = Vec<Vec<u8>>> {
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
        "NOSUCH K",
        "GET",
    ];
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
        "T" => one_of(&["1", "10", "500", "1000", "100000"]),
        _ => Just(word.as_bytes().to_vec()).boxed(),
    }
}
