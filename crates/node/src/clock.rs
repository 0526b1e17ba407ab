//! Agreed time: the clock that expiry follows (section 5 of the design).
//!
//! Three layers, each immune to a fault of the one below:
//!
//! - [`WallClock`] is the operating system's clock; it may be wrong, and may jump.
//! - [`SharedClock`] is a node's opinion of the cluster's time: its monotonic clock plus the *median* of
//!   what the voters' wall clocks say. One wrong clock among three moves nothing.
//! - [`LeaderClock`] hands out time on the leader, never backwards, not even across leaders.
//!
//! A leader hands out time in two ways: in the stamps of entries, and in read barriers. A later leader
//! sees the stamps in its log but not the barriers, so a barrier's time stays within [`GRANT`] of the
//! newest stamp that this leader has applied, and a new leader starts at [`GRANT`] above the newest stamp
//! of the terms before its own. An election takes longer than that, so no jump is seen.
//!
//! Invariants: for any two times handed out anywhere, the one that was handed out later (in real time)
//! is not smaller. State changes only by applied entries: `applied` is the state's clock, and it is
//! the maximum of all stamps so far.
//!
//! Called by: the leader task for stamps, the barrier service for barriers, the ping loop for samples.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_keyspace::Millis;
use quorate_raft::NodeId;
use tokio::time::Instant;

/// How far above the newest applied stamp a read barrier's time may lie. Below the shortest election,
/// above the longest distance of two stamps (see `leader.rs`).
pub const GRANT: Duration = Duration::from_millis(450);

/// How long a sample of another node's clock counts.
const SAMPLE_LIFE: Duration = Duration::from_secs(30);

/// A source of wall-clock time; a test or a simulation hands in its own.
pub trait WallClock: Send + Sync + 'static {
    /// Milliseconds since the Unix epoch.
    fn now(&self) -> Millis;
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl WallClock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> Millis {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A node's opinion of the cluster's time.
pub struct SharedClock {
    wall: Box<dyn WallClock>,
    base: Millis,
    started: Instant,
    samples: Mutex<BTreeMap<NodeId, Sample>>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    /// The other node's wall clock minus our monotonic time, in milliseconds.
    offset: i64,
    taken: Instant,
}

impl SharedClock {
    /// Starts from the wall clock; other nodes' clocks come in by [`sample`](SharedClock::sample).
    pub fn new(wall: Box<dyn WallClock>) -> SharedClock {
        let base = wall.now();
        SharedClock { wall, base, started: Instant::now(), samples: Mutex::default() }
    }

    /// What this node's wall clock says, for others to sample.
    pub fn wall(&self) -> Millis {
        self.wall.now()
    }

    fn monotonic(&self) -> i64 {
        self.base.0.saturating_add(i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    /// Notes what another voter's wall clock said in an exchange that took `round_trip`.
    pub fn sample(&self, node: NodeId, said: Millis, round_trip: Duration) {
        let half = i64::try_from(round_trip.as_millis() / 2).unwrap_or(0);
        let offset = said.0.saturating_add(half).saturating_sub(self.monotonic());
        self.samples.lock().insert(node, Sample { offset, taken: Instant::now() });
    }

    /// How many voters other than this node have a fresh sample.
    pub fn sampled(&self) -> usize {
        self.samples.lock().values().filter(|sample| sample.taken.elapsed() < SAMPLE_LIFE).count()
    }

    /// The median of the voters' clocks, this node's own among them. Of an even number the lower middle
    /// counts: time that waits is harmless, time that leaps expires keys early.
    pub fn now(&self) -> Millis {
        let monotonic = self.monotonic();
        let mut offsets: Vec<i64> = {
            let samples = self.samples.lock();
            let fresh = samples.values().filter(|sample| sample.taken.elapsed() < SAMPLE_LIFE);
            fresh.map(|sample| sample.offset).collect()
        };
        offsets.push(self.wall.now().0.saturating_sub(monotonic));
        offsets.sort_unstable();
        Millis(monotonic.saturating_add(offsets[(offsets.len() - 1) / 2]))
    }
}

/// Time as the leader of one term hands it out.
#[derive(Debug)]
pub struct LeaderClock {
    /// Nothing below this is handed out.
    floor: Millis,
}

impl LeaderClock {
    /// A new leader's clock. `applied` is the state's clock after every entry of earlier terms has been
    /// applied.
    pub fn new(applied: Millis) -> LeaderClock {
        LeaderClock { floor: plus_grant(applied) }
    }

    /// The time for the next entry's stamp.
    pub fn stamp(&mut self, now: Millis) -> Millis {
        self.floor = self.floor.max(now);
        self.floor
    }

    /// The time for a read barrier; `applied` is the state's clock now.
    pub fn barrier(&mut self, now: Millis, applied: Millis) -> Millis {
        // The floor never exceeds what stamps that are under way and earlier barriers have said.
        self.floor = self.floor.max(now.min(plus_grant(applied)));
        self.floor.min(plus_grant(applied))
    }
}

fn plus_grant(time: Millis) -> Millis {
    Millis(time.0.saturating_add(GRANT.as_millis() as i64))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    struct Hand(Arc<AtomicI64>);

    impl WallClock for Hand {
        fn now(&self) -> Millis {
            Millis(self.0.load(Ordering::Relaxed))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_wrong_clock_moves_nothing() {
        let own = Arc::new(AtomicI64::new(1_000_000));
        let clock = SharedClock::new(Box::new(Hand(own.clone())));
        clock.sample(NodeId(2), Millis(1_000_002), Duration::ZERO);
        clock.sample(NodeId(3), Millis(999_999), Duration::ZERO);
        assert_eq!(clock.now(), Millis(1_000_000));

        own.store(99_000_000, Ordering::Relaxed);
        assert_eq!(clock.now(), Millis(1_000_002), "our own clock leapt");
        own.store(5, Ordering::Relaxed);
        assert_eq!(clock.now(), Millis(999_999), "our own clock fell back");
        own.store(1_000_000, Ordering::Relaxed);
        clock.sample(NodeId(2), Millis(99_000_000), Duration::ZERO);
        assert_eq!(clock.now(), Millis(1_000_000), "another node's clock leapt");
        assert_eq!(clock.sampled(), 2);

        tokio::time::advance(Duration::from_secs(31)).await;
        own.store(1_031_000, Ordering::Relaxed);
        assert_eq!((clock.sampled(), clock.now()), (0, Millis(1_031_000)), "old samples do not count");
    }

    #[test]
    fn time_never_runs_backwards_across_leaders() {
        let grant = GRANT.as_millis() as i64;
        let mut first = LeaderClock::new(Millis(0));
        let stamp = first.stamp(Millis(10_000));
        assert_eq!(stamp, Millis(10_000));
        // The stamp is applied; barriers may run ahead of it, but no further than the grant.
        assert_eq!(first.barrier(Millis(10_100), stamp), Millis(10_100));
        let last_barrier = first.barrier(Millis(99_000), stamp);
        assert_eq!(last_barrier, Millis(10_000 + grant));

        let mut second = LeaderClock::new(stamp);
        assert!(second.stamp(Millis(9_000)) >= last_barrier, "its wall clock is behind");
        assert!(second.barrier(Millis(9_000), stamp) >= last_barrier);
    }

    #[test]
    fn a_stamp_follows_the_barriers_before_it() {
        let mut clock = LeaderClock::new(Millis(0));
        let stamp = clock.stamp(Millis(5_000));
        let barrier = clock.barrier(Millis(5_200), stamp);
        assert!(clock.stamp(Millis(5_100)) >= barrier);
    }
}
