//! How much one write does to a huge value while a snapshot of it is held, and how much its removal does at once,
//! in bytes that the apply thread allocates and frees: what stalls is copying or freeing a value whole.
//!
//! Times are printed by `benches/stalls/run`.

use quorate_commands::{Args, EventClasses, Events, State, WriteContext, resolve, write};
use quorate_keyspace::{DbIndex, Garbage, Millis, Rng, Seed, Version};
use quorate_resp::{Protocol, Reply};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ELEMENTS: u64 = 10_000;
/// A bucket or a block and a node for each level above it, of all structures that a value has.
const BYTES_PER_WRITE_MAX: u64 = 64 * 1024;
const NOW: Millis = Millis(1_700_000_000_000);

struct Node {
    state: State,
    rng: Rng,
    events: Events,
    reply: Reply,
    version: Version,
}

impl Node {
    fn new() -> Node {
        Node {
            state: State::new(Seed([7; 16])),
            rng: Rng::from_u64(1),
            events: Events::new(EventClasses::NONE),
            reply: Reply::new(Protocol::Resp2),
            version: Version(0),
        }
    }

    /// Runs a request; the bytes that were allocated and freed meanwhile, and what is to be freed elsewhere.
    fn run(&mut self, request: &str) -> (u64, u64, Vec<Garbage>) {
        let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        let args = Args::new(&words);
        let command = resolve(args).expect("a good request");
        self.version.0 += 1 << 20;
        self.reply.truncate(0);
        let (allocated, freed) = (allocated_bytes(), freed_bytes());
        let context = WriteContext {
            db: DbIndex::ZERO,
            now: NOW,
            version: self.version,
            rng: &mut self.rng,
            events: &mut self.events,
            node: None,
        };
        write(&mut self.state, context, command, args, &mut self.reply);
        let garbage = self.state.keyspace.take_garbage();
        let work = (allocated_bytes() - allocated, freed_bytes() - freed);
        assert!(!self.reply.as_bytes().starts_with(b"-"), "{request}");
        (work.0, work.1, garbage)
    }
}

fn allocated_bytes() -> u64 {
    tikv_jemalloc_ctl::thread::allocatedp::read().expect("the allocator counts").get()
}

fn freed_bytes() -> u64 {
    tikv_jemalloc_ctl::thread::deallocatedp::read().expect("the allocator counts").get()
}

/// For each type: what adds the n-th element, and what changes the value at a place of it.
type Kind = (&'static str, fn(u64) -> String, fn(u64) -> String);

const KINDS: [Kind; 5] = [
    ("hash", |n| format!("HSET key field:{n} value:{n}"), |n| format!("HSET key field:{n} another")),
    ("set", |n| format!("SADD key member:{n}"), |n| format!("SREM key member:{n}")),
    (
        "sorted set",
        |n| format!("ZADD key {n} member:{n}"),
        |n| format!("ZADD key {} member:{n}", n * 7919 % 9973),
    ),
    ("list", |n| format!("RPUSH key element:{n:0>100}"), |n| format!("LSET key {n} another")),
    ("stream", |n| format!("XADD key {}-1 field {n}", n + 1), |n| format!("XDEL key {}-1", n + 1)),
];

fn filled(add: fn(u64) -> String) -> Node {
    let mut node = Node::new();
    (0..ELEMENTS).for_each(|n| drop(node.run(&add(n))));
    node
}

#[test]
fn no_write_beside_a_snapshot_copies_a_huge_value() {
    for (name, add, change) in KINDS {
        let mut node = filled(add);
        let mut rng = Rng::from_u64(7);
        let snapshot = node.state.capture();
        let before = snapshot.digest();
        for n in 0..2000 {
            let request = if n % 10 == 0 { add(ELEMENTS + n) } else { change(rng.below(ELEMENTS)) };
            let (allocated, freed, _) = node.run(&request);
            assert!(allocated <= BYTES_PER_WRITE_MAX, "{name}: {request} allocates {allocated} B");
            assert!(freed <= BYTES_PER_WRITE_MAX, "{name}: {request} frees {freed} B");
        }
        assert_eq!(snapshot.digest(), before, "{name}");
    }
}

/// What removes the value: the bytes that it allocated and freed, and what is to be freed elsewhere.
type Removal = fn(&mut Node) -> (u64, u64, Vec<Garbage>);

#[test]
fn no_removal_of_a_huge_value_frees_it_at_once() {
    let removals: [Removal; 6] = [
        |node| node.run("DEL key"),
        |node| node.run("UNLINK key"),
        |node| node.run("FLUSHALL"),
        |node| node.run("SET key value"),
        |node| {
            drop(node.run("SET other value"));
            node.run("RENAME other key")
        },
        |node| {
            drop(node.run("PEXPIRE key 1"));
            let (allocated, freed) = (allocated_bytes(), freed_bytes());
            let expired = node.state.keyspace.expire_slice(Millis(NOW.0 + 1), 10);
            assert_eq!(expired.len(), 1);
            let garbage = node.state.keyspace.take_garbage();
            (allocated_bytes() - allocated, freed_bytes() - freed, garbage)
        },
    ];
    for (name, add, _) in KINDS {
        for (n, remove) in removals.iter().enumerate() {
            let mut node = filled(add);
            let (allocated, freed, garbage) = remove(&mut node);
            assert!(allocated <= BYTES_PER_WRITE_MAX, "{name}, removal {n}: allocates {allocated} B");
            assert!(freed <= BYTES_PER_WRITE_MAX, "{name}, removal {n}: frees {freed} B");
            let before = freed_bytes();
            drop(garbage);
            assert!(freed_bytes() - before > BYTES_PER_WRITE_MAX, "{name}, removal {n}: the rest was kept");
        }
    }
}
