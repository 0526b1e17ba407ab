//! The keyspace at a million keys: what look-ups and writes cost, what a capture costs, what a live
//! snapshot adds to writes, and how much memory a key takes.
//!
//! `cargo bench -p quorate-benches --bench keyspace` prints the measurements that are no averages
//! first (longest write, bytes per key), then criterion's.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;
use quorate_keyspace::{DbIndex, Keyspace, Millis, Rng, Seed, Value, Version};

const KEYS: u64 = 1_000_000;
const DB: DbIndex = DbIndex::ZERO;
const NOW: Millis = Millis(1_000_000);

fn main() {
    for (name, key_bytes, value_bytes) in [("inline", 12, 8), ("usual", 24, 128)] {
        print_memory(name, key_bytes, value_bytes);
    }
    let mut keyspace = filled(24, 128);
    print_longest_writes(&mut keyspace);

    let mut criterion = Criterion::default()
        .measurement_time(Duration::from_secs(3))
        .warm_up_time(Duration::from_secs(1))
        .sample_size(20)
        .configure_from_args();
    bench_keyspace(&mut criterion, &mut keyspace);
    criterion.final_summary();
}

/// `key_bytes` of text that differ in their number.
fn key(n: u64, key_bytes: usize) -> Vec<u8> {
    format!("key:{n:0width$}", width = key_bytes - 4).into_bytes()
}

fn filled(key_bytes: usize, value_bytes: usize) -> Keyspace {
    let mut keyspace = Keyspace::new(Seed([9; 16]));
    let value = vec![b'v'; value_bytes];
    for n in 0..KEYS {
        keyspace.db_mut(DB).set(&key(n, key_bytes), Value::string(&value), None, Version(n));
    }
    keyspace
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0);
    pages * 4096
}

fn print_memory(name: &str, key_bytes: usize, value_bytes: usize) {
    let before = resident_bytes();
    let keyspace = filled(key_bytes, value_bytes);
    let resident = resident_bytes().saturating_sub(before) as f64 / KEYS as f64;
    let accounted = keyspace.memory_bytes() as f64 / KEYS as f64;
    println!(
        "memory/{name}: key of {key_bytes} B, value of {value_bytes} B: {resident:.0} B resident, {accounted:.0} B accounted"
    );
}

/// Writes while another thread encodes a snapshot, as apply does: the longest one is what clients
/// wait for.
fn print_longest_writes(keyspace: &mut Keyspace) {
    for walking in [false, true] {
        let started = Instant::now();
        let snapshot = keyspace.capture();
        let capture = started.elapsed();
        let walk = walking.then(|| {
            std::thread::spawn(move || {
                let started = Instant::now();
                let mut encoder = snapshot.encode();
                let mut block = Vec::new();
                let mut total_bytes = 0u64;
                while encoder.next_block(&mut block) {
                    total_bytes += black_box(&block).len() as u64;
                }
                (started.elapsed(), total_bytes)
            })
        });
        let mut rng = Rng::from_u64(1);
        let (mut writes, mut all, mut taken) = (0u64, Duration::ZERO, Vec::new());
        let value = [b'w'; 128];
        while walk.as_ref().map_or(writes < 1_000_000, |walk| !walk.is_finished()) {
            let key = key(rng.below(KEYS), 24);
            let started = Instant::now();
            keyspace.db_mut(DB).set(&key, Value::string(&value), None, Version(writes));
            let took = started.elapsed();
            all += took;
            taken.push(took);
            writes += 1;
        }
        taken.sort_unstable();
        let at = |share: f64| taken[((taken.len() - 1) as f64 * share) as usize];
        let name = if walking { "during a snapshot walk" } else { "without a snapshot" };
        println!(
            "writes {name}: {writes} of {:?} on average, 99% {:?}, 99.9% {:?}, longest {:?}; capture took {capture:?}",
            all / writes.max(1) as u32,
            at(0.99),
            at(0.999),
            at(1.0)
        );
        if let Some(walk) = walk {
            let (took, bytes) = walk.join().expect("the walk does not panic");
            println!("snapshot walk: {bytes} bytes in {took:?}");
        }
    }
}

fn bench_keyspace(criterion: &mut Criterion, keyspace: &mut Keyspace) {
    let mut group = criterion.benchmark_group("keyspace/1M");
    let mut rng = Rng::from_u64(2);
    let keys: Vec<Vec<u8>> = (0..1 << 16).map(|_| key(rng.below(KEYS), 24)).collect();
    let mut turn = 0usize;
    let mut next = move || {
        turn = turn.wrapping_add(1);
        turn & 0xffff
    };
    group.bench_function("get", |b| {
        b.iter(|| black_box(keyspace.db(DB).get(&keys[next()], NOW).is_some()));
    });
    group.bench_function("get missing", |b| {
        b.iter(|| black_box(keyspace.db(DB).get(&keys[next()][1..], NOW).is_none()));
    });
    let value = [b'w'; 128];
    group.bench_function("overwrite", |b| {
        b.iter(|| keyspace.db_mut(DB).set(&keys[next()], Value::string(&value), None, Version(1)));
    });
    group.bench_function("overwrite under a live snapshot", |b| {
        // A capture for each sample, so that each pays for its copies.
        b.iter_custom(|rounds| {
            let snapshot = keyspace.capture();
            let started = Instant::now();
            for _ in 0..rounds {
                keyspace.db_mut(DB).set(&keys[next()], Value::string(&value), None, Version(1));
            }
            let took = started.elapsed();
            drop(snapshot);
            took
        });
    });
    let mut fresh = KEYS;
    group.bench_function("insert and remove", |b| {
        b.iter(|| {
            fresh += 1;
            let key = key(fresh, 24);
            keyspace.db_mut(DB).set(&key, Value::integer(1), None, Version(1));
            keyspace.db_mut(DB).remove(&key, NOW, Version(1))
        });
    });
    group.bench_function("random key", |b| {
        b.iter(|| black_box(keyspace.db(DB).random(&mut rng, NOW).is_some()));
    });
    group.bench_function("capture", |b| b.iter(|| black_box(keyspace.capture())));
    group.sample_size(10);
    group.bench_function("insert 1M into an empty one, each", |b| {
        b.iter_custom(|rounds| {
            let mut keyspace = Keyspace::new(Seed([1; 16]));
            let started = Instant::now();
            for n in 0..rounds {
                keyspace.db_mut(DB).set(&key(n % KEYS, 24), Value::integer(1), None, Version(1));
            }
            started.elapsed()
        });
    });
    group.finish();
}
