//! How long apply stands still around huge values: the longest write while a snapshot of the value is captured
//! and written, and the time that its removal takes, by every way in which it can go.
//!
//! Times are of the clock; where the thread was taken off its core meanwhile, a pause is left out and counted,
//! because a test machine is shared; a removal that seems disturbed is tried again. `benches/stalls/run` prints the tables.

use std::hint::black_box;
use std::time::{Duration, Instant};

use quorate_commands::measured::Measured;
use quorate_keyspace::{Garbage, Millis, Rng};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ELEMENTS: u64 = 5_000_000;
/// Elements that one request adds.
const CHUNK: u64 = 100;
/// Small keys beside the huge value, when everything is flushed.
const KEYS: u64 = 1_000_000;

/// A type: its name, what adds an element to a request, and what changes the value at a place of it.
struct Kind {
    name: &'static str,
    command: &'static str,
    /// Appends an element's arguments; streams take one element a request.
    element: fn(u64, &mut Vec<String>),
    chunk: u64,
    change: fn(u64) -> String,
}

const KINDS: [Kind; 5] = [
    Kind {
        name: "hash",
        command: "HSET big",
        element: |n, args| args.extend([format!("field:{n}"), format!("value:{n}")]),
        chunk: CHUNK,
        change: |n| format!("HSET big field:{n} another"),
    },
    Kind {
        name: "set",
        command: "SADD big",
        element: |n, args| args.push(format!("member:{n}")),
        chunk: CHUNK,
        change: |n| format!("SREM big member:{n}"),
    },
    Kind {
        name: "sorted set",
        command: "ZADD big",
        element: |n, args| args.extend([n.to_string(), format!("member:{n}")]),
        chunk: CHUNK,
        change: |n| format!("ZADD big {} member:{n}", n * 7919 % 99_991),
    },
    Kind {
        name: "list",
        command: "RPUSH big",
        element: |n, args| args.push(format!("element:{n}")),
        chunk: CHUNK,
        change: |n| format!("LSET big {n} another"),
    },
    Kind {
        name: "stream",
        command: "XADD big",
        element: |n, args| args.extend([format!("{}-1", n + 1), "field".into(), n.to_string()]),
        chunk: 1,
        change: |n| format!("XDEL big {}-1", n + 1),
    },
];

fn main() {
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with("--"));
    let elements = wanted.map_or(ELEMENTS, |wanted| wanted.parse().expect("a number of elements"));
    println!("| {elements} elements | capture | writes | 99.9% | longest | off the core | snapshot |");
    println!("|---|---|---|---|---|---|---|");
    for kind in &KINDS {
        beside_a_snapshot(&mut filled(kind, elements), kind, elements);
    }
    println!();
    println!(
        "| {elements} elements | DEL | UNLINK | SET over it | expiry | FLUSHALL, {KEYS} keys beside | freeing |"
    );
    println!("|---|---|---|---|---|---|---|");
    for kind in &KINDS {
        removals(kind, elements);
    }
}

/// Runs a request as an entry of its own; how long it took, and what another thread is to free.
fn timed(node: &mut Measured, request: &str) -> (Duration, Vec<Garbage>) {
    let started = Instant::now();
    node.run_line(request);
    let garbage = node.state.keyspace.take_garbage();
    (started.elapsed(), garbage)
}

fn filled(kind: &Kind, elements: u64) -> Measured {
    let mut node = Measured::new();
    let mut args = Vec::new();
    for first in (0..elements).step_by(kind.chunk as usize) {
        args.clear();
        (first..elements.min(first + kind.chunk)).for_each(|n| (kind.element)(n, &mut args));
        node.run_line(&format!("{} {}", kind.command, args.join(" ")));
    }
    node
}

fn beside_a_snapshot(node: &mut Measured, kind: &Kind, elements: u64) {
    let started = Instant::now();
    let snapshot = node.state.capture();
    let capture = started.elapsed();
    let walk = std::thread::spawn(move || {
        let started = Instant::now();
        let mut encoder = snapshot.encode();
        let mut block = Vec::new();
        let mut total_bytes = 0;
        while encoder.next_block(&mut block) {
            total_bytes += black_box(&block).len();
        }
        (started.elapsed(), total_bytes)
    });
    let mut rng = Rng::from_u64(2);
    let (mut pauses, mut off_core, mut preempted) = (Vec::new(), 0, preemptions());
    while !walk.is_finished() {
        let request = (kind.change)(rng.below(elements));
        let (took, garbage) = timed(node, &request);
        drop(garbage);
        // The kernel's count is read for the long ones alone: it costs more than a write.
        let is_long = took > Duration::from_micros(100);
        let now = if is_long { preemptions() } else { preempted };
        if now == preempted {
            pauses.push(took);
        } else {
            off_core += 1;
        }
        preempted = now;
    }
    let (took, bytes) = walk.join().expect("the walk does not panic");
    pauses.sort_unstable();
    let at = |share: f64| pauses[((pauses.len() - 1) as f64 * share) as usize];
    println!(
        "| {} | {capture:.1?} | {} | {:.1?} | {:.1?} | {off_core} | {} MB in {took:.1?} |",
        kind.name,
        pauses.len(),
        at(0.999),
        at(1.0),
        bytes / 1_000_000
    );
}

fn removals(kind: &Kind, elements: u64) {
    let mut freeing = Duration::ZERO;
    let mut cells = Vec::new();
    for removal in REMOVALS {
        let (took, garbage) = undisturbed(|| removal(&mut filled(kind, elements)));
        cells.push(format!("{took:.1?}"));
        let started = Instant::now();
        drop(garbage);
        freeing = freeing.max(started.elapsed());
    }
    println!("| {} | {} | {freeing:.1?} |", kind.name, cells.join(" | "));
}

/// What removes the value of `big`: how long it took, and what another thread is to free.
type Removal = fn(&mut Measured) -> (Duration, Vec<Garbage>);

const REMOVALS: [Removal; 5] = [
    |node| timed(node, "DEL big"),
    |node| timed(node, "UNLINK big"),
    |node| timed(node, "SET big value"),
    |node| {
        node.run_line("PEXPIRE big 1");
        let started = Instant::now();
        assert_eq!(node.state.keyspace.expire_slice(Millis(Measured::NOW.0 + 1), 512).len(), 1);
        let garbage = node.state.keyspace.take_garbage();
        (started.elapsed(), garbage)
    },
    |node| {
        for n in 0..KEYS {
            node.run_line(&format!("SET key:{n} value EX {}", 100 + n % 1000));
        }
        timed(node, "FLUSHALL")
    },
];

/// The first of a few tries that was quick, or the last: a machine that does other work takes the thread off its core,
/// and a removal that is slow by itself is so in each try.
fn undisturbed(mut once: impl FnMut() -> (Duration, Vec<Garbage>)) -> (Duration, Vec<Garbage>) {
    let mut result = once();
    for _ in 1..TRIES_MAX {
        if result.0 < QUICK {
            break;
        }
        result = once();
    }
    result
}

/// Tries of a removal that seems disturbed.
const TRIES_MAX: usize = 3;
/// A removal that takes longer seems disturbed.
const QUICK: Duration = Duration::from_micros(200);

/// How often this thread was taken off its core though it wanted to run.
fn preemptions() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}
