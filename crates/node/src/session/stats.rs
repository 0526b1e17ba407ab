//! Counters of what sessions did: calls, time, rejections and failures by command, errors by code, traffic.
//!
//! For: `INFO stats|commandstats|errorstats|latencystats`, `LATENCY HISTOGRAM` and metrics.
//! Leaves to others: rendering (`info`, `diagnosis`), and when to sample rates (the listener's tick).
//!
//! Invariants: counting takes no lock but for errors; memory is fixed at start, error codes are bounded by
//! `ERROR_CODES_MAX`. The time of a read or session command is the time it ran; that of a write is the time
//! from its hand-over to its reply, which includes replication and sync.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quorate_commands::{Command, Lookups};

/// Different error codes that are counted; Redis' own limit. More are counted in the total only.
pub(super) const ERROR_CODES_MAX: usize = 128;

/// Bucket `i` counts calls of less than 2^(i+1) microseconds; the last takes the rest (over half an hour).
pub const HISTOGRAM_BUCKETS: usize = 32;

/// Samples of which the instantaneous rates are the mean.
const RATE_SAMPLES: usize = 16;

/// Counters of one command.
#[derive(Debug)]
pub struct CommandStats {
    /// Its row.
    pub command: &'static Command,
    /// Calls that ran.
    pub calls: AtomicU64,
    /// Time of all calls in microseconds.
    pub micros: AtomicU64,
    /// Calls refused before they ran.
    pub rejected: AtomicU64,
    /// Calls that ran and answered an error.
    pub failed: AtomicU64,
    /// Calls by time.
    pub histogram: [AtomicU64; HISTOGRAM_BUCKETS],
}

/// All counters of a node's sessions.
#[derive(Debug)]
pub struct Stats {
    commands: Vec<CommandStats>,
    /// Sorted addresses of the rows, and where their counters are.
    index: Vec<(usize, u32)>,
    errors: Mutex<BTreeMap<String, u64>>,
    error_replies: AtomicU64,
    rates: Mutex<Rates>,
    /// Commands that ran.
    pub commands_processed: AtomicU64,
    /// Connections accepted.
    pub connections: AtomicU64,
    /// Connections refused.
    pub connections_rejected: AtomicU64,
    /// Bytes read from clients.
    pub input_bytes: AtomicU64,
    /// Bytes written to clients.
    pub output_bytes: AtomicU64,
    /// Reads from sockets.
    pub reads: AtomicU64,
    /// Writes to sockets.
    pub writes: AtomicU64,
    /// Keys that reads looked for.
    pub lookups: Lookups,
    /// The largest input buffer seen by the last ticks, in bytes.
    pub input_buffer_bytes_peak: AtomicU64,
    /// The largest output buffer seen by the last ticks, in bytes.
    pub output_buffer_bytes_peak: AtomicU64,
}

/// Where the counters of a command are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatsIndex(u32);

/// Rates over the last samples.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rate {
    /// Commands in a second.
    pub commands: f64,
    /// Kibibytes read in a second.
    pub input_kib: f64,
    /// Kibibytes written in a second.
    pub output_kib: f64,
}

#[derive(Debug)]
struct Rates {
    last: Instant,
    totals: [u64; 3],
    samples: [[f64; 3]; RATE_SAMPLES],
    next: usize,
}

impl StatsIndex {
    pub(super) fn at(place: u32) -> StatsIndex {
        StatsIndex(place)
    }

    pub(super) fn place(self) -> u32 {
        self.0
    }
}

