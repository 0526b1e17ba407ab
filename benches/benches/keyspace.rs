//! The keyspace at a million keys: what look-ups and writes cost, what a capture costs, what a live
//! snapshot adds to writes, and how much memory a key takes.
//!
//! `cargo bench -p quorate-benches --bench keyspace` prints the measurements that are no averages
//! first (longest write, bytes per key), then criterion's. The latter are CPU time of the thread, so
//! that a busy machine does not show in them; the longest write is by the clock, with a note where
//! the thread was taken off its core meanwhile. The allocator is the server's.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use quorate_keyspace::{DbIndex, Keyspace, Millis, Rng, Seed, Value, Version};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const KEYS: u64 = 1_000_000;
const DB: DbIndex = DbIndex::ZERO;
const NOW: Millis = Millis(1_000_000);

/// Set for a child process that measures its own memory: bytes of key and of value.
const MEMORY_ENV: &str = "QUORATE_BENCH_MEMORY";

fn main() {
    if let Some((key_bytes, value_bytes)) = std::env::var(MEMORY_ENV).ok().and_then(parse_pair) {
        return print_memory(key_bytes, value_bytes);
    }
    for sizes in ["12,8", "24,128", "40,1000"] {
        let program = std::env::current_exe().expect("the path of this program");
        let status = std::process::Command::new(program).env(MEMORY_ENV, sizes).status();
        assert!(status.is_ok_and(|status| status.success()), "measuring memory of {sizes}");
    }
    let mut keyspace = filled(24, 128);
    print_longest_writes(&mut keyspace);

    let mut criterion = Criterion::default()
        .with_measurement(ThreadTime)
        .measurement_time(Duration::from_secs(2))
        .warm_up_time(Duration::from_secs(1))
        .sample_size(10)
        .configure_from_args();
    bench_keyspace(&mut criterion, &mut keyspace);
    criterion.final_summary();
}

fn parse_pair(text: String) -> Option<(usize, usize)> {
    let (a, b) = text.split_once(',')?;
    Some((a.parse().ok()?, b.parse().ok()?))
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

fn print_memory(key_bytes: usize, value_bytes: usize) {
    let before = resident_bytes();
    let keyspace = filled(key_bytes, value_bytes);
    let resident = resident_bytes().saturating_sub(before) as f64 / KEYS as f64;
    let accounted = keyspace.memory_bytes() as f64 / KEYS as f64;
    println!(
        "memory: key of {key_bytes} B, value of {value_bytes} B: {resident:.0} B resident, {accounted:.0} B accounted"
    );
}

/// Time that this thread spent on a core, up to the kernel's last tick.
fn thread_time() -> Duration {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = schedstat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0);
    Duration::from_nanos(nanos)
}

/// How often this thread was taken off its core though it wanted to run.
fn preemptions() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

/// Criterion's measure of [`thread_time`].
struct ThreadTime;

impl Measurement for ThreadTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        thread_time()
    }

    fn end(&self, started: Duration) -> Duration {
        thread_time() - started
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
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
        let (mut writes, mut taken) = (0u64, Vec::new());
        let (mut longest_alone, mut preempted) = (Duration::ZERO, preemptions());
        let cpu_started = thread_time();
        let value = [b'w'; 128];
        while walk.as_ref().map_or(writes < 1_000_000, |walk| !walk.is_finished()) {
            let key = key(rng.below(KEYS), 24);
            let started = Instant::now();
            keyspace.db_mut(DB).set(&key, Value::string(&value), None, Version(writes));
            let took = started.elapsed();
            taken.push(took);
            if took > longest_alone {
                let now = preemptions();
                if now == preempted {
                    longest_alone = took;
                }
                preempted = now;
            }
            writes += 1;
        }
        let cpu = thread_time() - cpu_started;
        taken.sort_unstable();
        let at = |share: f64| taken[((taken.len() - 1) as f64 * share) as usize];
        let name = if walking { "during a snapshot walk" } else { "without a snapshot" };
        println!(
            "writes {name}: {writes} of {:?} CPU on average, 99% {:?}, 99.9% {:?}, longest {longest_alone:?} ({:?} with preemptions); capture took {capture:?}",
            cpu / writes.max(1) as u32,
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

fn bench_keyspace(criterion: &mut Criterion<ThreadTime>, keyspace: &mut Keyspace) {
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
    let yardstick: std::collections::HashMap<Vec<u8>, Vec<u8>> =
        (0..KEYS).map(|n| (key(n, 24), vec![b'v'; 128])).collect();
    group.bench_function("get from a HashMap of vectors, as a yardstick", |b| {
        b.iter(|| black_box(yardstick.contains_key(&keys[next()])));
    });
    drop(yardstick);
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
            let started = thread_time();
            for _ in 0..rounds {
                keyspace.db_mut(DB).set(&keys[next()], Value::string(&value), None, Version(1));
            }
            let took = thread_time() - started;
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
    group.bench_function("insert 1M into an empty one, each", |b| {
        b.iter_custom(|rounds| {
            let mut keyspace = Keyspace::new(Seed([1; 16]));
            let started = thread_time();
            for n in 0..rounds {
                keyspace.db_mut(DB).set(&key(n % KEYS, 24), Value::integer(1), None, Version(1));
            }
            thread_time() - started
        });
    });
    group.finish();
}
