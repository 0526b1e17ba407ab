//! When to wait a moment before the next round, of a batch or of a read barrier, begins.
//!
//! Clients that wait for their replies come back together, a moment after the round that answered them closed.
//! Did the next round begin for the first of them, all others would wait for a whole further round, and every
//! other round would be nearly empty. So it is learned how many arrive within a short window after a close,
//! and the next round is held for nearly as many, never longer than the window.
//!
//! A lone client waits for nothing: it is the one that is expected. Where clients do not come back, the
//! expectation falls by half with each close.
//!
//! Called by: [`crate::pipeline`] for batches and [`crate::barrier`] for reads, each under its lock.

use std::time::Duration;

use tokio::time::Instant;

/// The window is as long as a round, but within these bounds.
const WINDOW_MIN: Duration = Duration::from_micros(100);
const WINDOW_MAX: Duration = Duration::from_millis(5);

/// What was learned about clients that come back.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    /// When the last round closed with no other in flight.
    closed: Option<Instant>,
    /// How many arrived in the window after it.
    returned: usize,
    /// How many are expected in a window: a moving average.
    expected: f32,
    /// How long a round takes: a moving average.
    round: Duration,
}

impl Gathering {
    /// The last round in flight closed; it began at `began`.
    pub(crate) fn closed(&mut self, began: Instant, now: Instant) {
        let round = now.saturating_duration_since(began);
        self.round = if self.round.is_zero() { round } else { (self.round * 3 + round) / 4 };
        if self.closed.is_some() {
            self.expected = (self.expected + self.returned as f32) / 2.0;
        }
        self.closed = Some(now);
        self.returned = 0;
    }

    /// A group of requests arrived.
    pub(crate) fn arrived(&mut self, now: Instant) {
        if self.end().is_some_and(|end| now <= end) {
            self.returned += 1;
        }
    }

    /// Whether those who wait should wait for more.
    pub(crate) fn holds(&self, waiting: usize, now: Instant) -> bool {
        let here_before = waiting.saturating_sub(self.returned);
        // Worth it where the round grows by half or more.
        let nearly_all = self.expected * 0.9;
        self.end().is_some_and(|end| now < end)
            && (self.returned as f32) < nearly_all
            && nearly_all > here_before as f32 * 0.5
    }

    /// How long a held round waits at most.
    pub(crate) fn window(&self) -> Duration {
        self.round.clamp(WINDOW_MIN, WINDOW_MAX)
    }

    fn end(&self) -> Option<Instant> {
        Some(self.closed? + self.window())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Duration = Duration::from_micros(800);

    /// Rounds in which so many come back at once: for how many of them the batch is held.
    fn learned(returning: usize, rounds: usize) -> (Gathering, Instant) {
        let mut gathering = Gathering::default();
        let mut now = Instant::now();
        for _ in 0..rounds {
            gathering.closed(now, now + ROUND);
            now += ROUND;
            for _ in 0..returning {
                gathering.arrived(now);
            }
        }
        (gathering, now)
    }

    #[tokio::test]
    async fn a_batch_waits_for_those_who_come_back() {
        let (mut gathering, now) = learned(50, 10);
        gathering.closed(now, now + ROUND);
        let now = now + ROUND;
        for waiting in 1..45 {
            gathering.arrived(now);
            assert!(gathering.holds(waiting, now), "{waiting}");
        }
        gathering.arrived(now);
        assert!(!gathering.holds(45, now));
    }

    #[tokio::test]
    async fn never_longer_than_the_window() {
        let (mut gathering, now) = learned(50, 10);
        gathering.closed(now, now + ROUND);
        let now = now + ROUND;
        gathering.arrived(now);
        assert_eq!(gathering.window(), ROUND);
        assert!(gathering.holds(1, now + ROUND - Duration::from_micros(1)));
        assert!(!gathering.holds(1, now + ROUND));
    }

    #[tokio::test]
    async fn a_lone_client_waits_for_nothing() {
        let (mut gathering, now) = learned(1, 10);
        gathering.closed(now, now + ROUND);
        gathering.arrived(now + ROUND);
        assert!(!gathering.holds(1, now + ROUND));
    }

    #[tokio::test]
    async fn many_who_wait_already_do_not_wait_for_a_few() {
        let (mut gathering, now) = learned(10, 10);
        gathering.closed(now, now + ROUND);
        assert!(gathering.holds(10, now + ROUND));
        assert!(!gathering.holds(30, now + ROUND));
    }

    #[tokio::test]
    async fn those_who_stay_away_are_forgotten() {
        let (mut gathering, mut now) = learned(50, 10);
        for _ in 0..8 {
            gathering.closed(now, now + ROUND);
            now += ROUND;
        }
        assert!(!gathering.holds(1, now));
    }
}
