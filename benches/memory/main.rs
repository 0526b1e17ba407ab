//! Memory of every data type beside Redis': both are filled by the same requests, a million keys of each
//! small kind and one value of a million elements of each large kind.
//!
//! What is compared is what the allocator gave out, rounded up to its size classes: Redis' `used_memory`
//! counts that, and jemalloc's `stats.allocated` does for Quorate, which is filled through its command table
//! in a process of its own for each line. Both allocators are jemalloc. The column `accounted` is what
//! Quorate itself says of the same data (its `used_memory_dataset`, and what `maxmemory` goes by), as a part
//! of what was allocated; `resident` is what the process grew by.
//!
//! `benches/memory/run` prints the table.

mod cases;
mod redis;

use std::process::Command;

use cases::{Case, cases};
use quorate_commands::measured::Measured;
use redis::Redis;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Set for the child process that measures one case, by its name.
const CASE_ENV: &str = "QUORATE_BENCH_MEMORY_CASE";

fn main() {
    if let Ok(name) = std::env::var(CASE_ENV) {
        let case = cases().into_iter().find(|case| case.name == name).expect("the parent names a case");
        let [allocated, accounted, resident] = measure(&case);
        return println!("{allocated} {accounted} {resident}");
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let mut redis = Redis::start();
    println!("| data | Redis 7.0, B each | Quorate, B each | ratio | resident, B each | accounted |");
    println!("|---|---|---|---|---|---|");
    for case in cases() {
        if !wanted.is_empty() && !wanted.iter().any(|name| case.name.contains(name.as_str())) {
            continue;
        }
        let theirs = redis.measure(&case) as f64;
        let [allocated, accounted, resident] = measure_in_child(&case).map(|bytes| bytes as f64);
        let units = case.units as f64;
        println!(
            "| {} | {:.1} | {:.1} | {:.2} | {:.1} | {:.2} |",
            case.name,
            theirs / units,
            allocated / units,
            allocated / theirs,
            resident / units,
            accounted / allocated
        );
    }
}

fn measure_in_child(case: &Case) -> [u64; 3] {
    let program = std::env::current_exe().expect("the path of this program");
    let output = Command::new(program).env(CASE_ENV, case.name).output().expect("the child runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.split_whitespace().map(|number| number.parse().expect("the child prints numbers"));
    [(); 3].map(|()| numbers.next().expect("the child prints three numbers"))
}

/// Fills a state: bytes allocated, accounted and resident.
fn measure(case: &Case) -> [u64; 3] {
    let mut node = Measured::new();
    let before = (allocated_bytes(), resident_bytes());
    (case.fill)(&mut |request| {
        let request: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
        node.run(&request);
    });
    let resident = resident_bytes().saturating_sub(before.1);
    let allocated = allocated_bytes() - before.0;
    [allocated, node.state.keyspace.memory_bytes() as u64, resident]
}

fn allocated_bytes() -> u64 {
    tikv_jemalloc_ctl::epoch::advance().expect("the allocator keeps statistics");
    tikv_jemalloc_ctl::stats::allocated::read().expect("the allocator keeps statistics") as u64
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0);
    pages * 4096
}
