//! The positional tree at a million items of 24 bytes, as an ordered set keeps them: access by
//! position, search, changes at the ends and in the middle, with and without a live clone.
//!
//! `cargo bench -p quorate-benches --bench cow_tree` prints the bytes per item first, for a tree
//! that grew at its end and one that grew everywhere, then criterion's averages.

use std::hint::black_box;
use std::time::Instant;

use criterion::Criterion;
use quorate_keyspace::{Blob, CowTree, Rng, TreeItem};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ITEMS: usize = 1_000_000;

#[derive(Clone)]
struct Scored {
    score: f64,
    _member: Blob,
}

impl TreeItem for Scored {}

fn scored(n: usize) -> Scored {
    Scored { score: n as f64, _member: Blob::new(b"member") }
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0);
    pages * 4096
}

fn main() {
    let before = resident_bytes();
    let appended: CowTree<Scored> = (0..ITEMS).map(scored).collect();
    let appended_bytes = resident_bytes() - before;
    let mut rng = Rng::from_u64(1);
    let before = resident_bytes();
    let mut tree = CowTree::new();
    (0..ITEMS).for_each(|n| tree.insert(rng.index(n + 1), scored(n)));
    let inserted_bytes = resident_bytes() - before;
    println!(
        "memory: an item of {} B takes {:.1} B where the tree grew at its end, {:.1} B where it grew everywhere",
        size_of::<Scored>(),
        appended_bytes as f64 / ITEMS as f64,
        inserted_bytes as f64 / ITEMS as f64
    );
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    bench_tree(&mut criterion, appended);
    criterion.final_summary();
}

fn bench_tree(criterion: &mut Criterion, mut tree: CowTree<Scored>) {
    let mut group = criterion.benchmark_group("cow_tree/1M");
    let mut rng = Rng::from_u64(2);
    group.bench_function("get", |b| {
        b.iter(|| black_box(tree.get(rng.index(ITEMS)).map(|item| item.score)));
    });
    group.bench_function("search", |b| {
        b.iter(|| {
            let score = rng.index(ITEMS) as f64;
            black_box(tree.partition_point(|item| item.score < score))
        });
    });
    group.bench_function("walk 100 from the middle", |b| {
        b.iter(|| {
            let at = rng.index(ITEMS);
            black_box(tree.range(at..at + 100).map(|item| item.score).sum::<f64>())
        });
    });
    group.bench_function("insert and remove", |b| {
        b.iter(|| {
            tree.insert(rng.index(ITEMS), scored(7));
            tree.remove(rng.index(ITEMS))
        });
    });
    group.bench_function("push at the end, pop at the front", |b| {
        b.iter(|| {
            tree.push_back(scored(7));
            tree.pop_front()
        });
    });
    group.bench_function("insert and remove under a live clone", |b| {
        // A clone for each sample, so that each pays for its copies.
        b.iter_custom(|rounds| {
            let clone = tree.clone();
            let started = Instant::now();
            for _ in 0..rounds {
                tree.insert(rng.index(ITEMS), scored(7));
                tree.remove(rng.index(ITEMS));
            }
            let took = started.elapsed();
            drop(clone);
            took
        });
    });
    group.bench_function("take 1000 from the middle and put them back", |b| {
        b.iter(|| {
            let at = rng.index(ITEMS - 1000);
            let taken = tree.drain(at..at + 1000);
            tree.append(taken);
        });
    });
    group.finish();
}
