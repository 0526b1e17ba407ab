//! What the account says of memory, held against what the allocator gave out, for every type and size.
//!
//! `used_memory`, `MEMORY USAGE` and the memory limit stand on the account. It is an estimate from content and
//! encoding alone, so that it is the same on every node; here it must be within a tenth of the truth.

use quorate_commands::measured::Measured;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Keys of each small kind; `QUORATE_LONG` takes ten times as many.
const KEYS: usize = 2_000;
/// Elements of a large value for each key of a small kind, so that what its last block has in reserve is little of it.
const ELEMENTS_PER_KEY: usize = 4;
/// How far the account may be from the truth, as a part of it.
const TOLERANCE: f64 = 0.1;

/// What this thread has allocated and not freed, rounded up as the allocator does.
fn allocated_bytes() -> i64 {
    let allocated = tikv_jemalloc_ctl::thread::allocatedp::read().expect("the allocator counts").get();
    let freed = tikv_jemalloc_ctl::thread::deallocatedp::read().expect("the allocator counts").get();
    allocated.wrapping_sub(freed) as i64
}

/// Runs a request for each unit; what was allocated, and what the account says.
fn measure(units: usize, request: &dyn Fn(usize) -> String) -> (i64, usize) {
    let mut node = Measured::new();
    // What is allocated once, whatever is stored.
    node.run_line("SET warm up");
    node.run_line("DEL warm");
    let (before, accounted_before) = (allocated_bytes(), node.state.keyspace.memory_bytes());
    (0..units).for_each(|n| node.run_line(&request(n)));
    drop(node.state.keyspace.take_garbage());
    (allocated_bytes() - before, node.state.keyspace.memory_bytes() - accounted_before)
}

fn five(n: usize, element: impl Fn(usize) -> String) -> String {
    (n..n + 5).map(element).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_account_is_within_a_tenth_of_the_truth() {
    let text = |len: usize| "x".repeat(len);
    type Request = Box<dyn Fn(usize) -> String>;
    let mut kinds: Vec<(String, Request)> = vec![
        ("numbers".into(), Box::new(|n| format!("SET key:{n:012} {}", 100_000 + n))),
        ("long keys".into(), Box::new(|n| format!("SET session:{n:032} {n}"))),
        ("expiring".into(), Box::new(|n| format!("SET key:{n:012} value EX {}", 1000 + n * 7919 % 9973))),
        ("appended".into(), Box::new(|n| format!("APPEND key:{n:012} value:{n:034}"))),
        (
            "hashes".into(),
            Box::new(|n| format!("HSET key:{n:012} {}", five(n, |i| format!("f:{} value:{i:08}", i % 5)))),
        ),
        (
            "lists".into(),
            Box::new(|n| format!("RPUSH key:{n:012} {}", five(n, |i| format!("element:{i:08}")))),
        ),
        ("sets of numbers".into(), Box::new(|n| format!("SADD key:{n:012} {}", five(n, |i| i.to_string())))),
        ("sets".into(), Box::new(|n| format!("SADD key:{n:012} {}", five(n, |i| format!("member:{i:08}"))))),
        (
            "sorted sets".into(),
            Box::new(|n| format!("ZADD key:{n:012} {}", five(n, |i| format!("{i} member:{i:08}")))),
        ),
        ("streams".into(), Box::new(|n| format!("XADD key:{n:012} * sensor {n} value {}", n * 3))),
        ("a list".into(), Box::new(|n| format!("RPUSH key element:{n:08}"))),
        ("a stream".into(), Box::new(|n| format!("XADD key {}-1 sensor {} value {n}", n + 1, n % 10))),
        ("a set of numbers".into(), Box::new(|n| format!("SADD key {}", n * 7))),
        ("a group's pending entries".into(), {
            Box::new(|n| match n {
                0 => "XADD key 1-1 a b".into(),
                1 => "XGROUP CREATE key group 0".into(),
                _ if n % 2 == 0 => format!("XADD key {n}-1 a b"),
                _ => "XREADGROUP GROUP group consumer COUNT 1 STREAMS key >".into(),
            })
        }),
    ];
    for len in [5, 16, 23, 24, 60, 100, 200, 300, 1000, 5000] {
        let value = text(len);
        kinds.push((format!("strings of {len} B"), Box::new(move |n| format!("SET key:{n:012} {value}"))));
    }
    for len in [8, 20, 30, 100] {
        let (a, b, c) = (text(len - 8), text(len - 8), text(len - 8));
        kinds.push((
            format!("a hash, fields and values of {len} B"),
            Box::new(move |n| format!("HSET key {n:08}{a} {n:08}{a}")),
        ));
        kinds.push((format!("a set, members of {len} B"), Box::new(move |n| format!("SADD key m{n:07}{b}"))));
        kinds.push((
            format!("a sorted set, members of {len} B"),
            Box::new(move |n| format!("ZADD key {} {n:08}{c}", n * 7919 % 9973)),
        ));
    }
    let keys = if std::env::var_os("QUORATE_LONG").is_some() { 10 * KEYS } else { KEYS };
    let mut wrong = Vec::new();
    for (name, request) in &kinds {
        let units = if name.starts_with("a ") { ELEMENTS_PER_KEY * keys } else { keys };
        let (allocated, accounted) = measure(units, request);
        let ratio = accounted as f64 / allocated as f64;
        if (ratio - 1.0).abs() > TOLERANCE {
            let (allocated, accounted) = (allocated as f64 / units as f64, accounted as f64 / units as f64);
            wrong.push(format!("{name}: {accounted:.1} B of {allocated:.1} B each ({ratio:.2})"));
        }
    }
    assert!(wrong.is_empty(), "the account is off:\n{}", wrong.join("\n"));
}