impl Default for Stats {
    fn default() -> Stats {
        let mut commands = Vec::new();
        for command in quorate_commands::commands() {
            add_with_subcommands(&mut commands, command);
        }
        let mut index: Vec<_> =
            commands.iter().zip(0..).map(|(stats, place)| (address(stats.command), place)).collect();
        index.sort_unstable();
        Stats {
            commands,
            index,
            errors: Mutex::default(),
            error_replies: AtomicU64::new(0),
            rates: Mutex::new(Rates {
                last: Instant::now(),
                totals: [0; 3],
                samples: [[0.0; 3]; RATE_SAMPLES],
                next: 0,
            }),
            commands_processed: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            connections_rejected: AtomicU64::new(0),
            input_bytes: AtomicU64::new(0),
            output_bytes: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            lookups: Lookups::default(),
            input_buffer_bytes_peak: AtomicU64::new(0),
            output_buffer_bytes_peak: AtomicU64::new(0),
        }
    }
}

impl Stats {
    /// The place of a command's counters; the same as long as the process lives.
    pub fn index(&self, command: &'static Command) -> StatsIndex {
        let place = self.index.binary_search_by_key(&address(command), |&(row, _)| row);
        StatsIndex(place.map_or(0, |at| self.index[at].1))
    }

    /// The command whose counters are there.
    pub fn command(&self, index: StatsIndex) -> &'static Command {
        self.commands[index.0 as usize].command
    }

    /// Counts a call that ran.
    pub fn called(&self, index: StatsIndex, took: Duration, failed: bool) {
        let stats = &self.commands[index.0 as usize];
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        stats.calls.fetch_add(1, Relaxed);
        stats.micros.fetch_add(micros, Relaxed);
        stats.histogram[bucket(micros)].fetch_add(1, Relaxed);
        if failed {
            stats.failed.fetch_add(1, Relaxed);
        }
        self.commands_processed.fetch_add(1, Relaxed);
    }

    /// Counts a call that was refused before it ran.
    pub fn rejected(&self, command: &'static Command) {
        let index = self.index(command);
        self.commands[index.0 as usize].rejected.fetch_add(1, Relaxed);
    }

    /// Counts an error reply, given without its `-`.
    pub fn error(&self, reply: &[u8]) {
        self.error_replies.fetch_add(1, Relaxed);
        let code = reply.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
        let code = String::from_utf8_lossy(code);
        let mut errors = self.errors.lock();
        if let Some(count) = errors.get_mut(code.as_ref()) {
            *count += 1;
        } else if errors.len() < ERROR_CODES_MAX {
            errors.insert(code.into_owned(), 1);
        }
    }

    /// The counters of all commands and subcommands that were asked for since the last reset.
    pub fn used(&self) -> impl Iterator<Item = &CommandStats> {
        self.commands.iter().filter(|stats| {
            [&stats.calls, &stats.rejected, &stats.failed].iter().any(|count| count.load(Relaxed) > 0)
        })
    }

    /// Error replies by code.
    pub fn errors(&self) -> BTreeMap<String, u64> {
        self.errors.lock().clone()
    }

    /// All error replies.
    pub fn error_replies(&self) -> u64 {
        self.error_replies.load(Relaxed)
    }

    /// Forgets everything, as `CONFIG RESETSTAT` asks.
    pub fn reset(&self) {
        for stats in &self.commands {
            for count in [&stats.calls, &stats.micros, &stats.rejected, &stats.failed] {
                count.store(0, Relaxed);
            }
        }
        self.reset_histograms();
        self.errors.lock().clear();
        for count in [
            &self.error_replies,
            &self.commands_processed,
            &self.connections,
            &self.connections_rejected,
            &self.input_bytes,
            &self.output_bytes,
            &self.reads,
            &self.writes,
            &self.lookups.hits,
            &self.lookups.misses,
        ] {
            count.store(0, Relaxed);
        }
        *self.rates.lock() =
            Rates { last: Instant::now(), totals: [0; 3], samples: [[0.0; 3]; RATE_SAMPLES], next: 0 };
    }

    /// Forgets the times of calls.
    pub fn reset_histograms(&self) {
        for count in self.commands.iter().flat_map(|stats| &stats.histogram) {
            count.store(0, Relaxed);
        }
    }

    /// Takes a sample for the rates; to be called every 100 ms or so.
    pub fn sample(&self, now: Instant) {
        let totals = [&self.commands_processed, &self.input_bytes, &self.output_bytes]
            .map(|count| count.load(Relaxed));
        let mut rates = self.rates.lock();
        let seconds = now.saturating_duration_since(rates.last).as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        let mut sample = [0.0; 3];
        for (rate, (new, old)) in sample.iter_mut().zip(totals.iter().zip(rates.totals)) {
            *rate = new.saturating_sub(old) as f64 / seconds;
        }
        let next = rates.next;
        rates.samples[next] = sample;
        rates.next = (next + 1) % RATE_SAMPLES;
        rates.totals = totals;
        rates.last = now;
    }

    /// The mean of the last samples.
    pub fn rate(&self) -> Rate {
        let rates = self.rates.lock();
        let mean = |i: usize| rates.samples.iter().map(|sample| sample[i]).sum::<f64>() / RATE_SAMPLES as f64;
        Rate { commands: mean(0), input_kib: mean(1) / 1024.0, output_kib: mean(2) / 1024.0 }
    }
}

