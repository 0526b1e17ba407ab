//! What a command costs at apply: look-up in the table, execution, reply, on a state of 100,000 keys.
//!
//! `cargo bench -p quorate-benches --bench apply`; criterion's time is that of one command.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use quorate_commands::{Args, EventClasses, Events, Read, Route, State, WriteContext, read, resolve, write};
use quorate_keyspace::{DbIndex, Millis, Rng, Seed, Version};
use quorate_resp::{Protocol, Reply};

/// A name, the arguments that vary, and those that do not.
type Case<'a> = (&'a str, Vec<String>, &'a [&'a [u8]]);

const KEYS: usize = 100_000;
const NOW: Millis = Millis(1_700_000_000_000);

/// A state, and the log position that it has reached.
struct Node {
    state: State,
    version: Version,
    rng: Rng,
    events: Events,
    reply: Reply,
}

impl Node {
    fn new() -> Node {
        let mut node = Node {
            state: State::new(Seed([7; 16])),
            version: Version(0),
            rng: Rng::from_u64(1),
            events: Events::new(EventClasses::NONE),
            reply: Reply::new(Protocol::Resp2),
        };
        let value = [b'v'; 64];
        for i in 0..KEYS {
            node.run(&[b"SET", format!("key:{i:012}").as_bytes(), &value]);
            if i % 10 == 0 {
                node.run(&[b"HSET", format!("hash:{i:012}").as_bytes(), b"field", &value]);
                node.run(&[b"SET", format!("number:{i:012}").as_bytes(), b"0"]);
            }
        }
        node
    }

    fn run(&mut self, args: &[&[u8]]) {
        let args = Args::new(args);
        let command = resolve(args).expect("the bench sends what there is");
        self.version.0 += 1;
        let (db, now) = (DbIndex::ZERO, NOW);
        if matches!(command.route, Route::Read(_)) {
            let context =
                Read { state: &self.state, db, now, seed: 0, node: None, lookups: None, user: None };
            read(&context, command, args, &mut self.reply);
        } else {
            let (version, rng, events) = (self.version, &mut self.rng, &mut self.events);
            let context = WriteContext { db, now, version, rng, events, node: None, user: None };
            write(&mut self.state, context, command, args, &mut self.reply);
        }
        black_box(self.reply.as_bytes());
        self.reply.truncate(0);
    }
}

/// Keys in an order that no cache foresees, made before the clock runs.
fn keys(prefix: &str, step: usize) -> Vec<String> {
    (0..KEYS).map(|i| format!("{prefix}:{:012}", i * 40_503 % KEYS / step * step)).collect()
}

fn apply(c: &mut Criterion) {
    let mut node = Node::new();
    let value = [b'w'; 64];
    let cases: [Case<'_>; 6] = [
        ("SET 64 bytes", keys("key", 1), &[b"SET", b"", &value]),
        ("SET 64 bytes with EX", keys("key", 1), &[b"SET", b"", &value, b"EX", b"100"]),
        ("GET", keys("key", 1), &[b"GET", b""]),
        ("INCR", keys("number", 10), &[b"INCR", b""]),
        ("INCRBYFLOAT", keys("float", 10), &[b"INCRBYFLOAT", b"", b"0.1"]),
        ("HSET", keys("hash", 10), &[b"HSET", b"", b"field", &value]),
    ];
    for (name, keys, request) in cases {
        let mut next = 0;
        c.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut args: Vec<&[u8]> = request.to_vec();
                args[1] = keys[next % KEYS].as_bytes();
                next += 1;
                node.run(&args);
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(2));
    targets = apply
}
criterion_main!(benches);
