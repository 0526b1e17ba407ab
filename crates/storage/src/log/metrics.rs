//! Counters of the log, read by the metrics endpoint while the writer counts.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Buckets of the histogram: bucket `i` holds the syncs below `2^i * 16` microseconds; the last one all slower ones.
const BUCKETS: usize = 18;

/// Counters since the log was opened. All are monotonic.
#[derive(Debug, Default)]
pub struct LogMetrics {
    /// Successful syncs.
    pub syncs: AtomicU64,
    /// Groups written.
    pub groups: AtomicU64,
    /// Operations in these groups.
    pub operations: AtomicU64,
    /// Entries in these groups.
    pub entries: AtomicU64,
    /// Bytes of these groups.
    pub bytes: AtomicU64,
    /// Groups that found no room.
    pub disk_full: AtomicU64,
    /// Entries that were read from disk instead of memory.
    pub disk_reads: AtomicU64,
    /// Time of write and sync per group.
    pub sync_time: SyncHistogram,
}

/// A histogram with power-of-two buckets.
#[derive(Debug, Default)]
pub struct SyncHistogram {
    buckets: [AtomicU64; BUCKETS],
    total_us: AtomicU64,
}

impl SyncHistogram {
    pub(crate) fn record(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let index = (u64::BITS - (micros / 16).leading_zeros()) as usize;
        if let Some(bucket) = self.buckets.get(index.min(BUCKETS - 1)) {
            bucket.fetch_add(1, Relaxed);
        }
        self.total_us.fetch_add(micros, Relaxed);
    }

    /// Upper bound of each bucket (`None` for the last, unbounded one) and the number of syncs in it.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> + '_ {
        self.buckets.iter().enumerate().map(|(index, count)| {
            let bound = (index + 1 < BUCKETS).then(|| Duration::from_micros(16 << index));
            (bound, count.load(Relaxed))
        })
    }

    /// Number of syncs.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }

    /// Sum of all times.
    #[must_use]
    pub fn total(&self) -> Duration {
        Duration::from_micros(self.total_us.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_the_bucket_that_bounds_them() {
        let histogram = SyncHistogram::default();
        for micros in [0, 15, 16, 31, 32, 1_000_000_000] {
            histogram.record(Duration::from_micros(micros));
        }
        let counts: Vec<u64> = histogram.buckets().map(|(_, count)| count).collect();
        assert_eq!(counts[..3], [2, 2, 1]);
        assert_eq!(counts[BUCKETS - 1], 1);
        assert_eq!(histogram.count(), 6);
        assert_eq!(histogram.buckets().next().unwrap().0, Some(Duration::from_micros(16)));
    }
}