impl CommandStats {
    /// Calls by time, read at one moment.
    pub fn histogram(&self) -> [u64; HISTOGRAM_BUCKETS] {
        std::array::from_fn(|i| self.histogram[i].load(Relaxed))
    }
}

/// The upper bound in microseconds of the time that `percent` of the calls stayed within; 0 without calls.
pub(super) fn percentile(histogram: &[u64; HISTOGRAM_BUCKETS], percent: f64) -> u64 {
    let total: u64 = histogram.iter().sum();
    let wanted = ((total as f64) * percent / 100.0).ceil().max(1.0) as u64;
    let mut seen = 0;
    for (i, count) in histogram.iter().enumerate() {
        seen += count;
        if seen >= wanted {
            return (2 << i) - 1;
        }
    }
    0
}

fn bucket(micros: u64) -> usize {
    // Less than 2 is bucket 0, less than 4 is bucket 1, and so on.
    (micros.max(1).ilog2() as usize).min(HISTOGRAM_BUCKETS - 1)
}

fn add_with_subcommands(all: &mut Vec<CommandStats>, command: &'static Command) {
    all.push(CommandStats {
        command,
        calls: AtomicU64::new(0),
        micros: AtomicU64::new(0),
        rejected: AtomicU64::new(0),
        failed: AtomicU64::new(0),
        histogram: std::array::from_fn(|_| AtomicU64::new(0)),
    });
    for sub in command.subcommands {
        add_with_subcommands(all, sub);
    }
}

/// Rows are told apart by where they are, which is cheaper than by name.
fn address(command: &'static Command) -> usize {
    std::ptr::from_ref(command).addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_counters_of_its_own() {
        let stats = Stats::default();
        for (place, expected) in stats.commands.iter().zip(0..) {
            assert_eq!(stats.index(place.command), StatsIndex(expected), "{}", place.command.full_name());
        }
    }

    #[test]
    fn percentiles_are_upper_bounds() {
        let mut histogram = [0; HISTOGRAM_BUCKETS];
        assert_eq!(percentile(&histogram, 50.0), 0);
        for micros in [0, 1, 2, 3, 5, 9, 1000] {
            histogram[bucket(micros)] += 1;
        }
        assert_eq!(percentile(&histogram, 10.0), 1);
        assert_eq!(percentile(&histogram, 50.0), 3);
        assert_eq!(percentile(&histogram, 99.0), 1023);
        assert_eq!(bucket(u64::MAX), HISTOGRAM_BUCKETS - 1);
    }

    #[test]
    fn error_codes_are_bounded() {
        let stats = Stats::default();
        for i in 0..1000 {
            stats.error(format!("CODE{i} text").as_bytes());
        }
        assert_eq!(stats.errors().len(), ERROR_CODES_MAX);
        assert_eq!(stats.error_replies(), 1000);
        stats.reset();
        assert_eq!((stats.errors().len(), stats.error_replies()), (0, 0));
    }
}
