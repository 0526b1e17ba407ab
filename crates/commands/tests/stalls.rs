//! How much one write does to a huge value while a snapshot of it is held, and how much its removal does at once,
//! in bytes that the apply thread allocates and frees: what stalls is copying or freeing a value whole.
//!
//! Times are printed by `benches/stalls/run`.

use quorate_commands::measured::Measured;
use quorate_keyspace::{Garbage, Millis, Rng};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ELEMENTS: u64 = 8_000;
/// A bucket or a block and a node for each level above it, of all structures that a value has.
const BYTES_PER_WRITE_MAX: u64 = 64 * 1024;

/// Runs a request; the bytes that were allocated and freed meanwhile, and what is to be freed elsewhere.
fn run(node: &mut Measured, request: &str) -> (u64, u64, Vec<Garbage>) {
    let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
    let (allocated, freed) = (allocated_bytes(), freed_bytes());
    node.run(&words);
    let garbage = node.state.keyspace.take_garbage();
    (allocated_bytes() - allocated, freed_bytes() - freed, garbage)
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

fn filled(add: fn(u64) -> String) -> Measured {
    let mut node = Measured::new();
    (0..ELEMENTS).for_each(|n| drop(run(&mut node, &add(n))));
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
            let (allocated, freed, _) = run(&mut node, &request);
            assert!(allocated <= BYTES_PER_WRITE_MAX, "{name}: {request} allocates {allocated} B");
            assert!(freed <= BYTES_PER_WRITE_MAX, "{name}: {request} frees {freed} B");
        }
        assert_eq!(snapshot.digest(), before, "{name}");
    }
}

#[test]
fn no_write_beside_a_snapshot_copies_more_than_a_bucket_of_small_values() {
    // About as many bytes as a small value has: its neighbours are copied with it.
    let set = |n: u64, what: &str| format!("HSET key:{n} a {n:0>60} b {n:0>60} c {n:0>60} d {what}");
    let mut node = Measured::new();
    (0..ELEMENTS).for_each(|n| drop(run(&mut node, &set(n, "first"))));
    let snapshot = node.state.capture();
    let before = snapshot.digest();
    for n in 0..ELEMENTS {
        let request = set(n * 7919 % ELEMENTS, "other");
        let (allocated, freed, _) = run(&mut node, &request);
        assert!(allocated.max(freed) <= BYTES_PER_WRITE_MAX, "{request}: {allocated} B, {freed} B");
    }
    assert_eq!(snapshot.digest(), before);
}

/// What removes the value: the bytes that it allocated and freed, and what is to be freed elsewhere.
type Removal = fn(&mut Measured) -> (u64, u64, Vec<Garbage>);

#[test]
fn no_removal_of_a_huge_value_frees_it_at_once() {
    let removals: [Removal; 6] = [
        |node| run(node, "DEL key"),
        |node| run(node, "UNLINK key"),
        |node| run(node, "FLUSHALL"),
        |node| run(node, "SET key value"),
        |node| {
            drop(run(node, "SET other value"));
            run(node, "RENAME other key")
        },
        |node| {
            drop(run(node, "PEXPIRE key 1"));
            let (allocated, freed) = (allocated_bytes(), freed_bytes());
            let expired = node.state.keyspace.expire_slice(Millis(Measured::NOW.0 + 1), 10);
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
