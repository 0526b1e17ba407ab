//! Simulations of whole clusters: clock, network and disk are handed to the nodes, and a seed decides what goes wrong.
//!
//! ```text
//! cargo test -p quorate-testkit --test simulation      a few seeds, one of them twice with the same trace
//! QUORATE_SEEDS=500 cargo test …                       so many seeds; 100..200 is a range
//! QUORATE_SEED=17 cargo test …                         one seed, here and now
//! QUORATE_SEED=17 QUORATE_TRACE=FILE cargo test …      and its every event
//! ```
//!
//! A run must be a function of its seed. What the nodes draw themselves comes from the seed; what the
//! standard library and tokio draw from the operating system (keys of hash maps, the order of `select!`) comes
//! from a generator that stands in for `getrandom`. Since tokio also counts over the life of a process, each
//! seed has a process of its own.

mod clients;
mod history;
mod invariants;
mod plan;
mod run;
mod world;

use std::process::{Command, ExitCode, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::SeedableRng;

/// Seeds of a run without wishes.
const SEEDS: std::ops::Range<u64> = 1..7;
/// Processes side by side.
const PROCESSES: usize = 2;
/// Some futures of a debug build are large.
const STACK_BYTES: usize = 64 << 20;

fn main() -> ExitCode {
    if let Ok(seed) = std::env::var("QUORATE_SEED") {
        return one(seed.parse().expect("QUORATE_SEED is a number"));
    }
    let seeds = match std::env::var("QUORATE_SEEDS") {
        Ok(wish) => range(&wish).expect("QUORATE_SEEDS is a number or a range such as 100..200"),
        Err(_) => SEEDS,
    };
    many(seeds)
}

fn range(wish: &str) -> Option<std::ops::Range<u64>> {
    match wish.split_once("..") {
        Some((from, until)) => Some(from.parse().ok()?..until.parse().ok()?),
        None => Some(1..wish.parse::<u64>().ok()? + 1),
    }
}

/// Runs one seed in this process.
fn one(seed: u64) -> ExitCode {
    mad_turmoil::rand::set_rng(rand::rngs::StdRng::seed_from_u64(seed));
    let default_hook = std::panic::take_hook();
    // A task that panics must not be swallowed by the runtime.
    std::panic::set_hook(Box::new(move |panic| {
        default_hook(panic);
        fail(seed, "a panic");
    }));
    let trace_file = std::env::var_os("QUORATE_TRACE");
    let keep = trace_file.is_some();
    // A new thread draws the keys of its hash maps from the generator above.
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || run::run(seed, keep));
    let outcome = thread.expect("a thread can be started").join().expect("panics end the process");
    if let (Some(file), Some(text)) = (trace_file, &outcome.text) {
        std::fs::write(file, text).expect("QUORATE_TRACE is a file that can be written");
    }
    println!("seed {seed}: trace {:016x}: {}", outcome.trace, outcome.summary);
    match outcome.violation {
        None => ExitCode::SUCCESS,
        Some(violation) => fail(seed, &violation),
    }
}

fn fail(seed: u64, why: &str) -> ! {
    println!("seed {seed}: {why}");
    println!("replay: QUORATE_SEED={seed} cargo test -p quorate-testkit --test simulation");
    std::process::exit(1)
}

/// Runs many seeds, each in a process of its own, and the first one twice.
fn many(seeds: std::ops::Range<u64>) -> ExitCode {
    let first = seeds.start;
    let next = AtomicU64::new(first);
    let failed = Mutex::new(Vec::new());
    let again = Mutex::new(String::new());
    std::thread::scope(|scope| {
        for _ in 0..PROCESSES {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let output = process(seed);
                    print!("{}", String::from_utf8_lossy(&output.stdout));
                    if seed == first {
                        again.lock().expect("no thread panics").push_str(&said(&output));
                    }
                    if !output.status.success() {
                        eprint!("{}", String::from_utf8_lossy(&output.stderr));
                        failed.lock().expect("no thread panics").push(seed);
                    }
                }
            });
        }
    });
    let (before, after) = (again.into_inner().expect("no thread panics"), said(&process(first)));
    if before != after {
        println!("seed {first} does not replay:\n  first  {before}  second {after}");
        return ExitCode::FAILURE;
    }
    let failed = failed.into_inner().expect("no thread panics");
    if failed.is_empty() {
        println!("all hold, and seed {first} replays");
        return ExitCode::SUCCESS;
    }
    println!("seeds that failed: {failed:?}");
    ExitCode::FAILURE
}

fn process(seed: u64) -> Output {
    let this = std::env::current_exe().expect("a process knows its program");
    Command::new(this).env("QUORATE_SEED", seed.to_string()).output().expect("it can be started again")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
