//! Appending durable groups to the log, beside the least that the disk can do: one write and one fdatasync to a
//! preallocated, zero-filled file. The ratio of the two is printed at the end of each group size.
//!
//! The folder is `QUORATE_BENCH_DIR`, else the target directory's file system: a memory file system would lie.

use std::{
    fs,
    hint::black_box,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use quorate_storage::{Entry, Executor, Log, LogEngineKind, LogId, LogOptions, RealDisk};

const PAYLOAD_BYTES: usize = 200;
const SEGMENT_BYTES: u64 = 64 << 20;
const RATIO_ROUNDS: u32 = 5;
const RATIO_ROUND: Duration = Duration::from_millis(600);

fn folder() -> PathBuf {
    std::env::var_os("QUORATE_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from)
}

struct Appender {
    log: Log,
    next: u64,
    payload: Bytes,
}

impl Appender {
    fn open(folder: &std::path::Path) -> Self {
        let disk = Arc::new(RealDisk::new(folder).expect("the folder can be made"));
        let options = LogOptions { segment_bytes: SEGMENT_BYTES, ..LogOptions::default() };
        let (log, recovered) =
            Log::open(disk, options, LogEngineKind::Segments, Executor::Thread).expect("the log opens");
        let next = recovered.state.last.map_or(0, |last| last.index + 1);
        Self { log, next, payload: Bytes::from(vec![7; PAYLOAD_BYTES]) }
    }

    /// Appends a group and waits until it is durable.
    fn append(&mut self, count: u64) {
        let range = self.next..self.next + count;
        self.next += count;
        let entries =
            range.map(|index| Entry { id: LogId::new(1, 1, index), kind: 1, payload: self.payload.clone() });
        let (sender, receiver) = mpsc::sync_channel(1);
        self.log.append(entries.collect(), move |result| sender.send(result).expect("the bench waits"));
        receiver.recv().expect("the log answers").expect("the append is durable");
        // Keeps the disk's use bounded: half a million entries stay.
        if self.next.is_multiple_of(1 << 19) {
            self.log.purge(LogId::new(1, 1, self.next - (1 << 18)), |_| {});
        }
    }
}

struct Raw {
    file: fs::File,
    offset: u64,
    buffer: Vec<u8>,
}

impl Raw {
    fn open(path: &std::path::Path) -> Self {
        let file = fs::File::create(path).expect("the file can be made");
        let zeros = vec![0; 1 << 20];
        for piece in 0..SEGMENT_BYTES >> 20 {
            file.write_all_at(&zeros, piece << 20).expect("there is room");
        }
        file.sync_all().expect("the disk syncs");
        Self { file, offset: 0, buffer: vec![7; 256 * 256] }
    }

    fn append(&mut self, count: u64) {
        let bytes = count * 256;
        if self.offset + bytes > SEGMENT_BYTES {
            self.offset = 0;
        }
        let piece = self.buffer.get(..bytes as usize).expect("groups are up to 256 entries");
        self.file.write_all_at(black_box(piece), self.offset).expect("there is room");
        self.file.sync_data().expect("the disk syncs");
        self.offset += bytes;
    }
}

fn per_second(mut append: impl FnMut()) -> f64 {
    let (start, mut count) = (Instant::now(), 0_u32);
    while start.elapsed() < RATIO_ROUND {
        append();
        count += 1;
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

fn append(criterion: &mut Criterion) {
    let folder = folder().join("quorate-bench-log");
    // What an earlier run left is of no use.
    let _ = fs::remove_dir_all(&folder);
    let mut log = Appender::open(&folder);
    let mut raw = Raw::open(&folder.join("raw"));
    for count in [1, 16, 256] {
        let mut group = criterion.benchmark_group("log_append");
        group.throughput(Throughput::Elements(count));
        group.bench_function(format!("log/{count}x{PAYLOAD_BYTES}B"), |bencher| {
            bencher.iter(|| log.append(count))
        });
        group.bench_function(format!("raw/{count}x{PAYLOAD_BYTES}B"), |bencher| {
            bencher.iter(|| raw.append(count))
        });
        group.finish();
        let mut ratios: Vec<f64> = (0..RATIO_ROUNDS)
            .map(|_| per_second(|| log.append(count)) / per_second(|| raw.append(count)))
            .collect();
        ratios.sort_by(f64::total_cmp);
        println!(
            "log_append/{count}: {:.2} of the raw file (median of interleaved rounds)",
            ratios[ratios.len() / 2]
        );
    }
    drop(log);
    let _ = fs::remove_dir_all(&folder);
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = append
}
criterion_main!(benches);
